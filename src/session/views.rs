//! Views of a warehouse: stored as text, planned anew in each statement, so that they see its snapshots.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::{TableProvider, ViewTable};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, col};
use datafusion::sql::sqlparser::dialect::GenericDialect;

use super::pins::Pins;
use super::run::{Run, plan};
use crate::catalog::{TableName, ViewEntry};
use crate::error::{Code, Error};
use crate::ops::{Pin, view};
use crate::sql::{CreateView, Statement, Syntax, parse};

/// How deep views may stand in views.
const MAX_DEPTH: usize = 32;

/// CREATE VIEW: the query must plan now.
pub(super) async fn create(
    run: &mut Run<'_>,
    pin: &Arc<Pin>,
    name: TableName,
    create: CreateView,
) -> Result<DataFrame, DataFusionError> {
    let catalog = &run.state.config_options().catalog;
    let entry = ViewEntry {
        name,
        query: create.query_text,
        columns: create.columns,
        search: (catalog.default_catalog.clone(), catalog.default_schema.clone()),
    };
    let state = run.state.clone();
    plan_view(&mut run.pins, &state, &entry, 0).await?;
    view::create(pin, entry, create.or_replace, create.if_not_exists).await?;
    run.done()
}

/// A view as a table of one statement.
pub(super) async fn plan_view(
    pins: &mut Pins,
    state: &SessionState,
    view: &ViewEntry,
    depth: usize,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    if depth >= MAX_DEPTH {
        let message =
            format!("view {} stands on more than {MAX_DEPTH} views, or on itself: name tables in its query", view.name);
        return Err(Error::new(Code::InvalidArgument, message).into());
    }
    let mut state = state.clone();
    let names = &mut state.config_mut().options_mut().catalog;
    names.default_catalog.clone_from(&view.search.0);
    names.default_schema.clone_from(&view.search.1);
    let broken = || Error::new(Code::Corrupt, format!("view {}: its text is not a query; create it again", view.name));
    let parsed = parse(&view.query, Syntax::new(&GenericDialect {}))?.into_iter().next().ok_or_else(broken)?;
    let Statement::DataFusion(statement) = parsed.statement else { return Err(broken().into()) };
    let (_, planned) = Box::pin(plan(pins, &state, *statement, depth + 1)).await?;
    let planned = renamed(planned, view)?;
    Ok(Arc::new(ViewTable::new(planned, Some(view.query.clone()))))
}

/// The plan under the column names that the view gives.
fn renamed(plan: LogicalPlan, view: &ViewEntry) -> Result<LogicalPlan, DataFusionError> {
    if view.columns.is_empty() {
        return Ok(plan);
    }
    let fields = plan.schema().columns();
    if fields.len() != view.columns.len() {
        let message =
            format!("view {} names {} columns, but its query gives {}", view.name, view.columns.len(), fields.len());
        return Err(Error::new(Code::InvalidArgument, message).into());
    }
    let named = fields.into_iter().zip(&view.columns).map(|(from, to)| col(from).alias(to)).collect::<Vec<_>>();
    LogicalPlanBuilder::from(plan).project(named)?.build()
}
