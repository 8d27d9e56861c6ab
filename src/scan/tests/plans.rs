//! What plans look like, what they cost, and what they say when files are damaged.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field};

use super::{context, head, register, run};
use crate::error::{Code, Error};
use crate::merge::testing::{Lab, Spec, batch};
use crate::scan::{ReadRange, Scanner};
use crate::store::testing::Op;
use crate::store::{DurableLocalStore, Path};
use crate::table::{DataFile, FileKind, TableSchema};

fn schema() -> TableSchema {
    let columns = vec![
        Field::new("k", DataType::Int64, false),
        Field::new("v", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
    ];
    TableSchema::new(columns, vec![], &["k".into()]).unwrap()
}

async fn append(lab: &mut Lab, keys: std::ops::Range<i64>, dead: bool, row_group_rows: usize) -> DataFile {
    let schema = lab.schema();
    let count = keys.clone().count();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(keys.clone().collect::<Vec<_>>())),
        Arc::new(keys.clone().map(|k| (!dead).then_some(k * 10)).collect::<Int64Array>()),
        Arc::new(keys.map(|k| (!dead).then(|| format!("s{k}"))).collect::<StringArray>()),
    ];
    let batch = batch(&schema, columns, vec![dead; count]);
    lab.append(
        &batch,
        Spec { partition: &[], row_group_rows, kind: if dead { FileKind::Delta } else { FileKind::Base } },
    )
    .await
}

#[tokio::test]
async fn a_plan_is_a_parquet_scan_with_the_predicate_and_no_merge() {
    let mut lab = Lab::new(schema());
    append(&mut lab, 0..100, false, 10).await;
    append(&mut lab, 20..30, true, 10).await;
    let ctx = context(4, false);
    let scanner = Arc::new(Scanner::new(lab.store.clone()));
    register(&ctx, "t", &lab, &scanner, head(&lab));
    lab.counting.reset();
    let plan = run(&ctx, "EXPLAIN SELECT s FROM t WHERE v > 500 AND k < 90").await;
    assert_eq!(lab.counting.snapshot().total(), 0, "planning reads nothing");
    assert!(plan.contains("DataSourceExec") && plan.contains("predicate=v"), "{plan}");
    assert!(plan.contains("pruning_predicate="), "{plan}");
    assert_eq!(plan.matches("v@1 > 500").count(), 2, "once in the filter, once in the scan: {plan}");
    assert!(!plan.contains("SortPreservingMerge") && !plan.contains("Sort"), "{plan}");
    let plan = run(&ctx, "EXPLAIN SELECT k FROM t ORDER BY v DESC LIMIT 3").await;
    assert!(plan.contains("TopK(fetch=3)") && plan.contains("DynamicFilter"), "{plan}");
}

#[tokio::test]
async fn counts_and_bounds_come_from_metadata_only_where_they_are_true() {
    let mut lab = Lab::new(schema());
    append(&mut lab, 0..50, false, 10).await;
    append(&mut lab, 50..100, false, 10).await;
    let ctx = context(2, false);
    let scanner = Arc::new(Scanner::new(lab.store.clone()));
    register(&ctx, "t", &lab, &scanner, head(&lab));
    lab.counting.reset();
    assert!(
        run(&ctx, "SELECT count(*), min(k), max(v), count(s) FROM t")
            .await
            .contains("| 100      | 0        | 990      | 100")
    );
    assert_eq!(lab.counting.snapshot().total(), 0);
    assert!(run(&ctx, "EXPLAIN SELECT count(*) FROM t").await.contains("PlaceholderRowExec"));
    // Ten rows go: nothing is known until they were resolved, and then the count is.
    append(&mut lab, 45..55, true, 3).await;
    register(&ctx, "t", &lab, &scanner, head(&lab));
    assert!(run(&ctx, "EXPLAIN SELECT count(*) FROM t").await.contains("DataSourceExec"));
    assert!(run(&ctx, "SELECT count(*), min(k), max(v) FROM t").await.contains("| 90 "));
    assert!(run(&ctx, "EXPLAIN SELECT count(*) FROM t").await.contains("PlaceholderRowExec"));
    assert!(run(&ctx, "EXPLAIN SELECT max(v) FROM t").await.contains("DataSourceExec"));
    assert!(run(&ctx, "SELECT count(*) FROM t").await.contains("| 90 "));
}

#[tokio::test]
async fn files_that_do_not_overlap_are_not_resolved_and_a_second_query_reads_no_key() {
    let mut lab = Lab::new(schema());
    append(&mut lab, 0..50, false, 10).await;
    append(&mut lab, 50..100, false, 10).await;
    append(&mut lab, 90..110, false, 10).await;
    let ctx = context(2, false);
    let scanner = Arc::new(Scanner::new(lab.store.clone()));
    register(&ctx, "t", &lab, &scanner, head(&lab));
    lab.counting.reset();
    run(&ctx, "SELECT * FROM t WHERE k < 40").await;
    assert_eq!(scanner.cache().resolutions(), 0, "the group of the other two files was pruned");
    assert_eq!(lab.counting.snapshot().calls(Op::Get), 1, "one request for a small file");
    run(&ctx, "SELECT * FROM t").await;
    assert_eq!(scanner.cache().resolutions(), 1);
    assert_eq!(lab.counting.snapshot().calls(Op::Get), 3, "each file once");
    run(&ctx, "SELECT sum(v) FROM t WHERE v > 7").await;
    assert_eq!(scanner.cache().resolutions(), 1);
    assert_eq!(lab.counting.snapshot().calls(Op::Get), 3);
}

#[tokio::test]
async fn concurrent_scans_share_one_resolution() {
    let mut lab = Lab::new(schema());
    append(&mut lab, 0..1000, false, 100).await;
    append(&mut lab, 500..700, true, 100).await;
    let ctx = context(4, false);
    let scanner = Arc::new(Scanner::new(lab.store.clone()));
    register(&ctx, "t", &lab, &scanner, head(&lab));
    let runs = (0..8).map(|_| run(&ctx, "SELECT count(*), sum(v) FROM t"));
    let results = futures::future::join_all(runs).await;
    assert!(results.iter().all(|text| text.contains("| 800 ")), "{results:?}");
    assert_eq!(scanner.cache().resolutions(), 1);
}

#[tokio::test]
async fn damaged_and_missing_files_are_errors_that_name_them() {
    let mut lab = Lab::new(schema());
    let file = append(&mut lab, 0..50, false, 10).await;
    let source = crate::merge::FileSource { name: "t".into(), table: lab.table };
    let path = source.path(&file);
    let fails = |lab: &Lab| {
        let ctx = context(2, false);
        register(&ctx, "t", lab, &Arc::new(Scanner::new(lab.store.clone())), head(lab));
        async move { ctx.sql("SELECT sum(v) FROM t").await.unwrap().collect().await.unwrap_err() }
    };
    let mut bytes = lab.store.read(&path).await.unwrap().unwrap().to_vec();
    lab.store.delete(&path).await.unwrap();
    let error = fails(&lab).await;
    let ours = Error::find(&error).unwrap();
    assert_eq!(ours.code(), Code::SnapshotGone, "{error}");
    assert!(ours.message().contains("table t") && ours.message().contains(&file.id.to_string()), "{ours}");
    bytes[20] ^= 1;
    lab.store.put_new(&path, bytes.into()).await.unwrap();
    let error = fails(&lab).await;
    assert_eq!(Error::find(&error).unwrap().code(), Code::Corrupt, "{error}");
}

#[tokio::test]
async fn large_files_are_read_by_ranges() {
    // The limit counts bytes, so the file says that it is large and has room behind its row groups.
    let columns = vec![Field::new("k", DataType::Int64, false), Field::new("s", DataType::Utf8, true)];
    let mut lab = Lab::new(TableSchema::new(columns, vec![], &["k".into()]).unwrap());
    let schema = lab.schema();
    let texts =
        (0..3000_i64).map(|k| (0..100).map(|n| format!("{:x}", (k * 31 + n) * 2_654_435_761)).collect::<String>());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(0..12_000)),
        Arc::new(StringArray::from_iter_values(texts.cycle().take(12_000))),
    ];
    let rows = batch(&schema, columns, vec![false; 12_000]);
    let file = lab.append(&rows, Spec { partition: &[], row_group_rows: 3000, kind: FileKind::Base }).await;
    assert!(file.size > 8 << 20, "{}", file.size);
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1, 5])), Arc::new(StringArray::from(vec![None::<&str>, None]))];
    lab.append(
        &batch(&schema, columns, vec![true, true]),
        Spec { partition: &[], row_group_rows: 10, kind: FileKind::Delta },
    )
    .await;
    let ctx = context(2, false);
    let scanner = Arc::new(Scanner::new(lab.store.clone()));
    register(&ctx, "t", &lab, &scanner, head(&lab));
    lab.counting.reset();
    assert!(run(&ctx, "SELECT count(*), sum(k), min(k) FROM t").await.contains("| 11998    | 71993994"));
    let counts = lab.counting.snapshot();
    assert!(counts.bytes(Op::Get) < 1 << 20, "only the key was read: {}", counts.bytes(Op::Get));
    // A delta, a footer, the keys of the row group that the delta touches, the keys of each row group.
    assert!(counts.calls(Op::Get) <= 7, "{:?}", lab.counting.trace());
    assert!(run(&ctx, "SELECT length(s) > 0 AS ok FROM t WHERE k = 7000").await.contains("true"));
}

/// As where the plan runs in another library's session: no optimizer of ours hands filters down.
#[tokio::test]
async fn filters_known_at_planning_are_in_the_scan_without_an_optimizer() {
    use datafusion::catalog::TableProvider;
    use datafusion::physical_plan::{collect, displayable};
    use datafusion::prelude::{col, lit};

    let mut lab = Lab::new(schema());
    append(&mut lab, 0..50, false, 10).await;
    append(&mut lab, 20..25, true, 10).await;
    let ctx = context(2, true);
    let scanner = Arc::new(Scanner::new(lab.store.clone()));
    let table = super::TestTable { scanner, snapshot: lab.snapshot(), range: head(&lab), schema: lab.schema() };
    let plan = table
        .scan(&ctx.state(), Some(&vec![1]), &[col("t.v").gt_eq(lit(190_i64)), col("k").lt(lit(30_i64))], Some(1))
        .await
        .unwrap();
    let text = displayable(plan.as_ref()).indent(false).to_string();
    assert!(text.contains("predicate=v@1 >= 190") && !text.contains("limit"), "{text}");
    let rows = collect(plan, ctx.task_ctx()).await.unwrap();
    // Keys 19 and 25 to 29.
    assert_eq!(rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 6);
}

#[tokio::test]
async fn a_scan_works_on_disk_too() {
    let folder = tempfile::tempdir().unwrap();
    let _ = DurableLocalStore::new(folder.path(), crate::store::Durability::Relaxed).unwrap();
    let mut lab = Lab::new(schema());
    lab.store = crate::store::Store::new(
        Arc::new(object_store::local::LocalFileSystem::new_with_prefix(folder.path()).unwrap()),
        Path::from("a b"),
    );
    append(&mut lab, 0..50, false, 10).await;
    append(&mut lab, 40..45, true, 10).await;
    let ctx = context(2, true);
    register(&ctx, "t", &lab, &Arc::new(Scanner::new(lab.store.clone())), ReadRange::At(lab.lsn));
    assert!(run(&ctx, "SELECT count(*) FROM t WHERE v >= 400").await.contains("| 5 "));
}
