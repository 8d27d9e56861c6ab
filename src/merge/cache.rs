//! Resolutions kept: files are immutable, so the same set of files always resolves to the same rows.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::data::DataFiles;
use super::resolve::resolve;
use super::{MergeGroup, Resolution};
use crate::error::Result;
use crate::store::FileId;
use crate::table::Order;

/// The bytes that resolutions may take by default: enough for a billion rows.
pub(crate) const DEFAULT_BYTES: u64 = 128 << 20;

/// The files of a group with their orders, sorted.
type Key = Arc<[(FileId, Order)]>;

/// Resolutions by the exact set of files, bounded by bytes. Whoever asks for a set that is being resolved waits for it.
pub struct MergeCache {
    found: Cache<Key, Arc<Resolution>, Weight>,
    resolutions: AtomicU64,
}

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<Key, Arc<Resolution>> for Weight {
    fn weight(&self, key: &Key, resolution: &Arc<Resolution>) -> u64 {
        resolution.weight() + key.len() as u64 * 64
    }
}

impl MergeCache {
    /// A cache of up to so many bytes.
    pub fn new(bytes: u64) -> Self {
        Self { found: Cache::with_weighter(63, bytes, Weight), resolutions: AtomicU64::new(0) }
    }

    /// How many times files were merged.
    pub fn resolutions(&self) -> u64 {
        self.resolutions.load(Ordering::Relaxed)
    }

    /// What is known of the group already.
    pub(crate) fn known(&self, group: &MergeGroup) -> Option<Arc<Resolution>> {
        self.found.get(&key(group))
    }

    /// The rows of the group that are alive.
    pub(crate) async fn resolve(&self, files: &Arc<DataFiles>, group: &MergeGroup) -> Result<Arc<Resolution>> {
        if !files.trusts_all(group) {
            Box::pin(files.ensure_all_verified(group)).await?;
        }
        let compute = Box::pin(async {
            self.resolutions.fetch_add(1, Ordering::Relaxed);
            Ok(Arc::new(resolve(files, group).await?))
        });
        self.found.get_or_insert_async(&key(group), compute).await
    }
}

impl Default for MergeCache {
    fn default() -> Self {
        Self::new(DEFAULT_BYTES)
    }
}

impl fmt::Debug for MergeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergeCache")
            .field("groups", &self.found.len())
            .field("resolutions", &self.resolutions())
            .finish_non_exhaustive()
    }
}

fn key(group: &MergeGroup) -> Key {
    let mut files: Vec<(FileId, Order)> = group.files.iter().map(|entry| (entry.file.id, entry.order)).collect();
    files.sort_unstable();
    files.into()
}
