//! A draft: files that a statement wrote on one version, and what must still be true where they are committed.

use std::sync::Arc;

use super::{Plan, attempt};
use crate::log::Lsn;
use crate::table::{Action, Precondition, TableSchema, TableSnapshot, precondition};

/// What a statement wants to commit. It names partitions by value and is never changed by a rebase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The version that it was planned on.
    pub base: Lsn,
    /// The schema of that version.
    pub schema: Arc<TableSchema>,
    /// What must be true of the head, besides a live table and columns that fit.
    pub preconditions: Vec<Precondition>,
    /// The changes.
    pub actions: Vec<Action>,
}

impl Draft {
    /// The draft on this head.
    ///
    /// # Errors
    /// [`Code::TableDropped`](crate::Code::TableDropped) or [`Code::Conflict`](crate::Code::Conflict).
    pub fn plan(&self, head: &TableSnapshot, name: &str) -> Plan {
        Self::plan_all(std::slice::from_ref(self), head, name)
    }

    /// Several drafts as one commit on this head; they must not change the same files.
    ///
    /// # Errors
    /// As [`Draft::plan`], where one of them doesn't fit.
    pub fn plan_all(drafts: &[Self], head: &TableSnapshot, name: &str) -> Plan {
        let mut actions = vec![];
        for draft in drafts {
            precondition::check(&head.state, name, draft.base, &draft.schema, &draft.preconditions)?;
            actions.extend_from_slice(&draft.actions);
        }
        Ok(attempt(actions))
    }
}
