//! UPDATE: the rows with their new values, all of them computed from the old ones.

use datafusion::common::Result;
use datafusion::logical_expr::{DmlStatement, LogicalPlan, LogicalPlanBuilder};

use super::super::table::TimeTravelTable;
use super::{rows, subquery};
use crate::error::Error;
use crate::write::changes::Change;

pub(super) fn input(dml: &DmlStatement, table: &TimeTravelTable) -> Result<LogicalPlan> {
    // DataFusion plans the whole new row over the rows that the predicate finds.
    let LogicalPlan::Projection(new) = dml.input.as_ref() else {
        return Err(Error::internal("an UPDATE without new values").into());
    };
    let found = rows::over(&new.input, dml, table)?;
    let mut exprs = new.expr.clone();
    exprs.push(rows::change(Change::Update));
    exprs.extend(rows::identity(table, |name| rows::column(found.schema(), name))?);
    let (found, exprs) = subquery::lifted(found, exprs)?;
    LogicalPlanBuilder::from(found).project(exprs)?.build()
}
