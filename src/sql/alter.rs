//! ALTER TABLE: one operation on a table.
//!
//! Invariant: DataFusion plans no ALTER TABLE at all, so what does not parse here is an error, never passed on.

use datafusion::sql::sqlparser::ast::ColumnDef;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::create::map_datetime;
use super::cursor::Cursor;
use super::failure::Parse;
use super::statement::{AlterOperation, AlterTable, ColumnChange, CompactKind, Statement};

/// `ALTER TABLE t …`.
pub(crate) fn alter_table(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("ALTER TABLE")?;
    let if_exists = cursor.take("IF EXISTS");
    let table = cursor.path()?;
    let operation = operation(cursor)?;
    cursor.finish()?;
    Ok(Statement::AlterTable(Box::new(AlterTable { table, if_exists, operation })))
}

fn operation(cursor: &mut Cursor<'_>) -> Parse<AlterOperation> {
    if cursor.take("SET") {
        set(cursor)
    } else if cursor.take("UNSET TBLPROPERTIES") {
        let if_exists = cursor.take("IF EXISTS");
        Ok(AlterOperation::UnsetProperties { keys: cursor.list(Cursor::property_key)?, if_exists })
    } else if cursor.take("RENAME TO") {
        Ok(AlterOperation::RenameTo(cursor.path()?))
    } else if cursor.take("RENAME COLUMN") {
        let from = cursor.identifier()?;
        cursor.expect("TO")?;
        Ok(AlterOperation::RenameColumn { from, to: cursor.identifier()? })
    } else if cursor.take("ADD") {
        add(cursor)
    } else if cursor.take("DROP") {
        drop(cursor)
    } else if cursor.take("CHANGE") {
        change_column(cursor)
    } else if cursor.take("ALTER") {
        alter_column(cursor)
    } else {
        maintain(cursor)
    }
}

fn set(cursor: &mut Cursor<'_>) -> Parse<AlterOperation> {
    if cursor.take("TBLPROPERTIES") {
        Ok(AlterOperation::SetProperties { properties: cursor.properties()?, dry_run: cursor.take("DRY RUN") })
    } else if cursor.take("LIFECYCLE") {
        Ok(AlterOperation::SetLifecycle(cursor.lifecycle_days()?))
    } else if cursor.take("COMMENT") {
        cursor.take_token(&Token::Eq);
        Ok(AlterOperation::SetComment(cursor.text("a comment in quotes")?))
    } else {
        cursor.expected("TBLPROPERTIES, LIFECYCLE or COMMENT")
    }
}

/// `[PARTITION (…)] TOUCH | COMPACT … | ENABLE | DISABLE LIFECYCLE`.
fn maintain(cursor: &mut Cursor<'_>) -> Parse<AlterOperation> {
    let partition = cursor.take_partition()?;
    if cursor.take("TOUCH") {
        // The older client writes the partition behind the word.
        let partition = match partition {
            None => cursor.take_partition()?,
            some => some,
        };
        Ok(AlterOperation::Touch(partition))
    } else if cursor.take("COMPACT MAJOR") {
        Ok(AlterOperation::Compact { partition, kind: CompactKind::Major })
    } else if cursor.take("COMPACT MINOR") {
        Ok(AlterOperation::Compact { partition, kind: CompactKind::Minor })
    } else if cursor.take("COMPACT") {
        cursor.expected("MAJOR or MINOR")
    } else if cursor.take("ENABLE LIFECYCLE") {
        Ok(AlterOperation::EnableLifecycle { partition, enabled: true })
    } else if cursor.take("DISABLE LIFECYCLE") {
        Ok(AlterOperation::EnableLifecycle { partition, enabled: false })
    } else if partition.is_some() {
        cursor.expected("TOUCH, COMPACT, ENABLE LIFECYCLE or DISABLE LIFECYCLE")
    } else {
        cursor.expected("SET, UNSET, RENAME, ADD, DROP, CHANGE, ALTER, PARTITION, TOUCH, COMPACT, ENABLE or DISABLE")
    }
}

fn add(cursor: &mut Cursor<'_>) -> Parse<AlterOperation> {
    let if_not_exists = cursor.take("IF NOT EXISTS");
    if cursor.sees("PARTITION") {
        return Ok(AlterOperation::AddPartitions { partitions: cursor.partitions()?, if_not_exists });
    }
    let _ = cursor.take("COLUMNS") || cursor.take("COLUMN");
    let if_not_exists = cursor.take("IF NOT EXISTS") || if_not_exists;
    let columns = if cursor.sees_token(&Token::LParen) { cursor.list(column)? } else { vec![column(cursor)?] };
    Ok(AlterOperation::AddColumns { columns, if_not_exists })
}

fn column(cursor: &mut Cursor<'_>) -> Parse<ColumnDef> {
    for word in ["PRIMARY", "CONSTRAINT", "UNIQUE", "FOREIGN", "CHECK"] {
        if cursor.sees(word) {
            return cursor.expected("a column");
        }
    }
    let mut column = cursor.parser.parse_column_def()?;
    map_datetime(&mut column.data_type);
    Ok(column)
}

fn drop(cursor: &mut Cursor<'_>) -> Parse<AlterOperation> {
    let if_exists = cursor.take("IF EXISTS");
    if cursor.sees("PARTITION") {
        return Ok(AlterOperation::DropPartitions { partitions: cursor.partitions()?, if_exists });
    }
    if !cursor.take("COLUMNS") && !cursor.take("COLUMN") {
        return cursor.expected("PARTITION or COLUMN");
    }
    let if_exists = cursor.take("IF EXISTS") || if_exists;
    if cursor.sees_token(&Token::LParen) {
        return Ok(AlterOperation::DropColumns { columns: cursor.list(Cursor::identifier)?, if_exists });
    }
    let mut columns = vec![cursor.identifier()?];
    while cursor.take_token(&Token::Comma) {
        columns.push(cursor.identifier()?);
    }
    Ok(AlterOperation::DropColumns { columns, if_exists })
}

/// `CHANGE [COLUMN] a b type [COMMENT 'x']`, or `CHANGE [COLUMN] a COMMENT 'x'`.
fn change_column(cursor: &mut Cursor<'_>) -> Parse<AlterOperation> {
    cursor.take("COLUMN");
    let column = cursor.identifier()?;
    let mut change = ColumnChange::default();
    if !cursor.sees("COMMENT") {
        let new_name = cursor.identifier()?;
        change.new_name = (new_name != column).then_some(new_name);
        change.data_type = Some(data_type(cursor)?);
    }
    if cursor.take("COMMENT") {
        change.comment = Some(cursor.text("a comment in quotes")?);
    }
    Ok(AlterOperation::ChangeColumn { column, change })
}

/// `ALTER [COLUMN] a [SET DATA] TYPE t`, `… DROP NOT NULL`, `… COMMENT 'x'`.
fn alter_column(cursor: &mut Cursor<'_>) -> Parse<AlterOperation> {
    cursor.take("COLUMN");
    let column = cursor.identifier()?;
    let mut change = ColumnChange::default();
    if cursor.take("SET DATA TYPE") || cursor.take("TYPE") {
        change.data_type = Some(data_type(cursor)?);
    } else if cursor.take("DROP NOT NULL") {
        change.drop_not_null = true;
    } else if cursor.take("COMMENT") || cursor.take("SET COMMENT") {
        change.comment = Some(cursor.text("a comment in quotes")?);
    } else {
        return cursor.expected("TYPE, SET DATA TYPE, DROP NOT NULL or COMMENT");
    }
    Ok(AlterOperation::ChangeColumn { column, change })
}

fn data_type(cursor: &mut Cursor<'_>) -> Parse<datafusion::sql::sqlparser::ast::DataType> {
    let mut data_type = cursor.parser.parse_data_type()?;
    map_datetime(&mut data_type);
    Ok(data_type)
}
