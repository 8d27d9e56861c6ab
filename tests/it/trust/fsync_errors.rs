//! An fsync that fails, at every place of every statement: what it was to make durable is never trusted again. Either
//! fresh bytes are made durable under a name that nobody trusted, or the statement says that it failed, or that it doesn't
//! know (fsyncgate; reliability §3).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use datafusion_timetravel::Code;
use datafusion_timetravel::log::CommitStatus;
use datafusion_timetravel::store::Durability;
use datafusion_timetravel::store::local::{DiskStep, DiskWatch, DurableLocalStore};

use super::disk_model::{self, Event};
use super::power_loss::local;
use super::report::report;
use crate::lake::{Contents, Session, ours};

/// The tables that every statement finds.
pub const START: &[&str] = &[
    "CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)",
    "INSERT INTO t VALUES (1, 10), (2, 20)",
    "INSERT INTO t VALUES (2, 21), (3, 30)",
    "ALTER TABLE t COMPACT MAJOR",
    "INSERT INTO t VALUES (5, 50)",
];

pub const STATEMENTS: &[&str] = &[
    "CREATE TABLE n (k BIGINT PRIMARY KEY, v BIGINT)",
    "CREATE TABLE n AS SELECT * FROM t",
    "INSERT INTO t VALUES (3, 31), (4, 40)",
    "INSERT OVERWRITE TABLE t VALUES (7, 70)",
    "UPDATE t SET v = v + 1 WHERE k > 1",
    "DELETE FROM t WHERE k = 2",
    "MERGE INTO t USING (VALUES (1, 5), (9, 90)) AS s (k, v) ON t.k = s.k WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT VALUES (s.k, s.v)",
    "ALTER TABLE t COMPACT MAJOR",
    "ALTER TABLE t SET TBLPROPERTIES ('comment.by' = 'me')",
    "ALTER TABLE t RENAME TO r",
    "RESTORE TABLE t TO LSN '2'",
    "RESTORE TABLE t TO LSN '2' AS n",
    "DROP TABLE t",
    "PURGE TABLE t",
    "CREATE SCHEMA s",
];

pub const PATIENCE: Duration = Duration::from_millis(100);

/// A warehouse on disk, to be copied.
pub async fn prepared() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::open(local(folder.path(), Durability::Relaxed)).await;
    for sql in START {
        session.ok(sql).await;
    }
    session.tt.flush().await;
    folder
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Records what happened, lets the k-th fsync fail, and believes no later fsync of what failed once.
#[derive(Default)]
struct Breaker {
    events: Vec<Event>,
    syncs: usize,
    broken: usize,
    distrusted: BTreeSet<PathBuf>,
    failed: Option<PathBuf>,
}

impl Breaker {
    fn see(&mut self, step: &DiskStep<'_>) -> io::Result<()> {
        if let DiskStep::SyncFile(path) | DiskStep::SyncFolder(path) = step {
            self.syncs += 1;
            if self.syncs == self.broken {
                self.distrusted.insert((*path).to_owned());
                self.failed = Some((*path).to_owned());
                return Err(io::Error::other("injected: EIO"));
            }
            if self.distrusted.contains(*path) {
                return Ok(());
            }
        }
        self.events.push(step.into());
        Ok(())
    }
}

/// Runs the statement on a copy with the k-th fsync broken; whether there was one so far.
async fn one(
    start: &Path,
    sql: &str,
    broken: usize,
    before: &Contents,
    after: &Contents,
    counts: &mut [u64; 4],
) -> bool {
    let what = format!("{sql}, fsync {broken}");
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap().join("lake");
    copy(start, &root);
    let breaker = Arc::new(Mutex::new(Breaker { broken, ..Breaker::default() }));
    let watch = DiskWatch::new({
        let breaker = Arc::clone(&breaker);
        move |step| breaker.lock().unwrap().see(step)
    });
    let store = Arc::new(DurableLocalStore::watched(&root, Durability::Full, watch).unwrap());
    let session = Session::impatient(store, PATIENCE).await;
    let result = session.run(sql).await;
    let (events, failed) = {
        let mut breaker = breaker.lock().unwrap();
        breaker.events.push(Event::Acknowledged(0));
        (breaker.events.clone(), breaker.failed.clone())
    };
    session.tt.flush().await;
    let Some(failed) = failed else {
        result.unwrap();
        return false;
    };
    let what = format!("{what} of {}", failed.display());
    let now = Contents::of(local(&root, Durability::Relaxed)).await;
    match &result {
        Ok(_) => {
            counts[1] += 1;
            assert!(now.looks_like(after), "{what}: said to be done: {now:#?}");
            disk_model::check_order(&events).unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        Err(error) => {
            let error = ours(error);
            assert!(now.looks_like(before) || now.looks_like(after), "{what}: {error}: {now:#?}");
            match error.code() {
                Code::CommitStateUnknown => {
                    counts[2] += 1;
                    let status = session.tt.commit_status(error.unknown_commit().unwrap()).await.unwrap();
                    assert!(
                        !matches!(status, CommitStatus::NotCommitted) || now.looks_like(before),
                        "{what}: {status:?}"
                    );
                    // The content of a new table comes first, and its name, in the catalog, decides.
                    let decided = matches!(status, CommitStatus::Committed { .. }) && !sql.contains(" n");
                    assert!(!decided || now.looks_like(after), "{what}: {status:?}");
                }
                Code::StoreUnavailable => {
                    counts[3] += 1;
                    assert!(now.looks_like(before), "{what}: a clear failure has done nothing: {error}: {now:#?}");
                }
                code => panic!("{what}: {code:?}: {error}"),
            }
        }
    }
    counts[0] += 1;
    if !broken.is_multiple_of(3) {
        return true;
    }
    // The same handle goes on with what it still trusts, or says why not; a new one goes on in any case.
    if let Err(error) = session.run("CREATE TABLE IF NOT EXISTS following (k BIGINT PRIMARY KEY)").await {
        assert!(error.to_string().contains("open the warehouse anew"), "{what}: {error}");
    }
    let fresh = Session::open(local(&root, Durability::Full)).await;
    fresh.ok("CREATE TABLE IF NOT EXISTS following (k BIGINT PRIMARY KEY)").await;
    fresh.ok("INSERT INTO following VALUES (1)").await;
    assert_eq!(fresh.number("SELECT count(*) FROM following").await, 1, "{what}");
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_fsync_that_failed_is_never_trusted_again() {
    let start = prepared().await;
    let before = Contents::of(local(start.path(), Durability::Relaxed)).await;
    let mut counts = [0; 4];
    for sql in STATEMENTS {
        let folder = tempfile::tempdir().unwrap();
        copy(start.path(), folder.path());
        Session::open(local(folder.path(), Durability::Relaxed)).await.ok(sql).await;
        let after = Contents::of(local(folder.path(), Durability::Relaxed)).await;
        let mut broken = 1;
        while one(start.path(), sql, broken, &before, &after, &mut counts).await {
            broken += 1;
        }
        assert!(broken > 3, "{sql} has {broken} fsyncs");
    }
    let [cases, done, unknown, failed] = counts;
    assert!(unknown > 0 && failed > 0, "{counts:?}");
    report("fsync errors", &[("cases", cases), ("done", done), ("unknown", unknown), ("failed", failed)]);
}

/// Found by the test above: the folder's fsync had failed, the commit was read back, and the statement said that it was
/// done.
#[tokio::test]
async fn a_commit_whose_name_is_not_durable_was_acknowledged() {
    let start = prepared().await;
    let folder = tempfile::tempdir().unwrap();
    copy(start.path(), folder.path());
    let watch = DiskWatch::new(|step| match step {
        DiskStep::SyncFolder(path) if path.ends_with("_log") => Err(io::Error::other("injected: EIO")),
        _ => Ok(()),
    });
    let store = Arc::new(DurableLocalStore::watched(folder.path(), Durability::Full, watch).unwrap());
    let session = Session::impatient(store, PATIENCE).await;
    // The first use of a folder syncs those around it, not itself.
    let error = session.run("INSERT INTO t VALUES (8, 80)").await.unwrap_err();
    assert_eq!(ours(&error).code(), Code::CommitStateUnknown, "{error}");
    let unknown = ours(&error).unknown_commit().unwrap();
    assert!(matches!(session.tt.commit_status(unknown).await.unwrap(), CommitStatus::Committed { .. }));
    let error = session.run("INSERT INTO t VALUES (9, 90)").await.unwrap_err();
    assert_eq!(ours(&error).code(), Code::StoreUnavailable, "{error}");
    let fresh = Session::open(local(folder.path(), Durability::Full)).await;
    fresh.ok("INSERT INTO t VALUES (9, 90)").await;
    assert_eq!(fresh.ok("SELECT k FROM t WHERE k > 7 ORDER BY k").await, ["8", "9"]);
}
