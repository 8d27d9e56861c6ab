//! The rule that decides what a write means, and turns DELETE into a query that yields tombstones.
//!
//! It runs among the analyzer rules, before anything is optimised: DataFusion's own hooks for DELETE and UPDATE are given what is left of the
//! predicates after optimisation, which for `DELETE … WHERE pk IN (SELECT …)` is nothing (apache/datafusion#24654).

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{DmlStatement, Expr, LogicalPlan, LogicalPlanBuilder, WriteOp, lit};
use datafusion::optimizer::AnalyzerRule;

use super::table::{Target, TimeTravelTable, of_source};
use crate::error::{Code, Error};
use crate::log::Operation;
use crate::ops::insert::WriteIntent;
use crate::store::TableId;
use crate::table::{PartitionFilter, Precondition, TOMBSTONE};

/// Plans writes to time-travel tables.
#[derive(Debug, Default)]
pub(crate) struct DmlRule;

impl AnalyzerRule for DmlRule {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_down(|node| match node {
            LogicalPlan::Dml(dml) => match of_source(dml.target.as_ref()).cloned() {
                Some(table) => rewrite(dml, &table),
                None => Ok(Transformed::no(LogicalPlan::Dml(dml))),
            },
            other => Ok(Transformed::no(other)),
        })
        .map(|done| done.data)
    }

    fn name(&self) -> &str {
        "timetravel_dml"
    }
}

fn rewrite(dml: DmlStatement, table: &TimeTravelTable) -> Result<Transformed<LogicalPlan>> {
    if matches!(table.target(), Target::Decided(_)) {
        return Ok(Transformed::no(LogicalPlan::Dml(dml)));
    }
    let (intent, input) = match dml.op {
        WriteOp::Insert(op @ (InsertOp::Append | InsertOp::Overwrite)) => {
            // A statement that reads its own target must find it as it was read; compaction doesn't matter.
            let own = reads(&dml.input, table.pinned().id)?;
            let intent = WriteIntent {
                unchanged: own.then_some(Precondition::Unchanged(PartitionFilter::All)),
                ..table.intent(op)?
            };
            (intent, Arc::clone(&dml.input))
        }
        WriteOp::Delete => delete(&dml.input, table)?,
        ref other => {
            return Err(Error::new(
                Code::NotSupported,
                format!(
                    "{} on {} is not supported yet: use INSERT (an upsert by key) or DELETE",
                    other.name(),
                    table.pinned().name
                ),
            )
            .into());
        }
    };
    let op = match dml.op {
        WriteOp::Insert(op) => op,
        _ => InsertOp::Append,
    };
    let target = provider_as_source(Arc::new(table.with_target(Target::Decided(intent))));
    Ok(Transformed::yes(LogicalPlan::Dml(DmlStatement::new(dml.table_name, target, WriteOp::Insert(op), input))))
}

/// The keys of the rows to delete, each with a tombstone; other columns are not read.
fn delete(input: &Arc<LogicalPlan>, table: &TimeTravelTable) -> Result<(WriteIntent, Arc<LogicalPlan>)> {
    let schema = table.table_schema();
    if !schema.is_keyed() {
        return Err(Error::new(
            Code::NotSupported,
            format!("DELETE on {}, a table without PRIMARY KEY, is not supported yet: use INSERT OVERWRITE with the rows to keep", table.pinned().name),
        )
        .into());
    }
    let key = schema.key_positions();
    let columns = schema.columns.len();
    let mut projected = Vec::with_capacity(input.schema().fields().len() + 1);
    for (at, (qualifier, field)) in input.schema().iter().enumerate() {
        let expr = if key.contains(&at) || at >= columns {
            Expr::Column(Column::from((qualifier, field)))
        } else {
            Expr::Literal(ScalarValue::try_from(field.data_type())?, None).alias(field.name())
        };
        projected.push(expr);
    }
    projected.push(lit(true).alias(TOMBSTONE));
    let plan = LogicalPlanBuilder::from(Arc::clone(input)).project(projected)?.build()?;
    let unchanged = Some(Precondition::Unchanged(PartitionFilter::All));
    Ok((WriteIntent { operation: Operation::Delete, replaces: None, unchanged }, Arc::new(plan)))
}

/// Whether the plan reads the latest version of the table, also in a subquery.
fn reads(plan: &LogicalPlan, id: TableId) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            found |= of_source(scan.source.as_ref()).is_some_and(|table| table.pinned().id == id && table.is_latest());
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}
