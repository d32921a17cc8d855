//! [`Place`]: where a row that a partition gives stands among those of the others.

/// Rows of a step stand in the order of their places. Of rows of one partition those of one place
/// stay as they are; two partitions never give rows of one place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// What the rows of a step are divided by first: the end of a window, or zero.
    section: i64,
    /// In each section, rows that ceased stand before rows that came to be.
    came: bool,
    origin: Origin,
}

impl Place {
    /// Of a row that ceased.
    pub(in crate::operators) fn ceased(section: i64, origin: impl Into<Origin>) -> Self {
        Self { section, came: false, origin: origin.into() }
    }

    /// Of a row that came to be.
    pub(in crate::operators) fn came(section: i64, origin: impl Into<Origin>) -> Self {
        Self { section, came: true, origin: origin.into() }
    }

    /// Of a row of a step without sections.
    pub(in crate::operators) fn of(origin: Origin, weight: i64) -> Self {
        Self { section: 0, came: weight > 0, origin }
    }
}

/// What a row comes from: rows come out in the order of their origins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::operators) struct Origin {
    /// What the operator does one after the other in a step.
    pub(in crate::operators) stage: u8,
    /// The time that brings the row out, where it is one.
    pub(in crate::operators) time: i64,
    /// The ordinal of the row of the input that decides.
    pub(in crate::operators) ordinal: u64,
}

impl From<u64> for Origin {
    fn from(ordinal: u64) -> Self {
        Self { stage: 0, time: 0, ordinal }
    }
}
