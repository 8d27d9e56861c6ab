//! The workload: TPC-H orders and their lines, loaded into keyed tables, refreshed round by round, queried at every age.
//!
//! The example runs it at any scale and prints timings; the integration tests run it at scale 0.01 and check all answers.

mod args;
mod oracle;
mod queries;
mod refresh;
mod report;
mod source;

pub(crate) use args::Args;
pub(crate) use report::Report;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{Int64Array, RecordBatch, UInt64Array};
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::prelude::SessionContext;
use datafusion_timetravel::{SessionContextExt, TimeTravel};

/// The keyed tables as SQL names them; the session's own tables have one-part names.
const LINEITEM: &str = "tt.default.lineitem";
const ORDERS: &str = "tt.default.orders";

/// The versions of both tables after a round.
#[derive(Debug, Clone, Copy)]
struct Versions {
    lineitem: i64,
    orders: i64,
}

/// A session with the warehouse `tt`, the generated tables, and a folder for plain Parquet.
struct Workload<'a> {
    args: &'a Args,
    tt: TimeTravel,
    ctx: SessionContext,
    folder: &'a Path,
    report: Report,
}

/// Runs all of it; with `verify`, an answer that differs from plain DataFusion's is an error.
pub(crate) async fn run(args: &Args, folder: &Path) -> Result<Report> {
    let tt = TimeTravel::open(&args.warehouse).await?;
    let ctx = SessionContext::new();
    ctx.with_timetravel("tt", &tt).await?;
    source::register(&ctx, args.scale)?;
    let mut workload = Workload { args, tt, ctx, folder, report: Report::default() };
    workload.load().await?;
    let versions = workload.refresh().await?;
    workload.query(&versions).await?;
    workload.tt.flush().await;
    Ok(workload.report)
}

impl Workload<'_> {
    /// Writes the generated rows to plain Parquet by COPY, and to keyed tables by INSERT.
    async fn load(&mut self) -> Result<()> {
        self.tt.sql(&self.ctx, &format!("DROP TABLE IF EXISTS {LINEITEM}")).await?;
        self.tt.sql(&self.ctx, &format!("DROP TABLE IF EXISTS {ORDERS}")).await?;
        self.tt.sql(&self.ctx, source::CREATE_LINEITEM).await?;
        self.tt.sql(&self.ctx, source::CREATE_ORDERS).await?;
        for (name, table) in [("lineitem", LINEITEM), ("orders", ORDERS)] {
            let generated = format!("generated_{name}");
            let drained = self.drain(&generated).await?;
            let file = self.folder.join(format!("{name}.parquet"));
            let (rows, copied) = self.copy(&format!("SELECT * FROM {generated}"), &file).await?;
            let parquet = file.to_string_lossy();
            self.ctx.register_parquet(name, parquet.as_ref(), Default::default()).await?;
            let (written, loaded) = self.count(&format!("INSERT INTO {table} SELECT * FROM {generated}")).await?;
            if rows != written {
                return Err(failure(format!("{name}: COPY wrote {rows} rows, INSERT {written}")));
            }
            self.report.loaded(name, rows, drained, copied, loaded);
        }
        Ok(())
    }

    /// How long it takes to generate the rows of a table alone.
    async fn drain(&self, table: &str) -> Result<Duration> {
        let start = Instant::now();
        let mut rows = self.ctx.table(table).await?.execute_stream().await?;
        while let Some(batch) = futures::StreamExt::next(&mut rows).await {
            batch?;
        }
        Ok(start.elapsed())
    }

    /// DataFusion's own COPY of a query to a Parquet file.
    async fn copy(&self, query: &str, file: &Path) -> Result<(u64, Duration)> {
        let start = Instant::now();
        let options = DataFrameWriteOptions::new().with_single_file_output(true);
        let batches = self.ctx.sql(query).await?.write_parquet(&file.to_string_lossy(), options, None).await?;
        Ok((counted(&batches)?, start.elapsed()))
    }

    /// Runs a statement that changes rows: their number and the time.
    async fn count(&self, sql: &str) -> Result<(u64, Duration)> {
        let start = Instant::now();
        let batches = self.tt.sql(&self.ctx, sql).await?.collect().await?;
        Ok((counted(&batches)?, start.elapsed()))
    }

    async fn versions(&self) -> Result<Versions> {
        let sql = "SELECT get_latest_version('tt.default.lineitem'), get_latest_version('tt.default.orders')";
        let batches = self.tt.sql(&self.ctx, sql).await?.collect().await?;
        let value = |column: usize| {
            let array = batches.first().map(|batch| Arc::clone(batch.column(column)));
            array.and_then(|array| Some(array.as_any().downcast_ref::<Int64Array>()?.value(0)))
        };
        match (value(0), value(1)) {
            (Some(lineitem), Some(orders)) => Ok(Versions { lineitem, orders }),
            _ => Err(failure("no versions".to_owned())),
        }
    }
}

/// The number of rows that a write answers with.
fn counted(batches: &[RecordBatch]) -> Result<u64> {
    let array = batches.first().map(|batch| Arc::clone(batch.column(0)));
    let count = array.and_then(|array| Some(array.as_any().downcast_ref::<UInt64Array>()?.value(0)));
    count.ok_or_else(|| failure("a write without a count".to_owned()))
}

fn failure(message: String) -> DataFusionError {
    DataFusionError::Execution(message)
}
