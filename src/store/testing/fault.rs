//! A store that fails by rules, above all in the ways in which answers get lost.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;

use super::{Fault, Op, Rule};

/// Wraps an object store and lets requests fail by [`Rule`]s: the first rule that applies to a request decides. Without
/// rules it behaves like the store inside. Clones share rules and state.
#[derive(Clone)]
pub struct FaultStore {
    shared: Arc<Shared>,
}

struct Shared {
    inner: Arc<dyn ObjectStore>,
    rules: Mutex<Vec<Rule>>,
    random: Mutex<StdRng>,
    late: Mutex<Vec<Late>>,
    fired: AtomicU64,
    dead: AtomicBool,
    /// Counts the releases, for those who wait for one.
    released: watch::Sender<u64>,
}

/// An effect that is still to come.
struct Late {
    /// Requests that pass before; none means until released.
    remaining: Option<u64>,
    effect: Effect,
}

enum Effect {
    Put(Path, PutPayload, PutOptions),
    Complete(Box<dyn MultipartUpload>),
    Delete(Path),
    Copy(Path, Path, CopyOptions),
}

impl FaultStore {
    /// Wraps a store; the seed decides what the rules with a probability do.
    pub fn new(inner: Arc<dyn ObjectStore>, seed: u64) -> Self {
        let shared = Shared {
            inner,
            rules: Mutex::default(),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            late: Mutex::default(),
            fired: AtomicU64::new(0),
            dead: AtomicBool::new(false),
            released: watch::Sender::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Adds a rule behind those that are there.
    pub fn add(&self, rule: Rule) {
        lock(&self.shared.rules).push(rule);
    }

    /// Removes all rules. What waits or comes late still does.
    pub fn clear(&self) {
        lock(&self.shared.rules).clear();
    }

    /// How many requests suffered a fault.
    pub fn fired(&self) -> u64 {
        self.shared.fired.load(Ordering::SeqCst)
    }

    /// How many effects are still to come.
    pub fn late(&self) -> usize {
        lock(&self.shared.late).len()
    }

    /// Lets all waiting requests go on, and all late effects happen, in their order.
    pub async fn release(&self) {
        self.shared.released.send_modify(|count| *count += 1);
        let due = std::mem::take(&mut *lock(&self.shared.late));
        self.shared.apply_late(due).await;
    }

    /// Ends [`Fault::Kill`], as a restart of the process would. Late effects of the dead process still come.
    pub fn revive(&self) {
        self.shared.dead.store(false, Ordering::SeqCst);
    }

    /// The store inside.
    pub fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.shared.inner
    }
}

impl Shared {
    /// The fault that the request suffers; waits if it has to.
    async fn fault(&self, op: Op, path: &Path) -> Result<Option<Fault>> {
        let due = {
            let mut late = lock(&self.late);
            for effect in late.iter_mut() {
                effect.remaining = effect.remaining.map(|remaining| remaining.saturating_sub(1));
            }
            late.extract_if(.., |effect| effect.remaining == Some(0)).collect()
        };
        self.apply_late(due).await;
        if self.dead.load(Ordering::SeqCst) {
            return Err(failed("the process is dead"));
        }
        let fault = {
            let (mut rules, mut random) = (lock(&self.rules), lock(&self.random));
            // Every rule sees every request, so that counts don't depend on other rules.
            let mut fault = None;
            for rule in rules.iter_mut() {
                let applies = rule.applies(op, path.as_ref(), |probability| random.random_bool(probability));
                if applies && fault.is_none() {
                    fault = Some(rule.fault);
                }
            }
            fault
        };
        if fault.is_some() {
            self.fired.fetch_add(1, Ordering::SeqCst);
        }
        match fault {
            Some(Fault::HangUntilReleased) => {
                let mut released = self.released.subscribe();
                let _ = released.changed().await;
                Ok(None)
            }
            Some(Fault::Kill { .. }) => {
                self.dead.store(true, Ordering::SeqCst);
                Ok(fault)
            }
            _ => Ok(fault),
        }
    }

    /// Whoever asked for the effects was told that they failed, so that nobody is left to hear of their outcome.
    async fn apply_late(&self, due: Vec<Late>) {
        for late in due {
            let _ = match late.effect {
                Effect::Put(path, payload, options) => self.inner.put_opts(&path, payload, options).await.map(drop),
                Effect::Complete(mut upload) => upload.complete().await.map(drop),
                Effect::Delete(path) => self.inner.delete(&path).await,
                Effect::Copy(from, to, options) => self.inner.copy_opts(&from, &to, options).await,
            };
        }
    }

    fn postpone(&self, after: Option<u64>, effect: Effect) {
        // One more, because the request that applies it is counted too.
        let remaining = after.map(|after| after.saturating_add(1));
        lock(&self.late).push(Late { remaining, effect });
    }

    async fn delete(&self, path: Path) -> Result<Path> {
        let fault = self.fault(Op::Delete, &path).await?;
        if let Some(Fault::LateApply { after }) = fault {
            self.postpone(after, Effect::Delete(path.clone()));
        }
        around(fault, &path, self.inner.delete(&path)).await?;
        Ok(path)
    }
}

/// Does the request or not, and answers as the fault wants.
async fn around<T>(fault: Option<Fault>, path: &Path, request: impl Future<Output = Result<T>>) -> Result<T> {
    match fault {
        None | Some(Fault::IgnoreCondition | Fault::HangUntilReleased) => request.await,
        Some(Fault::Precondition412) => request.await.map_err(|error| match error {
            Error::AlreadyExists { path, source } => Error::Precondition { path, source },
            other => other,
        }),
        Some(Fault::FailBefore | Fault::FailMidway { .. }) => Err(failed("503 Service Unavailable, nothing was done")),
        Some(Fault::LateApply { .. }) => Err(failed("connection closed before message completed")),
        Some(Fault::Timeout { applied: false }) => Err(failed("operation timed out")),
        Some(Fault::Kill { applied: false }) => Err(failed("the process is dead")),
        Some(Fault::Conflict409) => {
            Err(Error::AlreadyExists { path: path.to_string(), source: "409 ConditionalRequestConflict".into() })
        }
        Some(Fault::ApplyThenError) => {
            request.await?;
            Err(failed("503 Service Unavailable"))
        }
        Some(Fault::Timeout { applied: true }) => {
            request.await?;
            Err(failed("operation timed out"))
        }
        Some(Fault::Kill { applied: true }) => {
            request.await?;
            Err(failed("the process is dead"))
        }
    }
}

fn failed(text: &'static str) -> Error {
    Error::Generic { store: "FaultStore", source: format!("injected: {text}").into() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl ObjectStore for FaultStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, mut opts: PutOptions) -> Result<PutResult> {
        let fault = self.shared.fault(Op::Put, location).await?;
        match fault {
            Some(Fault::LateApply { after }) => {
                let effect = Effect::Put(location.clone(), payload.clone(), opts.clone());
                self.shared.postpone(after, effect);
            }
            Some(Fault::IgnoreCondition) => opts.mode = PutMode::Overwrite,
            _ => {}
        }
        around(fault, location, self.shared.inner.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        if self.shared.dead.load(Ordering::SeqCst) {
            return Err(failed("the process is dead"));
        }
        let upload = self.shared.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(FaultUpload { shared: Arc::clone(&self.shared), location: location.clone(), upload: Some(upload) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let fault = self.shared.fault(Op::of_get(&options), location).await?;
        around(fault, location, self.shared.inner.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let shared = Arc::clone(&self.shared);
        locations
            .and_then(move |path| {
                let shared = Arc::clone(&shared);
                async move { shared.delete(path).await }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_from(prefix, None)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_from(prefix, Some(offset.clone()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let path = prefix.cloned().unwrap_or_default();
        let fault = self.shared.fault(Op::List, &path).await?;
        around(fault, &path, self.shared.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let fault = self.shared.fault(Op::Copy, to).await?;
        if let Some(Fault::LateApply { after }) = fault {
            self.shared.postpone(after, Effect::Copy(from.clone(), to.clone(), options.clone()));
        }
        around(fault, to, self.shared.inner.copy_opts(from, to, options)).await
    }
}

impl FaultStore {
    fn list_from(&self, prefix: Option<&Path>, offset: Option<Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let shared = Arc::clone(&self.shared);
        let prefix = prefix.cloned();
        async move {
            let path = prefix.clone().unwrap_or_default();
            let fault = shared.fault(Op::List, &path).await?;
            let listing = match &offset {
                Some(offset) => shared.inner.list_with_offset(prefix.as_ref(), offset),
                None => shared.inner.list(prefix.as_ref()),
            };
            if let Some(Fault::FailMidway { after }) = fault {
                let error = futures::stream::once(async { Err(failed("connection closed during a listing")) });
                return Ok(listing.take(after).chain(error).boxed());
            }
            around(fault, &path, async { Ok(listing) }).await
        }
        .into_stream()
        .try_flatten()
        .boxed()
    }
}

/// An upload whose parts and completion may fail.
struct FaultUpload {
    shared: Arc<Shared>,
    location: Path,
    /// None once its completion was postponed.
    upload: Option<Box<dyn MultipartUpload>>,
}

#[async_trait]
impl MultipartUpload for FaultUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let Some(upload) = &mut self.upload else { return async { Err(failed("the upload has ended")) }.boxed() };
        // A part that comes late would come too late for the completion, so it is as good as lost.
        let part = upload.put_part(data);
        let (shared, location) = (Arc::clone(&self.shared), self.location.clone());
        async move {
            let fault = shared.fault(Op::Put, &location).await?;
            around(fault, &location, part).await
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let fault = self.shared.fault(Op::Put, &self.location).await?;
        if let Some(Fault::LateApply { after }) = fault
            && let Some(upload) = self.upload.take()
        {
            self.shared.postpone(after, Effect::Complete(upload));
        }
        let Some(upload) = &mut self.upload else { return Err(failed("connection closed before message completed")) };
        around(fault, &self.location, upload.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        match &mut self.upload {
            Some(upload) => upload.abort().await,
            None => Err(failed("the upload has ended")),
        }
    }
}

impl fmt::Debug for FaultUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultUpload({})", self.location)
    }
}

impl fmt::Display for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultStore({})", self.shared.inner)
    }
}

/// The store inside may hold credentials, so only its name is shown.
impl fmt::Debug for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultStore")
            .field("inner", &self.shared.inner.to_string())
            .field("rules", &lock(&self.shared.rules).len())
            .field("fired", &self.fired())
            .finish_non_exhaustive()
    }
}
