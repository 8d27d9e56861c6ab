//! Which files a read takes: pure, so that tests can ask for the planned set.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::log::Lsn;
use crate::store::PartitionId;
use crate::table::{FileEntry, PartitionEntry, TableState};

/// The files that a read takes of one partition, oldest first.
#[derive(Debug, Clone)]
pub struct PartitionFiles {
    /// The partition.
    pub partition: Arc<PartitionEntry>,
    /// The files.
    pub files: Vec<Arc<FileEntry>>,
}

/// The files of a read at `v`, by partition values; partitions without files are left out.
pub fn visible(state: &TableState, v: Lsn) -> Vec<PartitionFiles> {
    by_partition(state, state.visible_at(v))
}

/// The files of an incremental read of `(a, b]`.
pub fn incremental(state: &TableState, a: Lsn, b: Lsn) -> Vec<PartitionFiles> {
    by_partition(state, state.counted_between(a, b))
}

fn by_partition(state: &TableState, files: Vec<Arc<FileEntry>>) -> Vec<PartitionFiles> {
    let mut by_id: BTreeMap<PartitionId, Vec<Arc<FileEntry>>> = BTreeMap::new();
    for entry in files {
        by_id.entry(entry.partition).or_default().push(entry);
    }
    let found = by_id
        .into_iter()
        .filter_map(|(id, files)| Some(PartitionFiles { partition: Arc::clone(state.partition(id)?), files }));
    let mut found: Vec<PartitionFiles> = found.collect();
    for partition in &mut found {
        partition.files.sort_by_key(|entry| (entry.order, entry.file.id));
    }
    found.sort_by(|a, b| a.partition.values.cmp(&b.partition.values));
    found
}
