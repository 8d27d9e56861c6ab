//! Random tables against a map that applies the rule one row at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field};
use datafusion::datasource::MemTable;
use datafusion::execution::context::SessionContext;
use futures::TryStreamExt;
use rand::rngs::StdRng;
use rand::seq::index::sample;
use rand::{Rng, SeedableRng};

use super::{ReadRange, Scanner, context, head, lsn, register, run};
use crate::merge::testing::{Lab, Spec, batch};
use crate::scan::SortedRequest;
use crate::store::PartitionId;
use crate::table::{FileKind, TOMBSTONE, TableSchema};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Key {
    Int,
    Text,
    Date,
    Unsigned,
    Double,
    Composite,
}

const KEYS: [Key; 6] = [Key::Int, Key::Text, Key::Date, Key::Unsigned, Key::Double, Key::Composite];

type Row = (Option<i64>, Option<String>, i64);
/// Per commit: the partition, and per key a row or a tombstone.
type Commit = (String, BTreeMap<i64, Option<Row>>);

impl Key {
    fn schema(self, partitioned: bool) -> TableSchema {
        let mut columns = vec![Field::new("v", DataType::Int64, true)];
        let (keys, names): (Vec<Field>, Vec<String>) = match self {
            Self::Int => (vec![Field::new("k", DataType::Int64, false)], vec!["k".into()]),
            Self::Text => (vec![Field::new("k", DataType::Utf8, false)], vec!["k".into()]),
            Self::Date => (vec![Field::new("k", DataType::Date32, false)], vec!["k".into()]),
            Self::Unsigned => (vec![Field::new("k", DataType::UInt64, false)], vec!["k".into()]),
            Self::Double => (vec![Field::new("k", DataType::Float64, false)], vec!["k".into()]),
            Self::Composite => (
                vec![Field::new("j", DataType::Decimal128(10, 2), false), Field::new("k", DataType::Utf8View, false)],
                vec!["k".into(), "j".into()],
            ),
        };
        columns.extend(keys);
        columns.push(Field::new("s", DataType::Utf8, true));
        columns.push(Field::new("n", DataType::Int64, false));
        let partitions = if partitioned {
            vec![Field::new("p", DataType::Utf8, false), Field::new("h", DataType::Int32, false)]
        } else {
            vec![]
        };
        TableSchema::new(columns, partitions, &names).unwrap()
    }

    fn columns(self, keys: &[i64]) -> Vec<ArrayRef> {
        let texts = |f: fn(i64) -> String| keys.iter().map(|n| f(*n)).collect::<Vec<_>>();
        match self {
            Self::Int => vec![Arc::new(Int64Array::from(keys.to_vec()))],
            Self::Text => vec![Arc::new(StringArray::from(texts(|n| format!("k{n}"))))],
            Self::Date => vec![Arc::new(Date32Array::from(keys.iter().map(|n| *n as i32).collect::<Vec<_>>()))],
            Self::Unsigned => vec![Arc::new(UInt64Array::from(
                keys.iter().map(|n| if n % 2 == 0 { u64::MAX - *n as u64 } else { *n as u64 }).collect::<Vec<_>>(),
            ))],
            Self::Double => {
                vec![Arc::new(Float64Array::from(keys.iter().map(|n| (*n as f64 - 20.0) * 0.1).collect::<Vec<_>>()))]
            }
            Self::Composite => vec![
                Arc::new(
                    Decimal128Array::from(keys.iter().map(|n| i128::from(n % 7) - 3).collect::<Vec<_>>())
                        .with_precision_and_scale(10, 2)
                        .unwrap(),
                ),
                Arc::new(arrow::array::StringViewArray::from(texts(|n| format!("a long enough text {}", n / 7)))),
            ],
        }
    }

    fn literal(self, n: i64) -> String {
        match self {
            Self::Int => n.to_string(),
            Self::Text => format!("'k{n}'"),
            Self::Date => format!("date '1970-01-01' + {n}"),
            Self::Unsigned => {
                if n % 2 == 0 {
                    (u64::MAX - n as u64).to_string()
                } else {
                    n.to_string()
                }
            }
            Self::Double => format!("{:?}", (n as f64 - 20.0) * 0.1),
            Self::Composite => format!("'a long enough text {}'", n / 7),
        }
    }
}

fn columns(key: Key, rows: &[(i64, Option<Row>)]) -> Vec<ArrayRef> {
    let keys: Vec<i64> = rows.iter().map(|(key, _)| *key).collect();
    let mut columns: Vec<ArrayRef> =
        vec![Arc::new(rows.iter().map(|(_, row)| row.as_ref().and_then(|row| row.0)).collect::<Int64Array>())];
    columns.extend(key.columns(&keys));
    columns.push(Arc::new(
        rows.iter().map(|(_, row)| row.as_ref().and_then(|row| row.1.clone())).collect::<StringArray>(),
    ));
    columns.push(Arc::new(rows.iter().map(|(_, row)| row.as_ref().map(|row| row.2)).collect::<Int64Array>()));
    columns
}

fn random_commit(rng: &mut StdRng, partitioned: bool, domain: usize) -> (Commit, FileKind, usize) {
    let partition = if partitioned { ["a", "b"][rng.random_range(0..2)].to_owned() } else { String::new() };
    // Wide or clustered keys, so that some files overlap and others don't.
    let (low, width) = if rng.random_bool(0.5) { (0, domain) } else { (rng.random_range(0..domain - 8), 8) };
    let count = rng.random_range(1..=width.min(14));
    let kind = if rng.random_bool(0.3) { FileKind::Base } else { FileKind::Delta };
    let deleted = if rng.random_bool(0.2) { 0.9 } else { 0.25 };
    let rows = sample(rng, width, count).into_iter().map(|at| {
        let gone = kind == FileKind::Delta && rng.random_bool(deleted);
        let row = (
            rng.random_bool(0.8).then(|| rng.random_range(-50..50)),
            rng.random_bool(0.8)
                .then(|| format!("{}{}", ["a", "b", "ä"][rng.random_range(0..3)], rng.random_range(0..20))),
            if rng.random_bool(0.3) { 7 } else { rng.random_range(0..9) },
        );
        ((low + at) as i64, (!gone).then_some(row))
    });
    ((partition, rows.collect()), kind, rng.random_range(1..8))
}

fn oracle(ctx: &SessionContext, schema: &TableSchema, key: Key, partitioned: bool, commits: &[Commit]) {
    let mut alive: BTreeMap<(&str, i64), Option<Row>> = BTreeMap::new();
    for (partition, rows) in commits {
        alive.extend(rows.iter().map(|(key, row)| ((partition.as_str(), *key), row.clone())));
    }
    let rows: Vec<(&str, i64, Option<Row>)> =
        alive.into_iter().filter(|(_, row)| row.is_some()).map(|((p, k), row)| (p, k, row)).collect();
    let mut all = columns(key, &rows.iter().map(|(_, k, row)| (*k, row.clone())).collect::<Vec<_>>());
    if partitioned {
        all.push(Arc::new(rows.iter().map(|(p, _, _)| Some(*p)).collect::<StringArray>()));
        all.push(Arc::new(
            rows.iter().map(|(p, _, _)| Some(if *p == "a" { 1 } else { 2 })).collect::<arrow::array::Int32Array>(),
        ));
    }
    let batch = RecordBatch::try_new(schema.arrow(), all).unwrap();
    ctx.deregister_table("o").unwrap();
    ctx.register_table("o", Arc::new(MemTable::try_new(schema.arrow(), vec![vec![batch]]).unwrap())).unwrap();
}

fn queries(rng: &mut StdRng, key: Key, partitioned: bool, domain: usize) -> Vec<String> {
    let mut any = || key.literal(rng.random_range(0..domain as i64));
    let (a, b, c) = (any(), any(), any());
    let v = rng.random_range(-50..50);
    let order = match (key, partitioned) {
        (Key::Composite, true) => "k, j, p",
        (Key::Composite, false) => "k, j",
        (_, true) => "k, p",
        (_, false) => "k",
    };
    let mut queries = vec![
        format!("SELECT * FROM $ ORDER BY {order}"),
        "SELECT count(*) FROM $".into(),
        "SELECT count(v), count(s), count(n), min(k), max(k), min(v), max(v), min(s), max(s), min(n), max(n), sum(v) FROM $".into(),
        "SELECT min(k) FROM $".into(),
        "SELECT max(s) FROM $".into(),
        format!("SELECT * FROM $ WHERE k = {a} ORDER BY {order}"),
        format!("SELECT v, s FROM $ WHERE k > {a} AND k <= {b} ORDER BY {order}"),
        format!("SELECT * FROM $ WHERE k IN ({a}, {b}, {c}) ORDER BY {order}"),
        format!("SELECT * FROM $ WHERE v > {v} ORDER BY {order}"),
        format!("SELECT s FROM $ WHERE v < {v} OR k = {c} ORDER BY {order}"),
        format!("SELECT * FROM $ WHERE v IS NULL ORDER BY {order}"),
        format!("SELECT * FROM $ WHERE s IS NOT NULL AND s LIKE 'a%' ORDER BY {order}"),
        format!("SELECT count(*) FROM $ WHERE n = 7"),
        format!("SELECT * FROM $ WHERE n <> 7 ORDER BY {order}"),
        format!("SELECT * FROM $ ORDER BY {order} LIMIT 3"),
        format!("SELECT * FROM $ ORDER BY k DESC, {order} LIMIT 4"),
        format!("SELECT * FROM $ ORDER BY v DESC NULLS LAST, {order} LIMIT 5"),
        "SELECT count(*) FROM (SELECT * FROM $ LIMIT 5)".into(),
        format!("SELECT count(*) FROM (SELECT * FROM $ WHERE v > {v} LIMIT 2)"),
        format!("SELECT x.v, y.s FROM $ x JOIN $ y ON x.k = y.k AND x.n = y.n WHERE y.v > {v} ORDER BY 1, 2"),
    ];
    if partitioned {
        queries.extend([
            "SELECT p FROM $ ORDER BY p".into(),
            "SELECT h, p, count(*) FROM $ GROUP BY h, p ORDER BY h, p".into(),
            "SELECT count(*), min(h), max(p) FROM $ WHERE p = 'a'".into(),
            format!("SELECT * FROM $ WHERE h = 2 AND v > {v} ORDER BY {order}"),
            format!("SELECT * FROM $ WHERE (p = 'a' OR v > {v}) AND h < 2 ORDER BY {order}"),
            "SELECT count(*) FROM $ WHERE p > 'b'".into(),
            "SELECT * FROM $ WHERE h = 1 ORDER BY p LIMIT 0".into(),
            "SELECT max(h), min(p) FROM $".into(),
        ]);
    }
    queries
}

async fn check(ctx: &SessionContext, queries: &[String], what: &str) {
    for query in queries {
        // Names of columns hold that of the table.
        let ours = run(ctx, &query.replace('$', "t")).await.replace("(t.", "(o.");
        let theirs = run(ctx, &query.replace('$', "o")).await;
        assert_eq!(ours, theirs, "{what}: {query}");
    }
}

struct RandomTable {
    seed: u64,
    rng: StdRng,
    key: Key,
    partitioned: bool,
    domain: usize,
    schema: TableSchema,
    lab: Lab,
    commits: Vec<Commit>,
}

async fn random_table(seed: u64) -> RandomTable {
    let mut rng = StdRng::seed_from_u64(seed);
    let key = KEYS[seed as usize % KEYS.len()];
    let partitioned = (seed as usize / KEYS.len()) % 2 == 1;
    let schema = key.schema(partitioned);
    let mut lab = Lab::new(schema.clone());
    let domain = rng.random_range(12..60);
    let mut commits = vec![];
    for _ in 0..rng.random_range(1..9) {
        lab.with_stats = rng.random_bool(0.8);
        let (commit, kind, row_group_rows) = random_commit(&mut rng, partitioned, domain);
        let rows: Vec<(i64, Option<Row>)> = commit.1.clone().into_iter().collect();
        let marks: Vec<bool> = rows.iter().map(|(_, row)| row.is_none()).collect();
        // A tombstone has nothing but its key.
        let mut all = columns(key, &rows);
        all.push(Arc::new(arrow::array::BooleanArray::from(marks)));
        let batch = RecordBatch::try_new(nullable(&schema), all).unwrap();
        let values: Vec<&str> = match commit.0.as_str() {
            "a" => vec!["a", "1"],
            "b" => vec!["b", "2"],
            _ => vec![],
        };
        lab.append(&batch, Spec { partition: &values, row_group_rows, kind }).await;
        commits.push(commit);
    }
    RandomTable { seed, rng, key, partitioned, domain, schema, lab, commits }
}

impl RandomTable {
    async fn query(self) {
        let sorted = context(2, false);
        sorted_rows(&self, &Scanner::new(self.lab.store.clone()), &sorted).await;
        let Self { seed, mut rng, key, partitioned, domain, schema, lab, commits } = self;
        let queries = queries(&mut rng, key, partitioned, domain);
        let ctx = context(rng.random_range(1..4), rng.random_bool(0.5));
        let last = commits.len() as u64 + 1;
        let at = rng.random_range(1..=last);
        let a = rng.random_range(1..=last);
        let b = rng.random_range(a..=last);
        let scanner = Arc::new(Scanner::new(lab.store.clone()));
        for range in [head(&lab), ReadRange::At(lsn(at)), ReadRange::Between(lsn(a), lsn(b))] {
            // The commit of LSN n + 2 is the n-th here: LSN 1 is the CREATE.
            let taken = match range {
                ReadRange::At(v) => &commits[..v.get() as usize - 1],
                ReadRange::Between(a, b) => &commits[a.get() as usize - 1..b.get() as usize - 1],
            };
            oracle(&ctx, &schema, key, partitioned, taken);
            register(&ctx, "t", &lab, &scanner, range);
            let what = format!("seed {seed}, {key:?}, {range:?}");
            let some: Vec<String> =
                sample(&mut rng, queries.len(), 9).into_iter().map(|at| queries[at].clone()).collect();
            check(&ctx, &[&queries[..1], &some].concat(), &what).await;
            // Once more, with everything resolved.
            let before = scanner.cache().resolutions();
            check(&ctx, &queries[..3], &format!("{what}, cached")).await;
            assert_eq!(scanner.cache().resolutions(), before, "{what}");
        }
    }
}

/// Compaction's stream: the same rows, and with tombstones a file that stands for all of them.
async fn sorted_rows(table: &RandomTable, scanner: &Scanner, ctx: &SessionContext) {
    let RandomTable { lab, schema, key, commits, seed, .. } = table;
    for with_tombstones in [false, true] {
        for files in crate::scan::visible(&lab.state, lab.lsn) {
            let mut newest: BTreeMap<i64, Option<Row>> = BTreeMap::new();
            for (partition, rows) in commits {
                if files.partition.values.0.first().map_or("", String::as_str) == partition {
                    newest.extend(rows.clone());
                }
            }
            newest.retain(|_, row| with_tombstones || row.is_some());
            let request = SortedRequest {
                table_name: "t".into(),
                table: lab.table,
                schema: Arc::new(schema.clone()),
                files: files.files,
                with_tombstones,
            };
            let task = ctx.task_ctx();
            let stream = scanner.sorted_stream(&task, request).await.unwrap();
            let out = stream.schema();
            let found: Vec<RecordBatch> = stream.try_collect().await.unwrap();
            let found = arrow::compute::concat_batches(&out, &found).unwrap();
            let rows: Vec<(i64, Option<Row>)> = newest.into_iter().collect();
            let mut all = columns(*key, &rows);
            if with_tombstones {
                all.push(Arc::new(arrow::array::BooleanArray::from(
                    rows.iter().map(|(_, row)| row.is_none()).collect::<Vec<_>>(),
                )));
            }
            let expected = RecordBatch::try_new(out, all).unwrap();
            let sorts: Vec<_> = schema
                .key_positions()
                .iter()
                .map(|at| arrow::compute::SortColumn { values: Arc::clone(expected.column(*at)), options: None })
                .collect();
            let order = arrow::compute::lexsort_to_indices(&sorts, None).unwrap();
            assert_eq!(found, arrow::compute::take_record_batch(&expected, &order).unwrap(), "seed {seed}");
        }
    }
}

fn nullable(schema: &TableSchema) -> arrow::datatypes::SchemaRef {
    assert!(schema.delta_file().column_with_name(TOMBSTONE).is_some());
    schema.delta_file()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_10_random_tables_read_as_the_rule_says() {
    // Twelve pairs of key type and partitioning.
    for seed in 0..12 {
        let table = random_table(seed).await;
        table.query().await;
    }
}

/// Many more file sets, without SQL.
#[tokio::test]
async fn random_file_sets_merge_as_the_rule_says() {
    for seed in 100..400 {
        let table = random_table(seed).await;
        let scanner = Scanner::new(table.lab.store.clone());
        sorted_rows(&table, &scanner, &context(1, false)).await;
    }
}

#[tokio::test]
async fn a_key_in_three_files_and_a_tombstone_older_than_a_row() {
    let schema = Key::Int.schema(false);
    let mut lab = Lab::new(schema.clone());
    let row = |v| Some((Some(v), None, 1));
    let commits: [&[(i64, Option<Row>)]; 4] = [
        &[(1, row(1)), (2, row(2)), (3, row(3))],
        &[(2, None), (3, row(30))],
        &[(2, row(200)), (3, None)],
        &[(1, None), (9, None)],
    ];
    for rows in commits {
        let marks = rows.iter().map(|(_, row)| row.is_none()).collect();
        let batch = batch(&schema, columns(Key::Int, rows), marks);
        lab.append(&batch, Spec { partition: &[], row_group_rows: 10, kind: FileKind::Delta }).await;
    }
    let ctx = context(2, false);
    let scanner = Arc::new(Scanner::new(lab.store.clone()));
    for (at, expected) in [(2, "1=1 2=2 3=3"), (3, "1=1 3=30"), (4, "1=1 2=200"), (5, "2=200")] {
        register(&ctx, "t", &lab, &scanner, ReadRange::At(lsn(at)));
        let found = ctx.sql("SELECT k, v FROM t ORDER BY k").await.unwrap().collect().await.unwrap();
        let text: Vec<String> = found
            .iter()
            .flat_map(|batch| {
                let column = |at: usize| batch.column(at).as_any().downcast_ref::<Int64Array>().unwrap().clone();
                let (k, v) = (column(0), column(1));
                (0..batch.num_rows()).map(|row| format!("{}={}", k.value(row), v.value(row))).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(text.join(" "), expected, "at {at}");
    }
    assert!(crate::scan::visible(&lab.state, lsn(1)).is_empty());
    assert_eq!(crate::scan::incremental(&lab.state, lsn(2), lsn(4))[0].files.len(), 2);
    assert_ne!(PartitionId::from_u128(0), crate::scan::visible(&lab.state, lab.lsn)[0].partition.id);
}
