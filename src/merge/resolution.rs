//! What a merge found: per file, the rows that are alive.

use std::collections::HashMap;

use arrow::buffer::BooleanBuffer;
use parquet::arrow::arrow_reader::RowSelection;

use crate::store::FileId;
use crate::table::DataFile;

/// Rows of a file by number; none for all of them.
pub(crate) type RowSet = Option<BooleanBuffer>;

/// The rows of one file that count.
#[derive(Debug, Clone)]
pub struct FileRows {
    /// Rows that a read gives.
    pub(crate) alive: RowSet,
    /// Rows and tombstones that are the newest of their key in the set of files.
    pub(crate) newest: RowSet,
    /// How many rows a read gives.
    pub(crate) count: u64,
}

/// What a group of files was resolved to.
#[derive(Debug, Default)]
pub struct Resolution {
    pub(crate) files: HashMap<FileId, FileRows>,
}

/// How a row group is read.
#[derive(Debug, Clone, PartialEq)]
pub enum Access {
    /// Not at all.
    Nothing,
    /// Every row.
    All,
    /// Some rows.
    Rows(RowSelection),
}

impl Resolution {
    /// How many rows of the file a read gives.
    pub fn count(&self, file: FileId) -> Option<u64> {
        self.files.get(&file).map(|rows| rows.count)
    }

    /// The bytes that it takes.
    pub(crate) fn weight(&self) -> u64 {
        let bytes = |set: &RowSet| set.as_ref().map_or(0, |bits| bits.len() as u64 / 8);
        self.files.values().map(|rows| bytes(&rows.alive) + bytes(&rows.newest) + 128).sum()
    }
}

/// How many rows of a row group are in the set; none where the set doesn't fit the file.
pub(crate) fn count(file: &DataFile, row_group: usize, rows: &RowSet) -> Option<usize> {
    match rows {
        None => usize::try_from(file.row_groups.get(row_group)?.rows).ok(),
        Some(bits) => Some(slice(file, row_group, bits)?.count_set_bits()),
    }
}

/// How to read one row group for the rows of a set; none where the set doesn't fit the file.
pub(crate) fn access(file: &DataFile, row_group: usize, rows: &RowSet) -> Option<Access> {
    let Some(bits) = rows else { return Some(Access::All) };
    let bits = slice(file, row_group, bits)?;
    Some(match bits.count_set_bits() {
        0 => Access::Nothing,
        all if all == bits.len() => Access::All,
        _ => Access::Rows(selection(&bits)),
    })
}

fn slice(file: &DataFile, row_group: usize, bits: &BooleanBuffer) -> Option<BooleanBuffer> {
    let before: u64 = file.row_groups.iter().take(row_group).map(|group| group.rows).sum();
    let start = usize::try_from(before).ok()?;
    let len = usize::try_from(file.row_groups.get(row_group)?.rows).ok()?;
    (start + len <= bits.len()).then(|| bits.slice(start, len))
}

/// The runs of a bitmap.
pub(crate) fn selection(bits: &BooleanBuffer) -> RowSelection {
    RowSelection::from_consecutive_ranges(bits.set_slices().map(|(start, end)| start..end), bits.len())
}
