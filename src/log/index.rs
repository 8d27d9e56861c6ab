//! The commit index: what history, TIMESTAMP and `get_latest_*` ask of a log, without reading its commits.
//!
//! The newest commits travel in the checkpoint; older ones lie in immutable segments of [`SEGMENT`] commits.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Header, Lsn, Operation};
use crate::store::{CommitId, Digest, PartitionId, Timestamp};

/// Commits in one segment of the index.
pub const SEGMENT: usize = 1024;

/// What a commit touched, as the state says while it applies it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// The partitions of a table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub touched: Vec<Touched>,
    /// Rows added, tombstones included.
    #[serde(default)]
    pub rows: u64,
    /// Files added.
    #[serde(default)]
    pub files: u64,
    /// Bytes added.
    #[serde(default)]
    pub bytes: u64,
}

/// A partition that a commit touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// Its id.
    pub id: PartitionId,
    /// Whether this commit created it: history shows CREATE for it (C4).
    #[serde(default)]
    pub created: bool,
    /// Rows added to it, tombstones included.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rows: u64,
    /// Files added to it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub files: u64,
    /// Bytes added to it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// One commit, as history knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitInfo {
    /// Its position.
    pub lsn: Lsn,
    /// Its id.
    pub commit: CommitId,
    /// Its time.
    pub time: Timestamp,
    /// What it did.
    pub operation: Operation,
    /// Who did it.
    pub actor: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it touched.
    #[serde(flatten)]
    pub summary: Summary,
}

impl CommitInfo {
    pub(crate) fn new(header: &Header, summary: Summary) -> Self {
        Self {
            lsn: header.lsn,
            commit: header.commit,
            time: header.time,
            operation: header.operation,
            actor: header.actor.clone(),
            reason: header.reason.clone(),
            summary,
        }
    }
}

/// A sealed segment and where it lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRef {
    /// Its first commit.
    pub first: Lsn,
    /// Its last commit.
    pub last: Lsn,
    /// Time of the first commit.
    pub first_time: Timestamp,
    /// Time of the last commit.
    pub last_time: Timestamp,
    /// Digest of the file.
    pub digest: Digest,
}

/// The index of one snapshot: sealed segments, then the newest commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitIndex {
    /// Sealed segments, oldest first, without a gap.
    pub segments: Vec<SegmentRef>,
    /// The commits after the last segment.
    pub recent: Vec<Arc<CommitInfo>>,
}

impl CommitIndex {
    /// The oldest commit that needs no segment.
    pub fn recent_first(&self) -> Lsn {
        self.recent.first().map_or(Lsn::FIRST, |info| info.lsn)
    }
}
