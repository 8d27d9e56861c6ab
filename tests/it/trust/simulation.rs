//! A simulation (T4): writers, compactors, a sweeper, readers and whoever names tables, each with a handle of its own, a
//! clock that is wrong by up to ten minutes, a store that is slow, fails and answers wrong; days in virtual time. The same
//! seed gives the same requests in the same order.
//!
//! The verbs, the logs and the sweep are the real ones; files are rows as text, because what is tested is which files a
//! version reads and which are deleted. `TIMETRAVEL_SEED` replays one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::datatypes::{DataType, Field};
use bytes::Bytes;
use datafusion::common::DataFusionError;
use datafusion_timetravel::auth::Caller;
use datafusion_timetravel::catalog::{CatalogLog, CatalogState, DEFAULT_SCHEMA, TableName};
use datafusion_timetravel::log::{CommitOptions, CommitStatus, Lsn, Operation, State};
use datafusion_timetravel::ops::create::{self, IfExists, NewTable};
use datafusion_timetravel::ops::insert::{self, Overwrite, WriteIntent};
use datafusion_timetravel::ops::vacuum::Run;
use datafusion_timetravel::ops::version::{self, PurgedHistory};
use datafusion_timetravel::ops::{
    Pin, PinnedTable, VersionSpec, Warehouse, alter, drop as drop_verb, plan, purge, restore, undrop, vacuum,
};
use datafusion_timetravel::store::layout::{self, DataFileKind, LogRoot};
use datafusion_timetravel::store::testing::{ClockedStore, Fault, FaultStore, Op, Rule};
use datafusion_timetravel::store::{
    Clock, CommitId, Digest, FileId, Ids, ObjectStore, Path, SeededIds, Store, TableId, Timestamp,
};
use datafusion_timetravel::table::{
    Action, DataFile, FileEntry, FileKind, PartitionFilter, PartitionValues, Precondition, TableLog, TableSchema,
};
use datafusion_timetravel::write::WrittenFile;
use datafusion_timetravel::{Code, Error, TimeTravel, UnknownCommit};
use futures::future::{Either, select};
use object_store::memory::InMemory;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::history::{Effect, History, Outcome, Read, Rows, Statement};
use super::processes::commits_of;
use super::report::report;
use super::slow_store::{SlowStore, Trace};
use super::virtual_time::{SkewedClock, VirtualTime};
use crate::lake::Session;

const HOUR: Duration = Duration::from_secs(3_600);
/// The grace, and the retention for queries.
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// How far a clock may be wrong, in microseconds.
const SKEW: i64 = 600_000_000;

const ACCOUNTS: std::ops::Range<i64> = 0..4;
const EACH: i64 = 100;
const KEYS: std::ops::Range<i64> = 100..108;

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Writer,
    Compactor,
    Sweeper,
    Reader,
    Namer,
}

const CAST: [Role; 10] = [
    Role::Writer,
    Role::Writer,
    Role::Writer,
    Role::Writer,
    Role::Compactor,
    Role::Compactor,
    Role::Sweeper,
    Role::Reader,
    Role::Reader,
    Role::Namer,
];

/// What the actors call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// The verbs of the library, with files of text.
    Log,
    /// SQL, with Parquet.
    Sql,
}

/// What all know of each other only through the store, and what the test notes.
struct World {
    level: Level,
    time: VirtualTime,
    objects: Arc<dyn ObjectStore>,
    trace: Trace,
    faults: Mutex<Vec<FaultStore>>,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    moment: u64,
    statements: Vec<Statement>,
    reads: Vec<Read>,
    unknown: Vec<(usize, UnknownCommit)>,
    /// Reads that ended with a clear error.
    gone: u64,
    faults: u64,
}

impl Notes {
    fn tick(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }
}

struct Actor {
    world: Arc<World>,
    number: usize,
    role: Role,
    seed: u64,
    rng: StdRng,
    clock: SkewedClock,
    ids: Arc<SeededIds>,
    tt: TimeTravel,
    /// For the simulation with SQL.
    session: Option<Session>,
    made: u64,
}

/// Why a statement was not done, or not known to be.
struct Trouble {
    code: Code,
    unknown: Option<UnknownCommit>,
    text: String,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self { code: error.code(), unknown: error.unknown_commit(), text: error.to_string() }
    }
}

impl From<DataFusionError> for Trouble {
    fn from(error: DataFusionError) -> Self {
        let text = error.to_string();
        match Error::find(&error) {
            Some(ours) => Self { code: ours.code(), unknown: ours.unknown_commit(), text },
            // A failed read of a data file comes as it is.
            None if text.contains("injected") => Self { code: Code::StoreUnavailable, unknown: None, text },
            None => panic!("not an error of ours: {text}"),
        }
    }
}

fn name(table: &str) -> TableName {
    TableName::new(DEFAULT_SCHEMA, table)
}

/// The errors that say that nothing was done.
fn is_failure(code: Code) -> bool {
    matches!(
        code,
        Code::Conflict
            | Code::StoreUnavailable
            | Code::SnapshotGone
            | Code::TableDropped
            | Code::TableExists
            | Code::TableNotFound
            | Code::NotRestorable
            | Code::VersionOutOfRange
            | Code::VersionTooOld
            | Code::PartitionNotFound
            | Code::UnsafeStore
    )
}

impl World {
    /// A handle of its own for somebody, with whatever may go wrong once it is open.
    async fn open(
        self: &Arc<Self>,
        number: usize,
        seed: u64,
        clock: &SkewedClock,
        ids: &Arc<SeededIds>,
    ) -> (TimeTravel, Option<Session>) {
        let seed = seed.wrapping_mul(31).wrapping_add(number as u64);
        // The first of all is in a hurry, so that there is something for the others.
        let rare = if number == 0 { (u32::MAX, Duration::ZERO) } else { (400, 3 * DAY) };
        let slow = SlowStore::new(Arc::clone(&self.objects), self.time.clone(), (number, seed), rare, self.trace.clone());
        let faults = FaultStore::new(Arc::new(slow), seed);
        let store = Store::new(Arc::new(faults.clone()), Path::default());
        let store = store.with_clock(Arc::new(clock.clone())).with_ids(ids.clone());
        let tt = TimeTravel::builder_with_store(store).grace(DAY).build().await.unwrap();
        let session = match self.level {
            Level::Log => None,
            Level::Sql => {
                let session = Session::with(tt.clone()).await;
                session.ok("SET timetravel.purged_history = 'error'").await;
                Some(session)
            }
        };
        if number > 0 {
            for (op, path, probability, fault) in [
                (Op::Put, "_log/", 0.03, Fault::ApplyThenError),
                (Op::Put, "_log/", 0.02, Fault::Timeout { applied: true }),
                (Op::Put, "_log/", 0.02, Fault::Timeout { applied: false }),
                (Op::Put, "_log/", 0.02, Fault::LateApply { after: Some(3) }),
                (Op::Put, "_log/", 0.01, Fault::LateApply { after: Some(40) }),
                (Op::Put, "_log/", 0.02, Fault::Conflict409),
                (Op::Put, "_log/", 0.05, Fault::Precondition412),
                (Op::Put, "", 0.01, Fault::FailBefore),
                (Op::Put, "data/", 0.01, Fault::LateApply { after: Some(9) }),
                (Op::Get, "", 0.01, Fault::FailBefore),
                (Op::List, "", 0.02, Fault::FailMidway { after: 2 }),
                (Op::Delete, "", 0.02, Fault::FailBefore),
                (Op::Delete, "", 0.02, Fault::LateApply { after: Some(5) }),
            ] {
                faults.add(Rule::on(op).path(path).probability(probability).fault(fault));
            }
            self.faults.lock().unwrap().push(faults);
        }
        (tt, session)
    }
}

impl Actor {
    async fn new(world: &Arc<World>, number: usize, role: Role, seed: u64) -> Self {
        let own = seed.wrapping_mul(1_000_003).wrapping_add(number as u64);
        let mut rng = StdRng::seed_from_u64(own);
        let skew = if number == 0 { 0 } else { rng.random_range(-SKEW..=SKEW) };
        let clock = SkewedClock { time: world.time.clone(), skew };
        let ids = Arc::new(SeededIds::new(own));
        let (tt, session) = world.open(number, seed, &clock, &ids).await;
        Self { world: Arc::clone(world), number, role, seed, rng, clock, ids, tt, session, made: 0 }
    }

    fn warehouse(&self) -> &Warehouse {
        self.tt.warehouse()
    }

    /// Starts again as a process does: with nothing in its caches.
    async fn restart(&mut self) {
        let seed = self.rng.random();
        (self.tt, self.session) = self.world.open(self.number, seed, &self.clock, &self.ids).await;
    }

    /// Runs one statement; sometimes it is given up midway.
    async fn run<T>(
        &mut self,
        log: Option<&str>,
        effect: Effect,
        may_do_nothing: bool,
        statement: impl AsyncFnOnce(&Self, Caller) -> Result<T, Trouble>,
    ) -> Option<T> {
        self.made += 1;
        let tag = format!("{}{}-{}", format!("{:?}", self.role).to_lowercase(), self.number, self.made);
        let at = {
            let mut notes = self.world.notes.lock().unwrap();
            let start = notes.tick();
            notes.statements.push(Statement {
                tag: tag.clone(),
                log: log.map(str::to_owned),
                effect,
                start,
                end: None,
                outcome: Outcome::Lost,
                may_do_nothing,
                atomic: self.role != Role::Sweeper,
                said: String::new(),
            });
            notes.statements.len() - 1
        };
        let patience = match self.rng.random_range(0..25) {
            0 if self.number > 0 => Duration::from_micros(self.rng.random_range(0..400_000)),
            _ => 1_000 * DAY,
        };
        let caller = Caller { actor: format!("actor{}", self.number), reason: Some(tag.clone()) };
        let sleep = self.world.time.sleep(patience);
        let running = Box::pin(statement(self, caller));
        let result = match select(running, sleep).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => return None,
        };
        let mut notes = self.world.notes.lock().unwrap();
        let end = notes.tick();
        let (outcome, value) = match result {
            Ok(value) => (Outcome::Done, Some(value)),
            Err(trouble) if trouble.code == Code::CommitStateUnknown => {
                notes.unknown.push((at, trouble.unknown.unwrap()));
                (Outcome::Unknown(None), None)
            }
            Err(trouble) if is_failure(trouble.code) => {
                notes.statements[at].said = trouble.text;
                (Outcome::Failed, None)
            }
            Err(Trouble { code, text, .. }) => panic!("seed {}: {tag}: {code:?}: {text}", self.seed),
        };
        notes.statements[at].end = Some(end);
        notes.statements[at].outcome = outcome;
        value
    }

    async fn pinned(&self, caller: &Caller) -> Result<(Pin, PinnedTable), Error> {
        let pin = Pin::new(self.warehouse(), caller).await?;
        let table = pin.table(&name("main")).await?;
        Ok((pin, table))
    }

    /// The rows of files, the highest order last.
    async fn rows(&self, table: TableId, mut files: Vec<Arc<FileEntry>>) -> Result<BTreeMap<i64, Option<i64>>, Error> {
        files.sort_by_key(|entry| entry.order);
        let mut rows = BTreeMap::new();
        for entry in files {
            let kind = match entry.file.kind {
                FileKind::Base => DataFileKind::Base,
                FileKind::Delta => DataFileKind::Delta,
            };
            let path = layout::data_file(table, entry.file.id, kind);
            let text = self.warehouse().store().read_range(&path, 0..entry.file.size).await?;
            for line in std::str::from_utf8(&text).unwrap().lines() {
                let (key, value) = line.split_once(' ').unwrap();
                rows.insert(key.parse().unwrap(), value.parse().ok());
            }
        }
        Ok(rows)
    }

    async fn write(&self, table: TableId, rows: &BTreeMap<i64, Option<i64>>) -> Result<WrittenFile, Error> {
        let begun = self.clock.now();
        let tombstones = rows.values().filter(|value| value.is_none()).count() as u64;
        let (kind, named) = match tombstones {
            0 => (FileKind::Base, DataFileKind::Base),
            _ => (FileKind::Delta, DataFileKind::Delta),
        };
        let line = |(key, value): (&i64, &Option<i64>)| match value {
            Some(value) => format!("{key} {value}\n"),
            None => format!("{key} -gone\n"),
        };
        let body = Bytes::from(rows.iter().map(line).collect::<String>());
        let file = DataFile {
            id: FileId::from_u128(self.ids.next()),
            kind,
            owner: None,
            rows: rows.len() as u64,
            tombstones,
            size: body.len() as u64,
            digest: Digest::of(&body),
            footer: 0,
            row_groups: vec![],
            stats: vec![],
        };
        self.warehouse().store().put_new(&layout::data_file(table, file.id, named), body).await?;
        Ok(WrittenFile { values: PartitionValues(vec![]), file, begun })
    }

    /// A statement that writes what `change` makes of the rows, as the library's own do.
    async fn change(
        &self,
        caller: &Caller,
        operation: Operation,
        reads: bool,
        replaces: bool,
        change: impl Fn(&Rows) -> BTreeMap<i64, Option<i64>>,
    ) -> Result<(), Error> {
        let mut attempt = 0;
        loop {
            let (_, table) = self.pinned(caller).await?;
            let state = &table.snapshot.state;
            let before: Rows = match reads {
                true => {
                    let rows = self.rows(table.id, state.visible_at(table.snapshot.lsn)).await?;
                    rows.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
                }
                false => Rows::new(),
            };
            let changed = change(&before);
            let files = if changed.is_empty() { vec![] } else { vec![self.write(table.id, &changed).await?] };
            if files.is_empty() && !replaces {
                return Ok(());
            }
            let intent = WriteIntent {
                operation,
                replaces: replaces.then_some(Overwrite::Table),
                unchanged: reads.then_some(Precondition::Unchanged(PartitionFilter::All)),
            };
            let schema = state.schema()?;
            match insert::commit(self.warehouse(), caller, &table, &schema, files, intent).await {
                Err(error) if error.code() == Code::Conflict && attempt < 4 => attempt += 1,
                Err(error) => return Err(error),
                Ok(_) => return Ok(()),
            }
        }
    }

    async fn step(&mut self) {
        let pause = match self.rng.random_range(0..6) {
            0 => Duration::from_micros(self.rng.random_range(0..50_000)),
            1..4 => Duration::from_secs(self.rng.random_range(0..600)),
            _ => Duration::from_secs(self.rng.random_range(0..4 * 3_600)),
        };
        self.world.time.sleep(pause).await;
        if self.rng.random_range(0..20) == 0 {
            self.restart().await;
        }
        match self.role {
            Role::Namer => self.names().await,
            _ if self.session.is_some() => self.sql_step().await,
            Role::Writer => self.writes().await,
            Role::Compactor => self.compacts().await,
            Role::Sweeper => self.sweeps().await,
            Role::Reader => self.reads().await,
        }
    }

    fn pairs(&mut self) -> Vec<(i64, i64)> {
        let count = self.rng.random_range(1..=3);
        let rows: Rows = (0..count).map(|_| (self.rng.random_range(KEYS), self.rng.random_range(0..100))).collect();
        rows.into_iter().collect()
    }

    async fn writes(&mut self) {
        match self.rng.random_range(0..20) {
            0..8 => {
                let pairs = self.pairs();
                let put: BTreeMap<_, _> = pairs.iter().map(|(key, value)| (*key, Some(*value))).collect();
                let statement = async move |actor: &Self, caller: Caller| {
                    Ok(actor.change(&caller, Operation::Append, false, false, |_| put.clone()).await?)
                };
                self.run(Some("main"), Effect::Put(pairs), false, statement).await;
            }
            8..14 => {
                let (a, b, by) = (self.rng.random_range(ACCOUNTS), self.rng.random_range(ACCOUNTS), self.rng.random_range(1..9));
                if a == b {
                    return;
                }
                let statement = async move |actor: &Self, caller: Caller| {
                    let transfer = |rows: &Rows| {
                        let moved = [(a, -by), (b, by)].into_iter();
                        moved.filter_map(|(key, by)| Some((key, Some(rows.get(&key)? + by)))).collect()
                    };
                    Ok(actor.change(&caller, Operation::Update, true, false, transfer).await?)
                };
                self.run(Some("main"), Effect::Add(vec![(a, -by), (b, by)]), false, statement).await;
            }
            14..17 => {
                let key = self.rng.random_range(KEYS);
                let statement = async move |actor: &Self, caller: Caller| {
                    let delete = |rows: &Rows| rows.contains_key(&key).then_some((key, None)).into_iter().collect();
                    Ok(actor.change(&caller, Operation::Delete, true, false, delete).await?)
                };
                self.run(Some("main"), Effect::Delete(vec![key]), false, statement).await;
            }
            17 => {
                let pairs: Vec<(i64, i64)> = ACCOUNTS.map(|key| (key, EACH)).chain(self.pairs()).collect();
                let all: BTreeMap<_, _> = pairs.iter().map(|(key, value)| (*key, Some(*value))).collect();
                let statement = async move |actor: &Self, caller: Caller| {
                    Ok(actor.change(&caller, Operation::Overwrite, false, true, |_| all.clone()).await?)
                };
                self.run(Some("main"), Effect::Overwrite(pairs), false, statement).await;
            }
            _ => {
                let back = self.rng.random_range(0..12);
                let Ok((_, table)) = self.pinned(&Caller::default()).await else { return };
                let version = table.snapshot.lsn.get().saturating_sub(back).max(2);
                let statement = async move |actor: &Self, caller: Caller| {
                    let pin = Pin::new(actor.warehouse(), &caller).await?;
                    Ok(restore::table(&pin, &name("main"), Lsn::new(version)).await?)
                };
                self.run(Some("main"), Effect::Restore(version), false, statement).await;
            }
        }
    }

    async fn compacts(&mut self) {
        let (skip, share): (usize, usize) = (self.rng.random_range(0..3), self.rng.random_range(1..4));
        let statement = async move |actor: &Self, caller: Caller| {
            let (_, table) = actor.pinned(&caller).await?;
            let base = Arc::clone(&table.snapshot);
            let mut files = base.state.visible_at(base.lsn);
            files.sort_by_key(|entry| (entry.order, entry.file.id));
            if files.len() < 2 {
                return Ok(None);
            }
            let first = if share == 1 { 0 } else { skip.min(files.len() - 2) };
            let mut end = if share == 1 { files.len() } else { (first + 1 + share).min(files.len()) };
            while end < files.len() && files[end].order == files[end - 1].order {
                end += 1;
            }
            let run = &files[first..end];
            let mut rows = actor.rows(table.id, run.to_vec()).await?;
            if first == 0 {
                rows.retain(|_, value| value.is_some());
            }
            let written = match rows.is_empty() {
                true => vec![],
                false => vec![actor.write(table.id, &rows).await?],
            };
            let inputs: Vec<FileId> = run.iter().map(|entry| entry.file.id).collect();
            let begun = written.iter().map(|file| file.begun).min();
            let draft = plan::compact(&base, &inputs, written.into_iter().map(|file| file.file).collect())?;
            let mut options =
                CommitOptions::new(CommitId::from_u128(actor.ids.next()), Operation::Compact, &caller.actor);
            options.reason = caller.reason;
            options.not_after = begun.map(|begun| begun.saturating_add(DAY / 2));
            Ok(Some(table.log.commit(base, options, move |head| draft.plan(head, "main")).await?))
        };
        self.run(Some("main"), Effect::Nothing, true, statement).await;
    }

    async fn sweeps(&mut self) {
        let purges = self.rng.random_range(0..6) == 0;
        let statement = async move |actor: &Self, caller: Caller| {
            let pin = Pin::new(actor.warehouse(), &caller).await?;
            Ok(match purges {
                true => purge::table(&pin, &name("main"), Run::Do).await?,
                false => vacuum::warehouse(&pin, "simulation", Run::Do).await?,
            })
        };
        self.run(None, Effect::Nothing, true, statement).await;
    }

    async fn reads(&mut self) {
        let start = self.world.notes.lock().unwrap().tick();
        let began = self.world.time.now();
        let Ok((pin, table)) = self.pinned(&Caller::default()).await else { return };
        let head = table.snapshot.lsn.get();
        let newest = self.rng.random_range(0..3) == 0;
        let version = if newest { head } else { self.rng.random_range(2.min(head)..=head) };
        let spec = VersionSpec::Version(version as i64);
        let found = match version::as_of(&pin, &table, pin.now(), spec, PurgedHistory::Error).await {
            Ok(lsn) => lsn,
            Err(error) => {
                let clear = matches!(error.code(), Code::VersionTooOld | Code::SnapshotGone | Code::StoreUnavailable);
                assert!(clear && !newest, "seed {}: {:?}: {error}", self.seed, error.code());
                self.world.notes.lock().unwrap().gone += 1;
                return;
            }
        };
        let mut files = table.snapshot.state.visible_at(found);
        let mut rows: BTreeMap<i64, Option<i64>> = BTreeMap::new();
        files.sort_by_key(|entry| entry.order);
        for entry in files {
            // A reader may take its time between two files.
            if self.rng.random_range(0..30) == 0 {
                let most = if self.rng.random_range(0..4) == 0 { 72 } else { 12 };
                self.world.time.sleep(self.rng.random_range(0..most) * HOUR).await;
            }
            let file = entry.file.id;
            match self.rows(table.id, vec![entry]).await {
                Ok(more) => rows.extend(more),
                Err(error) if error.code() == Code::StoreUnavailable => return,
                Err(error) => {
                    assert_eq!(error.code(), Code::SnapshotGone, "seed {}: {error}", self.seed);
                    let took = self.world.time.now() - began;
                    let (seed, fair) = (self.seed, self.may_be_gone(&table, file).await);
                    assert!(fair, "seed {seed}: a live file of version {version} is gone: {error}, {took:?}");
                    self.world.notes.lock().unwrap().gone += 1;
                    return;
                }
            }
        }
        let rows: Rows = rows.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        let mut notes = self.world.notes.lock().unwrap();
        let end = notes.tick();
        notes.reads.push(Read { log: table.id.to_string(), version: Some(version), rows, start, end });
    }

    /// Whether the file may have been deleted by now: somebody purged the table since it was pinned, or the file is read by
    /// no version since a day or more, give or take what clocks are wrong. Asked without faults: the answer must be true.
    async fn may_be_gone(&self, table: &PinnedTable, file: FileId) -> bool {
        let log = TableLog::new(Store::new(Arc::clone(&self.world.objects), Path::default()), LogRoot::Table(table.id));
        let head = log.snapshot().await.unwrap();
        if head.state.info().unwrap().purged.is_some_and(|purged| purged > table.snapshot.lsn) {
            return true;
        }
        // The entry itself may have been swept; the commits are there.
        let (mut ended, mut lsn) = (None, Lsn::FIRST);
        while let Some(commit) = log.read_commit(lsn).await.unwrap() {
            for action in &commit.actions {
                match action {
                    // A file that no version reads may still be counted; that keeps it for ranges that begin before it.
                    Action::Close { file: closed, .. } if *closed == file => ended = ended.or(Some(commit.header.time)),
                    Action::Reopen { file: reopened, visible: true, .. } if *reopened == file => ended = None,
                    _ => {}
                }
            }
            lsn = lsn.next();
        }
        let latest = SkewedClock { time: self.world.time.clone(), skew: SKEW }.now();
        let fair = ended.is_some_and(|ended| latest.since(ended) >= DAY);
        if !fair {
            println!("pinned at {}, now {latest}, head {}, file ended {ended:?}", table.snapshot.lsn, head.lsn);
            for info in log.commits(&head, Lsn::FIRST, head.lsn).await.unwrap() {
                let commit = log.read_commit(info.lsn).await.unwrap().unwrap();
                let about: Vec<&Action> = commit.actions.iter().filter(|a| format!("{a:?}").contains(&file.to_string())).collect();
                println!("{} {} {} {:?} {about:?}", info.lsn, info.time, info.operation, info.reason);
            }
        }
        fair
    }

    async fn names(&mut self) {
        let (one, other) = (*["a", "b"].choose(&mut self.rng).unwrap(), *["a", "b"].choose(&mut self.rng).unwrap());
        let kind = self.rng.random_range(0..4);
        let statement = async move |actor: &Self, caller: Caller| {
            let pin = Pin::new(actor.warehouse(), &caller).await?;
            match kind {
                0 => create_table(&pin, one, TableId::from_u128(actor.ids.next())).await?,
                1 => drop_verb::table(&pin, &name(one)).await?,
                2 if one != other => alter::rename(&pin, &name(one), name(other)).await?,
                _ => {
                    let dropped = pin.catalog().state.dropped(&name(one));
                    let Some(entry) = dropped.iter().rev().find(|entry| entry.purged.is_none()) else { return Ok(()) };
                    undrop::table(&pin, &name(one), entry.id).await?;
                }
            }
            Ok(())
        };
        self.run(None, Effect::Nothing, kind > 1, statement).await;
    }
}

async fn create_table(pin: &Pin, table: &str, id: TableId) -> Result<(), Error> {
    let fields = vec![Field::new("k", DataType::Int64, false), Field::new("v", DataType::Int64, true)];
    let schema = TableSchema::new(fields, vec![], &["k".to_owned()])?;
    let (name, properties) = (name(table), BTreeMap::new());
    let new = NewTable { id, name, schema, properties, lifecycle: None, comment: None, if_exists: IfExists::Fail };
    match new.check(pin).await? {
        true => create::create(pin, new, vec![]).await,
        false => Ok(()),
    }
}

/// What a seed came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Sum {
    commits: u64,
    statements: u64,
    reads: u64,
    gone: u64,
    faults: u64,
    deleted: u64,
    trace: u128,
    lines: Vec<String>,
}

/// SQL, with Parquet.
impl Actor {
    async fn sql(&mut self, effect: Option<Effect>, may_do_nothing: bool, sql: String) {
        let log = effect.as_ref().map(|_| "main");
        let statement = async move |actor: &Self, caller: Caller| {
            let Session { tt, ctx } = actor.session.clone().unwrap();
            Ok(Session { tt: tt.with_caller(caller.actor, caller.reason), ctx }.run(&sql).await?)
        };
        self.run(log, effect.unwrap_or(Effect::Nothing), may_do_nothing, statement).await;
    }

    async fn sql_step(&mut self) {
        let pairs = self.pairs();
        let rows: Vec<String> = pairs.iter().map(|(key, value)| format!("({key}, {value})")).collect();
        let rows = rows.join(", ");
        let key = self.rng.random_range(KEYS);
        match (self.role, self.rng.random_range(0..20)) {
            (Role::Writer, 0..7) => {
                self.sql(Some(Effect::Put(pairs)), false, format!("INSERT INTO main VALUES {rows}")).await;
            }
            (Role::Writer, 7..11) => {
                let (a, b, by) = (key % 2, 2 + key % 2, self.rng.random_range(1..9));
                let sql = format!("UPDATE main SET v = v + CASE k WHEN {a} THEN -{by} ELSE {by} END WHERE k IN ({a}, {b})");
                self.sql(Some(Effect::Add(vec![(a, -by), (b, by)])), false, sql).await;
            }
            (Role::Writer, 11..14) => {
                self.sql(Some(Effect::Delete(vec![key])), false, format!("DELETE FROM main WHERE k = {key}")).await;
            }
            (Role::Writer, 14..17) => {
                let sql = format!(
                    "MERGE INTO main USING (VALUES {rows}) AS s (k, v) ON main.k = s.k WHEN MATCHED THEN UPDATE SET v = main.v + s.v WHEN NOT MATCHED THEN INSERT VALUES (s.k, s.v)"
                );
                self.sql(Some(Effect::Merge(pairs)), false, sql).await;
            }
            (Role::Writer, 17) => {
                let all: Vec<(i64, i64)> = ACCOUNTS.map(|key| (key, EACH)).chain(pairs).collect();
                let rows: Vec<String> = all.iter().map(|(key, value)| format!("({key}, {value})")).collect();
                let sql = format!("INSERT OVERWRITE TABLE main VALUES {}", rows.join(", "));
                self.sql(Some(Effect::Overwrite(all)), false, sql).await;
            }
            (Role::Writer, _) => {
                let Ok((_, table)) = self.pinned(&Caller::default()).await else { return };
                let version = table.snapshot.lsn.get().saturating_sub(self.rng.random_range(0..12)).max(2);
                let sql = format!("RESTORE TABLE main TO LSN '{version}'");
                self.sql(Some(Effect::Restore(version)), false, sql).await;
            }
            (Role::Compactor, n) => {
                let kind = if n < 10 { "MAJOR" } else { "MINOR" };
                self.sql(Some(Effect::Nothing), true, format!("ALTER TABLE main COMPACT {kind}")).await;
            }
            (Role::Sweeper, 0..3) => self.sql(None, true, "PURGE TABLE main".to_owned()).await,
            (Role::Sweeper, _) => self.sql(None, true, "VACUUM".to_owned()).await,
            (Role::Reader | Role::Namer, _) => self.sql_reads().await,
        }
    }

    async fn sql_reads(&mut self) {
        let start = self.world.notes.lock().unwrap().tick();
        let began = self.world.time.now();
        let Ok((_, table)) = self.pinned(&Caller::default()).await else { return };
        let head = table.snapshot.lsn.get();
        let newest = self.rng.random_range(0..3) == 0;
        let version = (!newest).then(|| self.rng.random_range(2.min(head)..=head));
        let clause = version.map_or(String::new(), |version| format!(" VERSION AS OF {version}"));
        let session = self.session.clone().unwrap();
        let result = session.run(&format!("SELECT k, v FROM main{clause} ORDER BY k")).await.map_err(Trouble::from);
        match result {
            Ok(rows) => {
                let pairs = rows.iter().map(|row| row.split_once(' ').unwrap());
                let rows: Rows = pairs.map(|(key, value)| (key.parse().unwrap(), value.parse().unwrap())).collect();
                let mut notes = self.world.notes.lock().unwrap();
                let end = notes.tick();
                notes.reads.push(Read { log: table.id.to_string(), version, rows, start, end });
            }
            Err(trouble) if trouble.code == Code::StoreUnavailable => {}
            Err(Trouble { code, text, .. }) => {
                assert!(matches!(code, Code::VersionTooOld | Code::SnapshotGone), "seed {}: {code:?}: {text}", self.seed);
                let took = self.world.time.now() - began;
                let patient = took + 2 * Duration::from_micros(SKEW as u64) >= DAY;
                let fair = !newest || patient || self.purged_since(&table).await;
                assert!(fair, "seed {}: the newest version is gone: {text}, {took:?}", self.seed);
                self.world.notes.lock().unwrap().gone += 1;
            }
        }
    }

    /// Whether somebody purged the table since it was pinned. Asked without faults: the answer must be true.
    async fn purged_since(&self, table: &PinnedTable) -> bool {
        let log = TableLog::new(Store::new(Arc::clone(&self.world.objects), Path::default()), LogRoot::Table(table.id));
        let purged = log.snapshot().await.unwrap().state.info().unwrap().purged;
        purged.is_some_and(|purged| purged > table.snapshot.lsn)
    }
}

/// One simulation; what it came to, or what was wrong.
fn simulate(level: Level, seed: u64, steps: u64) -> Result<Sum, String> {
    let time = VirtualTime::default();
    time.clone().runtime().block_on(async move {
        let inner = Arc::new(InMemory::new());
        let true_clock = SkewedClock { time: time.clone(), skew: 0 };
        let objects: Arc<dyn ObjectStore> = Arc::new(ClockedStore::new(inner, Arc::new(true_clock.clone())));
        let (faults, notes) = (Mutex::default(), Mutex::default());
        let world = Arc::new(World { level, time, objects, trace: Trace::default(), faults, notes });
        let mut first = Actor::new(&world, 0, Role::Writer, seed).await;
        let id = TableId::from_u128(first.ids.next());
        let statement = async move |actor: &Actor, caller: Caller| {
            Ok(create_table(&Pin::new(actor.warehouse(), &caller).await?, "main", id).await?)
        };
        // The first statements are not given up.
        let opened: Vec<(i64, i64)> = ACCOUNTS.map(|account| (account, EACH)).collect();
        while first.run(Some("main"), Effect::Nothing, true, statement).await.is_none() {}
        while level == Level::Log {
            let put: BTreeMap<_, _> = opened.iter().map(|(key, value)| (*key, Some(*value))).collect();
            let statement = async move |actor: &Actor, caller: Caller| {
                Ok(actor.change(&caller, Operation::Append, false, false, |_| put.clone()).await?)
            };
            if first.run(Some("main"), Effect::Put(opened.clone()), false, statement).await.is_some() {
                break;
            }
        }
        if level == Level::Sql {
            let rows: Vec<String> = opened.iter().map(|(key, value)| format!("({key}, {value})")).collect();
            first.sql(Some(Effect::Put(opened)), false, format!("INSERT INTO main VALUES {}", rows.join(", "))).await;
        }
        let mut actors = vec![];
        for (number, role) in (1..).zip(CAST) {
            let world = Arc::clone(&world);
            actors.push(tokio::spawn(async move {
                let mut actor = Actor::new(&world, number, role, seed).await;
                for _ in 0..steps {
                    actor.step().await;
                }
                actor.tt.flush().await;
            }));
        }
        for actor in actors {
            actor.await.map_err(|error| format!("seed {seed}: {error}"))?;
        }
        // What is still on its way lands; a commit behind it settles what nobody knows.
        let stores = std::mem::take(&mut *world.faults.lock().unwrap());
        for faults in stores {
            world.notes.lock().unwrap().faults += faults.fired();
            faults.clear();
            faults.release().await;
        }
        settle(&world, &first, id).await;
        verify(&world, seed, id).await
    })
}

/// Everybody who didn't know asks.
async fn settle(world: &Arc<World>, first: &Actor, id: TableId) {
    let caller = Caller { actor: "actor0".into(), reason: Some("last".into()) };
    world.notes.lock().unwrap().statements.push(Statement {
        tag: "last".into(),
        log: None,
        effect: Effect::Nothing,
        start: u64::MAX - 1,
        end: Some(u64::MAX),
        outcome: Outcome::Done,
        may_do_nothing: true,
        atomic: true,
        said: String::new(),
    });
    let pin = Pin::new(first.warehouse(), &caller).await.unwrap();
    let table = pin.table(&name("main")).await.unwrap();
    let touch = BTreeMap::from([("comment.by".to_owned(), Some("last".to_owned()))]);
    let options = CommitOptions::new(CommitId::from_u128(first.ids.next()), Operation::Alter, "actor0");
    let options = CommitOptions { reason: Some("last".into()), ..options };
    let plan = move |head: &datafusion_timetravel::table::TableSnapshot| plan::set_properties(head, "main", touch.clone());
    table.log.commit(table.snapshot, options, plan).await.unwrap();
    let unknown = std::mem::take(&mut world.notes.lock().unwrap().unknown);
    for (at, commit) in unknown {
        let status = first.tt.commit_status(commit).await.unwrap();
        let settled = match status {
            CommitStatus::Committed { .. } => Some(true),
            CommitStatus::NotCommitted => Some(false),
            CommitStatus::Undecided => None,
        };
        assert!(settled.is_some() || commit.table != Some(id), "{commit:?} is undecided although later commits stand");
        let mut notes = world.notes.lock().unwrap();
        // A table's first commit may stand without the name that would make it seen.
        if notes.statements[at].log.is_some() {
            notes.statements[at].outcome = Outcome::Unknown(settled);
        }
    }
}

async fn verify(world: &Arc<World>, seed: u64, main: TableId) -> Result<Sum, String> {
    let store = Store::new(Arc::clone(&world.objects), Path::default());
    let mut history = History { bank: Some((ACCOUNTS, ACCOUNTS.count() as i64 * EACH)), ..History::default() };
    let catalog = CatalogLog::new(store.clone(), LogRoot::Catalog);
    let mut state = CatalogState::default();
    let mut lsn = Lsn::FIRST;
    while let Some(commit) = catalog.read_commit(lsn).await.unwrap() {
        state.apply(&commit.header, &commit.actions).unwrap();
        let live = state.tables().filter(|entry| entry.dropped.is_none());
        history.names.push((lsn.get(), live.map(|entry| (entry.name.to_string(), entry.id.to_string())).collect()));
        lsn = lsn.next();
    }
    commits_of(&catalog, &mut history.commits).await;
    for entry in state.tables() {
        commits_of(&TableLog::new(store.clone(), LogRoot::Table(entry.id)), &mut history.commits).await;
    }
    let (gone, faults) = {
        let mut notes = world.notes.lock().unwrap();
        history.statements = std::mem::take(&mut notes.statements);
        history.reads = std::mem::take(&mut notes.reads);
        (notes.gone, notes.faults)
    };
    for statement in &mut history.statements {
        if statement.log.is_some() {
            statement.log = Some(main.to_string());
        }
    }
    let mut violations = history.violations();
    // No file that a log names was deleted.
    let snapshot = TableLog::new(store.clone(), LogRoot::Table(main)).snapshot().await.unwrap();
    let objects = store.list(&layout::data_folder(main)).await.unwrap();
    let there: HashSet<FileId> =
        objects.iter().filter_map(|o| Some(layout::parse_data_file_name(o.location.filename()?)?.0)).collect();
    let kept = snapshot.state.files().filter(|entry| !snapshot.state.is_gone(entry.file.id));
    let lost: Vec<FileId> = kept.map(|entry| entry.file.id).filter(|file| !there.contains(file)).collect();
    if !lost.is_empty() {
        violations.push(format!("files that the log names are gone: {lost:?}"));
    }
    let lines = world.trace.lines();
    let deleted = lines.iter().filter(|line| line.contains(" Delete ") && line.contains("/data/")).count() as u64;
    let sum = Sum {
        commits: history.commits.len() as u64,
        statements: history.statements.len() as u64,
        reads: history.reads.len() as u64,
        gone,
        faults,
        deleted,
        trace: Digest::of(lines.join("\n").as_bytes()).as_u128(),
        lines,
    };
    match violations.is_empty() {
        true => Ok(sum),
        false => Err(format!("TIMETRAVEL_SEED={seed}: {} violations:\n{}", violations.len(), violations.join("\n"))),
    }
}

/// Runs the seeds, two at a time, and each of the first `twice` two times.
fn seeds(level: Level, count: u64, twice: u64, steps: u64) {
    if let Ok(seed) = std::env::var("TIMETRAVEL_SEED") {
        let seed = seed.parse().expect("a number");
        let run = || simulate(level, seed, steps).unwrap_or_else(|error| panic!("{error}"));
        let sum = std::thread::scope(|scope| {
            std::thread::Builder::new().stack_size(32 << 20).spawn_scoped(scope, run).unwrap().join().unwrap()
        });
        println!("{}\n{:?}", sum.lines.join("\n"), Sum { lines: vec![], ..sum });
        return;
    }
    let (next, total) = (AtomicU64::new(0), Mutex::new(Sum::default()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= count {
                return;
            }
            let sum = simulate(level, seed, steps).unwrap_or_else(|error| {
                next.store(count, Ordering::SeqCst);
                panic!("{error}")
            });
            if seed < twice {
                let again = simulate(level, seed, steps).unwrap();
                let pairs = sum.lines.iter().zip(&again.lines).enumerate();
                if let Some((at, (a, b))) = pairs.clone().find(|(_, (a, b))| a != b) {
                    panic!("TIMETRAVEL_SEED={seed}: the second run differs at line {at}:\n{a}\n{b}");
                }
                assert_eq!(sum.trace, again.trace, "TIMETRAVEL_SEED={seed}: the second run is not the first");
            }
            let mut total = total.lock().unwrap();
            total.commits += sum.commits;
            total.statements += sum.statements;
            total.reads += sum.reads;
            total.gone += sum.gone;
            total.faults += sum.faults;
            total.deleted += sum.deleted;
        }
    };
    std::thread::scope(|scope| {
        // A plan in a build without optimisation may need more than the 2 MiB that a thread has.
        let thread = || std::thread::Builder::new().stack_size(32 << 20).spawn_scoped(scope, work).unwrap();
        let threads: Vec<_> = (0..2).map(|_| thread()).collect();
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    let total = total.into_inner().unwrap();
    println!("{total:?}");
    report(
        if level == Level::Log { "simulation" } else { "simulation in SQL" },
        &[
            ("seeds", count),
            ("repeated", twice),
            ("commits", total.commits),
            ("cases", total.statements),
            ("reads", total.reads),
            ("reads refused clearly", total.gone),
            ("faults", total.faults),
            ("files deleted", total.deleted),
        ],
    );
    assert!(total.commits > 30 * count && total.faults > 10 * count && total.deleted > count && total.gone > count / 4);
}

#[test]
fn five_hundred_seeds() {
    seeds(Level::Log, 500, 50, 14);
}

#[test]
#[ignore = "half an hour"]
fn ten_thousand_seeds() {
    seeds(Level::Log, 10_000, 10_000, 20);
}

#[test]
fn twenty_seeds_in_sql() {
    seeds(Level::Sql, 20, 0, 14);
}

#[test]
#[ignore = "half an hour"]
fn five_hundred_seeds_in_sql() {
    seeds(Level::Sql, 500, 0, 20);
}

/// Timestamps of the store are the true ones, whatever the actors' clocks say.
#[test]
fn clocks_disagree() {
    let time = VirtualTime::default();
    let (fast, slow) = (SkewedClock { time: time.clone(), skew: SKEW }, SkewedClock { time, skew: -SKEW });
    assert_eq!(fast.now().since(slow.now()), Duration::from_secs(1_200));
    assert!(slow.now() > Timestamp::EPOCH);
}
