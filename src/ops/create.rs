//! CREATE TABLE: the table's LSN 1 with its content first, then the name. Nothing is seen before the name is bound.

use std::collections::BTreeMap;

use super::insert::by_partition;
use super::plan::NewFiles;
use super::{Pin, drop, schema};
use crate::auth::{Privilege, Target};
use crate::catalog::{CatalogAction, CatalogState, TableName};
use crate::error::{Code, Error, Result};
use crate::log::{Attempt, Operation, Snapshot};
use crate::store::TableId;
use crate::table::{Action, CreateTable, PartitionRef, PartitionValues, TableSchema, properties};
use crate::write::WrittenFile;

/// What to do where the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfExists {
    /// An error.
    Fail,
    /// Nothing (IF NOT EXISTS).
    Skip,
    /// Drop the old table first, restorably (OR REPLACE).
    Replace,
}

/// A table to create.
#[derive(Debug, Clone)]
pub struct NewTable {
    /// Its id, drawn before its content is written.
    pub id: TableId,
    /// Its name.
    pub name: TableName,
    /// Its schema.
    pub schema: TableSchema,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
    /// Days until reclamation.
    pub lifecycle: Option<u32>,
    /// Its comment.
    pub comment: Option<String>,
    /// What to do where the name is taken.
    pub if_exists: IfExists,
}

impl NewTable {
    /// Checks all that can be wrong with it, and whether the name is free. False where there is nothing to do.
    ///
    /// # Errors
    /// [`Code::InvalidProperty`], [`Code::InvalidArgument`], [`Code::SchemaNotFound`], [`Code::TableExists`],
    /// [`Code::PermissionDenied`].
    pub async fn check(&self, pin: &Pin) -> Result<bool> {
        pin.warehouse().authorize(pin.caller(), Privilege::CreateTable, &Target::Project)?;
        self.name.check()?;
        for (key, value) in &self.properties {
            properties::check(key, value, self.schema.is_keyed())?;
        }
        // A drop that was begun is finished here, which frees the name.
        if self.is_taken_by_a_dropped_table(pin).await? {
            return Ok(true);
        }
        match check_free(&pin.catalog().state, &self.name) {
            Ok(()) => Ok(true),
            Err(error) if error.code() == Code::TableExists && self.if_exists == IfExists::Skip => Ok(false),
            Err(error) if error.code() == Code::TableExists && self.if_exists == IfExists::Replace => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn is_taken_by_a_dropped_table(&self, pin: &Pin) -> Result<bool> {
        let taken = pin.catalog().state.object(&self.name).is_some();
        match pin.table(&self.name).await {
            Err(error) if taken && error.code() == Code::TableDropped => Ok(true),
            Err(error) if taken && error.code() != Code::NotVersioned => Err(error),
            _ => Ok(false),
        }
    }
}

/// Creates the table with this content in one version.
///
/// # Errors
/// As [`NewTable::check`]; what the store gives.
pub async fn create(pin: &Pin, table: NewTable, content: Vec<WrittenFile>) -> Result<()> {
    if !table.check(pin).await? {
        return Ok(());
    }
    let warehouse = pin.warehouse();
    if pin.catalog().is_empty() {
        warehouse.store().ensure_safe().await?;
    }
    let mut actions = vec![Action::Create(Box::new(CreateTable {
        id: table.id,
        name: table.name.to_string(),
        schema: table.schema.clone(),
        properties: table.properties.clone(),
        lifecycle: table.lifecycle,
        comment: table.comment.clone(),
        cloned_from: None,
    }))];
    if table.schema.partition_columns.is_empty() {
        let partition = PartitionRef { values: PartitionValues::default(), id: warehouse.fresh_partition() };
        actions.push(Action::OpenPartition(partition));
    }
    // A table without a name is garbage to a sweep once it is old, also where it has no files.
    let started = warehouse.store().now();
    let begun: Vec<_> = content.iter().map(|file| file.begun).chain([started]).collect();
    for NewFiles { partition, files } in by_partition(warehouse, content) {
        for file in files {
            actions.push(Action::Add {
                partition: partition.clone(),
                file: Box::new(file),
                order: None,
                rank: 0,
                counted: true,
            });
        }
    }
    let log = warehouse.table_log(table.id);
    let options = warehouse.file_options(pin.caller(), Operation::Create, begun.iter().copied());
    let binding = options.commit.follow_up("bind");
    log.commit(Snapshot::empty().into(), options, move |head| match head.is_empty() {
        true => Ok(Attempt::Actions(actions.clone())),
        false => Err(Error::internal("a fresh table id that is in use")),
    })
    .await?;
    if table.if_exists == IfExists::Replace && pin.catalog().state.object(&table.name).is_some() {
        match drop::table(pin, &table.name).await {
            Err(error) if matches!(error.code(), Code::TableDropped | Code::TableNotFound) => {}
            other => other?,
        }
    }
    let mut options = warehouse.file_options(pin.caller(), Operation::Create, begun);
    options.commit = binding;
    let skip = table.if_exists == IfExists::Skip;
    let partitioned = !table.schema.partition_columns.is_empty();
    let catalog = warehouse.catalog().snapshot().await?;
    warehouse
        .catalog()
        .commit(catalog, options, move |head| match check_free(&head.state, &table.name) {
            Ok(()) => {
                let (id, name) = (table.id, table.name.clone());
                Ok(Attempt::Actions(vec![CatalogAction::CreateTable { id, name, partitioned }]))
            }
            Err(error) if skip && error.code() == Code::TableExists => Ok(Attempt::Nothing),
            Err(error) => Err(error),
        })
        .await?;
    Ok(())
}

/// Whether a table can be bound to the name.
pub(super) fn check_free(catalog: &CatalogState, name: &TableName) -> Result<()> {
    schema::check_exists(catalog, &name.schema)?;
    match catalog.object(name) {
        None => Ok(()),
        Some(_) => Err(Error::new(
            Code::TableExists,
            format!("{name} exists already: choose another name, or rename it with ALTER TABLE {name} RENAME TO …"),
        )),
    }
}
