//! PURGE, VACUUM, SETPROJECT: from syntax to verbs.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::dataframe::DataFrame;

use super::run::{Kind, Run};
use crate::error::{Code, Error, Result};
use crate::ops::{Pin, SweepRow, purge, setproject, vacuum};
use crate::provider::views;
use crate::sql::{Purge, SetProject, Vacuum};

/// `PURGE TABLE t [('id' = '…')] [DRY RUN]`: a row per thing done, none where there is nothing to do.
pub(super) async fn purge(run: &mut Run<'_>, statement: &Purge) -> Result<DataFrame, DataFusionError> {
    run.allow(Kind::Ddl)?;
    let (pin, name) = run.ours(&statement.table).await?;
    let rows = match &statement.id {
        Some(id) => purge::by_id(&pin, &name, id.parse()?, mode(statement.dry_run)).await?,
        None => purge::table(&pin, &name, mode(statement.dry_run)).await?,
    };
    show(run, &rows)
}

/// `VACUUM [t] [DRY RUN]`: a row per thing done.
pub(super) async fn vacuum(run: &mut Run<'_>, statement: &Vacuum) -> Result<DataFrame, DataFusionError> {
    run.allow(Kind::Ddl)?;
    let dry = mode(statement.dry_run);
    let rows = match &statement.table {
        Some(path) => {
            let config = Arc::clone(run.state.config_options());
            let Some((project, pin, name)) = run.pins.locate(path.reference(), &config).await? else {
                let message = format!("{path} is not in a time-travel warehouse, whose tables VACUUM is for");
                return Err(Error::new(Code::NotSupported, message).into());
            };
            vacuum::table(&pin, &name, &project, dry).await?
        }
        None => {
            let (project, pin) = project(run).await?;
            vacuum::warehouse(&pin, &project, dry).await?
        }
    };
    show(run, &rows)
}

/// `SETPROJECT [key = value, …] [DRY RUN]`: sets, lists, or says what a VACUUM would delete then.
pub(super) async fn set_project(run: &mut Run<'_>, statement: &SetProject) -> Result<DataFrame, DataFusionError> {
    run.allow(Kind::Statement)?;
    let (_, pin) = project(run).await?;
    if statement.settings.is_empty() {
        return run.rows(views::sweep::settings(&setproject::list(&pin))?);
    }
    if statement.dry_run {
        return show(run, &setproject::dry_run(&pin, &statement.settings).await?);
    }
    setproject::set(&pin, &statement.settings).await?;
    run.done()
}

fn mode(dry_run: bool) -> vacuum::Run {
    if dry_run { vacuum::Run::Dry } else { vacuum::Run::Do }
}

fn show(run: &Run<'_>, rows: &[SweepRow]) -> Result<DataFrame, DataFusionError> {
    run.rows(views::sweep::show(rows)?)
}

/// The session's warehouse and its name.
async fn project(run: &mut Run<'_>) -> Result<(String, Arc<Pin>)> {
    let catalog = run.state.config_options().catalog.default_catalog.clone();
    match run.pins.warehouses().catalog(&catalog) {
        Some(_) => {
            let pin = run.pins.pin(&catalog).await?;
            Ok((catalog, pin))
        }
        None => Err(Error::new(
            Code::NotSupported,
            format!("{catalog} is not a time-travel warehouse: SET datafusion.catalog.default_catalog to one"),
        )),
    }
}
