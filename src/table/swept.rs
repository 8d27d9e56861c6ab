//! What sweeps have taken from a table: the versions that may lack files, and the files that a PURGE took.
//!
//! A sweep takes by rule, not by list: the commit names a version, and replay finds the same files as the sweep did. It
//! must not know where files lie, nor how old they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{FileEntry, TableState};
use crate::log::Lsn;
use crate::store::{FileId, PartitionId};

/// What sweeps have taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Swept {
    /// Every version before this one may lack files that a VACUUM took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Lsn>,
    /// Files that a PURGE took. Their entries stay until they expire, for ranges and for what RESTORE compares.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    gone: BTreeSet<FileId>,
    /// Partitions that lost entries which counted: there counted files alone no longer tell whether data changed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    settled: BTreeSet<PartitionId>,
}

impl Swept {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The version that ended the entry for readers; none while it is read.
fn ended(entry: &FileEntry) -> Option<Lsn> {
    entry.visible.last().and_then(|span| span.until)
}

impl TableState {
    /// The entries whose files are there, as far as this log knows: all but those that a PURGE took.
    pub fn kept_files(&self) -> impl Iterator<Item = &Arc<FileEntry>> {
        self.files().filter(|entry| !self.is_gone(entry.file.id))
    }

    /// The files that no version after `upto` reads: what a VACUUM with that horizon takes.
    ///
    /// Ranges need no more than that: a file is read from the version on that wrote it, so one that ended by `upto` was
    /// written before every range that begins at `upto` or later.
    pub fn expired(&self, upto: Lsn) -> Vec<Arc<FileEntry>> {
        self.files().filter(|entry| ended(entry).is_some_and(|until| until <= upto)).cloned().collect()
    }

    /// The files that the latest version doesn't read and no PURGE took before: what a PURGE takes.
    pub fn superseded(&self) -> Vec<Arc<FileEntry>> {
        self.kept_files().filter(|entry| ended(entry).is_some()).cloned().collect()
    }

    /// Whether a PURGE took the file.
    pub fn is_gone(&self, file: FileId) -> bool {
        self.swept.gone.contains(&file)
    }

    /// Every version before this one may lack files that a VACUUM took.
    pub fn swept_before(&self) -> Option<Lsn> {
        self.swept.before
    }

    /// Whether one of these partitions lost entries that counted.
    pub(crate) fn is_settled(&self, partition: PartitionId) -> bool {
        self.swept.settled.contains(&partition)
    }

    /// Replay of a VACUUM.
    pub(super) fn sweep(&mut self, upto: Lsn) {
        for entry in self.expired(upto) {
            let id = entry.file.id;
            // A counted lifetime that ended by then says nothing of any version that can still be named.
            if entry.counted.last().is_some_and(|span| span.until.is_none_or(|until| until > upto)) {
                self.swept.settled.insert(entry.partition);
            }
            self.swept.before = self.swept.before.max(ended(&entry));
            self.swept.gone.remove(&id);
            self.files.remove(&id);
        }
    }

    /// Replay of a PURGE.
    pub(super) fn purge(&mut self) {
        let taken: Vec<FileId> = self.superseded().iter().map(|entry| entry.file.id).collect();
        self.swept.gone.extend(taken);
    }
}
