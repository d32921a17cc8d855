//! [`Expansion`]: a sum of doubles kept in several, so that what is added and taken off cancels.
//!
//! A value is added to the first component; what rounding cuts off goes on to the next one, and
//! so on (Shewchuk, Adaptive Precision Floating-Point Arithmetic, 1997, cut at `K` components).
//! Only what the last component cuts off is lost: with two components about 2^-106 of the largest
//! sum there was, with four about 2^-212.

/// A sum in `K` components, of which it is the sum.
#[derive(Clone, Copy)]
pub(super) struct Expansion<const K: usize>([f64; K]);

impl<const K: usize> Default for Expansion<K> {
    fn default() -> Self {
        Self([0.0; K])
    }
}

impl<const K: usize> Expansion<K> {
    /// Adds a finite value.
    #[inline(always)]
    pub(super) fn add(&mut self, value: f64) {
        let mut rest = value;
        for component in &mut self.0 {
            (*component, rest) = two_sum(*component, rest);
        }
    }

    /// Adds a number `weight` times.
    #[inline(always)]
    pub(super) fn add_times(&mut self, value: Double, weight: i64) {
        match weight {
            1 => {
                self.add(value.high);
                self.add(value.low);
            }
            -1 => {
                self.add(-value.high);
                self.add(-value.low);
            }
            _ => {
                let product = value.times(Double::from(weight as f64));
                self.add(product.high);
                self.add(product.low);
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|component| self.add(*component));
    }

    /// The sum, rounded to about 106 bits.
    pub(super) fn value(&self) -> Double {
        // From the least component to the first, as one may have cancelled another.
        self.0.iter().rev().fold(Double::default(), |sum, component| sum.plus(*component))
    }
}

/// A number in two doubles: the rounded number and the rest (Dekker's double-double).
#[derive(Clone, Copy, Default)]
pub(super) struct Double {
    high: f64,
    low: f64,
}

impl From<f64> for Double {
    fn from(high: f64) -> Self {
        Self { high, low: 0.0 }
    }
}

impl Double {
    /// The exact product of two numbers below 2^500 in magnitude.
    #[inline(always)]
    pub(super) fn product(a: f64, b: f64) -> Self {
        let high = a * b;
        let ((a_high, a_low), (b_high, b_low)) = (split(a), split(b));
        let low = ((a_high * b_high - high) + a_high * b_low + a_low * b_high) + a_low * b_low;
        Self { high, low }
    }

    #[inline(always)]
    fn plus(self, value: f64) -> Self {
        let (high, rest) = two_sum(self.high, value);
        let (high, low) = two_sum(high, rest + self.low);
        Self { high, low }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.plus(-other.high).plus(-other.low)
    }

    pub(super) fn times(self, other: Self) -> Self {
        let product = Self::product(self.high, other.high);
        product.plus(self.high * other.low + self.low * other.high)
    }

    pub(super) fn over(self, divisor: f64) -> Self {
        let first = self.high / divisor;
        let rest = self.minus(Self::product(first, divisor));
        Self::from(first).plus((rest.high + rest.low) / divisor)
    }

    pub(super) fn rounded(self) -> f64 {
        self.high + self.low
    }
}

/// The rounded sum of two numbers and exactly what was rounded off (Knuth).
#[inline(always)]
pub(super) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    let a_part = sum - b_part;
    (sum, (a - a_part) + (b - b_part))
}

/// A number as the sum of two of 26 bits each (Veltkamp).
#[inline(always)]
fn split(value: f64) -> (f64, f64) {
    const FACTOR: f64 = 134_217_729.0;
    let scaled = FACTOR * value;
    let high = scaled - (scaled - value);
    (high, value - high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_exact() {
        // (2^30 + 1)^2 = 2^60 + 2^31 + 1 needs 61 bits.
        let value = (1u64 << 30) as f64 + 1.0;
        let product = Double::product(value, value);
        assert_eq!(product.high as i128 + product.low as i128, (1i128 << 60) + (1 << 31) + 1);
        let third = Double::from(1.0).over(3.0);
        assert!(third.times(Double::from(3.0)).minus(Double::from(1.0)).rounded().abs() < 1e-31);
    }

    #[test]
    fn what_is_taken_off_leaves_no_trace() {
        let mut sum = Expansion::<3>::default();
        for value in [1e-3, 1e30, 7.25, -1e17, 1e30] {
            sum.add(value);
        }
        sum.add_times(Double::from(1e30), -2);
        sum.add_times(Double::from(-1e17), -1);
        assert_eq!(sum.value().rounded(), 7.251);
        sum.add_times(Double::from(0.1), 1_000_000_007);
        sum.add_times(Double::from(0.1), -1_000_000_007);
        sum.add(-7.25);
        // 2^-159 of the largest sum there was.
        assert!((sum.value().rounded() - 1e-3).abs() < 1e-17);
    }
}
