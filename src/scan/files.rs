//! Which files a read takes: pure, so that tests can ask for the planned set. And which row of which file is which.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use parquet::arrow::RowNumber;

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

/// The column with the number of a row's file among [`numbered`] ones.
pub(crate) const FILE: &str = "__tt_file";

/// The column with the number of a row in its file.
pub(crate) const ROW: &str = "__tt_row";

/// The columns that tell the rows of a table without a key apart, as a scan gives them after all others.
pub(crate) fn row_ids() -> [Field; 2] {
    let row = Field::new(ROW, DataType::Int64, false).with_extension_type(RowNumber);
    [Field::new(FILE, DataType::UInt32, false), row]
}

/// The files of a read at `v` in the order in which [`FILE`] numbers them.
pub(crate) fn numbered(state: &TableState, v: Lsn) -> Vec<Arc<FileEntry>> {
    state.visible_at(v)
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
