//! The result of a statement: a plan that runs when its rows are asked for.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchIterator};
use datafusion::arrow::util::display::FormatOptions;
use datafusion::arrow::util::pretty::pretty_format_batches_with_options;
use datafusion::common::DataFusionError;
use datafusion::dataframe::{DataFrame, DataFrameWriteOptions};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::runtime::{Process, wait};
use crate::stream::{Batches, Rows};
use crate::{errors, ffi};

/// The result of a statement.
#[pyclass(frozen, module = "datafusion_timetravel._native")]
#[derive(Debug)]
pub(crate) struct Frame {
    frame: DataFrame,
    process: Process,
}

impl Frame {
    pub(crate) fn new(frame: DataFrame, process: Process) -> Self {
        Self { frame, process }
    }

    fn of(&self, frame: Result<DataFrame, DataFusionError>) -> PyResult<Self> {
        Ok(Self::new(frame.map_err(|error| errors::of(&error))?, self.process))
    }

    /// A frame to work on, in the process that made it.
    fn mine(&self) -> PyResult<DataFrame> {
        self.process.check()?;
        Ok(self.frame.clone())
    }
}

#[pymethods]
impl Frame {
    fn columns(&self) -> Vec<String> {
        self.frame.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    fn schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        ffi::export_schema(py, self.frame.schema().inner())
    }

    /// The rows as they come.
    fn stream<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        ffi::export_stream(py, Rows::new(self.mine()?, self.process))
    }

    /// The rows as they come, for a loop.
    fn batches(&self) -> PyResult<Batches> {
        Ok(Batches::new(Rows::new(self.mine()?, self.process)))
    }

    /// All rows, computed before this returns.
    fn table<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let frame = self.mine()?;
        let schema = Arc::clone(frame.schema().inner());
        let batches = wait(py, frame.collect())?;
        ffi::export_stream(py, RecordBatchIterator::new(batches.into_iter().map(Ok), schema))
    }

    /// The same frame with its rows computed and kept.
    fn collect(&self, py: Python<'_>) -> PyResult<Self> {
        let frame = self.mine()?;
        let schema = Arc::clone(frame.schema().inner());
        let kept = wait(py, async move {
            let batches = frame.collect().await?;
            SessionContext::new().read_table(Arc::new(MemTable::try_new(schema, vec![batches])?))
        })?;
        Ok(Self::new(kept, self.process))
    }

    fn limit(&self, skip: usize, fetch: Option<usize>) -> PyResult<Self> {
        self.of(self.mine()?.limit(skip, fetch))
    }

    fn count(&self, py: Python<'_>) -> PyResult<usize> {
        wait(py, self.mine()?.count())
    }

    fn explain(&self, py: Python<'_>, verbose: bool, analyze: bool) -> PyResult<Self> {
        let _ = py;
        self.of(self.mine()?.explain(verbose, analyze))
    }

    /// The rows as text, as the shell prints them.
    fn text(&self, py: Python<'_>) -> PyResult<String> {
        let frame = self.mine()?;
        let schema = Arc::clone(frame.schema().inner());
        wait(py, async move {
            let mut batches = frame.collect().await?;
            if batches.is_empty() {
                batches.push(RecordBatch::new_empty(schema));
            }
            let options = FormatOptions::default().with_null("NULL");
            Ok::<_, DataFusionError>(pretty_format_batches_with_options(&batches, &options)?.to_string())
        })
    }

    /// Writes the rows to Parquet files.
    fn write_parquet(&self, py: Python<'_>, path: String) -> PyResult<()> {
        let frame = self.mine()?;
        wait(py, async move { frame.write_parquet(&path, DataFrameWriteOptions::new(), None).await })?;
        Ok(())
    }
}
