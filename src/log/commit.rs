//! One commit file: a header line, a line per action, and a trailer that proves the rest is whole.
//!
//! Invariant 2: a commit is visible whole or not at all. A file that does not match its trailer to the byte is
//! [`Code::Corrupt`], never a shorter commit. This module knows neither what an action means nor where files lie.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Lsn, Operation};
use crate::error::{Code, Error, Result};
use crate::store::{CommitId, Digest, Timestamp};

/// The format version that this crate writes. A file with a larger one is refused.
pub const FORMAT: u32 = 1;

/// The largest commit file that is read, in bytes.
pub const MAX_COMMIT_BYTES: usize = 64 << 20;

/// What a commit says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Format version of the file.
    pub format: u32,
    /// Features that a reader must know; an unknown one is refused, never guessed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// The log that it belongs to: a table id, or `catalog`.
    pub log: String,
    /// Its position.
    pub lsn: Lsn,
    /// The id of the logical transaction, made once and kept over rebases and retries.
    pub commit: CommitId,
    /// Digest of the previous commit; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// The newest checkpoint that the writer knew: a hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Lsn>,
    /// Commit time: max(now, previous + 1 µs) (invariant 3).
    pub time: Timestamp,
    /// What it did.
    pub operation: Operation,
    /// Who did it.
    pub actor: String,
    /// Why, where the caller said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A decoded commit.
#[derive(Debug, Clone)]
pub struct Commit<A> {
    /// What it says of itself.
    pub header: Header,
    /// What it changes.
    pub actions: Vec<A>,
    /// The digest that the next commit names as `previous`.
    pub digest: Digest,
}

/// The bytes of a commit file, and its digest.
pub(crate) fn encode<A: Serialize>(header: &Header, actions: &[A]) -> Result<(Bytes, Digest)> {
    let mut out = Vec::with_capacity(512);
    write_line(&mut out, header)?;
    for action in actions {
        write_line(&mut out, action)?;
    }
    let digest = Digest::of(&out);
    out.extend_from_slice(trailer(actions.len(), digest).as_bytes());
    if out.len() > MAX_COMMIT_BYTES {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("a commit of {} bytes is over the limit of {MAX_COMMIT_BYTES}: split the statement", out.len()),
        ));
    }
    Ok((out.into(), digest))
}

/// Decodes the file `name`, which must hold the commit `lsn` of the log `log`.
pub(crate) fn decode<A: DeserializeOwned>(
    name: &str,
    log: &str,
    lsn: Lsn,
    known: &[&str],
    bytes: &[u8],
) -> Result<Commit<A>> {
    let corrupt = |what: String| {
        Error::new(Code::Corrupt, format!("{name}: {what}; restore this file from a copy of the warehouse"))
    };
    if bytes.len() > MAX_COMMIT_BYTES {
        return Err(corrupt(format!("{} bytes is over the limit of {MAX_COMMIT_BYTES}", bytes.len())));
    }
    let (body, tail) = split_trailer(bytes).ok_or_else(|| corrupt("the file is cut short".into()))?;
    let mut lines = body.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let digest = Digest::of(body);
    let count = lines.clone().count().saturating_sub(1);
    if tail != trailer(count, digest).as_bytes() {
        return Err(corrupt("the content does not match its checksum".into()));
    }
    let first = lines.next().ok_or_else(|| corrupt("the file is empty".into()))?;
    // The version is read by itself: a newer header may not even parse.
    let version: Version = serde_json::from_slice(first).map_err(|e| corrupt(format!("bad header: {e}")))?;
    check_features(name, version.format, &version.features, known)?;
    let header: Header = serde_json::from_slice(first).map_err(|e| corrupt(format!("bad header: {e}")))?;
    if header.log != log || header.lsn != lsn {
        return Err(corrupt(format!("it holds commit {} of log {}", header.lsn, header.log)));
    }
    let actions = lines
        .map(|line| serde_json::from_slice(line).map_err(|e| corrupt(format!("bad action: {e}"))))
        .collect::<Result<Vec<A>>>()?;
    Ok(Commit { header, actions, digest })
}

/// Refuses a format or a required feature that this crate doesn't know.
pub(crate) fn check_features(name: &str, format: u32, features: &[String], known: &[&str]) -> Result<()> {
    let unknown = features.iter().find(|feature| !known.contains(&feature.as_str()));
    match unknown {
        _ if format > FORMAT => Err(Error::new(
            Code::UnknownFeature,
            format!("{name} has format {format} and this version reads up to {FORMAT}: upgrade datafusion-timetravel"),
        )),
        Some(feature) => Err(Error::new(
            Code::UnknownFeature,
            format!(
                "{name} needs the feature {feature:?}, which this version doesn't know: upgrade datafusion-timetravel"
            ),
        )),
        None => Ok(()),
    }
}

#[derive(Deserialize)]
struct Version {
    format: u32,
    #[serde(default)]
    features: Vec<String>,
}

fn write_line<T: Serialize>(out: &mut Vec<u8>, value: &T) -> Result<()> {
    serde_json::to_writer(&mut *out, value).map_err(|e| Error::internal(format!("cannot encode a commit: {e}")))?;
    out.push(b'\n');
    Ok(())
}

fn trailer(actions: usize, digest: Digest) -> String {
    format!("{{\"actions\":{actions},\"digest\":\"{digest}\"}}\n")
}

/// The content with its last newline, and the trailer line.
fn split_trailer(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let without = bytes.strip_suffix(b"\n")?;
    let at = without.iter().rposition(|b| *b == b'\n')?;
    bytes.split_at_checked(at + 1)
}
