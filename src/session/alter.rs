//! ALTER TABLE: from syntax to verbs.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::dataframe::DataFrame;

use super::columns;
use super::run::{Kind, Run};
use super::show::values;
use crate::auth::Privilege;
use crate::catalog::TableName;
use crate::error::{Code, Error, Result};
use crate::ops::Pin;
use crate::ops::alter::{self, Change};
use crate::ops::compact::{self, Compaction};
use crate::ops::drop_partitions::drop_partitions;
use crate::ops::plan::ColumnEdit;
use crate::provider::views;
use crate::sql::{AlterOperation, AlterTable, CompactKind, PartitionSpec};
use crate::table::{PartitionValues, properties};

/// ALTER TABLE.
pub(super) async fn table(run: &mut Run<'_>, alter: AlterTable) -> Result<DataFrame, DataFusionError> {
    let (pin, name) = run.ours(&alter.table).await?;
    match run_alter(run, &pin, &name, alter.operation).await {
        Err(error) if alter.if_exists && is_absence(Error::find(&error)) => match pin.table(&name).await {
            Err(absent) if is_absence(Some(&absent)) => run.done(),
            // It is about another object, for example the schema of a new name.
            _ => Err(error),
        },
        other => other,
    }
}

/// Whether the error says that the table isn't there.
pub(super) fn is_absence(error: Option<&Error>) -> bool {
    matches!(error.map(Error::code), Some(Code::TableNotFound | Code::TableDropped | Code::SchemaNotFound))
}

/// The partitions that a statement names, for a caller who needs a privilege on the table.
pub(super) async fn named(
    pin: &Pin,
    name: &TableName,
    privilege: Privilege,
    specs: &[PartitionSpec],
) -> Result<Vec<PartitionValues>> {
    let schema = pin.table_for(name, privilege).await?.snapshot.state.schema()?;
    specs.iter().map(|spec| values(&schema, name, spec)).collect()
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
            Some(spec) => named(pin, name, Privilege::Update, std::slice::from_ref(spec)).await?.pop(),
            None => None,
        };
        Box::pin(compact::compact(pin, name, only.as_ref(), kind, &run.ctx.task_ctx())).await?;
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
        AlterOperation::SetProperties { properties, dry_run } => {
            let set = properties.into_iter().map(|(key, value)| (key, Some(value))).collect();
            if dry_run {
                return run.rows(views::sweep::show(&alter::dry_run_properties(pin, name, set).await?)?);
            }
            Change::Properties(set)
        }
        AlterOperation::UnsetProperties { keys, if_exists } => {
            let table = pin.table_for(name, Privilege::Alter).await?;
            let missing = keys.iter().find(|key| table.snapshot.state.property(key).is_none());
            if let Some(key) = missing.filter(|_| !if_exists) {
                return Err(Error::new(Code::InvalidProperty, format!("table {name} has no property {key}")).into());
            }
            Change::Properties(keys.into_iter().map(|key| (key, None)).collect::<BTreeMap<_, _>>())
        }
        AlterOperation::SetLifecycle(days) => {
            Change::Lifecycle(properties::check_lifecycle(i64::try_from(days).unwrap_or(i64::MAX))?)
        }
        AlterOperation::AddPartitions { partitions, if_not_exists } => {
            let partitions = named(pin, name, Privilege::Alter, &partitions).await?;
            Change::AddPartitions { partitions, if_not_exists }
        }
        AlterOperation::DropPartitions { partitions, if_exists } => {
            let partitions = named(pin, name, Privilege::Drop, &partitions).await?;
            drop_partitions(pin, name, partitions, if_exists).await?;
            return run.done();
        }
        AlterOperation::SetComment(text) => Change::Comment(Some(text).filter(|text| !text.is_empty())),
        AlterOperation::EnableLifecycle { partition, enabled } => {
            Change::EnableLifecycle { partitions: one(pin, name, Privilege::Alter, partition).await?, enabled }
        }
        AlterOperation::Touch(partition) => Change::Touch(one(pin, name, Privilege::Update, partition).await?),
        AlterOperation::AddColumns { columns, if_not_exists } => {
            columns::added(&run.state, name, &columns, if_not_exists).await?
        }
        AlterOperation::DropColumns { columns, if_exists } => Change::DropColumns { columns, if_exists },
        AlterOperation::RenameColumn { from, to } => {
            Change::Column { column: from, edit: ColumnEdit { name: Some(to), ..ColumnEdit::default() } }
        }
        AlterOperation::ChangeColumn { column, change } => columns::changed(&run.state, column, change).await?,
        AlterOperation::Compact { .. } => return Err(Error::internal("a COMPACT as a change").into()),
    };
    alter::table(pin, name, change).await?;
    run.done()
}

async fn one(
    pin: &Pin,
    name: &TableName,
    privilege: Privilege,
    partition: Option<PartitionSpec>,
) -> Result<Option<Vec<PartitionValues>>> {
    match partition {
        None => Ok(None),
        Some(spec) => named(pin, name, privilege, &[spec]).await.map(Some),
    }
}
