//! [`Pieces`]: the rows of open sessions in the order of time, per key.
//!
//! A piece is a span of time of one key whose rows can only cease together: over append-only input
//! whatever a session has grown into, over updating input one distinct row. Pieces of a key that
//! are less than the gap apart belong to one session, so sessions merge and split by themselves as
//! pieces come, grow and go.

use laminar_types::{Result, mutant};

use crate::state::{Container, Paged, Parts, TimeIndex};

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
    /// By key and first time; of one time in the order of their numbers.
    index: TimeIndex,
    /// By node of the index.
    pieces: Paged<Stored>,
    /// For each piece, the least start that it can still get.
    least_starts: TimeIndex,
    /// What each change since the last `commit` replaced.
    log: Vec<(PieceKey, Option<Piece>)>,
}

#[derive(Clone, Copy)]
struct Stored {
    piece: Piece,
    number: i64,
    /// Its node among the least starts.
    least_start: u32,
}

const NOTHING: Stored =
    Stored { piece: Piece { last: 0, own: 0, weight: 0 }, number: 0, least_start: 0 };

/// The one key of an index that orders by time alone.
const ALL: u32 = 0;

impl Pieces {
    pub(super) fn new(gap: i64) -> Self {
        let (index, least_starts) = (TimeIndex::default(), TimeIndex::default());
        Self { gap, index, pieces: Paged::new(NOTHING), least_starts, log: Vec::new() }
    }

    pub(super) fn get(&self, at: PieceKey) -> Option<Piece> {
        self.node(at).map(|node| self.stored(node).piece)
    }

    /// Puts a piece in its place, or takes it away.
    pub(super) fn set(&mut self, at: PieceKey, piece: Option<Piece>) -> Result<()> {
        let before = self.replace(at, piece)?;
        self.log.push((at, before));
        Ok(())
    }

    /// Makes the changes since the last call stand.
    pub(super) fn commit(&mut self) {
        self.log.clear();
    }

    /// Takes back the changes since the last `commit`.
    pub(super) fn undo(&mut self) -> Result<()> {
        while let Some((at, before)) = self.log.pop() {
            self.replace(at, before)?;
        }
        Ok(())
    }

    fn replace(&mut self, at: PieceKey, piece: Option<Piece>) -> Result<Option<Piece>> {
        let (key, start, number) = at;
        let Some(node) = self.node(at) else {
            if let Some(piece) = piece {
                let pieces = &self.pieces;
                let tie = |node: u32| number.cmp(&pieces.at(node as usize).number);
                let node = self.index.insert_tied(key, start, &tie)?;
                let least_start = self.least_starts.insert(ALL, self.least_start(at, piece))?;
                self.pieces.resize(node as usize + 1);
                *self.pieces.at_mut(node as usize) = Stored { piece, number, least_start };
            }
            return Ok(None);
        };
        let Stored { piece: before, least_start, .. } = *self.stored(node);
        let (gone, come) = (self.least_start(at, before), piece.map(|p| self.least_start(at, p)));
        if come != Some(gone) {
            self.least_starts.remove(least_start);
        }
        match piece {
            Some(piece) => {
                let least_start = match come {
                    Some(come) if come != gone => self.least_starts.insert(ALL, come)?,
                    _ => least_start,
                };
                *self.pieces.at_mut(node as usize) = Stored { piece, number, least_start };
            }
            None => {
                let pieces = &self.pieces;
                let tie = |node: u32| number.cmp(&pieces.at(node as usize).number);
                self.index.remove_tied(node, &tie);
            }
        }
        Ok(Some(before))
    }

    /// The least time of a row that can still join because of this piece, or its own start.
    fn least_start(&self, at: PieceKey, piece: Piece) -> i64 {
        at.1.min(piece.own.saturating_sub(self.gap).saturating_add(1))
    }

    /// The least start that any session open now can still get.
    pub(super) fn least_start_of_all(&self) -> Option<i64> {
        self.least_starts.first(ALL).map(|first| self.least_starts.time(first))
    }

    /// The pieces nearest to a time of a key that are less than the gap away: the one that begins
    /// at or before it, and the one that begins after it.
    pub(super) fn in_reach(&self, key: u32, time: i64) -> (Option<PieceKey>, Option<PieceKey>) {
        let touch = i64::from(mutant!(SessionsThatTouchMerge));
        let before = self.index.last_at_or_before(key, time);
        let before = before.filter(|node| time < self.end(*node).saturating_add(touch));
        let after = self.index.first_after(key, time);
        let after = after.filter(|node| self.index.time(*node) < time.saturating_add(self.gap));
        (before.map(|node| self.key_of(node)), after.map(|node| self.key_of(node)))
    }

    /// The first piece of a key that begins at or after a time.
    pub(super) fn first_from(&self, key: u32, time: i64) -> Option<PieceKey> {
        self.index.first_at_or_after(key, time).map(|node| self.key_of(node))
    }

    /// The session that a piece is in.
    pub(super) fn session(&self, at: PieceKey) -> Session {
        let key = at.0;
        let mut first = at;
        while let Some(before) = self.index.before(key, first.1, &self.tie(first))
            && first.1 < self.end(before)
        {
            first = self.key_of(before);
        }
        let mut session =
            Session { key, start: first.1, end: i64::MIN, pieces: Vec::new(), own: i64::MAX };
        let mut next = self.node(first);
        while let Some(node) = next
            && (session.pieces.is_empty()
                || (self.index.time(node) < session.end && !mutant!(SessionForgetsPieces)))
        {
            let at = self.key_of(node);
            session.pieces.push(at);
            session.end = session.end.max(self.end(node));
            session.own = session.own.min(self.stored(node).piece.own);
            next = self.index.after(key, at.1, &self.tie(at));
        }
        session
    }

    fn node(&self, at: PieceKey) -> Option<u32> {
        self.index.find(at.0, at.1, &self.tie(at))
    }

    /// How a piece compares with those of its key and start.
    fn tie(&self, at: PieceKey) -> impl Fn(u32) -> std::cmp::Ordering + '_ {
        move |node| at.2.cmp(&self.stored(node).number)
    }

    fn stored(&self, node: u32) -> &Stored {
        self.pieces.at(node as usize)
    }

    fn key_of(&self, node: u32) -> PieceKey {
        (self.index.key(node), self.index.time(node), self.stored(node).number)
    }

    /// One gap after the last row of a piece.
    fn end(&self, node: u32) -> i64 {
        self.stored(node).piece.last.saturating_add(self.gap)
    }
}

impl Container for Pieces {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { gap: _, index, pieces, least_starts, log: _ } = self;
        index.parts(parts)?;
        pieces.parts(parts)?;
        least_starts.parts(parts)
    }

    fn state_bytes(&self) -> usize {
        self.index.state_bytes() + self.pieces.state_bytes() + self.least_starts.state_bytes()
    }
}
