//! Random sequences of SQL statements against an oracle of plain lists.
//!
//! After each statement the head is compared, after some the content; at the end every version, by number and by time, ranges, counts and
//! filters. `TIMETRAVEL_SEED=n` runs only that sequence, `TIMETRAVEL_SQL_SEQUENCES` says how many there are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod model;
mod steps;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_timetravel::catalog::{CatalogLog, DEFAULT_SCHEMA, Object, TableName};
use datafusion_timetravel::store::layout::LogRoot;
use datafusion_timetravel::store::{ManualClock, Store, Timestamp};
use datafusion_timetravel::table::TableLog;
use datafusion_timetravel::{SessionContextExt, TimeTravel};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use model::{Row, Table};
use steps::{Commits, Step};

const STATEMENTS: usize = 30;

/// 2024-03-01 00:00:00 UTC.
const START: Timestamp = Timestamp::from_millis(1_709_251_200_000);

/// One sequence: a warehouse, its tables, and what was done.
struct Sequence {
    rng: StdRng,
    store: Store,
    clock: ManualClock,
    tt: TimeTravel,
    ctx: SessionContext,
    tables: Vec<Table>,
    trace: Vec<String>,
}

impl Sequence {
    async fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let clock = ManualClock::new(START);
        let store = Store::open("memory://", []).unwrap().with_clock(Arc::new(clock.clone()));
        let (tt, ctx) = open(&store, &mut rng).await;
        Self { rng, store, clock, tt, ctx, tables: vec![], trace: vec![] }
    }

    async fn run(&mut self) {
        self.create("t0").await;
        for _ in 1..STATEMENTS {
            self.between_statements().await;
            match self.rng.random_range(0..100) {
                0..4 if self.tables.len() == 1 => self.create("t1").await,
                0..2 => self.create_again().await,
                _ => {
                    let at = self.rng.random_range(0..self.tables.len());
                    let before = self.tables[at].head();
                    let step = steps::statement(&mut self.rng, &mut self.tables[at]);
                    self.execute(at, before, step).await;
                }
            }
        }
        for at in 0..self.tables.len() {
            if self.rng.random_bool(0.5) {
                self.reopen().await;
            }
            self.check_all(at).await;
        }
    }

    /// What happens beside statements: clocks jump, processes come and go, checkpoints are written.
    async fn between_statements(&mut self) {
        match self.rng.random_range(0..10) {
            0..3 => {
                let step = Duration::from_millis(self.rng.random_range(0..3_600_000));
                self.clock.advance(step);
                self.trace.push(format!("-- clock + {step:?}"));
            }
            3 => {
                let back = Duration::from_secs(self.rng.random_range(0..120));
                let now = self.store.now().saturating_sub(back);
                self.clock.set(now);
                self.trace.push(format!("-- clock - {back:?}"));
            }
            4 => self.reopen().await,
            5 => {
                self.tt.flush().await;
                self.trace.push("-- checkpoints written".to_owned());
            }
            _ => {}
        }
    }

    async fn reopen(&mut self) {
        if self.rng.random_bool(0.5) {
            self.tt.flush().await;
        }
        (self.tt, self.ctx) = open(&self.store, &mut self.rng).await;
        self.trace.push("-- reopened".to_owned());
    }

    async fn create(&mut self, name: &str) {
        let (step, table) = steps::create(&mut self.rng, name);
        self.trace.push(format!("{};", step.sql));
        self.run_sql(&step.sql).await.unwrap_or_else(|error| panic!("{error}"));
        self.tables.push(table);
        self.check_now(self.tables.len() - 1).await;
    }

    /// A new table of an old name has nothing of the old one.
    async fn create_again(&mut self) {
        let table = self.tables.pop().unwrap();
        let sql = format!("DROP TABLE {}", table.name);
        self.trace.push(format!("{sql};"));
        self.run_sql(&sql).await.unwrap_or_else(|error| panic!("{error}"));
        self.create(&table.name).await;
    }

    /// Runs a statement on a table that had `before` versions, and checks what it committed.
    async fn execute(&mut self, at: usize, before: usize, step: Step) {
        self.trace.push(format!("{};", step.sql));
        let done = self.run_sql(&step.sql).await;
        match (step.commits, &done) {
            (Commits::Refused, Ok(_)) => panic!("a wrong row was accepted"),
            (Commits::Refused, Err(_)) => {}
            (_, Err(error)) => panic!("{error}"),
            _ => {}
        }
        let head = self.head(&self.tables[at].name).await;
        let table = &mut self.tables[at];
        match step.commits {
            Commits::AsModel | Commits::Refused => {}
            Commits::NoneOr(operation) => {
                assert!(head >= before && head - before <= 1, "{} commits", head - before);
                (before..head).for_each(|_| table.same(operation));
            }
        }
        assert_eq!(head, table.head(), "the head after the statement, expected on the right");
        // Every version is read at the end; the latest one, which is planned otherwise, often enough here.
        if self.rng.random_bool(0.3) {
            self.check_now(at).await;
        }
    }

    async fn head(&self, name: &str) -> usize {
        let catalog = CatalogLog::new(self.store.clone(), LogRoot::Catalog).snapshot().await.unwrap();
        let Some(Object::Table(table)) = catalog.state.object(&TableName::new(DEFAULT_SCHEMA, name)) else {
            panic!("no table {name}");
        };
        let log = TableLog::new(self.store.clone(), LogRoot::Table(table.id));
        usize::try_from(log.snapshot().await.unwrap().lsn.get()).unwrap()
    }

    async fn check_now(&mut self, at: usize) {
        let (name, kind) = (&self.tables[at].name, self.tables[at].kind);
        let rows = self
            .run_sql(&format!("SELECT {} FROM {name}", kind.columns()))
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let expected = self.tables[at].at(self.tables[at].head());
        same("the content now", shown(expected, &self.tables[at]), rows);
    }

    /// Everything that can be asked of one table.
    async fn check_all(&mut self, at: usize) {
        let table = self.tables[at].clone();
        let (name, columns, head) = (&table.name, table.kind.columns(), table.head());
        let times = self.check_history(&table).await;

        // One statement for many versions: they must not be taken for each other.
        let mut parts = vec![];
        let mut ask = |tag: String, from: String, rows: Vec<Row>| {
            let rows = shown(rows, &table).into_iter().map(|row| format!("{tag}|{row}")).collect::<Vec<_>>();
            parts.push((format!("SELECT '{tag}' AS tag, {columns} FROM {from}"), rows));
        };
        for version in 1..=head {
            let from = match self.rng.random_range(0..3) {
                0 => format!("{name} TIMESTAMP AS OF '{}'", times[version - 1]),
                _ => format!("{name} VERSION AS OF {version}"),
            };
            ask(format!("at {version}"), from, table.at(version));
        }
        for _ in 0..5 {
            let (a, b) = (self.rng.random_range(1..=head), self.rng.random_range(1..=head));
            let (a, b) = (a.min(b), a.max(b));
            let from = match self.rng.random_range(0..3) {
                0 => format!("{name} TIMESTAMP BETWEEN '{}' AND '{}'", times[a - 1], times[b - 1]),
                1 => format!("incremental('{name}', {a}, {b})"),
                _ => format!("{name} VERSION BETWEEN {a} AND {b}"),
            };
            ask(format!("({a} {b}]"), from, table.between(a, b));
        }
        for _ in 0..3 {
            let version = self.rng.random_range(1..=head);
            let condition = steps::condition(&mut self.rng, table.kind, 2, false);
            let rows = table.at(version).into_iter().filter(|row| condition.holds(row, &table)).collect();
            ask(
                format!("filter at {version}"),
                format!("{name} VERSION AS OF {version} WHERE {}", condition.sql(&table)),
                rows,
            );
        }
        for parts in parts.chunks(8) {
            let sql = parts.iter().map(|(sql, _)| sql.as_str()).collect::<Vec<_>>().join(" UNION ALL ");
            self.trace.push(format!("{sql};"));
            let rows = self.rows(&sql).await;
            same(&format!("the versions of {name}"), parts.iter().flat_map(|(_, rows)| rows.clone()).collect(), rows);
        }

        let mut counts = vec![format!("(SELECT count(*) FROM {name}) AS now")];
        let mut numbers = vec![table.now().len()];
        for number in 0..3 {
            let version = self.rng.random_range(1..=head);
            counts.push(format!("(SELECT count(*) FROM {name} VERSION AS OF {version}) AS n{number}"));
            numbers.push(table.at(version).len());
        }
        let sql = format!("SELECT {}", counts.join(", "));
        self.trace.push(format!("{sql};"));
        let numbers = numbers.iter().map(usize::to_string).collect::<Vec<_>>().join("|");
        assert_eq!(self.rows(&sql).await, [numbers], "counts of {name}, expected on the right");
    }

    /// A line per version, or per partition that it touched, whose first fill is its CREATE. Gives the commit times.
    async fn check_history(&self, table: &Table) -> Vec<String> {
        let name = &table.name;
        let sql = format!(
            "SELECT version, operation, timestamp, CAST(timestamp AS BIGINT) AS micros FROM history('{name}') ORDER BY version"
        );
        let mut times: Vec<(i64, String)> = vec![];
        for line in self.rows(&sql).await {
            let fields: Vec<&str> = line.split('|').collect();
            let version: usize = fields[0].parse().unwrap();
            let time = (fields[3].parse().unwrap(), fields[2].to_owned());
            if version == times.len() + 1 {
                times.push(time);
            } else {
                assert_eq!((version, time), (times.len(), times[times.len() - 1].clone()), "the history of {name}");
            }
            let operation = table.versions[version - 1].operation;
            let filled =
                table.kind.partitioned() && matches!(operation, "APPEND" | "OVERWRITE") && fields[1] == "CREATE";
            assert!(filled || fields[1] == operation, "version {version} of {name} is {}, not {operation}", fields[1]);
        }
        assert_eq!(times.len(), table.head(), "the versions in the history of {name}");
        assert!(times.is_sorted_by(|a, b| a.0 < b.0), "commit times {times:?}");
        times.into_iter().map(|(_, text)| text).collect()
    }

    async fn rows(&self, sql: &str) -> Vec<String> {
        self.run_sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Runs a statement and gives its rows as text.
    async fn run_sql(&self, sql: &str) -> Result<Vec<String>, String> {
        let told = |error: datafusion::error::DataFusionError| error.strip_backtrace();
        let frame = self.tt.sql(&self.ctx, sql).await.map_err(told)?;
        let batches = frame.collect().await.map_err(told)?;
        let options = FormatOptions::default().with_null("NULL");
        let mut rows = vec![];
        for batch in &batches {
            let columns: Vec<_> = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
                .collect();
            let row =
                |at: usize| columns.iter().map(|column| column.value(at).to_string()).collect::<Vec<_>>().join("|");
            rows.extend((0..batch.num_rows()).map(row));
        }
        Ok(rows)
    }
}

/// A new handle on the warehouse, as another process would have it.
async fn open(store: &Store, rng: &mut StdRng) -> (TimeTravel, SessionContext) {
    let tt = TimeTravel::with_store(store.clone()).await.unwrap();
    let config = SessionConfig::new()
        .with_target_partitions(rng.random_range(1..4))
        .with_batch_size([2, 8192][rng.random_range(0..2)])
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema("lake", "default");
    let ctx = SessionContext::new_with_config(config);
    ctx.with_timetravel("lake", &tt).await.unwrap();
    (tt, ctx)
}

fn shown(rows: Vec<Row>, table: &Table) -> Vec<String> {
    rows.into_iter().map(|row| row.shown(table.kind)).collect()
}

/// Compares as multisets and tells the difference only.
fn same(what: &str, mut expected: Vec<String>, mut found: Vec<String>) {
    expected.sort_unstable();
    found.sort_unstable();
    if expected == found {
        return;
    }
    let mut extra = found;
    let mut missing = vec![];
    for row in expected {
        match extra.iter().position(|other| *other == row) {
            Some(at) => drop(extra.swap_remove(at)),
            None => missing.push(row),
        }
    }
    panic!("{what}: missing {missing:#?}, too many {extra:#?}");
}

/// Tells the seed and the statements of a sequence that panics.
struct Told<'a>(u64, &'a mut Sequence);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("\n{}\n-- TIMETRAVEL_SEED={}", self.1.trace.join("\n"), self.0);
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}

#[test]
fn sequences_of_statements_agree_with_the_model() {
    let (first, count) = match number("TIMETRAVEL_SEED") {
        Some(seed) => (seed, 1),
        None => (1, number("TIMETRAVEL_SQL_SEQUENCES").unwrap_or(200)),
    };
    let next = AtomicU64::new(first);
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            runtime.block_on(async {
                let mut sequence = Sequence::new(seed).await;
                Told(seed, &mut sequence).1.run().await;
            });
        }
    };
    // Plans are deep, and without optimisation so are the stacks.
    let thread = || std::thread::Builder::new().stack_size(16 << 20);
    std::thread::scope(|scope| {
        thread().spawn_scoped(scope, work).unwrap();
        thread().spawn_scoped(scope, work).unwrap();
    });
}
