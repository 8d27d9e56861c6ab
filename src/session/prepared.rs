//! PREPARE and EXECUTE of statements on time-travel tables: kept as text, planned at EXECUTE.
//!
//! DataFusion keeps the plan, which would read the version that was the latest at PREPARE for ever.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as DFStatement;
use datafusion::sql::sqlparser::ast::{self, Statement as SqlStatement};

use super::run::{Run, written_table};
use super::{constant, dml};
use crate::error::{Error, Result};
use crate::sql::{Insert, insert_of, normalized};

/// Prepared statements by session and name.
pub(super) type Prepared = Arc<Mutex<HashMap<(String, String), Kept>>>;

/// One prepared statement.
#[derive(Debug, Clone)]
pub(super) enum Kept {
    /// Any statement but an INSERT of ours.
    Statement(Box<DFStatement>),
    /// An INSERT.
    Insert(Box<Insert>),
}

/// Handles the statement if it prepares, executes or drops one on our tables; none for all others.
pub(super) async fn intercept(
    run: &mut Run<'_>,
    statement: &DFStatement,
) -> Result<Option<DataFrame>, DataFusionError> {
    let DFStatement::Statement(inner) = statement else { return Ok(None) };
    match inner.as_ref() {
        SqlStatement::Prepare { name, statement: body, .. } => prepare(run, &normalized(name), statement, body).await,
        SqlStatement::Execute { name: Some(name), parameters, .. } => {
            let name = name.0.last().and_then(|part| part.as_ident()).map(normalized).unwrap_or_default();
            let Some(kept) = look(run, &name) else { return Ok(None) };
            execute(run, kept, parameters).await.map(Some)
        }
        SqlStatement::Deallocate { name, .. } => {
            let key = (run.ctx.session_id(), normalized(name));
            let removed = run.tt.prepared.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            if removed.is_some() { run.done().map(Some) } else { Ok(None) }
        }
        _ => Ok(None),
    }
}

fn look(run: &Run<'_>, name: &str) -> Option<Kept> {
    let key = (run.ctx.session_id(), name.to_owned());
    run.tt.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
}

/// Keeps the statement if it names a table of ours. It is planned once, so that what is wrong with it shows now.
async fn prepare(
    run: &mut Run<'_>,
    name: &str,
    whole: &DFStatement,
    body: &SqlStatement,
) -> Result<Option<DataFrame>, DataFusionError> {
    let config = Arc::clone(run.state.config_options());
    let mut ours = false;
    for reference in run.state.resolve_table_references(whole)? {
        ours |= run.pins.find(reference, &config).await?.is_some();
    }
    if !ours {
        return Ok(None);
    }
    let insert = match body {
        SqlStatement::Insert(insert) => insert_of(insert).map_err(Error::from)?,
        _ => None,
    };
    let kept = match insert {
        Some(insert) => {
            dml::plan_insert(run, &insert).await?;
            Kept::Insert(Box::new(insert))
        }
        None => {
            let statement = DFStatement::Statement(Box::new(body.clone()));
            run.plan(statement.clone()).await?;
            Kept::Statement(Box::new(statement))
        }
    };
    let key = (run.ctx.session_id(), name.to_owned());
    run.tt.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(key, kept);
    run.done().map(Some)
}

async fn execute(run: &mut Run<'_>, kept: Kept, parameters: &[ast::Expr]) -> Result<DataFrame, DataFusionError> {
    let values =
        parameters.iter().map(|expr| constant::evaluate(&run.state, expr)).collect::<Result<Vec<ScalarValue>>>()?;
    let (state, plan) = match kept {
        Kept::Statement(statement) => run.plan(*statement).await?,
        Kept::Insert(insert) => dml::plan_insert(run, &insert).await?,
    };
    let plan: LogicalPlan = if values.is_empty() { plan } else { plan.with_param_values(values)? };
    run.options.verify_plan(&plan)?;
    let written = written_table(&plan).is_some();
    let frame = DataFrame::new(state, plan);
    if written { run.ctx.read_batches(frame.collect().await?) } else { Ok(frame) }
}
