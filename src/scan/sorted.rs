//! The rows of one partition's files as one stream in key order, for whoever writes them again.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::{Field, SchemaRef};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryConsumer;
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

use super::Scanner;
use crate::error::{Code, Error};
use crate::merge::{DataReader, MergeGroup, RowSet, root_of, selection};
use crate::store::TableId;
use crate::table::{ColumnId, FileEntry, TOMBSTONE, TOMBSTONE_ID, TableSchema};

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
    pub(crate) fn kept_stream(
        &self,
        task: &Arc<TaskContext>,
        request: &KeptRequest,
    ) -> Result<SendableRecordBatchStream> {
        let schema = request.schema.base_file();
        let file = std::slice::from_ref(&request.file);
        let groups = self.groups(&request.table_name, request.table, &request.schema, file)?;
        let Some(group) = groups.first() else { return Ok(Box::pin(EmptyRecordBatchStream::new(schema))) };
        Ok(self.file_stream(task, group, &request.file, Some(request.rows.clone()), &schema))
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
        let groups = self.groups(&request.table_name, request.table, &request.schema, &files)?;
        let mut streams = vec![];
        for group in groups {
            let resolution =
                if group.needs_resolution() { Some(self.cache.resolve(&self.files, &group).await?) } else { None };
            for entry in group.files() {
                let rows = resolution.as_ref().and_then(|resolution| resolution.files.get(&entry.file.id));
                let rows = rows
                    .and_then(|rows| if request.with_tombstones { rows.newest.clone() } else { rows.alive.clone() });
                if entry.file.rows == 0 || rows.as_ref().is_some_and(|bits| bits.count_set_bits() == 0) {
                    continue;
                }
                streams.push(self.file_stream(task, &group, entry, rows, &schema));
            }
        }
        if streams.is_empty() {
            return Ok(Box::pin(EmptyRecordBatchStream::new(schema)));
        }
        let keys = request.schema.key_positions().into_iter().map(|at| {
            let name = request.schema.columns.get(at).map_or("", |column| &column.name);
            PhysicalSortExpr::new_default(Arc::new(Column::new(name, at)))
        });
        let Some(order) = LexOrdering::new(keys).filter(|_| streams.len() > 1) else {
            let rows = stream::iter(streams).flatten();
            return Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)));
        };
        StreamingMergeBuilder::new()
            .with_streams(streams)
            .with_schema(schema)
            .with_expressions(&order)
            .with_batch_size(task.session_config().batch_size())
            .with_metrics(BaselineMetrics::new(&ExecutionPlanMetricsSet::new(), 0))
            .with_reservation(MemoryConsumer::new("timetravel merge").register(task.memory_pool()))
            .build()
    }

    fn file_stream(
        &self,
        task: &Arc<TaskContext>,
        group: &Arc<MergeGroup>,
        entry: &Arc<FileEntry>,
        rows: RowSet,
        schema: &SchemaRef,
    ) -> SendableRecordBatchStream {
        let (files, group, entry) = (Arc::clone(&self.files), Arc::clone(group), Arc::clone(entry));
        let batch_size = task.session_config().batch_size();
        let wanted = Arc::clone(schema);
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
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), stream::once(opening).try_flatten()))
    }
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
