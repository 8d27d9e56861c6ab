//! INSERT [OVERWRITE] … PARTITION, and how it becomes an INSERT that DataFusion plans.
//!
//! Invariant: a PARTITION clause is never dropped: its static values become values of the rows, its dynamic columns the
//! last columns of the source.

use std::ops::{ControlFlow, Range};

use datafusion::sql::parser::{ExplainStatement, Statement as DFStatement};
use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, Expr, Ident, ObjectName, Query, SelectFlavor, SelectItem, SetExpr, TableFactor, TableObject,
    Value, ValueWithSpan, Values, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::failure::{At, Failure, Parse};
use super::statement::{Explain, ObjectPath, Statement, normalized};
use crate::error::{Code, Error, Result};

/// An INSERT into a named table, without the clauses that DataFusion refuses anyway (ON CONFLICT, RETURNING and the
/// like stay DataFusion statements).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Insert {
    pub(crate) table: ObjectPath,
    pub(crate) overwrite: bool,
    /// The PARTITION clause: static columns with a constant, dynamic ones without. Empty: there was none.
    pub(crate) partition: Vec<(String, Option<Expr>)>,
    /// The column list; empty: there was none.
    pub(crate) columns: Vec<String>,
    /// The rows; double-quoted texts in VALUES are strings already.
    pub(crate) source: Box<Query>,
    /// The statement as DataFusion parses it, for a foreign table; a PARTITION clause stands in `partitioned`.
    pub(crate) ast: Box<ast::Insert>,
}

impl Insert {
    /// A plain INSERT of these columns from this source, as [`insert_rewrite`] gives them.
    #[cfg(test)]
    pub(crate) fn plain(&self, columns: &[String], source: Box<Query>) -> DFStatement {
        let mut ast = self.ast.as_ref().clone();
        let name = |column: &String| ObjectName(vec![ast::ObjectNamePart::Identifier(Ident::with_quote('"', column))]);
        ast.columns = columns.iter().map(name).collect();
        ast.after_columns = Vec::new();
        ast.partitioned = None;
        ast.source = Some(source);
        DFStatement::Statement(Box::new(ast::Statement::Insert(ast)))
    }

    /// The statement as it was, for a table that is not ours.
    pub(crate) fn original(&self) -> DFStatement {
        DFStatement::Statement(Box::new(ast::Statement::Insert(self.ast.as_ref().clone())))
    }
}

/// `INSERT …`.
pub(crate) fn insert(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let statement = with_partition(cursor)?;
    match split_insert(statement)? {
        Ok(insert) => Ok(Statement::Insert(Box::new(insert))),
        Err(other) => Ok(Statement::DataFusion(Box::new(other))),
    }
}

/// `EXPLAIN …`: an INSERT inside gets its PARTITION clause read, other statements of ours have no plan.
pub(crate) fn explain(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("EXPLAIN")?;
    skip_explain_options(cursor)?;
    let at = cursor.at();
    let command = super::forms::find(cursor).filter(|form| !form.has_plan);
    if let Some(form) = command {
        return Err(Failure::new(
            Code::NotSupported,
            format!("EXPLAIN shows plans of queries, INSERT, UPDATE, DELETE and MERGE; {} has none", form.name),
            at,
        ));
    }
    match with_partition(cursor)? {
        DFStatement::Explain(ExplainStatement { options, statement }) => match split_insert(*statement)? {
            Ok(insert) => Ok(Statement::Explain(Box::new(Explain { options, insert }))),
            Err(other) => {
                let explain = ExplainStatement { options, statement: Box::new(other) };
                Ok(Statement::DataFusion(Box::new(DFStatement::Explain(explain))))
            }
        },
        other => Ok(Statement::DataFusion(Box::new(other))),
    }
}

/// `PREPARE p [(types)] AS …`: stays a DataFusion statement; an INSERT inside gets its PARTITION clause read, for
/// [`insert_of`] at EXECUTE.
pub(crate) fn prepare(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("PREPARE")?;
    cursor.identifier()?;
    if cursor.sees_token(&Token::LParen) {
        cursor.skip_parentheses()?;
    }
    cursor.take("AS");
    Ok(Statement::DataFusion(Box::new(with_partition(cursor)?)))
}

fn skip_explain_options(cursor: &mut Cursor<'_>) -> Parse<()> {
    let query = match &cursor.parser.peek_nth_token_ref(1).token {
        Token::LParen => true,
        Token::Word(word) => {
            ["SELECT", "WITH", "VALUES", "TABLE", "FROM"].iter().any(|first| word.value.eq_ignore_ascii_case(first))
        }
        _ => false,
    };
    if cursor.sees_token(&Token::LParen) && !query {
        return cursor.skip_parentheses();
    }
    cursor.take("ANALYZE");
    cursor.take("VERBOSE");
    if cursor.take("FORMAT") {
        cursor.parser.advance_token();
    }
    Ok(())
}

/// Reads the PARTITION clause of the INSERT at the cursor, parses the statement without it, and puts it into the tree.
/// So it may stand before or after the column list, in every dialect.
fn with_partition(cursor: &mut Cursor<'_>) -> Parse<DFStatement> {
    let tokens = cursor.tokens();
    let Some((clause, values)) = find_partition(cursor)? else { return cursor.parse_tokens(tokens) };
    let kept: Vec<_> =
        tokens.iter().enumerate().filter(|(at, _)| !clause.contains(at)).map(|(_, t)| t.clone()).collect();
    let mut statement = cursor.parse_tokens(&kept)?;
    if let Some(insert) = insert_mut(&mut statement) {
        insert.partitioned = Some(values);
    }
    Ok(statement)
}

fn insert_mut(statement: &mut DFStatement) -> Option<&mut ast::Insert> {
    match statement {
        DFStatement::Explain(explain) => insert_mut(&mut explain.statement),
        DFStatement::Statement(inner) => match inner.as_mut() {
            ast::Statement::Insert(insert) => Some(insert),
            ast::Statement::Prepare { statement, .. } => match statement.as_mut() {
                ast::Statement::Insert(insert) => Some(insert),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// The tokens of the PARTITION clause and what it says.
fn find_partition(cursor: &mut Cursor<'_>) -> Parse<Option<(Range<usize>, Vec<Expr>)>> {
    if !cursor.take("INSERT") {
        return Ok(None);
    }
    let overwrite = cursor.take("OVERWRITE");
    if !cursor.take("INTO") && !overwrite {
        return Ok(None);
    }
    cursor.take("TABLE");
    if cursor.parser.parse_object_name(false).is_err() {
        return Ok(None);
    }
    if cursor.sees_token(&Token::LParen) {
        cursor.skip_parentheses()?;
    }
    if !cursor.sees("PARTITION") || cursor.parser.peek_nth_token_ref(1).token != Token::LParen {
        return Ok(None);
    }
    let start = cursor.position();
    cursor.expect("PARTITION")?;
    let values = cursor.list(|cursor| Ok(cursor.parser.parse_expr()?))?;
    Ok(Some((start..cursor.position(), values)))
}

fn split_insert(statement: DFStatement) -> Parse<Result<Insert, DFStatement>> {
    let insert = match &statement {
        DFStatement::Statement(inner) => match inner.as_ref() {
            ast::Statement::Insert(insert) => insert_of(insert)?,
            _ => None,
        },
        _ => None,
    };
    Ok(insert.ok_or(statement))
}

/// The parts of an INSERT; none where it has clauses beyond ours. Also for the statement of a PREPARE.
pub(crate) fn insert_of(insert: &ast::Insert) -> Parse<Option<Insert>> {
    let TableObject::TableName(name) = &insert.table else { return Ok(None) };
    let (Some(table), Some(source)) = (ObjectPath::new(name), &insert.source) else { return Ok(None) };
    let special = insert.or.is_some()
        || insert.ignore
        || insert.replace_into
        || insert.table_alias.is_some()
        || insert.on.is_some()
        || insert.returning.is_some()
        || insert.output.is_some()
        || insert.priority.is_some()
        || insert.insert_alias.is_some()
        || insert.settings.is_some()
        || insert.format_clause.is_some()
        || insert.multi_table_insert_type.is_some()
        || !insert.assignments.is_empty();
    let listed: Option<Vec<String>> = insert.columns.iter().map(column_name).collect();
    let (false, Some(mut columns)) = (special, listed) else { return Ok(None) };
    columns.extend(insert.after_columns.iter().map(normalized));
    let mut ast = Box::new(insert.clone());
    let mut source = source.clone();
    texts_in_values(&mut source.body);
    ast.source = Some(source.clone());
    let partition = partition_of(insert.partitioned.as_deref().unwrap_or_default())?;
    Ok(Some(Insert { table, overwrite: insert.overwrite, partition, columns, source, ast }))
}

fn column_name(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [part] => part.as_ident().map(normalized),
        _ => None,
    }
}

fn partition_of(values: &[Expr]) -> Parse<Vec<(String, Option<Expr>)>> {
    let mut partition: Vec<(String, Option<Expr>)> = Vec::new();
    for value in values {
        let (column, constant) = match value {
            Expr::Identifier(column) => (column, None),
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => match left.as_ref() {
                Expr::Identifier(column) => (column, Some(constant(right)?)),
                _ => return Err(bad_partition(value)),
            },
            _ => return Err(bad_partition(value)),
        };
        let column = normalized(column);
        if partition.iter().any(|(other, _)| *other == column) {
            return Err(Failure::syntax(format!("PARTITION names {column} twice"), At::Unknown));
        }
        partition.push((column, constant));
    }
    Ok(partition)
}

fn bad_partition(value: &Expr) -> Failure {
    Failure::syntax(
        format!("Expected: PARTITION (column = constant) or PARTITION (column), found: {value}"),
        At::Unknown,
    )
}

/// A static partition value: a column of the source has no place in it.
fn constant(value: &Expr) -> Parse<Expr> {
    struct Columns;
    impl VisitorMut for Columns {
        type Break = ();
        fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    let mut value = value.clone();
    let _ = value.visit(&mut Texts { queries: 0 });
    match value.visit(&mut Columns) {
        ControlFlow::Continue(()) => Ok(value),
        ControlFlow::Break(()) => Err(Failure::syntax(
            format!("PARTITION takes a constant, not {value}; put a text into quotes"),
            At::Unknown,
        )),
    }
}

/// Makes double-quoted texts in VALUES lists strings, as the documents write them; not in subqueries.
fn texts_in_values(body: &mut SetExpr) {
    match body {
        SetExpr::Values(values) => {
            for value in values.rows.iter_mut().flat_map(|row| row.content.iter_mut()) {
                let _ = value.visit(&mut Texts { queries: 0 });
            }
        }
        SetExpr::Query(query) => texts_in_values(&mut query.body),
        SetExpr::SetOperation { left, right, .. } => {
            texts_in_values(left);
            texts_in_values(right);
        }
        _ => {}
    }
}

struct Texts {
    queries: usize,
}

impl VisitorMut for Texts {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.queries = self.queries.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let text = match expr {
            _ if self.queries > 0 => None,
            Expr::Identifier(ident) if ident.quote_style == Some('"') => Some((ident.value.clone(), ident.span)),
            Expr::Value(ValueWithSpan { value: Value::DoubleQuotedString(text), span }) => Some((text.clone(), *span)),
            _ => None,
        };
        if let Some((text, span)) = text {
            *expr = Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), span });
        }
        ControlFlow::Continue(())
    }
}

/// The column list and the source of the plain INSERT that an INSERT into this table is.
///
/// Without a PARTITION clause the partition columns come last. With one, it must name every partition column; dynamic
/// columns come from the last columns of the source, static values are added to each row.
pub(crate) fn insert_rewrite(
    insert: &Insert,
    target_columns: &[String],
    target_partition_columns: &[String],
) -> Result<(Vec<String>, Box<Query>)> {
    let mut columns = if insert.columns.is_empty() { target_columns.to_vec() } else { insert.columns.clone() };
    if insert.partition.is_empty() {
        if insert.columns.is_empty() {
            columns.extend(target_partition_columns.iter().cloned());
        }
        return Ok((columns, insert.source.clone()));
    }
    check_partition(insert, target_partition_columns)?;
    let mut statics = Vec::new();
    for (column, value) in &insert.partition {
        match value {
            Some(value) => statics.push((column.clone(), value.clone())),
            None if columns.contains(column) => {}
            None => columns.push(column.clone()),
        }
    }
    if let Some((column, _)) = statics.iter().find(|(column, _)| columns.contains(column)) {
        return Err(Error::new(
            Code::InvalidArgument,
            format!(
                "{column} of {} stands both in the column list and, with a value, in PARTITION; leave one out",
                insert.table
            ),
        ));
    }
    columns.extend(statics.iter().map(|(column, _)| column.clone()));
    Ok((columns, append(&insert.source, &statics)?))
}

fn check_partition(insert: &Insert, target: &[String]) -> Result<()> {
    if target.is_empty() {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("{} has no partitions; leave the PARTITION clause out", insert.table),
        ));
    }
    if let Some((column, _)) = insert.partition.iter().find(|(column, _)| !target.contains(column)) {
        return Err(Error::new(
            Code::ColumnNotFound,
            format!("{column} is no partition column of {}; they are {}", insert.table, target.join(", ")),
        ));
    }
    match target.iter().find(|column| !insert.partition.iter().any(|(given, _)| given == *column)) {
        None => Ok(()),
        Some(missing) => Err(Error::new(
            Code::InvalidArgument,
            format!(
                "PARTITION of {} must name every partition column, with a value or alone; {missing} is missing",
                insert.table
            ),
        )),
    }
}

/// Adds constants to every row of a query.
fn append(source: &Query, statics: &[(String, Expr)]) -> Result<Box<Query>> {
    if statics.is_empty() {
        return Ok(Box::new(source.clone()));
    }
    let mut query = source.clone();
    if extends(&query) {
        extend(&mut query.body, statics);
        return Ok(Box::new(query));
    }
    wrap(source, statics)
}

/// Whether constants can go into the lists of the query itself. (Around VALUES a derived table would not do: the planner
/// hands the target's columns down to VALUES and finds too few.)
fn extends(query: &Query) -> bool {
    query.pipe_operators.is_empty() && extends_body(&query.body)
}

fn extends_body(body: &SetExpr) -> bool {
    match body {
        SetExpr::Values(_) => true,
        SetExpr::Select(select) => {
            select.flavor != SelectFlavor::FromFirstNoSelect
                && select.into.is_none()
                && select.value_table_mode.is_none()
                && select.exclude.is_none()
        }
        SetExpr::Query(query) => extends(query),
        SetExpr::SetOperation { left, right, .. } => extends_body(left) && extends_body(right),
        _ => false,
    }
}

fn extend(body: &mut SetExpr, statics: &[(String, Expr)]) {
    match body {
        SetExpr::Values(Values { rows, .. }) => {
            for row in rows {
                row.content.extend(statics.iter().map(|(_, value)| value.clone()));
            }
        }
        SetExpr::Select(select) => select.projection.extend(statics.iter().map(item)),
        SetExpr::Query(query) => extend(&mut query.body, statics),
        SetExpr::SetOperation { left, right, .. } => {
            extend(left, statics);
            extend(right, statics);
        }
        _ => {}
    }
}

/// A constant under a name of its own: DataFusion refuses two projections of one name.
fn item((column, value): &(String, Expr)) -> SelectItem {
    SelectItem::ExprWithAlias { expr: value.clone(), alias: Ident::with_quote('"', format!("__tt_partition_{column}")) }
}

/// `SELECT *, constants FROM (source)`.
fn wrap(source: &Query, statics: &[(String, Expr)]) -> Result<Box<Query>> {
    const FRAME: &str = "SELECT * FROM (SELECT 1) AS __tt_source";
    let frame = Parser::new(&GenericDialect {}).try_with_sql(FRAME).and_then(|mut parser| parser.parse_query());
    let mut query = frame.map_err(|error| Error::internal(format!("{FRAME} does not parse: {error}")))?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        if let Some(TableFactor::Derived { subquery, .. }) = select.from.first_mut().map(|from| &mut from.relation) {
            **subquery = source.clone();
        }
        select.projection.extend(statics.iter().map(item));
    }
    Ok(query)
}
