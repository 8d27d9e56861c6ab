//! What the catalog's commits add up to: schemas, names, views, settings, and every table that ever had a name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{CatalogAction, CatalogTable, DEFAULT_SCHEMA, Object, ShareEntry, TableName, ViewEntry};
use crate::error::{Code, Error, Result};
use crate::log::{Header, Lsn, State, StateRow, Summary};
use crate::store::TableId;

/// The state of the catalog's log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CatalogState {
    schemas: BTreeSet<String>,
    tables: BTreeMap<TableId, Arc<CatalogTable>>,
    views: BTreeMap<TableName, Arc<ViewEntry>>,
    settings: BTreeMap<String, String>,
    shares: BTreeMap<TableId, Arc<ShareEntry>>,
    /// The tables by live name; derived.
    names: BTreeMap<TableName, TableId>,
}

impl CatalogState {
    /// The schemas, the default one first of all there.
    pub fn schemas(&self) -> impl Iterator<Item = &str> {
        let has_default = self.schemas.contains(DEFAULT_SCHEMA);
        std::iter::once(DEFAULT_SCHEMA).filter(move |_| !has_default).chain(self.schemas.iter().map(String::as_str))
    }

    /// Whether the schema exists; the default one always does.
    pub fn has_schema(&self, schema: &str) -> bool {
        schema == DEFAULT_SCHEMA || self.schemas.contains(schema)
    }

    /// What the name stands for.
    pub fn object(&self, name: &TableName) -> Option<Object> {
        if let Some(table) = self.names.get(name).and_then(|id| self.tables.get(id)) {
            return Some(Object::Table(Arc::clone(table)));
        }
        self.views.get(name).map(|view| Object::View(Arc::clone(view)))
    }

    /// A table, live or dropped.
    pub fn table(&self, id: TableId) -> Option<&Arc<CatalogTable>> {
        self.tables.get(&id)
    }

    /// All tables, live and dropped.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<CatalogTable>> {
        self.tables.values()
    }

    /// The names in a schema, tables and views.
    pub fn names_in<'a>(&'a self, schema: &'a str) -> impl Iterator<Item = &'a str> {
        let tables = self.names.keys();
        let views = self.views.keys();
        tables.chain(views).filter(move |name| name.schema == schema).map(|name| name.table.as_str())
    }

    /// All views.
    pub fn views(&self) -> impl Iterator<Item = &Arc<ViewEntry>> {
        self.views.values()
    }

    /// The tables that were dropped under this name and not purged, the newest drop last.
    pub fn dropped(&self, name: &TableName) -> Vec<Arc<CatalogTable>> {
        let is_dropped = |table: &CatalogTable| table.dropped.is_some() && table.purged.is_none();
        let mut found: Vec<_> =
            self.tables.values().filter(|table| is_dropped(table) && table.name == *name).cloned().collect();
        found.sort_by_key(|table| table.dropped.map(|(_, time)| time));
        found
    }

    /// The share of a clone.
    pub fn share(&self, clone: TableId) -> Option<&Arc<ShareEntry>> {
        self.shares.get(&clone)
    }

    /// The shares that take files from the folder of this table.
    pub fn shares_of(&self, owner: TableId) -> impl Iterator<Item = &Arc<ShareEntry>> {
        self.shares.values().filter(move |share| share.owners.contains(&owner))
    }

    /// All shares.
    pub fn shares(&self) -> impl Iterator<Item = &Arc<ShareEntry>> {
        self.shares.values()
    }

    /// A project setting.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str)
    }

    /// All project settings.
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    fn bind(&mut self, name: &TableName, id: TableId, at: &dyn Fn(String) -> Error) -> Result<()> {
        if self.object(name).is_some() || !self.has_schema(&name.schema) {
            return Err(at(format!("the name {name} is taken or has no schema")));
        }
        self.names.insert(name.clone(), id);
        Ok(())
    }

    fn table_mut(&mut self, id: TableId, at: &dyn Fn(String) -> Error) -> Result<&mut CatalogTable> {
        self.tables.get_mut(&id).map(Arc::make_mut).ok_or_else(|| at(format!("table {id} is not known")))
    }
}

impl State for CatalogState {
    type Action = CatalogAction;

    const FEATURES: &'static [&'static str] = &[];

    fn apply(&mut self, header: &Header, actions: &[CatalogAction]) -> Result<Summary> {
        let at = |what: String| Error::new(Code::Corrupt, format!("commit {} of the catalog: {what}", header.lsn));
        for action in actions {
            match action {
                CatalogAction::CreateSchema { schema } => {
                    self.schemas.insert(schema.clone());
                }
                CatalogAction::DropSchema { schema } => {
                    self.schemas.remove(schema);
                }
                CatalogAction::CreateTable { id, name, partitioned, replaces } => {
                    if let Some(old) = replaces {
                        let entry = self.table_mut(*old, &at)?;
                        entry.dropped = Some((Lsn::ZERO, header.time));
                        entry.replace_decided = Some(header.lsn);
                        let freed = entry.name.clone();
                        self.names.remove(&freed);
                    }
                    self.bind(name, *id, &at)?;
                    let entry = CatalogTable {
                        id: *id,
                        name: name.clone(),
                        partitioned: *partitioned,
                        created: header.time,
                        dropped: None,
                        undrop: None,
                        undrop_decided: None,
                        rename_decided: None,
                        replace_decided: None,
                        purged: None,
                    };
                    self.tables.insert(*id, Arc::new(entry));
                }
                CatalogAction::DropTable { id, lsn } => {
                    let entry = self.table_mut(*id, &at)?;
                    entry.dropped = Some((*lsn, header.time));
                    let name = entry.name.clone();
                    self.names.remove(&name);
                }
                CatalogAction::RenameTable { id, name } => {
                    self.bind(name, *id, &at)?;
                    let entry = self.table_mut(*id, &at)?;
                    entry.rename_decided = Some(header.lsn);
                    let old = std::mem::replace(&mut entry.name, name.clone());
                    self.names.remove(&old);
                }
                CatalogAction::UndropTable { id, name, lsn } => {
                    self.bind(name, *id, &at)?;
                    let entry = self.table_mut(*id, &at)?;
                    entry.name = name.clone();
                    entry.dropped = None;
                    entry.undrop = Some(*lsn);
                    entry.undrop_decided = Some(header.lsn);
                }
                CatalogAction::CreateView(view) => {
                    self.views.insert(view.name.clone(), Arc::new(view.clone()));
                }
                CatalogAction::DropView { name } => {
                    self.views.remove(name);
                }
                CatalogAction::Share { clone, owners } => {
                    let mut owners = owners.clone();
                    owners.extend(self.shares.get(clone).into_iter().flat_map(|share| share.owners.iter().copied()));
                    let onto = self.tables.contains_key(clone);
                    let share = ShareEntry { clone: *clone, owners, since: header.time, onto };
                    self.shares.insert(*clone, Arc::new(share));
                }
                CatalogAction::EndShare { clone } => {
                    self.shares.remove(clone);
                }
                CatalogAction::PurgeTable { id } => {
                    self.table_mut(*id, &at)?.purged = Some(header.time);
                }
                CatalogAction::Setting { key, value: Some(value) } => {
                    self.settings.insert(key.clone(), value.clone());
                }
                CatalogAction::Setting { key, value: None } => {
                    self.settings.remove(key);
                }
            }
        }
        Ok(Summary::default())
    }

    fn to_rows(&self) -> Result<Vec<StateRow>> {
        let mut rows = Vec::new();
        for schema in &self.schemas {
            rows.push(StateRow::encode("schema", true, schema)?);
        }
        for table in self.tables.values() {
            rows.push(StateRow::encode("table", table.dropped.is_none(), table.as_ref())?);
        }
        for view in self.views.values() {
            rows.push(StateRow::encode("view", true, view.as_ref())?);
        }
        for share in self.shares.values() {
            rows.push(StateRow::encode("share", true, share.as_ref())?);
        }
        for setting in &self.settings {
            rows.push(StateRow::encode("setting", true, &setting)?);
        }
        Ok(rows)
    }

    fn from_rows(rows: Vec<StateRow>) -> Result<Self> {
        let mut state = Self::default();
        for row in rows {
            match row.kind.as_str() {
                "schema" => {
                    state.schemas.insert(row.decode()?);
                }
                "table" => {
                    let table: CatalogTable = row.decode()?;
                    if table.dropped.is_none() {
                        state.names.insert(table.name.clone(), table.id);
                    }
                    state.tables.insert(table.id, Arc::new(table));
                }
                "view" => {
                    let view: ViewEntry = row.decode()?;
                    state.views.insert(view.name.clone(), Arc::new(view));
                }
                "share" => {
                    let share: ShareEntry = row.decode()?;
                    state.shares.insert(share.clone, Arc::new(share));
                }
                "setting" => {
                    let (key, value) = row.decode()?;
                    state.settings.insert(key, value);
                }
                other => {
                    return Err(Error::new(Code::Corrupt, format!("a checkpoint holds an unknown entry {other:?}")));
                }
            }
        }
        Ok(state)
    }
}
