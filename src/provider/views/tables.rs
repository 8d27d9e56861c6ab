//! `SHOW HISTORY FOR TABLES`.

use std::sync::Arc;

use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::common::Result;

use super::shown;
use crate::ops::tables::TableRow;

/// The columns of the documents (R082).
pub(crate) fn show(rows: &[TableRow], zone: Tz) -> Result<RecordBatch> {
    let text = |value: &dyn Fn(&TableRow) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<StringArray>())
    };
    let flag = |row: &TableRow| if row.partitioned { "TRUE" } else { "FALSE" };
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("Name", text(&|row| Some(row.name.table.clone())), false),
        ("Id", text(&|row| Some(row.id.to_string())), false),
        ("Type", text(&|_| Some("MANAGED_TABLE".into())), false),
        ("IsPartitioned", text(&|row| Some(flag(row).into())), false),
        ("CreateTime", text(&|row| Some(shown(row.created, zone))), false),
        ("DropTime", text(&|row| row.dropped.map(|time| shown(time, zone))), true),
    ])?)
}
