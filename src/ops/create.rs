//! CREATE TABLE: the table's LSN 1 with its content first, then the name. Nothing is seen before the name is bound.
//!
//! OR REPLACE is decided by the commit that binds the name: it takes the name from the old table, whose DROP follows in
//! its own log. So the name always stands for one of the two.

use std::collections::BTreeMap;

use super::follow_up::{follow_up, options_after};
use super::insert::by_partition;
use super::{Pin, Warehouse, plan, schema};
use crate::auth::{Privilege, Target};
use crate::catalog::{CatalogAction, CatalogSnapshot, CatalogState, Object, TableName};
use crate::error::{Code, Error, Result};
use crate::log::{Attempt, CommitOptions, Operation, Snapshot};
use crate::store::testing::Bug;
use crate::store::{TableId, Timestamp};
use crate::table::{Action, CreateTable, PartitionRef, PartitionValues, TableSchema, TableSnapshot, properties};
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
        if is_taken_by_a_dropped_table(pin, &self.name).await? {
            return Ok(true);
        }
        match check_free(&pin.catalog().state, &self.name) {
            Ok(()) => Ok(true),
            Err(error) if error.code() == Code::TableExists && self.if_exists == IfExists::Skip => Ok(false),
            Err(error) if error.code() == Code::TableExists && self.if_exists == IfExists::Replace => {
                pin.warehouse().authorize(pin.caller(), Privilege::Drop, &Target::Table(&self.name))?;
                match pin.catalog().state.object(&self.name) {
                    Some(Object::View(_)) => Err(is_a_view(&self.name)),
                    _ => Ok(true),
                }
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether the name is still bound to a table that was dropped; the drop is finished then.
pub(super) async fn is_taken_by_a_dropped_table(pin: &Pin, name: &TableName) -> Result<bool> {
    let taken = pin.catalog().state.object(name).is_some();
    match pin.table(name).await {
        Err(error) if taken && error.code() == Code::TableDropped => Ok(true),
        Err(error) if taken && error.code() != Code::NotVersioned => Err(error),
        _ => Ok(false),
    }
}

/// Refuses a store without put-if-absent, before anything is written for the first table of a warehouse.
///
/// # Errors
/// [`Code::UnsafeStore`]; what the store gives.
pub async fn ensure_safe(pin: &Pin) -> Result<()> {
    match pin.catalog().is_empty() {
        true => pin.warehouse().store().ensure_safe().await,
        false => Ok(()),
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
    ensure_safe(pin).await?;
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
    let started = warehouse.store().now();
    let begun: Vec<_> = content.iter().map(|file| file.begun).chain([started]).collect();
    actions.extend(plan::adds(by_partition(warehouse, content)));
    let partitioned = !table.schema.partition_columns.is_empty();
    let binding = Binding { id: table.id, name: table.name, partitioned, if_exists: table.if_exists, begun };
    begin(pin, binding, actions).await
}

/// A table whose first commit is at hand, and the name that it is to get.
pub(super) struct Binding {
    pub(super) id: TableId,
    pub(super) name: TableName,
    pub(super) partitioned: bool,
    pub(super) if_exists: IfExists,
    /// When what it stands on was begun: files, a share, or the statement itself. A table without a name is garbage to a
    /// sweep once it is old.
    pub(super) begun: Vec<Timestamp>,
}

/// Commits the table's LSN 1, then binds its name, which decides.
pub(super) async fn begin(pin: &Pin, binding: Binding, actions: Vec<Action>) -> Result<()> {
    let warehouse = pin.warehouse();
    let Binding { id, name, partitioned, if_exists, begun } = binding;
    let options = warehouse.file_options(pin.caller(), Operation::Create, begun.iter().copied());
    let binding_id = options.commit.follow_up("bind");
    let log = warehouse.table_log(id);
    log.commit(Snapshot::empty().into(), options, move |head| match head.is_empty() {
        true => Ok(Attempt::Actions(actions.clone())),
        false => Err(Error::internal("a fresh table id that is in use")),
    })
    .await?;
    let options =
        CommitOptions { commit: binding_id, ..warehouse.file_options(pin.caller(), Operation::Create, begun) };
    let (own, caller) = (warehouse.clone(), pin.caller().clone());
    let plan = move |head: &CatalogSnapshot| {
        let bind = |replaces| CatalogAction::CreateTable { id, name: name.clone(), partitioned, replaces };
        match (check_free(&head.state, &name), head.state.object(&name)) {
            (Ok(()), _) => Ok(Attempt::Actions(vec![bind(None)])),
            (Err(_), Some(_)) if Bug::DuplicateName.is_on() => Ok(Attempt::Actions(vec![bind(None)])),
            (Err(error), _) if error.code() != Code::TableExists => Err(error),
            (Err(_), _) if if_exists == IfExists::Skip => Ok(Attempt::Nothing),
            (Err(_), Some(Object::Table(old))) if if_exists == IfExists::Replace => {
                own.authorize(&caller, Privilege::Drop, &Target::Table(&name))?;
                Ok(Attempt::Actions(vec![bind(Some(old.id))]))
            }
            (Err(_), Some(Object::View(_))) if if_exists == IfExists::Replace => Err(is_a_view(&name)),
            (Err(error), _) => Err(error),
        }
    };
    let catalog = warehouse.catalog().snapshot().await?;
    let done = warehouse.catalog().commit(catalog, options, plan).await?;
    let decided = done.lsn.filter(|_| if_exists == IfExists::Replace);
    let replaced = done.snapshot.state.tables().find(|old| decided.is_some() && old.replace_decided == decided);
    if let Some(old) = replaced {
        follow_up(finish_replace(warehouse, old.id).await, "the replaced table's log lacks the DROP")?;
    }
    Ok(())
}

/// Drops a table whose name CREATE OR REPLACE took, in its own log; nothing where it is done.
///
/// The name is free already, so this can wait until somebody asks for the table by its id.
pub(super) async fn finish_replace(warehouse: &Warehouse, id: TableId) -> Result<std::sync::Arc<TableSnapshot>> {
    let log = warehouse.table_log(id);
    let snapshot = log.snapshot().await?;
    if snapshot.is_empty() {
        return Err(log.missing());
    }
    if !snapshot.state.is_alive() {
        return Ok(snapshot);
    }
    let catalog = warehouse.catalog().snapshot().await?;
    let entry = catalog.state.table(id).filter(|entry| entry.dropped.is_some());
    let Some((entry, lsn)) = entry.and_then(|entry| Some((entry, entry.replace_decided?))) else {
        return Ok(snapshot);
    };
    let decided = warehouse.catalog().info(&catalog, lsn).await?;
    let options = options_after(warehouse, &decided, "replace", Operation::Drop);
    let gone = entry.name.to_string();
    let plan = move |head: &TableSnapshot| match head.state.is_alive() {
        true => plan::drop_table(head, &gone),
        false => Ok(Attempt::Nothing),
    };
    Ok(log.commit(snapshot, options, plan).await?.snapshot)
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

fn is_a_view(name: &TableName) -> Error {
    Error::new(Code::TableExists, format!("{name} is a view: DROP VIEW {name} first, or choose another name"))
}
