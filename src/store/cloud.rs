//! Clients of cloud stores, each behind its cargo feature.
//!
//! Two clients per warehouse: one for data, which retries by itself, and one for commits, which never does. No message
//! repeats an option's value.

use std::sync::Arc;

use object_store::ObjectStore;
use url::Url;

use crate::error::Result;

/// The two clients of a warehouse.
pub(super) struct Clients {
    pub(super) data: Arc<dyn ObjectStore>,
    pub(super) log: Arc<dyn ObjectStore>,
}

#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
macro_rules! connect {
    ($builder:expr, $what:literal, $url:expr, $options:expr) => {{
        let mut builder = $builder.with_url($url.as_str());
        for (key, value) in $options {
            let known = key.to_ascii_lowercase().parse().map_err(|_| crate::store::open::unknown_option(key, $what))?;
            builder = builder.with_config(known, value);
        }
        let no_retries = object_store::RetryConfig { max_retries: 0, ..object_store::RetryConfig::default() };
        let log = builder.clone().with_retry(no_retries).build().map_err(|error| refused($what, $options, &error))?;
        let data = builder.build().map_err(|error| refused($what, $options, &error))?;
        Ok(Clients { data: quiet(data, $url), log: quiet(log, $url) })
    }};
}

#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
fn quiet(client: impl ObjectStore, url: &Url) -> Arc<dyn ObjectStore> {
    Arc::new(crate::store::quiet::Quiet { client: Arc::new(client), name: url.as_str().to_owned() })
}

#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
fn refused(what: &str, options: &[(String, String)], error: &object_store::Error) -> crate::error::Error {
    // A parse error may quote the value that it refuses.
    let mut text = error.to_string();
    if crate::store::testing::Bug::SecretTold.is_on() {
        return crate::store::open::invalid(text);
    }
    for (_, value) in options {
        if !value.is_empty() {
            text = text.replace(value.as_str(), "…");
        }
    }
    crate::store::open::invalid(format!("the options do not fit {what}: {}", crate::store::failure::redact(&text)))
}

#[cfg(not(all(feature = "s3", feature = "azure", feature = "gcs")))]
fn missing(feature: &str, url: &Url) -> crate::error::Error {
    let scheme = url.scheme();
    let message =
        format!("this build cannot open '{scheme}://': enable the cargo feature `{feature}` of datafusion-timetravel");
    crate::error::Error::new(crate::error::Code::NotSupported, message)
}

#[cfg(feature = "s3")]
pub(super) fn s3(url: &Url, options: &[(String, String)]) -> Result<Clients> {
    connect!(object_store::aws::AmazonS3Builder::from_env(), "S3", url, options)
}

#[cfg(not(feature = "s3"))]
pub(super) fn s3(url: &Url, _: &[(String, String)]) -> Result<Clients> {
    Err(missing("s3", url))
}

#[cfg(feature = "azure")]
pub(super) fn azure(url: &Url, options: &[(String, String)]) -> Result<Clients> {
    connect!(object_store::azure::MicrosoftAzureBuilder::from_env(), "Azure", url, options)
}

#[cfg(not(feature = "azure"))]
pub(super) fn azure(url: &Url, _: &[(String, String)]) -> Result<Clients> {
    Err(missing("azure", url))
}

#[cfg(feature = "gcs")]
pub(super) fn gcs(url: &Url, options: &[(String, String)]) -> Result<Clients> {
    connect!(object_store::gcp::GoogleCloudStorageBuilder::from_env(), "Google Cloud Storage", url, options)
}

#[cfg(not(feature = "gcs"))]
pub(super) fn gcs(url: &Url, _: &[(String, String)]) -> Result<Clients> {
    Err(missing("gcs", url))
}

#[cfg(all(test, feature = "s3", feature = "azure", feature = "gcs"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::error::Code;
    use crate::store::Store;

    #[test]
    fn clouds_open_and_print_no_secret() {
        let key = "Q0FOQVJZQ0FOQVJZ"; // Base64, as Azure wants it.
        let options =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
        for (url, pairs) in [
            ("s3://bucket/lake", vec![("aws_access_key_id", "id"), ("aws_secret_access_key", key), ("region", "x")]),
            ("abfss://c@account.dfs.core.windows.net/lake", vec![("account_key", key)]),
            ("az://c/lake", vec![("account_name", "a"), ("account_key", key)]),
        ] {
            let store = Store::open(url, options(&pairs)).unwrap();
            assert_eq!(store.root().as_ref(), "lake");
            assert_eq!(store.name(), url);
            assert!(!format!("{store:?}").contains(key));
        }
        let error = Store::open("s3://bucket/lake", options(&[("aws_secret", key)])).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains("aws_secret") && !error.to_string().contains(key));
        let error = Store::open("s3://bucket/lake", options(&[("timeout", key)])).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(key), "{error}");
        let error = Store::open("gs://bucket/lake", options(&[("service_account_key", key)])).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(key), "{error}");
    }
}
