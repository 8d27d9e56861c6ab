#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod evolution;
mod oracle;
mod plans;
mod row_ids;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::util::pretty::pretty_format_batches;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;

use super::{ReadRange, ScanRequest, Scanner, is_partition_filter};
use crate::log::Lsn;
use crate::merge::testing::Lab;
use crate::table::{TableSchema, TableSnapshot};

/// What the provider layer does, as little as it takes.
#[derive(Debug)]
struct TestTable {
    scanner: Arc<Scanner>,
    snapshot: Arc<TableSnapshot>,
    range: ReadRange,
    schema: Arc<TableSchema>,
}

#[async_trait]
impl TableProvider for TestTable {
    fn schema(&self) -> SchemaRef {
        self.schema.arrow()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let one = |filter: &&Expr| match is_partition_filter(&self.schema, filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(one).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let request = ScanRequest {
            table_name: "t".into(),
            snapshot: Arc::clone(&self.snapshot),
            range: self.range,
            schema: Arc::clone(&self.schema),
            projection,
            filters,
            limit,
            verify: crate::merge::Verify::Small,
            row_ids: false,
        };
        self.scanner.plan(session, request).await
    }
}

fn context(partitions: usize, pushdown: bool) -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(partitions).with_batch_size(7);
    config.options_mut().execution.parquet.pushdown_filters = pushdown;
    SessionContext::new_with_config(config)
}

fn register(ctx: &SessionContext, name: &str, lab: &Lab, scanner: &Arc<Scanner>, range: ReadRange) {
    let at = match range {
        ReadRange::At(v) | ReadRange::Between(_, v) => v,
    };
    let schema = lab.state.schema_at(at).unwrap();
    let table = TestTable { scanner: Arc::clone(scanner), snapshot: lab.snapshot(), range, schema };
    ctx.deregister_table(name).unwrap();
    ctx.register_table(name, Arc::new(table)).unwrap();
}

async fn run(ctx: &SessionContext, sql: &str) -> String {
    let frame = ctx.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let batches = frame.collect().await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    pretty_format_batches(&batches).unwrap().to_string()
}

fn head(lab: &Lab) -> ReadRange {
    ReadRange::At(lab.lsn)
}

fn lsn(n: u64) -> Lsn {
    Lsn::new(n)
}
