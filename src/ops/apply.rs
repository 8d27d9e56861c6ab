//! The shape of every verb that plans on the head alone: authorize, plan, one commit.

use super::{Pin, plan::Plan};
use crate::auth::Privilege;
use crate::catalog::TableName;
use crate::error::Result;
use crate::log::{Committed, Operation};
use crate::table::{TableSnapshot, TableState};

/// Commits what `plan` makes of the table's head; it is asked again on each newer head that it meets.
pub(super) async fn apply<P>(
    pin: &Pin,
    name: &TableName,
    privilege: Privilege,
    operation: Operation,
    plan: P,
) -> Result<Committed<TableState>>
where
    P: Fn(&TableSnapshot, &str) -> Plan + Send + 'static,
{
    let table = pin.table_to_change(name, privilege).await?;
    let options = pin.warehouse().commit_options(pin.caller(), operation);
    let name = name.to_string();
    table.log.commit(table.snapshot, options, move |head| plan(head, &name)).await
}
