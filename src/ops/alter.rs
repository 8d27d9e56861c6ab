//! ALTER TABLE: properties, lifecycle, comment, columns, partitions, name.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::Field;

use super::apply::apply;
use super::follow_up::{follow_up, options_after};
use super::plan::ColumnEdit;
use super::sweep::SweepRow;
use super::{Pin, PinnedTable, Warehouse, create, plan, vacuum};
use crate::auth::{Privilege, Target};
use crate::catalog::{CatalogAction, CatalogSnapshot, TableName};
use crate::error::{Code, Error, Result};
use crate::log::{Attempt, Operation};
use crate::table::{Action, PartitionRef, PartitionValues, TableSnapshot, properties};

/// What ALTER TABLE changes.
#[derive(Debug, Clone)]
pub enum Change {
    /// Properties set, or removed where the value is none. They act at once (R067).
    Properties(BTreeMap<String, Option<String>>),
    /// Days until reclamation (R170).
    Lifecycle(u32),
    /// Reclamation switched on or off, of the table or of partitions.
    EnableLifecycle {
        /// The partitions; none for the table.
        partitions: Option<Vec<PartitionValues>>,
        /// On or off.
        enabled: bool,
    },
    /// LastModifiedTime = now, of the table or of partitions.
    Touch(Option<Vec<PartitionValues>>),
    /// The comment; none removes it.
    Comment(Option<String>),
    /// Columns added, after the others.
    AddColumns {
        /// Their names and types; comment and default are metadata.
        columns: Vec<Field>,
        /// Whether names that are taken are passed over.
        if_not_exists: bool,
    },
    /// Columns dropped.
    DropColumns {
        /// Their names.
        columns: Vec<String>,
        /// Whether unknown names are passed over.
        if_exists: bool,
    },
    /// One column changed.
    Column {
        /// Its name.
        column: String,
        /// The changes.
        edit: ColumnEdit,
    },
    /// Empty partitions added.
    AddPartitions {
        /// Their values.
        partitions: Vec<PartitionValues>,
        /// Whether those that exist are passed over.
        if_not_exists: bool,
    },
}

/// Changes the table in one ALTER commit; none where that changes nothing.
///
/// # Errors
/// As the plan of the change gives; nothing is changed then.
pub async fn table(pin: &Pin, name: &TableName, change: Change) -> Result<()> {
    let privilege = match change {
        Change::Touch(_) => Privilege::Update,
        _ => Privilege::Alter,
    };
    let add: Vec<PartitionRef> = match &change {
        Change::AddPartitions { partitions, .. } => {
            let with_id = |values: &PartitionValues| PartitionRef {
                values: values.clone(),
                id: pin.warehouse().fresh_partition(),
            };
            partitions.iter().map(with_id).collect()
        }
        _ => vec![],
    };
    let plan = move |head: &TableSnapshot, name: &str| match change.clone() {
        Change::Properties(set) => plan::set_properties(head, name, set),
        Change::Lifecycle(days) => plan::set_lifecycle(head, name, Some(days), !head.state.info()?.lifecycle_disabled),
        Change::EnableLifecycle { partitions: None, enabled } => plan::set_lifecycle(head, name, None, enabled),
        Change::EnableLifecycle { partitions: Some(values), enabled } => {
            plan::set_partition_lifecycle(head, name, &values, enabled)
        }
        Change::Touch(None) => plan::touch_table(head, name),
        Change::Touch(Some(values)) => plan::touch_partitions(head, name, &values),
        Change::Comment(text) => plan::set_comment(head, name, text),
        Change::AddColumns { mut columns, if_not_exists } => {
            let schema = head.state.schema()?;
            columns.retain(|column| !if_not_exists || schema.all().all(|known| known.name != *column.name()));
            plan::add_columns(head, name, columns)
        }
        Change::DropColumns { mut columns, if_exists } => {
            let schema = head.state.schema()?;
            columns.retain(|column| !if_exists || schema.all().any(|known| known.name == *column));
            plan::drop_columns(head, name, &columns)
        }
        Change::Column { column, edit } => plan::change_column(head, name, &column, &edit),
        Change::AddPartitions { if_not_exists, .. } => plan::add_partitions(head, name, add.clone(), if_not_exists),
    };
    apply(pin, name, privilege, Operation::Alter, plan).await.map(|_| ())
}

/// What the next VACUUM would delete of the table if it had these properties; nothing is changed (R163).
///
/// # Errors
/// As [`table`] gives for them.
pub async fn dry_run_properties(
    pin: &Pin,
    name: &TableName,
    set: BTreeMap<String, Option<String>>,
) -> Result<Vec<SweepRow>> {
    let table = pin.table_for(name, Privilege::Alter).await?;
    let hours = set.get(properties::RETAIN_HOURS).cloned();
    plan::set_properties(&table.snapshot, &name.to_string(), set)?;
    match hours {
        Some(hours) => vacuum::with_query_window(pin, table, properties::retained(hours.as_deref())).await,
        None => Ok(vec![]),
    }
}

/// Gives the table another name; id and history stay (C25). Decided in the catalog, then noted in the table's log.
///
/// # Errors
/// [`Code::TableExists`], [`Code::SchemaNotFound`].
pub async fn rename(pin: &Pin, name: &TableName, to: TableName) -> Result<()> {
    to.check()?;
    let table = pin.table_to_change(name, Privilege::Alter).await?;
    let warehouse = pin.warehouse();
    warehouse.authorize(pin.caller(), Privilege::CreateTable, &Target::Project)?;
    if *name == to {
        return Ok(());
    }
    create::is_taken_by_a_dropped_table(pin, &to).await?;
    let options = warehouse.commit_options(pin.caller(), Operation::Alter);
    let (id, old, new) = (table.id, name.clone(), to.clone());
    let base = warehouse.catalog().snapshot().await?;
    let plan = move |head: &CatalogSnapshot| {
        create::check_free(&head.state, &new)?;
        match head.state.table(id) {
            Some(entry) if entry.dropped.is_none() && entry.name == old => {
                Ok(Attempt::Actions(vec![CatalogAction::RenameTable { id, name: new.clone() }]))
            }
            _ => Err(Error::new(Code::Conflict, format!("table {old} was dropped or renamed by somebody else"))),
        }
    };
    warehouse.catalog().commit(base, options, plan).await?;
    follow_up(note_rename(warehouse, &table).await, "the table's log lacks the RENAME").map(|_| ())
}

/// Notes in the table's log the name that the catalog gave it, where that is missing: whoever renamed it may have
/// crashed. Every verb that commits to the table's log calls this first.
pub(super) async fn finish_rename(warehouse: &Warehouse, table: &PinnedTable) -> Result<()> {
    match table.snapshot.state.info()?.create.name == table.name.to_string() {
        true => Ok(()),
        false => note_rename(warehouse, table).await,
    }
}

async fn note_rename(warehouse: &Warehouse, table: &PinnedTable) -> Result<()> {
    let catalog = warehouse.catalog().snapshot().await?;
    let entry = catalog.state.table(table.id).filter(|entry| entry.dropped.is_none());
    let Some((entry, lsn)) = entry.and_then(|entry| Some((entry, entry.rename_decided?))) else { return Ok(()) };
    let decided = warehouse.catalog().info(&catalog, lsn).await?;
    let options = options_after(warehouse, &decided, "rename", Operation::Alter);
    let name = entry.name.to_string();
    let plan = move |head: &TableSnapshot| match head.state.is_alive() && head.state.info()?.create.name != name {
        true => Ok(Attempt::Actions(vec![Action::Rename { name: name.clone() }])),
        false => Ok(Attempt::Nothing),
    };
    table.log.commit(Arc::clone(&table.snapshot), options, plan).await.map(|_| ())
}
