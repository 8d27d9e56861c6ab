//! What COMPACT MAJOR rewrites: everything, where rows of a key may be in several files.

use std::sync::Arc;

use super::{Inputs, orders, runs};
use crate::table::{FileEntry, FileKind};
use crate::write::Limits;

/// All files of a table with a key, unless they are base files of one write. Without a key nothing is gained from large
/// files, so the runs of files of less than half the size of a full one.
pub(super) fn choose(files: &[Arc<FileEntry>], keyed: bool) -> Vec<Inputs> {
    let inputs = |files| Inputs { files, into: FileKind::Base, keeps_tombstones: false };
    if !keyed {
        let half = Limits::default().file_bytes / 2;
        return runs(files, |entry| entry.file.size < half).into_iter().map(inputs).collect();
    }
    match orders(files) > 1 || files.iter().any(|entry| entry.file.kind == FileKind::Delta) {
        true => vec![inputs(files.to_vec())],
        false => vec![],
    }
}
