//! Printing a result as datafusion-cli does, with the row count and the elapsed time as this shell is set.

use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::UInt64Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::instant::Instant;
use datafusion::common::runtime::SpawnedTask;
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::spill::get_record_batch_memory_size;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, execute_stream};
use datafusion_cli::print_format::PrintFormat;
use datafusion_cli::print_options::MaxRows;
use futures::StreamExt;

use crate::session::Shell;

/// Executes the frame and prints its rows. A table holds no more than its most rows in memory.
///
/// The rows come from a task of their own: a plan may compute for long without a pause, and Ctrl-C is to be heard then.
pub(crate) async fn print_result(shell: &Shell, frame: DataFrame, words: &[String], start: Instant) -> Result<()> {
    let maxrows = if is_inspection(frame.logical_plan(), words) { MaxRows::Unlimited } else { shell.print.maxrows };
    let task = shell.ctx.task_ctx();
    let options = task.session_config().options().format.clone();
    let plan = SpawnedTask::spawn(async move { frame.create_physical_plan().await }).join().await.map_err(ended)??;
    let format = match shell.print.format {
        PrintFormat::Automatic => PrintFormat::Table,
        format => format,
    };

    if plan.boundedness().is_unbounded() {
        let stream = execute_stream(plan, task)?;
        return shell.print.print_stream(stream, start, &options).await;
    }

    let limit = match maxrows {
        MaxRows::Limited(rows) if format == PrintFormat::Table => rows,
        _ => usize::MAX,
    };
    let schema = plan.schema();
    let Rows { count, batches, .. } = &SpawnedTask::spawn(collect(plan, task, limit)).join().await.map_err(ended)??;

    let mut out = std::io::stdout().lock();
    // Of a write people want to know that it was done; programs get the count as data.
    if format == PrintFormat::Table
        && is_write(words)
        && let Some(affected) = affected(batches)
    {
        if !shell.print.quiet {
            footer(&mut out, &format!("{affected} row(s) affected."), shell.timing.then_some(start))?;
        }
        return Ok(out.flush()?);
    }
    if !schema.fields().is_empty() {
        format.print_batches(&mut out, schema, batches, maxrows, true, &options)?;
    }
    if !shell.print.quiet {
        let more = *count > limit;
        let hidden = if more { format!(" (First {limit} displayed. Use --maxrows to adjust)") } else { String::new() };
        footer(&mut out, &format!("{count} row(s) fetched.{hidden}"), shell.timing.then_some(start))?;
    }
    out.flush()?;
    Ok(())
}

/// What follows a result: the line, the elapsed time if it is asked for, and an empty line.
fn footer(out: &mut impl Write, line: &str, start: Option<Instant>) -> Result<()> {
    writeln!(out, "{line}")?;
    if let Some(start) = start {
        writeln!(out, "Elapsed {:.3} seconds.", start.elapsed().as_secs_f64())?;
    }
    Ok(writeln!(out)?)
}

fn is_write(words: &[String]) -> bool {
    matches!(words.first().map(String::as_str), Some("INSERT" | "UPDATE" | "DELETE" | "MERGE"))
}

/// The count that a write gives as its only row.
fn affected(batches: &[RecordBatch]) -> Option<u64> {
    let [batch] = batches else { return None };
    let [counts] = batch.columns() else { return None };
    let counts = counts.as_primitive_opt::<UInt64Type>()?;
    (counts.len() == 1).then(|| counts.value(0))
}

/// Rows that wait to be printed, counted in the session's memory.
struct Rows {
    count: usize,
    batches: Vec<RecordBatch>,
    _memory: MemoryReservation,
}

/// Counts all rows and keeps those up to the limit, and the batch that passes it: printing has to see that there are
/// more.
async fn collect(plan: Arc<dyn ExecutionPlan>, task: Arc<TaskContext>, limit: usize) -> Result<Rows> {
    let memory = MemoryConsumer::new("timetravel-cli").register(task.memory_pool());
    let mut stream = execute_stream(plan, task)?;
    let mut batches = Vec::new();
    let mut count = 0_usize;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let rows = batch.num_rows();
        if count <= limit {
            memory.try_grow(get_record_batch_memory_size(&batch))?;
            batches.push(batch);
        }
        count += rows;
    }
    Ok(Rows { count, batches, _memory: memory })
}

/// A task that panicked or was stopped.
pub(crate) fn ended(error: tokio::task::JoinError) -> DataFusionError {
    DataFusionError::ExecutionJoin(Box::new(error))
}

/// Whether the result describes something, and is shown whole however many rows it has.
fn is_inspection(plan: &LogicalPlan, words: &[String]) -> bool {
    matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) | LogicalPlan::DescribeTable(_))
        || matches!(words.first().map(String::as_str), Some("SHOW" | "DESC" | "DESCRIBE" | "LIST" | "EXPLAIN"))
}
