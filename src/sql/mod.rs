//! The SQL front end: text to statements, and nothing else.
//!
//! Invariant: whatever stock DataFusion accepts parses exactly as there; a version clause ends up in the syntax tree or
//! in an error, never nowhere. Our own statements are recognised by their leading words before the stock parser sees
//! them ([`forms`]), version clauses are cut from the tokens only after the stock parser failed ([`splice`]).
//!
//! The syntax modules know no catalog, no store and no plan.

mod alter;
mod clauses;
mod create;
mod cursor;
mod failure;
mod forms;
mod insert;
mod inspect;
mod params;
mod parser;
mod recover;
mod splice;
mod statement;
mod tokens;

#[cfg(test)]
mod tests;

pub(crate) use clauses::{VersionClause, VersionRange, VersionUnit, version_of, visit_mut};
pub use forms::{StatementSyntax, statement_syntax};
pub(crate) use insert::{Insert, insert_of, insert_rewrite};
pub(crate) use parser::{Parsed, Syntax, parse, parse_with};
pub(crate) use statement::{
    AlterOperation, AlterTable, ColumnChange, CompactKind, CreateTable, CreateView, Explain, NamePattern, ObjectPath,
    PartitionRef, PartitionSpec, Purge, Restore, RestoreTarget, SetProject, ShowHistory, ShowPartitions, Statement,
    Truncate, Vacuum, normalized,
};
pub(crate) use tokens::{is_complete, split};
