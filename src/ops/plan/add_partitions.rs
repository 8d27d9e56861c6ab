//! ALTER TABLE … ADD PARTITION.

use super::{Plan, attempt, checks};
use crate::error::{Code, Error};
use crate::table::{Action, PartitionRef, TableSnapshot};

/// Plans new, empty partitions.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::PartitionExists`] without IF NOT EXISTS, and then none is made;
/// [`Code::InvalidArgument`] where values are missing or empty.
pub fn add_partitions(head: &TableSnapshot, name: &str, partitions: Vec<PartitionRef>, if_not_exists: bool) -> Plan {
    let state = &head.state;
    checks::alive(state, name)?;
    let schema = state.schema()?;
    let mut actions = Vec::with_capacity(partitions.len());
    for partition in partitions {
        checks::partition_values(&schema, name, &partition.values)?;
        match state.open_partition(&partition.values) {
            None => actions.push(Action::OpenPartition(partition)),
            Some(_) if if_not_exists => {}
            Some(_) => {
                let spec = checks::spec(&schema, &partition.values);
                let message =
                    format!("table {name} has the partition {spec} already: leave it out, or say IF NOT EXISTS");
                return Err(Error::new(Code::PartitionExists, message));
            }
        }
    }
    Ok(attempt(actions))
}
