//! DROP TABLE: ends the table's own entry only, so that its RESTORE brings back everything as it was.

use super::{Plan, attempt, checks};
use crate::table::{Action, TableSnapshot};

/// Plans the end of the table.
///
/// # Errors
/// [`Code::TableDropped`](crate::Code::TableDropped).
pub fn drop_table(head: &TableSnapshot, name: &str) -> Plan {
    checks::alive(&head.state, name)?;
    Ok(attempt(vec![Action::Drop]))
}
