//! Chance from a seed, for faults and their moments: small, and the same on every machine.

use std::ops::Range;

/// `SplitMix64`.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The stream of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of a range; its start where the range is empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.draw() % range.end.saturating_sub(range.start).max(1)
    }

    /// True once in so many times; always for 1, and for 0 too.
    pub fn one_in(&mut self, count: u64) -> bool {
        self.within(0..count) == 0
    }

    /// A share from 0 to just below 1.
    pub fn share(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_within_their_range() {
        let draws = |seed| {
            let mut chance = Chance::new(seed);
            (0..1_000).map(|_| chance.within(3..9)).collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
        assert!((3..9).all(|number| draws(7).contains(&number)));
        assert!(draws(7).iter().all(|number| (3..9).contains(number)));
        assert_eq!(Chance::new(1).within(5..5), 5);
        assert!((0..100).all(|_| Chance::new(1).one_in(1)));
        let mut chance = Chance::new(1);
        assert!((0..1_000).map(|_| chance.share()).all(|share| (0.0..1.0).contains(&share)));
    }
}
