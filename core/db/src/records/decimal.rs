//! [`Decimal`]: numbers with a fixed count of digits behind the point.

use std::fmt;
use std::str::FromStr;

use arrow::datatypes::DataType;
use laminar_types::{Error, Result, code};

use super::cell::Cell;
use super::from_column::FromColumn;
use super::to_column::ToColumn;
use super::value::{Unfit, Value};

/// A number of at most `PRECISION` digits (1 to 38), `SCALE` of them behind the point: the values of
/// a column `DECIMAL(PRECISION, SCALE)`.
///
/// It carries values to and from columns and does no arithmetic: that is SQL's, or that of a crate
/// of decimals, by way of [`unscaled`](Self::unscaled) or the text.
///
/// ```
/// use laminar_db::Decimal;
///
/// let price: Decimal<10, 2> = "187.5".parse()?;
/// assert_eq!(price.unscaled(), 18_750);
/// assert_eq!(price.to_string(), "187.50");
/// assert!("1.234".parse::<Decimal<10, 2>>().is_err());
/// # Ok::<(), laminar_db::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Decimal<const PRECISION: u8, const SCALE: i8>(i128);

impl<const PRECISION: u8, const SCALE: i8> Decimal<PRECISION, SCALE> {
    /// `unscaled * 10^-SCALE`, or `None` where that has more than `PRECISION` digits.
    pub fn from_unscaled(unscaled: i128) -> Option<Self> {
        has_digits(unscaled, PRECISION).then_some(Self(unscaled))
    }

    /// The digits without the point: the value is `unscaled() * 10^-SCALE`.
    pub fn unscaled(self) -> i128 {
        self.0
    }
}

impl<const PRECISION: u8, const SCALE: i8> fmt::Display for Decimal<PRECISION, SCALE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.unsigned_abs().to_string();
        let text = match usize::try_from(SCALE) {
            Ok(0) => digits,
            Ok(scale) => {
                let digits = format!("{digits:0>width$}", width = scale + 1);
                let (whole, fraction) = digits.split_at(digits.len() - scale);
                format!("{whole}.{fraction}")
            }
            Err(_) if self.0 == 0 => digits,
            Err(_) => digits + &"0".repeat(usize::from(SCALE.unsigned_abs())),
        };
        f.pad_integral(self.0 >= 0, "", &text)
    }
}

impl<const PRECISION: u8, const SCALE: i8> FromStr for Decimal<PRECISION, SCALE> {
    type Err = Error;

    /// Reads digits with an optional sign and point.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            let message = format!("`{text}` is no DECIMAL({PRECISION}, {SCALE})");
            Error::new(code::VALUE, message)
        };
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !is_number(whole) || !is_number(fraction) {
            return Err(refuse());
        }
        let unscaled = format!("{sign}{whole}{fraction}").parse().map_err(|_| refuse())?;
        let scale = i8::try_from(fraction.len()).map_err(|_| refuse())?;
        rescale(unscaled, scale, PRECISION, SCALE).map(Self).ok_or_else(refuse)
    }
}

/// A decimal of one scale in another one, where nothing is lost and the digits suffice.
pub(super) fn rescale(unscaled: i128, from: i8, precision: u8, to: i8) -> Option<i128> {
    let shift = i16::from(to) - i16::from(from);
    let factor = 10_i128.checked_pow(shift.unsigned_abs().into());
    let rescaled = match factor {
        _ if unscaled == 0 => 0,
        Some(factor) if shift >= 0 => unscaled.checked_mul(factor)?,
        Some(factor) if unscaled % factor == 0 => unscaled / factor,
        _ => return None,
    };
    has_digits(rescaled, precision).then_some(rescaled)
}

fn has_digits(unscaled: i128, precision: u8) -> bool {
    let limit = 10_u128.checked_pow(precision.into());
    limit.is_none_or(|limit| unscaled.unsigned_abs() < limit)
}

impl<const PRECISION: u8, const SCALE: i8> ToColumn for Decimal<PRECISION, SCALE> {
    fn data_type() -> DataType {
        DataType::Decimal128(PRECISION, SCALE)
    }

    fn write(&self, cell: Cell<'_>) -> Result<()> {
        cell.decimal(self.0, SCALE)
    }
}

impl<const PRECISION: u8, const SCALE: i8> FromColumn for Decimal<PRECISION, SCALE> {
    fn accepts(data_type: &DataType) -> bool {
        matches!(data_type, DataType::Decimal128(..) | DataType::Decimal256(..))
            || data_type.is_integer()
    }

    fn read(value: Value<'_>) -> Result<Self, Unfit> {
        let (unscaled, scale) = match value {
            Value::Decimal { unscaled, scale } => (unscaled, scale),
            Value::Int(value) => (value.into(), 0),
            Value::UInt(value) => (value.into(), 0),
            other => return Err(Unfit::of(&other)),
        };
        rescale(unscaled, scale, PRECISION, SCALE).map(Self).ok_or_else(|| {
            Unfit::new(format!("a decimal that DECIMAL({PRECISION}, {SCALE}) has not"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_digits_agree() {
        for (text, unscaled, shown) in [
            ("0", 0, "0.00"),
            ("-0.05", -5, "-0.05"),
            ("+12.5", 1_250, "12.50"),
            (".5", 50, "0.50"),
            ("7.", 700, "7.00"),
            ("12345678.900", 1_234_567_890, "12345678.90"),
        ] {
            let decimal: Decimal<10, 2> = text.parse().unwrap();
            assert_eq!(decimal.unscaled(), unscaled, "{text}");
            assert_eq!(decimal.to_string(), shown, "{text}");
        }
        for text in ["", ".", "-", "1e3", "1.005", "123456789", "1.2.3", " 1"] {
            assert!(text.parse::<Decimal<10, 2>>().is_err(), "{text}");
        }
        let thousands = Decimal::<5, -3>::from_unscaled(12).unwrap();
        assert_eq!(thousands.to_string(), "12000");
    }

    #[test]
    fn scales_change_without_loss_or_not_at_all() {
        assert_eq!(rescale(125, 2, 38, 4), Some(12_500));
        assert_eq!(rescale(12_500, 4, 3, 2), Some(125));
        assert_eq!(rescale(12_501, 4, 38, 2), None);
        assert_eq!(rescale(12_500, 4, 2, 2), None, "three digits");
        assert_eq!(rescale(i128::MAX, 0, 38, 1), None);
        assert_eq!(rescale(0, 0, 1, 127), Some(0));
        assert_eq!(Decimal::<2, 0>::from_unscaled(100), None);
        assert_eq!(Decimal::<2, 0>::from_unscaled(-99).map(Decimal::unscaled), Some(-99));
    }
}
