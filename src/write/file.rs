//! One data file being written.
//!
//! Row groups are flushed here and nowhere else, so that the first and last key of each are known. Rows must come in
//! the file's schema, sorted and without duplicates.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use bytes::Bytes;
use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::shape::columns_at;
use super::stats::{Counts, KeyRange, column_stats, count, row_groups};
use super::upload::{Outbox, Upload};
use super::{Limits, data_path};
use crate::error::Error;
use crate::store::{FileId, Path, Store, TableId, Timestamp};
use crate::table::{DataFile, FileKind, TableSchema, text::to_text};

/// How and where files are written.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) store: Store,
    pub(super) table: TableId,
    pub(super) schema: Arc<TableSchema>,
    pub(super) limits: Limits,
    pub(super) pool: Arc<dyn MemoryPool>,
}

/// A file that is open.
#[derive(Debug)]
pub(super) struct OpenFile {
    id: FileId,
    kind: FileKind,
    path: Path,
    begun: Timestamp,
    schema: SchemaRef,
    writer: ArrowWriter<Outbox>,
    upload: Option<Upload>,
    reservation: MemoryReservation,
    keys: Vec<usize>,
    /// The row groups that are complete, and the one that is not.
    groups: Vec<KeyRange>,
    open: Option<KeyRange>,
    counts: Vec<Counts>,
    rows: u64,
    tombstones: u64,
}

/// A file that is complete but for the put of its bytes, where it is small.
#[derive(Debug)]
pub(super) struct Complete {
    pub(super) file: DataFile,
    pub(super) begun: Timestamp,
    pub(super) rest: Option<Rest>,
}

/// The bytes of a small file, and the memory that they take.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) path: Path,
    pub(super) bytes: Bytes,
    _reservation: MemoryReservation,
}

impl OpenFile {
    /// A new file under a fresh id.
    pub(super) fn create(place: &Place, kind: FileKind) -> Result<Self> {
        let id = FileId::from_u128(place.store.ids().next());
        let schema = match kind {
            FileKind::Base => place.schema.base_file(),
            FileKind::Delta => place.schema.delta_file(),
        };
        let writer = ArrowWriter::try_new(Outbox::default(), Arc::clone(&schema), Some(properties(&place.schema)?))?;
        Ok(Self {
            id,
            kind,
            path: data_path(place.table, id, kind),
            begun: place.store.now(),
            schema,
            writer,
            upload: None,
            reservation: MemoryConsumer::new("timetravel write: open file").register(&place.pool),
            keys: place.schema.key_positions(),
            groups: vec![],
            open: None,
            counts: vec![Counts::default(); place.schema.columns.len()],
            rows: 0,
            tombstones: 0,
        })
    }

    /// Adds rows: the table's columns, and the tombstone column where the input has it.
    pub(super) async fn write(
        &mut self,
        place: &Place,
        columns: &[ArrayRef],
        tombstones: Option<&BooleanArray>,
    ) -> Result<()> {
        let rows = columns.first().map_or(0, |column| column.len());
        let mut columns = columns.to_vec();
        if self.kind == FileKind::Delta {
            let marks = tombstones.map_or_else(|| BooleanArray::from(vec![false; rows]), BooleanArray::clone);
            self.tombstones += marks.true_count() as u64;
            columns.push(Arc::new(marks));
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        count(&mut self.counts, &batch);
        self.rows += rows as u64;
        let mut at = 0;
        while at < rows {
            let room = place.limits.group_rows.saturating_sub(self.writer.in_progress_rows()).max(1);
            let slice = batch.slice(at, room.min(rows - at));
            at += slice.num_rows();
            self.write_slice(place, &slice).await?;
        }
        Ok(())
    }

    async fn write_slice(&mut self, place: &Place, slice: &RecordBatch) -> Result<()> {
        self.writer.write(slice)?;
        let keys = columns_at(slice, &self.keys);
        let key = |row| keys.iter().filter_map(|column| to_text(column, row)).collect::<Vec<_>>();
        let group = self.open.get_or_insert_with(|| KeyRange { first: key(0), last: vec![] });
        group.last = key(slice.num_rows().saturating_sub(1));
        let full = self.writer.in_progress_rows() >= place.limits.group_rows
            || self.writer.memory_size() >= place.limits.group_bytes;
        // Where memory is short, smaller row groups are better than no file.
        if full || self.reserve().is_err() {
            self.flush(place).await?;
            self.reserve()?;
        }
        Ok(())
    }

    fn reserve(&self) -> Result<()> {
        self.reservation.try_resize(self.writer.memory_size() + self.writer.inner().waiting())
    }

    async fn flush(&mut self, place: &Place) -> Result<()> {
        self.writer.flush()?;
        self.groups.extend(self.open.take());
        // What the row group took is free for the upload; what waits was counted with it.
        self.reservation.resize(self.writer.memory_size() + self.writer.inner().waiting());
        if self.upload.is_none() && self.writer.inner().waiting() > place.limits.single_put {
            self.upload = Some(Upload::begin(&place.store, &self.path, &place.pool)?);
        }
        if let Some(upload) = &mut self.upload {
            upload.send(self.writer.inner_mut().take()).await?;
        }
        Ok(())
    }

    /// About how many bytes the file has.
    pub(super) fn size(&self) -> u64 {
        self.writer.inner().size() + self.writer.in_progress_size() as u64
    }

    /// Where it will be.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives up.
    pub(super) async fn abort(self) {
        if let Some(upload) = self.upload {
            upload.abort().await;
        }
    }

    /// Completes the file.
    pub(super) async fn finish(mut self, place: &Place) -> Result<Complete> {
        if self.open.is_some() {
            self.flush(place).await?;
        }
        let metadata = self.writer.finish()?;
        let outbox = self.writer.inner_mut();
        let bytes = outbox.take();
        let (size, digest, footer) = (outbox.size(), outbox.digest(), outbox.footer());
        let file = DataFile {
            id: self.id,
            kind: self.kind,
            owner: None,
            rows: self.rows,
            tombstones: self.tombstones,
            size,
            digest,
            footer,
            row_groups: row_groups(&metadata, self.groups)?,
            stats: column_stats(&place.schema.columns, &self.schema, &metadata, &self.counts)?,
        };
        let rest = match self.upload {
            Some(mut upload) => {
                upload.send(bytes).await?;
                upload.finish(size).await?;
                None
            }
            None => {
                self.reservation.try_resize(bytes.len())?;
                Some(Rest { path: self.path, bytes, _reservation: self.reservation })
            }
        };
        Ok(Complete { file, begun: self.begun, rest })
    }
}

fn properties(schema: &TableSchema) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(1).map_err(|error| Error::internal(error.to_string()))?;
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_data_page_row_count_limit(20_000)
        .set_max_row_group_row_count(None);
    let key: Vec<_> = schema.key_columns().iter().map(|column| column.id).collect();
    for column in &schema.columns {
        let level = match column.data_type {
            // Parquet's bounds of floats pass NaN over, and a reader that trusts them would miss rows. Ours are left out
            // where there is a NaN.
            DataType::Float16 | DataType::Float32 | DataType::Float64 => EnabledStatistics::None,
            _ if key.contains(&column.id) => EnabledStatistics::Page,
            _ => continue,
        };
        properties = properties.set_column_statistics_enabled(ColumnPath::new(vec![column.name.clone()]), level);
    }
    Ok(properties.build())
}
