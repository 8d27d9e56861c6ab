//! Random sequences of SQL statements on several tables, by several sessions, against an oracle of plain lists.
//!
//! After each statement its error, the heads of all logs and the names are compared, after some the content; at the end
//! versions by number and by time, ranges, filters, counts, history and partitions. What is random follows from the seed:
//! `TIMETRAVEL_SEED=n` replays a sequence, `TIMETRAVEL_SQL_SEQUENCES` says how many there are, from that seed on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod condition;
mod model;
mod observer;
mod shape;
mod steps;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_timetravel::store::{ManualClock, SeededIds, Store, Timestamp};
use datafusion_timetravel::{SessionContextExt, TimeTravel};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use condition::{Condition, condition};
use model::{Table, Verdict};
use observer::Observer;
use shape::{Row, quoted};
use steps::{Effect, Step, Steps};

const SEQUENCES: u64 = 400;
const STATEMENTS: usize = 50;
const SESSIONS: usize = 2;

/// 2024-03-01 00:00:00 UTC.
const START: Timestamp = Timestamp::from_millis(1_709_251_200_000);

/// Clocks go no further: the backup retention is a day.
const LONGEST: Duration = Duration::from_secs(20 * 3600);

/// After so many failures no further sequence is tried.
const FAILURES: usize = 4;

/// Statements per statement that reads many versions.
const TOGETHER: usize = 5;

struct Session {
    tt: TimeTravel,
    ctx: SessionContext,
}

/// A statement that was planned and runs later.
enum Held {
    /// What it must read, whatever happens meanwhile.
    Read(DataFrame, Vec<String>),
    /// A write to a table, planned at one of its versions.
    Write(DataFrame, usize, usize, Write),
}

enum Write {
    Insert(Vec<Row>),
    Overwrite(Vec<Row>),
    Delete(Condition),
}

/// One sequence: a warehouse, its sessions and tables, and what was done.
struct Sequence {
    steps: Steps,
    store: Store,
    clock: ManualClock,
    elapsed: Duration,
    sessions: Vec<Session>,
    observer: Observer,
    tables: Vec<Table>,
    held: Vec<Held>,
    trace: Vec<String>,
}

impl Sequence {
    async fn new(seed: u64) -> Self {
        let steps = Steps::new(StdRng::seed_from_u64(seed));
        let clock = ManualClock::new(START);
        let store = Store::open("memory://", [])
            .unwrap()
            .with_clock(Arc::new(clock.clone()))
            .with_ids(Arc::new(SeededIds::new(seed)));
        let observer = Observer::new(store.clone());
        let (elapsed, sessions, tables) = (Duration::ZERO, vec![], vec![]);
        let mut sequence =
            Self { steps, store, clock, elapsed, sessions, observer, tables, held: vec![], trace: vec![] };
        for _ in 0..SESSIONS {
            let session = sequence.open().await;
            sequence.sessions.push(session);
        }
        sequence
    }

    async fn run(&mut self) {
        for _ in 0..STATEMENTS {
            self.between_statements().await;
            if self.tables.iter().any(|table| !table.dropped) && self.chance(5) {
                self.hold().await;
                continue;
            }
            if !self.held.is_empty() && self.chance(30) {
                let held = self.held.remove(0);
                self.finish(held).await;
                continue;
            }
            let step = self.steps.statement(&self.tables);
            self.execute(step).await;
        }
        while let Some(held) = self.held.pop() {
            self.finish(held).await;
        }
        for at in 0..self.tables.len() {
            if self.chance(30) {
                self.reopen().await;
            }
            match self.tables[at].dropped {
                true => self.check_dropped(at).await,
                false => self.check_all(at).await,
            }
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.steps.rng.random_range(0..100) < percent
    }

    fn below(&mut self, n: usize) -> usize {
        self.steps.rng.random_range(0..n)
    }

    /// What happens beside statements: clocks jump, processes come and go, checkpoints are written.
    async fn between_statements(&mut self) {
        match self.below(20) {
            0..5 if self.elapsed < LONGEST => {
                let step = Duration::from_millis(self.steps.rng.random_range(0..3_600_000));
                self.elapsed += step;
                self.clock.advance(step);
                self.trace.push(format!("-- clock + {step:?}"));
            }
            5 => {
                let back = Duration::from_secs(self.steps.rng.random_range(0..120));
                let now = self.store.now().saturating_sub(back);
                self.clock.set(now);
                self.trace.push(format!("-- clock - {back:?}"));
            }
            6 => self.reopen().await,
            7 => {
                self.sessions[0].tt.flush().await;
                self.trace.push("-- checkpoints written".to_owned());
            }
            _ => {}
        }
    }

    async fn reopen(&mut self) {
        let at = self.below(SESSIONS);
        if self.chance(50) {
            self.sessions[at].tt.flush().await;
        }
        self.sessions[at] = self.open().await;
        self.trace.push(format!("-- session {at} reopened"));
    }

    /// A new handle on the warehouse, as another process would have it.
    async fn open(&mut self) -> Session {
        let tt = TimeTravel::with_store(self.store.clone()).await.unwrap();
        let config = SessionConfig::new()
            .with_target_partitions(if self.chance(80) { 1 } else { 3 })
            .with_batch_size(if self.chance(30) { 2 } else { 8192 })
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema("lake", "default")
            .set_usize("datafusion.optimizer.max_passes", if self.chance(80) { 1 } else { 3 });
        let ctx = SessionContext::new_with_config(config);
        ctx.with_timetravel("lake", &tt).await.unwrap();
        Session { tt, ctx }
    }

    /// Runs a statement, and checks its error, what it committed, and all names.
    async fn execute(&mut self, step: Step) {
        let at = self.below(SESSIONS);
        let mut sql = step.sql;
        if let Effect::On(table, _) | Effect::Compacts(table) = &step.effect {
            for (n, (place, born)) in step.partitions.iter().enumerate() {
                let id = self.observer.partition(&self.tables[*table], *place, *born).await;
                sql = sql.replace(&format!("{{{n}}}"), &id);
            }
        }
        // A dry or refused undrop: its table is the one whose name it gives.
        if !step.partitions.is_empty() && sql.contains("{0}") {
            let named = |table: &&Table| !table.dropped && sql.starts_with(&format!("RESTORE TABLE {} ", table.name));
            let table = self.tables.iter().find(named).unwrap().clone();
            for (n, (place, born)) in step.partitions.iter().enumerate() {
                let id = self.observer.partition(&table, *place, *born).await;
                sql = sql.replace(&format!("{{{n}}}"), &id);
            }
        }
        self.trace.push(format!("/* {at} */ {sql};"));
        let done = self.run_sql(at, &sql).await;
        let refused = match &step.effect {
            Effect::Refused(code) | Effect::On(_, Verdict::Refused(code)) => Some(*code),
            _ => None,
        };
        match (&done, refused) {
            (Ok(_), None) => {}
            (Err(error), Some(code)) if error.contains(code) => self.trace.push(format!("-- {error}")),
            (Ok(_), Some(code)) => panic!("it went through, but {code} was expected"),
            (Err(error), _) => panic!("{error}, expected {refused:?}"),
        }
        let written = self.apply(step.effect).await;
        self.check_heads().await;
        if let Some(at) = written.filter(|at| !self.tables[*at].dropped)
            && self.chance(30)
        {
            self.check_now(at).await;
        }
    }

    /// Makes the model what it must become; gives the table that was written.
    async fn apply(&mut self, effect: Effect) -> Option<usize> {
        match effect {
            Effect::On(at, Verdict::Commit(version)) => {
                self.tables[at].versions.push(version);
                Some(at)
            }
            Effect::On(at, Verdict::Maybe(version)) => {
                if self.observer.head(&self.tables[at].id).await > self.tables[at].head() {
                    self.tables[at].versions.push(version);
                }
                Some(at)
            }
            Effect::Compacts(at) => {
                let head = self.observer.head(&self.tables[at].id).await;
                let table = &mut self.tables[at];
                let most = table.now().parts.len();
                assert!(head >= table.head() && head - table.head() <= most, "{head} after {}", table.head());
                while table.head() < head {
                    let mut next = table.next("COMPACT");
                    next.loose = true;
                    table.versions.push(next);
                }
                Some(at)
            }
            Effect::Creates(mut table, replaces) => {
                if let Some(old) = replaces {
                    self.tables[old].drop();
                }
                table.id = self.observer.names().await.get(&table.name).expect("the new table has its name").clone();
                self.tables.push(*table);
                Some(self.tables.len() - 1)
            }
            Effect::Drops(at) => {
                self.tables[at].drop();
                Some(at)
            }
            Effect::Undrops(at) => {
                self.tables[at].undrop();
                Some(at)
            }
            Effect::Renames(at, name) => {
                let table = &mut self.tables[at];
                table.name = name;
                table.versions.push(table.next("ALTER"));
                Some(at)
            }
            Effect::Sets(at, key, value) => {
                let table = &mut self.tables[at];
                table.properties.insert(key, value);
                table.versions.push(table.next("ALTER"));
                Some(at)
            }
            Effect::On(..) | Effect::Nothing | Effect::Refused(_) => None,
        }
    }

    /// Plans a statement that runs later, when others have run.
    async fn hold(&mut self) {
        let live: Vec<usize> = (0..self.tables.len()).filter(|at| !self.tables[*at].dropped).collect();
        let (at, session) = (live[self.below(live.len())], self.below(SESSIONS));
        let table = self.tables[at].clone();
        if self.chance(60) {
            let rows = self.steps.rows(table.shape, table.cols());
            let tuple = |row: &Row| table.shape.tuple(row, table.cols(), table.shape.levels);
            let values = format!("{} VALUES {}", table.name, rows.iter().map(tuple).collect::<Vec<_>>().join(", "));
            let (sql, write) = match self.below(3) {
                0 => {
                    let filter = condition(&mut self.steps.rng, table.shape, table.cols(), 1);
                    let sql = format!("DELETE FROM {} WHERE {}", table.name, filter.sql(table.shape));
                    (sql, Write::Delete(filter))
                }
                1 => (format!("INSERT OVERWRITE {values}"), Write::Overwrite(rows)),
                _ => (format!("INSERT INTO {values}"), Write::Insert(rows)),
            };
            self.trace.push(format!("/* {session}, runs later */ {sql};"));
            let frame = self.sessions[session].ctx.sql(&sql).await.unwrap_or_else(|error| panic!("{error}"));
            self.held.push(Held::Write(frame, at, table.head(), write));
        } else {
            let sql = format!("SELECT * FROM {}", table.name);
            self.trace.push(format!("/* {session}, runs later */ {sql};"));
            let session = &self.sessions[session];
            let frame = session.tt.sql(&session.ctx, &sql).await.unwrap_or_else(|error| panic!("{error}"));
            self.held.push(Held::Read(frame, shown(&table, table.head(), table.rows_at(table.head()))));
        }
    }

    async fn finish(&mut self, held: Held) {
        match held {
            Held::Read(frame, expected) => {
                self.trace.push("-- a held read runs".to_owned());
                let batches = frame.collect().await.unwrap_or_else(|error| panic!("{error}"));
                same("what was there when the statement was planned", expected, texts(&batches));
            }
            Held::Write(frame, at, base, write) => {
                let table = &self.tables[at];
                self.trace.push(format!("-- a held write to {} runs", table.name));
                let done = frame.collect().await.map_err(|error| error.strip_backtrace());
                let changed = table.head() > base;
                let verdict = match (table.outdated(base), write) {
                    (_, Write::Delete(filter))
                        if done.is_ok() && !table.rows_at(base).iter().any(|row| filter.holds(row)) =>
                    {
                        Verdict::Nothing
                    }
                    (Some(code), _) => Verdict::Refused(code),
                    (None, Write::Insert(rows)) => table.insert(&rows),
                    (None, Write::Overwrite(rows)) => {
                        let whole = (!table.shape.partitioned()).then_some(0);
                        table.overwrite(&rows.iter().map(|row| row.place).chain(whole).collect(), &rows)
                    }
                    // It read what it deletes: whatever was written there since is a conflict.
                    (None, Write::Delete(_)) if changed && done.is_err() => Verdict::Refused("TT_CONFLICT"),
                    (None, Write::Delete(filter)) => table.delete(|row| filter.holds(row)),
                };
                match (done, &verdict) {
                    (Ok(_), Verdict::Refused(code)) => panic!("it went through, but {code} was expected"),
                    (Err(error), Verdict::Refused(code)) if error.contains(code) => {}
                    (Err(error), _) => panic!("{error}, expected {verdict:?}"),
                    _ => {}
                }
                self.apply(Effect::On(at, verdict)).await;
                self.check_heads().await;
            }
        }
    }

    /// Every log has as many versions as the model, and every name stands for the right table.
    async fn check_heads(&mut self) {
        let live: BTreeMap<String, String> = self
            .tables
            .iter()
            .filter(|table| !table.dropped)
            .map(|table| (table.name.clone(), table.id.clone()))
            .collect();
        assert_eq!(self.observer.names().await, live, "the names, expected on the right");
        for table in &self.tables {
            let head = self.observer.head(&table.id).await;
            assert_eq!(head, table.head(), "the head of {}, expected on the right", table.name);
        }
    }

    async fn check_now(&mut self, at: usize) {
        let table = &self.tables[at];
        let expected = shown(table, table.head(), table.rows_at(table.head()));
        let sql = format!("SELECT * FROM {}", table.name);
        let rows = self.rows(&sql).await;
        same("the content now", expected, rows);
    }

    /// A dropped table is unknown by its name, and its history is there by its id.
    async fn check_dropped(&mut self, at: usize) {
        let table = self.tables[at].clone();
        if self.tables.iter().all(|other| other.dropped || other.name != table.name) {
            let error = self.run_sql(0, &format!("SELECT * FROM {}", table.name)).await.unwrap_err();
            assert!(error.contains("TT_TABLE_DROPPED") || error.contains("TT_TABLE_NOT_FOUND"), "{error}");
        }
        let sql = format!("SHOW HISTORY FOR TABLE {} ('id'='{}')", table.name, table.id);
        let found = self.rows(&sql).await;
        check_history(&table, &found);
    }

    /// Everything that can be asked of one table; of many versions some.
    async fn check_all(&mut self, at: usize) {
        let table = self.tables[at].clone();
        let (name, head) = (&table.name, table.head());
        let history = self.rows(&format!("SHOW HISTORY FOR TABLE {name}")).await;
        check_history(&table, &history);
        assert_eq!(self.observer.properties(&table.id).await, table.properties, "the properties of {name}");
        let times = self.observer.times(&table.id).await;
        assert!(times.is_sorted_by(|a, b| a < b), "commit times {times:?}");
        self.check_now(at).await;
        self.check_partitions(&table).await;

        // One statement for many versions: they must not be taken for each other.
        let mut parts = vec![];
        let mut ask = |tag: String, v: usize, from: String, rows: Vec<Row>| {
            let lines = shown(&table, v, rows).into_iter().map(|row| format!("{tag}|{row}")).collect::<Vec<_>>();
            let line = table.shape.line(&table.at(v).cols);
            parts.push((format!("SELECT '{tag}' AS tag, {line} AS line FROM {from}"), lines));
        };
        let rng = &mut self.steps.rng;
        let mut versions: Vec<usize> = (1..=head).collect();
        while versions.len() > 6 {
            versions.swap_remove(rng.random_range(0..versions.len()));
        }
        for v in versions {
            let from = match rng.random_range(0..4) {
                0 => format!("{name} TIMESTAMP AS OF {}", time(times[v - 1])),
                1 => format!("at('{name}', {v})"),
                _ => format!("{name} VERSION AS OF {v}"),
            };
            ask(format!("at {v}"), v, from, table.rows_at(v));
        }
        for _ in 0..3 {
            let (a, b) = (rng.random_range(1..=head), rng.random_range(1..=head));
            let (a, b) = (a.min(b), a.max(b));
            let from = match rng.random_range(0..3) {
                0 => format!("{name} TIMESTAMP BETWEEN {} AND {}", time(times[a - 1]), time(times[b - 1])),
                1 => format!("incremental('{name}', {a}, {b})"),
                _ => format!("{name} VERSION BETWEEN {a} AND {b}"),
            };
            ask(format!("({a} {b}]"), b, from, table.between(a, b));
        }
        let v = rng.random_range(1..=head);
        let filter = condition(rng, table.shape, &table.at(v).cols, 2);
        let mut rows = table.rows_at(v);
        rows.retain(|row| filter.holds(row));
        let from = format!("{name} VERSION AS OF {v} WHERE {}", filter.sql(table.shape));
        ask(format!("filter at {v}"), v, from, rows);
        for parts in parts.chunks(TOGETHER) {
            let sql = parts.iter().map(|(sql, _)| sql.as_str()).collect::<Vec<_>>().join(" UNION ALL ");
            let rows = self.rows(&sql).await;
            same(&format!("the versions of {name}"), parts.iter().flat_map(|(_, rows)| rows.clone()).collect(), rows);
        }
        self.check_numbers(&table).await;
    }

    async fn check_partitions(&mut self, table: &Table) {
        if !table.shape.partitioned() {
            return;
        }
        let listed = self.rows(&format!("LIST PARTITIONS {}", table.name)).await;
        let expected = table.now().parts.keys().map(|place| table.shape.place_name(*place)).collect();
        same(&format!("the partitions of {}", table.name), expected, listed);
    }

    /// Counts of versions, and `get_latest_version`.
    async fn check_numbers(&mut self, table: &Table) {
        let name = &table.name;
        let operations: Vec<usize> = (1..=table.head()).rev().filter(|v| table.at(*v).operation != "ALTER").collect();
        let n = 1 + self.below(operations.len());
        let mut asked =
            vec![format!("(SELECT count(*) FROM {name}) AS now"), format!("get_latest_version('{name}', {n})")];
        let mut numbers = vec![table.rows_at(table.head()).len(), operations[n - 1]];
        let v = 1 + self.below(table.head());
        asked.push(format!("(SELECT count(*) FROM {name} VERSION AS OF {v}) AS old"));
        numbers.push(table.rows_at(v).len());
        let rows = self.rows(&format!("SELECT {}", asked.join(", "))).await;
        let numbers = numbers.iter().map(usize::to_string).collect::<Vec<_>>().join("|");
        assert_eq!(rows, [numbers], "numbers of {name}, expected on the right");
    }

    /// The rows of a query, in any of the sessions.
    async fn rows(&mut self, sql: &str) -> Vec<String> {
        let at = self.below(SESSIONS);
        self.trace.push(format!("/* {at} */ {sql};"));
        self.run_sql(at, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Runs a statement and gives its rows as text.
    async fn run_sql(&self, at: usize, sql: &str) -> Result<Vec<String>, String> {
        let told = |error: DataFusionError| error.strip_backtrace();
        let frame = self.sessions[at].tt.sql(&self.sessions[at].ctx, sql).await.map_err(told)?;
        Ok(texts(&frame.collect().await.map_err(told)?))
    }
}

fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = vec![];
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap()).collect();
        let row = |at: usize| columns.iter().map(|column| column.value(at).to_string()).collect::<Vec<_>>().join("|");
        rows.extend((0..batch.num_rows()).map(row));
    }
    rows
}

/// Every version is a line of the table, or one of each partition that it touched.
fn check_history(table: &Table, found: &[String]) {
    let mut lines: BTreeMap<usize, Vec<(String, String, String)>> = BTreeMap::new();
    for line in found {
        // The name of an object may hold what separates columns.
        let fields: Vec<&str> = line.split('|').collect();
        let (kind, last) = (fields[0].to_owned(), fields.len());
        let object = if kind == "TABLE" { String::new() } else { fields[2..last - 3].join("|") };
        let version = fields[last - 3].parse().unwrap();
        lines.entry(version).or_default().push((kind, object, fields[last - 1].to_owned()));
    }
    let name = &table.name;
    assert_eq!(lines.keys().copied().collect::<Vec<_>>(), (1..=table.head()).collect::<Vec<_>>(), "LSNs of {name}");
    for (version, mut found) in lines {
        let operation = table.at(version).operation;
        if table.at(version).loose {
            assert!(found.iter().all(|(.., op)| op == operation || op == "CREATE"), "{version} of {name}: {found:?}");
            continue;
        }
        let line = |(place, operation): (Option<usize>, &str)| match place {
            Some(place) => ("PARTITION".to_owned(), table.shape.place_name(place), operation.to_owned()),
            None => ("TABLE".to_owned(), String::new(), operation.to_owned()),
        };
        let mut expected: Vec<_> = table.history(version).into_iter().map(line).collect();
        (expected.sort(), found.sort());
        assert_eq!(found, expected, "the history of version {version} of {name}, expected on the right");
    }
}

/// A commit's time, exactly.
fn time(time: Timestamp) -> String {
    let micros = time.as_micros();
    format!("arrow_cast({micros}, {})", quoted("Timestamp(Microsecond, None)"))
}

fn shown(table: &Table, version: usize, rows: Vec<Row>) -> Vec<String> {
    rows.iter().map(|row| table.shape.shown(row, &table.at(version).cols)).collect()
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

/// Tells the seed and the statements of a sequence that panics or is replayed.
struct Told<'a>(u64, &'a mut Sequence);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() || replays() {
            println!("\n{}\n-- replay with TIMETRAVEL_SEED={}", self.1.trace.join("\n"), self.0);
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}

/// Whether one sequence is to be told.
fn replays() -> bool {
    number("TIMETRAVEL_SEED").is_some() && number("TIMETRAVEL_SQL_SEQUENCES").is_none()
}

fn sequences(count: u64) {
    let (first, count) = match (number("TIMETRAVEL_SEED"), number("TIMETRAVEL_SQL_SEQUENCES")) {
        (Some(seed), some) => (seed, some.unwrap_or(1)),
        (None, some) => (1, some.unwrap_or(count)),
    };
    let (next, failed) = (AtomicU64::new(first), Mutex::new(vec![]));
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count || failed.lock().unwrap().len() >= FAILURES {
                return;
            }
            let sequence = || {
                runtime.block_on(async {
                    let mut sequence = Sequence::new(seed).await;
                    Told(seed, &mut sequence).1.run().await;
                });
            };
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(sequence)).is_err() {
                failed.lock().unwrap().push(seed);
            }
        }
    };
    // Plans are deep, and without optimisation so are the stacks.
    let thread = || std::thread::Builder::new().stack_size(16 << 20);
    std::thread::scope(|scope| {
        thread().spawn_scoped(scope, work).unwrap();
        thread().spawn_scoped(scope, work).unwrap();
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "replay with TIMETRAVEL_SEED=n, one of {failed:?}");
}

#[test]
fn sequences_of_statements_agree_with_the_model() {
    sequences(SEQUENCES);
}

#[test]
#[ignore = "ten times as many: half an hour"]
fn many_sequences_of_statements_agree_with_the_model() {
    sequences(10 * SEQUENCES);
}
