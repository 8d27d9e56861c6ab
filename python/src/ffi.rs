//! Where C structures cross: Arrow streams from and to other libraries, and DataFusion's tables to another DataFusion.
//!
//! The only place with `unsafe`. Invariant: a capsule's name is checked before its pointer is used, a stream is moved out
//! of its capsule and so released once, and a structure of another major version of DataFusion is refused.
#![allow(unsafe_code)]

use datafusion::arrow::array::RecordBatchReader;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ffi::FFI_ArrowSchema;
use datafusion::arrow::ffi_stream::{ArrowArrayStreamReader, FFI_ArrowArrayStream};
use datafusion_ffi::proto::logical_extension_codec::FFI_LogicalExtensionCodec;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::errors;

/// The rows of an object of another library.
pub(crate) type Reader = ArrowArrayStreamReader;

/// A stream for any consumer.
pub(crate) fn export_stream(
    py: Python<'_>,
    rows: impl RecordBatchReader + Send + 'static,
) -> PyResult<Bound<'_, PyCapsule>> {
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(rows)), c"arrow_array_stream")
}

/// A schema for any consumer.
pub(crate) fn export_schema<'py>(py: Python<'py>, schema: &SchemaRef) -> PyResult<Bound<'py, PyCapsule>> {
    let schema = FFI_ArrowSchema::try_from(schema.as_ref())
        .map_err(|error| errors::other("InternalError", &format!("the schema has no C form: {error}")))?;
    PyCapsule::new_with_value(py, schema, c"arrow_schema")
}

/// The stream of an object that has one.
pub(crate) fn import_stream(source: &Bound<'_, PyAny>) -> PyResult<Reader> {
    let Ok(method) = source.getattr("__arrow_c_stream__") else {
        return Err(PyTypeError::new_err(format!(
            "{} gives no Arrow stream: pass a pyarrow, polars, pandas or duckdb table, a dict of lists or a list of dicts",
            source.get_type().name()?
        )));
    };
    let capsule = method.call0()?;
    let capsule =
        capsule.cast::<PyCapsule>().map_err(|_| PyTypeError::new_err("__arrow_c_stream__ gave no capsule"))?;
    let pointer = capsule.pointer_checked(Some(c"arrow_array_stream"))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY: the capsule's name says what it holds, and it is alive; `from_raw` moves the stream out and leaves an empty one,
    // which the capsule's destructor doesn't release again.
    let reader = unsafe { ArrowArrayStreamReader::from_raw(pointer.as_ptr()) };
    reader.map_err(|error| errors::other("SourceError", &format!("the source's schema can't be read: {error}")))
}

/// How the session of another DataFusion writes and reads expressions.
pub(crate) fn codec_of(session: &Bound<'_, PyAny>) -> PyResult<FFI_LogicalExtensionCodec> {
    let capsule = match session.getattr("__datafusion_logical_extension_codec__") {
        Ok(method) => method.call0()?,
        Err(_) => session.clone(),
    };
    let capsule = capsule.cast::<PyCapsule>().map_err(|_| {
        PyTypeError::new_err("this is no session of DataFusion: pass a datafusion.SessionContext of version 55")
    })?;
    let pointer =
        capsule.pointer_checked(Some(c"datafusion_logical_extension_codec"))?.cast::<FFI_LogicalExtensionCodec>();
    // SAFETY: the capsule's name says what it holds, and it is alive while it is borrowed here.
    let codec = unsafe { pointer.as_ref() };
    // SAFETY: the function is one of the structure, whose layout every version so far begins with alike.
    let found = unsafe { (codec.version)() };
    let expected = datafusion_ffi::version();
    if found != expected {
        return Err(PyValueError::new_err(format!(
            "the session is of DataFusion {found} and this package of DataFusion {expected}: install datafusion>={expected},<{}",
            expected + 1
        )));
    }
    Ok(codec.clone())
}
