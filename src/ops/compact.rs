//! COMPACT MAJOR: base and delta files of a partition become base files (R167). It never blocks writers.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, UInt64Array};
use datafusion::arrow::compute::take;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

use super::{Pin, PinnedTable, plan};
use crate::auth::Privilege;
use crate::catalog::TableName;
use crate::error::{Code, Error, Result};
use crate::log::Operation;
use crate::scan::SortedRequest;
use crate::table::{
    FileEntry, FileKind, PartitionEntry, PartitionValues, TableSchema, TableSnapshot, properties, text,
};
use crate::write::{Duplicates, Limits, WriteRequest, write};

/// How often a compaction is planned again after a conflict.
const ATTEMPTS: usize = 5;

/// Compacts the partitions, all where none is named; says how many were rewritten.
///
/// Content and every AS OF and BETWEEN stay the same (invariant 6). A partition with nothing to do is left alone.
///
/// # Errors
/// [`Code::PartitionNotFound`]; [`Code::Conflict`] where other writers replaced the files each time.
pub async fn major(
    pin: &Pin,
    name: &TableName,
    only: Option<&PartitionValues>,
    task: &Arc<TaskContext>,
) -> Result<usize> {
    let table = pin.table_for(name, Privilege::Update).await?;
    if let Some(values) = only.filter(|values| table.snapshot.state.open_partition(values).is_none()) {
        let schema = table.snapshot.state.schema()?;
        let levels = schema.partition_columns.iter().map(|column| column.name.as_str());
        return Err(Error::new(
            Code::PartitionNotFound,
            format!(
                "table {name} has no partition {}: LIST PARTITIONS {name} lists those that it has",
                values.spec(levels)
            ),
        ));
    }
    let mut done = 0;
    let partitions: Vec<_> = table
        .snapshot
        .state
        .open_partitions()
        .filter(|entry| only.is_none_or(|values| entry.values == *values))
        .cloned()
        .collect();
    for partition in partitions {
        done += usize::from(compact_partition(pin, &table, &partition, task).await?);
    }
    Ok(done)
}

async fn compact_partition(
    pin: &Pin,
    table: &PinnedTable,
    partition: &PartitionEntry,
    task: &Arc<TaskContext>,
) -> Result<bool> {
    let mut table = table.clone();
    for attempt in 1.. {
        match try_partition(pin, &table, partition, task).await {
            Err(error) if error.code() == Code::Conflict && attempt < ATTEMPTS => {
                table.snapshot = table.log.snapshot().await?;
            }
            other => return other,
        }
    }
    Err(Error::internal("a compaction without an end"))
}

async fn try_partition(
    pin: &Pin,
    table: &PinnedTable,
    partition: &PartitionEntry,
    task: &Arc<TaskContext>,
) -> Result<bool> {
    let state = &table.snapshot.state;
    let schema = state.schema()?;
    let inputs: Vec<Arc<FileEntry>> =
        state.visible_at(table.snapshot.lsn).into_iter().filter(|entry| entry.partition == partition.id).collect();
    if !is_worth(&inputs) {
        return Ok(false);
    }
    let warehouse = pin.warehouse();
    let rows = SortedRequest {
        table_name: table.name.to_string().into(),
        table: table.id,
        schema: Arc::clone(&schema),
        files: inputs.clone(),
        with_tombstones: false,
    };
    let rows = warehouse.scanner().sorted_stream(task, rows).await?;
    let rows = with_partition_values(rows, &schema, &partition.values)?;
    let request = WriteRequest {
        store: warehouse.store().clone(),
        table: table.id,
        table_name: table.name.to_string(),
        schema: Arc::clone(&schema),
        buckets: properties::buckets(state),
        duplicates: Duplicates::KeepLast,
        kind: Arc::new(|_: &PartitionValues| FileKind::Base),
        sorted: true,
        limits: Limits::default(),
    };
    let written = write(request, rows, Arc::clone(task)).await?;
    let begun: Vec<_> = written.files.iter().map(|written| written.begun).collect();
    let ids: Vec<_> = inputs.iter().map(|entry| entry.file.id).collect();
    let outputs = written.files.into_iter().map(|written| written.file).collect();
    let draft = plan::compact(&table.snapshot, &ids, outputs)?;
    let name = table.name.to_string();
    let plan = move |head: &TableSnapshot| draft.plan(head, &name);
    let options = warehouse.file_options(pin.caller(), Operation::Compact, begun);
    table.log.commit(table.snapshot.clone(), options, plan).await?;
    Ok(true)
}

/// One base file, or none, is as compact as can be; so are base files that don't overlap, but those are cheap to keep.
fn is_worth(inputs: &[Arc<FileEntry>]) -> bool {
    inputs.len() > 1 || inputs.iter().any(|entry| entry.file.kind == FileKind::Delta)
}

/// The rows with their partition's values as the last columns, as the writer wants them.
fn with_partition_values(
    rows: SendableRecordBatchStream,
    schema: &TableSchema,
    values: &PartitionValues,
) -> Result<SendableRecordBatchStream> {
    if schema.partition_columns.is_empty() {
        return Ok(rows);
    }
    let constants = schema
        .partition_columns
        .iter()
        .zip(&values.0)
        .map(|(column, value)| text::from_text(&[Some(value)], &column.data_type))
        .collect::<Result<Vec<_>>>()?;
    let out = schema.arrow();
    let to = Arc::clone(&out);
    let rows = rows.map(move |batch| {
        let batch = batch?;
        let indices = UInt64Array::from(vec![0; batch.num_rows()]);
        let mut columns = batch.columns().to_vec();
        for constant in &constants {
            columns.push(take(constant, &indices, None)?);
        }
        Ok(RecordBatch::try_new(Arc::clone(&to), columns)?)
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(out, rows)))
}
