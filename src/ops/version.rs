//! Which version a clause names, and whether it may still be read (R027-R037, R061-R067).

use std::time::Duration;

use super::{Pin, PinnedTable};
use crate::error::{Code, Error, Result};
use crate::log::Lsn;
use crate::store::Timestamp;
use crate::table::properties;

/// One end of a version clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionSpec {
    /// `VERSION`: an LSN as SQL has it.
    Version(i64),
    /// `TIMESTAMP`: a moment.
    Timestamp(Timestamp),
}

/// What reading a version from before a PURGE gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PurgedHistory {
    /// The content at the PURGE, with a warning.
    #[default]
    Warn,
    /// An error.
    Error,
}

/// The version that `AS OF` names, or that is read in its place after a PURGE.
///
/// # Errors
/// [`Code::VersionOutOfRange`], [`Code::TimestampOutOfRange`], [`Code::VersionTooOld`]; [`Code::SnapshotGone`] where the
/// version was purged and the session wants an error.
pub async fn as_of(
    pin: &Pin,
    table: &PinnedTable,
    now: Timestamp,
    spec: VersionSpec,
    purged: PurgedHistory,
) -> Result<Lsn> {
    let lsn = match spec {
        VersionSpec::Version(v) => readable_version(table, now, v).await?,
        VersionSpec::Timestamp(time) => readable_time(table, now, time).await?.min(table.snapshot.lsn),
    };
    let Some(purge) = table.snapshot.state.info()?.purged.filter(|purge| lsn < *purge) else { return Ok(lsn) };
    let later = table.log.commits(&table.snapshot, lsn.next(), purge).await?;
    if later.iter().all(|info| !info.operation.is_data()) {
        return Ok(lsn);
    }
    let what = format!("version {} of table {} was purged at version {}", lsn.get(), table.name, purge.get());
    match purged {
        PurgedHistory::Warn => {
            pin.warehouse().warn(format!("{what}: the content at the PURGE is read in its place"));
            Ok(purge)
        }
        PurgedHistory::Error => Err(Error::new(
            Code::SnapshotGone,
            format!("{what}: read that one or a later, or SET timetravel.purged_history = 'warn' to get its content"),
        )),
    }
}

/// The range that `BETWEEN a AND b` names: left-open, right-closed.
///
/// # Errors
/// As [`as_of`] for `a`; [`Code::IncrementalOutOfRange`] for a `b` past the latest commit unless the table's property
/// allows it; [`Code::InvalidArgument`] for `a > b`; [`Code::SnapshotGone`] where a PURGE took a file of the range.
pub async fn between(table: &PinnedTable, now: Timestamp, a: VersionSpec, b: VersionSpec) -> Result<(Lsn, Lsn)> {
    let (a, b) = range(table, now, a, b).await?;
    super::plan::range_is_whole(&table.snapshot.state, &table.name.to_string(), a, b)?;
    Ok((a, b))
}

async fn range(table: &PinnedTable, now: Timestamp, a: VersionSpec, b: VersionSpec) -> Result<(Lsn, Lsn)> {
    let head = table.snapshot.lsn;
    let open_end = properties::out_of_range_enabled(&table.snapshot.state);
    match (a, b) {
        (VersionSpec::Version(from), VersionSpec::Version(to)) => {
            if from > to {
                return Err(backwards(table, from, to));
            }
            let past = to > head.as_i64();
            if past && !open_end {
                return Err(past_the_end(table, &format!("version {to}")));
            }
            // With an open end a range may lie wholly after the last commit.
            let from = if past { from.min(head.as_i64()) } else { from };
            let from = readable_version(table, now, from).await?;
            Ok((from, if past { head } else { to_lsn(to) }))
        }
        (VersionSpec::Timestamp(from), VersionSpec::Timestamp(to)) => {
            if from > to {
                return Err(backwards(table, from, to));
            }
            let start = readable_time(table, now, from).await?;
            if to > table.snapshot.time() {
                if !open_end {
                    return Err(past_the_end(table, &format!("timestamp {to}")));
                }
                return Ok((start, head));
            }
            let end = table.log.at_time(&table.snapshot, to).await?.map_or(start, |info| info.lsn);
            Ok((start, end.max(start)))
        }
        _ => Err(Error::internal("a range of a version and a time")),
    }
}

/// The version's LSN where it can be read: it exists, and was current at some moment of the last hours (R033).
async fn readable_version(table: &PinnedTable, now: Timestamp, v: i64) -> Result<Lsn> {
    let head = table.snapshot.lsn;
    if v < 1 || v > head.as_i64() {
        return Err(Error::new(
            Code::VersionOutOfRange,
            format!(
                "table {} has versions 1 to {}, not {v}: get_latest_version('{}') gives the latest",
                table.name,
                head.get(),
                table.name
            ),
        ));
    }
    let lsn = to_lsn(v);
    if lsn == head {
        return Ok(lsn);
    }
    // Operations that change no data leave the content of a version current.
    let later = table.log.commits(&table.snapshot, lsn.next(), head).await?;
    let Some(ended) = later.iter().find(|info| info.operation.is_data()).map(|info| info.time) else { return Ok(lsn) };
    let retain = properties::retain(&table.snapshot.state);
    if ended > now.saturating_sub(retain) && !retain.is_zero() {
        return still_there(table, lsn);
    }
    Err(too_old(table, &format!("version {v}, current until {ended},"), retain))
}

/// The version that was current at the time, where the time can be named (R028, R029).
async fn readable_time(table: &PinnedTable, now: Timestamp, time: Timestamp) -> Result<Lsn> {
    let retain = properties::retain(&table.snapshot.state);
    let created = table.snapshot.state.info()?.created;
    if time < created {
        return Err(Error::new(
            Code::TimestampOutOfRange,
            format!("{time} is before table {} was created, {created}: name a later time", table.name),
        ));
    }
    if time < now.saturating_sub(retain) {
        return Err(too_old(table, &format!("time {time}"), retain));
    }
    match table.log.at_time(&table.snapshot, time).await? {
        Some(info) => still_there(table, info.lsn),
        None => Err(Error::internal("a time after the CREATE and before any commit")),
    }
}

/// A longer retention doesn't bring back what VACUUM took before (R155).
fn still_there(table: &PinnedTable, lsn: Lsn) -> Result<Lsn> {
    match table.snapshot.state.swept_before().filter(|oldest| lsn < *oldest) {
        None => Ok(lsn),
        Some(oldest) => Err(Error::new(
            Code::VersionTooOld,
            format!(
                "version {} of table {} is too old: a VACUUM took its files when the retention was shorter; the oldest that can be read is {}",
                lsn.get(),
                table.name,
                oldest.get(),
            ),
        )),
    }
}

fn too_old(table: &PinnedTable, what: &str, retain: Duration) -> Error {
    let hours = retain.as_secs() / 3600;
    let why = if hours == 0 {
        "time travel is switched off".to_owned()
    } else {
        format!("versions can be queried for {hours} hours")
    };
    Error::new(
        Code::VersionTooOld,
        format!(
            "{what} of table {} is too old: {why} ({} = {hours}); name a newer one, or read the latest without a clause",
            table.name,
            properties::RETAIN_HOURS,
        ),
    )
}

fn past_the_end(table: &PinnedTable, input: &str) -> Error {
    Error::new(
        Code::IncrementalOutOfRange,
        format!(
            "Incremental query can't exceed current version of table {}. Current version: {}, current version timestamp: {}, input is: {input}. \
             End the range there, or set the table property {} to 'true'",
            table.name,
            table.snapshot.lsn.get(),
            table.snapshot.time(),
            properties::OUT_OF_RANGE,
        ),
    )
}

fn backwards(table: &PinnedTable, a: impl std::fmt::Display, b: impl std::fmt::Display) -> Error {
    Error::new(
        Code::InvalidArgument,
        format!("BETWEEN {a} AND {b} on table {}: the start is after the end, swap them", table.name),
    )
}

#[allow(clippy::cast_sign_loss, reason = "checked to be at least 1")]
fn to_lsn(v: i64) -> Lsn {
    Lsn::new(v.max(0) as u64)
}

/// The version and commit time of the `n`-th newest data operation (R050-R057).
///
/// # Errors
/// [`Code::InvalidArgument`] for `n < 1`, [`Code::NoSuchOperation`] where there are fewer.
pub async fn nth_latest(table: &PinnedTable, n: i64) -> Result<(Lsn, Timestamp)> {
    let Some(count) = u64::try_from(n).ok().filter(|n| *n >= 1) else {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("get_latest_*('{}', {n}): count from 1, the newest operation", table.name),
        ));
    };
    match table.log.nth_data(&table.snapshot, count).await? {
        Some(info) => Ok((info.lsn, info.time)),
        None => Err(Error::new(
            Code::NoSuchOperation,
            format!(
                "table {} has fewer than {n} data operations: SHOW HISTORY FOR TABLE {} lists them",
                table.name, table.name
            ),
        )),
    }
}
