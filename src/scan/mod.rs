//! L3, from a snapshot to an execution plan: DataFusion's own Parquet scan with a row selection per file.
//!
//! Filters and statistics decide only which files are opened; which row of a key is alive is decided by `merge` over all
//! files that the read takes (invariant 10). Knows neither names nor versions' rules: it is given a snapshot and a range.

mod adapter;
mod count;
mod files;
mod guard;
mod plan;
mod prune;
mod reader;
mod sorted;
mod source;
mod stats;
#[cfg(test)]
mod tests;

pub(crate) use files::{FILE, ROW, numbered, row_ids};
pub use files::{PartitionFiles, incremental, visible};
pub use plan::{ReadRange, Scanner};
pub(crate) use plan::{ScanRequest, with_row_ids};
pub use prune::is_partition_filter;
pub(crate) use sorted::{KeptRequest, SortedRequest};
pub use source::MergeSource;
