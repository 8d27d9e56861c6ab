//! One commit file: a header line, a line per action, and a trailer that proves the rest is whole; then the earlier
//! commits of the same run, newest first, so that one request reads them all.
//!
//! Invariant 2: a commit is visible whole or not at all. A file that does not match its trailers to the byte is
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

/// Commits in a run: `1..=7`, `8..=14` and so on. A checkpoint follows the last of a run, and the file of each other one
/// is carried by the next. With 7 = 4 + 2 + 1 three probes find the head within a run.
pub(super) const RUN: u64 = 7;

/// The largest file, in bytes, that the next commit's file carries.
pub(super) const MAX_CARRIED_BYTES: usize = 64 << 10;

/// The largest file: a commit and those that it carries.
pub(super) const MAX_FILE_BYTES: u64 = (MAX_COMMIT_BYTES + MAX_CARRIED_BYTES) as u64;

/// The most actions that a commit has.
pub(super) const MAX_ACTIONS: usize = 1 << 20;

/// How every trailer begins, and no header and no action.
const TRAILER: &[u8] = b"{\"actions\":";

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
    /// Its file, or as much of a later commit's file as begins with it.
    pub(super) file: Bytes,
    /// How many bytes of the file are its own.
    own: usize,
}

impl<A> Commit<A> {
    /// The file of the commit before, where this one carries it.
    pub(super) fn carried(&self) -> Option<Bytes> {
        (self.own < self.file.len()).then(|| self.file.slice(self.own..))
    }
}

/// The commit and its file, given the file of the commit before where that is known.
pub(super) fn encode<A: Serialize>(header: Header, actions: Vec<A>, before: Option<&Bytes>) -> Result<Commit<A>> {
    if actions.len() > MAX_ACTIONS {
        let message =
            format!("a commit of {} changes is over the limit of {MAX_ACTIONS}: split the statement", actions.len());
        return Err(Error::new(Code::InvalidArgument, message));
    }
    let mut out = Vec::with_capacity(512);
    write_line(&mut out, &header)?;
    for action in &actions {
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
    let own = out.len();
    let begins_run = header.lsn.get() % RUN == 1;
    if let Some(before) = before.filter(|before| !begins_run && before.len() <= MAX_CARRIED_BYTES) {
        out.extend_from_slice(before);
    }
    Ok(Commit { header, actions, digest, file: out.into(), own })
}

/// Decodes the file `name`, which must hold the commit `lsn` of the log `log`.
pub(super) fn decode<A: DeserializeOwned>(
    name: &str,
    log: &str,
    lsn: Lsn,
    known: &[&str],
    file: Bytes,
) -> Result<Commit<A>> {
    let corrupt = |what: String| {
        Error::new(Code::Corrupt, format!("{name}: {what}; restore this file from a copy of the warehouse"))
    };
    if file.len() as u64 > MAX_FILE_BYTES {
        return Err(corrupt(format!("{} bytes is over the limit of {MAX_COMMIT_BYTES}", file.len())));
    }
    let (record, digest) = Record::verified(&file).map_err(|what| corrupt(what.into()))?;
    let own = record.len();
    let mut rest = file.get(own..).unwrap_or_default();
    while !rest.is_empty() {
        let (carried, _) = Record::verified(rest).map_err(|what| corrupt(what.into()))?;
        rest = rest.get(carried.len()..).unwrap_or_default();
    }
    let mut lines = record.lines();
    let first = lines.next().ok_or_else(|| corrupt("the file is empty".into()))?;
    // The version is read by itself: a newer header may not even parse.
    let version: Version = serde_json::from_slice(first).map_err(|e| corrupt(format!("bad header: {e}")))?;
    check_features(name, version.format, &version.features, known)?;
    let header: Header = serde_json::from_slice(first).map_err(|e| corrupt(format!("bad header: {e}")))?;
    if header.log != log || header.lsn != lsn {
        return Err(corrupt(format!("it holds commit {} of log {}", header.lsn, header.log)));
    }
    if record.lines().count() > MAX_ACTIONS + 1 {
        return Err(corrupt(format!("it has more than {MAX_ACTIONS} actions")));
    }
    let actions = lines
        .map(|line| serde_json::from_slice(line).map_err(|e| corrupt(format!("bad action: {e}"))))
        .collect::<Result<Vec<A>>>()?;
    Ok(Commit { header, actions, digest, own, file })
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

/// One commit's lines in a file: the content with its last newline, and the trailer line.
struct Record<'a> {
    body: &'a [u8],
    trailer: &'a [u8],
}

impl<'a> Record<'a> {
    /// The one with which the bytes begin.
    fn first(bytes: &'a [u8]) -> Option<Self> {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..)?;
            let end = rest.iter().position(|b| *b == b'\n')? + 1;
            if rest.starts_with(TRAILER) {
                return Some(Self { body: bytes.get(..at)?, trailer: rest.get(..end)? });
            }
            at += end;
        }
    }

    fn len(&self) -> usize {
        self.body.len() + self.trailer.len()
    }

    fn lines(&self) -> impl Iterator<Item = &'a [u8]> {
        self.body.split(|b| *b == b'\n').filter(|line| !line.is_empty())
    }

    /// The one with which the bytes begin and the digest of its content, where its trailer fits it; else why not.
    fn verified(bytes: &'a [u8]) -> Result<(Self, Digest), &'static str> {
        let record = Self::first(bytes).ok_or("the file is cut short")?;
        let digest = Digest::of(record.body);
        let count = record.lines().count().saturating_sub(1);
        match record.trailer == trailer(count, digest).as_bytes() {
            true => Ok((record, digest)),
            false => Err("the content does not match its checksum"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use serde_json::{Value, json};

    use super::*;

    fn commit(lsn: u64, before: Option<&Commit<Value>>, bytes: usize) -> Commit<Value> {
        let header = Header {
            format: FORMAT,
            features: vec![],
            log: "catalog".into(),
            lsn: Lsn::new(lsn),
            commit: CommitId::from_u128(lsn.into()),
            previous: before.map(|before| before.digest),
            checkpoint: None,
            time: Timestamp::from_micros(1_000 + i64::try_from(lsn).unwrap()),
            operation: Operation::Alter,
            actor: "ann".into(),
            reason: None,
        };
        encode(header, vec![json!({"action": "x".repeat(bytes)})], before.map(|before| &before.file)).unwrap()
    }

    fn decoded(lsn: u64, file: &[u8]) -> Result<Commit<Value>> {
        decode("file", "catalog", Lsn::new(lsn), &[], Bytes::copy_from_slice(file))
    }

    #[test]
    fn a_run_is_read_from_its_last_file() {
        let mut before: Option<Commit<Value>> = None;
        for lsn in 1..=15 {
            let made = commit(lsn, before.as_ref(), 10);
            let mut found = decoded(lsn, &made.file).unwrap();
            assert_eq!((found.digest, &found.actions), (made.digest, &made.actions));
            let mut at = lsn;
            while let Some(file) = found.carried() {
                at -= 1;
                let next = decoded(at, &file).unwrap();
                assert_eq!(Some(next.digest), found.header.previous);
                found = next;
            }
            assert_eq!(at, (lsn - 1) / RUN * RUN + 1, "{lsn}");
            before = Some(made);
        }
    }

    #[test]
    fn large_files_are_not_carried() {
        let mut before: Option<Commit<Value>> = None;
        for lsn in 1..=7 {
            let made = commit(lsn, before.as_ref(), 40 << 10);
            assert!(made.file.len() <= made.own + MAX_CARRIED_BYTES);
            before = Some(made);
        }
        let huge = commit(1, None, 1 << 20);
        assert!(commit(2, Some(&huge), 1).carried().is_none());
    }

    #[test]
    fn a_damaged_or_cut_file_is_corrupt() {
        let first = commit(1, None, 5);
        let second = commit(2, Some(&first), 5);
        assert_eq!(second.file.len(), second.own + first.file.len());
        for at in 0..second.file.len() {
            let mut bytes = second.file.to_vec();
            bytes[at] ^= 1;
            assert_eq!(decoded(2, &bytes).unwrap_err().code(), Code::Corrupt, "byte {at}");
            if at != second.own {
                assert_eq!(decoded(2, &second.file[..at]).unwrap_err().code(), Code::Corrupt, "{at} bytes");
            }
        }
        // Without what it carries it is the same commit.
        assert_eq!(decoded(2, &second.file[..second.own]).unwrap().digest, second.digest);
    }
}
