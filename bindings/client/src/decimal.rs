//! Decimal numbers between their digits and two's complement with a scale.

/// The digits of a little-endian two's complement number of any width, scaled: `1250` at scale 2 is
/// `12.50`; a negative scale appends zeros.
pub(crate) fn digits(bytes: &[u8], scale: i32) -> String {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut magnitude = bytes.to_vec();
    if negative {
        negate(&mut magnitude);
    }
    let mut reversed = Vec::new();
    while magnitude.iter().any(|byte| *byte != 0) {
        let mut remainder = 0u32;
        for byte in magnitude.iter_mut().rev() {
            let value = remainder << 8 | u32::from(*byte);
            *byte = (value / 10) as u8;
            remainder = value % 10;
        }
        reversed.push(b'0' + remainder as u8);
    }
    if !reversed.is_empty() && scale < 0 {
        let zeros = std::iter::repeat_n(b'0', scale.unsigned_abs() as usize);
        reversed.splice(0..0, zeros);
    }
    let scale = scale.max(0) as usize;
    while reversed.len() <= scale {
        reversed.push(b'0');
    }
    let mut text = String::with_capacity(reversed.len() + 2);
    if negative {
        text.push('-');
    }
    for (left, digit) in reversed.iter().enumerate().rev() {
        text.push(char::from(*digit));
        if left == scale && scale > 0 {
            text.push('.');
        }
    }
    text
}

/// Plain digits as a little-endian two's complement number of `width` bytes; `None` when they are
/// no number, or have more places than `precision` and `scale` allow, before the point and after
/// it.
pub(crate) fn parse(text: &str, precision: u8, scale: i32, width: usize) -> Option<Box<[u8]>> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let zeros = i64::from(scale) - fraction.len() as i64;
    if whole.len() as i64 > i64::from(precision) - i64::from(scale) || zeros < 0 {
        return None;
    }
    let mut bytes = vec![0u8; width];
    let digits = whole.bytes().chain(fraction.bytes());
    for digit in digits.chain(std::iter::repeat_n(b'0', zeros as usize)) {
        if !digit.is_ascii_digit() {
            return None;
        }
        let mut carry = u32::from(digit - b'0');
        for byte in &mut bytes {
            let value = u32::from(*byte) * 10 + carry;
            (*byte, carry) = (value as u8, value >> 8);
        }
    }
    if negative {
        negate(&mut bytes);
    }
    Some(bytes.into())
}

fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes {
        (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_sign_and_scale() {
        for (value, scale, expected) in [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (1250, 2, "12.50"),
            (-5, 3, "-0.005"),
            (7, -2, "700"),
            (i128::MIN, 0, "-170141183460469231731687303715884105728"),
        ] {
            assert_eq!(digits(&value.to_le_bytes(), scale), expected);
        }
        assert_eq!(digits(&(-123_456_i32).to_le_bytes(), 4), "-12.3456");
        let mut wide = [0u8; 32];
        wide[16] = 1;
        assert_eq!(digits(&wide, 0), "340282366920938463463374607431768211456");
    }

    #[test]
    fn digits_are_read_back() {
        for (text, shown) in [("12.5", "12.50"), ("-0.07", "-0.07"), ("+3", "3.00"), (".5", "0.50")]
        {
            let bytes = parse(text, 10, 2, 16).unwrap();
            assert_eq!(digits(&bytes, 2), shown);
        }
        assert_eq!(digits(&parse("99999999.99", 10, 2, 8).unwrap(), 2), "99999999.99");
        for text in ["12.505", "123456789", "1e3", "", ".", "-", "x", "NaN"] {
            assert_eq!(parse(text, 10, 2, 16), None, "{text}");
        }
    }
}
