//! [`Pieces`]: the rows of open sessions in the order of time, per key.
//!
//! A piece is a span of time of one key whose rows can only cease together: over append-only input
//! whatever a session has grown into, over updating input one distinct row. Pieces of a key that
//! are less than the gap apart belong to one session, so sessions merge and split by themselves as
//! pieces come, grow and go.
//!
//! The last piece of each key stands beside the key, since that is the one that most rows come to;
//! those before it, which few keys have, stand in a tree for each key.

use laminar_types::{Result, mutant};

use crate::state::group_index::NO_SLOT;
use crate::state::{Container, Paged, Parts, TimeIndex, TimeQueue};

/// A piece by its key's slot, its first time and its number.
pub(super) type PieceKey = (u32, i64, u32);

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
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    pub(super) key: u32,
    pub(super) start: i64,
    /// One gap after the last row.
    pub(super) end: i64,
    /// The least of what its pieces have.
    pub(super) own: i64,
}

/// The pieces of all keys.
pub(super) struct Pieces {
    gap: i64,
    /// By key.
    latest: Paged<Latest>,
    /// The pieces before the latest, by key and first time; of one time in the order of their
    /// numbers.
    index: TimeIndex,
    /// By node of the index.
    earlier: Paged<Stored>,
    /// The keys by the least starts noted for them.
    least_starts: TimeQueue,
    /// What each change since the last `commit` replaced.
    log: Vec<(PieceKey, Option<Piece>)>,
}

#[derive(Clone, Copy)]
struct Stored {
    piece: Piece,
    start: i64,
    number: u32,
}

/// What stands beside a key.
#[derive(Clone, Copy)]
struct Latest {
    /// Its last piece; the number is [`NO_SLOT`] where there is none.
    stored: Stored,
    /// No more than the least start that a piece of the key can still get, `i64::MAX` when it is in
    /// no queue. It is made exact when it comes to be the least of all.
    least_start: i64,
}

const NOTHING: Stored =
    Stored { piece: Piece { last: 0, own: 0, weight: 0 }, start: 0, number: NO_SLOT };
const NO_PIECE: Latest = Latest { stored: NOTHING, least_start: i64::MAX };

impl Pieces {
    pub(super) fn new(gap: i64) -> Self {
        Self {
            gap,
            latest: Paged::new(NO_PIECE),
            index: TimeIndex::default(),
            earlier: Paged::new(NOTHING),
            least_starts: TimeQueue::default(),
            log: Vec::new(),
        }
    }

    /// Makes room for so many keys.
    pub(super) fn resize(&mut self, keys: usize) {
        self.latest.resize(keys);
    }

    /// Asks the processor to bring a key's last piece near.
    #[inline]
    pub(super) fn prefetch(&self, key: u32) {
        self.latest.prefetch(key as usize);
    }

    /// Whether a key has no piece.
    pub(super) fn is_empty_key(&self, key: u32) -> bool {
        self.latest(key).is_none()
    }

    pub(super) fn get(&self, at: PieceKey) -> Option<Piece> {
        match self.latest(at.0) {
            Some(latest) if (latest.start, latest.number) == (at.1, at.2) => Some(latest.piece),
            _ => self.node(at).map(|node| self.earlier.at(node as usize).piece),
        }
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
        if let Some(piece) = piece {
            self.note_least_start(key, least_start(self.gap, start, piece.own));
        }
        let new = piece.map(|piece| Stored { piece, start, number });
        let Some(latest) = self.latest(key).copied() else {
            self.latest.at_mut(key as usize).stored = new.unwrap_or(NOTHING);
            return Ok(None);
        };
        match (start, number).cmp(&(latest.start, latest.number)) {
            std::cmp::Ordering::Equal => {
                let new = match new {
                    Some(new) => new,
                    None => self.take_last_earlier(key),
                };
                self.latest.at_mut(key as usize).stored = new;
                Ok(Some(latest.piece))
            }
            std::cmp::Ordering::Greater => {
                if let Some(new) = new {
                    self.set_earlier(key, latest.start, latest.number, Some(latest))?;
                    self.latest.at_mut(key as usize).stored = new;
                }
                Ok(None)
            }
            std::cmp::Ordering::Less => self.set_earlier(key, start, number, new),
        }
    }

    /// Replaces a piece before the latest.
    fn set_earlier(
        &mut self,
        key: u32,
        start: i64,
        number: u32,
        new: Option<Stored>,
    ) -> Result<Option<Piece>> {
        let node = self.node((key, start, number));
        let before = node.map(|node| self.earlier.at(node as usize).piece);
        let earlier = &self.earlier;
        let tie = |node: u32| number.cmp(&earlier.at(node as usize).number);
        match (node, new) {
            (Some(node), Some(new)) => *self.earlier.at_mut(node as usize) = new,
            (Some(node), None) => self.index.remove_tied(node, &tie),
            (None, Some(new)) => {
                let node = self.index.insert_tied(key, start, &tie)?;
                self.earlier.resize(node as usize + 1);
                *self.earlier.at_mut(node as usize) = new;
            }
            (None, None) => {}
        }
        Ok(before)
    }

    /// Takes the last piece before the latest out, which is then the latest.
    fn take_last_earlier(&mut self, key: u32) -> Stored {
        let Some(node) = self.index.last_at_or_before(key, i64::MAX) else { return NOTHING };
        let last = *self.earlier.at(node as usize);
        let earlier = &self.earlier;
        self.index.remove_tied(node, &|node| last.number.cmp(&earlier.at(node as usize).number));
        last
    }

    fn note_least_start(&mut self, key: u32, least_start: i64) {
        let noted = self.latest.at(key as usize).least_start;
        if least_start < noted {
            self.latest.at_mut(key as usize).least_start = least_start;
            self.least_starts.insert(least_start, key);
            if self.least_starts.is_stale(self.latest.len()) {
                self.least_starts.refill(noted_starts(&self.latest));
            }
        }
    }

    /// The least start that any session open now can still get, if it is less than `most`, which
    /// never goes back; else that.
    pub(super) fn least_start_of_all(&mut self, most: i64) -> i64 {
        self.least_starts.advance(most.saturating_sub(1));
        while let Some((noted, key)) = self.least_starts.first()
            && noted < most
        {
            let is_noted = self.latest.at(key as usize).least_start == noted;
            let least = if is_noted { self.least_start_of(key) } else { i64::MAX };
            if least == noted {
                return noted;
            }
            self.least_starts.pop();
            if is_noted {
                self.latest.at_mut(key as usize).least_start = i64::MAX;
                self.note_least_start(key, least);
            }
        }
        most
    }

    /// The least start that a session of a key can still get; `i64::MAX` when it has none.
    fn least_start_of(&self, key: u32) -> i64 {
        let mut least = i64::MAX;
        let mut next = self.first_stored(key);
        // A piece cannot bring more than a gap before its own start.
        while let Some(stored) = next
            && stored.start.saturating_sub(self.gap) < least
        {
            least = least.min(least_start(self.gap, stored.start, stored.piece.own));
            next = self.after((key, stored.start, stored.number));
        }
        least
    }

    /// The pieces nearest to a time of a key that are less than the gap away: the one that begins
    /// at or before it, and the one that begins after it.
    #[inline]
    pub(super) fn in_reach(&self, key: u32, time: i64) -> (Option<PieceKey>, Option<PieceKey>) {
        let Some(latest) = self.latest(key) else { return (None, None) };
        let (before, after) = match latest.start <= time {
            true => (Some(*latest), None),
            false => {
                let before = self.index.last_at_or_before(key, time);
                let after = self.index.first_after(key, time);
                let stored = |node: u32| *self.earlier.at(node as usize);
                (before.map(stored), Some(after.map_or(*latest, stored)))
            }
        };
        let touch = i64::from(mutant!(SessionsThatTouchMerge));
        let before = before.filter(|before| time < self.end(before).saturating_add(touch));
        let after = after.filter(|after| after.start < time.saturating_add(self.gap));
        (before.map(|stored| stored.key_of(key)), after.map(|stored| stored.key_of(key)))
    }

    /// The first piece of a key that begins at or after a time.
    pub(super) fn first_from(&self, key: u32, time: i64) -> Option<PieceKey> {
        let earlier = self.index.first_at_or_after(key, time);
        let earlier = earlier.map(|node| *self.earlier.at(node as usize));
        let first = earlier.or_else(|| self.latest(key).copied().filter(|l| l.start >= time));
        first.map(|stored| stored.key_of(key))
    }

    /// The session that a piece is in, whose pieces it puts at the end of `pieces`, in their order.
    pub(super) fn session(&self, at: PieceKey, pieces: &mut Vec<PieceKey>) -> Session {
        let key = at.0;
        let mut first = at;
        while let Some(before) = self.before(first)
            && first.1 < self.end(&before)
        {
            first = before.key_of(key);
        }
        let mut session = Session { key, start: first.1, end: i64::MIN, own: i64::MAX };
        let mut next = self.stored(first);
        while let Some(stored) = next
            && (session.end == i64::MIN
                || (stored.start < session.end && !mutant!(SessionForgetsPieces)))
        {
            let at = stored.key_of(key);
            pieces.push(at);
            session.end = session.end.max(self.end(&stored));
            session.own = session.own.min(stored.piece.own);
            next = self.after(at);
        }
        session
    }

    #[inline]
    fn latest(&self, key: u32) -> Option<&Stored> {
        let stored = &self.latest.at(key as usize).stored;
        (stored.number != NO_SLOT).then_some(stored)
    }

    fn first_stored(&self, key: u32) -> Option<Stored> {
        let first = self.index.first(key).map(|node| *self.earlier.at(node as usize));
        first.or_else(|| self.latest(key).copied())
    }

    fn stored(&self, at: PieceKey) -> Option<Stored> {
        self.get(at).map(|piece| Stored { piece, start: at.1, number: at.2 })
    }

    fn before(&self, at: PieceKey) -> Option<Stored> {
        let node = self.index.before(at.0, at.1, &self.tie(at));
        node.map(|node| *self.earlier.at(node as usize))
    }

    fn after(&self, at: PieceKey) -> Option<Stored> {
        let node = self.index.after(at.0, at.1, &self.tie(at));
        let is_after = |latest: &&Stored| (latest.start, latest.number) > (at.1, at.2);
        match node {
            Some(node) => Some(*self.earlier.at(node as usize)),
            None => self.latest(at.0).filter(is_after).copied(),
        }
    }

    fn node(&self, at: PieceKey) -> Option<u32> {
        self.index.find(at.0, at.1, &self.tie(at))
    }

    /// How a piece compares with those of its key and start.
    fn tie(&self, at: PieceKey) -> impl Fn(u32) -> std::cmp::Ordering + '_ {
        move |node| at.2.cmp(&self.earlier.at(node as usize).number)
    }

    /// One gap after the last row of a piece.
    fn end(&self, stored: &Stored) -> i64 {
        stored.piece.last.saturating_add(self.gap)
    }
}

/// The least starts that are noted.
fn noted_starts(latest: &Paged<Latest>) -> impl Iterator<Item = (i64, u32)> + '_ {
    let starts = (0..latest.len()).map(|key| (latest.at(key).least_start, key as u32));
    starts.filter(|(start, _)| *start < i64::MAX)
}

impl Stored {
    fn key_of(&self, key: u32) -> PieceKey {
        (key, self.start, self.number)
    }
}

impl Container for Pieces {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { gap: _, latest, index, earlier, least_starts, log: _ } = self;
        latest.parts(parts)?;
        index.parts(parts)?;
        earlier.parts(parts)?;
        if parts.are_put_back() {
            least_starts.clear();
            least_starts.refill(noted_starts(latest));
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.latest.state_bytes()
            + self.index.state_bytes()
            + self.earlier.state_bytes()
            + self.least_starts.state_bytes()
    }
}

/// The least time of a row that can still join because of a piece, or the piece's own start.
fn least_start(gap: i64, start: i64, own: i64) -> i64 {
    start.min(own.saturating_sub(gap).saturating_add(1))
}
