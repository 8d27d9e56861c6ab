//! What several verbs ask of the table first, with messages that name the way out.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::log::Lsn;
use crate::table::{PartitionEntry, PartitionValues, TableSchema, TableSnapshot, TableState};

/// The table must exist at the head.
pub(super) fn alive(state: &TableState, name: &str) -> Result<()> {
    if state.is_alive() {
        return Ok(());
    }
    let info = state.info()?;
    let id = info.create.id;
    let dropped = info.life.ended().unwrap_or(Lsn::ZERO);
    Err(Error::new(
        Code::TableDropped,
        format!(
            "table {name} was dropped at LSN {dropped}: bring it back first with RESTORE TABLE {name} ('id'='{id}')"
        ),
    ))
}

/// The version must be one of the table that can still be restored: `horizon` is the oldest that was current within the
/// backup retention.
pub(super) fn restorable(head: &TableSnapshot, name: &str, version: Lsn, horizon: Lsn) -> Result<()> {
    if version < Lsn::FIRST || version > head.lsn {
        return Err(Error::new(
            Code::VersionOutOfRange,
            format!("table {name} has no LSN {version}: give one from {} to {}", Lsn::FIRST, head.lsn),
        ));
    }
    if version < horizon {
        return Err(Error::new(
            Code::NotRestorable,
            format!(
                "LSN {version} of table {name} has left the backup retention: the oldest that can be restored is {horizon}"
            ),
        ));
    }
    if let Some(oldest) = head.state.swept_before().filter(|oldest| version < *oldest) {
        return Err(Error::new(
            Code::NotRestorable,
            format!("LSN {version} of table {name} lost files to VACUUM: the oldest that can be restored is {oldest}"),
        ));
    }
    if let Some(purged) = head.state.info()?.purged.filter(|purged| version < *purged) {
        return Err(Error::new(
            Code::NotRestorable,
            format!(
                "LSN {version} of table {name} was purged at LSN {purged}: the oldest that can be restored is {purged}"
            ),
        ));
    }
    if !head.state.is_alive_at(version) {
        return Err(Error::new(
            Code::NotRestorable,
            format!(
                "table {name} was dropped at LSN {version}: restore to an LSN before the DROP or after its RESTORE, see SHOW HISTORY FOR TABLE {name}"
            ),
        ));
    }
    Ok(())
}

/// A partition goes back to `version` only where the present schema can read what was there.
pub(super) fn schema_kept_since(state: &TableState, name: &str, version: Lsn) -> Result<()> {
    let refused = |why: String| {
        Err(Error::new(
            Code::NotSupported,
            format!(
                "partitions of table {name} can't be restored to LSN {version}: {why}; use RESTORE TABLE {name} TO LSN '{version}' AS a new table and insert the partition from there"
            ),
        ))
    };
    if let Some(lsn) = state.info()?.schema_restored.filter(|lsn| *lsn > version) {
        return refused(format!("the RESTORE at LSN {lsn} changed the schema since"));
    }
    let then = state.schema_at(version)?;
    let now = state.schema()?;
    match now.columns.iter().find(|column| !column.nullable && then.columns.iter().all(|c| c.id != column.id)) {
        Some(column) => refused(format!("column {:?} was added since and takes no NULL", column.name)),
        None => Ok(()),
    }
}

/// The values must be one per partition column, and none empty.
pub(super) fn partition_values(schema: &TableSchema, name: &str, values: &PartitionValues) -> Result<()> {
    let columns = schema.partition_columns.len();
    if columns == 0 {
        return Err(Error::new(Code::InvalidArgument, format!("table {name} is not partitioned: leave PARTITION out")));
    }
    if values.0.len() != columns || values.0.iter().any(String::is_empty) {
        return Err(Error::new(
            Code::InvalidArgument,
            format!(
                "partition {} of table {name}: give a value that is not empty for each of its {columns} partition columns",
                spec(schema, values)
            ),
        ));
    }
    Ok(())
}

/// The open partitions with these values, each once.
pub(super) fn open_partitions(
    state: &TableState,
    name: &str,
    values: &[PartitionValues],
) -> Result<Vec<Arc<PartitionEntry>>> {
    let schema = state.schema()?;
    let mut found = Vec::with_capacity(values.len());
    for values in values.iter().collect::<BTreeSet<_>>() {
        partition_values(&schema, name, values)?;
        found.push(state.open_partition(values).map(Arc::clone).ok_or_else(|| absent(state, &schema, name, values))?);
    }
    Ok(found)
}

/// The error for a partition that isn't there; it says how to bring back a dropped one.
fn absent(state: &TableState, schema: &TableSchema, name: &str, values: &PartitionValues) -> Error {
    let spec = spec(schema, values);
    let ended = state.partitions().filter(|entry| &entry.values == values).max_by_key(|entry| entry.life.ended());
    let way_out = match ended {
        Some(entry) => {
            format!("it was dropped; bring it back first with RESTORE TABLE {name} PARTITION('id'='{}')", entry.id)
        }
        None => format!("see SHOW PARTITIONS {name}"),
    };
    Error::new(Code::PartitionNotFound, format!("table {name} has no partition {spec}: {way_out}"))
}

/// The partition's name as history prints it.
pub(super) fn spec(schema: &TableSchema, values: &PartitionValues) -> String {
    match values.0.len() == schema.partition_columns.len() {
        true => values.spec(schema.partition_columns.iter().map(|column| column.name.as_str())),
        false => values.to_string(),
    }
}
