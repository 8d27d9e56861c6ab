//! Failures of the local disk as errors of `object_store`, saying whether something may have been stored.

use std::fmt;
use std::io;
use std::path::Path as FsPath;

use object_store::Error;

const STORE: &str = "DurableLocalStore";

/// A write whose outcome is unknown: an fsync failed, so that the object may be there or not, now or after a power loss.
/// It is never repeated as if it could still succeed; the object must be written anew.
#[derive(Debug)]
pub struct OutcomeUnknown {
    message: String,
    source: io::Error,
    /// Whether it may have its name already, and is seen therefore, without being durable.
    named: bool,
}

/// A write that failed before anything could be seen of it.
#[derive(Debug)]
struct NotStored {
    message: String,
    source: io::Error,
}

impl fmt::Display for OutcomeUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "outcome unknown: {}: {}", self.message, self.source)
    }
}

impl fmt::Display for NotStored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.source)
    }
}

impl std::error::Error for OutcomeUnknown {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl std::error::Error for NotStored {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Whether the error says that certainly nothing was stored.
pub(crate) fn is_not_stored(error: &Error) -> bool {
    matches!(error, Error::Generic { source, .. } if source.is::<NotStored>())
}

/// Whether the error says that the object may be seen but could be gone after a power loss.
pub(crate) fn is_not_durable(error: &Error) -> bool {
    let Error::Generic { source, .. } = error else { return false };
    source.downcast_ref::<OutcomeUnknown>().is_some_and(|unknown| unknown.named)
}

/// What to do about a write that failed on the disk's own terms; none where trying again may help.
pub(crate) fn advice(error: &Error) -> Option<&'static str> {
    let Error::Generic { source, .. } = error else { return None };
    match source.downcast_ref::<NotStored>()?.source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Some("the folder is not writable; give this user the right to write there, or choose another warehouse")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some("the disk is full; make room first"),
        _ => None,
    }
}

/// A failed operation on a path.
pub(super) fn io(operation: &str, path: &FsPath, source: io::Error) -> Error {
    let text = path.display().to_string();
    match source.kind() {
        // A path through a file is as little there as one through nothing.
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::NotFound { path: text, source: source.into() },
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { path: text, source: source.into() },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Error::PermissionDenied { path: text, source: source.into() }
        }
        _ => Error::Generic { store: STORE, source: format!("cannot {operation} {text}: {source}").into() },
    }
}

/// A failed write of which nothing can be seen.
pub(super) fn not_stored(operation: &str, path: &FsPath, source: io::Error) -> Error {
    let message = format!("cannot {operation} {}, nothing was stored", path.display());
    Error::Generic { store: STORE, source: Box::new(NotStored { message, source }) }
}

/// A failed fsync of bytes that have no name yet.
pub(super) fn unknown(path: &FsPath, source: io::Error) -> Error {
    outcome(path, source, false)
}

/// A failed fsync of a name, or a failure to give it.
pub(super) fn not_durable(path: &FsPath, source: io::Error) -> Error {
    outcome(path, source, true)
}

fn outcome(path: &FsPath, source: io::Error, named: bool) -> Error {
    let message = format!("the disk failed to persist {}", path.display());
    Error::Generic { store: STORE, source: Box::new(OutcomeUnknown { message, source, named }) }
}

/// Something that this store refuses to do.
pub(super) fn refused(message: String) -> Error {
    Error::NotSupported { source: message.into() }
}
