//! Statistics for DataFusion: per piece for pruning, per scan for planning and for answers without a scan.
//!
//! A piece's bounds hold for all its rows, superseded ones too: enough to leave it out, never to answer a query. A scan's
//! numbers are exact only where every row that they count is known to be alive.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Result, ScalarValue, Statistics};

use crate::merge::bounds;
use crate::table::{Column, ColumnStats, FileEntry, TableSchema};

/// What the log says of the files of a scan, as values, for the columns that the scan may look at.
pub(super) struct FileStatistics<'a> {
    schema: &'a TableSchema,
    files: &'a [Arc<FileEntry>],
    /// Per column of the files; none where it isn't looked at.
    columns: Vec<Option<Bounds>>,
    /// Those of the first key column with its position, a row per row group.
    keys: Option<(usize, Bounds)>,
    /// The row of a file's first row group in `keys`.
    first_row_group: Vec<usize>,
}

struct Bounds {
    min: ArrayRef,
    max: ArrayRef,
}

impl Bounds {
    fn new(column: &Column, texts: Vec<(Option<&str>, Option<&str>)>) -> Result<Self> {
        let (min, max): (Vec<_>, Vec<_>) = texts.into_iter().unzip();
        Ok(Self { min: bounds::lower(&column.data_type, &min)?, max: bounds::upper(&column.data_type, &max)? })
    }

    fn get(&self, row: usize) -> Result<(Precision<ScalarValue>, Precision<ScalarValue>)> {
        let value = |values: &ArrayRef| match row < values.len() && values.is_valid(row) {
            true => ScalarValue::try_from_array(values, row).map(Precision::Exact),
            false => Ok(Precision::Absent),
        };
        Ok((value(&self.min)?, value(&self.max)?))
    }
}

impl<'a> FileStatistics<'a> {
    /// `wanted` are positions among the columns of the files.
    pub(super) fn new(schema: &'a TableSchema, files: &'a [Arc<FileEntry>], wanted: &BTreeSet<usize>) -> Result<Self> {
        let one = |(at, column): (usize, &Column)| {
            if !wanted.contains(&at) || column.data_type.is_nested() {
                return Ok(None);
            }
            let texts = files.iter().map(|entry| {
                let stats = find(entry, column);
                (stats.and_then(|stats| stats.min.as_deref()), stats.and_then(|stats| stats.max.as_deref()))
            });
            Bounds::new(column, texts.collect()).map(Some)
        };
        let columns = schema.columns.iter().enumerate().map(one).collect::<Result<Vec<_>>>()?;
        let key = schema.key_positions().first().copied().filter(|at| wanted.contains(at));
        let keys = key.and_then(|at| Some((at, schema.columns.get(at)?)));
        let keys = keys.map(|(at, column)| {
            let groups = files.iter().flat_map(|entry| &entry.file.row_groups);
            let texts =
                groups.map(|group| (group.min.first().map(String::as_str), group.max.first().map(String::as_str)));
            Ok::<_, datafusion::common::DataFusionError>((at, Bounds::new(column, texts.collect())?))
        });
        let first_row_group = files.iter().scan(0, |next, entry| {
            let first = *next;
            *next += entry.file.row_groups.len();
            Some(first)
        });
        let first_row_group = first_row_group.collect();
        Ok(Self { schema, files, columns, keys: keys.transpose()?, first_row_group })
    }

    /// The statistics of one row group over the columns of the files: bounds of all its rows.
    pub(super) fn piece(&self, file: usize, row_group: usize) -> Result<Statistics> {
        let Some(entry) = self.files.get(file) else { return Ok(Statistics::default()) };
        let rows = entry.file.row_groups.get(row_group).map_or(0, |group| as_usize(group.rows));
        let mut columns = Vec::with_capacity(self.columns.len());
        for (at, (column, bounds)) in self.schema.columns.iter().zip(&self.columns).enumerate() {
            let Some(bounds) = bounds else {
                columns.push(ColumnStatistics::new_unknown());
                continue;
            };
            let (mut min, mut max) = bounds.get(file)?;
            if let Some((_, keys)) = self.keys.as_ref().filter(|(key, _)| *key == at) {
                let row = self.first_row_group.get(file).copied().unwrap_or(usize::MAX).saturating_add(row_group);
                let (group_min, group_max) = keys.get(row)?;
                min = if group_min == Precision::Absent { min } else { group_min };
                max = if group_max == Precision::Absent { max } else { group_max };
            }
            let nulls = self.nulls(entry, column);
            let nulls = match nulls {
                // The file's number says something of a row group only where it says it of each.
                Some(0) => Precision::Exact(0),
                Some(nulls) if nulls == entry.file.rows => Precision::Exact(rows),
                Some(nulls) if entry.file.row_groups.len() == 1 => Precision::Exact(as_usize(nulls)),
                _ => Precision::Absent,
            };
            columns.push(ColumnStatistics {
                null_count: nulls,
                min_value: min,
                max_value: max,
                ..ColumnStatistics::new_unknown()
            });
        }
        Ok(Statistics {
            num_rows: Precision::Exact(rows),
            total_byte_size: Precision::Absent,
            column_statistics: columns,
        })
    }

    /// The statistics of the scan over all columns. `is_clean` says that every row of every file is read, `rows` how many
    /// rows are; `partitions` has the values of the partitions that are read.
    pub(super) fn scan(
        &self,
        is_clean: bool,
        rows: Precision<usize>,
        bytes: usize,
        partitions: &RecordBatch,
    ) -> Result<Statistics> {
        let mut columns = Vec::with_capacity(self.columns.len() + partitions.num_columns());
        for (at, (column, bounds)) in self.schema.columns.iter().zip(&self.columns).enumerate() {
            columns.push(match bounds {
                Some(bounds) => self.column(at, column, bounds, is_clean)?,
                None => ColumnStatistics::new_unknown(),
            });
        }
        for values in partitions.columns() {
            let range = ScalarRange::of(values, 0..values.len())?;
            let (min, max) = range.precision(is_clean);
            columns.push(ColumnStatistics {
                null_count: Precision::Exact(0),
                min_value: min,
                max_value: max,
                ..ColumnStatistics::new_unknown()
            });
        }
        Ok(Statistics { num_rows: rows, total_byte_size: Precision::Inexact(bytes), column_statistics: columns })
    }

    fn column(&self, at: usize, column: &Column, bounds: &Bounds, is_clean: bool) -> Result<ColumnStatistics> {
        let nulls: Option<u64> = self.files.iter().map(|entry| self.nulls(entry, column)).sum();
        let null_count = match nulls {
            Some(nulls) if is_clean => Precision::Exact(as_usize(nulls)),
            Some(nulls) => Precision::Inexact(as_usize(nulls)),
            None => Precision::Absent,
        };
        // A file of NULLs alone has no bounds, and needs none.
        let has_values = |file: &usize| {
            self.files.get(*file).is_some_and(|entry| self.nulls(entry, column) != Some(entry.file.rows))
        };
        let files: Vec<usize> = (0..self.files.len()).filter(has_values).collect();
        let says_exact =
            |file: &usize| self.files.get(*file).and_then(|entry| find(entry, column)).is_some_and(|stats| stats.exact);
        let is_exact = is_clean && bounds::can_be_exact(&column.data_type) && files.iter().all(says_exact);
        let mut min = ScalarRange::of(&bounds.min, files.iter().copied())?;
        let max = ScalarRange::of(&bounds.max, files.iter().copied())?;
        min.max = max.max;
        let (mut min_value, mut max_value) = min.precision(is_exact);
        // Without file statistics the row groups' keys say the same.
        if min_value == Precision::Absent
            && let Some((_, keys)) = self.keys.as_ref().filter(|(key, _)| *key == at)
        {
            let low = ScalarRange::of(&keys.min, 0..keys.min.len())?;
            let high = ScalarRange::of(&keys.max, 0..keys.max.len())?;
            (min_value, max_value) = ScalarRange { min: low.min, max: high.max }.precision(false);
        }
        Ok(ColumnStatistics { null_count, min_value, max_value, ..ColumnStatistics::new_unknown() })
    }

    /// How many values are NULL, where the log says so; it says so of no column that the file lacks.
    fn nulls(&self, entry: &FileEntry, column: &Column) -> Option<u64> {
        match find(entry, column) {
            Some(stats) => Some(stats.nulls),
            None if self.schema.key.contains(&column.id) => Some(0),
            None => None,
        }
    }
}

/// The least and the greatest of some values; none where one is not known.
struct ScalarRange {
    min: Option<ScalarValue>,
    max: Option<ScalarValue>,
}

impl ScalarRange {
    fn of(values: &ArrayRef, rows: impl Iterator<Item = usize>) -> Result<Self> {
        let mut range = Self { min: None, max: None };
        for row in rows {
            if row >= values.len() || values.is_null(row) {
                return Ok(Self { min: None, max: None });
            }
            let value = ScalarValue::try_from_array(values, row)?;
            if range.min.as_ref().is_none_or(|min| value < *min) {
                range.min = Some(value.clone());
            }
            if range.max.as_ref().is_none_or(|max| value > *max) {
                range.max = Some(value);
            }
        }
        Ok(range)
    }

    fn precision(self, is_exact: bool) -> (Precision<ScalarValue>, Precision<ScalarValue>) {
        let one = |value: Option<ScalarValue>| match value {
            Some(value) if is_exact => Precision::Exact(value),
            Some(value) => Precision::Inexact(value),
            None => Precision::Absent,
        };
        (one(self.min), one(self.max))
    }
}

fn find<'a>(entry: &'a FileEntry, column: &Column) -> Option<&'a ColumnStats> {
    entry.file.stats.iter().find(|stats| stats.id == column.id)
}

fn as_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
