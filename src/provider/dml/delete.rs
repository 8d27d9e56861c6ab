//! DELETE: which rows go; their values are not read.

use datafusion::common::Result;
use datafusion::logical_expr::{DmlStatement, LogicalPlan, LogicalPlanBuilder};

use super::super::table::TimeTravelTable;
use super::rows;
use crate::write::changes::Change;

pub(super) fn input(dml: &DmlStatement, table: &TimeTravelTable) -> Result<LogicalPlan> {
    let found = rows::over(&dml.input, dml, table)?;
    let mut exprs = rows::nothing(table)?;
    exprs.push(rows::change(Change::Delete));
    exprs.extend(rows::identity(table, |name| rows::column(found.schema(), name))?);
    LogicalPlanBuilder::from(found).project(exprs)?.build()
}
