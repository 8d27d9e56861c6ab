//! CREATE, DROP and TRUNCATE of tables, views and schemas.
//!
//! Invariant: a clause of ours is either in the result or an error; a clause of another system sends the statement to
//! the stock parser (a syntax failure here), which knows it or not.

use datafusion::sql::parser::Statement as DFStatement;
use datafusion::sql::sqlparser::ast::{
    self, ArrayElemTypeDef, ColumnDef, ColumnOption, CreateTableOptions, DataType, Expr, HiveDistributionStyle,
    TableConstraint, TimezoneInfo,
};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::failure::{At, Failure, Parse};
use super::statement::{
    CreateSchema, CreateTable, CreateView, DropObject, DropSchema, Statement, Truncate, normalized, view_columns,
};
use crate::error::Code;

/// `CREATE [OR REPLACE] TABLE …`.
pub(crate) fn create_table(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("CREATE")?;
    let or_replace = cursor.take("OR REPLACE");
    cursor.expect("TABLE")?;
    let if_not_exists = cursor.take("IF NOT EXISTS");
    let at = cursor.at();
    let name = cursor.path()?;
    // `(LIKE u)` would read as a column called LIKE.
    let like = |token: &Token| matches!(token, Token::Word(word) if word.value.eq_ignore_ascii_case("LIKE"));
    if cursor.sees_token(&Token::LParen) && like(&cursor.parser.peek_nth_token_ref(1).token) {
        return cursor.expected("a column");
    }
    let (mut columns, constraints) = cursor.parser.parse_columns()?;
    let (primary_key, constraints) = primary_key(&columns, constraints, at)?;
    columns.iter_mut().for_each(|column| map_datetime(&mut column.data_type));
    let mut table = CreateTable {
        name,
        or_replace,
        if_not_exists,
        columns,
        partition_columns: Vec::new(),
        primary_key,
        constraints,
        properties: Vec::new(),
        lifecycle: None,
        comment: None,
        query: None,
    };
    while !cursor.at_end() {
        table_clause(cursor, &mut table)?;
    }
    Ok(Statement::CreateTable(Box::new(table)))
}

fn table_clause(cursor: &mut Cursor<'_>, table: &mut CreateTable) -> Parse<()> {
    let at = cursor.at();
    let once = |empty: bool, clause: &str| {
        if empty { Ok(()) } else { Err(Failure::syntax(format!("{clause} is given twice"), at)) }
    };
    if cursor.sees("PARTITIONED BY") {
        once(table.partition_columns.is_empty(), "PARTITIONED BY")?;
        if let HiveDistributionStyle::PARTITIONED { mut columns } = cursor.parser.parse_hive_distribution()? {
            columns.iter_mut().for_each(|column| map_datetime(&mut column.data_type));
            table.partition_columns = columns;
        }
    } else if cursor.take("TBLPROPERTIES") {
        once(table.properties.is_empty(), "TBLPROPERTIES")?;
        table.properties = cursor.properties()?;
    } else if cursor.take("LIFECYCLE") {
        once(table.lifecycle.is_none(), "LIFECYCLE")?;
        table.lifecycle = Some(cursor.lifecycle_days()?);
    } else if cursor.take("COMMENT") {
        once(table.comment.is_none(), "COMMENT")?;
        cursor.take_token(&Token::Eq);
        table.comment = Some(cursor.text("a comment in quotes")?);
    } else if cursor.sees("CLUSTERED BY") || cursor.sees("RANGE CLUSTERED BY") {
        return Err(Failure::new(
            Code::NotSupported,
            format!("{} can't be CLUSTERED BY: a table is sorted by its primary key; leave the clause out", table.name),
            at,
        ));
    } else if cursor.take("AS") {
        table.query = Some(cursor.rest_as_query()?);
        // The query took all that was left.
        while !cursor.at_end() {
            cursor.parser.advance_token();
        }
    } else {
        return cursor.expected("PARTITIONED BY, TBLPROPERTIES, LIFECYCLE, COMMENT, AS or the end of the statement");
    }
    Ok(())
}

/// The key, from `PRIMARY KEY` behind a column or in the list; the other constraints of the table are given back.
fn primary_key(
    columns: &[ColumnDef],
    constraints: Vec<TableConstraint>,
    at: At,
) -> Parse<(Vec<String>, Vec<TableConstraint>)> {
    let is_key = |column: &&ColumnDef| column.options.iter().any(|o| matches!(o.option, ColumnOption::PrimaryKey(_)));
    let mut keys: Vec<Vec<String>> =
        columns.iter().filter(is_key).map(|column| vec![normalized(&column.name)]).collect();
    let mut others = Vec::new();
    for constraint in constraints {
        let TableConstraint::PrimaryKey(key) = constraint else {
            others.push(constraint);
            continue;
        };
        let names = key.columns.iter().map(|column| match &column.column.expr {
            Expr::Identifier(name) => Ok(normalized(name)),
            other => Err(Failure::new(Code::InvalidSchema, format!("PRIMARY KEY takes columns, not {other}"), at)),
        });
        keys.push(names.collect::<Parse<_>>()?);
    }
    if keys.len() > 1 {
        return Err(Failure::new(
            Code::InvalidSchema,
            "A table has one primary key: for several columns write PRIMARY KEY (a, b) in the list",
            at,
        ));
    }
    Ok((keys.pop().unwrap_or_default(), others))
}

/// DATETIME has milliseconds; DataFusion has no such type, but TIMESTAMP(3).
pub(crate) fn map_datetime(data_type: &mut DataType) {
    match data_type {
        DataType::Datetime(precision) => {
            *data_type = DataType::Timestamp(precision.or(Some(3)), TimezoneInfo::None);
        }
        DataType::Array(
            ArrayElemTypeDef::AngleBracket(inner)
            | ArrayElemTypeDef::SquareBracket(inner, _)
            | ArrayElemTypeDef::Parenthesis(inner),
        ) => map_datetime(inner),
        DataType::Struct(fields, _) => fields.iter_mut().for_each(|field| map_datetime(&mut field.field_type)),
        DataType::Map(key, value) => {
            map_datetime(key);
            map_datetime(value);
        }
        _ => {}
    }
}

/// `CREATE [OR REPLACE] VIEW …`. Views with clauses of other systems stay DataFusion statements.
pub(crate) fn create_view(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let ast = Box::new(cursor.stock()?);
    let Some(view) = plain_view(&ast) else { return Ok(Statement::DataFusion(ast)) };
    let Some(columns) = view_columns(&view.columns) else { return Ok(Statement::DataFusion(ast)) };
    cursor.expect("CREATE")?;
    cursor.take("OR REPLACE");
    cursor.expect("VIEW")?;
    cursor.take("IF NOT EXISTS");
    let name = cursor.path()?;
    cursor.take("IF NOT EXISTS");
    if cursor.sees_token(&Token::LParen) {
        cursor.skip_parentheses()?;
    }
    cursor.expect("AS")?;
    Ok(Statement::CreateView(Box::new(CreateView {
        name,
        or_replace: view.or_replace,
        if_not_exists: view.if_not_exists,
        columns,
        query_text: cursor.rest().to_owned(),
        query: view.query.clone(),
        ast,
    })))
}

fn plain_view(statement: &DFStatement) -> Option<&ast::CreateView> {
    let DFStatement::Statement(inner) = statement else { return None };
    let ast::Statement::CreateView(view) = inner.as_ref() else { return None };
    let special = view.materialized
        || view.temporary
        || view.secure
        || view.or_alter
        || view.with_no_schema_binding
        || view.copy_grants
        || view.comment.is_some()
        || view.to.is_some()
        || view.params.is_some()
        || !view.cluster_by.is_empty()
        || view.options != CreateTableOptions::None;
    (!special).then_some(view)
}

/// `CREATE SCHEMA [IF NOT EXISTS] s`.
pub(crate) fn create_schema(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("CREATE SCHEMA")?;
    let if_not_exists = cursor.take("IF NOT EXISTS");
    let name = cursor.path()?;
    cursor.finish()?;
    Ok(Statement::CreateSchema(CreateSchema { name, if_not_exists }))
}

/// `DROP TABLE [IF EXISTS] t [PURGE]`. Nothing hangs on a table, so CASCADE and RESTRICT mean the same.
pub(crate) fn drop_table(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("DROP TABLE")?;
    drop_object(cursor).map(Statement::DropTable)
}

/// `DROP VIEW [IF EXISTS] v`.
pub(crate) fn drop_view(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("DROP VIEW")?;
    drop_object(cursor).map(Statement::DropView)
}

fn drop_object(cursor: &mut Cursor<'_>) -> Parse<DropObject> {
    let if_exists = cursor.take("IF EXISTS");
    let name = cursor.path()?;
    let _ = cursor.take("CASCADE") || cursor.take("RESTRICT");
    let purge = cursor.take("PURGE");
    cursor.finish()?;
    Ok(DropObject { name, if_exists, purge })
}

/// `DROP SCHEMA | DATABASE [IF EXISTS] s [CASCADE]`.
pub(crate) fn drop_schema(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("DROP")?;
    if !cursor.take("SCHEMA") {
        cursor.expect("DATABASE")?;
    }
    let if_exists = cursor.take("IF EXISTS");
    let name = cursor.path()?;
    let cascade = cursor.take("CASCADE");
    if !cascade {
        cursor.take("RESTRICT");
    }
    cursor.finish()?;
    Ok(Statement::DropSchema(DropSchema { name, if_exists, cascade }))
}

/// `TRUNCATE [TABLE] t [PARTITION (…)]…`.
pub(crate) fn truncate(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("TRUNCATE")?;
    cursor.take("TABLE");
    let if_exists = cursor.take("IF EXISTS");
    let table = cursor.path()?;
    let partitions = if cursor.at_end() { Vec::new() } else { cursor.partitions()? };
    cursor.finish()?;
    Ok(Statement::Truncate(Truncate { table, if_exists, partitions }))
}
