//! A small scenario for each bug: what it finds is a violation of a promise.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::DataFusionError;
use datafusion_timetravel::store::testing::{Bug, Fault, FaultStore, Op, Rule};
use datafusion_timetravel::store::{ObjectStore, Store};
use datafusion_timetravel::{Code, TimeTravel};
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use object_store::memory::InMemory;

use super::BUG;
use crate::lake::{Session, ours};
use crate::sweep::{Lake, overwritten};

/// What was found, if something was.
type Verdict = Result<(), String>;

const HOUR: Duration = Duration::from_secs(3600);

const TABLE: &str = "CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)";

/// The scenario that catches the bug.
pub fn of(bug: Bug) -> BoxFuture<'static, Verdict> {
    match bug {
        Bug::DeleteOnAmbiguous => an_unknown_outcome_deletes_nothing().boxed(),
        Bug::NoOwnId => a_lost_answer_is_one_commit().boxed(),
        Bug::ConflictAsExists => a_refusal_of_an_empty_slot_is_no_loss().boxed(),
        Bug::PreconditionAsFatal => a_failed_precondition_is_a_lost_race().boxed(),
        Bug::SlotReuse => a_stalled_writer_gets_no_old_slot().boxed(),
        Bug::EmptyUsedSet => what_is_read_is_not_swept().boxed(),
        Bug::VacuumInFlight => what_is_being_written_is_not_swept().boxed(),
        Bug::FreshReadVersion => a_compaction_brings_nothing_back().boxed(),
        Bug::StaleHandle => a_handle_sees_what_others_did().boxed(),
        Bug::SkewedTime => a_moment_before_a_commit_does_not_see_it().boxed(),
        Bug::LastCheckpointDeleted => a_long_log_has_a_checkpoint().boxed(),
        Bug::RetentionIgnored => a_retained_version_is_readable().boxed(),
        Bug::ShortCheckpoint => a_checkpoint_says_what_the_log_says().boxed(),
        Bug::NoFsync => a_commit_is_fsynced().boxed(),
        Bug::ReaderUnprotected => a_running_reader_keeps_its_files().boxed(),
        Bug::SecretTold => no_message_shows_a_secret().boxed(),
        Bug::DuplicateName => a_name_is_given_once().boxed(),
        Bug::OverwritingCommit => a_commit_is_not_overwritten().boxed(),
        Bug::RetryWithoutReread => a_lost_race_is_planned_again().boxed(),
        Bug::CommitFutureDropped => a_commit_outlives_its_caller().boxed(),
    }
}

/// Whether what the scenario needs is there; said aloud where not, and an error where all must be.
pub fn can_run(bug: Bug) -> bool {
    let missing = match bug {
        Bug::NoFsync if !has_strace() => "strace",
        Bug::SecretTold if !cfg!(feature = "s3") => "the feature s3",
        _ => return true,
    };
    assert!(std::env::var("TIMETRAVEL_STRICT").is_err(), "{missing} is missing, which {bug:?} needs");
    println!("skipped: {bug:?} needs {missing}");
    false
}

fn ensure(holds: bool, otherwise: impl std::fmt::Display) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise.to_string()) }
}

async fn shows(session: &Session, sql: &str, expected: &[&str]) -> Verdict {
    match session.run(sql).await {
        Ok(rows) => ensure(rows == expected, format!("{sql} gives {rows:?}, not {expected:?}")),
        Err(error) => Err(format!("{sql}: {error}")),
    }
}

async fn run(session: &Session, statements: &[&str]) -> Verdict {
    for sql in statements {
        session.run(sql).await.map_err(|error| format!("{sql}: {error}"))?;
    }
    Ok(())
}

/// A statement whose first put to a log waits while another process runs others; then it goes on.
struct Race {
    outcome: Result<Vec<String>, DataFusionError>,
    other: Session,
}

async fn race(setup: &[&str], slow: &str, log: &str, quick: &[&str]) -> Result<Race, String> {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let other = Session::open(Arc::clone(&objects)).await;
    run(&other, setup).await?;
    let faults = FaultStore::new(objects, 1);
    let session = Session::impatient(Arc::new(faults.clone()), Duration::from_secs(5)).await;
    faults.add(Rule::on(Op::Put).path(log).nth(1).fault(Fault::HangUntilReleased));
    let running = tokio::spawn({
        let slow = slow.to_owned();
        async move { session.run(&slow).await }
    });
    faults.until_fired(1).await;
    run(&other, quick).await?;
    faults.release().await;
    Ok(Race { outcome: running.await.map_err(|error| error.to_string())?, other })
}

async fn an_unknown_outcome_deletes_nothing() -> Verdict {
    let lake = Lake::new().await;
    run(&lake.session, &[TABLE]).await?;
    lake.faults.add(Rule::on(Op::Put).path("/_log/").fault(Fault::LateApply { after: None }));
    let outcome = lake.session.run("INSERT INTO t VALUES (1, 1)").await;
    ensure(outcome.is_err(), "an answer that was never given")?;
    lake.faults.clear();
    lake.faults.release().await;
    shows(&lake.other().await, "SELECT * FROM t", &["1 1"]).await
}

async fn a_lost_answer_is_one_commit() -> Verdict {
    let lake = Lake::new().await;
    run(&lake.session, &[TABLE, "INSERT INTO t VALUES (1, 10)"]).await?;
    lake.faults.add(Rule::on(Op::Put).path("/_log/").nth(1).fault(Fault::ApplyThenError));
    run(&lake.session, &["UPDATE t SET v = v + 1"]).await?;
    let other = lake.other().await;
    shows(&other, "SELECT * FROM t", &["1 11"]).await?;
    shows(&other, "SELECT get_latest_version('t')", &["3"]).await
}

/// A commit is on its way still when the store refuses to have it sent again: that is no loss, and it lands.
async fn a_refusal_of_an_empty_slot_is_no_loss() -> Verdict {
    let lake = Lake::new().await;
    run(&lake.session, &[TABLE, "INSERT INTO t VALUES (1, 10)"]).await?;
    lake.faults.add(Rule::on(Op::Put).path("/_log/").nth(1).fault(Fault::LateApply { after: Some(3) }));
    lake.faults.add(Rule::on(Op::Put).path("/_log/").nth(2).fault(Fault::Conflict409));
    run(&lake.session, &["UPDATE t SET v = v + 1"]).await?;
    shows(&lake.other().await, "SELECT * FROM t", &["1 11"]).await
}

/// Plain SQL runs once, so that nothing hides a failure behind a repetition.
async fn a_failed_precondition_is_a_lost_race() -> Verdict {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let other = Session::open(Arc::clone(&objects)).await;
    run(&other, &[TABLE]).await?;
    let refusing = FaultStore::new(objects, 1);
    refusing.add(Rule::on(Op::Put).fault(Fault::Precondition412));
    let session = Session::open(Arc::new(refusing)).await;
    let frame = session.ctx.sql("INSERT INTO t VALUES (1, 1)").await.map_err(|error| error.to_string())?;
    run(&other, &["INSERT INTO t VALUES (2, 2)"]).await?;
    frame.collect().await.map_err(|error| error.to_string())?;
    shows(&other, "SELECT * FROM t ORDER BY k", &["1 1", "2 2"]).await
}

/// A statement that waits before its commit, and the lake that it runs on.
async fn stalled(sql: &'static str) -> (Lake, tokio::task::JoinHandle<Result<Vec<String>, DataFusionError>>) {
    let lake = Lake::new().await;
    lake.session.ok(TABLE).await;
    lake.faults.add(Rule::on(Op::Put).path("/_log/").nth(1).fault(Fault::HangUntilReleased));
    let session = lake.session.clone();
    let running = tokio::spawn(async move { session.run(sql).await });
    lake.faults.until_fired(1).await;
    (lake, running)
}

async fn a_stalled_writer_gets_no_old_slot() -> Verdict {
    let (lake, running) = stalled("INSERT INTO t VALUES (1, 1)").await;
    let other = lake.other().await;
    for n in 10..20 {
        run(&other, &[&format!("INSERT OVERWRITE t VALUES ({n}, 1)")]).await?;
    }
    other.tt.flush().await;
    lake.clock.advance(72 * HOUR);
    run(&other, &["VACUUM t"]).await?;
    lake.faults.release().await;
    match running.await.map_err(|error| error.to_string())? {
        Ok(_) => shows(&lake.other().await, "SELECT * FROM t ORDER BY k", &["1 1", "19 1"]).await,
        Err(error) => ensure(ours(&error).code() == Code::SnapshotGone, error),
    }
}

async fn what_is_read_is_not_swept() -> Verdict {
    let lake = Lake::new().await;
    overwritten(&lake).await;
    lake.clock.advance(72 * HOUR);
    run(&lake.session, &["VACUUM"]).await?;
    shows(&lake.other().await, "SELECT * FROM t", &["3 3"]).await
}

async fn what_is_being_written_is_not_swept() -> Verdict {
    let (lake, running) = stalled("INSERT INTO t VALUES (1, 1)").await;
    run(&lake.other().await, &["VACUUM t"]).await?;
    lake.faults.release().await;
    running.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    shows(&lake.other().await, "SELECT * FROM t", &["1 1"]).await
}

async fn a_compaction_brings_nothing_back() -> Verdict {
    let setup = ["CREATE TABLE log (k BIGINT)", "INSERT INTO log VALUES (1), (2)", "INSERT INTO log VALUES (3)"];
    let quick = ["DELETE FROM log WHERE k = 1"];
    let race = race(&setup, "ALTER TABLE log COMPACT MAJOR", "/_log/", &quick).await?;
    if let Err(error) = race.outcome {
        ensure(Code::Conflict == ours(&error).code(), error)?;
    }
    shows(&race.other, "SELECT * FROM log ORDER BY k", &["2", "3"]).await
}

async fn a_handle_sees_what_others_did() -> Verdict {
    let lake = Lake::new().await;
    run(&lake.session, &[TABLE]).await?;
    let other = lake.other().await;
    shows(&other, "SELECT * FROM t", &[]).await?;
    run(&lake.session, &["INSERT INTO t VALUES (1, 1)"]).await?;
    shows(&other, "SELECT * FROM t", &["1 1"]).await
}

async fn a_moment_before_a_commit_does_not_see_it() -> Verdict {
    // The clock stands at 2023-11-14 22:13:20.
    let lake = Lake::new().await;
    run(&lake.session, &[TABLE]).await?;
    lake.clock.advance(Duration::from_secs(30));
    run(&lake.session, &["INSERT INTO t VALUES (1, 1)"]).await?;
    let at = |seconds| format!("SELECT * FROM t TIMESTAMP AS OF '2023-11-14 22:13:{seconds}'");
    shows(&lake.session, &at(30), &[]).await?;
    shows(&lake.session, &at(50), &["1 1"]).await
}

async fn a_long_log_has_a_checkpoint() -> Verdict {
    let lake = Lake::new().await;
    run(&lake.session, &[TABLE]).await?;
    for n in 0..8 {
        run(&lake.session, &[&format!("INSERT INTO t VALUES ({n}, 1)")]).await?;
    }
    lake.session.tt.flush().await;
    let all: Vec<_> = lake.faults.inner().list(None).try_collect().await.map_err(|error| error.to_string())?;
    let is_checkpoint = |path: &str| path.starts_with("tables/") && path.contains("/checkpoints/");
    ensure(all.iter().any(|meta| is_checkpoint(meta.location.as_ref())), "nine commits without a checkpoint")
}

async fn a_retained_version_is_readable() -> Verdict {
    let lake = Lake::new().await;
    overwritten(&lake).await;
    lake.clock.advance(HOUR);
    run(&lake.session, &["VACUUM"]).await?;
    shows(&lake.other().await, "SELECT * FROM t VERSION AS OF 3 ORDER BY k", &["1 2", "2 2"]).await
}

async fn a_checkpoint_says_what_the_log_says() -> Verdict {
    let lake = Lake::new().await;
    run(&lake.session, &[TABLE]).await?;
    for n in 2..9 {
        run(&lake.session, &[&format!("INSERT OVERWRITE t VALUES ({n}, 1)")]).await?;
    }
    lake.session.tt.flush().await;
    let other = lake.other().await;
    for n in 2..9 {
        shows(&other, &format!("SELECT k FROM t VERSION AS OF {n}"), &[&n.to_string()]).await?;
    }
    Ok(())
}

const LAKE: &str = "TIMETRAVEL_CHILD_DURABLE_LAKE";

fn has_strace() -> bool {
    let mut command = Command::new("strace");
    command.args(["-f", "-o", "/dev/null", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What is traced; passes at once where it isn't.
#[tokio::test]
async fn writes_durably() {
    let Ok(lake) = std::env::var(LAKE) else { return };
    if let Ok(number) = std::env::var(BUG) {
        super::by_number(&number).turn_on();
    }
    let session = Session::with(TimeTravel::open(&lake).await.unwrap()).await;
    session.ok(TABLE).await;
}

async fn a_commit_is_fsynced() -> Verdict {
    if !can_run(Bug::NoFsync) {
        return Ok(());
    }
    let folder = tempfile::tempdir().unwrap();
    let (lake, trace) = (folder.path().join("lake"), folder.path().join("trace"));
    let status = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=fsync,fdatasync", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "trust::seeded_bugs::scenarios::writes_durably"])
        .env(LAKE, &lake)
        .stdout(Stdio::null())
        .status()
        .map_err(|error| error.to_string())?;
    ensure(status.success(), "the traced process failed")?;
    let calls = std::fs::read_to_string(&trace).map_err(|error| error.to_string())?;
    let synced = calls.lines().filter(|line| line.contains("sync(")).count();
    // Two commits, and each has a file and a folder to make durable.
    ensure(synced >= 4, format!("{synced} fsyncs for two commits"))
}

async fn a_running_reader_keeps_its_files() -> Verdict {
    let lake = Lake::new().await;
    overwritten(&lake).await;
    let none = [
        "SETPROJECT odps.timemachine.retention.days = 0",
        "ALTER TABLE t SET TBLPROPERTIES ('acid.data.retain.hours' = '0')",
    ];
    run(&lake.session, &none).await?;
    let reader = lake.other().await;
    let frame = reader.tt.sql(&reader.ctx, "SELECT * FROM t").await.map_err(|error| error.to_string())?;
    run(&lake.session, &["INSERT OVERWRITE t VALUES (4, 4)"]).await?;
    lake.clock.advance(HOUR);
    run(&lake.session, &["VACUUM"]).await?;
    let batches = frame.collect().await.map_err(|error| format!("a statement of an hour: {error}"))?;
    ensure(batches.iter().map(|batch| batch.num_rows()).sum::<usize>() == 1, "other rows")
}

async fn no_message_shows_a_secret() -> Verdict {
    if !can_run(Bug::SecretTold) {
        return Ok(());
    }
    // A parser quotes what it can't parse.
    let options = ["timeout", "allow_http", "conditional_put", "checksum_algorithm"];
    for key in options {
        let option = (key.to_owned(), "CANARY".to_owned());
        let shown = match Store::open("s3://bucket/lake", [option]) {
            Ok(store) => format!("{store:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        ensure(!shown.contains("CANARY"), format!("{key}: {shown}"))?;
    }
    Ok(())
}

async fn a_name_is_given_once() -> Verdict {
    let create = "CREATE TABLE n (k BIGINT)";
    let race = race(&[TABLE], create, "_catalog/_log/", &[create, "INSERT INTO n VALUES (1)"]).await?;
    match race.outcome {
        Ok(_) => return Err("two tables of one name".to_owned()),
        Err(error) => ensure(ours(&error).code() == Code::TableExists, error)?,
    }
    shows(&race.other, "SELECT * FROM n", &["1"]).await
}

/// The probe of the store notices it before anything is written; if it did not, the race would.
async fn a_commit_is_not_overwritten() -> Verdict {
    let quick = ["INSERT INTO t VALUES (2, 2)"];
    let race = race(&[TABLE], "INSERT INTO t VALUES (1, 1)", "/_log/", &quick).await?;
    race.outcome.map_err(|error| error.to_string())?;
    shows(&race.other, "SELECT * FROM t ORDER BY k", &["1 1", "2 2"]).await
}

async fn a_lost_race_is_planned_again() -> Verdict {
    let setup = [TABLE, "INSERT INTO t VALUES (1, 10)"];
    let update = "UPDATE t SET v = v + 1";
    let race = race(&setup, update, "/_log/", &[update]).await?;
    let expected = match race.outcome {
        Ok(_) => "1 12",
        Err(error) if ours(&error).code() == Code::Conflict => "1 11",
        Err(error) => return Err(error.to_string()),
    };
    shows(&race.other, "SELECT * FROM t", &[expected]).await
}

async fn a_commit_outlives_its_caller() -> Verdict {
    let (lake, running) = stalled("INSERT INTO t VALUES (1, 1)").await;
    running.abort();
    let _ = running.await;
    lake.faults.release().await;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        if shows(&lake.other().await, "SELECT * FROM t", &["1 1"]).await.is_ok() {
            return Ok(());
        }
    }
    Err("a commit that was begun is neither done nor refused".to_owned())
}
