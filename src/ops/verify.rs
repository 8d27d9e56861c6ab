//! VERIFY TABLE: reads every commit, checkpoint and data file of a table, and the catalog's log, and compares checksums. It
//! changes nothing.

use super::Pin;
use crate::auth::Privilege;
use crate::catalog::TableName;
use crate::error::{Code, Error, ErrorKind, Result};
use crate::log::{Log, Lsn, Snapshot, State};
use crate::store::layout::{CheckpointName, parse_commit_name};
use crate::store::{Digest, Digester, Path, Store};
use crate::table::DataFile;

/// Bytes of a file that are held at a time.
const CHUNK: u64 = 8 << 20;
/// How many damaged objects the error names.
const NAMED: usize = 10;

/// What was read and found whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Commits.
    pub commits: u64,
    /// Data files.
    pub files: u64,
    /// Bytes of data files.
    pub bytes: u64,
}

/// Verifies the log of the table and every data file that it still names, those of older versions too.
///
/// # Errors
/// [`Code::Corrupt`] names the objects that are damaged or missing; [`Code::PermissionDenied`]; what the store gives.
pub async fn table(pin: &Pin, name: &TableName) -> Result<Verified> {
    let store = pin.warehouse().store();
    let mut damaged = Vec::new();
    let table = match pin.table_for(name, Privilege::Select).await {
        // The catalog may have lost its name.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            damaged.extend(commits(pin.warehouse().catalog(), pin.catalog().lsn).await?);
            return Err(if damaged.is_empty() { error } else { damage(name, damaged) });
        }
        found => found?,
    };
    let mut verified = Verified { commits: table.snapshot.lsn.get(), ..Verified::default() };
    damaged.extend(commits(&table.log, table.snapshot.lsn).await?);
    damaged.extend(checkpoints(&table.log, &table.snapshot).await?);
    damaged.extend(commits(pin.warehouse().catalog(), pin.catalog().lsn).await?);
    damaged.extend(checkpoints(pin.warehouse().catalog(), pin.catalog()).await?);
    for entry in table.snapshot.state.kept_files() {
        verified.files += 1;
        verified.bytes = verified.bytes.saturating_add(entry.file.size);
        let path = entry.file.path(table.id);
        damaged.extend(data_file(store, &path, &entry.file).await?);
    }
    match damaged.is_empty() {
        true => Ok(verified),
        false => Err(damage(name, damaged)),
    }
}

fn damage(name: &TableName, mut damaged: Vec<String>) -> Error {
    let more = damaged.len().saturating_sub(NAMED);
    let also = if more > 0 { format!("; and {more} more") } else { String::new() };
    damaged.truncate(NAMED);
    Error::new(
        Code::Corrupt,
        format!(
            "table {name} is damaged: {}{also}. Copy these objects back from a replica or backup of the store",
            damaged.join("; ")
        ),
    )
}

/// What is wrong with the commits up to the head: each has a checksum, and names the one before by its digest; and behind
/// the head there is none.
async fn commits<S: State>(log: &Log<S>, head: Lsn) -> Result<Vec<String>> {
    let mut damaged = Vec::new();
    let mut previous: Option<Digest> = None;
    let mut lsn = Lsn::FIRST;
    while lsn <= head {
        let path = log.root().commit(lsn.get());
        match log.read_commit(lsn).await {
            Ok(Some(commit)) => {
                if previous.is_some() && commit.header.previous != previous {
                    damaged.push(format!("'{path}' does not follow the commit before it"));
                }
                previous = Some(commit.digest);
            }
            Ok(None) => {
                damaged.push(format!("'{path}' is missing"));
                previous = None;
            }
            Err(error) if error.code() == Code::Corrupt => {
                damaged.push(error.message().to_owned());
                previous = None;
            }
            Err(error) => return Err(error),
        }
        lsn = lsn.next();
    }
    let listed = log.store().list(&log.root().log_folder()).await?;
    let later = listed.iter().filter_map(|object| parse_commit_name(object.location.filename()?)).max();
    // A commit that was made meanwhile follows the head; what is behind a gap was cut off.
    if let Some(later) = later.filter(|later| *later > head.get())
        && log.read_commit(head.next()).await?.is_none()
    {
        let (missing, later) = (log.root().commit(head.next().get()), log.root().commit(later));
        damaged.push(format!("'{missing}' is missing, and '{later}' is there"));
    }
    Ok(damaged)
}

/// What is wrong with the checkpoints and the segments of the commit index; the name of each holds its digest.
async fn checkpoints<S: State>(log: &Log<S>, snapshot: &Snapshot<S>) -> Result<Vec<String>> {
    let mut damaged = Vec::new();
    let mut there = Vec::new();
    for object in log.store().list(&log.root().checkpoints_folder()).await? {
        let path = object.location;
        let Some(name) = path.filename().and_then(CheckpointName::parse) else { continue };
        let (CheckpointName::State { digest, .. } | CheckpointName::Index { digest, .. }) = name;
        there.push(digest);
        // One that is gone by now was cleaned up: another took its place.
        if log.store().read(&path).await?.is_some_and(|bytes| Digest::of(&bytes) != digest) {
            damaged.push(format!("'{path}' does not have the content that was written"));
        }
    }
    for segment in snapshot.index.segments.iter().filter(|segment| !there.contains(&segment.digest)) {
        let (first, last) = (segment.first.get(), segment.last.get());
        let path = log.root().checkpoint(CheckpointName::Index { first, last, digest: segment.digest });
        damaged.push(format!("'{path}' is missing"));
    }
    Ok(damaged)
}

/// What is wrong with a data file; none where it is as it was written.
async fn data_file(store: &Store, path: &Path, file: &DataFile) -> Result<Option<String>> {
    match store.size(path).await? {
        None => return Ok(Some(format!("'{path}' is missing"))),
        Some(size) if size != file.size => {
            return Ok(Some(format!("'{path}' has {size} bytes instead of {}", file.size)));
        }
        Some(_) => {}
    }
    let mut digester = Digester::new();
    let mut start = 0;
    while start < file.size {
        let end = file.size.min(start + CHUNK);
        digester.write(&store.read_range(path, start..end).await?);
        start = end;
    }
    Ok((digester.finish() != file.digest).then(|| format!("'{path}' does not have the content that was written")))
}
