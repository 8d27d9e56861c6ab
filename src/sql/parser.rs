//! From a script to statements.
//!
//! Invariant: our forms are tried by their leading words before the stock parser; any other statement is read by the
//! stock parser, version clauses added. An error names the place in the script.

use std::ops::Range;

use datafusion::common::ParamValues;
use datafusion::sql::parser::{DFParserBuilder, Statement as DFStatement};
use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::cursor::Cursor;
use super::failure::{Failure, Parse};
use super::forms::{StatementForm, Stock, find};
use super::statement::Statement;
use super::tokens::Script;
use crate::error::{Code, Result};

/// How to read SQL: the session's settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Syntax<'d> {
    pub(crate) dialect: &'d dyn Dialect,
    /// `datafusion.sql_parser.recursion_limit`.
    pub(crate) recursion_limit: usize,
}

impl<'d> Syntax<'d> {
    /// A dialect with DataFusion's default limit.
    pub(crate) fn new(dialect: &'d dyn Dialect) -> Self {
        Self { dialect, recursion_limit: 50 }
    }
}

/// A statement and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parsed<'a> {
    pub(crate) statement: Statement,
    /// The statement exactly as written, without `;`.
    pub(crate) text: &'a str,
    /// What stock DataFusion reads, where the object may belong to a foreign catalog.
    pub(crate) stock: Option<Box<DFStatement>>,
}

/// Parses a script of statements separated by `;`.
pub(crate) fn parse<'a>(sql: &'a str, syntax: Syntax<'_>) -> Result<Vec<Parsed<'a>>> {
    parse_script(&Script::tokenize(sql, syntax.dialect)?, syntax)
}

/// As [`parse`], with values for the parameters.
pub(crate) fn parse_with<'a>(sql: &'a str, syntax: Syntax<'_>, values: &ParamValues) -> Result<Vec<Parsed<'a>>> {
    parse_script(&Script::tokenize(sql, syntax.dialect)?.with_params(values)?, syntax)
}

fn parse_script<'a>(script: &Script<'a>, syntax: Syntax<'_>) -> Result<Vec<Parsed<'a>>> {
    let statements = script.statements();
    let mut parsed = Vec::with_capacity(statements.len());
    // Where the last statement ended: a block of another dialect may hold `;`.
    let mut done = 0;
    for range in statements {
        if range.start < done {
            continue;
        }
        let (statement, end) = match parse_one(script, range.clone(), syntax) {
            Ok(statement) => (statement, range.end),
            Err(failure) => parse_block(script, range.clone(), syntax).ok_or(failure)?,
        };
        done = end;
        let text = script.slice(range.start..end);
        let (statement, stock) = statement;
        parsed.push(Parsed { statement, text, stock });
    }
    Ok(parsed)
}

type Both = (Statement, Option<Box<DFStatement>>);

fn parse_one(script: &Script<'_>, range: Range<usize>, syntax: Syntax<'_>) -> Parse<Both> {
    let mut cursor = Cursor::new(script, range, syntax);
    let Some(form) = find(&cursor) else {
        return Ok((Statement::DataFusion(Box::new(cursor.stock()?)), None));
    };
    let ours = (form.parse)(&mut cursor);
    match (ours, form.stock) {
        (Ok(statement), Stock::Never) => Ok((statement, None)),
        (Ok(statement), _) => Ok((statement, cursor.stock().ok().map(Box::new))),
        (Err(failure), Stock::Fallback) if failure.code == Code::Syntax => match cursor.stock() {
            Ok(statement) => Ok((Statement::DataFusion(Box::new(statement)), None)),
            Err(stock) => Err(with_syntax(failure.or_further(stock), form)),
        },
        (Err(failure), _) => Err(with_syntax(failure, form)),
    }
}

/// Adds the syntax of a form to a failure of ours. INSERT, EXPLAIN, PREPARE and CREATE VIEW hold whole queries, whose errors it
/// would not explain.
fn with_syntax(failure: Failure, form: &StatementForm) -> Failure {
    let holds_query = matches!(form.name, "INSERT" | "EXPLAIN" | "PREPARE" | "CREATE VIEW");
    if failure.code != Code::Syntax || holds_query {
        return failure;
    }
    let place = failure.to_string();
    Failure::syntax(format!("{place}. The syntax is: {}", form.syntax), super::failure::At::Unknown)
}

/// A block such as `BEGIN …; … END`, which some dialects know: the stock parser decides where it ends.
fn parse_block(script: &Script<'_>, range: Range<usize>, syntax: Syntax<'_>) -> Option<(Both, usize)> {
    const BLOCKS: &[&str] = &["BEGIN", "CREATE", "DECLARE", "IF", "WHILE", "CASE", "ALTER"];
    let rest = script.tokens(range.start..script.len());
    let first = match &rest.first()?.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.as_str(),
        _ => return None,
    };
    if !BLOCKS.iter().any(|block| block.eq_ignore_ascii_case(first)) {
        return None;
    }
    let mut parser = DFParserBuilder::new(rest.to_vec())
        .with_dialect(syntax.dialect)
        .with_recursion_limit(syntax.recursion_limit)
        .build()
        .ok()?;
    let statement = parser.parse_statement().ok()?;
    let complete = matches!(parser.parser.peek_token_ref(), TokenWithSpan { token: Token::SemiColon | Token::EOF, .. });
    let end = range.start + parser.parser.index();
    let reaches_further = complete && end > range.end;
    reaches_further.then(|| ((Statement::DataFusion(Box::new(statement)), None), end.min(script.len())))
}
