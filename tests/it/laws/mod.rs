//! The laws: random sequences of all verbs on the real log, state and plans, held against rows kept by themselves.
//!
//! `TIMETRAVEL_LAW_SEQUENCES` says how many sequences; `TIMETRAVEL_SEED` replays one. Files are rows in memory here: what
//! is tested is which files a version reads and who wins, not Parquet. A failure prints its seed and the shortest prefix of
//! the sequence that fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub
)]

mod check;
mod heads;
mod keyless;
mod oracle;
mod rewrites;
pub mod rng;
mod rows;
mod verbs;
mod verdict;
mod version;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use datafusion_timetravel::log::Operation;
use datafusion_timetravel::table::{Action, Order};

use crate::trust::report as counts;
use rng::Rng;
use world::World;

const SEQUENCES: u64 = 50_000;

/// A rule broken on purpose: the laws must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// A compaction's outputs have the order of their own commit.
    CompactionOrder,
    /// A compaction ends the counted lifetime too.
    CompactionCounts,
    /// RESTORE and undrop leave counted lifetimes alone.
    RestoreUncounted,
    /// A clone's files all have one rank.
    CloneRank,
    /// A compaction commits whatever became of its inputs.
    NoLive,
    /// A statement that read its target commits whatever was written there since.
    NoUnchanged,
    /// A compaction of a run drops tombstones that older files need.
    DropTombstones,
    /// OVERWRITE and DROP leave counted lifetimes alone.
    EndUncounted,
    /// UPDATE and DELETE of a table without a key take from what was appended.
    RewriteCounts,
    /// Nothing counts as a modification but writing.
    TouchLost,
    /// A wider column is a new one.
    WidenNewId,
    /// A clone of named partitions has all.
    CloneAllPartitions,
    /// Of several partitions one comes back.
    UndropFirst,
    /// RESTORE takes properties back too.
    RestoreProperties,
}

impl Mutant {
    const ALL: [Self; 14] = [
        Self::CompactionOrder,
        Self::CompactionCounts,
        Self::RestoreUncounted,
        Self::CloneRank,
        Self::NoLive,
        Self::NoUnchanged,
        Self::DropTombstones,
        Self::EndUncounted,
        Self::RewriteCounts,
        Self::TouchLost,
        Self::WidenNewId,
        Self::CloneAllPartitions,
        Self::UndropFirst,
        Self::RestoreProperties,
    ];

    fn actions(self, mut actions: Vec<Action>, operation: Operation) -> Vec<Action> {
        let compacts = operation == Operation::Compact;
        let restores = operation == Operation::Restore;
        let rewrites = matches!(operation, Operation::Update | Operation::Delete);
        match self {
            Self::TouchLost => actions.retain(|action| !matches!(action, Action::Touch { .. })),
            Self::RestoreProperties if restores => {
                actions.push(Action::Properties { set: [("note".to_owned(), None)].into() });
            }
            _ => {}
        }
        for action in &mut actions {
            match (self, action) {
                (Self::CompactionOrder, Action::Add { order, .. }) if compacts => *order = None::<Order>,
                (Self::CompactionCounts, Action::Close { counted, .. }) if compacts => *counted = true,
                (Self::RestoreUncounted, Action::Reopen { counted, .. }) if restores => *counted = false,
                (Self::EndUncounted, Action::Close { counted, .. }) if !restores && !compacts => *counted = false,
                (Self::RewriteCounts, Action::Close { counted, .. }) if rewrites => *counted = true,
                (Self::CloneRank, Action::Add { rank, .. }) => *rank = 0,
                _ => {}
            }
        }
        actions
    }
}

/// Names the seed of a sequence that panics.
struct Panicking(u64);

impl Drop for Panicking {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("SEED={} (it panicked; replay with TIMETRAVEL_SEED={})", self.0, self.0);
        }
    }
}

/// One sequence, cut after `limit` steps.
async fn sequence(seed: u64, limit: u64, mutant: Option<Mutant>) -> Result<u64, (String, Vec<String>)> {
    let _guard = Panicking(seed);
    let mut world = World::new(seed, mutant);
    let steps = (4 + world.rng.below(17)).min(limit);
    let outcome = async {
        world.create().await?;
        for _ in 0..steps {
            world.step().await?;
        }
        while !world.pending.is_empty() {
            let planned = world.pending.remove(0);
            world.finish(planned).await?;
        }
        world.check().await
    };
    let outcome = outcome.await;
    outcome.map(|()| steps).map_err(|error| (error, std::mem::take(&mut world.trace)))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// The failure of a sequence with its seed, cut to the fewest steps that fail.
async fn report(seed: u64, found: (String, Vec<String>)) -> String {
    let (mut error, mut trace) = found;
    for limit in 1..21 {
        if let Err(shorter) = sequence(seed, limit, None).await {
            (error, trace) = shorter;
            break;
        }
    }
    format!("SEED={seed} (replay with TIMETRAVEL_SEED={seed})\n{}\n=> {error}", trace.join("\n"))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

#[test]
fn every_version_and_range_is_what_the_oracle_says() {
    sequences(SEQUENCES);
}

#[test]
#[ignore = "ten times as many: minutes"]
fn every_version_and_range_is_what_the_oracle_says_ten_times() {
    sequences(10 * SEQUENCES);
}

fn sequences(count: u64) {
    if let Some(seed) = number("TIMETRAVEL_SEED") {
        let failed = runtime().block_on(async {
            match sequence(seed, u64::MAX, None).await {
                Ok(_) => None,
                Err(found) => Some(report(seed, found).await),
            }
        });
        assert!(failed.is_none(), "{}", failed.unwrap_or_default());
        return;
    }
    let count = number("TIMETRAVEL_LAW_SEQUENCES").unwrap_or(count);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(8));
    let next = AtomicU64::new(0);
    let run = || {
        runtime().block_on(async {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= count {
                    return None;
                }
                if let Err(found) = sequence(seed, u64::MAX, None).await {
                    next.store(count, Ordering::Relaxed);
                    return Some(report(seed, found).await);
                }
            }
        })
    };
    let failures: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    counts::report("laws", &[("seeds", count)]);
}

/// The laws can fail: each broken rule shows within a few thousand sequences.
#[test]
fn a_broken_rule_is_noticed() {
    let unnoticed: Vec<Mutant> = runtime().block_on(async {
        let mut unnoticed = vec![];
        for mutant in Mutant::ALL {
            let mut noticed = None;
            for seed in 0..4_000 {
                if let Err((error, _)) = sequence(seed, u64::MAX, Some(mutant)).await {
                    noticed = Some((seed, error));
                    break;
                }
            }
            match noticed {
                Some((seed, error)) => println!("{mutant:?}: seed {seed}: {error}"),
                None => unnoticed.push(mutant),
            }
        }
        unnoticed
    });
    assert!(unnoticed.is_empty(), "the laws do not notice {unnoticed:?}");
    counts::report("laws", &[("bugs caught", Mutant::ALL.len() as u64)]);
}

#[test]
fn random_numbers_follow_from_the_seed() {
    let take = |seed| {
        let mut rng = Rng::new(seed);
        (0..4).map(|_| rng.below(1000)).collect::<Vec<_>>()
    };
    assert_eq!(take(7), take(7));
    assert_ne!(take(7), take(8));
}
