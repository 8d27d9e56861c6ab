//! L3, the one rule of reading: of each key the file of the highest order wins, and a tombstone removes.
//!
//! Invariant 10: no value predicate takes part in the decision; a resolution depends on nothing but its set of files.
//! This module must not know what a query asks for.

pub(crate) mod bounds;
mod cache;
mod data;
mod group;
mod keys;
mod resolution;
mod resolve;
#[cfg(test)]
pub(crate) mod testing;

pub use cache::MergeCache;
pub use data::Verify;
pub(crate) use data::{DataFiles, DataReader, FileSource, root_of};
pub use group::{MergeGroup, groups};
pub use resolution::{Access, FileRows, Resolution};
pub(crate) use resolution::{RowSet, access, count, selection};
