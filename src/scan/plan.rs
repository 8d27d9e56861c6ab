//! From a snapshot and a range to an execution plan.
//!
//! Planning opens no file: what must be resolved is resolved when the first of its files is opened, unless it is known.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Result, ScalarValue, Statistics};
use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema as SplitSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::Expr;
use datafusion::object_store::ObjectMeta;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use super::adapter::ByFieldId;
use super::prune::{self, Filters};
use super::source::{MergeSource, Piece, spread};
use super::stats::FileStatistics;
use super::{PartitionFiles, incremental, numbered, row_ids, visible};
use crate::error::Error;
use crate::log::Lsn;
use crate::merge::{self, DataFiles, MergeCache, MergeGroup, RowSet, Verify, groups};
use crate::store::{FileId, Store, TableId};
use crate::table::{FileEntry, TableSchema, TableSnapshot};

/// Plans and runs reads of one warehouse, with the caches that they share.
#[derive(Debug)]
pub struct Scanner {
    pub(super) files: Arc<DataFiles>,
    pub(super) cache: Arc<MergeCache>,
}

/// Which rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadRange {
    /// Those of a version.
    At(Lsn),
    /// Those written after the first version up to the second.
    Between(Lsn, Lsn),
}

/// One scan.
#[derive(Debug)]
pub(crate) struct ScanRequest<'a> {
    /// What messages call the table.
    pub(crate) table_name: String,
    /// The table.
    pub(crate) snapshot: Arc<TableSnapshot>,
    /// Which rows.
    pub(crate) range: ReadRange,
    /// The schema of that version.
    pub(crate) schema: Arc<TableSchema>,
    /// Positions in [`TableSchema::arrow`]; none for all.
    pub(crate) projection: Option<&'a Vec<usize>>,
    /// What the rows must match. Only [`is_partition_filter`](super::is_partition_filter) ones are applied for good.
    pub(crate) filters: &'a [Expr],
    /// How many rows are enough.
    pub(crate) limit: Option<usize>,
    /// Which files are verified before they are read.
    pub(crate) verify: Verify,
    /// Whether the columns that tell rows apart follow the others; only for a version.
    pub(crate) row_ids: bool,
}

impl Scanner {
    pub(crate) fn new(store: Store) -> Self {
        Self { files: Arc::new(DataFiles::new(store)), cache: Arc::default() }
    }

    /// The resolutions kept.
    pub fn cache(&self) -> &Arc<MergeCache> {
        &self.cache
    }

    /// The plan of one scan.
    pub(crate) async fn plan(&self, session: &dyn Session, request: ScanRequest<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = &request.schema;
        let arrow = schema.arrow();
        let whole = if request.row_ids { with_row_ids(&arrow) } else { Arc::clone(&arrow) };
        let projected: SchemaRef = match request.projection {
            Some(projection) => Arc::new(whole.project(projection)?),
            None => whole,
        };
        let filters = Filters::new(session, schema, request.filters)?;
        let files = self.files.verifying(request.verify);
        let chosen = Chosen::new(self, &request, &filters)?;
        let pieces =
            chosen.pieces(self, &files, schema, &arrow, &filters, &wanted(schema, &projected, &filters.rest))?;
        if pieces.files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(projected)));
        }
        let options = TableParquetOptions {
            global: session.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let inner = ParquetSource::new(split_schema(schema, request.row_ids)).with_table_parquet_options(options);
        let source = MergeSource::new(inner, filters.rest, files, Arc::clone(&self.cache));
        let target = session.config_options().execution.target_partitions;
        // Our readers bring their own store; this URL is one that every session resolves.
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_statistics(pieces.statistics)
            .with_file_groups(spread(pieces.files, target))
            .with_projection_indices(request.projection.cloned())?
            .with_limit(request.limit.filter(|_| filters.are_exact))
            .with_expr_adapter(Some(Arc::new(ByFieldId::new(schema))))
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// The files of a scan, by partition and merge group.
struct Chosen {
    /// Values of the partitions, a row for each.
    partitions: RecordBatch,
    /// Each group with the row of its partition, and what is known of its rows.
    groups: Vec<(usize, Arc<MergeGroup>)>,
    /// The numbers of the files, where rows are told apart.
    numbers: Option<HashMap<FileId, u32>>,
}

/// What is left to read.
struct Pieces {
    files: Vec<PartitionedFile>,
    statistics: Statistics,
}

impl Chosen {
    fn new(scanner: &Scanner, request: &ScanRequest<'_>, filters: &Filters) -> Result<Self> {
        let state = &request.snapshot.state;
        let files = match request.range {
            ReadRange::At(v) => visible(state, v),
            ReadRange::Between(a, b) => incremental(state, a, b),
        };
        let table = state.info()?.create.id;
        let name: Arc<str> = request.table_name.as_str().into();
        let all = prune::partition_batch(&request.schema, &files)?;
        let kept = prune::admitted(&filters.partition, &all)?;
        let partitions = filter_record_batch(&all, &kept.clone().into())?;
        let kept_files = files.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(files, _)| files);
        let mut found = vec![];
        for (row, PartitionFiles { files, .. }) in kept_files.enumerate() {
            found.extend(scanner.groups(&name, table, &request.schema, files)?.into_iter().map(|group| (row, group)));
        }
        let numbers = request.row_ids.then(|| {
            let files = numbered(state, request.snapshot.lsn);
            files.iter().map(|entry| entry.file.id).zip(0..).collect()
        });
        Ok(Self { partitions, groups: found, numbers })
    }

    fn pieces(
        &self,
        scanner: &Scanner,
        files: &DataFiles,
        schema: &TableSchema,
        arrow: &SchemaRef,
        filters: &Filters,
        wanted: &BTreeSet<usize>,
    ) -> Result<Pieces> {
        let entries: Vec<Arc<FileEntry>> =
            self.groups.iter().flat_map(|(_, group)| group.files().iter().cloned()).collect();
        let statistics = FileStatistics::new(schema, &entries, wanted)?;
        let mut is_clean = true;
        let mut bytes = 0_usize;
        let mut found: Vec<(PartitionedFile, Precision<usize>)> = vec![];
        let mut number = 0;
        for (row, group) in &self.groups {
            let values = partition_values(&self.partitions, *row)?;
            let known = match group.needs_resolution() && files.trusts_all(group) {
                true => scanner.cache.known(group),
                false => None,
            };
            is_clean &= !group.needs_resolution();
            for entry in group.files() {
                let mut values = values.clone();
                if let Some(numbers) = &self.numbers {
                    values.push(ScalarValue::UInt32(numbers.get(&entry.file.id).copied()));
                }
                let alive = match &known {
                    Some(resolution) => resolution.files.get(&entry.file.id).map(|rows| &rows.alive),
                    None if group.needs_resolution() => None,
                    None => Some(&None),
                };
                for (index, rows) in entry.file.row_groups.iter().enumerate() {
                    let count = count(entry, index, alive)?;
                    if count == Precision::Exact(0) {
                        continue;
                    }
                    bytes = bytes
                        .saturating_add(usize::try_from(rows.end.saturating_sub(rows.start)).unwrap_or(usize::MAX));
                    let piece = Piece { group: Arc::clone(group), entry: Arc::clone(entry), row_group: index };
                    let stats = Arc::new(statistics.piece(number, index)?);
                    found.push((partitioned_file(scanner.files.store(), piece, values.clone(), stats)?, count));
                }
                number += 1;
            }
        }
        let stats = found.iter().map(|(file, _)| file.statistics.clone().unwrap_or_default()).collect();
        let kept = prune::may_match(&filters.rest, arrow, stats);
        is_clean &= kept.iter().all(|kept| *kept);
        let kept: Vec<(PartitionedFile, Precision<usize>)> =
            found.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(piece, _)| piece).collect();
        let rows = kept.iter().fold(Precision::Exact(0), |sum, (_, count)| sum.add(count));
        let mut statistics = statistics.scan(is_clean, rows, bytes, &self.partitions)?;
        if self.numbers.is_some() {
            statistics.column_statistics.extend(row_ids().map(|_| ColumnStatistics::new_unknown()));
        }
        Ok(Pieces { files: kept.into_iter().map(|(file, _)| file).collect(), statistics })
    }
}

impl Scanner {
    pub(super) fn groups(
        &self,
        name: &Arc<str>,
        table: TableId,
        schema: &Arc<TableSchema>,
        files: &[Arc<FileEntry>],
    ) -> Result<Vec<Arc<MergeGroup>>, Error> {
        groups(name, table, schema, files)
    }
}

/// The columns, then those that tell rows apart.
pub(crate) fn with_row_ids(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().cloned().chain(row_ids().map(Arc::new));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// How many rows of a row group are alive; a guess where that isn't known.
fn count(entry: &FileEntry, row_group: usize, alive: Option<&RowSet>) -> Result<Precision<usize>> {
    let all = entry.file.row_groups.get(row_group).map_or(0, |group| usize::try_from(group.rows).unwrap_or(usize::MAX));
    let Some(alive) = alive else { return Ok(Precision::Inexact(all)) };
    let alive =
        merge::count(&entry.file, row_group, alive).ok_or_else(|| Error::internal("a resolution of another file"))?;
    Ok(Precision::Exact(alive))
}

fn partitioned_file(
    store: &Store,
    piece: Piece,
    values: Vec<ScalarValue>,
    stats: Arc<Statistics>,
) -> Result<PartitionedFile> {
    let file = &piece.entry.file;
    let range = file.row_groups.get(piece.row_group).map(|group| (group.start, group.end)).unwrap_or_default();
    let offset = |at: u64| i64::try_from(at).map_err(|_| Error::internal("a file offset over 63 bits"));
    let meta = ObjectMeta {
        location: store.full_path(&piece.group.source.path(file)),
        // Files never change, so any constant is true for ever.
        last_modified: chrono::DateTime::UNIX_EPOCH,
        size: file.size,
        e_tag: None,
        version: None,
    };
    let mut planned =
        PartitionedFile::new_from_meta(meta).with_metadata_size_hint(usize::try_from(file.footer).unwrap_or_default());
    planned.range = Some(FileRange { start: offset(range.0)?, end: offset(range.1)? });
    Ok(planned.with_partition_values(values).with_statistics(stats).with_extension(piece))
}

fn partition_values(partitions: &RecordBatch, row: usize) -> Result<Vec<ScalarValue>> {
    partitions.columns().iter().map(|values| ScalarValue::try_from_array(values, row)).collect()
}

/// The columns of the files that statistics are worth reading for: those that are read or filtered.
fn wanted(schema: &TableSchema, projected: &Schema, filters: &[Arc<dyn PhysicalExpr>]) -> BTreeSet<usize> {
    let names = projected.fields().iter().map(|field| field.name().clone());
    let filtered =
        filters.iter().flat_map(|filter| collect_columns(filter).into_iter().map(|column| column.name().to_owned()));
    names.chain(filtered).filter_map(|name| schema.columns.iter().position(|column| column.name == name)).collect()
}

fn split_schema(schema: &TableSchema, with_row_ids: bool) -> SplitSchema {
    let fields = |columns: &[crate::table::Column]| {
        columns.iter().map(|column| Arc::new(column.field())).collect::<Vec<Arc<Field>>>()
    };
    let builder = SplitSchema::builder(Arc::new(Schema::new(fields(&schema.columns))));
    let mut partitions = fields(&schema.partition_columns);
    if !with_row_ids {
        return builder.with_table_partition_cols(partitions).build();
    }
    // A file's number is the same for all its rows, as a partition's values are.
    let [file, row] = row_ids().map(Arc::new);
    partitions.push(file);
    builder.with_table_partition_cols(partitions).with_virtual_columns(vec![row]).build()
}
