//! Keys of one batch, comparable with those of another: one representation per kind of key.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};

/// The keys of a batch, ascending.
pub(super) trait Keys: Sized + Send + Sync + 'static {
    /// What reading a batch needs.
    type Reader: Send + Sync;

    fn read(reader: &Self::Reader, columns: &[ArrayRef]) -> Result<Self, ArrowError>;

    fn len(&self) -> usize;

    fn compare(&self, row: usize, other: &Self, other_row: usize) -> Ordering;
}

/// How the keys of a table are compared.
pub(super) enum Shape {
    Int,
    Bytes,
    Rows(RowConverter),
}

impl Shape {
    pub(super) fn of(types: &[DataType]) -> Result<Self, ArrowError> {
        match types {
            [only] if is_int(only) => Ok(Self::Int),
            [
                DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView,
            ] => Ok(Self::Bytes),
            _ => Ok(Self::Rows(RowConverter::new(types.iter().map(|t| SortField::new(t.clone())).collect())?)),
        }
    }
}

/// One column whose values are integers that fit 64 bits, whatever they mean.
pub(super) struct IntKeys(ScalarBuffer<i64>);

impl Keys for IntKeys {
    type Reader = ();

    fn read((): &(), columns: &[ArrayRef]) -> Result<Self, ArrowError> {
        let column = only(columns)?;
        let values = cast(column, &DataType::Int64)?;
        if values.null_count() > 0 {
            return Err(null_key());
        }
        Ok(Self(values.as_primitive::<Int64Type>().values().clone()))
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn compare(&self, row: usize, other: &Self, other_row: usize) -> Ordering {
        self.0.get(row).cmp(&other.0.get(other_row))
    }
}

/// One column of text or bytes.
pub(super) struct ByteKeys(BinaryArray);

impl Keys for ByteKeys {
    type Reader = ();

    fn read((): &(), columns: &[ArrayRef]) -> Result<Self, ArrowError> {
        let values = cast(only(columns)?, &DataType::Binary)?;
        if values.null_count() > 0 {
            return Err(null_key());
        }
        Ok(Self(values.as_binary::<i32>().clone()))
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn compare(&self, row: usize, other: &Self, other_row: usize) -> Ordering {
        self.0.value(row).cmp(other.0.value(other_row))
    }
}

/// Any other key, in Arrow's row format.
pub(super) struct RowKeys(Rows);

impl Keys for RowKeys {
    type Reader = RowConverter;

    fn read(reader: &RowConverter, columns: &[ArrayRef]) -> Result<Self, ArrowError> {
        if columns.iter().any(|column| column.null_count() > 0) {
            return Err(null_key());
        }
        Ok(Self(reader.convert_columns(columns)?))
    }

    fn len(&self) -> usize {
        self.0.num_rows()
    }

    fn compare(&self, row: usize, other: &Self, other_row: usize) -> Ordering {
        self.0.row(row).cmp(&other.0.row(other_row))
    }
}

/// The first row from `start` on whose key is not below the target, found by steps that double.
pub(super) fn gallop<K: Keys>(keys: &K, start: usize, target: &K, target_row: usize) -> usize {
    let below = |row: usize| keys.compare(row, target, target_row) == Ordering::Less;
    let len = keys.len();
    let mut low = start;
    let mut step = 1;
    let mut high = start;
    while high < len && below(high) {
        low = high + 1;
        high = high.saturating_add(step);
        step *= 2;
    }
    let mut high = high.min(len);
    while low < high {
        let middle = low + (high - low) / 2;
        if below(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// Not UINT64, which doesn't fit.
fn is_int(data_type: &DataType) -> bool {
    use DataType::{Date32, Date64, Int8, Int16, Int32, Int64, Time32, Time64, Timestamp, UInt8, UInt16, UInt32};
    matches!(
        data_type,
        Int8 | Int16
            | Int32
            | Int64
            | UInt8
            | UInt16
            | UInt32
            | Date32
            | Date64
            | Time32(_)
            | Time64(_)
            | Timestamp(_, _)
    )
}

fn only(columns: &[ArrayRef]) -> Result<&ArrayRef, ArrowError> {
    columns.first().ok_or_else(|| ArrowError::InvalidArgumentError("a key without columns".into()))
}

fn null_key() -> ArrowError {
    ArrowError::InvalidArgumentError("a key is NULL".into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow::array::{Date32Array, Int64Array, Time32SecondArray, TimestampNanosecondArray, UInt32Array};

    use super::*;

    #[test]
    fn every_integer_type_becomes_an_integer() {
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(Date32Array::from(vec![1, 5])),
            Arc::new(arrow::array::Date64Array::from(vec![1, 5])),
            Arc::new(Time32SecondArray::from(vec![1, 5])),
            Arc::new(arrow::array::Time64MicrosecondArray::from(vec![1, 5])),
            Arc::new(TimestampNanosecondArray::from(vec![1, 5]).with_timezone("UTC")),
            Arc::new(UInt32Array::from(vec![1, 5])),
            Arc::new(arrow::array::Int8Array::from(vec![1, 5])),
        ];
        for array in arrays {
            assert!(matches!(Shape::of(&[array.data_type().clone()]).unwrap(), Shape::Int));
            let keys = IntKeys::read(&(), &[array]).unwrap();
            assert_eq!(keys.0.as_ref(), [1, 5]);
        }
    }

    #[test]
    fn galloping_finds_what_a_search_finds() {
        let values: Vec<i64> = (0..100).map(|n| n * 3).collect();
        let keys = IntKeys::read(&(), &[Arc::new(Int64Array::from(values.clone())) as _]).unwrap();
        for target in -1..302 {
            let wanted = IntKeys::read(&(), &[Arc::new(Int64Array::from(vec![target])) as _]).unwrap();
            for start in [0, 1, 50, 99, 100] {
                let expected = values.partition_point(|value| *value < target).max(start);
                assert_eq!(gallop(&keys, start, &wanted, 0), expected);
            }
        }
    }
}
