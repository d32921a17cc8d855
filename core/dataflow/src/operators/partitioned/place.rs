//! [`Place`]: where a row that a partition gives stands among those of the others.

/// Rows of a step stand in the order of their places. Of rows of one partition those of one place
/// stay as they are; two partitions never give rows of one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// What the rows of a step are divided by first: the end of a window, or zero.
    section: i64,
    /// In each section, rows that ceased stand before rows that came to be.
    came: bool,
    /// The ordinal of the row of the input that decides.
    ordinal: u64,
}

impl Place {
    /// Of a row that ceased.
    pub(in crate::operators) fn ceased(section: i64, ordinal: u64) -> Self {
        Self { section, came: false, ordinal }
    }

    /// Of a row that came to be.
    pub(in crate::operators) fn came(section: i64, ordinal: u64) -> Self {
        Self { section, came: true, ordinal }
    }
}
