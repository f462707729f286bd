//! How long things took, in buckets.

/// Counts of times by the smallest of the bounds that is not less; what is above all of them is counted with the sum only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Upper bounds, milliseconds, rising.
    bounds_ms: &'static [u64],
    /// Times in each bucket.
    counts: Vec<u64>,
    /// Times above all bounds.
    above: u64,
    sum_ms: u64,
}

impl Histogram {
    /// An empty one.
    pub fn new(bounds_ms: &'static [u64]) -> Self {
        Self { bounds_ms, counts: vec![0; bounds_ms.len()], above: 0, sum_ms: 0 }
    }

    /// Counts a time.
    pub fn observe(&mut self, ms: u64) {
        let bucket = self.bounds_ms.partition_point(|bound| *bound < ms);
        *self.counts.get_mut(bucket).unwrap_or(&mut self.above) += 1;
        self.sum_ms = self.sum_ms.saturating_add(ms);
    }

    /// Moves what another one of the same bounds has counted here.
    pub fn take(&mut self, other: &mut Self) {
        self.counts.iter_mut().zip(&mut other.counts).for_each(|(to, from)| *to += std::mem::take(from));
        self.above += std::mem::take(&mut other.above);
        self.sum_ms = self.sum_ms.saturating_add(std::mem::take(&mut other.sum_ms));
    }

    /// Upper bounds in seconds, with how many times were not above them.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let mut sum = 0;
        self.bounds_ms.iter().zip(&self.counts).map(move |(bound, count)| {
            sum += count;
            (*bound as f64 / 1_000.0, sum)
        })
    }

    /// How many times.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.above
    }

    /// All times together, seconds.
    pub fn sum(&self) -> f64 {
        self.sum_ms as f64 / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_first_bucket_that_holds_it() {
        let mut one = Histogram::new(&[10, 100]);
        [0, 10, 11, 100, 101, u64::MAX].into_iter().for_each(|ms| one.observe(ms));
        assert_eq!(one.cumulative().collect::<Vec<_>>(), [(0.01, 2), (0.1, 4)]);
        assert_eq!(one.count(), 6);
        let mut all = Histogram::new(&[10, 100]);
        all.observe(5);
        all.take(&mut one);
        assert_eq!((all.count(), one.count(), one.sum()), (7, 0, 0.0));
        assert_eq!(all.cumulative().last(), Some((0.1, 5)));
    }
}
