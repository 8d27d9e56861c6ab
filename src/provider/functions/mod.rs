//! Table functions for plain `ctx.sql()`, and the history that the scalar functions see.
//!
//! DataFusion makes the table of a table function synchronously, so the snapshot is read on a thread of its own. In
//! `tt.sql` these functions are bound before planning, without that.

mod at;
mod feed;
mod incremental;
mod listing;

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{Result, ScalarValue, TableReference};
use datafusion::config::ConfigOptions;
use datafusion::datasource::TableProvider;
use datafusion::logical_expr::Expr;
use datafusion_timetravel_udfs::TableHistory;

use super::{PinSource, resolve};
use crate::auth::Privilege;
use crate::catalog::TableName;
use crate::error::{Code, Error};
use crate::ops::{Pin, PinnedTable, version};

pub(crate) use at::AtFunction;
pub(crate) use feed::FeedFunction;
pub(crate) use incremental::IncrementalFunction;
pub(crate) use listing::{Listing, ListingFunction};

/// The history of a warehouse, for the scalar functions.
#[derive(Debug)]
pub(crate) struct WarehouseHistory {
    pub(crate) catalog: String,
    pub(crate) source: PinSource,
}

impl WarehouseHistory {
    /// The Pin and the name that a text means.
    async fn named(&self, name: &str, config: &ConfigOptions) -> Result<(Arc<Pin>, TableName), Error> {
        let (catalog, name) = resolve(TableReference::parse_str(name), config);
        if catalog != self.catalog {
            let message = format!(
                "{catalog} is not the warehouse of this session, {}: use tt.sql(&ctx, ..) to reach others",
                self.catalog
            );
            return Err(Error::new(Code::TableNotFound, message));
        }
        Ok((self.source.pin().await?, name))
    }

    async fn table(&self, name: &str, config: &ConfigOptions) -> Result<(Arc<Pin>, PinnedTable), Error> {
        let (pin, name) = self.named(name, config).await?;
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
