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

/// The error of an operation on an object, for example `("read", "tables/…", …)`.
pub(crate) fn store_failure(store: &str, operation: &str, path: &str, error: &StoreError) -> Error {
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
    Error::new(code, format!("cannot {operation} '{path}' in {store}: {advice} ({})", redact(&error.to_string())))
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
    fn long_answers_are_cut() {
        assert!(redact(&"word ".repeat(1000)).len() < 500);
        assert!(redact(&"wörd".repeat(1000)).chars().count() <= LONGEST + 1);
    }

    #[test]
    fn the_code_says_what_to_do() {
        let gone = StoreError::NotFound { path: "x".into(), source: "gone".into() };
        assert_eq!(store_failure("memory", "read", "x", &gone).code(), Code::SnapshotGone);
        let busy = StoreError::Generic { store: "S3", source: "503 https://h/x?sig=CANARY".into() };
        let error = store_failure("s3://b", "write", "x", &busy);
        assert_eq!(error.code(), Code::StoreUnavailable);
        assert!(!format!("{error} {error:?}").contains("CANARY"));
    }
}
