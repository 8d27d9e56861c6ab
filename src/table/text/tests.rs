//! Values of every type become text and come back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use arrow::datatypes::i256;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

fn round_trip(array: &dyn Array) {
    let texts: Vec<Option<String>> = (0..array.len()).map(|row| to_text(array, row)).collect();
    let borrowed: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
    let read = from_text(&borrowed, array.data_type()).unwrap();
    assert_eq!(read.data_type(), array.data_type());
    assert_eq!(read.to_data(), array.to_data(), "{texts:?}");
}

fn texts_of<T: ArrowPrimitiveType>(values: Vec<T::Native>, data_type: &DataType) {
    let array: PrimitiveArray<T> = values.into_iter().map(Some).chain([None]).collect();
    round_trip(&array.with_data_type(data_type.clone()));
}

#[test]
fn random_values_read_back_exactly() {
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..50 {
        let raw: Vec<i64> = (0..40).map(|_| random.random::<i64>() >> random.random_range(0..64)).collect();
        let small: Vec<i32> = raw.iter().map(|value| (*value >> random.random_range(0..32)) as i32).collect();
        texts_of::<Int64Type>(raw.clone(), &DataType::Int64);
        texts_of::<UInt64Type>(raw.iter().map(|value| *value as u64).collect(), &DataType::UInt64);
        texts_of::<Int8Type>(raw.iter().map(|value| *value as i8).collect(), &DataType::Int8);
        texts_of::<UInt16Type>(raw.iter().map(|value| *value as u16).collect(), &DataType::UInt16);
        texts_of::<Date32Type>(small.clone(), &DataType::Date32);
        texts_of::<Date64Type>(raw.clone(), &DataType::Date64);
        texts_of::<Time32SecondType>(small.clone(), &DataType::Time32(TimeUnit::Second));
        texts_of::<Time32MillisecondType>(small.clone(), &DataType::Time32(TimeUnit::Millisecond));
        texts_of::<Time64MicrosecondType>(raw.clone(), &DataType::Time64(TimeUnit::Microsecond));
        texts_of::<Time64NanosecondType>(raw.clone(), &DataType::Time64(TimeUnit::Nanosecond));
        for zone in [None, Some("+02:00".into()), Some("UTC".into())] {
            texts_of::<TimestampSecondType>(raw.clone(), &DataType::Timestamp(TimeUnit::Second, zone.clone()));
            texts_of::<TimestampMillisecondType>(
                raw.clone(),
                &DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
            );
            texts_of::<TimestampMicrosecondType>(
                raw.clone(),
                &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            );
            texts_of::<TimestampNanosecondType>(raw.clone(), &DataType::Timestamp(TimeUnit::Nanosecond, zone.clone()));
        }
        texts_of::<DurationMicrosecondType>(raw.clone(), &DataType::Duration(TimeUnit::Microsecond));
        let floats: Vec<f64> =
            raw.iter().map(|value| f64::from_bits(*value as u64)).filter(|value| !value.is_nan()).collect();
        texts_of::<Float64Type>(
            floats.into_iter().chain([f64::NAN, -0.0, 0.0, f64::INFINITY]).collect(),
            &DataType::Float64,
        );
        let floats: Vec<f32> =
            small.iter().map(|value| f32::from_bits(*value as u32)).filter(|value| !value.is_nan()).collect();
        texts_of::<Float32Type>(floats.into_iter().chain([f32::NEG_INFINITY]).collect(), &DataType::Float32);
        for scale in [-3, 0, 2, 18] {
            texts_of::<Decimal64Type>(raw.iter().map(|v| v % 10i64.pow(18)).collect(), &DataType::Decimal64(18, scale));
            texts_of::<Decimal128Type>(
                raw.iter().map(|v| i128::from(*v) * 1_000_003).collect(),
                &DataType::Decimal128(38, scale),
            );
            let wide = raw.iter().map(|value| i256::from_i128(i128::from(*value) * i128::from(*value))).collect();
            texts_of::<Decimal256Type>(wide, &DataType::Decimal256(76, scale));
        }
        let bytes: Vec<Option<Vec<u8>>> = raw
            .iter()
            .map(|value| (value % 7 != 0).then(|| value.to_le_bytes()[..(value.unsigned_abs() % 9) as usize].to_vec()))
            .collect();
        round_trip(&BinaryArray::from_iter(bytes.clone()));
        round_trip(&LargeBinaryArray::from_iter(bytes.clone()));
        let strings: Vec<Option<String>> =
            bytes.iter().map(|bytes| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned())).collect();
        round_trip(&StringArray::from_iter(strings.clone()));
        round_trip(&LargeStringArray::from_iter(strings.clone()));
        assert_eq!(to_text(&StringViewArray::from_iter(strings.clone()), 3), strings[3]);
        round_trip(&BooleanArray::from_iter(raw.iter().map(|value| Some(value % 2 == 0))));
    }
}

#[test]
fn usual_values_look_usual() {
    let cases: [(ArrayRef, &str); 7] = [
        (Arc::new(PrimitiveArray::<Date32Type>::from(vec![18_231])), "2019-12-01"),
        (
            Arc::new(PrimitiveArray::<TimestampMillisecondType>::from(vec![1_577_836_800_120])),
            "2020-01-01T00:00:00.120",
        ),
        (Arc::new(PrimitiveArray::<TimestampSecondType>::from(vec![-1]).with_timezone("UTC")), "1969-12-31T23:59:59Z"),
        (Arc::new(PrimitiveArray::<Decimal128Type>::from(vec![-5]).with_precision_and_scale(10, 2).unwrap()), "-0.05"),
        (Arc::new(PrimitiveArray::<Float64Type>::from(vec![1.0])), "1.0"),
        (Arc::new(PrimitiveArray::<Time32SecondType>::from(vec![3_661])), "01:01:01"),
        (Arc::new(BinaryArray::from_vec(vec![b"\x00\xff"])), "00ff"),
    ];
    for (array, text) in cases {
        assert_eq!(to_text(&array, 0).as_deref(), Some(text));
    }
}

#[test]
fn what_is_no_value_is_refused() {
    for (text, data_type) in [
        ("x", DataType::Int32),
        ("128", DataType::Int8),
        ("2019-02-30", DataType::Date32),
        ("2019-01-01T00:00:00.5", DataType::Timestamp(TimeUnit::Second, None)),
        ("1.5", DataType::Decimal128(10, 2)),
        ("0", DataType::Binary),
        ("00", DataType::FixedSizeBinary(2)),
        ("1", DataType::Null),
    ] {
        assert_eq!(from_text(&[Some(text)], &data_type).unwrap_err().code(), Code::Corrupt, "{text} {data_type}");
    }
}
