//! The commit protocol: put-if-absent of the next slot, with ambiguous answers settled by reading back.
//!
//! An answer other than "created" says nothing about who won: the client or the network may have sent the request
//! twice. So the slot is read back. Mine: done. Another's: take the next slot, with the same commit id. Empty: the
//! same bytes again to the same slot, because the lost request may still land there. Invariant 12: an unknown outcome
//! deletes nothing. (Lance and delta-rs lost data or doubled commits where they took "already exists" for a loss.)

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::Instant;

use super::{Commit, FORMAT, Header, Log, Lsn, Operation, Snapshot, State, commit};
use crate::error::{Code, Error, Result, UnknownCommit};
use crate::store::layout::LogRoot;
use crate::store::testing::Bug;
use crate::store::{CommitId, Path, PutError, TableId, Timestamp};

/// What a commit is called and how long it may take.
#[derive(Debug, Clone)]
pub struct CommitOptions {
    /// The id of the logical transaction.
    pub commit: CommitId,
    /// What it does.
    pub operation: Operation,
    /// Who does it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// How long an unclear outcome is pursued.
    pub deadline: Duration,
    /// How far the head's time may be ahead of the clock.
    pub max_skew: Duration,
    /// The moment after which it is refused, because what it refers to may not be there any more.
    pub not_after: Option<Timestamp>,
}

impl CommitOptions {
    /// Options with the default deadline (30 s) and skew (one hour).
    pub fn new(commit: CommitId, operation: Operation, actor: impl Into<String>) -> Self {
        Self {
            commit,
            operation,
            actor: actor.into(),
            reason: None,
            deadline: Duration::from_secs(30),
            max_skew: Duration::from_secs(3600),
            not_after: None,
        }
    }
}

/// What a plan makes of a head: its actions, or nothing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt<A> {
    /// Commit these.
    Actions(Vec<A>),
    /// The head already is what the statement asks for: no commit.
    Nothing,
}

/// How a commit ended.
#[derive(Debug, Clone)]
pub struct Committed<S> {
    /// The snapshot that has it, or that needed no commit.
    pub snapshot: Arc<Snapshot<S>>,
    /// Its LSN; none where there was nothing to do.
    pub lsn: Option<Lsn>,
}

/// What became of a commit whose outcome was unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitStatus {
    /// It is in the log.
    Committed {
        /// Where.
        lsn: Lsn,
        /// Its time.
        time: Timestamp,
    },
    /// It is not and can't come any more.
    NotCommitted,
    /// Its slot is empty still: a lost request could yet land there. Ask again after the next commit.
    Undecided,
}

impl<S: State> Log<S> {
    /// Commits what `plan` makes of the head, starting from `base`.
    ///
    /// `plan` is pure: it is called with `base`, and again with each newer head that another writer made, and says
    /// what to commit there, that there is nothing to do, or that the statement no longer fits. The work runs in a
    /// task of its own, so that dropping the returned future can't tear a commit.
    ///
    /// # Errors
    /// What `plan` gives; [`Code::ClockSkew`]; [`Code::SnapshotGone`] after the options' `not_after`; [`Code::CommitStateUnknown`] where the outcome could not be found out
    /// before the deadline; [`Code::Corrupt`].
    #[allow(clippy::disallowed_methods, reason = "a dropped future may not tear a commit")]
    pub async fn commit<P>(
        self: &Arc<Self>,
        base: Arc<Snapshot<S>>,
        options: CommitOptions,
        plan: P,
    ) -> Result<Committed<S>>
    where
        P: Fn(&Snapshot<S>) -> Result<Attempt<S::Action>> + Send + 'static,
    {
        let log = Arc::clone(self);
        if Bug::CommitFutureDropped.is_on() {
            return Box::pin(log.append(base, &options, plan)).await;
        }
        let task = tokio::spawn(async move { log.append(base, &options, plan).await });
        task.await.unwrap_or_else(|error| Err(Error::internal(format!("the commit task ended early: {error}"))))
    }

    async fn append<P>(&self, base: Arc<Snapshot<S>>, options: &CommitOptions, plan: P) -> Result<Committed<S>>
    where
        P: Fn(&Snapshot<S>) -> Result<Attempt<S::Action>> + Send,
    {
        let mut snapshot = match self.cached() {
            Some(newer) if newer.lsn > base.lsn => newer,
            _ => base,
        };
        let mut lost = 0_u32;
        let mut first = None;
        loop {
            if let Some(done) = snapshot.index.recent.iter().rev().find(|info| info.commit == options.commit) {
                return Ok(Committed { lsn: Some(done.lsn), snapshot: self.remember(snapshot) });
            }
            let attempt = match first.take() {
                Some(stale) if Bug::RetryWithoutReread.is_on() => stale,
                _ => plan(&snapshot)?,
            };
            if Bug::RetryWithoutReread.is_on() {
                first = Some(attempt.clone());
            }
            let Attempt::Actions(actions) = attempt else {
                return Ok(Committed { lsn: None, snapshot: self.remember(snapshot) });
            };
            let header = self.header(&snapshot, options)?;
            let mine = commit::encode(header, actions, snapshot.file.as_ref())?;
            let taken = self.take_slot(mine, options).await?;
            Arc::make_mut(&mut snapshot).apply(&taken)?;
            if taken.header.commit == options.commit {
                let snapshot = self.remember(snapshot);
                self.checkpoint_if_due(&snapshot);
                return Ok(Committed { lsn: Some(taken.header.lsn), snapshot });
            }
            // One lost race is settled by the commit just read; a second means that the head is further on.
            lost += 1;
            if lost > 1 {
                tokio::time::sleep(jitter(lost)).await;
                snapshot = self.catch_up(snapshot).await?;
            }
        }
    }

    fn header(&self, snapshot: &Snapshot<S>, options: &CommitOptions) -> Result<Header> {
        let now = self.store.clock().now();
        let title = || snapshot.state.title().unwrap_or_else(|| format!("the {}", self.name()));
        let ahead = snapshot.time().since(now);
        if !snapshot.is_empty() && ahead > options.max_skew {
            return Err(Error::new(
                Code::ClockSkew,
                format!(
                    "the last commit of {} is of {}, {} s ahead of this clock ({now}): set the clock right and try again; where the commit was made by a wrong clock, open the warehouse with a larger clock skew",
                    title(),
                    snapshot.time(),
                    ahead.as_secs(),
                ),
            ));
        }
        if let Some(limit) = options.not_after.filter(|limit| now > *limit) {
            return Err(Error::new(
                Code::SnapshotGone,
                format!(
                    "the statement on {} took too long: its files had to be committed by {limit}, half a grace after the first was written, because a VACUUM may take them later; nothing was changed, run it again in smaller parts",
                    title(),
                ),
            ));
        }
        if snapshot.lsn == Lsn::MAX {
            return Err(Error::new(Code::InvalidArgument, format!("the log of {} is full", self.name())));
        }
        Ok(Header {
            format: FORMAT,
            features: vec![],
            log: self.name(),
            lsn: snapshot.lsn.next(),
            commit: options.commit,
            previous: snapshot.digest,
            checkpoint: snapshot.checkpoint,
            time: if snapshot.is_empty() { now } else { now.max(snapshot.time().next().unwrap_or(Timestamp::MAX)) },
            operation: options.operation,
            actor: options.actor.clone(),
            reason: options.reason.clone(),
        })
    }

    /// Puts my commit into its slot, and gives the commit that is there afterwards: mine or another's.
    async fn take_slot(&self, mine: Commit<S::Action>, options: &CommitOptions) -> Result<Commit<S::Action>> {
        let lsn = mine.header.lsn;
        let path = self.root.commit(lsn.get());
        let deadline = Instant::now() + options.deadline;
        let mut backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(10))
            .with_max_delay(Duration::from_secs(1))
            .with_jitter()
            .without_max_times()
            .build();
        let mut last: Option<Error>;
        let mut sent = false;
        loop {
            let mut refused = false;
            match self.store.create(&path, mine.file.clone()).await {
                Ok(_) => return Ok(mine),
                // Nothing of this commit was ever stored, so nothing is unclear.
                Err(PutError::NotStored(error)) if !sent => return Err(error),
                Err(PutError::NotStored(error)) => last = Some(error),
                Err(PutError::Occupied(error)) => {
                    (sent, refused) = (true, true);
                    last = Some(error);
                }
                Err(PutError::Unsure(error)) => {
                    sent = true;
                    last = Some(error);
                }
            }
            // Reading is repeated by itself: while the answer is not known, nothing more may be sent elsewhere.
            loop {
                match self.read_commit(lsn).await {
                    Ok(Some(mut commit)) => {
                        if Bug::NoOwnId.is_on() {
                            commit.header.commit = CommitId::from_u128(0);
                        }
                        return Ok(commit);
                    }
                    Ok(None) if refused && Bug::ConflictAsExists.is_on() => return Err(lost_race(&path)),
                    Ok(None) => break,
                    Err(error) if error.code() == Code::StoreUnavailable => last = Some(error),
                    Err(error) => return Err(error),
                }
                wait(&mut backoff, deadline, || self.unknown(&path, lsn, options, last.take())).await?;
            }
            wait(&mut backoff, deadline, || self.unknown(&path, lsn, options, last.take())).await?;
        }
    }

    fn unknown(&self, path: &Path, lsn: Lsn, options: &CommitOptions, source: Option<Error>) -> Error {
        let table = match self.root {
            LogRoot::Catalog => None,
            LogRoot::Table(id) => Some(id),
        };
        unknown(table, path.as_ref(), lsn, options, source)
    }
}

async fn wait(
    backoff: &mut impl Iterator<Item = Duration>,
    deadline: Instant,
    expired: impl FnOnce() -> Error,
) -> Result<()> {
    let delay = backoff.next().unwrap_or(Duration::from_secs(1));
    if Instant::now() + delay > deadline {
        return Err(expired());
    }
    tokio::time::sleep(delay).await;
    Ok(())
}

/// What [`Bug::ConflictAsExists`] makes of a refusal.
fn lost_race(path: &Path) -> Error {
    Error::new(Code::Conflict, format!("another commit has {path}: run the statement again"))
}

/// A pause that spreads writers out: longer the more often a race was lost.
fn jitter(lost: u32) -> Duration {
    let limit = 5_u64.saturating_mul(u64::from(lost.min(20)));
    Duration::from_millis(rand::random_range(0..=limit))
}

fn unknown(table: Option<TableId>, path: &str, lsn: Lsn, options: &CommitOptions, source: Option<Error>) -> Error {
    let unknown = UnknownCommit { table, commit: options.commit, lsn: lsn.get() };
    let error = Error::new(
        Code::CommitStateUnknown,
        format!(
            "commit {} may or may not be in slot {lsn} ({}): nothing was deleted; ask commit_status('{}', {lsn}) before running the statement again",
            options.commit,
            path,
            options.commit,
        ),
    )
    .with_unknown_commit(unknown);
    match source {
        Some(source) => error.with_source(source),
        None => error,
    }
}
