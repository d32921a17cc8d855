//! Sizes in bytes, as options are written with: `64 MB`, `1.5GiB`.

use crate::{Error, Result, code};

/// The units: powers of 1000, and with an `i` of 1024.
const UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KIB", 1 << 10),
    ("MIB", 1 << 20),
    ("GIB", 1 << 30),
];

/// The bytes of a number and its unit. Parts of a byte are left out.
///
/// # Errors
/// [`code::OPTION`] when it is not a size or does not fit. Without a position: the caller knows it.
pub fn parse_size_bytes(text: &str) -> Result<usize> {
    let trimmed = text.trim();
    let digits = trimmed.find(|ch: char| !ch.is_ascii_digit() && ch != '.');
    let (number, unit) = trimmed.split_at(digits.unwrap_or(trimmed.len()));
    let unit = unit.trim();
    let unit = UNITS.into_iter().find(|(name, _)| unit.eq_ignore_ascii_case(name));
    let bytes = unit.and_then(|(_, unit)| bytes(number, unit));
    bytes.and_then(|bytes| usize::try_from(bytes).ok()).ok_or_else(|| {
        let message =
            format!("`{text}` is no size: write a number and B, KB, MB, GB, KiB, MiB or GiB");
        Error::new(code::OPTION, message)
    })
}

/// A decimal number of units, exactly. `None` when it is none or too large.
fn bytes(number: &str, unit: u64) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let count = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u64>().ok() };
    // Twelve digits are more than any unit tells apart.
    let part = &part[..part.len().min(12)];
    let parts = u128::from(count(part)?) * u128::from(unit);
    let parts = parts / 10_u128.pow(u32::try_from(part.len()).ok()?);
    count(whole)?.checked_mul(unit)?.checked_add(u64::try_from(parts).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_in_any_case_with_or_without_a_space() {
        for (text, bytes) in [
            ("0B", 0),
            ("64 MB", 64_000_000),
            ("64mb", 64_000_000),
            (" 1 KiB ", 1_024),
            ("1.5 GiB", 1_610_612_736),
            (".5 kb", 500),
            ("2.0000000000009 B", 2),
            ("3 gb", 3_000_000_000),
        ] {
            assert_eq!(parse_size_bytes(text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_named() {
        for text in [
            "",
            "MB",
            "64",
            "-1 MB",
            "1..2 MB",
            ". MB",
            "1 TB",
            "64 MB 3",
            "99999999999 GB",
            "1e3 B",
        ] {
            let error = parse_size_bytes(text).unwrap_err();
            assert!(error.message().contains(&format!("`{text}` is no size")), "{error}");
        }
    }
}
