//! PURGE TABLE: deletes at once what the latest version doesn't read; by id, a dropped table for good (R164-R166).

use super::sweep::{self, Kind, SweepRow};
use super::vacuum::{Run, purge_for_good};
use super::{Pin, shares};
use crate::auth::{Privilege, Target};
use crate::catalog::TableName;
use crate::error::{Code, Error, Result};
use crate::store::TableId;
use crate::store::layout;

/// Purges a live table. Nothing where there is nothing to delete, and says so by no row.
///
/// # Errors
/// [`Code::TableNotFound`], [`Code::TableDropped`], [`Code::PermissionDenied`]; [`Code::ClockSkew`]; the store's.
pub async fn table(pin: &Pin, name: &TableName, run: Run) -> Result<Vec<SweepRow>> {
    let table = pin.table_to_change(name, Privilege::Drop).await?;
    let warehouse = pin.warehouse();
    let now = warehouse.store().now();
    shares::end_unneeded(pin, now, run).await?;
    let objects = warehouse.store().list(&layout::data_folder(table.id)).await?;
    let survey = sweep::survey(pin, table, Kind::Purge, now, objects).await?;
    match run {
        Run::Dry => Ok(survey.rows()),
        Run::Do => match survey.commit(pin).await? {
            Some(committed) => committed.delete(warehouse).await,
            None => Ok(vec![]),
        },
    }
}

/// Purges a dropped table for good: it can't be restored any more, and a VACUUM deletes its folder a grace later.
///
/// # Errors
/// [`Code::TableNotFound`] where no dropped table has the name and id; [`Code::TableExists`] where it is live;
/// [`Code::PermissionDenied`]: it needs Drop on the name, and List.
pub async fn by_id(pin: &Pin, name: &TableName, id: TableId, run: Run) -> Result<Vec<SweepRow>> {
    let warehouse = pin.warehouse();
    warehouse.authorize(pin.caller(), Privilege::Drop, &Target::Table(name))?;
    warehouse.authorize(pin.caller(), Privilege::List, &Target::Project)?;
    // Whoever looks at a name whose table is dropped finishes the drop.
    match pin.table(name).await {
        Ok(table) if table.id == id => {
            let message =
                format!("table {name} ({id}) is live: PURGE TABLE {name} purges its history, or drop it first");
            return Err(Error::new(Code::TableExists, message));
        }
        Err(error) if error.code() == Code::StoreUnavailable => return Err(error),
        _ => {}
    }
    let catalog = warehouse.catalog().snapshot().await?;
    let dropped = catalog.state.dropped(name);
    let Some(entry) = dropped.iter().find(|entry| entry.id == id) else {
        return Err(Error::new(
            Code::TableNotFound,
            format!("no dropped table {name} has the id {id}: SHOW HISTORY FOR TABLES lists names and ids"),
        ));
    };
    let reason = "PURGE TABLE by id";
    if run == Run::Do && !purge_for_good(pin, entry, reason).await? {
        let message = format!("table {name} ({id}) was restored or purged by somebody else: nothing was done");
        return Err(Error::new(Code::Conflict, message));
    }
    Ok(vec![SweepRow::new(
        name.to_string(),
        "purge table",
        format!("{reason}; its files go with a VACUUM a grace later"),
    )])
}
