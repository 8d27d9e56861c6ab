//! `DESC EXTENDED`.

use std::sync::Arc;

use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::Result;

use super::shown;
use crate::ops::describe::{DescribeRow, DescribeValue};

/// One row per field of the documents' description (R099); the last three columns are for columns of the table.
pub(crate) fn show(rows: &[DescribeRow], zone: Tz) -> Result<RecordBatch> {
    let value = |row: &DescribeRow| match &row.value {
        DescribeValue::Text(text) => text.clone(),
        DescribeValue::Time(time) => shown(*time, zone),
        DescribeValue::Column(column) => sql_type(&column.data_type),
    };
    let column = |row: &DescribeRow| match &row.value {
        DescribeValue::Column(column) => Some(column.clone()),
        _ => None,
    };
    let section: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.section)).collect::<StringArray>());
    let field: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.field.as_str())).collect::<StringArray>());
    let values: ArrayRef = Arc::new(rows.iter().map(|row| Some(value(row))).collect::<StringArray>());
    let nullable: ArrayRef = Arc::new(rows.iter().map(|row| column(row).map(|c| c.nullable)).collect::<BooleanArray>());
    let default: ArrayRef =
        Arc::new(rows.iter().map(|row| column(row).and_then(|c| c.default)).collect::<StringArray>());
    let comment: ArrayRef =
        Arc::new(rows.iter().map(|row| column(row).and_then(|c| c.comment)).collect::<StringArray>());
    let none: ArrayRef = Arc::new(StringArray::new_null(rows.len()));
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("Section", section, false),
        ("Field", field, false),
        ("Value", values, false),
        // The documents' columns for access labels, which tables here don't have.
        ("Label", Arc::clone(&none), true),
        ("ExtendedLabel", none, true),
        ("Nullable", nullable, true),
        ("DefaultValue", default, true),
        ("Comment", comment, true),
    ])?)
}

/// The type as SQL names it; Arrow's name where SQL has none.
fn sql_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean".into(),
        DataType::Int8 => "tinyint".into(),
        DataType::Int16 => "smallint".into(),
        DataType::Int32 => "int".into(),
        DataType::Int64 => "bigint".into(),
        DataType::Float32 => "float".into(),
        DataType::Float64 => "double".into(),
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => "string".into(),
        DataType::Binary | DataType::BinaryView | DataType::LargeBinary => "binary".into(),
        DataType::Date32 => "date".into(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Timestamp(TimeUnit::Second, None) => "timestamp(0)".into(),
        DataType::Timestamp(TimeUnit::Millisecond, None) => "datetime".into(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp(6)".into(),
        DataType::Timestamp(TimeUnit::Nanosecond, None) => "timestamp".into(),
        other => other.to_string(),
    }
}
