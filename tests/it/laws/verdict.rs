//! What the oracle expects of a verb.

use std::collections::BTreeSet;

use datafusion_timetravel::Code;

use super::version::Version;

/// What a verb must do on a head.
#[derive(Debug, Clone)]
pub enum Verdict {
    Commit(Version),
    Nothing,
    Refused(Code),
    /// Whether there is something to do depends on what rows can't tell: files that hold no row.
    Maybe(Version),
    /// It may be refused, because files were replaced, but if it commits then to this.
    Free(Version, Code),
}

/// What a draft needs of the head.
#[derive(Debug, Clone)]
pub enum Need {
    Nothing,
    /// These partitions, or all, as they were.
    Unchanged(Option<BTreeSet<String>>),
    /// The files of this partition.
    Live(String),
    /// These partitions as they were, and the files of them that are rewritten.
    Rewrite(BTreeSet<String>),
}
