//! ALTER TABLE … DROP PARTITION, and reclamation of partitions by lifecycle.

use std::collections::BTreeSet;

use super::{Plan, attempt, checks, timeline};
use crate::error::Code;
use crate::table::{Action, PartitionValues, TableSnapshot};

/// Plans the end of partitions and of their files; each can be undropped by its id.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::PartitionNotFound`] without IF EXISTS, and then none is dropped.
pub fn drop_partitions(head: &TableSnapshot, name: &str, partitions: &[PartitionValues], if_exists: bool) -> Plan {
    let state = &head.state;
    checks::alive(state, name)?;
    let mut ids = BTreeSet::new();
    for values in partitions {
        match checks::open_partitions(state, name, std::slice::from_ref(values)) {
            Ok(found) => ids.extend(found.iter().map(|entry| entry.id)),
            Err(error) if if_exists && error.code() == Code::PartitionNotFound => {}
            Err(error) => return Err(error),
        }
    }
    let mut actions = timeline::end_files(state, &ids);
    actions.extend(ids.into_iter().map(|id| Action::ClosePartition { id }));
    Ok(attempt(actions))
}
