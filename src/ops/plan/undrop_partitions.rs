//! RESTORE TABLE … PARTITION('id'='…'): dropped partitions come back as they were before their DROP.

use std::collections::BTreeSet;

use super::{Plan, attempt, checks, timeline};
use crate::error::{Code, Error};
use crate::log::{Lsn, Operation};
use crate::store::PartitionId;
use crate::table::{Action, PartitionEntry, TableSnapshot};

/// Plans the return of partitions that a DROP ended, each to its state just before; `horizon` is the oldest version
/// within the backup retention.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::PartitionNotFound`] where a partition is unknown or wasn't ended by a DROP;
/// [`Code::PartitionExists`] where it is there, or a new one has its values; [`Code::NotRestorable`];
/// [`Code::NotSupported`] where a RESTORE has changed the schema since.
pub fn undrop_partitions(head: &TableSnapshot, name: &str, ids: &[PartitionId], horizon: Lsn) -> Plan {
    let state = &head.state;
    checks::alive(state, name)?;
    let mut values = BTreeSet::new();
    let mut actions = Vec::new();
    for id in ids.iter().collect::<BTreeSet<_>>() {
        let Some(partition) = state.partition(*id) else {
            let message = format!("table {name} never had a partition of id {id}: see SHOW HISTORY FOR TABLE {name}");
            return Err(Error::new(Code::PartitionNotFound, message));
        };
        let before = dropped(head, name, partition)?.previous();
        let free = state.open_partition(&partition.values).is_none() && values.insert(&partition.values);
        if !free {
            return Err(Error::new(
                Code::PartitionExists,
                format!(
                    "partition {id} can't come back: table {name} has another {} now; drop that one first",
                    spec(head, partition)?
                ),
            ));
        }
        checks::restorable(head, name, before, horizon)?;
        checks::schema_kept_since(state, name, before)?;
        actions.push(Action::ReopenPartition { id: *id });
        actions.extend(timeline::set_to(state, before, &BTreeSet::from([*id])));
    }
    Ok(attempt(actions))
}

/// The LSN of the DROP that ended the partition.
fn dropped(head: &TableSnapshot, name: &str, partition: &PartitionEntry) -> crate::Result<Lsn> {
    let id = partition.id;
    let last = partition.life.last();
    match last.and_then(|span| Some((span.until?, span.cause?))) {
        Some((lsn, Operation::Drop)) => Ok(lsn),
        Some((lsn, cause)) => Err(Error::new(
            Code::PartitionNotFound,
            format!(
                "partition {id} of table {name} was not dropped but ended by the {cause} at LSN {lsn}: restore the table to LSN {} instead",
                lsn.previous()
            ),
        )),
        None => Err(Error::new(
            Code::PartitionExists,
            format!(
                "partition {} ({id}) of table {name} is there: give PARTITION({}) TO LSN to set it back",
                spec(head, partition)?,
                spec(head, partition)?
            ),
        )),
    }
}

fn spec(head: &TableSnapshot, partition: &PartitionEntry) -> crate::Result<String> {
    Ok(checks::spec(&*head.state.schema()?, &partition.values))
}
