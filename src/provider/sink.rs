//! The end of a write's plan: rows become files, files become one commit.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::datasource::sink::DataSink;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType};

use crate::auth::{Privilege, Target};
use crate::ops::dml::{Changes, changes_rows};
use crate::ops::insert::{self, WriteIntent};
use crate::ops::{Pin, PinnedTable};
use crate::table::{FileKind, PartitionValues, TableSchema, properties};
use crate::write::{Duplicates, Limits, WriteRequest, write};

/// Writes the rows of a statement to a table. Called once per execution.
#[derive(Debug)]
pub(super) struct TableSink {
    pin: Arc<Pin>,
    table: PinnedTable,
    schema: Arc<TableSchema>,
    input: SchemaRef,
    intent: WriteIntent,
}

impl TableSink {
    pub(super) fn new(
        pin: Arc<Pin>,
        table: PinnedTable,
        schema: Arc<TableSchema>,
        input: SchemaRef,
        intent: WriteIntent,
    ) -> Self {
        Self { pin, table, schema, input, intent }
    }

    /// Base files where nothing older can be below: an overwrite, or a partition without files. Concurrent writers
    /// don't matter, because order decides and "base" says only that there are no tombstones.
    fn kind(&self) -> Arc<dyn Fn(&PartitionValues) -> FileKind + Send + Sync> {
        let snapshot = Arc::clone(&self.table.snapshot);
        let replaces = self.intent.replaces.is_some();
        let keyed = self.schema.is_keyed();
        let filled: std::collections::HashSet<_> =
            snapshot.state.visible_at(snapshot.lsn).into_iter().map(|entry| entry.partition).collect();
        Arc::new(move |values: &PartitionValues| {
            let empty = snapshot.state.open_partition(values).is_none_or(|partition| !filled.contains(&partition.id));
            match !keyed || replaces || empty {
                true => FileKind::Base,
                false => FileKind::Delta,
            }
        })
    }
}

#[async_trait]
impl DataSink for TableSink {
    fn schema(&self) -> &SchemaRef {
        &self.input
    }

    async fn write_all(&self, data: SendableRecordBatchStream, context: &Arc<TaskContext>) -> Result<u64> {
        let warehouse = self.pin.warehouse();
        warehouse.authorize(self.pin.caller(), Privilege::Update, &Target::Table(&self.table.name))?;
        if changes_rows(self.intent.operation) {
            let (table, schema, intent) = (&self.table, &self.schema, &self.intent);
            let changes = Changes { warehouse, caller: self.pin.caller(), table, schema, intent };
            return changes.commit(data, context).await;
        }
        let request = WriteRequest {
            store: warehouse.store().clone(),
            table: self.table.id,
            table_name: self.table.name.to_string(),
            schema: Arc::clone(&self.schema),
            buckets: properties::buckets(&self.table.snapshot.state),
            duplicates: Duplicates::KeepLast,
            kind: self.kind(),
            sorted: false,
            limits: Limits::default(),
        };
        let written = write(request, data, Arc::clone(context)).await?;
        insert::commit(warehouse, self.pin.caller(), &self.table, &self.schema, written.files, self.intent.clone())
            .await?;
        Ok(written.rows)
    }
}

impl DisplayAs for TableSink {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimeTravelSink: table={}, operation={}", self.table.name, self.intent.operation)
    }
}
