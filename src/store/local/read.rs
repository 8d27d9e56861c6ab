//! Reading objects from the local disk.

use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path as FsPath;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Attributes, GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, Result};

use crate::store::local::disk::{Disk, no_object};
use crate::store::local::failure;

/// Opens an object for reading.
pub(super) fn open(disk: &Disk, location: Path, options: GetOptions) -> Result<GetResult> {
    let path = disk.file_path(&location)?;
    let (file, metadata) = open_file(disk, &path)?;
    let meta = object_meta(location, &metadata, &path)?;
    options.check_preconditions(&meta)?;
    let range = match options.range {
        Some(range) => resolve(&range, meta.size, &path)?,
        None => 0..meta.size,
    };
    Ok(GetResult { payload: GetResultPayload::File(file, path), meta, range, attributes: Attributes::default() })
}

/// Reads several ranges of one object.
pub(super) fn ranges(disk: &Disk, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
    let path = disk.file_path(location)?;
    let (mut file, metadata) = open_file(disk, &path)?;
    let mut read = |range: &Range<u64>| -> Result<Bytes> {
        let range = resolve(&GetRange::Bounded(range.clone()), metadata.len(), &path)?;
        let mut read_all = || -> std::io::Result<Bytes> {
            let length = usize::try_from(range.end - range.start).map_err(std::io::Error::other)?;
            let mut bytes = vec![0; length];
            file.seek(SeekFrom::Start(range.start))?;
            file.read_exact(&mut bytes)?;
            Ok(bytes.into())
        };
        read_all().map_err(|error| failure::io("read", &path, error))
    };
    ranges.iter().map(&mut read).collect()
}

/// Refuses everything that is not a regular file in the warehouse.
pub(super) fn check_file(disk: &Disk, path: &FsPath) -> Result<Metadata> {
    let folder = path.parent().unwrap_or(disk.root());
    disk.check_inside(folder).map_err(|error| failure::io("open", path, error))?;
    let metadata = path.symlink_metadata().map_err(|error| failure::io("open", path, error))?;
    if metadata.is_symlink() {
        return Err(no_object(path, "a symbolic link"));
    }
    if metadata.is_dir() {
        return Err(no_object(path, "a folder"));
    }
    Ok(metadata)
}

fn open_file(disk: &Disk, path: &FsPath) -> Result<(File, Metadata)> {
    check_file(disk, path)?;
    let file = File::open(path).map_err(|error| failure::io("open", path, error))?;
    let metadata = file.metadata().map_err(|error| failure::io("look up", path, error))?;
    Ok((file, metadata))
}

fn resolve(range: &GetRange, size: u64, path: &FsPath) -> Result<Range<u64>> {
    range.as_range(size).map_err(|error| {
        let message = format!("cannot read {}: {error}", path.display());
        object_store::Error::Generic { store: "DurableLocalStore", source: message.into() }
    })
}

/// What is known of an object.
pub(super) fn object_meta(location: Path, metadata: &Metadata, path: &FsPath) -> Result<ObjectMeta> {
    let modified = metadata.modified().map_err(|error| failure::io("look up", path, error))?;
    Ok(ObjectMeta {
        location,
        last_modified: modified.into(),
        size: metadata.len(),
        e_tag: Some(e_tag(metadata)),
        version: None,
    })
}

/// As popular web servers make it: inode, time and size.
pub(super) fn e_tag(metadata: &Metadata) -> String {
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let micros = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    format!("{:x}-{micros:x}-{:x}", inode(metadata), metadata.len())
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}
