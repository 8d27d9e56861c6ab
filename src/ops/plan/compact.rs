//! COMPACT: a run of files is replaced by files with the same rows. No answer changes (invariant 6).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Draft;
use crate::error::{Error, Result};
use crate::store::FileId;
use crate::table::{Action, DataFile, FileEntry, PartitionRef, Precondition, TableSnapshot};

/// Plans the replacement of `inputs`, files of one partition, by `outputs`.
///
/// The outputs get the highest order of the inputs and are not counted. The inputs are a run contiguous in order, so
/// that no file in between changes its place. Whoever wrote the outputs left tombstones out only if the run includes the
/// oldest file of the partition that is read.
///
/// # Errors
/// [`Code::Internal`](crate::Code::Internal) where the inputs are no such run.
pub fn compact(base: &TableSnapshot, inputs: &[FileId], outputs: Vec<DataFile>) -> Result<Draft> {
    let state = &base.state;
    let schema = state.schema()?;
    let draft = |actions, files| Draft {
        base: base.lsn,
        schema: Arc::clone(&schema),
        preconditions: vec![Precondition::Live(files)],
        actions,
    };
    let wanted: BTreeSet<FileId> = inputs.iter().copied().collect();
    let visible = state.visible_at(base.lsn);
    let run: Vec<&Arc<FileEntry>> = visible.iter().filter(|entry| wanted.contains(&entry.file.id)).collect();
    let (Some(first), Some(last)) = (run.iter().min_by_key(|e| e.order), run.iter().max_by_key(|e| e.order)) else {
        return Ok(draft(vec![], vec![]));
    };
    let partition =
        state.partition(first.partition).filter(|partition| run.iter().all(|entry| entry.partition == partition.id));
    let (Some(partition), true) = (partition, run.len() == wanted.len()) else {
        return Err(Error::internal("the files to compact are not read, or are of several partitions"));
    };
    let mut others = visible.iter().filter(|e| e.partition == partition.id && !wanted.contains(&e.file.id));
    // Another file of the highest order would tie with the outputs, which have that order for older rows too.
    if others.any(|other| first.order < other.order && other.order <= last.order) {
        return Err(Error::internal("the files to compact are no run contiguous in order"));
    }
    let mut actions: Vec<Action> = wanted.iter().map(|file| Action::Close { file: *file, counted: false }).collect();
    for file in outputs {
        let partition = PartitionRef { values: partition.values.clone(), id: partition.id };
        actions.push(Action::Add { partition, file: Box::new(file), order: Some(last.order), rank: 0, counted: false });
    }
    Ok(draft(actions, wanted.into_iter().collect()))
}
