//! What was measured of other table formats when an answer is lost, refused or late, a byte is wrong, or six processes
//! write: the same is done to us, and nothing is lost, doubled or wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::panic::AssertUnwindSafe;
use std::path::Path as FsPath;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion_timetravel::Code;
use datafusion_timetravel::store::{Clock, ManualClock, SystemClock};
use futures::{FutureExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::faulty_s3::{FaultyS3, LAKE};
use super::report::report;
use crate::lake::{Session, ours};
use crate::processes;

const PATIENT: Duration = Duration::from_secs(30);

/// The commit file of a version.
fn slot(version: u64) -> String {
    format!("{version:016}.json")
}

/// An append, an UPDATE and a DELETE whose commit was stored, and whose answer got lost: each is one version, done once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_of_s3_is_one_commit() {
    let mut cases = 0;
    for kind in ["503applied", "resetapplied"] {
        let Some(mut server) = FaultyS3::start() else { return };
        let session = server.session(PATIENT, None).await;
        session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)").await;
        for (version, sql, rows) in [
            (2, "INSERT INTO t VALUES (1, 10), (2, 20)", vec!["1 10", "2 20"]),
            (3, "UPDATE t SET v = v + 1 WHERE k = 1", vec!["1 11", "2 20"]),
            (4, "DELETE FROM t WHERE k = 2", vec!["1 11"]),
        ] {
            server.fault(kind, &slot(version));
            session.run(sql).await.unwrap_or_else(|error| panic!("{kind}: {sql}: {error}"));
            assert!(server.puts(&slot(version)) >= 1);
            server.fault("none", "");
            let other = server.session(PATIENT, None).await;
            for session in [&session, &other] {
                assert_eq!(session.ok("SELECT * FROM t ORDER BY k").await, rows, "{kind}: {sql}");
                assert_eq!(session.number("SELECT get_latest_version('t')").await, version, "{kind}: {sql}");
            }
            cases += 1;
        }
    }
    report("lost answers of S3", &[("cases", cases)]);
}

/// Every put of the slot is answered with 409, and nothing is stored: the slot is kept, and the outcome is unknown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_s3_refuses_for_good_is_unknown_and_kept() {
    let Some(mut server) = FaultyS3::start() else { return };
    let session = server.session(Duration::from_secs(1), None).await;
    session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)").await;
    server.fault("409always", &slot(2));
    let error = session.run("INSERT INTO t VALUES (1, 1)").await.unwrap_err();
    assert_eq!(ours(&error).code(), Code::CommitStateUnknown, "{error}");
    let mut chain = format!("{error}");
    let mut source = std::error::Error::source(ours(&error));
    while let Some(error) = source {
        chain.push_str(&format!("\n{error}"));
        source = error.source();
    }
    assert!(chain.contains("409"), "the refusal is not named: {chain}");
    assert!(server.puts(&slot(2)) > 2, "it was not tried again");
    assert_eq!(server.puts(&slot(3)), 0, "it took another slot");
    server.fault("none", "");
    session.ok("INSERT INTO t VALUES (2, 2)").await;
    assert_eq!(session.ok("SELECT * FROM t").await, ["2 2"]);
    assert_eq!(session.number("SELECT get_latest_version('t')").await, 2);
}

/// A writer's put is on its way while others write, and clean up behind themselves with no retention at all. It is not
/// lost: it is done behind the others, or refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_writer_of_s3_survives_a_clean_up() {
    let mut cases = 0;
    for (clean_up, hours) in [("PURGE TABLE t", 0), ("VACUUM", 0), ("PURGE TABLE t", 72), ("VACUUM", 72)] {
        let Some(mut server) = FaultyS3::start() else { return };
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let session = server.session(PATIENT, Some(Arc::clone(&clock) as _)).await;
        session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)").await;
        session.ok("ALTER TABLE t SET TBLPROPERTIES ('acid.data.retain.hours' = '0')").await;
        session.ok("SETPROJECT odps.timemachine.retention.days = 0").await;
        server.fault("hold", &slot(3));
        let stalled = server.session(PATIENT, Some(Arc::clone(&clock) as _)).await;
        let running = tokio::spawn(async move { stalled.run("INSERT INTO t VALUES (1, 1)").await });
        server.until_held().await;
        // Its next put is not held, so that others get past.
        for n in 10..20 {
            session.ok(&format!("INSERT OVERWRITE TABLE t VALUES ({n}, {n})")).await;
        }
        session.tt.flush().await;
        clock.advance(Duration::from_secs(3600 * hours));
        session.ok(clean_up).await;
        server.release();
        let outcome = running.await.unwrap();
        let rows = server.session(PATIENT, None).await.ok("SELECT * FROM t ORDER BY k").await;
        match outcome {
            Ok(_) => assert_eq!(rows, ["1 1", "19 19"], "{clean_up}: an acknowledged row is lost"),
            Err(error) => {
                assert_eq!(rows, ["19 19"], "{clean_up}: {error}");
                assert!(hours > 0, "{clean_up}: it was refused within the grace: {error}");
                assert_eq!(ours(&error).code(), Code::SnapshotGone, "{error}");
            }
        }
        cases += 1;
    }
    report("stalled writers of S3", &[("cases", cases)]);
}

/// What reading gave after a byte was changed.
#[derive(Debug, Default)]
struct Flips {
    flips: u64,
    errors: u64,
    same: u64,
    wrong: Vec<usize>,
    panics: Vec<usize>,
}

impl Flips {
    /// The object with each `step`-th byte changed by `mask`.
    async fn of(objects: &InMemory, path: &Path, step: usize, mask: u8, expected: &[String]) -> Self {
        let whole = objects.get(path).await.unwrap().bytes().await.unwrap();
        let mut found = Self::default();
        for at in (0..whole.len()).step_by(step) {
            let damaged = Arc::new(objects.fork());
            let mut bytes = whole.to_vec();
            bytes[at] ^= mask;
            damaged.put(path, bytes.into()).await.unwrap();
            let read = async { Session::open(damaged as _).await.run("SELECT * FROM t ORDER BY k").await };
            found.flips += 1;
            match AssertUnwindSafe(read).catch_unwind().await {
                Ok(Ok(rows)) if rows == expected => found.same += 1,
                Ok(Ok(_)) => found.wrong.push(at),
                Ok(Err(_)) => found.errors += 1,
                Err(_) => found.panics.push(at),
            }
        }
        println!("{path}: {} bytes, {found:?}", whole.len());
        found
    }

    fn right(&self) {
        assert!(self.wrong.is_empty() && self.panics.is_empty(), "{self:?}");
    }
}

/// The two tables of flips: a data file with every second byte inverted, a commit with every byte's lowest bit flipped.
#[tokio::test]
async fn a_flipped_byte_is_never_a_wrong_row() {
    let objects = Arc::new(InMemory::new());
    let session = Session::open(Arc::clone(&objects) as _).await;
    session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT, s STRING)").await;
    session.ok("INSERT INTO t VALUES (1, 10, 'one'), (2, 20, 'two'), (3, 30, 'three')").await;
    let rows = session.ok("SELECT * FROM t ORDER BY k").await;
    let all: Vec<Path> = objects.list(None).map_ok(|meta| meta.location).try_collect().await.unwrap();
    let one = |part: &str| all.iter().find(|path| path.as_ref().contains(part)).unwrap().clone();
    let data = Flips::of(&objects, &one("/data/"), 2, 0xFF, &rows).await;
    let table = all.iter().find(|path| path.as_ref().starts_with("tables/") && path.as_ref().ends_with(&slot(2)));
    let commit = Flips::of(&objects, table.unwrap(), 1, 1, &rows).await;
    data.right();
    commit.right();
    assert_eq!(data.same, 0, "every byte of a data file is verified");
    report("flips of a data file and a commit", &[("flips", data.flips + commit.flips)]);
}

/// Six processes append 20 times each; nothing is lost, and versions have no gap.
async fn six_processes(on: &str, lake: &FsPath, session: &Session, env: &[(&str, String)]) {
    const PROCESSES: u64 = 6;
    const EACH: u64 = 20;
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<_> = (0..PROCESSES).map(|n| folder.path().join(n.to_string())).collect();
    let began = Instant::now();
    let start = |(n, acks): (u64, &std::path::PathBuf)| processes::start_with(lake, acks, 1 + n * 1_000_000, EACH, env);
    let children: Vec<_> = (0..PROCESSES).zip(&files).map(start).collect();
    for mut child in children {
        let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        assert!(status.success(), "{status}");
    }
    let seconds = began.elapsed().as_secs_f64();
    let mut acks = std::collections::BTreeMap::new();
    files.iter().for_each(|file| acks.extend(processes::acknowledged(file)));
    assert_eq!(acks.len() as u64, PROCESSES * EACH);
    let keys = processes::verify(session, &acks).await;
    assert_eq!(keys.len() as u64, PROCESSES * EACH);
    println!("{} of {} in {seconds:.1} s", keys.len(), PROCESSES * EACH);
    report(&format!("six processes on {on}"), &[("commits", PROCESSES * EACH)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_processes_append_to_a_local_table() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake");
    let session = processes::create(&lake).await;
    six_processes("a local disk", &lake, &session, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_processes_append_to_a_table_on_s3() {
    let Some(server) = FaultyS3::start() else { return };
    let session = server.session(PATIENT, None).await;
    session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, last BIGINT)").await;
    six_processes("S3", FsPath::new(LAKE), &session, &server.options()).await;
}
