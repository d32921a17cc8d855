//! [`Word`]: values as 64 bits.

use arrow::datatypes::{IntervalDayTime, IntervalMonthDayNano, i256};
use half::f16;

/// A native value of Arrow as a word: signed integers extended by their sign, unsigned ones by
/// zeros, floats by their bits.
pub trait Word: Copy {
    /// Whether values of the type fit a word. If not, the two methods must not be called.
    const FITS: bool;
    /// The value of a word.
    fn of_word(word: u64) -> Self;
    /// The word of a value.
    fn to_word(self) -> u64;
}

macro_rules! integer {
    ($($t:ty as $wide:ty),*) => {
        $(impl Word for $t {
            const FITS: bool = true;

            #[inline(always)]
            fn of_word(word: u64) -> Self {
                word as Self
            }

            #[inline(always)]
            fn to_word(self) -> u64 {
                <$wide>::from(self) as u64
            }
        })*
    };
}
integer!(i8 as i64, i16 as i64, i32 as i64, i64 as i64);
integer!(u8 as u64, u16 as u64, u32 as u64, u64 as u64);

impl Word for f32 {
    const FITS: bool = true;

    #[inline(always)]
    fn of_word(word: u64) -> Self {
        Self::from_bits(word as u32)
    }

    #[inline(always)]
    fn to_word(self) -> u64 {
        u64::from(self.to_bits())
    }
}

impl Word for f64 {
    const FITS: bool = true;

    #[inline(always)]
    fn of_word(word: u64) -> Self {
        Self::from_bits(word)
    }

    #[inline(always)]
    fn to_word(self) -> u64 {
        self.to_bits()
    }
}

impl Word for bool {
    const FITS: bool = true;

    #[inline(always)]
    fn of_word(word: u64) -> Self {
        word != 0
    }

    #[inline(always)]
    fn to_word(self) -> u64 {
        u64::from(self)
    }
}

macro_rules! no_word {
    ($($t:ty),*) => {
        $(impl Word for $t {
            const FITS: bool = false;

            fn of_word(_: u64) -> Self {
                Self::default()
            }

            fn to_word(self) -> u64 {
                0
            }
        })*
    };
}
no_word!(i128, i256, IntervalDayTime, IntervalMonthDayNano, f16);
