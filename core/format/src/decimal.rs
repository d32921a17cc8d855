//! Decimals from their digits, exactly.

use arrow::buffer::MutableBuffer;
use arrow::datatypes::{DataType, i256};

/// Precision and scale of a decimal type.
pub fn parts(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => Some((*precision, *scale)),
        _ => None,
    }
}

/// Reads `[+-]digits[.digits]` as the unscaled value of a decimal type. `None` when the text has
/// another form, more digits than the precision, or digits other than zero beyond the scale.
pub fn parse(text: &str, data_type: &DataType) -> Option<i256> {
    let (precision, scale) = parts(data_type)?;
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let point = digits.iter().position(|&byte| byte == b'.').unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..point], digits.get(point + 1..).unwrap_or(&[]));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // The digit of weight 10^(whole.len() - 1 - place), for every place that the scale reaches.
    let kept = i64::try_from(whole.len()).ok()? + i64::from(scale);
    let mut value = i256::ZERO;
    let ten = i256::from_i128(10);
    for (place, &byte) in (0_i64..).zip(whole.iter().chain(fraction)) {
        let digit = byte.is_ascii_digit().then(|| i128::from(byte - b'0'))?;
        if place < kept {
            value = value.checked_mul(ten)?.checked_add(i256::from_i128(digit))?;
        } else if digit != 0 {
            return None;
        }
    }
    let given = i64::try_from(whole.len() + fraction.len()).ok()?;
    for _ in given..kept {
        value = value.checked_mul(ten)?;
    }
    if value >= ten.checked_pow(u32::from(precision))? {
        return None;
    }
    if negative { value.checked_neg() } else { Some(value) }
}

/// Appends an unscaled value of a type with `width` bytes, in which it fits.
pub fn push(value: i256, width: usize, bytes: &mut MutableBuffer) {
    let all = value.to_le_bytes();
    if cfg!(target_endian = "little") {
        bytes.extend_from_slice(&all[..width]);
    } else {
        let big: Vec<u8> = all[..width].iter().rev().copied().collect();
        bytes.extend_from_slice(&big);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_scaled() {
        let read = |text: &str| parse(text, &DataType::Decimal128(5, 2)).and_then(i256::to_i128);
        for (text, value) in [
            ("12.5", Some(1250)),
            ("-12.50", Some(-1250)),
            ("+7", Some(700)),
            (".25", Some(25)),
            ("3.", Some(300)),
            ("1.2300", Some(123)),
            ("0001", Some(100)),
            ("999.99", Some(99_999)),
            ("1000", None),
            ("1.234", None),
            ("", None),
            ("-", None),
            (".", None),
            ("1e3", None),
            ("1.2.3", None),
            (" 1", None),
        ] {
            assert_eq!(read(text), value, "{text}");
        }
        let hundreds =
            |text: &str| parse(text, &DataType::Decimal32(3, -2)).and_then(i256::to_i128);
        assert_eq!(hundreds("1200"), Some(12));
        assert_eq!(hundreds("1234"), None);
        assert_eq!(hundreds("0"), Some(0));
        let widest = "9".repeat(76);
        assert!(parse(&widest, &DataType::Decimal256(76, 0)).is_some());
        assert!(parse(&format!("{widest}9"), &DataType::Decimal256(76, 0)).is_none());
    }
}
