//! What both kinds of compaction share: the chosen files are read in key order, written again, and committed together.
//!
//! A statement is one commit for all its partitions, unless it reads very much: then there is one from time to time, so
//! that a crash doesn't lose all of the work.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, UInt64Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{FieldRef, Schema};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

use super::{Choose, Compacted, Compaction, Inputs, bytes};
use crate::error::{Code, Result};
use crate::log::Operation;
use crate::ops::plan::{self, Draft};
use crate::ops::{Pin, PinnedTable};
use crate::scan::{PartitionFiles, SortedRequest, visible};
use crate::table::{PartitionValues, TableSchema, TableSnapshot, properties, text};
use crate::write::{Duplicates, Limits, WriteRequest, WrittenFile, cleanup, write};

/// How often a compaction is planned again after a conflict.
const ATTEMPTS: usize = 5;

/// From so many bytes of inputs on, what was written is committed before more is.
const COMMIT_BYTES: u64 = 4 << 30;

/// The same for files, old and new: each is a line of the commit.
const COMMIT_FILES: usize = 10_000;

/// A partition to compact.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) partition: PartitionValues,
    pub(super) kind: Compaction,
    pub(super) choose: Choose,
}

/// A partition that was written again, and isn't committed yet.
struct Rewritten {
    job: Job,
    drafts: Vec<Draft>,
    inputs: usize,
    bytes: u64,
    files: Vec<WrittenFile>,
}

/// Does the jobs. What another writer changed meanwhile is planned again, the rest is kept.
pub(super) async fn rewrite(
    pin: &Pin,
    table: PinnedTable,
    jobs: Vec<Job>,
    task: &Arc<TaskContext>,
) -> Result<Vec<Compacted>> {
    let mut table = table;
    let mut todo = VecDeque::from(jobs);
    let mut written: Vec<Rewritten> = vec![];
    let mut done = vec![];
    let mut conflicts = 0;
    loop {
        let mut partitions = by_values(&table.snapshot);
        while has_room(&written) {
            let Some(job) = todo.pop_front() else { break };
            let Some(files) = partitions.remove(&job.partition) else { continue };
            // On the heap: the futures of a build without optimisation would fill a thread's stack together.
            match Box::pin(one(pin, &table, job, files, task)).await {
                Ok(rewritten) => written.extend(rewritten),
                Err(error) => {
                    discard(pin, &table, &written).await;
                    return Err(error);
                }
            }
        }
        if written.is_empty() {
            return Ok(done);
        }
        let drafts: Vec<Draft> = written.iter().flat_map(|rewritten| rewritten.drafts.clone()).collect();
        let name = table.name.to_string();
        let plan = move |head: &TableSnapshot| Draft::plan_all(&drafts, head, &name);
        let begun = written.iter().flat_map(|rewritten| &rewritten.files).map(|file| file.begun);
        let options = pin.warehouse().file_options(pin.caller(), Operation::Compact, begun);
        match table.log.commit(table.snapshot.clone(), options, plan).await {
            Ok(committed) => {
                conflicts = 0;
                table.snapshot = committed.snapshot;
                let lsn = committed.lsn.unwrap_or(table.snapshot.lsn);
                done.extend(written.drain(..).map(|rewritten| Compacted {
                    table: table.name.clone(),
                    partition: rewritten.job.partition,
                    kind: rewritten.job.kind,
                    lsn,
                    inputs: rewritten.inputs,
                    outputs: rewritten.files.len(),
                }));
            }
            // Nothing was tried to be committed, so nothing can refer to the files.
            Err(error) if matches!(error.code(), Code::Conflict | Code::TableDropped) => {
                conflicts += 1;
                if error.code() != Code::Conflict || conflicts >= ATTEMPTS {
                    discard(pin, &table, &written).await;
                    return Err(error);
                }
                table.snapshot = table.log.snapshot().await?;
                let name = table.name.to_string();
                let fits = |rewritten: &Rewritten| Draft::plan_all(&rewritten.drafts, &table.snapshot, &name).is_ok();
                let (kept, lost): (Vec<_>, Vec<_>) = written.into_iter().partition(fits);
                discard(pin, &table, &lost).await;
                todo.extend(lost.into_iter().map(|rewritten| rewritten.job));
                written = kept;
            }
            // Whether the commit is there may not be known: the files stay (invariant 12).
            Err(error) => return Err(error),
        }
    }
}

fn has_room(written: &[Rewritten]) -> bool {
    let bytes: u64 = written.iter().map(|rewritten| rewritten.bytes).sum();
    let files: usize = written.iter().map(|rewritten| rewritten.inputs + rewritten.files.len()).sum();
    bytes < COMMIT_BYTES && files < COMMIT_FILES
}

fn by_values(snapshot: &TableSnapshot) -> BTreeMap<PartitionValues, PartitionFiles> {
    let partitions = visible(&snapshot.state, snapshot.lsn).into_iter();
    partitions.map(|files| (files.partition.values.clone(), files)).collect()
}

async fn discard(pin: &Pin, table: &PinnedTable, written: &[Rewritten]) {
    for rewritten in written {
        cleanup(pin.warehouse().store(), table.id, &rewritten.files).await;
    }
}

/// Writes one partition again; none where there is nothing to do.
async fn one(
    pin: &Pin,
    table: &PinnedTable,
    job: Job,
    partition: PartitionFiles,
    task: &Arc<TaskContext>,
) -> Result<Option<Rewritten>> {
    let keyed = table.snapshot.state.schema()?.is_keyed();
    let chosen = (job.choose)(&partition.files, keyed);
    let mut rewritten = Rewritten { job, drafts: vec![], inputs: 0, bytes: 0, files: vec![] };
    for inputs in chosen {
        match Box::pin(run(pin, table, &inputs, &partition.partition.values, task)).await {
            Ok((draft, files)) => {
                rewritten.drafts.push(draft);
                rewritten.files.extend(files);
                rewritten.inputs += inputs.files.len();
                rewritten.bytes += bytes(&inputs.files);
            }
            Err(error) => {
                discard(pin, table, &[rewritten]).await;
                return Err(error);
            }
        }
    }
    Ok(Some(rewritten).filter(|rewritten| !rewritten.drafts.is_empty()))
}

async fn run(
    pin: &Pin,
    table: &PinnedTable,
    inputs: &Inputs,
    values: &PartitionValues,
    task: &Arc<TaskContext>,
) -> Result<(Draft, Vec<WrittenFile>)> {
    let state = &table.snapshot.state;
    let schema = state.schema()?;
    let warehouse = pin.warehouse();
    let rows = SortedRequest {
        table_name: table.name.to_string().into(),
        table: table.id,
        schema: Arc::clone(&schema),
        files: inputs.files.clone(),
        with_tombstones: inputs.keeps_tombstones,
    };
    let rows = Box::pin(warehouse.scanner().sorted_stream(task, rows)).await?;
    let rows = with_partition_values(rows, &schema, values)?;
    let kind = inputs.into;
    let request = WriteRequest {
        store: warehouse.store().clone(),
        table: table.id,
        table_name: table.name.to_string(),
        schema: Arc::clone(&schema),
        buckets: properties::buckets(state),
        duplicates: Duplicates::KeepLast,
        kind: Arc::new(move |_: &PartitionValues| kind),
        sorted: true,
        limits: Limits::default(),
    };
    let written = Box::pin(write(request, rows, Arc::clone(task))).await?;
    let ids: Vec<_> = inputs.files.iter().map(|entry| entry.file.id).collect();
    let outputs = written.files.iter().map(|written| written.file.clone()).collect();
    match plan::compact(&table.snapshot, &ids, outputs) {
        Ok(draft) => Ok((draft, written.files)),
        Err(error) => {
            cleanup(warehouse.store(), table.id, &written.files).await;
            Err(error)
        }
    }
}

/// The rows with their partition's values after the table's columns, as the writer wants them.
pub(in crate::ops) fn with_partition_values(
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
    let at = schema.columns.len();
    let given = rows.schema();
    let mut fields: Vec<FieldRef> = given.fields().iter().cloned().collect();
    let marks = fields.split_off(at.min(fields.len()));
    fields.extend(schema.partition_columns.iter().map(|column| Arc::new(column.field())));
    fields.extend(marks);
    let out = Arc::new(Schema::new(fields));
    let to = Arc::clone(&out);
    let rows = rows.map(move |batch| {
        let batch = batch?;
        let indices = UInt64Array::from(vec![0; batch.num_rows()]);
        let mut columns = batch.columns().to_vec();
        let marks = columns.split_off(at.min(columns.len()));
        for constant in &constants {
            columns.push(take(constant, &indices, None)?);
        }
        columns.extend(marks);
        Ok(RecordBatch::try_new(Arc::clone(&to), columns)?)
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(out, rows)))
}
