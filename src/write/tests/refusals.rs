//! What can't be written is refused, and leaves nothing behind.

use super::*;
use crate::store::testing::{Fault, FaultStore, Rule};

#[tokio::test]
async fn broken_constraints_change_nothing() {
    let schema = {
        let fields = vec![
            Field::new("k", DataType::Int64, false),
            Field::new("n", DataType::Utf8, false),
            Field::new("small", DataType::Int8, true),
        ];
        Arc::new(TableSchema::new(fields, vec![Field::new("p", DataType::Utf8, false)], &["k".to_owned()]).unwrap())
    };
    let good = || {
        batch(vec![("k", ints([1, 2])), ("n", texts(["a", "b"])), ("small", ints([1, 2])), ("p", texts(["x", "y"]))])
    };
    let with = |at: usize, array: ArrayRef| {
        let mut columns = good().columns().to_vec();
        columns[at] = array;
        RecordBatch::try_new(good().schema(), columns).unwrap()
    };
    let null_text = || -> ArrayRef { Arc::new(StringArray::from(vec![Some("a"), None])) };
    let cases = [
        (with(0, Arc::new(Int64Array::from(vec![Some(1), None]))), Code::ConstraintViolation, "\"k\""),
        (with(1, null_text()), Code::ConstraintViolation, "(key k=2): column \"n\""),
        (with(2, ints([1, 128])), Code::InvalidArgument, "row 4: column \"small\""),
        (with(3, null_text()), Code::ConstraintViolation, "\"p\""),
        (
            with(3, texts(["x", ""])),
            Code::ConstraintViolation,
            "row 4 (key k=2): column \"p\" of table default.t is empty",
        ),
    ];
    for (bad, code, says) in cases {
        let store = memory();
        let error = run(request(&store, &schema), vec![good(), bad.clone()]).await.unwrap_err();
        assert_eq!(our_code(&error), code);
        assert!(error.to_string().contains(says), "{error}");
        // Also where files were written before the row was seen.
        let mut streaming = request(&store, &schema);
        streaming.sorted = true;
        let error = run(streaming, vec![good(), bad]).await.unwrap_err();
        assert!([code, Code::Internal].contains(&our_code(&error)), "{error}");
        assert_eq!(objects(&store).await, 0);
    }
    let store = memory();
    let written = run(request(&store, &schema), vec![good()]).await.unwrap();
    assert_eq!(written.files.len(), 2);
}

#[tokio::test]
async fn two_rows_with_a_key_can_be_refused_but_a_row_beside_a_tombstone_is_fine() {
    let schema = table(&[("k", DataType::Int64), ("v", DataType::Int64)], &[], &["k"]);
    let store = memory();
    let mut update = request(&store, &schema);
    update.duplicates = Duplicates::Refuse("UPDATE");
    update.kind = Arc::new(|_| FileKind::Delta);
    // k = k + 1 of the keys 1, 2, 3: every old key is removed, every new one written, in any order.
    let shifted =
        vec![with_tombstones(&[2, 1, 3], &[false, true, false]), with_tombstones(&[2, 4, 3], &[true, false, true])];
    let written = run(update.clone(), shifted).await.unwrap();
    let found = rows_of(&store, &schema, &written.files[0]).await;
    assert_eq!(found.column(0).as_primitive::<Int64Type>().values(), &[1, 2, 3, 4]);
    assert_eq!(found.column(2).as_boolean().iter().flatten().collect::<Vec<_>>(), [true, false, false, false]);

    let before = objects(&store).await;
    let twice = vec![with_tombstones(&[5, 6], &[false, false]), with_tombstones(&[6, 6], &[true, false])];
    let error = run(update, twice).await.unwrap_err();
    assert_eq!(our_code(&error), Code::ConstraintViolation);
    assert!(error.to_string().contains("UPDATE of table default.t would give the key k=6 to two rows"), "{error}");
    assert_eq!(objects(&store).await, before);
}

#[tokio::test]
async fn rows_said_to_be_sorted_are_checked() {
    let schema = table(&[("k", DataType::Int64)], &["p"], &["k"]);
    let one = |keys: [i64; 2], partitions: [&str; 2]| batch(vec![("k", ints(keys)), ("p", texts(partitions))]);
    let store = memory();
    let mut sorted = request(&store, &schema);
    sorted.sorted = true;
    let written = run(sorted.clone(), vec![one([1, 2], ["a", "a"]), one([2, 1], ["a", "b"])]).await.unwrap();
    assert_eq!(written.files.iter().map(|file| file.file.rows).collect::<Vec<_>>(), [2, 1]);
    let before = objects(&store).await;
    for wrong in [
        vec![one([2, 1], ["a", "a"])],
        vec![one([1, 2], ["a", "a"]), one([1, 2], ["a", "b"])],
        vec![one([1, 2], ["b", "a"])],
    ] {
        let error = run(sorted.clone(), wrong).await.unwrap_err();
        assert_eq!(our_code(&error), Code::Internal);
    }
    assert_eq!(objects(&store).await, before);
}

#[tokio::test]
async fn short_memory_is_an_error_of_datafusion() {
    let store = memory();
    let schema = table(&[("k", DataType::Int64)], &[], &["k"]);
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(1_000, 1.0).build_arc().unwrap();
    let task = Arc::new(TaskContext::default().with_runtime(runtime));
    let error = run_with(request(&store, &schema), vec![batch(vec![("k", ints(0..10_000))])], task).await.unwrap_err();
    assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{error}");
    assert_eq!(objects(&store).await, 0);
}

#[tokio::test]
async fn a_dropped_write_leaves_at_most_unreferenced_objects() {
    let store = memory();
    let schema = table(&[("k", DataType::Int64)], &["p"], &["k"]);
    let rows = batch(vec![("k", ints([1, 2])), ("p", texts(["a", "b"]))]);
    let endless = stream::iter([Ok(rows.clone())]).chain(stream::pending());
    let mut sorted = request(&store, &schema);
    sorted.sorted = true;
    let input = Box::pin(RecordBatchStreamAdapter::new(rows.schema(), endless));
    let writing = write(sorted, input, Arc::new(TaskContext::default()));
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), writing).await.is_err());
    assert_eq!(run(request(&store, &schema), vec![rows]).await.unwrap().files.len(), 2);
}

#[tokio::test]
async fn what_was_written_goes_when_a_put_fails() {
    let schema = table(&[("k", DataType::Int64)], &["p"], &["k"]);
    let rows = || vec![batch(vec![("k", ints(0..5)), ("p", texts(["a", "b", "c", "d", "e"]))])];
    for fault in [Fault::FailBefore, Fault::ApplyThenError] {
        let faulty = FaultStore::new(Arc::new(InMemory::new()), 1);
        faulty.add(Rule::on(Op::Put).nth(3).fault(fault));
        let store = Store::new(Arc::new(faulty), Path::default());
        let error = run(request(&store, &schema), rows()).await.unwrap_err();
        assert_eq!(our_code(&error), Code::StoreUnavailable);
        assert_eq!(objects(&store).await, 0);
        assert_eq!(run(request(&store, &schema), rows()).await.unwrap().files.len(), 5);
    }
}
