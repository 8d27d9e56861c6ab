//! What the logs say, read beside all sessions: heads, names, ids, times.

use std::collections::{BTreeMap, HashMap};

use datafusion_timetravel::catalog::{CatalogLog, DEFAULT_SCHEMA};
use datafusion_timetravel::log::Lsn;
use datafusion_timetravel::store::layout::LogRoot;
use datafusion_timetravel::store::{Store, Timestamp};
use datafusion_timetravel::table::{TableLog, TableSnapshot};

use super::model::Table;

pub(super) struct Observer {
    store: Store,
    catalog: CatalogLog,
    logs: HashMap<String, TableLog>,
}

impl Observer {
    pub(super) fn new(store: Store) -> Self {
        Self { catalog: CatalogLog::new(store.clone(), LogRoot::Catalog), store, logs: HashMap::new() }
    }

    /// The ids of the tables that aren't dropped, by name.
    pub(super) async fn names(&self) -> BTreeMap<String, String> {
        let catalog = self.catalog.snapshot().await.unwrap();
        let live = catalog.state.tables().filter(|table| table.dropped.is_none() && table.purged.is_none());
        let named = live.map(|table| {
            assert_eq!(table.name.schema, DEFAULT_SCHEMA);
            (table.name.table.clone(), table.id.to_string())
        });
        named.collect()
    }

    fn log(&mut self, id: &str) -> &TableLog {
        let store = &self.store;
        self.logs
            .entry(id.to_owned())
            .or_insert_with(|| TableLog::new(store.clone(), LogRoot::Table(id.parse().unwrap())))
    }

    async fn snapshot(&mut self, id: &str) -> std::sync::Arc<TableSnapshot> {
        self.log(id).snapshot().await.unwrap()
    }

    pub(super) async fn head(&mut self, id: &str) -> usize {
        usize::try_from(self.snapshot(id).await.lsn.get()).unwrap()
    }

    pub(super) async fn properties(&mut self, id: &str) -> BTreeMap<String, String> {
        self.snapshot(id).await.state.info().unwrap().create.properties.clone()
    }

    /// The time of each version.
    pub(super) async fn times(&mut self, id: &str) -> Vec<Timestamp> {
        let head = self.snapshot(id).await;
        let commits = self.log(id).commits(&head, Lsn::FIRST, head.lsn).await.unwrap();
        commits.iter().map(|info| info.time).collect()
    }

    /// The id of the partition that began in this place at this version.
    pub(super) async fn partition(&mut self, table: &Table, place: usize, born: usize) -> String {
        let values = table.shape.place_texts(place);
        let head = self.snapshot(&table.id).await;
        let is_it = |entry: &&std::sync::Arc<datafusion_timetravel::table::PartitionEntry>| {
            entry.values.0 == values && entry.life.spans()[0].since.get() == born as u64
        };
        head.state.partitions().find(is_it).unwrap().id.to_string()
    }
}
