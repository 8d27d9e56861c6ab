//! A disk without room, at every step and at every size: the statement fails clearly, nothing acknowledged is lost, and
//! once there is room the next statement works (F19).
//!
//! Once by a seam that refuses each step in turn, and once on a real file system in memory, made for the test where the
//! system allows (`TIMETRAVEL_STRICT=1` makes it an error where it doesn't).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion_timetravel::Code;
use datafusion_timetravel::store::Durability;
use datafusion_timetravel::store::local::{DiskStep, DiskWatch, DurableLocalStore};

use super::fsync_errors::{PATIENCE, STATEMENTS, copy, prepared};
use super::power_loss::local;
use super::report::report;
use crate::lake::{Contents, Session, ours};

/// The statements that are tried at every size; the others at every step.
const SIZED: [usize; 6] = [1, 2, 4, 7, 10, 12];

/// Where the child finds its small disk.
const DISK: &str = "TIMETRAVEL_CHILD_DISK";

/// Whether what can't be tried here is an error.
pub fn strict() -> bool {
    std::env::var("TIMETRAVEL_STRICT").is_ok_and(|value| value == "1")
}

async fn clean(start: &Path, sql: &str) -> Contents {
    let folder = tempfile::tempdir().unwrap();
    copy(start, folder.path());
    Session::open(local(folder.path(), Durability::Relaxed)).await.ok(sql).await;
    Contents::of(local(folder.path(), Durability::Relaxed)).await
}

/// What a full disk may make of a statement.
fn check(
    what: &str,
    result: &Result<Vec<String>, datafusion::common::DataFusionError>,
    now: &Contents,
    before: &Contents,
    after: &Contents,
) {
    match result {
        Ok(_) => assert!(now.looks_like(after), "{what}: said to be done: {now:#?}"),
        Err(error) => {
            assert!(now.looks_like(before) || now.looks_like(after), "{what}: {error}: {now:#?}");
            let error = ours(error);
            match error.code() {
                Code::StoreUnavailable => assert!(error.message().contains("disk is full"), "{what}: {error}"),
                Code::CommitStateUnknown => {}
                code => panic!("{what}: {code:?}: {error}"),
            }
        }
    }
}

async fn works_again(what: &str, session: &Session) {
    session.run("CREATE TABLE IF NOT EXISTS following (k BIGINT PRIMARY KEY)").await.expect(what);
    session.run("INSERT INTO following VALUES (1)").await.expect(what);
    assert_eq!(session.number("SELECT count(*) FROM following").await, 1, "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_at_any_step() {
    let start = prepared().await;
    let before = Contents::of(local(start.path(), Durability::Relaxed)).await;
    let mut cases = 0;
    for sql in STATEMENTS {
        let after = clean(start.path(), sql).await;
        for full in 1.. {
            let what = format!("{sql}, full from step {full} on");
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().canonicalize().unwrap().join("lake");
            copy(start.path(), &root);
            let (steps, limit) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(full)));
            let watch = DiskWatch::new({
                let (steps, limit) = (Arc::clone(&steps), Arc::clone(&limit));
                move |step| match step {
                    DiskStep::MakeFolder(_) | DiskStep::Create(_) | DiskStep::Write { .. } | DiskStep::Link { .. }
                        if steps.fetch_add(1, Ordering::SeqCst) + 1 >= limit.load(Ordering::SeqCst) =>
                    {
                        Err(io::Error::from(ErrorKind::StorageFull))
                    }
                    _ => Ok(()),
                }
            });
            let store = Arc::new(DurableLocalStore::watched(&root, Durability::Relaxed, watch).unwrap());
            let session = Session::impatient(store, PATIENCE).await;
            let result = session.run(sql).await;
            session.tt.flush().await;
            let fired = steps.load(Ordering::SeqCst) >= full;
            let now = Contents::of(local(&root, Durability::Relaxed)).await;
            check(&what, &result, &now, &before, &after);
            limit.store(u64::MAX, Ordering::SeqCst);
            if !fired {
                assert!(result.is_ok(), "{what}: {result:?}");
                break;
            }
            cases += 1;
            if now.looks_like(&before) && result.is_err() {
                session.run(sql).await.expect(&what);
                assert!(Contents::of(local(&root, Durability::Relaxed)).await.looks_like(&after), "{what}: run again");
            }
            works_again(&what, &session).await;
        }
    }
    report("disk full: steps", &[("cases", cases)]);
}

/// Runs the child in a mount namespace of its own, on a file system of a few MiB in memory.
fn on_a_small_disk(sizes: u64) {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=8m,mode=755 tmpfs \"$0\" && exec \"$@\"";
    let mut command = Command::new("unshare");
    let binary = std::env::current_exe().unwrap();
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).arg(folder.path()).arg(binary);
    command.args(["--exact", "trust::disk_full::child", "--nocapture"]);
    command.env(DISK, folder.path()).env("TIMETRAVEL_CHILD_SIZES", sizes.to_string());
    let allowed = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs tmpfs \"$0\""])
        .arg(folder.path())
        .output();
    if !allowed.as_ref().is_ok_and(|output| output.status.success()) {
        let message = format!("NOT TESTED: no file system can be made here for the test of a full disk: {allowed:?}");
        assert!(!strict(), "{message}");
        println!("{message}");
        return;
    }
    let status = command.status().unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn a_small_disk_at_any_size() {
    on_a_small_disk(14);
}

#[test]
#[ignore = "minutes"]
fn a_small_disk_at_any_size_long() {
    on_a_small_disk(60);
}

/// The child's part; passes at once where this is no child.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(disk) = std::env::var(DISK) else { return };
    let sizes: u64 = std::env::var("TIMETRAVEL_CHILD_SIZES").unwrap().parse().unwrap();
    let disk = Path::new(&disk);
    let start = prepared().await;
    let before = Contents::of(local(start.path(), Durability::Relaxed)).await;
    let (mut cases, mut failed) = (0, 0);
    for at in SIZED {
        let sql = STATEMENTS[at];
        let after = clean(start.path(), sql).await;
        for pages in 0..sizes {
            let what = format!("{sql}, with {pages} pages free");
            let root = disk.join("lake");
            let _ = std::fs::remove_dir_all(&root);
            copy(start.path(), &root);
            let session = Session::impatient(local(&root, Durability::Full), PATIENCE).await;
            // A ballast takes all the room, and gives back as much as is to be free.
            let ballast = disk.join("ballast");
            let _ = std::fs::remove_file(&ballast);
            fill(&ballast, pages);
            let result = session.run(sql).await;
            session.tt.flush().await;
            let now = Contents::of(local(&root, Durability::Relaxed)).await;
            check(&what, &result, &now, &before, &after);
            cases += 1;
            failed += u64::from(result.is_err());
            std::fs::remove_file(&ballast).unwrap();
            if now.looks_like(&before) && result.is_err() {
                session.run(sql).await.expect(&what);
                assert!(Contents::of(local(&root, Durability::Relaxed)).await.looks_like(&after), "{what}: run again");
            }
            works_again(&what, &session).await;
        }
    }
    assert!(failed > 10, "{failed} of {cases} failed: the disk was never full");
    report("disk full: sizes", &[("cases", cases), ("failed", failed)]);
}

/// Fills the disk but for so many pages of 4 KiB.
fn fill(ballast: &Path, pages: u64) {
    use std::io::Write;
    let mut file = std::fs::File::create(ballast).unwrap();
    let mut length = 0;
    loop {
        match file.write(&[0; 4096]) {
            Ok(written) => length += written as u64,
            Err(error) if error.kind() == ErrorKind::StorageFull => break,
            Err(error) => panic!("{error}"),
        }
    }
    file.set_len(length - pages * 4096).unwrap();
}
