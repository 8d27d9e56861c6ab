//! How far back versions can be read and restored: the two windows (R158, R163).

use std::time::Duration;

use super::{Pin, PinnedTable};
use crate::catalog::{CatalogState, settings};
use crate::error::{Code, Error, Result};
use crate::log::Lsn;
use crate::store::Timestamp;
use crate::store::testing::Bug;
use crate::table::{TableState, properties};

/// For how long what has ended is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// In which versions can be queried; zero where time travel is off.
    pub query: Duration,
    /// In which versions can be restored; zero where backup is off.
    pub backup: Duration,
    /// In which statements may still run that began before the end.
    pub grace: Duration,
}

impl Windows {
    /// Those of a table.
    pub fn of(catalog: &CatalogState, table: &TableState, grace: Duration) -> Self {
        Self { query: properties::retain(table), backup: settings::backup_retention(catalog), grace }
    }

    /// What ended at or before this moment has left all of them (R163).
    pub fn cutoff(self, now: Timestamp) -> Timestamp {
        let kept = self.query.max(self.backup);
        match () {
            () if Bug::RetentionIgnored.is_on() => now,
            () if Bug::ReaderUnprotected.is_on() => now.saturating_sub(kept),
            () => now.saturating_sub(kept.max(self.grace)),
        }
    }
}

/// The oldest version that was current at some moment since `since`: the horizon of a window.
///
/// An operation that changes no data leaves the content of the version before it current.
///
/// # Errors
/// What the store gives.
pub async fn horizon(table: &PinnedTable, since: Timestamp) -> Result<Lsn> {
    let Some(current) = table.log.at_time(&table.snapshot, since).await? else { return Ok(Lsn::FIRST) };
    if current.operation.is_data() {
        return Ok(current.lsn);
    }
    let older = table.log.commits(&table.snapshot, Lsn::FIRST, current.lsn).await?;
    Ok(older.iter().rev().find(|info| info.operation.is_data()).map_or(Lsn::FIRST, |info| info.lsn))
}

/// The oldest version that RESTORE can bring back, by the project's backup retention.
///
/// # Errors
/// [`Code::NotRestorable`] where backup is switched off; what the store gives.
pub async fn backup_horizon(pin: &Pin, table: &PinnedTable) -> Result<Lsn> {
    let window: Duration = settings::backup_retention(&pin.catalog().state);
    if window.is_zero() {
        return Err(Error::new(
            Code::NotRestorable,
            format!(
                "table {} can't be restored: backup is switched off ({} = 0); SETPROJECT {}=1 keeps a day of changes from now on",
                table.name,
                settings::RETENTION_DAYS,
                settings::RETENTION_DAYS
            ),
        ));
    }
    horizon(table, pin.now().saturating_sub(window)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// R163, as a truth table: what ended goes when it is older than the time-travel period (all is, where time travel is
    /// off) and than the backup protection time, whatever ended it; and never within the grace.
    #[test]
    fn what_goes_when() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        // (hours for queries, days of backup, hours of grace, hours since it ended, it goes)
        for (query, backup, grace, ended, goes) in [
            // Older than the one, not than the other.
            (24, 3, 1, 25, false),
            (168, 1, 1, 100, false),
            // Older than both.
            (24, 3, 1, 73, true),
            (168, 1, 1, 169, true),
            // Exactly as old is out: a version is readable while its end is later than that.
            (24, 1, 1, 24, true),
            (24, 1, 1, 23, false),
            // Time travel off: all history has left that period.
            (0, 1, 1, 24, true),
            (0, 1, 1, 23, false),
            // Backup off.
            (24, 0, 1, 24, true),
            (24, 0, 1, 23, false),
            // Both off: the grace is left, for statements that are running.
            (0, 0, 24, 23, false),
            (0, 0, 24, 24, true),
            (0, 0, 1, 1, true),
            (0, 0, 1, 0, false),
            // The longest of each.
            (168, 30, 24, 30 * 24 - 1, false),
            (168, 30, 24, 30 * 24, true),
        ] {
            let windows = Windows { query: HOUR * query, backup: HOUR * 24 * backup, grace: HOUR * grace };
            let until = now.saturating_sub(HOUR * ended);
            assert_eq!(until <= windows.cutoff(now), goes, "{windows:?}, ended {ended} hours ago");
        }
    }
}
