//! LIST PARTITIONS: the partitions of the latest version.

use super::PinnedTable;
use crate::error::{Code, Error, Result};

/// The partitions as history names them, `dd=01/hh=01`, sorted by value (R101).
///
/// # Errors
/// [`Code::InvalidArgument`] on a table without partition columns.
pub fn list(table: &PinnedTable) -> Result<Vec<String>> {
    let schema = table.snapshot.state.schema()?;
    if schema.partition_columns.is_empty() {
        return Err(Error::new(Code::InvalidArgument, format!("table {} has no partition columns", table.name)));
    }
    let names: Vec<&str> = schema.partition_columns.iter().map(|column| column.name.as_str()).collect();
    Ok(table.snapshot.state.open_partitions().map(|entry| entry.values.spec(names.iter().copied())).collect())
}
