//! MERGE INTO: target and source joined once, and of the WHEN clauses the first that holds decides on the row.
//!
//! Rows on which none decides are dropped where the change rows are read, not by a filter over the join: DataFusion 55
//! pushes a filter through a join whose sides it has swapped by the names of columns, into the wrong side where both
//! have one of that name, and then loses rows (`t RIGHT JOIN s ON t.k = s.k WHERE t.k IS NULL`).

use datafusion::common::{Column, Result};
use datafusion::logical_expr::dml::{MergeIntoAction, MergeIntoClause, MergeIntoClauseKind, MergeIntoOp};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{DmlStatement, Expr, JoinType, LogicalPlan, LogicalPlanBuilder, ident, lit};

use super::super::table::TimeTravelTable;
use super::{rows, subquery};
use crate::error::{Code, Error};
use crate::scan::ROW;
use crate::table::Column as TableColumn;
use crate::write::changes::{CHANGE, Change};

/// The column that says that a joined row has a source.
const SOURCE: &str = "__tt_source";

/// The column with the number of the clause that decides.
const CLAUSE: &str = "__tt_clause";

pub(super) fn input(dml: &DmlStatement, merge: &MergeIntoOp, table: &TimeTravelTable) -> Result<LogicalPlan> {
    let has = |kind: MergeIntoClauseKind| merge.clauses.iter().any(|clause| clause.kind.canonical() == kind);
    let join = match (has(MergeIntoClauseKind::NotMatchedByTarget), has(MergeIntoClauseKind::NotMatchedBySource)) {
        (false, false) => JoinType::Inner,
        (true, false) => JoinType::Right,
        (false, true) => JoinType::Left,
        (true, true) => JoinType::Full,
    };
    let target = LogicalPlanBuilder::scan(dml.table_name.clone(), rows::source(table), None)?;
    let mut source = LogicalPlanBuilder::from(dml.input.as_ref().clone());
    if matches!(join, JoinType::Left | JoinType::Full) {
        let columns = dml.input.schema().iter().map(|column| Expr::Column(Column::from(column)));
        let marked: Vec<Expr> = columns.chain([lit(true).alias(SOURCE)]).collect();
        source = source.project(marked)?;
    }
    let joined = match (join, subquery::has(&merge.on)?) {
        (_, false) => target.join_on(source.build()?, join, [merge.on.clone()])?,
        // DataFusion plans IN and EXISTS in WHERE only.
        (JoinType::Inner, true) => target.cross_join(source.build()?)?.filter(merge.on.clone())?,
        (_, true) => {
            return Err(Error::new(
                Code::NotSupported,
                format!(
                    "MERGE INTO {}: ON takes no IN (SELECT …) or EXISTS beside WHEN NOT MATCHED: put it into USING (SELECT …) or into a WHEN clause",
                    table.pinned().name
                ),
            )
            .into());
        }
    };
    let joined = joined.build()?;

    let merged = Merged { dml, table, join };
    let conditions = merge.clauses.iter().map(|clause| merged.condition(clause)).collect::<Result<Vec<_>>>()?;
    let (joined, conditions) = subquery::lifted(joined, conditions)?;
    let decisions = conditions.into_iter().zip(0_i32..).map(|(condition, at)| (condition, lit(at)));
    let mut columns: Vec<Expr> = joined.schema().iter().map(|column| Expr::Column(Column::from(column))).collect();
    columns.push(case(decisions.collect(), None).alias(CLAUSE));
    let decided = LogicalPlanBuilder::from(joined).project(columns)?.build()?;

    let mut exprs = Vec::new();
    for column in table.table_schema().all() {
        let values = merge.clauses.iter().map(|clause| merged.value(clause, column)).collect::<Result<Vec<_>>>()?;
        exprs.push(by_clause(values).alias(&column.name));
    }
    let changes = merge.clauses.iter().map(|clause| match clause.action {
        MergeIntoAction::Update(_) => lit(Change::Update.code()),
        MergeIntoAction::Delete => lit(Change::Delete.code()),
        MergeIntoAction::Insert { .. } => lit(Change::Insert.code()),
    });
    exprs.push(of_clause(changes.collect()).alias(CHANGE));
    exprs.extend(rows::identity(table, |name| Ok(merged.column(name)))?);
    let (decided, exprs) = subquery::lifted(decided, exprs)?;
    LogicalPlanBuilder::from(decided).project(exprs)?.build()
}

struct Merged<'a> {
    dml: &'a DmlStatement,
    table: &'a TimeTravelTable,
    join: JoinType,
}

impl Merged<'_> {
    /// A column of the target.
    fn column(&self, name: &str) -> Expr {
        Expr::Column(Column::new(Some(self.dml.table_name.clone()), name))
    }

    /// Whether the joined row has a row of the target: a column that takes no NULL has a value there.
    fn has_target(&self) -> Expr {
        let schema = self.table.table_schema();
        let column = schema.key_columns().first().map_or(ROW, |column| column.name.as_str());
        self.column(column).is_not_null()
    }

    /// When the clause holds, if none before it does.
    fn condition(&self, clause: &MergeIntoClause) -> Result<Expr> {
        let kind = match clause.kind.canonical() {
            MergeIntoClauseKind::NotMatchedBySource => ident(SOURCE).is_null(),
            MergeIntoClauseKind::Matched => match self.join {
                JoinType::Inner => lit(true),
                JoinType::Right => self.has_target(),
                JoinType::Left => ident(SOURCE).is_not_null(),
                _ => self.has_target().and(ident(SOURCE).is_not_null()),
            },
            MergeIntoClauseKind::NotMatched | MergeIntoClauseKind::NotMatchedByTarget => {
                Expr::Not(Box::new(self.has_target()))
            }
        };
        let fits = match (clause.kind.canonical(), &clause.action) {
            (MergeIntoClauseKind::NotMatchedByTarget, MergeIntoAction::Insert { .. }) => true,
            (MergeIntoClauseKind::NotMatchedByTarget, _) | (_, MergeIntoAction::Insert { .. }) => false,
            _ => true,
        };
        if !fits {
            return Err(Error::new(
                Code::InvalidArgument,
                format!(
                    "MERGE INTO {}: WHEN MATCHED and WHEN NOT MATCHED BY SOURCE take UPDATE or DELETE, WHEN NOT MATCHED takes INSERT",
                    self.table.pinned().name
                ),
            )
            .into());
        }
        Ok(match &clause.predicate {
            Some(predicate) => kind.and(predicate.clone()),
            None => kind,
        })
    }

    /// The new value of a column where the clause decides.
    fn value(&self, clause: &MergeIntoClause, column: &TableColumn) -> Result<Expr> {
        match &clause.action {
            MergeIntoAction::Delete => rows::null(&column.data_type),
            MergeIntoAction::Update(assignments) => {
                let assigned = assignments.iter().find(|(name, _)| *name == column.name);
                Ok(assigned.map_or_else(|| self.column(&column.name), |(_, value)| value.clone()))
            }
            MergeIntoAction::Insert { columns, values } => {
                let at = match columns.is_empty() {
                    true => self.table.table_schema().all().position(|other| other.name == column.name),
                    false => columns.iter().position(|name| *name == column.name),
                };
                match at.and_then(|at| values.get(at)) {
                    Some(value) => Ok(value.clone()),
                    None => self.table.default_of(column),
                }
            }
        }
    }
}

/// The value of the clause that decided; any value where none did, but nothing is computed there that might fail.
fn by_clause(values: Vec<Expr>) -> Expr {
    match values.first() {
        Some(first @ (Expr::Column(_) | Expr::Literal(..))) if values.iter().all(|value| value == first) => {
            first.clone()
        }
        _ => of_clause(values),
    }
}

/// The value of the clause that decided; NULL where none did.
fn of_clause(values: Vec<Expr>) -> Expr {
    case(values.into_iter().zip(0_i32..).map(|(value, at)| (lit(at), value)).collect(), Some(ident(CLAUSE)))
}

fn case(branches: Vec<(Expr, Expr)>, of: Option<Expr>) -> Expr {
    let branches = branches.into_iter().map(|(when, then)| (Box::new(when), Box::new(then))).collect();
    Expr::Case(Case::new(of.map(Box::new), branches, None))
}
