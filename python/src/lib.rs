//! The native half of the Python package `datafusion_timetravel`: warehouses, frames, and tables for other engines.
//!
//! Invariant: no thread of ours ever runs Python. Whatever works runs on the runtime, without the interpreter's lock; the
//! thread that called waits for it, hears Ctrl-C, and is the only one that reads a source written in Python.
//!
//! The API that people see is in the Python files beside it, which must hold all names, defaults and texts.

mod database;
mod errors;
mod ffi;
mod frame;
mod params;
mod register;
mod runtime;
mod source;
mod stream;

use pyo3::prelude::*;

/// Every error code with its kind, for the tree of exceptions.
#[pyfunction]
fn codes() -> Vec<(&'static str, String)> {
    datafusion_timetravel::Code::ALL.iter().map(|code| (code.as_str(), format!("{:?}", code.kind()))).collect()
}

/// The statements of a script, cut at each `;` outside of texts and comments.
#[pyfunction]
fn split(script: &str) -> PyResult<Vec<String>> {
    datafusion_timetravel::split_statements(script).map_err(|error| errors::ours(&error))
}

/// The version of the DataFusion inside.
#[pyfunction]
fn datafusion_version() -> &'static str {
    datafusion::DATAFUSION_VERSION
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<database::Database>()?;
    module.add_class::<frame::Frame>()?;
    module.add_class::<stream::Batches>()?;
    module.add_class::<register::Function>()?;
    module.add_class::<source::Source>()?;
    module.add_function(wrap_pyfunction!(codes, module)?)?;
    module.add_function(wrap_pyfunction!(split, module)?)?;
    module.add_function(wrap_pyfunction!(datafusion_version, module)?)?;
    module.add_function(wrap_pyfunction!(runtime::shutdown, module)?)?;
    Ok(())
}
