//! L3, writing: rows into sorted Parquet files that no log knows yet.
//!
//! Keeps invariant 4: a file is sorted by key and holds a key at most once, and so do all files that one write makes in
//! one partition. Works in DataFusion's memory pool and spills to its disks. It must not know what is committed, and by
//! whom: files whose write fails, or is dropped, are garbage that nothing refers to.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};

use crate::error::Error;
use crate::store::layout::{self, DataFileKind};
use crate::store::{FileId, Path, Store, TableId, Timestamp};
use crate::table::{DataFile, FileKind, PartitionValues, TableSchema};

pub(crate) mod changes;
mod check;
mod cut;
mod dedup;
mod file;
mod partition;
mod shape;
mod sort;
mod stats;
mod upload;

use check::Check;
use dedup::Dedup;
use file::Place;
use partition::Files;
use shape::Shape;

/// The kind of file that a partition gets: base files where it is empty or is replaced, else delta files.
pub type KindOf = Arc<dyn Fn(&PartitionValues) -> FileKind + Send + Sync>;

/// What happens where a key of a partition comes twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// The last to arrive stays.
    KeepLast,
    /// Two rows are an error that names the statement, `UPDATE` or `MERGE`. A row stays beside a tombstone of its key.
    Refuse(&'static str),
}

/// How large things grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// About the bytes of a file, but later files of a partition may have more.
    pub file_bytes: u64,
    /// The rows of a row group.
    pub group_rows: usize,
    /// About the bytes in memory of a row group.
    pub group_bytes: usize,
    /// Up to so many bytes, a file is one put.
    pub single_put: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_bytes: 128 << 20, group_rows: 1 << 20, group_bytes: 128 << 20, single_put: 8 << 20 }
    }
}

impl Limits {
    /// The same or less, so that an open file and its upload fit into the pool beside a sort.
    fn within(self, pool: &Arc<dyn MemoryPool>) -> Self {
        let Some(bytes) = cut::limit(pool) else { return self };
        Self {
            group_bytes: self.group_bytes.min((bytes / 16).max(1 << 20)),
            single_put: self.single_put.min((bytes / 10).max(1 << 20)),
            ..self
        }
    }
}

/// What is to be written, and how.
#[derive(Clone)]
pub struct WriteRequest {
    /// Where to.
    pub store: Store,
    /// The table in whose folder the files go.
    pub table: TableId,
    /// Its name, for messages.
    pub table_name: String,
    /// Its schema.
    pub schema: Arc<TableSchema>,
    /// Into how many files one partition is split at the most.
    pub buckets: u64,
    /// What happens where a key comes twice.
    pub duplicates: Duplicates,
    /// The kind of file that a partition gets.
    pub kind: KindOf,
    /// Whether the rows come by partition, key and arrival already. An error where that isn't true.
    pub sorted: bool,
    /// How large things grow.
    pub limits: Limits,
}

impl fmt::Debug for WriteRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteRequest")
            .field("table", &self.table_name)
            .field("duplicates", &self.duplicates)
            .field("sorted", &self.sorted)
            .finish_non_exhaustive()
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The files, by partition and key.
    pub files: Vec<WrittenFile>,
    /// The rows that came in, duplicates and tombstones included.
    pub rows: u64,
    /// The partitions of the rows that came in, in order, also those that got no file.
    pub partitions: Vec<PartitionValues>,
}

/// A file and its partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenFile {
    /// The partition's values.
    pub values: PartitionValues,
    /// The file.
    pub file: DataFile,
    /// When writing it began.
    pub begun: Timestamp,
}

/// Writes the rows: the table's columns in order, the partition columns, and where there are any the Boolean column
/// `__tt_tombstone`; a row where that is true needs its key and partition only. What [`changes`] makes says more than
/// that, and is held to more: of each key one row that was there, and one that stays.
///
/// Nothing refers to the files until a commit does. On an error those that were written are deleted, as far as possible.
///
/// # Errors
/// Those of the input as they are; ours inside [`DataFusionError::External`](datafusion::common::DataFusionError):
/// [`Code::ConstraintViolation`](crate::Code::ConstraintViolation) where a row breaks a constraint or, if that is asked
/// for, a key stands twice, [`Code::InvalidArgument`](crate::Code::InvalidArgument) where a value can't be cast; those of
/// the store; and DataFusion's own where memory or disk don't suffice.
pub async fn write(request: WriteRequest, input: SendableRecordBatchStream, task: Arc<TaskContext>) -> Result<Written> {
    let sorts = !request.sorted && (request.schema.is_keyed() || !request.schema.partition_columns.is_empty());
    let shape = Arc::new(Shape::new(&request.schema, &input.schema(), sorts)?);
    if shape.tombstone.is_some() && !request.schema.is_keyed() {
        return Err(Error::internal(format!("tombstones for table {}, which has no key", request.table_name)).into());
    }
    let place = Place {
        store: request.store.clone(),
        table: request.table,
        schema: Arc::clone(&request.schema),
        limits: request.limits.within(task.memory_pool()),
        pool: Arc::clone(task.memory_pool()),
    };
    let mut files = Files::new(place, Arc::clone(&shape), Arc::clone(&request.kind), request.buckets);
    match write_all(&request, &shape, input, task, sorts, &mut files).await {
        Ok(written) => Ok(written),
        Err(error) => {
            files.abandon().await;
            Err(error)
        }
    }
}

async fn write_all(
    request: &WriteRequest,
    shape: &Arc<Shape>,
    input: SendableRecordBatchStream,
    task: Arc<TaskContext>,
    sorts: bool,
    files: &mut Files,
) -> Result<Written> {
    let count = Arc::new(AtomicU64::new(0));
    let check = Check::new(Arc::clone(shape), request.table_name.clone(), Arc::clone(&count));
    // Cut before the check, which may copy, and again after it, because other types may be wider.
    let piece = cut::piece_bytes(task.memory_pool());
    let pieces = move |batch| stream::iter(cut::slices(batch, piece).into_iter().map(Ok));
    let checked = input
        .map_ok(pieces)
        .try_flatten()
        .map(move |batch: Result<RecordBatch>| Ok::<_, DataFusionError>(check.batch(&batch?)?))
        .map_ok(pieces)
        .try_flatten()
        .map(|batch| cut::owned(batch?));
    let mut rows: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&shape.rows), checked));
    if sorts {
        let by = sort::ordering(shape, matches!(request.duplicates, Duplicates::Refuse(_)));
        rows = sort::sort(rows, &by, piece, task).await?;
    }
    let mut dedup = Dedup::new(Arc::clone(shape), request.table_name.clone(), request.duplicates, request.sorted);
    while let Some(batch) = rows.try_next().await? {
        if let Some(batch) = dedup.push(batch)? {
            files.push(&batch).await?;
        }
    }
    if let Some(batch) = dedup.finish()? {
        files.push(&batch).await?;
    }
    let (files, partitions) = files.finish().await?;
    Ok(Written { files, rows: count.load(Ordering::Relaxed), partitions })
}

/// Deletes files that no commit refers to, nor was tried to: never where a commit's outcome isn't known (invariant 12).
/// What the store doesn't delete now, a sweep will.
pub async fn cleanup(store: &Store, table: TableId, files: &[WrittenFile]) {
    let paths: Vec<Path> = files.iter().map(|written| data_path(table, written.file.id, written.file.kind)).collect();
    delete(store, &paths).await;
}

async fn delete(store: &Store, paths: &[Path]) {
    for path in paths {
        if let Err(error) = store.delete(path).await {
            tracing::warn!(%error, "a file that nothing refers to stays until VACUUM");
        }
    }
}

/// The path of a data file in the warehouse.
fn data_path(table: TableId, id: FileId, kind: FileKind) -> Path {
    let kind = match kind {
        FileKind::Base => DataFileKind::Base,
        FileKind::Delta => DataFileKind::Delta,
    };
    layout::data_file(table, id, kind)
}

#[cfg(test)]
mod tests;
