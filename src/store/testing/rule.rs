//! When a [`FaultStore`](super::FaultStore) fails, and how.

use super::Op;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request fails before it has any effect.
    FailBefore,
    /// The request has its effect, but its answer is an error, like a 503 or a closed connection.
    ApplyThenError,
    /// A put has no effect and is answered like a conflict (S3's 409), which says that the object exists.
    Conflict409,
    /// A put of an existing object is refused like by Azure: `Precondition` instead of `AlreadyExists`.
    Precondition412,
    /// A conditional put is done without its condition, as by stores that are not safe.
    IgnoreCondition,
    /// The request fails now and has its effect later: at [`FaultStore::release`](super::FaultStore::release), or before
    /// the request that comes after so many others. Reads and listings just fail.
    LateApply {
        /// How many requests pass meanwhile; none means until released.
        after: Option<u64>,
    },
    /// The request times out.
    Timeout {
        /// Whether it had its effect.
        applied: bool,
    },
    /// The request waits for [`FaultStore::release`](super::FaultStore::release), and is then done as usual.
    HangUntilReleased,
    /// The request is never answered.
    Hang {
        /// Whether it had its effect.
        applied: bool,
    },
    /// A listing fails after so many objects; other requests fail before any effect.
    FailMidway {
        /// How many objects are listed.
        after: usize,
    },
    /// A listing ends after so many objects and says nothing of the others; other requests are done as usual.
    ShortList {
        /// How many objects are listed.
        keep: usize,
    },
    /// A listing as of earlier: what was put last is not in it, and what was deleted may be; other requests are done as
    /// usual. Only what went through this store since the start counts.
    StaleList {
        /// How many of the newest objects are missing.
        newest: usize,
        /// Whether deleted objects are listed.
        deleted: bool,
    },
    /// One bit of what is read is wrong; other requests are done as usual.
    FlipBit {
        /// Which, modulo the bits that there are; drawn from the store's seed if none.
        bit: Option<u64>,
    },
    /// The object is read and looked up as if it were cut to so many bytes; other requests are done as usual.
    Truncate {
        /// How many bytes are left.
        keep: u64,
    },
    /// The process dies: this request and all later ones fail, until [`FaultStore::revive`](super::FaultStore::revive).
    Kill {
        /// Whether this request had its effect.
        applied: bool,
    },
}

/// Which matching requests a rule applies to.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    Always,
    /// The k-th, counted from 1.
    Nth(u64),
    /// The first k.
    First(u64),
    /// The k-th and all after it.
    From(u64),
    Probability(f64),
}

/// A fault and the requests that suffer it, for example
/// `Rule::on(Op::Put).path("/_log/").nth(3).fault(Fault::ApplyThenError)`.
#[derive(Debug, Clone)]
pub struct Rule {
    op: Option<Op>,
    path: String,
    when: When,
    pub(super) fault: Fault,
    seen: u64,
}

impl Rule {
    /// Applies to requests of any kind; they fail without effect unless [`Self::fault`] says otherwise.
    pub fn any() -> Self {
        Self { op: None, path: String::new(), when: When::Always, fault: Fault::FailBefore, seen: 0 }
    }

    /// Applies to requests of the kind.
    pub fn on(op: Op) -> Self {
        Self { op: Some(op), ..Self::any() }
    }

    /// Applies to objects whose path contains the text.
    #[must_use]
    pub fn path(mut self, contains: impl Into<String>) -> Self {
        self.path = contains.into();
        self
    }

    /// Applies to the k-th matching request only, counted from 1 and from the time when the rule was added.
    #[must_use]
    pub fn nth(mut self, k: u64) -> Self {
        self.when = When::Nth(k);
        self
    }

    /// Applies to the first k matching requests.
    #[must_use]
    pub fn first(mut self, k: u64) -> Self {
        self.when = When::First(k);
        self
    }

    /// Applies to the k-th matching request and all after it.
    #[must_use]
    pub fn from(mut self, k: u64) -> Self {
        self.when = When::From(k);
        self
    }

    /// Applies to a matching request with the probability, drawn from the store's seed.
    #[must_use]
    pub fn probability(mut self, probability: f64) -> Self {
        self.when = When::Probability(probability.clamp(0.0, 1.0));
        self
    }

    /// What happens to the request.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }

    /// A bit of everything that may go wrong without breaking a promise of the store: each request fails with the
    /// probability, and not twice in the same way. Nothing hangs, and what is read is not damaged.
    pub fn mix(probability: f64) -> impl Iterator<Item = Self> {
        let faults = [
            (None, Fault::FailBefore),
            (None, Fault::ApplyThenError),
            (None, Fault::Timeout { applied: true }),
            (None, Fault::Timeout { applied: false }),
            (Some(Op::Put), Fault::Conflict409),
            (Some(Op::Put), Fault::Precondition412),
            (Some(Op::Put), Fault::LateApply { after: Some(3) }),
            (Some(Op::List), Fault::FailMidway { after: 1 }),
        ];
        let each = probability / faults.len() as f64;
        faults.into_iter().map(move |(op, fault)| Self { op, ..Self::any() }.probability(each).fault(fault))
    }

    /// Whether the rule applies to the request, which is counted.
    pub(super) fn applies(&mut self, op: Op, path: &str, chance: impl FnOnce(f64) -> bool) -> bool {
        if self.op.is_some_and(|wanted| wanted != op) || !path.contains(&self.path) {
            return false;
        }
        self.seen += 1;
        match self.when {
            When::Always => true,
            When::Nth(k) => self.seen == k,
            When::First(k) => self.seen <= k,
            When::From(k) => self.seen >= k,
            When::Probability(probability) => chance(probability),
        }
    }
}
