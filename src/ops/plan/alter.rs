//! ALTER TABLE: properties, lifecycle, comment, TOUCH.

use std::collections::BTreeMap;

use super::{Plan, attempt, checks};
use crate::error::{Code, Error};
use crate::log::Attempt;
use crate::table::{Action, PartitionValues, TableSnapshot, properties};

/// Plans properties, set or removed where the value is none.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::InvalidProperty`].
pub fn set_properties(head: &TableSnapshot, name: &str, set: BTreeMap<String, Option<String>>) -> Plan {
    let state = &head.state;
    checks::alive(state, name)?;
    let keyed = state.schema()?.is_keyed();
    for (key, value) in &set {
        if let Some(value) = value {
            properties::check(key, value, keyed)?;
        }
    }
    let changes: BTreeMap<_, _> =
        set.into_iter().filter(|(key, value)| state.property(key) != value.as_deref()).collect();
    Ok(match changes.is_empty() {
        true => Attempt::Nothing,
        false => Attempt::Actions(vec![Action::Properties { set: changes }]),
    })
}

/// Plans the lifecycle of the table: its days where given, and whether it is on.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::InvalidProperty`] where it is switched on without days.
pub fn set_lifecycle(head: &TableSnapshot, name: &str, days: Option<u32>, enabled: bool) -> Plan {
    let state = &head.state;
    checks::alive(state, name)?;
    let info = state.info()?;
    let days = days.or(info.create.lifecycle);
    if enabled && days.is_none() {
        let message = format!(
            "table {name} has no lifecycle to enable: use ALTER TABLE {name} SET LIFECYCLE with a number of days"
        );
        return Err(Error::new(Code::InvalidProperty, message));
    }
    let same = days == info.create.lifecycle && enabled != info.lifecycle_disabled;
    Ok(if same { Attempt::Nothing } else { Attempt::Actions(vec![Action::Lifecycle { days, enabled }]) })
}

/// Plans reclamation of partitions by lifecycle, on or off.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::PartitionNotFound`].
pub fn set_partition_lifecycle(
    head: &TableSnapshot,
    name: &str,
    partitions: &[PartitionValues],
    enabled: bool,
) -> Plan {
    checks::alive(&head.state, name)?;
    let mut entries = checks::open_partitions(&head.state, name, partitions)?;
    entries.retain(|entry| entry.lifecycle_disabled == enabled);
    Ok(attempt(entries.iter().map(|entry| Action::PartitionLifecycle { id: entry.id, enabled }).collect()))
}

/// Plans LastModifiedTime = now for the table.
///
/// # Errors
/// [`Code::TableDropped`].
pub fn touch_table(head: &TableSnapshot, name: &str) -> Plan {
    checks::alive(&head.state, name)?;
    Ok(attempt(vec![Action::Touch { partition: None }]))
}

/// Plans LastModifiedTime = now for partitions.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::PartitionNotFound`].
pub fn touch_partitions(head: &TableSnapshot, name: &str, partitions: &[PartitionValues]) -> Plan {
    checks::alive(&head.state, name)?;
    let entries = checks::open_partitions(&head.state, name, partitions)?;
    Ok(attempt(entries.iter().map(|entry| Action::Touch { partition: Some(entry.id) }).collect()))
}

/// Plans the comment of the table; none removes it.
///
/// # Errors
/// [`Code::TableDropped`].
pub fn set_comment(head: &TableSnapshot, name: &str, text: Option<String>) -> Plan {
    checks::alive(&head.state, name)?;
    let same = head.state.info()?.create.comment == text;
    Ok(if same { Attempt::Nothing } else { Attempt::Actions(vec![Action::Comment { text }]) })
}
