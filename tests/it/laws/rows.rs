//! Files as rows, and the one merge: what a reader of a file set sees.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion_timetravel::store::{Digest, FileId};
use datafusion_timetravel::table::{DataFile, FileEntry, FileKind, RowGroup, TableSchema, TableState};

use super::version::Key;

/// A row by field id, as Parquet has it; none is a tombstone.
pub type FileRows = BTreeMap<Key, Option<BTreeMap<i32, i64>>>;

/// Values by name.
pub type Named = BTreeMap<String, i64>;

/// Rows by partition value and key.
pub type Content = BTreeMap<String, BTreeMap<Key, Named>>;

#[derive(Debug, Default)]
pub struct Files(HashMap<FileId, FileRows>);

impl Files {
    pub fn write(&mut self, id: FileId, kind: FileKind, rows: FileRows) -> DataFile {
        let tombstones = rows.values().filter(|row| row.is_none()).count() as u64;
        assert!(kind == FileKind::Delta || tombstones == 0, "a base file with tombstones");
        let count = rows.len() as u64;
        self.0.insert(id, rows);
        DataFile {
            id,
            kind,
            owner: None,
            rows: count,
            tombstones,
            size: count,
            digest: Digest::of(b""),
            footer: 0,
            row_groups: vec![RowGroup { start: 0, end: count, rows: count, min: vec![], max: vec![] }],
            stats: vec![],
        }
    }

    /// The rows of a file as its table has them: by the table's column ids.
    pub fn read(&self, entry: &FileEntry, schema: &TableSchema) -> FileRows {
        let file = &entry.file;
        let (_, object) = file.location(datafusion_timetravel::store::TableId::from_u128(0));
        let rows = &self.0[&object];
        let ours = |row: &BTreeMap<i32, i64>| {
            let cells =
                schema.columns.iter().filter_map(|column| Some((column.id.0, *row.get(&file.field_id(column.id)?.0)?)));
            cells.collect()
        };
        rows.iter().map(|(key, row)| (*key, row.as_ref().map(ours))).collect()
    }

    /// Files of one partition, merged: the highest order wins, tombstones are kept.
    pub fn merge(&self, entries: &[Arc<FileEntry>], schema: &TableSchema) -> Result<FileRows, String> {
        let mut entries = entries.to_vec();
        entries.sort_by_key(|entry| entry.order);
        let mut merged = BTreeMap::new();
        for entry in &entries {
            for (key, row) in self.read(entry, schema) {
                if merged.insert(key, (entry.order, row)).is_some_and(|(order, _)| order == entry.order) {
                    return Err(format!("two files of order {:?} hold key {key}", entry.order));
                }
            }
        }
        Ok(merged.into_iter().map(|(key, (_, row))| (key, row)).collect())
    }

    /// What a query of these files sees.
    pub fn content(
        &self,
        state: &TableState,
        entries: &[Arc<FileEntry>],
        schema: &TableSchema,
    ) -> Result<Content, String> {
        let mut by_partition: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for entry in entries {
            by_partition.entry(entry.partition).or_default().push(Arc::clone(entry));
        }
        let mut content = Content::new();
        for (id, entries) in by_partition {
            let value = state.partition(id).unwrap().values.to_string();
            let name = |id: i32| schema.columns.iter().find(|column| column.id.0 == id).unwrap().name.clone();
            let mut rows = BTreeMap::new();
            for (key, row) in self.merge(&entries, schema)? {
                if let Some(row) = row {
                    rows.insert(key, row.into_iter().map(|(id, cell)| (name(id), cell)).collect());
                }
            }
            if !rows.is_empty() && content.insert(value.clone(), rows).is_some() {
                return Err(format!("two incarnations of partition {value} are read together"));
            }
        }
        Ok(content)
    }
}
