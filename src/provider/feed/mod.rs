//! `changes('t', a, b)` and `diff('t', a, b)`: what differs between versions, as queries over their snapshots.
//!
//! Invariant: the answer is that of the snapshots, whatever the operations were, and nothing is to be switched on before.
//! Rows are the same where their key and partition are; without a key, the n-th of the rows that are alike in all columns
//! is the n-th of the others, so that such a table has no updates.

mod changed;
mod changes;
mod diff;
mod side;

use std::sync::Arc;

use datafusion::datasource::{TableProvider, ViewTable};
use datafusion::logical_expr::LogicalPlan;

use crate::error::Result;
use crate::log::{CommitInfo, Lsn};
use crate::ops::version::{self, PurgedHistory};
use crate::ops::{Pin, PinnedTable, VersionSpec};
use crate::store::Timestamp;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feed {
    Changes,
    Diff,
}

impl Feed {
    pub(crate) const ALL: [Self; 2] = [Self::Changes, Self::Diff];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feed| feed.name() == name)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Diff => "diff",
        }
    }

    pub(crate) fn usage(self) -> String {
        format!("{}('table', from, to)", self.name())
    }

    /// The table that it gives. What a PURGE took can't be compared, so it is an error whatever the session says.
    ///
    /// # Errors
    /// Those of the version clauses.
    pub(crate) async fn provider(
        self,
        pin: &Arc<Pin>,
        table: &PinnedTable,
        now: Timestamp,
        a: VersionSpec,
        b: VersionSpec,
    ) -> Result<Arc<dyn TableProvider>> {
        let plan = match self {
            Self::Diff => {
                let a = version::as_of(pin, table, now, a, PurgedHistory::Error).await?;
                let b = version::as_of(pin, table, now, b, PurgedHistory::Error).await?;
                diff::plan(pin, table, a, b)?
            }
            Self::Changes => {
                let (a, b) = version::between(table, now, a, b).await?;
                let commits = commits(pin, table, now, a, b).await?;
                changes::plan(pin, table, b, &commits)?
            }
        };
        Ok(view(plan))
    }
}

/// The commits after `a` up to `b` that may have changed rows; each and its predecessor can be read.
async fn commits(pin: &Arc<Pin>, table: &PinnedTable, now: Timestamp, a: Lsn, b: Lsn) -> Result<Vec<Arc<CommitInfo>>> {
    use crate::log::Operation as O;
    let mut commits = table.log.commits(&table.snapshot, a.next(), b).await?;
    commits.retain(|commit| !matches!(commit.operation, O::Compact | O::Alter | O::Purge | O::Vacuum));
    // The oldest snapshot that is compared decides: what is older goes first.
    if let Some(first) = commits.first() {
        let before = VersionSpec::Version(first.lsn.as_i64().saturating_sub(1));
        version::as_of(pin, table, now, before, PurgedHistory::Error).await?;
    }
    Ok(commits)
}

fn view(plan: LogicalPlan) -> Arc<dyn TableProvider> {
    Arc::new(ViewTable::new(plan, None))
}
