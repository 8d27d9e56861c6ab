//! What must still be true of the head for a draft to be committed there.
//!
//! One small function instead of a matrix of verbs: whoever removes files needs them alive, whoever reads what it
//! writes needs it unchanged, and compaction changes nothing. All imply a live table and columns that still fit.

use std::collections::BTreeSet;

use super::{PartitionValues, TableSchema, TableState};
use crate::error::{Code, Error, Result};
use crate::log::Lsn;
use crate::store::FileId;
use crate::store::testing::Bug;

/// Which partitions a statement read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionFilter {
    /// All, existing or not.
    All,
    /// Those with these values, existing or not.
    Values(BTreeSet<PartitionValues>),
}

impl PartitionFilter {
    fn admits(&self, values: &PartitionValues) -> bool {
        match self {
            Self::All => true,
            Self::Values(set) => set.contains(values),
        }
    }
}

/// A condition on the head, relative to the version that a draft was planned on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// These files were never ended since the plan.
    Live(Vec<FileId>),
    /// In every partition that the filter admits, counted files and incarnation are those of the plan.
    Unchanged(PartitionFilter),
}

/// Checks a draft that was planned at `base` with `schema` against the head.
///
/// # Errors
/// [`Code::TableDropped`] or [`Code::Conflict`]; nothing has been changed then.
pub fn check(
    head: &TableState,
    name: &str,
    base: Lsn,
    schema: &TableSchema,
    preconditions: &[Precondition],
) -> Result<()> {
    if !head.is_alive() {
        return Err(Error::new(
            Code::TableDropped,
            format!("table {name} was dropped while the statement ran: nothing was changed"),
        ));
    }
    if !schema.fits(&*head.schema()?) {
        return Err(conflict(name, "its columns were changed"));
    }
    if Bug::FreshReadVersion.is_on() {
        return Ok(());
    }
    for precondition in preconditions {
        match precondition {
            Precondition::Live(files) => live(head, name, base, files)?,
            Precondition::Unchanged(filter) => unchanged(head, name, base, filter)?,
        }
    }
    Ok(())
}

fn live(head: &TableState, name: &str, base: Lsn, files: &[FileId]) -> Result<()> {
    let alive = |id: &FileId| {
        let entry = head.file(*id)?;
        let partition = head.partition(entry.partition)?;
        Some(entry.visible.is_open() && entry.visible.unchanged_since(base) && partition.life.unchanged_since(base))
    };
    let table = head.info()?.life.unchanged_since(base);
    match table && files.iter().all(|id| alive(id) == Some(true)) {
        true => Ok(()),
        false => Err(conflict(name, "files that it would replace were replaced")),
    }
}

fn unchanged(head: &TableState, name: &str, base: Lsn, filter: &PartitionFilter) -> Result<()> {
    if !head.info()?.life.unchanged_since(base) {
        return Err(conflict(name, "the table was dropped and restored"));
    }
    for partition in head.partitions().filter(|partition| filter.admits(&partition.values)) {
        if !partition.life.unchanged_since(base) {
            return Err(conflict(name, "a partition that it reads was created, dropped or restored"));
        }
    }
    // Without a key, UPDATE and DELETE rewrite files and leave the counted ones alone.
    let keyed = head.schema()?.is_keyed();
    for entry in head.files() {
        // Nor do counted files tell everything where a sweep took some.
        let visible = !keyed || head.is_settled(entry.partition);
        let changed = !entry.counted.unchanged_since(base) || (visible && !entry.only_compacted_since(base));
        if changed && head.partition(entry.partition).is_some_and(|partition| filter.admits(&partition.values)) {
            return Err(conflict(name, "rows that it reads were written"));
        }
    }
    Ok(())
}

fn conflict(name: &str, what: &str) -> Error {
    Error::new(
        Code::Conflict,
        format!("table {name}: while the statement ran, {what}; nothing was changed, run it again"),
    )
}
