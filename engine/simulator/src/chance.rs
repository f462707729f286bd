//! Seeded chance: every draw belongs to a named stream, so that adding a draw in one place moves nothing elsewhere.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The generator of every stream: portable, so one seed gives one company on every machine.
pub(crate) type Chance = ChaCha8Rng;

/// What a stream is for; two purposes never share numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Purpose {
    /// Who works here.
    Population = 1,
    /// Where travellers go, and when.
    Trips = 2,
    /// One person's local day.
    Day = 3,
    /// One injected attack.
    Attack = 4,
    /// The committed table of networks.
    Networks = 5,
    /// What one person's day has that looks like an attack.
    NearMiss = 6,
    /// Which confounders a person has.
    Confounders = 7,
    /// What a confounder adds to one person's day.
    Confounded = 8,
    /// Which projects, roles and quarters a person has.
    Projects = 9,
    /// What these add to one person's day.
    ProjectDay = 10,
    /// One injected attack on files.
    FileAttack = 11,
    /// What harmless people and programs do to files.
    FileWork = 12,
    /// One injected attack through a listed address, with an account that is off, or on a device of its own.
    AddressAttack = 13,
    /// What harmless people do that looks like these.
    AddressWork = 14,
    /// Exits of Tor, and what else lists of addresses name.
    AddressLists = 15,
    /// Who works with whom.
    Departments = 16,
    /// One injected attack that policies of one's own look for.
    PolicyAttack = 17,
    /// What harmless people do that looks like these.
    PolicyWork = 18,
    /// One injected attack on many accounts.
    Spray = 19,
}

/// The stream of `purpose` for the pair (`who`, `when`) under `seed`.
pub(crate) fn stream(seed: u64, purpose: Purpose, who: u32, when: u32) -> Chance {
    let mut key = [0_u8; 32];
    for (part, chunk) in [seed, purpose as u64, mix(seed, purpose as u64), 0].iter().zip(key.chunks_exact_mut(8)) {
        chunk.copy_from_slice(&part.to_le_bytes());
    }
    let mut chance = ChaCha8Rng::from_seed(key);
    chance.set_stream((u64::from(who) << 32) | u64::from(when));
    chance
}

/// A well-spread number from two; the finaliser of `SplitMix64` over their combination.
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(b).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A 128-bit id from two numbers.
pub(crate) fn mix_wide(a: u64, b: u64) -> u128 {
    let high = mix(a, b);
    (u128::from(high) << 64) | u128::from(mix(high, a ^ b.rotate_left(17)))
}

/// One element of `items`, or `None` when there is none.
pub(crate) fn pick<'a, T>(chance: &mut Chance, items: &'a [T]) -> Option<&'a T> {
    if items.is_empty() {
        return None;
    }
    items.get(chance.random_range(0..items.len()))
}

/// A log-normal draw with the given median and log standard deviation; `libm`, so that every platform agrees.
pub(crate) fn log_normal(chance: &mut Chance, median: f64, sigma: f64) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - chance.random::<f64>()));
    let angle = core::f64::consts::TAU * chance.random::<f64>();
    median * libm::exp(sigma * radius * libm::cos(angle))
}

/// A length of time of which any order of magnitude is as likely.
pub(crate) fn log_uniform(chance: &mut Chance, (least_ms, most_ms): (i64, i64)) -> i64 {
    let (least, most) = (libm::log(least_ms as f64), libm::log(most_ms as f64));
    libm::exp(least + (most - least) * chance.random::<f64>()) as i64
}
