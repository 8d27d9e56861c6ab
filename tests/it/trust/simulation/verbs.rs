//! What writers, compactors, the sweeper and whoever names tables do, by the verbs of the library; files are text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use bytes::Bytes;
use datafusion_timetravel::auth::Caller;
use datafusion_timetravel::log::{CommitOptions, Lsn, Operation};
use datafusion_timetravel::ops::create::{self, IfExists, NewTable};
use datafusion_timetravel::ops::insert::{self, Overwrite, WriteIntent};
use datafusion_timetravel::ops::vacuum::Run;
use datafusion_timetravel::ops::{Pin, alter, drop as drop_verb, plan, purge, restore, undrop, vacuum};
use datafusion_timetravel::store::layout::{self, DataFileKind};
use datafusion_timetravel::store::{Clock, CommitId, Digest, FileId, Ids, TableId};
use datafusion_timetravel::table::{
    DataFile, FileEntry, FileKind, PartitionFilter, PartitionValues, Precondition, RowGroup, TableSchema,
};
use datafusion_timetravel::write::WrittenFile;
use datafusion_timetravel::{Code, Error};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::{ACCOUNTS, Actor, DAY, EACH, KEYS, name};
use crate::trust::history::{Effect, Rows};

impl Actor {
    /// The rows of files, the highest order last.
    pub(super) async fn rows(
        &self,
        table: TableId,
        mut files: Vec<Arc<FileEntry>>,
    ) -> Result<BTreeMap<i64, Option<i64>>, Error> {
        files.sort_by_key(|entry| entry.order);
        let mut rows = BTreeMap::new();
        for entry in files {
            let kind = match entry.file.kind {
                FileKind::Base => DataFileKind::Base,
                FileKind::Delta => DataFileKind::Delta,
            };
            let path = layout::data_file(table, entry.file.id, kind);
            let text = self.warehouse().store().read_range(&path, 0..entry.file.size).await?;
            for line in std::str::from_utf8(&text).unwrap().lines() {
                let (key, value) = line.split_once(' ').unwrap();
                rows.insert(key.parse().unwrap(), value.parse().ok());
            }
        }
        Ok(rows)
    }

    pub(super) async fn write(&self, table: TableId, rows: &BTreeMap<i64, Option<i64>>) -> Result<WrittenFile, Error> {
        let begun = self.clock.now();
        let tombstones = rows.values().filter(|value| value.is_none()).count() as u64;
        let (kind, named) = match tombstones {
            0 => (FileKind::Base, DataFileKind::Base),
            _ => (FileKind::Delta, DataFileKind::Delta),
        };
        let line = |(key, value): (&i64, &Option<i64>)| match value {
            Some(value) => format!("{key} {value}\n"),
            None => format!("{key} -gone\n"),
        };
        let body = Bytes::from(rows.iter().map(line).collect::<String>());
        let file = DataFile {
            id: FileId::from_u128(self.ids.next()),
            kind,
            owner: None,
            rows: rows.len() as u64,
            tombstones,
            size: body.len() as u64,
            digest: Digest::of(&body),
            footer: 0,
            row_groups: vec![RowGroup {
                start: 0,
                end: body.len() as u64,
                rows: rows.len() as u64,
                min: vec![],
                max: vec![],
            }],
            stats: vec![],
        };
        self.warehouse().store().put_new(&layout::data_file(table, file.id, named), body).await?;
        Ok(WrittenFile { values: PartitionValues(vec![]), file, begun })
    }

    /// A statement that writes what `change` makes of the rows, as the library's own do.
    pub(super) async fn change(
        &self,
        caller: &Caller,
        operation: Operation,
        reads: bool,
        replaces: bool,
        change: impl Fn(&Rows) -> BTreeMap<i64, Option<i64>>,
    ) -> Result<(), Error> {
        let mut attempt = 0;
        loop {
            let (_, table) = self.pinned(caller).await?;
            let state = &table.snapshot.state;
            let before: Rows = match reads {
                true => {
                    let rows = self.rows(table.id, state.visible_at(table.snapshot.lsn)).await?;
                    rows.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
                }
                false => Rows::new(),
            };
            let changed = change(&before);
            let files = if changed.is_empty() { vec![] } else { vec![self.write(table.id, &changed).await?] };
            if files.is_empty() && !replaces {
                return Ok(());
            }
            let intent = WriteIntent {
                operation,
                replaces: replaces.then_some(Overwrite::Table),
                unchanged: reads.then_some(Precondition::Unchanged(PartitionFilter::All)),
            };
            let schema = state.schema()?;
            match insert::commit(self.warehouse(), caller, &table, &schema, files, intent).await {
                Err(error) if error.code() == Code::Conflict && attempt < 4 => attempt += 1,
                Err(error) => return Err(error),
                Ok(_) => return Ok(()),
            }
        }
    }

    pub(super) async fn writes(&mut self) {
        match self.rng.random_range(0..20) {
            0..8 => {
                let pairs = self.pairs();
                let put: BTreeMap<_, _> = pairs.iter().map(|(key, value)| (*key, Some(*value))).collect();
                let statement = async move |actor: &Self, caller: Caller| {
                    Ok(actor.change(&caller, Operation::Append, false, false, |_| put.clone()).await?)
                };
                self.run(Some("main"), Effect::Put(pairs), false, statement).await;
            }
            8..14 => {
                let (a, b, by) =
                    (self.rng.random_range(ACCOUNTS), self.rng.random_range(ACCOUNTS), self.rng.random_range(1..9));
                if a == b {
                    return;
                }
                let statement = async move |actor: &Self, caller: Caller| {
                    let transfer = |rows: &Rows| {
                        let moved = [(a, -by), (b, by)].into_iter();
                        moved.filter_map(|(key, by)| Some((key, Some(rows.get(&key)? + by)))).collect()
                    };
                    Ok(actor.change(&caller, Operation::Update, true, false, transfer).await?)
                };
                self.run(Some("main"), Effect::Add(vec![(a, -by), (b, by)]), false, statement).await;
            }
            14..17 => {
                let key = self.rng.random_range(KEYS);
                let statement = async move |actor: &Self, caller: Caller| {
                    let delete = |rows: &Rows| rows.contains_key(&key).then_some((key, None)).into_iter().collect();
                    Ok(actor.change(&caller, Operation::Delete, true, false, delete).await?)
                };
                self.run(Some("main"), Effect::Delete(vec![key]), false, statement).await;
            }
            17 => {
                let pairs: Vec<(i64, i64)> = ACCOUNTS.map(|key| (key, EACH)).chain(self.pairs()).collect();
                let all: BTreeMap<_, _> = pairs.iter().map(|(key, value)| (*key, Some(*value))).collect();
                let statement = async move |actor: &Self, caller: Caller| {
                    Ok(actor.change(&caller, Operation::Overwrite, false, true, |_| all.clone()).await?)
                };
                self.run(Some("main"), Effect::Overwrite(pairs), false, statement).await;
            }
            _ => {
                let back = self.rng.random_range(0..12);
                let Ok((_, table)) = self.pinned(&Caller::default()).await else { return };
                let version = table.snapshot.lsn.get().saturating_sub(back).max(2);
                let statement = async move |actor: &Self, caller: Caller| {
                    let pin = Pin::new(actor.warehouse(), &caller).await?;
                    Ok(restore::table(&pin, &name("main"), Lsn::new(version)).await?)
                };
                self.run(Some("main"), Effect::Restore(version), false, statement).await;
            }
        }
    }

    pub(super) async fn compacts(&mut self) {
        let (skip, share): (usize, usize) = (self.rng.random_range(0..3), self.rng.random_range(1..4));
        let statement = async move |actor: &Self, caller: Caller| {
            let (_, table) = actor.pinned(&caller).await?;
            let base = Arc::clone(&table.snapshot);
            let mut files = base.state.visible_at(base.lsn);
            files.sort_by_key(|entry| (entry.order, entry.file.id));
            if files.len() < 2 {
                return Ok(None);
            }
            let first = if share == 1 { 0 } else { skip.min(files.len() - 2) };
            let mut end = if share == 1 { files.len() } else { (first + 1 + share).min(files.len()) };
            while end < files.len() && files[end].order == files[end - 1].order {
                end += 1;
            }
            let run = &files[first..end];
            let mut rows = actor.rows(table.id, run.to_vec()).await?;
            if first == 0 {
                rows.retain(|_, value| value.is_some());
            }
            let written = match rows.is_empty() {
                true => vec![],
                false => vec![actor.write(table.id, &rows).await?],
            };
            let inputs: Vec<FileId> = run.iter().map(|entry| entry.file.id).collect();
            let begun = written.iter().map(|file| file.begun).min();
            let draft = plan::compact(&base, &inputs, written.into_iter().map(|file| file.file).collect())?;
            let mut options =
                CommitOptions::new(CommitId::from_u128(actor.ids.next()), Operation::Compact, &caller.actor);
            options.reason = caller.reason;
            options.not_after = begun.map(|begun| begun.saturating_add(DAY / 2));
            Ok(Some(table.log.commit(base, options, move |head| draft.plan(head, "main")).await?))
        };
        self.run(Some("main"), Effect::Nothing, true, statement).await;
    }

    pub(super) async fn sweeps(&mut self) {
        let purges = self.rng.random_range(0..6) == 0;
        let statement = async move |actor: &Self, caller: Caller| {
            let pin = Pin::new(actor.warehouse(), &caller).await?;
            Ok(match purges {
                true => purge::table(&pin, &name("main"), Run::Do).await?,
                false => vacuum::warehouse(&pin, "simulation", Run::Do).await?,
            })
        };
        self.run(None, Effect::Nothing, true, statement).await;
    }

    pub(super) async fn names(&mut self) {
        let (one, other) = (*["a", "b"].choose(&mut self.rng).unwrap(), *["a", "b"].choose(&mut self.rng).unwrap());
        let kind = self.rng.random_range(0..4);
        let statement = async move |actor: &Self, caller: Caller| {
            let pin = Pin::new(actor.warehouse(), &caller).await?;
            match kind {
                0 => create_table(&pin, one, TableId::from_u128(actor.ids.next())).await?,
                1 => drop_verb::table(&pin, &name(one)).await?,
                2 if one != other => alter::rename(&pin, &name(one), name(other)).await?,
                _ => {
                    let dropped = pin.catalog().state.dropped(&name(one));
                    let Some(entry) = dropped.iter().rev().find(|entry| entry.purged.is_none()) else { return Ok(()) };
                    undrop::table(&pin, &name(one), entry.id).await?;
                }
            }
            Ok(())
        };
        self.run(None, Effect::Nothing, kind > 1, statement).await;
    }
}

pub(super) async fn create_table(pin: &Pin, table: &str, id: TableId) -> Result<(), Error> {
    let fields = vec![Field::new("k", DataType::Int64, false), Field::new("v", DataType::Int64, true)];
    let schema = TableSchema::new(fields, vec![], &["k".to_owned()])?;
    let (name, properties) = (name(table), BTreeMap::new());
    let new = NewTable { id, name, schema, properties, lifecycle: None, comment: None, if_exists: IfExists::Fail };
    match new.check(pin).await? {
        true => create::create(pin, new, vec![]).await,
        false => Ok(()),
    }
}
