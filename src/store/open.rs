//! A store from a URL or a path, and options.
//!
//! Whatever is wrong with a URL or an option, its text is not repeated where it could hold a credential.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use object_store::memory::InMemory;
use object_store::path::Path;
use url::Url;

use crate::error::{Code, Error, Result};
use crate::store::failure::Secrets;
use crate::store::local::{Durability, DurableLocalStore};
use crate::store::{Store, cloud, failure};

/// The in-memory stores that have a name, for the life of the process.
static NAMED: LazyLock<Mutex<HashMap<String, Arc<InMemory>>>> = LazyLock::new(Mutex::default);

impl Store {
    /// Opens a warehouse: `./lake`, `/data/lake` or `file:///data/lake` on the local disk, `memory://` for a fresh one in
    /// memory, `memory://name` for the one of that name in this process, and `s3://bucket/lake`,
    /// `az://container/lake`, `abfss://container@account.dfs.core.windows.net/lake` or `gs://bucket/lake` with the cargo
    /// features `s3`, `azure` and `gcs`.
    ///
    /// Options for the local disk: `durability` = `full` (default) or `relaxed`. For cloud stores: the configuration
    /// keys of the `object_store` crate, for example `aws_region`; the usual environment variables hold too. Nothing is
    /// written: a folder comes into being with the first write.
    pub fn open(url: &str, options: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let options: Vec<(String, String)> = options.into_iter().collect();
        if !url.contains("://") {
            return if url.is_empty() {
                Err(invalid("an empty path names no warehouse"))
            } else {
                open_local(PathBuf::from(url), &options)
            };
        }
        let parsed = Url::parse(url).map_err(|error| invalid(format!("the warehouse URL does not parse: {error}")))?;
        if parsed.password().is_some() || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(invalid("a warehouse URL has no password, query or fragment; give credentials as options"));
        }
        match parsed.scheme() {
            "file" => match parsed.to_file_path() {
                Ok(path) => open_local(path, &options),
                Err(()) => Err(invalid("a file URL must hold an absolute path: file:///path/to/lake")),
            },
            "memory" => open_memory(&parsed, &options),
            _ => open_cloud(&parsed, &options),
        }
    }
}

fn open_local(path: PathBuf, options: &[(String, String)]) -> Result<Store> {
    let mut durability = Durability::Full;
    for (key, value) in options {
        durability = match (key.as_str(), value.as_str()) {
            ("durability", "full") => Durability::Full,
            ("durability", "relaxed") => Durability::Relaxed,
            ("durability", _) => return Err(invalid("the option 'durability' is 'full' or 'relaxed'")),
            _ => return Err(unknown_option(key, "the local disk, which has 'durability' only")),
        };
    }
    let local = DurableLocalStore::new(&path, durability).map_err(|error| {
        invalid(format!("'{}' can't be a warehouse: {}", path.display(), failure::redact(&error.to_string())))
    })?;
    let local = Arc::new(local);
    let name = local.root().display().to_string();
    let mut store = Store::at(Arc::clone(&local) as _, Path::default(), name, Secrets::default());
    store.local = Some(local);
    Ok(store)
}

fn open_memory(url: &Url, options: &[(String, String)]) -> Result<Store> {
    if let Some((key, _)) = options.first() {
        return Err(unknown_option(key, "memory, which has none"));
    }
    let root = root_of(url)?;
    let store = match url.host_str() {
        Some(name) if !name.is_empty() => {
            let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(named.entry(name.to_owned()).or_default())
        }
        _ => Arc::new(InMemory::new()),
    };
    Ok(Store::at(store, root, url.as_str().to_owned(), Secrets::default()))
}

fn open_cloud(url: &Url, options: &[(String, String)]) -> Result<Store> {
    let scheme = url.scheme();
    let azure = matches!(scheme, "az" | "azure" | "adl" | "abfs" | "abfss");
    if !azure && !url.username().is_empty() {
        return Err(invalid("a warehouse URL has no user name; give credentials as options"));
    }
    let clients = match scheme {
        "s3" | "s3a" => cloud::s3(url, options)?,
        "gs" => cloud::gcs(url, options)?,
        _ if azure => cloud::azure(url, options)?,
        _ => {
            let message = format!(
                "no store has the scheme '{scheme}': use a path, file://, memory://, s3://, az://, abfss:// or gs://"
            );
            return Err(Error::new(Code::NotSupported, message));
        }
    };
    let root = root_of(url)?;
    let name = url.as_str().trim_end_matches('/').to_owned();
    Ok(Store::at(clients.data, root, name, Secrets::of(options)).with_log_store(clients.log))
}

fn root_of(url: &Url) -> Result<Path> {
    Path::from_url_path(url.path())
        .map_err(|error| invalid(format!("the path of the warehouse URL is not possible: {error}")))
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidArgument, message)
}

pub(super) fn unknown_option(key: &str, of: &str) -> Error {
    invalid(format!("'{}' is no option of {of}", key.escape_debug()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use bytes::Bytes;

    use super::*;

    fn option(key: &str, value: &str) -> [(String, String); 1] {
        [(key.to_owned(), value.to_owned())]
    }

    #[tokio::test]
    async fn paths_and_file_urls_are_local_and_lazy() {
        let dir = tempfile::tempdir().unwrap();
        let lake = dir.path().join("a b/lake");
        let store = Store::open(lake.to_str().unwrap(), option("durability", "relaxed")).unwrap();
        assert!(store.list(&Path::default()).await.unwrap().is_empty());
        assert_eq!(store.read(&Path::from("x")).await.unwrap(), None);
        assert!(!lake.exists());
        store.put_new(&Path::from("x"), Bytes::from_static(b"1")).await.unwrap();
        assert!(lake.join("x").exists());
        let same = Store::open(Url::from_file_path(&lake).unwrap().as_str(), []).unwrap();
        assert_eq!(same.read(&Path::from("x")).await.unwrap().unwrap(), "1");
        assert_ne!(same.store_url(), store.store_url());
    }

    #[tokio::test]
    async fn memory_is_fresh_or_shared_by_name() {
        let path = Path::from("x");
        let store = Store::open("memory://", []).unwrap();
        store.put_new(&path, Bytes::from_static(b"1")).await.unwrap();
        assert_eq!(Store::open("memory://", []).unwrap().read(&path).await.unwrap(), None);
        let named = Store::open("memory://open-test/deep/lake", []).unwrap();
        named.put_new(&path, Bytes::from_static(b"2")).await.unwrap();
        let again = Store::open("memory://open-test/", []).unwrap();
        assert_eq!(again.read(&Path::from("deep/lake/x")).await.unwrap().unwrap(), "2");
    }

    #[test]
    fn wrong_urls_and_options_are_told_without_their_secrets() {
        for (url, options, code, part) in [
            ("", vec![], Code::InvalidArgument, "empty path"),
            ("ftp://host/x", vec![], Code::NotSupported, "'ftp'"),
            ("s3://key:CANARY@bucket/x", vec![], Code::InvalidArgument, "password"),
            ("s3://CANARY@bucket/x", vec![], Code::InvalidArgument, ""),
            ("az://c/x?sig=CANARY", vec![], Code::InvalidArgument, "query"),
            ("memory://", option("CANARYKEY", "CANARY").to_vec(), Code::InvalidArgument, "CANARYKEY"),
            ("./x", option("durability", "CANARY").to_vec(), Code::InvalidArgument, "'full'"),
            ("./x", option("region", "CANARY").to_vec(), Code::InvalidArgument, "'region'"),
            ("file://./x", vec![], Code::InvalidArgument, "absolute"),
        ] {
            let error = Store::open(url, options).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(error.message().contains(part), "{error}");
            let text = format!("{error} {error:?}").replace("CANARYKEY", "");
            assert!(!text.contains("CANARY"), "{text}");
        }
    }

    #[cfg(not(feature = "s3"))]
    #[test]
    fn a_missing_feature_is_named() {
        let error = Store::open("s3://bucket/lake", []).unwrap_err();
        assert_eq!(error.code(), Code::NotSupported);
        assert!(error.message().contains("feature `s3`"), "{error}");
    }
}
