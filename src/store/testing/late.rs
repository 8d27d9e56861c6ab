//! Effects that come after their request was answered: what is on its way through a network.
//!
//! Whoever asked for them was told that they failed, so that nobody is left to hear of their outcome.

use std::sync::{Mutex, PoisonError};

use object_store::path::Path;
use object_store::{CopyOptions, MultipartUpload, ObjectStore, ObjectStoreExt, PutOptions, PutPayload};

/// What is still to happen.
#[derive(Default)]
pub(super) struct LateEffects(Mutex<Vec<Late>>);

struct Late {
    /// Requests that pass before; none means until released.
    remaining: Option<u64>,
    effect: Effect,
}

pub(super) enum Effect {
    Put(Path, PutPayload, PutOptions),
    Complete(Box<dyn MultipartUpload>),
    Delete(Path),
    Copy(Path, Path, CopyOptions),
}

impl LateEffects {
    pub(super) fn postpone(&self, after: Option<u64>, effect: Effect) {
        // One more, because the request that applies it is counted too.
        let remaining = after.map(|after| after.saturating_add(1));
        self.lock().push(Late { remaining, effect });
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Those whose turn it is when one more request comes.
    pub(super) fn due(&self) -> Vec<Effect> {
        let mut late = self.lock();
        for effect in late.iter_mut() {
            effect.remaining = effect.remaining.map(|remaining| remaining.saturating_sub(1));
        }
        late.extract_if(.., |effect| effect.remaining == Some(0)).map(|late| late.effect).collect()
    }

    /// All of them, in their order.
    pub(super) fn all(&self) -> Vec<Effect> {
        std::mem::take(&mut *self.lock()).into_iter().map(|late| late.effect).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Late>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the effects happen.
pub(super) async fn apply(store: &dyn ObjectStore, due: Vec<Effect>) {
    for effect in due {
        let _ = match effect {
            Effect::Put(path, payload, options) => store.put_opts(&path, payload, options).await.map(drop),
            Effect::Complete(mut upload) => upload.complete().await.map(drop),
            Effect::Delete(path) => store.delete(&path).await,
            Effect::Copy(from, to, options) => store.copy_opts(&from, &to, options).await,
        };
    }
}
