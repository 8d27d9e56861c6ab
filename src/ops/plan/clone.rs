//! RESTORE … AS: another table gets the content of a version, and shares its files at no copy.

use std::collections::{BTreeMap, BTreeSet};

use super::{Plan, attempt, checks, timeline};
use crate::error::{Code, Error, Result};
use crate::log::Lsn;
use crate::store::{FileId, Ids, PartitionId, TableId};
use crate::table::{
    Action, Column, CreateTable, DataFile, Origin, PartitionRef, PartitionValues, TableSchema, TableSnapshot,
};

/// What a clone takes from its source: read once, and the same however often the target's head moves on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloneContent {
    /// The source and its version.
    pub source: (TableId, Lsn),
    /// The schema of that version; its high-water mark is that of the source's head.
    pub schema: TableSchema,
    /// The source's properties.
    pub properties: BTreeMap<String, String>,
    /// The source's comment.
    pub comment: Option<String>,
    /// The partitions, with fresh ids.
    pub partitions: Vec<PartitionRef>,
    /// The files from the lowest order to the highest, with fresh ids, each with its place in `partitions`.
    pub files: Vec<(usize, DataFile)>,
}

impl CloneContent {
    /// The tables in whose folders the files lie: a share record names each.
    pub fn owners(&self) -> BTreeSet<TableId> {
        let owners = self.files.iter().filter_map(|(_, file)| file.owner.as_ref());
        owners.map(|origin| origin.table).collect()
    }

    fn actions(&self, file: impl Fn(&DataFile) -> DataFile) -> Vec<Action> {
        let mut actions: Vec<Action> = self.partitions.iter().cloned().map(Action::OpenPartition).collect();
        for (rank, (at, shared)) in (0..).zip(&self.files) {
            if let Some(partition) = self.partitions.get(*at).cloned() {
                actions.push(Action::Add { partition, file: Box::new(file(shared)), order: None, rank, counted: true });
            }
        }
        actions
    }
}

/// What is in `source` at `version`, or in those of its partitions that are named; `horizon` is the oldest version within
/// the backup retention.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::VersionOutOfRange`]; [`Code::NotRestorable`]; [`Code::PartitionNotFound`].
pub fn clone_content(
    source: &TableSnapshot,
    name: &str,
    version: Lsn,
    partitions: Option<&[PartitionValues]>,
    horizon: Lsn,
    ids: &dyn Ids,
) -> Result<CloneContent> {
    let state = &source.state;
    checks::alive(state, name)?;
    checks::restorable(source, name, version, horizon)?;
    let info = state.info()?;
    let schema = TableSchema { last_id: state.schema()?.last_id, ..state.schema_at(version)?.as_ref().clone() };
    let mut there = state.partitions_at(version);
    if let Some(wanted) = partitions {
        for values in wanted {
            checks::partition_values(&schema, name, values)?;
            if there.iter().all(|entry| &entry.values != values) {
                let message = format!(
                    "table {name} had no partition {} at LSN {version}: see SHOW HISTORY FOR TABLE {name}",
                    checks::spec(&schema, values)
                );
                return Err(Error::new(Code::PartitionNotFound, message));
            }
        }
        there.retain(|entry| wanted.contains(&entry.values));
    }
    let mut visible = state.visible_at(version);
    visible.sort_by_key(|entry| (entry.order, entry.file.id));
    let mut files = Vec::with_capacity(visible.len());
    for entry in visible {
        if let Some(at) = there.iter().position(|partition| partition.id == entry.partition) {
            let (table, file) = entry.file.location(info.create.id);
            let columns = entry.file.owner.as_ref().and_then(|origin| origin.columns.clone());
            let owner = Some(Origin { table, file, columns });
            files.push((at, DataFile { id: FileId::from_u128(ids.next()), owner, ..entry.file.as_ref().clone() }));
        }
    }
    let fresh =
        |values: &PartitionValues| PartitionRef { values: values.clone(), id: PartitionId::from_u128(ids.next()) };
    Ok(CloneContent {
        source: (info.create.id, version),
        schema,
        properties: info.create.properties.clone(),
        comment: info.create.comment.clone(),
        partitions: there.iter().map(|entry| fresh(&entry.values)).collect(),
        files,
    })
}

/// The first commit of a new table with this content. It has the source's properties, and no lifecycle.
pub fn clone_new(content: &CloneContent, id: TableId, name: &str) -> Vec<Action> {
    let create = CreateTable {
        id,
        name: name.to_owned(),
        schema: content.schema.clone(),
        properties: content.properties.clone(),
        lifecycle: None,
        comment: content.comment.clone(),
        cloned_from: Some(content.source),
    };
    let mut actions = vec![Action::Create(Box::new(create))];
    actions.extend(content.actions(DataFile::clone));
    actions
}

/// Plans the replacement of everything in an existing table, partitions too, by this content.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::InvalidArgument`] where the target is the source; [`Code::SchemaNotSame`].
pub fn clone_onto(head: &TableSnapshot, name: &str, content: &CloneContent) -> Plan {
    let state = &head.state;
    checks::alive(state, name)?;
    if state.info()?.create.id == content.source.0 {
        let message =
            format!("table {name} can't be restored AS itself: use RESTORE TABLE {name} TO LSN '{}'", content.source.1);
        return Err(Error::new(Code::InvalidArgument, message));
    }
    let schema = state.schema()?;
    if !same_schema(&schema, &content.schema) {
        return Err(Error::new(
            Code::SchemaNotSame,
            format!(
                "table {name} has another schema than LSN {} of the source, nothing was changed: {name} has ({}), the source has ({}); restore AS a new table instead",
                content.source.1,
                describe(&schema),
                describe(&content.schema)
            ),
        ));
    }
    let open: BTreeSet<_> = state.open_partitions().map(|entry| entry.id).collect();
    let mut actions = timeline::end_files(state, &open);
    actions.extend(open.into_iter().map(|id| Action::ClosePartition { id }));
    // The map is total: what the target adds later must not find an old field of the same id.
    let pairs: Vec<_> =
        schema.columns.iter().zip(&content.schema.columns).map(|(ours, theirs)| (ours.id, theirs.id)).collect();
    actions.extend(content.actions(|file| {
        let mut mapped = file.clone();
        if let Some(origin) = &mut mapped.owner {
            origin.columns =
                Some(pairs.iter().filter_map(|(ours, theirs)| Some((*ours, file.field_id(*theirs)?))).collect());
        }
        mapped.stats.retain_mut(|stats| match pairs.iter().find(|(_, theirs)| *theirs == stats.id) {
            Some((ours, _)) => {
                stats.id = *ours;
                true
            }
            None => false,
        });
        mapped
    }));
    Ok(attempt(actions))
}

/// Whether names, types, nullability, key and partition columns are the same, in the same places; ids may differ.
fn same_schema(ours: &TableSchema, theirs: &TableSchema) -> bool {
    let same = |a: &[Column], b: &[Column]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.field() == b.field());
    same(&ours.columns, &theirs.columns)
        && same(&ours.partition_columns, &theirs.partition_columns)
        && ours.key_positions() == theirs.key_positions()
}

fn describe(schema: &TableSchema) -> String {
    let column = |column: &Column| {
        let not_null = if column.nullable { "" } else { " NOT NULL" };
        format!("{} {}{not_null}", column.name, column.data_type)
    };
    let mut parts: Vec<String> = schema.columns.iter().map(column).collect();
    if schema.is_keyed() {
        let key: Vec<&str> = schema.key_columns().iter().map(|column| column.name.as_str()).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    if !schema.partition_columns.is_empty() {
        let columns: Vec<String> = schema.partition_columns.iter().map(column).collect();
        parts.push(format!("PARTITIONED BY ({})", columns.join(", ")));
    }
    parts.join(", ")
}
