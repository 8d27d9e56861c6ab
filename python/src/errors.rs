//! Errors as exceptions of the package's tree, which Python defines.

use datafusion::common::DataFusionError;
use datafusion_timetravel::Error;
use pyo3::prelude::*;

const MODULE: &str = "datafusion_timetravel.errors";

/// An error of a statement: one of ours as it is, without the layers that it came through.
pub(crate) fn of(error: &DataFusionError) -> PyErr {
    match Error::find(error) {
        Some(found) => ours(found),
        None => other("QueryError", &error.strip_backtrace()),
    }
}

/// An error of ours.
pub(crate) fn ours(error: &Error) -> PyErr {
    let unknown = error.unknown_commit().map(|commit| commit.commit.to_string());
    Python::attach(|py| {
        let made = py.import(MODULE).and_then(|module| {
            let kind = format!("{:?}", error.kind());
            module.call_method1("_of_code", (error.code().as_str(), kind, error.message(), unknown))
        });
        made.map_or_else(|failure| failure, PyErr::from_value)
    })
}

/// An error of a class of the tree that has no code.
pub(crate) fn other(class: &str, message: &str) -> PyErr {
    Python::attach(|py| {
        let made = py.import(MODULE).and_then(|module| module.getattr(class)?.call1((message,)));
        made.map_or_else(|failure| failure, PyErr::from_value)
    })
}
