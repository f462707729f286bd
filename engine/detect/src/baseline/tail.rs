//! How likely so many events are: the upper tail of a negative binomial distribution.

/// Terms of a sum that are added at most; the sums that the limits of the parameters allow end sooner.
const TERMS_MAX: u32 = 100_000;
/// A term smaller than this part of the sum ends it.
const PART_MIN: f64 = 1e-16;

/// What is believed of a user's events in a window: that they come at a constant rate, which is known only as a Gamma
/// distribution. Their number is then distributed as a negative binomial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Belief {
    /// Shape of the rate: events seen, the prior's included. Above 0.
    pub(crate) events: f64,
    /// Inverse scale of the rate: windows watched, the prior's included. Above 0.
    pub(crate) windows: f64,
}

impl Belief {
    /// Events to be expected in the next window.
    pub(crate) fn expected(self) -> f64 {
        self.events / self.windows
    }

    /// The probability of this many or more in the next window.
    pub(crate) fn tail(self, number: u32) -> f64 {
        if number == 0 {
            return 1.0;
        }
        // The shorter side of the sum: above the mean the terms fall off at once.
        if f64::from(number) > self.expected() {
            self.sum_from(number)
        } else {
            (1.0 - self.sum_below(number)).clamp(0.0, 1.0)
        }
    }

    /// The least number, from `floor` on, whose tail is below `tail_max`, if one up to `most` is.
    pub(crate) fn limit(self, floor: u32, most: u32, tail_max: f64) -> Option<u32> {
        let (mut low, mut high) = (floor, most);
        if low > high || self.tail(high) >= tail_max {
            return None;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.tail(middle) < tail_max { high = middle } else { low = middle + 1 }
        }
        Some(low)
    }

    fn sum_from(self, number: u32) -> f64 {
        let mut term = self.probability(number);
        let mut sum = 0.0;
        for above in number..number.saturating_add(TERMS_MAX) {
            sum += term;
            term *= self.ratio(above);
            if term <= sum * PART_MIN {
                break;
            }
        }
        sum
    }

    fn sum_below(self, number: u32) -> f64 {
        let mut sum = 0.0;
        let Some(last) = number.checked_sub(1) else { return sum };
        let mut term = self.probability(last);
        for below in (0..=last).rev().take(TERMS_MAX as usize) {
            sum += term;
            // What is below the mean falls off downwards, once it is below the most likely number too.
            if below == 0 || term <= sum * PART_MIN {
                break;
            }
            term /= self.ratio(below - 1);
        }
        sum
    }

    /// The probability of exactly this many.
    fn probability(self, number: u32) -> f64 {
        let (shape, many) = (self.events, f64::from(number));
        let ways = libm::lgamma(many + shape) - libm::lgamma(many + 1.0) - libm::lgamma(shape);
        // ln(windows / (windows + 1)) and ln(1 / (windows + 1)), each from what is near 0.
        let none = -libm::log1p(1.0 / self.windows);
        let one = -libm::log1p(self.windows);
        libm::exp(ways + shape * none + many * one)
    }

    /// The probability of one more than this many over that of this many.
    fn ratio(self, number: u32) -> f64 {
        let number = f64::from(number);
        (number + self.events) / ((number + 1.0) * (self.windows + 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shape, windows, number, and the regularised incomplete beta function at them (mpmath 1.3.0 with 50 digits:
    /// `betainc(number, shape, 0, 1 / (windows + 1), regularized=True)`).
    const REFERENCE: [(f64, f64, u32, f64); 19] = [
        (0.025, 0.5, 5, 1.586_246_896_514e-3),
        (0.025, 0.5, 10, 1.172_408_927_053e-4),
        (0.025, 0.5, 11, 7.199_197_373_256e-5),
        (0.025, 1.5, 5, 8.056_425_675_089e-5),
        (0.025, 6.2, 5, 3.069_170_547_732e-7),
        (0.025, 6.2, 6, 3.582_741_721_309e-8),
        (1.025, 1.5, 5, 1.072_647_088_558e-2),
        (2.5, 6.0, 5, 5.772_160_668_775e-4),
        (30.025, 2.5, 30, 2.576_822_427_094e-4),
        (90.025, 3.5, 30, 2.471_442_791_831e-1),
        (120.0, 4.0, 30, 5.163_040_540_272e-1),
        (120.0, 4.0, 60, 1.558_571_798_976e-5),
        (120.0, 4.0, 59, 2.650_459_242_540e-5),
        (0.001, 0.1, 3, 1.075_463_307_505e-3),
        (500.0, 40.0, 13, 4.803_245_195_801e-1),
        (3000.0, 6.0, 500, 5.045_884_988_145e-1),
        (3000.0, 6.0, 700, 5.525_112_182_791e-15),
        (0.3, 5.0, 1, 5.322_751_900_093e-2),
        (60.0, 1.0, 40, 9.780_623_532_065e-1),
    ];

    #[test]
    fn tails_are_those_of_the_exact_distribution() {
        for (shape, windows, number, exact) in REFERENCE {
            let tail = Belief { events: shape, windows }.tail(number);
            assert!((tail - exact).abs() <= exact * 1e-10, "{shape} {windows} {number}: {tail} instead of {exact}");
        }
    }

    #[test]
    fn a_tail_begins_at_one_falls_and_never_leaves_its_bounds() {
        for (events, windows) in [(0.000_1, 0.1), (0.025, 0.5), (8.0, 3.0), (60_000.0, 0.1), (5_000.0, 80.0)] {
            let belief = Belief { events, windows };
            let mut before = belief.tail(0);
            assert!((before - 1.0).abs() < f64::EPSILON);
            for number in [1, 2, 3, 5, 10, 50, 100, 1_000, 10_000, 1_000_000, u32::MAX] {
                let tail = belief.tail(number);
                assert!((0.0..=before + 1e-9).contains(&tail), "{belief:?} {number}: {tail} after {before}");
                before = tail;
            }
        }
    }

    #[test]
    fn the_limit_is_the_least_number_that_is_unlikely_enough() {
        let fresh = Belief { events: 0.025, windows: 0.5 };
        assert_eq!(fresh.limit(5, 100, 1e-4), Some(11));
        assert_eq!(fresh.limit(12, 100, 1e-4), Some(12));
        assert_eq!(fresh.limit(5, 10, 1e-4), None);
        assert_eq!(fresh.limit(5, 4, 1e-4), None);
    }
}
