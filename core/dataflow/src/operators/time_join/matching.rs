//! [`AsofMatch`]: which right row a left row gets, and from when on that is final.

use laminar_types::mutant;

use crate::state::TimeIndex;

/// Which of the right rows of a key a left row gets.
///
/// Of several right rows of that time it gets the last one looking back and the first one looking
/// forward, in the order of arrival where the right side is append-only, else of all columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsofMatch {
    /// `l.ts >= r.ts`, or `>` without `inclusive`: the latest before.
    Backward {
        /// Whether a right row of the very time counts.
        inclusive: bool,
    },
    /// `l.ts <= r.ts`, or `<` without `inclusive`: the earliest after.
    Forward {
        /// Whether a right row of the very time counts.
        inclusive: bool,
    },
    /// `NEAREST(l.ts, r.ts)`: the least distance; of two equally far the one before.
    Nearest,
}

/// What is known of a left row's match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// Nothing that can still come changes it.
    Final(Option<u32>),
    /// It is final no earlier than when the right frontier reaches a time.
    At(i64),
    /// It is not final before another right row of the key has come.
    Asleep,
}

impl AsofMatch {
    /// The condition with its sides exchanged.
    pub fn turned(self) -> Self {
        match self {
            Self::Backward { inclusive } => Self::Forward { inclusive },
            Self::Forward { inclusive } => Self::Backward { inclusive },
            Self::Nearest => Self::Nearest,
        }
    }

    /// The match of a left row among the right rows that are there.
    pub(super) fn find(self, right: &TimeIndex, key: u32, time: i64) -> Option<u32> {
        match self {
            Self::Backward { inclusive } => match inclusive ^ mutant!(AsofEqualityWrong) {
                true => right.last_at_or_before(key, time),
                false => right.last_before(key, time),
            },
            Self::Forward { inclusive: true } => right.first_at_or_after(key, time),
            Self::Forward { inclusive: false } => right.first_after(key, time),
            Self::Nearest => {
                let before = right.last_at_or_before(key, time);
                let after = right.first_after(key, time);
                match (before, after) {
                    (Some(before), Some(after)) => {
                        let back = time.abs_diff(right.time(before));
                        let ahead = time.abs_diff(right.time(after));
                        let is_back =
                            back < ahead || (back == ahead && !mutant!(NearestLooksAhead));
                        Some(if is_back { before } else { after })
                    }
                    (before, after) => before.or(after),
                }
            }
        }
    }

    /// The same with what is known of it when every right row before `frontier` has come.
    /// `append_only` tells that right rows do not cease.
    pub(super) fn settle(
        self,
        right: &TimeIndex,
        key: u32,
        time: i64,
        frontier: i64,
        append_only: bool,
    ) -> Settled {
        let found = self.find(right, key, time);
        if frontier == i64::MAX {
            return Settled::Final(found);
        }
        let from = match self {
            Self::Backward { inclusive: true } => time.saturating_add(1),
            Self::Backward { inclusive: false } => time,
            Self::Nearest if frontier <= time => time.saturating_add(1),
            Self::Forward { .. } | Self::Nearest => match found.map(|found| right.time(found)) {
                None => return Settled::Asleep,
                // A row before can only be beaten by one that is nearer on the other side.
                Some(found) if found <= time && self == Self::Nearest => {
                    time.saturating_add(time.saturating_sub(found))
                }
                // What comes at its very time stands behind it, unless it may cease.
                Some(found) if append_only && found <= self.first_ahead(time) => i64::MIN,
                Some(found) if append_only => found,
                Some(found) => found.saturating_add(1),
            },
        };
        let frontier = frontier.saturating_add(i64::from(mutant!(AsofFinalOneUnitEarly)));
        if from <= frontier { Settled::Final(found) } else { Settled::At(from) }
    }

    /// The times of the left rows whose match a right row can be, given the times of the right
    /// rows next to it; wider than need be at the ends.
    pub(super) fn gap(self, time: i64, before: Option<i64>, after: Option<i64>) -> (i64, i64) {
        let from = before.unwrap_or(i64::MIN);
        let to = after.unwrap_or(i64::MAX);
        match self {
            Self::Backward { .. } => (time, to),
            Self::Forward { .. } => (from, time),
            Self::Nearest => (from, to),
        }
    }

    /// The earliest time of a right row ahead of a left row.
    fn first_ahead(self, time: i64) -> i64 {
        match self {
            Self::Forward { inclusive: true } => time,
            _ => time.saturating_add(1),
        }
    }

    /// Whether only right rows before the left row are looked at.
    pub(super) fn is_backward(self) -> bool {
        matches!(self, Self::Backward { .. })
    }

    /// Whether a left row may need the last right row before it.
    pub(super) fn looks_back(self) -> bool {
        !matches!(self, Self::Forward { .. })
    }
}
