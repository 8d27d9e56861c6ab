//! `incremental('t', a, b)`: the changes of a range.

use std::sync::Arc;

use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl};
use datafusion::common::Result;
use datafusion::datasource::TableProvider;

use super::super::{TimeTravelTable, value};
use super::{WarehouseHistory, literal, options, text, usage, wait};
use crate::ops::version;
use crate::scan::ReadRange;

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
