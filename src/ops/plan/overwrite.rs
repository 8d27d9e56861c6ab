//! INSERT OVERWRITE: what was in the partitions ends, the result takes its place.

use std::collections::BTreeSet;

use super::{NewFiles, Plan, append, attempt, checks, timeline};
use crate::error::{Code, Error};
use crate::table::{PartitionValues, TableSchema, TableSnapshot};

/// What an OVERWRITE replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// The content of the whole table; its partitions stay.
    All,
    /// The content of these partitions: those that the result holds, and a static one with an empty result too.
    Partitions(BTreeSet<PartitionValues>),
}

/// Plans OVERWRITE with files that were written with `schema`.
///
/// An absent partition that gets no file isn't made.
///
/// # Errors
/// [`Code::TableDropped`]; [`Code::Conflict`] where the columns were changed meanwhile.
pub fn overwrite(
    head: &TableSnapshot,
    name: &str,
    schema: &TableSchema,
    replaced: &Replaced,
    written: Vec<NewFiles>,
) -> Plan {
    let state = &head.state;
    checks::alive(state, name)?;
    if !schema.fits(&*state.schema()?) {
        return Err(Error::new(
            Code::Conflict,
            format!(
                "table {name}: while the statement ran, its columns were changed; nothing was changed, run it again"
            ),
        ));
    }
    let partitions = match replaced {
        Replaced::All => state.open_partitions().map(|entry| entry.id).collect(),
        Replaced::Partitions(values) => {
            values.iter().filter_map(|v| state.open_partition(v)).map(|entry| entry.id).collect()
        }
    };
    let mut actions = timeline::end_files(state, &partitions);
    actions.extend(append::adds(written));
    Ok(attempt(actions))
}
