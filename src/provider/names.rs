//! Which of a session's catalogs are warehouses, and what a name in SQL means there.

use std::sync::Arc;

use datafusion::catalog::CatalogProviderList;
use datafusion::common::{ResolvedTableReference, TableReference};
use datafusion::config::ConfigOptions;

use super::TimeTravelCatalog;
use crate::catalog::TableName;

/// The warehouses among a session's catalogs, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Warehouses(Vec<(String, TimeTravelCatalog)>);

impl Warehouses {
    /// Those of a catalog list.
    pub(crate) fn of(list: &Arc<dyn CatalogProviderList>) -> Self {
        let ours = |name: String| {
            let catalog = list.catalog(&name)?;
            let found = catalog.downcast_ref::<TimeTravelCatalog>()?.clone();
            Some((name, found))
        };
        Self(list.catalog_names().into_iter().filter_map(ours).collect())
    }

    /// The names of the warehouses.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The warehouse of this name.
    pub(crate) fn catalog(&self, name: &str) -> Option<&TimeTravelCatalog> {
        self.0.iter().find(|(catalog, _)| catalog == name).map(|(_, found)| found)
    }
}

/// The catalog and the name that a reference means; what is missing comes from the session's settings.
pub(crate) fn resolve(reference: TableReference, config: &ConfigOptions) -> (String, TableName) {
    let defaults = &config.catalog;
    let ResolvedTableReference { catalog, schema, table } = reference.resolve(&defaults.default_catalog, &defaults.default_schema);
    (catalog.to_string(), TableName::new(schema.as_ref(), table.as_ref()))
}
