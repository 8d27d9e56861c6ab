//! `LIST PARTITIONS`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::common::Result;

/// One partition per row (R101).
pub(crate) fn show(partitions: &[String]) -> Result<RecordBatch> {
    let names: ArrayRef = Arc::new(partitions.iter().map(Some).collect::<StringArray>());
    Ok(RecordBatch::try_from_iter_with_nullable([("partition", names, false)])?)
}
