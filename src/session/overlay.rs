//! The session's state as one statement sees it: warehouses pinned, views planned, one moment.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, CatalogProviderList};
use datafusion::datasource::TableProvider;
use datafusion::execution::SessionState;

use super::pins::Pins;
use crate::catalog::TableName;
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
