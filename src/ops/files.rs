//! `files('t')`: the data files that a table's log names, those of old versions too.

use super::{PinnedTable, partitions};
use crate::error::Result;
use crate::log::Lsn;
use crate::store::{FileId, TableId};
use crate::table::{FileKind, Order};

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// Its id.
    pub id: FileId,
    /// Its partition, `dd=01/hh=01`; none of a table without.
    pub partition: Option<String>,
    /// Whether it may hold tombstones.
    pub kind: FileKind,
    /// Who wins where two files hold a key.
    pub order: Order,
    /// Its rows, without tombstones.
    pub rows: u64,
    /// Its tombstones.
    pub tombstones: u64,
    /// Its bytes.
    pub bytes: u64,
    /// The version in which it was last made visible.
    pub since: Option<Lsn>,
    /// The version from which it isn't read any more; none while the latest version reads it.
    pub until: Option<Lsn>,
    /// Whether its rows are incremental data of its order's version.
    pub counted: bool,
    /// The table in whose folder it lies, where that is another: a clone shares files.
    pub owner: Option<TableId>,
}

/// All files, by partition, then by order.
///
/// # Errors
/// [`Code::Internal`](crate::Code::Internal) on a log without CREATE.
pub fn all(table: &PinnedTable) -> Result<Vec<FileRow>> {
    let state = &table.snapshot.state;
    let schema = state.schema()?;
    let partitioned = !schema.partition_columns.is_empty();
    let row = |entry: &std::sync::Arc<crate::table::FileEntry>| {
        let partition = state.partition(entry.partition).filter(|_| partitioned);
        let last = entry.visible.last();
        FileRow {
            id: entry.file.id,
            partition: partition.map(|partition| partitions::name(&schema, partition)),
            kind: entry.file.kind,
            order: entry.order,
            rows: entry.file.rows.saturating_sub(entry.file.tombstones),
            tombstones: entry.file.tombstones,
            bytes: entry.file.size,
            since: last.map(|span| span.since),
            until: last.and_then(|span| span.until),
            counted: entry.counted.is_open(),
            owner: entry.file.owner.as_ref().map(|origin| origin.table),
        }
    };
    let mut entries: Vec<_> = state.kept_files().collect();
    entries.sort_by_key(|entry| {
        let values = state.partition(entry.partition).map(|partition| &partition.values);
        (values, entry.order, entry.lsn, entry.file.id)
    });
    Ok(entries.into_iter().map(row).collect())
}
