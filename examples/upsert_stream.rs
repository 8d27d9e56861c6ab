//! Upserting a stream: batches as they come, through a table of the session or through a DataFrame.
#![allow(clippy::print_stdout)]

use std::sync::Arc;

use datafusion::arrow::array::{Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::SessionContext;
use datafusion_timetravel::{SessionContextExt, TimeTravel};

const SENSORS: i64 = 1_000;

/// Readings of sensors that report again and again; the last reading of each is to stay.
#[derive(Debug)]
struct Readings {
    schema: SchemaRef,
    batches: i64,
}

impl Readings {
    fn new(batches: i64) -> Self {
        let schema = Schema::new(vec![
            Field::new("sensor", DataType::Int64, false),
            Field::new("value", DataType::Float64, true),
        ]);
        Self { schema: Arc::new(schema), batches }
    }
}

impl PartitionStream for Readings {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let batches = (0..self.batches).map(move |number| {
            let sensors: Int64Array = (0..500).map(|row| (number * 500 + row) % SENSORS).collect();
            let values: Float64Array = (0..500).map(|row| (number * 500 + row) as f64 / 10.0).collect();
            Ok(RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(sensors), Arc::new(values)])?)
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::iter(batches)))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let tt = TimeTravel::open("memory://").await?;
    let ctx = SessionContext::new();
    ctx.with_timetravel("tt", &tt).await?;
    tt.sql(&ctx, "CREATE TABLE tt.default.latest (sensor BIGINT PRIMARY KEY, value DOUBLE)").await?;

    // A stream of 100,000 rows becomes one commit. Memory stays within the session's pool: sorting spills.
    let readings = Readings::new(200);
    let stream = StreamingTable::try_new(Arc::clone(&readings.schema), vec![Arc::new(readings)])?;
    ctx.register_table("readings", Arc::new(stream))?;
    println!("INSERT INTO … SELECT from a stream:");
    tt.sql(&ctx, "INSERT INTO tt.default.latest SELECT * FROM readings").await?.show().await?;

    // Batches at hand go through a DataFrame, each write one commit.
    for round in 1..=3 {
        let batch = RecordBatch::try_from_iter([
            ("sensor", Arc::new(Int64Array::from(vec![1, 2, SENSORS + round])) as _),
            ("value", Arc::new(Float64Array::from(vec![0.5, f64::from(i32::try_from(round).unwrap_or(0)), 1.0])) as _),
        ])?;
        ctx.read_batch(batch)?.write_table("tt.default.latest", DataFrameWriteOptions::new()).await?;
    }
    println!("After three more writes:");
    tt.sql(&ctx, "SELECT count(*) AS sensors, max(value) AS greatest FROM tt.default.latest").await?.show().await?;
    tt.sql(&ctx, "SELECT * FROM tt.default.latest VERSION BETWEEN 2 AND 5 ORDER BY sensor").await?.show().await?;
    tt.sql(&ctx, "SELECT version, operation, rows FROM history('tt.default.latest') ORDER BY version")
        .await?
        .show()
        .await
}
