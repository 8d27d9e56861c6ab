//! What `RESTORE … DRY RUN` says.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::common::Result;

use crate::ops::changes::ObjectChange;

/// One row for each object that would change.
pub(crate) fn show(rows: &[ObjectChange]) -> Result<RecordBatch> {
    let text = |value: &dyn Fn(&ObjectChange) -> String| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(value(row))).collect::<StringArray>())
    };
    let number = |value: &dyn Fn(&ObjectChange) -> u64| -> ArrayRef {
        Arc::new(rows.iter().map(|row| i64::try_from(value(row)).unwrap_or(i64::MAX)).collect::<Int64Array>())
    };
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("object_type", text(&|row| row.object.as_str().to_owned()), false),
        ("object_id", text(&|row| row.id.clone()), false),
        ("object_name", text(&|row| row.name.clone()), false),
        ("change", text(&|row| row.change.clone()), false),
        ("files_back", number(&|row| row.back.files), false),
        ("rows_back", number(&|row| row.back.rows), false),
        ("bytes_back", number(&|row| row.back.bytes), false),
        ("files_gone", number(&|row| row.gone.files), false),
        ("rows_gone", number(&|row| row.gone.rows), false),
        ("bytes_gone", number(&|row| row.gone.bytes), false),
    ])?)
}
