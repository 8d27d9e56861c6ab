//! Gives DataFusion's Parquet scan our files: from our store, verified, with footers that are parsed once.
//!
//! So a scan needs no object store in the session, also where the session is another library's.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::ParquetFileMetrics;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::future::{BoxFuture, FutureExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::file::metadata::ParquetMetaData;

use super::source::Piece;
use crate::merge::{DataFiles, DataReader};

/// Makes the readers of one scan.
#[derive(Debug)]
pub(crate) struct ReaderFactory {
    pub(crate) files: Arc<DataFiles>,
    /// Whether a filter can use the page index.
    pub(crate) page_index: bool,
}

impl ParquetFileReaderFactory for ReaderFactory {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        _: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let piece = Piece::of(&file)?;
        let reader = DataReader {
            files: Arc::clone(&self.files),
            source: piece.group.source.clone(),
            file: Arc::clone(&piece.entry.file),
            page_index: self.page_index,
        };
        let metrics = ParquetFileMetrics::new(partition, file.object_meta.location.as_ref(), metrics);
        Ok(Box::new(Counted { reader, metrics }))
    }
}

/// Counts the bytes that the scan takes.
struct Counted {
    reader: DataReader,
    metrics: ParquetFileMetrics,
}

impl AsyncFileReader for Counted {
    fn get_bytes(&mut self, range: std::ops::Range<u64>) -> BoxFuture<'_, parquet::errors::Result<bytes::Bytes>> {
        self.metrics.bytes_scanned.add(usize::try_from(range.end - range.start).unwrap_or_default());
        self.reader.get_bytes(range)
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<std::ops::Range<u64>>,
    ) -> BoxFuture<'_, parquet::errors::Result<Vec<bytes::Bytes>>> {
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        self.metrics.bytes_scanned.add(usize::try_from(bytes).unwrap_or_default());
        self.reader.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        self.reader.get_metadata(options).boxed()
    }
}
