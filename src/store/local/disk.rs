//! The durable primitives: prepare a folder, stage a file, publish it under its name, remove it.
//!
//! No name appears before its bytes are on the disk, and no answer is given before the name is.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Component, Path as FsPath, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use object_store::path::Path;
use object_store::{Error, PutPayload, PutResult, Result};

use crate::store::ids::{Ids, RandomIds};
use crate::store::local::{Durability, failure, read};
use crate::store::testing::Bug;

/// How temporary files begin; no object's path may hold such a segment.
pub(super) const TEMP_PREFIX: &str = ".tmp-";

/// How a staged file gets its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Publish {
    /// Fails if there is an object.
    New,
    /// Replaces an object.
    Replace,
}

#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    durability: Durability,
    /// Folders known to lie inside the root.
    inside: Mutex<HashSet<PathBuf>>,
    /// Folders whose own names, up to the root's, were made durable by this process.
    prepared: Mutex<HashSet<PathBuf>>,
    /// Makes fsyncs of folders fail.
    #[cfg(test)]
    pub(super) broken_fsync: std::sync::atomic::AtomicBool,
}

impl Disk {
    pub(super) fn new(root: PathBuf, durability: Durability) -> Self {
        let durability = if Bug::NoFsync.is_on() { Durability::Relaxed } else { durability };
        Self {
            root,
            durability,
            inside: Mutex::default(),
            prepared: Mutex::default(),
            #[cfg(test)]
            broken_fsync: std::sync::atomic::AtomicBool::new(false),
        }
    }

    pub(super) fn root(&self) -> &FsPath {
        &self.root
    }

    /// The file of an object.
    pub(super) fn file_path(&self, location: &Path) -> Result<PathBuf> {
        if location.is_root() {
            return Err(failure::refused("the empty path names no object".to_owned()));
        }
        self.folder_path(location)
    }

    /// The folder of a prefix.
    pub(super) fn folder_path(&self, prefix: &Path) -> Result<PathBuf> {
        let mut path = self.root.clone();
        for part in prefix.parts() {
            let name = part.as_ref();
            // `Path` admits neither `..` nor `/` in a segment; this holds should it ever change.
            let single = FsPath::new(name).components().eq([Component::Normal(name.as_ref())]);
            if !single || name.starts_with(TEMP_PREFIX) {
                return Err(failure::refused(format!("'{prefix}' is not possible as a path on a local disk")));
            }
            path.push(name);
        }
        Ok(path)
    }

    /// Refuses a folder that a symbolic link leads out of the root. A folder that passed once is trusted.
    pub(super) fn check_inside(&self, folder: &FsPath) -> io::Result<()> {
        if lock(&self.inside).contains(folder) {
            return Ok(());
        }
        if !folder.canonicalize()?.starts_with(&self.root) {
            let message = "a symbolic link leads out of the warehouse; it is not followed";
            return Err(io::Error::new(ErrorKind::PermissionDenied, message));
        }
        lock(&self.inside).insert(folder.to_owned());
        Ok(())
    }

    /// Makes a temporary file in the folder of a future object.
    pub(super) fn stage(&self, destination: &FsPath) -> Result<Staged> {
        let folder = destination.parent().unwrap_or(&self.root);
        let attempt = || -> io::Result<Staged> {
            self.prepare(folder)?;
            let path = folder.join(format!("{TEMP_PREFIX}{:032x}", RandomIds.next()));
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
            Ok(Staged { file: Some(file), temp: Temp(path) })
        };
        let staged = attempt().or_else(|error| {
            if error.kind() != ErrorKind::NotFound {
                return Err(error);
            }
            // Somebody removed the folder behind our back.
            self.forget(folder);
            attempt()
        });
        staged.map_err(|error| failure::not_stored("make a file for", destination, error))
    }

    /// Makes the folder with all its parents, and their names durable up to the first that was there before.
    ///
    /// On the first use in this process the names up to the root's are synced even if all were there: another process may
    /// have made them and not come so far.
    fn prepare(&self, folder: &FsPath) -> io::Result<()> {
        if lock(&self.prepared).contains(folder) {
            return Ok(());
        }
        let first_old = folder.ancestors().find(|ancestor| ancestor.exists()).map(FsPath::to_path_buf);
        if let Some(old) = first_old.as_deref().filter(|old| old.starts_with(&self.root)) {
            self.check_inside(old)?;
        }
        fs::create_dir_all(folder)?;
        self.check_inside(folder)?;
        let last = match &first_old {
            // The root itself was made just now, and maybe parents of it.
            Some(old) if !old.starts_with(&self.root) => Some(old.as_path()),
            _ => self.root.parent(),
        };
        for ancestor in folder.ancestors().skip(1) {
            match self.sync_folder(ancestor) {
                // The folder in which an old root lies is none of our business.
                Err(error) if error.kind() == ErrorKind::PermissionDenied && !ancestor.starts_with(&self.root) => {}
                result => result?,
            }
            if Some(ancestor) == last {
                break;
            }
        }
        lock(&self.prepared).insert(folder.to_owned());
        Ok(())
    }

    fn forget(&self, folder: &FsPath) {
        lock(&self.prepared).remove(folder);
        lock(&self.inside).remove(folder);
    }

    /// Makes the names in a folder durable. Windows has no such operation.
    fn sync_folder(&self, folder: &FsPath) -> io::Result<()> {
        #[cfg(test)]
        if self.broken_fsync.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(io::Error::other("injected fsync error"));
        }
        if self.durability == Durability::Full && cfg!(unix) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    fn sync_parent(&self, path: &FsPath) -> Result<()> {
        let folder = path.parent().unwrap_or(&self.root);
        self.sync_folder(folder).map_err(|error| failure::unknown(path, error))
    }

    /// Gives `source` the name `destination`, durably. The bytes of `source` must be durable before.
    fn name(&self, source: &FsPath, destination: &FsPath, publish: Publish) -> Result<()> {
        match publish {
            Publish::New => fs::hard_link(source, destination).map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => failure::io("create", destination, error),
                ErrorKind::Unsupported | ErrorKind::PermissionDenied => failure::refused(format!(
                    "the file system of {} makes no hard links ({error}), without which commits are not safe",
                    destination.display()
                )),
                // An I/O error or a lost connection of a network disk leaves open whether the link was made.
                _ => failure::unknown(destination, error),
            })?,
            Publish::Replace => {
                fs::rename(source, destination).map_err(|error| failure::unknown(destination, error))?;
            }
        }
        self.sync_parent(destination)
    }

    pub(super) fn copy(&self, from: &FsPath, to: &FsPath, publish: Publish) -> Result<()> {
        // Objects never change in place, so that two names may share the bytes.
        read::check_file(self, from)?;
        match publish {
            Publish::New => {
                let folder = to.parent().unwrap_or(&self.root);
                self.prepare(folder).map_err(|error| failure::not_stored("make the folder of", to, error))?;
                self.name(from, to, publish)
            }
            Publish::Replace => {
                let staged = self.stage(to)?;
                let second = Temp(staged.temp.0.with_extension("copy"));
                fs::hard_link(from, &second.0).map_err(|error| failure::not_stored("copy to", to, error))?;
                self.name(&second.0, to, publish)
            }
        }
    }

    pub(super) fn remove(&self, path: &FsPath) -> Result<()> {
        read::check_file(self, path)?;
        fs::remove_file(path).map_err(|error| failure::io("delete", path, error))?;
        self.sync_parent(path)
    }
}

/// A temporary file that is being filled.
#[derive(Debug)]
pub(super) struct Staged {
    file: Option<File>,
    temp: Temp,
}

impl Staged {
    /// Appends the bytes.
    pub(super) fn write(&mut self, payload: &PutPayload) -> io::Result<()> {
        let mut file = self.file()?;
        payload.iter().try_for_each(|bytes| file.write_all(bytes))
    }

    pub(super) fn file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::Error::other("the file was closed"))
    }

    /// Makes the bytes durable, gives them their name, makes it durable, and removes the temporary file, also if any of
    /// this fails. A failed fsync is never tried again: the second one could falsely succeed.
    pub(super) fn publish(mut self, disk: &Disk, destination: &FsPath, publish: Publish) -> Result<PutResult> {
        let file = self.file.take().ok_or_else(|| failure::refused("the file was closed".to_owned()))?;
        if disk.durability == Durability::Full {
            file.sync_all().map_err(|error| failure::unknown(destination, error))?;
        }
        let metadata = file.metadata().map_err(|error| failure::not_stored("look up", destination, error))?;
        // Some network disks send the bytes only when the file is closed.
        drop(file);
        disk.name(&self.temp.0, destination, publish)?;
        Ok(PutResult { e_tag: Some(read::e_tag(&metadata)), version: None })
    }
}

/// Removes the file when dropped.
#[derive(Debug)]
struct Temp(PathBuf);

impl Drop for Temp {
    fn drop(&mut self) {
        // What can't be removed is swept later.
        let _ = fs::remove_file(&self.0);
    }
}

/// The folder as an absolute path without symbolic links, as far as it exists.
pub(super) fn resolve_root(root: &FsPath) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(root)?;
    for existing in absolute.ancestors() {
        match existing.canonicalize() {
            Ok(resolved) => {
                let rest = absolute.strip_prefix(existing).map_err(io::Error::other)?;
                if rest.components().any(|part| !matches!(part, Component::Normal(_))) {
                    return Err(io::Error::new(
                        ErrorKind::InvalidInput,
                        "'..' stands behind a folder that does not exist",
                    ));
                }
                let folder = if rest.as_os_str().is_empty() { resolved } else { resolved.join(rest) };
                if folder.exists() && !folder.is_dir() {
                    return Err(io::Error::new(ErrorKind::NotADirectory, "it is a file, not a folder"));
                }
                return Ok(folder);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(ErrorKind::NotFound, "no part of the path exists"))
}

fn lock(set: &Mutex<HashSet<PathBuf>>) -> MutexGuard<'_, HashSet<PathBuf>> {
    set.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same refusal for every operation on something that is no regular file.
pub(super) fn no_object(path: &FsPath, what: &str) -> Error {
    Error::NotFound { path: path.display().to_string(), source: format!("it is {what}, not an object").into() }
}
