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
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;

use super::late::{self, Effect, LateEffects};
use super::listing::Past;
use super::upload::FaultUpload;
use super::{Fault, Op, Rule, damage};

/// Wraps an object store and lets requests fail by [`Rule`]s: the first rule that applies to a request decides. Without
/// rules it behaves like the store inside. Clones share rules and state.
#[derive(Clone)]
pub struct FaultStore {
    shared: Arc<Shared>,
}

/// A request that suffered a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// Its number among all requests, the first is 1.
    pub request: u64,
    /// Its kind.
    pub op: Op,
    /// The object, or the prefix of a listing.
    pub path: Path,
    /// What happened to it.
    pub fault: Fault,
}

pub(super) struct Shared {
    inner: Arc<dyn ObjectStore>,
    seed: u64,
    rules: Mutex<Vec<Rule>>,
    random: Mutex<StdRng>,
    pub(super) late: LateEffects,
    past: Past,
    requests: AtomicU64,
    history: Mutex<Vec<Fired>>,
    /// Counts the faults, for those who wait for one.
    fired: watch::Sender<u64>,
    dead: AtomicBool,
    /// Counts the releases, for those who wait for one.
    released: watch::Sender<u64>,
}

impl FaultStore {
    /// Wraps a store; the seed decides what the rules with a probability do.
    pub fn new(inner: Arc<dyn ObjectStore>, seed: u64) -> Self {
        let shared = Shared {
            inner,
            seed,
            rules: Mutex::default(),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            late: LateEffects::default(),
            past: Past::default(),
            requests: AtomicU64::new(0),
            history: Mutex::default(),
            fired: watch::Sender::new(0),
            dead: AtomicBool::new(false),
            released: watch::Sender::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Wraps a store that lets requests fail with the probability, in all the ways of [`Rule::mix`]. Its text shows the
    /// seed, which repeats a run whose requests come in the same order.
    pub fn seeded(inner: Arc<dyn ObjectStore>, seed: u64, probability: f64) -> Self {
        let store = Self::new(inner, seed);
        Rule::mix(probability).for_each(|rule| store.add(rule));
        store
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
        *self.shared.fired.borrow()
    }

    /// Waits until so many requests have suffered a fault.
    pub async fn until_fired(&self, count: u64) {
        // The sender lives as long as this store, so that waiting can't fail.
        let _ = self.shared.fired.subscribe().wait_for(|fired| *fired >= count).await;
    }

    /// The requests that suffered a fault, in their order.
    pub fn history(&self) -> Vec<Fired> {
        lock(&self.shared.history).clone()
    }

    /// How many requests there were.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// How many effects are still to come.
    pub fn late(&self) -> usize {
        self.shared.late.len()
    }

    /// Lets all waiting requests go on, and all late effects happen, in their order.
    pub async fn release(&self) {
        self.shared.released.send_modify(|count| *count += 1);
        late::apply(&*self.shared.inner, self.shared.late.all()).await;
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
    pub(super) async fn fault(&self, op: Op, path: &Path) -> Result<Option<Fault>> {
        let request = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        late::apply(&*self.inner, self.late.due()).await;
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
        let Some(fired) = fault else { return Ok(None) };
        let mut released = self.released.subscribe();
        if matches!(fired, Fault::Kill { .. }) {
            self.dead.store(true, Ordering::SeqCst);
        }
        lock(&self.history).push(Fired { request, op, path: path.clone(), fault: fired });
        self.fired.send_modify(|count| *count += 1);
        if fired != Fault::HangUntilReleased {
            return Ok(fault);
        }
        let _ = released.changed().await;
        Ok(None)
    }

    /// Remembers a put that was done.
    pub(super) async fn put<T>(&self, path: &Path, request: impl Future<Output = Result<T>>) -> Result<T> {
        let done = request.await?;
        self.past.put(path);
        Ok(done)
    }

    async fn delete(&self, path: Path) -> Result<Path> {
        let fault = self.fault(Op::Delete, &path).await?;
        if let Some(Fault::LateApply { after }) = fault {
            self.late.postpone(after, Effect::Delete(path.clone()));
        }
        let request = async {
            let known = self.inner.head(&path).await;
            self.inner.delete(&path).await?;
            if let Ok(meta) = known {
                self.past.deleted(meta);
            }
            Ok(())
        };
        around(fault, &path, request).await?;
        Ok(path)
    }

    async fn read(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let fault = self.fault(Op::of_get(&options), location).await?;
        if let Some(Fault::Truncate { keep }) = fault {
            let whole = self.inner.get_opts(location, damage::whole(&options)).await?;
            return damage::cut(whole, &options, keep).await;
        }
        let head = options.head;
        let result = around(fault, location, self.inner.get_opts(location, options)).await?;
        match fault {
            Some(Fault::FlipBit { bit }) if !head => {
                let bit = bit.unwrap_or_else(|| lock(&self.random).random());
                damage::flip(result, bit).await
            }
            _ => Ok(result),
        }
    }
}

/// Does the request or not, and answers as the fault wants.
pub(super) async fn around<T>(
    fault: Option<Fault>,
    path: &Path,
    request: impl Future<Output = Result<T>>,
) -> Result<T> {
    match fault {
        None
        | Some(
            Fault::IgnoreCondition
            | Fault::HangUntilReleased
            | Fault::ShortList { .. }
            | Fault::StaleList { .. }
            | Fault::FlipBit { .. }
            | Fault::Truncate { .. },
        ) => request.await,
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
        Some(Fault::Hang { applied }) => {
            if applied {
                request.await?;
            }
            std::future::pending().await
        }
    }
}

pub(super) fn failed(text: &str) -> Error {
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
                self.shared.late.postpone(after, effect);
            }
            Some(Fault::IgnoreCondition) => opts.mode = PutMode::Overwrite,
            _ => {}
        }
        let request = self.shared.put(location, self.shared.inner.put_opts(location, payload, opts));
        around(fault, location, request).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        if self.shared.dead.load(Ordering::SeqCst) {
            return Err(failed("the process is dead"));
        }
        let upload = self.shared.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(FaultUpload { shared: Arc::clone(&self.shared), location: location.clone(), upload: Some(upload) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.shared.read(location, options).await
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
            self.shared.late.postpone(after, Effect::Copy(from.clone(), to.clone(), options.clone()));
        }
        around(fault, to, self.shared.put(to, self.shared.inner.copy_opts(from, to, options))).await
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
            let listing = shared.past.falsify(fault, listing, prefix.as_ref(), offset.as_ref());
            // A listing that fails midway has begun well.
            let fault = fault.filter(|fault| !matches!(fault, Fault::FailMidway { .. }));
            around(fault, &path, async { Ok(listing) }).await
        }
        .into_stream()
        .try_flatten()
        .boxed()
    }
}

impl fmt::Display for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultStore(seed {}, {})", self.shared.seed, self.shared.inner)
    }
}

/// The store inside may hold credentials, so only its name is shown.
impl fmt::Debug for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultStore")
            .field("inner", &self.shared.inner.to_string())
            .field("seed", &self.shared.seed)
            .field("rules", &lock(&self.shared.rules).len())
            .field("fired", &self.history())
            .finish_non_exhaustive()
    }
}
