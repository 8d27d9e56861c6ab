//! A warehouse as a DataFusion catalog.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::{MemTable, TableProvider, TableType};

use super::TimeTravelTable;
use crate::auth::{Caller, Privilege, Target};
use crate::catalog::{CatalogSnapshot, Object, TableName};
use crate::error::{Code, Error};
use crate::ops::{Pin, Warehouse};

/// Where a statement's snapshots come from.
#[derive(Debug, Clone)]
pub(crate) enum PinSource {
    /// One Pin for the whole statement.
    Pinned(Arc<Pin>),
    /// A fresh Pin per look-up: plain `ctx.sql`, which looks up each name once per statement.
    Fresh(Warehouse, Caller),
}

impl PinSource {
    pub(crate) async fn pin(&self) -> Result<Arc<Pin>, Error> {
        match self {
            Self::Pinned(pin) => Ok(Arc::clone(pin)),
            Self::Fresh(warehouse, caller) => Ok(Arc::new(Pin::new(warehouse, caller).await?)),
        }
    }

    /// Whether listings show the caller the table: whether they may read or write it.
    fn is_visible(&self, name: &TableName) -> bool {
        let (warehouse, caller) = match self {
            Self::Pinned(pin) => (pin.warehouse(), pin.caller()),
            Self::Fresh(warehouse, caller) => (warehouse, caller),
        };
        let may = |privilege| warehouse.authorize(caller, privilege, &Target::Table(name)).is_ok();
        may(Privilege::Select) || may(Privilege::Update)
    }

    /// The catalog as far as it is known without I/O.
    fn seen<T>(&self, look: impl FnOnce(&CatalogSnapshot) -> T) -> Option<T> {
        match self {
            Self::Pinned(pin) => Some(look(pin.catalog())),
            Self::Fresh(warehouse, _) => warehouse.catalog_seen().map(|snapshot| look(&snapshot)),
        }
    }
}

/// Tables that live in this session only: CREATE EXTERNAL TABLE and the like, by schema and name.
pub(crate) type SessionTables = Arc<Mutex<HashMap<TableName, Arc<dyn TableProvider>>>>;

/// A warehouse as a DataFusion catalog.
#[derive(Debug, Clone)]
pub(crate) struct TimeTravelCatalog {
    source: PinSource,
    session: SessionTables,
    /// Views planned for one statement.
    views: HashMap<TableName, Arc<dyn TableProvider>>,
}

impl TimeTravelCatalog {
    pub(crate) fn new(source: PinSource) -> Self {
        Self { source, session: SessionTables::default(), views: HashMap::new() }
    }

    /// The same catalog, pinned for one statement, with the views that it uses.
    pub(crate) fn pinned(&self, pin: Arc<Pin>, views: HashMap<TableName, Arc<dyn TableProvider>>) -> Self {
        Self { source: PinSource::Pinned(pin), session: Arc::clone(&self.session), views }
    }

    /// The warehouse.
    pub(crate) fn warehouse(&self) -> &Warehouse {
        match &self.source {
            PinSource::Pinned(pin) => pin.warehouse(),
            PinSource::Fresh(warehouse, _) => warehouse,
        }
    }

    /// Whether the name is a table of this session only.
    pub(crate) fn is_session_table(&self, name: &TableName) -> bool {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }
}

impl CatalogProvider for TimeTravelCatalog {
    fn schema_names(&self) -> Vec<String> {
        self.source.seen(|catalog| catalog.state.schemas().map(ToOwned::to_owned).collect()).unwrap_or_default()
    }

    /// Any name is answered: whether the schema exists needs I/O, which only looking up a table may do.
    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        Some(Arc::new(TimeTravelSchema { catalog: self.clone(), schema: name.to_owned() }))
    }
}

#[derive(Debug)]
struct TimeTravelSchema {
    catalog: TimeTravelCatalog,
    schema: String,
}

impl TimeTravelSchema {
    fn name(&self, table: &str) -> TableName {
        TableName::new(&self.schema, table)
    }

    fn session_table(&self, table: &str) -> Option<Arc<dyn TableProvider>> {
        self.catalog.session.lock().unwrap_or_else(PoisonError::into_inner).get(&self.name(table)).cloned()
    }
}

#[async_trait]
impl SchemaProvider for TimeTravelSchema {
    fn table_names(&self) -> Vec<String> {
        let listed = |catalog: &CatalogSnapshot| catalog.state.names_in(&self.schema).map(ToOwned::to_owned).collect();
        let mut names: Vec<String> = self.catalog.source.seen(listed).unwrap_or_default();
        names.retain(|name| self.catalog.source.is_visible(&self.name(name)));
        let session = self.catalog.session.lock().unwrap_or_else(PoisonError::into_inner);
        names.extend(session.keys().filter(|name| name.schema == self.schema).map(|name| name.table.clone()));
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(table) = self.session_table(name).or_else(|| self.catalog.views.get(&self.name(name)).cloned()) {
            return Ok(Some(table));
        }
        let pin = self.catalog.source.pin().await?;
        let name = self.name(name);
        // What may not be seen looks like what is not there. Whether it is to be read or written is not known here; the
        // plan asks again.
        if !self.catalog.source.is_visible(&name) {
            return Ok(None);
        }
        match pin.catalog().state.object(&name) {
            Some(Object::Table(_)) => {
                let table = pin.table(&name).await?;
                Ok(Some(Arc::new(TimeTravelTable::latest(pin, table)?)))
            }
            Some(Object::View(_)) => Err(Error::new(
                Code::NotSupported,
                format!("view {name} can't be planned here: use tt.sql(&ctx, ..) instead of ctx.sql(..)"),
            )
            .into()),
            None => match pin.missing(&name) {
                error if error.code() == Code::TableDropped => Err(error.into()),
                _ => Ok(None),
            },
        }
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        if let Some(table) = self.session_table(name) {
            return Ok(Some(table.table_type()));
        }
        let kind = |catalog: &CatalogSnapshot| match catalog.state.object(&self.name(name))? {
            Object::Table(_) => Some(TableType::Base),
            Object::View(_) => Some(TableType::View),
        };
        Ok(self.catalog.source.seen(kind).flatten())
    }

    fn register_table(&self, name: String, table: Arc<dyn TableProvider>) -> Result<Option<Arc<dyn TableProvider>>> {
        let refuse = |message: String| Err(DataFusionError::from(Error::new(Code::NotSupported, message)));
        if table.downcast_ref::<MemTable>().is_some() {
            return refuse(format!(
                "CREATE TABLE {name} through ctx.sql would not be kept: use tt.sql(&ctx, ..), which stores it"
            ));
        }
        if self.table_exist(&name) {
            return Err(Error::new(Code::TableExists, format!("{name} exists already: choose another name")).into());
        }
        let name = self.name(&name);
        Ok(self.catalog.session.lock().unwrap_or_else(PoisonError::into_inner).insert(name, table))
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match self.catalog.session.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name(name)) {
            Some(table) => Ok(Some(table)),
            None if self.table_exist(name) => Err(Error::new(
                Code::NotSupported,
                format!(
                    "DROP TABLE {name} through ctx.sql can't be kept: use tt.sql(&ctx, ..), which drops it restorably"
                ),
            )
            .into()),
            None => Ok(None),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        let known = |catalog: &CatalogSnapshot| catalog.state.object(&self.name(name)).is_some();
        self.session_table(name).is_some() || self.catalog.source.seen(known).unwrap_or(false)
    }
}
