//! Tables that show what is known of a table, one file each. SHOW statements and table functions share them.

pub(crate) mod audit;
pub(crate) mod changes;
mod columns;
pub(crate) mod describe;
pub(crate) mod files;
pub(crate) mod history;
pub(crate) mod partitions;
pub(crate) mod sweep;
pub(crate) mod tables;
pub(crate) mod verify;

use chrono::DateTime;
use datafusion::arrow::array::timezone::Tz;
use datafusion::config::ConfigOptions;

use crate::error::{Code, Error, Result};
use crate::store::Timestamp;

/// The session's time zone, UTC if unset (C11).
///
/// # Errors
/// The setting names no zone.
pub(crate) fn zone(config: &ConfigOptions) -> Result<Tz> {
    let name = config.execution.time_zone.as_deref().filter(|name| !name.is_empty()).unwrap_or("UTC");
    name.parse().map_err(|_| {
        Error::new(
            Code::InvalidArgument,
            format!("datafusion.execution.time_zone = {name:?} is no time zone: SET it to one, or to 'UTC'"),
        )
    })
}

/// A moment as SHOW prints it, `YYYY-MM-DD HH:MM:SS` in the zone.
pub(crate) fn shown(time: Timestamp, zone: Tz) -> String {
    DateTime::from_timestamp_micros(time.as_micros())
        .map_or_else(|| time.to_string(), |utc| utc.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string())
}
