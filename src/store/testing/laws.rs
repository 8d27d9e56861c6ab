//! What the commit protocol takes for granted of an object store, as checks that run on any.
//!
//! Each law works below a prefix of its own and tells in words what was broken.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use tokio::task::JoinSet;

/// How a law fails: what was observed.
pub type Verdict = Result<(), String>;

/// Checks every law below the prefix, which must be empty.
pub async fn check_all(store: &Arc<dyn ObjectStore>, prefix: &Path) -> Verdict {
    put_if_absent(store, &prefix.clone().join("absent")).await?;
    one_winner(store, &prefix.clone().join("race"), 50).await?;
    ranges(store, &prefix.clone().join("ranges")).await?;
    listing(store, &prefix.clone().join("list")).await?;
    deletion(store, &prefix.clone().join("delete")).await?;
    multipart(store, &prefix.clone().join("multipart")).await
}

/// A put-if-absent of an existing object is refused and changes nothing.
pub async fn put_if_absent(store: &Arc<dyn ObjectStore>, prefix: &Path) -> Verdict {
    let path = prefix.clone().join("object");
    ensure(matches!(store.get(&path).await, Err(Error::NotFound { .. })), "a missing object is not NotFound")?;
    store.put_opts(&path, "first".into(), create()).await.map_err(text)?;
    match store.put_opts(&path, "second".into(), create()).await {
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
        other => return Err(format!("a second put-if-absent was answered {other:?}")),
    }
    ensure(read(store, &path).await? == "first", "the refused put changed the object")
}

/// Of many put-if-absents of one object at the same time exactly one wins, and its bytes are there.
pub async fn one_winner(store: &Arc<dyn ObjectStore>, prefix: &Path, racers: usize) -> Verdict {
    for round in 0..3 {
        let path = prefix.clone().join(format!("slot-{round}"));
        let mut race = JoinSet::new();
        for racer in 0..racers {
            let (store, path) = (Arc::clone(store), path.clone());
            race.spawn(async move {
                let body = format!("racer {racer}");
                (body.clone(), store.put_opts(&path, body.into_bytes().into(), create()).await)
            });
        }
        let mut winners = Vec::new();
        while let Some(joined) = race.join_next().await {
            match joined.map_err(text)? {
                (body, Ok(_)) => winners.push(body),
                (_, Err(Error::AlreadyExists { .. } | Error::Precondition { .. })) => {}
                (body, Err(error)) => return Err(format!("{body} got {error}")),
            }
        }
        ensure(winners.len() == 1, &format!("{} of {racers} racers won", winners.len()))?;
        ensure(Some(&read(store, &path).await?) == winners.first(), "the object is not the winner's")?;
    }
    Ok(())
}

/// Ranges return the bytes asked for, ending with the object; none past its end.
pub async fn ranges(store: &Arc<dyn ObjectStore>, prefix: &Path) -> Verdict {
    let path = prefix.clone().join("object");
    store.put_opts(&path, "0123456789".into(), create()).await.map_err(text)?;
    for (range, expected) in [(0..10, "0123456789"), (3..5, "34"), (9..10, "9"), (8..20, "89")] {
        let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        let bytes = store.get_opts(&path, options).await.map_err(text)?.bytes().await.map_err(text)?;
        ensure(bytes == expected, &format!("the range {range:?} returned {bytes:?}"))?;
    }
    let offset = GetOptions { range: Some(GetRange::Offset(7)), ..GetOptions::default() };
    let bytes = store.get_opts(&path, offset).await.map_err(text)?.bytes().await.map_err(text)?;
    ensure(bytes == "789", &format!("the bytes from 7 on were {bytes:?}"))?;
    let many = store.get_ranges(&path, &[5..6, 0..2, 2..4]).await.map_err(text)?;
    ensure(many == ["5", "01", "23"], &format!("several ranges returned {many:?}"))?;
    ensure(store.get_range(&path, 10..12).await.is_err(), "a range past the end was answered")?;
    let meta = store.head(&path).await.map_err(text)?;
    ensure(meta.size == 10 && meta.location == path, &format!("the head says {meta:?}"))
}

/// A listing is complete, and after an offset it begins behind it; prefixes are whole segments.
pub async fn listing(store: &Arc<dyn ObjectStore>, prefix: &Path) -> Verdict {
    let mut expected: Vec<Path> = (0..25).map(|n| prefix.clone().join("a").join(format!("{n:016}.json"))).collect();
    expected.extend([prefix.clone().join("a").join("deep").join("x"), prefix.clone().join("a.b")]);
    let neighbour = prefix.clone().join("ab").join("x");
    for path in expected.iter().chain([&neighbour]) {
        store.put_opts(path, "x".into(), create()).await.map_err(text)?;
    }
    let folder = prefix.clone().join("a");
    expected.retain(|path| path.prefix_matches(&folder));
    expected.sort();
    let listed = list(store.list(Some(&folder)).try_collect().await)?;
    ensure(listed == expected, &format!("listed {listed:?}"))?;
    let offset = folder.clone().join(format!("{:016}.json", 20));
    expected.retain(|path| *path > offset);
    let listed = list(store.list_with_offset(Some(&folder), &offset).try_collect().await)?;
    ensure(listed == expected, &format!("listed {listed:?} after {offset}"))?;
    let level = store.list_with_delimiter(Some(&folder)).await.map_err(text)?;
    ensure(level.objects.len() == 25, &format!("one level has {} objects", level.objects.len()))?;
    ensure(level.common_prefixes == [folder.join("deep")], &format!("one level has {:?}", level.common_prefixes))?;
    let nothing = list(store.list(Some(&prefix.clone().join("none"))).try_collect().await)?;
    ensure(nothing.is_empty(), "a missing folder is not empty")
}

/// A deleted object is gone; deleting a missing one is no failure worse than NotFound.
pub async fn deletion(store: &Arc<dyn ObjectStore>, prefix: &Path) -> Verdict {
    let path = prefix.clone().join("object");
    store.put_opts(&path, "x".into(), create()).await.map_err(text)?;
    store.delete(&path).await.map_err(text)?;
    ensure(matches!(store.head(&path).await, Err(Error::NotFound { .. })), "a deleted object is still there")?;
    match store.delete(&path).await {
        Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(format!("deleting a missing object was answered {error}")),
    }
}

/// An upload in parts is invisible until completed, and whole then; an aborted one leaves nothing.
pub async fn multipart(store: &Arc<dyn ObjectStore>, prefix: &Path) -> Verdict {
    const PART: usize = 5 * 1024 * 1024;
    let path = prefix.clone().join("object");
    let mut upload = store.put_multipart(&path).await.map_err(text)?;
    let parts: Vec<_> = [b'a', b'b'].into_iter().map(|byte| upload.put_part(vec![byte; PART].into())).collect();
    let tail = upload.put_part("tail".into());
    futures::future::try_join_all(parts.into_iter().chain([tail])).await.map_err(text)?;
    ensure(store.head(&path).await.is_err(), "an upload is visible before it is complete")?;
    upload.complete().await.map_err(text)?;
    let size = store.head(&path).await.map_err(text)?.size;
    ensure(size == 2 * PART as u64 + 4, &format!("the uploaded object has {size} bytes"))?;
    let middle = PART as u64;
    let seam = store.get_range(&path, middle - 1..middle + 1).await.map_err(text)?;
    ensure(seam == "ab", "the parts are out of order")?;
    let aborted = prefix.clone().join("aborted");
    let mut upload = store.put_multipart(&aborted).await.map_err(text)?;
    upload.put_part("x".into()).await.map_err(text)?;
    upload.abort().await.map_err(text)?;
    ensure(store.head(&aborted).await.is_err(), "an aborted upload left an object")
}

fn create() -> PutOptions {
    PutOptions { mode: PutMode::Create, ..PutOptions::default() }
}

async fn read(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<String, String> {
    let bytes = store.get(path).await.map_err(text)?.bytes().await.map_err(text)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The paths, sorted: a store may list in an order of its own.
fn list(listed: object_store::Result<Vec<ObjectMeta>>) -> Result<Vec<Path>, String> {
    let mut paths: Vec<Path> = listed.map_err(text)?.into_iter().map(|meta| meta.location).collect();
    paths.sort();
    Ok(paths)
}

fn ensure(holds: bool, otherwise: &str) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
