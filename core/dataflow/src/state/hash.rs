//! The hash of group keys: 32 bits, of which the table takes its position from the top.
//!
//! Words are mixed by folded multiplication (the 128-bit product's halves xored, as in wyhash
//! and foldhash), long byte strings by foldhash. The seed differs from process to process, so
//! that nobody can prepare keys that collide; nothing that leaves an operator depends on it. Without a
//! seed are the hashes by which keys are shared out among partitions.

use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

use foldhash::fast::{FixedState, RandomState};

/// Hashes the keys of one index.
#[derive(Clone)]
pub(crate) struct KeyHasher {
    seeds: [u64; 4],
    multiplier: u64,
    strings: FixedState,
}

impl Default for KeyHasher {
    fn default() -> Self {
        static SHARED: OnceLock<KeyHasher> = OnceLock::new();
        SHARED.get_or_init(Self::seeded).clone()
    }
}

impl KeyHasher {
    fn seeded() -> Self {
        let random = RandomState::default();
        let mut number = 0u64;
        let mut next = || {
            number += 1;
            random.hash_one(number)
        };
        Self {
            seeds: [next(), next(), next(), next()],
            multiplier: next() | 1,
            strings: FixedState::with_seed(next()),
        }
    }

    /// One that is the same in every process. Its constants are digits of pi.
    pub(super) fn unseeded() -> Self {
        Self {
            seeds: [
                0x243f_6a88_85a3_08d3,
                0x1319_8a2e_0370_7344,
                0xa409_3822_299f_31d0,
                0x082e_fa98_ec4e_6c89,
            ],
            multiplier: 0x4528_21e6_38d0_1377,
            strings: FixedState::with_seed(0xbe54_66cf_34e9_0c6c),
        }
    }

    /// The hash of a key of fixed width.
    #[inline(always)]
    pub(super) fn words<const N: usize>(&self, key: &[u64; N]) -> u32 {
        const { assert!(N >= 1 && N <= 4) };
        let mut mixed = key[0] ^ self.seeds[0];
        for (word, seed) in key.iter().zip(&self.seeds).skip(1) {
            mixed = fold(mixed, self.multiplier) ^ word ^ seed;
        }
        (fold(mixed, self.multiplier) >> 32) as u32
    }

    /// The hash of a sequence that one more word was added to; a sequence begins with any number.
    #[inline(always)]
    pub(super) fn chained(&self, hash: u64, word: u64) -> u64 {
        fold(hash ^ self.seeds[0], self.multiplier) ^ fold(word ^ self.seeds[1], self.multiplier)
    }

    /// The hash of a byte string.
    #[inline]
    pub(super) fn bytes(&self, bytes: &[u8]) -> u32 {
        let mut hasher = self.strings.build_hasher();
        hasher.write(bytes);
        let hash = hasher.finish();
        (fold(hash ^ bytes.len() as u64, self.multiplier) >> 32) as u32
    }
}

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}
