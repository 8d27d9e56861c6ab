//! Columns of a view from the rows that a verb gives.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::common::Result;

use crate::store::Timestamp;

/// A field and its values.
pub(super) type Column = (Field, ArrayRef);

/// Whether a column has NULLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nulls {
    Never,
    Some,
}

pub(super) fn text<R>(rows: &[R], name: &str, nulls: Nulls, value: impl Fn(&R) -> Option<String>) -> Column {
    column(name, nulls, Arc::new(rows.iter().map(value).collect::<StringArray>()))
}

pub(super) fn count<R>(rows: &[R], name: &str, value: impl Fn(&R) -> u64) -> Column {
    column(name, Nulls::Never, Arc::new(rows.iter().map(|row| Some(value(row))).collect::<UInt64Array>()))
}

/// Versions are BIGINT, as in `VERSION AS OF`.
pub(super) fn version<R>(rows: &[R], name: &str, nulls: Nulls, value: impl Fn(&R) -> Option<i64>) -> Column {
    column(name, nulls, Arc::new(rows.iter().map(value).collect::<Int64Array>()))
}

pub(super) fn flag<R>(rows: &[R], name: &str, value: impl Fn(&R) -> bool) -> Column {
    column(name, Nulls::Never, Arc::new(rows.iter().map(|row| Some(value(row))).collect::<BooleanArray>()))
}

pub(super) fn moment<R>(rows: &[R], name: &str, nulls: Nulls, value: impl Fn(&R) -> Option<Timestamp>) -> Column {
    let micros = rows.iter().map(|row| value(row).map(Timestamp::as_micros)).collect::<TimestampMicrosecondArray>();
    let field = Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), nulls == Nulls::Some);
    (field, Arc::new(micros.with_timezone("UTC")))
}

fn column(name: &str, nulls: Nulls, values: ArrayRef) -> Column {
    (Field::new(name, values.data_type().clone(), nulls == Nulls::Some), values)
}

/// The columns as one batch.
pub(super) fn batch(columns: Vec<Column>) -> Result<RecordBatch> {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}
