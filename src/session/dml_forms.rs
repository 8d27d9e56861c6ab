//! Forms of UPDATE and DELETE that DataFusion doesn't plan, or not as they are meant, as forms that it does.
//!
//! UPDATE … FROM becomes a MERGE, DELETE … USING an EXISTS, and the alias of a DELETE's target the target's name. Only
//! statements on our tables are touched.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as DFStatement;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    AssignmentTarget, Delete, Expr, FromTable, Ident, Join, JoinConstraint, JoinOperator, Merge, MergeAction,
    MergeClause, MergeClauseKind, MergeUpdateExpr, ObjectName, ObjectNamePart, SetExpr, Statement as SqlStatement,
    TableFactor, TableWithJoins, Update, UpdateTableFromKind, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::pins::Pins;
use crate::error::{Code, Error, Result};
use crate::log::Operation;
use crate::provider::{Target, WriteScope, of_source};
use crate::sql::{ObjectPath, normalized};

/// Rewrites the statement; gives the operation that it was where it has become another.
pub(super) async fn rewrite(
    statement: &mut DFStatement,
    state: &SessionState,
    pins: &mut Pins,
) -> Result<Option<Operation>> {
    let mut inner = statement;
    while let DFStatement::Explain(explain) = inner {
        inner = &mut explain.statement;
    }
    let DFStatement::Statement(inner) = inner else { return Ok(None) };
    let mut inner: &mut SqlStatement = inner;
    if let SqlStatement::Prepare { statement, .. } = inner {
        inner = statement;
    }
    let target = match inner {
        SqlStatement::Update(update) => target_of(&update.table.relation),
        SqlStatement::Delete(delete) => single(&delete.from).and_then(|table| target_of(&table.relation)),
        _ => None,
    };
    let Some(path) = target.and_then(|(name, _)| ObjectPath::new(name)) else { return Ok(None) };
    if pins.find(path.reference(), state.config_options()).await?.is_none() {
        return Ok(None);
    }
    match inner {
        SqlStatement::Update(update) => {
            check_update(update, &path)?;
            let Some(merge) = update_from(update) else { return Ok(None) };
            *inner = SqlStatement::Merge(merge);
            Ok(Some(Operation::Update))
        }
        SqlStatement::Delete(delete) => {
            delete_using(delete)?;
            delete_alias(delete, &path)?;
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// Says in the plan what the statement was.
pub(super) fn written_as(plan: LogicalPlan, operation: Option<Operation>) -> Result<LogicalPlan, DataFusionError> {
    let Some(operation) = operation else { return Ok(plan) };
    let told = plan.transform_down(|node| {
        let LogicalPlan::Dml(mut dml) = node else { return Ok(Transformed::no(node)) };
        let Some(table) = of_source(dml.target.as_ref()) else { return Ok(Transformed::no(LogicalPlan::Dml(dml))) };
        let scope = WriteScope { written_as: Some(operation), ..WriteScope::default() };
        dml.target = provider_as_source(Arc::new(table.with_target(Target::Undecided(scope))));
        Ok(Transformed::yes(LogicalPlan::Dml(dml)))
    });
    told.map(|told| told.data)
}

fn target_of(factor: &TableFactor) -> Option<(&ObjectName, Option<&Ident>)> {
    match factor {
        TableFactor::Table { name, alias, .. } => Some((name, alias.as_ref().map(|alias| &alias.name))),
        _ => None,
    }
}

fn single(from: &FromTable) -> Option<&TableWithJoins> {
    let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = from;
    match tables.as_slice() {
        [table] => Some(table),
        _ => None,
    }
}

/// Assignments name a column of the target each, once, as identifiers are read elsewhere.
fn check_update(update: &mut Update, path: &ObjectPath) -> Result<()> {
    if !update.table.joins.is_empty() {
        let message = format!("UPDATE {path} JOIN …: write UPDATE {path} SET … FROM … WHERE …, or MERGE INTO");
        return Err(Error::new(Code::NotSupported, message));
    }
    let own = target_of(&update.table.relation).and_then(|(name, alias)| match alias {
        Some(alias) => Some(normalized(alias)),
        None => name.0.last().and_then(ObjectNamePart::as_ident).map(normalized),
    });
    let mut seen = HashSet::new();
    for assignment in &mut update.assignments {
        let AssignmentTarget::ColumnName(column) = &mut assignment.target else {
            let message = format!("UPDATE {path}: set columns one by one, a tuple of columns is not supported");
            return Err(Error::new(Code::NotSupported, message));
        };
        let mut parts: Vec<String> = column.0.iter().filter_map(ObjectNamePart::as_ident).map(normalized).collect();
        let name = parts.pop().unwrap_or_default();
        if parts.last().is_some_and(|qualifier| Some(qualifier) != own.as_ref()) {
            let message = format!("UPDATE {path}: {column} is not a column of the table that is updated");
            return Err(Error::new(Code::InvalidArgument, message));
        }
        if !seen.insert(name.clone()) {
            let message = format!("UPDATE {path}: column {name:?} is set twice");
            return Err(Error::new(Code::InvalidArgument, message));
        }
        *column = ObjectName::from(vec![Ident::with_quote('"', name)]);
    }
    Ok(())
}

/// UPDATE t SET … FROM s WHERE x: MERGE INTO t USING s ON x WHEN MATCHED THEN UPDATE SET ….
fn update_from(update: &mut Update) -> Option<Merge> {
    if update.returning.is_some() || update.or.is_some() || update.limit.is_some() || !update.order_by.is_empty() {
        return None;
    }
    let (UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) = update.from.take()?;
    let mut tables = from.into_iter();
    let mut source = tables.next()?;
    source.joins.extend(tables.map(|table| Join {
        relation: factor(table),
        global: false,
        join_operator: JoinOperator::CrossJoin(JoinConstraint::None),
    }));
    let matched = MergeClause {
        when_token: AttachedToken::empty(),
        clause_kind: MergeClauseKind::Matched,
        predicate: None,
        action: MergeAction::Update(MergeUpdateExpr {
            update_token: AttachedToken::empty(),
            assignments: std::mem::take(&mut update.assignments),
            update_predicate: None,
            delete_predicate: None,
        }),
    };
    Some(Merge {
        merge_token: AttachedToken::empty(),
        optimizer_hints: std::mem::take(&mut update.optimizer_hints),
        into: true,
        table: update.table.relation.clone(),
        source: factor(source),
        on: Box::new(update.selection.take().unwrap_or_else(|| Expr::value(Value::Boolean(true)))),
        clauses: vec![matched],
        output: update.output.take(),
    })
}

fn factor(table: TableWithJoins) -> TableFactor {
    match table.joins.is_empty() {
        true => table.relation,
        false => TableFactor::NestedJoin { table_with_joins: Box::new(table), alias: None },
    }
}

/// DELETE FROM t USING s WHERE x: a row goes once, however many rows of s it meets.
fn delete_using(delete: &mut Delete) -> Result<()> {
    let Some(using) = delete.using.take() else { return Ok(()) };
    let sql = "EXISTS (SELECT 1)";
    let parsed = Parser::new(&GenericDialect {}).try_with_sql(sql).and_then(|mut parser| parser.parse_expr());
    let mut exists = parsed.map_err(|error| Error::internal(format!("{sql}: {error}")))?;
    if let Expr::Exists { subquery, .. } = &mut exists
        && let SetExpr::Select(select) = subquery.body.as_mut()
    {
        select.from = using;
        select.selection = delete.selection.take();
    }
    delete.selection = Some(exists);
    Ok(())
}

/// The target's alias in the predicate becomes its name, where no subquery uses either for something else.
fn delete_alias(delete: &mut Delete, path: &ObjectPath) -> Result<()> {
    let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &mut delete.from;
    let [TableWithJoins { relation: TableFactor::Table { name, alias, .. }, .. }] = tables.as_mut_slice() else {
        return Ok(());
    };
    let Some(alias) = alias.take() else { return Ok(()) };
    let target = name.0.last().and_then(ObjectNamePart::as_ident).cloned();
    let Some(target) = target else { return Ok(()) };
    let mut renamed = Renamed { alias: normalized(&alias.name), target };
    match delete.selection.as_mut().map(|selection| selection.visit(&mut renamed)) {
        Some(ControlFlow::Break(name)) => Err(Error::new(
            Code::NotSupported,
            format!(
                "DELETE FROM {path} AS {}: a subquery reads {name} too; give that one another alias, and leave out the target's",
                alias.name
            ),
        )),
        _ => Ok(()),
    }
}

struct Renamed {
    alias: String,
    target: Ident,
}

impl VisitorMut for Renamed {
    type Break = String;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<String> {
        let TableFactor::Table { name, alias, .. } = factor else { return ControlFlow::Continue(()) };
        let own = name.0.last().and_then(ObjectNamePart::as_ident);
        let seen = alias.as_ref().map(|alias| &alias.name).or(own).map(normalized).unwrap_or_default();
        match seen == self.alias || seen == normalized(&self.target) {
            true => ControlFlow::Break(seen),
            false => ControlFlow::Continue(()),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        if let Expr::CompoundIdentifier(parts) = expr
            && parts.len() == 2
            && let Some(first) = parts.first_mut()
            && normalized(first) == self.alias
        {
            *first = self.target.clone();
        }
        ControlFlow::Continue(())
    }
}
