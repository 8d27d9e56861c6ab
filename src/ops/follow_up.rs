//! The second commit of a verb over two logs.

use crate::error::Result;

/// Once the deciding commit stands, the statement has happened, whatever becomes of the commit that follows from it:
/// whoever meets the object next commits it.
pub(super) fn follow_up<T>(outcome: Result<T>, what: &str) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "{what}; the next statement on it finishes that");
    }
}
