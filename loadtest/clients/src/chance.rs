//! Seeded chance: the same seed makes the same choices.

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// Chance that follows `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Chance {
        Chance { state: seed }
    }

    /// The seed in `TIDELOG_SEED`, or one of the clock's. Whoever takes it prints it.
    #[must_use]
    pub fn seed_of_this_run() -> u64 {
        let given = std::env::var("TIDELOG_SEED").ok().and_then(|seed| seed.parse().ok());
        given.unwrap_or_else(|| {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            // Short enough to be typed again.
            u64::from(since.subsec_nanos()) ^ (since.as_secs() & 0xFFFF)
        })
    }

    /// Any number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Puts `items` into any order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            let other = self.below(index as u64 + 1);
            items.swap(index, usize::try_from(other).expect("below a length"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_choices() {
        let run = |seed| {
            let mut chance = Chance::new(seed);
            let mut items: Vec<u32> = (0..20).collect();
            chance.shuffle(&mut items);
            (items, chance.below(1000))
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }
}
