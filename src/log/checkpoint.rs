//! Checkpoints: a state and its commit index in one Parquet file, so that opening a log doesn't replay it.
//!
//! Invariant 9: replay(checkpoint + tail) = replay(all). A checkpoint is a hint: its name carries its digest, it is
//! verified when read, and on any doubt an older one or the log itself is used. It is never overwritten.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};

use super::{CommitIndex, CommitInfo, Header, Lsn, SegmentRef, Snapshot, State, StateRow, commit, index::SEGMENT};
use crate::error::{Code, Error, Result, guarded};
use crate::store::layout::{CheckpointName, LogRoot};
use crate::store::testing::Bug;
use crate::store::{Digest, Path, Store};

/// The largest checkpoint or segment that is read, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// Checkpoints kept; a reader that loses one to clean-up falls back to the next or to the log.
const KEEP: usize = 3;

#[derive(Serialize, Deserialize)]
struct Head {
    header: Header,
    digest: Digest,
}

const HEAD: &str = "head";
const SEGMENT_KIND: &str = "segment";
const COMMIT: &str = "commit";

/// Writes a checkpoint of the snapshot, seals full segments of its index, and removes checkpoints past the newest few.
///
/// Best effort: the caller logs an error and goes on.
pub(super) async fn write<S: State>(store: &Store, root: LogRoot, snapshot: &Snapshot<S>) -> Result<()> {
    let mut index = snapshot.index.clone();
    while index.recent.len() >= 2 * SEGMENT {
        let rest = index.recent.split_off(SEGMENT);
        index.segments.push(seal(store, root, &index.recent).await?);
        index.recent = rest;
    }
    let (Some(header), Some(digest)) = (&snapshot.header, snapshot.digest) else {
        return Ok(());
    };
    let mut rows = vec![row(HEAD, &Head { header: header.clone(), digest })?];
    for segment in &index.segments {
        rows.push(row(SEGMENT_KIND, segment)?);
    }
    for info in &index.recent {
        rows.push(row(COMMIT, info.as_ref())?);
    }
    rows.extend(snapshot.state.to_rows()?);
    if Bug::ShortCheckpoint.is_on() {
        rows.pop();
    }
    let bytes = encode(&rows)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::internal(format!("a checkpoint of {} bytes, of which none is read", bytes.len())));
    }
    let path = state_path(root, snapshot.lsn, Digest::of(&bytes));
    store.put_new(&path, bytes).await?;
    let mut known = list(store, root).await?;
    known.sort_by_key(|(lsn, _)| *lsn);
    let keep = if Bug::LastCheckpointDeleted.is_on() { 0 } else { KEEP };
    for (lsn, digest) in known.iter().rev().skip(keep) {
        store.delete(&state_path(root, *lsn, *digest)).await?;
    }
    Ok(())
}

/// The newest readable of these checkpoints.
pub(super) async fn newest<S: State>(
    store: &Store,
    root: LogRoot,
    mut known: Vec<(Lsn, Digest)>,
) -> Result<Option<Snapshot<S>>> {
    known.sort_by_key(|(lsn, _)| *lsn);
    for (lsn, digest) in known.into_iter().rev() {
        match read(store, root, lsn, digest).await {
            Ok(Some(snapshot)) => return Ok(Some(snapshot)),
            Ok(None) => {}
            // A feature that isn't known may not be skipped by reading an older checkpoint: the log would say the same.
            Err(error) if error.code() == Code::UnknownFeature => return Err(error),
            Err(error) => tracing::warn!(%error, "checkpoint ignored"),
        }
    }
    Ok(None)
}

/// Reads one sealed segment of the commit index.
pub(super) async fn read_segment(store: &Store, root: LogRoot, segment: &SegmentRef) -> Result<Vec<Arc<CommitInfo>>> {
    let path = segment_path(root, segment);
    let bytes = store.read_up_to(&path, MAX_BYTES).await?.ok_or_else(|| corrupt(path.as_ref(), "it is missing"))?;
    if Digest::of(&bytes) != segment.digest {
        return Err(corrupt(path.as_ref(), "the content does not match its digest"));
    }
    decode(path.as_ref(), bytes)?.into_iter().map(|row| body::<CommitInfo>(path.as_ref(), &row).map(Arc::new)).collect()
}

/// The checkpoints that are there.
pub(super) async fn list(store: &Store, root: LogRoot) -> Result<Vec<(Lsn, Digest)>> {
    let objects = store.list(&root.checkpoints_folder()).await?;
    let state = |name: &str| match CheckpointName::parse(name)? {
        CheckpointName::State { lsn, digest } => Some((Lsn::new(lsn), digest)),
        CheckpointName::Index { .. } => None,
    };
    Ok(objects.iter().filter_map(|object| state(object.location.filename()?)).collect())
}

fn state_path(root: LogRoot, lsn: Lsn, digest: Digest) -> Path {
    root.checkpoint(CheckpointName::State { lsn: lsn.get(), digest })
}

fn segment_path(root: LogRoot, segment: &SegmentRef) -> Path {
    let (first, last) = (segment.first.get(), segment.last.get());
    root.checkpoint(CheckpointName::Index { first, last, digest: segment.digest })
}

async fn seal(store: &Store, root: LogRoot, infos: &[Arc<CommitInfo>]) -> Result<SegmentRef> {
    let (Some(first), Some(last)) = (infos.first(), infos.last()) else {
        return Err(Error::internal("an empty index segment"));
    };
    let rows = infos.iter().map(|info| row(COMMIT, info.as_ref())).collect::<Result<Vec<_>>>()?;
    let bytes = encode(&rows)?;
    let digest = Digest::of(&bytes);
    let segment = SegmentRef { first: first.lsn, last: last.lsn, first_time: first.time, last_time: last.time, digest };
    let path = segment_path(root, &segment);
    // Sealing the same commits twice gives the same bytes under the same name.
    if store.size(&path).await?.is_none() {
        store.put_new(&path, bytes).await?;
    }
    Ok(segment)
}

async fn read<S: State>(store: &Store, root: LogRoot, lsn: Lsn, digest: Digest) -> Result<Option<Snapshot<S>>> {
    let path = state_path(root, lsn, digest);
    let Some(bytes) = store.read_up_to(&path, MAX_BYTES).await? else { return Ok(None) };
    let name = path.as_ref();
    if Digest::of(&bytes) != digest {
        return Err(corrupt(name, "the content does not match its digest"));
    }
    let mut head: Option<Head> = None;
    let mut index = CommitIndex::default();
    let mut rows = Vec::new();
    for row in decode(name, bytes)? {
        match row.kind.as_str() {
            HEAD => head = Some(body(name, &row)?),
            SEGMENT_KIND => index.segments.push(body(name, &row)?),
            COMMIT => index.recent.push(Arc::new(body(name, &row)?)),
            _ => rows.push(row),
        }
    }
    let head = head.filter(|head| head.header.lsn == lsn).ok_or_else(|| corrupt(name, "its head is missing"))?;
    commit::check_features(name, head.header.format, &head.header.features, S::FEATURES)?;
    Ok(Some(Snapshot {
        lsn,
        digest: Some(head.digest),
        checkpoint: Some(lsn),
        header: Some(head.header),
        state: S::from_rows(rows)?,
        index,
        file: None,
    }))
}

fn row<T: Serialize>(kind: &str, value: &T) -> Result<StateRow> {
    StateRow::encode(kind, true, value)
}

fn body<T: for<'a> Deserialize<'a>>(name: &str, row: &StateRow) -> Result<T> {
    serde_json::from_str(&row.body).map_err(|e| corrupt(name, &format!("bad {} entry: {e}", row.kind)))
}

fn corrupt(name: &str, what: &str) -> Error {
    Error::new(Code::Corrupt, format!("{name}: {what}"))
}

/// Live rows first, ended ones in row groups of their own.
fn encode(rows: &[StateRow]) -> Result<Bytes> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("kind", DataType::Utf8, false),
        Field::new("live", DataType::Boolean, false),
        Field::new("body", DataType::Utf8, false),
    ]));
    let failed = |e: &dyn std::fmt::Display| Error::internal(format!("cannot encode a checkpoint: {e}"));
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(format!("datafusion-timetravel format {}", commit::FORMAT))
        .build();
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, Arc::clone(&schema), Some(properties)).map_err(|e| failed(&e))?;
    for live in [true, false] {
        let part: Vec<&StateRow> = rows.iter().filter(|row| row.live == live).collect();
        if part.is_empty() {
            continue;
        }
        let batch = RecordBatch::try_new(
            Arc::clone(&schema),
            vec![
                Arc::new(part.iter().map(|row| Some(row.kind.as_str())).collect::<StringArray>()),
                Arc::new(part.iter().map(|row| Some(row.live)).collect::<BooleanArray>()),
                Arc::new(part.iter().map(|row| Some(row.body.as_str())).collect::<StringArray>()),
            ],
        )
        .map_err(|e| failed(&e))?;
        writer.write(&batch).and_then(|()| writer.flush()).map_err(|e| failed(&e))?;
    }
    writer.close().map_err(|e| failed(&e))?;
    Ok(out.into())
}

/// A panic of the Parquet decoder is a file that does not decode.
fn decode(name: &str, bytes: Bytes) -> Result<Vec<StateRow>> {
    guarded(|| rows(name, bytes)).unwrap_or_else(|panic| Err(corrupt(name, &panic)))
}

fn rows(name: &str, bytes: Bytes) -> Result<Vec<StateRow>> {
    let bad = |e: &dyn std::fmt::Display| corrupt(name, &e.to_string());
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(bytes).and_then(|builder| builder.build()).map_err(|e| bad(&e))?;
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|e| bad(&e))?;
        let [kind, live, body] = batch.columns() else { return Err(corrupt(name, "it has other columns")) };
        let (Some(kind), Some(live), Some(body)) =
            (kind.as_string_opt::<i32>(), live.as_boolean_opt(), body.as_string_opt::<i32>())
        else {
            return Err(corrupt(name, "its columns have other types"));
        };
        for at in 0..kind.len() {
            rows.push(StateRow { kind: kind.value(at).into(), live: live.value(at), body: body.value(at).into() });
        }
    }
    Ok(rows)
}
