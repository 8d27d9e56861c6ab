//! Errors of the object store as errors of ours. The one place through which a store's text passes, so that no
//! credential gets into a message (invariant 15).

use object_store::Error as StoreError;

use super::local;
use crate::error::{Code, Error};

/// Longer answers (whole XML documents, say) are cut.
const LONGEST: usize = 400;

/// Keys whose values are masked wherever they stand before `=`, `:` or in XML.
const SECRET_KEYS: &[&str] = &[
    "sig",
    "signature",
    "token",
    "secret",
    "password",
    "accountkey",
    "account_key",
    "access_key",
    "secret_access_key",
];

/// How the names of options and environment variables that hold a credential read, in part.
const SECRET_OPTIONS: &[&str] =
    &["secret", "token", "key", "password", "sas", "signature", "credential", "client_id", "authorization"];

/// Shorter values are no credentials, and could stand anywhere in a text.
const SHORTEST: usize = 6;

/// The credentials that a store was opened with: a server may send them back in what it answers.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    /// Those among options, and in the environment variables that clients of cloud stores read.
    pub(crate) fn of(options: &[(String, String)]) -> Self {
        let of_clouds = |(name, _): &(String, String)| {
            ["AWS_", "AZURE_", "GOOGLE_", "GCP_"].iter().any(|prefix| name.starts_with(prefix))
        };
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(of_clouds);
        let is_secret = |name: &str| {
            let name = name.to_ascii_lowercase();
            SECRET_OPTIONS.iter().any(|part| name.contains(part))
        };
        let mut found = vec![];
        for (_, value) in options.iter().cloned().chain(variables).filter(|(name, _)| is_secret(name)) {
            // A key file of Google is JSON, of which a server sees parts; a signature has a part that is the secret.
            found.extend(value.split(['"', '\n', '&', '=', '?']).map(str::to_owned));
            found.push(url::form_urlencoded::byte_serialize(value.as_bytes()).collect());
            found.push(value);
        }
        found.retain(|value| value.len() >= SHORTEST);
        found.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
        found.dedup();
        Self(found)
    }

    /// The text without them.
    pub(crate) fn mask(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| match text.contains(secret.as_str()) {
            true => text.replace(secret.as_str(), "…"),
            false => text,
        })
    }
}

/// The error of an operation on an object, for example `("read", "tables/…", …)`.
pub(crate) fn store_failure(store: &str, secrets: &Secrets, operation: &str, path: &str, error: &StoreError) -> Error {
    let (code, advice) = match error {
        StoreError::NotFound { .. } => (Code::SnapshotGone, "the object does not exist"),
        StoreError::AlreadyExists { .. } | StoreError::Precondition { .. } => {
            (Code::Conflict, "another object of that name exists; objects are never overwritten")
        }
        StoreError::NotSupported { .. } | StoreError::NotImplemented { .. } => {
            (Code::UnsafeStore, "the store lacks this operation; use another store")
        }
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
            (Code::StoreUnavailable, "the store refused access; check the credentials and their rights")
        }
        StoreError::InvalidPath { .. } => (Code::InvalidArgument, "the store refuses the path"),
        _ => (Code::StoreUnavailable, local::advice(error).unwrap_or("the store failed; try again later")),
    };
    Error::new(
        code,
        format!("cannot {operation} '{path}' in {store}: {advice} ({})", redact(&secrets.mask(&error.to_string()))),
    )
}

/// The text without anything that may be a credential: queries and user names of URLs, values of well-known keys.
pub(crate) fn redact(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().take(LONGEST).map(strip_url).collect();
    let mut masked = mask_values(&words.join(" "));
    if let Some((end, _)) = masked.char_indices().nth(LONGEST) {
        masked.truncate(end);
        masked.push('…');
    }
    masked
}

/// Cuts user information and query out of a URL that stands in the word.
fn strip_url(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(authority_end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let tail = match tail.find('?') {
        Some(at) => {
            let (path, query) = tail.split_at(at);
            let closing = query.find([')', '"', '\'', '>']).map_or("", |end| query.split_at(end).1);
            format!("{path}?…{closing}")
        }
        None => tail.to_owned(),
    };
    format!("{scheme}://{host}{tail}")
}

/// Masks what follows `key=`, `key:` or `<key>` for the keys that name secrets.
fn mask_values(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    while let Some((start, end)) = SECRET_KEYS.iter().filter_map(|key| first_value(&lower, done, key)).min() {
        out.push_str(text.get(done..start).unwrap_or_default());
        out.push('…');
        done = end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

/// Where the first value of the key at or after a place begins and ends.
fn first_value(text: &str, from: usize, key: &str) -> Option<(usize, usize)> {
    text.get(from..)?.match_indices(key).find_map(|(at, _)| {
        let after = text.get(from + at + key.len()..)?.trim_start_matches(['"', '\'']).strip_prefix(['=', ':', '>'])?;
        let value = after.trim_start_matches([' ', '"', '\'']);
        let start = text.len() - value.len();
        let length = value.find(['&', ';', ',', '"', '\'', '<', ')', '}', ' ']).unwrap_or(value.len());
        (length > 0).then_some((start, start + length))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_cut_out() {
        for (text, expected) in [
            (
                "error for url (http://user:CANARY@host/b/k?X-Amz-Signature=CANARY&a=b) now",
                "error for url (http://host/b/k?…) now",
            ),
            ("az://c@account.blob/x?sig=CANARY", "az://account.blob/x?…"),
            ("{\"token\":\"CANARY\",\"a\":1}", "{\"token\":\"…\",\"a\":1}"),
            ("AccountKey=CANARY;EndpointSuffix=x", "AccountKey=…;EndpointSuffix=x"),
            ("<Signature>CANARY</Signature>", "<Signature>…</Signature>"),
            ("secret_access_key=CANARY", "secret_access_key=…"),
            ("the token is bad: token: CANARY and Signature='CANARY'", "the token is bad: token: … and Signature='…'"),
            ("no secret at all", "no secret at all"),
            ("plain  spaces\nand lines", "plain spaces and lines"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn credentials_that_a_server_sends_back_are_masked() {
        let options = [
            ("azure_storage_sas_key", "?sv=2025-01-05&sig=CANARY%2Bsignature"),
            ("google_service_account_key", "{\"private_key\": \"CANARY-private\", \"private_key_id\": \"1\"}"),
            ("aws_session_token", "CANARY/session+token"),
            ("region", "eu-central-1"),
        ];
        let secrets = Secrets::of(&options.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for text in [
            "you sent CANARY/session+token",
            "you sent CANARY%2Fsession%2Btoken",
            "you sent CANARY%2Bsignature",
            "you sent CANARY-private",
        ] {
            assert_eq!(secrets.mask(text), "you sent …", "{text}");
        }
        assert_eq!(secrets.mask("no bucket in eu-central-1"), "no bucket in eu-central-1");
    }

    #[test]
    fn long_answers_are_cut() {
        assert!(redact(&"word ".repeat(1000)).len() < 500);
        assert!(redact(&"wörd".repeat(1000)).chars().count() <= LONGEST + 1);
    }

    #[test]
    fn the_code_says_what_to_do() {
        let gone = StoreError::NotFound { path: "x".into(), source: "gone".into() };
        assert_eq!(store_failure("memory", &Secrets::default(), "read", "x", &gone).code(), Code::SnapshotGone);
        let busy = StoreError::Generic { store: "S3", source: "503 https://h/x?sig=CANARY".into() };
        let error = store_failure("s3://b", &Secrets::default(), "write", "x", &busy);
        assert_eq!(error.code(), Code::StoreUnavailable);
        assert!(!format!("{error} {error:?}").contains("CANARY"));
    }
}
