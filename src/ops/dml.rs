//! UPDATE, DELETE and MERGE: from change rows to one commit.
//!
//! A table with a key gets new rows and tombstones. Of one without, the touched files are written again without the rows
//! that change, and the rows with new values go to new files. Either happens whole or not at all; a statement that
//! changes nothing makes no commit.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};

use super::compact::with_partition_values;
use super::insert::{self, WriteIntent, by_partition};
use super::plan::{self, Rewritten};
use super::{PinnedTable, Warehouse, alter};
use crate::auth::Caller;
use crate::error::{Code, Error};
use crate::log::{Lifetime, Operation};
use crate::scan::{KeptRequest, numbered};
use crate::table::{FileEntry, FileKind, Order, PartitionValues, Precondition, TableSchema, TableSnapshot, properties};
use crate::write::changes::{self, Touched};
use crate::write::{Duplicates, Limits, WriteRequest, WrittenFile, cleanup, write};

/// Whether the operation changes rows that it read, each of them once.
pub(crate) fn changes_rows(operation: Operation) -> bool {
    matches!(operation, Operation::Delete | Operation::Update | Operation::Merge)
}

/// What a statement changes.
#[derive(Debug)]
pub(crate) struct Changes<'a> {
    /// The warehouse.
    pub(crate) warehouse: &'a Warehouse,
    /// Who changes it.
    pub(crate) caller: &'a Caller,
    /// The table as the statement read it.
    pub(crate) table: &'a PinnedTable,
    /// Its schema.
    pub(crate) schema: &'a Arc<TableSchema>,
    /// What the change means.
    pub(crate) intent: &'a WriteIntent,
}

impl Changes<'_> {
    /// Commits the change rows; gives how many there were.
    ///
    /// # Errors
    /// [`Code::ConstraintViolation`] where a row is changed twice, or a key would stand twice; [`Code::Conflict`] where
    /// what the statement read was changed; those of the rows, as they are, and of the store.
    pub(crate) async fn commit(self, rows: SendableRecordBatchStream, task: &Arc<TaskContext>) -> Result<u64> {
        match self.schema.is_keyed() {
            true => self.keyed(rows, task).await,
            false => self.keyless(rows, task).await,
        }
    }

    async fn keyed(self, rows: SendableRecordBatchStream, task: &Arc<TaskContext>) -> Result<u64> {
        let (rows, counts) = changes::keyed(self.schema, rows)?;
        let written = write(self.request(FileKind::Delta, false), rows, Arc::clone(task)).await?;
        let counts = *counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.new > 0 {
            let expected = i128::from(counts.new) - i128::from(counts.gone);
            if let Err(error) = self.check_new_keys(&written.files, expected).await {
                cleanup(self.warehouse.store(), self.table.id, &written.files).await;
                return Err(error.into());
            }
        }
        let intent = self.intent.clone();
        insert::commit(self.warehouse, self.caller, self.table, self.schema, written.files, intent).await?;
        Ok(counts.changes)
    }

    /// Refuses new keys of rows that stay. Rows that go leave a tombstone and rows that keep their key are neither, so
    /// that each key taken from another row is one row less than there should be.
    async fn check_new_keys(&self, written: &[WrittenFile], expected: i128) -> Result<(), Error> {
        let snapshot = &self.table.snapshot;
        let name: Arc<str> = self.table.name.to_string().into();
        let visible = snapshot.state.visible_at(snapshot.lsn);
        let mut growth = 0;
        let mut rest = written;
        while let Some(first) = rest.first() {
            // Files come by partition.
            let (of_partition, others) = rest.split_at(rest.partition_point(|file| file.values == first.values).max(1));
            rest = others;
            let partition = snapshot.state.open_partition(&first.values);
            let old: Vec<Arc<FileEntry>> = visible
                .iter()
                .filter(|entry| partition.is_some_and(|partition| entry.partition == partition.id))
                .cloned()
                .collect();
            let added: Vec<_> = of_partition.iter().map(|written| Arc::new(self.entry(written, &old))).collect();
            let scanner = self.warehouse.scanner();
            growth += scanner.growth(&name, self.table.id, self.schema, &old, &added).await?;
        }
        if growth == expected {
            return Ok(());
        }
        Err(Error::new(
            Code::ConstraintViolation,
            format!(
                "{} of table {name} would give the key of a row that stays to {} more; nothing was changed, choose keys that are free",
                self.intent.operation.as_str(),
                if expected - growth == 1 { "one row".to_owned() } else { format!("{} rows", expected - growth) }
            ),
        ))
    }

    /// A written file as the commit will make it, if nobody else commits before.
    fn entry(&self, written: &WrittenFile, old: &[Arc<FileEntry>]) -> FileEntry {
        let lsn = self.table.snapshot.lsn.next();
        let partition = old.first().map(|entry| entry.partition);
        FileEntry {
            file: Arc::new(written.file.clone()),
            partition: partition.unwrap_or_else(|| self.warehouse.fresh_partition()),
            order: Order(lsn, 0),
            lsn,
            operation: self.intent.operation,
            visible: Lifetime::open_at(lsn),
            counted: Lifetime::open_at(lsn),
        }
    }

    async fn keyless(self, rows: SendableRecordBatchStream, task: &Arc<TaskContext>) -> Result<u64> {
        let snapshot = &self.table.snapshot;
        let files = numbered(&snapshot.state, snapshot.lsn);
        let name = self.table.name.to_string();
        let touched = Touched::new(files, self.intent.operation.as_str(), name.clone(), task.memory_pool());
        let touched = Arc::new(Mutex::new(touched));
        let images = changes::keyless(self.schema, rows, Arc::clone(&touched))?;
        let added = write(self.request(FileKind::Base, false), images, Arc::clone(task)).await?.files;
        let lost = || Error::internal("the rows of a change are still read");
        let touched = Arc::into_inner(touched).ok_or_else(lost)?.into_inner().unwrap_or_else(PoisonError::into_inner);
        let changed = touched.changes();
        let mut all = added.clone();
        let rewritten = match self.rewrite(touched, &mut all, task).await {
            Ok(rewritten) => rewritten,
            Err(error) => {
                cleanup(self.warehouse.store(), self.table.id, &all).await;
                return Err(error);
            }
        };
        let preconditions: Vec<Precondition> = self.intent.unchanged.iter().cloned().collect();
        let draft = plan::rewrite(snapshot, rewritten, by_partition(self.warehouse, added), preconditions)?;
        alter::finish_rename(self.warehouse, self.table).await?;
        let begun = all.iter().map(|file| file.begun);
        let options = self.warehouse.file_options(self.caller, self.intent.operation, begun);
        let plan = move |head: &TableSnapshot| draft.plan(head, &name);
        self.table.log.commit(snapshot.clone(), options, plan).await?;
        Ok(changed)
    }

    /// Writes what is left of the touched files, one after another; `all` gets every file that is written.
    async fn rewrite(
        &self,
        touched: Touched,
        all: &mut Vec<WrittenFile>,
        task: &Arc<TaskContext>,
    ) -> Result<Vec<Rewritten>> {
        let state = &self.table.snapshot.state;
        let mut rewritten = Vec::new();
        for (entry, rows) in touched.into_kept() {
            let file = entry.file.id;
            if rows.count_set_bits() == 0 {
                rewritten.push(Rewritten { file, with: None });
                continue;
            }
            let values = state.partition(entry.partition).map(|partition| partition.values.clone());
            let values = values.ok_or_else(|| Error::internal("a file without a partition"))?;
            let table_name = self.table.name.to_string().into();
            let request =
                KeptRequest { table_name, table: self.table.id, schema: Arc::clone(self.schema), file: entry, rows };
            let kept = self.warehouse.scanner().kept_stream(task, &request).await?;
            let kept = with_partition_values(kept, self.schema, &values)?;
            let request = WriteRequest { buckets: 1, ..self.request(FileKind::Base, true) };
            let written = write(request, kept, Arc::clone(task)).await?.files;
            all.extend(written.iter().cloned());
            let [written] = written.as_slice() else {
                return Err(Error::internal("what is left of a file is not one file").into());
            };
            rewritten.push(Rewritten { file, with: Some(written.file.clone()) });
        }
        Ok(rewritten)
    }

    fn request(&self, kind: FileKind, sorted: bool) -> WriteRequest {
        WriteRequest {
            store: self.warehouse.store().clone(),
            table: self.table.id,
            table_name: self.table.name.to_string(),
            schema: Arc::clone(self.schema),
            buckets: properties::buckets(&self.table.snapshot.state),
            duplicates: Duplicates::Refuse(self.intent.operation.as_str()),
            kind: Arc::new(move |_: &PartitionValues| kind),
            sorted,
            limits: Limits::default(),
        }
    }
}
