//! ALTER TABLE: columns. No file is rewritten: files name columns by id, and every version keeps its own schema.
//!
//! Key columns are fixed at CREATE, and partition columns are what partitions are named by: both keep name and type.

use arrow::datatypes::{DataType, Field};

use super::{Plan, checks};
use crate::error::{Code, Error, Result};
use crate::log::{Attempt, Lsn};
use crate::table::{Action, Column, ColumnId, TableSchema, TableSnapshot, TableState};

/// What changes in a column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnEdit {
    /// Its new name.
    pub name: Option<String>,
    /// Its new type, which holds every value of the old one.
    pub data_type: Option<DataType>,
    /// Its new comment; an empty text removes it.
    pub comment: Option<String>,
    /// Whether it takes NULL from now on.
    pub drop_not_null: bool,
}

/// Plans new columns; each gets an id that was never used, so that rows written before have NULL there, also where an
/// older column had the name.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::InvalidSchema`] where a name is taken or reserved, or a column takes no NULL and the
/// table has rows.
pub fn add_columns(head: &TableSnapshot, name: &str, fields: Vec<Field>) -> Plan {
    let rows = has_rows(&head.state, head.lsn);
    change(head, name, |schema| {
        for field in fields {
            if rows && !field.is_nullable() {
                let message = format!(
                    "column {:?} takes no NULL, but table {name} has rows: add it without NOT NULL",
                    field.name()
                );
                return Err(Error::new(Code::InvalidSchema, message));
            }
            is_free(schema, name, field.name())?;
            schema.last_id = ColumnId(schema.last_id.0.saturating_add(1));
            schema.columns.push(Column {
                id: schema.last_id,
                name: field.name().clone(),
                data_type: field.data_type().clone(),
                nullable: field.is_nullable(),
                comment: field.metadata().get("comment").cloned(),
                default: field.metadata().get("default").cloned(),
            });
        }
        Ok(())
    })
}

/// Plans the end of columns.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::ColumnNotFound`]; [`Code::InvalidSchema`] for a key or partition column, or the last.
pub fn drop_columns(head: &TableSnapshot, name: &str, columns: &[String]) -> Plan {
    change(head, name, |schema| {
        for column in columns {
            let id = find(schema, name, column, Some("dropped"))?.id;
            schema.columns.retain(|column| column.id != id);
        }
        match schema.columns.is_empty() {
            false => Ok(()),
            true => {
                let message = format!("table {name} would have no column left: add another first, or drop the table");
                Err(Error::new(Code::InvalidSchema, message))
            }
        }
    })
}

/// Plans another name for a column; it keeps its id and so its values.
///
/// # Errors
/// As [`change_column`].
pub fn rename_column(head: &TableSnapshot, name: &str, from: &str, to: &str) -> Plan {
    change_column(head, name, from, &ColumnEdit { name: Some(to.to_owned()), ..ColumnEdit::default() })
}

/// Plans changes of one column. A wider type holds for what is read: old values are cast then.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::ColumnNotFound`]; [`Code::InvalidSchema`] where the new name is taken or reserved,
/// the type doesn't hold every old value, or it is a key or partition column and more than its comment would change.
pub fn change_column(head: &TableSnapshot, name: &str, column: &str, edit: &ColumnEdit) -> Plan {
    change(head, name, |schema| {
        let is_new = |to: &&String| to.as_str() != column;
        if let Some(to) = edit.name.as_ref().filter(is_new) {
            find(schema, name, column, Some("renamed"))?;
            is_free(schema, name, to)?;
        }
        let found = find(schema, name, column, None)?;
        if let Some(to) = edit.data_type.as_ref().filter(|to| **to != found.data_type) {
            let found = find(schema, name, column, Some("given another type"))?;
            if !widens(&found.data_type, to) {
                let message = format!(
                    "column {column:?} of table {name} can't go from {} to {to}: only to a wider type of the same kind; add a new column instead",
                    found.data_type
                );
                return Err(Error::new(Code::InvalidSchema, message));
            }
            found.data_type = to.clone();
        }
        if edit.drop_not_null {
            find(schema, name, column, Some("made to take NULL"))?.nullable = true;
        }
        let found = find(schema, name, column, None)?;
        if let Some(comment) = &edit.comment {
            found.comment = Some(comment.clone()).filter(|text| !text.is_empty());
        }
        if let Some(to) = &edit.name {
            to.clone_into(&mut found.name);
        }
        Ok(())
    })
}

fn change(head: &TableSnapshot, name: &str, edit: impl FnOnce(&mut TableSchema) -> Result<()>) -> Plan {
    checks::alive(&head.state, name)?;
    let before = head.state.schema()?;
    let mut schema = before.as_ref().clone();
    edit(&mut schema)?;
    schema.check()?;
    let same = schema.same_columns(&before);
    Ok(if same { Attempt::Nothing } else { Attempt::Actions(vec![Action::Schema { schema: Box::new(schema) }]) })
}

/// Whether a read of the head, or of a range that ends there, gives rows that a new column would have to fill.
fn has_rows(state: &TableState, head: Lsn) -> bool {
    state.visible_at(head).iter().any(|entry| entry.file.rows > entry.file.tombstones)
        || state.counted_between(Lsn::ZERO, head).iter().any(|entry| entry.file.rows > entry.file.tombstones)
}

fn is_free(schema: &TableSchema, name: &str, column: &str) -> Result<()> {
    match schema.all().any(|known| known.name == column) {
        false => Ok(()),
        true => Err(Error::new(
            Code::InvalidSchema,
            format!("table {name} has a column {column:?} already: choose another name, or drop or rename that one"),
        )),
    }
}

/// A column; where something is to be `done` to it that is refused for fixed ones, neither of the key nor a partition
/// column.
fn find<'s>(schema: &'s mut TableSchema, name: &str, column: &str, done: Option<&str>) -> Result<&'s mut Column> {
    let of_partition = schema.partition_columns.iter().any(|known| known.name == column);
    let key = schema.key.clone();
    let mut all = schema.columns.iter_mut().chain(&mut schema.partition_columns);
    let found = all.find(|known| known.name == column).ok_or_else(|| {
        Error::new(
            Code::ColumnNotFound,
            format!("table {name} has no column {column:?}: DESC {name} lists its columns"),
        )
    })?;
    let kind = match () {
        () if of_partition => "partition",
        () if key.contains(&found.id) => "key",
        () => return Ok(found),
    };
    match done {
        None => Ok(found),
        Some(done) => Err(Error::new(
            Code::InvalidSchema,
            format!(
                "column {column:?} of table {name} is a {kind} column and can't be {done}: create a new table and insert the rows there"
            ),
        )),
    }
}

/// Whether every value of `from` is one of `to`.
fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Decimal128, Decimal256, Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64,
    };
    let bits = |t: &DataType| t.primitive_width().unwrap_or(0);
    match (from, to) {
        (Int8 | Int16 | Int32, Int16 | Int32 | Int64) | (UInt8 | UInt16 | UInt32, UInt16 | UInt32 | UInt64) => {
            bits(from) < bits(to)
        }
        (Float32, Float64) => true,
        (Decimal128(p, s), Decimal128(q, t)) | (Decimal256(p, s), Decimal256(q, t)) => p <= q && s == t,
        _ => false,
    }
}
