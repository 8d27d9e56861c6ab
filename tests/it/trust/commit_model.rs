//! A model of the commit protocol and of the sweep, of which every reachable state is visited (design: "Commit protocol").
//!
//! Writers run one statement each: they look at the head, put their commit into the next slot, read the slot back where the
//! answer is anything but "created", and go on as `src/log/append.rs` does. A put that was sent may be done at any time, long
//! after its writer has given up, or never: it just stays under way. A sweeper lists old files, commits, and then deletes those that no commit names.
//! Any process may stop for any time, which here is just a state from which others go on.
//!
//! Each rule of the protocol is a [`Mutant`] when it is left out, and each mutant must break a promise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::report::report;

/// A rule of the protocol that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutant {
    /// "Already exists" is taken for a lost race, without reading the slot back (delta-rs, Lance#7722).
    OccupiedMeansLost,
    /// Whoever runs the statement again doesn't look for its own commit first (delta#7345).
    NoLookForOwnCommit,
    /// The slot after is tried although the slot is empty still.
    NextSlotWhileEmpty,
    /// An unknown outcome is reported as a failure (delta-rs#3066).
    UnknownMeansFailed,
    /// The store overwrites what is there (Iceberg#970).
    StoreIgnoresCondition,
    /// A writer deletes its files when an answer is lost (Lance#7722).
    DeletesOnUnclearAnswer,
    /// The sweep deletes without a commit that comes first (delta-rs#3645).
    SweepWithoutCommit,
    /// The sweep judges the age of files when it deletes, not before its commit.
    AgeAtDeletion,
    /// Writers commit files of any age (SlateDB#604, delta-rs#3645).
    NoAgeLimit,
    /// `commit_status` says "not committed" while the slot is empty.
    EmptyMeansNotCommitted,
}

const MUTANTS: [Mutant; 10] = [
    Mutant::OccupiedMeansLost,
    Mutant::NoLookForOwnCommit,
    Mutant::NextSlotWhileEmpty,
    Mutant::UnknownMeansFailed,
    Mutant::StoreIgnoresCondition,
    Mutant::DeletesOnUnclearAnswer,
    Mutant::SweepWithoutCommit,
    Mutant::AgeAtDeletion,
    Mutant::NoAgeLimit,
    Mutant::EmptyMeansNotCommitted,
];

/// Where a writer or the sweeper is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Phase {
    /// The sweeper, before it has listed the files.
    List,
    /// It is about to find the head.
    Look,
    /// The same, of a statement that is run again: the put of its first run to this slot may be under way still.
    LookAgain(u8),
    /// It sent a put to this slot and waits.
    Sent(u8),
    /// It is about to read the slot back.
    ReadBack(u8),
    /// It reported success.
    Acknowledged(u8),
    /// It reported a failure, for good.
    Failed,
    /// It reported that it doesn't know.
    Unknown(u8),
    /// It was told by `commit_status` that its commit isn't there and won't come.
    NotCommitted,
}

/// How old a file is: young, older than half the grace, older than the grace.
const HALF_GRACE: u8 = 1;
const GRACE: u8 = 2;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    /// Who wrote each slot. The last actor is the sweeper.
    slots: Vec<Option<u8>>,
    /// Puts that are under way, sorted: actor and slot.
    flight: Vec<(u8, u8)>,
    phases: Vec<Phase>,
    /// How many puts each may still send.
    sends: Vec<u8>,
    /// The age of each writer's file.
    ages: Vec<u8>,
    deleted: Vec<bool>,
    /// What the sweeper may delete: files that were old when it listed them.
    listed: Vec<bool>,
}

impl World {
    fn head(&self) -> u8 {
        self.slots.iter().take_while(|slot| slot.is_some()).count() as u8
    }

    fn has(&self, actor: u8) -> bool {
        self.slots.contains(&Some(actor))
    }

    fn send(&mut self, actor: u8, slot: u8) {
        self.sends[usize::from(actor)] -= 1;
        self.flight.push((actor, slot));
        self.flight.sort_unstable();
        self.phases[usize::from(actor)] = Phase::Sent(slot);
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// The sweeper lists files.
    List,
    /// An actor goes on: finds the head and sends, or reads back.
    GoOn(u8),
    /// It gives up on its commit, whose outcome it doesn't know.
    GiveUp(u8),
    /// It waits no longer for an answer.
    TimeOut(u8),
    /// The store does a put that is under way.
    Arrive {
        /// Which.
        at: usize,
        /// Whether its sender gets the answer.
        answered: bool,
    },
    /// After an unknown outcome: `commit_status` is asked, or the statement is run again under the same id.
    Ask(u8),
    /// See [`Step::Ask`].
    RunAgain(u8),
    /// A file gets older.
    Age(u8),
    /// The sweeper deletes the file of this writer.
    Delete(u8),
}

#[derive(Debug, Clone)]
struct Protocol {
    writers: u8,
    /// How many puts each writer may send, and the sweeper last.
    sends: Vec<u8>,
    mutant: Option<Mutant>,
}

impl Protocol {
    fn new(sends: &[u8], mutant: Option<Mutant>) -> Self {
        Self { writers: sends.len() as u8 - 1, sends: sends.to_vec(), mutant }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn sweeper(&self) -> u8 {
        self.writers
    }

    /// Finds the head; where the own commit isn't below it, sends it to the next slot.
    fn look(&self, world: &mut World, actor: u8) -> bool {
        let own = world.slots.iter().position(|slot| *slot == Some(actor));
        if let Some(slot) = own.filter(|_| !self.is(Mutant::NoLookForOwnCommit)) {
            world.phases[usize::from(actor)] = Phase::Acknowledged(slot as u8);
            return true;
        }
        let limited = actor != self.sweeper() && !self.is(Mutant::NoAgeLimit);
        if limited && world.ages[usize::from(actor)] >= HALF_GRACE {
            // A second run can't say that nothing happened.
            let again = matches!(world.phases[usize::from(actor)], Phase::LookAgain(_));
            if !again {
                world.phases[usize::from(actor)] = Phase::Failed;
            }
            return !again;
        }
        let head = world.head();
        if world.sends[usize::from(actor)] == 0 || usize::from(head) == world.slots.len() {
            return false;
        }
        world.send(actor, head);
        true
    }

    fn read_back(&self, world: &mut World, actor: u8, slot: u8) -> bool {
        match world.slots[usize::from(slot)] {
            Some(owner) if owner == actor => world.phases[usize::from(actor)] = Phase::Acknowledged(slot),
            Some(_) => world.phases[usize::from(actor)] = Phase::Look,
            None if world.sends[usize::from(actor)] == 0 => return false,
            None if self.is(Mutant::NextSlotWhileEmpty) && usize::from(slot) + 1 < world.slots.len() => {
                world.send(actor, slot + 1);
            }
            None => world.send(actor, slot),
        }
        true
    }

    fn unclear(&self, world: &mut World, actor: u8, slot: u8, occupied: bool) {
        if self.is(Mutant::DeletesOnUnclearAnswer) && actor != self.sweeper() {
            world.deleted[usize::from(actor)] = true;
        }
        let lost = occupied && self.is(Mutant::OccupiedMeansLost);
        world.phases[usize::from(actor)] = if lost { Phase::Failed } else { Phase::ReadBack(slot) };
    }

    fn may_delete(&self, world: &World, writer: u8) -> bool {
        let at = usize::from(writer);
        let sweeper = world.phases[usize::from(self.sweeper())];
        let committed = match sweeper {
            Phase::Acknowledged(slot) => slot,
            // The mutant goes by the head that it sees.
            Phase::Look if self.is(Mutant::SweepWithoutCommit) => world.head(),
            _ => return false,
        };
        let old = if self.is(Mutant::AgeAtDeletion) { world.ages[at] == GRACE } else { world.listed[at] };
        let used = world.slots.iter().take(usize::from(committed) + 1).any(|slot| *slot == Some(writer));
        old && !used && !world.deleted[at]
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let writers = usize::from(self.writers);
        let mut phases = vec![Phase::Look; writers];
        phases.push(Phase::List);
        vec![World {
            slots: vec![None; writers + 1],
            flight: vec![],
            phases,
            sends: self.sends.clone(),
            ages: vec![0; writers],
            deleted: vec![false; writers],
            listed: vec![false; writers],
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for actor in 0..=self.writers {
            match world.phases[usize::from(actor)] {
                Phase::List => steps.push(Step::List),
                Phase::Look | Phase::LookAgain(_) => steps.push(Step::GoOn(actor)),
                Phase::Sent(_) => steps.push(Step::TimeOut(actor)),
                Phase::ReadBack(_) => steps.extend([Step::GoOn(actor), Step::GiveUp(actor)]),
                Phase::Unknown(_) => steps.extend([Step::Ask(actor), Step::RunAgain(actor)]),
                Phase::Acknowledged(_) | Phase::Failed | Phase::NotCommitted => {}
            }
        }
        for at in 0..world.flight.len() {
            steps.extend([true, false].map(|answered| Step::Arrive { at, answered }));
        }
        for writer in 0..self.writers {
            if world.ages[usize::from(writer)] < GRACE {
                steps.push(Step::Age(writer));
            }
            if self.may_delete(world, writer) {
                steps.push(Step::Delete(writer));
            }
        }
    }

    fn next_state(&self, last: &World, step: Step) -> Option<World> {
        let mut world = last.clone();
        match step {
            Step::List => {
                world.listed = world.ages.iter().map(|age| *age == GRACE).collect();
                world.phases[usize::from(self.sweeper())] = Phase::Look;
            }
            Step::GoOn(actor) => {
                let went = match world.phases[usize::from(actor)] {
                    Phase::ReadBack(slot) => self.read_back(&mut world, actor, slot),
                    _ => self.look(&mut world, actor),
                };
                return went.then_some(world);
            }
            Step::GiveUp(actor) => {
                let Phase::ReadBack(slot) = world.phases[usize::from(actor)] else { return None };
                let failed = self.is(Mutant::UnknownMeansFailed);
                world.phases[usize::from(actor)] = if failed { Phase::Failed } else { Phase::Unknown(slot) };
            }
            Step::TimeOut(actor) => {
                let Phase::Sent(slot) = world.phases[usize::from(actor)] else { return None };
                self.unclear(&mut world, actor, slot, false);
            }
            Step::Arrive { at, answered } => {
                let (actor, slot) = world.flight.remove(at);
                let held = &mut world.slots[usize::from(slot)];
                let created = held.is_none() || self.is(Mutant::StoreIgnoresCondition);
                if created {
                    *held = Some(actor);
                }
                if answered && world.phases[usize::from(actor)] == Phase::Sent(slot) {
                    match created {
                        true => world.phases[usize::from(actor)] = Phase::Acknowledged(slot),
                        false => self.unclear(&mut world, actor, slot, true),
                    }
                }
            }
            Step::Ask(actor) => {
                let Phase::Unknown(slot) = world.phases[usize::from(actor)] else { return None };
                let own = world.slots.iter().position(|slot| *slot == Some(actor));
                let empty = world.slots[usize::from(slot)].is_none();
                world.phases[usize::from(actor)] = match own {
                    Some(own) => Phase::Acknowledged(own as u8),
                    None if empty && !self.is(Mutant::EmptyMeansNotCommitted) => return None,
                    None => Phase::NotCommitted,
                };
            }
            Step::RunAgain(actor) => {
                let Phase::Unknown(slot) = world.phases[usize::from(actor)] else { return None };
                world.phases[usize::from(actor)] = Phase::LookAgain(slot);
            }
            Step::Age(writer) => world.ages[usize::from(writer)] += 1,
            Step::Delete(writer) => world.deleted[usize::from(writer)] = true,
        }
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn writers(model: &Protocol) -> std::ops::Range<u8> {
            0..model.writers
        }
        fn phase(world: &World, writer: u8) -> Phase {
            world.phases[usize::from(writer)]
        }
        vec![
            Property::<Self>::always("a commit is in one slot at the most", |model, world| {
                writers(model).all(|w| world.slots.iter().filter(|slot| **slot == Some(w)).count() <= 1)
            }),
            Property::<Self>::always("the log has no gap", |_, world| {
                world.slots.iter().filter(|slot| slot.is_some()).count() == usize::from(world.head())
            }),
            Property::<Self>::always("what was acknowledged is there", |model, world| {
                writers(model).all(|w| match phase(world, w) {
                    Phase::Acknowledged(slot) => world.slots[usize::from(slot)] == Some(w),
                    _ => true,
                })
            }),
            Property::<Self>::always("what failed never comes", |model, world| {
                writers(model).all(|w| !matches!(phase(world, w), Phase::Failed | Phase::NotCommitted) || !world.has(w))
            }),
            Property::<Self>::always("no file of a commit is deleted", |model, world| {
                writers(model).all(|w| !world.has(w) || !world.deleted[usize::from(w)])
            }),
            Property::<Self>::sometimes("all are acknowledged", |_, world| {
                world.phases.iter().all(|phase| matches!(phase, Phase::Acknowledged(_)))
            }),
            Property::<Self>::sometimes("a put arrives after its writer gave up", |model, world| {
                writers(model).any(|w| matches!(phase(world, w), Phase::Unknown(_)) && world.has(w))
            }),
            Property::<Self>::sometimes("an unknown outcome is settled as not committed", |model, world| {
                writers(model).any(|w| phase(world, w) == Phase::NotCommitted)
            }),
            Property::<Self>::sometimes("the sweep deletes garbage", |_, world| world.deleted.contains(&true)),
            Property::<Self>::sometimes("a writer whose files are too old is refused", |model, world| {
                writers(model).any(|w| phase(world, w) == Phase::Failed)
            }),
        ]
    }
}

/// Visits every state; gives how many there are.
fn check(sends: &[u8]) -> u64 {
    let checker = Protocol::new(sends, None).checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    checker.unique_state_count() as u64
}

/// The name of a promise that the mutant breaks.
fn broken(mutant: Mutant) -> Option<&'static str> {
    let checker = Protocol::new(&[2, 2, 2], Some(mutant))
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let promises = [
        "a commit is in one slot at the most",
        "the log has no gap",
        "what was acknowledged is there",
        "what failed never comes",
        "no file of a commit is deleted",
    ];
    let discoveries = checker.discoveries();
    promises.into_iter().find(|promise| discoveries.contains_key(promise))
}

#[test]
fn every_state_of_the_commit_protocol_keeps_its_promises() {
    let states = check(&[2, 1, 1]);
    println!("{states} states");
    report("commit model", &[("states", states)]);
}

#[test]
fn every_rule_of_the_commit_protocol_is_needed() {
    for mutant in MUTANTS {
        let promise = broken(mutant);
        println!("{mutant:?}: {promise:?}");
        assert!(promise.is_some(), "no promise is broken without the rule {mutant:?}");
    }
    report("commit model's mutants", &[("bugs caught", MUTANTS.len() as u64)]);
}

#[test]
#[ignore = "takes minutes"]
fn every_state_with_more_puts() {
    let states = check(&[2, 2, 2]);
    report("commit model, more puts", &[("states", states)]);
}
