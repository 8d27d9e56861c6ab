//! Queries, and writes to time-travel tables: run at once, and again where somebody else changed what they read.

use std::time::Duration;

use datafusion::common::DataFusionError;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{DmlStatement, LogicalPlan};
use datafusion::sql::parser::{ExplainStatement, Statement as DFStatement};
use datafusion::sql::sqlparser::ast;

use super::constant;
use super::run::{Run, written_table};
use crate::error::{Code, Error, Result};
use crate::provider::{Target, WriteScope};
use crate::sql::{Explain, Insert, insert_rewrite};
use crate::table::{PartitionValues, TableSchema, text};

use std::sync::Arc;

/// How often a write is planned anew after a conflict.
const ATTEMPTS: u32 = 5;

/// A statement that DataFusion plans.
pub(super) async fn query(run: &mut Run<'_>, statement: DFStatement) -> Result<DataFrame, DataFusionError> {
    let (state, plan) = run.plan(statement.clone()).await?;
    run.options.verify_plan(&plan)?;
    if written_table(&plan).is_some() {
        return write(run, state, plan, &Again::Statement(&statement)).await;
    }
    match plan {
        // These act on the session itself.
        LogicalPlan::Ddl(_) | LogicalPlan::Statement(_) => run.ctx.execute_logical_plan(plan).await,
        plan => Ok(DataFrame::new(state, plan)),
    }
}

/// INSERT [OVERWRITE] … [PARTITION (…)].
pub(super) async fn insert(run: &mut Run<'_>, insert: &Insert) -> Result<DataFrame, DataFusionError> {
    if run.find(&insert.table).await?.is_none() {
        return query(run, insert.original()).await;
    }
    let (state, plan) = plan_insert(run, insert).await?;
    run.options.verify_plan(&plan)?;
    write(run, state, plan, &Again::Insert(insert)).await
}

/// EXPLAIN of such an INSERT; nothing is written, except by ANALYZE.
pub(super) async fn explain_insert(run: &mut Run<'_>, explain: &Explain) -> Result<DataFrame, DataFusionError> {
    let Some((plain, scope)) = rewritten(run, &explain.insert).await? else {
        return query(run, explain.original()).await;
    };
    let statement = DFStatement::Explain(ExplainStatement { statement: Box::new(plain), options: explain.options.clone() });
    let (state, plan) = run.plan(statement).await?;
    run.options.verify_plan(&plan)?;
    let plan = scoped_below(plan, &scope)?;
    Ok(DataFrame::new(state, plan))
}

/// How a write is planned again.
enum Again<'a> {
    Statement(&'a DFStatement),
    Insert(&'a Insert),
}

/// Runs a write now; after a conflict from a new Pin, a few times with jitter, then the conflict stands.
async fn write(run: &Run<'_>, state: SessionState, plan: LogicalPlan, again: &Again<'_>) -> Result<DataFrame, DataFusionError> {
    let (mut state, mut plan) = (state, plan);
    for attempt in 1.. {
        let error = match DataFrame::new(state, plan).collect().await {
            Ok(batches) => return run.ctx.read_batches(batches),
            Err(error) => error,
        };
        let conflict = Error::find(&error).is_some_and(|ours| ours.code() == Code::Conflict);
        if !conflict || attempt >= ATTEMPTS {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(rand::random_range(1..=u64::from(attempt) * 20))).await;
        let mut fresh = Run::new(run.tt, run.ctx, run.options);
        (state, plan) = match again {
            Again::Statement(statement) => fresh.plan((*statement).clone()).await?,
            Again::Insert(insert) => plan_insert(&mut fresh, insert).await?,
        };
    }
    Err(Error::internal("a write without an end").into())
}

async fn plan_insert(run: &mut Run<'_>, insert: &Insert) -> Result<(SessionState, LogicalPlan), DataFusionError> {
    let Some((plain, scope)) = rewritten(run, insert).await? else {
        return Err(Error::internal("an INSERT into a foreign table").into());
    };
    let (state, plan) = run.plan(plain).await?;
    Ok((state, scoped(plan, scope)?))
}

/// The plain INSERT that DataFusion plans, and what an OVERWRITE replaces; none for a foreign table.
async fn rewritten(run: &mut Run<'_>, insert: &Insert) -> Result<Option<(DFStatement, WriteScope)>> {
    let Some((pin, name)) = run.find(&insert.table).await? else { return Ok(None) };
    let table = pin.table(&name).await?;
    let schema = table.snapshot.state.schema()?;
    let names = |columns: &[crate::table::Column]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    let (columns, source) = insert_rewrite(insert, &names(&schema.columns), &names(&schema.partition_columns))?;
    let named = named_partition(&run.state, &schema, &insert.partition)?;
    Ok(Some((insert.plain(&columns, source), WriteScope { named })))
}

/// The partition that static values for every partition column name.
fn named_partition(state: &SessionState, schema: &TableSchema, partition: &[(String, Option<ast::Expr>)]) -> Result<Option<PartitionValues>> {
    let mut values = Vec::with_capacity(schema.partition_columns.len());
    for column in &schema.partition_columns {
        let Some((_, Some(expr))) = partition.iter().find(|(name, _)| *name == column.name) else { return Ok(None) };
        let value = constant::evaluate(state, expr)?.cast_to(&column.data_type)?;
        // NULL and empty values are refused with the rows.
        match text::to_text(&value.to_array()?, 0) {
            Some(text) => values.push(text),
            None => return Ok(None),
        }
    }
    Ok((!values.is_empty()).then_some(PartitionValues(values)))
}

/// The plan with the scope given to the table that it writes.
fn scoped(plan: LogicalPlan, scope: WriteScope) -> Result<LogicalPlan, DataFusionError> {
    let Some(table) = written_table(&plan).cloned() else { return Ok(plan) };
    match plan {
        LogicalPlan::Dml(dml) => {
            let target = provider_as_source(Arc::new(table.with_target(Target::Undecided(scope))));
            Ok(LogicalPlan::Dml(DmlStatement::new(dml.table_name, target, dml.op, dml.input)))
        }
        other => Ok(other),
    }
}

fn scoped_below(plan: LogicalPlan, scope: &WriteScope) -> Result<LogicalPlan, DataFusionError> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let done = plan.transform_down(|node| match written_table(&node).is_some() {
        true => Ok(Transformed::yes(scoped(node, scope.clone())?)),
        false => Ok(Transformed::no(node)),
    })?;
    Ok(done.data)
}
