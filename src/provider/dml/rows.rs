//! What the change rows of all three statements have in common: the scan of the target, and which row they are about.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{
    DmlStatement, Expr, Filter, Limit, LogicalPlan, LogicalPlanBuilder, SubqueryAlias, TableSource, lit,
};

use super::super::table::{TimeTravelTable, of_source};
use crate::error::{Code, Error};
use crate::scan::{FILE, ROW};
use crate::write::changes::{CHANGE, Change, OLD};

/// The target as a change reads it.
pub(super) fn source(table: &TimeTravelTable) -> Arc<dyn TableSource> {
    provider_as_source(Arc::new(table.for_change()))
}

/// What DataFusion planned over the target, over a scan for a change: filters, limits and an alias.
pub(super) fn over(plan: &LogicalPlan, dml: &DmlStatement, table: &TimeTravelTable) -> Result<LogicalPlan> {
    let below = |input: &Arc<LogicalPlan>| Ok::<_, DataFusionError>(Arc::new(over(input, dml, table)?));
    Ok(match plan {
        LogicalPlan::TableScan(scan)
            if of_source(scan.source.as_ref()).is_some_and(|read| read.pinned().id == table.pinned().id) =>
        {
            LogicalPlanBuilder::scan(scan.table_name.clone(), source(table), None)?.build()?
        }
        LogicalPlan::SubqueryAlias(node) => {
            LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(below(&node.input)?, node.alias.clone())?)
        }
        LogicalPlan::Filter(node) => LogicalPlan::Filter(Filter::try_new(node.predicate.clone(), below(&node.input)?)?),
        LogicalPlan::Limit(node) => {
            let (skip, fetch) = (node.skip.clone(), node.fetch.clone());
            LogicalPlan::Limit(Limit { skip, fetch, input: below(&node.input)? })
        }
        _ => {
            return Err(Error::new(
                Code::NotSupported,
                format!(
                    "{} on {} reads more than its target: write UPDATE … FROM, DELETE … USING or MERGE INTO",
                    dml.name().to_uppercase(),
                    table.pinned().name
                ),
            )
            .into());
        }
    })
}

/// The column of this name; what is planned over a target has each once.
pub(super) fn column(schema: &DFSchema, name: &str) -> Result<Expr> {
    let found = schema.iter().find(|(_, field)| field.name() == name);
    let (qualifier, field) = found.ok_or_else(|| Error::internal(format!("no column {name} in a change")))?;
    Ok(Expr::Column(Column::from((qualifier, field))))
}

/// What happens to the row.
pub(super) fn change(change: Change) -> Expr {
    lit(change.code()).alias(CHANGE)
}

/// Which row it is about; `of` gives the target's columns.
pub(super) fn identity(table: &TimeTravelTable, of: impl Fn(&str) -> Result<Expr>) -> Result<Vec<Expr>> {
    let schema = table.table_schema();
    if !schema.is_keyed() {
        return [FILE, ROW].into_iter().map(|name| Ok(of(name)?.alias(name))).collect();
    }
    let columns = schema.key_columns().into_iter().chain(&schema.partition_columns);
    columns.enumerate().map(|(at, column)| Ok(of(&column.name)?.alias(format!("{OLD}{at}")))).collect()
}

/// NULL for every column of the table.
pub(super) fn nothing(table: &TimeTravelTable) -> Result<Vec<Expr>> {
    let columns = table.table_schema().all();
    columns.map(|column| Ok(null(&column.data_type)?.alias(&column.name))).collect()
}

/// NULL of a type.
pub(super) fn null(data_type: &DataType) -> Result<Expr> {
    Ok(Expr::Literal(ScalarValue::try_from(data_type)?, None))
}
