//! Fresh ids: the only place that draws random bits for them. Everything else is given [`Ids`].

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::digest::Digester;

/// Makes 128-bit ids that were never made before.
pub trait Ids: fmt::Debug + Send + Sync {
    /// A fresh id.
    fn next(&self) -> u128;
}

/// Random ids, 122 random bits each.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    #[allow(clippy::disallowed_methods, reason = "these are the ids")]
    fn next(&self) -> u128 {
        uuid::Uuid::new_v4().as_u128()
    }
}

/// The same ids in the same order for the same seed, for tests. Two of one seed make the same ids: never for real data.
#[derive(Debug)]
pub struct SeededIds {
    seed: u64,
    made: AtomicU64,
}

impl SeededIds {
    /// Ids that follow from the seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, made: AtomicU64::new(0) }
    }
}

impl Ids for SeededIds {
    fn next(&self) -> u128 {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        let mut digester = Digester::new();
        digester.write(&self.seed.to_be_bytes());
        digester.write(&number.to_be_bytes());
        digester.finish().as_u128()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_differs_from_others() {
        let take = |seed| {
            let ids = SeededIds::new(seed);
            (0..100).map(|_| ids.next()).collect::<Vec<_>>()
        };
        assert_eq!(take(1), take(1));
        assert!(take(1).iter().all(|id| !take(2).contains(id)));
    }

    #[test]
    fn random_ids_differ() {
        let ids: std::collections::HashSet<u128> = (0..1000).map(|_| RandomIds.next()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
