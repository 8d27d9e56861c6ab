//! RESTORE, PURGE, VACUUM and VERIFY: what brings files back and what takes them away.
//!
//! Invariant: a RESTORE names exactly one thing to do; combinations the documents rule out are refused with the way out.

use super::cursor::Cursor;
use super::failure::{Failure, Parse};
use super::statement::{PartitionRef, PartitionSpec, Purge, Restore, RestoreTarget, Statement, Vacuum};
use crate::error::Code;

/// `RESTORE TABLE t …`.
pub(crate) fn restore(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("RESTORE TABLE")?;
    let table = cursor.path()?;
    let id = cursor.take_object_id()?;
    let partitions = cursor.partition_refs()?;
    let at = cursor.at();
    let (ids, specs) = divide(partitions);
    let target = if cursor.take("TO LSN") {
        if id.is_some() || !ids.is_empty() {
            return Err(Failure::new(
                Code::NotRestorable,
                format!(
                    "A dropped object can't be restored straight to an LSN: RESTORE TABLE {table} by its id first, then TO LSN"
                ),
                at,
            ));
        }
        let lsn = cursor.lsn()?;
        let new_table = if cursor.take("AS") { Some(cursor.path()?) } else { None };
        RestoreTarget::Lsn { partitions: specs, lsn, new_table }
    } else {
        match (id, ids.is_empty(), specs.is_empty()) {
            (Some(id), true, true) => RestoreTarget::Table { id },
            (None, false, true) => RestoreTarget::Partitions { ids },
            (Some(_), ..) => return cursor.expected("one of ('id' = '…') and PARTITION (…), not both"),
            (None, true, true) => return cursor.expected("('id' = '…'), PARTITION (…) or TO LSN"),
            (None, ..) => {
                return cursor.expected("TO LSN '…' (a dropped partition is restored by PARTITION ('id' = '…') alone)");
            }
        }
    };
    let dry_run = cursor.take("DRY RUN");
    cursor.finish()?;
    Ok(Statement::Restore(Restore { table, target, dry_run }))
}

fn divide(partitions: Vec<PartitionRef>) -> (Vec<String>, Vec<PartitionSpec>) {
    let (mut ids, mut specs) = (Vec::new(), Vec::new());
    for partition in partitions {
        match partition {
            PartitionRef::Id(id) => ids.push(id),
            PartitionRef::Spec(spec) => specs.push(spec),
        }
    }
    (ids, specs)
}

/// `PURGE TABLE t [('id' = '…')] [DRY RUN]`.
pub(crate) fn purge(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("PURGE TABLE")?;
    let table = cursor.path()?;
    let id = cursor.take_object_id()?;
    let dry_run = cursor.take("DRY RUN");
    cursor.finish()?;
    Ok(Statement::Purge(Purge { table, id, dry_run }))
}

/// `VACUUM [t] [DRY RUN]`.
pub(crate) fn vacuum(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("VACUUM")?;
    let alone = cursor.at_end() || cursor.sees("DRY RUN");
    if !alone {
        cursor.take("TABLE");
    }
    let table = if alone { None } else { Some(cursor.path()?) };
    let dry_run = cursor.take("DRY RUN");
    cursor.finish()?;
    Ok(Statement::Vacuum(Vacuum { table, dry_run }))
}

/// `VERIFY TABLE t`.
pub(crate) fn verify(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("VERIFY TABLE")?;
    let table = cursor.path()?;
    cursor.finish()?;
    Ok(Statement::Verify(table))
}
