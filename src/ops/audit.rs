//! `audit()`: what took something away, brought it back, or changed a setting (R181).
//!
//! A view of the logs of the catalog and of every table. Commits are chosen by their entry in the index; only those that
//! say more in their body are read.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use super::tables::LOGS_AT_ONCE;
use super::{Pin, partitions};
use crate::auth::{Privilege, Target};
use crate::catalog::{CatalogAction, CatalogTable};
use crate::error::Result;
use crate::log::{CommitInfo, Lsn, Operation};
use crate::store::{TableId, Timestamp};
use crate::table::{Action, PartitionValues, TableLog, TableSchema, TableSnapshot};

/// The actor of reclamations (R180).
pub const LIFECYCLE_ACTOR: &str = "lifecycle";

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// When.
    pub time: Timestamp,
    /// Who.
    pub actor: String,
    /// On what: a table, `t PARTITION (dd=01/hh=01)`, a schema, a view, or the project.
    pub object: String,
    /// What was done.
    pub action: String,
    /// Why.
    pub reason: Option<String>,
}

/// All entries, oldest first.
///
/// # Errors
/// [`Code::PermissionDenied`](crate::Code::PermissionDenied): it needs List on the project; what the store gives.
pub async fn all(pin: &Pin) -> Result<Vec<AuditRow>> {
    pin.warehouse().authorize(pin.caller(), Privilege::List, &Target::Project)?;
    let mut rows = of_catalog(pin).await?;
    let live: Vec<_> = pin.catalog().state.tables().filter(|table| table.purged.is_none()).cloned().collect();
    let of_tables: Vec<Vec<AuditRow>> =
        stream::iter(live).map(|table| of_table(pin, table)).buffered(LOGS_AT_ONCE).try_collect().await?;
    rows.extend(of_tables.into_iter().flatten());
    rows.sort_by(|a, b| (a.time, &a.object).cmp(&(b.time, &b.object)));
    Ok(rows)
}

fn row(info: &CommitInfo, object: String, action: impl Into<String>) -> AuditRow {
    let (actor, reason) = (info.actor.clone(), info.reason.clone());
    AuditRow { time: info.time, actor, object, action: action.into(), reason }
}

async fn of_catalog(pin: &Pin) -> Result<Vec<AuditRow>> {
    let (log, snapshot) = (pin.warehouse().catalog(), pin.catalog());
    let state = &snapshot.state;
    let mut rows = Vec::new();
    let name_of = |id: TableId| state.table(id).map_or_else(|| id.to_string(), |table| table.name.to_string());
    // What a table's own log says is said there, as long as there is one.
    let is_gone = |id: TableId| state.table(id).is_none_or(|table| table.purged.is_some());
    for info in log.commits(snapshot, Lsn::FIRST, snapshot.lsn).await? {
        if info.operation == Operation::Create {
            continue;
        }
        let Some(commit) = log.read_commit(info.lsn).await? else { continue };
        for action in commit.actions {
            rows.extend(match action {
                CatalogAction::DropSchema { schema } => Some(row(&info, format!("schema {schema}"), "DROP")),
                CatalogAction::DropView { name } => Some(row(&info, format!("view {name}"), "DROP")),
                CatalogAction::DropTable { id, .. } if is_gone(id) => Some(row(&info, name_of(id), taken(&info))),
                CatalogAction::UndropTable { id, .. } if is_gone(id) => Some(row(&info, name_of(id), "RESTORE")),
                CatalogAction::PurgeTable { id } => Some(row(&info, name_of(id), "PURGE")),
                CatalogAction::Setting { key, value } => {
                    Some(row(&info, "project".into(), set(&key, value.as_deref())))
                }
                _ => None,
            });
        }
    }
    Ok(rows)
}

async fn of_table(pin: &Pin, table: Arc<CatalogTable>) -> Result<Vec<AuditRow>> {
    let table = table.as_ref();
    let log = pin.warehouse().table_log(table.id);
    let snapshot = log.snapshot().await?;
    if snapshot.is_empty() {
        return Ok(vec![]);
    }
    let mut rows = Vec::new();
    for info in log.commits(&snapshot, Lsn::FIRST, snapshot.lsn).await? {
        match info.operation {
            Operation::Drop => {
                rows.extend(objects(table, &snapshot, &info)?.map(|name| row(&info, name, taken(&info))));
            }
            Operation::Restore | Operation::Purge | Operation::Vacuum => {
                let word = info.operation.as_str();
                rows.extend(objects(table, &snapshot, &info)?.map(|name| row(&info, name, word)));
            }
            Operation::Alter => rows.extend(settings(table, &log, &snapshot, &info).await?),
            _ => {}
        }
    }
    Ok(rows)
}

/// The partitions that the commit touched, or the table.
fn objects(table: &CatalogTable, snapshot: &TableSnapshot, info: &CommitInfo) -> Result<impl Iterator<Item = String>> {
    let schema = snapshot.state.schema()?;
    let touched = info.summary.touched.iter().filter_map(|touched| snapshot.state.partition(touched.id));
    let mut names: Vec<String> = match schema.partition_columns.is_empty() || info.operation == Operation::Purge {
        true => vec![],
        false => touched.map(|entry| partition(table, &schema, &entry.values)).collect(),
    };
    if names.is_empty() {
        names.push(table.name.to_string());
    }
    Ok(names.into_iter())
}

async fn settings(
    table: &CatalogTable,
    log: &TableLog,
    snapshot: &TableSnapshot,
    info: &CommitInfo,
) -> Result<Vec<AuditRow>> {
    let mut rows = Vec::new();
    let Some(commit) = log.read_commit(info.lsn).await? else { return Ok(rows) };
    let schema = snapshot.state.schema()?;
    let switched = |enabled: bool| if enabled { "ENABLE LIFECYCLE" } else { "DISABLE LIFECYCLE" };
    for action in commit.actions {
        match action {
            Action::Properties { set: changes } => rows.extend(
                changes.iter().map(|(key, value)| row(info, table.name.to_string(), set(key, value.as_deref()))),
            ),
            Action::Lifecycle { days: Some(days), enabled: true } => {
                rows.push(row(info, table.name.to_string(), format!("SET LIFECYCLE {days}")));
            }
            Action::Lifecycle { enabled, .. } => rows.push(row(info, table.name.to_string(), switched(enabled))),
            Action::PartitionLifecycle { id, enabled } => {
                let entry = snapshot.state.partition(id);
                let name = entry.map_or_else(|| id.to_string(), |entry| partition(table, &schema, &entry.values));
                rows.push(row(info, name, switched(enabled)));
            }
            _ => {}
        }
    }
    Ok(rows)
}

fn partition(table: &CatalogTable, schema: &TableSchema, values: &PartitionValues) -> String {
    format!("{} PARTITION ({})", table.name, partitions::spec(schema, values))
}

fn set(key: &str, value: Option<&str>) -> String {
    value.map_or_else(|| format!("UNSET {key}"), |value| format!("SET {key} = {value}"))
}

fn taken(info: &CommitInfo) -> &'static str {
    if info.actor == LIFECYCLE_ACTOR { "RECLAIM" } else { "DROP" }
}
