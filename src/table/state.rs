//! What a table's commits add up to: its schemas, properties, partitions and files, each with its lifetime.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::swept::Swept;
use super::{Action, CreateTable, DataFile, FileEntry, Order, PartitionRef, PartitionValues, TableSchema};
use crate::error::{Code, Error, Result};
use crate::log::{Header, Lifetime, Lsn, Operation, State, StateRow, Summary, Touched};
use crate::store::{FileId, PartitionId, Timestamp};

/// A partition in a table's timeline. A table without partition columns has one, with no values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionEntry {
    /// Its id, for life; a partition that was dropped and filled again is a new one.
    pub id: PartitionId,
    /// Its values.
    pub values: PartitionValues,
    /// The versions in which it exists.
    pub life: Lifetime,
    /// When its data last changed, or it was touched.
    pub modified: Timestamp,
    /// When it was created.
    pub created: Timestamp,
    /// Whether lifecycle leaves it alone.
    #[serde(default)]
    pub lifecycle_disabled: bool,
}

/// What is true of the table as a whole at the head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableInfo {
    /// How it began; its schema, properties, lifecycle and comment are those of the head.
    pub create: CreateTable,
    /// Who created it.
    pub owner: String,
    /// When it was created.
    pub created: Timestamp,
    /// When its definition last changed.
    pub last_ddl: Timestamp,
    /// When its data last changed, or it was touched.
    pub modified: Timestamp,
    /// The versions in which it exists.
    pub life: Lifetime,
    /// Whether lifecycle leaves it alone.
    #[serde(default)]
    pub lifecycle_disabled: bool,
    /// The schemas, each with the version that it is valid from.
    pub schemas: Vec<(Lsn, Arc<TableSchema>)>,
    /// The last RESTORE that changed the schema: partitions don't go back past it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_restored: Option<Lsn>,
    /// The last PURGE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purged: Option<Lsn>,
}

/// The state of a table's log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableState {
    info: Option<Arc<TableInfo>>,
    partitions: BTreeMap<PartitionId, Arc<PartitionEntry>>,
    pub(super) files: BTreeMap<FileId, Arc<FileEntry>>,
    pub(super) swept: Swept,
    /// The open partitions by value; derived.
    open: BTreeMap<PartitionValues, PartitionId>,
}

impl TableState {
    /// What is true of the table as a whole.
    ///
    /// # Errors
    /// [`Code::Internal`] on the state of a log without commits.
    pub fn info(&self) -> Result<&TableInfo> {
        self.info.as_deref().ok_or_else(|| Error::internal("a table's log without a CREATE"))
    }

    /// The schema at the head.
    ///
    /// # Errors
    /// As [`TableState::info`].
    pub fn schema(&self) -> Result<Arc<TableSchema>> {
        self.schema_at(Lsn::MAX)
    }

    /// The schema of version `v`.
    ///
    /// # Errors
    /// As [`TableState::info`].
    pub fn schema_at(&self, v: Lsn) -> Result<Arc<TableSchema>> {
        let schemas = &self.info()?.schemas;
        let found = schemas.iter().rev().find(|(since, _)| *since <= v).or(schemas.first());
        found.map(|(_, schema)| Arc::clone(schema)).ok_or_else(|| Error::internal("a table without a schema"))
    }

    /// Whether the table exists at the head.
    pub fn is_alive(&self) -> bool {
        self.info.as_ref().is_some_and(|info| info.life.is_open())
    }

    /// Whether the table exists at `v`: between a DROP and its undrop it doesn't.
    pub fn is_alive_at(&self, v: Lsn) -> bool {
        self.info.as_ref().is_some_and(|info| info.life.at(v))
    }

    /// A property at the head.
    pub fn property(&self, key: &str) -> Option<&str> {
        self.info.as_ref()?.create.properties.get(key).map(String::as_str)
    }

    /// All partitions, ended ones too.
    pub fn partitions(&self) -> impl Iterator<Item = &Arc<PartitionEntry>> {
        self.partitions.values()
    }

    /// The partition with this id, open or ended.
    pub fn partition(&self, id: PartitionId) -> Option<&Arc<PartitionEntry>> {
        self.partitions.get(&id)
    }

    /// The open partition with these values.
    pub fn open_partition(&self, values: &PartitionValues) -> Option<&Arc<PartitionEntry>> {
        self.partitions.get(self.open.get(values)?)
    }

    /// The open partitions by value.
    pub fn open_partitions(&self) -> impl Iterator<Item = &Arc<PartitionEntry>> {
        self.open.values().filter_map(|id| self.partitions.get(id))
    }

    /// The partitions of version `v`, by value.
    pub fn partitions_at(&self, v: Lsn) -> Vec<Arc<PartitionEntry>> {
        if !self.is_alive_at(v) {
            return vec![];
        }
        let mut found: Vec<_> = self.partitions.values().filter(|entry| entry.life.at(v)).cloned().collect();
        found.sort_by(|a, b| a.values.cmp(&b.values));
        found
    }

    /// All file entries, ended ones too.
    pub fn files(&self) -> impl Iterator<Item = &Arc<FileEntry>> {
        self.files.values()
    }

    /// The entry of a file.
    pub fn file(&self, id: FileId) -> Option<&Arc<FileEntry>> {
        self.files.get(&id)
    }

    /// The files that a read at `v` takes: those visible at `v`, in partitions that exist at `v`, and nothing else.
    pub fn visible_at(&self, v: Lsn) -> Vec<Arc<FileEntry>> {
        if !self.is_alive_at(v) {
            return vec![];
        }
        self.files.values().filter(|entry| entry.visible.at(v) && self.has_partition_at(entry, v)).cloned().collect()
    }

    /// The files whose rows `BETWEEN (a, b]` merges: data commits' files with `a < lsn <= b` that count at `b`.
    pub fn counted_between(&self, a: Lsn, b: Lsn) -> Vec<Arc<FileEntry>> {
        if !self.is_alive_at(b) {
            return vec![];
        }
        let in_range = |entry: &FileEntry| a < entry.lsn && entry.lsn <= b && entry.operation.is_counted();
        self.files
            .values()
            .filter(|entry| in_range(entry) && entry.counted.at(b) && self.has_partition_at(entry, b))
            .cloned()
            .collect()
    }

    fn has_partition_at(&self, entry: &FileEntry, v: Lsn) -> bool {
        self.partitions.get(&entry.partition).is_some_and(|partition| partition.life.at(v))
    }

    fn info_mut(&mut self) -> Result<&mut TableInfo> {
        self.info.as_mut().map(Arc::make_mut).ok_or_else(|| Error::internal("a table's log without a CREATE"))
    }
}

impl State for TableState {
    type Action = Action;

    const FEATURES: &'static [&'static str] = &[];

    fn title(&self) -> Option<String> {
        self.info.as_ref().map(|info| format!("table {}", info.create.name))
    }

    fn apply(&mut self, header: &Header, actions: &[Action]) -> Result<Summary> {
        let mut replay = Replay { header, summary: Summary::default() };
        for action in actions {
            replay.action(self, action)?;
        }
        replay.times(self, actions)?;
        Ok(replay.summary)
    }

    fn to_rows(&self) -> Result<Vec<StateRow>> {
        let mut rows = Vec::with_capacity(1 + self.partitions.len() + self.files.len());
        if let Some(info) = &self.info {
            rows.push(StateRow::encode("table", true, info.as_ref())?);
        }
        for entry in self.partitions.values() {
            rows.push(StateRow::encode("partition", entry.life.is_open(), entry.as_ref())?);
        }
        for entry in self.files.values() {
            rows.push(StateRow::encode("file", entry.visible.is_open() || entry.counted.is_open(), entry.as_ref())?);
        }
        if !self.swept.is_empty() {
            rows.push(StateRow::encode("swept", true, &self.swept)?);
        }
        Ok(rows)
    }

    fn from_rows(rows: Vec<StateRow>) -> Result<Self> {
        let mut state = Self::default();
        for row in rows {
            match row.kind.as_str() {
                "table" => {
                    let info: TableInfo = row.decode()?;
                    let wrong = |what| Error::new(Code::Corrupt, format!("in a checkpoint {what}"));
                    info.schemas.iter().try_for_each(|(_, schema)| schema.check_ids()).map_err(wrong)?;
                    state.info = Some(Arc::new(info));
                }
                "partition" => {
                    let entry: PartitionEntry = row.decode()?;
                    if entry.life.is_open() {
                        state.open.insert(entry.values.clone(), entry.id);
                    }
                    state.partitions.insert(entry.id, Arc::new(entry));
                }
                "file" => {
                    let entry: FileEntry = row.decode()?;
                    let wrong =
                        |what| Error::new(Code::Corrupt, format!("a checkpoint's file {} {what}", entry.file.id));
                    entry.file.check().map_err(wrong)?;
                    state.files.insert(entry.file.id, Arc::new(entry));
                }
                "swept" => state.swept = row.decode()?,
                other => {
                    return Err(Error::new(Code::Corrupt, format!("a checkpoint holds an unknown entry {other:?}")));
                }
            }
        }
        match state.info {
            Some(_) => Ok(state),
            None => Err(Error::new(Code::Corrupt, "a checkpoint of a table lacks the table")),
        }
    }
}

/// One commit being folded in.
struct Replay<'a> {
    header: &'a Header,
    summary: Summary,
}

impl Replay<'_> {
    fn action(&mut self, state: &mut TableState, action: &Action) -> Result<()> {
        let lsn = self.header.lsn;
        let cause = self.header.operation;
        match action {
            Action::Create(create) => self.create(state, create)?,
            Action::Schema { schema } => {
                schema.check_ids().map_err(|what| self.corrupt(what))?;
                let info = state.info_mut()?;
                let last_id = info.create.schema.last_id.max(schema.last_id);
                let schema = TableSchema { last_id, ..schema.as_ref().clone() };
                info.create.schema = schema.clone();
                info.schemas.push((lsn, Arc::new(schema)));
                if cause == Operation::Restore {
                    info.schema_restored = Some(lsn);
                }
            }
            Action::Properties { set } => {
                let properties = &mut state.info_mut()?.create.properties;
                for (key, value) in set {
                    match value {
                        Some(value) => properties.insert(key.clone(), value.clone()),
                        None => properties.remove(key),
                    };
                }
            }
            Action::Lifecycle { days, enabled } => {
                let info = state.info_mut()?;
                info.create.lifecycle = *days;
                info.lifecycle_disabled = !enabled;
            }
            Action::PartitionLifecycle { id, enabled } => {
                self.partition(state, *id)?.lifecycle_disabled = !enabled;
                self.touch(*id, false);
            }
            Action::Touch { partition: None } => state.info_mut()?.modified = self.header.time,
            Action::Touch { partition: Some(id) } => {
                self.partition(state, *id)?.modified = self.header.time;
                self.touch(*id, false);
            }
            Action::Comment { text } => state.info_mut()?.create.comment.clone_from(text),
            Action::OpenPartition(partition) => {
                let id = self.resolve(state, partition)?;
                self.touch(id, false);
            }
            Action::ClosePartition { id } => {
                let entry = self.partition(state, *id)?;
                entry.life.close(lsn, cause);
                let values = entry.values.clone();
                state.open.remove(&values);
                self.touch(*id, false);
            }
            Action::ReopenPartition { id } => {
                let entry = self.partition(state, *id)?;
                entry.life.open(lsn);
                let values = entry.values.clone();
                if state.open.insert(values, *id).is_some_and(|other| other != *id) {
                    return Err(self.corrupt(format!("partition {id} is reopened beside another of the same values")));
                }
                self.touch(*id, false);
            }
            Action::Add { partition, file, order, rank, counted } => {
                let id = self.resolve(state, partition)?;
                self.add(state, id, file, order.unwrap_or(Order(lsn, *rank)), *counted)?;
            }
            Action::Close { file, counted } => {
                let entry = self.file(state, *file)?;
                entry.visible.close(lsn, cause);
                if *counted {
                    entry.counted.close(lsn, cause);
                }
            }
            Action::Reopen { file, visible, counted } => {
                let entry = self.file(state, *file)?;
                if *visible {
                    entry.visible.open(lsn);
                }
                if *counted {
                    entry.counted.open(lsn);
                }
            }
            Action::Uncount { file } => self.file(state, *file)?.counted.close(lsn, cause),
            Action::Sweep { upto } => state.sweep(*upto),
            Action::Purge => {
                state.purge();
                state.info_mut()?.purged = Some(lsn);
            }
            Action::Rename { name } => state.info_mut()?.create.name.clone_from(name),
            Action::Drop => state.info_mut()?.life.close(lsn, cause),
            Action::Undrop => state.info_mut()?.life.open(lsn),
        }
        Ok(())
    }

    fn create(&self, state: &mut TableState, create: &CreateTable) -> Result<()> {
        if state.info.is_some() {
            return Err(self.corrupt("a second CREATE".into()));
        }
        create.schema.check_ids().map_err(|what| self.corrupt(what))?;
        let time = self.header.time;
        state.info = Some(Arc::new(TableInfo {
            owner: self.header.actor.clone(),
            created: time,
            last_ddl: time,
            modified: time,
            life: Lifetime::open_at(self.header.lsn),
            lifecycle_disabled: false,
            schemas: vec![(self.header.lsn, Arc::new(create.schema.clone()))],
            schema_restored: None,
            purged: None,
            create: create.clone(),
        }));
        Ok(())
    }

    /// The live partition with these values, or a new one with the proposed id: this commit is its CREATE.
    fn resolve(&mut self, state: &mut TableState, partition: &PartitionRef) -> Result<PartitionId> {
        if let Some(id) = state.open.get(&partition.values) {
            return Ok(*id);
        }
        let time = self.header.time;
        let entry = PartitionEntry {
            id: partition.id,
            values: partition.values.clone(),
            life: Lifetime::open_at(self.header.lsn),
            modified: time,
            created: time,
            lifecycle_disabled: false,
        };
        if state.partitions.insert(entry.id, Arc::new(entry)).is_some() {
            return Err(self.corrupt(format!("partition id {} is used twice", partition.id)));
        }
        state.open.insert(partition.values.clone(), partition.id);
        self.touch(partition.id, true);
        Ok(partition.id)
    }

    fn add(
        &mut self,
        state: &mut TableState,
        partition: PartitionId,
        file: &DataFile,
        order: Order,
        counted: bool,
    ) -> Result<()> {
        let lsn = self.header.lsn;
        if order.0 > lsn {
            return Err(self.corrupt(format!("file {} has an order after its commit", file.id)));
        }
        file.check().map_err(|what| self.corrupt(format!("file {} {what}", file.id)))?;
        let entry = FileEntry {
            file: Arc::new(file.clone()),
            partition,
            order,
            lsn,
            operation: self.header.operation,
            visible: Lifetime::open_at(lsn),
            counted: if counted { Lifetime::open_at(lsn) } else { Lifetime::default() },
        };
        if state.files.insert(file.id, Arc::new(entry)).is_some() {
            return Err(self.corrupt(format!("file {} is added twice", file.id)));
        }
        self.summary.rows = self.summary.rows.saturating_add(file.rows);
        self.summary.files += 1;
        self.summary.bytes = self.summary.bytes.saturating_add(file.size);
        self.count(partition, false, Some(file));
        Ok(())
    }

    fn partition<'s>(&self, state: &'s mut TableState, id: PartitionId) -> Result<&'s mut PartitionEntry> {
        let entry =
            state.partitions.get_mut(&id).ok_or_else(|| self.corrupt(format!("partition {id} is not known")))?;
        Ok(Arc::make_mut(entry))
    }

    fn file<'s>(&mut self, state: &'s mut TableState, id: FileId) -> Result<&'s mut FileEntry> {
        let entry = state.files.get_mut(&id).ok_or_else(|| self.corrupt(format!("file {id} is not known")))?;
        self.touch(entry.partition, false);
        Ok(Arc::make_mut(entry))
    }

    fn touch(&mut self, id: PartitionId, created: bool) {
        self.count(id, created, None);
    }

    fn count(&mut self, id: PartitionId, created: bool, added: Option<&DataFile>) {
        let touched = &mut self.summary.touched;
        // From the end: the files of a partition come one after another.
        let at = touched.iter().rposition(|known| known.id == id).unwrap_or(touched.len());
        if at == touched.len() {
            touched.push(Touched { id, created: false, rows: 0, files: 0, bytes: 0 });
        }
        let Some(known) = touched.get_mut(at) else { return };
        known.created |= created;
        if let Some(file) = added {
            known.rows = known.rows.saturating_add(file.rows);
            known.files += 1;
            known.bytes = known.bytes.saturating_add(file.size);
        }
    }

    /// LastModifiedTime follows data operations, but compaction is none; LastDDLTime follows ALTER, but for TOUCH.
    fn times(&self, state: &mut TableState, actions: &[Action]) -> Result<()> {
        let time = self.header.time;
        let touches = !actions.is_empty() && actions.iter().all(|action| matches!(action, Action::Touch { .. }));
        match self.header.operation {
            Operation::Alter if touches => {}
            Operation::Alter => state.info_mut()?.last_ddl = time,
            operation if operation.is_data() && operation != Operation::Compact => {
                state.info_mut()?.modified = time;
                for touched in &self.summary.touched {
                    self.partition(state, touched.id)?.modified = time;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn corrupt(&self, what: String) -> Error {
        Error::new(Code::Corrupt, format!("commit {} of table {}: {what}", self.header.lsn, self.header.log))
    }
}
