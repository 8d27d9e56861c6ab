//! Power loss on a local disk (T2b): the order of fsyncs from a record of every step, and every state that the disk may
//! be in afterwards, opened again: what was acknowledged is there, the statement under way is there whole or not at all,
//! and the next one works (invariant 14).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion_timetravel::store::local::DurableLocalStore;
use datafusion_timetravel::store::{Durability, ObjectStore};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::disk_model::{self, Disk, Event, Record, State};
use super::report::report;
use crate::lake::{Contents, Session};

/// Every kind of statement that writes, in an order in which each finds what it needs.
pub const STATEMENTS: &[&str] = &[
    "CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)",
    "INSERT INTO t VALUES (1, 10), (2, 20)",
    "INSERT INTO t VALUES (2, 21), (3, 30)",
    "UPDATE t SET v = v + 1 WHERE k >= 2",
    "DELETE FROM t WHERE k = 3",
    "MERGE INTO t USING (VALUES (2, 5), (9, 90)) AS s (k, v) ON t.k = s.k WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT VALUES (s.k, s.v)",
    "INSERT INTO t VALUES (4, 40)",
    "ALTER TABLE t COMPACT MINOR",
    "ALTER TABLE t COMPACT MAJOR",
    "INSERT OVERWRITE TABLE t VALUES (7, 70)",
    "RESTORE TABLE t TO LSN '3'",
    "ALTER TABLE t ADD COLUMNS (w BIGINT)",
    "CREATE TABLE p (k BIGINT PRIMARY KEY, v BIGINT) PARTITIONED BY (d STRING)",
    "INSERT INTO p VALUES (1, 1, 'a'), (2, 2, 'b')",
    "ALTER TABLE p DROP PARTITION (d = 'a')",
    "RESTORE TABLE t TO LSN '2' AS n",
    "ALTER TABLE n RENAME TO r",
    "DROP TABLE r",
    "RESTORE TABLE r ('id'='$r')",
    "CREATE OR REPLACE TABLE r AS SELECT k, v FROM t",
    "CREATE TABLE log AS SELECT k, v FROM t",
    "DELETE FROM log WHERE k = 1",
    "TRUNCATE TABLE p",
    "CREATE VIEW w AS SELECT k FROM t",
    "CREATE SCHEMA s",
    "PURGE TABLE t",
    "SETPROJECT odps.timemachine.retention.days = 3",
    "VACUUM",
    "DROP TABLE r",
];

pub fn local(root: &Path, durability: Durability) -> Arc<dyn ObjectStore> {
    Arc::new(DurableLocalStore::new(root, durability).unwrap())
}

/// The statement with the id of a dropped table where it names one.
pub async fn with_id(session: &Session, sql: &str) -> String {
    let Some((_, rest)) = sql.split_once('$') else { return sql.to_owned() };
    let name = rest.trim_end_matches("')");
    let rows = session.ok("SHOW HISTORY FOR TABLES").await;
    let ids = rows.iter().filter_map(|row| row.split_once(' ').filter(|(table, _)| *table == name));
    let id = ids.map(|(_, rest)| rest.split(' ').next().unwrap()).next_back().unwrap();
    sql.replace(&format!("${name}"), id)
}

/// A run of all statements: what was done to the disk, and what there was to see after each.
struct Run {
    root: PathBuf,
    events: Vec<Event>,
    /// Before the first statement, then after each.
    contents: Vec<Contents>,
    statements: Vec<String>,
    _folder: tempfile::TempDir,
}

async fn run() -> Run {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap().join("deep/lake");
    let record = Record::default();
    let store = DurableLocalStore::watched(&root, Durability::Full, record.watch()).unwrap();
    let session = Session::open(Arc::new(store)).await;
    let mut contents = vec![Contents::of(local(&root, Durability::Full)).await];
    let mut statements = vec![];
    for (at, sql) in STATEMENTS.iter().enumerate() {
        let sql = with_id(&session, sql).await;
        session.ok(&sql).await;
        record.acknowledged(at);
        contents.push(Contents::of(local(&root, Durability::Full)).await);
        statements.push(sql);
    }
    session.tt.flush().await;
    Run { root, events: record.events(), contents, statements, _folder: folder }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_before_it_is_durable() {
    let run = run().await;
    disk_model::check_order(&run.events).unwrap_or_else(|error| panic!("{error}\n{:#?}", run.events));
    let count = |of: fn(&Event) -> bool| run.events.iter().filter(|event| of(event)).count() as u64;
    let syncs = count(|event| matches!(event, Event::SyncFile(_) | Event::SyncFolder(_)));
    assert!(count(|event| matches!(event, Event::MakeFolder(_))) > 8, "folders are made");
    assert!(syncs > 100, "{syncs} fsyncs");
    // Each fsync of the bytes of a data file or a commit counts: without it the order is wrong.
    let mut needed = 0;
    for (at, event) in run.events.iter().enumerate() {
        if let Event::SyncFile(_) = event {
            let mut without = run.events.clone();
            without.remove(at);
            needed += u64::from(disk_model::check_order(&without).is_err());
        }
    }
    assert_eq!(needed, count(|event| matches!(event, Event::SyncFile(_))), "an fsync that nobody would miss");
    report("power loss: order", &[("cases", run.statements.len() as u64), ("fsyncs", syncs)]);
}

/// A point of the record, the number of statements acknowledged there, and a state of the disk.
type Case = (usize, usize, State);

fn cases(run: &Run, seed: u64, random: usize) -> Vec<Case> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut disk, mut acknowledged) = (Disk::default(), 0);
    let mut seen: BTreeSet<(usize, State)> = BTreeSet::new();
    let mut cases = vec![];
    for (at, event) in run.events.iter().enumerate() {
        disk.apply(event);
        if let Event::Acknowledged(statement) = event {
            acknowledged = statement + 1;
        }
        for state in disk.states(random, &mut rng) {
            if seen.insert((acknowledged, state.clone())) {
                cases.push((at, acknowledged, state));
            }
        }
    }
    cases.shuffle(&mut rng);
    cases
}

async fn check(run: &Run, case: &Case, seed: u64) {
    let (at, acknowledged, state) = case;
    let events = &run.events[at.saturating_sub(6)..=*at];
    let what = format!("TIMETRAVEL_SEED={seed}, power lost after event {at}, {acknowledged} acknowledged: {events:#?}");
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("lake");
    disk_model::write(state, &run.root, &root);
    let now = Contents::of(local(&root, Durability::Relaxed)).await;
    let before = &run.contents[*acknowledged];
    let after = run.contents.get(acknowledged + 1).unwrap_or(before);
    let same = |other: &Contents| now.tables == other.tables && now.others == other.others && heads(&now, other);
    assert!(same(before) || same(after), "{what}\nneither before nor after: {now:#?}\nbefore: {before:#?}");
    // What was under way works now, if it had not happened; so does what comes next.
    let session = Session::open(local(&root, Durability::Relaxed)).await;
    if now.looks_like(before) && !now.looks_like(after) {
        session.run(&run.statements[*acknowledged]).await.unwrap_or_else(|error| panic!("{what}\nagain: {error}"));
        let again = Contents::of(local(&root, Durability::Relaxed)).await;
        assert!(again.looks_like(after), "{what}\nrun again: {again:#?}");
    }
    session.run("CREATE TABLE IF NOT EXISTS following (k BIGINT PRIMARY KEY)").await.expect(&what);
    session.run("INSERT INTO following VALUES (1)").await.expect(&what);
    assert_eq!(session.number("SELECT count(*) FROM following").await, 1, "{what}");
}

/// Heads are those of one of the two states; a verb over two logs may lack its second commit until somebody looks.
fn heads(now: &Contents, other: &Contents) -> bool {
    now.heads.iter().all(|(name, head)| {
        let expected = other.heads.get(name).copied().unwrap_or_default();
        *head == expected || head + 1 == expected || *head == expected + 1
    })
}

async fn reopen_states(limit: usize, random: usize) {
    let seed = std::env::var("TIMETRAVEL_SEED").ok().map_or(1, |text| text.parse().expect("a number"));
    let run = Arc::new(run().await);
    let cases = Arc::new(cases(&run, seed, random));
    let count = cases.len().min(limit);
    println!("{} states, {count} of them opened, of {} events", cases.len(), run.events.len());
    let next = Arc::new(AtomicUsize::new(0));
    let workers = (0..2).map(|_| {
        let (run, cases, next) = (Arc::clone(&run), Arc::clone(&cases), Arc::clone(&next));
        tokio::spawn(async move {
            loop {
                let at = next.fetch_add(1, Ordering::SeqCst);
                if at >= count {
                    return;
                }
                check(&run, &cases[at], seed).await;
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    report("power loss: states", &[("cases", count as u64)]);
    assert!(count >= 300, "{count} states");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_state_after_a_power_loss_opens() {
    reopen_states(360, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "thousands of states: minutes"]
async fn every_state_after_a_power_loss_opens_long() {
    reopen_states(6_000, 6).await;
}

/// The instrument itself: a store that doesn't fsync is found out, by the order and by what it loses.
#[tokio::test]
async fn a_store_without_fsync_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap().join("lake");
    let record = Record::default();
    let store = DurableLocalStore::watched(&root, Durability::Relaxed, record.watch()).unwrap();
    let session = Session::open(Arc::new(store)).await;
    session.ok(STATEMENTS[0]).await;
    record.acknowledged(0);
    assert!(disk_model::check_order(&record.events()).is_err());
    let mut disk = Disk::default();
    record.events().iter().for_each(|event| disk.apply(event));
    let mut rng = StdRng::seed_from_u64(rand::rng().random());
    assert!(disk.states(0, &mut rng).contains(&State::new()));
}
