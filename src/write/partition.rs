//! Sorted rows into files: a new one at each partition, and within a partition where one has grown large.
//!
//! One file is open at a time, however many partitions there are; small files are put beside the work, a few at once.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{filter_record_batch, not, partition};
use datafusion::common::runtime::JoinSet;
use datafusion::common::{DataFusionError, Result};

use super::file::{Complete, OpenFile, Place, Rest};
use super::shape::{Shape, columns_at};
use super::{KindOf, WrittenFile};
use crate::error::Error;
use crate::store::Path;
use crate::table::{FileKind, PartitionValues, text::to_text};

/// How many small files are being put at a time.
const PUTS: usize = 8;

/// The files of one write.
pub(super) struct Files {
    place: Place,
    shape: Arc<Shape>,
    kind: KindOf,
    buckets: u64,
    current: Option<Current>,
    puts: JoinSet<Result<()>>,
    files: Vec<WrittenFile>,
    partitions: Vec<PartitionValues>,
    /// Every path that there may be an object under.
    paths: Vec<Path>,
}

struct Current {
    values: PartitionValues,
    kind: FileKind,
    /// Files that are complete.
    count: u64,
    open: Option<OpenFile>,
}

impl Files {
    /// No files yet.
    pub(super) fn new(place: Place, shape: Arc<Shape>, kind: KindOf, buckets: u64) -> Self {
        Self {
            place,
            shape,
            kind,
            buckets: buckets.max(1),
            current: None,
            puts: JoinSet::new(),
            files: vec![],
            partitions: vec![],
            paths: vec![],
        }
    }

    /// Writes the next rows.
    pub(super) async fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let columns = columns_at(batch, &self.shape.partitions);
        if columns.is_empty() {
            return self.push_to(PartitionValues::default(), batch).await;
        }
        for range in partition(&columns)?.ranges() {
            let values = columns
                .iter()
                .map(|column| {
                    to_text(column, range.start).ok_or_else(|| Error::internal("a partition value has no text"))
                })
                .collect::<Result<_, _>>()?;
            self.push_to(PartitionValues(values), &batch.slice(range.start, range.len())).await?;
        }
        Ok(())
    }

    async fn push_to(&mut self, values: PartitionValues, rows: &RecordBatch) -> Result<()> {
        if self.current.as_ref().is_none_or(|current| current.values != values) {
            self.close().await?;
            let kind = (self.kind)(&values);
            self.partitions.push(values.clone());
            self.current = Some(Current { values, kind, count: 0, open: None });
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        // A base file has nothing to remove anything from.
        let living = match (current.kind, self.shape.tombstones(rows)) {
            (FileKind::Base, Some(marks)) if marks.true_count() > 0 => Some(filter_record_batch(rows, &not(marks)?)?),
            _ => None,
        };
        let rows = living.as_ref().unwrap_or(rows);
        if rows.num_rows() == 0 {
            return Ok(());
        }
        if current.open.is_none() {
            let open = OpenFile::create(&self.place, current.kind)?;
            self.paths.push(open.path().clone());
            current.open = Some(open);
        }
        let Some(open) = &mut current.open else { return Ok(()) };
        let columns: Vec<ArrayRef> =
            rows.columns().iter().take(self.shape.table.columns.len()).map(Arc::clone).collect();
        open.write(&self.place, &columns, self.shape.tombstones(rows)).await?;
        if open.size() < target(self.place.limits.file_bytes, current.count, self.buckets) {
            return Ok(());
        }
        let Some(open) = current.open.take() else { return Ok(()) };
        current.count += 1;
        let values = current.values.clone();
        self.complete(values, open).await
    }

    async fn close(&mut self) -> Result<()> {
        match self.current.take() {
            Some(Current { values, open: Some(open), .. }) => self.complete(values, open).await,
            _ => Ok(()),
        }
    }

    async fn complete(&mut self, values: PartitionValues, open: OpenFile) -> Result<()> {
        let Complete { file, begun, rest } = open.finish(&self.place).await?;
        self.files.push(WrittenFile { values, file, begun });
        let Some(Rest { path, bytes, .. }) = &rest else { return Ok(()) };
        let (store, path, bytes) = (self.place.store.clone(), path.clone(), bytes.clone());
        self.puts.spawn(async move {
            // The memory stays reserved until the store has the bytes.
            let _rest = rest;
            Ok(store.put_new(&path, bytes).await?)
        });
        while self.puts.len() >= PUTS {
            self.settle_one().await?;
        }
        Ok(())
    }

    async fn settle_one(&mut self) -> Result<bool> {
        match self.puts.join_next().await {
            None => Ok(false),
            Some(Ok(outcome)) => outcome.map(|()| true),
            Some(Err(error)) => Err(DataFusionError::from(Error::internal(format!("a put ended early: {error}")))),
        }
    }

    /// Completes the last file and waits until the store has all of them.
    pub(super) async fn finish(&mut self) -> Result<(Vec<WrittenFile>, Vec<PartitionValues>)> {
        self.close().await?;
        while self.settle_one().await? {}
        Ok((std::mem::take(&mut self.files), std::mem::take(&mut self.partitions)))
    }

    /// Gives up: deletes, as far as the store lets us, what nothing refers to or ever will.
    pub(super) async fn abandon(mut self) {
        self.puts.shutdown().await;
        if let Some(Current { open: Some(open), .. }) = self.current.take() {
            open.abort().await;
        }
        super::delete(&self.place.store, &self.paths).await;
    }
}

/// How large the next file may grow: later files of one partition more and more, so that there are at most `buckets`.
fn target(bytes: u64, complete: u64, buckets: u64) -> u64 {
    if complete + 1 >= buckets {
        return u64::MAX;
    }
    let doublings = (complete + 1).saturating_sub(buckets / 2).min(24);
    bytes.saturating_mul(1 << doublings)
}
