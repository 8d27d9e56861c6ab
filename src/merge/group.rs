//! Which files of a partition must be merged: those whose key ranges overlap, directly or through others.
//!
//! A bound that isn't known overlaps everything, so grouping errs only towards more work.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::row::{OwnedRow, RowConverter, SortField};

use super::{FileSource, bounds as bound};
use crate::error::{Error, Result};
use crate::store::TableId;
use crate::table::{FileEntry, Order, TableSchema};

/// Files of one partition that are merged with each other and with no others.
#[derive(Debug)]
pub struct MergeGroup {
    pub(crate) source: FileSource,
    pub(crate) schema: Arc<TableSchema>,
    pub(crate) files: Vec<Arc<FileEntry>>,
    /// Whether the files come by their smallest key.
    by_key: bool,
}

impl MergeGroup {
    /// The files, in no particular order.
    pub fn files(&self) -> &[Arc<FileEntry>] {
        &self.files
    }

    /// The files in rows that don't overlap, each by key: those of one order, where bounds are known, else each by itself.
    pub(crate) fn rows_of_files(&self) -> Vec<Vec<Arc<FileEntry>>> {
        if !self.by_key {
            return self.files.iter().map(|entry| vec![Arc::clone(entry)]).collect();
        }
        let mut rows: BTreeMap<Order, Vec<Arc<FileEntry>>> = BTreeMap::new();
        for entry in &self.files {
            rows.entry(entry.order).or_default().push(Arc::clone(entry));
        }
        rows.into_values().collect()
    }

    /// Whether any row of it may not be alive.
    pub fn needs_resolution(&self) -> bool {
        self.schema.is_keyed() && (self.files.len() > 1 || self.files.iter().any(|entry| entry.file.tombstones > 0))
    }
}

/// Splits the files that a read takes of one partition into groups. `name` is for messages.
///
/// # Errors
/// [`Code::Internal`](crate::Code::Internal) where a key has a type without an order.
pub fn groups(
    name: &Arc<str>,
    table: TableId,
    schema: &Arc<TableSchema>,
    files: &[Arc<FileEntry>],
) -> Result<Vec<Arc<MergeGroup>>> {
    let source = FileSource { name: Arc::clone(name), table };
    let group = |files: Vec<Arc<FileEntry>>, by_key| {
        Arc::new(MergeGroup { source: source.clone(), schema: Arc::clone(schema), files, by_key })
    };
    if !schema.is_keyed() || files.len() < 2 {
        return Ok(files.iter().map(|entry| group(vec![Arc::clone(entry)], true)).collect());
    }
    let bounds =
        files.iter().map(|entry| (entry.file.min_key().unwrap_or_default(), entry.file.max_key().unwrap_or_default()));
    let Some(ranges) = ranges(schema, bounds)? else {
        return Ok(vec![group(files.to_vec(), false)]);
    };
    let mut sorted: Vec<(Range, &Arc<FileEntry>)> = ranges.into_iter().zip(files).collect();
    sorted.sort_by(|(a, _), (b, _)| a.min.cmp(&b.min));
    let mut found: Vec<Vec<Arc<FileEntry>>> = vec![];
    let mut end: Option<OwnedRow> = None;
    for (range, entry) in sorted {
        match (found.last_mut(), &end) {
            (Some(last), Some(reached)) if range.min <= *reached => last.push(Arc::clone(entry)),
            _ => found.push(vec![Arc::clone(entry)]),
        }
        end = end.max(Some(range.max));
    }
    Ok(found.into_iter().map(|files| group(files, true)).collect())
}

/// Per file of the group, the row groups that may hold a key of another file; none where all must be read, because
/// bounds are not known or the file has tombstones to find.
pub(super) fn touched_row_groups(group: &MergeGroup) -> Result<Vec<Option<Vec<usize>>>> {
    let bounds = group
        .files
        .iter()
        .flat_map(|entry| &entry.file.row_groups)
        .map(|rows| (rows.min.as_slice(), rows.max.as_slice()));
    let Some(ranges) = ranges(&group.schema, bounds)? else {
        return Ok(vec![None; group.files.len()]);
    };
    let mut rest = ranges.into_iter();
    let per_file: Vec<Vec<Range>> =
        group.files.iter().map(|entry| rest.by_ref().take(entry.file.row_groups.len()).collect()).collect();
    let touched = per_file.iter().enumerate().map(|(this, ranges)| {
        let others = || per_file.iter().enumerate().filter(move |(other, _)| *other != this).map(|(_, ranges)| ranges);
        let is_touched = |range: &Range| others().any(|other| overlaps(other, range));
        ranges.iter().enumerate().filter(|(_, range)| is_touched(range)).map(|(index, _)| index).collect::<Vec<_>>()
    });
    let has_tombstones = group.files.iter().map(|entry| entry.file.tombstones > 0);
    Ok(touched.zip(has_tombstones).map(|(touched, all)| (!all).then_some(touched)).collect())
}

/// A range of keys, both ends included.
struct Range {
    min: OwnedRow,
    max: OwnedRow,
}

/// Whether one of the ranges, sorted and disjoint, overlaps this one.
fn overlaps(sorted: &[Range], range: &Range) -> bool {
    let first = sorted.partition_point(|other| other.max < range.min);
    sorted.get(first).is_some_and(|other| other.min <= range.max)
}

/// The ranges between texts of keys; none where one of them is not known.
fn ranges<'a>(
    schema: &TableSchema,
    bounds: impl Iterator<Item = (&'a [String], &'a [String])>,
) -> Result<Option<Vec<Range>>> {
    let bounds: Vec<(&[String], &[String])> = bounds.collect();
    let columns = schema.key_columns();
    let mut mins: Vec<ArrayRef> = vec![];
    let mut maxs: Vec<ArrayRef> = vec![];
    for (at, column) in columns.iter().enumerate() {
        let texts: Vec<Option<&str>> = bounds.iter().map(|(min, _)| min.get(at).map(String::as_str)).collect();
        mins.push(bound::lower(&column.data_type, &texts)?);
        let texts: Vec<Option<&str>> = bounds.iter().map(|(_, max)| max.get(at).map(String::as_str)).collect();
        maxs.push(bound::upper(&column.data_type, &texts)?);
    }
    if mins.iter().chain(&maxs).any(|values| values.null_count() > 0) {
        return Ok(None);
    }
    let failed = |e| Error::internal(format!("cannot order keys: {e}"));
    let fields = columns.iter().map(|column| SortField::new(column.data_type.clone())).collect();
    let converter = RowConverter::new(fields).map_err(failed)?;
    let mins = converter.convert_columns(&mins).map_err(failed)?;
    let maxs = converter.convert_columns(&maxs).map_err(failed)?;
    let ranges: Vec<Range> =
        mins.iter().zip(maxs.iter()).map(|(min, max)| Range { min: min.owned(), max: max.owned() }).collect();
    // Ends the wrong way round say that the texts don't mean what they should: then nothing is known.
    Ok(ranges.iter().all(|range| range.min <= range.max).then_some(ranges))
}
