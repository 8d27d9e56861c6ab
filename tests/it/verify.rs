//! VERIFY TABLE finds every kind of damage, and names the object.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

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
