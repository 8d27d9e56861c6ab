//! The second commit of a verb over two logs.

use crate::error::{Code, Result};

/// Once the deciding commit stands, the statement has happened, whatever becomes of the commit that follows from it:
/// whoever meets the object next commits it. Gives what followed; none where it is left to others.
///
/// # Errors
/// [`Code::CommitStateUnknown`], which the caller can settle.
pub(super) fn follow_up<T>(outcome: Result<T>, what: &str) -> Result<Option<T>> {
    match outcome {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.code() == Code::CommitStateUnknown => Err(error),
        Err(error) => {
            tracing::warn!(%error, "{what}; the next statement on it finishes that");
            Ok(None)
        }
    }
}
