//! [`Pieces`]: the rows of open sessions in the order of time, per key.
//!
//! A piece is a span of time of one key whose rows can only cease together: over append-only input
//! whatever a session has grown into, over updating input one distinct row. Pieces of a key that
//! are less than the gap apart belong to one session, so sessions merge and split by themselves as
//! pieces come, grow and go.

use std::collections::BTreeMap;

/// A piece by its key's slot, its first time and its number.
pub(super) type PieceKey = (u32, i64, i64);

/// What is known of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// Its last time.
    pub(super) last: i64,
    /// The least time of a row that was in time by itself; `i64::MAX` when there is none.
    pub(super) own: i64,
    /// How many times its row is there, over updating input.
    pub(super) weight: i64,
}

/// A session as its pieces make it.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) key: u32,
    pub(super) start: i64,
    /// One gap after the last row.
    pub(super) end: i64,
    pub(super) pieces: Vec<PieceKey>,
    /// The least of what its pieces have.
    pub(super) own: i64,
}

/// The pieces of all keys.
pub(super) struct Pieces {
    gap: i64,
    pieces: BTreeMap<PieceKey, Piece>,
    /// How many pieces have a least start that they can still get.
    least_starts: BTreeMap<i64, u32>,
    /// What each change since the last `commit` replaced.
    log: Vec<(PieceKey, Option<Piece>)>,
}

impl Pieces {
    pub(super) fn new(gap: i64) -> Self {
        Self { gap, pieces: BTreeMap::new(), least_starts: BTreeMap::new(), log: Vec::new() }
    }

    pub(super) fn get(&self, at: PieceKey) -> Option<Piece> {
        self.pieces.get(&at).copied()
    }

    /// Puts a piece in its place, or takes it away.
    pub(super) fn set(&mut self, at: PieceKey, piece: Option<Piece>) {
        let before = self.replace(at, piece);
        self.log.push((at, before));
    }

    /// Makes the changes since the last call stand.
    pub(super) fn commit(&mut self) {
        self.log.clear();
    }

    /// Takes back the changes since the last `commit`.
    pub(super) fn undo(&mut self) {
        while let Some((at, before)) = self.log.pop() {
            self.replace(at, before);
        }
    }

    fn replace(&mut self, at: PieceKey, piece: Option<Piece>) -> Option<Piece> {
        let before = match piece {
            Some(piece) => self.pieces.insert(at, piece),
            None => self.pieces.remove(&at),
        };
        let least = |piece: Piece| self.least_start(at, piece);
        let (gone, come) = (before.map(least), piece.map(least));
        if gone != come {
            if let Some(come) = come {
                *self.least_starts.entry(come).or_default() += 1;
            }
            if let Some(gone) = gone
                && let Some(count) = self.least_starts.get_mut(&gone)
            {
                *count -= 1;
                if *count == 0 {
                    self.least_starts.remove(&gone);
                }
            }
        }
        before
    }

    /// The least time of a row that can still join because of this piece, or its own start.
    fn least_start(&self, at: PieceKey, piece: Piece) -> i64 {
        at.1.min(piece.own.saturating_sub(self.gap).saturating_add(1))
    }

    /// The least start that any session open now can still get.
    pub(super) fn least_start_of_all(&self) -> Option<i64> {
        self.least_starts.first_key_value().map(|(least, _)| *least)
    }

    /// The pieces nearest to a time of a key that are less than the gap away: the one that begins
    /// at or before it, and the one that begins after it.
    pub(super) fn in_reach(&self, key: u32, time: i64) -> (Option<PieceKey>, Option<PieceKey>) {
        let before = self.pieces.range((key, i64::MIN, i64::MIN)..=(key, time, i64::MAX));
        let before = before.last().filter(|(_, piece)| time < piece.last.saturating_add(self.gap));
        let next = time.saturating_add(1);
        let after = self.pieces.range((key, next, i64::MIN)..=(key, i64::MAX, i64::MAX)).next();
        let after = after.filter(|(at, _)| next <= at.1 && at.1 < time.saturating_add(self.gap));
        (before.map(|(at, _)| *at), after.map(|(at, _)| *at))
    }

    /// The first piece of a key that begins at or after a time.
    pub(super) fn first_from(&self, key: u32, time: i64) -> Option<PieceKey> {
        let mut from = self.pieces.range((key, time, i64::MIN)..=(key, i64::MAX, i64::MAX));
        from.next().map(|(at, _)| *at)
    }

    /// The session that a piece is in.
    pub(super) fn session(&self, at: PieceKey) -> Session {
        let key = at.0;
        let mut first = at;
        let earlier = self.pieces.range((key, i64::MIN, i64::MIN)..at).rev();
        for (before, piece) in earlier {
            if first.1 >= piece.last.saturating_add(self.gap) {
                break;
            }
            first = *before;
        }
        let mut session =
            Session { key, start: first.1, end: i64::MIN, pieces: Vec::new(), own: i64::MAX };
        for (at, piece) in self.pieces.range(first..=(key, i64::MAX, i64::MAX)) {
            if !session.pieces.is_empty() && at.1 >= session.end {
                break;
            }
            session.pieces.push(*at);
            session.end = session.end.max(piece.last.saturating_add(self.gap));
            session.own = session.own.min(piece.own);
        }
        session
    }

    pub(super) fn state_bytes(&self) -> usize {
        /// An entry of a tree besides what it holds, on average.
        const OVERHEAD: usize = 8;
        self.pieces.len() * (size_of::<(PieceKey, Piece)>() + OVERHEAD)
            + self.least_starts.len() * (size_of::<(i64, u32)>() + OVERHEAD)
    }
}
