//! Committing written files: INSERT INTO, INSERT OVERWRITE, and UPDATE, DELETE and MERGE of a keyed table.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{self, NewFiles, Replaced};
use super::{PinnedTable, Warehouse, alter};
use crate::auth::Caller;
use crate::error::Result;
use crate::log::{Committed, Operation};
use crate::store::TableId;
use crate::store::testing::Bug;
use crate::table::{PartitionRef, PartitionValues, Precondition, TableSchema, TableSnapshot, TableState};
use crate::write::WrittenFile;

/// What an INSERT OVERWRITE replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overwrite {
    /// The whole table: it has no partition columns.
    Table,
    /// The partitions that the result holds, and the one that static values name, also where the result is empty.
    Partitions {
        /// The partition that the statement names in full; none where values are dynamic.
        named: Option<PartitionValues>,
    },
}

/// What the written files mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteIntent {
    /// The word that history shows.
    pub operation: Operation,
    /// What they replace; none where rows are merged by key, or added to an append table.
    pub replaces: Option<Overwrite>,
    /// What must not have changed since the statement read it; none where it doesn't read its target.
    pub unchanged: Option<Precondition>,
}

/// Commits the files; nothing where they change nothing.
///
/// # Errors
/// [`Code::Conflict`](crate::Code::Conflict) where what the statement read was changed; what the log gives.
pub async fn commit(
    warehouse: &Warehouse,
    caller: &Caller,
    table: &PinnedTable,
    schema: &TableSchema,
    files: Vec<WrittenFile>,
    intent: WriteIntent,
) -> Result<Committed<TableState>> {
    alter::finish_rename(warehouse, table).await?;
    let options = warehouse.file_options(caller, intent.operation, files.iter().map(|file| file.begun));
    let name = table.name.to_string();
    let base = &table.snapshot;
    let mut values: BTreeSet<PartitionValues> = files.iter().map(|file| file.values.clone()).collect();
    let written = by_partition(warehouse, files);
    let Some(scope) = intent.replaces else {
        let seeded = Bug::DeleteOnAmbiguous.is_on().then(|| written.clone());
        let draft = plan::append(base, written, intent.unchanged.into_iter().collect())?;
        let done = table.log.commit(base.clone(), options, move |head| draft.plan(head, &name)).await;
        if let (Some(written), Err(_)) = (seeded, &done) {
            Box::pin(delete(warehouse, table.id, &written)).await?;
        }
        return done;
    };
    let replaced = match scope {
        Overwrite::Table => Replaced::All,
        Overwrite::Partitions { named } => {
            values.extend(named);
            Replaced::Partitions(values)
        }
    };
    // A statement that reads what it overwrites must find it unread by others since.
    let guard = plan::append(base, vec![], intent.unchanged.into_iter().collect())?;
    let schema = schema.clone();
    let plan = move |head: &TableSnapshot| {
        guard.plan(head, &name)?;
        plan::overwrite(head, &name, &schema, &replaced, written.clone())
    };
    table.log.commit(base.clone(), options, plan).await
}

/// What [`Bug::DeleteOnAmbiguous`] does with the files of a commit that failed.
async fn delete(warehouse: &Warehouse, table: TableId, written: &[NewFiles]) -> Result<()> {
    for file in written.iter().flat_map(|new| &new.files) {
        warehouse.store().delete(&file.path(table)).await?;
    }
    Ok(())
}

/// The files by partition, with one proposed partition id per value.
pub(super) fn by_partition(warehouse: &Warehouse, files: Vec<WrittenFile>) -> Vec<NewFiles> {
    let mut partitions: BTreeMap<PartitionValues, NewFiles> = BTreeMap::new();
    for written in files {
        let partition = PartitionRef { values: written.values.clone(), id: warehouse.fresh_partition() };
        let entry = partitions.entry(written.values).or_insert_with(|| NewFiles { partition, files: vec![] });
        entry.files.push(written.file);
    }
    partitions.into_values().collect()
}
