//! L1, history: an append-only log of numbered commits, and the state that they add up to.
//!
//! The same code serves the catalog and every table. The number of a commit *is* the version (LSN) that it makes. A
//! log has no gaps, its slots are never emptied, and no object is ever overwritten (invariants 1, 2 and 3). This layer
//! knows neither tables nor SQL.

mod append;
mod checkpoint;
mod commit;
mod index;
mod lsn;
mod operation;
mod reader;
mod snapshot;
mod span;
mod state;

pub use append::{Attempt, CommitOptions, CommitStatus, Committed};
pub use commit::{Commit, FORMAT, Header, MAX_COMMIT_BYTES};
pub use index::{CommitIndex, CommitInfo, SEGMENT, SegmentRef, Summary, Touched};
pub use lsn::Lsn;
pub use operation::Operation;
pub use reader::Log;
pub use snapshot::Snapshot;
pub use span::{Lifetime, Span};
pub use state::{State, StateRow};
