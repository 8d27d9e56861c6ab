//! The table properties that mean something, checked when set.

use std::time::Duration;

use super::TableState;
use crate::error::{Code, Error, Result};

/// Hours for which versions can be queried (R158).
pub const RETAIN_HOURS: &str = "acid.data.retain.hours";
/// Whether an incremental query may reach past the latest commit (R064).
pub const OUT_OF_RANGE: &str = "acid.incremental.query.out.of.time.range.enabled";
/// Accepted for the documents' sake; a key implies it (R001).
pub const TRANSACTIONAL: &str = "transactional";
/// Into how many key ranges one large write is split at the most (R014).
pub const BUCKETS: &str = "write.bucket.num";
/// Whether maintenance compacts the table (R009).
pub const COMPACTION_AUTO: &str = "compaction.auto";
/// From how many delta writes on a partition is compacted.
pub const COMPACTION_COUNT: &str = "compaction.delta.count";
/// From how many bytes of deltas on a partition is compacted.
pub const COMPACTION_BYTES: &str = "compaction.delta.bytes";
/// From how many percent of the base's bytes on deltas are merged into the base.
pub const COMPACTION_PERCENT: &str = "compaction.base.percent";

/// How the names of our properties begin.
const OWN: [&str; 3] = ["acid.", "write.", "compaction."];
/// Our properties.
const KNOWN: [&str; 7] =
    [RETAIN_HOURS, OUT_OF_RANGE, BUCKETS, COMPACTION_AUTO, COMPACTION_COUNT, COMPACTION_BYTES, COMPACTION_PERCENT];

/// The default of [`RETAIN_HOURS`].
pub const DEFAULT_RETAIN_HOURS: u64 = 24;
/// The default of [`BUCKETS`].
pub const DEFAULT_BUCKETS: u64 = 16;

/// Checks one property of a table that has a key or not.
///
/// # Errors
/// [`Code::InvalidProperty`] names the property and what it takes. Unknown properties are kept as they are, but for those
/// that begin as ours do: they are misspelt.
pub fn check(key: &str, value: &str, keyed: bool) -> Result<()> {
    let refuse = |takes: &str| {
        Err(Error::new(
            Code::InvalidProperty,
            format!("table property {key} = {value:?} is not possible: it takes {takes}"),
        ))
    };
    match key {
        RETAIN_HOURS => match value.parse::<u64>() {
            Ok(0..=168) => Ok(()),
            _ => refuse("whole hours from 0 (time travel off) to 168 (7 days)"),
        },
        OUT_OF_RANGE | COMPACTION_AUTO => match value {
            "true" | "false" => Ok(()),
            _ => refuse("'true' or 'false'"),
        },
        TRANSACTIONAL => match value {
            "true" if keyed => Ok(()),
            "true" => refuse("'true' only on a table with a PRIMARY KEY"),
            "false" if !keyed => Ok(()),
            "false" => refuse("'true' on a table with a PRIMARY KEY"),
            _ => refuse("'true' or 'false'"),
        },
        BUCKETS => match value.parse::<u64>() {
            Ok(1..=4096) => Ok(()),
            _ => refuse("a whole number from 1 to 4096"),
        },
        COMPACTION_COUNT => match value.parse::<u64>() {
            Ok(2..) => Ok(()),
            _ => refuse("a whole number of writes from 2 on"),
        },
        COMPACTION_BYTES | COMPACTION_PERCENT => match value.parse::<u64>() {
            Ok(1..) => Ok(()),
            _ => refuse("a whole number from 1 on"),
        },
        _ if OWN.iter().any(|own| key.to_ascii_lowercase().starts_with(own)) => Err(Error::new(
            Code::InvalidProperty,
            format!(
                "there is no table property {key}: names that begin with {} are reserved for {}",
                OWN.join(", "),
                KNOWN.join(", ")
            ),
        )),
        _ => Ok(()),
    }
}

/// Checks a lifecycle in days (R170).
///
/// # Errors
/// [`Code::InvalidProperty`].
pub fn check_lifecycle(days: i64) -> Result<u32> {
    u32::try_from(days).ok().filter(|days| (1..=36_500).contains(days)).ok_or_else(|| {
        Error::new(
            Code::InvalidProperty,
            format!("LIFECYCLE {days} is not possible: it takes whole days from 1 to 36500"),
        )
    })
}

/// How long versions can be queried; zero switches time travel off.
pub fn retain(state: &TableState) -> Duration {
    retained(state.property(RETAIN_HOURS))
}

/// How long that is with this value of [`RETAIN_HOURS`], or without one.
pub(crate) fn retained(hours: Option<&str>) -> Duration {
    Duration::from_secs(3600 * hours.and_then(|hours| hours.parse().ok()).unwrap_or(DEFAULT_RETAIN_HOURS))
}

/// Into how many key ranges one large write is split at the most.
pub fn buckets(state: &TableState) -> u64 {
    number(state, BUCKETS, DEFAULT_BUCKETS)
}

/// Whether an incremental query may reach past the latest commit.
pub fn out_of_range_enabled(state: &TableState) -> bool {
    state.property(OUT_OF_RANGE) == Some("true")
}

/// A property that is a number, or what holds without it.
pub(crate) fn number(state: &TableState, key: &str, default: u64) -> u64 {
    state.property(key).and_then(|value| value.parse().ok()).unwrap_or(default)
}
