//! An upload in parts to the local disk: one temporary file, published when every part is in it.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use crate::store::local::disk::{Disk, Publish, Staged};
use crate::store::local::{blocking, failure};

/// The upload. Its object is new: completing it fails if there is one of that name.
#[derive(Debug)]
pub(super) struct LocalUpload {
    disk: Arc<Disk>,
    destination: PathBuf,
    /// Where the next part begins.
    offset: u64,
    parts: Arc<Mutex<Parts>>,
}

#[derive(Debug)]
struct Parts {
    /// None once completed or aborted.
    staged: Option<Staged>,
    written: u64,
}

impl LocalUpload {
    pub(super) fn new(disk: Arc<Disk>, destination: PathBuf, staged: Staged) -> Self {
        let parts = Parts { staged: Some(staged), written: 0 };
        Self { disk, destination, offset: 0, parts: Arc::new(Mutex::new(parts)) }
    }
}

#[async_trait]
impl MultipartUpload for LocalUpload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let offset = self.offset;
        self.offset += payload.content_length() as u64;
        let parts = Arc::clone(&self.parts);
        let (disk, destination) = (Arc::clone(&self.disk), self.destination.clone());
        blocking(move || {
            let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
            parts
                .write(&disk, offset, &payload)
                .map_err(|error| failure::not_stored("write a part of", &destination, error))
        })
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let parts = Arc::clone(&self.parts);
        let (disk, destination, length) = (Arc::clone(&self.disk), self.destination.clone(), self.offset);
        blocking(move || {
            let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
            let staged = parts.staged.take().ok_or_else(|| ended(&destination))?;
            if parts.written != length {
                let error = io::Error::other(format!("{} of {length} bytes were written", parts.written));
                return Err(failure::not_stored("complete", &destination, error));
            }
            staged.publish(&disk, &destination, Publish::New)
        })
        .await
    }

    async fn abort(&mut self) -> Result<()> {
        let parts = Arc::clone(&self.parts);
        let destination = self.destination.clone();
        blocking(move || {
            let staged = parts.lock().unwrap_or_else(PoisonError::into_inner).staged.take();
            staged.map(drop).ok_or_else(|| ended(&destination))
        })
        .await
    }
}

impl Parts {
    fn write(&mut self, disk: &Disk, offset: u64, payload: &PutPayload) -> io::Result<()> {
        let staged = self.staged.as_mut().ok_or_else(|| io::Error::other("the upload has ended"))?;
        staged.write(disk, offset, payload)?;
        self.written += payload.content_length() as u64;
        Ok(())
    }
}

fn ended(destination: &std::path::Path) -> object_store::Error {
    failure::refused(format!("the upload of {} has ended before", destination.display()))
}
