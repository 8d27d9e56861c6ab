//! Reading data files: footers parsed once, small files fetched whole and verified, large ones by ranges, which are
//! verified as a whole before where the reader asks for it.
//!
//! A file whose bytes don't match the log is `Corrupt`, a missing one `SnapshotGone`; both name the table and the file.
//! Knows neither keys nor queries.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, try_join_all};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, MetadataFetch};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::schema::types::{Type, TypePtr};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::MergeGroup;
use crate::error::{Code, Error, Result, guarded};
use crate::store::{Digest, Digester, FileId, Path, Store, TableId};
use crate::table::{ColumnId, DataFile, TOMBSTONE_ID};

/// Files up to this size are fetched in one request, whole, and verified.
pub(crate) const SMALL_FILE: u64 = 8 << 20;
/// Ranges of a large file closer than this are fetched in one request.
const COALESCE: u64 = 1 << 20;
const FOOTER_CACHE: u64 = 128 << 20;
const BYTES_CACHE: u64 = 128 << 20;
/// Large files of which it is remembered that they were verified.
const VERIFIED: usize = 1 << 16;
/// Bytes of a large file that are held at a time while it is verified.
const CHUNK: u64 = 8 << 20;

/// Which data files are compared with their digests before they are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// Those up to 8 MiB, which are read whole anyway.
    #[default]
    Small,
    /// All. A larger one is read whole once per process, before its first use.
    Always,
}

/// Where a data file belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileSource {
    /// What messages call the table.
    pub(crate) name: Arc<str>,
    /// The table that reads it.
    pub(crate) table: TableId,
}

impl FileSource {
    /// The path of a file, relative to the warehouse.
    pub(crate) fn path(&self, file: &DataFile) -> Path {
        file.path(self.table)
    }

    fn corrupt(&self, file: &DataFile, what: impl fmt::Display) -> Error {
        let path = self.path(file);
        Error::new(
            Code::Corrupt,
            format!("data file '{path}' of table {}: {what}; restore it from a copy of the warehouse", self.name),
        )
    }

    /// An error of the store, with the table and the file where they are what is wrong.
    fn named(&self, file: &DataFile, error: Error) -> Error {
        match error.code() {
            Code::SnapshotGone => self.gone(file),
            Code::Corrupt => self.corrupt(file, error.message()),
            _ => error,
        }
    }

    fn gone(&self, file: &DataFile) -> Error {
        let path = self.path(file);
        Error::new(
            Code::SnapshotGone,
            format!(
                "data file '{path}' of table {} is gone: PURGE or VACUUM took it; run the statement again or read a newer version",
                self.name
            ),
        )
    }
}

/// The data files of a warehouse as one reader wants them; what is known of those read lately is shared by all.
#[derive(Debug, Clone)]
pub(crate) struct DataFiles {
    shared: Arc<Shared>,
    verify: Verify,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    /// The key says whether the page index is in it.
    footers: Cache<(FileId, bool), Arc<ParquetMetaData>, Weights>,
    /// Small files.
    bytes: Cache<FileId, Bytes, Weights>,
    /// Large files that were verified.
    verified: Cache<FileId, ()>,
}

#[derive(Debug, Clone)]
struct Weights;

impl Weighter<(FileId, bool), Arc<ParquetMetaData>> for Weights {
    fn weight(&self, _: &(FileId, bool), footer: &Arc<ParquetMetaData>) -> u64 {
        footer.memory_size() as u64 + 64
    }
}

impl Weighter<FileId, Bytes> for Weights {
    fn weight(&self, _: &FileId, bytes: &Bytes) -> u64 {
        bytes.len() as u64 + 64
    }
}

impl DataFiles {
    pub(crate) fn new(store: Store) -> Self {
        let shared = Shared {
            store,
            footers: Cache::with_weighter(4096, FOOTER_CACHE, Weights),
            bytes: Cache::with_weighter(63, BYTES_CACHE, Weights),
            verified: Cache::new(VERIFIED),
        };
        Self { shared: Arc::new(shared), verify: Verify::default() }
    }

    /// The same files for a reader who wants these verified.
    pub(crate) fn verifying(&self, verify: Verify) -> Arc<Self> {
        Arc::new(Self { shared: Arc::clone(&self.shared), verify })
    }

    /// The store that they lie in.
    pub(crate) fn store(&self) -> &Store {
        &self.shared.store
    }

    /// The footer, with the page index where it is at hand or asked for. One request for a file not seen before.
    pub(crate) async fn footer(
        &self,
        source: &FileSource,
        file: &DataFile,
        page_index: bool,
    ) -> Result<Arc<ParquetMetaData>> {
        let with_index = page_index || is_small(file);
        let load = async {
            let footer = if is_small(file) {
                let bytes = self.whole(source, file).await?;
                let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
                parsed(|| reader.parse_and_finish(&bytes))
            } else if with_index {
                let footer = Box::pin(self.footer(source, file, false)).await?;
                let mut reader = ParquetMetaDataReader::new_with_metadata(footer.as_ref().clone())
                    .with_page_index_policy(PageIndexPolicy::Optional);
                match reader.load_page_index(Fetch { files: self, source, file }).await {
                    Ok(()) => reader.finish(),
                    Err(error) => Err(error),
                }
            } else {
                let tail = self.range(source, file, file.size.saturating_sub(file.footer)..file.size).await?;
                let mut reader = ParquetMetaDataReader::new();
                parsed(|| reader.try_parse_sized(&tail, file.size).and_then(|()| reader.finish()))
            };
            let footer = footer.map_err(|error| {
                ours(error).unwrap_or_else(|error| source.corrupt(file, format!("its footer does not parse: {error}")))
            })?;
            check(&footer, file).map_err(|what| source.corrupt(file, what))?;
            Ok(Arc::new(footer))
        };
        self.shared.footers.get_or_insert_async(&(file.id, with_index), Box::pin(load)).await
    }

    /// All bytes of a small file, verified.
    async fn whole(&self, source: &FileSource, file: &DataFile) -> Result<Bytes> {
        let load = async {
            let bytes = self.shared.store.read_up_to(&source.path(file), SMALL_FILE).await;
            let bytes = bytes.map_err(|error| source.named(file, error))?.ok_or_else(|| source.gone(file))?;
            if bytes.len() as u64 != file.size {
                return Err(
                    source.corrupt(file, format!("it has {} bytes and the log says {}", bytes.len(), file.size))
                );
            }
            if Digest::of(&bytes) != file.digest {
                return Err(source.corrupt(file, "its bytes do not match the digest in the log"));
            }
            Ok(bytes)
        };
        self.shared.bytes.get_or_insert_async(&file.id, load).await
    }

    async fn range(&self, source: &FileSource, file: &DataFile, range: Range<u64>) -> Result<Bytes> {
        if is_small(file) {
            let bytes = self.whole(source, file).await?;
            return slice(&bytes, 0, &range).ok_or_else(|| source.corrupt(file, format!("it has no bytes {range:?}")));
        }
        if !self.trusts(file) {
            Box::pin(self.ensure_verified(source, file)).await?;
        }
        self.fetch(source, file, range).await
    }

    async fn fetch(&self, source: &FileSource, file: &DataFile, range: Range<u64>) -> Result<Bytes> {
        let fetched = self.shared.store.read_range(&source.path(file), range).await;
        fetched.map_err(|error| source.named(file, error))
    }

    /// Compares a large file with its digest, once, where this reader wants that.
    async fn ensure_verified(&self, source: &FileSource, file: &DataFile) -> Result<()> {
        if self.trusts(file) {
            return Ok(());
        }
        let load = async {
            let mut digester = Digester::new();
            let mut start = 0;
            while start < file.size {
                let end = file.size.min(start + CHUNK);
                digester.write(&self.fetch(source, file, start..end).await?);
                start = end;
            }
            match digester.finish() == file.digest {
                true => Ok(()),
                false => Err(source.corrupt(file, "its bytes do not match the digest in the log")),
            }
        };
        self.shared.verified.get_or_insert_async(&file.id, load).await
    }

    /// Whether nothing more needs to be verified of a file, but what comes with reading it.
    fn trusts(&self, file: &DataFile) -> bool {
        self.verify == Verify::Small || is_small(file) || self.shared.verified.get(&file.id).is_some()
    }

    /// Whether what somebody else found out of the files is as good as if this reader had read them.
    pub(crate) fn trusts_all(&self, group: &MergeGroup) -> bool {
        group.files().iter().all(|entry| self.trusts(&entry.file))
    }

    /// Verifies what this reader wants verified of the files, before it uses what another one found out of them.
    pub(crate) async fn ensure_all_verified(&self, group: &MergeGroup) -> Result<()> {
        for entry in group.files() {
            self.ensure_verified(&group.source, &entry.file).await?;
        }
        Ok(())
    }

    /// The bytes of several ranges; neighbours of a large file come in one request.
    async fn ranges(&self, source: &FileSource, file: &DataFile, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let merged = coalesce(ranges);
        let fetched = try_join_all(merged.iter().map(|range| self.range(source, file, range.clone()))).await?;
        let find = |range: &Range<u64>| {
            let at = merged.partition_point(|merged| merged.start <= range.start).checked_sub(1)?;
            slice(fetched.get(at)?, merged.get(at)?.start, range)
        };
        ranges
            .iter()
            .map(|range| find(range).ok_or_else(|| Error::internal(format!("bytes {range:?} were not fetched"))))
            .collect()
    }
}

/// Reads one data file for the Parquet decoder.
#[derive(Debug)]
pub(crate) struct DataReader {
    pub(crate) files: Arc<DataFiles>,
    pub(crate) source: FileSource,
    pub(crate) file: Arc<DataFile>,
    /// Whether the page index is wanted with the footer.
    pub(crate) page_index: bool,
}

impl AsyncFileReader for DataReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move { self.files.range(&self.source, &self.file, range).await.map_err(theirs) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move { self.files.ranges(&self.source, &self.file, &ranges).await.map_err(theirs) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move { self.files.footer(&self.source, &self.file, self.page_index).await.map_err(theirs) }.boxed()
    }
}

struct Fetch<'a> {
    files: &'a DataFiles,
    source: &'a FileSource,
    file: &'a DataFile,
}

impl MetadataFetch for Fetch<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move { self.files.range(self.source, self.file, range).await.map_err(theirs) }.boxed()
    }
}

/// The position of a table's column among the root fields of a file; none where the file lacks it.
pub(crate) fn root_of(fields: &[TypePtr], file: &DataFile, column: ColumnId) -> Option<usize> {
    let wanted = if column.0 == TOMBSTONE_ID { column } else { file.field_id(column)? };
    fields.iter().position(|field| field_id(field) == Some(wanted.0))
}

/// The id of a column in a Parquet file.
fn field_id(field: &Type) -> Option<i32> {
    let info = field.get_basic_info();
    info.has_id().then(|| info.id())
}

/// What the log says of the row groups must hold, or row numbers would mean other rows; and a file without ids could
/// lend the values of one column to another.
fn check(footer: &ParquetMetaData, file: &DataFile) -> Result<(), String> {
    let found = footer.row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(u64::MAX));
    if !found.clone().eq(file.row_groups.iter().map(|group| group.rows)) {
        return Err(format!("its row groups have {:?} rows and the log says otherwise", found.collect::<Vec<_>>()));
    }
    // The decoder takes these for granted.
    let within = |from: i64, bytes: i64| {
        let (Ok(from), Ok(bytes)) = (u64::try_from(from), u64::try_from(bytes)) else { return false };
        from.checked_add(bytes).is_some_and(|end| end <= file.size)
    };
    for chunk in footer.row_groups().iter().flat_map(|group| group.columns()) {
        let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        if !within(start, chunk.compressed_size()) || !within(chunk.data_page_offset(), 0) {
            return Err(format!("its column {} does not lie within it", chunk.column_path()));
        }
        if chunk.uncompressed_size() < 0 || chunk.num_values() < 0 {
            return Err(format!("its column {} has a negative size", chunk.column_path()));
        }
    }
    let fields = footer.file_metadata().schema_descr().root_schema().get_fields();
    match fields.iter().find(|field| field_id(field).is_none()) {
        Some(field) => Err(format!("its column {:?} has no id", field.name())),
        None => Ok(()),
    }
}

/// What a parser gives; a panic of it is a file that does not parse.
fn parsed<T>(parse: impl FnOnce() -> parquet::errors::Result<T>) -> parquet::errors::Result<T> {
    guarded(parse).unwrap_or_else(|panic| Err(ParquetError::General(panic)))
}

fn is_small(file: &DataFile) -> bool {
    file.size <= SMALL_FILE
}

fn slice(bytes: &Bytes, start: u64, range: &Range<u64>) -> Option<Bytes> {
    let from = usize::try_from(range.start.checked_sub(start)?).ok()?;
    let to = usize::try_from(range.end.checked_sub(start)?).ok()?;
    (from <= to && to <= bytes.len()).then(|| bytes.slice(from..to))
}

fn coalesce(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match merged.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(COALESCE) => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// Our error in the clothes of the Parquet crate; `Error::find` gets it back.
pub(crate) fn theirs(error: Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

/// The error of ours that the Parquet crate passed on, or what it says itself.
pub(crate) fn ours(error: ParquetError) -> Result<Error, ParquetError> {
    match error {
        ParquetError::External(inner) => inner.downcast::<Error>().map(|ours| *ours).map_err(ParquetError::External),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_fetched_together() {
        let far = COALESCE * 3;
        let ranges = [far..far + 10, 0..10, 5..20, 30..40];
        assert_eq!(coalesce(&ranges), [0..40, far..far + 10]);
        assert_eq!(slice(&Bytes::from_static(b"abcdef"), 10, &(11..13)), Some(Bytes::from_static(b"bc")));
        assert_eq!(slice(&Bytes::from_static(b"abcdef"), 10, &(9..13)), None);
        assert_eq!(slice(&Bytes::from_static(b"abcdef"), 10, &(11..17)), None);
    }
}
