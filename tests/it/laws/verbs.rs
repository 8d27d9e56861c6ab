//! Random verbs: each gives the crate's plan and the oracle's verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion_timetravel::log::Operation;
use datafusion_timetravel::ops::plan::{self, Draft, NewFiles, Rewritten};
use datafusion_timetravel::store::{Ids, TableId};
use datafusion_timetravel::table::{
    Action, CreateTable, DataFile, FileKind, PartitionFilter, Precondition, TableSchema, TableSnapshot,
};

use super::Mutant;
use super::oracle::{Cells, Key, Need, Oracle, Part, Version, put};
use super::rows::{FileRows, Named};
use super::world::{Planned, World, values};

const KEYS: [Key; 3] = [1, 2, 3];
/// The partitions of a table without partition columns, with one and with two.
const PLACES: [&[&str]; 3] = [&[""], &["p", "q"], &["p/x", "p/y"]];
/// Values of a column are below this, or NULL.
const CELLS: u64 = 9;

/// Every verb, the frequent ones more than once.
pub const VERBS: &[&str] = &[
    "upsert",
    "upsert",
    "upsert",
    "upsert",
    "update",
    "update",
    "delete",
    "merge",
    "self",
    "compact",
    "compact",
    "compact",
    "overwrite",
    "truncate",
    "drop partition",
    "drop partition",
    "undrop partition",
    "undrop partition",
    "add partition",
    "restore",
    "restore",
    "restore",
    "restore partition",
    "restore partition",
    "drop table",
    "undrop table",
    "undrop table",
    "add column",
    "drop column",
    "rename column",
    "widen column",
    "property",
    "lifecycle",
    "partition lifecycle",
    "touch",
    "touch partition",
    "create",
    "clone",
    "clone",
    "vacuum",
    "vacuum",
    "purge",
];

/// Verbs that go wrong together, if at all.
pub const THEMES: &[&[&str]] = &[
    &["upsert", "upsert", "upsert", "add column", "add column", "drop column", "clone", "clone", "clone"],
    &["upsert", "upsert", "add column", "add column", "widen column", "drop column", "compact", "compact", "restore"],
    &["upsert", "upsert", "property", "lifecycle", "touch", "touch partition", "restore", "restore partition"],
    &["upsert", "update", "self", "compact", "drop table", "undrop table", "undrop table"],
    &["upsert", "upsert", "update", "compact", "compact", "truncate", "restore", "restore", "vacuum", "vacuum"],
    &["upsert", "upsert", "overwrite", "compact", "restore", "drop partition", "undrop partition", "purge", "vacuum"],
    &["upsert", "update", "delete", "compact", "compact", "compact", "restore", "restore partition"],
    &[
        "upsert",
        "upsert",
        "drop partition",
        "undrop partition",
        "undrop partition",
        "restore",
        "compact",
        "add column",
        "drop column",
    ],
];

/// New rows by partition and key; none deletes.
pub type Changes = BTreeMap<String, BTreeMap<Key, Option<Named>>>;

impl World {
    /// Creates a table: most have a key, and partitions.
    pub async fn create(&mut self) -> Result<(), String> {
        let (keyed, levels) = (self.rng.chance(75), *self.rng.pick(&[0, 1, 1, 1, 1, 2]));
        let name = format!("t{}", self.tables.len());
        let fields = vec![Field::new("k", DataType::Int64, false), Field::new("v", DataType::Int64, true)];
        let key = ["k".to_owned()];
        let partitions = ["ds", "hh"][..levels].iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect();
        let schema = TableSchema::new(fields, partitions, if keyed { &key } else { &[] }).unwrap();
        let id = TableId::from_u128(self.ids.next());
        let create = CreateTable {
            id,
            name: name.clone(),
            schema,
            properties: BTreeMap::new(),
            lifecycle: None,
            comment: None,
            cloned_from: None,
        };
        let mut actions = vec![Action::Create(Box::new(create))];
        let places: Vec<String> = PLACES[levels].iter().map(|value| (*value).to_owned()).collect();
        let mut first = Version { alive: true, keyed, cols: vec![self.column("v", true)], ..Version::default() };
        if levels == 0 {
            actions.push(Action::OpenPartition(self.partition(&places[0])));
            first.parts.insert(places[0].clone(), Part { born: 1, ..Part::default() });
        }
        let places = places.into_iter().take(self.partitions).collect();
        self.adopt(name, id, actions, places, first).await
    }

    /// Plans and perhaps commits one random verb, or commits one that was planned earlier.
    pub async fn step(&mut self) -> Result<(), String> {
        let jump = self.rng.below(4);
        self.clock.advance(std::time::Duration::from_micros(jump));
        if self.rng.chance(3) {
            // Clocks go wrong; commit times grow all the same.
            let now = datafusion_timetravel::store::Clock::now(&self.clock).as_micros();
            let back = self.rng.below(10) as i64;
            self.clock.set(datafusion_timetravel::store::Timestamp::from_micros(now - back));
        }
        if !self.pending.is_empty() && self.rng.chance(45) {
            let at = self.rng.below(self.pending.len() as u64) as usize;
            let planned = self.pending.remove(at);
            return self.finish(planned).await;
        }
        let table = self.rng.below(self.tables.len() as u64) as usize;
        let verb = *self.rng.pick(&self.verbs);
        let base = self.head(table).await?;
        let planned = match verb {
            "clone" => return self.clone(table, base).await,
            "create" if self.tables.len() < 3 => return self.create().await,
            "create" => return Ok(()),
            "update" | "delete" if !self.is_keyed(table) => self.rewrite(table, base, verb == "update")?,
            "merge" if !self.is_keyed(table) => self.upsert(table, base),
            "upsert" => self.upsert(table, base),
            "update" => self.update(table, base)?,
            "delete" => self.delete(table, base)?,
            "merge" => self.merge(table, base)?,
            "self" => self.insert_from_self(table, base)?,
            "compact" => self.compact(table, base)?,
            _ => self.head_verb(verb, table, base),
        };
        match planned {
            Some(planned) if self.rng.chance(35) => self.pending.push(planned),
            Some(planned) => self.finish(planned).await?,
            None => {}
        }
        Ok(())
    }

    pub fn value(&mut self, table: usize) -> String {
        self.rng.pick(&self.tables[table].places).clone()
    }

    fn key(&mut self, table: usize) -> Key {
        if !self.is_keyed(table) {
            self.row += 1;
            return self.row;
        }
        let at = self.rng.below(self.keys);
        KEYS[at as usize]
    }

    pub fn values(&mut self, table: usize) -> BTreeSet<String> {
        let count = if self.rng.chance(25) { 2 } else { 1 };
        (0..count).map(|_| self.value(table)).collect()
    }

    fn named(&mut self, schema: &TableSchema) -> Named {
        let mut row = Named::new();
        for column in schema.columns.iter().skip(1) {
            if self.rng.chance(90) {
                row.insert(column.name.clone(), self.rng.below(CELLS) as i64);
            }
        }
        row
    }

    pub fn rows(&mut self, table: usize, schema: &TableSchema, least: u64) -> BTreeMap<Key, Option<Named>> {
        let count = least + self.rng.below(3 - least);
        let mut rows = BTreeMap::new();
        for _ in 0..count {
            let key = self.key(table);
            rows.insert(key, Some(self.named(schema)));
        }
        rows
    }

    /// What the partition holds now, as the files say.
    fn current(&self, base: &TableSnapshot, value: &str) -> Result<BTreeMap<Key, Named>, String> {
        let schema = base.state.schema().unwrap();
        let mut content = self.files.content(&base.state, &base.state.visible_at(base.lsn), &schema)?;
        Ok(content.remove(value).unwrap_or_default())
    }

    /// Files with these rows, one or two per partition.
    pub fn write(&mut self, schema: &TableSchema, changes: &Changes) -> Vec<NewFiles> {
        let id = |name: &str| schema.columns.iter().find(|column| column.name == name).unwrap().id.0;
        let mut written = vec![];
        for (value, rows) in changes {
            let rows: FileRows = rows
                .iter()
                .map(|(key, row)| {
                    (*key, row.as_ref().map(|row| row.iter().map(|(name, cell)| (id(name), *cell)).collect()))
                })
                .collect();
            let files = self.files_of(rows, false);
            written.push(NewFiles { partition: self.partition(value), files });
        }
        written
    }

    fn files_of(&mut self, rows: FileRows, delta: bool) -> Vec<DataFile> {
        let mut parts = vec![rows];
        if self.rng.chance(30) && parts[0].len() > 1 {
            let split = *parts[0].keys().nth(1).unwrap();
            let rest = parts[0].split_off(&split);
            parts.push(rest);
        }
        parts.retain(|rows| !rows.is_empty());
        let mut files = vec![];
        for rows in parts {
            let tombstones = rows.values().any(Option::is_none);
            let kind = if tombstones || delta || self.rng.chance(50) { FileKind::Delta } else { FileKind::Base };
            files.push(self.files.write(self.file_id(), kind, rows));
        }
        files
    }

    /// The planned columns and rows in the oracle's words.
    pub fn oracle_rows(&self, table: usize, changes: &Changes) -> BTreeMap<String, BTreeMap<Key, Option<Cells>>> {
        let cols = &self.tables[table].oracle.latest().cols;
        let cells =
            |row: &Named| -> Cells { cols.iter().filter_map(|col| Some((col.id, *row.get(&col.name)?))).collect() };
        let rows = |rows: &BTreeMap<Key, Option<Named>>| {
            rows.iter().map(|(key, row)| (*key, row.as_ref().map(cells))).collect()
        };
        changes.iter().map(|(value, changed)| (value.clone(), rows(changed))).collect()
    }

    #[allow(clippy::too_many_arguments, reason = "a draft has that many parts")]
    fn drafted(
        &self,
        table: usize,
        base: Arc<TableSnapshot>,
        operation: Operation,
        what: String,
        draft: Draft,
        need: Need,
        apply: impl Fn(&mut Version, u64) + 'static,
    ) -> Option<Planned> {
        let from = base.lsn.get();
        let compacts = if let Need::Live(value) = &need { Some(value.clone()) } else { None };
        let unchecked = match self.mutant {
            Some(Mutant::NoLive) => operation == Operation::Compact,
            Some(Mutant::NoUnchanged) => operation != Operation::Compact && !matches!(need, Need::Rewrite(_)),
            _ => false,
        };
        let draft = Draft { preconditions: if unchecked { vec![] } else { draft.preconditions }, ..draft };
        let plan = move |head: &TableSnapshot| draft.plan(head, "t");
        let verdict = move |oracle: &Oracle, head: u64| oracle.draft(from, head, &need, &apply);
        Some(Planned {
            table,
            base,
            operation,
            what,
            plan: Arc::new(plan),
            verdict: Box::new(verdict),
            compacts,
            draft: true,
        })
    }

    fn upsert(&mut self, table: usize, base: Arc<TableSnapshot>) -> Option<Planned> {
        if !base.state.is_alive() {
            return None;
        }
        let schema = base.state.schema().unwrap();
        let changes: Changes =
            self.values(table).into_iter().map(|value| (value, self.rows(table, &schema, 1))).collect();
        let draft = plan::append(&base, self.write(&schema, &changes), vec![]).unwrap();
        let rows = self.oracle_rows(table, &changes);
        let apply = move |version: &mut Version, n: u64| {
            for (value, rows) in &rows {
                for (key, row) in rows {
                    put(version, value, n, *key, row.clone());
                }
            }
        };
        self.drafted(table, base, Operation::Append, format!("UPSERT {changes:?}"), draft, Need::Nothing, apply)
    }

    /// `v = v + 1` for the rows of these partitions, computed from the files here and from the rows there.
    fn increment(
        &mut self,
        table: usize,
        base: Arc<TableSnapshot>,
        operation: Operation,
        values: Option<BTreeSet<String>>,
    ) -> Result<Option<Planned>, String> {
        if !base.state.is_alive() {
            return Ok(None);
        }
        let schema = base.state.schema().unwrap();
        let mut changes = Changes::new();
        let keyed = self.is_keyed(table);
        let mut copies: BTreeMap<Key, Key> = BTreeMap::new();
        let places = self.tables[table].places.clone();
        for value in places.iter().filter(|value| values.as_ref().is_none_or(|set| set.contains(*value))) {
            let mut rows = self.current(&base, value)?;
            if !keyed {
                // What is inserted are further rows.
                for key in std::mem::take(&mut rows).into_iter().map(|(key, row)| {
                    let copy = self.key(table);
                    (key, copy, row)
                }) {
                    copies.insert(key.0, key.1);
                    rows.insert(key.1, key.2);
                }
            }
            rows.values_mut().filter_map(|row| row.get_mut("v")).for_each(|v| *v += 1);
            if !rows.is_empty() {
                changes.insert(value.clone(), rows.into_iter().map(|(key, row)| (key, Some(row))).collect());
            }
        }
        if changes.is_empty() {
            return Ok(None);
        }
        let draft =
            plan::append(&base, self.write(&schema, &changes), vec![Precondition::Unchanged(filter(values.as_ref()))])
                .unwrap();
        let v = self.tables[table].oracle.latest().cols[0].id;
        let admitted = values.clone();
        let apply = move |version: &mut Version, n: u64| {
            let parts: Vec<(String, Part)> = version.parts.clone().into_iter().collect();
            for (value, part) in
                parts.into_iter().filter(|(value, _)| admitted.as_ref().is_none_or(|set| set.contains(value)))
            {
                for (key, row) in part.rows {
                    let mut cells = row.cells;
                    cells.entry(v).and_modify(|v| *v += 1);
                    put(version, &value, n, copies.get(&key).copied().unwrap_or(key), Some(cells));
                }
            }
        };
        let what = format!("{operation} v = v + 1 in {values:?}");
        Ok(self.drafted(table, base, operation, what, draft, Need::Unchanged(values), apply))
    }

    fn update(&mut self, table: usize, base: Arc<TableSnapshot>) -> Result<Option<Planned>, String> {
        let values = if self.rng.chance(40) { None } else { Some(self.values(table)) };
        self.increment(table, base, Operation::Update, values)
    }

    fn insert_from_self(&mut self, table: usize, base: Arc<TableSnapshot>) -> Result<Option<Planned>, String> {
        let values = Some(BTreeSet::from([self.value(table)]));
        self.increment(table, base, Operation::Append, values)
    }

    fn delete(&mut self, table: usize, base: Arc<TableSnapshot>) -> Result<Option<Planned>, String> {
        let (value, key) = (self.value(table), self.key(table));
        if !base.state.is_alive() || !self.current(&base, &value)?.contains_key(&key) {
            return Ok(None);
        }
        let schema = base.state.schema().unwrap();
        let changes = Changes::from([(value.clone(), BTreeMap::from([(key, None)]))]);
        let values = Some(BTreeSet::from([value.clone()]));
        let draft =
            plan::append(&base, self.write(&schema, &changes), vec![Precondition::Unchanged(filter(values.as_ref()))])
                .unwrap();
        let what = format!("DELETE {value} k = {key}");
        let apply = move |version: &mut Version, n: u64| put(version, &value, n, key, None);
        Ok(self.drafted(table, base, Operation::Delete, what, draft, Need::Unchanged(values), apply))
    }

    /// WHEN MATCHED v = v + 1, WHEN NOT MATCHED insert v = 50.
    fn merge(&mut self, table: usize, base: Arc<TableSnapshot>) -> Result<Option<Planned>, String> {
        let (value, key) = (self.value(table), self.key(table));
        if !base.state.is_alive() {
            return Ok(None);
        }
        let schema = base.state.schema().unwrap();
        let row = match self.current(&base, &value)?.remove(&key) {
            Some(mut row) => {
                row.entry("v".into()).and_modify(|v| *v += 1);
                row
            }
            None => Named::from([("v".into(), 50)]),
        };
        let changes = Changes::from([(value.clone(), BTreeMap::from([(key, Some(row))]))]);
        let values = Some(BTreeSet::from([value.clone()]));
        let draft =
            plan::append(&base, self.write(&schema, &changes), vec![Precondition::Unchanged(filter(values.as_ref()))])
                .unwrap();
        let v = self.tables[table].oracle.latest().cols[0].id;
        let what = format!("MERGE {value} k = {key}");
        let apply = move |version: &mut Version, n: u64| {
            let old = version.parts.get(&value).and_then(|part| part.rows.get(&key));
            let cells = match old {
                Some(row) => {
                    row.cells.iter().map(|(id, cell)| (*id, if *id == v { cell + 1 } else { *cell })).collect()
                }
                None => Cells::from([(v, 50)]),
            };
            put(version, &value, n, key, Some(cells));
        };
        Ok(self.drafted(table, base, Operation::Merge, what, draft, Need::Unchanged(values), apply))
    }

    /// UPDATE v = v + 1, or DELETE, of every second row of partitions of a table without a key. What it changes gets a
    /// new number.
    fn rewrite(&mut self, table: usize, base: Arc<TableSnapshot>, update: bool) -> Result<Option<Planned>, String> {
        if !base.state.is_alive() {
            return Ok(None);
        }
        let (places, odd) = (self.values(table), self.rng.below(3));
        let schema = base.state.schema().unwrap();
        let id = schema.columns[1].id.0;
        let (mut rewritten, mut added, mut changed) = (vec![], vec![], vec![]);
        for entry in base.state.visible_at(base.lsn) {
            let value = base.state.partition(entry.partition).unwrap().values.to_string();
            if !places.contains(&value) {
                continue;
            }
            let mut rows = self.files.read(&entry, &schema);
            let (mut gone, before) = (FileRows::new(), rows.len());
            for key in rows.keys().copied().filter(|key| odd == 2 || key.unsigned_abs() % 2 == odd).collect::<Vec<_>>()
            {
                let mut row = rows.remove(&key).flatten();
                let new = if update { Some(self.key(table)) } else { None };
                if let (Some(new), Some(cells)) = (new, &mut row) {
                    cells.entry(id).and_modify(|v| *v += 1);
                    gone.insert(new, row);
                }
                changed.push((value.clone(), key, new));
            }
            if rows.len() < before {
                let with = (!rows.is_empty()).then(|| self.files.write(self.file_id(), FileKind::Base, rows));
                rewritten.push(Rewritten { file: entry.file.id, with });
            }
            if !gone.is_empty() {
                added.push(NewFiles { partition: self.partition(&value), files: self.files_of(gone, false) });
            }
        }
        if rewritten.is_empty() {
            return Ok(None);
        }
        let unchanged = Precondition::Unchanged(filter(Some(&places)));
        let draft = plan::rewrite(&base, rewritten, added, vec![unchanged]).map_err(|e| e.to_string())?;
        let v = self.tables[table].oracle.latest().cols[0].id;
        let what = format!("{} rows of {places:?}: {changed:?}", if update { "UPDATE" } else { "DELETE" });
        let apply = move |version: &mut Version, n: u64| {
            for (value, key, new) in &changed {
                let row = version.parts.get_mut(value).and_then(|part| part.rows.remove(key));
                if let (Some(mut row), Some(new)) = (row, new) {
                    row.cells.entry(v).and_modify(|v| *v += 1);
                    put(version, value, n, *new, Some(row.cells));
                }
            }
        };
        let operation = if update { Operation::Update } else { Operation::Delete };
        Ok(self.drafted(table, base, operation, what, draft, Need::Rewrite(places), apply))
    }

    /// A random run of a partition's files, contiguous in order; tombstones go where nothing older is left out.
    fn compact(&mut self, table: usize, base: Arc<TableSnapshot>) -> Result<Option<Planned>, String> {
        let value = self.value(table);
        let state = &base.state;
        let Some(partition) = state.open_partition(&values(&value)).filter(|_| state.is_alive()) else {
            return Ok(None);
        };
        let schema = state.schema().unwrap();
        let mut entries = state.visible_at(base.lsn);
        entries.retain(|entry| entry.partition == partition.id);
        entries.sort_by_key(|entry| (entry.order, entry.file.id));
        if entries.is_empty() {
            return Ok(None);
        }
        let major = self.rng.chance(50);
        let (mut first, mut end) = (0, entries.len());
        if !major {
            first = self.rng.below(entries.len() as u64) as usize;
            end = first + 1 + self.rng.below((entries.len() - first) as u64) as usize;
            // Files of the lowest order may stay behind, but none of the highest.
            let at = |at: usize| entries[at].order;
            while end < entries.len() && at(end) == at(end - 1) {
                end += 1;
            }
        }
        let run = &entries[first..end];
        if run.len() == 1 && run[0].file.kind == FileKind::Base {
            return Ok(None);
        }
        let mut rows = self.files.merge(run, &schema)?;
        let keep = match self.mutant {
            Some(Mutant::DropTombstones) => false,
            _ => first > 0 || self.rng.chance(30),
        };
        if !keep {
            rows.retain(|_, row| row.is_some());
        }
        let outputs = self.files_of(rows, self.mutant == Some(Mutant::DropTombstones));
        let inputs: Vec<_> = run.iter().map(|entry| entry.file.id).collect();
        let draft = plan::compact(&base, &inputs, outputs).map_err(|e| e.to_string())?;
        let orders: Vec<_> = run.iter().map(|entry| (entry.order.0.get(), entry.order.1)).collect();
        let what = format!("COMPACT {value} orders {orders:?}{}", if keep { " keeping tombstones" } else { "" });
        Ok(self.drafted(table, base, Operation::Compact, what, draft, Need::Live(value), |_, _| {}))
    }
}

fn filter(values: Option<&BTreeSet<String>>) -> PartitionFilter {
    match values {
        Some(values) => PartitionFilter::Values(values.iter().map(|value| super::world::values(value)).collect()),
        None => PartitionFilter::All,
    }
}
