//! UPDATE, DELETE and MERGE against each other, against INSERT and against compaction: each as if it ran alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use datafusion_timetravel::Code;
use datafusion_timetravel::store::ObjectStore;
use object_store::memory::InMemory;

use super::lake::{Session, ours};

async fn table(definition: &str) -> Arc<dyn ObjectStore> {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let session = Session::open(Arc::clone(&objects)).await;
    session.ok(&format!("CREATE TABLE t ({definition})")).await;
    session.ok("INSERT INTO t VALUES (1, 0), (2, 0), (3, 0)").await;
    session.ok("INSERT INTO t VALUES (4, 0), (5, 0)").await;
    objects
}

/// Every statement that says that it is done has added one to every row that was there: none is lost, none counted twice.
async fn no_update_is_lost(definition: &str) {
    let objects = table(definition).await;
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..3 {
        let session = Session::open(Arc::clone(&objects)).await;
        tasks.spawn(async move {
            let mut done = 0;
            for turn in 0..4 {
                let sql = match (writer + turn) % 3 {
                    0 => "MERGE INTO t USING (VALUES (1)) AS s (one) ON true WHEN MATCHED THEN UPDATE SET v = v + one",
                    _ => "UPDATE t SET v = v + 1",
                };
                match session.run(sql).await {
                    Ok(rows) => {
                        assert_eq!(rows, ["5"]);
                        done += 1;
                    }
                    Err(error) => assert_eq!(ours(&error).code(), Code::Conflict, "{error}"),
                }
            }
            done
        });
    }
    let compacting = Session::open(Arc::clone(&objects)).await;
    tasks.spawn(async move {
        for _ in 0..4 {
            if let Err(error) = compacting.run("ALTER TABLE t COMPACT MAJOR").await {
                assert_eq!(ours(&error).code(), Code::Conflict, "{error}");
            }
        }
        0
    });
    let done: i64 = tasks.join_all().await.into_iter().sum();
    assert!(done > 0);
    let session = Session::open(objects).await;
    let rows: Vec<String> = (1..=5).map(|k| format!("{k} {done}")).collect();
    assert_eq!(session.ok("SELECT * FROM t ORDER BY k").await, rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn no_update_of_a_table_with_a_key_is_lost() {
    no_update_is_lost("k BIGINT PRIMARY KEY, v BIGINT").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn no_update_of_a_table_without_a_key_is_lost() {
    no_update_is_lost("k BIGINT, v BIGINT").await;
}

/// Plain `ctx.sql()` plans once, so that what was committed between planning and running is a conflict.
#[tokio::test]
async fn a_plain_statement_conflicts_at_once_and_changes_nothing() {
    for definition in ["k BIGINT PRIMARY KEY, v BIGINT", "k BIGINT, v BIGINT"] {
        for sql in [
            "UPDATE t SET k = k + 10",
            "DELETE FROM t WHERE k = 1",
            "MERGE INTO t USING (VALUES (7)) AS s (k) ON t.k = s.k WHEN NOT MATCHED THEN INSERT (k) VALUES (s.k)",
        ] {
            let objects = table(definition).await;
            let session = Session::open(Arc::clone(&objects)).await;
            let planned = session.ctx.sql(sql).await.unwrap();
            // A key that the UPDATE would give out, in a row that it never saw.
            Session::open(Arc::clone(&objects)).await.ok("INSERT INTO t VALUES (11, 1)").await;
            let error = planned.collect().await.unwrap_err();
            assert_eq!(ours(&error).code(), Code::Conflict, "{definition}, {sql}: {error}");
            assert_eq!(session.number("SELECT get_latest_version('t')").await, 4, "{definition}, {sql}");
            assert_eq!(session.number("SELECT count(*) FROM t").await, 6, "{definition}, {sql}");
        }
    }
}

/// Compaction is no change: a statement planned before it is committed after it where it need not replace files.
#[tokio::test]
async fn a_compaction_between_planning_and_running_is_no_conflict_with_a_key() {
    let objects = table("k BIGINT PRIMARY KEY, v BIGINT").await;
    let session = Session::open(Arc::clone(&objects)).await;
    let planned = session.ctx.sql("UPDATE t SET k = k + 1, v = k").await.unwrap();
    Session::open(Arc::clone(&objects)).await.ok("ALTER TABLE t COMPACT MAJOR").await;
    planned.collect().await.unwrap();
    let rows = session.ok("SELECT k, v FROM t ORDER BY k").await;
    assert_eq!(rows, ["2 1", "3 2", "4 3", "5 4", "6 5"]);
}

/// A file that is only read stays what it was, and a file with rows left over keeps its order.
#[tokio::test]
async fn a_delete_without_a_key_writes_only_the_files_that_it_touches() {
    let objects = table("k BIGINT, v BIGINT").await;
    let session = Session::open(Arc::clone(&objects)).await;
    let files = |v: u64| format!("SELECT sum(files) FROM history('t') WHERE version = {v}");
    session.ok("DELETE FROM t WHERE k = 4").await;
    assert_eq!(session.number(&files(4)).await, 1);
    session.ok("DELETE FROM t WHERE k IN (1, 5)").await;
    // One is written again, of the other nothing is left.
    assert_eq!(session.number(&files(5)).await, 1);
    session.ok("UPDATE t SET v = 1 WHERE k = 3").await;
    assert_eq!(session.number(&files(6)).await, 2);
    assert_eq!(session.ok("SELECT k, v FROM t ORDER BY k").await, ["2 0", "3 1"]);
    assert_eq!(session.ok("SELECT k, v FROM t VERSION BETWEEN 5 AND 6").await, ["3 1"]);
    session.ok("ALTER TABLE t COMPACT MAJOR").await;
    assert_eq!(session.ok("SELECT k FROM t VERSION BETWEEN 1 AND 7 ORDER BY k").await, ["1", "2", "3", "3", "4", "5"]);
}
