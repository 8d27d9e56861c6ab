//! VACUUM and PURGE under faults, stalls and clocks: what is needed stays, and what can't be known deletes nothing
//! (invariants 8 and 12).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use datafusion_timetravel::log::CommitStatus;
use datafusion_timetravel::store::testing::{ClockedStore, Fault, FaultStore, Op, Rule};
use datafusion_timetravel::store::{ManualClock, ObjectStore, Timestamp, layout};
use datafusion_timetravel::{Code, TimeTravel};
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;

use super::lake::{Session, ours, store, table_id};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A warehouse whose clock, and the times of whose objects, the test moves.
pub struct Lake {
    pub clock: ManualClock,
    pub faults: Arc<FaultStore>,
    pub session: Session,
}

impl Lake {
    pub async fn new() -> Self {
        let clock = ManualClock::new(Timestamp::from_millis(1_700_000_000_000));
        let inner = ClockedStore::new(Arc::new(InMemory::new()), Arc::new(clock.clone()));
        let faults = Arc::new(FaultStore::new(Arc::new(inner), 1));
        let session = open(&clock, Arc::clone(&faults) as _).await;
        Self { clock, faults, session }
    }

    /// Another process.
    pub async fn other(&self) -> Session {
        open(&self.clock, Arc::clone(self.faults.inner())).await
    }

    /// The data files of the table, by name.
    async fn data(&self, table: &str) -> Vec<String> {
        let id = table_id(Arc::clone(self.faults.inner()), table).await;
        self.below(layout::data_folder(id).as_ref()).await
    }

    pub async fn below(&self, folder: &str) -> Vec<String> {
        let listed = self.faults.inner().list(Some(&folder.into())).try_collect::<Vec<_>>().await.unwrap();
        let mut names: Vec<String> = listed.iter().map(|meta| meta.location.to_string()).collect();
        names.sort();
        names
    }

    async fn refused(&self, session: &Session, sql: &str) -> (Code, String) {
        let error = session.run(sql).await.expect_err(sql);
        (ours(&error).code(), error.to_string())
    }
}

async fn open(clock: &ManualClock, objects: Arc<dyn ObjectStore>) -> Session {
    let tt = TimeTravel::builder_with_store(store(objects))
        .clock(Arc::new(clock.clone()))
        .commit_deadline(Duration::from_millis(120))
        .build()
        .await
        .unwrap();
    Session::with(tt).await
}

/// A table with one file that is read and two that aren't any more.
pub async fn overwritten(lake: &Lake) {
    for sql in [
        "CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)",
        "INSERT INTO t VALUES (1, 1)",
        "INSERT INTO t VALUES (1, 2), (2, 2)",
        "INSERT OVERWRITE t VALUES (3, 3)",
    ] {
        lake.session.ok(sql).await;
    }
    assert_eq!(lake.data("t").await.len(), 3);
}

/// R166: reading a version from before a PURGE warns, once per statement that does.
#[tokio::test]
async fn a_purged_version_comes_with_a_warning() {
    let lake = Lake::new().await;
    overwritten(&lake).await;
    let tt = &lake.session.tt;
    lake.session.ok("SELECT * FROM t VERSION AS OF 2").await;
    assert!(tt.warnings().is_empty());
    lake.session.ok("PURGE TABLE t").await;
    assert_eq!(lake.session.ok("SELECT * FROM t VERSION AS OF 4").await, ["3 3"]);
    assert_eq!(lake.session.ok("SELECT * FROM t").await, ["3 3"]);
    assert!(tt.warnings().is_empty());
    assert_eq!(lake.session.ok("SELECT * FROM t VERSION AS OF 2").await, ["3 3"]);
    let warnings = tt.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("version 2 of table t was purged at version 5"), "{warnings:?}");
    // Plain ctx.sql warns too.
    let rows = lake.session.ctx.sql("SELECT * FROM at('t', 3)").await.unwrap().collect().await.unwrap();
    assert_eq!(rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
    assert_eq!(tt.warnings().len(), 1);
}

/// A statement that was running when PURGE took its files fails, and never gives other rows.
#[tokio::test]
async fn a_reader_whose_files_are_purged_is_told_so() {
    let lake = Lake::new().await;
    overwritten(&lake).await;
    let other = lake.other().await;
    let frame = other.tt.sql(&other.ctx, "SELECT * FROM t VERSION AS OF 3").await.unwrap();
    lake.session.ok("PURGE TABLE t").await;
    let error = frame.collect().await.expect_err("the files are gone");
    assert_eq!(ours(&error).code(), Code::SnapshotGone, "{error}");
}

/// F8, T8 (Paimon#7710): a listing or a log that can't be read deletes nothing, and the next VACUUM does it.
#[tokio::test]
async fn what_is_needed_is_not_known_so_nothing_is_deleted() {
    for rule in [
        Rule::on(Op::List).path("/data"),
        Rule::on(Op::List).path("/data").fault(Fault::FailMidway { after: 1 }),
        Rule::on(Op::Get).path("_catalog/_log"),
    ] {
        for verb in ["PURGE TABLE t", "VACUUM t"] {
            let lake = Lake::new().await;
            overwritten(&lake).await;
            lake.clock.advance(3 * DAY);
            lake.faults.add(rule.clone());
            let (code, message) = lake.refused(&lake.session, verb).await;
            assert_eq!(code, Code::StoreUnavailable, "{verb} {rule:?}: {message}");
            assert_eq!(lake.data("t").await.len(), 3, "{verb} {rule:?}");
            lake.faults.clear();
            lake.session.ok("VACUUM").await;
            assert_eq!(lake.data("t").await.len(), 1, "{verb} {rule:?}");
            assert_eq!(lake.session.ok("SELECT * FROM t").await, ["3 3"]);
        }
    }
}

/// As above, where the log that can't be read is a clone's: at every request of the statement.
#[tokio::test]
async fn a_clone_whose_log_fails_keeps_everything() {
    for verb in ["PURGE TABLE t", "VACUUM"] {
        for k in 1.. {
            let lake = Lake::new().await;
            overwritten(&lake).await;
            lake.session.ok("RESTORE TABLE t TO LSN '3' AS c").await;
            let clone = table_id(Arc::clone(lake.faults.inner()), "c").await;
            lake.clock.advance(3 * DAY);
            let other = open(&lake.clock, Arc::clone(&lake.faults) as _).await;
            lake.faults.add(Rule::on(Op::Get).path(clone.to_string()).nth(k));
            let outcome = other.run(verb).await;
            if lake.faults.fired() == 0 {
                assert!(k > 1, "{verb} doesn't look at the clone");
                break;
            }
            assert!(outcome.is_err(), "{verb} {k}");
            assert_eq!(lake.data("t").await.len(), 3, "{verb} {k}");
            lake.faults.clear();
            assert_eq!(lake.other().await.ok("SELECT * FROM c ORDER BY k").await, ["1 2", "2 2"]);
        }
    }
}

/// F18, T8: a writer that stalled for longer than every retention ends with a clear error, and nothing is lost. (deltalake
/// and pylance report such a write as done, and the rows are gone.)
#[tokio::test]
async fn a_stalled_writer_is_refused() {
    let lake = Lake::new().await;
    overwritten(&lake).await;
    lake.faults.add(Rule::on(Op::Put).path("/data/").nth(1).fault(Fault::HangUntilReleased));
    let writer = lake.session.clone();
    let stalled = tokio::spawn(async move { writer.run("INSERT INTO t VALUES (9, 9)").await });
    while lake.faults.fired() == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    lake.clock.advance(31 * DAY);
    let other = lake.other().await;
    other.ok("INSERT INTO t VALUES (4, 4)").await;
    other.ok("VACUUM").await;
    lake.faults.release().await;
    let error = stalled.await.unwrap().expect_err("half a grace is over");
    assert_eq!(ours(&error).code(), Code::SnapshotGone, "{error}");
    assert!(error.to_string().contains("took too long"), "{error}");
    assert_eq!(other.ok("SELECT * FROM t ORDER BY k").await, ["3 3", "4 4"]);
    // Its file is garbage, which goes when it is old.
    lake.clock.advance(2 * DAY);
    other.ok("VACUUM").await;
    assert_eq!(lake.data("t").await.len(), 2);
    other.ok("SELECT * FROM t").await;
}

/// A commit that got lost and would land after its files were swept finds its slot taken.
#[tokio::test]
async fn a_lost_commit_cannot_land_behind_a_sweep() {
    let lake = Lake::new().await;
    overwritten(&lake).await;
    lake.faults.add(Rule::on(Op::Put).path("/_log/").fault(Fault::LateApply { after: None }));
    let error = lake.session.run("INSERT INTO t VALUES (9, 9)").await.expect_err("its commit is lost");
    let unknown = ours(&error).unknown_commit().expect("an unknown commit");
    lake.faults.clear();
    lake.clock.advance(3 * DAY);
    let other = lake.other().await;
    other.ok("VACUUM").await;
    assert_eq!(lake.data("t").await.len(), 1);
    lake.faults.release().await;
    assert_eq!(other.tt.commit_status(unknown).await.unwrap(), CommitStatus::NotCommitted);
    assert_eq!(lake.other().await.ok("SELECT * FROM t").await, ["3 3"]);
}

/// Young files may belong to a commit in flight: neither VACUUM nor PURGE takes them.
#[tokio::test]
async fn files_that_no_log_knows_stay_for_a_grace() {
    let lake = Lake::new().await;
    overwritten(&lake).await;
    lake.faults.add(Rule::on(Op::Put).path("/_log/").fault(Fault::LateApply { after: None }));
    lake.session.run("INSERT INTO t VALUES (9, 9)").await.expect_err("its commit is lost");
    lake.faults.clear();
    lake.clock.advance(23 * HOUR);
    let other = lake.other().await;
    other.ok("PURGE TABLE t").await;
    assert_eq!(lake.data("t").await.len(), 2, "the one that is read, and the young one");
    lake.clock.advance(2 * HOUR);
    assert_eq!(other.ok("PURGE TABLE t").await.len(), 1);
    assert_eq!(lake.data("t").await.len(), 1);
    assert!(other.ok("PURGE TABLE t").await.is_empty());
}

/// A clone that isn't finished yet keeps everything in its source's folder; one that never is expires.
#[tokio::test]
async fn an_unfinished_share_keeps_and_expires() {
    let lake = Lake::new().await;
    overwritten(&lake).await;
    // The share is committed, and then the cloner dies.
    lake.faults.add(Rule::on(Op::Put).path("tables/").fault(Fault::FailBefore));
    lake.session.run("RESTORE TABLE t TO LSN '3' AS c").await.expect_err("the clone's log can't be written");
    lake.faults.clear();
    let other = lake.other().await;
    let rows = other.ok("PURGE TABLE t").await;
    assert!(rows[0].starts_with("t wait"), "{rows:?}");
    assert_eq!(lake.data("t").await.len(), 3);
    lake.clock.advance(3 * DAY);
    let rows = other.ok("VACUUM").await;
    assert!(rows.iter().any(|row| row.contains("end share")), "{rows:?}");
    assert_eq!(lake.data("t").await.len(), 1);
    assert_eq!(other.ok("SELECT * FROM t").await, ["3 3"]);
    assert!(other.ok("VACUUM").await.is_empty());
}

/// A share goes when the clone has rewritten what it took, and its versions with those files are out of retention.
#[tokio::test]
async fn a_share_ends_with_the_last_foreign_file() {
    let lake = Lake::new().await;
    overwritten(&lake).await;
    lake.session.ok("RESTORE TABLE t TO LSN '3' AS c").await;
    lake.session.ok("PURGE TABLE t").await;
    assert_eq!(lake.data("t").await.len(), 3);
    lake.session.ok("INSERT OVERWRITE c VALUES (5, 5)").await;
    lake.clock.advance(3 * DAY);
    lake.session.ok("VACUUM").await;
    assert_eq!(lake.data("t").await.len(), 1, "the clone's commit came first, so its files went in the same VACUUM");
    assert!(lake.session.ok("VACUUM").await[0].contains("end share"));
    assert_eq!(lake.session.ok("SELECT * FROM c").await, ["5 5"]);
}

/// A table whose CREATE died before its name was bound goes, after the grace.
#[tokio::test]
async fn a_folder_without_a_name_is_swept() {
    let lake = Lake::new().await;
    overwritten(&lake).await;
    lake.faults.add(Rule::on(Op::Put).path("_catalog/_log").fault(Fault::FailBefore));
    lake.session.run("CREATE TABLE u AS SELECT * FROM t").await.expect_err("the name can't be bound");
    lake.faults.clear();
    let objects = lake.below("tables").await.len();
    let other = lake.other().await;
    assert!(other.ok("VACUUM").await.is_empty());
    assert_eq!(lake.below("tables").await.len(), objects);
    lake.clock.advance(25 * HOUR);
    let rows = other.ok("VACUUM").await;
    assert!(rows.iter().any(|row| row.contains("delete folder")), "{rows:?}");
    assert!(lake.below("tables").await.len() < objects);
    other.ok("CREATE TABLE u AS SELECT * FROM t").await;
}

/// A sweep by a clock that lags behind the log by more than an hour is refused, like any commit.
#[tokio::test]
async fn a_sweep_needs_a_clock_that_is_right() {
    let lake = Lake::new().await;
    overwritten(&lake).await;
    lake.clock.set(Timestamp::from_millis(1_700_000_000_000).saturating_sub(2 * HOUR));
    let (code, _) = lake.refused(&lake.session, "PURGE TABLE t").await;
    assert_eq!(code, Code::ClockSkew);
    assert_eq!(lake.data("t").await.len(), 3);
}

/// The grace protects readers of versions that have left both retentions a moment ago.
#[tokio::test]
async fn without_retentions_the_grace_is_left() {
    let lake = Lake::new().await;
    overwritten(&lake).await;
    lake.session.ok("ALTER TABLE t SET TBLPROPERTIES ('acid.data.retain.hours' = '0')").await;
    lake.session.ok("SETPROJECT odps.timemachine.retention.days = 0").await;
    let tt = |grace| {
        TimeTravel::builder_with_store(store(Arc::clone(lake.faults.inner())))
            .clock(Arc::new(lake.clock.clone()))
            .grace(grace)
            .build()
    };
    assert_eq!(tt(Duration::from_secs(3599)).await.unwrap_err().code(), Code::InvalidArgument);
    let hasty = Session::with(tt(HOUR).await.unwrap()).await;
    assert!(hasty.ok("VACUUM").await.is_empty());
    lake.clock.advance(HOUR + Duration::from_secs(1));
    assert_eq!(hasty.ok("VACUUM DRY RUN").await.len(), 1);
    assert_eq!(hasty.tt.maintain(&hasty.ctx).await.unwrap().swept.len(), 1);
    assert_eq!(lake.data("t").await.len(), 1);
    // What sweeps know survives a checkpoint.
    for _ in 0..12 {
        hasty.ok("ALTER TABLE t SET TBLPROPERTIES ('acid.data.retain.hours' = '168')").await;
        hasty.ok("ALTER TABLE t SET TBLPROPERTIES ('acid.data.retain.hours' = '167')").await;
    }
    hasty.tt.flush().await;
    let (code, message) = lake.refused(&lake.other().await, "SELECT * FROM t VERSION AS OF 3").await;
    assert_eq!(code, Code::VersionTooOld);
    assert!(message.contains("VACUUM took its files"), "{message}");
}

/// A statement that reads its target conflicts with a TRUNCATE also where VACUUM took the files that counted.
#[tokio::test]
async fn a_truncate_after_a_vacuum_is_noticed() {
    let lake = Lake::new().await;
    for sql in [
        "CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)",
        "INSERT INTO t VALUES (1, 1)",
        "INSERT INTO t VALUES (2, 2)",
    ] {
        lake.session.ok(sql).await;
    }
    lake.session.ok("ALTER TABLE t COMPACT MAJOR").await;
    lake.clock.advance(3 * DAY);
    assert_eq!(lake.session.ok("VACUUM").await.len(), 1);
    lake.faults.add(Rule::on(Op::Put).path("/data/").nth(1).fault(Fault::HangUntilReleased));
    let writer = lake.session.clone();
    let stalled = tokio::spawn(async move { writer.run("INSERT INTO t SELECT k, v + 1 FROM t").await });
    while lake.faults.fired() == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let other = lake.other().await;
    other.ok("TRUNCATE TABLE t").await;
    lake.faults.release().await;
    stalled.await.unwrap().expect("planned again");
    assert!(other.ok("SELECT * FROM t").await.is_empty());
}

/// A process that died while it probed the store left its object there, which no log can know: VACUUM takes it, a grace
/// later.
#[tokio::test]
async fn what_a_crashed_probe_left_was_never_swept() {
    let lake = Lake::new().await;
    overwritten(&lake).await;
    let (ours, theirs) = ("_probe/000000000000000000000000000000aa", "_probe/notes.txt");
    for path in [ours, theirs] {
        lake.faults.inner().put(&path.into(), "x".into()).await.unwrap();
    }
    lake.clock.advance(23 * HOUR);
    lake.session.ok("VACUUM").await;
    assert_eq!(lake.below("_probe").await, [ours, theirs]);
    lake.clock.advance(2 * HOUR);
    lake.session.ok("VACUUM DRY RUN").await;
    assert_eq!(lake.below("_probe").await, [ours, theirs]);
    lake.session.ok("VACUUM").await;
    assert_eq!(lake.below("_probe").await, [theirs]);
}
