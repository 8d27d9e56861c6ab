//! RESTORE by id: a dropped table, or dropped partitions, come back as they were just before their DROP.
//!
//! A table's undrop is decided in the catalog, by a commit that names the DROP that it undoes; the RESTORE in the table's
//! log follows, and whoever meets the table before that commits it.

use std::sync::Arc;

use super::apply::apply;
use super::changes::{self, ObjectChange, Words};
use super::follow_up::{follow_up, options_after};
use super::{Pin, PinnedTable, Warehouse, create, drop, plan, retention, schema};
use crate::auth::{Privilege, Target};
use crate::catalog::{CatalogAction, CatalogSnapshot, CatalogState, TableName};
use crate::error::{Code, Error, Result};
use crate::log::{Attempt, Lsn, Operation};
use crate::store::{PartitionId, TableId};
use crate::table::TableSnapshot;

/// Brings back a dropped table: id, history, properties and lifecycle are its own still (R110, R124).
///
/// # Errors
/// [`Code::TableNotFound`] for an id that no table of the name has; [`Code::TableExists`] where it isn't dropped or the
/// name is taken; [`Code::NotRestorable`]; [`Code::PermissionDenied`].
pub async fn table(pin: &Pin, name: &TableName, id: TableId) -> Result<Option<Lsn>> {
    let warehouse = pin.warehouse();
    let (table, dropped) = match find(pin, name, id).await? {
        Found::Dropped(table, dropped) => (table, dropped),
        Found::Finished(snapshot) => return Ok(Some(snapshot.lsn)),
    };
    let to = name.clone();
    let plan = move |head: &CatalogSnapshot| {
        let Some(entry) = head.state.table(id).filter(|entry| entry.purged.is_none()) else {
            return Err(purged(&to, id));
        };
        if entry.dropped.is_none() && entry.undrop == Some(dropped) {
            return Ok(Attempt::Nothing);
        }
        check_free(&head.state, &to, id)?;
        Ok(Attempt::Actions(vec![CatalogAction::UndropTable { id, name: to.clone(), lsn: dropped }]))
    };
    let options = warehouse.commit_options(pin.caller(), Operation::Restore);
    let catalog = warehouse.catalog().snapshot().await?;
    warehouse.catalog().commit(catalog, options, plan).await?;
    let finished = async { finish(warehouse, id, &table.log.snapshot().await?).await };
    let finished = follow_up(finished.await, "the table's log lacks the RESTORE")?;
    Ok(finished.flatten().map(|snapshot| snapshot.lsn))
}

/// What [`table`] would change; nothing is committed.
///
/// # Errors
/// As [`table`].
pub async fn dry_run_table(pin: &Pin, name: &TableName, id: TableId) -> Result<Vec<ObjectChange>> {
    let Found::Dropped(table, dropped) = find(pin, name, id).await? else { return Ok(vec![]) };
    let files = table.snapshot.state.visible_at(dropped.previous());
    let files = files.iter().map(|entry| entry.file.as_ref());
    Ok(vec![changes::whole_table(id.to_string(), name.to_string(), "reopened".into(), files)])
}

/// Brings back dropped partitions, each as it was just before its DROP (R117, R133). Gives the LSN of the RESTORE.
///
/// # Errors
/// As [`plan::undrop_partitions`]; [`Code::PermissionDenied`].
pub async fn partitions(pin: &Pin, name: &TableName, ids: Vec<PartitionId>) -> Result<Option<Lsn>> {
    let horizon = horizon(pin, name).await?;
    let plan = move |head: &TableSnapshot, name: &str| plan::undrop_partitions(head, name, &ids, horizon);
    Ok(apply(pin, name, Privilege::Update, Operation::Restore, plan).await?.lsn)
}

/// What [`partitions`] would change; nothing is committed.
///
/// # Errors
/// As [`partitions`].
pub async fn dry_run_partitions(pin: &Pin, name: &TableName, ids: &[PartitionId]) -> Result<Vec<ObjectChange>> {
    let horizon = horizon(pin, name).await?;
    let head = pin.table(name).await?.snapshot;
    let name = name.to_string();
    let plan = plan::undrop_partitions(&head, &name, ids, horizon)?;
    changes::of_plan(&head, &name, plan, Words { table: None, data: "reopened", opened: "reopened" })
}

async fn horizon(pin: &Pin, name: &TableName) -> Result<Lsn> {
    let table = pin.table_for(name, Privilege::Update).await?;
    retention::backup_horizon(pin, &table).await
}

/// What stands under an id.
enum Found {
    /// A dropped table that can come back, and its DROP.
    Dropped(PinnedTable, Lsn),
    /// An undrop that somebody had begun; it is done now.
    Finished(Arc<TableSnapshot>),
}

/// The dropped table, with all that can be wrong with bringing it back.
async fn find(pin: &Pin, name: &TableName, id: TableId) -> Result<Found> {
    let warehouse = pin.warehouse();
    warehouse.authorize(pin.caller(), Privilege::CreateTable, &Target::Project)?;
    let Some(entry) = pin.catalog().state.table(id).filter(|entry| entry.name == *name) else {
        return Err(Error::new(
            Code::TableNotFound,
            format!("no table {name} has the id {id}: SHOW HISTORY FOR TABLES LIKE {name} lists ids"),
        ));
    };
    if entry.purged.is_some() {
        return Err(purged(name, id));
    }
    let mut snapshot = create::finish_replace(warehouse, id).await?;
    if entry.dropped.is_none() {
        if snapshot.state.is_alive() {
            return Err(Error::new(
                Code::TableExists,
                format!("table {name} ({id}) is not dropped: RESTORE TABLE {name} TO LSN '…' sets it back"),
            ));
        }
        if let Some(finished) = finish(warehouse, id, &snapshot).await? {
            return Ok(Found::Finished(finished));
        }
        drop::finish(warehouse, entry, &snapshot).await?;
        snapshot = warehouse.table_log(id).snapshot().await?;
    } else if !create::is_taken_by_a_dropped_table(pin, name).await? {
        check_free(&pin.catalog().state, name, id)?;
    }
    let Some(dropped) = snapshot.state.info()?.life.ended() else {
        return Err(Error::new(Code::Conflict, format!("table {name} ({id}) was restored by somebody else meanwhile")));
    };
    let table = PinnedTable { name: name.clone(), id, log: warehouse.table_log(id), snapshot };
    let horizon = retention::backup_horizon(pin, &table).await?;
    plan::undrop_table(&table.snapshot, &name.to_string(), dropped, horizon)?;
    Ok(Found::Dropped(table, dropped))
}

/// Finishes an undrop that was decided in the catalog but is missing in the table's log; none where there is none.
pub(super) async fn finish(
    warehouse: &Warehouse,
    id: TableId,
    snapshot: &Arc<TableSnapshot>,
) -> Result<Option<Arc<TableSnapshot>>> {
    let Some(dropped) = snapshot.state.info()?.life.ended() else { return Ok(Some(Arc::clone(snapshot))) };
    let catalog = warehouse.catalog().snapshot().await?;
    let undropped = catalog.state.table(id).filter(|entry| entry.dropped.is_none() && entry.undrop == Some(dropped));
    let Some((entry, lsn)) = undropped.and_then(|entry| Some((entry, entry.undrop_decided?))) else { return Ok(None) };
    let decided = warehouse.catalog().info(&catalog, lsn).await?;
    let options = options_after(warehouse, &decided, "undrop", Operation::Restore);
    let name = entry.name.to_string();
    // Whether it may come back was decided; what has left the retention since then is there still.
    let plan = move |head: &TableSnapshot| plan::undrop_table(head, &name, dropped, Lsn::FIRST);
    let done = warehouse.table_log(id).commit(Arc::clone(snapshot), options, plan).await?;
    Ok(Some(done.snapshot))
}

fn check_free(catalog: &CatalogState, name: &TableName, id: TableId) -> Result<()> {
    schema::check_exists(catalog, &name.schema)?;
    match catalog.object(name) {
        None => Ok(()),
        Some(_) => Err(Error::new(
            Code::TableExists,
            format!(
                "{name} exists already, so the dropped table {id} can't have the name: first ALTER TABLE {name} RENAME TO …, then run the RESTORE again"
            ),
        )),
    }
}

fn purged(name: &TableName, id: TableId) -> Error {
    Error::new(Code::NotRestorable, format!("table {name} ({id}) was purged: it can't be restored any more"))
}
