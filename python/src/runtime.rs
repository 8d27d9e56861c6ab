//! The runtime of the process, and waiting for what runs on it.
//!
//! Invariant: the interpreter's lock is free while anything runs, and Ctrl-C is heard within a tick. A process that was
//! forked has no threads of its parent's runtime: what was opened before says so instead of waiting for ever.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use datafusion::common::DataFusionError;
use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use crate::errors;

/// How often a waiting thread looks for Ctrl-C.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// The runtime and the process that started it.
struct Running {
    pid: u32,
    runtime: Runtime,
}

/// The thread that ended the runtime because the interpreter exits.
static ENDED: OnceLock<ThreadId> = OnceLock::new();

/// Whether a query was interrupted and may keep the runtime's threads busy: DataFusion hears of an end only between
/// batches, and some joins take minutes for one.
static SUSPECT: AtomicBool = AtomicBool::new(false);

/// How long a suspect runtime has to show that it still works.
const GRACE: Duration = Duration::from_millis(100);

static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// The process that an object belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    pub(crate) fn current() -> Self {
        Self(std::process::id())
    }

    /// Refuses work in a process that was forked after the object was made.
    pub(crate) fn check(self) -> PyResult<()> {
        match self == Self::current() {
            true => Ok(()),
            false => Err(errors::other(
                "ForkedError",
                "this process was forked after the connection was opened, and has none of its threads: call tt.connect(..) \
                again in the child, or start it by multiprocessing's \"spawn\"",
            )),
        }
    }
}

/// The runtime of this process, started if need be.
pub(crate) fn handle() -> PyResult<Handle> {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let pid = std::process::id();
    let usable = running.as_ref().is_some_and(|running| running.pid == pid && responds(&running.runtime));
    if !usable {
        // One of another process has no threads here, so it can't be ended either; a busy one ends when its work does.
        std::mem::forget(running.take());
        let runtime = Builder::new_multi_thread().enable_all().thread_name("timetravel").build()?;
        *running = Some(Running { pid, runtime });
    }
    match running.as_ref() {
        Some(running) => Ok(running.runtime.handle().clone()),
        None => Err(errors::other("InternalError", "no runtime (this is a bug, please report it)")),
    }
}

/// Whether a runtime that is suspect still has a thread that runs something.
fn responds(runtime: &Runtime) -> bool {
    if !SUSPECT.swap(false, Ordering::AcqRel) {
        return true;
    }
    let (here, heard) = mpsc::channel();
    runtime.spawn(async move {
        let _ = here.send(());
    });
    heard.recv_timeout(GRACE).is_ok()
}

/// Whether the interpreter exits and doesn't wait for this thread.
fn is_abandoned() -> bool {
    ENDED.get().is_some_and(|main| *main != thread::current().id())
}

/// Ends the runtime; called when the interpreter exits, so that no thread outlives it.
#[pyfunction]
pub(crate) fn shutdown(py: Python<'_>) {
    let _ = ENDED.set(thread::current().id());
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).take();
    match running {
        Some(running) if running.pid == std::process::id() => {
            py.detach(|| running.runtime.shutdown_timeout(Duration::from_secs(2)));
        }
        other => std::mem::forget(other),
    }
}

/// What a waiting thread hears of.
pub(crate) enum Event<T> {
    /// The work has ended.
    Done(Result<T, DataFusionError>),
    /// It wants the next batch of its source.
    Want,
}

/// Work on the runtime, stopped when nobody waits for it any more.
#[derive(Debug)]
pub(crate) struct Work(JoinHandle<()>);

impl Work {
    pub(crate) fn start(handle: &Handle, future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(handle.spawn(future))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs the future to its end, or until Ctrl-C.
pub(crate) fn wait<T, E>(py: Python<'_>, future: impl Future<Output = Result<T, E>> + Send + 'static) -> PyResult<T>
where
    T: Send + 'static,
    E: Into<DataFusionError> + Send + 'static,
{
    let (events, heard) = mpsc::channel();
    let work = start(events, future)?;
    let result = listen(py, &Mutex::new(heard), |_| Ok(()));
    drop(work);
    result
}

/// Runs the future and tells the channel of its end.
pub(crate) fn start<T, E>(
    events: mpsc::Sender<Event<T>>,
    future: impl Future<Output = Result<T, E>> + Send + 'static,
) -> PyResult<Work>
where
    T: Send + 'static,
    E: Into<DataFusionError> + Send + 'static,
{
    Ok(Work::start(&handle()?, async move {
        let result = future.await.map_err(Into::into);
        // Nobody may be waiting any more.
        let _ = events.send(Event::Done(result));
    }))
}

/// Waits for the end, and serves what is wanted meanwhile.
pub(crate) fn listen<T: Send>(
    py: Python<'_>,
    heard: &Mutex<Receiver<Event<T>>>,
    mut serve: impl FnMut(Python<'_>) -> PyResult<()>,
) -> PyResult<T> {
    loop {
        match next(py, heard)? {
            Event::Want => serve(py)?,
            Event::Done(result) => return result.map_err(|error| errors::of(&error)),
        }
    }
}

/// The next thing heard; looks for Ctrl-C at each tick. One thread listens: the mutex is what lets it do so without the
/// interpreter's lock.
pub(crate) fn next<T: Send>(py: Python<'_>, heard: &Mutex<Receiver<T>>) -> PyResult<T> {
    loop {
        let event = py.detach(|| heard.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(TICK));
        match event {
            // It ends without a word.
            _ if is_abandoned() => return Err(PySystemExit::new_err("the interpreter is shutting down")),
            Ok(event) => return Ok(event),
            Err(RecvTimeoutError::Timeout) => {
                py.check_signals().inspect_err(|_| SUSPECT.store(true, Ordering::Release))?;
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(errors::other("InternalError", "the work ended early (this is a bug, please report it)"));
            }
        }
    }
}
