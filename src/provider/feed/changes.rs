//! `changes('t', a, b)`: every change, commit by commit.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::common::{JoinType, Result, ScalarValue, TableReference};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::utils::disjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, ident, lit};

use super::side::{Shape, name};
use crate::log::{CommitInfo, Lsn};
use crate::ops::{Pin, PinnedTable};

const OLD: &str = "old";
const NEW: &str = "new";

/// The changes of the commits, in the columns of version `b`.
pub(super) fn plan(pin: &Arc<Pin>, table: &PinnedTable, b: Lsn, commits: &[Arc<CommitInfo>]) -> Result<LogicalPlan> {
    let shape = Shape::at(table, b)?;
    let mut all: Option<LogicalPlanBuilder> = None;
    for commit in commits {
        let before = Lsn::new(commit.lsn.get().saturating_sub(1));
        for (kept, other) in [(OLD, NEW), (NEW, OLD)] {
            let side = |which: &str| shape.side(pin, table, if which == NEW { commit.lsn } else { before }, which);
            let rows = shape.join((side(kept)?, kept), (side(other)?, other), JoinType::Left)?;
            let changed = shape.differences(kept, other).into_iter().map(|(_, differs)| differs);
            let changed = disjunction([shape.is_missing(other)].into_iter().chain(changed));
            let rows = match changed {
                Some(changed) => rows.filter(changed)?,
                None => rows,
            };
            let rows = rows.project(columns(&shape, kept, other, commit))?;
            all = Some(match all {
                Some(all) => all.union(rows.build()?)?,
                None => rows,
            });
        }
    }
    match all {
        Some(all) => all.build(),
        None => nothing(&shape),
    }
}

fn columns(shape: &Shape, kept: &str, other: &str, commit: &CommitInfo) -> Vec<Expr> {
    let mut columns: Vec<Expr> = shape
        .schema
        .all()
        .enumerate()
        .map(|(place, column)| ident(name(kept, place)).alias(column.name.clone()))
        .collect();
    let (alone, paired) = if kept == NEW { ("insert", "update_postimage") } else { ("delete", "update_preimage") };
    let kind =
        Case::new(None, vec![(Box::new(shape.is_missing(other)), Box::new(lit(alone)))], Some(Box::new(lit(paired))));
    columns.push(Expr::Case(kind).alias("_change_type"));
    columns.push(lit(commit.lsn.as_i64()).alias("_version"));
    let time = ScalarValue::TimestampMicrosecond(Some(commit.time.as_micros()), Some("UTC".into()));
    columns.push(lit(time).alias("_timestamp"));
    columns
}

/// No rows, of the same columns.
fn nothing(shape: &Shape) -> Result<LogicalPlan> {
    let mut fields: Vec<Field> = shape.schema.all().map(crate::table::Column::field).collect();
    fields.push(Field::new("_change_type", DataType::Utf8, false));
    fields.push(Field::new("_version", DataType::Int64, false));
    fields.push(Field::new("_timestamp", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false));
    let empty = MemTable::try_new(Arc::new(Schema::new(fields)), vec![vec![]])?;
    LogicalPlanBuilder::scan(TableReference::bare("no changes"), provider_as_source(Arc::new(empty)), None)?.build()
}
