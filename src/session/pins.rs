//! The Pins of one statement: one for each warehouse that it touches.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::config::ConfigOptions;

use crate::auth::Caller;
use crate::catalog::TableName;
use crate::error::Result;
use crate::ops::Pin;
use crate::provider::{Warehouses, resolve};
use crate::store::Timestamp;

/// Snapshots of one statement.
#[derive(Debug)]
pub(super) struct Pins {
    warehouses: Warehouses,
    caller: Caller,
    pins: BTreeMap<String, Arc<Pin>>,
    clock: Timestamp,
}

impl Pins {
    pub(super) fn new(warehouses: Warehouses, caller: Caller, clock: Timestamp) -> Self {
        Self { warehouses, caller, pins: BTreeMap::new(), clock }
    }

    pub(super) fn warehouses(&self) -> &Warehouses {
        &self.warehouses
    }

    /// The Pin and the name in it that a reference means; none where it is not in a warehouse, or a session's table.
    pub(super) async fn find(&mut self, reference: TableReference, config: &ConfigOptions) -> Result<Option<(Arc<Pin>, TableName)>> {
        let (catalog, name) = resolve(reference, config);
        if name.schema == "information_schema" {
            return Ok(None);
        }
        match self.warehouses.catalog(&catalog) {
            Some(found) if !found.is_session_table(&name) => Ok(Some((self.pin(&catalog).await?, name))),
            _ => Ok(None),
        }
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
