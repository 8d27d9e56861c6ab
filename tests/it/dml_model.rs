//! Random UPDATE, DELETE and MERGE against plain lists, on tables with and without key and partitions.
//!
//! After each statement the rows that it reports and the version are compared, after some the content; at the end every
//! version and many ranges. `TIMETRAVEL_SEED=n` runs only that sequence, `TIMETRAVEL_DML_SEQUENCES` says how many.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod model;
mod statements;
mod terms;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_timetravel::{Code, SessionContextExt, TimeTravel};
use object_store::memory::InMemory;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::lake::{Session, ours, store};
use model::Table;
use terms::Row;

const STATEMENTS: usize = 25;

struct Sequence {
    rng: StdRng,
    session: Session,
    table: Table,
    trace: Vec<String>,
}

impl Sequence {
    async fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let tt = TimeTravel::with_store(store(Arc::new(InMemory::new()))).await.unwrap();
        let config = SessionConfig::new()
            .with_target_partitions(rng.random_range(1..4))
            .with_batch_size([2, 8192][rng.random_range(0..2)])
            .with_default_catalog_and_schema("warehouse", "default")
            .with_create_default_catalog_and_schema(false);
        let ctx = SessionContext::new_with_config(config);
        ctx.with_timetravel("warehouse", &tt).await.unwrap();
        let table = Table::new(seed.is_multiple_of(2), rng.random_bool(0.5));
        Self { rng, session: Session { tt, ctx }, table, trace: vec![] }
    }

    async fn sql(&mut self, sql: &str) -> Vec<String> {
        self.trace.push(format!("{sql};"));
        self.session.ok(sql).await
    }

    async fn run(&mut self) {
        let create = statements::create(&self.table);
        self.sql(&create).await;
        self.sql("CREATE TABLE src (k BIGINT, a BIGINT)").await;
        let source = statements::source(&mut self.rng, &mut self.table);
        self.sql(&source).await;
        for number in 0..STATEMENTS {
            if self.rng.random_bool(0.3) {
                let source = statements::source(&mut self.rng, &mut self.table);
                self.sql(&source).await;
            }
            match self.rng.random_range(0..12) {
                0 => self.compact().await,
                1..4 => self.step(statements::insert).await,
                _ if number == 0 => self.step(statements::insert).await,
                _ => self.step(statements::change).await,
            }
        }
        for version in 1..=self.table.versions.len() {
            let expected = self.table.versions[version - 1].rows.clone();
            self.compare(&format!("t VERSION AS OF {version}"), expected).await;
        }
        for _ in 0..8 {
            let last = self.table.versions.len();
            let (a, b) = (self.rng.random_range(1..=last), self.rng.random_range(1..=last));
            let (a, b) = (a.min(b), a.max(b));
            let expected = self.table.between(a, b);
            self.compare(&format!("t VERSION BETWEEN {a} AND {b}"), expected).await;
        }
    }

    /// A statement, refused or not, and what it leaves.
    async fn step(&mut self, make: fn(&mut StdRng, &mut Table) -> statements::Step) {
        let step = make(&mut self.rng, &mut self.table);
        self.trace.push(format!("{}; -- {:?} rows, version {}", step.sql, step.changed, self.table.versions.len()));
        match (step.changed, self.session.run(&step.sql).await) {
            (Some(changed), Ok(rows)) => assert_eq!(rows, [changed.to_string()], "rows changed"),
            (None, Err(error)) => assert_eq!(ours(&error).code(), Code::ConstraintViolation, "{error}"),
            (changed, result) => panic!("{changed:?} rows expected: {result:?}"),
        }
        let version = self.session.number("SELECT get_latest_version('t')").await;
        assert_eq!(version, self.table.versions.len() as u64, "the version");
        if self.rng.random_bool(0.5) {
            let rows = self.table.rows().to_vec();
            self.compare("t", rows).await;
        }
    }

    async fn compact(&mut self) {
        self.sql("ALTER TABLE t COMPACT MAJOR").await;
        let version = self.session.number("SELECT get_latest_version('t')").await;
        while self.table.versions.len() as u64 != version {
            self.table.same();
        }
    }

    async fn compare(&mut self, from: &str, expected: Vec<Row>) {
        let day = if self.table.partitioned { "d" } else { "''" };
        let mut found = self.session.ok(&format!("SELECT k, a, b, {day} AS d FROM {from}")).await;
        let text = |value: Option<i64>| value.map_or_else(|| "NULL".to_owned(), |value| value.to_string());
        let shown = |row: &Row| format!("{} {} {} {}", text(row.k), text(row.a), text(row.b), row.d);
        let mut expected: Vec<String> = expected.iter().map(shown).collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{from}, expected on the right");
    }
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
fn updates_deletes_and_merges_agree_with_the_model() {
    let (first, count) = match number("TIMETRAVEL_SEED") {
        Some(seed) => (seed, 1),
        None => (1, number("TIMETRAVEL_DML_SEQUENCES").unwrap_or(24)),
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
