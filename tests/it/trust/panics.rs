//! Runs cases that may panic, and tells whose panic it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::cell::RefCell;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Once;

use futures::FutureExt;

thread_local! {
    /// Where panics of this thread happened, while a case runs on it.
    static SEEN: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// The panics of a case, caught or not.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Panics {
    /// In this crate's code.
    pub ours: Vec<String>,
    /// In a decoder or parser of another crate.
    pub theirs: Vec<String>,
}

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = info.location().map_or_else(|| "?".to_owned(), |at| format!("{}:{}", at.file(), at.line()));
            let noted = SEEN.with_borrow_mut(|seen| match seen {
                Some(seen) => {
                    seen.push(format!("{place}: {info}"));
                    true
                }
                None => false,
            });
            if !noted {
                before(info);
            }
        }));
    });
}

/// What the case gives, none where it panicked, and every panic on this thread meanwhile. The runtime must be one of this
/// thread alone.
pub async fn watched<T>(case: impl Future<Output = T>) -> (Option<T>, Panics) {
    listen();
    SEEN.set(Some(vec![]));
    let outcome = AssertUnwindSafe(case).catch_unwind().await.ok();
    let seen = SEEN.take().unwrap_or_default();
    let is_ours = |place: &String| ["src/", "udfs/", "tests/"].iter().any(|own| place.starts_with(own));
    let (ours, theirs) = seen.into_iter().partition(is_ours);
    (outcome, Panics { ours, theirs })
}

/// A runtime that stays on this thread.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// What a thread of Tokio has for its stack. Without optimisation the frames of large tests take more.
pub const STACK: usize = 2 << 20;

/// Runs the work on this many threads with such stacks, each with its number.
pub fn on_threads<T: Send>(threads: usize, stack: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let work = &work;
        let spawn = |number| {
            let thread = std::thread::Builder::new().stack_size(stack);
            thread.spawn_scoped(scope, move || work(number)).unwrap()
        };
        let running: Vec<_> = (0..threads).map(spawn).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
