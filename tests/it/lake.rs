//! Opens warehouses for tests and reads them back, as text and as the logs say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::DataFusionError;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_timetravel::catalog::{CatalogLog, DEFAULT_SCHEMA, Object, TableName};
use datafusion_timetravel::store::layout::LogRoot;
use datafusion_timetravel::store::{FileId, ObjectStore, Path, Store, TableId};
use datafusion_timetravel::table::TableLog;
use datafusion_timetravel::{Error, SessionContextExt, TimeTravel};

/// A session whose default schema is that of a warehouse.
#[derive(Clone)]
pub struct Session {
    pub tt: TimeTravel,
    pub ctx: SessionContext,
}

/// The warehouse at the root of the object store.
pub fn store(objects: Arc<dyn ObjectStore>) -> Store {
    Store::new(objects, Path::default())
}

impl Session {
    /// Opens the warehouse at the root of the object store.
    pub async fn open(objects: Arc<dyn ObjectStore>) -> Self {
        Self::with(TimeTravel::with_store(store(objects)).await.unwrap()).await
    }

    /// The same with little patience for unclear commits.
    pub async fn impatient(objects: Arc<dyn ObjectStore>, deadline: Duration) -> Self {
        Self::with(TimeTravel::builder_with_store(store(objects)).commit_deadline(deadline).build().await.unwrap())
            .await
    }

    pub async fn with(tt: TimeTravel) -> Self {
        Self::with_runtime(tt, Arc::default()).await
    }

    pub async fn with_runtime(tt: TimeTravel, runtime: Arc<RuntimeEnv>) -> Self {
        let config = SessionConfig::new()
            .with_target_partitions(2)
            .with_default_catalog_and_schema("warehouse", "default")
            .with_create_default_catalog_and_schema(false);
        let ctx = SessionContext::new_with_config_rt(config, runtime);
        ctx.with_timetravel("warehouse", &tt).await.unwrap();
        Self { tt, ctx }
    }

    /// Runs a statement to its end; rows as text, columns separated by a space.
    pub async fn run(&self, sql: &str) -> Result<Vec<String>, DataFusionError> {
        let batches = self.tt.sql(&self.ctx, sql).await?.collect().await?;
        let options = FormatOptions::default().with_null("NULL");
        let mut rows = Vec::new();
        for batch in &batches {
            let columns = batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options));
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let line = |row| columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join(" ");
            rows.extend((0..batch.num_rows()).map(line));
        }
        Ok(rows)
    }

    /// As [`Session::run`], for what must succeed.
    pub async fn ok(&self, sql: &str) -> Vec<String> {
        self.run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The one number that a query gives.
    pub async fn number(&self, sql: &str) -> u64 {
        let rows = self.ok(sql).await;
        assert_eq!(rows.len(), 1, "{sql}");
        rows[0].parse().unwrap_or_else(|_| panic!("{sql} gives {rows:?}"))
    }
}

/// The error of ours in what a statement gave.
pub fn ours(error: &DataFusionError) -> &Error {
    Error::find(error).unwrap_or_else(|| panic!("not an error of ours: {error}"))
}

/// What a warehouse holds, by its logs and by SQL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// Every live table by name: its rows.
    pub tables: BTreeMap<String, Vec<String>>,
    /// Every live table by name: its head.
    pub heads: BTreeMap<String, u64>,
    /// Other names: schemas and views.
    pub others: Vec<String>,
    /// The head of the catalog.
    pub catalog: u64,
}

impl Contents {
    /// Reads all of it, through handles that nobody used before.
    pub async fn of(objects: Arc<dyn ObjectStore>) -> Self {
        let session = Session::open(Arc::clone(&objects)).await;
        let catalog = CatalogLog::new(store(Arc::clone(&objects)), LogRoot::Catalog).snapshot().await.unwrap();
        let mut contents = Self { catalog: catalog.lsn.get(), ..Self::default() };
        for schema in catalog.state.schemas() {
            contents.others.push(schema.to_owned());
            for name in catalog.state.names_in(schema) {
                match catalog.state.object(&TableName::new(schema, name)) {
                    Some(Object::Table(entry)) => {
                        let log = TableLog::new(store(Arc::clone(&objects)), LogRoot::Table(entry.id));
                        let head = log.snapshot().await.unwrap();
                        if !head.state.is_alive() {
                            continue;
                        }
                        let columns = if name == "large" { "k, v IS NULL" } else { "*" };
                        let rows = session.ok(&format!("SELECT {columns} FROM {schema:?}.{name:?} ORDER BY 1")).await;
                        contents.tables.insert(name.to_owned(), rows);
                        contents.heads.insert(name.to_owned(), head.lsn.get());
                    }
                    Some(Object::View(_)) => contents.others.push(format!("{schema}.{name}")),
                    None => {}
                }
            }
        }
        contents
    }

    /// Whether tables, rows and names are the same, whatever the versions.
    pub fn looks_like(&self, other: &Self) -> bool {
        self.tables == other.tables && self.others == other.others
    }
}

/// The id of a live table in the default schema.
pub async fn table_id(objects: Arc<dyn ObjectStore>, name: &str) -> TableId {
    let catalog = CatalogLog::new(store(objects), LogRoot::Catalog).snapshot().await.unwrap();
    match catalog.state.object(&TableName::new(DEFAULT_SCHEMA, name)) {
        Some(Object::Table(entry)) => entry.id,
        other => panic!("{name} is no table: {other:?}"),
    }
}

/// The data files that some log names, of tables that are not purged for good.
pub async fn reachable(objects: &Arc<dyn ObjectStore>) -> HashSet<FileId> {
    let catalog = CatalogLog::new(store(Arc::clone(objects)), LogRoot::Catalog).snapshot().await.unwrap();
    let mut reachable = HashSet::new();
    for entry in catalog.state.tables().filter(|entry| entry.purged.is_none()) {
        let log = TableLog::new(store(Arc::clone(objects)), LogRoot::Table(entry.id));
        let snapshot = log.snapshot().await.unwrap();
        let kept = snapshot.state.files().filter(|file| !snapshot.state.is_gone(file.file.id));
        reachable.extend(kept.map(|file| file.file.location(entry.id).1));
    }
    reachable
}
