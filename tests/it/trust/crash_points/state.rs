//! What a warehouse shows after a crash, whether that is the state before or after the statement, and what is garbage.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use datafusion_timetravel::Code;
use datafusion_timetravel::catalog::{CatalogLog, Object, TableName};
use datafusion_timetravel::store::layout::{self, LogRoot};
use datafusion_timetravel::store::{ObjectStore, TableId};
use datafusion_timetravel::table::TableLog;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectMeta, ObjectStoreExt};

use crate::lake::{Session, ours, reachable, store};
use crate::seen::{listed, rows};

/// A version's rows, or why it can't be read.
type Version = Result<Vec<String>, Code>;

/// All that can be told of a warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The rows of the live tables, by name.
    now: BTreeMap<String, Vec<String>>,
    /// Schemas and views.
    others: Vec<String>,
    /// Every version of the live tables, by name.
    versions: BTreeMap<String, Vec<Version>>,
    /// The heads of all logs, the catalog's under an empty name.
    heads: BTreeMap<String, u64>,
}

/// Whether the statement happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Before,
    After,
}

impl State {
    /// Reads all of it through a session that nobody used before. What was begun may be finished by that.
    pub async fn of(objects: &Arc<dyn ObjectStore>, session: &Session) -> Self {
        let log = CatalogLog::new(store(Arc::clone(objects)), LogRoot::Catalog);
        let catalog = log.snapshot().await.unwrap();
        let mut others = vec![];
        for schema in catalog.state.schemas() {
            others.push(schema.to_owned());
            let is_view =
                |name: &&str| matches!(catalog.state.object(&TableName::new(schema, *name)), Some(Object::View(_)));
            others.extend(catalog.state.names_in(schema).filter(is_view).map(|view| format!("{schema}.{view}")));
        }
        let mut heads = BTreeMap::from([(String::new(), catalog.lsn.get())]);
        for entry in catalog.state.tables().filter(|entry| entry.purged.is_none()) {
            heads.insert(entry.id.to_string(), head(objects, entry.id).await);
        }
        let now = rows(session).await;
        let mut versions = BTreeMap::new();
        for (name, id, dropped) in listed(session).await {
            if dropped || !now.contains_key(&name) {
                continue;
            }
            let mut all = vec![];
            for v in 1..=head(objects, id.parse().unwrap()).await {
                let rows = session.run(&format!("SELECT * FROM {name} VERSION AS OF {v} ORDER BY 1")).await;
                all.push(rows.map_err(|error| ours(&error).code()));
            }
            versions.insert(name, all);
        }
        Self { now, others, versions, heads }
    }

    fn content(&self) -> (&BTreeMap<String, Vec<String>>, &Vec<String>) {
        (&self.now, &self.others)
    }

    /// Whether this is the state before or the one after; anything else is a violation. A verb over two logs is seen from
    /// its deciding commit on, so that its last versions may be missing still.
    pub fn verdict(&self, before: &Self, after: &Self) -> Result<Verdict, String> {
        let verdict = match self.content() {
            same if same == before.content() && same == after.content() => match self.heads == after.heads {
                true => Verdict::After,
                false => Verdict::Before,
            },
            same if same == before.content() => Verdict::Before,
            same if same == after.content() => Verdict::After,
            other => return Err(format!("neither before nor after: {other:#?}")),
        };
        for (name, versions) in &self.versions {
            let as_before = before.versions.get(name) == Some(versions);
            let as_after = after.versions.get(name).is_some_and(|all| all.starts_with(versions));
            if !as_before && !as_after {
                let (before, after) = (before.versions.get(name), after.versions.get(name));
                return Err(format!("versions of {name} are {versions:?}, not {before:?} or {after:?}"));
            }
        }
        Ok(verdict)
    }
}

async fn head(objects: &Arc<dyn ObjectStore>, id: TableId) -> u64 {
    TableLog::new(store(Arc::clone(objects)), LogRoot::Table(id)).snapshot().await.unwrap().lsn.get()
}

async fn all(objects: &dyn ObjectStore) -> Vec<ObjectMeta> {
    let mut all: Vec<ObjectMeta> = objects.list(None).try_collect().await.unwrap();
    all.sort_by(|a, b| a.location.cmp(&b.location));
    all
}

/// A number for the bytes of all logs and the names of all other objects: equal stores behave alike.
pub async fn fingerprint(objects: &InMemory) -> u64 {
    let mut hasher = DefaultHasher::new();
    for meta in all(objects).await {
        meta.location.as_ref().hash(&mut hasher);
        meta.size.hash(&mut hasher);
        if meta.location.as_ref().contains("/_log/") {
            objects.get(&meta.location).await.unwrap().bytes().await.unwrap().hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// Objects that no log knows, and files that one names and are not there.
pub async fn garbage(objects: &Arc<dyn ObjectStore>) -> Vec<String> {
    let catalog = CatalogLog::new(store(Arc::clone(objects)), LogRoot::Catalog).snapshot().await.unwrap();
    let mut missing = reachable(objects).await;
    let named = missing.clone();
    let mut found = vec![];
    for meta in all(&**objects).await {
        let path = meta.location.as_ref();
        let known = match layout::table_of(&meta.location) {
            None => path.starts_with("_catalog/_log/") || path.starts_with("_catalog/checkpoints/"),
            Some(id) => match layout::parse_data_file_name(meta.location.filename().unwrap()) {
                Some((file, _)) => {
                    missing.remove(&file);
                    named.contains(&file)
                }
                // Commits and checkpoints stay with their table.
                None => catalog.state.table(id).is_some_and(|entry| entry.purged.is_none()),
            },
        };
        if !known {
            found.push(path.to_owned());
        }
    }
    found.extend(missing.into_iter().map(|file| format!("{file} is missing")));
    found
}
