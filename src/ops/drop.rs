//! DROP TABLE: decided in the table's log, then the name is freed in the catalog.

use super::follow_up::follow_up;
use super::{Pin, Warehouse, plan};
use crate::auth::{Caller, Privilege};
use crate::catalog::{CatalogAction, CatalogTable, TableName};
use crate::error::Result;
use crate::log::{Attempt, CommitOptions, Lsn, Operation};
use crate::store::{CommitId, TableId};
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
    let deciding = options.commit;
    let done = table.log.commit(table.snapshot, options, plan).await?;
    if let Some(lsn) = done.lsn {
        follow_up(unbind(warehouse, pin.caller(), table.id, lsn, deciding).await, "the DROP's name is not free yet")?;
    }
    Ok(())
}

/// Finishes a drop that was decided in the table's log but whose name is still bound.
pub(super) async fn finish(warehouse: &Warehouse, entry: &CatalogTable, snapshot: &TableSnapshot) -> Result<()> {
    let ended = snapshot.state.info()?.life.last().and_then(|span| span.until);
    let Some(lsn) = ended.filter(|lsn| entry.undrop != Some(*lsn)) else { return Ok(()) };
    let decided = warehouse.table_log(entry.id).info(snapshot, lsn).await?;
    let caller = Caller { actor: decided.actor.clone(), reason: decided.reason.clone() };
    unbind(warehouse, &caller, entry.id, lsn, decided.commit).await
}

/// Frees the name. The commit id follows from the deciding one, so that finishing twice is finishing once.
async fn unbind(warehouse: &Warehouse, caller: &Caller, id: TableId, lsn: Lsn, deciding: CommitId) -> Result<()> {
    let options =
        CommitOptions { commit: deciding.follow_up("drop"), ..warehouse.commit_options(caller, Operation::Drop) };
    let base = warehouse.catalog().snapshot().await?;
    let plan = move |head: &crate::catalog::CatalogSnapshot| match head.state.table(id) {
        Some(entry) if entry.dropped.is_none() && entry.undrop != Some(lsn) => {
            Ok(Attempt::Actions(vec![CatalogAction::DropTable { id, lsn }]))
        }
        _ => Ok(Attempt::Nothing),
    };
    warehouse.catalog().commit(base, options, plan).await.map(|_| ())
}
