//! Queries, and writes to time-travel tables: run at once, and again where somebody else changed what they read.

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::compute::can_cast_types;
use datafusion::common::format::ExplainFormat;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::{TableProvider, provider_as_source};
use datafusion::execution::SessionState;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::logical_plan::ExplainOption;
use datafusion::logical_expr::{DmlStatement, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, WriteOp};
use datafusion::sql::parser::Statement as DFStatement;
use datafusion::sql::sqlparser::ast;

use super::run::{Run, written_table};
use super::{constant, defaults};
use crate::auth::Privilege;
use crate::catalog::TableName;
use crate::error::{Code, Error, Result};
use crate::provider::{Target, TimeTravelTable, WriteScope};
use crate::sql::{Explain, Insert, insert_rewrite};
use crate::table::{Column, PartitionValues, TableSchema, text};

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
    if run.find(&explain.insert.table).await?.is_none() {
        return query(run, explain.original()).await;
    }
    let (state, plan) = plan_insert(run, &explain.insert).await?;
    run.options.verify_plan(&plan)?;
    let options = &explain.options;
    let format = match (options.analyze, &options.format) {
        // It would be refused only after the rows are written.
        (true, Some(ExplainFormat::Tree)) => {
            let message = "EXPLAIN ANALYZE has no format TREE: leave FORMAT out; nothing was written";
            return Err(Error::new(Code::NotSupported, message).into());
        }
        (_, Some(format)) => format.clone(),
        (true, None) => ExplainFormat::Indent,
        (false, None) => state.config_options().explain.format.clone(),
    };
    let (verbose, analyze) = (options.verbose, options.analyze);
    let option = ExplainOption { verbose, analyze, format, ..ExplainOption::default() };
    Ok(DataFrame::new(state, LogicalPlanBuilder::from(plan).explain_option_format(option)?.build()?))
}

/// How a write is planned again.
enum Again<'a> {
    Statement(&'a DFStatement),
    Insert(&'a Insert),
}

/// The state in which an INSERT is run: rows keep the order in which their source gives them, because of duplicates the
/// last wins. DataFusion deals batches out to its partitions round robin and takes them back as they come.
fn in_order(mut state: SessionState, plan: &LogicalPlan) -> SessionState {
    if let LogicalPlan::Dml(DmlStatement { op: WriteOp::Insert(_), input, .. }) = plan
        && is_ordered(input)
    {
        state.config_mut().options_mut().optimizer.enable_round_robin_repartition = false;
    }
    state
}

/// Whether the rows come one after another from one source. Joins and aggregates have no order to keep, and gain most
/// from being dealt out.
fn is_ordered(mut plan: &LogicalPlan) -> bool {
    loop {
        plan = match plan {
            LogicalPlan::Projection(node) => &node.input,
            LogicalPlan::Filter(node) => &node.input,
            LogicalPlan::SubqueryAlias(node) => &node.input,
            LogicalPlan::Limit(node) => &node.input,
            LogicalPlan::Values(_) | LogicalPlan::TableScan(_) | LogicalPlan::Sort(_) => return true,
            _ => return false,
        };
    }
}

/// Runs a write now; after a conflict from a new Pin, a few times with jitter, then the conflict stands.
async fn write(
    run: &Run<'_>,
    state: SessionState,
    plan: LogicalPlan,
    again: &Again<'_>,
) -> Result<DataFrame, DataFusionError> {
    let (mut state, mut plan) = (state, plan);
    for attempt in 1.. {
        let error = match DataFrame::new(in_order(state, &plan), plan).collect().await {
            Ok(batches) => return run.ctx.read_batches(batches),
            Err(error) => error,
        };
        let conflict = Error::find(&error).is_some_and(|ours| ours.code() == Code::Conflict);
        if !conflict || attempt >= ATTEMPTS {
            return Err(error);
        }
        let store = run.tt.warehouse().store();
        let pause = 1 + store.ids().next() % (u128::from(attempt) * 20);
        store.clock().sleep(Duration::from_millis(pause as u64)).await;
        let mut fresh = Run::new(run.tt, run.ctx, run.options);
        (state, plan) = match again {
            Again::Statement(statement) => fresh.plan((*statement).clone()).await?,
            Again::Insert(insert) => plan_insert(&mut fresh, insert).await?,
        };
    }
    Err(Error::internal("a write without an end").into())
}

/// The source is planned by itself and then fitted to the table: DataFusion would hand the table's columns down to any
/// VALUES in the source, also nested ones, which are not the table's rows.
pub(super) async fn plan_insert(
    run: &mut Run<'_>,
    insert: &Insert,
) -> Result<(SessionState, LogicalPlan), DataFusionError> {
    let Some((pin, name)) = run.find(&insert.table).await? else {
        return Err(Error::internal("an INSERT into a foreign table").into());
    };
    let table = pin.table_for(&name, Privilege::Update).await?;
    let target = TimeTravelTable::latest(pin, table)?;
    let schema = Arc::clone(target.table_schema());
    let names = |columns: &[Column]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    let (columns, mut source) = insert_rewrite(insert, &names(&schema.columns), &names(&schema.partition_columns))?;
    defaults::fill(&mut source.body, &columns, &|column| target.get_column_default(column))?;
    let named = named_partition(&run.state, &schema, &insert.partition)?;
    let query = DFStatement::Statement(Box::new(ast::Statement::Query(source)));
    let (state, source) = run.plan(query).await?;
    let input = Arc::new(fitted(source, &name, &target, &columns)?);
    let target = provider_as_source(Arc::new(
        target.with_target(Target::Undecided(WriteScope { named, ..WriteScope::default() })),
    ));
    let op = if insert.overwrite { InsertOp::Overwrite } else { InsertOp::Append };
    let plan = LogicalPlan::Dml(DmlStatement::new(insert.table.reference(), target, WriteOp::Insert(op), input));
    Ok((state, plan))
}

/// The source's columns cast to the table's, in its order; columns that are not named get their default.
fn fitted(
    source: LogicalPlan,
    name: &TableName,
    target: &TimeTravelTable,
    columns: &[String],
) -> Result<LogicalPlan, DataFusionError> {
    let invalid = |message: String| DataFusionError::from(Error::new(Code::InvalidArgument, message));
    let given = Arc::clone(source.schema());
    if given.fields().len() != columns.len() {
        let (has, wants) = (given.fields().len(), columns.join(", "));
        return Err(invalid(format!(
            "INSERT into {name}: the source gives {has} columns for {} ({wants})",
            columns.len()
        )));
    }
    let schema = target.table_schema();
    if let Some(unknown) = columns.iter().find(|column| !schema.all().any(|known| known.name == **column)) {
        return Err(Error::new(
            Code::ColumnNotFound,
            format!("table {name} has no column {unknown:?}: DESC {name} lists its columns"),
        )
        .into());
    }
    if let Some((at, twice)) =
        columns.iter().enumerate().find(|(at, column)| columns.iter().take(*at).any(|other| other == *column))
    {
        return Err(invalid(format!("INSERT into {name}: column {twice:?} stands twice, again at place {}", at + 1)));
    }
    let mut exprs = Vec::with_capacity(target.schema().fields().len());
    for column in schema.all() {
        let expr = match columns.iter().position(|given| *given == column.name) {
            Some(at) => {
                let (qualifier, field) = given.qualified_field(at);
                let given_column = Expr::Column(datafusion::common::Column::from((qualifier, field)));
                match field.data_type() {
                    // Cast when it is written, which can say which row and column a value doesn't fit.
                    from if !from.is_null() && can_cast_types(from, &column.data_type) => given_column,
                    from if from.is_null() => given_column.cast_to(&column.data_type, given.as_ref())?,
                    from => {
                        let wants = &column.data_type;
                        return Err(invalid(format!(
                            "column {:?} of table {name} takes {wants}, and {from} can't become one: CAST it in the statement",
                            column.name
                        )));
                    }
                }
            }
            None => match target.get_column_default(&column.name) {
                Some(default) => default.clone(),
                None => Expr::Literal(ScalarValue::try_from(&column.data_type)?, None),
            },
        };
        exprs.push(expr.alias(&column.name));
    }
    LogicalPlanBuilder::from(source).project(exprs)?.build()
}

/// The partition that static values for every partition column name.
fn named_partition(
    state: &SessionState,
    schema: &TableSchema,
    partition: &[(String, Option<ast::Expr>)],
) -> Result<Option<PartitionValues>> {
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
