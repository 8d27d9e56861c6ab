//! Lifecycle: what was not modified for longer than its days is dropped, restorably (R170-R183).
//!
//! Runs only as the first part of VACUUM. Each reclamation is a DROP by the actor `lifecycle`, whose reason is the text
//! that audit shows.

use super::audit::LIFECYCLE_ACTOR;
use super::sweep::SweepRow;
use super::vacuum::Run;
use super::{Pin, PinnedTable, alter, plan};
use crate::auth::Caller;
use crate::catalog::{DEFAULT_SCHEMA, TableName};
use crate::error::{Code, Result};
use crate::log::{Attempt, Operation};
use crate::store::Timestamp;
use crate::table::{PartitionValues, TableSnapshot, TableState};

const DAY_SECONDS: u64 = 24 * 3600;
/// How many partitions the reason of one commit names.
const NAMED: usize = 16;

/// What is to be reclaimed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// The table, which is not partitioned.
    Table,
    /// These partitions; the table stays.
    Partitions(Vec<PartitionValues>),
}

/// What the lifecycle reclaims at the moment: whatever was modified more than so many days ago.
///
/// # Errors
/// As [`TableState::info`].
pub fn due(state: &TableState, now: Timestamp) -> Result<Due> {
    let info = state.info()?;
    let Some(days) = info.create.lifecycle.filter(|_| state.is_alive() && !info.lifecycle_disabled) else {
        return Ok(Due::Nothing);
    };
    let limit = std::time::Duration::from_secs(u64::from(days) * DAY_SECONDS);
    let over = |modified: Timestamp| now.since(modified) > limit;
    if state.schema()?.partition_columns.is_empty() {
        return Ok(if over(info.modified) { Due::Table } else { Due::Nothing });
    }
    let due = state.open_partitions().filter(|entry| !entry.lifecycle_disabled && over(entry.modified));
    let values: Vec<PartitionValues> = due.map(|entry| entry.values.clone()).collect();
    Ok(if values.is_empty() { Due::Nothing } else { Due::Partitions(values) })
}

/// Reclaims what is due of the table.
pub(super) async fn reclaim(
    pin: &Pin,
    table: &PinnedTable,
    project: &str,
    now: Timestamp,
    run: Run,
) -> Result<Vec<SweepRow>> {
    let schema = table.snapshot.state.schema()?;
    let days = table.snapshot.state.info()?.create.lifecycle.unwrap_or_default();
    let spec = |values: &PartitionValues| values.spec(schema.partition_columns.iter().map(|c| c.name.as_str()));
    let (reason, rows) = match due(&table.snapshot.state, now)? {
        Due::Nothing => return Ok(vec![]),
        Due::Table => {
            let reason = format!("Table {} {}", full_name(project, &table.name), because(days));
            let row = SweepRow::new(table.name.to_string(), "drop table", reason.clone());
            (reason, vec![row])
        }
        Due::Partitions(values) => {
            let of = |specs: String| {
                format!("Partition {} of table {specs} {}", full_name(project, &table.name), because(days))
            };
            let specs: Vec<String> = values.iter().map(spec).collect();
            let row =
                |spec: &String| SweepRow::new(format!("{}/{spec}", table.name), "drop partition", of(spec.clone()));
            let mut named: Vec<String> = specs.iter().take(NAMED).cloned().collect();
            if specs.len() > NAMED {
                named.push(format!("{} more", specs.len() - NAMED));
            }
            (of(named.join(", ")), specs.iter().map(row).collect())
        }
    };
    if run == Run::Dry {
        return Ok(rows);
    }
    alter::finish_rename(pin.warehouse(), table).await?;
    let caller = Caller { actor: LIFECYCLE_ACTOR.to_owned(), reason: Some(reason) };
    let options = pin.warehouse().commit_options(&caller, Operation::Drop);
    let name = table.name.to_string();
    // Decided on the head: a write or TOUCH that came first keeps its object.
    let plan = move |head: &TableSnapshot| match due(&head.state, now)? {
        Due::Nothing => Ok(Attempt::Nothing),
        Due::Table => plan::drop_table(head, &name),
        Due::Partitions(values) => plan::drop_partitions(head, &name, &values, true),
    };
    let done = table.log.commit(table.snapshot.clone(), options, plan).await?;
    if done.lsn.is_none() {
        return Ok(vec![]);
    }
    if !done.snapshot.state.is_alive() {
        // Whoever looks at a name whose table is dropped frees it.
        match Pin::new(pin.warehouse(), &caller).await?.table(&table.name).await {
            Err(error) if matches!(error.code(), Code::TableDropped | Code::TableNotFound) => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
    Ok(rows)
}

/// The end of the texts that the documents show.
fn because(days: u32) -> String {
    let unit = if days == 1 { "day" } else { "days" };
    format!("automatically reclaimed based on its lifecycle of {days} {unit}")
}

/// The table's name with its project, as the documents write it.
fn full_name(project: &str, name: &TableName) -> String {
    match name.schema == DEFAULT_SCHEMA {
        true => format!("{project}.{}", name.table),
        false => format!("{project}.{name}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;
    use std::time::Duration;

    use arrow::datatypes::{DataType, Field};

    use super::*;
    use crate::log::{FORMAT, Header, Lsn, State};
    use crate::store::{CommitId, PartitionId, TableId};
    use crate::table::{Action, CreateTable, PartitionRef, TableSchema};

    const HOUR: Duration = Duration::from_secs(3600);

    fn moment(hours: u32) -> Timestamp {
        Timestamp::from_millis(1_771_340_400_000).saturating_add(HOUR * hours)
    }

    fn commit(state: &mut TableState, lsn: u64, hours: u32, operation: Operation, actions: &[Action]) {
        let header = Header {
            format: FORMAT,
            features: vec![],
            log: "t".into(),
            lsn: Lsn::new(lsn),
            commit: CommitId::from_u128(u128::from(lsn)),
            previous: None,
            checkpoint: None,
            time: moment(hours),
            operation,
            actor: "a".into(),
            reason: None,
        };
        state.apply(&header, actions).unwrap();
    }

    fn table(lifecycle: Option<u32>, partitioned: bool) -> TableState {
        let partitions = if partitioned { vec![Field::new("ds", DataType::Utf8, false)] } else { vec![] };
        let key = Field::new("k", DataType::Int64, false);
        let schema = TableSchema::new(vec![key], partitions, &["k".to_owned()]).unwrap();
        let create = CreateTable {
            id: TableId::from_u128(1),
            name: "t".into(),
            schema,
            properties: BTreeMap::new(),
            lifecycle,
            comment: None,
            cloned_from: None,
        };
        let mut state = TableState::default();
        commit(&mut state, 1, 0, Operation::Create, &[Action::Create(Box::new(create))]);
        state
    }

    fn partition(value: &str) -> PartitionValues {
        PartitionValues(vec![value.to_owned()])
    }

    /// R172, R174: strictly more than so many days.
    #[test]
    fn a_table_is_due_after_its_days() {
        let state = table(Some(1), false);
        for (hours, expected) in [(0, Due::Nothing), (23, Due::Nothing), (24, Due::Nothing), (25, Due::Table)] {
            assert_eq!(due(&state, moment(hours)).unwrap(), expected, "{hours} hours");
        }
        let one = Duration::from_micros(1);
        assert_eq!(due(&state, moment(24).saturating_add(one)).unwrap(), Due::Table);
    }

    /// R178, R182.
    #[test]
    fn without_days_or_switched_off_nothing_is() {
        assert_eq!(due(&table(None, false), moment(9999)).unwrap(), Due::Nothing);
        let mut off = table(Some(1), false);
        commit(&mut off, 2, 1, Operation::Alter, &[Action::Lifecycle { days: Some(1), enabled: false }]);
        assert_eq!(due(&off, moment(9999)).unwrap(), Due::Nothing);
        let mut touched = table(Some(1), false);
        commit(&mut touched, 2, 20, Operation::Alter, &[Action::Touch { partition: None }]);
        assert_eq!(due(&touched, moment(30)).unwrap(), Due::Nothing);
        assert_eq!(due(&touched, moment(45)).unwrap(), Due::Table);
    }

    /// R176: each partition by its own time.
    #[test]
    fn partitions_are_due_one_by_one() {
        let mut state = table(Some(1), true);
        for (lsn, hours, value) in [(2, 0, "a"), (3, 10, "b"), (4, 0, "c")] {
            let open = PartitionRef { values: partition(value), id: PartitionId::from_u128(u128::from(lsn)) };
            commit(
                &mut state,
                lsn,
                hours + u32::try_from(lsn).unwrap(),
                Operation::Append,
                &[Action::OpenPartition(open)],
            );
        }
        let off = Action::PartitionLifecycle { id: PartitionId::from_u128(4), enabled: false };
        commit(&mut state, 5, 14, Operation::Alter, &[off]);
        assert_eq!(due(&state, moment(27)).unwrap(), Due::Partitions(vec![partition("a")]));
        assert_eq!(due(&state, moment(999)).unwrap(), Due::Partitions(vec![partition("a"), partition("b")]));
    }
}
