//! The probe of put-if-absent: a store that ignores it would lose commits, so nothing is written before it has shown
//! that it doesn't.

use bytes::Bytes;

use crate::error::{Code, Error, Result};
use crate::store::{Created, Path, PutError, Store, layout};

/// How often an unclear answer is asked for again.
const TRIES: u32 = 4;

/// Creates one fresh object twice with different bodies. The second must be refused, and the first body be read back.
pub async fn probe(store: &Store) -> Result<()> {
    let id = store.ids().next();
    let path = layout::probe(id);
    let first = Bytes::from(format!("first {id:032x}"));
    let second = Bytes::from(format!("second {id:032x}"));
    let verdict = two_creates(store, &path, first, second).await;
    // Left-overs of a probe are harmless, and a store may forbid deleting.
    if let Err(error) = store.delete(&path).await {
        tracing::debug!(%error, "the probe object stays");
    }
    verdict
}

async fn two_creates(store: &Store, path: &Path, first: Bytes, second: Bytes) -> Result<()> {
    // A refusal of the first is fine if the body is ours: an answer may get lost below us, and be asked for again there.
    answer(store, path, &first).await?;
    read_back(store, path, &first).await?;
    if answer(store, path, &second).await? == Answer::Created {
        return Err(unsafe_store(store, "accepted a second put-if-absent of the same object"));
    }
    read_back(store, path, &first).await
}

#[derive(PartialEq)]
enum Answer {
    Created,
    Refused,
}

/// Puts until the store says clearly what it did.
async fn answer(store: &Store, path: &Path, body: &Bytes) -> Result<Answer> {
    let mut tries = 1;
    loop {
        match store.create(path, body.clone()).await {
            Ok(Created) => return Ok(Answer::Created),
            Err(PutError::Occupied(_)) => return Ok(Answer::Refused),
            Err(PutError::NotStored(error) | PutError::Unsure(error)) if error.code() == Code::UnsafeStore => {
                return Err(unsafe_store(store, "does not support put-if-absent").with_source(error));
            }
            Err(PutError::NotStored(error) | PutError::Unsure(error)) if tries == TRIES => return Err(error),
            Err(PutError::NotStored(_) | PutError::Unsure(_)) => {
                tokio::time::sleep(std::time::Duration::from_millis(20) * tries).await;
                tries += 1;
            }
        }
    }
}

async fn read_back(store: &Store, path: &Path, expected: &Bytes) -> Result<()> {
    match store.read(path).await? {
        Some(body) if body == *expected => Ok(()),
        Some(_) => Err(unsafe_store(store, "let a put-if-absent replace an object")),
        None => Err(unsafe_store(store, "did not return an object that was just put")),
    }
}

fn unsafe_store(store: &Store, did: &str) -> Error {
    Error::new(
        Code::UnsafeStore,
        format!(
            "{} {did}: commits would be lost there, so nothing was written; use a store with put-if-absent",
            store.name()
        ),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;
    use crate::store::testing::{CountingStore, Fault, FaultStore, Op, Rule};

    fn faulty(rules: impl IntoIterator<Item = Rule>) -> Store {
        let faults = FaultStore::new(Arc::new(InMemory::new()), 1);
        rules.into_iter().for_each(|rule| faults.add(rule));
        Store::new(Arc::new(faults), Path::default())
    }

    #[tokio::test]
    async fn a_good_store_passes_once_and_keeps_nothing() {
        let counts = CountingStore::new(Arc::new(InMemory::new()));
        let store = Store::new(Arc::new(counts.clone()), Path::from("lake"));
        store.ensure_safe().await.unwrap();
        let after = counts.snapshot();
        assert_eq!(after.calls(Op::Put), 2);
        store.clone().ensure_safe().await.unwrap();
        assert_eq!(counts.snapshot(), after);
        assert!(store.list(&Path::default()).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_store_that_ignores_the_condition_is_refused() {
        let store = faulty([Rule::on(Op::Put).fault(Fault::IgnoreCondition)]);
        let error = store.ensure_safe().await.unwrap_err();
        assert_eq!(error.code(), Code::UnsafeStore);
        assert!(error.message().contains("second put-if-absent"), "{error}");
        // It stays refused as long as it behaves so.
        assert_eq!(store.ensure_safe().await.unwrap_err().code(), Code::UnsafeStore);
    }

    #[tokio::test]
    async fn lost_answers_are_not_mistaken_for_a_bad_store() {
        faulty([Rule::on(Op::Put).nth(1).fault(Fault::ApplyThenError)]).ensure_safe().await.unwrap();
        faulty([Rule::on(Op::Put).nth(2).fault(Fault::FailBefore)]).ensure_safe().await.unwrap();
        faulty([Rule::on(Op::Put).fault(Fault::Precondition412)]).ensure_safe().await.unwrap();
        faulty([Rule::on(Op::Delete).fault(Fault::FailBefore)]).ensure_safe().await.unwrap();
        let down = faulty([Rule::on(Op::Put).fault(Fault::FailBefore)]);
        assert_eq!(down.ensure_safe().await.unwrap_err().code(), Code::StoreUnavailable);
    }
}
