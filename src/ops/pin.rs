//! The Pin: one statement = one clock reading + one snapshot per table. Nothing else asks the time or the head.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Warehouse, alter, create, drop, undrop};
use crate::auth::{Caller, Privilege, Target};
use crate::catalog::{CatalogSnapshot, CatalogTable, Object, TableName};
use crate::error::{Code, Error, Result};
use crate::store::{TableId, Timestamp};
use crate::table::{TableLog, TableSnapshot};

/// What one statement sees of a warehouse.
#[derive(Debug)]
pub struct Pin {
    warehouse: Warehouse,
    caller: Caller,
    clock: Timestamp,
    catalog: Arc<CatalogSnapshot>,
    tables: Mutex<HashMap<TableId, PinnedTable>>,
}

/// A table at the snapshot that a statement sees.
#[derive(Debug, Clone)]
pub struct PinnedTable {
    /// The name by which it was found.
    pub name: TableName,
    /// Its id.
    pub id: TableId,
    /// Its log.
    pub log: Arc<TableLog>,
    /// Its newest snapshot when the statement began.
    pub snapshot: Arc<TableSnapshot>,
}

impl Pin {
    /// Reads the clock and the head of the catalog.
    ///
    /// # Errors
    /// The store fails or the catalog is corrupt.
    pub async fn new(warehouse: &Warehouse, caller: &Caller) -> Result<Self> {
        Ok(Self {
            warehouse: warehouse.clone(),
            caller: caller.clone(),
            clock: warehouse.store().now(),
            catalog: warehouse.catalog().snapshot().await?,
            tables: Mutex::default(),
        })
    }

    /// The warehouse.
    pub fn warehouse(&self) -> &Warehouse {
        &self.warehouse
    }

    /// Who runs the statement.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The catalog that the statement sees.
    pub fn catalog(&self) -> &CatalogSnapshot {
        &self.catalog
    }

    /// The statement's moment: the clock's, but never before a commit that it sees.
    pub fn now(&self) -> Timestamp {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.values().map(|table| table.snapshot.time()).fold(self.clock, Timestamp::max)
    }

    /// The tables pinned so far.
    pub fn pinned(&self) -> Vec<PinnedTable> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The live table of this name.
    ///
    /// # Errors
    /// [`Code::TableNotFound`], or [`Code::TableDropped`] with the RESTORE that would bring it back.
    pub async fn table(&self, name: &TableName) -> Result<PinnedTable> {
        match self.catalog.state.object(name) {
            Some(Object::Table(entry)) => self.open(name, &entry).await,
            Some(Object::View(_)) => Err(Error::new(Code::NotVersioned, format!("{name} is a view: name a table"))),
            None => Err(self.missing(name)),
        }
    }

    /// The live table of this name, for a caller who needs a privilege on it.
    ///
    /// # Errors
    /// As [`Pin::table`], and [`Code::PermissionDenied`], which comes before any look at the object.
    pub async fn table_for(&self, name: &TableName, privilege: Privilege) -> Result<PinnedTable> {
        self.warehouse.authorize(&self.caller, privilege, &Target::Table(name))?;
        self.table(name).await
    }

    /// As [`Pin::table_for`], for a verb that commits to the table's log: what was begun there is finished first.
    pub(super) async fn table_to_change(&self, name: &TableName, privilege: Privilege) -> Result<PinnedTable> {
        let table = self.table_for(name, privilege).await?;
        alter::finish_rename(&self.warehouse, &table).await?;
        Ok(table)
    }

    async fn open(&self, name: &TableName, entry: &CatalogTable) -> Result<PinnedTable> {
        let known = self.tables.lock().unwrap_or_else(PoisonError::into_inner).get(&entry.id).cloned();
        if let Some(table) = known {
            return Ok(table);
        }
        let log = self.warehouse.table_log(entry.id);
        let mut snapshot = log.snapshot().await?;
        if snapshot.is_empty() {
            return Err(log.missing());
        }
        if !snapshot.state.is_alive() {
            // A live name whose log ends in a DROP: an undrop is decided in the catalog, a drop in the table's log, and
            // whoever decided it may have crashed before the other half.
            match undrop::finish(&self.warehouse, entry.id, &snapshot).await? {
                Some(finished) => snapshot = finished,
                None => {
                    // Who only asks need not be able to finish it.
                    if let Err(error) = drop::finish(&self.warehouse, entry, &snapshot).await {
                        tracing::warn!(%error, table = %name, "the DROP's name is not free yet");
                    }
                    return Err(dropped(name, entry.id));
                }
            }
        }
        let table = PinnedTable { name: name.clone(), id: entry.id, log, snapshot };
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(tables.entry(entry.id).or_insert(table).clone())
    }

    /// A table by its id, live or dropped. The name only has to be one that it has or had last.
    ///
    /// # Errors
    /// [`Code::TableNotFound`]; [`Code::PermissionDenied`]: a live table needs ShowHistory, a dropped one List (R192).
    pub async fn table_by_id(&self, name: &TableName, id: TableId) -> Result<PinnedTable> {
        let entry = self.catalog.state.table(id).filter(|entry| entry.name == *name && entry.purged.is_none());
        match entry {
            Some(entry) if entry.dropped.is_none() => self.table_for(name, Privilege::ShowHistory).await,
            _ => {
                self.warehouse.authorize(&self.caller, Privilege::List, &Target::Project)?;
                let entry = entry.ok_or_else(|| {
                    Error::new(
                        Code::TableNotFound,
                        format!("no table {name} has the id {id}: SHOW HISTORY FOR TABLES lists names and ids"),
                    )
                })?;
                let snapshot = create::finish_replace(&self.warehouse, id).await?;
                Ok(PinnedTable { name: name.clone(), id, log: self.warehouse.table_log(entry.id), snapshot })
            }
        }
    }

    /// The error for a name that stands for nothing.
    pub fn missing(&self, name: &TableName) -> Error {
        match self.catalog.state.dropped(name).last() {
            Some(entry) => dropped(name, entry.id),
            None if !self.catalog.state.has_schema(&name.schema) => Error::new(
                Code::SchemaNotFound,
                format!(
                    "schema {:?} does not exist: SELECT schema_name FROM information_schema.schemata lists those that do",
                    name.schema
                ),
            ),
            None => {
                Error::new(Code::TableNotFound, format!("table {name} does not exist: SHOW TABLES lists those that do"))
            }
        }
    }
}

fn dropped(name: &TableName, id: TableId) -> Error {
    Error::new(
        Code::TableDropped,
        format!(
            "table {name} was dropped: RESTORE TABLE {name} ('id'='{id}') brings it back while its backup retention lasts"
        ),
    )
}
