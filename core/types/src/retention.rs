//! [`Retention`]: how much of its past a relation keeps.

use std::fmt;

/// How much of what came is kept for queries, the oldest rows going first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// So many rows, the newest ones; `usize::MAX` keeps all.
    Rows(usize),
    /// Rows in at most so many bytes of memory.
    Bytes(usize),
}

impl From<usize> for Retention {
    fn from(rows: usize) -> Self {
        Self::Rows(rows)
    }
}

/// As SQL spells it: `100`, `64 MB`.
impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(usize, &str); 6] = [
            (1_000_000_000, "GB"),
            (1 << 30, "GiB"),
            (1_000_000, "MB"),
            (1 << 20, "MiB"),
            (1_000, "KB"),
            (1 << 10, "KiB"),
        ];
        match *self {
            Self::Rows(rows) => write!(f, "{rows}"),
            Self::Bytes(bytes) => {
                let whole = |(unit, _): &(usize, &str)| bytes > 0 && bytes.is_multiple_of(*unit);
                let (unit, name) = UNITS.into_iter().find(whole).unwrap_or((1, "B"));
                write!(f, "{} {name}", bytes / unit)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_largest_whole_unit() {
        for (retention, text) in [
            (Retention::Rows(65_536), "65536"),
            (Retention::Bytes(0), "0 B"),
            (Retention::Bytes(1_023), "1023 B"),
            (Retention::Bytes(1_024), "1 KiB"),
            (Retention::Bytes(64_000_000), "64 MB"),
            (Retention::Bytes(64 << 20), "64 MiB"),
            (Retention::Bytes(1_500_000), "1500 KB"),
            (Retention::Bytes(3 << 30), "3 GiB"),
        ] {
            assert_eq!(retention.to_string(), text);
        }
    }
}
