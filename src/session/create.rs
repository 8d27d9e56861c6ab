//! CREATE TABLE and CREATE TABLE AS: from syntax to verbs.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::DataFusionError;
use datafusion::dataframe::DataFrame;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::sql::parser::Statement as DFStatement;
use datafusion::sql::sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use datafusion::sql::sqlparser::ast::{self, ColumnDef, ColumnOption, Ident, ObjectName, ObjectNamePart};
use futures::StreamExt;

use super::constant;
use super::run::Run;
use crate::catalog::TableName;
use crate::error::{Code, Error, Result};
use crate::ops::create::{IfExists, NewTable};
use crate::ops::{Pin, create};
use crate::sql::{CreateTable, normalized};
use crate::table::{FileKind, PartitionValues, TableSchema, properties, text};
use crate::write::{Duplicates, Limits, WriteRequest, write};

/// CREATE TABLE [AS].
pub(super) async fn table(
    run: &mut Run<'_>,
    pin: &Arc<Pin>,
    name: TableName,
    create: CreateTable,
) -> Result<DataFrame, DataFusionError> {
    if let Some(constraint) = create.constraints.first() {
        let message = format!(
            "table {name}: {constraint} can't be kept; leave it out, PRIMARY KEY is the one constraint of a table"
        );
        return Err(Error::new(Code::NotSupported, message).into());
    }
    let if_exists = match (create.or_replace, create.if_not_exists) {
        (true, _) => IfExists::Replace,
        (_, true) => IfExists::Skip,
        _ => IfExists::Fail,
    };
    let declared = fields(&run.state, &create.columns).await?;
    let untyped = create.partition_columns.iter().find(|column| column.data_type == ast::DataType::Unspecified);
    if let Some(column) = untyped.filter(|_| create.query.is_none() || !declared.is_empty()) {
        let name_of = normalized(&column.name);
        let message = format!(
            "table {name}: partition column {name_of:?} has no type: write PARTITIONED BY ({name_of} STRING), and leave it out of the list of columns"
        );
        return Err(Error::new(Code::InvalidSchema, message).into());
    }
    let mut partitions = fields(
        &run.state,
        &create
            .partition_columns
            .iter()
            .filter(|c| c.data_type != ast::DataType::Unspecified)
            .cloned()
            .collect::<Vec<_>>(),
    )
    .await?;
    let query = match create.query {
        Some(query) => {
            let statement = DFStatement::Statement(Box::new(ast::Statement::Query(query)));
            Some(run.plan(statement).await?)
        }
        None => None,
    };
    let mut columns = declared;
    let mut order = None;
    if let Some((_, plan)) = &query {
        let (of_query, places, of_partitions) =
            query_columns(plan, &name, columns, partitions, &create.partition_columns)?;
        (columns, partitions, order) = (of_query, of_partitions, Some(places));
    }
    let schema = TableSchema::new(columns, partitions, &create.primary_key)?;
    let lifecycle = match create.lifecycle {
        Some(days) => Some(properties::check_lifecycle(i64::try_from(days).unwrap_or(i64::MAX))?),
        None => None,
    };
    let new = NewTable {
        id: pin.warehouse().fresh_table(),
        name,
        schema,
        properties: create.properties.into_iter().collect(),
        lifecycle,
        comment: create.comment,
        if_exists,
    };
    if !new.check(pin).await? {
        return run.done();
    }
    let content = match (query, order) {
        (Some((state, plan)), Some(order)) => {
            create::ensure_safe(pin).await?;
            content(pin, &new, state, plan, order).await?
        }
        _ => vec![],
    };
    create::create(pin, new, content).await?;
    run.done()
}

/// The columns of a table made from a query: names and types of the list where there is one, else of the query;
/// partition columns last. Also says from which column of the query each comes.
fn query_columns(
    plan: &LogicalPlan,
    name: &TableName,
    declared: Vec<Field>,
    partitions: Vec<Field>,
    partition_defs: &[ColumnDef],
) -> Result<(Vec<Field>, Vec<usize>, Vec<Field>)> {
    let of_query: Vec<Field> =
        plan.schema().fields().iter().map(|field| Field::new(field.name(), field.data_type().clone(), true)).collect();
    let wrong = |what: String| Error::new(Code::InvalidSchema, format!("table {name}: {what}"));
    if !declared.is_empty() {
        let all: usize = declared.len() + partitions.len();
        if all != of_query.len() {
            return Err(wrong(format!("it has {all} columns, but the query gives {}", of_query.len())));
        }
        return Ok((declared, (0..all).collect(), partitions));
    }
    let named: Vec<String> = partition_defs.iter().map(|def| normalized(&def.name)).collect();
    let (mut columns, mut places) = (vec![], vec![]);
    for (at, field) in of_query.iter().enumerate() {
        if !named.contains(field.name()) {
            columns.push(field.clone());
            places.push(at);
        }
    }
    let mut last = Vec::with_capacity(named.len());
    for partition in &named {
        let Some(at) = of_query.iter().position(|field| field.name() == partition) else {
            return Err(wrong(format!("the query gives no column {partition:?} to partition by")));
        };
        let typed = partitions.iter().find(|field| field.name() == partition).or(of_query.get(at));
        last.extend(typed.cloned());
        places.push(at);
    }
    Ok((columns, places, last))
}

/// Runs the query into files of the new table, before it exists.
async fn content(
    pin: &Pin,
    new: &NewTable,
    state: SessionState,
    plan: LogicalPlan,
    order: Vec<usize>,
) -> Result<Vec<crate::write::WrittenFile>, DataFusionError> {
    let frame = DataFrame::new(state, plan);
    let task = Arc::new(frame.task_ctx());
    let rows = frame.execute_stream().await?;
    let projected = Arc::new(rows.schema().project(&order)?);
    let rows = rows.map(move |batch| Ok(batch?.project(&order)?));
    let rows: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(projected, rows));
    let request = WriteRequest {
        store: pin.warehouse().store().clone(),
        table: new.id,
        table_name: new.name.to_string(),
        schema: Arc::new(new.schema.clone()),
        buckets: new
            .properties
            .get(properties::BUCKETS)
            .and_then(|value| value.parse().ok())
            .unwrap_or(properties::DEFAULT_BUCKETS),
        duplicates: Duplicates::KeepLast,
        kind: Arc::new(|_: &PartitionValues| FileKind::Base),
        sorted: false,
        limits: Limits::default(),
    };
    Ok(write(request, rows, task).await?.files)
}

/// The Arrow fields of column definitions, as DataFusion maps types, with comments and defaults as metadata.
pub(super) async fn fields(state: &SessionState, columns: &[ColumnDef]) -> Result<Vec<Field>, DataFusionError> {
    if columns.is_empty() {
        return Ok(vec![]);
    }
    let kept = |option: &ColumnOption| matches!(option, ColumnOption::Null | ColumnOption::NotNull);
    let plain = columns.iter().map(|column| ColumnDef {
        options: column.options.iter().filter(|def| kept(&def.option)).cloned().collect(),
        ..column.clone()
    });
    let name = ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('"', "__tt_new_table"))]);
    let statement = CreateTableBuilder::new(name).columns(plain.collect()).build();
    let statement = DFStatement::Statement(Box::new(ast::Statement::CreateTable(statement)));
    let LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(planned)) = state.statement_to_plan(statement).await? else {
        return Err(Error::internal("a CREATE TABLE that plans as something else").into());
    };
    let mut fields = Vec::with_capacity(columns.len());
    for (field, column) in planned.input.schema().fields().iter().zip(columns) {
        let mut metadata = std::collections::HashMap::new();
        for option in &column.options {
            match &option.option {
                ColumnOption::Comment(text) => {
                    metadata.insert("comment".to_owned(), text.clone());
                }
                ColumnOption::Default(expr) => {
                    if let Some(value) = default_value(state, expr, field.data_type())? {
                        metadata.insert("default".to_owned(), value);
                    }
                }
                ColumnOption::Null | ColumnOption::NotNull | ColumnOption::PrimaryKey(_) => {}
                other => {
                    let message = format!("column {}: {other} can't be kept; leave it out", column.name);
                    return Err(Error::new(Code::NotSupported, message).into());
                }
            }
        }
        fields.push(
            Field::new(normalized(&column.name), field.data_type().clone(), field.is_nullable())
                .with_metadata(metadata),
        );
    }
    Ok(fields)
}

/// A default as text; none for NULL.
fn default_value(
    state: &SessionState,
    expr: &ast::Expr,
    data_type: &DataType,
) -> Result<Option<String>, DataFusionError> {
    let value = constant::evaluate(state, expr)?.cast_to(data_type)?;
    Ok(text::to_text(&value.to_array()?, 0))
}
