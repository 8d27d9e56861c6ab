//! Compaction beside other writers, in one commit for a statement, and by a policy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::TaskContext;
use datafusion_timetravel::auth::Caller;
use datafusion_timetravel::catalog::{DEFAULT_SCHEMA, TableName};
use datafusion_timetravel::log::Operation;
use datafusion_timetravel::ops::compact::{Compacted, Compaction, CompactionPolicy, due, maintain};
use datafusion_timetravel::ops::{Pin, compact};
use datafusion_timetravel::store::ObjectStore;
use datafusion_timetravel::store::layout::LogRoot;
use datafusion_timetravel::store::testing::{CountingStore, Fault, FaultStore, Op, Rule};
use datafusion_timetravel::table::{FileKind, TableLog, TableSnapshot};
use object_store::memory::InMemory;

use super::lake::{Session, store, table_id};

async fn snapshot(objects: &Arc<dyn ObjectStore>, name: &str) -> Arc<TableSnapshot> {
    let id = table_id(Arc::clone(objects), name).await;
    TableLog::new(store(Arc::clone(objects)), LogRoot::Table(id)).snapshot().await.unwrap()
}

async fn run_policy(session: &Session, policy: &CompactionPolicy) -> Vec<Compacted> {
    let caller = Caller { actor: "system".into(), reason: None };
    let pin = Pin::new(session.tt.warehouse(), &caller).await.unwrap();
    maintain(&pin, policy, &Arc::new(TaskContext::default())).await.unwrap()
}

/// What became of one partition while COMPACT wrote is planned again; the files of the other are kept.
#[tokio::test]
async fn only_what_conflicts_is_planned_again() {
    for kind in ["MAJOR", "MINOR"] {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let other = Session::open(Arc::clone(&objects)).await;
        other.ok("CREATE TABLE p (k BIGINT PRIMARY KEY, v BIGINT) PARTITIONED BY (d STRING)").await;
        for v in 0..4 {
            other.ok(&format!("INSERT INTO p VALUES (1, {v}, 'a'), ({v}, {v}, 'b'), (2, {v}, 'c')")).await;
        }
        let counts = CountingStore::new(Arc::clone(&objects));
        let faults = FaultStore::new(Arc::new(counts.clone()), 1);
        let session = Session::open(Arc::new(faults.clone())).await;
        assert_eq!(session.number("SELECT count(*) FROM p").await, 6);
        counts.reset();
        faults.add(Rule::on(Op::Put).path("/_log/").nth(1).fault(Fault::HangUntilReleased));
        let running = tokio::spawn({
            let session = session.clone();
            async move { session.run(&format!("ALTER TABLE p COMPACT {kind}")).await }
        });
        while faults.fired() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // `a` and `c` are replaced, `b` only gets more.
        other.ok("INSERT OVERWRITE TABLE p PARTITION (d = 'a') VALUES (7, 7)").await;
        other.ok("INSERT INTO p VALUES (8, 8, 'a'), (9, 9, 'b')").await;
        other.ok("INSERT INTO p VALUES (8, 80, 'a')").await;
        other.ok("INSERT OVERWRITE TABLE p PARTITION (d = 'c') VALUES (5, 5)").await;
        let wanted = other.run("SELECT * FROM p ORDER BY d, k").await.unwrap();
        faults.release().await;
        running.await.unwrap().unwrap();
        let data =
            |op| counts.trace().iter().filter(|call| call.op == op && call.path.as_ref().contains("/data/")).count();
        assert_eq!((data(Op::Put), data(Op::Delete)), (4, 2), "{kind}: a twice, b and c once; a's first and c's go");
        assert_eq!(session.run("SELECT * FROM p ORDER BY d, k").await.unwrap(), wanted, "{kind}");
        let head = snapshot(&objects, "p").await;
        assert_eq!(head.header.as_ref().unwrap().operation, Operation::Compact);
        assert_eq!(head.lsn.get(), 10, "{kind}: one commit");
    }
}

/// Writers go on all the time, also on the same keys. (R011)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_and_compactions_side_by_side() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let session = Session::open(Arc::clone(&objects)).await;
    session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)").await;
    let writer = tokio::spawn({
        let session = Session::open(Arc::clone(&objects)).await;
        async move {
            for v in 0..40 {
                session.ok(&format!("INSERT INTO t VALUES ({}, {v}), (100, {v})", v % 7)).await;
                if v % 5 == 4 {
                    session.ok(&format!("DELETE FROM t WHERE k = {}", v % 7)).await;
                }
            }
        }
    });
    let mut turn = 0;
    while !writer.is_finished() {
        turn += 1;
        session.ok(&format!("ALTER TABLE t COMPACT {}", if turn % 4 == 0 { "MAJOR" } else { "MINOR" })).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    writer.await.unwrap();
    let mut rows = std::collections::BTreeMap::new();
    for v in 0..40 {
        rows.insert(v % 7, v);
        rows.insert(100, v);
        if v % 5 == 4 {
            rows.remove(&(v % 7));
        }
    }
    let expected: Vec<String> = rows.iter().map(|(k, v)| format!("{k} {v}")).collect();
    assert_eq!(session.run("SELECT * FROM t ORDER BY k").await.unwrap(), expected);
    session.ok("ALTER TABLE t COMPACT MINOR").await;
    assert_eq!(session.run("SELECT * FROM t ORDER BY k").await.unwrap(), expected);
    session.ok("ALTER TABLE t COMPACT MAJOR").await;
    assert_eq!(session.run("SELECT * FROM t ORDER BY k").await.unwrap(), expected);
}

#[tokio::test]
async fn minor_leaves_one_delta_and_the_base() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let session = Session::open(Arc::clone(&objects)).await;
    session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT NOT NULL)").await;
    for k in 0..5 {
        session.ok(&format!("INSERT INTO t VALUES ({k}, 1), (10, {k})")).await;
    }
    session.ok("DELETE FROM t WHERE k < 2").await;
    session.ok("ALTER TABLE t COMPACT MINOR").await;
    let head = snapshot(&objects, "t").await;
    let mut files = head.state.visible_at(head.lsn);
    files.sort_by_key(|entry| entry.order);
    let seen: Vec<_> = files.iter().map(|e| (e.file.kind, e.order.0.get(), e.file.rows, e.file.tombstones)).collect();
    assert_eq!(seen, [(FileKind::Base, 2, 2, 0), (FileKind::Delta, 7, 6, 2)]);
    assert_eq!(session.number("SELECT count(*) FROM t").await, 4);
}

#[tokio::test]
async fn the_policy_compacts_what_is_due_and_then_nothing_is() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let session = Session::open(Arc::clone(&objects)).await;
    session.ok("CREATE TABLE p (k BIGINT PRIMARY KEY, v BIGINT) PARTITIONED BY (d STRING)").await;
    session.ok("CREATE TABLE off (k BIGINT PRIMARY KEY) TBLPROPERTIES ('compaction.auto' = 'false')").await;
    session.ok("CREATE TABLE soon (k BIGINT PRIMARY KEY) TBLPROPERTIES ('compaction.delta.count' = '2')").await;
    session.ok("CREATE TABLE log (n BIGINT)").await;
    session.ok("CREATE TABLE gone (n BIGINT)").await;
    session.ok("DROP TABLE gone").await;
    session.ok("INSERT INTO p SELECT value AS k, value AS v, 'a' FROM generate_series(1, 2000)").await;
    for k in 0..9 {
        session.ok(&format!("INSERT INTO p VALUES ({k}, 0, 'a'), ({k}, 0, 'b')")).await;
        session.ok(&format!("INSERT INTO off VALUES ({k})")).await;
        session.ok(&format!("INSERT INTO log VALUES ({k})")).await;
        if k < 3 {
            session.ok(&format!("INSERT INTO soon VALUES ({k})")).await;
        }
    }
    let policy = CompactionPolicy { base_percent: 200, ..CompactionPolicy::default() };
    let head = snapshot(&objects, "p").await;
    let kinds: Vec<_> = due(&head, &policy).unwrap().into_iter().map(|(p, kind)| (p.to_string(), kind)).collect();
    assert_eq!(kinds, [("a".to_owned(), Compaction::Minor), ("b".to_owned(), Compaction::Major)]);
    let done = run_policy(&session, &policy).await;
    let mut seen: Vec<_> = done
        .iter()
        .map(|done| (done.table.table.as_str(), done.partition.to_string(), done.kind, done.inputs, done.outputs))
        .collect();
    seen.sort();
    assert_eq!(
        seen,
        [
            ("log", String::new(), Compaction::Minor, 9, 1),
            ("p", "a".into(), Compaction::Minor, 9, 1),
            ("p", "b".into(), Compaction::Major, 9, 1),
            ("soon", String::new(), Compaction::Major, 3, 1),
        ]
    );
    let lsns: std::collections::BTreeSet<_> = done.iter().filter(|d| d.table.table == "p").map(|d| d.lsn).collect();
    assert_eq!(lsns.len(), 1, "one commit");
    assert_eq!(run_policy(&session, &policy).await, []);
    assert_eq!(session.number("SELECT sum(v) FROM p WHERE d = 'a'").await, 2_001_000 - 36);
    assert_eq!(session.number("SELECT count(*) FROM log").await, 9);
}

#[tokio::test]
async fn a_compaction_by_hand_says_what_it_did() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let session = Session::open(Arc::clone(&objects)).await;
    session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY)").await;
    for k in 0..3 {
        session.ok(&format!("INSERT INTO t VALUES ({k})")).await;
    }
    let caller = Caller { actor: "ann".into(), reason: None };
    let pin = Pin::new(session.tt.warehouse(), &caller).await.unwrap();
    let name = TableName::new(DEFAULT_SCHEMA, "t");
    let task = Arc::new(TaskContext::default());
    let done = compact::compact(&pin, &name, None, Compaction::Minor, &task).await.unwrap();
    assert_eq!((done.len(), done[0].inputs, done[0].outputs, done[0].lsn.get()), (1, 2, 1, 5));
    let pin = Pin::new(session.tt.warehouse(), &caller).await.unwrap();
    assert_eq!(compact::compact(&pin, &name, None, Compaction::Minor, &task).await.unwrap(), []);
}
