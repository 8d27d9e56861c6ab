//! A local disk as an object store that keeps what it acknowledged through a power loss (invariant 14).
//!
//! A new object is written to a temporary file, fsynced, linked to its name, and the folder fsynced, before the answer.
//! Objects are whole or absent, also for other processes. `object_store`'s own local store never fsyncs.

use std::fmt;
use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyMode, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::store::clock::Timestamp;

mod disk;
mod failure;
mod list;
mod read;
mod upload;
mod watch;

use disk::Disk;
pub use failure::OutcomeUnknown;
pub(crate) use failure::{advice, is_not_durable, is_not_stored};
#[doc(hidden)]
pub use watch::{DiskStep, DiskWatch};

/// What an answer promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// What was answered survives a power loss.
    #[default]
    Full,
    /// What was answered survives the end of the process only. For tests.
    Relaxed,
}

/// An object store on the local disk, see the module. Clones share it.
#[derive(Debug, Clone)]
pub struct DurableLocalStore {
    disk: Arc<Disk>,
}

impl DurableLocalStore {
    /// A store below a folder, which need not exist: it comes into being with the first object. Symbolic links in the
    /// folder's own path are resolved now; those below it must not lead out of it.
    pub fn new(root: impl AsRef<FsPath>, durability: Durability) -> std::io::Result<Self> {
        let root = disk::resolve_root(root.as_ref())?;
        Ok(Self { disk: Arc::new(Disk::new(root, durability, None)) })
    }

    /// The same, each step on the disk shown to the watch before it is done. For tests.
    #[doc(hidden)]
    pub fn watched(root: impl AsRef<FsPath>, durability: Durability, watch: DiskWatch) -> std::io::Result<Self> {
        let root = disk::resolve_root(root.as_ref())?;
        Ok(Self { disk: Arc::new(Disk::new(root, durability, Some(watch))) })
    }

    /// The folder, absolute and without symbolic links.
    pub fn root(&self) -> &FsPath {
        self.disk.root()
    }

    /// The temporary files that crashed writers left below the folder and that nobody wrote to since `before`. Listings
    /// hide them.
    pub async fn left_overs(&self, folder: &Path, before: Timestamp) -> Result<Vec<PathBuf>> {
        let folder = folder.clone();
        self.blocking(move |disk| list::left_overs(disk, &folder, before)).await
    }

    /// Deletes the [`Self::left_overs`] and counts them.
    pub async fn sweep_left_overs(&self, folder: &Path, before: Timestamp) -> Result<u64> {
        let folder = folder.clone();
        self.blocking(move |disk| {
            let mut count = 0;
            for path in list::left_overs(disk, &folder, before)? {
                match std::fs::remove_file(&path) {
                    Ok(()) => count += 1,
                    // Its writer was only slow, or another sweep was quicker.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(failure::io("delete", &path, error)),
                }
            }
            Ok(count)
        })
        .await
    }

    async fn blocking<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Disk) -> Result<T> + Send + 'static,
    {
        let disk = Arc::clone(&self.disk);
        blocking(move || work(&disk)).await
    }

    fn refuse_attributes(&self, attributes: &Attributes) -> Result<()> {
        if attributes.is_empty() { Ok(()) } else { Err(self.not_implemented("attributes of objects")) }
    }

    fn not_implemented(&self, operation: &str) -> Error {
        Error::NotImplemented { operation: operation.to_owned(), implementer: self.to_string() }
    }
}

/// Runs blocking work off the async threads. It runs to its end even if the caller stops waiting, so that a cancelled
/// statement can't leave a half-made object.
async fn blocking<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(work).await?,
        Err(_) => work(),
    }
}

impl fmt::Display for DurableLocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DurableLocalStore({})", self.root().display())
    }
}

#[async_trait]
impl ObjectStore for DurableLocalStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.refuse_attributes(&opts.attributes)?;
        let publish = match opts.mode {
            PutMode::Create => disk::Publish::New,
            PutMode::Overwrite => disk::Publish::Replace,
            PutMode::Update(_) => return Err(self.not_implemented("`PutMode::Update`")),
        };
        let path = self.disk.file_path(location)?;
        self.blocking(move |disk| {
            let mut staged = disk.stage(&path)?;
            staged.write(disk, 0, &payload).map_err(|error| failure::not_stored("write", &path, error))?;
            staged.publish(disk, &path, publish)
        })
        .await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.refuse_attributes(&opts.attributes)?;
        let path = self.disk.file_path(location)?;
        let destination = path.clone();
        let staged = self.blocking(move |disk| disk.stage(&destination)).await?;
        Ok(Box::new(upload::LocalUpload::new(Arc::clone(&self.disk), path, staged)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let location = location.clone();
        self.blocking(move |disk| read::open(disk, location, options)).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (location, ranges) = (location.clone(), ranges.to_vec());
        self.blocking(move |disk| read::ranges(disk, &location, &ranges)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .map(move |location| {
                let store = store.clone();
                async move {
                    let location = location?;
                    let path = store.disk.file_path(&location)?;
                    store.blocking(move |disk| disk.remove(&path)).await?;
                    Ok(location)
                }
            })
            .buffered(8)
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_from(prefix, None)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_from(prefix, Some(offset.clone()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.cloned().unwrap_or_default();
        self.blocking(move |disk| list::one_level(disk, &prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let publish = match options.mode {
            CopyMode::Create => disk::Publish::New,
            CopyMode::Overwrite => disk::Publish::Replace,
        };
        let (from, to) = (self.disk.file_path(from)?, self.disk.file_path(to)?);
        self.blocking(move |disk| disk.copy(&from, &to, publish)).await
    }
}

impl DurableLocalStore {
    fn list_from(&self, prefix: Option<&Path>, after: Option<Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let store = self.clone();
        let prefix = prefix.cloned().unwrap_or_default();
        futures::stream::once(async move {
            let metas = store.blocking(move |disk| list::all(disk, &prefix, after.as_ref())).await?;
            Ok::<_, Error>(futures::stream::iter(metas.into_iter().map(Ok)))
        })
        .try_flatten()
        .boxed()
    }
}

#[cfg(test)]
mod tests;
