//! The physical half of VACUUM and PURGE: a commit first, then what some log still needs, then deletion of the rest.
//!
//! Invariant 8: a sweep leaves every version, range and clone inside retention, and every commit in flight, readable. It
//! deletes only data files in its own table's folder, and nothing where it can't tell what is needed. (Paimon deleted
//! all live data when the snapshot that it read had just expired; delta-rs and Iceberg deleted files in flight.)

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use super::plan::{self, Plan};
use super::retention::Windows;
use super::{Pin, PinnedTable, Warehouse, alter, shares};
use crate::catalog::CatalogState;
use crate::error::{Code, Error, Result};
use crate::log::{Lsn, Operation};
use crate::store::layout::{self, LogRoot};
use crate::store::testing::Bug;
use crate::store::{FileId, ObjectMeta, Path, TableId, Timestamp};
use crate::table::{FileEntry, TableSnapshot, TableState};

/// How many deletions are under way at a time.
const DELETES: usize = 16;

/// One thing that a sweep did, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepRow {
    /// The table, partition or id.
    pub object: String,
    /// What was done to it.
    pub action: &'static str,
    /// The rows in the files, tombstones included; 0 where that isn't known.
    pub rows: u64,
    /// The files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Why.
    pub reason: String,
}

impl SweepRow {
    pub(super) fn new(object: impl Into<String>, action: &'static str, reason: impl Into<String>) -> Self {
        Self { object: object.into(), action, rows: 0, files: 0, bytes: 0, reason: reason.into() }
    }
}

/// Which files leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Those out of all windows (VACUUM).
    Expired(Windows),
    /// All that the latest version doesn't read (PURGE).
    Purge,
}

impl Kind {
    fn reason(self) -> &'static str {
        match self {
            Self::Expired(_) => "out of the retentions for queries and for backup",
            Self::Purge => "not read by the latest version",
        }
    }

    fn operation(self) -> Operation {
        match self {
            Self::Expired(_) => Operation::Vacuum,
            Self::Purge => Operation::Purge,
        }
    }

    fn taken(self, state: &TableState, upto: Option<Lsn>) -> Vec<Arc<FileEntry>> {
        match self {
            Self::Expired(_) => upto.map(|upto| state.expired(upto)).unwrap_or_default(),
            Self::Purge => state.superseded(),
        }
    }

    fn plan(self, head: &TableSnapshot, name: &str, upto: Option<Lsn>, orphans: bool) -> Plan {
        match self {
            Self::Expired(windows) => {
                if crate::table::properties::retain(&head.state) > windows.query {
                    let message = format!("the retention of table {name} was extended while VACUUM ran: run it again");
                    return Err(Error::new(Code::Conflict, message));
                }
                plan::sweep(head, name, upto, orphans)
            }
            Self::Purge => plan::purge(head, name, orphans),
        }
    }
}

/// A sweep of one table, looked at but not committed.
#[derive(Debug)]
pub(super) struct Survey {
    table: PinnedTable,
    kind: Kind,
    upto: Option<Lsn>,
    now: Timestamp,
    objects: Vec<ObjectMeta>,
    taken: Vec<Arc<FileEntry>>,
    garbage: Option<Vec<ObjectMeta>>,
}

/// A sweep of one table that is committed: what is deleted is decided from the logs as they are after that.
#[derive(Debug)]
pub(super) struct Committed {
    survey: Survey,
    snapshot: Arc<TableSnapshot>,
}

/// Looks at what a sweep of the table would do; `objects` are those in its folder, listed before.
pub(super) async fn survey(
    pin: &Pin,
    table: PinnedTable,
    kind: Kind,
    now: Timestamp,
    objects: Vec<ObjectMeta>,
) -> Result<Survey> {
    let upto = match kind {
        Kind::Expired(windows) => {
            let last = table.log.at_time(&table.snapshot, windows.cutoff(now)).await?;
            last.map(|info| info.lsn)
        }
        Kind::Purge => None,
    };
    let taken = kind.taken(&table.snapshot.state, upto);
    let catalog = pin.warehouse().catalog().snapshot().await?;
    let ids: HashSet<FileId> = taken.iter().map(|entry| entry.file.id).collect();
    let garbage = match used(pin.warehouse(), &catalog.state, table.id, Some(&table.snapshot), &ids, now).await? {
        Used::Files(used) => Some(garbage(&objects, &used, &located(table.id, &taken), now, pin.warehouse().grace())),
        Used::Unclear => None,
    };
    Ok(Survey { table, kind, upto, now, objects, taken, garbage })
}

impl Survey {
    /// What the sweep would do.
    pub(super) fn rows(&self) -> Vec<SweepRow> {
        report(&self.table, self.kind, &self.taken, self.garbage.as_deref())
    }

    /// Commits the sweep; none where there is nothing to do.
    ///
    /// # Errors
    /// What the log gives; nothing is deleted then.
    pub(super) async fn commit(mut self, pin: &Pin) -> Result<Option<Committed>> {
        let taken = located(self.table.id, &self.taken);
        let is_orphan = |object: &ObjectMeta| file_of(object).is_some_and(|file| !taken.contains(&file));
        let orphans = self.garbage.iter().flatten().any(is_orphan);
        let (kind, upto, name) = (self.kind, self.upto, self.table.name.to_string());
        // The head may have moved on: what is taken is what the state had that the commit was made on.
        let on_head = Arc::new(Mutex::new(vec![]));
        let note = Arc::clone(&on_head);
        let plan = move |head: &TableSnapshot| {
            *note.lock().unwrap_or_else(PoisonError::into_inner) = kind.taken(&head.state, upto);
            kind.plan(head, &name, upto, orphans)
        };
        alter::finish_rename(pin.warehouse(), &self.table).await?;
        let options = pin.warehouse().commit_options(pin.caller(), kind.operation());
        let done = self.table.log.commit(Arc::clone(&self.table.snapshot), options, plan).await?;
        self.taken = std::mem::take(&mut *on_head.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(done.lsn.map(|_| Committed { survey: self, snapshot: done.snapshot }))
    }
}

impl Committed {
    /// Deletes what no log needs any more.
    ///
    /// # Errors
    /// What is needed can't be found out: then nothing is deleted. The store fails to delete: a later VACUUM does it.
    pub(super) async fn delete(self, warehouse: &Warehouse) -> Result<Vec<SweepRow>> {
        let Survey { table, kind, now, objects, taken, .. } = &self.survey;
        let catalog = warehouse.catalog().snapshot().await?;
        let none = HashSet::new();
        let used = match used(warehouse, &catalog.state, table.id, Some(&self.snapshot), &none, *now).await? {
            Used::Files(used) => used,
            Used::Unclear => return Ok(report(table, *kind, taken, None)),
        };
        let garbage = garbage(objects, &used, &located(table.id, taken), *now, warehouse.grace());
        delete(warehouse, &garbage).await?;
        if Bug::SlotReuse.is_on() {
            Box::pin(forget_commits(warehouse, table.id)).await?;
        }
        left_overs(warehouse, table.id, *now).await?;
        Ok(report(table, *kind, taken, Some(&garbage)))
    }
}

/// What a folder's files are needed for.
#[derive(Debug)]
pub(super) enum Used {
    /// These are needed.
    Files(HashSet<FileId>),
    /// A clone is being made that may take any of them.
    Unclear,
}

/// The files in a table's folder that some log needs: those of its own entries, ended ones too, but for `leaving`, and
/// those of every clone that shares the folder. `own` is none where the table was purged for good.
///
/// # Errors
/// A log can't be read, or has nothing in it where it must have: what is needed isn't known then.
pub(super) async fn used(
    warehouse: &Warehouse,
    catalog: &CatalogState,
    folder: TableId,
    own: Option<&TableSnapshot>,
    leaving: &HashSet<FileId>,
    now: Timestamp,
) -> Result<Used> {
    let mut used = HashSet::new();
    if Bug::EmptyUsedSet.is_on() {
        return Ok(Used::Files(used));
    }
    if let Some(own) = own {
        own.state.info()?;
        used.extend(needed(&own.state, folder, folder, leaving));
    }
    for share in catalog.shares_of(folder) {
        let log = warehouse.table_log(share.clone);
        let clone = log.snapshot().await?;
        if shares::is_pending(share, &clone, now, warehouse.grace()) {
            return Ok(Used::Unclear);
        }
        if clone.is_empty() && catalog.table(share.clone).is_some_and(|entry| entry.purged.is_none()) {
            return Err(log.missing());
        }
        used.extend(needed(&clone.state, share.clone, folder, &HashSet::new()));
    }
    Ok(Used::Files(used))
}

/// The files in `folder` that the table's entries are about, but for those that a PURGE took or that are leaving.
fn needed(state: &TableState, table: TableId, folder: TableId, leaving: &HashSet<FileId>) -> Vec<FileId> {
    let stays = |entry: &&Arc<FileEntry>| !leaving.contains(&entry.file.id);
    let location = |entry: &Arc<FileEntry>| entry.file.location(table);
    state.kept_files().filter(stays).map(location).filter(|(owner, _)| *owner == folder).map(|(_, file)| file).collect()
}

/// The objects in the table's own folder that the entries are about.
fn located(table: TableId, entries: &[Arc<FileEntry>]) -> HashSet<FileId> {
    let locations = entries.iter().map(|entry| entry.file.location(table));
    locations.filter(|(owner, _)| *owner == table).map(|(_, file)| file).collect()
}

/// The file of a data object; none for a name that isn't ours.
fn file_of(object: &ObjectMeta) -> Option<FileId> {
    layout::parse_data_file_name(object.location.filename()?).map(|(file, _)| file)
}

/// The data files that go: nobody needs them, and they were taken, or are older than the grace.
fn garbage(
    objects: &[ObjectMeta],
    used: &HashSet<FileId>,
    taken: &HashSet<FileId>,
    now: Timestamp,
    grace: Duration,
) -> Vec<ObjectMeta> {
    let goes = |object: &&ObjectMeta| {
        let Some(file) = file_of(object) else { return false };
        !used.contains(&file) && (taken.contains(&file) || is_old(object, now, grace))
    };
    objects.iter().filter(goes).cloned().collect()
}

/// Whether the object is older than the grace, by the store's time for it.
pub(super) fn is_old(object: &ObjectMeta, now: Timestamp, grace: Duration) -> bool {
    Bug::VacuumInFlight.is_on() || now.since(object.last_modified.into()) > grace
}

/// Deletes the objects.
pub(super) async fn delete(warehouse: &Warehouse, objects: &[ObjectMeta]) -> Result<()> {
    let store = warehouse.store();
    let paths: Vec<Path> = objects.iter().map(|object| object.location.clone()).collect();
    stream::iter(paths)
        .map(|path| async move { store.delete(&path).await })
        .buffer_unordered(DELETES)
        .try_for_each(|()| std::future::ready(Ok(())))
        .await
}

/// What [`Bug::SlotReuse`] does: removes the commits that a checkpoint covers.
async fn forget_commits(warehouse: &Warehouse, table: TableId) -> Result<()> {
    let root = LogRoot::Table(table);
    let covered = |object: ObjectMeta| match layout::CheckpointName::parse(object.location.filename()?)? {
        layout::CheckpointName::State { lsn, .. } => Some(lsn),
        layout::CheckpointName::Index { .. } => None,
    };
    let checkpoints = warehouse.store().list(&root.checkpoints_folder()).await?;
    for lsn in 1..=checkpoints.into_iter().filter_map(covered).max().unwrap_or(0) {
        warehouse.store().delete(&root.commit(lsn)).await?;
    }
    Ok(())
}

/// What crashed writers left on a local disk.
pub(super) async fn left_overs(warehouse: &Warehouse, table: TableId, now: Timestamp) -> Result<()> {
    let before = now.saturating_sub(warehouse.grace());
    warehouse.store().sweep_left_overs(&LogRoot::Table(table).folder(), before).await.map(|_| ())
}

/// The rows of one table: what was taken, what nobody knew, and what waits for a clone.
fn report(table: &PinnedTable, kind: Kind, taken: &[Arc<FileEntry>], garbage: Option<&[ObjectMeta]>) -> Vec<SweepRow> {
    let object = table.name.to_string();
    let Some(garbage) = garbage else {
        if taken.is_empty() {
            return vec![];
        }
        let waits = SweepRow::new(object, "wait", "a RESTORE … AS may take these files: a later VACUUM deletes them");
        return vec![SweepRow { files: taken.len() as u64, ..waits }];
    };
    let ids = located(table.id, taken);
    let (known, orphans): (Vec<_>, Vec<_>) =
        garbage.iter().partition(|object| file_of(object).is_some_and(|file| ids.contains(&file)));
    let deleted: HashSet<FileId> = known.iter().filter_map(|object| file_of(object)).collect();
    let of = |entry: &&Arc<FileEntry>| deleted.contains(&entry.file.location(table.id).1);
    let row = |objects: &[&ObjectMeta], rows: u64, reason: &str| SweepRow {
        rows,
        files: objects.len() as u64,
        bytes: objects.iter().map(|object| object.size).sum(),
        ..SweepRow::new(object.clone(), "delete files", reason)
    };
    let mut found = Vec::new();
    if !known.is_empty() {
        found.push(row(&known, taken.iter().filter(of).map(|entry| entry.file.rows).sum(), kind.reason()));
    }
    if !orphans.is_empty() {
        found.push(row(&orphans, 0, "no commit knows them, and they are older than the grace"));
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::layout::DataFileKind;

    const HOUR: Duration = Duration::from_secs(3600);

    fn object(path: Path, hours: u64) -> ObjectMeta {
        let at = Timestamp::EPOCH.saturating_add(HOUR * u32::try_from(hours).unwrap());
        let last_modified = at.to_datetime().unwrap();
        ObjectMeta { location: path, last_modified, size: 1, e_tag: None, version: None }
    }

    /// R163, T8: a file goes where nobody needs it and it was taken, or is older than the grace.
    #[test]
    fn what_is_needed_or_young_or_not_ours_stays() {
        let table = TableId::from_u128(1);
        let file = |n| FileId::from_u128(n);
        let data = |n, hours| object(layout::data_file(table, file(n), DataFileKind::Base), hours);
        let now = Timestamp::EPOCH.saturating_add(HOUR * 100);
        let objects = vec![
            data(1, 1),
            data(2, 1),
            data(3, 99),
            data(4, 99),
            data(5, 76),
            data(6, 75),
            object(Path::from("tables/00000000000000000000000000000001/data/notes.txt"), 1),
            object(LogRoot::Table(table).commit(1), 1),
            // The store's clock is ahead.
            data(7, 200),
        ];
        let used = HashSet::from([file(1)]);
        let taken = HashSet::from([file(1), file(3)]);
        let gone: Vec<_> = garbage(&objects, &used, &taken, now, HOUR * 24).iter().filter_map(file_of).collect();
        // 1 is needed by a clone although it was taken; 5 is exactly a grace old; 4 may belong to a commit in flight.
        assert_eq!(gone, vec![file(2), file(3), file(6)]);
    }
}
