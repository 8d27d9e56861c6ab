//! LIST PARTITIONS and `partitions('t')`: the partitions of a table.

use super::{Pin, PinnedTable};
use crate::catalog::settings;
use crate::error::{Code, Error, Result};
use crate::log::{Lsn, Operation};
use crate::store::{PartitionId, Timestamp};
use crate::table::{PartitionEntry, PartitionValues, TableSchema};

/// One partition, there or dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionRow {
    /// Its id.
    pub id: PartitionId,
    /// Its name, `dd=01/hh=01`.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
    /// When its data last changed, or it was touched.
    pub modified: Timestamp,
    /// Rows in its files, before rows of one key are merged; of a dropped one, those that it had.
    pub rows: u64,
    /// Its files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether lifecycle may take it.
    pub lifecycle_enabled: bool,
    /// When it was dropped; none while it is there.
    pub dropped: Option<Timestamp>,
    /// Until when it can be restored by its id; none while it is there, and where it wasn't ended by a DROP.
    pub restorable_until: Option<Timestamp>,
}

/// The partitions as history names them, `dd=01/hh=01`, sorted by value (R101).
///
/// # Errors
/// [`Code::InvalidArgument`] on a table without partition columns.
pub fn list(table: &PinnedTable) -> Result<Vec<String>> {
    list_with(table, &[])
}

/// As [`list`], of the partitions that have these values at these levels, counted from 0.
///
/// # Errors
/// As [`list`].
pub fn list_with(table: &PinnedTable, wanted: &[(usize, String)]) -> Result<Vec<String>> {
    let schema = partitioned(table)?;
    let fits = |entry: &&std::sync::Arc<PartitionEntry>| {
        wanted.iter().all(|(level, value)| entry.values.0.get(*level) == Some(value))
    };
    Ok(table.snapshot.state.open_partitions().filter(fits).map(|entry| name(&schema, entry)).collect())
}

/// All partitions, sorted by value, then by creation; dropped ones too while anything is known of them.
///
/// # Errors
/// [`Code::InvalidArgument`] on a table without partition columns; what the store gives.
pub async fn all(pin: &Pin, table: &PinnedTable) -> Result<Vec<PartitionRow>> {
    let schema = partitioned(table)?;
    let state = &table.snapshot.state;
    let info = state.info()?;
    let window = settings::backup_retention(&pin.catalog().state);
    let mut entries: Vec<_> = state.partitions().cloned().collect();
    entries.sort_by(|a, b| (&a.values, a.created, a.id).cmp(&(&b.values, b.created, b.id)));
    let mut rows = Vec::with_capacity(entries.len());
    for entry in entries {
        let ended = entry.life.last().and_then(|span| Some((span.until?, span.cause)));
        let (dropped, restorable_until, at) = match ended {
            None => (None, None, Lsn::MAX),
            Some((lsn, cause)) => {
                let time = table.log.info(&table.snapshot, lsn).await?.time;
                let restorable = cause == Some(Operation::Drop) && info.purged.is_none_or(|purged| purged < lsn);
                (Some(time), restorable.then(|| time.saturating_add(window)), lsn.previous())
            }
        };
        let (mut files, mut in_files, mut bytes) = (0, 0, 0);
        for file in state.files().filter(|file| file.partition == entry.id && file.visible.at(at)) {
            files += 1;
            in_files += file.file.rows.saturating_sub(file.file.tombstones);
            bytes += file.file.size;
        }
        rows.push(PartitionRow {
            id: entry.id,
            name: name(&schema, &entry),
            created: entry.created,
            modified: entry.modified,
            rows: in_files,
            files,
            bytes,
            lifecycle_enabled: info.create.lifecycle.is_some() && !info.lifecycle_disabled && !entry.lifecycle_disabled,
            dropped,
            restorable_until,
        });
    }
    Ok(rows)
}

pub(super) fn name(schema: &TableSchema, entry: &PartitionEntry) -> String {
    spec(schema, &entry.values)
}

pub(super) fn spec(schema: &TableSchema, values: &PartitionValues) -> String {
    values.spec(schema.partition_columns.iter().map(|column| column.name.as_str()))
}

fn partitioned(table: &PinnedTable) -> Result<std::sync::Arc<TableSchema>> {
    let schema = table.snapshot.state.schema()?;
    match schema.partition_columns.is_empty() {
        false => Ok(schema),
        true => Err(Error::new(
            Code::InvalidArgument,
            format!("table {} has no partition columns, and so no partitions to list", table.name),
        )),
    }
}
