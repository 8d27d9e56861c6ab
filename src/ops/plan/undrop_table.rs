//! RESTORE TABLE … ('id'='…'): a dropped table comes back as it was just before its DROP.

use super::{Plan, attempt, checks};
use crate::error::{Code, Error};
use crate::log::{Attempt, Lsn};
use crate::table::{Action, TableSnapshot};

/// Plans the return of a table that the commit `dropped` ended; `horizon` is the oldest version within the backup
/// retention. There is nothing to do where that DROP was undone already.
///
/// # Errors
/// [`Code::Conflict`] where `dropped` is not the DROP that the table is under; [`Code::NotRestorable`].
pub fn undrop_table(head: &TableSnapshot, name: &str, dropped: Lsn, horizon: Lsn) -> Plan {
    let state = &head.state;
    let life = &state.info()?.life;
    let latest = life.ended() == Some(dropped);
    if !latest {
        // Finishing twice is finishing once.
        if life.is_open() && life.spans().iter().any(|span| span.until == Some(dropped)) {
            return Ok(Attempt::Nothing);
        }
        return Err(Error::new(
            Code::Conflict,
            format!(
                "LSN {dropped} is not the DROP that table {name} is under now: see SHOW HISTORY FOR TABLES, and run the RESTORE again"
            ),
        ));
    }
    checks::restorable(head, name, dropped.previous(), horizon)?;
    let mut actions = vec![Action::Undrop];
    if !state.schema()?.partition_columns.is_empty() {
        // A restore counts as a modification, so that lifecycle doesn't take the partitions again at once.
        actions.extend(state.open_partitions().map(|entry| Action::Touch { partition: Some(entry.id) }));
    }
    Ok(attempt(actions))
}
