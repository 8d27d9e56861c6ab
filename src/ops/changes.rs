//! What a RESTORE would change, as data: the same plan as the verb's, told by object instead of committed.
//!
//! It adds up actions on a snapshot and must not know which verb planned them.

use std::collections::BTreeMap;

use super::history::HistoryObject;
use crate::error::Result;
use crate::log::Attempt;
use crate::store::PartitionId;
use crate::table::{Action, DataFile, TableSnapshot, TableState};

/// One object that would change, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectChange {
    /// Whether it is the table or a partition.
    pub object: HistoryObject,
    /// Its id; empty for an object that would get a fresh one.
    pub id: String,
    /// The table's name, or `dd=01/hh=01`.
    pub name: String,
    /// What would happen to it.
    pub change: String,
    /// What would be read again, or for the first time.
    pub back: Amount,
    /// What would be read no more.
    pub gone: Amount,
}

/// Files, and what is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// How many.
    pub files: u64,
    /// Their rows, superseded ones and tombstones included.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, file: &DataFile) {
        self.files += 1;
        self.rows += file.rows;
        self.bytes += file.size;
    }
}

/// How the verb calls what it does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'a> {
    /// To the table as a whole; none where only its partitions change.
    pub(super) table: Option<&'a str>,
    /// To the data of a partition that was there and stays.
    pub(super) data: &'a str,
    /// To a partition that wasn't there.
    pub(super) opened: &'a str,
}

/// The objects that a plan on `head` changes: the table first, then partitions by name. None where it changes nothing.
pub(super) fn of_plan(
    head: &TableSnapshot,
    name: &str,
    plan: Attempt<Action>,
    words: Words<'_>,
) -> Result<Vec<ObjectChange>> {
    match plan {
        Attempt::Actions(actions) => of_actions(&head.state, name, &actions, words),
        Attempt::Nothing => Ok(vec![]),
    }
}

#[derive(Default)]
struct Partition {
    name: String,
    change: Option<String>,
    back: Amount,
    gone: Amount,
}

fn of_actions(state: &TableState, name: &str, actions: &[Action], words: Words<'_>) -> Result<Vec<ObjectChange>> {
    let schema = state.schema()?;
    let levels = || schema.partition_columns.iter().map(|column| column.name.as_str());
    let mut partitions: BTreeMap<PartitionId, Partition> = BTreeMap::new();
    let mut table = words.table.map(str::to_owned);
    for action in actions {
        let id = match action {
            Action::Close { file, .. } | Action::Reopen { file, .. } => state.file(*file).map(|entry| entry.partition),
            Action::ClosePartition { id } | Action::ReopenPartition { id } => Some(*id),
            // What ends is replaced: new partitions of the same values get ids of their own.
            Action::OpenPartition(partition) | Action::Add { partition, .. } => Some(partition.id),
            Action::Schema { .. } => {
                table = Some(match table {
                    Some(words) => format!("{words}, with its schema"),
                    None => "schema".to_owned(),
                });
                None
            }
            _ => None,
        };
        let Some(id) = id else { continue };
        let partition = partitions.entry(id).or_default();
        if let Some(entry) = state.partition(id) {
            partition.name = entry.values.spec(levels());
        }
        match action {
            Action::Close { file, .. } => {
                if let Some(entry) = state.file(*file).filter(|entry| entry.visible.is_open()) {
                    partition.gone.add(&entry.file);
                }
            }
            Action::Reopen { file, visible: true, .. } => {
                if let Some(entry) = state.file(*file) {
                    partition.back.add(&entry.file);
                }
            }
            Action::ClosePartition { .. } => partition.change = Some("ended".into()),
            Action::ReopenPartition { .. } => partition.change = Some("reopened".into()),
            Action::OpenPartition(opened) => {
                partition.name = opened.values.spec(levels());
                partition.change = Some(words.opened.into());
            }
            Action::Add { file, .. } => partition.back.add(file),
            _ => {}
        }
    }
    let id = state.info()?.create.id.to_string();
    let mut whole = ObjectChange {
        object: HistoryObject::Table,
        id,
        name: name.to_owned(),
        change: String::new(),
        back: Amount::default(),
        gone: Amount::default(),
    };
    if schema.partition_columns.is_empty() {
        // What is in no partition is the table's own.
        for partition in partitions.values() {
            merge(&mut whole.back, partition.back);
            merge(&mut whole.gone, partition.gone);
        }
        whole.change = table.unwrap_or_else(|| words.data.to_owned());
        return Ok(vec![whole]);
    }
    let mut changes: Vec<ObjectChange> = partitions
        .into_iter()
        .map(|(id, partition)| ObjectChange {
            object: HistoryObject::Partition,
            id: state.partition(id).map_or_else(String::new, |entry| entry.id.to_string()),
            name: partition.name,
            change: partition.change.unwrap_or_else(|| words.data.to_owned()),
            back: partition.back,
            gone: partition.gone,
        })
        .collect();
    changes.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    if let Some(change) = table {
        changes.insert(0, ObjectChange { change, ..whole });
    }
    Ok(changes)
}

fn merge(sum: &mut Amount, one: Amount) {
    sum.files += one.files;
    sum.rows += one.rows;
    sum.bytes += one.bytes;
}

/// A table that comes back as it was, or is made: all of `files` appear with it.
pub(super) fn whole_table<'a>(
    id: String,
    name: String,
    change: String,
    files: impl IntoIterator<Item = &'a DataFile>,
) -> ObjectChange {
    let mut back = Amount::default();
    files.into_iter().for_each(|file| back.add(file));
    ObjectChange { object: HistoryObject::Table, id, name, change, back, gone: Amount::default() }
}
