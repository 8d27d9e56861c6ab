//! One of two snapshots that are compared: its rows in the newer one's columns, under names that the other side lacks.
//!
//! DataFusion 55 pushes a filter over a join of swapped sides by the names of columns, so no two columns of a join may have
//! one name.

use std::sync::Arc;

use datafusion::common::{Column, JoinType, NullEquality, Result, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlanBuilder, Operator, binary_expr, ident, lit};

use super::super::TimeTravelTable;
use crate::error::Error;
use crate::log::Lsn;
use crate::ops::{Pin, PinnedTable};
use crate::scan::ReadRange;
use crate::table::TableSchema;

/// What both sides have in common: the columns of the answer, and which of them tell rows apart.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) schema: Arc<TableSchema>,
    /// Positions among all columns of those that tell rows apart.
    identity: Vec<usize>,
}

impl Shape {
    /// That of the version `at`.
    pub(super) fn at(table: &PinnedTable, at: Lsn) -> Result<Self, Error> {
        let schema = table.snapshot.state.schema_at(at)?;
        let told_apart = |column: &crate::table::Column| {
            !schema.is_keyed()
                || schema.key.contains(&column.id)
                || schema.partition_columns.iter().any(|partition| partition.id == column.id)
        };
        let identity = schema.all().enumerate().filter(|(_, column)| told_apart(column)).map(|(at, _)| at).collect();
        Ok(Self { schema, identity })
    }

    pub(super) fn is_identity(&self, at: usize) -> bool {
        self.identity.contains(&at)
    }

    /// Whether a row has no partner of this side after an outer join.
    pub(super) fn is_missing(&self, side: &str) -> Expr {
        match self.identity.first() {
            Some(first) if self.schema.is_keyed() => ident(name(side, *first)).is_null(),
            _ => ident(occurrence(side)).is_null(),
        }
    }

    /// Which columns differ: name and condition, of those that don't tell rows apart.
    pub(super) fn differences(&self, one: &str, other: &str) -> Vec<(String, Expr)> {
        let columns = self.schema.all().enumerate().filter(|(at, _)| !self.is_identity(*at));
        columns
            .map(|(at, column)| {
                let differs = binary_expr(ident(name(one, at)), Operator::IsDistinctFrom, ident(name(other, at)));
                (column.name.clone(), differs)
            })
            .collect()
    }

    /// The rows of a version under this side's names.
    pub(super) fn side(&self, pin: &Arc<Pin>, table: &PinnedTable, at: Lsn, side: &str) -> Result<LogicalPlanBuilder> {
        let provider = TimeTravelTable::new(Arc::clone(pin), table.clone(), ReadRange::At(at))?;
        let own = Arc::clone(provider.table_schema());
        // A name for each version: DataFusion takes two scans of one name for the same.
        let scan = TableReference::bare(format!("{} VERSION AS OF {}", table.name, at.get()));
        let rows = LogicalPlanBuilder::scan(scan.clone(), provider_as_source(Arc::new(provider)), None)?;
        let mut columns = Vec::new();
        for (place, column) in self.schema.all().enumerate() {
            let value = match own.all().find(|other| other.id == column.id) {
                Some(found) => {
                    let value = Expr::Column(Column::new(Some(scan.clone()), &found.name));
                    match found.data_type == column.data_type {
                        true => value,
                        false => datafusion::logical_expr::cast(value, column.data_type.clone()),
                    }
                }
                None => lit(ScalarValue::try_from(&column.data_type)?),
            };
            columns.push(value.alias(name(side, place)));
        }
        let rows = rows.project(columns)?;
        if self.schema.is_keyed() {
            return Ok(rows);
        }
        let alike: Vec<Expr> = self.identity.iter().map(|place| ident(name(side, *place))).collect();
        rows.window([row_number().partition_by(alike).build()?.alias(occurrence(side))])
    }

    /// Two sides joined by what tells rows apart.
    pub(super) fn join(
        &self,
        left: (LogicalPlanBuilder, &str),
        right: (LogicalPlanBuilder, &str),
        join: JoinType,
    ) -> Result<LogicalPlanBuilder> {
        let on = |side: &str| {
            let mut columns: Vec<Column> =
                self.identity.iter().map(|place| Column::from_name(name(side, *place))).collect();
            if !self.schema.is_keyed() {
                columns.push(Column::from_name(occurrence(side)));
            }
            columns
        };
        // Keys take no NULL; whole rows may hold some.
        let nulls = if self.schema.is_keyed() { NullEquality::NullEqualsNothing } else { NullEquality::NullEqualsNull };
        let keys = (on(left.1), on(right.1));
        left.0.join_detailed(right.0.build()?, join, keys, None, nulls)
    }
}

/// The name of a column of a side.
pub(super) fn name(side: &str, place: usize) -> String {
    format!("__tt_{side}_{place}")
}

fn occurrence(side: &str) -> String {
    format!("__tt_{side}_occurrence")
}
