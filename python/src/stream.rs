//! The rows of a frame as an Arrow stream for any consumer.
//!
//! A consumer may pull with the interpreter's lock or without, on any thread. The query runs on the runtime and is two
//! batches ahead at the most; it starts at the first pull and ends when the stream is dropped.

use std::sync::{Arc, Mutex, mpsc};

use datafusion::arrow::array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use datafusion::dataframe::DataFrame;
use futures::StreamExt;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::runtime::{self, Process, Work};
use crate::{errors, ffi};

type Next = Option<Result<RecordBatch, DataFusionError>>;

/// The batches of a frame one by one, for a loop.
#[pyclass(frozen, module = "datafusion_timetravel._native")]
pub(crate) struct Batches(Mutex<Rows>);

impl Batches {
    pub(crate) fn new(rows: Rows) -> Self {
        Self(Mutex::new(rows))
    }
}

#[pymethods]
impl Batches {
    /// The next batch, as a stream of one; none at the end.
    fn pull<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyCapsule>>> {
        let Ok(mut rows) = self.0.try_lock() else {
            return Err(errors::other("InvalidError", "another thread reads this iterator: give each its own"));
        };
        let Some(batch) = rows.pull(py)? else { return Ok(None) };
        let schema = batch.schema();
        ffi::export_stream(py, RecordBatchIterator::new([Ok(batch)], schema)).map(Some)
    }
}

/// The rows of a frame.
pub(crate) struct Rows {
    schema: SchemaRef,
    process: Process,
    state: State,
}

enum State {
    Waiting(Box<DataFrame>),
    Running { wanted: UnboundedSender<()>, batches: Mutex<mpsc::Receiver<Next>>, _work: Work },
    Ended,
}

impl Rows {
    pub(crate) fn new(frame: DataFrame, process: Process) -> Self {
        let schema = Arc::clone(frame.schema().inner());
        Self { schema, process, state: State::Waiting(Box::new(frame)) }
    }

    /// The next batch, for a caller with the interpreter's lock.
    pub(crate) fn pull(&mut self, py: Python<'_>) -> PyResult<Option<RecordBatch>> {
        self.process.check()?;
        if let State::Waiting(_) = self.state
            && let State::Waiting(frame) = std::mem::replace(&mut self.state, State::Ended)
        {
            self.state = start(*frame)?;
        }
        let State::Running { wanted, batches, .. } = &self.state else { return Ok(None) };
        // The work has ended where nobody listens; then the channel holds what it said.
        let _ = wanted.send(());
        let next = match runtime::next(py, batches) {
            Ok(Some(Ok(batch))) => return Ok(Some(batch)),
            Ok(Some(Err(error))) => Err(errors::of(&error)),
            Ok(None) => Ok(None),
            Err(interrupted) => Err(interrupted),
        };
        self.state = State::Ended;
        next
    }
}

fn start(frame: DataFrame) -> PyResult<State> {
    let (wanted, mut wants) = unbounded_channel();
    let (send, batches) = mpsc::channel();
    // One more than the consumer asked for, so that the next batch is made while it works on this one.
    let _ = wanted.send(());
    let work = Work::start(&runtime::handle()?, async move {
        let mut stream = match frame.execute_stream().await {
            Ok(stream) => stream,
            Err(error) => {
                let _ = send.send(Some(Err(error)));
                return;
            }
        };
        while wants.recv().await.is_some() {
            let next = stream.next().await;
            let ended = !matches!(next, Some(Ok(_)));
            if send.send(next).is_err() || ended {
                return;
            }
        }
    });
    Ok(State::Running { wanted, batches: Mutex::new(batches), _work: work })
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let pulled = Python::try_attach(|py| {
            self.pull(py).map_err(|error| {
                if error.is_instance_of::<PyKeyboardInterrupt>(py) {
                    // The consumer makes an error of its own of this one. To raise the signal once more would hit whatever
                    // Python does next, such as printing that error.
                    return ArrowError::ExternalError("interrupted by Ctrl-C".into());
                }
                ArrowError::ExternalError(error.to_string().into())
            })
        });
        match pulled {
            Some(batch) => batch.transpose(),
            None => Some(Err(ArrowError::ExternalError("the interpreter is shutting down".into()))),
        }
    }
}

impl RecordBatchReader for Rows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
