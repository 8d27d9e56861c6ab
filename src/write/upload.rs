//! Bytes of one data file on their way to the store.
//!
//! A small file is exactly one put, which the caller may run beside other work; a large one goes in parts while it is
//! being written. What is waiting is reserved in DataFusion's memory pool. Knows nothing of Parquet.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use object_store::buffered::BufWriter;
use tokio::io::AsyncWriteExt;

use crate::error::{Code, Error};
use crate::store::{Digest, Digester, Path, Store};

/// The bytes of a part: what the store's writer collects before it sends them. No store takes smaller ones than the last,
/// which is for where memory is short: a file may have 10,000 parts.
const PARTS: [usize; 2] = [10 << 20, 5 << 20];

/// Where a Parquet writer writes: it keeps the bytes until they are taken, and their digest.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Vec<u8>,
    digest: Digester,
    size: u64,
    tail: [u8; 8],
}

impl Outbox {
    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The bytes that wait, which then do no more.
    pub(super) fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.waiting).into()
    }

    /// All bytes ever written.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The digest of all bytes.
    pub(super) fn digest(&self) -> Digest {
        self.digest.finish()
    }

    /// The length of the Parquet footer, its own length and the magic included; right once the file is complete.
    pub(super) fn footer(&self) -> u64 {
        let [a, b, c, d, ..] = self.tail;
        u64::from(u32::from_le_bytes([a, b, c, d])) + 8
    }
}

impl Write for Outbox {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        self.digest.write(bytes);
        self.size += bytes.len() as u64;
        let mut last: Vec<u8> = self.tail.to_vec();
        last.extend_from_slice(bytes.get(bytes.len().saturating_sub(8)..).unwrap_or_default());
        if let Some(tail) = last.last_chunk::<8>() {
            self.tail = *tail;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The upload of a file in parts.
#[derive(Debug)]
pub(super) struct Upload {
    store: Store,
    path: Path,
    parts: BufWriter,
    part: usize,
    _reservation: MemoryReservation,
}

impl Upload {
    /// Begins. As many parts are under way at a time as there is memory for.
    pub(super) fn begin(store: &Store, path: &Path, pool: &Arc<dyn MemoryPool>) -> Result<Self> {
        let reservation = MemoryConsumer::new("timetravel write: upload").register(pool);
        let [large, small] = PARTS;
        let fits = |(part, at_once): &(usize, usize)| reservation.try_grow((at_once + 1) * part).is_ok();
        let (part, at_once) = match [(large, 4), (large, 2), (large, 1)].into_iter().find(fits) {
            Some(choice) => choice,
            None => {
                reservation.try_grow(2 * small)?;
                (small, 1)
            }
        };
        let writer = store.writer(path, part).with_max_concurrency(at_once);
        Ok(Self { store: store.clone(), path: path.clone(), parts: writer, part, _reservation: reservation })
    }

    /// Sends the next bytes.
    pub(super) async fn send(&mut self, mut bytes: Bytes) -> Result<()> {
        // Piece by piece, or all parts would be under way at once.
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(self.part));
            self.parts.put(piece).await.map_err(|error| self.failure(&error))?;
        }
        Ok(())
    }

    /// Completes the object, and makes sure that the store has all of it.
    pub(super) async fn finish(mut self, size: u64) -> Result<()> {
        self.parts.shutdown().await.map_err(|error| self.io_failure(error))?;
        match self.store.size(&self.path).await? {
            Some(stored) if stored == size => Ok(()),
            stored => {
                let stored = stored.map_or("nothing".to_owned(), |bytes| format!("{bytes} bytes"));
                let message =
                    format!("'{}' has {size} bytes, and {} stored {stored}; try again", self.path, self.store.name());
                Err(Error::new(Code::StoreUnavailable, message).into())
            }
        }
    }

    /// Tells the store to forget the parts.
    pub(super) async fn abort(mut self) {
        if let Err(error) = self.parts.abort().await {
            let error = self.failure(&error);
            tracing::warn!(%error, "parts of an unfinished upload stay until the store forgets them");
        }
    }

    fn failure(&self, error: &object_store::Error) -> DataFusionError {
        self.store.failure("write", &self.path, error).into()
    }

    fn io_failure(&self, error: std::io::Error) -> DataFusionError {
        match error.downcast::<object_store::Error>() {
            Ok(error) => self.failure(&error),
            Err(error) => self.failure(&object_store::Error::Generic { store: "upload", source: Box::new(error) }),
        }
    }
}
