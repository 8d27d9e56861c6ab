//! The generated tables: TPC-H's generator as streams that DataFusion reads in parallel, nothing kept in memory.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::catalog::MemTable;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::SessionContext;
use tpchgen::generators::{CustomerGenerator, LineItemGenerator, OrderGenerator};
use tpchgen_arrow::{CustomerArrow, LineItemArrow, OrderArrow};

pub(super) const CREATE_LINEITEM: &str = "CREATE TABLE tt.default.lineitem (
    l_orderkey BIGINT NOT NULL, l_partkey BIGINT NOT NULL, l_suppkey BIGINT NOT NULL, l_linenumber INT NOT NULL,
    l_quantity DECIMAL(15, 2) NOT NULL, l_extendedprice DECIMAL(15, 2) NOT NULL,
    l_discount DECIMAL(15, 2) NOT NULL, l_tax DECIMAL(15, 2) NOT NULL,
    l_returnflag STRING NOT NULL, l_linestatus STRING NOT NULL,
    l_shipdate DATE NOT NULL, l_commitdate DATE NOT NULL, l_receiptdate DATE NOT NULL,
    l_shipinstruct STRING NOT NULL, l_shipmode STRING NOT NULL, l_comment STRING NOT NULL,
    PRIMARY KEY (l_orderkey, l_linenumber))";

pub(super) const CREATE_ORDERS: &str = "CREATE TABLE tt.default.orders (
    o_orderkey BIGINT NOT NULL PRIMARY KEY, o_custkey BIGINT NOT NULL, o_orderstatus STRING NOT NULL,
    o_totalprice DECIMAL(15, 2) NOT NULL, o_orderdate DATE NOT NULL, o_orderpriority STRING NOT NULL,
    o_clerk STRING NOT NULL, o_shippriority INT NOT NULL, o_comment STRING NOT NULL)";

type Batches = Box<dyn Iterator<Item = std::result::Result<RecordBatch, ArrowError>> + Send>;

/// One part of a generated table.
struct Part {
    schema: SchemaRef,
    batches: Arc<dyn Fn() -> Batches + Send + Sync>,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").finish_non_exhaustive()
    }
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = (self.batches)().map(|batch| batch.map_err(DataFusionError::from));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::iter(batches)))
    }
}

/// Registers `generated_lineitem` and `generated_orders` as streams, and `customer` in memory.
pub(super) fn register(ctx: &SessionContext, scale: f64) -> Result<()> {
    let parts = i32::try_from(ctx.copied_config().target_partitions()).unwrap_or(1);
    let lines = (1..=parts).map(|part| {
        let batches = move || Box::new(LineItemArrow::new(LineItemGenerator::new(scale, part, parts))) as Batches;
        Arc::new(Part { schema: LineItemArrow::schema_ref(), batches: Arc::new(batches) }) as Arc<dyn PartitionStream>
    });
    let lines = StreamingTable::try_new(LineItemArrow::schema_ref(), lines.collect())?;
    ctx.register_table("generated_lineitem", Arc::new(lines))?;
    let orders = (1..=parts).map(|part| {
        let batches = move || Box::new(OrderArrow::new(OrderGenerator::new(scale, part, parts))) as Batches;
        Arc::new(Part { schema: OrderArrow::schema_ref(), batches: Arc::new(batches) }) as Arc<dyn PartitionStream>
    });
    let orders = StreamingTable::try_new(OrderArrow::schema_ref(), orders.collect())?;
    ctx.register_table("generated_orders", Arc::new(orders))?;
    let customers =
        CustomerArrow::new(CustomerGenerator::new(scale, 1, 1)).collect::<std::result::Result<Vec<_>, _>>()?;
    let customers = MemTable::try_new(CustomerArrow::schema_ref(), vec![customers])?;
    ctx.register_table("customer", Arc::new(customers))?;
    Ok(())
}
