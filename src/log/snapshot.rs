//! The state of a log at one LSN.

use std::sync::Arc;

use bytes::Bytes;

use super::commit::MAX_CARRIED_BYTES;
use super::{Commit, CommitIndex, CommitInfo, Header, Lsn, State};
use crate::error::{Code, Error, Result};
use crate::store::{Digest, Timestamp};

/// An immutable state, the index of the commits that made it, and the link to the last of them.
#[derive(Debug, Clone)]
pub struct Snapshot<S> {
    /// The last commit that is in it; 0 where the log doesn't exist.
    pub lsn: Lsn,
    /// The header of that commit.
    pub header: Option<Header>,
    /// The digest of that commit, which the next one names.
    pub digest: Option<Digest>,
    /// The newest checkpoint known.
    pub checkpoint: Option<Lsn>,
    /// What the commits add up to.
    pub state: S,
    /// The index of the commits.
    pub index: CommitIndex,
    /// The file of that commit, where the next one may carry it.
    pub(crate) file: Option<Bytes>,
}

impl<S: State> Snapshot<S> {
    /// The snapshot of a log that has no commit yet.
    pub(crate) fn empty() -> Self {
        Self {
            lsn: Lsn::ZERO,
            header: None,
            digest: None,
            checkpoint: None,
            state: S::default(),
            index: CommitIndex::default(),
            file: None,
        }
    }

    /// The time of the last commit.
    pub fn time(&self) -> Timestamp {
        self.header.as_ref().map_or(Timestamp::from_micros(0), |header| header.time)
    }

    /// Whether the log has no commit.
    pub fn is_empty(&self) -> bool {
        self.lsn == Lsn::ZERO
    }

    /// Folds the next commit in.
    pub(super) fn apply(&mut self, commit: &Commit<S::Action>) -> Result<()> {
        let header = &commit.header;
        let wrong = |what: &str| {
            Error::new(
                Code::Corrupt,
                format!(
                    "commit {} of log {}: {what}; restore the log from a copy of the warehouse",
                    header.lsn, header.log
                ),
            )
        };
        if header.lsn != self.lsn.next() {
            return Err(wrong("it is out of order"));
        }
        if header.previous != self.digest {
            return Err(wrong("it does not follow the commit before it"));
        }
        if self.header.as_ref().is_some_and(|previous| header.time <= previous.time) {
            return Err(wrong("its time is not after that of the commit before it"));
        }
        let summary = self.state.apply(header, &commit.actions)?;
        self.index.recent.push(Arc::new(CommitInfo::new(header, summary)));
        self.lsn = header.lsn;
        self.digest = Some(commit.digest);
        self.checkpoint = self.checkpoint.max(header.checkpoint);
        self.header = Some(header.clone());
        self.file = Some(commit.file.clone()).filter(|file| file.len() <= MAX_CARRIED_BYTES);
        Ok(())
    }
}
