//! `SHOW HISTORY FOR TABLES` and `tables()`.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::array::timezone::Tz;
use datafusion::common::Result;

use super::columns::Nulls::{Never, Some as Nullable};
use super::columns::{batch, count, flag, moment, text};
use super::shown;
use crate::ops::tables::{TableRow, TableSizes};

/// What the documents call a table of ours.
const MANAGED: &str = "MANAGED_TABLE";

/// The columns of the documents (R082).
pub(crate) fn show(rows: &[TableRow], zone: Tz) -> Result<RecordBatch> {
    let partitioned = |row: &TableRow| if row.partitioned { "TRUE" } else { "FALSE" };
    batch(vec![
        text(rows, "Name", Never, |row| Some(row.name.table.clone())),
        text(rows, "Id", Never, |row| Some(row.id.to_string())),
        text(rows, "Type", Never, |_| Some(MANAGED.into())),
        text(rows, "IsPartitioned", Never, |row| Some(partitioned(row).into())),
        text(rows, "CreateTime", Never, |row| Some(shown(row.created, zone))),
        text(rows, "DropTime", Nullable, |row| row.dropped.map(|time| shown(time, zone))),
    ])
}

/// All that is known of each, with numbers and times as such.
pub(crate) fn table(rows: &[(TableRow, TableSizes)]) -> Result<RecordBatch> {
    batch(vec![
        text(rows, "name", Never, |(row, _)| Some(row.name.table.clone())),
        text(rows, "schema", Never, |(row, _)| Some(row.name.schema.clone())),
        text(rows, "id", Never, |(row, _)| Some(row.id.to_string())),
        text(rows, "type", Never, |_| Some(MANAGED.into())),
        flag(rows, "partitioned", |(row, _)| row.partitioned),
        moment(rows, "created", Never, |(row, _)| Some(row.created)),
        moment(rows, "dropped", Nullable, |(row, _)| row.dropped),
        moment(rows, "restorable_until", Nullable, |(_, sizes)| sizes.restorable_until),
        count(rows, "rows", |(_, sizes)| sizes.rows),
        count(rows, "bytes", |(_, sizes)| sizes.bytes),
        count(rows, "history_bytes", |(_, sizes)| sizes.history_bytes),
    ])
}
