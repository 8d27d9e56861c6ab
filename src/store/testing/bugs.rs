//! Mistakes by which other table formats lost data, to be made here on purpose: a test that can't see one is no test.
//!
//! The code asks [`Bug::is_on`] where the mistake would be made. In a build without debug assertions that is the
//! constant `false`, so that nothing is left of it. The switch is one for the process: whoever turns it is alone in it.

use std::sync::atomic::{AtomicU8, Ordering};

/// The bug that is on, by its number; 0 for none.
static ON: AtomicU8 = AtomicU8::new(0);

macro_rules! bugs {
    ($($(#[$doc:meta])* $name:ident = $id:literal;)*) => {
        /// A mistake that somebody made before.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Bug { $($(#[$doc])* $name = $id,)* }

        impl Bug {
            /// Every bug that can exist in this design.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

bugs! {
    /// A commit whose outcome is unknown deletes the files that it names (Lance#7722).
    DeleteOnAmbiguous = 1;
    /// A commit that is read back from its slot is taken for another's (delta#7345).
    NoOwnId = 2;
    /// A refusal is a lost race, also where the slot is empty (object_store#852).
    ConflictAsExists = 3;
    /// A failed precondition is no sign that the slot is taken, but an end (Azure).
    PreconditionAsFatal = 4;
    /// A clean-up removes commits that a checkpoint covers, so that their slots are free again (SlateDB#1622).
    SlotReuse = 5;
    /// What is needed is an empty set where nothing was found (Paimon#7710).
    EmptyUsedSet = 6;
    /// A sweep takes files that no log knows, however young they are (delta-rs#3645).
    VacuumInFlight = 7;
    /// What a plan stands on is not checked against what was committed since (Lance#6653).
    FreshReadVersion = 8;
    /// A handle serves the snapshot that it has (lancedb#3377).
    StaleHandle = 9;
    /// A moment a little before a commit finds the commit (Iceberg#17360).
    SkewedTime = 10;
    /// The clean-up of checkpoints takes the last one too (delta-rs#2174).
    LastCheckpointDeleted = 11;
    /// A sweep takes what retained versions need (delta#6718).
    RetentionIgnored = 12;
    /// A checkpoint whose writer ended early is valid (delta#7174).
    ShortCheckpoint = 14;
    /// Nothing is fsynced (s2#669).
    NoFsync = 16;
    /// A sweep takes what a running statement reads (SlateDB#604).
    ReaderUnprotected = 17;
    /// A message shows what stands in a credential's place (opendal#7522).
    SecretTold = 20;
    /// Of two that create a name at the same time both succeed (lance#6143).
    DuplicateName = 21;
    /// A commit replaces what is in its slot (Iceberg#970).
    OverwritingCommit = 22;
    /// Who lost a race commits the old plan in the next slot (delta-rs#3066).
    RetryWithoutReread = 23;
    /// A commit ends where its caller stops waiting.
    CommitFutureDropped = 24;
}

impl Bug {
    /// Whether the mistake is to be made.
    #[inline]
    pub fn is_on(self) -> bool {
        cfg!(debug_assertions) && ON.load(Ordering::Relaxed) == self as u8
    }

    /// Turns this bug on for the rest of the process, and any other off. No effect without debug assertions.
    pub fn turn_on(self) {
        ON.store(self as u8, Ordering::Relaxed);
    }

    /// Its number in the list of the reliability programme: `B7`.
    pub fn name(self) -> String {
        format!("B{}", self as u8)
    }
}
