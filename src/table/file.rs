//! Data files as the log knows them: enough to plan a read without opening one.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ColumnId;
use crate::log::{Lifetime, Lsn, Operation};
use crate::store::layout::{self, DataFileKind};
use crate::store::{Digest, FileId, PartitionId, Path, TableId};

/// Whether a file may hold tombstones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// Rows only.
    Base,
    /// Rows and tombstones: it has the column `__tt_tombstone`.
    Delta,
}

/// Who wins where two files hold a key: the LSN of the data commit that wrote the file, then a rank within a clone.
///
/// It never changes, and never exceeds the LSN of the commit that added the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Order(pub Lsn, #[serde(default)] pub u32);

/// Bounds and NULLs of one column in a file. Bounds are values cast to text; a missing one is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnStats {
    /// The column.
    pub id: ColumnId,
    /// A lower bound of the values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// An upper bound of the values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// Whether the bounds are values that occur, not cut ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exact: bool,
    /// How many values are NULL.
    #[serde(default)]
    pub nulls: u64,
}

/// One row group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowGroup {
    /// Offset of its first byte.
    pub start: u64,
    /// Offset after its last byte.
    pub end: u64,
    /// Its rows.
    pub rows: u64,
    /// Its first key, a text per key column; empty without a key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub min: Vec<String>,
    /// Its last key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub max: Vec<String>,
}

/// Where a file lies that another table wrote, and how its columns are found: a clone shares files at no copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The table in whose folder it lies.
    pub table: TableId,
    /// Its id there, which is its name in the store.
    pub file: FileId,
    /// Pairs of this table's column and the field id in the file. A column that isn't here is NULL in every row. None
    /// where the file has this table's own ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<(ColumnId, ColumnId)>>,
}

/// A data file: immutable, sorted by key, a key at most once (invariants 1 and 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Its id in this table's timeline; also its name in the store, unless it is another table's.
    pub id: FileId,
    /// Whether it may hold tombstones.
    pub kind: FileKind,
    /// Where it lies, where that is not this table's folder (a clone's files).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Origin>,
    /// Rows, tombstones included.
    pub rows: u64,
    /// Tombstones.
    #[serde(default)]
    pub tombstones: u64,
    /// Bytes.
    pub size: u64,
    /// Digest of all bytes.
    pub digest: Digest,
    /// Bytes of the Parquet footer with its length and magic, so that one request reads it.
    pub footer: u64,
    /// The row groups.
    pub row_groups: Vec<RowGroup>,
    /// Bounds and NULLs per column.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stats: Vec<ColumnStats>,
}

/// No file is larger, in bytes; so that sums over files stay far from where numbers end.
const MAX_SIZE: u64 = 1 << 43;
/// The most rows of a file.
const MAX_ROWS: u64 = 1 << 40;
/// The largest footer, in bytes: it is read and parsed at once.
const MAX_FOOTER: u64 = 64 << 20;
/// The most row groups of a file.
const MAX_ROW_GROUPS: usize = 100_000;

impl DataFile {
    /// What is impossible in what the log says of the file; readers take the rest of it for granted.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let rows = self.row_groups.iter().try_fold(0_u64, |sum, group| sum.checked_add(group.rows));
        let within = |group: &RowGroup| group.start <= group.end && group.end <= self.size;
        match self {
            _ if self.size > MAX_SIZE || self.rows > MAX_ROWS => Err("is larger than any file"),
            _ if self.footer > self.size.min(MAX_FOOTER) => Err("has too large a footer"),
            _ if self.row_groups.len() > MAX_ROW_GROUPS => Err("has too many row groups"),
            _ if rows != Some(self.rows) => Err("has other rows than its row groups"),
            _ if self.tombstones > self.rows => Err("has more tombstones than rows"),
            _ if !self.row_groups.iter().all(within) => Err("has a row group outside of it"),
            _ if self.stats.iter().any(|stats| stats.nulls > self.rows) => Err("has more NULLs than rows"),
            _ => Ok(()),
        }
    }

    /// The folder and the name under which the file lies, given the table that has the entry.
    pub fn location(&self, table: TableId) -> (TableId, FileId) {
        self.owner.as_ref().map_or((table, self.id), |origin| (origin.table, origin.file))
    }

    /// The file's path, relative to the warehouse, where `table` is the table that reads it.
    pub fn path(&self, table: TableId) -> Path {
        let kind = match self.kind {
            FileKind::Base => DataFileKind::Base,
            FileKind::Delta => DataFileKind::Delta,
        };
        let (owner, id) = self.location(table);
        layout::data_file(owner, id, kind)
    }

    /// The field id under which the file has a column of this table; none where every row has NULL there.
    ///
    /// A file that has this table's ids may lack the field too, where the column is younger than the file.
    pub fn field_id(&self, column: ColumnId) -> Option<ColumnId> {
        match self.owner.as_ref().and_then(|origin| origin.columns.as_ref()) {
            Some(columns) => columns.iter().find(|(ours, _)| *ours == column).map(|(_, field)| *field),
            None => Some(column),
        }
    }

    /// The smallest key, a text per key column.
    pub fn min_key(&self) -> Option<&[String]> {
        self.row_groups.first().map(|group| group.min.as_slice())
    }

    /// The largest key.
    pub fn max_key(&self) -> Option<&[String]> {
        self.row_groups.last().map(|group| group.max.as_slice())
    }
}

/// A file in a table's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// The file.
    pub file: Arc<DataFile>,
    /// Its partition.
    pub partition: PartitionId,
    /// Who wins.
    pub order: Order,
    /// The commit that added the entry.
    pub lsn: Lsn,
    /// The operation of that commit.
    pub operation: Operation,
    /// The versions in which it is read.
    pub visible: Lifetime,
    /// The versions in which its rows count as written by its commit; none for compacted and rewritten files.
    pub counted: Lifetime,
}

impl FileEntry {
    /// Whether nothing but compaction has made it visible or ended that after `version`.
    pub fn only_compacted_since(&self, version: Lsn) -> bool {
        self.visible.spans().iter().all(|span| {
            let opened = span.since <= version || (span.since == self.lsn && self.operation == Operation::Compact);
            let ended = span.until.is_none_or(|until| until <= version) || span.cause == Some(Operation::Compact);
            opened && ended
        })
    }
}

/// The values of the partition columns, as text, in column order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionValues(pub Vec<String>);

impl PartitionValues {
    /// The partition's name as history prints it, `dd=01/hh=01`.
    pub fn spec<'a>(&'a self, columns: impl IntoIterator<Item = &'a str>) -> String {
        let levels: Vec<String> =
            columns.into_iter().zip(&self.0).map(|(name, value)| format!("{name}={value}")).collect();
        levels.join("/")
    }
}

impl fmt::Display for PartitionValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}
