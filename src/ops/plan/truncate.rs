//! TRUNCATE, a DELETE of everything: files end, partitions stay.

use super::{Plan, attempt, checks};
use crate::table::{Action, PartitionValues, TableSnapshot};

/// Plans the removal of all rows of these partitions; of the whole table where none are named.
///
/// As with DELETE, rows of a table with a key stop being incremental data; appended rows stay what was appended.
///
/// # Errors
/// [`Code::TableDropped`](crate::Code::TableDropped); [`Code::PartitionNotFound`](crate::Code::PartitionNotFound).
pub fn truncate(head: &TableSnapshot, name: &str, partitions: Option<&[PartitionValues]>) -> Plan {
    let state = &head.state;
    checks::alive(state, name)?;
    let entries = match partitions {
        None => state.open_partitions().cloned().collect(),
        Some(values) => checks::open_partitions(state, name, values)?,
    };
    let keyed = state.schema()?.is_keyed();
    let mut actions = Vec::new();
    for entry in state.files().filter(|file| entries.iter().any(|partition| partition.id == file.partition)) {
        if entry.visible.is_open() || (keyed && entry.counted.is_open()) {
            actions.push(Action::Close { file: entry.file.id, counted: keyed });
        }
    }
    Ok(attempt(actions))
}
