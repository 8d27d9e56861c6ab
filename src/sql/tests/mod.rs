//! What the front end reads, by tables of statements.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod clauses;
mod insert;
mod statements;
mod stock;

use datafusion::sql::parser::Statement as DFStatement;
use datafusion::sql::sqlparser::dialect::GenericDialect;

use super::{Parsed, Statement, Syntax, parse};
use crate::error::{Code, Error};

/// One statement in the generic dialect.
fn one(sql: &str) -> Statement {
    only(sql).statement
}

fn only(sql: &str) -> Parsed<'_> {
    let mut parsed = parse(sql, Syntax::new(&GenericDialect {})).unwrap_or_else(|error| panic!("{sql}\n  {error}"));
    assert_eq!(parsed.len(), 1, "{sql}");
    parsed.pop().unwrap()
}

fn error(sql: &str) -> Error {
    match parse(sql, Syntax::new(&GenericDialect {})) {
        Ok(parsed) => panic!("{sql}\n  parses: {parsed:?}"),
        Err(error) => error,
    }
}

/// The code and some words of the message.
fn refused(sql: &str, code: Code, words: &str) {
    let error = error(sql);
    assert_eq!(error.code(), code, "{sql}\n  {error}");
    assert!(error.message().contains(words), "{sql}\n  {error}\n  lacks: {words}");
}

/// The tree that DataFusion would plan, where there is one.
fn tree(parsed: &Parsed<'_>) -> Option<DFStatement> {
    match &parsed.statement {
        Statement::DataFusion(ast) => Some(ast.as_ref().clone()),
        Statement::Insert(insert) => Some(insert.original()),
        Statement::Explain(explain) => Some(explain.original()),
        Statement::CreateView(view) => Some(view.ast.as_ref().clone()),
        _ => parsed.stock.as_deref().cloned(),
    }
}
