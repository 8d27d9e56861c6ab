//! A store in virtual time: every request takes some, sometimes very much, and leaves a line in a trace.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use datafusion_timetravel::store::testing::Op;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::virtual_time::VirtualTime;

/// What was asked of the store, by whom, when. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

/// The store as one actor has it.
#[derive(Clone)]
pub struct SlowStore {
    inner: Arc<dyn ObjectStore>,
    time: VirtualTime,
    actor: usize,
    random: Arc<Mutex<StdRng>>,
    /// One request in so many takes up to `stall`.
    rarely: u32,
    stall: Duration,
    trace: Trace,
}

impl SlowStore {
    pub fn new(
        inner: Arc<dyn ObjectStore>,
        time: VirtualTime,
        (actor, seed): (usize, u64),
        (rarely, stall): (u32, Duration),
        trace: Trace,
    ) -> Self {
        let random = Arc::new(Mutex::new(StdRng::seed_from_u64(seed)));
        Self { inner, time, actor, random, rarely, stall, trace }
    }

    /// A request reaches the store after a while, and its answer comes after another.
    async fn wait(&self) {
        let micros = {
            let mut random = self.random.lock().unwrap();
            match random.random_range(0..self.rarely) {
                0 => random.random_range(0..=self.stall.as_micros() as u64),
                _ => random.random_range(500..40_000),
            }
        };
        self.time.sleep(Duration::from_micros(micros)).await;
    }

    fn note(&self, op: Op, path: &Path, bytes: usize) {
        let (now, actor) = (self.time.now().as_micros(), self.actor);
        self.trace.add(format!("{now} {actor} {op:?} {path} {bytes}"));
    }
}

#[async_trait]
impl ObjectStore for SlowStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.wait().await;
        self.note(Op::Put, location, payload.content_length());
        let result = self.inner.put_opts(location, payload, opts).await;
        self.wait().await;
        result
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.wait().await;
        self.note(Op::Put, location, 0);
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.wait().await;
        self.note(if options.head { Op::Head } else { Op::Get }, location, 0);
        let result = self.inner.get_opts(location, options).await;
        self.wait().await;
        result
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .and_then(move |path| {
                let store = store.clone();
                async move {
                    store.wait().await;
                    store.note(Op::Delete, &path, 0);
                    store.inner.delete(&path).await?;
                    Ok(path)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix) = (self.clone(), prefix.cloned());
        async move {
            store.wait().await;
            store.note(Op::List, &prefix.clone().unwrap_or_default(), 0);
            let listed: Vec<Result<ObjectMeta>> = store.inner.list(prefix.as_ref()).collect().await;
            store.wait().await;
            Ok::<_, object_store::Error>(futures::stream::iter(listed))
        }
        .into_stream()
        .try_flatten()
        .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.wait().await;
        self.note(Op::List, &prefix.cloned().unwrap_or_default(), 0);
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.wait().await;
        self.note(Op::Copy, to, 0);
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for SlowStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlowStore({})", self.inner)
    }
}

impl fmt::Debug for SlowStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlowStore").field("actor", &self.actor).finish_non_exhaustive()
    }
}
