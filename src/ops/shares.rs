//! Shares: whether a clone has the files that it was to take, and the end of shares that nobody needs.
//!
//! Keeps invariant 8 for clones: while it is not certain what a clone takes from a folder, nothing is deleted there.

use std::time::Duration;

use super::sweep::SweepRow;
use super::vacuum::Run;
use super::{Pin, Warehouse};
use crate::auth::Caller;
use crate::catalog::{CatalogAction, CatalogSnapshot, CatalogState, ShareEntry};
use crate::error::Result;
use crate::log::{Attempt, Operation};
use crate::store::{TableId, Timestamp};
use crate::table::TableSnapshot;

/// Whether the clone may yet commit files that its log doesn't show.
///
/// A cloner gives up before half the grace. A new table's first commit has all of its files; the log of one that was
/// there before doesn't tell.
pub(super) fn is_pending(share: &ShareEntry, clone: &TableSnapshot, now: Timestamp, grace: Duration) -> bool {
    now.since(share.since) <= grace && (share.onto || clone.is_empty())
}

/// Ends the shares that were never finished, or whose clone has no foreign file any more.
pub(super) async fn end_unneeded(pin: &Pin, now: Timestamp, run: Run) -> Result<Vec<SweepRow>> {
    let warehouse = pin.warehouse();
    let catalog = warehouse.catalog().snapshot().await?;
    let mut rows = Vec::new();
    for share in catalog.state.shares() {
        let Some(reason) = unneeded(warehouse, &catalog.state, share, now).await? else { continue };
        if run == Run::Do && !end(warehouse, pin.caller(), share, reason).await? {
            continue;
        }
        rows.push(SweepRow::new(share.clone.to_string(), "end share", reason));
    }
    Ok(rows)
}

async fn unneeded(
    warehouse: &Warehouse,
    catalog: &CatalogState,
    share: &ShareEntry,
    now: Timestamp,
) -> Result<Option<&'static str>> {
    if now.since(share.since) <= warehouse.grace() {
        return Ok(None);
    }
    let Some(clone) = catalog.table(share.clone) else { return Ok(Some("the clone was never finished")) };
    if clone.purged.is_some() {
        return Ok(Some("the clone was purged"));
    }
    let snapshot = warehouse.table_log(share.clone).snapshot().await?;
    let foreign = snapshot.state.kept_files().any(|entry| entry.file.location(share.clone).0 != share.clone);
    Ok((!snapshot.is_empty() && !foreign).then_some("the clone has no file of another table any more"))
}

/// Ends the share unless somebody added to it meanwhile.
async fn end(warehouse: &Warehouse, caller: &Caller, share: &ShareEntry, reason: &str) -> Result<bool> {
    let caller = Caller { actor: caller.actor.clone(), reason: Some(reason.to_owned()) };
    let options = warehouse.commit_options(&caller, Operation::Vacuum);
    let (clone, since) = (share.clone, share.since);
    let plan = move |head: &CatalogSnapshot| match head.state.share(clone) {
        Some(found) if found.since == since => Ok(Attempt::Actions(vec![CatalogAction::EndShare { clone }])),
        _ => Ok(Attempt::Nothing),
    };
    let base = warehouse.catalog().snapshot().await?;
    Ok(warehouse.catalog().commit(base, options, plan).await?.lsn.is_some())
}

/// What the catalog commits where a table is purged for good: its own share ends with it.
pub(super) fn purge_table(catalog: &CatalogState, id: TableId) -> Vec<CatalogAction> {
    let share = catalog.share(id).map(|_| CatalogAction::EndShare { clone: id });
    std::iter::once(CatalogAction::PurgeTable { id }).chain(share).collect()
}
