//! The grace: how long files and shares that no log names yet are left alone, because a writer may still commit them.
//!
//! It is the only protection that writers and readers have from a sweep, so all of its parts are defined here. It must
//! not know what is swept.

use std::time::Duration;

/// For how long a sweep leaves files that no log knows, and unfinished shares, alone.
pub const GRACE: Duration = Duration::from_secs(24 * 3600);

/// The shortest grace that can be set.
pub const GRACE_FLOOR: Duration = Duration::from_secs(3600);
