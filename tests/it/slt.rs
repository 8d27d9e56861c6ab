//! Runs every file of `tests/slt` against a fresh warehouse in memory and another on the local disk.
//!
//! `tests/slt/README.md` describes the files. A run goes on after a failure, so that one run shows all of them;
//! `SLT=insert` runs only the files whose path has that text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::DataFusionError;
use datafusion::dataframe::DataFrame;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_timetravel::store::{Durability, ManualClock, Timestamp};
use datafusion_timetravel::{SessionContextExt, TimeTravel};
use sqllogictest::{
    AsyncDB, DBOutput, DefaultColumnType, MakeConnection, Normalizer, QueryExpect, Record, Runner, SortMode,
    default_validator,
};

/// Where every file starts.
const START: &str = "2024-03-01 00:00:00";

/// One file's warehouse: what its sessions share.
#[derive(Debug, Clone)]
struct Warehouse {
    url: String,
    clock: ManualClock,
}

impl Warehouse {
    fn new(url: String) -> Self {
        Self { url, clock: ManualClock::new(moment(START)) }
    }

    async fn session(&self) -> Result<Session, DataFusionError> {
        let tt = TimeTravel::builder(&self.url)
            .clock(Arc::new(self.clock.clone()))
            .durability(Durability::Relaxed)
            .build()
            .await?;
        let config = SessionConfig::new()
            .with_information_schema(true)
            .with_target_partitions(2)
            .with_default_catalog_and_schema("warehouse", "default")
            .with_create_default_catalog_and_schema(false);
        let ctx = SessionContext::new_with_config(config);
        ctx.with_timetravel("warehouse", &tt).await?;
        Ok(Session { warehouse: self.clone(), tt, ctx })
    }
}

/// One connection of a file: a session of its own on the file's warehouse.
struct Session {
    warehouse: Warehouse,
    tt: TimeTravel,
    ctx: SessionContext,
}

#[async_trait]
impl AsyncDB for Session {
    type Error = DataFusionError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, DataFusionError> {
        let (word, rest) = sql.split_once(char::is_whitespace).unwrap_or((sql, ""));
        let frame = match word {
            "CLOCK" => {
                set_clock(&self.warehouse.clock, rest.trim());
                return Ok(DBOutput::StatementComplete(0));
            }
            "REOPEN" => {
                *self = self.warehouse.session().await?;
                return Ok(DBOutput::StatementComplete(0));
            }
            "PLAIN" => self.ctx.sql(rest).await?,
            _ => self.tt.sql(&self.ctx, sql).await?,
        };
        rows(frame, changes_rows(word)).await
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &'static str {
        "timetravel"
    }
}

/// `'2024-03-01 00:00:00'` sets the clock, `+ '10 seconds'` moves it on.
fn set_clock(clock: &ManualClock, argument: &str) {
    let Some(step) = argument.strip_prefix('+') else {
        clock.set(moment(argument.trim_matches('\'')));
        return;
    };
    let step = step.trim().trim_matches('\'');
    let (number, unit) = step.split_once(' ').unwrap_or_else(|| panic!("CLOCK + {step:?}: write + '10 seconds'"));
    let seconds = match unit.trim_end_matches('s') {
        "second" => 1,
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        other => panic!("CLOCK: no unit {other:?}"),
    };
    clock.advance(Duration::from_secs(seconds * number.parse::<u64>().expect("a whole number")));
}

fn moment(text: &str) -> Timestamp {
    let time = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f")
        .unwrap_or_else(|error| panic!("{text:?} is no time: {error}"));
    Timestamp::from_micros(time.and_utc().timestamp_micros())
}

fn changes_rows(word: &str) -> bool {
    ["INSERT", "DELETE", "UPDATE", "MERGE"].iter().any(|verb| word.eq_ignore_ascii_case(verb))
}

/// Collects a result as text. What changes rows answers with their number, for `statement count`.
async fn rows(frame: DataFrame, count: bool) -> Result<DBOutput<DefaultColumnType>, DataFusionError> {
    let types = frame.schema().fields().iter().map(|field| column_type(field.data_type())).collect();
    let batches = frame.collect().await?;
    let options = FormatOptions::default().with_null("NULL").with_types_info(false);
    let mut rows = Vec::new();
    for batch in &batches {
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| text(&column.value(row).to_string())).collect::<Vec<_>>());
        }
    }
    match rows.as_slice() {
        [row] if count && row.len() == 1 => Ok(DBOutput::StatementComplete(row[0].parse().expect("a count"))),
        _ => Ok(DBOutput::Rows { types, rows }),
    }
}

/// A value on one line; a text without characters would not be seen.
fn text(value: &str) -> String {
    if value.is_empty() { "(empty)".to_owned() } else { value.replace('\n', "\\n") }
}

fn column_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        _ if data_type.is_integer() => DefaultColumnType::Integer,
        _ if data_type.is_floating() => DefaultColumnType::FloatingPoint,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DefaultColumnType::Text,
        _ => DefaultColumnType::Any,
    }
}

/// Both sides as lines with single spaces. Where the expected rows write `<id>`, ids are written so.
fn lines(normalizer: Normalizer, actual: &[Vec<String>], expected: &[String]) -> (Vec<String>, Vec<String>) {
    let masked = expected.iter().any(|line| line.contains("<id>"));
    let mask = |word: &str| {
        let id = word.len() == 32 && word.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if masked && id { "<id>".to_owned() } else { word.to_owned() }
    };
    let line = |row: &Vec<String>| {
        let joined = row.iter().map(normalizer).collect::<Vec<_>>().join(" ");
        joined.split(' ').map(mask).collect::<Vec<_>>().join(" ")
    };
    (actual.iter().map(line).collect(), expected.iter().map(normalizer).collect())
}

/// Compares results row by row.
fn same_order(normalizer: Normalizer, actual: &[Vec<String>], expected: &[String]) -> bool {
    if expected.iter().any(|line| line.contains("<slt:ignore>")) {
        return default_validator(normalizer, actual, expected);
    }
    let (actual, expected) = lines(normalizer, actual, expected);
    actual == expected
}

/// Compares results as sets: the expected rows may stand in any order too.
fn same_rows(normalizer: Normalizer, actual: &[Vec<String>], expected: &[String]) -> bool {
    let (mut actual, mut expected) = lines(normalizer, actual, expected);
    actual.sort_unstable();
    expected.sort_unstable();
    actual == expected
}

/// Runs one file and gives what failed in it, by line.
async fn run_file(path: &Path, url: String) -> Vec<String> {
    let records = match sqllogictest::parse_file::<DefaultColumnType>(path) {
        Ok(records) => records,
        Err(error) => return vec![error.to_string()],
    };
    let warehouse = Warehouse::new(url);
    let mut runner = Runner::new(|| {
        let warehouse = warehouse.clone();
        async move { warehouse.session().await }
    });
    let mut as_set = false;
    let mut failures = Vec::new();
    for record in records {
        if matches!(record, Record::Halt { .. }) {
            break;
        }
        let (next, failed) = run_record(&mut runner, record, as_set).await;
        as_set = next;
        failures.extend(failed);
    }
    failures
}

/// Runs one record; `as_set` says whether results compare as sets unless the record says otherwise.
async fn run_record<M: MakeConnection<Conn = Session>>(
    runner: &mut Runner<Session, M>,
    record: Record<DefaultColumnType>,
    as_set: bool,
) -> (bool, Option<String>) {
    let default = match &record {
        Record::Control(sqllogictest::Control::SortMode(mode)) => *mode == SortMode::RowSort,
        _ => as_set,
    };
    let this = match &record {
        Record::Query { expected: QueryExpect::Results { sort_mode: Some(mode), .. }, .. } => {
            *mode == SortMode::RowSort
        }
        _ => default,
    };
    runner.with_validator(if this { same_rows } else { same_order });
    let failed = runner.run_async(record).await.err();
    (default, failed.map(|error| error.display(false).to_string()))
}

/// The files, folder by folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let (folders, files): (Vec<_>, Vec<_>) = entries.into_iter().partition(|path| path.is_dir());
    let own = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "slt"));
    folders.iter().flat_map(|folder| self::files(folder)).chain(own).collect()
}

async fn run_all(store: &str, url: impl Fn(&str) -> String) {
    let root = Path::new("tests/slt");
    let wanted = std::env::var("SLT").unwrap_or_default();
    let mut report = String::new();
    let mut failed = 0;
    for path in files(root) {
        let name = path.strip_prefix(root).unwrap().with_extension("").to_string_lossy().replace(['/', '\\'], "-");
        if !name.contains(&wanted) {
            continue;
        }
        let failures = run_file(&path, url(&name)).await;
        failed += usize::from(!failures.is_empty());
        for failure in &failures {
            writeln!(report, "{failure}\n").unwrap();
        }
    }
    assert!(failed == 0, "{failed} files failed on {store}:\n\n{report}");
}

#[test]
fn every_file_is_found() {
    assert!(files(Path::new("tests/slt")).len() >= 15);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_memory() {
    run_all("memory", |name| format!("memory://slt-{name}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_local_disk() {
    let folder = tempfile::tempdir().unwrap();
    run_all("the local disk", |name| folder.path().join(name).to_string_lossy().into_owned()).await;
}
