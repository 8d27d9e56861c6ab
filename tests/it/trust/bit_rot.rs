//! Bit rot (T5b): bits of every file of a warehouse flipped, files lost, emptied, cut, grown and put in each other's place.
//!
//! Each time a process that knows nothing yet reads all versions and the history. Every answer is the right one or an
//! error with a code, and VERIFY TABLE names what is damaged. One loss leaves no trace: that of a log's newest commits, so
//! there the table may be as it was before them, and nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use datafusion_timetravel::catalog::CatalogState;
use datafusion_timetravel::log::{Attempt, CommitInfo, CommitOptions, Log, Lsn, Operation, State};
use datafusion_timetravel::store::layout::{LogRoot, parse_commit_name, table_of};
use datafusion_timetravel::store::{CommitId, TableId};
use datafusion_timetravel::table::{TableLog, TableState};
use datafusion_timetravel::{Code, Error, TimeTravel};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::damage::{Case, Damage, Files, flips, whole_files};
use super::panics::{Panics, STACK, on_threads, runtime, watched};
use super::report::report;
use crate::lake::{Session, store, table_id};

/// The table `t` of five versions, `u` of nine with a checkpoint at the seventh, and what each must answer.
struct World {
    files: Files,
    tables: BTreeMap<TableId, &'static str>,
}

const VERSIONS: [(&str, u64); 2] = [("t", 5), ("u", 9)];

async fn all_files(objects: &InMemory) -> Files {
    let metas: Vec<_> = objects.list(None).try_collect().await.unwrap();
    let mut files = Files::new();
    for meta in metas {
        files.insert(meta.location.clone(), objects.get(&meta.location).await.unwrap().bytes().await.unwrap());
    }
    files
}

async fn memory(files: &Files) -> Arc<InMemory> {
    let objects = Arc::new(InMemory::new());
    for (path, bytes) in files {
        objects.put(path, bytes.clone().into()).await.unwrap();
    }
    objects
}

impl World {
    async fn new() -> Self {
        let objects = Arc::new(InMemory::new());
        let session = Session::open(Arc::clone(&objects) as _).await;
        for sql in [
            "CREATE TABLE t (k BIGINT PRIMARY KEY, v STRING)",
            "INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, NULL)",
            "INSERT INTO t VALUES (2, 'zwei'), (4, 'vier')",
            "DELETE FROM t WHERE k = 1",
            "ALTER TABLE t ADD COLUMN w INT",
            "CREATE TABLE u (k BIGINT, v STRING, PRIMARY KEY (k)) PARTITIONED BY (p STRING)",
            "INSERT INTO u VALUES (1, 'a', 'x'), (1, 'b', 'y')",
            "INSERT INTO u VALUES (1, 'c', 'x')",
            "UPDATE u SET v = 'd' WHERE p = 'y'",
            "INSERT OVERWRITE u VALUES (7, 'e', 'x')",
            "ALTER TABLE u COMPACT MAJOR",
            "ALTER TABLE u DROP PARTITION (p = 'y')",
            "INSERT INTO u VALUES (8, 'f', 'z')",
            "RESTORE TABLE u TO LSN '2'",
        ] {
            session.ok(sql).await;
            session.tt.flush().await;
        }
        let mut tables = BTreeMap::new();
        for (name, versions) in VERSIONS {
            tables.insert(table_id(Arc::clone(&objects) as _, name).await, name);
            let latest = session.number(&format!("SELECT get_latest_version('{name}')")).await;
            assert!(latest <= versions && latest + 1 >= versions, "{name} has {latest} versions");
        }
        Self { files: all_files(&objects).await, tables }
    }

    /// The table that a path belongs to; none for the catalog.
    fn table(&self, path: &Path) -> Option<&'static str> {
        self.tables.get(&table_of(path)?).copied()
    }
}

/// What a query gives.
type Answer = Result<Vec<String>, Code>;

fn is_history(sql: &str) -> bool {
    sql.starts_with("SELECT version")
}

/// Reads of a table: each version, the range of all, the schema, the history.
fn queries(table: &str, versions: u64) -> Vec<String> {
    let mut queries: Vec<String> =
        (2..=versions).map(|v| format!("SELECT * FROM {table} VERSION AS OF {v} ORDER BY 1, 2")).collect();
    queries.extend([
        format!("SELECT * FROM {table} VERSION BETWEEN 1 AND 4 ORDER BY 1, 2"),
        format!("DESCRIBE {table}"),
        format!("SELECT version, operation, actor FROM history('{table}') ORDER BY version"),
    ]);
    queries
}

fn code(error: &datafusion::common::DataFusionError) -> Code {
    Error::find(error).map_or(Code::Internal, Error::code)
}

/// A session on the objects; an error where the catalog can't be read.
async fn open(objects: &Arc<InMemory>) -> Result<Session, Error> {
    let tt = TimeTravel::with_store(store(Arc::clone(objects) as _)).await?;
    Ok(Session::with(tt).await)
}

async fn answers(objects: &Arc<InMemory>, only: Option<&str>) -> Vec<(String, Answer)> {
    let mut found = vec![];
    let session = open(objects).await;
    for (table, versions) in VERSIONS.into_iter().filter(|(table, _)| only.is_none_or(|only| only == *table)) {
        for sql in queries(table, versions) {
            let answer = match &session {
                Ok(session) => Box::pin(session.run(&sql)).await.map_err(|error| code(&error)),
                Err(error) => Err(error.code()),
            };
            found.push((sql, answer));
        }
    }
    found
}

/// Codes with which damage may be told.
const TOLD: [Code; 4] = [Code::Corrupt, Code::SnapshotGone, Code::UnknownFeature, Code::TableNotFound];

/// Whether the answer is the right one, or an error that says what is wrong. Where the newest commits may be lost, the
/// older versions are as they were, and younger ones aren't there.
fn is_honest(sql: &str, right: &Answer, found: &Answer, may_be_older: bool) -> bool {
    match (right, found) {
        (right, found) if right == found => true,
        (_, Err(Code::VersionOutOfRange | Code::IncrementalOutOfRange)) => may_be_older,
        (_, Err(code)) => TOLD.contains(code),
        (Ok(right), Ok(found)) if may_be_older && is_history(sql) => right.starts_with(found),
        // The schema that the table had before.
        (Ok(right), Ok(found)) if may_be_older && sql.starts_with("DESCRIBE") => right.starts_with(found),
        _ => false,
    }
}

/// Counts of one thread, or of all.
#[derive(Debug, Default)]
struct Counts {
    flips: u64,
    others: u64,
    told: u64,
    harmless: u64,
    lost_tails: u64,
    verified: u64,
    decoder_panics: u64,
    violations: Vec<String>,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.flips += other.flips;
        self.others += other.others;
        self.told += other.told;
        self.harmless += other.harmless;
        self.lost_tails += other.lost_tails;
        self.verified += other.verified;
        self.decoder_panics += other.decoder_panics;
        self.violations.extend(other.violations);
    }

    fn panics(&mut self, case: &Case, panics: &Panics, ended: bool) {
        self.decoder_panics += panics.theirs.len() as u64;
        if !ended || !panics.ours.is_empty() {
            self.violations.push(format!("{case}: {panics:?}"));
        }
    }

    fn count(&mut self, case: &Case) {
        match case.damage {
            Damage::Flip { .. } => self.flips += 1,
            _ => self.others += 1,
        }
    }
}

/// Objects with one of them damaged, for as long as `work` runs.
async fn damaged<T>(files: &Files, objects: &Arc<InMemory>, case: &Case, work: impl Future<Output = T>) -> T {
    let (path, bytes) = case.apply(files);
    match bytes {
        Some(bytes) => drop(objects.put(&path, bytes.into()).await.unwrap()),
        None => objects.delete(&path).await.unwrap(),
    }
    let found = work.await;
    match files.get(&path) {
        Some(bytes) => drop(objects.put(&path, bytes.clone().into()).await.unwrap()),
        None => objects.delete(&path).await.unwrap(),
    }
    found
}

/// Reads all by SQL, and verifies both tables.
async fn by_sql(world: &World, objects: &Arc<InMemory>, case: &Case, right: &[(String, Answer)], counts: &mut Counts) {
    counts.count(case);
    let (target, bytes) = case.apply(&world.files);
    let changed = world.files.get(&target) != bytes.as_ref();
    let is_commit = |path: &Path| path.filename().is_some_and(|name| parse_commit_name(name).is_some());
    let lost = matches!(case.damage, Damage::Drop) && is_commit(&case.path);
    let only = world.table(&target);
    let work = async {
        let found = answers(objects, only).await;
        let mut damage = vec![];
        for (table, _) in VERSIONS.into_iter().filter(|(table, _)| only.is_none_or(|only| only == *table)) {
            damage.push(match open(objects).await {
                Ok(session) => match session.run(&format!("VERIFY TABLE {table}")).await {
                    Ok(_) => None,
                    Err(error) => Some(error.to_string()),
                },
                Err(error) => Some(error.to_string()),
            });
        }
        (found, damage)
    };
    let (outcome, panics) = watched(damaged(&world.files, objects, case, work)).await;
    counts.panics(case, &panics, outcome.is_some());
    let Some((found, damage)) = outcome else { return };
    let right = right.iter().filter(|(sql, _)| found.iter().any(|(other, _)| other == sql));
    let mut told = false;
    for ((sql, right), (_, found)) in right.zip(&found) {
        told |= right != found;
        if !is_honest(sql, right, found, lost) {
            counts.violations.push(format!("{case}: {sql} gives {found:?} instead of {right:?}"));
        }
    }
    match told {
        true => counts.told += 1,
        false => counts.harmless += 1,
    }
    counts.verified += 1;
    let is_named = damage.iter().all(|text| text.as_ref().is_some_and(|text| text.contains(target.as_ref())));
    let name = target.filename().unwrap_or_default();
    let lsn = parse_commit_name(name);
    let is_newest = lsn.is_some_and(|lsn| {
        let folder = target.as_ref().trim_end_matches(name);
        world
            .files
            .keys()
            .filter(|path| path.as_ref().starts_with(folder))
            .all(|path| path.filename().and_then(parse_commit_name).is_none_or(|other| other <= lsn))
    });
    // A lost checkpoint is no damage; what nobody refers to isn't either; and of the newest commit nothing tells.
    let leaves_no_trace = match case.damage {
        Damage::Drop => target.as_ref().contains("/checkpoints/") || is_newest,
        Damage::CopyTo(_) => !changed || (!world.files.contains_key(&target) && !target.as_ref().contains("/_log/")),
        _ => false,
    };
    // A gap names the log and the number.
    let names_gap = lost && damage.iter().flatten().all(|text| text.contains(name.trim_end_matches(".json")));
    if lost && is_newest && damage.iter().all(Option::is_none) {
        counts.lost_tails += 1;
    } else if !is_named && !leaves_no_trace && !names_gap {
        counts.violations.push(format!("{case}: VERIFY TABLE says {damage:?}"));
    }
}

/// What a log says, by a handle that knows nothing yet.
#[derive(Debug, PartialEq)]
struct LogAnswer<S> {
    lsn: Lsn,
    state: S,
    commits: Vec<Arc<CommitInfo>>,
}

async fn log_answer<S: State>(objects: &Arc<InMemory>, root: LogRoot) -> Result<LogAnswer<S>, Error> {
    let log = Log::<S>::new(store(Arc::clone(objects) as _), root);
    let snapshot = log.snapshot().await?;
    let commits = log.commits(&snapshot, Lsn::FIRST, snapshot.lsn).await?;
    Ok(LogAnswer { lsn: snapshot.lsn, state: snapshot.state.clone(), commits })
}

/// Replays one log with a flipped bit.
async fn by_log<S: State>(
    files: &Files,
    objects: &Arc<InMemory>,
    case: &Case,
    right: (LogRoot, &LogAnswer<S>),
    counts: &mut Counts,
) {
    counts.count(case);
    let (root, right) = right;
    let (outcome, panics) = watched(damaged(files, objects, case, log_answer::<S>(objects, root))).await;
    counts.panics(case, &panics, outcome.is_some());
    match outcome {
        None => {}
        Some(Ok(found)) if found == *right => counts.harmless += 1,
        Some(Err(error)) if TOLD.contains(&error.code()) => counts.told += 1,
        Some(found) => counts.violations.push(format!("{case}: the log gives {found:?}")),
    }
}

/// How much is done.
struct Size {
    /// Of so many bits of a log's file one is flipped, for the log itself.
    log_bits: usize,
    /// The same for every file and SQL.
    sql_bits: usize,
    /// The same for data files and SQL.
    data_bits: usize,
    /// The same for a segment of the commit index.
    segment_bits: usize,
    /// To how many lengths each file is cut.
    cuts: usize,
}

const THREADS: usize = 2;

/// The cases of one thread.
fn share<T: Clone>(cases: &[T], thread: usize) -> impl Iterator<Item = &T> {
    cases.iter().skip(thread).step_by(THREADS)
}

fn run(size: &Size) {
    let started = std::time::Instant::now();
    let world = runtime().block_on(World::new());
    let is_data = |path: &Path| path.as_ref().contains("/data/");
    let mut sql = whole_files(&world.files, size.cuts);
    sql.extend(flips(world.files.iter().filter(|(path, _)| !is_data(path)), size.sql_bits));
    sql.extend(flips(world.files.iter().filter(|(path, _)| is_data(path)), size.data_bits));
    let logs = flips(world.files.iter().filter(|(path, _)| !is_data(path)), size.log_bits);
    let done = on_threads(THREADS, 8 * STACK, |thread| {
        runtime().block_on(async {
            let objects = memory(&world.files).await;
            let right = answers(&objects, None).await;
            assert!(right.iter().all(|(sql, answer)| answer.is_ok() || sql.contains("AS OF 9")), "{right:#?}");
            let mut counts = Counts::default();
            for case in share(&sql, thread) {
                by_sql(&world, &objects, case, &right, &mut counts).await;
            }
            let catalog = log_answer::<CatalogState>(&objects, LogRoot::Catalog).await.unwrap();
            let mut tables = BTreeMap::new();
            for id in world.tables.keys() {
                let root = LogRoot::Table(*id);
                tables.insert(*id, (root, log_answer::<TableState>(&objects, root).await.unwrap()));
            }
            for case in share(&logs, thread) {
                match table_of(&case.path).and_then(|id| tables.get(&id)) {
                    Some((root, right)) => by_log(&world.files, &objects, case, (*root, right), &mut counts).await,
                    None => by_log(&world.files, &objects, case, (LogRoot::Catalog, &catalog), &mut counts).await,
                }
            }
            counts
        })
    });
    let mut counts = segments(size.segment_bits);
    done.into_iter().for_each(|other| counts.add(other));
    println!(
        "bit rot: {} bytes, {:.1} s",
        world.files.values().map(Bytes::len).sum::<usize>(),
        started.elapsed().as_secs_f64()
    );
    report(
        "bit rot",
        &[
            ("flips", counts.flips),
            ("files lost, cut, grown, swapped", counts.others),
            ("told", counts.told),
            ("harmless", counts.harmless),
            ("lost tails", counts.lost_tails),
            ("verified", counts.verified),
            ("decoder panics", counts.decoder_panics),
        ],
    );
    let count = counts.violations.len();
    assert_eq!(count, 0, "{count} violations, of them:\n{}", counts.violations[..count.min(20)].join("\n"));
}

/// A table of so many commits that a part of its commit index lies in a segment of its own; its bits are flipped.
fn segments(step: usize) -> Counts {
    runtime().block_on(async {
        let objects = Arc::new(InMemory::new());
        let session = Session::open(Arc::clone(&objects) as _).await;
        session.ok("CREATE TABLE long (k BIGINT PRIMARY KEY)").await;
        let id = table_id(Arc::clone(&objects) as _, "long").await;
        let of = store(Arc::clone(&objects) as _);
        let log = Arc::new(TableLog::new(of.clone(), LogRoot::Table(id)).with_checkpoint_every(1024));
        let mut head = log.snapshot().await.unwrap();
        while head.lsn.get() < 2048 {
            let options = CommitOptions::new(CommitId::from_u128(of.ids().next()), Operation::Alter, "test");
            head = log.commit(head, options, |_| Ok(Attempt::Actions(vec![]))).await.unwrap().snapshot;
        }
        log.flush().await;
        let files = all_files(&objects).await;
        let root = LogRoot::Table(id);
        let right = log_answer::<TableState>(&objects, root).await.unwrap();
        let segments: Vec<_> = files.iter().filter(|(path, _)| path.as_ref().contains("/index-")).collect();
        assert!(!segments.is_empty(), "no segment of the commit index");
        let mut counts = Counts::default();
        for case in flips(segments.into_iter(), step) {
            by_log(&files, &objects, &case, (root, &right), &mut counts).await;
        }
        counts
    })
}

#[test]
fn damage_is_told_or_harmless() {
    run(&Size { log_bits: 16, sql_bits: 8192, data_bits: 320, segment_bits: 8192, cuts: 2 });
}

#[test]
#[ignore = "every bit takes a long time"]
fn every_bit_of_every_file() {
    run(&Size { log_bits: 1, sql_bits: 64, data_bits: 8, segment_bits: 64, cuts: 200 });
}

/// Where the lost commit's successors are there, VERIFY TABLE sees the gap also where a reader takes the commit before for
/// the newest.
#[tokio::test]
async fn a_gap_behind_the_head_is_told_by_verify() {
    let objects = Arc::new(InMemory::new());
    let session = Session::open(Arc::clone(&objects) as _).await;
    session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY)").await;
    for k in 0..5 {
        session.ok(&format!("INSERT INTO t VALUES ({k})")).await;
    }
    session.tt.flush().await;
    let id = table_id(Arc::clone(&objects) as _, "t").await;
    objects.delete(&LogRoot::Table(id).commit(5)).await.unwrap();
    let fresh = Session::open(Arc::clone(&objects) as _).await;
    let error = fresh.run("VERIFY TABLE t").await.unwrap_err();
    assert!(error.to_string().contains("0000000000000005"), "{error}");
}
