//! What is written is what came in, and what the log says of a file is so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use std::collections::{BTreeMap, HashSet};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, make_comparator,
};
use arrow::compute::{SortOptions, concat_batches};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionConfig;
use object_store::memory::InMemory;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaDataReader;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::*;
use crate::error::Code;
use crate::store::testing::{CountingStore, Op};
use crate::store::{Digest, SeededIds};
use crate::table::text::{from_text, to_text};
use crate::table::{TOMBSTONE, TOMBSTONE_ID};

mod refusals;

fn memory() -> Store {
    Store::new(Arc::new(InMemory::new()), Path::from("warehouse")).with_ids(Arc::new(SeededIds::new(1)))
}

fn table(columns: &[(&str, DataType)], partitions: &[&str], key: &[&str]) -> Arc<TableSchema> {
    let fields = columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect();
    let partitions = partitions.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect();
    let key: Vec<String> = key.iter().map(|name| (*name).to_owned()).collect();
    Arc::new(TableSchema::new(fields, partitions, &key).unwrap())
}

fn request(store: &Store, schema: &Arc<TableSchema>) -> WriteRequest {
    WriteRequest {
        store: store.clone(),
        table: TableId::from_u128(7),
        table_name: "default.t".to_owned(),
        schema: Arc::clone(schema),
        buckets: 16,
        duplicates: Duplicates::KeepLast,
        kind: Arc::new(|_| FileKind::Base),
        sorted: false,
        limits: Limits::default(),
    }
}

fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

async fn run(request: WriteRequest, batches: Vec<RecordBatch>) -> Result<Written> {
    run_with(request, batches, Arc::new(TaskContext::default())).await
}

async fn run_with(request: WriteRequest, batches: Vec<RecordBatch>, task: Arc<TaskContext>) -> Result<Written> {
    let rows = RecordBatchStreamAdapter::new(batches[0].schema(), stream::iter(batches.into_iter().map(Ok)));
    write(request, Box::pin(rows), task).await
}

/// The rows of a file, after checking all that the log says of it.
async fn rows_of(store: &Store, schema: &TableSchema, written: &WrittenFile) -> RecordBatch {
    let file = &written.file;
    let bytes = store.read(&data_path(TableId::from_u128(7), file.id, file.kind)).await.unwrap().unwrap();
    assert_eq!(file.size, bytes.len() as u64);
    assert_eq!(file.digest, Digest::of(&bytes));
    let footer = bytes.slice(bytes.len() - file.footer as usize..bytes.len() - 8);
    let metadata = ParquetMetaDataReader::decode_metadata(&footer).unwrap();
    assert_eq!(metadata.num_row_groups(), file.row_groups.len());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    let expected = if file.kind == FileKind::Base { schema.base_file() } else { schema.delta_file() };
    assert_eq!(reader.schema().as_ref(), expected.as_ref());
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    let rows = concat_batches(&expected, &batches).unwrap();
    assert_eq!(file.rows, rows.num_rows() as u64);
    let mut at = 0;
    let mut end = 0;
    for group in &file.row_groups {
        let key = |row: usize| -> Vec<String> {
            schema.key_positions().iter().map(|column| to_text(rows.column(*column), row).unwrap()).collect()
        };
        assert!(group.start >= end && group.end > group.start && group.end <= file.size - file.footer);
        end = group.end;
        assert_eq!(group.min, key(at), "the first key");
        at += group.rows as usize;
        assert_eq!(group.max, key(at - 1), "the last key");
    }
    assert_eq!(at, rows.num_rows());
    sorted_and_unique(&rows, &schema.key_positions());
    bounded(schema, file, &rows);
    rows
}

fn sorted_and_unique(rows: &RecordBatch, keys: &[usize]) {
    let compare: Vec<_> = keys
        .iter()
        .map(|at| make_comparator(rows.column(*at), rows.column(*at), SortOptions::default()).unwrap())
        .collect();
    for row in 1..rows.num_rows() {
        let order = compare.iter().map(|compare| compare(row - 1, row)).find(|order| order.is_ne());
        assert!(keys.is_empty() || order == Some(std::cmp::Ordering::Less), "row {row}");
    }
}

/// Every value lies in the bounds, and exact bounds occur.
fn bounded(schema: &TableSchema, file: &DataFile, rows: &RecordBatch) {
    for (column, stats) in schema.columns.iter().zip(&file.stats) {
        assert_eq!(column.id, stats.id);
        let values = rows.column_by_name(&column.name).unwrap();
        assert_eq!(stats.nulls, values.null_count() as u64, "{}", column.name);
        let (Some(min), Some(max)) = (&stats.min, &stats.max) else { continue };
        let bounds = from_text(&[Some(min), Some(max)], &column.data_type).unwrap();
        let compare = make_comparator(values, &bounds, SortOptions::default()).unwrap();
        let mut found = HashSet::new();
        for row in (0..values.len()).filter(|row| values.is_valid(*row)) {
            assert!(compare(row, 0).is_ge() && compare(row, 1).is_le(), "{} row {row}: {min} {max}", column.name);
            found.extend((0..2).filter(|bound| compare(row, *bound).is_eq()));
        }
        assert!(!stats.exact || found.len() == 2, "{} {min} {max}", column.name);
    }
}

fn our_code(error: &DataFusionError) -> Code {
    Error::find(error).unwrap_or_else(|| panic!("{error}")).code()
}

async fn objects(store: &Store) -> usize {
    store.list(&Path::default()).await.unwrap().len()
}

#[tokio::test]
async fn the_last_of_a_key_wins_within_and_across_batches() {
    let store = memory();
    let schema = table(&[("k", DataType::Int64), ("v", DataType::Utf8)], &[], &["k"]);
    let one = |keys: [i64; 3], values: [&str; 3]| batch(vec![("k", ints(keys)), ("v", texts(values))]);
    let written = run(request(&store, &schema), vec![one([3, 1, 3], ["a", "b", "c"]), one([2, 3, 1], ["d", "e", "f"])])
        .await
        .unwrap();
    assert_eq!(written.rows, 6);
    assert_eq!(written.partitions, [PartitionValues::default()]);
    assert_eq!(written.files.len(), 1);
    let rows = rows_of(&store, &schema, &written.files[0]).await;
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().values(), &[1, 2, 3]);
    assert_eq!(rows.column(1).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["f", "d", "e"]);
    let stats = &written.files[0].file.stats[0];
    assert_eq!((stats.min.as_deref(), stats.max.as_deref(), stats.exact), (Some("1"), Some("3"), true));
}

#[tokio::test]
async fn a_small_file_is_one_put() {
    let counting = CountingStore::new(Arc::new(InMemory::new()));
    let store = Store::new(Arc::new(counting.clone()), Path::default());
    let schema = table(&[("k", DataType::Int64)], &[], &["k"]);
    let written = run(request(&store, &schema), vec![batch(vec![("k", ints(0..1000))])]).await.unwrap();
    assert_eq!(counting.snapshot().total(), 1);
    assert_eq!(counting.snapshot().calls(Op::Put), 1);
    rows_of(&store, &schema, &written.files[0]).await;
    cleanup(&store, TableId::from_u128(7), &written.files).await;
    assert_eq!(objects(&store).await, 0);
}

#[tokio::test]
async fn a_large_file_goes_in_parts() {
    let counting = CountingStore::new(Arc::new(InMemory::new()));
    let store = Store::new(Arc::new(counting.clone()), Path::default());
    let schema = table(&[("k", DataType::Int64), ("v", DataType::Int64)], &[], &["k"]);
    let mut random = StdRng::seed_from_u64(3);
    let rows = 1_600_000;
    let batches = (0..16).map(|part| {
        let keys = (0..rows / 16).map(|row| part * (rows / 16) + row);
        batch(vec![("k", ints(keys)), ("v", ints((0..rows / 16).map(|_| random.random())))])
    });
    let mut request = request(&store, &schema);
    request.sorted = true;
    request.limits = Limits { group_rows: 500_000, single_put: 1 << 20, ..Limits::default() };
    let written = run(request, batches.collect()).await.unwrap();
    assert_eq!(written.files.len(), 1);
    assert_eq!(
        written.files[0].file.row_groups.iter().map(|group| group.rows).collect::<Vec<_>>(),
        [500_000, 500_000, 500_000, 100_000]
    );
    assert!(written.files[0].file.size > 12 << 20);
    assert!(counting.snapshot().calls(Op::Put) > 2);
    rows_of(&store, &schema, &written.files[0]).await;
}

#[tokio::test]
async fn more_rows_than_memory_spill() {
    let store = memory();
    let schema = table(&[("k", DataType::Int64), ("v", DataType::Utf8)], &[], &["k"]);
    let mut random = StdRng::seed_from_u64(5);
    let mut latest = BTreeMap::new();
    let mut batches = vec![];
    for part in 0..25 {
        let keys: Vec<i64> = (0..8_000).map(|_| random.random_range(0..100_000)).collect();
        let values: Vec<String> =
            keys.iter().enumerate().map(|(row, key)| format!("{part}-{row}-{key}-{}", "x".repeat(120))).collect();
        latest.extend(keys.iter().copied().zip(values.iter().cloned()));
        batches.push(batch(vec![("k", ints(keys)), ("v", texts(values.iter().map(String::as_str)))]));
    }
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(24 << 20, 1.0).build_arc().unwrap();
    let config = SessionConfig::new().with_sort_spill_reservation_bytes(4 << 20);
    let task = TaskContext::default().with_runtime(Arc::clone(&runtime)).with_session_config(config);
    let written = run_with(request(&store, &schema), batches, Arc::new(task)).await.unwrap();
    assert_eq!(written.rows, 200_000);
    let mut found = BTreeMap::new();
    for file in &written.files {
        let rows = rows_of(&store, &schema, file).await;
        let values = rows.column(1).as_string::<i32>();
        found.extend(
            rows.column(0)
                .as_primitive::<Int64Type>()
                .values()
                .iter()
                .copied()
                .zip(values.iter().flatten().map(str::to_owned)),
        );
    }
    assert_eq!(found, latest);
    assert_eq!(runtime.memory_pool.reserved(), 0);
}

#[tokio::test]
async fn ten_thousand_partitions() {
    let store = memory();
    let schema = table(&[("k", DataType::Int64)], &["p"], &["k"]);
    let mut rows: Vec<(i64, String)> = (0..20_000).map(|row| (row, format!("p{:05}", row % 10_000))).collect();
    rows.shuffle(&mut StdRng::seed_from_u64(2));
    let batches = rows.chunks(4_096).map(|chunk| {
        let keys = ints(chunk.iter().map(|(key, _)| *key));
        batch(vec![("k", keys), ("p", texts(chunk.iter().map(|(_, partition)| partition.as_str())))])
    });
    // All open files together would not fit.
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(16 << 20, 1.0).build_arc().unwrap();
    let task = TaskContext::default().with_runtime(runtime);
    let written = run_with(request(&store, &schema), batches.collect(), Arc::new(task)).await.unwrap();
    assert_eq!(written.files.len(), 10_000);
    assert_eq!(written.partitions.len(), 10_000);
    assert!(written.partitions.is_sorted());
    assert_eq!(objects(&store).await, 10_000);
    for file in written.files.iter().step_by(999) {
        let rows = rows_of(&store, &schema, file).await;
        let number: i64 = file.values.0[0].trim_start_matches('p').parse().unwrap();
        assert_eq!(rows.column(0).as_primitive::<Int64Type>().values(), &[number, number + 10_000]);
    }
}

/// A random text of a value of the type, from a small domain.
fn random_text(random: &mut StdRng, data_type: &DataType) -> String {
    let n = random.random_range(-30i64..30);
    let text = match data_type {
        DataType::Utf8 | DataType::Utf8View => {
            ["", "a", "ä", "b", "aa", "Ω long ".repeat(20).as_str()][n.unsigned_abs() as usize % 6].to_owned()
        }
        DataType::Float64 => match n {
            0 => "NaN".to_owned(),
            1 => "inf".to_owned(),
            _ => format!("{:?}", n as f64 / 4.0),
        },
        DataType::Decimal128(_, _) | DataType::Decimal256(_, _) => format!("{}.{:02}", n * 1_000_003, n.unsigned_abs()),
        DataType::Date32 => format!("{:04}-02-{:02}", 2000 + n, n.unsigned_abs() % 28 + 1),
        DataType::Timestamp(_, zone) => {
            format!("{:04}-02-03T04:05:06.{:06}{}", 1970 + n, n.unsigned_abs(), if zone.is_some() { "Z" } else { "" })
        }
        DataType::Boolean => (n > 0).to_string(),
        DataType::Binary => format!("{:02x}ff", n.unsigned_abs()),
        DataType::FixedSizeBinary(_) => format!("{:04x}", n.unsigned_abs()),
        DataType::UInt64 => (u64::MAX - n.unsigned_abs()).to_string(),
        _ => n.to_string(),
    };
    to_text(&from_text(&[Some(&text)], data_type).unwrap(), 0).unwrap()
}

#[tokio::test]
async fn keys_of_every_kind() {
    let mut random = StdRng::seed_from_u64(11);
    let kinds = [
        DataType::Int8,
        DataType::UInt64,
        DataType::Utf8,
        DataType::Utf8View,
        DataType::Float64,
        DataType::Decimal128(20, 2),
        DataType::Decimal256(50, 2),
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        DataType::Boolean,
        DataType::Binary,
        DataType::FixedSizeBinary(2),
    ];
    for (number, first) in kinds.iter().enumerate() {
        let second = &kinds[(number * 5 + 3) % kinds.len()];
        let store = memory();
        let schema = table(&[("v", DataType::Int64), ("a", first.clone()), ("b", second.clone())], &[], &["b", "a"]);
        let mut latest = BTreeMap::new();
        let mut batches = vec![];
        for part in 0..5 {
            let a: Vec<String> = (0..100).map(|_| random_text(&mut random, first)).collect();
            let b: Vec<String> = (0..100).map(|_| random_text(&mut random, second)).collect();
            latest.extend(b.iter().cloned().zip(a.iter().cloned()).zip((0..100).map(|row| part * 100 + row)));
            let array = |texts: &[String], data_type| {
                from_text(&texts.iter().map(|t| Some(t.as_str())).collect::<Vec<_>>(), data_type).unwrap()
            };
            batches.push(batch(vec![
                ("v", ints(part * 100..part * 100 + 100)),
                ("a", array(&a, first)),
                ("b", array(&b, second)),
            ]));
        }
        let mut request = request(&store, &schema);
        request.limits.group_rows = 37;
        let written = run(request, batches).await.unwrap();
        let rows = rows_of(&store, &schema, &written.files[0]).await;
        let found: BTreeMap<(String, String), i64> = (0..rows.num_rows())
            .map(|row| {
                let text = |column: usize| to_text(rows.column(column), row).unwrap();
                ((text(2), text(1)), rows.column(0).as_primitive::<Int64Type>().value(row))
            })
            .collect();
        assert_eq!(found, latest, "{first} {second}");
    }
}

#[tokio::test]
async fn zeros_and_nans_are_one_key_each() {
    let store = memory();
    let schema = table(&[("k", DataType::Float64), ("v", DataType::Int64)], &[], &["k"]);
    let keys = Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN, 1.0]);
    let written =
        run(request(&store, &schema), vec![batch(vec![("k", Arc::new(keys)), ("v", ints(0..5))])]).await.unwrap();
    let rows = rows_of(&store, &schema, &written.files[0]).await;
    assert_eq!(rows.column(1).as_primitive::<Int64Type>().values(), &[1, 4, 3]);
    assert!(rows.column(0).as_any().downcast_ref::<Float64Array>().unwrap().value(0).is_sign_positive());
    // Parquet's bounds pass NaN over, so there are none.
    assert_eq!(written.files[0].file.stats[0].min, None);
    assert_eq!(written.files[0].file.row_groups[0].max, ["NaN"]);
}

#[tokio::test]
async fn without_a_key_rows_keep_their_order() {
    let store = memory();
    let schema = table(&[("v", DataType::Int64)], &[], &[]);
    let values: Vec<i64> = (0..30_000).map(|row| (row * 7_919) % 1_000).collect();
    let batches =
        || values.chunks(1_000).map(|chunk| batch(vec![("v", ints(chunk.iter().copied()))])).collect::<Vec<_>>();
    let written = run(request(&store, &schema), batches()).await.unwrap();
    let rows = rows_of(&store, &schema, &written.files[0]).await;
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().values().to_vec(), values);
    assert!(written.files[0].file.row_groups[0].min.is_empty());

    let schema = table(&[("v", DataType::Int64)], &["p"], &[]);
    let partition = |value: i64| if value % 2 == 0 { "even" } else { "odd" };
    let batches = values.chunks(1_000).map(|chunk| {
        let of = texts(chunk.iter().map(|value| partition(*value)));
        batch(vec![("v", ints(chunk.iter().copied())), ("p", of)])
    });
    let written = run(request(&store, &schema), batches.collect()).await.unwrap();
    assert_eq!(written.files.len(), 2);
    for file in &written.files {
        let rows = rows_of(&store, &schema, file).await;
        let expected: Vec<i64> = values.iter().copied().filter(|value| partition(*value) == file.values.0[0]).collect();
        assert_eq!(rows.column(0).as_primitive::<Int64Type>().values().to_vec(), expected);
    }
}

#[tokio::test]
async fn a_large_partition_is_split_at_keys_into_few_files() {
    let store = memory();
    let schema = table(&[("k", DataType::Int64), ("v", DataType::Utf8)], &[], &["k"]);
    let mut random = StdRng::seed_from_u64(9);
    let batches = (0..40).map(|_| {
        let keys: Vec<i64> = (0..1_000).map(|_| random.random()).collect();
        let values: Vec<String> = keys.iter().map(|key| format!("{key:x}{:x}", key.wrapping_mul(31))).collect();
        batch(vec![("k", ints(keys)), ("v", texts(values.iter().map(String::as_str)))])
    });
    let mut request = request(&store, &schema);
    request.buckets = 4;
    request.limits = Limits { file_bytes: 50_000, group_rows: 1_500, ..Limits::default() };
    request.kind = Arc::new(|_| FileKind::Delta);
    let written = run(request, batches.collect()).await.unwrap();
    assert_eq!(written.files.len(), 4);
    let mut total = 0;
    let mut last = i64::MIN;
    for file in &written.files {
        total += rows_of(&store, &schema, file).await.num_rows();
        let key = |text: &[String]| text[0].parse::<i64>().unwrap();
        assert!(last < key(file.file.min_key().unwrap()));
        last = key(file.file.max_key().unwrap());
        assert!(file.file.row_groups.iter().all(|group| group.rows <= 1_500));
    }
    assert_eq!(total, 40_000);
}

fn with_tombstones(keys: &[i64], dead: &[bool]) -> RecordBatch {
    let values: Int64Array = dead.iter().enumerate().map(|(row, dead)| (!dead).then_some(row as i64)).collect();
    let marks: ArrayRef = Arc::new(BooleanArray::from(dead.to_vec()));
    batch(vec![("k", ints(keys.iter().copied())), ("v", Arc::new(values)), (TOMBSTONE, marks)])
}

#[tokio::test]
async fn tombstones_go_into_delta_files_only() {
    let schema = {
        let fields = vec![Field::new("k", DataType::Int64, false), Field::new("v", DataType::Int64, false)];
        Arc::new(TableSchema::new(fields, vec![], &["k".to_owned()]).unwrap())
    };
    let store = memory();
    let rows = || vec![with_tombstones(&[4, 2, 3], &[false, true, true]), with_tombstones(&[3, 1], &[false, true])];
    let mut delta = request(&store, &schema);
    delta.kind = Arc::new(|_| FileKind::Delta);
    let written = run(delta, rows()).await.unwrap();
    assert_eq!(written.files[0].file.tombstones, 2);
    let found = rows_of(&store, &schema, &written.files[0]).await;
    assert_eq!(found.column(0).as_primitive::<Int64Type>().values(), &[1, 2, 3, 4]);
    assert_eq!(found.column(2).as_boolean().iter().flatten().collect::<Vec<_>>(), [true, true, false, false]);
    assert_eq!(found.schema().field(2).metadata()[crate::table::FIELD_ID], TOMBSTONE_ID.to_string());

    let written = run(request(&store, &schema), rows()).await.unwrap();
    let found = rows_of(&store, &schema, &written.files[0]).await;
    assert_eq!(found.column(0).as_primitive::<Int64Type>().values(), &[3, 4]);

    let written = run(request(&store, &schema), vec![with_tombstones(&[1], &[true])]).await.unwrap();
    assert!(written.files.is_empty());
    assert_eq!(written.partitions.len(), 1);
}

#[tokio::test]
async fn no_rows_make_no_file() {
    let store = memory();
    for (partitions, key) in [(&[][..], &[][..]), (&["p"][..], &["k"][..])] {
        let schema = table(&[("k", DataType::Int64)], partitions, key);
        let empty = RecordBatch::new_empty(Arc::new(Schema::new(
            schema.all().map(|column| column.field()).collect::<Vec<_>>(),
        )));
        let written = run(request(&store, &schema), vec![empty]).await.unwrap();
        assert_eq!(written, Written { files: vec![], rows: 0, partitions: vec![] });
    }
    assert_eq!(objects(&store).await, 0);
}

/// Rows of a few bytes beside rows of 64 KiB and some of half a MiB, in batches far larger than the pool's shares.
#[tokio::test]
async fn rows_of_any_width_fit_into_the_pool() {
    let schema = table(&[("k", DataType::Int64), ("v", DataType::Utf8View)], &[], &["k"]);
    // With noise nothing is saved by compression, and the files are uploaded in parts.
    for (seed, pool, noise, widths) in [
        (1, 16, false, [0, 8, 40]),
        (2, 16, false, [8, 65_536, 8]),
        (3, 16, false, [65_536, 65_536, 65_536]),
        (4, 16, false, [8, 8, 524_288]),
        (5, 32, true, [1_024, 65_536, 8]),
    ] {
        let store = memory();
        let mut random = StdRng::seed_from_u64(seed);
        let mut latest = BTreeMap::new();
        let mut batches = vec![];
        let mut bytes = 0;
        while bytes < 48 << 20 && batches.len() < 60 {
            let rows = if seed == 1 { 8_192 } else { 200 };
            let keys: Vec<i64> = (0..rows).map(|_| random.random_range(0..50_000)).collect();
            let wide = |random: &mut StdRng| {
                widths[usize::from(random.random_bool(0.1)) + usize::from(random.random_bool(0.1))]
            };
            let words = |random: &mut StdRng, key: i64| match (noise, wide(random) / 8) {
                (true, words) => (0..words).map(|_| format!("{:08x}", random.random::<u32>())).collect(),
                (false, words) => format!("{key:08x}").repeat(words),
            };
            let values: Vec<String> = keys.iter().map(|key| words(&mut random, *key)).collect();
            bytes += values.iter().map(String::len).sum::<usize>();
            latest.extend(keys.iter().copied().zip(values.iter().map(String::len)));
            let views = arrow::array::StringViewArray::from_iter_values(&values);
            batches.push(batch(vec![("k", ints(keys)), ("v", Arc::new(views))]));
        }
        let runtime = RuntimeEnvBuilder::new().with_memory_limit(pool << 20, 1.0).build_arc().unwrap();
        let task = TaskContext::default().with_runtime(Arc::clone(&runtime));
        let written = run_with(request(&store, &schema), batches, Arc::new(task)).await;
        let written = written.unwrap_or_else(|error| panic!("{widths:?}: {error}"));
        let mut found = BTreeMap::new();
        for file in &written.files {
            let rows = rows_of(&store, &schema, file).await;
            let lengths = rows.column(1).as_string_view().iter().flatten().map(str::len);
            found.extend(rows.column(0).as_primitive::<Int64Type>().values().iter().copied().zip(lengths));
        }
        assert!(found == latest, "{widths:?}");
        assert_eq!(runtime.memory_pool.reserved(), 0);
    }
}
