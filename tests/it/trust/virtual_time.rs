//! Time that passes only when everybody waits: a simulation of days takes milliseconds, and the same seed gives the same
//! order of everything.
//!
//! The runtime has one thread. Whenever it would go idle, the earliest sleeper is woken and the time becomes its.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use datafusion_timetravel::store::{Clock, Timestamp};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// The time of one simulation. Clones show the same.
#[derive(Debug, Clone, Default)]
pub struct VirtualTime(Arc<Mutex<Sleepers>>);

#[derive(Debug, Default)]
struct Sleepers {
    now: Duration,
    made: u64,
    waiting: BTreeMap<(Duration, u64), oneshot::Sender<()>>,
}

impl VirtualTime {
    /// A runtime in whose idle moments the time passes.
    pub fn runtime(&self) -> Runtime {
        let time = self.clone();
        Builder::new_current_thread().enable_time().on_thread_park(move || time.pass()).build().unwrap()
    }

    pub fn now(&self) -> Duration {
        self.0.lock().unwrap().now
    }

    pub fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut sleepers = self.0.lock().unwrap();
            sleepers.made += 1;
            let at = (sleepers.now + duration, sleepers.made);
            sleepers.waiting.insert(at, sender);
        }
        receiver.map(|_| ()).boxed()
    }

    /// Wakes the sleeper whose time comes next; those who were given up are passed over.
    fn pass(&self) {
        loop {
            let mut sleepers = self.0.lock().unwrap();
            let Some(((at, _), sender)) = sleepers.waiting.pop_first() else { return };
            if sender.is_closed() {
                continue;
            }
            sleepers.now = at;
            drop(sleepers);
            let _ = sender.send(());
            return;
        }
    }
}

/// When the simulation begins.
const BEGIN: i64 = 1_700_000_000_000_000;

/// A clock that goes with the virtual time, but is wrong by so many microseconds.
#[derive(Debug, Clone)]
pub struct SkewedClock {
    pub time: VirtualTime,
    pub skew: i64,
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(BEGIN + self.time.now().as_micros() as i64 + self.skew)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.time.sleep(duration)
    }

    fn elapsed(&self) -> Duration {
        self.time.now()
    }
}

#[test]
fn days_pass_in_order() {
    let time = VirtualTime::default();
    let order: Arc<Mutex<Vec<u64>>> = Arc::default();
    time.runtime().block_on(async {
        let tasks = [5, 1, 3].map(|days| {
            let (time, order) = (time.clone(), Arc::clone(&order));
            tokio::spawn(async move {
                time.sleep(Duration::from_secs(86_400 * days)).await;
                order.lock().unwrap().push(days);
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(*order.lock().unwrap(), [1, 3, 5]);
    assert_eq!(time.now(), Duration::from_secs(5 * 86_400));
}
