//! TRUNCATE TABLE: history shows a DELETE, because that is what it is, of everything.

use super::apply::apply;
use super::{Pin, plan};
use crate::auth::Privilege;
use crate::catalog::TableName;
use crate::error::Result;
use crate::log::Operation;
use crate::table::PartitionValues;

/// Removes all rows of these partitions, or of the whole table, in one commit; none where there are no rows. Partitions
/// stay.
///
/// # Errors
/// As [`plan::truncate`]; [`Code::PermissionDenied`](crate::Code::PermissionDenied).
pub async fn truncate(pin: &Pin, name: &TableName, partitions: Option<Vec<PartitionValues>>) -> Result<()> {
    let plan = move |head: &_, name: &str| plan::truncate(head, name, partitions.as_deref());
    apply(pin, name, Privilege::Update, Operation::Delete, plan).await.map(|_| ())
}
