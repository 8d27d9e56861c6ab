//! Listings that are not true: short ones, and such as show an earlier moment.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, Result};

use super::Fault;

/// What went through the store: that is what a stale listing doesn't show, or shows still.
#[derive(Default)]
pub(super) struct Past(Mutex<Changes>);

#[derive(Default)]
struct Changes {
    /// Put, the newest last; none of them deleted since.
    put: Vec<Path>,
    /// Deleted, and not put again.
    deleted: Vec<ObjectMeta>,
}

impl Past {
    pub(super) fn put(&self, path: &Path) {
        let mut changes = self.lock();
        changes.put.retain(|known| known != path);
        changes.deleted.retain(|known| known.location != *path);
        changes.put.push(path.clone());
    }

    pub(super) fn deleted(&self, meta: ObjectMeta) {
        let mut changes = self.lock();
        changes.put.retain(|known| *known != meta.location);
        changes.deleted.push(meta);
    }

    /// The listing as the fault wants it.
    pub(super) fn falsify(
        &self,
        fault: Option<Fault>,
        listing: BoxStream<'static, Result<ObjectMeta>>,
        prefix: Option<&Path>,
        offset: Option<&Path>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        match fault {
            Some(Fault::ShortList { keep }) => listing.take(keep).boxed(),
            Some(Fault::FailMidway { after }) => {
                let error =
                    futures::stream::once(async { Err(super::fault::failed("connection closed during a listing")) });
                listing.take(after).chain(error).boxed()
            }
            Some(Fault::StaleList { newest, deleted }) => {
                let changes = self.lock();
                let hidden: Vec<Path> = changes.put.iter().rev().take(newest).cloned().collect();
                let within = |meta: &&ObjectMeta| {
                    prefix.is_none_or(|prefix| meta.location.prefix_matches(prefix))
                        && offset.is_none_or(|offset| meta.location > *offset)
                };
                let shown = changes.deleted.iter().filter(|_| deleted).filter(within).cloned().map(Ok);
                let shown: Vec<Result<ObjectMeta>> = shown.collect();
                let rest = listing.try_filter(move |meta| {
                    let visible = !hidden.contains(&meta.location);
                    async move { visible }
                });
                rest.chain(futures::stream::iter(shown)).boxed()
            }
            _ => listing,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Changes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
