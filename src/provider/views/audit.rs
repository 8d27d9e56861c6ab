//! `audit()`.

use datafusion::arrow::array::RecordBatch;
use datafusion::common::Result;

use super::columns::Nulls::{Never, Some as Nullable};
use super::columns::{batch, moment, text};
use crate::ops::audit::AuditRow;

/// One row per entry.
pub(crate) fn table(rows: &[AuditRow]) -> Result<RecordBatch> {
    batch(vec![
        moment(rows, "timestamp", Never, |row| Some(row.time)),
        text(rows, "actor", Never, |row| Some(row.actor.clone())),
        text(rows, "object", Never, |row| Some(row.object.clone())),
        text(rows, "action", Never, |row| Some(row.action.clone())),
        text(rows, "reason", Nullable, |row| row.reason.clone()),
    ])
}
