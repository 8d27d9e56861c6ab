//! UPDATE and DELETE of a table without a key: the touched files are replaced by what is left of them.

use super::{Draft, NewFiles, append};
use crate::error::{Error, Result};
use crate::store::FileId;
use crate::table::{Action, DataFile, PartitionRef, Precondition, TableSnapshot};

/// One file that loses rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The file.
    pub file: FileId,
    /// What is left of it; none where nothing is.
    pub with: Option<DataFile>,
}

/// Plans the rewrite of files, and the addition of files with changed rows.
///
/// What is left keeps the order of its file and is not counted: the rows stay written by the commit that wrote them,
/// and the old file goes on counting for incremental reads.
///
/// # Errors
/// [`Code::Internal`](crate::Code::Internal) where a file is not read at the base.
pub fn rewrite(
    base: &TableSnapshot,
    rewritten: Vec<Rewritten>,
    added: Vec<NewFiles>,
    mut preconditions: Vec<Precondition>,
) -> Result<Draft> {
    let state = &base.state;
    let mut actions = Vec::new();
    let mut files = Vec::with_capacity(rewritten.len());
    for Rewritten { file, with } in rewritten {
        let entry = state.file(file).filter(|entry| entry.visible.is_open());
        let partition = entry.and_then(|entry| state.partition(entry.partition));
        let (Some(entry), Some(partition)) = (entry, partition) else {
            return Err(Error::internal(format!("file {file} is rewritten but not read")));
        };
        files.push(file);
        actions.push(Action::Close { file, counted: false });
        if let Some(with) = with {
            let partition = PartitionRef { values: partition.values.clone(), id: partition.id };
            actions.push(Action::Add {
                partition,
                file: Box::new(with),
                order: Some(entry.order),
                rank: 0,
                counted: false,
            });
        }
    }
    actions.extend(append::adds(added));
    preconditions.push(Precondition::Live(files));
    Ok(Draft { base: base.lsn, schema: state.schema()?, preconditions, actions })
}
