//! [`Reach`]: which rows a window function of a row looks at, and so which rows a change touches.
//!
//! Both questions are answered from the order alone, by positions, by groups of peers or by
//! values. Answers may be too large, never too small: rows whose value turns out to be the same
//! are not told.

use std::ops::Range;

use datafusion::common::ScalarValue;
use laminar_types::{Error, Result};

use super::partition_rows::{peers_end, peers_start};
use super::row_codec::RowCodec;
use crate::state::OrderedRows;

/// How far a function of a row looks in its partition, before the row and after it. `None` is to
/// the partition's beginning or end.
#[derive(Debug, Clone, PartialEq)]
pub enum Reach {
    /// At how many rows, or peer groups, stand before the row.
    Position,
    /// At rows by number.
    Rows {
        /// Rows before.
        before: Option<usize>,
        /// Rows after.
        after: Option<usize>,
    },
    /// At peers and at groups of peers by number.
    Groups {
        /// Groups before.
        before: Option<usize>,
        /// Groups after.
        after: Option<usize>,
    },
    /// At rows whose first column of the order differs by no more than this.
    Values {
        /// Distance before.
        before: Option<ValueDistance>,
        /// Distance after.
        after: Option<ValueDistance>,
        /// Whether the order descends.
        descending: bool,
    },
    /// At all rows.
    Partition,
}

/// A distance from a row by the first column of the order.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueDistance {
    /// To the row's own peers.
    Peers,
    /// To values that differ by no more than this.
    By(ScalarValue),
}

/// A row that came or went: what it is, and where it stands or would stand.
pub(super) struct Point<'a> {
    pub(super) bytes: &'a [u8],
    /// Where the copies that came stand; empty where copies went.
    pub(super) at: Range<usize>,
}

/// A partition after its change.
pub(super) struct Place<'a> {
    pub(super) rows: &'a OrderedRows,
    pub(super) codec: &'a RowCodec,
    pub(super) partition: u32,
}

impl Reach {
    /// Whether a change costs no more than the rows that it touches.
    pub fn is_bounded(&self) -> bool {
        match self {
            Self::Position => true,
            Self::Rows { before, after } | Self::Groups { before, after } => {
                before.is_some() && after.is_some()
            }
            Self::Values { before, after, .. } => before.is_some() && after.is_some(),
            Self::Partition => false,
        }
    }

    /// The rows whose value may differ after these changes, which are in order and leave the
    /// partition as long as it was when `balanced` is set.
    pub(super) fn touched(
        &self,
        place: &Place<'_>,
        points: &[Point<'_>],
        balanced: bool,
        out: &mut Vec<Range<usize>>,
    ) -> Result<()> {
        let len = place.len();
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(()) };
        match self {
            Self::Position if balanced => out.push(first.at.start..place.peers_end(last.bytes)),
            Self::Position => out.push(first.at.start..len),
            Self::Partition => out.push(0..len),
            Self::Rows { before, after } => out.extend(points.iter().map(|point| {
                let start = after.map_or(0, |after| point.at.start.saturating_sub(after));
                let end = before.map_or(len, |before| point.at.end.saturating_add(before));
                start..end.min(len)
            })),
            Self::Groups { before, after } => out.extend(points.iter().map(|point| {
                let (start, end) = (place.peers_start(point.bytes), place.peers_end(point.bytes));
                place.back(start, *after)..place.forward(end, *before)
            })),
            Self::Values { before, after, descending } => {
                for point in points {
                    let start = place.before(point.bytes, after.as_ref(), *descending)?;
                    let end = place.behind(point.bytes, before.as_ref(), *descending)?;
                    out.push(start..end);
                }
            }
        }
        Ok(())
    }

    /// The rows that the values of `rows`, which are not none, depend on.
    pub(super) fn context(&self, place: &Place<'_>, rows: Range<usize>) -> Result<Range<usize>> {
        let len = place.len();
        Ok(match self {
            Self::Position => rows,
            Self::Partition => 0..len,
            Self::Rows { before, after } => {
                let start = before.map_or(0, |before| rows.start.saturating_sub(before));
                let end = after.map_or(len, |after| rows.end.saturating_add(after).min(len));
                start..end
            }
            Self::Groups { before, after } => {
                let (first, last) = (place.bytes(rows.start), place.bytes(rows.end - 1));
                let start = place.back(place.peers_start(first), *before);
                start..place.forward(place.peers_end(last), *after)
            }
            Self::Values { before, after, descending } => {
                let (first, last) = (place.bytes(rows.start), place.bytes(rows.end - 1));
                let start = place.before(first, before.as_ref(), *descending)?;
                start..place.behind(last, after.as_ref(), *descending)?
            }
        })
    }
}

impl Place<'_> {
    pub(super) fn len(&self) -> usize {
        self.rows.len(self.partition)
    }

    pub(super) fn bytes(&self, position: usize) -> &[u8] {
        self.rows.bytes(self.rows.row_at(self.partition, position))
    }

    pub(super) fn peers_start(&self, bytes: &[u8]) -> usize {
        peers_start(self.rows, self.partition, bytes)
    }

    pub(super) fn peers_end(&self, bytes: &[u8]) -> usize {
        peers_end(self.rows, self.partition, bytes)
    }

    /// The beginning of a group some groups before the one that begins at `position`.
    fn back(&self, mut position: usize, groups: Option<usize>) -> usize {
        let Some(groups) = groups else { return 0 };
        for _ in 0..groups {
            if position == 0 {
                break;
            }
            position = self.peers_start(self.bytes(position - 1));
        }
        position
    }

    /// The end of a group some groups after the one that ends at `position`.
    fn forward(&self, mut position: usize, groups: Option<usize>) -> usize {
        let Some(groups) = groups else { return self.len() };
        for _ in 0..groups {
            if position == self.len() {
                break;
            }
            position = self.peers_end(self.bytes(position));
        }
        position
    }

    /// The first row no further than `distance` before a row.
    fn before(
        &self,
        bytes: &[u8],
        distance: Option<&ValueDistance>,
        descending: bool,
    ) -> Result<usize> {
        let Some(distance) = distance else { return Ok(0) };
        match self.moved(bytes, distance, descending)? {
            Moved::Nowhere => Ok(self.peers_start(bytes)),
            Moved::Past => Ok(0),
            Moved::To(key) => Ok(self.rows.rank(self.partition, &key, false)),
        }
    }

    /// The position behind the last row no further than `distance` after a row.
    fn behind(
        &self,
        bytes: &[u8],
        distance: Option<&ValueDistance>,
        descending: bool,
    ) -> Result<usize> {
        let Some(distance) = distance else { return Ok(self.len()) };
        match self.moved(bytes, distance, !descending)? {
            Moved::Nowhere => Ok(self.peers_end(bytes)),
            Moved::Past => Ok(self.len()),
            Moved::To(key) => Ok(self
                .rows
                .point(self.partition, |row| row < key.as_slice() || row.starts_with(&key))),
        }
    }

    /// The order's column of a row, moved up or down.
    fn moved(&self, bytes: &[u8], distance: &ValueDistance, up: bool) -> Result<Moved> {
        let ValueDistance::By(distance) = distance else { return Ok(Moved::Nowhere) };
        let column = self.codec.first_order_column(bytes)?;
        let internal = |error| Error::internal(format!("a frame's bound cannot be told: {error}"));
        let value = ScalarValue::try_from_array(&column, 0).map_err(internal)?;
        if value.is_null() {
            return Ok(Moved::Nowhere);
        }
        let moved = match up {
            true => value.add_checked(distance),
            false => value.sub_checked(distance),
        };
        // What the type cannot hold is past every row, and so is what is less than nothing.
        let Ok(moved) = moved else { return Ok(Moved::Past) };
        let column = moved.to_array().map_err(internal)?;
        Ok(Moved::To(self.codec.encode_order(&[column])?))
    }
}

/// Where a value came to that was moved.
enum Moved {
    /// Not at all, since it is NULL or was not to be moved.
    Nowhere,
    /// Past what its type can hold.
    Past,
    /// To the value with this key.
    To(Vec<u8>),
}

/// Ranges in order, those that touch made one.
pub(super) fn joined(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_are_joined() {
        assert_eq!(joined(vec![5..9, 0..2, 2..3, 7..8, 4..4]), vec![0..3, 5..9]);
        assert!(joined(vec![3..3, 7..7]).is_empty());
    }
}
