//! The second commit of a verb over two logs.

use super::Warehouse;
use crate::auth::Caller;
use crate::error::{Code, Result};
use crate::log::{CommitInfo, CommitOptions, Operation};

/// Once the deciding commit stands, the statement has happened, whatever becomes of the commit that follows from it:
/// whoever meets the object next commits it. Gives none where it didn't come through.
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

/// The options of the commit that follows from a decided one: in the name of whoever decided, with an id that follows from
/// the decision's, so that finishing twice is finishing once.
pub(super) fn options_after(
    warehouse: &Warehouse,
    decided: &CommitInfo,
    step: &str,
    operation: Operation,
) -> CommitOptions {
    let caller = Caller { actor: decided.actor.clone(), reason: decided.reason.clone() };
    CommitOptions { commit: decided.commit.follow_up(step), ..warehouse.commit_options(&caller, operation) }
}
