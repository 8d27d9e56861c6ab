//! VERIFY TABLE finds every kind of damage, and names the object.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use datafusion_timetravel::store::testing::{CountingStore, Op};
use datafusion_timetravel::{Code, Error};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::lake::Session;

async fn objects(store: &InMemory, part: &str) -> Vec<Path> {
    let all: Vec<_> = store.list(Some(&Path::from("tables"))).map_ok(|meta| meta.location).try_collect().await.unwrap();
    let mut found: Vec<Path> = all.into_iter().filter(|path| path.as_ref().contains(part)).collect();
    found.sort();
    found
}

async fn damage(session: &Session) -> String {
    let error = session.run("VERIFY TABLE t").await.expect_err("damage was not found");
    let error = Error::find(&error).unwrap();
    assert_eq!(error.code(), Code::Corrupt, "{error}");
    error.message().to_owned()
}

#[tokio::test]
async fn every_damaged_or_missing_object_is_named() {
    let store = Arc::new(InMemory::new());
    let session = Session::open(Arc::clone(&store) as _).await;
    for sql in [
        "CREATE TABLE t (a BIGINT PRIMARY KEY, b STRING)",
        "INSERT INTO t VALUES (1, 'x'), (2, 'y')",
        "INSERT OVERWRITE TABLE t VALUES (3, 'z')",
    ] {
        session.run(sql).await.unwrap();
    }
    assert!(session.run("VERIFY TABLE t").await.unwrap()[0].starts_with("3 2 "));
    let files = objects(&store, "/data/").await;
    let commits = objects(&store, "/_log/").await;
    assert_eq!((files.len(), commits.len()), (2, 3));
    for path in files.iter().chain(&commits) {
        let whole = store.get(path).await.unwrap().bytes().await.unwrap();
        let mut flipped = whole.to_vec();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        for body in [Some(flipped), Some(whole[..whole.len() - 1].to_vec()), None] {
            match body {
                Some(body) => drop(store.put(path, body.into()).await.unwrap()),
                None => store.delete(path).await.unwrap(),
            }
            let message = damage(&session).await;
            assert!(message.contains(path.as_ref()), "{path}: {message}");
        }
        store.put(path, whole.into()).await.unwrap();
    }
    session.run("VERIFY TABLE t").await.unwrap();
}

/// Bytes of data files that a statement reads.
async fn bytes_read(session: &Session, counts: &CountingStore, sql: &str) -> u64 {
    counts.reset();
    session.ok(sql).await;
    let of_data = |path: &Path| path.as_ref().contains("/data/");
    counts.trace().iter().filter(|call| call.op == Op::Get && of_data(&call.path)).map(|call| call.bytes).sum()
}

/// A damaged file over 8 MiB is told where that is asked for, and by whatever writes its rows again; what is whole is read
/// for that once.
#[tokio::test]
async fn large_files_are_verified_where_asked_to() {
    let objects = Arc::new(InMemory::new());
    let session = Session::open(Arc::clone(&objects) as _).await;
    session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, v STRING)").await;
    session.ok("INSERT INTO t SELECT value, md5(CAST(value AS STRING)) FROM generate_series(1, 600000)").await;
    session.ok("INSERT INTO t VALUES (1, 'x')").await;
    let mut large = None;
    for path in self::objects(&objects, "/data/").await {
        let size = objects.head(&path).await.unwrap().size;
        large = large.max(Some((size, path)));
    }
    let (size, path) = large.unwrap();
    assert!(size > 8 << 20, "{size}");

    let counts = CountingStore::new(Arc::clone(&objects) as _);
    let fresh = Session::open(Arc::new(counts.clone())).await;
    let query = "SELECT max(v) FROM t WHERE k BETWEEN 300000 AND 300010";
    let without = bytes_read(&fresh, &counts, query).await;
    assert!(without < size, "{without} of {size}");
    fresh.ok("SET timetravel.verify = 'always'").await;
    let first = bytes_read(&fresh, &counts, query).await;
    assert!((size..size + without + 1).contains(&first), "{first} of {size}, {without} without");
    let second = bytes_read(&fresh, &counts, query).await;
    assert!(second <= without, "{second}, {without} without");

    let whole = objects.get(&path).await.unwrap().bytes().await.unwrap();
    let mut flipped = whole.to_vec();
    // Not in what the query reads: only the digest tells.
    flipped[1_000] ^= 1;
    objects.put(&path, flipped.into()).await.unwrap();
    let fresh = Session::open(Arc::clone(&objects) as _).await;
    fresh.ok(query).await;
    fresh.ok("SET timetravel.verify = 'always'").await;
    let all = [query, "SELECT count(v) FROM t", "ALTER TABLE t COMPACT MAJOR"];
    for sql in all {
        let error = fresh.run(sql).await.unwrap_err();
        let error = Error::find(&error).unwrap();
        assert_eq!(error.code(), Code::Corrupt, "{sql}: {error}");
        assert!(error.message().contains(path.as_ref()) && error.message().contains("table t"), "{sql}: {error}");
    }
    fresh.ok("SET timetravel.verify = 'small'").await;
    let error = fresh.run("ALTER TABLE t COMPACT MAJOR").await.unwrap_err();
    assert_eq!(Error::find(&error).unwrap().code(), Code::Corrupt, "{error}");
}
