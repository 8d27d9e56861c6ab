//! `diff('t', a, b)`: what differs between two versions, a row for each key.

use std::sync::Arc;

use datafusion::common::{JoinType, Result};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::utils::disjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, ident, lit};

use super::changed;
use super::side::{Shape, name};
use crate::log::Lsn;
use crate::ops::{Pin, PinnedTable};

const BEFORE: &str = "before";
const AFTER: &str = "after";

/// The differences from `a` to `b`, in the columns of `b`.
pub(super) fn plan(pin: &Arc<Pin>, table: &PinnedTable, a: Lsn, b: Lsn) -> Result<LogicalPlan> {
    let shape = Shape::at(table, b)?;
    let before = shape.side(pin, table, a, BEFORE)?;
    let after = shape.side(pin, table, b, AFTER)?;
    let rows = shape.join((before, BEFORE), (after, AFTER), JoinType::Full)?;
    let differences = shape.differences(BEFORE, AFTER);
    let missing = [shape.is_missing(BEFORE), shape.is_missing(AFTER)];
    let changed = disjunction(missing.into_iter().chain(differences.iter().map(|(_, differs)| differs.clone())));
    let rows = match changed {
        Some(changed) => rows.filter(changed)?,
        None => rows,
    };
    rows.project(columns(&shape, differences)?)?.build()
}

fn columns(shape: &Shape, differences: Vec<(String, Expr)>) -> Result<Vec<Expr>> {
    let kind =
        case(vec![(shape.is_missing(BEFORE), lit("insert")), (shape.is_missing(AFTER), lit("delete"))], lit("update"));
    let mut columns = vec![kind.alias("_change_type")];
    let mut values = Vec::new();
    for (place, column) in shape.schema.all().enumerate() {
        let (before, after) = (ident(name(BEFORE, place)), ident(name(AFTER, place)));
        if shape.is_identity(place) {
            columns.push(case(vec![(shape.is_missing(AFTER), before)], after).alias(column.name.clone()));
        } else {
            values.push(before.alias(format!("{}_before", column.name)));
            values.push(after.alias(format!("{}_after", column.name)));
        }
    }
    columns.extend(values);
    columns.push(changed::names(differences)?.alias("_changed"));
    Ok(columns)
}

fn case(when: Vec<(Expr, Expr)>, otherwise: Expr) -> Expr {
    let when = when.into_iter().map(|(when, then)| (Box::new(when), Box::new(then))).collect();
    Expr::Case(Case::new(None, when, Some(Box::new(otherwise))))
}
