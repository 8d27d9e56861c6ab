//! The rows of one partition's files as one stream in key order, for whoever writes them again.
//!
//! Every file is verified before, large ones too: what is written again would get a digest that fits.
//!
//! Holds one batch per commit whose files overlap, and makes batches small where there are many or rows are wide. Files
//! are opened when it is their turn.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::{Field, SchemaRef};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::EmptyRecordBatchStream;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::sorts::streaming_merge::StreamingMergeBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};

use super::Scanner;
use crate::error::{Code, Error};
use crate::merge::{DataFiles, DataReader, MergeCache, MergeGroup, RowSet, Verify, root_of, selection};
use crate::store::TableId;
use crate::table::{ColumnId, FileEntry, TOMBSTONE, TOMBSTONE_ID, TableSchema};

/// About the bytes that the batches of a merge take at the most.
const BATCHES: usize = 64 << 20;
/// About the bytes of one of them at the most.
const BATCH: usize = 1 << 20;

/// Which rows, and how.
#[derive(Debug, Clone)]
pub(crate) struct SortedRequest {
    /// What messages call the table.
    pub(crate) table_name: Arc<str>,
    /// The table.
    pub(crate) table: TableId,
    /// The columns that come out.
    pub(crate) schema: Arc<TableSchema>,
    /// Files of one partition.
    pub(crate) files: Vec<Arc<FileEntry>>,
    /// Whether tombstones that are the newest of their key among the files come out too.
    pub(crate) with_tombstones: bool,
}

/// Some rows of one file.
#[derive(Debug, Clone)]
pub(crate) struct KeptRequest {
    /// What messages call the table.
    pub(crate) table_name: Arc<str>,
    /// The table.
    pub(crate) table: TableId,
    /// The columns that come out.
    pub(crate) schema: Arc<TableSchema>,
    /// The file.
    pub(crate) file: Arc<FileEntry>,
    /// A bit per row of the file.
    pub(crate) rows: BooleanBuffer,
}

impl Scanner {
    /// Some rows of one file, in its order, in the schema of a base file.
    pub(crate) async fn kept_stream(
        &self,
        task: &Arc<TaskContext>,
        request: &KeptRequest,
    ) -> Result<SendableRecordBatchStream> {
        let schema = request.schema.base_file();
        let file = std::slice::from_ref(&request.file);
        let groups = self.groups(&request.table_name, request.table, &request.schema, file)?;
        let Some(group) = groups.first() else { return Ok(Box::pin(EmptyRecordBatchStream::new(schema))) };
        let read = self.read(task, schema, false);
        let width = width_of(&*read.files.footer(&group.source, &request.file.file, false).await?);
        Ok(read.file(group, Arc::clone(&request.file), Some(request.rows.clone()), read.batch_rows(1, width)))
    }

    /// The rows of the files that are alive among them, by key; of a table without a key by order of the files. The
    /// schema is that of a base file, or with tombstones that of a delta file.
    pub(crate) async fn sorted_stream(
        &self,
        task: &Arc<TaskContext>,
        request: SortedRequest,
    ) -> Result<SendableRecordBatchStream> {
        let schema = if request.with_tombstones { request.schema.delta_file() } else { request.schema.base_file() };
        let mut files = request.files.clone();
        files.sort_by_key(|entry| (entry.order, entry.file.id));
        // Groups come by key and don't overlap; without a key a group is a file.
        let groups = self.groups(&request.table_name, request.table, &request.schema, &files)?;
        let read = self.read(task, Arc::clone(&schema), request.with_tombstones);
        let rows = stream::iter(groups).then(move |group| {
            let read = read.clone();
            async move { read.group(&group).await }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows.try_flatten())))
    }

    fn read(&self, task: &Arc<TaskContext>, schema: SchemaRef, with_tombstones: bool) -> Read {
        let (files, cache) = (self.files.verifying(Verify::Always), Arc::clone(&self.cache));
        Read { files, cache, task: Arc::clone(task), schema, with_tombstones }
    }
}

/// How the files of a request are read.
#[derive(Debug, Clone)]
struct Read {
    files: Arc<DataFiles>,
    cache: Arc<MergeCache>,
    task: Arc<TaskContext>,
    schema: SchemaRef,
    with_tombstones: bool,
}

impl Read {
    async fn group(&self, group: &Arc<MergeGroup>) -> Result<SendableRecordBatchStream> {
        let resolution =
            if group.needs_resolution() { Some(self.cache.resolve(&self.files, group).await?) } else { None };
        let rows_of = |entry: &FileEntry| -> RowSet {
            let rows = resolution.as_ref().and_then(|resolution| resolution.files.get(&entry.file.id))?;
            if self.with_tombstones { rows.newest.clone() } else { rows.alive.clone() }
        };
        let mut chains = vec![];
        let mut width = 0;
        for files in group.rows_of_files() {
            let mut chain = vec![];
            for entry in files {
                let rows = rows_of(&entry);
                if entry.file.rows > 0 && rows.as_ref().is_none_or(|bits| bits.count_set_bits() > 0) {
                    width = width.max(width_of(&*self.files.footer(&group.source, &entry.file, false).await?));
                    chain.push((entry, rows));
                }
            }
            if !chain.is_empty() {
                chains.push(chain);
            }
        }
        let batch_rows = self.batch_rows(chains.len(), width);
        let mut streams: Vec<SendableRecordBatchStream> = vec![];
        for chain in chains {
            let files = chain.into_iter().map(|(entry, rows)| self.file(group, entry, rows, batch_rows));
            let one_by_one = stream::iter(files.collect::<Vec<_>>()).flatten();
            streams.push(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), one_by_one)));
        }
        if streams.len() < 2 {
            let none = || Box::pin(EmptyRecordBatchStream::new(Arc::clone(&self.schema))) as SendableRecordBatchStream;
            return Ok(streams.pop().unwrap_or_else(none));
        }
        let keys = group.schema.key_positions().into_iter().map(|at| {
            let name = group.schema.columns.get(at).map_or("", |column| &column.name);
            PhysicalSortExpr::new_default(Arc::new(Column::new(name, at)))
        });
        let order = LexOrdering::new(keys).ok_or_else(|| Error::internal("files without a key can't be merged"))?;
        StreamingMergeBuilder::new()
            .with_streams(streams)
            .with_schema(Arc::clone(&self.schema))
            .with_expressions(&order)
            .with_batch_size(batch_rows)
            .with_metrics(BaselineMetrics::new(&ExecutionPlanMetricsSet::new(), 0))
            .with_reservation(MemoryConsumer::new("timetravel merge").register(self.task.memory_pool()))
            .build()
    }

    /// The rows of a batch, so that twice a batch of every stream takes no more than a part of the memory.
    fn batch_rows(&self, streams: usize, width: u64) -> usize {
        let pool = match self.task.memory_pool().memory_limit() {
            MemoryLimit::Finite(bytes) => bytes / 8,
            _ => BATCHES,
        };
        let bytes = (pool.min(BATCHES) / (2 * streams.max(1))).min(BATCH);
        let rows = bytes as u64 / width.max(1);
        usize::try_from(rows).unwrap_or(usize::MAX).clamp(1, self.task.session_config().batch_size().max(1))
    }

    fn file(
        &self,
        group: &Arc<MergeGroup>,
        entry: Arc<FileEntry>,
        rows: RowSet,
        batch_size: usize,
    ) -> SendableRecordBatchStream {
        let (files, group) = (Arc::clone(&self.files), Arc::clone(group));
        let wanted = Arc::clone(&self.schema);
        let opening = async move {
            let failed = |error: parquet::errors::ParquetError| DataFusionError::from(error);
            let footer = files.footer(&group.source, &entry.file, false).await?;
            let parquet = footer.file_metadata().schema_descr_ptr();
            let fields = parquet.root_schema().get_fields();
            let ids = group
                .schema
                .columns
                .iter()
                .map(|column| column.id)
                .chain([ColumnId(TOMBSTONE_ID)])
                .take(wanted.fields().len());
            let roots: Vec<Option<usize>> = ids.map(|id| root_of(fields, &entry.file, id)).collect();
            let mut sorted: Vec<usize> = roots.iter().flatten().copied().collect();
            sorted.sort_unstable();
            let columns: Vec<Option<usize>> =
                roots.iter().map(|root| root.map(|root| sorted.partition_point(|other| *other < root))).collect();
            let metadata = ArrowReaderMetadata::try_new(footer, ArrowReaderOptions::new()).map_err(failed)?;
            let reader =
                DataReader { files, source: group.source.clone(), file: Arc::clone(&entry.file), page_index: false };
            let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata)
                .with_projection(ProjectionMask::roots(&parquet, sorted))
                .with_batch_size(batch_size);
            if let Some(bits) = rows {
                builder = builder.with_row_selection(selection(&bits));
            }
            let batches = builder.build().map_err(failed)?.map_err(DataFusionError::from);
            Ok::<_, DataFusionError>(batches.and_then(move |batch| {
                let shaped = shape(&batch, &columns, &wanted);
                async move { shaped }
            }))
        };
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream::once(opening).try_flatten()))
    }
}

/// About the bytes of a row in memory, of the row group where they are the most. What a dictionary saves is not saved
/// here, so texts are counted as long as they are.
fn width_of(footer: &ParquetMetaData) -> u64 {
    let bytes = |column: &ColumnChunkMetaData| {
        let encoded = column.uncompressed_size().unsigned_abs();
        encoded.max(column.unencoded_byte_array_data_bytes().unwrap_or_default().unsigned_abs())
    };
    let group = |group: &RowGroupMetaData| {
        group.columns().iter().map(bytes).sum::<u64>().div_ceil(group.num_rows().unsigned_abs().max(1))
    };
    footer.row_groups().iter().map(group).max().unwrap_or_default()
}

/// The columns of the batch as the schema has them: cast where widened, NULL where the file lacks one.
fn shape(batch: &RecordBatch, columns: &[Option<usize>], schema: &SchemaRef) -> Result<RecordBatch> {
    let shaped = columns.iter().zip(schema.fields()).map(|(at, field)| {
        let Some(column) = at.and_then(|at| batch.columns().get(at)) else {
            return absent(field, batch.num_rows());
        };
        if column.data_type() == field.data_type() {
            Ok(Arc::clone(column))
        } else {
            Ok(cast(column, field.data_type())?)
        }
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), shaped.collect::<Result<Vec<_>>>()?, &options)?)
}

fn absent(field: &Field, rows: usize) -> Result<ArrayRef> {
    if field.name() == TOMBSTONE {
        return Ok(Arc::new(BooleanArray::from(vec![false; rows])));
    }
    if !field.is_nullable() {
        return Err(Error::new(
            Code::Corrupt,
            format!("a data file lacks the column {:?}, which takes no NULL", field.name()),
        )
        .into());
    }
    Ok(new_null_array(field.data_type(), rows))
}
