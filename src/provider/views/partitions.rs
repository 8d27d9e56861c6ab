//! `LIST PARTITIONS` and `partitions('t')`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::common::Result;

use super::columns::Nulls::{Never, Some as Nullable};
use super::columns::{batch, count, flag, moment, text};
use crate::ops::partitions::PartitionRow;

/// One partition per row (R101).
pub(crate) fn show(partitions: &[String]) -> Result<RecordBatch> {
    let names: ArrayRef = Arc::new(partitions.iter().map(Some).collect::<StringArray>());
    Ok(RecordBatch::try_from_iter_with_nullable([("partition", names, false)])?)
}

/// All that is known of each.
pub(crate) fn table(rows: &[PartitionRow]) -> Result<RecordBatch> {
    batch(vec![
        text(rows, "id", Never, |row| Some(row.id.to_string())),
        text(rows, "name", Never, |row| Some(row.name.clone())),
        moment(rows, "created", Never, |row| Some(row.created)),
        moment(rows, "modified", Never, |row| Some(row.modified)),
        count(rows, "rows", |row| row.rows),
        count(rows, "files", |row| row.files),
        count(rows, "bytes", |row| row.bytes),
        flag(rows, "lifecycle_enabled", |row| row.lifecycle_enabled),
        moment(rows, "dropped", Nullable, |row| row.dropped),
        moment(rows, "restorable_until", Nullable, |row| row.restorable_until),
    ])
}
