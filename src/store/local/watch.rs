//! What the local store does to the disk, step by step, for tests that lose the power, fill the disk or break an fsync.
//!
//! A watch sees each step before it is done and may let it fail; what was not seen was not done. It knows no objects.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// One step on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskStep<'a> {
    /// Makes a folder.
    MakeFolder(&'a Path),
    /// Makes the names in a folder durable.
    SyncFolder(&'a Path),
    /// Makes an empty temporary file.
    Create(&'a Path),
    /// Writes to a temporary file.
    Write {
        /// The file.
        path: &'a Path,
        /// From where on.
        at: u64,
        /// What.
        bytes: &'a [u8],
    },
    /// Makes the bytes of a file durable.
    SyncFile(&'a Path),
    /// Gives a file a second name, which must be free.
    Link {
        /// Its name.
        from: &'a Path,
        /// The second one.
        to: &'a Path,
    },
    /// Gives a file another name, which may be taken.
    Rename {
        /// Its name.
        from: &'a Path,
        /// The new one.
        to: &'a Path,
    },
    /// Removes a name. That of a temporary file goes without being shown.
    Remove(&'a Path),
}

type See = dyn Fn(&DiskStep<'_>) -> io::Result<()> + Send + Sync;

/// Sees every step of a [`DurableLocalStore`](super::DurableLocalStore) before it is done. Clones share it.
#[derive(Clone)]
pub struct DiskWatch(Arc<See>);

impl DiskWatch {
    /// A watch; a step for which it gives an error fails with that, and is not done.
    pub fn new(see: impl Fn(&DiskStep<'_>) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(see))
    }

    pub(super) fn see(&self, step: &DiskStep<'_>) -> io::Result<()> {
        (self.0)(step)
    }
}

impl fmt::Debug for DiskWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DiskWatch")
    }
}
