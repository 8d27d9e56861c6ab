//! Values of parameters. The Python side says of each of which kind it is, and this makes DataFusion's value of it.

use std::sync::Arc;

use datafusion::common::metadata::ScalarAndMetadata;
use datafusion::common::{ParamValues, ScalarValue};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// A value as `_params.py` gives it: its kind, and what it is made of.
type Tagged<'py> = (String, Bound<'py, PyAny>);

/// Positional values, or named ones where names are there.
pub(crate) fn values(names: Option<Vec<String>>, values: Vec<Tagged<'_>>) -> PyResult<ParamValues> {
    let values = values.iter().map(|(kind, value)| scalar(kind, value)).collect::<PyResult<Vec<_>>>()?;
    Ok(match names {
        None => ParamValues::from(values),
        Some(names) => {
            ParamValues::Map(names.into_iter().zip(values.into_iter().map(ScalarAndMetadata::from)).collect())
        }
    })
}

fn scalar(kind: &str, value: &Bound<'_, PyAny>) -> PyResult<ScalarValue> {
    Ok(match kind {
        "null" => ScalarValue::Null,
        "bool" => ScalarValue::Boolean(Some(value.extract()?)),
        "int" => ScalarValue::Int64(Some(value.extract()?)),
        "float" => ScalarValue::Float64(Some(value.extract()?)),
        "text" => ScalarValue::Utf8(Some(value.extract()?)),
        "bytes" => ScalarValue::Binary(Some(value.extract()?)),
        "date" => ScalarValue::Date32(Some(value.extract()?)),
        "time" => ScalarValue::Time64Microsecond(Some(value.extract()?)),
        "timestamp" => ScalarValue::TimestampMicrosecond(Some(value.extract()?), None),
        "instant" => ScalarValue::TimestampMicrosecond(Some(value.extract()?), Some(Arc::from("UTC"))),
        "decimal" => {
            let (digits, precision, scale) = value.extract()?;
            ScalarValue::Decimal128(Some(digits), precision, scale)
        }
        other => return Err(PyTypeError::new_err(format!("{other} is no kind of a parameter"))),
    })
}
