//! `DESC EXTENDED`.

use std::sync::Arc;

use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use datafusion::common::Result;

use super::shown;
use crate::ops::describe::{DescribeRow, DescribeValue};

/// One row per field of the documents' description (R099); the last three columns are for columns of the table.
pub(crate) fn show(rows: &[DescribeRow], zone: Tz) -> Result<RecordBatch> {
    let value = |row: &DescribeRow| match &row.value {
        DescribeValue::Text(text) => text.clone(),
        DescribeValue::Time(time) => shown(*time, zone),
        DescribeValue::Column(column) => column.data_type.to_string(),
    };
    let column = |row: &DescribeRow| match &row.value {
        DescribeValue::Column(column) => Some(column.clone()),
        _ => None,
    };
    let section: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.section)).collect::<StringArray>());
    let field: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.field.as_str())).collect::<StringArray>());
    let values: ArrayRef = Arc::new(rows.iter().map(|row| Some(value(row))).collect::<StringArray>());
    let nullable: ArrayRef = Arc::new(rows.iter().map(|row| column(row).map(|c| c.nullable)).collect::<BooleanArray>());
    let default: ArrayRef = Arc::new(rows.iter().map(|row| column(row).and_then(|c| c.default)).collect::<StringArray>());
    let comment: ArrayRef = Arc::new(rows.iter().map(|row| column(row).and_then(|c| c.comment)).collect::<StringArray>());
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("Section", section, false),
        ("Field", field, false),
        ("Value", values, false),
        ("Nullable", nullable, true),
        ("DefaultValue", default, true),
        ("Comment", comment, true),
    ])?)
}
