//! Rows that come from Python: anything that gives an Arrow stream, as a table that can be read once.
//!
//! Invariant: the source is read by the thread that called, because it may be Python, which none of our threads runs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{RecordBatch, RecordBatchReader};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::stream;
use pyo3::prelude::*;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::errors;
use crate::ffi::{self, Reader};

/// The rows of an object of another library, which are read once.
#[pyclass(frozen, module = "datafusion_timetravel._native")]
pub(crate) struct Source {
    columns: Vec<String>,
    reader: Mutex<Option<Reader>>,
}

#[pymethods]
impl Source {
    #[new]
    fn new(source: &Bound<'_, PyAny>) -> PyResult<Self> {
        let reader = ffi::import_stream(source)?;
        let columns = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
        Ok(Self { columns, reader: Mutex::new(Some(reader)) })
    }

    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }
}

impl Source {
    /// Its rows, the first time.
    pub(crate) fn take(&self) -> PyResult<Reader> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        reader.ok_or_else(|| errors::other("SourceError", "the source was read already: pass it anew"))
    }
}

type Given = Option<Result<RecordBatch>>;

/// A table of the batches that a thread hands over when they are wanted.
pub(crate) struct Feed {
    schema: SchemaRef,
    want: Arc<dyn Fn() + Send + Sync>,
    batches: Mutex<Option<UnboundedReceiver<Given>>>,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Feed {
    /// The table, and where its batches go.
    pub(crate) fn table(
        schema: SchemaRef,
        want: impl Fn() + Send + Sync + 'static,
    ) -> Result<(StreamingTable, UnboundedSender<Given>)> {
        let (send, batches) = unbounded_channel();
        let feed = Self { schema: Arc::clone(&schema), want: Arc::new(want), batches: Mutex::new(Some(batches)) };
        Ok((StreamingTable::try_new(schema, vec![Arc::new(feed)])?, send))
    }
}

impl PartitionStream for Feed {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let taken = self.batches.lock().unwrap_or_else(PoisonError::into_inner).take();
        let want = Arc::clone(&self.want);
        let Some(batches) = taken else {
            let again = "the source is a stream, which can be read once: pass a table".to_owned();
            let error = stream::once(async move { Err(DataFusionError::Execution(again)) });
            return Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), error));
        };
        // One more than is needed, so that the next batch is read while this one is worked on.
        want();
        let rows = stream::unfold((batches, want), |(mut batches, want)| async move {
            want();
            let batch = batches.recv().await.flatten()?;
            Some((batch, (batches, want)))
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}

/// Hands one batch of the reader over, and says how many rows it has; nothing at the end.
pub(crate) fn hand_over(py: Python<'_>, reader: &mut Reader, to: &UnboundedSender<Given>) -> PyResult<Option<usize>> {
    let next = py.detach(|| reader.next());
    let (given, rows) = match next {
        None => (None, None),
        Some(Ok(batch)) => {
            let rows = batch.num_rows();
            (Some(Ok(batch)), Some(rows))
        }
        Some(Err(error)) => return Err(errors::other("SourceError", &format!("the source failed: {error}"))),
    };
    // Nobody takes it where the statement has failed, which its own error says.
    let _ = to.send(given);
    Ok(rows)
}

/// All batches of the reader.
pub(crate) fn read_all(py: Python<'_>, reader: &mut Reader) -> PyResult<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    loop {
        py.check_signals()?;
        match py.detach(|| reader.next()) {
            None => return Ok(batches),
            Some(Ok(batch)) => batches.push(batch),
            Some(Err(error)) => return Err(errors::other("SourceError", &format!("the source failed: {error}"))),
        }
    }
}
