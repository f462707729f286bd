//! Sorted ranges, and the indexes that find an address in them in a few cache lines.

/// What stands for "nothing known" in every list of ranges.
pub const NOTHING: u32 = 0;

/// Ranges under construction: each value holds from its start to the next one's start. Starts rise strictly.
#[derive(Debug, Default)]
pub struct Ranges<K> {
    starts: Vec<K>,
    values: Vec<u32>,
}

impl<K: Copy + Ord> Ranges<K> {
    /// From `start` on, `value` holds. Equal neighbours merge; a start that does not rise replaces the last one.
    pub fn push(&mut self, start: K, value: u32) {
        while self.starts.last().is_some_and(|last| *last >= start) {
            self.starts.pop();
            self.values.pop();
        }
        if self.values.last().copied().unwrap_or(NOTHING) != value {
            self.starts.push(start);
            self.values.push(value);
        }
    }

    /// No value anywhere?
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Starts with their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (K, u32)> {
        self.starts.iter().copied().zip(self.values.iter().copied())
    }

    /// The ranges of both lists cut against each other; `pair` names each combination.
    pub fn cross<E>(&self, other: &Self, mut pair: impl FnMut(u32, u32) -> Result<u32, E>) -> Result<Self, E> {
        let mut crossed = Self { starts: Vec::with_capacity(self.starts.len()), values: Vec::new() };
        let (mut left, mut right) = (self.iter().peekable(), other.iter().peekable());
        let (mut left_value, mut right_value) = (NOTHING, NOTHING);
        loop {
            let start = match (left.peek(), right.peek()) {
                (Some((a, _)), Some((b, _))) => *a.min(b),
                (Some((start, _)), None) | (None, Some((start, _))) => *start,
                (None, None) => return Ok(crossed),
            };
            if let Some((_, value)) = left.next_if(|(a, _)| *a == start) {
                left_value = value;
            }
            if let Some((_, value)) = right.next_if(|(b, _)| *b == start) {
                right_value = value;
            }
            crossed.push(start, pair(left_value, right_value)?);
        }
    }
}

/// IPv4 ranges: a block for each /16 with the low halves of its starts, so that a search stays in a few cache lines.
#[derive(Debug)]
pub struct V4Index {
    /// Where each block begins; one more at the end.
    blocks: Vec<u32>,
    lows: Vec<u16>,
    values: Vec<u32>,
}

impl V4Index {
    /// The index of ranges.
    pub fn new(ranges: &Ranges<u32>) -> Self {
        let count = ranges.starts.len();
        let mut index = Self {
            blocks: Vec::with_capacity((1 << 16) + 1),
            lows: Vec::with_capacity(count),
            values: Vec::with_capacity(count),
        };
        let mut rest = ranges.iter().peekable();
        let mut value = NOTHING;
        for block in 0..1_u32 << 16 {
            index.blocks.push(index.lows.len() as u32);
            if rest.peek().is_none_or(|(start, _)| *start != block << 16) {
                index.lows.push(0);
                index.values.push(value);
            }
            while let Some((start, next)) = rest.next_if(|(start, _)| start >> 16 == block) {
                index.lows.push(start as u16);
                index.values.push(next);
                value = next;
            }
        }
        index.blocks.push(index.lows.len() as u32);
        index.lows.shrink_to_fit();
        index.values.shrink_to_fit();
        index
    }

    /// The value that holds at an address.
    #[inline]
    pub fn find(&self, address: u32) -> u32 {
        let block = (address >> 16) as usize;
        let (Some(&first), Some(&end)) = (self.blocks.get(block), self.blocks.get(block + 1)) else {
            return NOTHING;
        };
        let lows = self.lows.get(first as usize..end as usize).unwrap_or(&[]);
        let at = lows.partition_point(|low| *low <= address as u16);
        self.values.get((first as usize + at).wrapping_sub(1)).copied().unwrap_or(NOTHING)
    }

    /// How many ranges there are.
    pub fn count(&self) -> usize {
        self.lows.len()
    }

    /// What it takes, bytes.
    pub fn bytes(&self) -> usize {
        self.blocks.len() * 4 + self.lows.len() * 2 + self.values.len() * 4
    }
}

/// IPv6 ranges under a ladder: each rung holds every 16th start of the one below, so that a search reads one or two
/// cache lines a rung. An index by prefix would help little: a few /24 hold most networks.
#[derive(Debug)]
pub struct V6Index {
    /// The upper halves of the starts, then every 16th of them, and so on up to at most 16.
    rungs: Vec<Vec<u64>>,
    /// The lower halves; empty when all are zero (no network is longer than /64).
    lows: Vec<u64>,
    values: Vec<u32>,
}

const RUNG_STEP: usize = 16;

impl V6Index {
    /// The index of ranges.
    pub fn new(ranges: &Ranges<u128>) -> Self {
        let uppers: Vec<u64> = ranges.starts.iter().map(|start| (start >> 64) as u64).collect();
        let has_lows = ranges.starts.iter().any(|start| *start as u64 != 0);
        let lows = if has_lows { ranges.starts.iter().map(|start| *start as u64).collect() } else { Vec::new() };
        let mut rungs = vec![uppers];
        while let Some(last) = rungs.last().filter(|last| last.len() > RUNG_STEP) {
            let next = last.iter().step_by(RUNG_STEP).copied().collect();
            rungs.push(next);
        }
        Self { rungs, lows, values: ranges.values.clone() }
    }

    /// The value that holds at an address.
    #[inline]
    pub fn find(&self, address: u128) -> u32 {
        let (upper, low) = ((address >> 64) as u64, address as u64);
        let mut at = self.starts_up_to(upper);
        if !self.lows.is_empty() && self.starts().get(at.wrapping_sub(1)) == Some(&upper) {
            // Starts that share the upper half are told apart by the lower one.
            let before = self.starts_up_to(upper.saturating_sub(1));
            let equal = self.lows.get(before..at).unwrap_or(&[]);
            at = before + equal.partition_point(|start| *start <= low);
        }
        self.values.get(at.wrapping_sub(1)).copied().unwrap_or(NOTHING)
    }

    /// How many starts are not above this upper half.
    #[inline]
    fn starts_up_to(&self, upper: u64) -> usize {
        let mut count = 1;
        for rung in self.rungs.iter().rev() {
            let first = (count - 1) * RUNG_STEP;
            let window = rung.get(first..rung.len().min(first + RUNG_STEP)).unwrap_or(&[]);
            count = first + window.partition_point(|start| *start <= upper);
            if count == 0 {
                return 0;
            }
        }
        count
    }

    fn starts(&self) -> &[u64] {
        self.rungs.first().map_or(&[], Vec::as_slice)
    }

    /// How many ranges there are.
    pub fn count(&self) -> usize {
        self.starts().len()
    }

    /// What it takes, bytes.
    pub fn bytes(&self) -> usize {
        let rungs: usize = self.rungs.iter().map(Vec::len).sum();
        (rungs + self.lows.len()) * 8 + self.values.len() * 4
    }
}
