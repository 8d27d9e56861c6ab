//! The grace: how long files and shares that no log names yet are left alone, because a writer may still commit them.
//!
//! It is the only protection that writers and readers have from a sweep, so all of its parts are defined here. It must
//! not know what is swept.

use std::time::Duration;

use crate::error::{Code, Error, Result};

/// For how long a sweep leaves files that no log knows, and unfinished shares, alone.
pub const GRACE: Duration = Duration::from_secs(24 * 3600);

/// The shortest grace that can be set.
pub const GRACE_FLOOR: Duration = Duration::from_secs(3600);

/// Checks a grace that is to be set.
///
/// # Errors
/// [`Code::InvalidArgument`] below the floor.
pub fn check(grace: Duration) -> Result<()> {
    match grace >= GRACE_FLOOR {
        true => Ok(()),
        false => Err(Error::new(
            Code::InvalidArgument,
            format!(
                "a grace of {} s is too short: it is what protects running statements from VACUUM; give an hour at the least",
                grace.as_secs()
            ),
        )),
    }
}
