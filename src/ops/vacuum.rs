//! VACUUM, the daily scan: lifecycle, then what has left both retentions, then what nobody knows (R163, R168, R173).
//!
//! All commits come before the first deletion, so that what one table no longer needs of another's folder goes too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::retention::Windows;
use super::sweep::{self, Kind, SweepRow, Used};
use super::{Pin, PinnedTable, lifecycle, shares};
use crate::auth::{Caller, Privilege, Target};
use crate::catalog::{CatalogSnapshot, CatalogTable, Object, TableName, settings};
use crate::error::{Code, Result};
use crate::log::{Attempt, Operation};
use crate::store::layout::{self, LogRoot};
use crate::store::{ObjectMeta, TableId, Timestamp};

/// How often the sweep of one table is planned again after a conflict.
const ATTEMPTS: usize = 5;

/// Whether things are done or only told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Do it.
    Do,
    /// Say what would be done.
    Dry,
}

/// The objects of each table's folder.
type Folders = BTreeMap<TableId, Vec<ObjectMeta>>;

/// VACUUM of the whole warehouse, which audit names `project`.
///
/// # Errors
/// [`Code::PermissionDenied`]: it needs Admin. [`Code::ClockSkew`]. The store fails: what was not deleted then is by a
/// later VACUUM.
pub async fn warehouse(pin: &Pin, project: &str, run: Run) -> Result<Vec<SweepRow>> {
    pin.warehouse().authorize(pin.caller(), Privilege::Admin, &Target::Project)?;
    let now = pin.warehouse().store().now();
    let mut rows = Vec::new();
    for table in live_tables(pin).await? {
        rows.extend(lifecycle::reclaim(pin, &table, project, now, run).await?);
    }
    // Before the tables that live, so that what only a dropped clone needed of their files goes too.
    rows.extend(dropped_tables(pin, now, run).await?);
    rows.extend(shares::end_unneeded(pin, now, run).await?);
    let folders = folders(pin).await?;
    let fresh = Pin::new(pin.warehouse(), pin.caller()).await?;
    rows.extend(tables(&fresh, live_tables(&fresh).await?, &folders, now, run, Proposed::default()).await?);
    rows.extend(purged_folders(&fresh, &folders, now, run).await?);
    rows.extend(unknown_folders(&fresh, &folders, now, run).await?);
    if run == Run::Do {
        probes(&fresh, now).await?;
    }
    Ok(rows)
}

/// VACUUM of one table.
///
/// # Errors
/// As [`warehouse`]; [`Code::TableNotFound`], [`Code::TableDropped`].
pub async fn table(pin: &Pin, name: &TableName, project: &str, run: Run) -> Result<Vec<SweepRow>> {
    pin.warehouse().authorize(pin.caller(), Privilege::Admin, &Target::Project)?;
    let now = pin.warehouse().store().now();
    let mut rows = lifecycle::reclaim(pin, &pin.table(name).await?, project, now, run).await?;
    let fresh = Pin::new(pin.warehouse(), pin.caller()).await?;
    let table = match fresh.table(name).await {
        Ok(table) => table,
        // The lifecycle took it.
        Err(error) if !rows.is_empty() && error.code() == Code::TableDropped => return Ok(rows),
        Err(error) => return Err(error),
    };
    let objects = pin.warehouse().store().list(&layout::data_folder(table.id)).await?;
    let folders = Folders::from([(table.id, objects)]);
    rows.extend(tables(&fresh, vec![table], &folders, now, run, Proposed::default()).await?);
    Ok(rows)
}

/// What VACUUM would delete if the project kept backups for so many days; nothing is changed.
///
/// # Errors
/// As [`warehouse`].
pub async fn with_backup_days(pin: &Pin, value: &str) -> Result<Vec<SweepRow>> {
    pin.warehouse().authorize(pin.caller(), Privilege::Admin, &Target::Project)?;
    let now = pin.warehouse().store().now();
    let folders = folders(pin).await?;
    let proposed = Proposed { backup: Some(settings::days(value)), ..Proposed::default() };
    tables(pin, live_tables(pin).await?, &folders, now, Run::Dry, proposed).await
}

/// What VACUUM would delete of a table if it could be queried for so long; nothing is changed.
///
/// # Errors
/// [`Code::ClockSkew`]; what the store gives.
pub(super) async fn with_query_window(pin: &Pin, table: PinnedTable, query: Duration) -> Result<Vec<SweepRow>> {
    let now = pin.warehouse().store().now();
    let folders = Folders::from([(table.id, pin.warehouse().store().list(&layout::data_folder(table.id)).await?)]);
    let proposed = Proposed { query: Some(query), ..Proposed::default() };
    tables(pin, vec![table], &folders, now, Run::Dry, proposed).await
}

/// Windows that are only proposed; none where they stay.
#[derive(Debug, Clone, Copy, Default)]
struct Proposed {
    query: Option<Duration>,
    backup: Option<Duration>,
}

/// Sweeps live tables: all commits, then all deletions.
async fn tables(
    pin: &Pin,
    tables: Vec<PinnedTable>,
    folders: &Folders,
    now: Timestamp,
    run: Run,
    proposed: Proposed,
) -> Result<Vec<SweepRow>> {
    let mut rows = Vec::new();
    let mut committed = Vec::new();
    for table in tables {
        let mut windows = Windows::of(&pin.catalog().state, &table.snapshot.state, pin.warehouse().grace());
        windows.query = proposed.query.unwrap_or(windows.query);
        windows.backup = proposed.backup.unwrap_or(windows.backup);
        let objects = folders.get(&table.id).cloned().unwrap_or_default();
        if run == Run::Dry {
            rows.extend(sweep::survey(pin, table, Kind::Expired(windows), now, objects).await?.rows());
        } else {
            committed.extend(commit(pin, table, windows, now, objects).await?);
        }
    }
    for sweep in committed {
        rows.extend(sweep.delete(pin.warehouse()).await?);
    }
    Ok(rows)
}

async fn commit(
    pin: &Pin,
    mut table: PinnedTable,
    mut windows: Windows,
    now: Timestamp,
    objects: Vec<ObjectMeta>,
) -> Result<Option<sweep::Committed>> {
    for _ in 1..ATTEMPTS {
        let survey = sweep::survey(pin, table.clone(), Kind::Expired(windows), now, objects.clone()).await?;
        match survey.commit(pin).await {
            Err(error) if error.code() == Code::Conflict => {
                table.snapshot = table.log.snapshot().await?;
                windows = Windows::of(&pin.catalog().state, &table.snapshot.state, windows.grace);
            }
            // Dropped meanwhile: it is swept when it comes back or expires.
            Err(error) if error.code() == Code::TableDropped => return Ok(None),
            other => return other,
        }
    }
    sweep::survey(pin, table, Kind::Expired(windows), now, objects).await?.commit(pin).await
}

/// Dropped tables that have left both retentions are purged for good; their folders go a grace later.
async fn dropped_tables(pin: &Pin, now: Timestamp, run: Run) -> Result<Vec<SweepRow>> {
    let warehouse = pin.warehouse();
    let mut rows = Vec::new();
    for entry in pin.catalog().state.tables().filter(|entry| entry.purged.is_none()) {
        let Some((_, dropped)) = entry.dropped else { continue };
        let snapshot = warehouse.table_log(entry.id).snapshot().await?;
        let windows = Windows::of(&pin.catalog().state, &snapshot.state, warehouse.grace());
        if dropped > windows.cutoff(now) {
            continue;
        }
        let reason = format!("dropped at {dropped} and out of the retentions for queries and for backup");
        if run == Run::Do && !purge_for_good(pin, entry, &reason).await? {
            continue;
        }
        rows.push(SweepRow::new(entry.name.to_string(), "purge table", reason));
    }
    Ok(rows)
}

/// Commits that a dropped table can't come back; false where it did meanwhile, or is purged already.
pub(super) async fn purge_for_good(pin: &Pin, entry: &CatalogTable, reason: &str) -> Result<bool> {
    let warehouse = pin.warehouse();
    let caller = Caller {
        actor: pin.caller().actor.clone(),
        reason: Some(pin.caller().reason.clone().unwrap_or_else(|| reason.to_owned())),
    };
    let options = warehouse.commit_options(&caller, Operation::Purge);
    let (id, dropped) = (entry.id, entry.dropped);
    let plan = move |head: &CatalogSnapshot| match head.state.table(id) {
        Some(found) if found.dropped.is_some() && found.dropped == dropped && found.purged.is_none() => {
            Ok(Attempt::Actions(shares::purge_table(&head.state, id)))
        }
        _ => Ok(Attempt::Nothing),
    };
    let base = warehouse.catalog().snapshot().await?;
    Ok(warehouse.catalog().commit(base, options, plan).await?.lsn.is_some())
}

/// Folders of purged tables go, a grace after the purge: data, checkpoints, then commits from the oldest. While a share
/// names the folder, only data that no clone needs goes.
async fn purged_folders(pin: &Pin, folders: &Folders, now: Timestamp, run: Run) -> Result<Vec<SweepRow>> {
    let warehouse = pin.warehouse();
    let catalog = warehouse.catalog().snapshot().await?;
    let mut rows = Vec::new();
    for (id, objects) in folders {
        let Some(entry) = catalog.state.table(*id) else { continue };
        if entry.purged.is_none_or(|purged| now.since(purged) <= warehouse.grace()) {
            continue;
        }
        let shared = catalog.state.shares_of(*id).next().is_some();
        let none = std::collections::HashSet::new();
        let used = match sweep::used(warehouse, &catalog.state, *id, None, &none, now).await? {
            Used::Files(used) => used,
            Used::Unclear => continue,
        };
        let mut going = in_order(*id, objects);
        going.retain(|object| match layout::parse_data_file_name(object.location.filename().unwrap_or_default()) {
            Some((file, _)) => !used.contains(&file),
            None => !shared,
        });
        rows.extend(folder(pin, *id, &entry.name.to_string(), &going, now, run, "its table was purged").await?);
    }
    Ok(rows)
}

/// Folders of tables that never got a name: a CREATE that crashed. Old as a whole, or left alone.
async fn unknown_folders(pin: &Pin, folders: &Folders, now: Timestamp, run: Run) -> Result<Vec<SweepRow>> {
    let warehouse = pin.warehouse();
    let mut catalog = warehouse.catalog().snapshot().await?;
    let is_garbage = |catalog: &CatalogSnapshot, id: TableId, objects: &[ObjectMeta]| {
        catalog.state.table(id).is_none()
            && catalog.state.share(id).is_none()
            && catalog.state.shares_of(id).next().is_none()
            && objects.iter().all(|object| sweep::is_old(object, now, warehouse.grace()))
    };
    if !folders.iter().any(|(id, objects)| is_garbage(&catalog, *id, objects)) {
        return Ok(vec![]);
    }
    if run == Run::Do {
        // A commit first: the slot in which a lost one could still bind a name is taken then.
        let options = warehouse.commit_options(pin.caller(), Operation::Vacuum);
        catalog = warehouse.catalog().commit(catalog, options, |_| Ok(Attempt::Actions(vec![]))).await?.snapshot;
    }
    let mut rows = Vec::new();
    for (id, objects) in folders.iter().filter(|(id, objects)| is_garbage(&catalog, **id, objects)) {
        let going = in_order(*id, objects);
        rows.extend(folder(pin, *id, &id.to_string(), &going, now, run, "its table never got a name").await?);
    }
    Ok(rows)
}

/// What crashed while it probed the store left its object there. They are small and few, so that no row tells of them.
async fn probes(pin: &Pin, now: Timestamp) -> Result<()> {
    let mut left = pin.warehouse().store().list(&layout::probe_folder()).await?;
    left.retain(|object| {
        object.location.filename().is_some_and(layout::is_probe_name)
            && sweep::is_old(object, now, pin.warehouse().grace())
    });
    sweep::delete(pin.warehouse(), &left).await
}

/// Deletes a folder's objects one after the other, because of their order.
async fn folder(
    pin: &Pin,
    id: TableId,
    name: &str,
    going: &[ObjectMeta],
    now: Timestamp,
    run: Run,
    reason: &str,
) -> Result<Option<SweepRow>> {
    if going.is_empty() {
        return Ok(None);
    }
    if run == Run::Do {
        for object in going {
            pin.warehouse().store().delete(&object.location).await?;
        }
        sweep::left_overs(pin.warehouse(), id, now).await?;
    }
    let bytes = going.iter().map(|object| object.size).sum();
    Ok(Some(SweepRow { files: going.len() as u64, bytes, ..SweepRow::new(name, "delete folder", reason) }))
}

/// The objects that are ours: data, then checkpoints, then commits from the oldest.
fn in_order(id: TableId, objects: &[ObjectMeta]) -> Vec<ObjectMeta> {
    let root = LogRoot::Table(id);
    let (data, log, checkpoints) = (layout::data_folder(id), root.log_folder(), root.checkpoints_folder());
    let rank = |object: &ObjectMeta| {
        let name = object.location.filename()?;
        let within = |folder: &crate::store::Path| object.location.prefix_matches(folder);
        match () {
            () if within(&data) => layout::parse_data_file_name(name).map(|_| (0, 0)),
            () if within(&checkpoints) => layout::CheckpointName::parse(name).map(|_| (1, 0)),
            () if within(&log) => layout::parse_commit_name(name).map(|lsn| (2, lsn)),
            () => None,
        }
    };
    let mut ours: Vec<_> = objects.iter().filter_map(|object| Some((rank(object)?, object.clone()))).collect();
    ours.sort_by_key(|(rank, _)| *rank);
    ours.into_iter().map(|(_, object)| object).collect()
}

/// Every object of the tables' folders.
async fn folders(pin: &Pin) -> Result<Folders> {
    let mut folders = Folders::new();
    for object in pin.warehouse().store().list(&layout::tables_folder()).await? {
        if let Some(id) = layout::table_of(&object.location) {
            folders.entry(id).or_default().push(object);
        }
    }
    Ok(folders)
}

/// The live tables. One whose drop was not finished is finished, and left out.
async fn live_tables(pin: &Pin) -> Result<Vec<PinnedTable>> {
    let state = &pin.catalog().state;
    let live = |entry: &&Arc<CatalogTable>| {
        let named = state.object(&entry.name);
        matches!(named, Some(Object::Table(found)) if found.id == entry.id)
    };
    let mut names: Vec<TableName> = state.tables().filter(live).map(|entry| entry.name.clone()).collect();
    names.sort();
    let mut tables = Vec::with_capacity(names.len());
    for name in names {
        match pin.table(&name).await {
            Ok(table) => tables.push(table),
            Err(error) if matches!(error.code(), Code::TableDropped | Code::TableNotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(tables)
}
