//! RESTORE TABLE … TO LSN: one new commit whose content and schema equal an old version's. Nothing is copied.

use std::collections::BTreeSet;

use super::{Plan, checks, timeline};
use crate::log::{Attempt, Lsn};
use crate::table::{Action, TableSnapshot};

/// Plans the return to `version`; `horizon` is the oldest version within the backup retention.
///
/// There is nothing to do where schema, partitions and data are those of the version already: a compaction alone is
/// never undone. Properties and lifecycle stay as they are.
///
/// # Errors
/// [`Code::TableDropped`](crate::Code::TableDropped), with the two steps; [`Code::VersionOutOfRange`](crate::Code::VersionOutOfRange);
/// [`Code::NotRestorable`](crate::Code::NotRestorable).
pub fn restore_table(head: &TableSnapshot, name: &str, version: Lsn, horizon: Lsn) -> Plan {
    let state = &head.state;
    checks::alive(state, name)?;
    checks::restorable(head, name, version, horizon)?;
    let mut actions = Vec::new();
    // Whatever ends comes first: a partition may give way to an older one of the same values.
    for entry in state.partitions().filter(|entry| entry.life.is_open() && !entry.life.at(version)) {
        actions.push(Action::ClosePartition { id: entry.id });
    }
    for entry in state.partitions().filter(|entry| !entry.life.is_open() && entry.life.at(version)) {
        actions.push(Action::ReopenPartition { id: entry.id });
    }
    let schema = state.schema_at(version)?;
    if !schema.same_columns(&*state.schema()?) {
        actions.push(Action::Schema { schema: Box::new(schema.as_ref().clone()) });
    }
    let all: BTreeSet<_> = state.partitions().map(|entry| entry.id).collect();
    if actions.is_empty() && timeline::same_data(state, version, &all)? {
        return Ok(Attempt::Nothing);
    }
    actions.extend(timeline::set_to(state, version, &all));
    // The restore is a modification of every partition that is there afterwards, and history shows it for each.
    if !schema.partition_columns.is_empty() {
        actions.extend(state.partitions_at(version).iter().map(|entry| Action::Touch { partition: Some(entry.id) }));
    }
    Ok(Attempt::Actions(actions))
}
