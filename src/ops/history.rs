//! The history of a live table: one row per commit, or per partition that a commit touched (R083-R094).

use std::sync::Arc;

use super::PinnedTable;
use crate::error::{Code, Error, Result};
use crate::log::{CommitInfo, Lsn, Operation};
use crate::store::Timestamp;
use crate::table::{PartitionEntry, PartitionValues, properties};

/// One row of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// The version.
    pub version: Lsn,
    /// The commit's time.
    pub time: Timestamp,
    /// What it did to the object: CREATE where the commit created the partition.
    pub operation: Operation,
    /// Whether the object is the table or a partition.
    pub object: HistoryObject,
    /// The object's id, 32 hex digits.
    pub object_id: String,
    /// The table's name, or `dd=01/hh=01`.
    pub object_name: String,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// Rows written by the commit, tombstones included.
    pub rows: u64,
    /// Files written by the commit.
    pub files: u64,
    /// Bytes written by the commit.
    pub bytes: u64,
    /// Until when the version can be queried; none while it is the latest.
    pub readable_until: Option<Timestamp>,
}

/// What a history row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryObject {
    /// The table.
    Table,
    /// One partition.
    Partition,
}

impl HistoryObject {
    /// The word that history prints.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::Partition => "PARTITION",
        }
    }
}

/// The history of the table, ascending by version, restricted to partitions where some are given.
///
/// # Errors
/// [`Code::PartitionNotFound`] for a partition that never was; what the store gives.
pub async fn table(table: &PinnedTable, partitions: &[PartitionValues], from: Lsn) -> Result<Vec<HistoryRow>> {
    let state = &table.snapshot.state;
    let schema = state.schema()?;
    let partitioned = !schema.partition_columns.is_empty();
    for values in partitions {
        if !partitioned || !state.partitions().any(|entry| entry.values == *values) {
            let levels = schema.partition_columns.iter().map(|column| column.name.as_str());
            return Err(Error::new(
                Code::PartitionNotFound,
                format!(
                    "table {} has no partition {}: LIST PARTITIONS {} lists those that it has",
                    table.name,
                    values.spec(levels),
                    table.name
                ),
            ));
        }
    }
    let infos = table.log.commits(&table.snapshot, from, table.snapshot.lsn).await?;
    let retain = properties::retain(state);
    let mut rows = Vec::with_capacity(infos.len());
    for (at, info) in infos.iter().enumerate() {
        let until = infos.get(at + 1).map(|next| next.time.saturating_add(retain));
        let touched: Vec<(&Arc<PartitionEntry>, bool)> =
            info.summary.touched.iter().filter_map(|t| Some((state.partition(t.id)?, t.created))).collect();
        let whole = !partitioned || touched.is_empty() || info.operation == Operation::Create;
        if whole && partitions.is_empty() {
            let id = table.id.to_string();
            rows.push(row(info, until, HistoryObject::Table, id, table.name.table.clone(), info.operation));
        }
        if !partitioned {
            continue;
        }
        for (entry, created) in touched {
            if !partitions.is_empty() && !partitions.contains(&entry.values) {
                continue;
            }
            let operation = if created { Operation::Create } else { info.operation };
            let levels = schema.partition_columns.iter().map(|column| column.name.as_str());
            rows.push(row(
                info,
                until,
                HistoryObject::Partition,
                entry.id.to_string(),
                entry.values.spec(levels),
                operation,
            ));
        }
    }
    Ok(rows)
}

fn row(
    info: &CommitInfo,
    readable_until: Option<Timestamp>,
    object: HistoryObject,
    object_id: String,
    object_name: String,
    operation: Operation,
) -> HistoryRow {
    HistoryRow {
        version: info.lsn,
        time: info.time,
        operation,
        object,
        object_id,
        object_name,
        actor: info.actor.clone(),
        reason: info.reason.clone(),
        rows: info.summary.rows,
        files: info.summary.files,
        bytes: info.summary.bytes,
        readable_until,
    }
}
