//! Ending and reopening entries: the rules that OVERWRITE, DROP, RESTORE and undrop share.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::log::{Lifetime, Lsn};
use crate::store::PartitionId;
use crate::table::{Action, FileEntry, TableState};

/// Ends whatever of these partitions is read or counted.
pub(super) fn end_files(state: &TableState, partitions: &BTreeSet<PartitionId>) -> Vec<Action> {
    let lasts = |entry: &&std::sync::Arc<FileEntry>| entry.visible.is_open() || entry.counted.is_open();
    let of = state.files().filter(|entry| partitions.contains(&entry.partition)).filter(lasts);
    of.map(|entry| Action::Close { file: entry.file.id, counted: true }).collect()
}

/// Makes the files of these partitions visible and counted as they were at `version`. What doesn't differ gives no
/// action: the cost follows the difference.
pub(super) fn set_to(state: &TableState, version: Lsn, partitions: &BTreeSet<PartitionId>) -> Vec<Action> {
    let mut actions = Vec::new();
    for entry in state.files().filter(|entry| partitions.contains(&entry.partition)) {
        let file = entry.file.id;
        let then = Flags::at(state, entry, version);
        let now = Flags::now(entry);
        let (show, hide) = (then.visible && !now.visible, !then.visible && now.visible);
        let (count, uncount) = (then.counted && !now.counted, !then.counted && now.counted);
        if hide {
            actions.push(Action::Close { file, counted: uncount });
        } else if uncount {
            actions.push(Action::Uncount { file });
        }
        if show || count {
            actions.push(Action::Reopen { file, visible: show, counted: count });
        }
    }
    actions
}

/// Whether these partitions hold the same data as at `version`, whatever compaction did since.
///
/// With a key that is: the same counted files. Without one, UPDATE and DELETE rewrite files and leave the counted ones
/// alone, so that the visible ones decide too; so they do where a sweep took files that counted.
pub(super) fn same_data(state: &TableState, version: Lsn, partitions: &BTreeSet<PartitionId>) -> Result<bool> {
    let entries = || state.files().filter(|entry| partitions.contains(&entry.partition));
    if entries().any(|entry| Flags::at(state, entry, version).counted != entry.counted.is_open()) {
        return Ok(false);
    }
    if state.schema()?.is_keyed() && !partitions.iter().any(|id| state.is_settled(*id)) {
        return Ok(true);
    }
    let unchanged = entries().all(|entry| Flags::at(state, entry, version).visible == entry.visible.is_open());
    Ok(unchanged || entries().all(|entry| entry.only_compacted_since(version)))
}

struct Flags {
    visible: bool,
    counted: bool,
}

impl Flags {
    fn now(entry: &FileEntry) -> Self {
        Self { visible: entry.visible.is_open(), counted: entry.counted.is_open() }
    }

    /// A partition that doesn't exist has no files, whatever their own lifetimes say.
    fn at(state: &TableState, entry: &FileEntry, version: Lsn) -> Self {
        let exists = state.partition(entry.partition).is_some_and(|partition| partition.life.at(version));
        let at = |life: &Lifetime| exists && life.at(version);
        Self { visible: at(&entry.visible), counted: at(&entry.counted) }
    }
}
