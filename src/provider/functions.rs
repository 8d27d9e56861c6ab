//! Table functions for plain `ctx.sql()`: `at('t', x)`, `incremental('t', a, b)`, `history('t')`; and the history that
//! the scalar functions see.
//!
//! DataFusion makes the table of a table function synchronously, so the snapshot is read on a thread of its own. In
//! `tt.sql` these functions are bound before planning, without that.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl};
use datafusion::common::{Result, ScalarValue, TableReference};
use datafusion::config::ConfigOptions;
use datafusion::datasource::{MemTable, TableProvider};
use datafusion::logical_expr::Expr;
use datafusion_timetravel_udfs::TableHistory;

use super::views::history as history_view;
use super::{PinSource, TimeTravelOptions, TimeTravelTable, resolve, value};
use crate::auth::Privilege;
use crate::error::{Code, Error};
use crate::log::Lsn;
use crate::ops::{Pin, PinnedTable, history, version};
use crate::scan::ReadRange;

/// The history of a warehouse, for the scalar functions.
#[derive(Debug)]
pub(crate) struct WarehouseHistory {
    pub(crate) catalog: String,
    pub(crate) source: PinSource,
}

impl WarehouseHistory {
    async fn table(&self, name: &str, config: &ConfigOptions) -> Result<(Arc<Pin>, PinnedTable), Error> {
        let (catalog, name) = resolve(TableReference::parse_str(name), config);
        if catalog != self.catalog {
            let message = format!(
                "{catalog} is not the warehouse of this session, {}: use tt.sql(&ctx, ..) to reach others",
                self.catalog
            );
            return Err(Error::new(Code::TableNotFound, message));
        }
        let pin = self.source.pin().await?;
        let table = pin.table_for(&name, Privilege::Select).await?;
        Ok((pin, table))
    }
}

#[async_trait]
impl TableHistory for WarehouseHistory {
    async fn nth_latest(&self, table: &str, n: i64, config: &ConfigOptions) -> Result<(i64, i64)> {
        let (_, table) = self.table(table, config).await?;
        let (lsn, time) = version::nth_latest(&table, n).await?;
        Ok((lsn.as_i64(), time.as_micros()))
    }
}

/// `at('t', x)`: a version if `x` is an integer, else a time.
#[derive(Debug)]
pub(crate) struct AtFunction(pub(crate) Arc<WarehouseHistory>);

impl TableFunctionImpl for AtFunction {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let [table, at] = args.exprs() else { return Err(usage("at('table', version or time)")) };
        let (table, at, config) = (text(table)?, literal(at)?, options(args.session()));
        let history = Arc::clone(&self.0);
        wait(async move {
            let (pin, table) = history.table(&table, &config).await?;
            let spec = value::of_argument(&at, &config)?;
            let policy = TimeTravelOptions::of(&config).purged_history;
            let lsn = version::as_of(&pin, &table, pin.now(), spec, policy).await?;
            Ok(Arc::new(TimeTravelTable::new(pin, table, ReadRange::At(lsn))?) as Arc<dyn TableProvider>)
        })
    }
}

/// `incremental('t', a, b)`: both versions or both times.
#[derive(Debug)]
pub(crate) struct IncrementalFunction(pub(crate) Arc<WarehouseHistory>);

impl TableFunctionImpl for IncrementalFunction {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let [table, a, b] = args.exprs() else { return Err(usage("incremental('table', from, to)")) };
        let (table, a, b, config) = (text(table)?, literal(a)?, literal(b)?, options(args.session()));
        let history = Arc::clone(&self.0);
        wait(async move {
            let (pin, table) = history.table(&table, &config).await?;
            let (a, b) = value::of_arguments(&a, &b, &config)?;
            let (a, b) = version::between(&table, pin.now(), a, b).await?;
            Ok(Arc::new(TimeTravelTable::new(pin, table, ReadRange::Between(a, b))?) as Arc<dyn TableProvider>)
        })
    }
}

/// `history('t')`.
#[derive(Debug)]
pub(crate) struct HistoryFunction(pub(crate) Arc<WarehouseHistory>);

impl TableFunctionImpl for HistoryFunction {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let [table] = args.exprs() else { return Err(usage("history('table')")) };
        let (table, config) = (text(table)?, options(args.session()));
        let history = Arc::clone(&self.0);
        wait(async move {
            let (_, table) = history.table(&table, &config).await?;
            history_table(&table).await
        })
    }
}

/// The table that `history('t')` gives.
pub(crate) async fn history_table(table: &PinnedTable) -> Result<Arc<dyn TableProvider>, Error> {
    let batch = history_view::table(&history::table(table, &[], Lsn::FIRST).await?)?;
    Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
}

fn options(session: &dyn Session) -> ConfigOptions {
    session.config_options().clone()
}

fn literal(expr: &Expr) -> Result<ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Ok(value.clone()),
        Expr::Alias(alias) => literal(&alias.expr),
        other => Err(Error::new(
            Code::InvalidVersionExpression,
            format!("{other} is not a constant: write a version or a time"),
        )
        .into()),
    }
}

fn text(expr: &Expr) -> Result<String> {
    match literal(expr)?.try_as_str().flatten() {
        Some(text) => Ok(text.to_owned()),
        None => Err(Error::new(Code::InvalidArgument, format!("{expr} is not a table name in quotes")).into()),
    }
}

fn usage(form: &str) -> datafusion::common::DataFusionError {
    Error::new(Code::InvalidArgument, format!("the arguments don't fit: write {form}")).into()
}

/// Runs a future to its end on a thread of its own, whatever runtime the caller is on.
#[allow(clippy::disallowed_methods, reason = "DataFusion makes the table of a table function synchronously")]
fn wait<F>(future: F) -> Result<Arc<dyn TableProvider>>
where
    F: Future<Output = Result<Arc<dyn TableProvider>, Error>> + Send + 'static,
{
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| Error::internal(format!("no runtime: {error}")))?.block_on(future)
    };
    let done = std::thread::spawn(run).join();
    Ok(done.unwrap_or_else(|_| Err(Error::internal("a table function ended early")))?)
}
