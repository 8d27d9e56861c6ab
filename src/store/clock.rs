//! Time: the only place that reads the wall clock. Everything else is given a [`Clock`].

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// A moment in microseconds since 1970-01-01 UTC. Arithmetic is checked or saturating, never wrapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01 UTC.
    pub const EPOCH: Self = Self(0);
    /// The earliest moment.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest moment.
    pub const MAX: Self = Self(i64::MAX);

    /// The moment so many microseconds after 1970-01-01 UTC.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The moment so many milliseconds after 1970-01-01 UTC, or the nearest one that can be told.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Microseconds since 1970-01-01 UTC.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The moment later by the duration, if it can be told.
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        i64::try_from(duration.as_micros()).ok().and_then(|micros| self.0.checked_add(micros)).map(Self)
    }

    /// The moment earlier by the duration, if it can be told.
    pub fn checked_sub(self, duration: Duration) -> Option<Self> {
        i64::try_from(duration.as_micros()).ok().and_then(|micros| self.0.checked_sub(micros)).map(Self)
    }

    /// The moment later by the duration, or the latest one.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        self.checked_add(duration).unwrap_or(Self::MAX)
    }

    /// The moment earlier by the duration, or the earliest one.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        self.checked_sub(duration).unwrap_or(Self::MIN)
    }

    /// The time since an earlier moment; zero if that one is later.
    pub fn since(self, earlier: Self) -> Duration {
        if self <= earlier { Duration::ZERO } else { Duration::from_micros(self.0.abs_diff(earlier.0)) }
    }

    /// The moment one microsecond later, if there is one.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }

    /// The moment as chrono's type; none beyond about 260,000 years.
    pub fn to_datetime(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.0)
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_micros())
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self::EPOCH.saturating_add(after),
            Err(before) => Self::EPOCH.saturating_sub(before.duration()),
        }
    }
}

/// RFC 3339 with six digits of a second, for example `2026-11-21T04:31:00.000000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_datetime() {
            Some(time) => write!(f, "{}", time.format("%Y-%m-%dT%H:%M:%S%.6fZ")),
            None => write!(f, "{} microseconds since 1970", self.0),
        }
    }
}

/// Tells the time. One statement reads it once.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Waits. Another clock may wait in its own time, as a simulation does.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration).boxed()
    }

    /// The time since some fixed moment, which no setting of the clock changes: what deadlines are measured by.
    fn elapsed(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}

/// A clock that stands still until it is set or advanced. Clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows the moment.
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.as_micros())))
    }

    /// Shows another moment, earlier ones too.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }

    /// Moves on by the duration, and shows the new moment.
    pub fn advance(&self, by: Duration) -> Timestamp {
        let step = |micros| Some(Timestamp::from_micros(micros).saturating_add(by).as_micros());
        let before =
            self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step).unwrap_or_else(|unchanged| unchanged);
        Timestamp::from_micros(before).saturating_add(by)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn arithmetic_never_wraps() {
        let second = Duration::from_secs(1);
        assert_eq!(Timestamp::MAX.checked_add(second), None);
        assert_eq!(Timestamp::MAX.saturating_add(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.saturating_sub(Duration::MAX), Timestamp::MIN);
        assert_eq!(Timestamp::MAX.next(), None);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::MAX), Duration::ZERO);
        assert_eq!(Timestamp::MAX.since(Timestamp::MIN), Duration::from_micros(u64::MAX));
        assert_eq!(Timestamp::from_micros(5).checked_sub(Duration::from_micros(7)), Some(Timestamp::from_micros(-2)));
    }

    #[test]
    fn it_is_printed_as_rfc_3339_and_stored_as_an_integer() {
        let time = Timestamp::from_micros(1_700_000_000_000_001);
        assert_eq!(time.to_string(), "2023-11-14T22:13:20.000001Z");
        assert_eq!(serde_json::to_string(&time).unwrap(), "1700000000000001");
        assert_eq!(serde_json::from_str::<Timestamp>("1700000000000001").unwrap(), time);
        assert_eq!(Timestamp::MAX.to_string(), "9223372036854775807 microseconds since 1970");
    }

    #[test]
    fn a_manual_clock_moves_when_told() {
        let clock = ManualClock::new(Timestamp::EPOCH);
        let other = clock.clone();
        assert_eq!(clock.advance(Duration::from_micros(3)), Timestamp::from_micros(3));
        assert_eq!(other.now(), Timestamp::from_micros(3));
        other.set(Timestamp::from_micros(1));
        assert_eq!(clock.now(), Timestamp::from_micros(1));
    }

    #[test]
    fn the_system_clock_is_in_this_century() {
        assert!(SystemClock.now() > Timestamp::from_millis(1_600_000_000_000));
    }
}
