//! What the log says of a file: bounds and NULLs per column, place and keys of its row groups.
//!
//! A bound may be missing or, where it isn't exact, too wide, but never too narrow.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, make_comparator};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type, Schema};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::ParquetMetaData;

use crate::error::{Error, Result};
use crate::table::{Column, ColumnStats, RowGroup, text::to_text};

/// What Parquet's statistics don't tell, counted while writing: NULLs of nested columns, and whether there was a NaN.
#[derive(Debug, Default, Clone)]
pub(super) struct Counts {
    nulls: u64,
    nan: bool,
}

/// The first and the last key of a row group.
#[derive(Debug, Default, Clone)]
pub(super) struct KeyRange {
    pub(super) first: Vec<String>,
    pub(super) last: Vec<String>,
}

/// Counts the rows of a batch, whose columns are as many as the counts or more.
pub(super) fn count(counts: &mut [Counts], batch: &RecordBatch) {
    for (counts, array) in counts.iter_mut().zip(batch.columns()) {
        counts.nulls += array.logical_null_count() as u64;
        counts.nan = counts.nan || has_nan(array);
    }
}

fn has_nan(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Float16 => {
            array.as_primitive_opt::<Float16Type>().is_some_and(|a| a.iter().flatten().any(|x| x.is_nan()))
        }
        DataType::Float32 => {
            array.as_primitive_opt::<Float32Type>().is_some_and(|a| a.iter().flatten().any(f32::is_nan))
        }
        DataType::Float64 => {
            array.as_primitive_opt::<Float64Type>().is_some_and(|a| a.iter().flatten().any(f64::is_nan))
        }
        _ => false,
    }
}

/// The statistics of the columns of a complete file.
pub(super) fn column_stats(
    columns: &[Column],
    schema: &Schema,
    metadata: &ParquetMetaData,
    counts: &[Counts],
) -> Result<Vec<ColumnStats>> {
    let one = |(column, counts): (&Column, &Counts)| {
        let mut stats = ColumnStats { id: column.id, min: None, max: None, exact: false, nulls: counts.nulls };
        if counts.nan {
            return Ok(stats);
        }
        if let Some((min, max)) = bounds(column, schema, metadata)? {
            stats.exact = min.exact && max.exact;
            stats.min = Some(min.text);
            stats.max = Some(max.text);
        }
        Ok(stats)
    };
    columns.iter().zip(counts).map(one).collect()
}

struct Bound {
    text: String,
    exact: bool,
}

fn bounds(column: &Column, schema: &Schema, metadata: &ParquetMetaData) -> Result<Option<(Bound, Bound)>> {
    if column.data_type.is_nested() {
        return Ok(None);
    }
    let wrong = |error| Error::internal(format!("statistics of column {:?} can't be read back: {error}", column.name));
    let parquet_schema = metadata.file_metadata().schema_descr();
    let converter = StatisticsConverter::try_new(&column.name, schema, parquet_schema).map_err(wrong)?;
    let groups = metadata.row_groups();
    let nulls = converter.row_group_null_counts(groups).map_err(wrong)?;
    let empty: Vec<bool> = groups
        .iter()
        .zip(nulls.iter())
        .map(|(group, nulls)| nulls.is_some_and(|nulls| i64::try_from(nulls) == Ok(group.num_rows())))
        .collect();
    let mins = converter.row_group_mins(groups).map_err(wrong)?;
    let maxes = converter.row_group_maxes(groups).map_err(wrong)?;
    let exact = converter.row_group_is_min_value_exact(groups).map_err(wrong)?;
    let min = extreme(&mins, &exact, &empty, Ordering::Less)?;
    let exact = converter.row_group_is_max_value_exact(groups).map_err(wrong)?;
    let max = extreme(&maxes, &exact, &empty, Ordering::Greater)?;
    Ok(min.zip(max))
}

/// The least or greatest of the row groups' bounds; none where one is unknown.
fn extreme(values: &ArrayRef, exact: &BooleanArray, empty: &[bool], wanted: Ordering) -> Result<Option<Bound>> {
    let compare = make_comparator(values, values, SortOptions::default())
        .map_err(|error| Error::internal(format!("statistics can't be compared: {error}")))?;
    let mut best: Option<usize> = None;
    for (group, _) in empty.iter().enumerate().filter(|(_, empty)| !**empty) {
        if group >= values.len() || values.is_null(group) {
            return Ok(None);
        }
        best = match best {
            Some(best) if compare(group, best) != wanted => Some(best),
            _ => Some(group),
        };
    }
    let Some(best) = best else { return Ok(None) };
    let known = best < exact.len() && exact.is_valid(best) && exact.value(best);
    let bound = |text| Bound { text, exact: known && !is_zero(values, best) };
    Ok(to_text(values, best).map(bound))
}

/// Parquet doesn't tell the two zeros of floats apart.
fn is_zero(values: &ArrayRef, at: usize) -> bool {
    values.data_type().is_floating() && to_text(values, at).is_some_and(|text| matches!(text.as_str(), "0.0" | "-0.0"))
}

/// The row groups of a complete file.
pub(super) fn row_groups(metadata: &ParquetMetaData, keys: Vec<KeyRange>) -> Result<Vec<RowGroup>> {
    if metadata.num_row_groups() != keys.len() {
        return Err(Error::internal(format!(
            "a file has {} row groups instead of {}",
            metadata.num_row_groups(),
            keys.len()
        )));
    }
    let one = |(group, keys): (&parquet::file::metadata::RowGroupMetaData, KeyRange)| {
        let ranges = || group.columns().iter().map(|column| column.byte_range());
        RowGroup {
            start: ranges().map(|(start, _)| start).min().unwrap_or_default(),
            end: ranges().map(|(start, length)| start + length).max().unwrap_or_default(),
            rows: group.num_rows().unsigned_abs(),
            min: keys.first,
            max: keys.last,
        }
    };
    Ok(metadata.row_groups().iter().zip(keys).map(one).collect())
}
