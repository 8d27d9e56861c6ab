//! `at('t', x)`: a snapshot.

use std::sync::Arc;

use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl};
use datafusion::common::Result;
use datafusion::datasource::TableProvider;

use super::super::{TimeTravelOptions, TimeTravelTable, value};
use super::{WarehouseHistory, literal, options, text, usage, wait};
use crate::ops::version;
use crate::scan::ReadRange;

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
            let policy = TimeTravelOptions::of(&config).purged_history;
            let spec = value::of_argument(&at, &config)?;
            let lsn = version::as_of(&pin, &table, pin.now(), spec, policy).await?;
            Ok(Arc::new(TimeTravelTable::new(pin, table, ReadRange::At(lsn))?) as Arc<dyn TableProvider>)
        })
    }
}
