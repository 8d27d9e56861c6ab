//! Values as text, the way the log writes partition values, keys and bounds.
//!
//! The text of a value reads back as exactly that value, and a value has one text; the two NaNs are one. Knows nothing
//! of tables or files.

use std::fmt::Debug;
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DecimalType, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, FixedSizeBinaryBuilder, LargeBinaryArray,
    LargeStringArray, PrimitiveArray, StringArray, StringViewArray,
};
use arrow::datatypes::{DataType, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use crate::error::{Code, Error, Result};

/// Stands before the stored number where a value has no usual spelling, for example a year of five digits.
const RAW: char = '#';
const DATE: &str = "%Y-%m-%d";
const DATE_TIME: &str = "%Y-%m-%dT%H:%M:%S%.f";
const TIME: &str = "%H:%M:%S%.f";
const DAY: i64 = 86_400;

/// The value of a row as text; none for NULL and for types that have no text.
pub fn to_text(array: &dyn Array, row: usize) -> Option<String> {
    if row >= array.len() || array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Boolean => Some(array.as_boolean_opt()?.value(row).to_string()),
        DataType::Int8 => Some(native::<Int8Type>(array, row)?.to_string()),
        DataType::Int16 => Some(native::<Int16Type>(array, row)?.to_string()),
        DataType::Int32 => Some(native::<Int32Type>(array, row)?.to_string()),
        DataType::Int64 => Some(native::<Int64Type>(array, row)?.to_string()),
        DataType::UInt8 => Some(native::<UInt8Type>(array, row)?.to_string()),
        DataType::UInt16 => Some(native::<UInt16Type>(array, row)?.to_string()),
        DataType::UInt32 => Some(native::<UInt32Type>(array, row)?.to_string()),
        DataType::UInt64 => Some(native::<UInt64Type>(array, row)?.to_string()),
        DataType::Float16 => Some(format!("{:?}", native::<Float16Type>(array, row)?.to_f32())),
        DataType::Float32 => Some(format!("{:?}", native::<Float32Type>(array, row)?)),
        DataType::Float64 => Some(format!("{:?}", native::<Float64Type>(array, row)?)),
        DataType::Utf8 => Some(array.as_string_opt::<i32>()?.value(row).to_owned()),
        DataType::LargeUtf8 => Some(array.as_string_opt::<i64>()?.value(row).to_owned()),
        DataType::Utf8View => Some(array.as_string_view_opt()?.value(row).to_owned()),
        DataType::Binary => Some(hex(array.as_binary_opt::<i32>()?.value(row))),
        DataType::LargeBinary => Some(hex(array.as_binary_opt::<i64>()?.value(row))),
        DataType::BinaryView => Some(hex(array.as_binary_view_opt()?.value(row))),
        DataType::FixedSizeBinary(_) => Some(hex(array.as_fixed_size_binary_opt()?.value(row))),
        DataType::Date32 => Some(date_text(native::<Date32Type>(array, row)?)),
        DataType::Date64 => Some(moment_text(native::<Date64Type>(array, row)?, TimeUnit::Millisecond, false)),
        DataType::Time32(TimeUnit::Second) => {
            Some(time_text(native::<Time32SecondType>(array, row)?.into(), TimeUnit::Second))
        }
        DataType::Time32(_) => {
            Some(time_text(native::<Time32MillisecondType>(array, row)?.into(), TimeUnit::Millisecond))
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            Some(time_text(native::<Time64MicrosecondType>(array, row)?, TimeUnit::Microsecond))
        }
        DataType::Time64(_) => Some(time_text(native::<Time64NanosecondType>(array, row)?, TimeUnit::Nanosecond)),
        DataType::Timestamp(unit, zone) => {
            let value = match unit {
                TimeUnit::Second => native::<TimestampSecondType>(array, row)?,
                TimeUnit::Millisecond => native::<TimestampMillisecondType>(array, row)?,
                TimeUnit::Microsecond => native::<TimestampMicrosecondType>(array, row)?,
                TimeUnit::Nanosecond => native::<TimestampNanosecondType>(array, row)?,
            };
            Some(moment_text(value, *unit, zone.is_some()))
        }
        DataType::Duration(unit) => Some(match unit {
            TimeUnit::Second => native::<DurationSecondType>(array, row)?.to_string(),
            TimeUnit::Millisecond => native::<DurationMillisecondType>(array, row)?.to_string(),
            TimeUnit::Microsecond => native::<DurationMicrosecondType>(array, row)?.to_string(),
            TimeUnit::Nanosecond => native::<DurationNanosecondType>(array, row)?.to_string(),
        }),
        DataType::Decimal32(_, scale) => decimal_text::<Decimal32Type>(array, row, *scale),
        DataType::Decimal64(_, scale) => decimal_text::<Decimal64Type>(array, row, *scale),
        DataType::Decimal128(_, scale) => decimal_text::<Decimal128Type>(array, row, *scale),
        DataType::Decimal256(_, scale) => decimal_text::<Decimal256Type>(array, row, *scale),
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary_opt()?;
            let key = *dictionary.normalized_keys().get(row)?;
            to_text(dictionary.values(), key)
        }
        _ => None,
    }
}

/// The array of the values that the texts stand for.
///
/// # Errors
/// [`Code::Corrupt`] names the text that is none of the type, or the type that has no text.
pub fn from_text(values: &[Option<&str>], data_type: &DataType) -> Result<ArrayRef> {
    let all = Texts { values, data_type };
    Ok(match data_type {
        DataType::Boolean => Arc::new(BooleanArray::from(all.parse(|text| bool::from_str(text).ok())?)),
        DataType::Int8 => all.natives::<Int8Type>(parsed)?,
        DataType::Int16 => all.natives::<Int16Type>(parsed)?,
        DataType::Int32 => all.natives::<Int32Type>(parsed)?,
        DataType::Int64 => all.natives::<Int64Type>(parsed)?,
        DataType::UInt8 => all.natives::<UInt8Type>(parsed)?,
        DataType::UInt16 => all.natives::<UInt16Type>(parsed)?,
        DataType::UInt32 => all.natives::<UInt32Type>(parsed)?,
        DataType::UInt64 => all.natives::<UInt64Type>(parsed)?,
        DataType::Float16 => {
            all.natives::<Float16Type>(|text| parsed(text).map(<Float16Type as ArrowPrimitiveType>::Native::from_f32))?
        }
        DataType::Float32 => all.natives::<Float32Type>(parsed)?,
        DataType::Float64 => all.natives::<Float64Type>(parsed)?,
        DataType::Utf8 => Arc::new(StringArray::from_iter(values)),
        DataType::LargeUtf8 => Arc::new(LargeStringArray::from_iter(values)),
        DataType::Utf8View => Arc::new(StringViewArray::from_iter(values)),
        DataType::Binary => Arc::new(BinaryArray::from_iter(all.parse(unhex)?)),
        DataType::LargeBinary => Arc::new(LargeBinaryArray::from_iter(all.parse(unhex)?)),
        DataType::BinaryView => Arc::new(BinaryViewArray::from_iter(all.parse(unhex)?)),
        DataType::FixedSizeBinary(width) => {
            let mut builder = FixedSizeBinaryBuilder::with_capacity(values.len(), *width);
            for value in all.parse(|text| unhex(text).filter(|bytes| i32::try_from(bytes.len()) == Ok(*width)))? {
                match value {
                    Some(bytes) => builder.append_value(bytes).map_err(|error| all.corrupt(&error.to_string()))?,
                    None => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        DataType::Date32 => all.natives::<Date32Type>(date)?,
        DataType::Date64 => all.natives::<Date64Type>(|text| moment(text, TimeUnit::Millisecond))?,
        DataType::Time32(TimeUnit::Second) => {
            all.natives::<Time32SecondType>(|text| narrow(time(text, TimeUnit::Second)))?
        }
        DataType::Time32(_) => {
            all.natives::<Time32MillisecondType>(|text| narrow(time(text, TimeUnit::Millisecond)))?
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            all.natives::<Time64MicrosecondType>(|text| time(text, TimeUnit::Microsecond))?
        }
        DataType::Time64(_) => all.natives::<Time64NanosecondType>(|text| time(text, TimeUnit::Nanosecond))?,
        DataType::Timestamp(unit, _) => match unit {
            TimeUnit::Second => all.natives::<TimestampSecondType>(|text| moment(text, *unit))?,
            TimeUnit::Millisecond => all.natives::<TimestampMillisecondType>(|text| moment(text, *unit))?,
            TimeUnit::Microsecond => all.natives::<TimestampMicrosecondType>(|text| moment(text, *unit))?,
            TimeUnit::Nanosecond => all.natives::<TimestampNanosecondType>(|text| moment(text, *unit))?,
        },
        DataType::Duration(unit) => match unit {
            TimeUnit::Second => all.natives::<DurationSecondType>(parsed)?,
            TimeUnit::Millisecond => all.natives::<DurationMillisecondType>(parsed)?,
            TimeUnit::Microsecond => all.natives::<DurationMicrosecondType>(parsed)?,
            TimeUnit::Nanosecond => all.natives::<DurationNanosecondType>(parsed)?,
        },
        DataType::Decimal32(_, scale) => all.natives::<Decimal32Type>(|text| decimal(text, *scale))?,
        DataType::Decimal64(_, scale) => all.natives::<Decimal64Type>(|text| decimal(text, *scale))?,
        DataType::Decimal128(_, scale) => all.natives::<Decimal128Type>(|text| decimal(text, *scale))?,
        DataType::Decimal256(_, scale) => all.natives::<Decimal256Type>(|text| decimal(text, *scale))?,
        DataType::Dictionary(_, value) => {
            let plain = from_text(values, value)?;
            arrow::compute::cast(&plain, data_type).map_err(|error| all.corrupt(&error.to_string()))?
        }
        _ => return Err(all.corrupt("the type has no text")),
    })
}

/// Texts that are to become values of one type.
struct Texts<'a> {
    values: &'a [Option<&'a str>],
    data_type: &'a DataType,
}

impl Texts<'_> {
    fn parse<T>(&self, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<Option<T>>> {
        let one = |text: &str| parse(text).ok_or_else(|| self.corrupt(&format!("{text:?} is no such value")));
        self.values.iter().map(|value| value.map(one).transpose()).collect()
    }

    fn natives<T: ArrowPrimitiveType>(&self, parse: impl Fn(&str) -> Option<T::Native>) -> Result<ArrayRef> {
        let array: PrimitiveArray<T> = self.parse(parse)?.into_iter().collect();
        Ok(Arc::new(array.with_data_type(self.data_type.clone())))
    }

    fn corrupt(&self, what: &str) -> Error {
        Error::new(
            Code::Corrupt,
            format!("a text of the log doesn't read as {}: {what}; restore the log from a copy", self.data_type),
        )
    }
}

fn native<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> Option<T::Native> {
    Some(array.as_primitive_opt::<T>()?.value(row))
}

fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn narrow(value: Option<i64>) -> Option<i32> {
    value?.try_into().ok()
}

/// The number after [`RAW`].
fn raw<T: FromStr>(text: &str) -> Option<T> {
    text.strip_prefix(RAW).and_then(parsed)
}

const fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Whole seconds, and the nanoseconds that are left.
fn split(value: i64, unit: TimeUnit) -> (i64, u32) {
    let units = per_second(unit);
    let nanos = value.rem_euclid(units) * (1_000_000_000 / units);
    (value.div_euclid(units), u32::try_from(nanos).unwrap_or_default())
}

fn join(seconds: i64, nanos: u32, unit: TimeUnit) -> Option<i64> {
    let units = per_second(unit);
    let size = 1_000_000_000 / units;
    let nanos = i64::from(nanos);
    // A leap second or digits that the unit can't hold are no text of ours.
    if nanos >= 1_000_000_000 || nanos % size != 0 {
        return None;
    }
    // The sum may fit where the product of a negative moment doesn't.
    i64::try_from(i128::from(seconds) * i128::from(units) + i128::from(nanos / size)).ok()
}

fn moment_text(value: i64, unit: TimeUnit, zoned: bool) -> String {
    let (seconds, nanos) = split(value, unit);
    match DateTime::from_timestamp(seconds, nanos) {
        Some(moment) if is_plain(moment.year()) => {
            format!("{}{}", moment.naive_utc().format(DATE_TIME), if zoned { "Z" } else { "" })
        }
        _ => format!("{RAW}{value}"),
    }
}

fn moment(text: &str, unit: TimeUnit) -> Option<i64> {
    if text.starts_with(RAW) {
        return raw(text);
    }
    let moment = NaiveDateTime::parse_from_str(text.strip_suffix('Z').unwrap_or(text), DATE_TIME).ok()?.and_utc();
    join(moment.timestamp(), moment.timestamp_subsec_nanos(), unit)
}

fn date_text(days: i32) -> String {
    match DateTime::from_timestamp(i64::from(days) * DAY, 0) {
        Some(moment) if is_plain(moment.year()) => moment.date_naive().format(DATE).to_string(),
        _ => format!("{RAW}{days}"),
    }
}

fn date(text: &str) -> Option<i32> {
    if text.starts_with(RAW) {
        return raw(text);
    }
    let date = NaiveDate::parse_from_str(text, DATE).ok()?;
    i32::try_from(date.and_time(NaiveTime::MIN).and_utc().timestamp() / DAY).ok()
}

fn time_text(value: i64, unit: TimeUnit) -> String {
    let (seconds, nanos) = split(value, unit);
    let time =
        u32::try_from(seconds).ok().and_then(|seconds| NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos));
    time.map_or_else(|| format!("{RAW}{value}"), |time| time.format(TIME).to_string())
}

fn time(text: &str, unit: TimeUnit) -> Option<i64> {
    if text.starts_with(RAW) {
        return raw(text);
    }
    let time = NaiveTime::parse_from_str(text, TIME).ok()?;
    join(time.num_seconds_from_midnight().into(), time.nanosecond(), unit)
}

/// Whether the year has the four digits that every reader takes.
fn is_plain(year: i32) -> bool {
    (0..=9999).contains(&year)
}

fn decimal_text<T: DecimalType>(array: &dyn Array, row: usize, scale: i8) -> Option<String>
where
    T::Native: ToString,
{
    let array = array.as_primitive_opt::<T>()?;
    if scale < 0 {
        return Some(format!("{RAW}{}", array.value(row).to_string()));
    }
    Some(array.value_as_string(row))
}

/// The unscaled number: with all digits of the scale there, it is the text without its point.
fn decimal<T: FromStr + Debug>(text: &str, scale: i8) -> Option<T> {
    if text.starts_with(RAW) {
        return raw(text);
    }
    let digits = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if usize::try_from(scale) != Ok(digits) {
        return None;
    }
    parsed(&text.replacen('.', "", 1))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests;
