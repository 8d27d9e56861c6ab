//! ALTER TABLE: columns, properties, lifecycle, comment, TOUCH. No file is rewritten.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field};

use super::{Plan, attempt, checks};
use crate::error::{Code, Error, Result};
use crate::log::Attempt;
use crate::table::{Action, Column, ColumnId, PartitionValues, TableSchema, TableSnapshot, properties};

/// Plans new columns; each gets an id that was never used.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::InvalidSchema`] where a name is taken or reserved, or a column takes no NULL and the
/// table has rows.
pub fn add_columns(head: &TableSnapshot, name: &str, fields: Vec<Field>) -> Plan {
    let rows = head.state.visible_at(head.lsn).iter().any(|entry| entry.file.rows > entry.file.tombstones);
    change(head, name, |schema| {
        for field in fields {
            if rows && !field.is_nullable() {
                let message = format!(
                    "column {:?} takes no NULL, but table {name} has rows: add it without NOT NULL",
                    field.name()
                );
                return Err(Error::new(Code::InvalidSchema, message));
            }
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
            let id = plain(schema, name, column, "dropped")?.id;
            schema.columns.retain(|column| column.id != id);
        }
        Ok(())
    })
}

/// Plans another name for a column; it keeps its id and so its values.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::ColumnNotFound`]; [`Code::InvalidSchema`] where the name is taken or reserved.
pub fn rename_column(head: &TableSnapshot, name: &str, from: &str, to: &str) -> Plan {
    change(head, name, |schema| {
        let mut all = schema.columns.iter_mut().chain(&mut schema.partition_columns);
        let column = all.find(|column| column.name == from).ok_or_else(|| unknown(name, from))?;
        to.clone_into(&mut column.name);
        Ok(())
    })
}

/// Plans a wider type for a column: old values are cast when read.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::ColumnNotFound`]; [`Code::InvalidSchema`] where the type doesn't hold every old value.
pub fn widen_column(head: &TableSnapshot, name: &str, column: &str, to: &DataType) -> Plan {
    change(head, name, |schema| {
        let found = plain(schema, name, column, "widened")?;
        if found.data_type != *to && !widens(&found.data_type, to) {
            let message = format!(
                "column {column:?} of table {name} can't go from {} to {to}: only to a wider type of the same kind; add a new column instead",
                found.data_type
            );
            return Err(Error::new(Code::InvalidSchema, message));
        }
        found.data_type = to.clone();
        Ok(())
    })
}

/// Plans properties, set or removed where the value is none.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::InvalidProperty`].
pub fn set_properties(head: &TableSnapshot, name: &str, set: BTreeMap<String, Option<String>>) -> Plan {
    let state = &head.state;
    checks::alive(state, name)?;
    let keyed = state.schema()?.is_keyed();
    for (key, value) in &set {
        if let Some(value) = value {
            properties::check(key, value, keyed)?;
        }
    }
    let changes: BTreeMap<_, _> =
        set.into_iter().filter(|(key, value)| state.property(key) != value.as_deref()).collect();
    Ok(match changes.is_empty() {
        true => Attempt::Nothing,
        false => Attempt::Actions(vec![Action::Properties { set: changes }]),
    })
}

/// Plans the lifecycle of the table: its days where given, and whether it is on.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::InvalidProperty`] where it is switched on without days.
pub fn set_lifecycle(head: &TableSnapshot, name: &str, days: Option<u32>, enabled: bool) -> Plan {
    let state = &head.state;
    checks::alive(state, name)?;
    let info = state.info()?;
    let days = days.or(info.create.lifecycle);
    if enabled && days.is_none() {
        let message = format!(
            "table {name} has no lifecycle to enable: use ALTER TABLE {name} SET LIFECYCLE with a number of days"
        );
        return Err(Error::new(Code::InvalidProperty, message));
    }
    let same = days == info.create.lifecycle && enabled != info.lifecycle_disabled;
    Ok(if same { Attempt::Nothing } else { Attempt::Actions(vec![Action::Lifecycle { days, enabled }]) })
}

/// Plans reclamation of partitions by lifecycle, on or off.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::PartitionNotFound`].
pub fn set_partition_lifecycle(
    head: &TableSnapshot,
    name: &str,
    partitions: &[PartitionValues],
    enabled: bool,
) -> Plan {
    checks::alive(&head.state, name)?;
    let mut entries = checks::open_partitions(&head.state, name, partitions)?;
    entries.retain(|entry| entry.lifecycle_disabled == enabled);
    Ok(attempt(entries.iter().map(|entry| Action::PartitionLifecycle { id: entry.id, enabled }).collect()))
}

/// Plans LastModifiedTime = now for the table.
///
/// # Errors
/// [`Code::TableDropped`].
pub fn touch_table(head: &TableSnapshot, name: &str) -> Plan {
    checks::alive(&head.state, name)?;
    Ok(attempt(vec![Action::Touch { partition: None }]))
}

/// Plans LastModifiedTime = now for partitions.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::PartitionNotFound`].
pub fn touch_partitions(head: &TableSnapshot, name: &str, partitions: &[PartitionValues]) -> Plan {
    checks::alive(&head.state, name)?;
    let entries = checks::open_partitions(&head.state, name, partitions)?;
    Ok(attempt(entries.iter().map(|entry| Action::Touch { partition: Some(entry.id) }).collect()))
}

/// Plans the comment of the table; none removes it.
///
/// # Errors
/// [`Code::TableDropped`].
pub fn set_comment(head: &TableSnapshot, name: &str, text: Option<String>) -> Plan {
    checks::alive(&head.state, name)?;
    let same = head.state.info()?.create.comment == text;
    Ok(if same { Attempt::Nothing } else { Attempt::Actions(vec![Action::Comment { text }]) })
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

/// A column that is neither of the key nor a partition column.
fn plain<'s>(schema: &'s mut TableSchema, name: &str, column: &str, what: &str) -> Result<&'s mut Column> {
    let fixed = |kind: &str| {
        Error::new(
            Code::InvalidSchema,
            format!("column {column:?} of table {name} is a {kind} column and can't be {what}"),
        )
    };
    if schema.partition_columns.iter().any(|c| c.name == column) {
        return Err(fixed("partition"));
    }
    let found = schema.columns.iter_mut().find(|c| c.name == column).ok_or_else(|| unknown(name, column))?;
    if schema.key.contains(&found.id) {
        return Err(fixed("key"));
    }
    Ok(found)
}

fn unknown(name: &str, column: &str) -> Error {
    Error::new(Code::ColumnNotFound, format!("table {name} has no column {column:?}: see DESC {name}"))
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
