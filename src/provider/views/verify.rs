//! `VERIFY TABLE`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::common::Result;

use crate::ops::verify::Verified;

/// One row: what was read and found whole.
pub(crate) fn show(verified: &Verified) -> Result<RecordBatch> {
    let number =
        |value: u64| -> ArrayRef { Arc::new(Int64Array::from(vec![i64::try_from(value).unwrap_or(i64::MAX)])) };
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("commits", number(verified.commits), false),
        ("files", number(verified.files), false),
        ("bytes", number(verified.bytes), false),
    ])?)
}
