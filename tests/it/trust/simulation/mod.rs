//! A simulation (T4): writers, compactors, a sweeper, readers and whoever names tables, each with a handle of its own, a
//! clock that is wrong by up to ten minutes, a store that is slow, fails and answers wrong; days in virtual time. The same
//! seed gives the same requests in the same order.
//!
//! The verbs, the logs and the sweep are the real ones; files are rows as text, because what is tested is which files a
//! version reads and which are deleted. `TIMETRAVEL_SEED` replays one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use datafusion::common::DataFusionError;
use datafusion_timetravel::auth::Caller;
use datafusion_timetravel::catalog::{DEFAULT_SCHEMA, TableName};
use datafusion_timetravel::log::Operation;
use datafusion_timetravel::ops::{Pin, PinnedTable, Warehouse};
use datafusion_timetravel::store::testing::{ClockedStore, Fault, FaultStore, Op, Rule};
use datafusion_timetravel::store::{Clock, Ids, ObjectStore, Path, SeededIds, Store, TableId, Timestamp};
use datafusion_timetravel::{Code, Error, TimeTravel, UnknownCommit};
use futures::future::{Either, select};
use object_store::memory::InMemory;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use verbs::create_table;
use verify::{settle, verify};

use crate::lake::Session;
use crate::trust::history::{Effect, Outcome, Read, Rows, Statement};
use crate::trust::report::report;
use crate::trust::slow_store::{SlowStore, Trace};
use crate::trust::virtual_time::{SkewedClock, VirtualTime};

mod readers;
mod sql;
mod verbs;
mod verify;

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
        let slow =
            SlowStore::new(Arc::clone(&self.objects), self.time.clone(), (number, seed), rare, self.trace.clone());
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
        let mut paid_in = level != Level::Log;
        while !paid_in {
            let put: BTreeMap<_, _> = opened.iter().map(|(key, value)| (*key, Some(*value))).collect();
            let statement = async move |actor: &Actor, caller: Caller| {
                Ok(actor.change(&caller, Operation::Append, false, false, |_| put.clone()).await?)
            };
            paid_in = first.run(Some("main"), Effect::Put(opened.clone()), false, statement).await.is_some();
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
