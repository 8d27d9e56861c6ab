//! Finding and following the head of a log, and asking its commit index.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::try_join_all;
use tokio::task::JoinHandle;

use super::{Commit, CommitInfo, Lsn, SegmentRef, Snapshot, State, checkpoint, commit};
use crate::error::{Code, Error, Result};
use crate::store::layout::LogRoot;
use crate::store::testing::Bug;
use crate::store::{Store, Timestamp};

/// A handle on one log. It keeps the newest snapshot that it has seen; [`Log::snapshot`] revalidates it with one
/// small request.
#[derive(Debug)]
pub struct Log<S: State> {
    pub(super) store: Store,
    pub(super) root: LogRoot,
    cached: Mutex<Option<Arc<Snapshot<S>>>>,
    segments: Mutex<HashMap<Lsn, Arc<Vec<Arc<CommitInfo>>>>>,
    background: Mutex<Vec<JoinHandle<()>>>,
    checkpoint_every: u64,
}

impl<S: State> Log<S> {
    /// A handle on the log at `root`, which need not exist yet. No I/O.
    pub fn new(store: Store, root: LogRoot) -> Self {
        Self {
            store,
            root,
            cached: Mutex::default(),
            segments: Mutex::default(),
            background: Mutex::default(),
            checkpoint_every: commit::RUN,
        }
    }

    /// Sets after how many commits a checkpoint is written; 0 writes none.
    #[must_use]
    pub fn with_checkpoint_every(mut self, commits: u64) -> Self {
        self.checkpoint_every = commits;
        self
    }

    /// How commits and messages name the log: `catalog`, or the table's id.
    pub fn name(&self) -> String {
        match self.root {
            LogRoot::Catalog => "catalog".into(),
            LogRoot::Table(id) => id.to_string(),
        }
    }

    /// Where the log lies.
    pub fn root(&self) -> LogRoot {
        self.root
    }

    /// The store that it lies in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The newest snapshot that this handle has seen, without I/O.
    pub fn cached(&self) -> Option<Arc<Snapshot<S>>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The snapshot at the head, as of a moment during this call.
    ///
    /// Costs one probe of the next slot where nothing happened since the last call. The first call lists the
    /// checkpoints, reads the newest and finds the head of its run in three probes: four requests and the list, where
    /// the checkpoint of the last full run was written and the commits of a run are small enough to carry each other.
    ///
    /// # Errors
    /// The store fails, or a commit is corrupt or needs an unknown feature.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot<S>>> {
        if let Some(snapshot) = self.cached() {
            if Bug::StaleHandle.is_on() {
                return Ok(snapshot);
            }
            return self.catch_up(snapshot).await;
        }
        let known = checkpoint::list(&self.store, self.root).await?;
        let newest = known.iter().map(|(lsn, _)| *lsn).max();
        let base = match checkpoint::newest(&self.store, self.root, known).await? {
            Some(snapshot) => Arc::new(snapshot),
            None => Arc::new(Snapshot::empty()),
        };
        let snapshot = self.finish_run(base).await?;
        // A checkpoint that can't be read still tells that its commit was there.
        match newest.filter(|newest| *newest > snapshot.lsn) {
            Some(_) => Err(self.gap(snapshot.lsn.next())),
            None => Ok(self.remember(snapshot)),
        }
    }

    /// Finds the head within the run that begins after `base` by bisection: a log has no gaps, and a commit carries those
    /// between. A head is taken for one only after the slot behind it was found empty.
    async fn finish_run(&self, base: Arc<Snapshot<S>>) -> Result<Arc<Snapshot<S>>> {
        let mut snapshot = base;
        // Of a log without a checkpoint the first slot says at once whether there is anything.
        if snapshot.is_empty() {
            let Some(first) = self.read_commit(Lsn::FIRST).await? else { return Ok(snapshot) };
            Arc::make_mut(&mut snapshot).apply(&first)?;
        }
        let mut end = None;
        let mut step = commit::RUN.div_ceil(2);
        while step > 0 {
            let probe = Lsn::new(snapshot.lsn.get().saturating_add(step));
            match self.read_commit(probe).await? {
                Some(commit) => snapshot = self.advance(snapshot, commit).await?,
                None => end = Some(probe),
            }
            step /= 2;
        }
        match end {
            Some(end) if end == snapshot.lsn.next() => Ok(snapshot),
            _ => self.catch_up(snapshot).await,
        }
    }

    /// Folds a later commit in, and those before it from where it carries them, or from their own files.
    async fn advance(&self, snapshot: Arc<Snapshot<S>>, to: Commit<S::Action>) -> Result<Arc<Snapshot<S>>> {
        let mut snapshot = snapshot;
        let mut carried = to.carried();
        let mut lsn = to.header.lsn.get();
        let mut newest_first = vec![to];
        while lsn > snapshot.lsn.next().get() {
            lsn -= 1;
            let commit = match carried {
                Some(file) => self.decode(Lsn::new(lsn), file)?,
                None => self.read_commit(Lsn::new(lsn)).await?.ok_or_else(|| self.gap(Lsn::new(lsn)))?,
            };
            carried = commit.carried();
            newest_first.push(commit);
        }
        for commit in newest_first.iter().rev() {
            Arc::make_mut(&mut snapshot).apply(commit)?;
        }
        Ok(snapshot)
    }

    fn gap(&self, lsn: Lsn) -> Error {
        Error::new(
            Code::Corrupt,
            format!("commit {lsn} of {} is missing and later ones are there: restore it from a copy", self.name()),
        )
    }

    /// Follows the log from `base` to its head: one probe, then twice as many at a time while commits are found.
    pub(super) async fn catch_up(&self, base: Arc<Snapshot<S>>) -> Result<Arc<Snapshot<S>>> {
        let mut snapshot = base;
        let mut width = 1_u64;
        loop {
            let mut lsn = snapshot.lsn;
            let probes = (0..width).map(|_| {
                lsn = lsn.next();
                self.read_commit(lsn)
            });
            let mut found = 0;
            let mut probed = try_join_all(probes).await?;
            let end = probed.iter().position(Option::is_none).unwrap_or(probed.len());
            // Behind a gap there is nothing, unless both were filled while we asked.
            if probed.split_off(end).iter().any(Option::is_some) {
                let lsn = Lsn::new(snapshot.lsn.get().saturating_add(end as u64)).next();
                self.read_commit(lsn).await?.ok_or_else(|| self.gap(lsn))?;
            }
            for commit in probed.into_iter().flatten() {
                Arc::make_mut(&mut snapshot).apply(&commit)?;
                found += 1;
            }
            if found < width {
                return Ok(self.remember(snapshot));
            }
            width = (width * 2).min(32);
        }
    }

    /// The commit at `lsn`; none where the slot is empty.
    ///
    /// # Errors
    /// The store fails, or the commit is corrupt.
    pub async fn read_commit(&self, lsn: Lsn) -> Result<Option<Commit<S::Action>>> {
        match self.store.read_up_to(&self.root.commit(lsn.get()), commit::MAX_FILE_BYTES).await? {
            Some(file) => self.decode(lsn, file).map(Some),
            None => Ok(None),
        }
    }

    fn decode(&self, lsn: Lsn, file: Bytes) -> Result<Commit<S::Action>> {
        commit::decode(self.root.commit(lsn.get()).as_ref(), &self.name(), lsn, S::FEATURES, file)
    }

    /// Keeps the newer of the cached snapshot and this one, and gives this one back.
    pub(super) fn remember(&self, snapshot: Arc<Snapshot<S>>) -> Arc<Snapshot<S>> {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.as_ref().is_none_or(|old| old.lsn < snapshot.lsn) {
            *cached = Some(Arc::clone(&snapshot));
        }
        snapshot
    }

    /// The commits `first..=last` of the snapshot, oldest first.
    ///
    /// # Errors
    /// The store fails, or an index segment is corrupt.
    pub async fn commits(&self, snapshot: &Snapshot<S>, first: Lsn, last: Lsn) -> Result<Vec<Arc<CommitInfo>>> {
        let mut infos = Vec::new();
        for segment in snapshot.index.segments.iter().filter(|s| s.first <= last && first <= s.last) {
            infos.extend(self.segment(segment).await?.iter().cloned());
        }
        infos.extend(snapshot.index.recent.iter().cloned());
        infos.retain(|info| first <= info.lsn && info.lsn <= last);
        Ok(infos)
    }

    /// The commit at `lsn` of the snapshot.
    ///
    /// # Errors
    /// As [`Log::commits`]; [`Code::Internal`] where the snapshot does not reach `lsn`.
    pub async fn info(&self, snapshot: &Snapshot<S>, lsn: Lsn) -> Result<Arc<CommitInfo>> {
        let found = self.commits(snapshot, lsn, lsn).await?;
        found
            .into_iter()
            .next()
            .ok_or_else(|| Error::internal(format!("no commit {lsn} in a snapshot of {}", self.name())))
    }

    /// The last commit at or before `time`; none where the log began later.
    ///
    /// # Errors
    /// As [`Log::commits`].
    pub async fn at_time(&self, snapshot: &Snapshot<S>, time: Timestamp) -> Result<Option<Arc<CommitInfo>>> {
        let tolerance = if Bug::SkewedTime.is_on() { Duration::from_secs(60) } else { Duration::ZERO };
        let time = time.saturating_add(tolerance);
        let recent = &snapshot.index.recent;
        let from = recent.partition_point(|info| info.time <= time);
        if let Some(info) = from.checked_sub(1).and_then(|at| recent.get(at)) {
            return Ok(Some(Arc::clone(info)));
        }
        let segments = &snapshot.index.segments;
        let from = segments.partition_point(|segment| segment.first_time <= time);
        let Some(segment) = from.checked_sub(1).and_then(|at| segments.get(at)) else { return Ok(None) };
        let infos = self.segment(segment).await?;
        let from = infos.partition_point(|info| info.time <= time);
        Ok(from.checked_sub(1).and_then(|at| infos.get(at)).cloned())
    }

    /// The `n`-th newest data operation, 1 the newest (R050, R054, R056); none where there are fewer.
    ///
    /// # Errors
    /// As [`Log::commits`].
    pub async fn nth_data(&self, snapshot: &Snapshot<S>, n: u64) -> Result<Option<Arc<CommitInfo>>> {
        let mut left = n;
        let mut newest = |infos: &[Arc<CommitInfo>]| {
            infos
                .iter()
                .rev()
                .filter(|info| info.operation.is_data())
                .find(|_| {
                    left = left.saturating_sub(1);
                    left == 0
                })
                .cloned()
        };
        if let Some(info) = newest(&snapshot.index.recent) {
            return Ok(Some(info));
        }
        for segment in snapshot.index.segments.iter().rev() {
            if let Some(info) = newest(&self.segment(segment).await?) {
                return Ok(Some(info));
            }
        }
        Ok(None)
    }

    /// Waits for checkpoints that are being written in the background.
    pub async fn flush(&self) {
        let running = std::mem::take(&mut *self.background.lock().unwrap_or_else(PoisonError::into_inner));
        for task in running {
            if let Err(error) = task.await {
                tracing::warn!(%error, "a checkpoint was not written");
            }
        }
    }

    async fn segment(&self, segment: &SegmentRef) -> Result<Arc<Vec<Arc<CommitInfo>>>> {
        let known = self.segments.lock().unwrap_or_else(PoisonError::into_inner).get(&segment.first).cloned();
        if let Some(infos) = known {
            return Ok(infos);
        }
        let infos = Arc::new(checkpoint::read_segment(&self.store, self.root, segment).await?);
        self.segments.lock().unwrap_or_else(PoisonError::into_inner).insert(segment.first, Arc::clone(&infos));
        Ok(infos)
    }

    /// Writes a checkpoint off the commit's path where enough commits follow the last one.
    #[allow(clippy::disallowed_methods, reason = "the checkpoint must outlive the statement that caused it")]
    pub(super) fn checkpoint_if_due(&self, snapshot: &Arc<Snapshot<S>>) {
        let last = snapshot.checkpoint.unwrap_or(Lsn::ZERO).get();
        let due = self.checkpoint_every > 0
            && snapshot.lsn.get() >= last + self.checkpoint_every
            && snapshot.lsn.get().is_multiple_of(self.checkpoint_every);
        if !due {
            return;
        }
        let (store, root, of) = (self.store.clone(), self.root, Arc::clone(snapshot));
        let task = tokio::spawn(async move {
            if let Err(error) = checkpoint::write(&store, root, &of).await {
                tracing::warn!(%error, lsn = %of.lsn, "checkpoint not written");
            }
        });
        let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        background.retain(|task| !task.is_finished());
        background.push(task);
    }

    /// Whether the commit `id` is in the log, given the slot that a [`Code::CommitStateUnknown`] named.
    ///
    /// # Errors
    /// The store fails.
    pub async fn commit_status(&self, id: crate::store::CommitId, slot: Lsn) -> Result<super::CommitStatus> {
        let head = self.snapshot().await?;
        let found = self.commits(&head, slot, head.lsn).await?.into_iter().find(|info| info.commit == id);
        Ok(match found {
            Some(info) => super::CommitStatus::Committed { lsn: info.lsn, time: info.time },
            // Its bytes were only ever sent to a slot that it saw empty, and that slot is another's now.
            None if head.lsn >= slot => super::CommitStatus::NotCommitted,
            None => super::CommitStatus::Undecided,
        })
    }

    /// An error for a log that must exist.
    pub fn missing(&self) -> Error {
        Error::new(
            Code::Corrupt,
            format!(
                "the log of {} is missing: '{}' is not there, restore it from a copy of the warehouse",
                self.name(),
                self.root.commit(1)
            ),
        )
    }
}
