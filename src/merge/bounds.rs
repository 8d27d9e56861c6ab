//! Bounds that the log holds as text, as values again.
//!
//! What a text doesn't say for certain is NULL, which means "not known"; readers take it as unbounded.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float32Type, Float64Type};

use crate::error::Result;
use crate::table::text::from_text;

/// Lower bounds as values of the type.
///
/// # Errors
/// [`Code::Corrupt`](crate::Code::Corrupt) for a type that has no text.
pub(crate) fn lower(data_type: &DataType, texts: &[Option<&str>]) -> Result<ArrayRef> {
    bounds(data_type, texts, f64::min)
}

/// Upper bounds as values of the type.
///
/// # Errors
/// As [`lower`].
pub(crate) fn upper(data_type: &DataType, texts: &[Option<&str>]) -> Result<ArrayRef> {
    bounds(data_type, texts, f64::max)
}

/// Whether a bound of the type can be the value itself. Two zeros, NaN and widened types make floats too uncertain.
pub(crate) fn can_be_exact(data_type: &DataType) -> bool {
    !data_type.is_floating()
}

/// The values of texts, NULL where a text is none of the type: it was written before the column's type changed.
fn values(data_type: &DataType, texts: &[Option<&str>]) -> Result<ArrayRef> {
    if let Ok(values) = from_text(texts, data_type) {
        return Ok(values);
    }
    let is_value = |text: &&str| from_text(&[Some(*text)], data_type).is_ok();
    let texts: Vec<Option<&str>> = texts.iter().map(|text| text.filter(is_value)).collect();
    from_text(&texts, data_type)
}

/// A DOUBLE column may have been a FLOAT when its file was written, and the text of a FLOAT is another number as a
/// DOUBLE: so bounds of DOUBLE are widened to hold both.
fn bounds(data_type: &DataType, texts: &[Option<&str>], outer: fn(f64, f64) -> f64) -> Result<ArrayRef> {
    let exact = values(data_type, texts)?;
    let Some(doubles) = exact.as_primitive_opt::<Float64Type>() else {
        return Ok(exact);
    };
    let floats = values(&DataType::Float32, texts)?;
    let Some(floats) = floats.as_primitive_opt::<Float32Type>() else {
        return Ok(exact);
    };
    let both = doubles.iter().zip(floats.iter()).map(|pair| match pair {
        (Some(double), _) if double.is_nan() => Some(double),
        (Some(double), Some(float)) => Some(outer(double, f64::from(float))),
        (double, _) => double,
    });
    Ok(Arc::new(both.collect::<Float64Array>()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_text_of_another_type_is_not_known() {
        let values = lower(&DataType::Int32, &[Some("x"), Some("1"), None]).unwrap();
        assert_eq!((values.is_null(0), values.is_null(1), values.is_null(2)), (true, false, true));
    }

    #[test]
    fn a_bound_written_as_float_holds_as_double() {
        let above = upper(&DataType::Float64, &[Some("0.1")]).unwrap();
        assert!(above.as_primitive::<Float64Type>().value(0) >= f64::from(0.1_f32));
        let below = lower(&DataType::Float64, &[Some("0.1")]).unwrap();
        assert!(below.as_primitive::<Float64Type>().value(0) <= 0.1);
    }
}
