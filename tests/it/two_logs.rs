//! Verbs over two logs, the process dead at every put: the state is the one before or the one after, and the next
//! statement finishes what was begun, whichever it is, exactly once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use datafusion_timetravel::catalog::CatalogLog;
use datafusion_timetravel::store::layout::LogRoot;
use datafusion_timetravel::store::testing::{CountingStore, Fault, FaultStore, Op, Rule};
use datafusion_timetravel::store::{Clock, ManualClock, ObjectStore, SystemClock};
use datafusion_timetravel::{Code, TimeTravel};
use object_store::memory::InMemory;

use super::lake::{Session, ours, store, table_id};
use super::seen::{everything, rows, with_ids};
use super::trust::report::report;

const START: &[&str] = &[
    "CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)",
    "INSERT INTO t VALUES (1, 10), (2, 20)",
    "INSERT INTO t VALUES (2, 21), (3, 30)",
    "CREATE TABLE p (k BIGINT PRIMARY KEY, v BIGINT) PARTITIONED BY (d STRING)",
    "INSERT INTO p VALUES (1, 1, 'a'), (2, 2, 'b')",
    "CREATE TABLE target (k BIGINT PRIMARY KEY, v BIGINT)",
    "INSERT INTO target VALUES (8, 8)",
    "CREATE TABLE gone (k BIGINT PRIMARY KEY, v BIGINT)",
    "INSERT INTO gone VALUES (1, 1)",
    "DROP TABLE gone",
    "CREATE TABLE parts (k BIGINT PRIMARY KEY, v BIGINT) PARTITIONED BY (d STRING)",
    "INSERT INTO parts VALUES (1, 1, 'a'), (2, 2, 'b')",
    "DROP TABLE parts",
];

/// A verb, and statements of which each is to finish it.
const VERBS: &[(&str, &[&str])] = &[
    ("CREATE TABLE n (k BIGINT PRIMARY KEY, v BIGINT)", &["INSERT INTO n VALUES (1, 1)"]),
    ("CREATE TABLE n AS SELECT * FROM t", &["INSERT INTO n VALUES (1, 1)"]),
    ("CREATE OR REPLACE TABLE t (x BIGINT)", &["INSERT INTO t VALUES (5)", "DROP TABLE t"]),
    ("CREATE OR REPLACE TABLE t AS SELECT k, v + 1 AS v FROM t", &["INSERT INTO t VALUES (9, 9)"]),
    ("CREATE OR REPLACE TABLE fresh (x BIGINT)", &["INSERT INTO fresh VALUES (5)"]),
    ("DROP TABLE t", &["CREATE TABLE t (z BIGINT)", "ALTER TABLE target RENAME TO t"]),
    ("DROP TABLE p", &["RESTORE TABLE t TO LSN '2' AS p"]),
    (
        "ALTER TABLE t RENAME TO r",
        &[
            "INSERT INTO r VALUES (7, 7)",
            "DELETE FROM r WHERE k = 1",
            "ALTER TABLE r SET TBLPROPERTIES ('x' = 'y')",
            "ALTER TABLE r RENAME TO s",
            "ALTER TABLE r RENAME TO t",
            "RESTORE TABLE r TO LSN '2'",
            "RESTORE TABLE target TO LSN '2' AS r",
            "DROP TABLE r",
        ],
    ),
    (
        "RESTORE TABLE gone ('id'='$gone')",
        &["INSERT INTO gone VALUES (3, 3)", "SELECT * FROM gone", "DROP TABLE gone", "ALTER TABLE gone RENAME TO back"],
    ),
    ("RESTORE TABLE parts ('id'='$parts')", &["INSERT INTO parts VALUES (3, 3, 'c')", "LIST PARTITIONS parts"]),
    ("RESTORE TABLE t TO LSN '2' AS n", &["INSERT INTO n VALUES (7, 7)"]),
    ("RESTORE TABLE p PARTITION (d='a') TO LSN '2' AS n", &["INSERT INTO n VALUES (7, 7, 'a')"]),
    ("RESTORE TABLE t TO LSN '2' AS target", &["INSERT INTO target VALUES (7, 7)"]),
];

async fn prepared() -> Arc<InMemory> {
    let objects = Arc::new(InMemory::new());
    let session = Session::open(Arc::clone(&objects) as _).await;
    for sql in START {
        session.ok(sql).await;
    }
    session.tt.flush().await;
    objects
}

async fn fresh(objects: &Arc<InMemory>) -> Session {
    Session::open(Arc::clone(objects) as _).await
}

#[tokio::test]
async fn a_crash_between_the_logs_is_finished_by_the_next_statement() {
    let start = prepared().await;
    let before = rows(&fresh(&Arc::new(start.fork())).await).await;
    let mut cases = 0;
    for (sql, nexts) in VERBS {
        let sql = with_ids(&start, sql).await;
        let clean = Arc::new(start.fork());
        let counting = CountingStore::new(Arc::clone(&clean) as _);
        let session = Session::open(Arc::new(counting.clone())).await;
        counting.reset();
        session.ok(&sql).await;
        session.tt.flush().await;
        let puts = counting.trace().iter().filter(|call| call.op == Op::Put).count() as u64;
        let after = rows(&fresh(&Arc::new(clean.fork())).await).await;
        assert_ne!(before, after, "{sql}");
        for next in *nexts {
            let whole = Arc::new(clean.fork());
            fresh(&whole).await.ok(next).await;
            let whole = everything(&fresh(&whole).await).await;
            for put in 1..=puts {
                for applied in [false, true] {
                    let what = format!("{sql}, dead at put {put} ({applied}), then {next}");
                    let objects = Arc::new(start.fork());
                    let faults = FaultStore::new(Arc::clone(&objects) as _, 1);
                    let session = Session::impatient(Arc::new(faults.clone()), Duration::from_millis(20)).await;
                    faults.add(Rule::on(Op::Put).nth(put).fault(Fault::Kill { applied }));
                    let outcome = session.run(&sql).await;
                    assert!(faults.fired() > 0, "{what}");
                    // Whoever looks sees the one state or the other, and looking is enough to see it.
                    let seen = rows(&fresh(&Arc::new(objects.fork())).await).await;
                    assert!(seen == before || seen == after, "{what}: neither before nor after: {seen:#?}");
                    assert!(outcome.is_err() || seen == after, "{what}: said to be done");
                    if seen == before {
                        fresh(&objects).await.ok(&sql).await;
                    }
                    fresh(&objects).await.ok(next).await;
                    assert_eq!(everything(&fresh(&objects).await).await, whole, "{what}");
                    cases += 1;
                }
            }
        }
    }
    report("dead between two logs", &[("cases", cases)]);
}

/// The handle that begun it may also be the one that goes on: its caches don't mislead it.
#[tokio::test]
async fn the_same_session_goes_on_after_a_failure() {
    let start = prepared().await;
    for (sql, nexts) in VERBS {
        let sql = with_ids(&start, sql).await;
        let clean = Arc::new(start.fork());
        let session = fresh(&clean).await;
        session.ok(&sql).await;
        session.ok(nexts[0]).await;
        let whole = everything(&fresh(&clean).await).await;
        let before = rows(&fresh(&Arc::new(start.fork())).await).await;
        for put in 1..=8 {
            let objects = Arc::new(start.fork());
            let faults = FaultStore::new(Arc::clone(&objects) as _, 1);
            let session = Session::impatient(Arc::new(faults.clone()), Duration::from_millis(20)).await;
            faults.add(Rule::on(Op::Put).nth(put).fault(Fault::Kill { applied: true }));
            let _ = session.run(&sql).await;
            if faults.fired() == 0 {
                break;
            }
            faults.clear();
            faults.revive();
            if rows(&fresh(&Arc::new(objects.fork())).await).await == before {
                session.ok(&sql).await;
            }
            session.ok(nexts[0]).await;
            assert_eq!(everything(&session).await, whole, "{sql}, failed at put {put}");
        }
    }
}

#[tokio::test]
async fn a_share_names_the_source_and_whose_files_the_source_has() {
    let objects = prepared().await;
    let session = fresh(&objects).await;
    session.ok("RESTORE TABLE t TO LSN '2' AS one").await;
    session.ok("RESTORE TABLE one TO LSN '1' AS two").await;
    session.ok("RESTORE TABLE two TO LSN '1' AS target").await;
    let id = async |name: &str| table_id(Arc::clone(&objects) as _, name).await;
    let (t, one, two, target) = (id("t").await, id("one").await, id("two").await, id("target").await);
    let catalog = CatalogLog::new(store(Arc::clone(&objects) as _), LogRoot::Catalog).snapshot().await.unwrap();
    let owners = |clone| catalog.state.share(clone).unwrap().owners.clone();
    assert_eq!(owners(one), BTreeSet::from([t]));
    assert_eq!(owners(two), BTreeSet::from([t, one]));
    assert_eq!(owners(target), BTreeSet::from([t, one, two]));
    // Nothing was copied.
    assert_eq!(session.ok("SELECT * FROM target ORDER BY 1").await, ["1 10", "2 20"]);
}

/// The number of puts doesn't depend on what is restored.
#[tokio::test]
async fn a_restore_is_one_put_and_a_clone_three() {
    let objects = prepared().await;
    let gone = with_ids(&objects, "RESTORE TABLE gone ('id'='$gone')").await;
    for (sql, puts) in [
        ("RESTORE TABLE t TO LSN '2'", 1),
        ("RESTORE TABLE t TO LSN '3'", 0),
        ("RESTORE TABLE p PARTITION (d='a') TO LSN '2'", 0),
        ("RESTORE TABLE t TO LSN '2' AS n", 3),
        ("RESTORE TABLE t TO LSN '2' AS target", 2),
        ("RESTORE TABLE t TO LSN '2' DRY RUN", 0),
        ("RESTORE TABLE t TO LSN '2' AS n DRY RUN", 0),
        (gone.as_str(), 2),
    ] {
        let counting = CountingStore::new(Arc::new(objects.fork()));
        let session = Session::open(Arc::new(counting.clone())).await;
        counting.reset();
        session.ok(sql).await;
        let log_puts = |call: &&datafusion_timetravel::store::testing::Call| {
            call.op == Op::Put && call.path.as_ref().contains("/_log/")
        };
        assert_eq!(counting.trace().iter().filter(log_puts).count(), puts, "{sql}");
        assert!(!counting.trace().iter().any(|call| call.path.as_ref().contains("/data/")), "{sql} touches data");
    }
}

/// A sweep may take what an unfinished clone stands on after the grace: the clone gives up before half of it.
#[tokio::test]
async fn a_clone_gives_up_before_half_of_the_grace() {
    for (sql, put) in [("RESTORE TABLE t TO LSN '2' AS n", 2), ("RESTORE TABLE t TO LSN '2' AS target", 1)] {
        let objects = prepared().await;
        let faults = FaultStore::new(Arc::clone(&objects) as Arc<dyn ObjectStore>, 1);
        let clock = ManualClock::new(SystemClock.now());
        let tt = TimeTravel::builder_with_store(store(Arc::new(faults.clone()))).clock(Arc::new(clock.clone()));
        let session = Session::with(tt.build().await.unwrap()).await;
        faults.add(Rule::on(Op::Put).nth(put).fault(Fault::HangUntilReleased));
        let running = tokio::spawn({
            let session = session.clone();
            async move { session.run(sql).await }
        });
        while faults.fired() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        clock.advance(Duration::from_secs(12 * 3600 + 60));
        faults.release().await;
        let error = running.await.unwrap().expect_err(sql);
        assert_eq!(ours(&error).code(), Code::SnapshotGone, "{error}");
        let other = fresh(&objects).await;
        assert!(other.run("SELECT * FROM n").await.is_err());
        assert_eq!(other.ok("SELECT * FROM target").await, ["8 8"]);
    }
}
