//! The rule that decides what a write means, and turns UPDATE, DELETE and MERGE into queries that yield change rows.
//!
//! It runs among the analyzer rules, before anything is optimised: DataFusion's own hooks for DELETE and UPDATE are given
//! what is left of the predicates after optimisation, which for `DELETE … WHERE pk IN (SELECT …)` is nothing
//! (apache/datafusion#24654), and it has no MERGE of its own. One file per statement; what a change row is lies in
//! [`crate::write::changes`].

mod delete;
mod insert;
mod merge;
mod rows;
mod subquery;
mod update;

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{DmlStatement, LogicalPlan, WriteOp};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;

use super::table::{Target, TimeTravelTable, of_source};
use crate::error::{Code, Error};
use crate::log::Operation;
use crate::ops::insert::WriteIntent;
use crate::store::TableId;
use crate::table::{PartitionFilter, Precondition};

/// Plans writes to time-travel tables.
#[derive(Debug, Default)]
pub(crate) struct DmlRule;

impl AnalyzerRule for DmlRule {
    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_down(|node| match node {
            LogicalPlan::Dml(dml) => match of_source(dml.target.as_ref()).cloned() {
                Some(table) => rewrite(dml, &table, config),
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

fn rewrite(dml: DmlStatement, table: &TimeTravelTable, config: &ConfigOptions) -> Result<Transformed<LogicalPlan>> {
    let Target::Undecided(scope) = table.target() else { return Ok(Transformed::no(LogicalPlan::Dml(dml))) };
    let (op, intent, input) = match &dml.op {
        WriteOp::Insert(op @ (InsertOp::Append | InsertOp::Overwrite)) => {
            // A statement that reads its own target must find it as it was read; compaction doesn't matter.
            let own = reads(&dml.input, table.pinned().id)?;
            let unchanged = own.then_some(Precondition::Unchanged(PartitionFilter::All));
            (*op, WriteIntent { unchanged, ..table.intent(*op)? }, insert::input(&dml.input)?)
        }
        WriteOp::Delete => change(Operation::Delete, delete::input(&dml, table)?),
        WriteOp::Update => change(Operation::Update, update::input(&dml, table)?),
        WriteOp::MergeInto(merge) => {
            // What is made here has no casts yet.
            let input = TypeCoercion::new().analyze(merge::input(&dml, merge, table)?, config)?;
            change(scope.written_as.unwrap_or(Operation::Merge), input)
        }
        other => return Err(unsupported(other, table)),
    };
    let target = provider_as_source(Arc::new(table.with_target(Target::Decided(intent))));
    Ok(Transformed::yes(LogicalPlan::Dml(DmlStatement::new(
        dml.table_name,
        target,
        WriteOp::Insert(op),
        Arc::new(input),
    ))))
}

fn change(operation: Operation, input: LogicalPlan) -> (InsertOp, WriteIntent, LogicalPlan) {
    let unchanged = Some(Precondition::Unchanged(PartitionFilter::All));
    (InsertOp::Append, WriteIntent { operation, replaces: None, unchanged }, input)
}

fn unsupported(op: &WriteOp, table: &TimeTravelTable) -> DataFusionError {
    let (statement, way_out) = match op {
        WriteOp::Insert(_) => ("REPLACE INTO", "write INSERT INTO, which replaces rows by key"),
        WriteOp::Ctas => ("CREATE TABLE AS", "run it with tt.sql(&ctx, ..)"),
        WriteOp::Truncate => ("TRUNCATE", "run it with tt.sql(&ctx, ..), or write DELETE FROM the table"),
        _ => ("this statement", "use INSERT, UPDATE, DELETE or MERGE"),
    };
    let name = &table.pinned().name;
    Error::new(Code::NotSupported, format!("{statement} on {name} is not supported here: {way_out}")).into()
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
