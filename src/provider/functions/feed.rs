//! `changes('t', a, b)` and `diff('t', a, b)`.

use std::sync::Arc;

use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl};
use datafusion::common::Result;
use datafusion::datasource::TableProvider;

use super::super::feed::Feed;
use super::super::value;
use super::{WarehouseHistory, literal, options, text, usage, wait};

/// One of the two; both ends are versions, or both times.
#[derive(Debug)]
pub(crate) struct FeedFunction(pub(crate) Arc<WarehouseHistory>, pub(crate) Feed);

impl TableFunctionImpl for FeedFunction {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let feed = self.1;
        let [table, a, b] = args.exprs() else { return Err(usage(&feed.usage())) };
        let (table, a, b, config) = (text(table)?, literal(a)?, literal(b)?, options(args.session()));
        let history = Arc::clone(&self.0);
        wait(async move {
            let (pin, table) = history.table(&table, &config).await?;
            let (a, b) = value::of_arguments(&a, &b, &config)?;
            feed.provider(&pin, &table, pin.now(), a, b).await
        })
    }
}
