//! RESTORE TABLE … TO LSN: the table, or some of its partitions, as they were. One commit that copies nothing, or none.

use super::apply::apply;
use super::changes::{self, ObjectChange, Words};
use super::{Pin, plan, retention};
use crate::auth::Privilege;
use crate::catalog::TableName;
use crate::error::Result;
use crate::log::{Lsn, Operation};
use crate::table::{PartitionValues, TableSnapshot};

/// Sets the table back to the version, its schema too; properties and lifecycle stay (C20). Gives the LSN of the RESTORE,
/// none where the table is that version already.
///
/// # Errors
/// [`Code::TableDropped`](crate::Code::TableDropped); [`Code::VersionOutOfRange`](crate::Code::VersionOutOfRange);
/// [`Code::NotRestorable`](crate::Code::NotRestorable); [`Code::PermissionDenied`](crate::Code::PermissionDenied).
pub async fn table(pin: &Pin, name: &TableName, version: Lsn) -> Result<Option<Lsn>> {
    let horizon = horizon(pin, name).await?;
    let plan = move |head: &TableSnapshot, name: &str| plan::restore_table(head, name, version, horizon);
    Ok(apply(pin, name, Privilege::Update, Operation::Restore, plan).await?.lsn)
}

/// What [`table`] would change; nothing is committed.
///
/// # Errors
/// As [`table`].
pub async fn dry_run_table(pin: &Pin, name: &TableName, version: Lsn) -> Result<Vec<ObjectChange>> {
    let horizon = horizon(pin, name).await?;
    let head = pin.table(name).await?.snapshot;
    let name = name.to_string();
    let plan = plan::restore_table(&head, &name, version, horizon)?;
    let back = set_back(version);
    changes::of_plan(&head, &name, plan, Words { table: Some(&back), data: &back, opened: "reopened" })
}

/// Sets partitions back, each to the version or, where it lacks that, to its closest preceding one (C1). Gives the LSN of
/// the RESTORE, none where they are as they were.
///
/// # Errors
/// As [`table`]; [`Code::PartitionNotFound`](crate::Code::PartitionNotFound);
/// [`Code::NotSupported`](crate::Code::NotSupported) where a RESTORE has changed the schema since.
pub async fn partitions(
    pin: &Pin,
    name: &TableName,
    partitions: Vec<PartitionValues>,
    version: Lsn,
) -> Result<Option<Lsn>> {
    let horizon = horizon(pin, name).await?;
    let plan =
        move |head: &TableSnapshot, name: &str| plan::restore_partitions(head, name, &partitions, version, horizon);
    Ok(apply(pin, name, Privilege::Update, Operation::Restore, plan).await?.lsn)
}

/// What [`partitions`] would change; nothing is committed.
///
/// # Errors
/// As [`partitions`].
pub async fn dry_run_partitions(
    pin: &Pin,
    name: &TableName,
    partitions: &[PartitionValues],
    version: Lsn,
) -> Result<Vec<ObjectChange>> {
    let horizon = horizon(pin, name).await?;
    let table = pin.table(name).await?;
    let head = &table.snapshot;
    let name = name.to_string();
    let plan = plan::restore_partitions(head, &name, partitions, version, horizon)?;
    let mut found = changes::of_plan(head, &name, plan, Words { table: None, data: "", opened: "reopened" })?;
    let older = table.log.commits(head, Lsn::FIRST, version).await?;
    for change in &mut found {
        let touches = |touched: &crate::log::Touched| touched.id.to_string() == change.id;
        let own = older.iter().rev().find(|info| info.operation.is_data() && info.summary.touched.iter().any(touches));
        change.change = set_back(own.map_or(version, |info| info.lsn));
    }
    Ok(found)
}

async fn horizon(pin: &Pin, name: &TableName) -> Result<Lsn> {
    let table = pin.table_for(name, Privilege::Update).await?;
    retention::backup_horizon(pin, &table).await
}

fn set_back(version: Lsn) -> String {
    format!("set back to LSN {version}")
}
