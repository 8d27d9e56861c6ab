//! `files('t')`.

use datafusion::arrow::array::RecordBatch;
use datafusion::common::Result;

use super::columns::Nulls::{Never, Some as Nullable};
use super::columns::{batch, count, flag, text, version};
use crate::log::Lsn;
use crate::ops::files::FileRow;
use crate::table::FileKind;

/// One row per file.
pub(crate) fn table(rows: &[FileRow]) -> Result<RecordBatch> {
    let kind = |row: &FileRow| match row.kind {
        FileKind::Base => "base".to_owned(),
        FileKind::Delta => "delta".to_owned(),
    };
    batch(vec![
        text(rows, "file", Never, |row| Some(row.id.to_string())),
        text(rows, "partition", Nullable, |row| row.partition.clone()),
        text(rows, "kind", Never, |row| Some(kind(row))),
        version(rows, "order", Never, |row| Some(row.order.0.as_i64())),
        count(rows, "rows", |row| row.rows),
        count(rows, "tombstones", |row| row.tombstones),
        count(rows, "bytes", |row| row.bytes),
        version(rows, "since", Nullable, |row| row.since.map(Lsn::as_i64)),
        version(rows, "until", Nullable, |row| row.until.map(Lsn::as_i64)),
        flag(rows, "counted", |row| row.counted),
        text(rows, "owner", Nullable, |row| row.owner.map(|owner| owner.to_string())),
    ])
}
