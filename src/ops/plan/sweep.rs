//! VACUUM and PURGE of a table: which files leave. What becomes of the objects is decided after the commit.

use super::{Plan, checks};
use crate::error::{Code, Error, Result};
use crate::log::{Attempt, Lsn};
use crate::table::{Action, TableSnapshot, TableState};

/// Plans a VACUUM that takes what ended at or before `upto`. With `orphans` there is a commit also where nothing did: a
/// sweep commits before it deletes anything, so that no lost commit can land behind its back.
///
/// # Errors
/// [`Code::TableDropped`].
pub fn sweep(head: &TableSnapshot, name: &str, upto: Option<Lsn>, orphans: bool) -> Plan {
    checks::alive(&head.state, name)?;
    match upto.filter(|upto| !head.state.expired(*upto).is_empty()) {
        Some(upto) => Ok(Attempt::Actions(vec![Action::Sweep { upto }])),
        None if orphans => Ok(Attempt::Actions(vec![])),
        None => Ok(Attempt::Nothing),
    }
}

/// Plans a PURGE, which takes whatever the latest version doesn't read; `orphans` as for [`sweep`].
///
/// # Errors
/// [`Code::TableDropped`].
pub fn purge(head: &TableSnapshot, name: &str, orphans: bool) -> Plan {
    let state = &head.state;
    checks::alive(state, name)?;
    if !state.superseded().is_empty() || has_dropped_partitions(state)? {
        return Ok(Attempt::Actions(vec![Action::Purge]));
    }
    Ok(if orphans { Attempt::Actions(vec![]) } else { Attempt::Nothing })
}

/// Whether a partition ended since the last PURGE: it could still be restored.
fn has_dropped_partitions(state: &TableState) -> Result<bool> {
    let purged = state.info()?.purged.unwrap_or(Lsn::ZERO);
    Ok(state.partitions().any(|entry| entry.life.ended().is_some_and(|until| until > purged)))
}

/// A range can be read only where no PURGE took a file of it.
///
/// # Errors
/// [`Code::SnapshotGone`].
pub fn range_is_whole(state: &TableState, name: &str, a: Lsn, b: Lsn) -> Result<()> {
    let lost = state.counted_between(a, b).into_iter().filter(|entry| state.is_gone(entry.file.id));
    match lost.min_by_key(|entry| entry.lsn) {
        None => Ok(()),
        Some(entry) => Err(Error::new(
            Code::SnapshotGone,
            format!(
                "BETWEEN {} AND {} on table {name}: PURGE took rows that commit {} wrote; begin the range there or later",
                a.get(),
                b.get(),
                entry.lsn.get()
            ),
        )),
    }
}
