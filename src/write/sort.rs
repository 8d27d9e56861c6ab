//! Rows in the order of the files: by partition, key and arrival.
//!
//! Few rows are sorted here, in memory that is reserved; many by DataFusion's sort, which spills to disk. It works in
//! batches of so many rows, so how many is decided by how wide they are.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::compute::{SortColumn, SortOptions, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::{RecordBatchReceiverStream, RecordBatchStreamAdapter};
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::{StreamExt, TryStreamExt};

use super::cut;
use super::shape::Shape;
use crate::error::Error;

/// Up to so many bytes are sorted in memory.
const SMALL: usize = 8 << 20;

/// What the writers of the rows need at the least: an upload in its smallest parts, and a row group.
const ASIDE: usize = 14 << 20;

/// By which columns rows are sorted, and in which direction.
///
/// Where duplicates are refused, tombstones come first within a key, so that the row beside them is the last.
pub(super) fn ordering(shape: &Shape, tombstones_first: bool) -> Vec<(usize, SortOptions)> {
    let mut by: Vec<_> = shape.groups().into_iter().map(|at| (at, SortOptions::default())).collect();
    if by.is_empty() {
        return by;
    }
    if tombstones_first {
        by.extend(shape.tombstone.map(|at| (at, SortOptions { descending: true, nulls_first: false })));
    }
    by.extend(shape.number.map(|at| (at, SortOptions::default())));
    by
}

/// The rows, sorted, in batches of about `piece` bytes at the most, as they come in.
pub(super) async fn sort(
    mut rows: SendableRecordBatchStream,
    by: &[(usize, SortOptions)],
    piece: usize,
    task: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let schema = rows.schema();
    let reservation = MemoryConsumer::new("timetravel write: small sort").register(task.memory_pool());
    let mut held = vec![];
    let mut bytes = 0;
    while let Some(batch) = rows.try_next().await? {
        // Sorting takes the rows twice: as they came and as they go.
        let size = get_record_batch_memory_size(&batch);
        let fits = bytes + size <= SMALL && reservation.try_grow(2 * size).is_ok();
        held.push(batch);
        bytes += size;
        if !fits {
            reservation.free();
            let task = with_batches_of(rows_of(&held, piece, &task), &task);
            let all = futures::stream::iter(held.into_iter().map(Ok)).chain(rows);
            return sort_many(Box::pin(RecordBatchStreamAdapter::new(schema, all)), by, task);
        }
    }
    let size = rows_of(&held, piece, &task);
    let sorted = sort_few(&schema, &held, by)?;
    drop(held);
    Ok(slices(sorted, size, reservation))
}

/// How many rows make a piece, as far as these tell. Where others are much wider, DataFusion's sort makes its batches
/// smaller as it merges what it spilled.
fn rows_of(held: &[RecordBatch], piece: usize, task: &TaskContext) -> usize {
    let rows: usize = held.iter().map(RecordBatch::num_rows).sum();
    let bytes: usize = held.iter().map(cut::used).sum();
    (piece / (bytes / rows.max(1)).max(1)).clamp(1, task.session_config().batch_size().max(1))
}

/// The same task with batches of so many rows. Of a small pool less is set aside for merging.
fn with_batches_of(rows: usize, task: &TaskContext) -> Arc<TaskContext> {
    let mut config = task.session_config().clone().with_batch_size(rows);
    if let Some(bytes) = cut::limit(task.memory_pool()) {
        let aside = &mut config.options_mut().execution.sort_spill_reservation_bytes;
        *aside = (*aside).min(bytes / 4);
    }
    Arc::new(TaskContext::default().with_session_config(config).with_runtime(task.runtime_env()))
}

fn sort_few(schema: &SchemaRef, held: &[RecordBatch], by: &[(usize, SortOptions)]) -> Result<RecordBatch> {
    let all = concat_batches(schema, held)?;
    let columns: Vec<SortColumn> = by
        .iter()
        .filter_map(|(at, options)| {
            Some(SortColumn { values: Arc::clone(all.columns().get(*at)?), options: Some(*options) })
        })
        .collect();
    let indices = lexsort_to_indices(&columns, None)?;
    Ok(take_record_batch(&all, &indices)?)
}

/// The batch in pieces; the reservation lives until the last is taken.
fn slices(batch: RecordBatch, size: usize, reservation: MemoryReservation) -> SendableRecordBatchStream {
    let schema = batch.schema();
    let pieces = futures::stream::unfold((batch, 0, reservation), move |(batch, at, reservation)| async move {
        let length = size.max(1).min(batch.num_rows() - at);
        (length > 0).then(|| (Ok(batch.slice(at, length)), (batch, at + length, reservation)))
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, pieces))
}

fn sort_many(
    rows: SendableRecordBatchStream,
    by: &[(usize, SortOptions)],
    task: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let schema = rows.schema();
    let expression = |(at, options): &(usize, SortOptions)| {
        let name = schema.fields().get(*at).map(|field| field.name().as_str()).unwrap_or_default();
        PhysicalSortExpr::new(Arc::new(Column::new(name, *at)), *options)
    };
    let ordering = LexOrdering::new(by.iter().map(expression)).ok_or_else(|| Error::internal("a sort by nothing"))?;
    let once: Arc<dyn PartitionStream> = Arc::new(Once { schema: Arc::clone(&schema), rows: Mutex::new(Some(rows)) });
    let source = StreamingTableExec::try_new(Arc::clone(&schema), vec![once], None, [], false, None)?;
    // A merge of what was spilled takes all memory that there is. It begins with the first batch that it gives, and until
    // then some is kept for those who write the rows.
    let aside = MemoryConsumer::new("timetravel write: set aside").register(task.memory_pool());
    if let Some(bytes) = cut::limit(task.memory_pool()) {
        // Where that is not there any more, they must do with what is.
        drop(aside.try_grow((bytes / 5 * 2).clamp(ASIDE, 64 << 20).min(bytes / 2)));
    }
    let mut sorted = SortExec::new(ordering, Arc::new(source)).execute(0, task)?;
    // Merging and encoding are both work for a processor, so they run side by side. Dropping the stream ends the task.
    let mut beside = RecordBatchReceiverStream::builder(schema, 2);
    let sender = beside.tx();
    beside.spawn(async move {
        while let Some(batch) = sorted.next().await {
            aside.free();
            if sender.send(batch).await.is_err() {
                break;
            }
        }
        Ok(())
    });
    Ok(beside.build())
}

/// A stream as a source of a plan that runs once.
struct Once {
    schema: SchemaRef,
    rows: Mutex<Option<SendableRecordBatchStream>>,
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).take();
        rows.unwrap_or_else(|| {
            let error = futures::stream::once(async { Err(Error::internal("rows to write are read twice").into()) });
            Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), error))
        })
    }
}
