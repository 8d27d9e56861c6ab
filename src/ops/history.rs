//! The history of a table, live or dropped: one row per commit, or per partition that a commit touched (R083-R094).

use std::sync::Arc;

use super::{Pin, PinnedTable};
use crate::catalog::settings;
use crate::error::{Code, Error, Result};
use crate::log::{CommitInfo, Lsn, Operation, Touched};
use crate::store::{PartitionId, Timestamp};
use crate::table::{PartitionEntry, PartitionValues, TableSchema, properties};

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
    /// Rows written to the object by the commit, tombstones included.
    pub rows: u64,
    /// Files written to the object by the commit.
    pub files: u64,
    /// Bytes written to the object by the commit.
    pub bytes: u64,
    /// Until when the version can be queried; none while its content is current.
    pub readable_until: Option<Timestamp>,
    /// Until when the version can be restored; none while its content is current.
    pub restorable_until: Option<Timestamp>,
}

/// Which partitions a history is restricted to; the whole table where none is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryFilter {
    /// By value: every partition that has or had them, one after another.
    pub values: Vec<PartitionValues>,
    /// By id: this partition alone.
    pub ids: Vec<PartitionId>,
}

impl HistoryFilter {
    fn is_empty(&self) -> bool {
        self.values.is_empty() && self.ids.is_empty()
    }

    fn admits(&self, entry: &PartitionEntry) -> bool {
        self.is_empty() || self.values.contains(&entry.values) || self.ids.contains(&entry.id)
    }
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
pub async fn table(pin: &Pin, table: &PinnedTable, filter: &HistoryFilter, from: Lsn) -> Result<Vec<HistoryRow>> {
    let state = &table.snapshot.state;
    let schema = state.schema()?;
    check(table, &schema, filter)?;
    let partitioned = !schema.partition_columns.is_empty();
    let infos = table.log.commits(&table.snapshot, from, table.snapshot.lsn).await?;
    let until = windows(pin, table, &infos).await?;
    let mut rows = Vec::with_capacity(infos.len());
    for (info, until) in infos.iter().zip(until) {
        let touched: Vec<(&Arc<PartitionEntry>, &Touched)> =
            info.summary.touched.iter().filter_map(|t| Some((state.partition(t.id)?, t))).collect();
        let whole = !partitioned || touched.is_empty() || info.operation == Operation::Create;
        if whole && filter.is_empty() {
            // With the content of a CREATE the partitions' rows say what was written to them.
            let summary = &info.summary;
            let written = match partitioned {
                false => (summary.rows, summary.files, summary.bytes),
                true => (0, 0, 0),
            };
            let object = (HistoryObject::Table, table.id.to_string(), table.name.table.clone());
            rows.push(row(info, until, object, info.operation, written));
        }
        for (entry, touched) in touched {
            if !partitioned || !filter.admits(entry) {
                continue;
            }
            let operation = if touched.created { Operation::Create } else { info.operation };
            let levels = schema.partition_columns.iter().map(|column| column.name.as_str());
            let object = (HistoryObject::Partition, entry.id.to_string(), entry.values.spec(levels));
            rows.push(row(info, until, object, operation, (touched.rows, touched.files, touched.bytes)));
        }
    }
    Ok(rows)
}

/// A filter that names what never was is a mistake.
fn check(table: &PinnedTable, schema: &TableSchema, filter: &HistoryFilter) -> Result<()> {
    let state = &table.snapshot.state;
    let partitioned = !schema.partition_columns.is_empty();
    let unknown = |what: String| {
        let name = &table.name;
        let message = format!(
            "table {name} has no partition {what}: SHOW HISTORY FOR TABLE {name} lists those that it has or had"
        );
        Err(Error::new(Code::PartitionNotFound, message))
    };
    for values in &filter.values {
        if !partitioned || !state.partitions().any(|entry| entry.values == *values) {
            let levels = schema.partition_columns.iter().map(|column| column.name.as_str());
            return unknown(values.spec(levels));
        }
    }
    match filter.ids.iter().find(|id| !partitioned || state.partition(**id).is_none()) {
        Some(id) => unknown(format!("with the id {id}")),
        None => Ok(()),
    }
}

/// Until when each of the commits, which reach to the head, can be queried and restored.
///
/// A version is current until the next operation that changes data.
async fn windows(
    pin: &Pin,
    table: &PinnedTable,
    infos: &[Arc<CommitInfo>],
) -> Result<Vec<(Option<Timestamp>, Option<Timestamp>)>> {
    let state = &table.snapshot.state;
    let retain = properties::retain(state);
    let backup = settings::backup_retention(&pin.catalog().state);
    let purged = match state.info()?.purged {
        Some(lsn) => Some((lsn, table.log.info(&table.snapshot, lsn).await?.time)),
        None => None,
    };
    let mut found = Vec::with_capacity(infos.len());
    let mut ended: Option<Timestamp> = None;
    for info in infos.iter().rev() {
        let restorable = match purged {
            Some((lsn, time)) if info.lsn < lsn => Some(ended.map_or(time, |end| end.saturating_add(backup).min(time))),
            _ => ended.map(|end| end.saturating_add(backup)),
        };
        found.push(match ended.filter(|_| state.swept_before().is_some_and(|oldest| info.lsn < oldest)) {
            // A longer retention doesn't bring back what VACUUM took.
            Some(end) => (Some(end), Some(end)),
            None => (ended.map(|end| end.saturating_add(retain)), restorable),
        });
        if info.operation.is_data() {
            ended = Some(info.time);
        }
    }
    found.reverse();
    Ok(found)
}

fn row(
    info: &CommitInfo,
    (readable_until, restorable_until): (Option<Timestamp>, Option<Timestamp>),
    (object, object_id, object_name): (HistoryObject, String, String),
    operation: Operation,
    (rows, files, bytes): (u64, u64, u64),
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
        rows,
        files,
        bytes,
        readable_until,
        restorable_until,
    }
}
