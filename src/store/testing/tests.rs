#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode};

use super::*;
use crate::store::{Durability, DurableLocalStore};

#[tokio::test(flavor = "multi_thread")]
async fn every_store_keeps_the_laws() {
    let dir = tempfile::tempdir().unwrap();
    let local = |name: &str, durability| Arc::new(DurableLocalStore::new(dir.path().join(name), durability).unwrap());
    let stores: [Arc<dyn ObjectStore>; 6] = [
        Arc::new(InMemory::new()),
        local("full", Durability::Full),
        local("relaxed", Durability::Relaxed),
        Arc::new(FaultStore::new(Arc::new(InMemory::new()), 1)),
        Arc::new(CountingStore::new(Arc::new(InMemory::new()))),
        Arc::new(CountingStore::new(Arc::new(FaultStore::new(local("deep", Durability::Full), 1)))),
    ];
    for store in stores {
        if let Err(broken) = laws::check_all(&store, &Path::from("laws")).await {
            unreachable!("{store}: {broken}");
        }
    }
}

#[tokio::test]
async fn the_laws_find_a_bad_store() {
    let faults = FaultStore::new(Arc::new(InMemory::new()), 1);
    faults.add(Rule::on(Op::Put).fault(Fault::IgnoreCondition));
    let store: Arc<dyn ObjectStore> = Arc::new(faults);
    assert!(laws::put_if_absent(&store, &Path::from("a")).await.is_err());
    assert!(laws::one_winner(&store, &Path::from("b"), 5).await.is_err());
}

async fn put(store: &FaultStore, path: &str, body: &'static str) -> object_store::Result<()> {
    store.put_opts(&Path::from(path), body.into(), PutMode::Create.into()).await.map(drop)
}

async fn exists(store: &FaultStore, path: &str) -> bool {
    store.inner().head(&Path::from(path)).await.is_ok()
}

fn store() -> FaultStore {
    FaultStore::new(Arc::new(InMemory::new()), 7)
}

#[tokio::test]
async fn puts_fail_with_and_without_effect() {
    for (fault, stored) in [
        (Fault::FailBefore, false),
        (Fault::ApplyThenError, true),
        (Fault::Conflict409, false),
        (Fault::Timeout { applied: true }, true),
        (Fault::Timeout { applied: false }, false),
    ] {
        let store = store();
        store.add(Rule::on(Op::Put).path("_log/").nth(2).fault(fault));
        put(&store, "_log/1", "1").await.unwrap();
        put(&store, "data/x", "x").await.unwrap();
        let error = put(&store, "_log/2", "2").await.unwrap_err();
        assert_eq!(matches!(error, Error::AlreadyExists { .. }), fault == Fault::Conflict409);
        assert_eq!(exists(&store, "_log/2").await, stored, "{fault:?}");
        assert_eq!(store.fired(), 1);
        put(&store, "_log/3", "3").await.unwrap();
    }
}

#[tokio::test]
async fn an_existing_object_is_a_failed_precondition() {
    let store = store();
    store.add(Rule::on(Op::Put).fault(Fault::Precondition412));
    put(&store, "a", "1").await.unwrap();
    assert!(matches!(put(&store, "a", "2").await, Err(Error::Precondition { .. })));
}

#[tokio::test]
async fn late_effects_come_when_released_or_after_some_requests() {
    let store = store();
    store.add(Rule::on(Op::Put).path("late").fault(Fault::LateApply { after: None }));
    store.add(Rule::on(Op::Put).path("soon").fault(Fault::LateApply { after: Some(2) }));
    put(&store, "late", "1").await.unwrap_err();
    put(&store, "soon", "1").await.unwrap_err();
    put(&store, "a", "1").await.unwrap();
    put(&store, "b", "1").await.unwrap();
    assert!(!exists(&store, "soon").await);
    put(&store, "c", "1").await.unwrap();
    assert!(exists(&store, "soon").await && !exists(&store, "late").await);
    // Whoever took the place meanwhile keeps it.
    store.clear();
    put(&store, "late", "other").await.unwrap();
    assert_eq!(store.late(), 1);
    store.release().await;
    assert_eq!(store.get(&Path::from("late")).await.unwrap().bytes().await.unwrap(), "other");
}

#[tokio::test]
async fn a_hanging_request_waits_for_its_release() {
    let store = store();
    store.add(Rule::on(Op::Put).first(1).fault(Fault::HangUntilReleased));
    let hanging = tokio::spawn({
        let store = store.clone();
        async move { put(&store, "a", "1").await }
    });
    while store.fired() == 0 {
        tokio::task::yield_now().await;
    }
    put(&store, "b", "1").await.unwrap();
    assert!(!exists(&store, "a").await && !hanging.is_finished());
    store.release().await;
    hanging.await.unwrap().unwrap();
    assert!(exists(&store, "a").await);
}

#[tokio::test]
async fn a_dead_process_does_nothing_until_revived() {
    let store = store();
    store.add(Rule::any().nth(2).fault(Fault::Kill { applied: true }));
    put(&store, "a", "1").await.unwrap();
    put(&store, "b", "1").await.unwrap_err();
    put(&store, "c", "1").await.unwrap_err();
    assert!(store.list(None).try_collect::<Vec<_>>().await.is_err());
    assert!(store.put_multipart(&Path::from("d")).await.is_err());
    assert!(exists(&store, "b").await && !exists(&store, "c").await);
    store.revive();
    put(&store, "c", "1").await.unwrap();
}

#[tokio::test]
async fn reads_listings_and_deletions_fail_too() {
    let store = store();
    let path = Path::from("a");
    put(&store, "a", "1").await.unwrap();
    put(&store, "b", "1").await.unwrap();
    for op in [Op::Get, Op::Head, Op::List, Op::Delete, Op::Copy] {
        store.add(Rule::on(op).first(1));
    }
    store.get(&path).await.unwrap_err();
    store.head(&path).await.unwrap_err();
    store.delete(&path).await.unwrap_err();
    store.copy(&path, &Path::from("c")).await.unwrap_err();
    assert!(store.list(None).try_collect::<Vec<_>>().await.is_err());
    assert_eq!(store.fired(), 5);
    store.add(Rule::on(Op::List).fault(Fault::FailMidway { after: 1 }));
    let mut listing = store.list(None);
    assert!(listing.try_next().await.unwrap().is_some());
    assert!(listing.try_next().await.is_err());
    store.add(Rule::on(Op::Delete).fault(Fault::LateApply { after: None }));
    store.delete(&path).await.unwrap_err();
    assert!(exists(&store, "a").await);
    store.release().await;
    assert!(!exists(&store, "a").await);
}

#[tokio::test]
async fn uploads_fail_in_parts_and_completion() {
    let store = store();
    let path = Path::from("a");
    store.add(Rule::on(Op::Put).nth(1));
    store.add(Rule::on(Op::Put).nth(3).fault(Fault::ApplyThenError));
    store.add(Rule::on(Op::Put).nth(5).fault(Fault::LateApply { after: None }));
    let mut upload = store.put_multipart(&path).await.unwrap();
    upload.put_part("1".into()).await.unwrap_err();
    upload.abort().await.unwrap();
    for stored in [true, false] {
        let mut upload = store.put_multipart(&path).await.unwrap();
        upload.put_part("1".into()).await.unwrap();
        upload.complete().await.unwrap_err();
        assert_eq!(exists(&store, "a").await, stored);
        store.inner().delete(&path).await.unwrap();
    }
    store.release().await;
    assert!(exists(&store, "a").await);
}

#[tokio::test]
async fn a_seed_repeats() {
    let run = |seed| async move {
        let store = FaultStore::new(Arc::new(InMemory::new()), seed);
        store.add(Rule::on(Op::Put).probability(0.5));
        let mut outcomes = Vec::new();
        for n in 0..64 {
            outcomes.push(store.put(&Path::from(format!("{n}")), "x".into()).await.is_ok());
        }
        outcomes
    };
    assert_eq!(run(3).await, run(3).await);
    assert_ne!(run(3).await, run(4).await);
}

#[tokio::test]
async fn requests_are_counted_with_bytes_and_ranges() {
    let store = CountingStore::new(Arc::new(InMemory::new()));
    let path = Path::from("a/b");
    store.put(&path, "12345".into()).await.unwrap();
    store.get_range(&path, 1..3).await.unwrap();
    store.get(&path).await.unwrap();
    store.get(&Path::from("none")).await.unwrap_err();
    store.head(&path).await.unwrap();
    store.list(Some(&Path::from("a"))).try_collect::<Vec<_>>().await.unwrap();
    store.delete(&path).await.unwrap();
    let mut upload = store.put_multipart(&path).await.unwrap();
    upload.put_part("1234567".into()).await.unwrap();
    upload.complete().await.unwrap();
    let counts = store.snapshot();
    assert_eq!(Op::ALL.map(|op| counts.calls(op)), [3, 3, 1, 1, 1, 0]);
    assert_eq!((counts.bytes(Op::Put), counts.bytes(Op::Get)), (12, 7));
    assert_eq!((counts.total(), counts.writes()), (9, 4));
    let trace = store.trace();
    assert_eq!(trace.get(1), Some(&Call { op: Op::Get, path: path.clone(), range: Some(1..3), bytes: 2 }));
    store.reset();
    assert_eq!(store.snapshot(), Counts::default());
}

#[tokio::test]
async fn a_request_that_hangs_is_never_answered() {
    for applied in [true, false] {
        let store = store();
        store.add(Rule::on(Op::Put).nth(1).fault(Fault::Hang { applied }));
        let hanging = tokio::spawn({
            let store = store.clone();
            async move { put(&store, "a", "1").await }
        });
        store.until_fired(1).await;
        store.release().await;
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        assert!(!hanging.is_finished());
        hanging.abort();
        assert_eq!(exists(&store, "a").await, applied);
        assert_eq!(store.requests(), 1);
    }
}

#[tokio::test]
async fn every_fault_that_fired_is_told() {
    let store = store();
    store.add(Rule::on(Op::Put).nth(2).fault(Fault::ApplyThenError));
    put(&store, "a", "1").await.unwrap();
    put(&store, "b", "1").await.unwrap_err();
    put(&store, "c", "1").await.unwrap();
    let fired = Fired { request: 2, op: Op::Put, path: Path::from("b"), fault: Fault::ApplyThenError };
    assert_eq!(store.history(), [fired]);
    assert_eq!((store.requests(), store.fired()), (3, 1));
    assert_eq!(store.to_string(), "FaultStore(seed 7, InMemory)");
}

async fn names(store: &FaultStore) -> Vec<String> {
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    let mut names: Vec<String> = listed.into_iter().map(|meta| meta.location.to_string()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn listings_are_short_or_stale_without_a_word() {
    let store = store();
    for name in ["a", "b", "c"] {
        put(&store, name, "1").await.unwrap();
    }
    store.delete(&Path::from("a")).await.unwrap();
    store.add(Rule::on(Op::List).nth(1).fault(Fault::ShortList { keep: 1 }));
    assert_eq!(names(&store).await.len(), 1);
    store.clear();
    store.add(Rule::on(Op::List).nth(1).fault(Fault::StaleList { newest: 1, deleted: false }));
    assert_eq!(names(&store).await, ["b"]);
    store.clear();
    store.add(Rule::on(Op::List).nth(1).fault(Fault::StaleList { newest: 2, deleted: true }));
    assert_eq!(names(&store).await, ["a"]);
    assert_eq!(names(&store).await, ["b", "c"]);
    // What is put again is no deleted object, and a listing of a folder shows what is below it only.
    put(&store, "a", "2").await.unwrap();
    store.clear();
    store.add(Rule::on(Op::List).fault(Fault::StaleList { newest: 0, deleted: true }));
    assert_eq!(names(&store).await, ["a", "b", "c"]);
    put(&store, "x/1", "1").await.unwrap();
    store.delete(&Path::from("x/1")).await.unwrap();
    assert_eq!(names(&store).await, ["a", "b", "c", "x/1"]);
    let below: Vec<_> = store.list(Some(&Path::from("y"))).try_collect().await.unwrap();
    assert!(below.is_empty());
    // Reads are as they are.
    assert!(store.get(&Path::from("x/1")).await.is_err());
}

#[tokio::test]
async fn what_is_read_is_damaged_and_what_is_stored_is_not() {
    let store = store();
    let path = Path::from("a");
    put(&store, "a", "0123456789").await.unwrap();
    let read = || async { store.get(&path).await.unwrap().bytes().await.unwrap() };
    store.add(Rule::on(Op::Get).fault(Fault::FlipBit { bit: Some(8) }));
    assert_eq!(read().await, "0023456789");
    assert_eq!(store.get_range(&path, 4..6).await.unwrap(), "44");
    store.clear();
    store.add(Rule::on(Op::Get).fault(Fault::FlipBit { bit: None }));
    let flipped = read().await;
    let bits: u32 = flipped.iter().zip(b"0123456789").map(|(a, b)| (a ^ b).count_ones()).sum();
    assert_eq!(bits, 1);
    store.clear();
    store.add(Rule::any().fault(Fault::Truncate { keep: 4 }));
    assert_eq!(read().await, "0123");
    assert_eq!(store.head(&path).await.unwrap().size, 4);
    assert_eq!(store.get_range(&path, 2..8).await.unwrap(), "23");
    store.get_range(&path, 5..8).await.unwrap_err();
    let suffix = GetOptions { range: Some(object_store::GetRange::Suffix(3)), ..GetOptions::default() };
    assert_eq!(store.get_opts(&path, suffix).await.unwrap().bytes().await.unwrap(), "123");
    store.clear();
    assert_eq!(read().await, "0123456789");
}

#[tokio::test]
async fn a_mix_of_faults_repeats_with_its_seed() {
    let run = |seed| async move {
        let store = FaultStore::seeded(Arc::new(InMemory::new()), seed, 0.3);
        for n in 0..200 {
            let path = Path::from(format!("{n}"));
            let _ = store.put_opts(&path, "x".into(), PutMode::Create.into()).await;
            let _ = store.get(&path).await;
            let _ = store.list(None).try_collect::<Vec<_>>().await;
        }
        store.history()
    };
    let history = run(3).await;
    assert_eq!(history, run(3).await);
    assert_ne!(history, run(4).await);
    assert!((100..260).contains(&history.len()), "{} of 600 at 0.3", history.len());
    let kinds: std::collections::HashSet<_> =
        history.iter().map(|fired| std::mem::discriminant(&fired.fault)).collect();
    assert!(kinds.len() >= 6, "{history:?}");
}
