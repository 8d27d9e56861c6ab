//! Rows as they arrive: cast to the table's types, checked against its constraints, numbered.
//!
//! What passes has no NULL in a key, a partition column or a NOT NULL column, and one spelling for every key: negative
//! zero is zero and every NaN is the same one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int8Type};
use arrow::util::display::FormatOptions;

use super::changes::Role;
use super::shape::{Shape, columns_at};
use crate::error::{Code, Error, Result};
use crate::table::{Column, text::to_text};

/// Overflow and unreadable text are errors, not NULL.
const STRICT: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };

/// The check of one write.
#[derive(Debug)]
pub(super) struct Check {
    shape: Arc<Shape>,
    table_name: String,
    rows: Arc<AtomicU64>,
}

impl Check {
    /// A check that counts the rows into `rows`.
    pub(super) fn new(shape: Arc<Shape>, table_name: String, rows: Arc<AtomicU64>) -> Self {
        Self { shape, table_name, rows }
    }

    /// The rows in the layout of the shape.
    pub(super) fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let count = batch.num_rows();
        let first = self.rows.fetch_add(count as u64, Ordering::Relaxed);
        let mut arrays = Vec::with_capacity(self.shape.rows.fields().len());
        for (position, (column, array)) in self.shape.table.all().zip(batch.columns()).enumerate() {
            let array = self.cast(column, array, first)?;
            arrays.push(if self.shape.keys.contains(&position) { one_spelling(array) } else { array });
        }
        if let Some(at) = self.shape.tombstone {
            let marks = batch.columns().get(at).filter(|array| array.null_count() == 0);
            let marks = marks.ok_or_else(|| Error::internal("a tombstone mark is NULL"))?;
            if self.shape.role.is_some() {
                let roles = marks.as_primitive_opt::<Int8Type>();
                let roles = roles.ok_or_else(|| Error::internal("a role is no number"))?;
                let gone = roles.values().iter().map(|role| *role == Role::Gone.code());
                arrays.push(Arc::new(gone.collect::<BooleanArray>()));
            }
            arrays.push(Arc::clone(marks));
        }
        if self.shape.number.is_some() {
            arrays.push(Arc::new(UInt64Array::from_iter_values(first..first + count as u64)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.shape.rows), arrays, &options)
            .map_err(|error| Error::internal(format!("checked rows don't fit together: {error}")))?;
        self.constraints(&batch, first)?;
        Ok(batch)
    }

    fn cast(&self, column: &Column, array: &ArrayRef, first: u64) -> Result<ArrayRef> {
        if array.data_type() == &column.data_type {
            return Ok(Arc::clone(array));
        }
        cast_with_options(array, &column.data_type, &STRICT).map_err(|error| {
            let failing = (0..array.len())
                .find(|row| cast_with_options(&array.slice(*row, 1), &column.data_type, &STRICT).is_err());
            let row = failing.map(|row| format!("row {}: ", first + row as u64 + 1)).unwrap_or_default();
            let message = format!(
                "{row}column {:?} of table {} takes {}, and the value can't become one; nothing was changed",
                column.name, self.table_name, column.data_type
            );
            Error::new(Code::InvalidArgument, message).with_source(error)
        })
    }

    fn constraints(&self, batch: &RecordBatch, first: u64) -> Result<()> {
        let tombstones = self.shape.tombstones(batch);
        for (position, (column, array)) in self.shape.table.all().zip(batch.columns()).enumerate() {
            let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
            if self.shape.partitions.contains(&position) {
                if let Some(row) = nulls.and_then(|nulls| (0..array.len()).find(|row| nulls.is_null(*row))) {
                    return Err(self.violation(
                        batch,
                        first,
                        row,
                        column,
                        "is NULL, and a partition column takes none",
                    ));
                }
                if let Some(row) = first_empty(array) {
                    return Err(self.violation(batch, first, row, column, "is empty, and a partition value can't be"));
                }
                continue;
            }
            let Some(nulls) = nulls else { continue };
            if self.shape.keys.contains(&position) {
                if let Some(row) = (0..array.len()).find(|row| nulls.is_null(*row)) {
                    return Err(self.violation(
                        batch,
                        first,
                        row,
                        column,
                        "is NULL, and it belongs to the primary key",
                    ));
                }
            } else if !column.nullable {
                let stays = |row: &usize| !tombstones.is_some_and(|marks| marks.value(*row));
                if let Some(row) = (0..array.len()).filter(stays).find(|row| nulls.is_null(*row)) {
                    return Err(self.violation(batch, first, row, column, "is NULL, and the column is NOT NULL"));
                }
            }
        }
        Ok(())
    }

    fn violation(&self, batch: &RecordBatch, first: u64, row: usize, column: &Column, what: &str) -> Error {
        let key = key_text(&self.shape, batch, row).map(|key| format!(" (key {key})")).unwrap_or_default();
        let number = first + row as u64 + 1;
        let message = format!(
            "row {number}{key}: column {:?} of table {} {what}; nothing was changed, give a value",
            column.name, self.table_name
        );
        Error::new(Code::ConstraintViolation, message)
    }
}

/// The key of a row as messages show it, `k1=1, k2=a`; none without a key.
pub(super) fn key_text(shape: &Shape, batch: &RecordBatch, row: usize) -> Option<String> {
    let names = shape.table.key_columns().into_iter().map(|column| column.name.as_str());
    let values = columns_at(batch, &shape.keys);
    let parts: Vec<String> = names
        .zip(&values)
        .map(|(name, array)| format!("{name}={}", to_text(array, row).unwrap_or_else(|| "NULL".to_owned())))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn one_spelling(array: ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float32 => match array.as_primitive_opt::<Float32Type>() {
            Some(floats) => Arc::new(floats.unary::<_, Float32Type>(|x| if x.is_nan() { f32::NAN } else { x + 0.0 })),
            None => array,
        },
        DataType::Float64 => match array.as_primitive_opt::<Float64Type>() {
            Some(floats) => Arc::new(floats.unary::<_, Float64Type>(|x| if x.is_nan() { f64::NAN } else { x + 0.0 })),
            None => array,
        },
        _ => array,
    }
}

fn first_empty(array: &ArrayRef) -> Option<usize> {
    match array.data_type() {
        DataType::Utf8 => array.as_string_opt::<i32>()?.iter().position(|text| text == Some("")),
        DataType::LargeUtf8 => array.as_string_opt::<i64>()?.iter().position(|text| text == Some("")),
        DataType::Utf8View => array.as_string_view_opt()?.iter().position(|text| text == Some("")),
        _ => None,
    }
}
