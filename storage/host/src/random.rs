//! Chance: from the operating system, or from a seed.

use std::sync::Arc;

use parking_lot::Mutex;

/// A source of random numbers. Clones share one stream. Not for secrets.
#[derive(Clone, Debug)]
pub struct Random {
    state: Arc<Mutex<u64>>,
}

impl Random {
    /// Seeded by the operating system.
    #[must_use]
    pub fn real() -> Random {
        use std::hash::{BuildHasher, Hasher};
        // The standard library's hash keys are the operating system's randomness.
        let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
        hasher.write_u64(u64::from(std::process::id()));
        Random::seeded(hasher.finish())
    }

    /// The same numbers for the same seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Random {
        Random { state: Arc::new(Mutex::new(seed)) }
    }

    /// Any 64 bits (SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
    #[must_use]
    pub fn next(&self) -> u64 {
        let mut state = self.state.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not zero.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below zero");
        // The bias is under 2⁻³² for every bound used here.
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// True once in `n` on average.
    #[must_use]
    pub fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Sixteen random bytes, as a topic or cluster id needs.
    #[must_use]
    pub fn bytes(&self) -> [u8; 16] {
        ((u128::from(self.next()) << 64) | u128::from(self.next())).to_be_bytes()
    }
}
