//! Version clauses in the syntax tree: what they say, and where they may not stand.
//!
//! Invariant: every table factor with a version yields a clause or an error that names the spelling to use; the target
//! of a write never has one.

use std::ops::ControlFlow;

use datafusion::sql::parser::{CopyToSource, Statement as DFStatement};
use datafusion::sql::sqlparser::ast::{
    Expr, FromTable, Ident, SetExpr, Statement as SqlStatement, TableFactor, TableVersion, TableWithJoins, VisitMut,
    VisitorMut,
};

use super::failure::{At, Failure, Parse};
use crate::error::{Code, Error, Result};

/// What a version clause counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VersionUnit {
    Version,
    Timestamp,
}

impl VersionUnit {
    /// The word of the clause.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Version => "VERSION",
            Self::Timestamp => "TIMESTAMP",
        }
    }
}

/// One snapshot, or the changes of a range.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "there is one per clause of a statement")]
pub(crate) enum VersionRange {
    AsOf(Expr),
    Between(Expr, Expr),
}

/// `VERSION | TIMESTAMP` `AS OF x | BETWEEN a AND b`, expressions not yet evaluated.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct VersionClause {
    pub(crate) unit: VersionUnit,
    pub(crate) range: VersionRange,
}

impl VersionClause {
    /// The clause as the syntax tree holds it: sqlparser has no BETWEEN, so that one is an expression on the word.
    pub(crate) fn into_table_version(self) -> TableVersion {
        match (self.unit, self.range) {
            (VersionUnit::Version, VersionRange::AsOf(expr)) => TableVersion::VersionAsOf(expr),
            (VersionUnit::Timestamp, VersionRange::AsOf(expr)) => TableVersion::TimestampAsOf(expr),
            (unit, VersionRange::Between(low, high)) => TableVersion::Function(Expr::Between {
                expr: Box::new(Expr::Identifier(Ident::new(unit.as_str()))),
                negated: false,
                low: Box::new(low),
                high: Box::new(high),
            }),
        }
    }

    fn from_table_version(version: &TableVersion) -> Option<Self> {
        let (unit, range) = match version {
            TableVersion::VersionAsOf(expr) => (VersionUnit::Version, VersionRange::AsOf(expr.clone())),
            TableVersion::TimestampAsOf(expr) | TableVersion::ForSystemTimeAsOf(expr) => {
                (VersionUnit::Timestamp, VersionRange::AsOf(expr.clone()))
            }
            TableVersion::Function(Expr::Between { expr, negated: false, low, high }) => {
                let Expr::Identifier(word) = expr.as_ref() else { return None };
                let unit = match word.value.as_str() {
                    "VERSION" => VersionUnit::Version,
                    "TIMESTAMP" => VersionUnit::Timestamp,
                    _ => return None,
                };
                (unit, VersionRange::Between(low.as_ref().clone(), high.as_ref().clone()))
            }
            TableVersion::Function(_) | TableVersion::Changes { .. } => return None,
        };
        Some(Self { unit, range })
    }
}

/// The version clause of a table factor. A spelling of another system is an error that names ours.
pub(crate) fn version_of(factor: &TableFactor) -> Result<Option<VersionClause>> {
    let TableFactor::Table { name, version: Some(version), .. } = factor else { return Ok(None) };
    VersionClause::from_table_version(version).map(Some).ok_or_else(|| {
        Error::new(
            Code::NotSupported,
            format!(
                "{name} {version} is the spelling of another system; write {name} VERSION AS OF n, TIMESTAMP AS OF \
                 'time', or VERSION | TIMESTAMP BETWEEN a AND b"
            ),
        )
    })
}

/// Visits every query, table factor and expression of a statement, DataFusion's own ones included.
pub(crate) fn visit_mut<V: VisitorMut>(statement: &mut DFStatement, visitor: &mut V) -> ControlFlow<V::Break> {
    match statement {
        DFStatement::Statement(inner) => inner.visit(visitor),
        DFStatement::Explain(explain) => visit_mut(&mut explain.statement, visitor),
        DFStatement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => query.visit(visitor),
            CopyToSource::Relation(_) => ControlFlow::Continue(()),
        },
        DFStatement::CreateExternalTable(_) | DFStatement::Reset(_) => ControlFlow::Continue(()),
    }
}

/// Refuses a version on the table that a statement writes: stock DataFusion would write the current table silently.
pub(crate) fn check_targets(statement: &DFStatement) -> Parse<()> {
    match statement {
        DFStatement::Statement(inner) => check_sql(inner),
        DFStatement::Explain(explain) => check_targets(&explain.statement),
        _ => Ok(()),
    }
}

fn check_sql(statement: &SqlStatement) -> Parse<()> {
    match statement {
        SqlStatement::Update(update) => check_tables("UPDATE", std::slice::from_ref(&update.table)),
        SqlStatement::Delete(delete) => match &delete.from {
            FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables) => check_tables("DELETE", tables),
        },
        SqlStatement::Merge(merge) => check_factor("MERGE", &merge.table),
        SqlStatement::Prepare { statement, .. } => check_sql(statement),
        SqlStatement::Explain { statement, .. } => check_sql(statement),
        SqlStatement::Query(query) => check_body(&query.body),
        _ => Ok(()),
    }
}

/// `WITH … UPDATE` is a query whose body is the write.
fn check_body(body: &SetExpr) -> Parse<()> {
    match body {
        SetExpr::Update(statement) | SetExpr::Delete(statement) | SetExpr::Merge(statement) => check_sql(statement),
        SetExpr::Query(query) => check_body(&query.body),
        _ => Ok(()),
    }
}

fn check_tables(verb: &str, tables: &[TableWithJoins]) -> Parse<()> {
    tables.iter().try_for_each(|table| {
        check_factor(verb, &table.relation)?;
        table.joins.iter().try_for_each(|join| check_factor(verb, &join.relation))
    })
}

fn check_factor(verb: &str, factor: &TableFactor) -> Parse<()> {
    match factor {
        TableFactor::Table { name, version: Some(version), .. } => Err(Failure::new(
            Code::NotVersioned,
            format!("{verb} changes the current {name}, not its {version}; RESTORE TABLE brings an old version back"),
            At::Unknown,
        )),
        _ => Ok(()),
    }
}
