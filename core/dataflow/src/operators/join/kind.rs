//! [`JoinKind`]: what a join emits, as pairs and as rows of either side.

/// One of the two inputs of a join, which is also its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The first input.
    Left,
    /// The second input.
    Right,
}

impl Side {
    /// Both, in the order of the ports.
    pub const BOTH: [Self; 2] = [Self::Left, Self::Right];

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    /// The port.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// The joins of SQL, and those that subqueries become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// The pairs that match.
    Inner,
    /// And the left rows without a match, padded with NULLs.
    Left,
    /// And the right rows without a match, padded with NULLs.
    Right,
    /// And both.
    Full,
    /// The left rows with a match.
    LeftSemi,
    /// The left rows without a match.
    LeftAnti,
    /// The left rows, each with whether it has a match.
    LeftMark,
    /// The right rows with a match.
    RightSemi,
    /// The right rows without a match.
    RightAnti,
    /// The right rows, each with whether it has a match.
    RightMark,
}

/// What a row gives beside its pairs, as long as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowOutput {
    /// Nothing: its matches need not be counted.
    Nothing,
    /// Itself, while it has a match.
    Matched,
    /// Itself, while it has none.
    Unmatched,
    /// Itself and whether it has one.
    Marked,
}

impl JoinKind {
    /// Whether the pairs that match are part of the result.
    pub fn has_pairs(self) -> bool {
        matches!(self, Self::Inner | Self::Left | Self::Right | Self::Full)
    }

    /// What a row of a side gives beside its pairs.
    pub(super) fn row_output(self, side: Side) -> RowOutput {
        use JoinKind::{Full, Left, LeftAnti, LeftMark, LeftSemi};
        use JoinKind::{Right, RightAnti, RightMark, RightSemi};
        match (self, side) {
            (Left | Full | LeftAnti, Side::Left) => RowOutput::Unmatched,
            (Right | Full | RightAnti, Side::Right) => RowOutput::Unmatched,
            (LeftSemi, Side::Left) | (RightSemi, Side::Right) => RowOutput::Matched,
            (LeftMark, Side::Left) | (RightMark, Side::Right) => RowOutput::Marked,
            _ => RowOutput::Nothing,
        }
    }

    /// The sides whose columns are in the result, in their order.
    pub fn output_sides(self) -> &'static [Side] {
        match self {
            Self::Inner | Self::Left | Self::Right | Self::Full => &Side::BOTH,
            Self::LeftSemi | Self::LeftAnti | Self::LeftMark => &[Side::Left],
            Self::RightSemi | Self::RightAnti | Self::RightMark => &[Side::Right],
        }
    }

    /// Whether the result can be told from the rows that the sides keep, which are those that have
    /// a key: no row without one is in it.
    pub fn content_follows_from_rows(self) -> bool {
        matches!(self, Self::Inner | Self::LeftSemi | Self::RightSemi)
    }

    /// Whether a column behind the others tells if there is a match.
    pub fn has_mark(self) -> bool {
        matches!(self, Self::LeftMark | Self::RightMark)
    }
}

impl RowOutput {
    /// How often a row is in the result that is there `weight` times.
    pub(super) fn weight(self, weight: i64, matched: bool) -> i64 {
        match self {
            Self::Nothing => 0,
            Self::Matched if matched => weight,
            Self::Unmatched if !matched => weight,
            Self::Matched | Self::Unmatched => 0,
            Self::Marked => weight,
        }
    }
}
