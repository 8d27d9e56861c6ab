//! Instruments for tests: stores that fail on demand or count, and the laws that every store must keep.
//!
//! They wrap any object store and know nothing of what it is used for.

mod bugs;
mod clocked;
mod counting;
mod damage;
mod fault;
mod late;
pub mod laws;
mod listing;
mod rule;
mod upload;

pub use bugs::Bug;
pub use clocked::ClockedStore;
pub use counting::{Call, CountingStore, Counts};
pub use fault::{FaultStore, Fired};
pub use rule::{Fault, Rule};

/// A kind of request to an object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// A put, a part of an upload, or the completion of one.
    Put,
    /// A read of an object or a range.
    Get,
    /// A look-up of size and time.
    Head,
    /// A listing, however many pages it has.
    List,
    /// The deletion of one object.
    Delete,
    /// A copy within the store.
    Copy,
}

impl Op {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Put, Self::Get, Self::Head, Self::List, Self::Delete, Self::Copy];

    fn of_get(options: &object_store::GetOptions) -> Self {
        if options.head { Self::Head } else { Self::Get }
    }
}

#[cfg(test)]
mod tests;
