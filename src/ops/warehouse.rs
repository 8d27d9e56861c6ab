//! One warehouse: its catalog, the tables that were opened, and what all statements of the process share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::grace::GRACE;
use crate::auth::{self, Authorizer, Caller, Privilege, Target};
use crate::catalog::{CatalogLog, CatalogSnapshot};
use crate::error::Result;
use crate::log::{CommitOptions, Operation};
use crate::scan::Scanner;
use crate::store::layout::LogRoot;
use crate::store::{CommitId, PartitionId, Store, TableId, Timestamp};
use crate::table::TableLog;

/// A root URL with one project: its catalog and all its tables. Clones share everything.
#[derive(Debug, Clone)]
pub struct Warehouse(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    catalog: Arc<CatalogLog>,
    tables: Mutex<HashMap<TableId, Arc<TableLog>>>,
    scanner: Arc<Scanner>,
    authorizer: Arc<dyn Authorizer>,
    warnings: Mutex<Vec<String>>,
    options: WarehouseOptions,
}

/// Settings of a warehouse's handle.
#[derive(Debug, Clone, Copy)]
pub struct WarehouseOptions {
    /// How long an unclear outcome of a commit is pursued; none for the default.
    pub commit_deadline: Option<Duration>,
    /// For how long a sweep leaves alone what no log names yet, and what readers may still read.
    pub grace: Duration,
    /// How far the time of a log's last commit may be ahead of the clock; none for the default.
    pub clock_skew: Option<Duration>,
}

impl Default for WarehouseOptions {
    fn default() -> Self {
        Self { commit_deadline: None, grace: GRACE, clock_skew: None }
    }
}

/// Warnings that are kept until somebody takes them; later ones are only traced.
const WARNINGS: usize = 1000;

impl Warehouse {
    /// A handle on the warehouse in the store, which need not exist yet. No I/O.
    pub fn new(store: Store, authorizer: Arc<dyn Authorizer>) -> Self {
        Self::with_options(store, authorizer, WarehouseOptions::default())
    }

    /// As [`Warehouse::new`], with settings.
    pub fn with_options(store: Store, authorizer: Arc<dyn Authorizer>, options: WarehouseOptions) -> Self {
        Self(Arc::new(Shared {
            catalog: Arc::new(CatalogLog::new(store.clone(), LogRoot::Catalog)),
            tables: Mutex::default(),
            scanner: Arc::new(Scanner::new(store.clone())),
            authorizer,
            warnings: Mutex::default(),
            options,
            store,
        }))
    }

    /// Where it lies.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Reads snapshots, with the caches that all statements share.
    pub fn scanner(&self) -> &Arc<Scanner> {
        &self.0.scanner
    }

    /// How many times files were merged to find the rows that are alive, for tests.
    #[doc(hidden)]
    pub fn resolutions(&self) -> u64 {
        self.scanner().cache().resolutions()
    }

    /// The log of the catalog.
    pub(crate) fn catalog(&self) -> &Arc<CatalogLog> {
        &self.0.catalog
    }

    /// The newest catalog that this process has seen, without I/O.
    pub(crate) fn catalog_seen(&self) -> Option<Arc<CatalogSnapshot>> {
        self.0.catalog.cached()
    }

    /// The log of a table; the same handle for all statements of the process.
    pub(crate) fn table_log(&self, id: TableId) -> Arc<TableLog> {
        let mut tables = self.0.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let open = || Arc::new(TableLog::new(self.0.store.clone(), LogRoot::Table(id)));
        Arc::clone(tables.entry(id).or_insert_with(open))
    }

    /// Passes the authorizer.
    pub(crate) fn authorize(&self, caller: &Caller, privilege: Privilege, target: &Target<'_>) -> Result<()> {
        auth::check(&self.0.authorizer, caller, privilege, target)
    }

    /// Options of a commit by the caller, with a fresh id.
    pub(crate) fn commit_options(&self, caller: &Caller, operation: Operation) -> CommitOptions {
        let mut options = CommitOptions::new(self.fresh_commit(), operation, &caller.actor);
        options.reason.clone_from(&caller.reason);
        options.deadline = self.0.options.commit_deadline.unwrap_or(options.deadline);
        options.max_skew = self.0.options.clock_skew.unwrap_or(options.max_skew);
        options
    }

    /// As [`Warehouse::commit_options`], for a commit that names files which were begun at these moments: it is refused
    /// once a sweep could take the oldest of them.
    pub(crate) fn file_options(
        &self,
        caller: &Caller,
        operation: Operation,
        begun: impl IntoIterator<Item = Timestamp>,
    ) -> CommitOptions {
        let oldest = begun.into_iter().min();
        let not_after = oldest.map(|oldest| oldest.saturating_add(self.grace() / 2));
        CommitOptions { not_after, ..self.commit_options(caller, operation) }
    }

    /// For how long a sweep leaves alone what no log names yet.
    pub fn grace(&self) -> Duration {
        self.0.options.grace
    }

    pub(crate) fn fresh_commit(&self) -> CommitId {
        CommitId::from_u128(self.0.store.ids().next())
    }

    pub(crate) fn fresh_table(&self) -> TableId {
        TableId::from_u128(self.0.store.ids().next())
    }

    pub(crate) fn fresh_partition(&self) -> PartitionId {
        PartitionId::from_u128(self.0.store.ids().next())
    }

    /// Keeps a warning for the caller, once, and traces it.
    pub(crate) fn warn(&self, warning: String) {
        tracing::warn!(message = warning.as_str());
        let mut warnings = self.0.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.len() < WARNINGS && !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// The warnings since the last call.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for checkpoints that are being written in the background.
    pub async fn flush(&self) {
        self.0.catalog.flush().await;
        let open: Vec<_> = self.0.tables.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for table in open {
            table.flush().await;
        }
    }
}
