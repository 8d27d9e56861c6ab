//! Lifetimes: the versions in which an entry of a timeline exists.
//!
//! Time travel is a filter, not a replay: an entry is in the snapshot at `v` exactly where one of its spans holds `v`.

use serde::{Deserialize, Serialize};

use super::{Lsn, Operation};

/// Versions from `since` up to, but without, `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The commit that opened it.
    pub since: Lsn,
    /// The commit that ended it; none while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Lsn>,
    /// The operation of the commit that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Operation>,
}

/// The spans of one entry, in order, not overlapping; RESTORE and undrop add a second one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lifetime(Vec<Span>);

impl Lifetime {
    /// A lifetime that starts at `since` and lasts.
    pub fn open_at(since: Lsn) -> Self {
        Self(vec![Span { since, until: None, cause: None }])
    }

    /// Whether the entry exists at `v`.
    pub fn at(&self, v: Lsn) -> bool {
        self.0.iter().any(|span| span.since <= v && span.until.is_none_or(|until| v < until))
    }

    /// Whether it lasts at the head.
    pub fn is_open(&self) -> bool {
        self.0.last().is_some_and(|span| span.until.is_none())
    }

    /// Opens it again at `v`; nothing where it lasts.
    pub fn open(&mut self, v: Lsn) {
        if !self.is_open() {
            self.0.push(Span { since: v, until: None, cause: None });
        }
    }

    /// Ends it at `v`; nothing where it has ended.
    pub fn close(&mut self, v: Lsn, cause: Operation) {
        if let Some(span) = self.0.last_mut().filter(|span| span.until.is_none()) {
            span.until = Some(v);
            span.cause = Some(cause);
        }
    }

    /// The spans, oldest first.
    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    /// The last span, which has ended or lasts.
    pub fn last(&self) -> Option<&Span> {
        self.0.last()
    }

    /// The commit that ended it; none while it lasts.
    pub fn ended(&self) -> Option<Lsn> {
        self.last().and_then(|span| span.until)
    }

    /// Whether it has been the same at every version after `base`: nothing opened, nothing ended.
    pub fn unchanged_since(&self, base: Lsn) -> bool {
        self.0.iter().all(|span| span.since <= base && span.until.is_none_or(|until| until <= base))
    }
}
