//! Memory of names and packed keys: millions of small pieces that live long.
//!
//! The system's allocator rounds each up, keeps a header beside it, and lays it between the parts of keys that are awake,
//! where it keeps whole pages alive when those have gone. Here pieces of one size lie together in spans of their own.

/// Pieces are so many bytes long, times a whole number.
const UNIT_BYTES: usize = 16;
/// Units of a span, which holds pieces of one size.
const SPAN_UNITS: usize = 1_024;
/// Spans that are asked of the system at a time.
const PAGE_SPANS: usize = 16;
const PAGE_BYTES: usize = PAGE_SPANS * SPAN_UNITS * UNIT_BYTES;
/// Pieces of more units are the system's: they are few.
const UNITS_MAX: usize = 64;
/// No piece.
const NONE: u32 = u32::MAX;

/// A piece of an arena.
#[derive(Debug)]
pub(super) struct Piece {
    /// Its first unit; where it is the system's, its place among these.
    at: u32,
    bytes: u32,
}

/// The arena.
#[derive(Debug, Default)]
pub(super) struct Arena {
    pages: Vec<Box<[u8]>>,
    /// Spans in use.
    spans: usize,
    sizes: Vec<Size>,
    large: Vec<Box<[u8]>>,
    large_free: Vec<u32>,
    large_bytes: usize,
}

/// The pieces of one size.
#[derive(Clone, Copy, Debug)]
struct Size {
    /// The first free piece; in it stands the next one.
    free: u32,
    /// Units of the last span that were never used.
    fresh: u32,
    fresh_end: u32,
}

impl Arena {
    /// Bytes that it has of the system, free ones too.
    pub(super) const fn asked_bytes(&self) -> usize {
        self.pages.len() * PAGE_BYTES + self.large_bytes
    }

    /// Keeps bytes.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Piece {
        let units = bytes.len().div_ceil(UNIT_BYTES).max(1);
        let at = if units > UNITS_MAX { self.put_large(bytes) } else { self.take(units) };
        let piece = Piece { at, bytes: bytes.len() as u32 };
        if units <= UNITS_MAX {
            self.bytes_at(at, bytes.len()).copy_from_slice(bytes);
        }
        piece
    }

    /// The bytes of a piece.
    pub(super) fn get(&self, piece: &Piece) -> &[u8] {
        let bytes = piece.bytes as usize;
        if bytes > UNITS_MAX * UNIT_BYTES {
            return self.large.get(piece.at as usize).map_or(&[], |large| large);
        }
        let start = piece.at as usize * UNIT_BYTES;
        let page = self.pages.get(start / PAGE_BYTES);
        page.and_then(|page| page.get(start % PAGE_BYTES..start % PAGE_BYTES + bytes)).unwrap_or_default()
    }

    /// Gives a piece back.
    pub(super) fn free(&mut self, piece: &Piece) {
        let units = (piece.bytes as usize).div_ceil(UNIT_BYTES).max(1);
        if units > UNITS_MAX {
            self.large_bytes -= std::mem::take(&mut self.large[piece.at as usize]).len();
            self.large_free.push(piece.at);
        } else {
            self.give(piece.at, units);
        }
    }

    fn put_large(&mut self, bytes: &[u8]) -> u32 {
        self.large_bytes += bytes.len();
        if let Some(at) = self.large_free.pop() {
            self.large[at as usize] = bytes.into();
            return at;
        }
        self.large.push(bytes.into());
        self.large.len() as u32 - 1
    }

    fn take(&mut self, units: usize) -> u32 {
        let Size { free, fresh, fresh_end } = self.size(units);
        if free != NONE {
            self.sizes[units].free = self.next_of(free);
            return free;
        }
        if fresh < fresh_end {
            self.sizes[units].fresh += units as u32;
            return fresh;
        }
        // What was left by larger pieces is used up first: after a restart keys with events, and those with texts for names,
        // take more than they will once they are packed here, and few of that length will come again.
        let larger = (units + 1..=UNITS_MAX).rev().find(|larger| self.size(*larger).free != NONE);
        if let Some(larger) = larger {
            let at = self.sizes[larger].free;
            self.sizes[larger].free = self.next_of(at);
            self.give(at + units as u32, larger - units);
            return at;
        }
        let start = self.span();
        let whole = SPAN_UNITS - SPAN_UNITS % units;
        self.sizes[units] = Size { free: NONE, fresh: start + units as u32, fresh_end: start + whole as u32 };
        start
    }

    fn give(&mut self, at: u32, units: usize) {
        let Size { free, .. } = self.size(units);
        self.bytes_at(at, 4).copy_from_slice(&free.to_le_bytes());
        self.sizes[units].free = at;
    }

    /// The first unit of a new span.
    fn span(&mut self) -> u32 {
        if self.spans == self.pages.len() * PAGE_SPANS {
            self.pages.push(vec![0; PAGE_BYTES].into_boxed_slice());
        }
        self.spans += 1;
        ((self.spans - 1) * SPAN_UNITS) as u32
    }

    fn size(&mut self, units: usize) -> Size {
        if self.sizes.is_empty() {
            self.sizes = vec![Size { free: NONE, fresh: 0, fresh_end: 0 }; UNITS_MAX + 1];
        }
        self.sizes[units]
    }

    fn next_of(&mut self, free: u32) -> u32 {
        let mut next = [0; 4];
        next.copy_from_slice(self.bytes_at(free, 4));
        u32::from_le_bytes(next)
    }

    fn bytes_at(&mut self, at: u32, bytes: usize) -> &mut [u8] {
        let start = at as usize * UNIT_BYTES;
        let within = start % PAGE_BYTES;
        &mut self.pages[start / PAGE_BYTES][within..within + bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::hash64;

    #[test]
    fn pieces_keep_their_bytes_until_they_are_given_back() {
        let (mut arena, mut kept) = (Arena::default(), Vec::<(Piece, Vec<u8>)>::new());
        for step in 0_u64..60_000 {
            let chance = hash64(&step.to_le_bytes());
            // Long pieces come first and leave, shorter ones follow.
            let longest = if step < 20_000 { 1_400 } else { 300 };
            if chance % 5 < 3 || kept.is_empty() {
                let bytes = vec![step as u8; (chance >> 8) as usize % longest];
                kept.push((arena.put(&bytes), bytes));
            } else {
                let (piece, bytes) = kept.swap_remove((chance >> 8) as usize % kept.len());
                assert_eq!(arena.get(&piece), bytes);
                arena.free(&piece);
            }
        }
        kept.iter().for_each(|(piece, bytes)| assert_eq!(arena.get(piece), bytes));
    }

    #[test]
    fn pieces_that_leave_make_room_for_others_of_any_smaller_size() {
        let mut arena = Arena::default();
        let long: Vec<Piece> = (0..1_000).map(|_| arena.put(&[1; 900])).collect();
        let pages = arena.pages.len();
        long.iter().for_each(|piece| arena.free(piece));
        let short: Vec<Piece> = (0..2_000).map(|_| arena.put(&[2; 430])).collect();
        assert_eq!(arena.pages.len(), pages);
        assert!(short.iter().all(|piece| arena.get(piece) == [2; 430]));
    }
}
