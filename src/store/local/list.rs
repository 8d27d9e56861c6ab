//! Listing a local folder: complete, sorted by path, without temporary files.
//!
//! What vanishes meanwhile is left out; everything else that can't be read is an error, never a shorter list. Symbolic
//! links are neither objects nor folders.

use std::fs::DirEntry;
use std::io::ErrorKind;
use std::path::{Path as FsPath, PathBuf};

use object_store::path::{Path, PathPart};
use object_store::{ListResult, ObjectMeta, Result};

use crate::store::clock::Timestamp;
use crate::store::local::disk::{Disk, TEMP_PREFIX};
use crate::store::local::{failure, read};

/// Every object below the prefix, and after the path if one is given.
pub(super) fn all(disk: &Disk, prefix: &Path, after: Option<&Path>) -> Result<Vec<ObjectMeta>> {
    let mut metas = Vec::new();
    let mut folders = vec![prefix.clone()];
    while let Some(folder) = folders.pop() {
        for entry in entries(disk, &folder)? {
            match entry {
                Entry::Folder(location) => folders.push(location),
                Entry::File(location, _) if after.is_some_and(|after| location <= *after) => {}
                Entry::File(location, entry) => metas.extend(meta(location, &entry)?),
                Entry::Temp(_) => {}
            }
        }
    }
    metas.sort_unstable_by(|a, b| a.location.cmp(&b.location));
    Ok(metas)
}

/// The objects and folders directly below the prefix.
pub(super) fn one_level(disk: &Disk, prefix: &Path) -> Result<ListResult> {
    let mut objects = Vec::new();
    let mut common_prefixes = Vec::new();
    for entry in entries(disk, prefix)? {
        match entry {
            Entry::Folder(location) => common_prefixes.push(location),
            Entry::File(location, entry) => objects.extend(meta(location, &entry)?),
            Entry::Temp(_) => {}
        }
    }
    objects.sort_unstable_by(|a, b| a.location.cmp(&b.location));
    common_prefixes.sort_unstable();
    Ok(ListResult { common_prefixes, objects })
}

/// The temporary files below the folder that nobody wrote to since `before`.
pub(super) fn left_overs(disk: &Disk, folder: &Path, before: Timestamp) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(folder) = folders.pop() {
        for entry in entries(disk, &folder)? {
            match entry {
                Entry::Folder(location) => folders.push(location),
                Entry::Temp(path) => match path.symlink_metadata().and_then(|metadata| metadata.modified()) {
                    Ok(modified) if Timestamp::from(modified) < before => found.push(path),
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(failure::io("look up", &path, error)),
                },
                Entry::File(..) => {}
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

enum Entry {
    Folder(Path),
    File(Path, DirEntry),
    Temp(PathBuf),
}

fn entries(disk: &Disk, folder: &Path) -> Result<Vec<Entry>> {
    let path = disk.folder_path(folder)?;
    let listed = disk.check_inside(&path).and_then(|()| path.read_dir());
    let listed = match listed {
        Ok(listed) => listed,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(failure::io("list", &path, error)),
    };
    let mut found = Vec::new();
    for entry in listed {
        let entry = entry.map_err(|error| failure::io("list", &path, error))?;
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(failure::io("list", &entry.path(), error)),
        };
        let name = entry.file_name();
        if kind.is_file() && name.to_string_lossy().starts_with(TEMP_PREFIX) {
            found.push(Entry::Temp(entry.path()));
        } else if kind.is_dir() {
            found.push(Entry::Folder(child(folder, &entry.path())?));
        } else if kind.is_file() {
            found.push(Entry::File(child(folder, &entry.path())?, entry));
        }
    }
    Ok(found)
}

/// The path of an entry; an error if no object can have that name.
fn child(folder: &Path, path: &FsPath) -> Result<Path> {
    let name = path.file_name().and_then(|name| name.to_str());
    let part = name.and_then(|name| PathPart::parse(name).ok());
    let part = part.ok_or_else(|| {
        failure::refused(format!("{} is not a possible name; move it out of the warehouse", path.display()))
    })?;
    Ok(folder.clone().join(part))
}

fn meta(location: Path, entry: &DirEntry) -> Result<Option<ObjectMeta>> {
    match entry.metadata() {
        Ok(metadata) => read::object_meta(location, &metadata, &entry.path()).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failure::io("look up", &entry.path(), error)),
    }
}
