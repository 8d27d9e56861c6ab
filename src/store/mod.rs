//! L0, bytes: the only code that talks to an object store.
//!
//! It keeps invariant 1 (objects are never overwritten) by offering no way to do so, and tells exactly what is known of
//! a put: done, refused, or unclear. It must not know what the bytes mean.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::buffered::BufWriter;
use object_store::{Error as StoreError, GetOptions, GetRange, ObjectStoreExt, PutMode, PutOptions};
use tokio::sync::OnceCell;

pub use object_store::path::Path;
pub use object_store::{ObjectMeta, ObjectStore};

use crate::error::{Code, Error, Result};

pub mod clock;
mod cloud;
pub mod digest;
mod failure;
mod hex;
pub mod id;
pub mod ids;
pub mod layout;
pub mod local;
mod open;
pub mod probe;
#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
mod quiet;
#[doc(hidden)]
pub mod testing;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use digest::{Digest, Digester};
pub use id::{CommitId, FileId, PartitionId, TableId};
pub use ids::{Ids, RandomIds, SeededIds};
pub use local::{Durability, DurableLocalStore};

use failure::{Secrets, store_failure};
use testing::Bug;

/// A warehouse's place in an object store, with the clock and the ids that go with it. Clones are cheap and share it.
///
/// Every path given to its functions is relative to the root of the warehouse; see [`layout`].
#[derive(Clone)]
pub struct Store {
    data: Arc<dyn ObjectStore>,
    /// Where commits are put: the same place, but without retries hidden in the client, which would turn a lost answer
    /// into `Occupied` by ourselves.
    log: Arc<dyn ObjectStore>,
    local: Option<Arc<DurableLocalStore>>,
    place: Arc<Place>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    safe: Arc<OnceCell<()>>,
}

#[derive(Clone)]
struct Place {
    root: Path,
    name: String,
    url: String,
    secrets: Secrets,
}

/// A put-if-absent was done: the object is there, and it is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created;

/// Why a put-if-absent did not answer that it was done.
#[derive(Debug)]
pub enum PutError {
    /// The store says that the object exists. It may be our own, put by an attempt whose answer got lost, or there may be
    /// none, where the store only refused two requests at the same time: read it back.
    Occupied(Error),
    /// Certainly nothing was stored, for example because the disk is full.
    NotStored(Error),
    /// The object may be stored now, or even later, or never: read it back.
    Unsure(Error),
    /// The object may be seen, but the disk failed to persist it: it may be gone after a power loss. Where it is read
    /// back it proves that nobody else has the name, and nothing more.
    NotDurable(Error),
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Occupied(error) => write!(f, "the object exists already: {error}"),
            Self::NotStored(error) => write!(f, "nothing was stored: {error}"),
            Self::Unsure(error) => write!(f, "the object may or may not be stored: {error}"),
            Self::NotDurable(error) => write!(f, "the object may not survive a power loss: {error}"),
        }
    }
}

impl std::error::Error for PutError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Occupied(error) | Self::NotStored(error) | Self::Unsure(error) | Self::NotDurable(error) => {
                Some(error)
            }
        }
    }
}

/// How often an object is put that the store says to have but has not, and the pause after the first time.
const PUT_TRIES: u32 = 4;
const PUT_PAUSE: Duration = Duration::from_millis(10);

/// Construction.
impl Store {
    /// A warehouse under `root` in the given object store. Puts of commits go there too, see [`Self::with_log_store`].
    pub fn new(store: Arc<dyn ObjectStore>, root: Path) -> Self {
        // The store's own text may hold a URL with user information.
        let name = failure::redact(&format!("{store}/{root}"));
        Self::at(store, root, name, Secrets::of(&[]))
    }

    fn at(store: Arc<dyn ObjectStore>, root: Path, name: String, secrets: Secrets) -> Self {
        let url = fresh_url(&name);
        Self {
            log: Arc::clone(&store),
            data: store,
            local: None,
            place: Arc::new(Place { root, name, url, secrets }),
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            safe: Arc::default(),
        }
    }

    /// Tells the time by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes fresh ids from elsewhere.
    #[must_use]
    pub fn with_ids(mut self, ids: Arc<dyn Ids>) -> Self {
        self.ids = ids;
        self
    }

    /// Puts commits through another client of the same place, one that never retries by itself.
    #[must_use]
    pub fn with_log_store(mut self, log: Arc<dyn ObjectStore>) -> Self {
        self.log = log;
        self.safe = Arc::default();
        self
    }

    /// Registers under another URL in DataFusion, for a process that reads plans of another process.
    #[must_use]
    pub fn with_store_url(mut self, url: impl Into<String>) -> Self {
        self.place = Arc::new(Place { url: url.into(), ..self.place.as_ref().clone() });
        self
    }
}

/// Parts.
impl Store {
    /// What messages call the place; without credentials.
    pub fn name(&self) -> &str {
        &self.place.name
    }

    /// The URL, of this process only, under which the object store is to be registered in a DataFusion runtime.
    /// Its objects are named by [`Self::full_path`].
    pub fn store_url(&self) -> &str {
        &self.place.url
    }

    /// The object store that holds the data files, for readers and writers of Parquet.
    pub fn data_store(&self) -> &Arc<dyn ObjectStore> {
        &self.data
    }

    /// The root of the warehouse in the object store.
    pub fn root(&self) -> &Path {
        &self.place.root
    }

    /// The path in the object store of a path in the warehouse.
    pub fn full_path(&self, path: &Path) -> Path {
        self.place.root.parts().chain(path.parts()).collect()
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The present moment by the clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The source of fresh ids.
    pub fn ids(&self) -> &Arc<dyn Ids> {
        &self.ids
    }
}

/// Writing.
impl Store {
    /// Probes, once per store, that put-if-absent works; every writer calls it before its first write.
    pub async fn ensure_safe(&self) -> Result<()> {
        self.safe.get_or_try_init(|| probe::probe(self)).await.copied()
    }

    /// Puts an object unless there is one of that name, without any retry. This is how commits are written.
    pub async fn create(&self, path: &Path, body: Bytes) -> Result<Created, PutError> {
        let mode = if Bug::OverwritingCommit.is_on() { PutMode::Overwrite } else { PutMode::Create };
        let options = PutOptions { mode, ..PutOptions::default() };
        let Err(error) = self.log.put_opts(&self.full_path(path), body.into(), options).await else {
            return Ok(Created);
        };
        let ours = self.failure("create", path, &error);
        match error {
            StoreError::Precondition { .. } if Bug::PreconditionAsFatal.is_on() => {
                return Err(PutError::NotStored(ours));
            }
            StoreError::AlreadyExists { .. } | StoreError::Precondition { .. } => return Err(PutError::Occupied(ours)),
            _ => {}
        }
        let nothing_sent = matches!(error, StoreError::NotImplemented { .. } | StoreError::NotSupported { .. });
        if nothing_sent || local::is_not_stored(&error) {
            Err(PutError::NotStored(ours))
        } else if local::is_not_durable(&error) {
            Err(PutError::NotDurable(ours))
        } else {
            Err(PutError::Unsure(ours))
        }
    }

    /// Puts a new object of which nobody else knows the name, in one request that the client may repeat. Succeeds also if
    /// an object with exactly these bytes is there, because a repeated request finds its own object.
    pub async fn put_new(&self, path: &Path, body: Bytes) -> Result<()> {
        for attempt in 1..=PUT_TRIES {
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            let error = match self.data.put_opts(&self.full_path(path), body.clone().into(), options).await {
                Ok(_) => return Ok(()),
                Err(error @ (StoreError::AlreadyExists { .. } | StoreError::Precondition { .. })) => error,
                Err(error) => return Err(self.failure("create", path, &error)),
            };
            match self.read(path).await? {
                Some(found) if found == body => return Ok(()),
                Some(_) => return Err(self.failure("create", path, &error)),
                // S3 answers 409 also while another request for the object is under way, and stores nothing then.
                None => self.clock.sleep(PUT_PAUSE * attempt).await,
            }
        }
        let message =
            format!("{} says that '{path}' exists but doesn't have it: nothing was stored, try again", self.name());
        Err(Error::new(Code::StoreUnavailable, message))
    }

    /// A writer for a data file too large for one request, in parts of so many bytes. The object appears when the writer is
    /// shut down. The name must be fresh: not every store refuses an existing one here.
    pub fn writer(&self, path: &Path, part: usize) -> BufWriter {
        BufWriter::with_capacity(Arc::clone(&self.data), self.full_path(path), part)
    }

    /// Deletes an object; a missing one is fine. For the sweep only, which knows that nothing refers to the object.
    pub async fn delete(&self, path: &Path) -> Result<()> {
        match self.data.delete(&self.full_path(path)).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failure("delete", path, &error)),
        }
    }

    /// Deletes what crashed writers left under the folder on a local disk and wasn't written to since `before`, and
    /// counts it. Other stores clean up unfinished uploads by themselves. For the sweep only.
    pub async fn sweep_left_overs(&self, folder: &Path, before: Timestamp) -> Result<u64> {
        let Some(local) = &self.local else { return Ok(0) };
        local
            .sweep_left_overs(&self.full_path(folder), before)
            .await
            .map_err(|error| self.failure("sweep", folder, &error))
    }
}

/// Reading.
impl Store {
    /// The whole object, if it exists.
    pub async fn read(&self, path: &Path) -> Result<Option<Bytes>> {
        let result = async { self.data.get(&self.full_path(path)).await?.bytes().await };
        match result.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failure("read", path, &error)),
        }
    }

    /// The whole object, if it exists; one of more than `limit` bytes is [`Code::Corrupt`], and isn't read.
    pub(crate) async fn read_up_to(&self, path: &Path, limit: u64) -> Result<Option<Bytes>> {
        let found = match self.data.get(&self.full_path(path)).await {
            Ok(found) if found.meta.size > limit => {
                let message = format!(
                    "'{path}' in {} has {} bytes, and {limit} are the most it can have: it is damaged, restore it from elsewhere",
                    self.name(),
                    found.meta.size
                );
                return Err(Error::new(Code::Corrupt, message));
            }
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        match found {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failure("read", path, &error)),
        }
    }

    /// The bytes of a range of an object that is known to exist, all of them.
    pub async fn read_range(&self, path: &Path, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        let result = async { self.data.get_opts(&self.full_path(path), options).await?.bytes().await };
        let bytes = result.await.map_err(|error| match error {
            StoreError::NotFound { .. } => Error::new(
                Code::SnapshotGone,
                format!("'{path}' is gone from {}: it was purged or vacuumed; read a newer version", self.name()),
            ),
            error => self.failure("read", path, &error),
        })?;
        if bytes.len() as u64 != range.end - range.start {
            let message = format!(
                "'{path}' in {} ends at byte {}, but bytes up to {} are needed: it is damaged, restore it from elsewhere",
                self.name(),
                range.start + bytes.len() as u64,
                range.end
            );
            return Err(Error::new(Code::Corrupt, message));
        }
        Ok(bytes)
    }

    /// The size of the object, if it exists.
    pub async fn size(&self, path: &Path) -> Result<Option<u64>> {
        match self.data.head(&self.full_path(path)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failure("look up", path, &error)),
        }
    }

    /// Every object below the folder, sorted by path, with paths relative to the warehouse. Complete or an error.
    pub async fn list(&self, folder: &Path) -> Result<Vec<ObjectMeta>> {
        let listed = self.data.list(Some(&self.full_path(folder))).try_collect().await;
        self.listed(folder, listed)
    }

    /// Like [`Self::list`], but only objects whose path is greater than `after`.
    pub async fn list_after(&self, folder: &Path, after: &Path) -> Result<Vec<ObjectMeta>> {
        let after = self.full_path(after);
        let listed = self.data.list_with_offset(Some(&self.full_path(folder)), &after).try_collect().await;
        self.listed(folder, listed)
    }

    fn listed(&self, folder: &Path, listed: object_store::Result<Vec<ObjectMeta>>) -> Result<Vec<ObjectMeta>> {
        let mut metas = listed.map_err(|error| self.failure("list", folder, &error))?;
        for meta in &mut metas {
            let relative: Option<Path> = meta.location.prefix_match(&self.place.root).map(Iterator::collect);
            meta.location = relative.ok_or_else(|| {
                let message = format!("{} listed '{}', which lies outside '{folder}'", self.name(), meta.location);
                Error::new(Code::StoreUnavailable, message)
            })?;
        }
        metas.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        Ok(metas)
    }

    pub(crate) fn failure(&self, operation: &str, path: &Path, error: &StoreError) -> Error {
        store_failure(self.name(), &self.place.secrets, operation, path.as_ref(), error)
    }
}

/// Credentials may be anywhere in a client, so it is not printed.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("name", &self.place.name).field("url", &self.place.url).finish_non_exhaustive()
    }
}

/// A URL that no other store of this process has, so that two stores never share a registration by mistake.
fn fresh_url(name: &str) -> String {
    static MADE: AtomicU64 = AtomicU64::new(1);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let place = Digest::of(name.as_bytes()).as_u128() >> 64;
    format!("timetravel://{place:016x}-{number}/")
}

#[cfg(test)]
mod tests;
