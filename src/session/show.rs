//! SHOW HISTORY, LIST PARTITIONS, DESC EXTENDED.

use std::sync::Arc;

use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::dataframe::DataFrame;

use super::run::Run;
use crate::auth::Privilege;
use crate::catalog::TableName;
use crate::error::{Code, Error, Result};
use crate::log::Lsn;
use crate::ops::history::HistoryFilter;
use crate::ops::{Pin, describe, history, partitions, tables};
use crate::provider::views;
use crate::sql::{NamePattern, ObjectPath, PartitionRef, PartitionSpec, ShowHistory, ShowPartitions};
use crate::table::{PartitionValues, TableSchema, text};

/// `SHOW HISTORY FOR TABLE t [PARTITION(..)] [LSN 'x' | OFFSET n] [LIMIT n]` (R083-R094).
pub(super) async fn history(run: &mut Run<'_>, show: &ShowHistory) -> Result<DataFrame, DataFusionError> {
    let (pin, name) = run.ours(&show.table).await?;
    let table = match &show.id {
        Some(id) => pin.table_by_id(&name, id.parse()?).await?,
        None => pin.table_for(&name, Privilege::ShowHistory).await.map_err(|error| match error.code() {
            Code::TableDropped => Error::new(
                Code::TableDropped,
                format!("{}; its history: SHOW HISTORY FOR TABLES LIKE {name} gives the id for SHOW HISTORY FOR TABLE {name} ('id'='…')", error.message()),
            ),
            _ => error,
        })?,
    };
    let schema = table.snapshot.state.schema()?;
    let mut filter = HistoryFilter::default();
    for partition in &show.partitions {
        match partition {
            PartitionRef::Spec(spec) => filter.values.push(values(&schema, &name, spec)?),
            PartitionRef::Id(id) => filter.ids.push(id.parse()?),
        }
    }
    let from = show.from_lsn.map_or(Lsn::FIRST, Lsn::new);
    let mut rows = history::table(&pin, &table, &filter, from).await?;
    let skip = usize::try_from(show.offset.unwrap_or(0)).unwrap_or(usize::MAX).min(rows.len());
    rows.drain(..skip);
    rows.truncate(usize::try_from(show.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX));
    run.rows(views::history::show(&rows, views::zone(run.state.config_options())?)?)
}

/// `SHOW HISTORY FOR TABLES [LIKE …]`: all tables, dropped ones too (R080-R082).
pub(super) async fn tables(run: &mut Run<'_>, pattern: Option<&NamePattern>) -> Result<DataFrame, DataFusionError> {
    let catalog = run.state.config_options().catalog.default_catalog.clone();
    let (pin, wanted) = match pattern {
        Some(NamePattern::Exact(path)) => {
            let (pin, name) = run.ours(path).await?;
            (pin, Some(name))
        }
        _ if run.pins.warehouses().catalog(&catalog).is_none() => {
            let message =
                format!("{catalog} is not a time-travel warehouse: SET datafusion.catalog.default_catalog to one");
            return Err(Error::new(Code::NotSupported, message).into());
        }
        _ => (run.pins.pin(&catalog).await?, None),
    };
    let mut rows = tables::all(&pin)?;
    match pattern {
        Some(NamePattern::Like(like)) => rows.retain(|row| tables::matches(like, &row.name.table)),
        _ => rows.retain(|row| wanted.as_ref().is_none_or(|name| row.name == *name)),
    }
    run.rows(views::tables::show(&rows, views::zone(run.state.config_options())?)?)
}

/// `LIST PARTITIONS t`.
pub(super) async fn partitions(run: &mut Run<'_>, show: &ShowPartitions) -> Result<DataFrame, DataFusionError> {
    let (pin, name) = run.ours(&show.table).await?;
    let table = pin.table_for(&name, Privilege::Select).await?;
    let mut wanted = vec![];
    if let Some(spec) = &show.partition {
        let schema = table.snapshot.state.schema()?;
        for (column, value) in &spec.0 {
            let value = one_value(&schema, &name, column, value)?;
            let level = schema.partition_columns.iter().position(|known| known.name == *column);
            wanted.extend(level.map(|level| (level, value)));
        }
    }
    run.rows(views::partitions::show(&partitions::list_with(&table, &wanted)?)?)
}

/// `DESC EXTENDED t` (R099).
pub(super) async fn describe(
    run: &mut Run<'_>,
    pin: &Arc<Pin>,
    name: &TableName,
    path: &ObjectPath,
) -> Result<DataFrame, DataFusionError> {
    let table = pin.table_for(name, Privilege::Select).await?;
    let config = Arc::clone(run.state.config_options());
    let located = run.pins.locate(path.reference(), &config).await?;
    let project = located.map_or_else(|| config.catalog.default_catalog.clone(), |(catalog, ..)| catalog);
    let rows = describe::table(&table, &project)?;
    run.rows(views::describe::show(&rows, views::zone(run.state.config_options())?)?)
}

/// The values of a partition that a spec names in full, in column order.
pub(super) fn values(schema: &TableSchema, table: &TableName, spec: &PartitionSpec) -> Result<PartitionValues> {
    let columns: Vec<&str> = schema.partition_columns.iter().map(|column| column.name.as_str()).collect();
    if columns.is_empty() {
        return Err(Error::new(Code::PartitionNotFound, format!("table {table} has no partition columns")));
    }
    let mut found = Vec::with_capacity(columns.len());
    for column in &columns {
        match spec.0.iter().find(|(name, _)| name == column) {
            Some((name, value)) => found.push(one_value(schema, table, name, value)?),
            None => {
                let message =
                    format!("PARTITION of table {table} must name {}: {column} is missing", columns.join(", "));
                return Err(Error::new(Code::InvalidArgument, message));
            }
        }
    }
    if let Some((other, _)) = spec.0.iter().find(|(name, _)| !columns.contains(&name.as_str())) {
        let message = format!("{other} is not a partition column of table {table}: it has {}", columns.join(", "));
        return Err(Error::new(Code::ColumnNotFound, message));
    }
    Ok(PartitionValues(found))
}

/// A value as the log has it: read as the column's type and written back.
fn one_value(schema: &TableSchema, table: &TableName, column: &str, value: &str) -> Result<String> {
    let Some(found) = schema.partition_columns.iter().find(|c| c.name == column) else {
        return Err(Error::new(Code::ColumnNotFound, format!("{column} is not a partition column of table {table}")));
    };
    // As INSERT reads it: a time may be written with a space.
    let read = ScalarValue::Utf8(Some(value.to_owned())).cast_to(&found.data_type).and_then(|value| value.to_array());
    let array = read.map_err(|_| {
        Error::new(Code::InvalidArgument, format!("{column}={value:?}: the column has type {}", found.data_type))
    })?;
    Ok(text::to_text(&array, 0).unwrap_or_else(|| value.to_owned()))
}
