//! A table for tests: hand-made files in memory, and the state that commits of them add up to.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{SortColumn, lexsort_to_indices, take_record_batch};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::log::{CommitIndex, Header, Lsn, Operation, State};
use crate::store::testing::CountingStore;
use crate::store::{CommitId, Digest, FileId, PartitionId, Path, Store, TableId, Timestamp};
use crate::table::{
    Action, ColumnStats, CreateTable, DataFile, FileKind, PartitionRef, PartitionValues, RowGroup, TOMBSTONE,
    TableSchema, TableSnapshot, TableState, text::to_text,
};

use super::FileSource;

/// A table under test.
pub(crate) struct Lab {
    pub(crate) counting: Arc<CountingStore>,
    pub(crate) store: Store,
    pub(crate) table: TableId,
    pub(crate) state: TableState,
    pub(crate) lsn: Lsn,
    pub(crate) with_stats: bool,
    next: u128,
}

/// How a file is written.
#[derive(Clone)]
pub(crate) struct Spec<'a> {
    pub(crate) partition: &'a [&'a str],
    pub(crate) row_group_rows: usize,
    pub(crate) kind: FileKind,
}

impl Lab {
    pub(crate) fn new(schema: TableSchema) -> Self {
        let counting = Arc::new(CountingStore::new(Arc::new(object_store::memory::InMemory::new())));
        let store = Store::new(Arc::clone(&counting) as _, Path::from("lake"));
        let table = TableId::from_u128(1);
        let mut lab =
            Self { counting, store, table, state: TableState::default(), lsn: Lsn::ZERO, with_stats: true, next: 100 };
        let create = CreateTable {
            id: table,
            name: "t".into(),
            schema,
            properties: Default::default(),
            lifecycle: None,
            comment: None,
            cloned_from: None,
        };
        lab.commit(Operation::Create, &[Action::Create(Box::new(create))]);
        lab
    }

    pub(crate) fn schema(&self) -> Arc<TableSchema> {
        self.state.schema_at(self.lsn).unwrap()
    }

    pub(crate) fn commit(&mut self, operation: Operation, actions: &[Action]) {
        self.lsn = self.lsn.next();
        let header = Header {
            format: 1,
            features: vec![],
            log: self.table.to_string(),
            lsn: self.lsn,
            commit: CommitId::from_u128(self.lsn.get().into()),
            previous: None,
            checkpoint: None,
            time: Timestamp::from_micros(self.lsn.get() as i64),
            operation,
            actor: "test".into(),
            reason: None,
        };
        self.state.apply(&header, actions).unwrap();
    }

    pub(crate) fn snapshot(&self) -> Arc<TableSnapshot> {
        Arc::new(TableSnapshot {
            lsn: self.lsn,
            header: None,
            digest: None,
            checkpoint: None,
            state: self.state.clone(),
            index: CommitIndex::default(),
            file: None,
        })
    }

    fn id(&mut self) -> u128 {
        self.next += 1;
        self.next
    }

    /// Writes one commit of one file. The batch has the columns of the table and the tombstone column, in any row order.
    pub(crate) async fn append(&mut self, batch: &RecordBatch, spec: Spec<'_>) -> DataFile {
        let file = self.write(batch, &spec).await;
        let partition = PartitionRef {
            values: PartitionValues(spec.partition.iter().map(|v| (*v).to_owned()).collect()),
            id: PartitionId::from_u128(self.id()),
        };
        let add = Action::Add { partition, file: Box::new(file.clone()), order: None, rank: 0, counted: true };
        self.commit(Operation::Append, &[add]);
        file
    }

    /// Writes a file without a commit.
    pub(crate) async fn write(&mut self, batch: &RecordBatch, spec: &Spec<'_>) -> DataFile {
        let schema = self.schema();
        let batch = sorted(&schema, batch);
        let marks = batch.column_by_name(TOMBSTONE).unwrap().as_boolean().clone();
        let (file_schema, columns) = match spec.kind {
            FileKind::Base => (schema.base_file(), batch.columns()[..schema.columns.len()].to_vec()),
            FileKind::Delta => (schema.delta_file(), batch.columns().to_vec()),
        };
        let batch = RecordBatch::try_new(file_schema, columns).unwrap();
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(spec.row_group_rows))
            .set_data_page_row_count_limit(2)
            .set_write_batch_size(2)
            .build();
        let mut bytes = vec![];
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        let footer = writer.close().unwrap();
        let keys: Vec<ArrayRef> = schema.key_positions().iter().map(|at| Arc::clone(batch.column(*at))).collect();
        let texts = |row: usize| keys.iter().map(|key| to_text(key, row).unwrap()).collect::<Vec<_>>();
        let mut row = 0;
        let row_groups = footer.row_groups().iter().map(|group| {
            let rows = group.num_rows() as usize;
            let first = row;
            row += rows;
            let ranges: Vec<(u64, u64)> = group.columns().iter().map(|column| column.byte_range()).collect();
            RowGroup {
                start: ranges.iter().map(|(start, _)| *start).min().unwrap(),
                end: ranges.iter().map(|(start, length)| start + length).max().unwrap(),
                rows: rows as u64,
                min: texts(first),
                max: texts(row - 1),
            }
        });
        let row_groups = row_groups.collect();
        let stats = schema.columns.iter().zip(batch.columns()).map(|(column, values)| {
            let order = lexsort_to_indices(&[SortColumn { values: Arc::clone(values), options: None }], None).unwrap();
            let known: Vec<usize> =
                order.values().iter().map(|row| *row as usize).filter(|row| values.is_valid(*row)).collect();
            let text = |row: Option<&usize>| row.and_then(|row| to_text(values, *row));
            ColumnStats {
                id: column.id,
                min: text(known.first()),
                max: text(known.last()),
                exact: true,
                nulls: values.null_count() as u64,
            }
        });
        let id = FileId::from_u128(self.id());
        let tail = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap());
        let file = DataFile {
            id,
            kind: spec.kind,
            owner: None,
            rows: batch.num_rows() as u64,
            tombstones: if spec.kind == FileKind::Delta { marks.true_count() as u64 } else { 0 },
            size: bytes.len() as u64,
            digest: Digest::of(&bytes),
            footer: u64::from(tail) + 8,
            row_groups,
            stats: if self.with_stats { stats.collect() } else { vec![] },
        };
        let source = FileSource { name: "t".into(), table: self.table };
        self.store.put_new(&source.path(&file), Bytes::from(bytes)).await.unwrap();
        file
    }
}

fn sorted(schema: &TableSchema, batch: &RecordBatch) -> RecordBatch {
    if !schema.is_keyed() {
        return batch.clone();
    }
    let keys: Vec<SortColumn> = schema
        .key_positions()
        .iter()
        .map(|at| SortColumn { values: Arc::clone(batch.column(*at)), options: None })
        .collect();
    take_record_batch(batch, &lexsort_to_indices(&keys, None).unwrap()).unwrap()
}

/// A batch with the marks as its last column.
pub(crate) fn batch(schema: &TableSchema, mut columns: Vec<ArrayRef>, tombstones: Vec<bool>) -> RecordBatch {
    columns.push(Arc::new(BooleanArray::from(tombstones)));
    RecordBatch::try_new(schema.delta_file(), columns).unwrap()
}
