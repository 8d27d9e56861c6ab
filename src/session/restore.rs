//! RESTORE TABLE, all its forms: from syntax to verbs.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::dataframe::DataFrame;

use super::run::{Kind, Run};
use super::show::values;
use crate::auth::Privilege;
use crate::catalog::TableName;
use crate::error::{Code, Error, Result};
use crate::log::Lsn;
use crate::ops::changes::ObjectChange;
use crate::ops::clone::{self, CloneSource};
use crate::ops::{Pin, restore, undrop};
use crate::provider::views;
use crate::sql::{ObjectPath, PartitionSpec, Restore, RestoreTarget};
use crate::store::PartitionId;
use crate::table::PartitionValues;

/// RESTORE TABLE. With DRY RUN it gives what would change, and commits nothing.
pub(super) async fn run(run: &mut Run<'_>, statement: Restore) -> Result<DataFrame, DataFusionError> {
    let (pin, name) = run.ours(&statement.table).await?;
    if !statement.dry_run {
        run.allow(Kind::Ddl)?;
    }
    let changes = match statement.target {
        RestoreTarget::Table { id } => dropped_table(&pin, &name, &id, statement.dry_run).await?,
        RestoreTarget::Partitions { ids } => dropped_partitions(&pin, &name, &ids, statement.dry_run).await?,
        RestoreTarget::Lsn { partitions, lsn, new_table: None } => {
            to_lsn(&pin, &name, &partitions, Lsn::new(lsn), statement.dry_run)
                .await
                .map_err(|error| two_steps(error, &name, lsn))?
        }
        RestoreTarget::Lsn { partitions, lsn, new_table: Some(to) } => {
            as_table(run, &pin, name.clone(), &partitions, Lsn::new(lsn), &to, statement.dry_run)
                .await
                .map_err(|error| two_steps(error, &name, lsn))?
        }
    };
    match changes {
        Some(changes) => run.rows(views::changes::show(&changes)?),
        None => run.done(),
    }
}

/// What a dry run found; none where the verb ran.
type Changes = Result<Option<Vec<ObjectChange>>>;

async fn dropped_table(pin: &Pin, name: &TableName, id: &str, dry_run: bool) -> Changes {
    let id = id.parse()?;
    if dry_run {
        return undrop::dry_run_table(pin, name, id).await.map(Some);
    }
    undrop::table(pin, name, id).await.map(|_| None)
}

async fn dropped_partitions(pin: &Pin, name: &TableName, ids: &[String], dry_run: bool) -> Changes {
    let ids = ids.iter().map(|id| id.parse()).collect::<Result<Vec<PartitionId>>>()?;
    if dry_run {
        return undrop::dry_run_partitions(pin, name, &ids).await.map(Some);
    }
    undrop::partitions(pin, name, ids).await.map(|_| None)
}

async fn to_lsn(pin: &Pin, name: &TableName, specs: &[PartitionSpec], version: Lsn, dry_run: bool) -> Changes {
    match (specs.is_empty(), dry_run) {
        (true, true) => restore::dry_run_table(pin, name, version).await.map(Some),
        (true, false) => restore::table(pin, name, version).await.map(|_| None),
        (false, dry_run) => {
            let partitions = named(pin, name, specs, Privilege::Update).await?;
            if dry_run {
                return restore::dry_run_partitions(pin, name, &partitions, version).await.map(Some);
            }
            restore::partitions(pin, name, partitions, version).await.map(|_| None)
        }
    }
}

async fn as_table(
    run: &mut Run<'_>,
    pin: &Arc<Pin>,
    name: TableName,
    specs: &[PartitionSpec],
    version: Lsn,
    to: &ObjectPath,
    dry_run: bool,
) -> Changes {
    let to = match run.find(to).await? {
        Some((other, to)) if Arc::ptr_eq(&other, pin) => to,
        _ => {
            let message = format!(
                "{to} is not in the warehouse of {name}, whose files a restored table shares: use CREATE TABLE {to} AS SELECT * FROM {name} VERSION AS OF {}",
                version.get()
            );
            return Err(Error::new(Code::NotSupported, message));
        }
    };
    let partitions = match specs.is_empty() {
        true => None,
        false => Some(named(pin, &name, specs, Privilege::Select).await?),
    };
    let source = CloneSource { name, version, partitions };
    if dry_run {
        return clone::dry_run(pin, &source, &to).await.map(Some);
    }
    clone::table(pin, &source, &to).await.map(|_| None)
}

/// The partitions that the statement names, for a caller who may know of them.
async fn named(
    pin: &Pin,
    name: &TableName,
    specs: &[PartitionSpec],
    privilege: Privilege,
) -> Result<Vec<PartitionValues>> {
    let table = pin.table_for(name, privilege).await?;
    let schema = table.snapshot.state.schema()?;
    specs.iter().map(|spec| values(&schema, name, spec)).collect()
}

/// A dropped table can't go straight to an LSN (R127): the error says how it gets there.
fn two_steps(error: Error, name: &TableName, lsn: u64) -> Error {
    match error.code() {
        Code::TableDropped => {
            let message = format!("{}; then RESTORE TABLE {name} TO LSN '{lsn}'", error.message());
            Error::new(Code::TableDropped, message)
        }
        _ => error,
    }
}
