//! The one own type in a physical plan: DataFusion's Parquet source, told before it opens a file which rows are alive.
//!
//! Everything but that is the inner source's. A piece that has lost its link to the files of its merge is refused, and the
//! source doesn't serialise itself as a plain Parquet scan: both would bring superseded rows back.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use datafusion::datasource::physical_plan::{FileGroup, FileOpener, FileScanConfig, FileSource, ParquetSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::object_store::ObjectStore;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr, conjunction};
use datafusion::physical_expr_adapter::replace_columns_with_literals;
use datafusion::physical_optimizer::pruning::FilePruner;
use datafusion::physical_plan::filter_pushdown::FilterPushdownPropagation;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet};
use datafusion::physical_plan::{DisplayFormatType, SortOrderPushdownResult};
use datafusion_datasource::morsel::{MorselPlan, MorselPlanner, Morselizer};

use super::adapter::ByFieldId;
use super::guard::guard;
use super::reader::ReaderFactory;
use crate::error::Error;
use crate::merge::{Access, DataFiles, MergeCache, MergeGroup, RowSet, access};
use crate::table::FileEntry;

/// One row group, with the files that it is merged with.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) group: Arc<MergeGroup>,
    pub(crate) entry: Arc<FileEntry>,
    pub(crate) row_group: usize,
}

impl Piece {
    /// The piece that a file of the plan stands for.
    pub(crate) fn of(file: &PartitionedFile) -> Result<&Self> {
        let lost =
            || Error::internal("a scan has lost the files that it is merged with: it can't be read as plain Parquet");
        file.extension::<Self>().ok_or_else(|| lost().into())
    }
}

/// Parquet with a row selection per row group.
#[derive(Debug, Clone)]
pub struct MergeSource {
    inner: ParquetSource,
    /// Filters known when the scan was planned. They are applied unless the optimizer hands the same ones down again,
    /// which it doesn't where the plan runs in another library's session.
    planned: Vec<Arc<dyn PhysicalExpr>>,
    files: Arc<DataFiles>,
    cache: Arc<MergeCache>,
}

impl MergeSource {
    pub(crate) fn new(
        inner: ParquetSource,
        planned: Vec<Arc<dyn PhysicalExpr>>,
        files: Arc<DataFiles>,
        cache: Arc<MergeCache>,
    ) -> Self {
        Self { inner, planned, files, cache }
    }

    /// The inner source with all filters.
    fn effective(&self) -> ParquetSource {
        if self.planned.is_empty() {
            return self.inner.clone();
        }
        self.inner.with_predicate(conjunction(self.planned.iter().cloned().chain(self.inner.filter())))
    }

    fn wrap(&self, inner: &Arc<dyn FileSource>, planned: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn FileSource>> {
        let inner = inner
            .downcast_ref::<ParquetSource>()
            .ok_or_else(|| Error::internal("the Parquet source became another"))?;
        Ok(Arc::new(Self {
            inner: inner.clone(),
            planned,
            files: Arc::clone(&self.files),
            cache: Arc::clone(&self.cache),
        }))
    }
}

impl FileSource for MergeSource {
    fn create_file_opener(&self, _: Arc<dyn ObjectStore>, _: &FileScanConfig, _: usize) -> Result<Arc<dyn FileOpener>> {
        Err(Error::internal("this source has no opener: it plans morsels").into())
    }

    fn create_morselizer(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        let source = self.effective();
        let page_index = source.filter().is_some() && source.table_parquet_options().global.enable_page_index;
        let readers = Arc::new(ReaderFactory { files: Arc::clone(&self.files), page_index });
        let source = source.with_parquet_file_reader_factory(readers);
        let inner = source.create_morselizer(Arc::clone(&store), config, partition)?.into();
        let mut config = config.clone();
        config.file_groups.clear();
        Ok(Box::new(MergeMorselizer {
            inner,
            source,
            store,
            config,
            partition,
            files: Arc::clone(&self.files),
            cache: Arc::clone(&self.cache),
        }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.inner.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        let inner = self.inner.with_batch_size(batch_size);
        self.wrap(&inner, self.planned.clone()).unwrap_or_else(|_| Arc::new(self.clone()))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.effective().filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.inner.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    /// DataFusion keys metrics by it.
    fn file_type(&self) -> &str {
        self.inner.file_type()
    }

    fn fmt_extra(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.effective().fmt_extra(t, f)
    }

    /// Spreads whole row groups: a part of one is nothing that could be read alone.
    fn repartitioned(
        &self,
        partitions: usize,
        min_size: usize,
        ordering: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> Result<Option<FileScanConfig>> {
        let pieces: Vec<PartitionedFile> = config.file_groups.iter().flat_map(FileGroup::iter).cloned().collect();
        let bytes: u64 = pieces.iter().map(PartitionedFile::effective_size).sum();
        let goal = partitions.min(pieces.len());
        if ordering.is_some() || goal <= config.file_groups.len() || bytes < min_size as u64 {
            return Ok(None);
        }
        let mut config = config.clone();
        config.file_groups = spread(pieces, goal);
        Ok(Some(config))
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let planned = self.planned.iter().filter(|planned| !filters.contains(planned)).cloned().collect();
        let pushed = self.inner.try_pushdown_filters(filters, config)?;
        let updated_node = pushed.updated_node.map(|inner| self.wrap(&inner, planned)).transpose()?;
        Ok(FilterPushdownPropagation { filters: pushed.filters, updated_node })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        let wrap = |inner: Arc<dyn FileSource>| self.wrap(&inner, self.planned.clone());
        Ok(match self.inner.try_pushdown_sort(order, properties)? {
            SortOrderPushdownResult::Exact { inner } => SortOrderPushdownResult::Exact { inner: wrap(inner)? },
            SortOrderPushdownResult::Inexact { inner } => SortOrderPushdownResult::Inexact { inner: wrap(inner)? },
            SortOrderPushdownResult::Unsupported => SortOrderPushdownResult::Unsupported,
        })
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.inner.reorder_files(files)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        let pushed = self.inner.try_pushdown_projection(projection)?;
        pushed.map(|inner| self.wrap(&inner, self.planned.clone())).transpose()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.effective().apply_expressions(f)
    }
}

/// Spreads pieces over so many groups of about the same bytes, in order.
pub(super) fn spread(pieces: Vec<PartitionedFile>, groups: usize) -> Vec<FileGroup> {
    let total: u64 = pieces.iter().map(PartitionedFile::effective_size).sum();
    let share = total.div_ceil(groups.max(1) as u64).max(1);
    let mut spread: Vec<Vec<PartitionedFile>> = vec![];
    let mut before = 0;
    let mut last = None;
    for piece in pieces {
        // The group in which the middle of the piece falls.
        let size = piece.effective_size();
        let group = (before + size / 2) / share;
        before += size;
        match spread.last_mut() {
            Some(current) if last == Some(group) => current.push(piece),
            _ => spread.push(vec![piece]),
        }
        last = Some(group);
    }
    spread.into_iter().map(FileGroup::new).collect()
}

struct MergeMorselizer {
    inner: Arc<dyn Morselizer>,
    /// What `inner` was made of.
    source: ParquetSource,
    store: Arc<dyn ObjectStore>,
    config: FileScanConfig,
    partition: usize,
    files: Arc<DataFiles>,
    cache: Arc<MergeCache>,
}

impl MergeMorselizer {
    /// A file that another table wrote may have ids of its own, which takes an adapter of its own.
    fn inner_for(&self, piece: &Piece) -> Result<Arc<dyn Morselizer>> {
        let file = &piece.entry.file;
        if file.owner.as_ref().is_none_or(|origin| origin.columns.is_none()) {
            return Ok(Arc::clone(&self.inner));
        }
        let mut config = self.config.clone();
        config.expr_adapter_factory = Some(Arc::new(ByFieldId::of_file(&piece.group.schema, file)));
        Ok(self.source.create_morselizer(Arc::clone(&self.store), &config, self.partition)?.into())
    }
}

impl fmt::Debug for MergeMorselizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergeMorselizer").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Morselizer for MergeMorselizer {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let piece = Piece::of(&file)?.clone();
        if !piece.group.needs_resolution() {
            return open(self.inner_for(&piece)?.as_ref(), file, &piece, &None);
        }
        let pruner = pruner(self.source.filter().as_ref(), self.source.table_schema(), &file)?;
        let inner = self.inner_for(&piece)?;
        let (files, cache) = (Arc::clone(&self.files), Arc::clone(&self.cache));
        Ok(Box::new(Resolving { file, piece, pruner, inner, files, cache }))
    }
}

/// A piece whose rows are found out before it is opened.
struct Resolving {
    file: PartitionedFile,
    piece: Piece,
    pruner: Option<FilePruner>,
    inner: Arc<dyn Morselizer>,
    files: Arc<DataFiles>,
    cache: Arc<MergeCache>,
}

impl fmt::Debug for Resolving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolving").field("piece", &self.piece).finish_non_exhaustive()
    }
}

impl MorselPlanner for Resolving {
    fn plan(mut self: Box<Self>) -> Result<Option<MorselPlan>> {
        // A dynamic filter may have excluded the piece meanwhile: then nothing needs to be resolved for it.
        if let Some(pruner) = &mut self.pruner
            && pruner.should_prune()?
        {
            return Ok(None);
        }
        let resolving = async move {
            let resolution = self.cache.resolve(&self.files, &self.piece.group).await?;
            let rows = resolution
                .files
                .get(&self.piece.entry.file.id)
                .ok_or_else(|| Error::internal("a file is not in its own resolution"))?;
            open(self.inner.as_ref(), self.file, &self.piece, &rows.alive)
        };
        Ok(Some(MorselPlan::new().with_pending_planner(resolving)))
    }
}

/// A piece without rows.
#[derive(Debug)]
struct Nothing;

impl MorselPlanner for Nothing {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        Ok(None)
    }
}

fn open(
    inner: &dyn Morselizer,
    mut file: PartitionedFile,
    piece: &Piece,
    rows: &RowSet,
) -> Result<Box<dyn MorselPlanner>> {
    let data = &piece.entry.file;
    let access = access(data, piece.row_group, rows).ok_or_else(|| Error::internal("a resolution of another file"))?;
    let access = match access {
        Access::Nothing => return Ok(Box::new(Nothing)),
        Access::All => RowGroupAccess::Scan,
        Access::Rows(selection) => RowGroupAccess::Selection(selection),
    };
    let mut plan = ParquetAccessPlan::new_none(data.row_groups.len());
    plan.set(piece.row_group, access);
    // The plan names the row group; a byte range could only disagree.
    file.range = None;
    let name = piece.group.source.path(data).to_string();
    Ok(guard(inner.plan_file(file.with_extension(plan))?, name))
}

fn pruner(
    predicate: Option<&Arc<dyn PhysicalExpr>>,
    schema: &TableSchema,
    file: &PartitionedFile,
) -> Result<Option<FilePruner>> {
    let Some(predicate) = predicate else { return Ok(None) };
    let names = schema.table_partition_cols().iter().map(|field| field.name().as_str());
    let values: datafusion::common::HashMap<&str, &ScalarValue> = names.zip(&file.partition_values).collect();
    let predicate = replace_columns_with_literals(Arc::clone(predicate), &values.into_iter().collect())?;
    let schema: &SchemaRef = schema.file_schema();
    Ok::<_, DataFusionError>(FilePruner::try_new(predicate, schema, file, Count::new()))
}
