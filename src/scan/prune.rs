//! What filters say about partitions and files before anything is opened.
//!
//! Filters on partition columns alone are applied here for good; all others only leave out what can't match.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::pruning::PrunableStatistics;
use datafusion::common::{DFSchema, Result, Statistics};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::{PhysicalExpr, conjunction};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;

use super::PartitionFiles;
use crate::error::{Code, Error};
use crate::table::TableSchema;
use crate::table::text::from_text;

/// The filters of a scan as physical expressions.
#[derive(Debug, Default)]
pub(super) struct Filters {
    /// On partition columns alone, over a batch of these.
    pub(super) partition: Vec<Arc<dyn PhysicalExpr>>,
    /// All others that a scan can use, over the whole schema.
    pub(super) rest: Vec<Arc<dyn PhysicalExpr>>,
    /// Whether the scan applies every filter for good.
    pub(super) are_exact: bool,
}

/// Whether a scan applies the filter for good, so that nothing above needs to.
pub fn is_partition_filter(schema: &TableSchema, filter: &Expr) -> bool {
    let is_partition = |name: &str| schema.partition_columns.iter().any(|column| column.name == name);
    is_usable(filter)
        && filter.any_column_refs()
        && filter.column_refs().iter().all(|column| is_partition(&column.name))
}

fn is_usable(filter: &Expr) -> bool {
    use datafusion::common::tree_node::TreeNode;
    let foreign = filter.exists(|expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(_, _)
                | Expr::Placeholder(_)
        ))
    });
    !filter.is_volatile() && matches!(foreign, Ok(false))
}

impl Filters {
    pub(super) fn new(session: &dyn Session, schema: &TableSchema, filters: &[Expr]) -> Result<Self> {
        let partition = DFSchema::try_from(partition_schema(schema))?;
        let whole = DFSchema::try_from(schema.arrow())?;
        let mut found = Self { are_exact: true, ..Self::default() };
        for filter in filters {
            if is_partition_filter(schema, filter) {
                found.partition.push(session.create_physical_expr(unqualified(filter)?, &partition)?);
                continue;
            }
            found.are_exact = false;
            if is_usable(filter) {
                // What can't be planned here is left to the filter above.
                found.rest.extend(session.create_physical_expr(unqualified(filter)?, &whole));
            }
        }
        Ok(found)
    }
}

fn unqualified(filter: &Expr) -> Result<Expr> {
    use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
    let bare = filter.clone().transform(|expr| {
        Ok(match expr {
            Expr::Column(column) => {
                Transformed::yes(Expr::Column(datafusion::common::Column::new_unqualified(column.name)))
            }
            other => Transformed::no(other),
        })
    });
    bare.data()
}

fn partition_schema(schema: &TableSchema) -> SchemaRef {
    Arc::new(Schema::new(schema.partition_columns.iter().map(|column| column.field()).collect::<Vec<Field>>()))
}

/// The values of the partition columns, a row per partition.
pub(super) fn partition_batch(schema: &TableSchema, partitions: &[PartitionFiles]) -> Result<RecordBatch> {
    let columns = schema.partition_columns.iter().enumerate().map(|(at, column)| {
        let texts: Vec<Option<&str>> =
            partitions.iter().map(|entry| entry.partition.values.0.get(at).map(String::as_str)).collect();
        let values = from_text(&texts, &column.data_type)?;
        if values.null_count() > 0 {
            return Err(Error::new(
                Code::Corrupt,
                format!("a partition has no value of column {:?}; restore the log from a copy", column.name),
            ));
        }
        Ok(values)
    });
    let columns = columns.collect::<Result<Vec<_>, Error>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(partitions.len()));
    Ok(RecordBatch::try_new_with_options(partition_schema(schema), columns, &options)?)
}

/// Which of the partitions the filters leave.
pub(super) fn admitted(filters: &[Arc<dyn PhysicalExpr>], partitions: &RecordBatch) -> Result<Vec<bool>> {
    let Some(filter) = (!filters.is_empty()).then(|| conjunction(filters.iter().cloned())) else {
        return Ok(vec![true; partitions.num_rows()]);
    };
    let kept = filter.evaluate(partitions)?.into_array(partitions.num_rows())?;
    let kept = kept.as_boolean_opt().ok_or_else(|| Error::internal("a filter that is not BOOLEAN"))?;
    Ok(kept.iter().map(|kept| kept == Some(true)).collect())
}

/// Which of the pieces may hold a row that the filters admit.
pub(super) fn may_match(
    filters: &[Arc<dyn PhysicalExpr>],
    schema: &SchemaRef,
    pieces: Vec<Arc<Statistics>>,
) -> Vec<bool> {
    let all = vec![true; pieces.len()];
    let Some(predicate) = (!filters.is_empty()).then(|| conjunction(filters.iter().cloned())) else { return all };
    let Some(pruning) = PruningPredicateBuilder::new().with_file_schema(Arc::clone(schema)).build(predicate) else {
        return all;
    };
    // A predicate that fails on bounds says nothing about rows.
    pruning.prune(&PrunableStatistics::new(pieces, Arc::clone(schema))).unwrap_or(all)
}
