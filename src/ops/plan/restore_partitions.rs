//! RESTORE TABLE … PARTITION (…) TO LSN: partitions go back, each to that version or its closest preceding one.

use std::collections::BTreeSet;

use super::{Plan, attempt, checks, timeline};
use crate::error::{Code, Error};
use crate::log::Lsn;
use crate::table::{PartitionValues, TableSnapshot};

/// Plans the return of open partitions to their state at `version`; `horizon` is the oldest version within the backup
/// retention. The table keeps its present schema.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::VersionOutOfRange`]; [`Code::NotRestorable`]; [`Code::PartitionNotFound`] where a
/// partition is not there, or this incarnation of it did not exist at the version; [`Code::NotSupported`] where a
/// RESTORE has changed the schema since. Nothing is restored then.
pub fn restore_partitions(
    head: &TableSnapshot,
    name: &str,
    partitions: &[PartitionValues],
    version: Lsn,
    horizon: Lsn,
) -> Plan {
    let state = &head.state;
    checks::alive(state, name)?;
    let entries = checks::open_partitions(state, name, partitions)?;
    checks::restorable(head, name, version, horizon)?;
    checks::schema_kept_since(state, name, version)?;
    let schema = state.schema()?;
    let mut actions = Vec::new();
    for entry in entries {
        if !entry.life.at(version) {
            return Err(Error::new(
                Code::PartitionNotFound,
                format!(
                    "partition {} ({}) of table {name} did not exist at LSN {version}: see SHOW HISTORY FOR TABLE {name} PARTITION('id'='{}')",
                    checks::spec(&schema, &entry.values),
                    entry.id,
                    entry.id
                ),
            ));
        }
        let one = BTreeSet::from([entry.id]);
        if !timeline::same_data(state, version, &one)? {
            actions.extend(timeline::set_to(state, version, &one));
        }
    }
    Ok(attempt(actions))
}
