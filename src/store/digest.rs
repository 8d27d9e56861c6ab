//! Digests that find damaged bytes: XXH3 of 128 bits. They guard against accidents, not against an attacker.

use std::fmt;

use twox_hash::XxHash3_128;
use twox_hash::xxhash3_128::{DEFAULT_SECRET_LENGTH, RawHasher, SecretBuffer};

use crate::store::hex::hex128;

hex128! {
    /// The XXH3-128 digest of some bytes.
    Digest, "digest"
}

impl Digest {
    /// The digest of the bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_u128(XxHash3_128::oneshot(bytes))
    }
}

/// Computes the digest of bytes that arrive in pieces; how they are cut makes no difference.
#[derive(Clone)]
pub struct Digester(RawHasher<&'static [u8; DEFAULT_SECRET_LENGTH]>);

impl Digester {
    /// A digester that has seen no bytes.
    pub fn new() -> Self {
        Self(RawHasher::new(SecretBuffer::default()))
    }

    /// Adds the next bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// The digest of all bytes so far.
    pub fn finish(&self) -> Digest {
        Digest::from_u128(self.0.finish_128())
    }
}

impl Default for Digester {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digester({})", self.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_no_difference() {
        let bytes: Vec<u8> = (0..10_000u32).map(|n| (n % 251) as u8).collect();
        for size in [1, 7, 256, 4096, 10_000] {
            let mut digester = Digester::new();
            bytes.chunks(size).for_each(|piece| digester.write(piece));
            assert_eq!(digester.finish(), Digest::of(&bytes));
        }
    }

    #[test]
    fn the_digest_is_the_published_one() {
        // XXH3_128bits of no bytes and of "abc", as printed by `xxhsum -H2`.
        assert_eq!(Digest::of(b"").to_string(), "99aa06d3014798d86001c324468d497f");
        assert_eq!(Digest::of(b"abc").to_string(), "06b05ab6733a618578af5f94892f3950");
    }
}
