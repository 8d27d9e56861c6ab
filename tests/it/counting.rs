//! What statements cost, counted in requests, bytes, merges and memory instead of seconds, so that it holds everywhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion_timetravel::TimeTravel;
use datafusion_timetravel::log::{Attempt, CommitOptions, Operation};
use datafusion_timetravel::store::layout::LogRoot;
use datafusion_timetravel::store::testing::{Call, CountingStore, Op};
use datafusion_timetravel::store::{CommitId, ObjectStore};
use datafusion_timetravel::table::TableLog;
use object_store::memory::InMemory;

use super::lake::{Session, store, table_id};
use super::pool::PeakPool;

/// A warehouse in memory whose requests are counted.
struct Counted {
    objects: Arc<dyn ObjectStore>,
    counts: CountingStore,
    session: Session,
}

impl Counted {
    async fn new() -> Self {
        Self::on(Arc::new(InMemory::new())).await
    }

    async fn on(objects: Arc<dyn ObjectStore>) -> Self {
        let counts = CountingStore::new(Arc::clone(&objects));
        let session = Session::open(Arc::new(counts.clone())).await;
        Self { objects, counts, session }
    }

    /// The requests of one statement.
    async fn cost(&self, sql: &str) -> Vec<Call> {
        self.session.tt.flush().await;
        self.counts.reset();
        self.session.ok(sql).await;
        self.session.tt.flush().await;
        self.counts.trace()
    }
}

fn paths(calls: &[Call], op: Op, part: &str) -> Vec<String> {
    calls
        .iter()
        .filter(|call| call.op == op && call.path.as_ref().contains(part))
        .map(|call| call.path.to_string())
        .collect()
}

/// The data files that were read, with at least one byte.
fn files_read(calls: &[Call]) -> BTreeSet<String> {
    paths(calls, Op::Get, "/data/").into_iter().collect()
}

#[tokio::test]
async fn a_one_row_upsert_is_two_puts_and_two_gets() {
    let lake = Counted::new().await;
    lake.session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)").await;
    lake.session.ok("INSERT INTO t VALUES (1, 1), (2, 2)").await;
    for k in [2, 3] {
        let calls = lake.cost(&format!("INSERT INTO t VALUES ({k}, 9)")).await;
        assert_eq!(paths(&calls, Op::Put, "/data/").len(), 1, "{calls:#?}");
        assert_eq!(paths(&calls, Op::Put, "/_log/").len(), 1, "{calls:#?}");
        assert_eq!(paths(&calls, Op::Put, "").len(), 2, "{calls:#?}");
        assert!(paths(&calls, Op::Get, "").len() <= 2, "{calls:#?}");
        let others = [Op::Head, Op::List, Op::Delete, Op::Copy].map(|op| paths(&calls, op, "").len());
        assert_eq!(others, [0; 4], "{calls:#?}");
    }
}

/// Brings the log of `t` to the version by commits without content.
async fn advance(objects: &Arc<dyn ObjectStore>, to: u64) {
    let id = table_id(Arc::clone(objects), "t").await;
    let store = store(Arc::clone(objects));
    let log = Arc::new(TableLog::new(store.clone(), LogRoot::Table(id)));
    let mut head = log.snapshot().await.unwrap();
    while head.lsn.get() < to {
        let options = CommitOptions::new(CommitId::from_u128(store.ids().next()), Operation::Alter, "test");
        head = log.commit(head, options, |_| Ok(Attempt::Actions(vec![]))).await.unwrap().snapshot;
        log.flush().await;
    }
}

/// Reads of the table's own log and checkpoints by a first count of its rows, and lists of its checkpoints.
async fn cost_of_opening(objects: &Arc<dyn ObjectStore>, rows: u64) -> (Vec<String>, usize) {
    let id = table_id(Arc::clone(objects), "t").await;
    let lake = Counted::on(Arc::clone(objects)).await;
    lake.counts.reset();
    assert_eq!(lake.session.number("SELECT count(*) FROM t").await, rows);
    let calls = lake.counts.trace();
    let folder = format!("{id}/");
    let mut reads = paths(&calls, Op::Get, &folder);
    reads.retain(|path| !path.contains("/data/"));
    (reads, paths(&calls, Op::List, &id.to_string()).len())
}

/// Counted are the requests for the table: one list of its checkpoints, one checkpoint, probes of slots. The catalog's
/// own opening and the data that the query reads come on top.
#[tokio::test]
async fn opening_a_table_of_a_thousand_commits_is_four_gets() {
    let lake = Counted::new().await;
    lake.session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)").await;
    for k in 0..10 {
        lake.session.ok(&format!("INSERT INTO t VALUES ({k}, {k})")).await;
    }
    lake.session.tt.flush().await;
    advance(&lake.objects, 999).await;
    Session::open(Arc::clone(&lake.objects)).await.ok("INSERT INTO t VALUES (10, 10)").await;
    tokio::task::yield_now().await;
    for commits in 990..=1_010 {
        advance(&lake.objects, commits).await;
        let (reads, lists) = cost_of_opening(&lake.objects, 11).await;
        assert!(reads.len() <= 4, "{commits} commits: {reads:#?}");
        assert_eq!(lists, 1);
    }
}

/// The same without a checkpoint, from the first commit on.
#[tokio::test]
async fn opening_a_new_table_is_four_gets() {
    let lake = Counted::new().await;
    lake.session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)").await;
    for rows in 0..10 {
        lake.session.tt.flush().await;
        let (reads, lists) = cost_of_opening(&lake.objects, rows).await;
        assert!(reads.len() <= 4, "{rows} inserts: {reads:#?}");
        assert_eq!(lists, 1);
        lake.session.ok(&format!("INSERT INTO t VALUES ({rows}, {rows})")).await;
    }
}

/// Where the checkpoint of a run was not written, commits are still found, by their own files and what they carry.
#[tokio::test]
async fn a_log_whose_checkpoints_are_lost_opens_from_its_commits() {
    let lake = Counted::new().await;
    lake.session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)").await;
    for rows in 0..20 {
        lake.session.ok(&format!("INSERT INTO t VALUES ({rows}, {rows})")).await;
        lake.session.tt.flush().await;
        let store = store(Arc::clone(&lake.objects));
        let id = table_id(Arc::clone(&lake.objects), "t").await;
        for lost in store.list(&LogRoot::Table(id).checkpoints_folder()).await.unwrap() {
            store.delete(&lost.location).await.unwrap();
        }
        let (reads, _) = cost_of_opening(&lake.objects, rows + 1).await;
        // All but the commits of the first run, which carry each other, by one request each, and the empty slots behind.
        assert!(reads.len() as u64 <= 4 + 2 * (rows + 2).saturating_sub(6), "{rows}: {reads:#?}");
    }
}

/// What a commit carries doesn't grow: the files of a long log of small commits stay small.
#[tokio::test]
async fn commit_files_carry_at_most_their_run() {
    let lake = Counted::new().await;
    lake.session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)").await;
    lake.session.ok("INSERT INTO t VALUES (1, 1)").await;
    advance(&lake.objects, 50).await;
    let id = table_id(Arc::clone(&lake.objects), "t").await;
    let store = store(Arc::clone(&lake.objects));
    for lsn in 1..=50 {
        let file = store.read(&LogRoot::Table(id).commit(lsn)).await.unwrap().unwrap();
        let text = std::str::from_utf8(&file).unwrap();
        let records = text.lines().filter(|line| line.starts_with("{\"actions\":")).count() as u64;
        assert_eq!(records, (lsn - 1) % 7 + 1, "{lsn}");
    }
}

/// Also under AS OF and BETWEEN. (R016)
#[tokio::test]
async fn pruned_partitions_and_files_are_not_read() {
    let lake = Counted::new().await;
    lake.session.ok("CREATE TABLE p (k BIGINT PRIMARY KEY, v BIGINT) PARTITIONED BY (d STRING)").await;
    lake.session.ok("INSERT INTO p VALUES (1, 1, 'a'), (2, 2, 'a'), (1, 10, 'b')").await;
    lake.session.ok("INSERT INTO p VALUES (1, 3, 'a'), (1, 11, 'b')").await;
    lake.session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)").await;
    lake.session.ok("INSERT INTO t VALUES (1, 1), (2, 2)").await;
    lake.session.ok("INSERT INTO t VALUES (101, 1), (102, 2)").await;
    lake.session.ok("INSERT INTO t VALUES (102, 3)").await;
    for (one, other, whole, files) in [
        ("SELECT sum(v) FROM p WHERE d = 'a'", "SELECT sum(v) FROM p WHERE d = 'b'", "SELECT sum(v) FROM p", 4),
        ("SELECT sum(v) FROM t WHERE k < 50", "SELECT sum(v) FROM t WHERE k > 50", "SELECT sum(v) FROM t", 3),
    ] {
        let mut read = Vec::new();
        for sql in [one, other, whole] {
            let fresh = Counted::on(Arc::clone(&lake.objects)).await;
            read.push(files_read(&fresh.cost(sql).await));
        }
        assert!(!read[0].is_empty() && !read[1].is_empty());
        assert!(read[0].is_disjoint(&read[1]), "{one}: {read:#?}");
        assert_eq!(read[2].len(), files, "{whole}: {read:#?}");
    }
    let nothing = Counted::on(Arc::clone(&lake.objects)).await;
    for sql in [
        "SELECT * FROM p WHERE d = 'c'",
        "SELECT * FROM p VERSION AS OF 2 WHERE d = 'c'",
        "SELECT * FROM p VERSION BETWEEN 1 AND 3 WHERE d = 'c'",
        "SELECT * FROM t WHERE k = 5000",
    ] {
        assert_eq!(files_read(&nothing.cost(sql).await), BTreeSet::new(), "{sql}");
    }
}

#[tokio::test]
async fn a_second_query_resolves_nothing() {
    let lake = Counted::new().await;
    lake.session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)").await;
    lake.session.ok("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)").await;
    lake.session.ok("INSERT INTO t VALUES (2, 20), (4, 4)").await;
    lake.session.ok("DELETE FROM t WHERE k = 3").await;
    let warehouse = lake.session.tt.warehouse().clone();
    let before = warehouse.resolutions();
    let first = lake.cost("SELECT sum(v) FROM t").await;
    let merged = warehouse.resolutions();
    assert!(merged > before);
    let second = lake.cost("SELECT sum(v) FROM t").await;
    assert_eq!(lake.session.number("SELECT sum(v) FROM t WHERE k > 1").await, 24);
    assert_eq!(warehouse.resolutions(), merged, "the same files were merged again");
    assert!(paths(&second, Op::Get, "/data/").len() <= paths(&first, Op::Get, "/data/").len());
}

#[tokio::test]
async fn a_join_of_versions_is_planned_on_plain_parquet() {
    let lake = Counted::new().await;
    lake.session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)").await;
    lake.session.ok("INSERT INTO t VALUES (1, 1), (2, 2)").await;
    lake.session.ok("INSERT INTO t VALUES (2, 20), (3, 30)").await;
    let plan = lake
        .session
        .ok("EXPLAIN FORMAT INDENT SELECT a.k, a.v, b.v FROM t VERSION AS OF 2 a JOIN t VERSION AS OF 3 b ON a.k = b.k WHERE b.v > 5 AND a.v > 1")
        .await
        .join("\n");
    assert_eq!(plan.matches("DataSourceExec").count(), 2, "{plan}");
    for line in plan.lines().filter(|line| line.contains("DataSourceExec")) {
        assert!(line.contains("predicate="), "{line}");
    }
    for sorting in ["SortExec", "SortPreservingMergeExec"] {
        assert!(!plan.contains(sorting), "{plan}");
    }
}

/// Rows whose keys come in no order, `times` as much as the pool holds, whatever their width; then what was written is
/// compacted in the same pool.
async fn a_load_stays_within_the_pool(pool_bytes: usize, times: usize, width: usize, batch_rows: usize) {
    let rows = times * pool_bytes / width;
    let pool = Arc::new(PeakPool::new(pool_bytes));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::clone(&pool) as _).build_arc().unwrap();
    let tt = TimeTravel::with_store(store(Arc::new(InMemory::new()))).await.unwrap();
    let session = Session::with_runtime(tt, runtime).await;
    session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, v STRING)").await;
    session.ok(&format!("SET datafusion.execution.batch_size = {batch_rows}")).await;
    let value = format!("repeat(chr(CAST(97 + value % 26 AS BIGINT)), {})", width.saturating_sub(8).max(1));
    let load = |rows: usize, factor: usize| {
        format!("INSERT INTO t SELECT (value * {factor}) % {rows}, {value} FROM generate_series(1, {rows})")
    };
    session.ok(&load(rows, 7_919)).await;
    let peak = pool.peak.swap(0, Ordering::SeqCst);
    println!("{width}: {} MB in, pool {} MB, peak {} MB", (rows * width) >> 20, pool_bytes >> 20, peak >> 20);
    assert!(peak <= pool_bytes, "peak {peak}");
    assert!(peak > pool_bytes / 10, "the pool was not used: peak {peak}");
    assert_eq!(pool.reserved(), 0, "memory that nobody uses any more is given back");
    assert_eq!(session.number("SELECT count(DISTINCT k) FROM t").await as usize, rows);
    for factor in [7, 11, 13] {
        session.ok(&load(rows / 10, factor)).await;
    }
    let before = session.run("SELECT count(*), sum(k), max(length(v)) FROM t").await.unwrap();
    for kind in ["MINOR", "MAJOR"] {
        pool.peak.store(0, Ordering::SeqCst);
        let versions = session.number("SELECT CAST(get_latest_version('t') AS BIGINT)").await;
        session.ok(&format!("ALTER TABLE t COMPACT {kind}")).await;
        let peak = pool.peak.load(Ordering::SeqCst);
        println!("{width}: COMPACT {kind}, peak {} MB", peak >> 20);
        assert!(peak <= pool_bytes, "{kind} {peak}");
        assert_eq!(pool.reserved(), 0);
        assert_eq!(session.number("SELECT CAST(get_latest_version('t') AS BIGINT)").await, versions + 1);
        assert_eq!(session.run("SELECT count(*), sum(k), max(length(v)) FROM t").await.unwrap(), before, "{kind}");
    }
}

#[tokio::test]
async fn a_load_of_narrow_rows_stays_within_the_pool() {
    a_load_stays_within_the_pool(32 << 20, 1, 64, 8_192).await;
}

#[tokio::test]
async fn a_load_of_rows_of_a_kilobyte_stays_within_the_pool() {
    a_load_stays_within_the_pool(40 << 20, 10, 1_024, 8_192).await;
}

/// A batch of 256 of them is as large as the pool.
#[tokio::test]
async fn a_load_of_rows_of_64_kilobytes_stays_within_the_pool() {
    a_load_stays_within_the_pool(16 << 20, 10, 65_536, 256).await;
}
