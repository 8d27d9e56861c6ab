//! The merge: a galloping k-way walk over the sorted keys of a group's files, one batch per file in memory.
//!
//! Reads key columns and tombstones only, found by field id, and of files without tombstones only the row groups whose
//! keys another file may hold.

use std::cmp::Ordering;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanBufferBuilder};
use arrow::buffer::{BooleanBuffer, Buffer};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::bit_util;
use futures::{FutureExt, TryStreamExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::{ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder};
use parquet::errors::ParquetError;

use super::data::{DataFiles, DataReader, ours, root_of};
use super::group::{MergeGroup, touched_row_groups};
use super::keys::{ByteKeys, IntKeys, Keys, RowKeys, Shape, gallop};
use super::resolution::{FileRows, Resolution};
use crate::error::{Code, Error, Result, panic_text};
use crate::table::{ColumnId, FileEntry, TOMBSTONE_ID};

const BATCH_ROWS: usize = 16 << 10;

/// Finds the rows of the group's files that are alive.
pub(super) async fn resolve(files: &Arc<DataFiles>, group: &MergeGroup) -> Result<Resolution> {
    let types: Vec<DataType> = group.schema.key_columns().iter().map(|column| column.data_type.clone()).collect();
    let failed = |e| Error::internal(format!("the key of table {} has no order: {e}", group.source.name));
    match Shape::of(&types).map_err(failed)? {
        Shape::Int => merge::<IntKeys>(files, group, &types, &()).await,
        Shape::Bytes => merge::<ByteKeys>(files, group, &types, &()).await,
        Shape::Rows(converter) => merge::<RowKeys>(files, group, &types, &converter).await,
    }
}

// Cursors are held by number; every number in `heap` is one of `cursors`.
#[allow(clippy::indexing_slicing, reason = "every number in the heap is that of a cursor")]
async fn merge<K: Keys>(
    files: &Arc<DataFiles>,
    group: &MergeGroup,
    types: &[DataType],
    reader: &K::Reader,
) -> Result<Resolution> {
    let mut cursors: Vec<Cursor<'_, K>> = Vec::with_capacity(group.files.len());
    for (entry, row_groups) in group.files.iter().zip(touched_row_groups(group)?) {
        cursors.push(Cursor::open(files, group, entry, row_groups, types, reader).await?);
    }
    let mut heap: Vec<usize> = Vec::with_capacity(cursors.len());
    for (number, cursor) in cursors.iter_mut().enumerate() {
        if cursor.load().await? {
            heap.push(number);
        }
    }
    for at in (0..heap.len() / 2).rev() {
        sift_down(&mut heap, at, &cursors);
    }
    while let [top, ..] = heap[..] {
        let second_at = match heap.len() {
            1 => break,
            2 => 1,
            _ if precedes(&cursors[heap[2]], &cursors[heap[1]]) => 2,
            _ => 1,
        };
        let second = heap[second_at];
        let order = cursors[top].compare(&cursors[second]);
        // Below the next key all rows of the top file are the only ones of their key. On equal keys the top file has
        // the higher order, so the other one's row is superseded.
        let moved_at = if order == Ordering::Less {
            let end = cursors[second]
                .with_keys(|target, row| cursors[top].with_keys(|keys, start| gallop(keys, start, target, row)));
            cursors[top].position = end;
            0
        } else {
            if cursors[top].entry.order == cursors[second].entry.order {
                return Err(cursors[top].corrupt(format!(
                    "it holds a key that the file {} of the same commit holds",
                    cursors[second].entry.file.id
                )));
            }
            cursors[second].supersede();
            second_at
        };
        let moved = heap[moved_at];
        if cursors[moved].is_at_end() && !cursors[moved].load().await? {
            heap.swap_remove(moved_at);
            if moved_at == heap.len() {
                continue;
            }
        }
        sift_down(&mut heap, moved_at, &cursors);
    }
    let mut resolution = Resolution::default();
    for mut cursor in cursors {
        if cursor.has_tombstones() {
            while cursor.load().await? {}
        }
        resolution.files.insert(cursor.entry.file.id, cursor.finish()?);
    }
    Ok(resolution)
}

/// Restores the heap below `at`.
#[allow(clippy::indexing_slicing, reason = "positions are checked against the length, numbers are those of cursors")]
fn sift_down<K: Keys>(heap: &mut [usize], mut at: usize, cursors: &[Cursor<'_, K>]) {
    loop {
        let mut least = at;
        for child in [2 * at + 1, 2 * at + 2] {
            if child < heap.len() && precedes(&cursors[heap[child]], &cursors[heap[least]]) {
                least = child;
            }
        }
        if least == at {
            return;
        }
        heap.swap(at, least);
        at = least;
    }
}

/// Whether the current row of `a` comes before that of `b`: the smaller key, then the higher order.
fn precedes<K: Keys>(a: &Cursor<'_, K>, b: &Cursor<'_, K>) -> bool {
    a.compare(b).then_with(|| b.entry.order.cmp(&a.entry.order)) == Ordering::Less
}

/// Where the merge is in one file.
struct Cursor<'a, K: Keys> {
    group: &'a MergeGroup,
    reader: &'a K::Reader,
    types: &'a [DataType],
    entry: &'a FileEntry,
    /// The row groups that are read; the rest is alive.
    row_groups: Vec<usize>,
    /// None where nothing is read or all has been.
    stream: Option<ParquetRecordBatchStream<DataReader>>,
    /// Where each key column, and then the tombstone column, lies in a batch.
    columns: Vec<usize>,
    keys: Option<K>,
    position: usize,
    /// Rows read before this batch.
    before: usize,
    /// One bit per row that is read: whether it is the newest of its key.
    newest: Vec<u8>,
    rows: usize,
    tombstones: BooleanBufferBuilder,
}

impl<'a, K: Keys> Cursor<'a, K> {
    async fn open(
        files: &Arc<DataFiles>,
        group: &'a MergeGroup,
        entry: &'a FileEntry,
        row_groups: Option<Vec<usize>>,
        types: &'a [DataType],
        reader: &'a K::Reader,
    ) -> Result<Self> {
        let file = &entry.file;
        let row_groups = row_groups.unwrap_or_else(|| (0..file.row_groups.len()).collect());
        let rows = row_groups.iter().filter_map(|index| file.row_groups.get(*index)).map(|rows| rows.rows).sum::<u64>();
        let rows =
            usize::try_from(rows).map_err(|_| Error::internal("a file of more rows than memory has addresses"))?;
        let mut cursor = Self {
            group,
            reader,
            types,
            entry,
            stream: None,
            columns: vec![],
            keys: None,
            position: 0,
            before: 0,
            newest: vec![],
            rows,
            tombstones: BooleanBufferBuilder::new(0),
            row_groups,
        };
        if rows > 0 {
            cursor.start(files).await?;
            // Only now is it known that the file has the rows that the log says.
            cursor.newest = vec![0xff; bit_util::ceil(rows, 8)];
        }
        Ok(cursor)
    }

    async fn start(&mut self, files: &Arc<DataFiles>) -> Result<()> {
        let footer = files.footer(&self.group.source, &self.entry.file, false).await?;
        let mut wanted = self.group.schema.key.clone();
        if self.has_tombstones() {
            wanted.push(ColumnId(TOMBSTONE_ID));
        }
        let fields = footer.file_metadata().schema_descr().root_schema().get_fields();
        let roots = wanted
            .iter()
            .map(|id| root_of(fields, &self.entry.file, *id))
            .collect::<Option<Vec<usize>>>()
            .ok_or_else(|| self.corrupt(format!("it lacks one of the columns with the ids {wanted:?}")))?;
        let mut sorted = roots.clone();
        sorted.sort_unstable();
        self.columns = roots.iter().map(|root| sorted.partition_point(|other| other < root)).collect();
        let metadata =
            ArrowReaderMetadata::try_new(Arc::clone(&footer), ArrowReaderOptions::new()).map_err(|e| self.failed(e))?;
        let mask = ProjectionMask::roots(footer.file_metadata().schema_descr(), roots);
        let reader = DataReader {
            files: Arc::clone(files),
            source: self.group.source.clone(),
            file: Arc::clone(&self.entry.file),
            page_index: false,
        };
        let stream = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata)
            .with_projection(mask)
            .with_row_groups(self.row_groups.clone())
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|e| self.failed(e))?;
        self.stream = Some(stream);
        Ok(())
    }

    fn has_tombstones(&self) -> bool {
        self.entry.file.tombstones > 0
    }

    /// Reads the next batch; false where there is none.
    async fn load(&mut self) -> Result<bool> {
        loop {
            self.before += self.keys.take().map_or(0, |keys| keys.len());
            self.position = 0;
            let Some(stream) = &mut self.stream else { return Ok(false) };
            tokio::task::coop::consume_budget().await;
            let batch = AssertUnwindSafe(stream.try_next()).catch_unwind().await;
            let batch = batch.unwrap_or_else(|panic| Err(ParquetError::General(panic_text(&*panic))));
            let Some(batch) = batch.map_err(|e| self.failed(e))? else {
                self.stream = None;
                if self.before != self.rows {
                    return Err(self.corrupt(format!("{} rows were read of {}", self.before, self.rows)));
                }
                return Ok(false);
            };
            let column = |at: usize| self.columns.get(at).and_then(|at| batch.columns().get(*at));
            let missing = || Error::internal("a column that was asked for is not in the batch");
            let keys: Vec<ArrayRef> = (0..self.types.len())
                .zip(self.types)
                .map(|(at, wanted)| {
                    let column = column(at).ok_or_else(missing)?;
                    // A file written before the column was widened.
                    if column.data_type() == wanted {
                        Ok(Arc::clone(column))
                    } else {
                        cast(column, wanted).map_err(|e| self.corrupt(e.to_string()))
                    }
                })
                .collect::<Result<_>>()?;
            if self.has_tombstones() {
                let tombstones = column(self.types.len()).ok_or_else(missing)?;
                let tombstones = tombstones
                    .as_boolean_opt()
                    .ok_or_else(|| self.corrupt("its tombstone column is not BOOLEAN".into()))?;
                if tombstones.null_count() > 0 {
                    return Err(self.corrupt("a tombstone mark is NULL".into()));
                }
                self.tombstones.append_buffer(tombstones.values());
            }
            let keys = K::read(self.reader, &keys).map_err(|e| self.corrupt(e.to_string()))?;
            if keys.len() > 0 {
                self.keys = Some(keys);
                return Ok(true);
            }
        }
    }

    fn is_at_end(&self) -> bool {
        self.keys.as_ref().is_none_or(|keys| self.position >= keys.len())
    }

    /// Compares the current rows; a file at its end comes last.
    fn compare(&self, other: &Self) -> Ordering {
        match (&self.keys, &other.keys) {
            (Some(a), Some(b)) => a.compare(self.position, b, other.position),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }

    /// Applies `f` to the batch and the current row; the current row where there is no batch.
    fn with_keys(&self, f: impl FnOnce(&K, usize) -> usize) -> usize {
        self.keys.as_ref().map_or(self.position, |keys| f(keys, self.position))
    }

    /// The current row isn't the newest of its key.
    fn supersede(&mut self) {
        bit_util::unset_bit(&mut self.newest, self.before + self.position);
        self.position += 1;
    }

    /// Brings the bits of the rows read into the order of the whole file.
    fn finish(mut self) -> Result<FileRows> {
        let file = &self.entry.file;
        let newest = BooleanBuffer::new(Buffer::from(std::mem::take(&mut self.newest)), 0, self.rows);
        let alive = if self.has_tombstones() {
            let tombstones = self.tombstones.finish();
            if tombstones.len() != self.rows {
                return Err(self.corrupt(format!("{} tombstone marks were read of {}", tombstones.len(), self.rows)));
            }
            &newest & &!&tombstones
        } else {
            newest.clone()
        };
        let dropped = self.rows - alive.count_set_bits();
        let whole = |bits: &BooleanBuffer| {
            if bits.count_set_bits() == bits.len() {
                return None;
            }
            let mut builder = BooleanBufferBuilder::new(usize::try_from(file.rows).unwrap_or_default());
            let mut next = 0;
            for (index, group) in file.row_groups.iter().enumerate() {
                let len = usize::try_from(group.rows).unwrap_or_default();
                if self.row_groups.binary_search(&index).is_ok() {
                    builder.append_buffer(&bits.slice(next, len));
                    next += len;
                } else {
                    builder.append_n(len, true);
                }
            }
            Some(builder.finish())
        };
        let newest = whole(&newest);
        let alive = if self.has_tombstones() { whole(&alive) } else { newest.clone() };
        Ok(FileRows { alive, newest, count: file.rows.saturating_sub(dropped as u64) })
    }

    fn corrupt(&self, what: String) -> Error {
        let name = &self.group.source.name;
        let path = self.group.source.path(&self.entry.file);
        Error::new(
            Code::Corrupt,
            format!("data file '{path}' of table {name}: {what}; restore it from a copy of the warehouse"),
        )
    }

    fn failed(&self, error: ParquetError) -> Error {
        ours(error).unwrap_or_else(|error| self.corrupt(format!("its keys can't be read: {error}")))
    }
}
