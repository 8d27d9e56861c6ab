#![allow(clippy::unwrap_used, clippy::panic)]
use std::sync::atomic::{AtomicBool, Ordering};

use object_store::ObjectStoreExt;

use super::*;

fn create(body: &'static str) -> (PutPayload, PutOptions) {
    (body.into(), PutOptions { mode: PutMode::Create, ..PutOptions::default() })
}

async fn put_new(store: &DurableLocalStore, path: &str) -> Result<PutResult> {
    let (body, options) = create("body");
    store.put_opts(&Path::from(path), body, options).await
}

fn files(folder: &FsPath) -> Vec<String> {
    let mut names: Vec<String> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn parents_come_with_the_first_object() {
    let dir = tempfile::tempdir().unwrap();
    for durability in [Durability::Full, Durability::Relaxed] {
        let root = dir.path().join(format!("not/there/yet-{durability:?}"));
        let store = DurableLocalStore::new(&root, durability).unwrap();
        assert!(store.list(None).next().await.is_none());
        assert!(!root.exists());
        put_new(&store, "a/b/c").await.unwrap();
        assert_eq!(std::fs::read(root.join("a/b/c")).unwrap(), b"body");
        assert_eq!(files(&root.join("a/b")), ["c"]);
    }
}

#[tokio::test]
async fn a_folder_that_was_removed_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("lake");
    let store = DurableLocalStore::new(&root, Durability::Full).unwrap();
    put_new(&store, "a/1").await.unwrap();
    std::fs::remove_dir_all(&root).unwrap();
    put_new(&store, "a/1").await.unwrap();
    assert!(root.join("a/1").exists());
}

#[tokio::test]
async fn a_failed_fsync_is_an_unknown_outcome() {
    let dir = tempfile::tempdir().unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let watch = DiskWatch::new({
        let broken = Arc::clone(&broken);
        move |step| match step {
            DiskStep::SyncFolder(_) if broken.load(Ordering::SeqCst) => Err(std::io::Error::other("broken")),
            _ => Ok(()),
        }
    });
    let store = DurableLocalStore::watched(dir.path(), Durability::Full, watch).unwrap();
    put_new(&store, "a/1").await.unwrap();
    broken.store(true, Ordering::SeqCst);
    let error = put_new(&store, "a/2").await.unwrap_err();
    assert!(error.to_string().contains("outcome unknown"), "{error}");
    assert!(!is_not_stored(&error));
    let Error::Generic { source, .. } = error else { panic!("another error") };
    assert!(source.is::<OutcomeUnknown>());
    broken.store(false, Ordering::SeqCst);
    // The folder is not trusted again by who saw it fail: a later fsync proves nothing.
    assert!(is_not_stored(&put_new(&store, "a/3").await.unwrap_err()));
    let anew = DurableLocalStore::new(dir.path(), Durability::Full).unwrap();
    assert!(matches!(put_new(&anew, "a/2").await.unwrap_err(), Error::AlreadyExists { .. }));
    assert_eq!(files(&dir.path().join("a")), ["1", "2"]);
}

#[cfg(unix)]
#[tokio::test]
async fn what_certainly_was_not_stored_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = DurableLocalStore::new(dir.path(), Durability::Full).unwrap();
    put_new(&store, "file").await.unwrap();
    let error = put_new(&store, "file/below").await.unwrap_err();
    assert!(is_not_stored(&error), "{error}");
    assert!(matches!(store.get(&Path::from("file/below")).await.unwrap_err(), Error::NotFound { .. }));
    assert!(store.get(&Path::from("file")).await.is_ok());
}

#[tokio::test]
async fn left_overs_are_hidden_and_swept_by_age() {
    let dir = tempfile::tempdir().unwrap();
    let store = DurableLocalStore::new(dir.path(), Durability::Relaxed).unwrap();
    put_new(&store, "a/1").await.unwrap();
    let left = dir.path().join("a/.tmp-0123");
    std::fs::write(&left, b"half").unwrap();
    let listed: Vec<ObjectMeta> = store.list(None).try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
    let modified = Timestamp::from(left.metadata().unwrap().modified().unwrap());
    assert_eq!(store.left_overs(&Path::from("a"), modified).await.unwrap(), Vec::<PathBuf>::new());
    let later = modified.next().unwrap();
    assert_eq!(store.left_overs(&Path::from("b"), later).await.unwrap(), Vec::<PathBuf>::new());
    assert_eq!(store.left_overs(&Path::default(), later).await.unwrap().len(), 1);
    assert_eq!(store.sweep_left_overs(&Path::from("a"), later).await.unwrap(), 1);
    assert_eq!(files(&dir.path().join("a")), ["1"]);
    // Nobody can name an object like a temporary file.
    assert!(matches!(put_new(&store, "a/.tmp-x").await.unwrap_err(), Error::NotSupported { .. }));
    assert!(matches!(put_new(&store, ".tmp-x/a").await.unwrap_err(), Error::NotSupported { .. }));
}

#[tokio::test]
async fn uploads_are_new_objects_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = DurableLocalStore::new(dir.path(), Durability::Full).unwrap();
    let path = Path::from("a/big");
    let mut aborted = store.put_multipart(&path).await.unwrap();
    aborted.put_part("xx".into()).await.unwrap();
    aborted.abort().await.unwrap();
    assert!(aborted.complete().await.is_err());
    let mut dropped = store.put_multipart(&path).await.unwrap();
    dropped.put_part("xx".into()).await.unwrap();
    drop(dropped);
    let mut forgetful = store.put_multipart(&path).await.unwrap();
    drop(forgetful.put_part("xx".into()));
    assert!(is_not_stored(&forgetful.complete().await.unwrap_err()));
    assert_eq!(files(&dir.path().join("a")), Vec::<String>::new());
    let mut first = store.put_multipart(&path).await.unwrap();
    let mut second = store.put_multipart(&path).await.unwrap();
    // Parts may be written in any order.
    let (one, two) = (first.put_part("on".into()), first.put_part("e".into()));
    two.await.unwrap();
    one.await.unwrap();
    second.put_part("two".into()).await.unwrap();
    first.complete().await.unwrap();
    assert!(matches!(second.complete().await.unwrap_err(), Error::AlreadyExists { .. }));
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "one");
    assert_eq!(files(&dir.path().join("a")), ["big"]);
}

#[cfg(unix)]
#[tokio::test]
async fn symbolic_links_lead_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), b"x").unwrap();
    let root = dir.path().join("lake");
    std::fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink(&outside, root.join("out")).unwrap();
    std::os::unix::fs::symlink(outside.join("secret"), root.join("link")).unwrap();
    let store = DurableLocalStore::new(&root, Durability::Relaxed).unwrap();
    assert!(matches!(store.get(&Path::from("out/secret")).await.unwrap_err(), Error::PermissionDenied { .. }));
    assert!(store.get(&Path::from("link")).await.is_err());
    assert!(put_new(&store, "out/new").await.is_err());
    assert!(put_new(&store, "out/deep/new").await.is_err());
    assert!(store.delete(&Path::from("out/secret")).await.is_err());
    assert!(store.list(Some(&Path::from("out"))).try_collect::<Vec<_>>().await.is_err());
    assert!(store.list(None).try_collect::<Vec<_>>().await.unwrap().is_empty());
    assert_eq!(files(&outside), ["secret"]);
    // A link in the path of the root itself is fine: it is resolved once.
    std::os::unix::fs::symlink(&root, dir.path().join("alias")).unwrap();
    let alias = DurableLocalStore::new(dir.path().join("alias"), Durability::Relaxed).unwrap();
    assert_eq!(alias.root(), store.root());
}

#[test]
fn a_root_is_absolute_and_clean() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap().join("inside");
    std::fs::create_dir(&base).unwrap();
    let new = |path: PathBuf| DurableLocalStore::new(path, Durability::Full);
    assert_eq!(new(base.join("./a//b")).unwrap().root(), base.join("a/b"));
    assert_eq!(new(base.join("../x")).unwrap().root(), base.parent().unwrap().join("x"));
    assert!(new(base.join("a/../../b")).is_err());
    std::fs::write(base.join("file"), b"").unwrap();
    assert!(new(base.join("file")).is_err());
    assert!(new(PathBuf::from("lake")).unwrap().root().is_absolute());
}

#[tokio::test]
async fn replacing_and_copying_leave_no_litter() {
    let dir = tempfile::tempdir().unwrap();
    let store = DurableLocalStore::new(dir.path(), Durability::Full).unwrap();
    let (a, b) = (Path::from("a"), Path::from("b"));
    store.put(&a, "1".into()).await.unwrap();
    store.put(&a, "2".into()).await.unwrap();
    store.copy(&a, &b).await.unwrap();
    store.copy(&a, &b).await.unwrap();
    store.copy(&a, &a).await.unwrap();
    assert!(matches!(store.copy_if_not_exists(&a, &b).await.unwrap_err(), Error::AlreadyExists { .. }));
    assert!(matches!(store.copy(&Path::from("none"), &b).await.unwrap_err(), Error::NotFound { .. }));
    store.rename(&a, &Path::from("c/d")).await.unwrap();
    assert_eq!(store.get(&b).await.unwrap().bytes().await.unwrap(), "2");
    assert_eq!(files(dir.path()), ["b", "c"]);
    assert!(matches!(
        store
            .put_opts(
                &b,
                "x".into(),
                PutMode::Update(object_store::UpdateVersion { e_tag: None, version: None }).into()
            )
            .await
            .unwrap_err(),
        Error::NotImplemented { .. }
    ));
}
