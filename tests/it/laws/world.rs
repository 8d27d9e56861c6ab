//! Tables on the real log and state, each beside its oracle; and the commit of one planned verb on both.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion_timetravel::log::{CommitOptions, Log, Lsn, Operation};
use datafusion_timetravel::ops::plan::Plan;
use datafusion_timetravel::store::layout::LogRoot;
use datafusion_timetravel::store::{
    Clock, CommitId, FileId, ManualClock, PartitionId, SeededIds, Store, TableId, Timestamp,
};
use datafusion_timetravel::store::{Ids, Path};
use datafusion_timetravel::table::{Action, PartitionRef, PartitionValues, TableLog, TableSnapshot};
use object_store::memory::InMemory;

use super::Mutant;
use super::oracle::{Col, Oracle, Verdict, Version};
use super::rng::Rng;
use super::rows::Files;
use super::verbs::{THEMES, VERBS};

pub type PlanFn = dyn Fn(&TableSnapshot) -> Plan + Send + Sync;
pub type VerdictFn = dyn Fn(&Oracle, u64) -> Verdict;

/// A verb that was planned on a version and is committed now or later.
pub struct Planned {
    pub table: usize,
    pub base: Arc<TableSnapshot>,
    pub operation: Operation,
    pub what: String,
    pub plan: Arc<PlanFn>,
    pub verdict: Box<VerdictFn>,
    /// The partition that it compacts.
    pub compacts: Option<String>,
    /// It may meet heads that its handle didn't know, as a draft does; another verb looks at the head first.
    pub draft: bool,
}

pub struct Table {
    pub name: String,
    pub id: TableId,
    /// The values that its partitions can have; levels are joined by `/`.
    pub places: Vec<String>,
    /// Two handles, as two processes have them; either may lag behind.
    pub logs: [Arc<TableLog>; 2],
    pub oracle: Oracle,
    /// Commit times by LSN.
    pub times: Vec<i64>,
}

pub struct World {
    pub seed: u64,
    pub rng: Rng,
    pub clock: ManualClock,
    pub ids: Arc<SeededIds>,
    pub store: Store,
    pub files: Files,
    pub tables: Vec<Table>,
    pub pending: Vec<Planned>,
    pub trace: Vec<String>,
    pub mutant: Option<Mutant>,
    /// The backup retention in microseconds.
    pub window: i64,
    /// The verbs of this sequence: a few at a time meet more often than all at once.
    pub verbs: Vec<&'static str>,
    pub partitions: usize,
    pub keys: u64,
    /// The number of the last row in a table without a key.
    pub row: i64,
    checkpoint_every: u64,
    columns: u32,
}

impl World {
    pub fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        let mut rng = Rng::new(seed);
        let clock = ManualClock::new(Timestamp::from_micros(1_000_000));
        let ids = Arc::new(SeededIds::new(seed));
        let store = Store::new(Arc::new(InMemory::new()), Path::from("w"))
            .with_clock(Arc::new(clock.clone()))
            .with_ids(ids.clone());
        let window = *rng.pick(&[i64::MAX / 4, i64::MAX / 4, 12, 5]);
        // A checkpoint is Parquet and costs more than everything else here: few sequences write them, but then many.
        let checkpoint_every = if rng.chance(8) { 1 + rng.below(4) } else { 0 };
        let left_out: Vec<&str> =
            VERBS.iter().copied().collect::<BTreeSet<_>>().into_iter().filter(|_| rng.chance(50)).collect();
        let verbs = match rng.chance(25) {
            true => rng.pick(THEMES).to_vec(),
            false => VERBS.iter().copied().filter(|verb| *verb == "upsert" || !left_out.contains(verb)).collect(),
        };
        let (partitions, keys) = (1 + rng.below(2) as usize, 1 + rng.below(3));
        Self {
            seed,
            rng,
            verbs,
            partitions,
            keys,
            row: 100,
            clock,
            ids,
            store,
            files: Files::default(),
            tables: vec![],
            pending: vec![],
            trace: vec![],
            mutant,
            window,
            checkpoint_every,
            columns: 0,
        }
    }

    pub fn handle(&self, id: TableId) -> Arc<TableLog> {
        Arc::new(Log::new(self.store.clone(), LogRoot::Table(id)).with_checkpoint_every(self.checkpoint_every))
    }

    pub fn has_checkpoints(&self) -> bool {
        self.checkpoint_every > 0
    }

    pub fn file_id(&self) -> FileId {
        FileId::from_u128(self.ids.next())
    }

    pub fn partition(&self, value: &str) -> PartitionRef {
        PartitionRef { values: values(value), id: PartitionId::from_u128(self.ids.next()) }
    }

    pub fn column(&mut self, name: &str, wide: bool) -> Col {
        self.columns += 1;
        Col { id: super::oracle::ColId(self.columns), name: name.into(), wide }
    }

    pub fn is_keyed(&self, table: usize) -> bool {
        self.tables[table].oracle.latest().keyed
    }

    /// The oldest version that was current within the backup retention.
    pub fn horizon(&self, table: usize) -> u64 {
        let times = &self.tables[table].times;
        let from = self.clock.now().as_micros() - self.window;
        (1..times.len() as u64).find(|v| times[*v as usize] > from).unwrap_or(times.len() as u64)
    }

    /// A snapshot of the head, through one of the handles.
    pub async fn head(&mut self, table: usize) -> Result<Arc<TableSnapshot>, String> {
        let at = usize::from(self.rng.chance(20));
        let (log, head) = (&self.tables[table].logs[at], self.tables[table].oracle.head());
        let snapshot = match log.cached() {
            Some(snapshot) if snapshot.lsn.get() == head => snapshot,
            _ => log.snapshot().await.map_err(|e| e.to_string())?,
        };
        match snapshot.lsn.get() == self.tables[table].oracle.head() {
            true => Ok(snapshot),
            false => Err(format!("the head is {} and not {}", snapshot.lsn, self.tables[table].oracle.head())),
        }
    }

    /// Adds a table that exists already at LSN 1 in its log.
    pub async fn adopt(
        &mut self,
        name: String,
        id: TableId,
        actions: Vec<Action>,
        places: Vec<String>,
        first: Version,
    ) -> Result<(), String> {
        let log = self.handle(id);
        let empty = log.snapshot().await.map_err(|e| e.to_string())?;
        let actions = self.mutate(actions, Operation::Create);
        let plan = move |_: &TableSnapshot| Ok(datafusion_timetravel::log::Attempt::Actions(actions.clone()));
        let committed = log.commit(empty, self.options(Operation::Create), plan).await.map_err(|e| e.to_string())?;
        let times = vec![committed.snapshot.time().as_micros()];
        let levels = places[0].split('/').filter(|value| !value.is_empty()).count();
        let mut oracle = Oracle::new(levels);
        oracle.push(first, Operation::Create, None);
        let other = self.handle(id);
        self.tables.push(Table { name, id, places, logs: [log, other], oracle, times });
        Ok(())
    }

    fn options(&self, operation: Operation) -> CommitOptions {
        CommitOptions::new(CommitId::from_u128(self.ids.next()), operation, "law")
    }

    fn mutate(&self, actions: Vec<Action>, operation: Operation) -> Vec<Action> {
        match self.mutant {
            Some(mutant) => mutant.actions(actions, operation),
            None => actions,
        }
    }

    /// Commits what was planned, and holds the outcome against the oracle's.
    pub async fn finish(&mut self, planned: Planned) -> Result<(), String> {
        let at = usize::from(self.rng.chance(20));
        let reopened = self.rng.chance(8);
        let fresh = self.handle(self.tables[planned.table].id);
        let table = &mut self.tables[planned.table];
        if reopened {
            table.logs[at] = fresh;
        }
        let log = Arc::clone(&table.logs[at]);
        let head = table.oracle.head();
        // A lost race is settled at once by the commit that won; more than one would cost a pause.
        let known = log.cached().map_or(0, |snapshot| snapshot.lsn.get()).max(planned.base.lsn.get());
        if (!planned.draft && known < head) || known + 1 < head {
            log.snapshot().await.map_err(|e| e.to_string())?;
        }
        let known = log.cached().map_or(0, |snapshot| snapshot.lsn.get()).max(planned.base.lsn.get());
        let options = self.options(planned.operation);
        let (plan, mutant, operation) = (Arc::clone(&planned.plan), self.mutant, planned.operation);
        let plan = move |snapshot: &TableSnapshot| {
            plan(snapshot).map(|attempt| match (attempt, mutant) {
                (datafusion_timetravel::log::Attempt::Actions(actions), Some(mutant)) => {
                    datafusion_timetravel::log::Attempt::Actions(mutant.actions(actions, operation))
                }
                (attempt, _) => attempt,
            })
        };
        let outcome = log.commit(Arc::clone(&planned.base), options, plan).await;
        let table = &mut self.tables[planned.table];
        let (mut commit, mut nothing, mut refused) = (None, false, vec![]);
        for met in known..=head {
            commit = None;
            match (planned.verdict)(&table.oracle, met) {
                Verdict::Commit(version) => commit = Some(version),
                Verdict::Free(version, code) => {
                    refused.push(code);
                    commit = Some(version);
                }
                Verdict::Maybe(version) => {
                    nothing = true;
                    commit = Some(version);
                }
                Verdict::Nothing => {
                    nothing = true;
                    break;
                }
                Verdict::Refused(code) => {
                    refused.push(code);
                    break;
                }
            }
        }
        let what = format!("{}.{} (planned @{})", table.name, planned.what, planned.base.lsn.get());
        match outcome {
            Ok(committed) => match committed.lsn {
                Some(lsn) => {
                    self.trace.push(format!("@{} {what}", lsn.get()));
                    if lsn.get() != head + 1 {
                        return Err(format!("{what}: LSN {lsn} after {head}"));
                    }
                    let Some(version) = commit else {
                        return Err(format!("{what}: it committed, but expected was nothing {nothing} or {refused:?}"));
                    };
                    table.times.push(committed.snapshot.time().as_micros());
                    table.oracle.push(version, planned.operation, planned.compacts);
                    let state = &committed.snapshot.state;
                    match planned.operation {
                        Operation::Vacuum => {
                            table.oracle.sweep(state.swept_before().map_or(1, |v| v.get()), true);
                        }
                        Operation::Purge => {
                            table.oracle.sweep(state.info().unwrap().purged.unwrap().get(), false);
                        }
                        _ => {}
                    }
                }
                None => {
                    self.trace.push(format!("   {what} -> nothing to do"));
                    if !nothing {
                        return Err(format!(
                            "{what}: it found nothing to do, but expected was a commit {} or {refused:?}",
                            commit.is_some()
                        ));
                    }
                }
            },
            Err(error) => {
                self.trace.push(format!("   {what} -> {error}"));
                if !refused.contains(&error.code()) {
                    return Err(format!(
                        "{what}: {error}; but expected was a commit {}, nothing {nothing} or {refused:?}",
                        commit.is_some()
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The values of a partition.
pub fn values(value: &str) -> PartitionValues {
    PartitionValues(value.split('/').filter(|value| !value.is_empty()).map(str::to_owned).collect())
}

pub fn lsn(v: u64) -> Lsn {
    Lsn::new(v)
}
