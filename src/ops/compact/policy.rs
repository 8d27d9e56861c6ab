//! When a table is compacted by itself: the policy, what it says of a snapshot, and the verb that follows it (R009).

use std::sync::Arc;

use datafusion::execution::TaskContext;

use super::rewrite::{Job, rewrite};
use super::{Choose, Compacted, Compaction, bytes, major, minor, orders};
use crate::auth::Privilege;
use crate::catalog::TableName;
use crate::error::{Code, Result};
use crate::ops::Pin;
use crate::scan::visible;
use crate::table::{FileEntry, FileKind, PartitionValues, TableSnapshot, TableState, properties};

/// When a partition is due. A table's own properties `compaction.*` go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactionPolicy {
    /// From so many writes since the last compaction on a partition is due (`compaction.delta.count`; 8 by default).
    pub delta_count: u64,
    /// From so many bytes of deltas on a partition is due (`compaction.delta.bytes`; 128 MiB by default).
    pub delta_bytes: u64,
    /// MAJOR where the deltas have at least so many percent of the base's bytes, else MINOR (`compaction.base.percent`;
    /// 30 by default): the base is rewritten when enough of it is out of date.
    pub base_percent: u64,
    /// Whether tables are compacted at all (`compaction.auto`; true by default).
    pub auto: bool,
}

impl Default for CompactionPolicy {
    fn default() -> Self {
        Self { delta_count: 8, delta_bytes: 128 << 20, base_percent: 30, auto: true }
    }
}

impl CompactionPolicy {
    /// The policy with what the table's properties say.
    #[must_use]
    pub fn of(self, state: &TableState) -> Self {
        Self {
            delta_count: properties::number(state, properties::COMPACTION_COUNT, self.delta_count),
            delta_bytes: properties::number(state, properties::COMPACTION_BYTES, self.delta_bytes),
            base_percent: properties::number(state, properties::COMPACTION_PERCENT, self.base_percent),
            auto: state.property(properties::COMPACTION_AUTO).map_or(self.auto, |value| value == "true"),
        }
    }
}

/// The partitions that are due, and how.
///
/// # Errors
/// As [`TableState::info`].
pub fn due(snapshot: &TableSnapshot, policy: &CompactionPolicy) -> Result<Vec<(PartitionValues, Compaction)>> {
    let state = &snapshot.state;
    let policy = policy.of(state);
    if !policy.auto || !state.is_alive() {
        return Ok(vec![]);
    }
    let keyed = state.schema()?.is_keyed();
    let partitions = visible(state, snapshot.lsn).into_iter();
    Ok(partitions.filter_map(|p| Some((p.partition.values.clone(), one(&p.files, keyed, &policy)?))).collect())
}

/// Whether a partition with these files is due.
pub(super) fn one(files: &[Arc<FileEntry>], keyed: bool, policy: &CompactionPolicy) -> Option<Compaction> {
    let enough = |choose: Choose| {
        let count = |files: &[Arc<FileEntry>]| orders(files) as u64 >= policy.delta_count;
        choose(files, keyed).iter().any(|inputs| count(&inputs.files))
    };
    if keyed {
        let oldest = files.iter().map(|entry| entry.order).min()?;
        let is_delta = |entry: &&Arc<FileEntry>| entry.file.kind == FileKind::Delta || entry.order != oldest;
        let deltas: Vec<_> = files.iter().filter(is_delta).cloned().collect();
        let (of_deltas, of_base) = (bytes(&deltas), bytes(files.iter().filter(|entry| !is_delta(entry))));
        let many = orders(&deltas) as u64 >= policy.delta_count || of_deltas >= policy.delta_bytes;
        let large = u128::from(of_deltas) * 100 >= u128::from(of_base) * u128::from(policy.base_percent);
        if !deltas.is_empty() && many && large {
            return Some(Compaction::Major);
        }
    }
    if enough(minor::choose_tiered) {
        return Some(Compaction::Minor);
    }
    (!keyed && enough(major::choose)).then_some(Compaction::Major)
}

/// Compacts what is due of every table; says what was done. A table that goes away meanwhile, or that others change all
/// the time, is left for the next time.
///
/// # Errors
/// [`Code::PermissionDenied`] where the caller may not update a table; what the store gives.
pub async fn maintain(pin: &Pin, policy: &CompactionPolicy, task: &Arc<TaskContext>) -> Result<Vec<Compacted>> {
    let tables = pin.catalog().state.tables().filter(|entry| entry.dropped.is_none());
    let names: Vec<TableName> = tables.map(|entry| entry.name.clone()).collect();
    let mut done = vec![];
    for name in names {
        match maintain_table(pin, &name, policy, task).await {
            Ok(compacted) => done.extend(compacted),
            Err(error) if matches!(error.code(), Code::TableNotFound | Code::TableDropped | Code::Conflict) => {
                tracing::info!(table = %name, %error, "not compacted this time");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Compacts what is due of one table.
///
/// # Errors
/// As [`compact`](super::compact).
pub async fn maintain_table(
    pin: &Pin,
    name: &TableName,
    policy: &CompactionPolicy,
    task: &Arc<TaskContext>,
) -> Result<Vec<Compacted>> {
    let table = pin.table_for(name, Privilege::Update).await?;
    let job = |(partition, kind)| {
        let choose: Choose = match kind {
            Compaction::Major => major::choose,
            Compaction::Minor => minor::choose_tiered,
        };
        Job { partition, kind, choose }
    };
    let jobs: Vec<Job> = due(&table.snapshot, policy)?.into_iter().map(job).collect();
    rewrite(pin, table, jobs, task).await
}
