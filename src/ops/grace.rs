//! The grace: how long files and shares that no log names yet are left alone, because a writer may still commit them.
//!
//! It is the only protection that writers and readers have from a sweep, so all of its parts are defined here. It must
//! not know what is swept.

use std::time::Duration;

use crate::error::{Code, Error, Result};
use crate::store::Timestamp;

/// For how long a sweep leaves files that no log knows, and unfinished shares, alone.
pub const GRACE: Duration = Duration::from_secs(24 * 3600);

/// The shortest grace that can be set.
pub const GRACE_FLOOR: Duration = Duration::from_secs(3600);

/// Whether a writer may still commit what it began at `since`: up to half of the grace, so that no sweep can take what
/// it stands on before its commit is seen.
///
/// # Errors
/// [`Code::Conflict`]; nothing has been changed then.
pub fn check_writer(since: Timestamp, now: Timestamp, name: &str) -> Result<()> {
    if now.since(since) < GRACE / 2 {
        return Ok(());
    }
    Err(Error::new(
        Code::Conflict,
        format!(
            "table {name}: the statement began at {since}, over {} hours ago, and may stand on files that a sweep takes soon; nothing was changed, run it again",
            (GRACE / 2).as_secs() / 3600
        ),
    ))
}
