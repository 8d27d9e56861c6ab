//! From a constant to one end of a version clause (R022, R025).

use chrono::{DateTime, NaiveDateTime, TimeZone};
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::compute::kernels::cast_utils::string_to_datetime;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;

use super::views::zone;
use crate::error::{Code, Error, Result};
use crate::log::Lsn;
use crate::ops::VersionSpec;
use crate::store::Timestamp;

/// A version: an integer, or its digits as a text.
///
/// # Errors
/// [`Code::InvalidVersionExpression`].
pub(crate) fn version(value: &ScalarValue) -> Result<VersionSpec> {
    if value.is_null() {
        return Err(refuse("VERSION", "NULL names no version"));
    }
    if let Some(text) = value.try_as_str().flatten() {
        let lsn: Lsn =
            text.parse().map_err(|error: Error| Error::new(Code::InvalidVersionExpression, error.message()))?;
        return Ok(VersionSpec::Version(lsn.as_i64()));
    }
    if value.data_type().is_integer()
        && let Ok(ScalarValue::Int64(Some(n))) = value.cast_to(&DataType::Int64)
    {
        return Ok(VersionSpec::Version(n));
    }
    Err(refuse("VERSION", &format!("{value} of type {} is not a whole number", value.data_type())))
}

/// A moment: a text, a date, or a timestamp. Without a zone it is in the session's.
///
/// # Errors
/// [`Code::InvalidVersionExpression`].
pub(crate) fn timestamp(value: &ScalarValue, config: &ConfigOptions) -> Result<VersionSpec> {
    if value.is_null() {
        return Err(refuse("TIMESTAMP", "NULL is no time"));
    }
    let zone = zone(config)?;
    if let Some(text) = value.try_as_str().flatten() {
        let time = string_to_datetime(&zone, text).map_err(|_| {
            refuse(
                "TIMESTAMP",
                &format!("{text:?} is no time: write '2023-01-01', '2023-01-01 00:00:00[.123]' or RFC 3339"),
            )
        })?;
        return Ok(VersionSpec::Timestamp(Timestamp::from_micros(time.timestamp_micros())));
    }
    use ScalarValue as S;
    let (micros, zoned) = match value {
        S::Date32(Some(days)) => (i64::from(*days).saturating_mul(86_400_000_000), false),
        S::Date64(Some(millis)) => (millis.saturating_mul(1_000), false),
        S::TimestampSecond(Some(n), tz) => (n.saturating_mul(1_000_000), tz.is_some()),
        S::TimestampMillisecond(Some(n), tz) => (n.saturating_mul(1_000), tz.is_some()),
        S::TimestampMicrosecond(Some(n), tz) => (*n, tz.is_some()),
        S::TimestampNanosecond(Some(n), tz) => (n.div_euclid(1_000), tz.is_some()),
        other => {
            return Err(refuse("TIMESTAMP", &format!("{other} of type {} is no time", other.data_type())));
        }
    };
    Ok(VersionSpec::Timestamp(if zoned { Timestamp::from_micros(micros) } else { in_zone(micros, zone)? }))
}

/// The argument of a table function: an integer is a version, else a time.
///
/// # Errors
/// [`Code::InvalidVersionExpression`].
pub(crate) fn of_argument(value: &ScalarValue, config: &ConfigOptions) -> Result<VersionSpec> {
    if value.data_type().is_integer() { version(value) } else { timestamp(value, config) }
}

/// Two arguments: both versions or both times.
///
/// # Errors
/// [`Code::InvalidVersionExpression`].
pub(crate) fn of_arguments(
    a: &ScalarValue,
    b: &ScalarValue,
    config: &ConfigOptions,
) -> Result<(VersionSpec, VersionSpec)> {
    let ends = (of_argument(a, config)?, of_argument(b, config)?);
    match ends {
        (VersionSpec::Version(_), VersionSpec::Version(_)) | (VersionSpec::Timestamp(_), VersionSpec::Timestamp(_)) => {
            Ok(ends)
        }
        _ => Err(Error::new(
            Code::InvalidVersionExpression,
            format!("a range from {a} to {b}: give two versions or two times"),
        )),
    }
}

/// A wall-clock time in the zone.
fn in_zone(micros: i64, zone: Tz) -> Result<Timestamp> {
    let naive: Option<NaiveDateTime> = DateTime::from_timestamp_micros(micros).map(|utc| utc.naive_utc());
    let local = naive.and_then(|naive| zone.from_local_datetime(&naive).earliest());
    let time = local.ok_or_else(|| refuse("TIMESTAMP", "the time does not exist in the session's time zone"))?;
    Ok(Timestamp::from_micros(time.timestamp_micros()))
}

fn refuse(unit: &str, why: &str) -> Error {
    Error::new(Code::InvalidVersionExpression, format!("{unit} clause: {why}"))
}
