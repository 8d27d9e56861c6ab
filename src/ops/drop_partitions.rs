//! ALTER TABLE … DROP PARTITION: all that are named, or none.

use super::apply::apply;
use super::{Pin, plan};
use crate::auth::Privilege;
use crate::catalog::TableName;
use crate::error::Result;
use crate::log::Operation;
use crate::table::PartitionValues;

/// Drops the partitions in one commit; each can be restored by its id while the backup retention lasts.
///
/// # Errors
/// As [`plan::drop_partitions`]; [`Code::PermissionDenied`](crate::Code::PermissionDenied). None is dropped then.
pub async fn drop_partitions(
    pin: &Pin,
    name: &TableName,
    partitions: Vec<PartitionValues>,
    if_exists: bool,
) -> Result<()> {
    let plan = move |head: &_, name: &str| plan::drop_partitions(head, name, &partitions, if_exists);
    apply(pin, name, Privilege::Drop, Operation::Drop, plan).await.map(|_| ())
}
