//! An upload in parts whose parts and completion may fail.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::fault::{Shared, around, failed};
use super::late::Effect;
use super::{Fault, Op};

pub(super) struct FaultUpload {
    pub(super) shared: Arc<Shared>,
    pub(super) location: Path,
    /// None once its completion was postponed.
    pub(super) upload: Option<Box<dyn MultipartUpload>>,
}

#[async_trait]
impl MultipartUpload for FaultUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let Some(upload) = &mut self.upload else { return async { Err(failed("the upload has ended")) }.boxed() };
        // A part that comes late would come too late for the completion, so it is as good as lost.
        let part = upload.put_part(data);
        let (shared, location) = (Arc::clone(&self.shared), self.location.clone());
        async move {
            let fault = shared.fault(Op::Put, &location).await?;
            around(fault, &location, part).await
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let fault = self.shared.fault(Op::Put, &self.location).await?;
        if let Some(Fault::LateApply { after }) = fault
            && let Some(upload) = self.upload.take()
        {
            self.shared.late.postpone(after, Effect::Complete(upload));
        }
        let Some(upload) = &mut self.upload else { return Err(failed("connection closed before message completed")) };
        around(fault, &self.location, self.shared.put(&self.location, upload.complete())).await
    }

    async fn abort(&mut self) -> Result<()> {
        match &mut self.upload {
            Some(upload) => upload.abort().await,
            None => Err(failed("the upload has ended")),
        }
    }
}

impl fmt::Debug for FaultUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultUpload({})", self.location)
    }
}
