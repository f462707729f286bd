//! Packed keys are squeezed: what stands in a key twice, or stood in the one that serves as the pattern, is named by its
//! place. The scheme is the one of Lempel and Ziv (1977) with tokens for pieces of a few hundred bytes: a general
//! compressor's headers and tables are as long as what there is to squeeze.
//!
//! A token below [`COPY`] says how many bytes follow as they are; one from there on says where and how many bytes are
//! taken from what was written before, the pattern standing before everything.

use arrayvec::ArrayVec;

/// Tokens from here on are copies: five bits of length, ten bits of distance with the byte behind.
const COPY: u8 = 0x80;
const COPY_MIN: usize = 3;
const COPY_MAX: usize = COPY_MIN + 31;
const DISTANCE_MAX: usize = 1_024;
/// Bytes as they are, after one token.
const PLAIN_MAX: usize = COPY as usize;
/// A key of this size can be the pattern: the same place of the next must be within reach.
const PATTERN_BYTES: std::ops::RangeInclusive<usize> = 256..=DISTANCE_MAX;
/// Longer keys hold findings: they are few, and squeezing them takes longer than it is worth.
const SQUEEZED_MAX: usize = 2_048;
/// Places that are remembered by what stands there.
const PLACES: usize = 2_048;
/// No place.
const NOWHERE: u16 = u16::MAX;

/// Of so many keys that which squeezes them best is the pattern. A log of state begins with the keys that were written longest
/// ago, which may be of another format than most.
const CANDIDATES: u32 = 16;
/// After so many keys each there is an election: the first candidates may all be odd.
const ELECTED_AFTER: [u32; 3] = [CANDIDATES, 1_024, 65_536];
/// A pattern takes the place of the one before if it squeezes the candidates to so much of what that does, percent.
const BETTER_PERCENT: usize = 90;

/// Says as the first byte that the rest is as it is; otherwise by which pattern it is squeezed.
const AS_IT_IS: u8 = 0;

/// What the bytes of a key look like: those that were packed here are unlike those that were read from the log of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Names of places are numbers.
    Numbers,
    /// They are texts.
    Texts,
}

/// The patterns and what squeezing needs.
#[derive(Debug, Default)]
pub(super) struct Squeezer {
    /// For each [`Look`].
    looks: [Patterns; 2],
    room: Room,
}

/// What keys of a look are squeezed by.
#[derive(Debug, Default)]
struct Patterns {
    /// None is ever changed or given up, since keys are squeezed by it; the last one serves.
    elected: ArrayVec<Pattern, { ELECTED_AFTER.len() }>,
    elections: usize,
    candidates: Vec<Vec<u8>>,
    /// Keys of a size that can be the pattern.
    seen: u32,
}

#[derive(Debug)]
struct Pattern {
    bytes: Vec<u8>,
    /// Where in it three bytes stand.
    places: Vec<u16>,
}

#[derive(Debug, Default)]
struct Room {
    places: Vec<u16>,
    history: Vec<u8>,
}

impl Squeezer {
    /// Writes the bytes so that [`Squeezer::restore`] gives them back.
    pub(super) fn squeeze(&mut self, look: Look, bytes: &[u8], out: &mut Vec<u8>) {
        let Self { looks, room } = self;
        let patterns = &mut looks[look as usize];
        patterns.learn(bytes, room);
        let Some(pattern) = patterns.elected.last().filter(|_| bytes.len() <= SQUEEZED_MAX) else {
            return keep(bytes, out);
        };
        out.clear();
        out.push((look as usize * ELECTED_AFTER.len() + patterns.elected.len()) as u8);
        pattern.squeeze(bytes, room, out);
    }

    /// The bytes that were squeezed; `None` where these are no such bytes.
    pub(super) fn restore(&self, squeezed: &[u8], out: &mut Vec<u8>) -> Option<()> {
        out.clear();
        let (kind, mut rest) = squeezed.split_first()?;
        if *kind == AS_IT_IS {
            out.extend_from_slice(rest);
            return Some(());
        }
        let (look, nth) = (usize::from(*kind - 1) / ELECTED_AFTER.len(), usize::from(*kind - 1) % ELECTED_AFTER.len());
        let pattern = &self.looks.get(look)?.elected.get(nth)?.bytes;
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

impl Patterns {
    /// Takes note of a key, and holds the election that is due.
    fn learn(&mut self, bytes: &[u8], room: &mut Room) {
        let Some(after) = ELECTED_AFTER.get(self.elections).filter(|_| PATTERN_BYTES.contains(&bytes.len())) else {
            return;
        };
        self.seen += 1;
        if self.seen + CANDIDATES > *after {
            self.candidates.push(bytes.to_vec());
        }
        if self.seen >= *after {
            self.elect(room);
        }
    }

    fn elect(&mut self, room: &mut Room) {
        self.elections += 1;
        let candidates = std::mem::take(&mut self.candidates);
        let mut out = Vec::new();
        let mut bytes_with = |pattern: &Pattern| {
            out.clear();
            candidates.iter().for_each(|candidate| pattern.squeeze(candidate, room, &mut out));
            out.len()
        };
        let before = self.elected.last().map_or(usize::MAX, &mut bytes_with);
        let each = candidates.iter().map(|candidate| Pattern::of(candidate));
        let best = each.map(|pattern| (bytes_with(&pattern), pattern)).min_by_key(|(bytes, _)| *bytes);
        if let Some((bytes, pattern)) = best
            && bytes <= before / 100 * BETTER_PERCENT
        {
            self.elected.push(pattern);
        }
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

    /// Appends the bytes, squeezed.
    fn squeeze(&self, bytes: &[u8], Room { places, history }: &mut Room, out: &mut Vec<u8>) {
        places.clone_from(&self.places);
        history.clone_from(&self.bytes);
        history.extend_from_slice(bytes);
        let mut at = self.bytes.len();
        let mut plain_from = at;
        while let Some(place) = place_of(history, at) {
            let found = usize::from(std::mem::replace(&mut places[place], at as u16));
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

    /// Keys that are alike but for a few bytes.
    fn alike_keys(family: u64) -> impl Iterator<Item = Vec<u8>> {
        let usual: Vec<u8> = (0..400_u64).map(|at| hash64(&(family * 1_000 + at).to_le_bytes()) as u8).collect();
        (0..).map(move |nth: u8| {
            let mut key = usual.clone();
            key[100] = nth;
            key
        })
    }

    #[test]
    fn the_pattern_and_what_stands_twice_cost_little() {
        let (mut squeezer, mut squeezed) = (Squeezer::default(), Vec::new());
        for (look, family) in [(Numbers, 1), (Texts, 2)] {
            for (nth, key) in alike_keys(family).take(40).enumerate() {
                squeezer.squeeze(look, &key, &mut squeezed);
                assert_eq!(squeezed.len() <= 64, nth as u32 + 1 >= CANDIDATES, "{nth}: {}", squeezed.len());
            }
        }
        squeezer.squeeze(Numbers, &[0; 300], &mut squeezed);
        assert!(squeezed.len() <= 32, "{}", squeezed.len());
    }

    #[test]
    fn odd_keys_that_come_first_do_not_decide() {
        let (mut squeezer, mut squeezed, mut restored) = (Squeezer::default(), Vec::new(), Vec::new());
        let odd = (0..3_u64).flat_map(|nth| alike_keys(10 + nth).take(1));
        let (few, most) = (odd.chain(alike_keys(1).take(20)), (0..1_200).map(|_| alike_keys(2).next().unwrap()));
        let mut kept = Vec::new();
        for key in few.chain(most) {
            squeezer.squeeze(Texts, &key, &mut squeezed);
            kept.push((key, squeezed.clone()));
        }
        assert!(kept[20].1.len() <= 64, "most of the first candidates");
        assert!(kept[1_000].1.len() > 300 && kept[1_200].1.len() <= 64, "and later most of all");
        for (key, squeezed) in &kept {
            squeezer.restore(squeezed, &mut restored).unwrap();
            assert_eq!(restored, *key);
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let mut squeezer = Squeezer::default();
        (0..CANDIDATES).for_each(|_| squeezer.squeeze(Numbers, &[1; 300], &mut Vec::new()));
        let mut out = Vec::new();
        for broken in [&[][..], &[1, 5, 1], &[1, COPY], &[1, 0xff, 0xff], &[2, 0, 1], &[4, 0, 1], &[99, 0, 1]] {
            assert!(squeezer.restore(broken, &mut out).is_none(), "{broken:?}");
        }
    }
}
