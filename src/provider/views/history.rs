//! `SHOW HISTORY FOR TABLE` and `history('t')`.

use std::sync::Arc;

use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::common::Result;

use super::shown;
use crate::ops::history::HistoryRow;

/// The columns of the documents, times as text (R084).
pub(crate) fn show(rows: &[HistoryRow], zone: Tz) -> Result<RecordBatch> {
    let text = |value: &dyn Fn(&HistoryRow) -> String| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(value(row))).collect::<StringArray>())
    };
    let columns = vec![
        ("ObjectType", text(&|row| row.object.as_str().into())),
        ("ObjectId", text(&|row| row.object_id.clone())),
        ("ObjectName", text(&|row| row.object_name.clone())),
        ("VERSION(LSN)", text(&|row| row.version.to_string())),
        ("Time", text(&|row| shown(row.time, zone))),
        ("Operation", text(&|row| row.operation.to_string())),
    ];
    let fields: Vec<Field> = columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8, false)).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, column)| column).collect())?)
}

/// All columns, with numbers and times as such.
pub(crate) fn table(rows: &[HistoryRow]) -> Result<RecordBatch> {
    let utc = || Some("UTC".into());
    let time = DataType::Timestamp(TimeUnit::Microsecond, utc());
    let text = |value: &dyn Fn(&HistoryRow) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<StringArray>())
    };
    let count = |value: &dyn Fn(&HistoryRow) -> u64| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(value(row))).collect::<UInt64Array>())
    };
    let moment = |value: &dyn Fn(&HistoryRow) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let version: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.version.as_i64())).collect::<Int64Array>());
    let columns = vec![
        (Field::new("version", DataType::Int64, false), version),
        (Field::new("timestamp", time.clone(), false), moment(&|row| Some(row.time.as_micros()))),
        (Field::new("operation", DataType::Utf8, false), text(&|row| Some(row.operation.to_string()))),
        (Field::new("object_type", DataType::Utf8, false), text(&|row| Some(row.object.as_str().into()))),
        (Field::new("object_id", DataType::Utf8, false), text(&|row| Some(row.object_id.clone()))),
        (Field::new("object_name", DataType::Utf8, false), text(&|row| Some(row.object_name.clone()))),
        (Field::new("actor", DataType::Utf8, false), text(&|row| Some(row.actor.clone()))),
        (Field::new("reason", DataType::Utf8, true), text(&|row| row.reason.clone())),
        (Field::new("rows", DataType::UInt64, false), count(&|row| row.rows)),
        (Field::new("files", DataType::UInt64, false), count(&|row| row.files)),
        (Field::new("bytes", DataType::UInt64, false), count(&|row| row.bytes)),
        (Field::new("readable_until", time, true), moment(&|row| row.readable_until.map(|time| time.as_micros()))),
    ];
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}
