//! A store that counts and records every request.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use super::Op;

/// Wraps an object store and records what is asked of it, also what fails. Clones share the record.
#[derive(Clone)]
pub struct CountingStore {
    inner: Arc<dyn ObjectStore>,
    record: Arc<Mutex<Vec<Call>>>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its kind.
    pub op: Op,
    /// The object, or the prefix of a listing.
    pub path: Path,
    /// The bytes that a read returned; none if it was no read, or failed.
    pub range: Option<Range<u64>>,
    /// The bytes sent or returned.
    pub bytes: u64,
}

/// How many requests of each kind there were, and how many bytes they moved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Op, (u64, u64)>);

impl Counts {
    /// Requests of a kind.
    pub fn calls(&self, op: Op) -> u64 {
        self.0.get(&op).map_or(0, |(calls, _)| *calls)
    }

    /// Bytes that requests of a kind moved.
    pub fn bytes(&self, op: Op) -> u64 {
        self.0.get(&op).map_or(0, |(_, bytes)| *bytes)
    }

    /// Requests of all kinds.
    pub fn total(&self) -> u64 {
        self.0.values().map(|(calls, _)| calls).sum()
    }

    /// Requests that change something.
    pub fn writes(&self) -> u64 {
        [Op::Put, Op::Delete, Op::Copy].into_iter().map(|op| self.calls(op)).sum()
    }
}

impl CountingStore {
    /// Wraps a store.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, record: Arc::default() }
    }

    /// The counts since the start or the last reset.
    pub fn snapshot(&self) -> Counts {
        let mut counts = Counts::default();
        for call in self.calls().iter() {
            let (calls, bytes) = counts.0.entry(call.op).or_default();
            *calls += 1;
            *bytes += call.bytes;
        }
        counts
    }

    /// Every request since the start or the last reset, in the order of their answers.
    pub fn trace(&self) -> Vec<Call> {
        self.calls().clone()
    }

    /// Forgets what was recorded.
    pub fn reset(&self) {
        self.calls().clear();
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        lock(&self.record)
    }

    fn list_from(&self, prefix: Option<&Path>, offset: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        note(&self.record, Op::List, &prefix.cloned().unwrap_or_default(), 0);
        match offset {
            Some(offset) => self.inner.list_with_offset(prefix, offset),
            None => self.inner.list(prefix),
        }
    }
}

fn lock(record: &Mutex<Vec<Call>>) -> MutexGuard<'_, Vec<Call>> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(record: &Mutex<Vec<Call>>, op: Op, path: &Path, bytes: u64) {
    lock(record).push(Call { op, path: path.clone(), range: None, bytes });
}

#[async_trait]
impl ObjectStore for CountingStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let bytes = payload.content_length() as u64;
        let result = self.inner.put_opts(location, payload, opts).await;
        note(&self.record, Op::Put, location, bytes);
        result
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(CountingUpload { upload, location: location.clone(), record: Arc::clone(&self.record) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let op = Op::of_get(&options);
        let result = self.inner.get_opts(location, options).await;
        let range = result.as_ref().ok().filter(|_| op == Op::Get).map(|result| result.range.clone());
        let bytes = range.as_ref().map_or(0, |range| range.end - range.start);
        self.calls().push(Call { op, path: location.clone(), range, bytes });
        result
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .and_then(move |path| {
                let store = store.clone();
                async move {
                    let result = store.inner.delete(&path).await;
                    note(&store.record, Op::Delete, &path, 0);
                    result.map(|()| path)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_from(prefix, None)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_from(prefix, Some(offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        note(&self.record, Op::List, &prefix.cloned().unwrap_or_default(), 0);
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let result = self.inner.copy_opts(from, to, options).await;
        note(&self.record, Op::Copy, to, 0);
        result
    }
}

/// An upload whose parts and completion are counted as puts.
#[derive(Debug)]
struct CountingUpload {
    upload: Box<dyn MultipartUpload>,
    location: Path,
    record: Arc<Mutex<Vec<Call>>>,
}

#[async_trait]
impl MultipartUpload for CountingUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let bytes = data.content_length() as u64;
        let part = self.upload.put_part(data);
        let (record, location) = (Arc::clone(&self.record), self.location.clone());
        async move {
            let result = part.await;
            note(&record, Op::Put, &location, bytes);
            result
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.upload.complete().await;
        note(&self.record, Op::Put, &self.location, 0);
        result
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

impl fmt::Display for CountingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CountingStore({})", self.inner)
    }
}

/// The store inside may hold credentials, so only its name is shown.
impl fmt::Debug for CountingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountingStore")
            .field("inner", &self.inner.to_string())
            .field("counts", &self.snapshot())
            .finish_non_exhaustive()
    }
}
