//! Which of a session's catalogs are warehouses, and what a name in SQL means there.

use datafusion::common::{ResolvedTableReference, TableReference};
use datafusion::config::ConfigOptions;
use datafusion::execution::config::SessionConfig;

use super::TimeTravelCatalog;
use crate::catalog::TableName;

/// The warehouses of a session, by the name of their catalog.
///
/// It travels in the session's configuration: a catalog list may be wrapped (`enable_url_table`), so that ours can't be
/// recognised in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Warehouses(Vec<(String, TimeTravelCatalog)>);

impl Warehouses {
    /// Those of a session.
    pub(crate) fn of(config: &SessionConfig) -> Self {
        config.get_extension::<Self>().map(|found| found.as_ref().clone()).unwrap_or_default()
    }

    /// These and one more, which replaces another of its name.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, catalog: TimeTravelCatalog) -> Self {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), catalog));
        self
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
    let ResolvedTableReference { catalog, schema, table } =
        reference.resolve(&defaults.default_catalog, &defaults.default_schema);
    (catalog.to_string(), TableName::new(schema.as_ref(), table.as_ref()))
}
