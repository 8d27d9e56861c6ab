//! ALTER TABLE: from syntax to verbs.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::dataframe::DataFrame;

use super::run::{Kind, Run};
use super::show::values;
use crate::catalog::TableName;
use crate::error::{Code, Error};
use crate::ops::Pin;
use crate::ops::alter::{self, Change};
use crate::ops::compact::{self, Compaction};
use crate::sql::{AlterOperation, AlterTable, CompactKind};
use crate::table::properties;

/// ALTER TABLE.
pub(super) async fn table(run: &mut Run<'_>, alter: AlterTable) -> Result<DataFrame, DataFusionError> {
    let (pin, name) = run.ours(&alter.table).await?;
    match run_alter(run, &pin, &name, alter.operation).await {
        Err(error) if alter.if_exists => match Error::find(&error).map(Error::code) {
            Some(Code::TableNotFound | Code::TableDropped) => run.done(),
            _ => Err(error),
        },
        other => other,
    }
}

async fn run_alter(
    run: &mut Run<'_>,
    pin: &Arc<Pin>,
    name: &TableName,
    operation: AlterOperation,
) -> Result<DataFrame, DataFusionError> {
    if let AlterOperation::Compact { partition, kind } = operation {
        run.allow(Kind::Statement)?;
        let kind = match kind {
            CompactKind::Major => Compaction::Major,
            CompactKind::Minor => Compaction::Minor,
        };
        let only = match &partition {
            Some(spec) => Some(values(&*pin.table(name).await?.snapshot.state.schema()?, name, spec)?),
            None => None,
        };
        compact::compact(pin, name, only.as_ref(), kind, &run.ctx.task_ctx()).await?;
        return run.done();
    }
    run.allow(Kind::Ddl)?;
    let change = match operation {
        AlterOperation::RenameTo(to) => {
            let Some((other, to)) = run.find(&to).await? else {
                return Err(Error::new(
                    Code::InvalidArgument,
                    format!("{to} is not in a time-travel warehouse: {name} can't move there"),
                )
                .into());
            };
            if !Arc::ptr_eq(&other, pin) {
                return Err(Error::new(
                    Code::InvalidArgument,
                    format!("{to} is in another warehouse: {name} can't move there"),
                )
                .into());
            }
            alter::rename(pin, name, to).await?;
            return run.done();
        }
        AlterOperation::SetProperties(set) => {
            Change::Properties(set.into_iter().map(|(key, value)| (key, Some(value))).collect())
        }
        AlterOperation::UnsetProperties { keys, if_exists } => {
            let table = pin.table(name).await?;
            let missing = keys.iter().find(|key| table.snapshot.state.property(key).is_none());
            if let Some(key) = missing.filter(|_| !if_exists) {
                return Err(Error::new(Code::InvalidProperty, format!("table {name} has no property {key}")).into());
            }
            Change::Properties(keys.into_iter().map(|key| (key, None)).collect::<BTreeMap<_, _>>())
        }
        AlterOperation::SetLifecycle(days) => {
            Change::Lifecycle(properties::check_lifecycle(i64::try_from(days).unwrap_or(i64::MAX))?)
        }
        AlterOperation::SetComment(text) => Change::Comment(Some(text).filter(|text| !text.is_empty())),
        other => {
            return Err(Error::new(
                Code::NotSupported,
                format!("this ALTER TABLE on {name} is not supported yet: {}", short(&other)),
            )
            .into());
        }
    };
    alter::table(pin, name, change).await?;
    run.done()
}

fn short(operation: &AlterOperation) -> &'static str {
    match operation {
        AlterOperation::EnableLifecycle { .. } => "ENABLE | DISABLE LIFECYCLE",
        AlterOperation::Touch(_) => "TOUCH",
        AlterOperation::AddPartitions { .. } => "ADD PARTITION",
        AlterOperation::DropPartitions { .. } => "DROP PARTITION",
        AlterOperation::AddColumns { .. } => "ADD COLUMN",
        AlterOperation::DropColumns { .. } => "DROP COLUMN",
        AlterOperation::RenameColumn { .. } => "RENAME COLUMN",
        AlterOperation::ChangeColumn { .. } => "CHANGE COLUMN",
        _ => "this change",
    }
}
