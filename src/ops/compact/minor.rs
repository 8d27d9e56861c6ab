//! What COMPACT MINOR merges: delta files that follow each other in order, whatever lies below them.

use std::sync::Arc;

use super::{Inputs, bytes, orders, runs};
use crate::table::{FileEntry, FileKind};

/// Files of a table without a key that are smaller than this are merged: they are read and written in one request.
const SMALL: u64 = 8 << 20;

/// Every run of delta files; without a key every run of very small files.
pub(super) fn choose(files: &[Arc<FileEntry>], keyed: bool) -> Vec<Inputs> {
    let oldest = files.iter().map(|entry| entry.order).min();
    let into = if keyed { FileKind::Delta } else { FileKind::Base };
    let runs = match keyed {
        true => runs(files, |entry| entry.file.kind == FileKind::Delta),
        false => runs(files, |entry| entry.file.size < SMALL),
    };
    let inputs = |files: Vec<Arc<FileEntry>>| {
        let reaches_oldest = files.iter().any(|entry| Some(entry.order) == oldest);
        Inputs { files, into, keeps_tombstones: keyed && !reaches_oldest }
    };
    runs.into_iter().map(inputs).collect()
}

/// The same without the oldest of a run that are larger than all after them together: what was merged before is merged
/// again only when as much has come, so that a row is rewritten a logarithmic number of times.
pub(super) fn choose_tiered(files: &[Arc<FileEntry>], keyed: bool) -> Vec<Inputs> {
    choose(files, keyed).into_iter().filter_map(|inputs| tiered(inputs, keyed)).collect()
}

fn tiered(mut inputs: Inputs, keyed: bool) -> Option<Inputs> {
    inputs.files.sort_by_key(|entry| entry.order);
    while orders(&inputs.files) > 1 {
        let first = inputs.files.first()?.order;
        let at = inputs.files.partition_point(|entry| entry.order == first);
        let (head, rest) = inputs.files.split_at_checked(at)?;
        if bytes(head) <= bytes(rest) {
            return Some(inputs);
        }
        inputs.files = rest.to_vec();
        inputs.keeps_tombstones = keyed;
    }
    None
}
