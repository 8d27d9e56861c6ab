//! `SHOW HISTORY FOR TABLE` and `history('t')`.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::array::timezone::Tz;
use datafusion::common::Result;

use super::columns::Nulls::{Never, Some as Nullable};
use super::columns::{batch, count, moment, text, version};
use super::shown;
use crate::ops::history::HistoryRow;

/// The columns of the documents, times as text (R084).
pub(crate) fn show(rows: &[HistoryRow], zone: Tz) -> Result<RecordBatch> {
    batch(vec![
        text(rows, "ObjectType", Never, |row| Some(row.object.as_str().into())),
        text(rows, "ObjectId", Never, |row| Some(row.object_id.clone())),
        text(rows, "ObjectName", Never, |row| Some(row.object_name.clone())),
        text(rows, "VERSION(LSN)", Never, |row| Some(row.version.to_string())),
        text(rows, "Time", Never, |row| Some(shown(row.time, zone))),
        text(rows, "Operation", Never, |row| Some(row.operation.to_string())),
    ])
}

/// All columns, with numbers and times as such.
pub(crate) fn table(rows: &[HistoryRow]) -> Result<RecordBatch> {
    batch(vec![
        version(rows, "version", Never, |row| Some(row.version.as_i64())),
        moment(rows, "timestamp", Never, |row| Some(row.time)),
        text(rows, "operation", Never, |row| Some(row.operation.to_string())),
        text(rows, "object_type", Never, |row| Some(row.object.as_str().into())),
        text(rows, "object_id", Never, |row| Some(row.object_id.clone())),
        text(rows, "object_name", Never, |row| Some(row.object_name.clone())),
        text(rows, "actor", Never, |row| Some(row.actor.clone())),
        text(rows, "reason", Nullable, |row| row.reason.clone()),
        count(rows, "rows", |row| row.rows),
        count(rows, "files", |row| row.files),
        count(rows, "bytes", |row| row.bytes),
        moment(rows, "readable_until", Nullable, |row| row.readable_until),
        moment(rows, "restorable_until", Nullable, |row| row.restorable_until),
    ])
}
