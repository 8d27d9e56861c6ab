//! SHOW HISTORY, SHOW PARTITIONS, DESC and SETPROJECT: what shows, and the project's settings.
//!
//! Invariant: these are read before the stock parser, which takes most of them for `SHOW variable`.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::failure::{Failure, Parse};
use super::statement::{Describe, NamePattern, SetProject, ShowHistory, ShowPartitions, Statement};

/// `SHOW HISTORY FOR TABLES [LIKE name | 'pattern']`.
pub(crate) fn show_tables_history(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("SHOW HISTORY FOR TABLES")?;
    let pattern = if cursor.take("LIKE") { Some(name_pattern(cursor)?) } else { None };
    cursor.finish()?;
    Ok(Statement::ShowTablesHistory(pattern))
}

/// A bare name is exact, a quoted text a pattern.
fn name_pattern(cursor: &mut Cursor<'_>) -> Parse<NamePattern> {
    if let Token::SingleQuotedString(pattern) = &cursor.parser.peek_token_ref().token {
        let pattern = NamePattern::Like(pattern.clone());
        cursor.parser.advance_token();
        return Ok(pattern);
    }
    cursor.path().map(NamePattern::Exact)
}

/// `SHOW HISTORY FOR TABLE t [('id' = '…')] [PARTITION (…)]… [LSN '…'] [OFFSET n] [LIMIT n]`.
pub(crate) fn show_history(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("SHOW HISTORY FOR TABLE")?;
    let table = cursor.path()?;
    let id = cursor.take_object_id()?;
    let partitions = cursor.partition_refs()?;
    let mut history = ShowHistory { table, id, partitions, from_lsn: None, offset: None, limit: None };
    while !cursor.at_end() {
        let at = cursor.at();
        let twice = if cursor.take("LSN") {
            history.from_lsn.replace(cursor.lsn()?)
        } else if cursor.take("OFFSET") {
            history.offset.replace(cursor.number("a number of rows")?)
        } else if cursor.take("LIMIT") {
            history.limit.replace(cursor.number("a number of rows")?)
        } else {
            return cursor.expected("('id' = '…'), PARTITION, LSN, OFFSET, LIMIT or the end of the statement");
        };
        if twice.is_some() {
            return Err(Failure::syntax("LSN, OFFSET and LIMIT may each be given once", at));
        }
    }
    Ok(Statement::ShowHistory(history))
}

/// `SHOW PARTITIONS t` and `LIST PARTITIONS t`, both with `[PARTITION (…)]`.
pub(crate) fn show_partitions(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let show = cursor.take("SHOW PARTITIONS");
    if !show {
        cursor.expect("LIST PARTITIONS")?;
    }
    if show && cursor.at_end() {
        // A variable of that name, as in stock DataFusion.
        return Ok(Statement::DataFusion(Box::new(cursor.stock()?)));
    }
    let table = cursor.path()?;
    let partition = cursor.take_partition()?;
    cursor.finish()?;
    Ok(Statement::ShowPartitions(ShowPartitions { table, partition }))
}

/// `DESC | DESCRIBE [EXTENDED] t`.
pub(crate) fn describe(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    if !cursor.take("DESC") {
        cursor.expect("DESCRIBE")?;
    }
    // `DESC extended` alone is about a table of that name.
    let followed = matches!(cursor.parser.peek_nth_token_ref(1).token, Token::Word(_));
    let extended = followed && cursor.take("EXTENDED");
    let table = cursor.path()?;
    cursor.finish()?;
    Ok(Statement::Describe(Describe { table, extended }))
}

/// `SETPROJECT [key = value, …] [DRY RUN]`.
pub(crate) fn set_project(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("SETPROJECT")?;
    if cursor.at_end() {
        return Ok(Statement::SetProject(SetProject::default()));
    }
    let mut settings = vec![setting(cursor)?];
    while cursor.take_token(&Token::Comma) {
        settings.push(setting(cursor)?);
    }
    let dry_run = cursor.take("DRY RUN");
    cursor.finish()?;
    Ok(Statement::SetProject(SetProject { settings, dry_run }))
}

/// `key = value`, where the key may have dots and the value be a bare word or number.
fn setting(cursor: &mut Cursor<'_>) -> Parse<(String, String)> {
    let start = cursor.position();
    let mut end = start;
    while matches!(cursor.parser.peek_token_ref().token, Token::Word(_) | Token::Period) {
        cursor.parser.advance_token();
        end = cursor.position();
    }
    let key = cursor.text_of(start..end).to_owned();
    if key.is_empty() {
        return cursor.expected("a setting, such as odps.timemachine.retention.days = 7");
    }
    cursor.expect_token(&Token::Eq)?;
    let value = match cursor.take_text() {
        Some(text) => text,
        None => {
            let sign = cursor.take_token(&Token::Minus);
            let value = match &cursor.parser.peek_token_ref().token {
                Token::Number(text, _) => text.clone(),
                Token::Word(word) if !sign => word.value.clone(),
                _ => return cursor.expected("a value"),
            };
            cursor.parser.advance_token();
            if sign { format!("-{value}") } else { value }
        }
    };
    Ok((key, value))
}
