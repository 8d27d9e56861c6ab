//! Turns a panic of the Parquet decoder into an error of the query: files are bytes that anybody may have written.
//!
//! It changes nothing else of a plan, and knows neither rows nor files.

use std::fmt;
use std::panic::AssertUnwindSafe;

use arrow::array::RecordBatch;
use datafusion::common::Result;
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, stream};

use crate::error::{Code, Error, guarded, panic_text};

/// The planner with all that it plans guarded.
pub(super) fn guard(inner: Box<dyn MorselPlanner>, file: String) -> Box<dyn MorselPlanner> {
    Box::new(Guarded { inner, file })
}

fn gave_up(file: &str, panic: &str) -> Error {
    Error::new(Code::Corrupt, format!("data file '{file}': {panic}; restore it from a copy of the warehouse"))
}

/// Something whose panics are errors, and the file that it reads.
struct Guarded<T> {
    inner: T,
    file: String,
}

impl<T> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("file", &self.file).finish_non_exhaustive()
    }
}

impl MorselPlanner for Guarded<Box<dyn MorselPlanner>> {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let Self { inner, file } = *self;
        let planned = guarded(|| inner.plan()).map_err(|panic| gave_up(&file, &panic))?;
        let Some(mut plan) = planned? else { return Ok(None) };
        let morsels = plan.take_morsels().into_iter().map(|inner| Box::new(Guarded { inner, file: file.clone() }) as _);
        let planners = plan.take_ready_planners().into_iter().map(|inner| guard(inner, file.clone()));
        let mut guarded = MorselPlan::new().with_morsels(morsels.collect()).with_planners(planners.collect());
        if let Some(pending) = plan.take_pending_planner() {
            guarded.set_pending_planner(async move {
                match AssertUnwindSafe(pending).catch_unwind().await {
                    Ok(planner) => Ok(guard(planner?, file)),
                    Err(panic) => Err(gave_up(&file, &panic_text(&*panic)).into()),
                }
            });
        }
        Ok(Some(guarded))
    }
}

impl Morsel for Guarded<Box<dyn Morsel>> {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let Self { inner, file } = *self;
        let rows = match guarded(|| inner.into_stream()) {
            Ok(rows) => rows,
            Err(panic) => return stream::once(async move { Err(gave_up(&file, &panic).into()) }).boxed(),
        };
        let caught = AssertUnwindSafe(rows).catch_unwind();
        caught.map(move |batch| batch.unwrap_or_else(|panic| Err(gave_up(&file, &panic_text(&*panic)).into()))).boxed()
    }
}
