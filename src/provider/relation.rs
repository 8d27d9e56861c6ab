//! Relation planners: a version clause is served or refused, never ignored (invariant 11).
//!
//! Stock DataFusion plans a table factor with a version as if the version weren't there.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::{DFSchema, Result, TableReference};
use datafusion::datasource::{TableProvider, provider_as_source};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, TableFactor, TableFunctionArgs, TableVersion,
};

use crate::error::{Code, Error};

const MARKER: &str = "__tt_bound_";

/// The version that marks a table factor as bound to scan number `at` of its statement.
pub(crate) fn bound_marker(at: usize) -> TableVersion {
    TableVersion::Function(Expr::Identifier(Ident::new(format!("{MARKER}{at}"))))
}

fn bound_number(version: &TableVersion) -> Option<usize> {
    match version {
        TableVersion::Function(Expr::Identifier(word)) => word.value.strip_prefix(MARKER)?.parse().ok(),
        _ => None,
    }
}

/// The versioned scans of one statement, resolved before DataFusion plans it.
#[derive(Debug, Default)]
pub(crate) struct BoundRelations {
    scans: HashMap<usize, (String, Arc<dyn TableProvider>)>,
}

impl BoundRelations {
    /// Adds a scan; its label is the scan's name in the plan, because DataFusion takes two scans of one name for the
    /// same. Gives the marker for the table factor.
    pub(crate) fn add(&mut self, label: String, provider: Arc<dyn TableProvider>) -> TableVersion {
        let at = self.scans.len();
        self.scans.insert(at, (label, provider));
        bound_marker(at)
    }
}

impl RelationPlanner for BoundRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let TableFactor::Table { name, alias, version: Some(version), .. } = &relation else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let Some((label, provider)) = bound_number(version).and_then(|at| self.scans.get(&at)) else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let source = provider_as_source(Arc::clone(provider));
        let scan = LogicalPlanBuilder::scan(TableReference::bare(label.as_str()), source, None)?;
        // Under the name that the statement uses, so that `t.col` and `s.t.col` resolve as without a version.
        let plan = match alias {
            Some(_) => scan.build()?,
            None => scan.alias(context.object_name_to_table_reference(name.clone())?)?.build()?,
        };
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone()))))
    }
}

/// Refuses any version that nobody bound: plain `ctx.sql` in the dialects that parse one.
#[derive(Debug, Default)]
pub(crate) struct RelationGuard;

impl RelationPlanner for RelationGuard {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        match &relation {
            TableFactor::Table { name, version: Some(version), .. } => Err(Error::new(
                Code::NotVersioned,
                format!("{name} {version}: ctx.sql can't read versions; use tt.sql(&ctx, ..), or the table function at('{name}', …)"),
            )
            .into()),
            TableFactor::Table { name, alias, args: Some(args), .. } => match function_scan(name, args, context)? {
                Some(plan) => Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone())))),
                None => Ok(RelationPlanning::Original(Box::new(relation))),
            },
            _ => Ok(RelationPlanning::Original(Box::new(relation))),
        }
    }
}

/// A scan of one of our table functions under a name that has its arguments: DataFusion would call every `at(..)` the
/// same, and give two of them in one statement one result.
fn function_scan(
    name: &ObjectName,
    args: &TableFunctionArgs,
    context: &mut dyn RelationPlannerContext,
) -> Result<Option<LogicalPlan>> {
    let function = name.to_string().to_ascii_lowercase();
    if !["at", "incremental", "history", "changes", "diff"].contains(&function.as_str()) {
        return Ok(None);
    }
    let mut exprs = Vec::with_capacity(args.args.len());
    for arg in &args.args {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg else { return Ok(None) };
        exprs.push(context.sql_to_expr(expr.clone(), &DFSchema::empty())?);
    }
    let texts: Vec<String> = args.args.iter().map(ToString::to_string).collect();
    let source = context.context_provider().get_table_function_source(&function, exprs)?;
    let scan =
        LogicalPlanBuilder::scan(TableReference::bare(format!("{function}({})", texts.join(", "))), source, None)?;
    scan.alias(TableReference::bare(function))?.build().map(Some)
}
