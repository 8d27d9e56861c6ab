//! The project settings that mean something, checked when set.

use std::time::Duration;

use super::CatalogState;
use crate::error::{Code, Error, Result};

/// Days for which data can be restored (R163).
pub const RETENTION_DAYS: &str = "odps.timemachine.retention.days";

/// The default of [`RETENTION_DAYS`].
pub const DEFAULT_RETENTION_DAYS: u64 = 1;

/// Checks one project setting.
///
/// # Errors
/// [`Code::InvalidProperty`] names the setting and what it takes; an unknown setting is refused.
pub fn check(key: &str, value: &str) -> Result<()> {
    match key {
        RETENTION_DAYS => match value.parse::<u64>() {
            Ok(0..=30) => Ok(()),
            _ => Err(Error::new(
                Code::InvalidProperty,
                format!(
                    "project setting {key} = {value:?} is not possible: it takes whole days from 0 (backup off) to 30"
                ),
            )),
        },
        _ => Err(Error::new(Code::InvalidProperty, format!("{key} is no project setting: there is {RETENTION_DAYS}"))),
    }
}

/// For how long data can be restored; zero switches backup off.
pub fn backup_retention(catalog: &CatalogState) -> Duration {
    match catalog.setting(RETENTION_DAYS) {
        Some(value) => days(value),
        None => Duration::from_secs(24 * 3600 * DEFAULT_RETENTION_DAYS),
    }
}

/// A value of [`RETENTION_DAYS`] as a duration; the default where it isn't one.
pub fn days(value: &str) -> Duration {
    Duration::from_secs(24 * 3600 * value.parse().unwrap_or(DEFAULT_RETENTION_DAYS).min(30))
}
