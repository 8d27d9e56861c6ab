//! COMPACT: many files of a partition become few, by hand or by a [policy](CompactionPolicy) (R009, R167).
//!
//! No answer changes (invariant 6), history is kept, and writers are never blocked: whoever replaced an input first wins,
//! and only what conflicts is planned again. MAJOR makes base files of everything; MINOR merges runs of delta files.

mod major;
mod minor;
mod policy;
mod rewrite;

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::execution::TaskContext;

pub use policy::{CompactionPolicy, due, maintain, maintain_table};

use super::Pin;
use crate::auth::Privilege;
use crate::catalog::TableName;
use crate::error::{Code, Error, Result};
use crate::log::Lsn;
use crate::table::{FileEntry, FileKind, Order, PartitionValues};
pub(super) use rewrite::with_partition_values;
use rewrite::{Job, rewrite};

/// How far a compaction goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compaction {
    /// Base and delta files become base files; of a table without a key, small files become large ones.
    Major,
    /// Delta files that follow each other become one, with their tombstones unless nothing older is there; of a table
    /// without a key, very small files that follow each other become one.
    Minor,
}

/// What was compacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compacted {
    /// The table.
    pub table: TableName,
    /// The partition; no values where the table has no partition columns.
    pub partition: PartitionValues,
    /// How.
    pub kind: Compaction,
    /// The commit.
    pub lsn: Lsn,
    /// How many files were replaced.
    pub inputs: usize,
    /// How many files took their place.
    pub outputs: usize,
}

/// Compacts the partition, or all where none is named; says what was done, which is nothing where there is no work.
///
/// # Errors
/// [`Code::PartitionNotFound`]; [`Code::Conflict`] where other writers replaced the files each time.
pub async fn compact(
    pin: &Pin,
    name: &TableName,
    only: Option<&PartitionValues>,
    kind: Compaction,
    task: &Arc<TaskContext>,
) -> Result<Vec<Compacted>> {
    let table = pin.table_for(name, Privilege::Update).await?;
    let state = &table.snapshot.state;
    if let Some(values) = only.filter(|values| state.open_partition(values).is_none()) {
        let schema = state.schema()?;
        let levels = schema.partition_columns.iter().map(|column| column.name.as_str());
        return Err(Error::new(
            Code::PartitionNotFound,
            format!(
                "table {name} has no partition {}: LIST PARTITIONS {name} lists those that it has",
                values.spec(levels)
            ),
        ));
    }
    let choose = match kind {
        Compaction::Major => major::choose,
        Compaction::Minor => minor::choose,
    };
    let partitions = state.open_partitions().map(|entry| entry.values.clone());
    let wanted = partitions.filter(|values| only.is_none_or(|only| only == values));
    let jobs: Vec<Job> = wanted.map(|partition| Job { partition, kind, choose }).collect();
    rewrite(pin, table, jobs, task).await
}

/// Files of one partition that others take the place of: a run contiguous in order.
#[derive(Debug)]
struct Inputs {
    files: Vec<Arc<FileEntry>>,
    /// What the outputs are.
    into: FileKind,
    /// Whether tombstones stay: older files that they hide rows of are left out.
    keeps_tombstones: bool,
}

/// Which files of a partition to replace, given all that are read, oldest first, and whether the table has a key.
type Choose = fn(&[Arc<FileEntry>], bool) -> Vec<Inputs>;

/// How many writes the files are of. Those of one order don't overlap and are as their writer left them.
fn orders(files: &[Arc<FileEntry>]) -> usize {
    files.iter().map(|entry| entry.order).collect::<BTreeSet<Order>>().len()
}

fn bytes<'a>(files: impl IntoIterator<Item = &'a Arc<FileEntry>>) -> u64 {
    files.into_iter().map(|entry| entry.file.size).sum()
}

/// The longest runs of files that may be merged, of two orders at least.
fn runs(files: &[Arc<FileEntry>], may: impl Fn(&FileEntry) -> bool) -> Vec<Vec<Arc<FileEntry>>> {
    let mut sorted: Vec<&Arc<FileEntry>> = files.iter().collect();
    // Of one order those that stay come first: they don't part the others from the next.
    sorted.sort_by_key(|entry| (entry.order, may(entry), entry.file.id));
    let parts = sorted.split(|entry| !may(entry)).map(|run| run.iter().map(|entry| Arc::clone(entry)).collect());
    parts.filter(|run: &Vec<_>| orders(run) > 1).collect()
}

#[cfg(test)]
mod tests;
