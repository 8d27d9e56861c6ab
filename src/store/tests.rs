#![allow(clippy::unwrap_used)]
use object_store::memory::InMemory;

use super::testing::{CountingStore, Fault, FaultStore, Op, Rule};
use super::*;

fn memory() -> (FaultStore, Store) {
    let faults = FaultStore::new(Arc::new(InMemory::new()), 1);
    let store = Store::new(Arc::new(faults.clone()), Path::from("deep/lake"));
    (faults, store)
}

fn body(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[tokio::test]
async fn a_create_tells_what_is_known() {
    let (faults, store) = memory();
    let path = layout::LogRoot::Catalog.commit(1);
    assert_eq!(store.create(&path, body("1")).await.unwrap(), Created);
    assert!(matches!(store.create(&path, body("2")).await, Err(PutError::Occupied(_))));
    faults.add(Rule::on(Op::Put).nth(1).fault(Fault::Precondition412));
    faults.add(Rule::on(Op::Put).nth(2).fault(Fault::ApplyThenError));
    assert!(matches!(store.create(&path, body("2")).await, Err(PutError::Occupied(_))));
    let next = layout::LogRoot::Catalog.commit(2);
    let Err(PutError::Unsure(error)) = store.create(&next, body("2")).await else { unreachable!() };
    assert_eq!(error.code(), Code::StoreUnavailable);
    assert!(error.message().contains(next.as_ref()), "{error}");
    assert_eq!(store.read(&next).await.unwrap().unwrap(), "2");
}

#[tokio::test]
async fn commits_go_through_the_log_store_alone() {
    let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (data, log) = (CountingStore::new(Arc::clone(&inner)), CountingStore::new(inner));
    let store = Store::new(Arc::new(data.clone()), Path::default()).with_log_store(Arc::new(log.clone()));
    store.create(&Path::from("commit"), body("1")).await.unwrap();
    store.put_new(&Path::from("file"), body("1")).await.unwrap();
    store.read(&Path::from("commit")).await.unwrap().unwrap();
    assert_eq!((log.snapshot().calls(Op::Put), log.snapshot().total()), (1, 1));
    assert_eq!((data.snapshot().calls(Op::Put), data.snapshot().calls(Op::Get)), (1, 1));
}

#[tokio::test]
async fn a_409_with_nothing_stored_is_no_object() {
    let (faults, store) = memory();
    faults.add(Rule::on(Op::Put).nth(1).fault(Fault::Conflict409));
    store.put_new(&Path::from("file"), body("1")).await.unwrap();
    faults.add(Rule::on(Op::Put).fault(Fault::Conflict409));
    let error = store.put_new(&Path::from("other"), body("1")).await.unwrap_err();
    assert_eq!(error.code(), Code::StoreUnavailable);
    assert_eq!(store.read(&Path::from("other")).await.unwrap(), None);
}

#[tokio::test]
async fn a_full_disk_is_no_open_question() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().to_str().unwrap(), []).unwrap();
    store.create(&Path::from("file"), body("1")).await.unwrap();
    let result = store.create(&Path::from("file/below"), body("1")).await;
    assert!(matches!(result, Err(PutError::NotStored(_))), "{result:?}");
}

#[tokio::test]
async fn a_new_object_is_never_another_one() {
    let (_, store) = memory();
    let path = Path::from("a");
    store.put_new(&path, body("1")).await.unwrap();
    store.put_new(&path, body("1")).await.unwrap();
    assert_eq!(store.put_new(&path, body("2")).await.unwrap_err().code(), Code::Conflict);
}

#[tokio::test]
async fn reads_are_whole_or_errors() {
    let (faults, store) = memory();
    let path = Path::from("a/b");
    assert_eq!(store.read(&path).await.unwrap(), None);
    assert_eq!(store.size(&path).await.unwrap(), None);
    let gone = store.read_range(&path, 0..1).await.unwrap_err();
    assert_eq!(gone.code(), Code::SnapshotGone);
    assert!(gone.message().contains("a/b"));
    store.put_new(&path, body("12345")).await.unwrap();
    assert_eq!(store.size(&path).await.unwrap(), Some(5));
    assert_eq!(store.read_range(&path, 1..3).await.unwrap(), "23");
    assert!(store.read_range(&path, 3..3).await.unwrap().is_empty());
    assert_eq!(store.read_range(&path, 3..9).await.unwrap_err().code(), Code::Corrupt);
    faults.add(Rule::any());
    assert_eq!(store.read(&path).await.unwrap_err().code(), Code::StoreUnavailable);
    assert_eq!(store.size(&path).await.unwrap_err().code(), Code::StoreUnavailable);
    assert_eq!(store.delete(&path).await.unwrap_err().code(), Code::StoreUnavailable);
}

#[tokio::test]
async fn listings_are_complete_sorted_and_relative() {
    let (faults, store) = memory();
    for name in ["t/2", "t/10", "t/1", "u/1"] {
        store.put_new(&Path::from(name), body("x")).await.unwrap();
    }
    let names = |metas: Vec<ObjectMeta>| metas.into_iter().map(|meta| meta.location.to_string()).collect::<Vec<_>>();
    assert_eq!(names(store.list(&Path::from("t")).await.unwrap()), ["t/1", "t/10", "t/2"]);
    assert_eq!(names(store.list(&Path::default()).await.unwrap()).len(), 4);
    assert_eq!(names(store.list_after(&Path::from("t"), &Path::from("t/1")).await.unwrap()), ["t/10", "t/2"]);
    assert_eq!(store.full_path(&Path::from("t/1")).as_ref(), "deep/lake/t/1");
    faults.add(Rule::on(Op::List).fault(Fault::FailMidway { after: 2 }));
    assert_eq!(store.list(&Path::from("t")).await.unwrap_err().code(), Code::StoreUnavailable);
}

#[tokio::test]
async fn deleting_a_missing_object_is_fine_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    for url in ["memory://", dir.path().to_str().unwrap()] {
        let store = Store::open(url, []).unwrap();
        store.delete(&Path::from("none/x")).await.unwrap();
        store.put_new(&Path::from("a/x"), body("1")).await.unwrap();
        store.delete(&Path::from("a/x")).await.unwrap();
        assert_eq!(store.read(&Path::from("a/x")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_writer_makes_one_object_when_it_ends() {
    use tokio::io::AsyncWriteExt;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().to_str().unwrap(), []).unwrap();
    for (name, size) in [("a/small", 10), ("a/large", 11 << 20)] {
        let path = Path::from(name);
        let mut writer = store.writer(&path, 10 << 20);
        writer.write_all(&vec![7; size]).await.unwrap();
        assert_eq!(store.size(&path).await.unwrap(), None);
        writer.shutdown().await.unwrap();
        assert_eq!(store.size(&path).await.unwrap(), Some(size as u64));
    }
}

#[tokio::test]
async fn left_overs_of_crashes_are_swept() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().to_str().unwrap(), []).unwrap();
    store.put_new(&Path::from("a/x"), body("1")).await.unwrap();
    std::fs::write(dir.path().join("a/.tmp-1"), b"half").unwrap();
    assert_eq!(store.sweep_left_overs(&Path::from("a"), Timestamp::EPOCH).await.unwrap(), 0);
    assert_eq!(store.sweep_left_overs(&Path::from("a"), Timestamp::MAX).await.unwrap(), 1);
    assert_eq!(memory().1.sweep_left_overs(&Path::default(), Timestamp::MAX).await.unwrap(), 0);
}

#[test]
fn stores_have_urls_of_their_own_and_shared_parts() {
    let (_, one) = memory();
    let (_, two) = memory();
    assert_ne!(one.store_url(), two.store_url());
    let url = url::Url::parse(one.store_url()).unwrap();
    assert_eq!((url.scheme(), url.path()), ("timetravel", "/"));
    assert!(url.host_str().is_some());
    assert_eq!(one.clone().store_url(), one.store_url());
    let clock = ManualClock::new(Timestamp::from_micros(5));
    let one = one.with_clock(Arc::new(clock)).with_ids(Arc::new(SeededIds::new(1)));
    assert_eq!(one.now(), Timestamp::from_micros(5));
    assert_eq!(one.ids().next(), SeededIds::new(1).next());
    assert!(!format!("{one:?}").contains("InMemory {"));
}
