//! INSERT, and every other write that only adds files: rows and tombstones go in by order, and old files stay.

use super::Draft;
use crate::error::Result;
use crate::table::{Action, DataFile, PartitionRef, Precondition, TableSnapshot};

/// Files that a statement wrote for one partition; they don't overlap in key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFiles {
    /// The partition by value, with the id that it gets where it doesn't exist.
    pub partition: PartitionRef,
    /// The files.
    pub files: Vec<DataFile>,
}

/// Plans APPEND; on a table with a key also UPDATE, DELETE and MERGE, whose rows and tombstones are new files.
///
/// A plain INSERT and a load need no precondition; whatever read its target needs
/// [`Precondition::Unchanged`] for what it read.
///
/// # Errors
/// As [`TableState::info`](crate::table::TableState::info).
pub fn append(base: &TableSnapshot, written: Vec<NewFiles>, preconditions: Vec<Precondition>) -> Result<Draft> {
    Ok(Draft { base: base.lsn, schema: base.state.schema()?, preconditions, actions: adds(written) })
}

/// The files as counted additions of the commit.
pub(in crate::ops) fn adds(written: Vec<NewFiles>) -> Vec<Action> {
    let mut actions = Vec::new();
    for NewFiles { partition, files } in written {
        for file in files {
            actions.push(Action::Add {
                partition: partition.clone(),
                file: Box::new(file),
                order: None,
                rank: 0,
                counted: true,
            });
        }
    }
    actions
}
