//! What VACUUM and PURGE did, and the project settings.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::common::Result;

use crate::ops::SweepRow;

/// One row per thing done.
pub(crate) fn show(rows: &[SweepRow]) -> Result<RecordBatch> {
    let text = |value: &dyn Fn(&SweepRow) -> &str| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(value(row))).collect::<StringArray>())
    };
    let number = |value: &dyn Fn(&SweepRow) -> u64| -> ArrayRef {
        Arc::new(rows.iter().map(|row| i64::try_from(value(row)).unwrap_or(i64::MAX)).collect::<Int64Array>())
    };
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("Object", text(&|row| &row.object), false),
        ("Action", text(&|row| row.action), false),
        ("Rows", number(&|row| row.rows), false),
        ("Files", number(&|row| row.files), false),
        ("Bytes", number(&|row| row.bytes), false),
        ("Reason", text(&|row| &row.reason), false),
    ])?)
}

/// Project settings and their values.
pub(crate) fn settings(settings: &[(String, String)]) -> Result<RecordBatch> {
    let column = |value: &dyn Fn(&(String, String)) -> &str| -> ArrayRef {
        Arc::new(settings.iter().map(|setting| Some(value(setting))).collect::<StringArray>())
    };
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("Setting", column(&|setting| &setting.0), false),
        ("Value", column(&|setting| &setting.1), false),
    ])?)
}
