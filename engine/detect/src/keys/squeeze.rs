//! Packed keys are squeezed: what stands in a key twice, or stood in the one that serves as the pattern, is named by its
//! place. The scheme is the one of Lempel and Ziv (1977) with tokens for pieces of a few hundred bytes: a general
//! compressor's headers and tables are as long as what there is to squeeze.
//!
//! A token below [`COPY`] says how many bytes follow as they are; one from there on says where and how many bytes are
//! taken from what was written before, the pattern standing before everything.

/// Tokens from here on are copies: five bits of length, ten bits of distance with the byte behind.
const COPY: u8 = 0x80;
const COPY_MIN: usize = 3;
const COPY_MAX: usize = COPY_MIN + 31;
const DISTANCE_MAX: usize = 1_024;
/// Bytes as they are, after one token.
const PLAIN_MAX: usize = COPY as usize;
/// A key of this size serves as the pattern: it should be a usual one, and the same place of the next within reach.
const PATTERN_BYTES: std::ops::RangeInclusive<usize> = 256..=DISTANCE_MAX;
/// Longer keys hold findings: they are few, and squeezing them takes longer than it is worth.
const SQUEEZED_MAX: usize = 2_048;
/// Places that are remembered by what stands there.
const PLACES: usize = 2_048;
/// No place.
const NOWHERE: u16 = u16::MAX;

/// Says as the first byte that the rest is as it is; otherwise by which pattern it is squeezed.
const AS_IT_IS: u8 = 0;

/// What the bytes of a key look like: those that were packed here are unlike those that were read from the log of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Names of places are numbers.
    Numbers = 1,
    /// They are texts.
    Texts = 2,
}

/// The patterns and what squeezing needs.
#[derive(Debug, Default)]
pub(super) struct Squeezer {
    /// One for each [`Look`].
    patterns: [Pattern; 2],
    scratch: Vec<u16>,
    history: Vec<u8>,
}

/// What others are squeezed by: the first usual key that looked like them, so it never changes.
#[derive(Debug, Default)]
struct Pattern {
    bytes: Vec<u8>,
    /// Where in it three bytes stand.
    places: Vec<u16>,
}

impl Squeezer {
    /// Writes the bytes so that [`Squeezer::restore`] gives them back.
    pub(super) fn squeeze(&mut self, look: Look, bytes: &[u8], out: &mut Vec<u8>) {
        out.clear();
        let pattern = &mut self.patterns[look as usize - 1];
        if pattern.bytes.is_empty() && PATTERN_BYTES.contains(&bytes.len()) {
            *pattern = Pattern::of(bytes);
        }
        if pattern.bytes.is_empty() || bytes.len() > SQUEEZED_MAX {
            return keep(bytes, out);
        }
        out.push(look as u8);
        self.scratch.clone_from(&pattern.places);
        self.history.clone_from(&pattern.bytes);
        self.history.extend_from_slice(bytes);
        let history = self.history.as_slice();
        let mut at = pattern.bytes.len();
        let mut plain_from = at;
        while let Some(place) = place_of(history, at) {
            let found = usize::from(std::mem::replace(&mut self.scratch[place], at as u16));
            let length = if found < at { alike(history, found, at) } else { 0 };
            if length < COPY_MIN {
                at += 1;
                continue;
            }
            push_plain(&history[plain_from..at], out);
            let distance = at - found - 1;
            out.extend([COPY | (distance >> 8 << 5) as u8 | (length - COPY_MIN) as u8, distance as u8]);
            at += length;
            plain_from = at;
        }
        push_plain(&history[plain_from..], out);
    }

    /// The bytes that were squeezed; `None` where these are no such bytes.
    pub(super) fn restore(&self, squeezed: &[u8], out: &mut Vec<u8>) -> Option<()> {
        out.clear();
        let (kind, mut rest) = squeezed.split_first()?;
        if *kind == AS_IT_IS {
            out.extend_from_slice(rest);
            return Some(());
        }
        let pattern = &self.patterns.get(usize::from(*kind) - 1)?.bytes;
        out.extend_from_slice(pattern);
        while let Some((token, behind)) = rest.split_first() {
            if *token < COPY {
                let (plain, behind) = behind.split_at_checked(usize::from(*token) + 1)?;
                out.extend_from_slice(plain);
                rest = behind;
                continue;
            }
            let (low, behind) = behind.split_first()?;
            let distance = (usize::from(*token >> 5 & 3) << 8 | usize::from(*low)) + 1;
            let length = usize::from(*token & 31) + COPY_MIN;
            let from = out.len().checked_sub(distance)?;
            if distance >= length {
                out.extend_from_within(from..from + length);
            } else {
                (from..from + length).for_each(|at| out.push(out[at]));
            }
            rest = behind;
        }
        out.drain(..pattern.len());
        Some(())
    }
}

impl Pattern {
    fn of(bytes: &[u8]) -> Self {
        let mut places = vec![NOWHERE; PLACES];
        for at in 0..bytes.len() {
            if let Some(place) = place_of(bytes, at) {
                places[place] = at as u16;
            }
        }
        Self { bytes: bytes.to_vec(), places }
    }
}

/// Writes the bytes as they are, for [`Squeezer::restore`].
pub(super) fn keep(bytes: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.push(AS_IT_IS);
    out.extend_from_slice(bytes);
}

/// The bytes, where they were kept as they are and not squeezed.
pub(super) fn as_it_is(kept: &[u8]) -> Option<&[u8]> {
    kept.split_first().filter(|(kind, _)| **kind == AS_IT_IS).map(|(_, bytes)| bytes)
}

fn push_plain(plain: &[u8], out: &mut Vec<u8>) {
    for run in plain.chunks(PLAIN_MAX) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

/// Where it is remembered what stands at a place: by its first three bytes. The last four bytes stand nowhere.
fn place_of(history: &[u8], at: usize) -> Option<usize> {
    let word = u32::from_le_bytes(*history.get(at..)?.first_chunk()?);
    // Knuth's multiplicative hash.
    Some(((word << 8).wrapping_mul(2_654_435_761) >> 21) as usize % PLACES)
}

/// How many bytes stand at both places, as far as one token says; none where the earlier one is too far back.
fn alike(history: &[u8], earlier: usize, at: usize) -> usize {
    if at - earlier > DISTANCE_MAX {
        return 0;
    }
    let here = &history[at..history.len().min(at + COPY_MAX)];
    here.iter().zip(&history[earlier..]).take_while(|(here, earlier)| here == earlier).count()
}

#[cfg(test)]
mod tests {
    use super::Look::{Numbers, Texts};
    use super::*;
    use crate::hash::hash64;

    /// Bytes with repeats near and far.
    fn bytes(seed: u64) -> Vec<u8> {
        let length = hash64(&seed.to_le_bytes()) % 900;
        let byte = |at: u64| match hash64(&(seed, at / 40).0.wrapping_add(at / 40).to_le_bytes()) % 3 {
            0 => 0,
            1 => (at % 7) as u8,
            _ => hash64(&(seed * 1_000 + at).to_le_bytes()) as u8,
        };
        (0..length).map(byte).collect()
    }

    #[test]
    fn what_was_squeezed_comes_back() {
        let (mut squeezer, mut squeezed, mut restored) = (Squeezer::default(), Vec::new(), Vec::new());
        for seed in 0..3_000 {
            let plain = bytes(seed);
            squeezer.squeeze(if seed % 3 == 0 { Texts } else { Numbers }, &plain, &mut squeezed);
            assert!(squeezed.len() <= plain.len() + plain.len() / PLAIN_MAX + 2);
            squeezer.restore(&squeezed, &mut restored).unwrap();
            assert_eq!(restored, plain, "{seed}");
            keep(&plain, &mut squeezed);
            squeezer.restore(&squeezed, &mut restored).unwrap();
            assert_eq!(restored, plain, "{seed}");
        }
        let long = vec![7; 100_000];
        squeezer.squeeze(Numbers, &long, &mut squeezed);
        squeezer.restore(&squeezed, &mut restored).unwrap();
        assert_eq!(restored, long);
    }

    #[test]
    fn the_pattern_and_what_stands_twice_cost_little() {
        let (mut squeezer, mut squeezed) = (Squeezer::default(), Vec::new());
        let usual: Vec<u8> = (0..400_u64).map(|at| hash64(&at.to_le_bytes()) as u8).collect();
        squeezer.squeeze(Numbers, &usual, &mut squeezed);
        assert!(squeezed.len() <= 32, "{}", squeezed.len());
        squeezer.squeeze(Numbers, &[0; 300], &mut squeezed);
        assert!(squeezed.len() <= 32, "{}", squeezed.len());
        let other: Vec<u8> = (1_000..1_400_u64).map(|at| hash64(&at.to_le_bytes()) as u8).collect();
        for again in 0..2 {
            squeezer.squeeze(Texts, &other, &mut squeezed);
            assert!(squeezed.len() <= 32, "each look has a pattern of its own, {again}: {}", squeezed.len());
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let mut squeezer = Squeezer::default();
        squeezer.squeeze(Numbers, &[1; 300], &mut Vec::new());
        let mut out = Vec::new();
        for broken in [&[][..], &[1, 5, 1], &[1, COPY], &[1, 0xff, 0xff], &[2, 0xff, 0xff], &[3, 0, 1]] {
            assert!(squeezer.restore(broken, &mut out).is_none(), "{broken:?}");
        }
    }
}
