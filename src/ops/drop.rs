//! DROP TABLE: decided in the table's log, then the name is freed in the catalog.

use super::follow_up::{follow_up, options_after};
use super::{Pin, Warehouse, plan};
use crate::auth::Privilege;
use crate::catalog::{CatalogAction, CatalogTable, TableName};
use crate::error::Result;
use crate::log::{Attempt, CommitOptions, Lsn, Operation};
use crate::store::TableId;
use crate::table::TableSnapshot;

/// Drops the table; it can be restored while its backup retention lasts.
///
/// # Errors
/// [`Code::TableNotFound`], [`Code::TableDropped`], [`Code::PermissionDenied`].
pub async fn table(pin: &Pin, name: &TableName) -> Result<()> {
    let table = pin.table_to_change(name, Privilege::Drop).await?;
    let warehouse = pin.warehouse();
    let options = warehouse.commit_options(pin.caller(), Operation::Drop);
    let gone = name.to_string();
    let plan = move |head: &TableSnapshot| plan::drop_table(head, &gone);
    let second = CommitOptions {
        commit: options.commit.follow_up("drop"),
        ..warehouse.commit_options(pin.caller(), Operation::Drop)
    };
    let done = table.log.commit(table.snapshot, options, plan).await?;
    if let Some(lsn) = done.lsn {
        follow_up(unbind(warehouse, second, table.id, lsn).await, "the DROP's name is not free yet")?;
    }
    Ok(())
}

/// Finishes a drop that was decided in the table's log but whose name is still bound.
pub(super) async fn finish(warehouse: &Warehouse, entry: &CatalogTable, snapshot: &TableSnapshot) -> Result<()> {
    let Some(lsn) = snapshot.state.info()?.life.ended().filter(|lsn| entry.undrop != Some(*lsn)) else { return Ok(()) };
    let decided = warehouse.table_log(entry.id).info(snapshot, lsn).await?;
    unbind(warehouse, options_after(warehouse, &decided, "drop", Operation::Drop), entry.id, lsn).await
}

/// Frees the name.
async fn unbind(warehouse: &Warehouse, options: CommitOptions, id: TableId, lsn: Lsn) -> Result<()> {
    let base = warehouse.catalog().snapshot().await?;
    let plan = move |head: &crate::catalog::CatalogSnapshot| match head.state.table(id) {
        Some(entry) if entry.dropped.is_none() && entry.undrop != Some(lsn) => {
            Ok(Attempt::Actions(vec![CatalogAction::DropTable { id, lsn }]))
        }
        _ => Ok(Attempt::Nothing),
    };
    warehouse.catalog().commit(base, options, plan).await.map(|_| ())
}
