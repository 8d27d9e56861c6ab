//! The Pins of one statement: one for each warehouse that it touches.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::CatalogProviderList;
use datafusion::common::TableReference;
use datafusion::config::ConfigOptions;
use datafusion::execution::SessionState;

use crate::auth::Caller;
use crate::catalog::{DEFAULT_SCHEMA, TableName};
use crate::error::Result;
use crate::ops::Pin;
use crate::provider::{Warehouses, resolve};
use crate::store::Timestamp;

/// Snapshots of one statement.
#[derive(Debug)]
pub(super) struct Pins {
    list: Arc<dyn CatalogProviderList>,
    warehouses: Warehouses,
    caller: Caller,
    pins: BTreeMap<String, Arc<Pin>>,
    clock: Timestamp,
}

impl Pins {
    pub(super) fn new(state: &SessionState, caller: Caller, clock: Timestamp) -> Self {
        Self {
            list: Arc::clone(state.catalog_list()),
            warehouses: Warehouses::of(state.config()),
            caller,
            pins: BTreeMap::new(),
            clock,
        }
    }

    pub(super) fn warehouses(&self) -> &Warehouses {
        &self.warehouses
    }

    /// The Pin and the name in it that a reference means; none where it is not in a warehouse, or a session's table.
    pub(super) async fn find(
        &mut self,
        reference: TableReference,
        config: &ConfigOptions,
    ) -> Result<Option<(Arc<Pin>, TableName)>> {
        Ok(self.locate(reference, config).await?.map(|(_, pin, name)| (pin, name)))
    }

    /// As [`Pins::find`], with the catalog's name.
    pub(super) async fn locate(
        &mut self,
        reference: TableReference,
        config: &ConfigOptions,
    ) -> Result<Option<(String, Arc<Pin>, TableName)>> {
        let reference = self.project_table(reference, config).await?;
        let (catalog, name) = resolve(reference, config);
        if name.schema == "information_schema" {
            return Ok(None);
        }
        match self.warehouses.catalog(&catalog) {
            Some(found) if !found.is_session_table(&name) => {
                let pin = self.pin(&catalog).await?;
                Ok(Some((catalog, pin, name)))
            }
            _ => Ok(None),
        }
    }

    /// Two parts are schema.table, else project.table (semantics, "Names and types").
    async fn project_table(&mut self, reference: TableReference, config: &ConfigOptions) -> Result<TableReference> {
        let TableReference::Partial { schema, table } = &reference else { return Ok(reference) };
        if self.warehouses.catalog(schema).is_none() {
            return Ok(reference);
        }
        let catalog = &config.catalog.default_catalog;
        let is_schema = match self.warehouses.catalog(catalog) {
            Some(_) => self.pin(catalog).await?.catalog().state.has_schema(schema),
            None => self.list.catalog(catalog).is_some_and(|catalog| catalog.schema(schema).is_some()),
        };
        Ok(match is_schema {
            true => reference,
            false => TableReference::full(Arc::clone(schema), DEFAULT_SCHEMA, Arc::clone(table)),
        })
    }

    /// The Pin of a warehouse of the session.
    pub(super) async fn pin(&mut self, catalog: &str) -> Result<Arc<Pin>> {
        if let Some(pin) = self.pins.get(catalog) {
            return Ok(Arc::clone(pin));
        }
        let Some(found) = self.warehouses.catalog(catalog) else {
            return Err(crate::error::Error::internal(format!("{catalog} is not a warehouse")));
        };
        let pin = Arc::new(Pin::new(found.warehouse(), &self.caller).await?);
        self.pins.insert(catalog.to_owned(), Arc::clone(&pin));
        Ok(pin)
    }

    /// The Pin of a warehouse, if it is pinned.
    pub(super) fn pinned(&self, catalog: &str) -> Option<&Arc<Pin>> {
        self.pins.get(catalog)
    }

    /// Pins every warehouse of the session, for statements that look at names.
    pub(super) async fn all(&mut self) -> Result<Vec<(String, Arc<Pin>)>> {
        for name in self.warehouses.names() {
            self.pin(&name).await?;
        }
        Ok(self.pins.iter().map(|(name, pin)| (name.clone(), Arc::clone(pin))).collect())
    }

    /// The statement's moment: the clock's, but never before a commit that it sees.
    pub(super) fn now(&self) -> Timestamp {
        self.pins.values().map(|pin| pin.now()).fold(self.clock, Timestamp::max)
    }
}
