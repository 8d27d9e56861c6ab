//! The session's state as one statement sees it: warehouses pinned, views planned, one moment.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider};
use datafusion::datasource::{TableProvider, TableType};
use datafusion::execution::SessionState;

use super::pins::Pins;
use crate::catalog::{DEFAULT_SCHEMA, TableName};
use crate::error::Result;

/// Views by catalog and name, planned for one statement.
pub(super) type Views = HashMap<(String, TableName), Arc<dyn TableProvider>>;

/// A copy of the state for one statement. Nothing of the session changes.
pub(super) async fn state(original: &SessionState, pins: &mut Pins, views: &Views) -> Result<SessionState> {
    let mut pinned: HashMap<String, Arc<dyn CatalogProvider>> = HashMap::new();
    for (name, pin) in pins.all().await? {
        let of_catalog = views.iter().filter(|((catalog, _), _)| *catalog == name);
        let views = of_catalog.map(|((_, view), table)| (view.clone(), Arc::clone(table))).collect();
        if let Some(catalog) = pins.warehouses().catalog(&name) {
            pinned.insert(name, Arc::new(catalog.pinned(pin, views)));
        }
    }
    let default = &original.config_options().catalog.default_catalog;
    if let Some(inner) = pinned.get(default).cloned().or_else(|| original.catalog_list().catalog(default)) {
        let projects = pinned.clone();
        let outer = original.catalog_list().catalog(default);
        pinned
            .insert(default.clone(), Arc::new(Projects { inner, outer, projects, schemas: schemas_of(pins, default) }));
    }
    let mut state = original.clone();
    let inner = Arc::clone(state.catalog_list());
    state.register_catalog_list(Arc::new(Overlay { inner, pinned }));
    state.execution_props_mut().query_execution_start_time = pins.now().to_datetime();
    Ok(state)
}

#[derive(Debug)]
struct Overlay {
    inner: Arc<dyn CatalogProviderList>,
    pinned: HashMap<String, Arc<dyn CatalogProvider>>,
}

impl CatalogProviderList for Overlay {
    fn register_catalog(&self, name: String, catalog: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        self.inner.register_catalog(name, catalog)
    }

    fn catalog_names(&self) -> Vec<String> {
        self.inner.catalog_names()
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        self.pinned.get(name).cloned().or_else(|| self.inner.catalog(name))
    }
}

/// The schemas of a warehouse; none for a foreign catalog, which knows its own.
fn schemas_of(pins: &Pins, catalog: &str) -> Option<Vec<String>> {
    pins.pinned(catalog).map(|pin| pin.catalog().state.schemas().map(ToOwned::to_owned).collect())
}

/// The default catalog, in which a schema that doesn't exist may be the name of a project: two parts are schema.table,
/// else project.table.
#[derive(Debug)]
struct Projects {
    inner: Arc<dyn CatalogProvider>,
    /// The catalog as the session has it, which may know more: a file's name as a table.
    outer: Option<Arc<dyn CatalogProvider>>,
    projects: HashMap<String, Arc<dyn CatalogProvider>>,
    schemas: Option<Vec<String>>,
}

impl CatalogProvider for Projects {
    fn schema_names(&self) -> Vec<String> {
        self.inner.schema_names()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let known = match &self.schemas {
            Some(schemas) => schemas.iter().any(|schema| schema == name),
            None => self.inner.schema(name).is_some(),
        };
        match self.projects.get(name).filter(|_| !known) {
            Some(project) => project.schema(DEFAULT_SCHEMA),
            None => {
                let pinned = self.inner.schema(name)?;
                let outer = self.outer.as_ref().and_then(|outer| outer.schema(name));
                Some(Arc::new(Wider { pinned, outer }))
            }
        }
    }

    fn register_schema(
        &self,
        name: &str,
        schema: Arc<dyn SchemaProvider>,
    ) -> datafusion::common::Result<Option<Arc<dyn SchemaProvider>>> {
        self.inner.register_schema(name, schema)
    }

    fn deregister_schema(
        &self,
        name: &str,
        cascade: bool,
    ) -> datafusion::common::Result<Option<Arc<dyn SchemaProvider>>> {
        self.inner.deregister_schema(name, cascade)
    }
}

/// A schema that asks the session's own for names that it doesn't know.
#[derive(Debug)]
struct Wider {
    pinned: Arc<dyn SchemaProvider>,
    outer: Option<Arc<dyn SchemaProvider>>,
}

#[async_trait]
impl SchemaProvider for Wider {
    fn owner_name(&self) -> Option<&str> {
        self.pinned.owner_name()
    }

    fn table_names(&self) -> Vec<String> {
        self.pinned.table_names()
    }

    async fn table(&self, name: &str) -> datafusion::common::Result<Option<Arc<dyn TableProvider>>> {
        match (self.pinned.table(name).await?, &self.outer) {
            (None, Some(outer)) => outer.table(name).await,
            (found, _) => Ok(found),
        }
    }

    async fn table_type(&self, name: &str) -> datafusion::common::Result<Option<TableType>> {
        self.pinned.table_type(name).await
    }

    fn register_table(
        &self,
        name: String,
        table: Arc<dyn TableProvider>,
    ) -> datafusion::common::Result<Option<Arc<dyn TableProvider>>> {
        self.pinned.register_table(name, table)
    }

    fn deregister_table(&self, name: &str) -> datafusion::common::Result<Option<Arc<dyn TableProvider>>> {
        self.pinned.deregister_table(name)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.pinned.table_exist(name)
    }
}
