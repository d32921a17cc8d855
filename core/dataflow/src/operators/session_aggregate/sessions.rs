//! [`Sessions`]: some sessions, and the pieces that make them.

use super::pieces::{PieceKey, Pieces, Session};

/// Sessions with their pieces.
#[derive(Default)]
pub(super) struct Sessions {
    /// Each with where its pieces end.
    pub(super) list: Vec<(Session, usize)>,
    pub(super) pieces: Vec<PieceKey>,
}

impl Sessions {
    /// Adds the session that a piece is in.
    pub(super) fn add(&mut self, pieces: &Pieces, at: PieceKey) -> Session {
        let session = pieces.session(at, &mut self.pieces);
        self.list.push((session, self.pieces.len()));
        session
    }

    /// The pieces of the session added last.
    pub(super) fn pieces_of_last(&self) -> impl Iterator<Item = PieceKey> + '_ {
        self.pieces[self.before_last()..].iter().copied()
    }

    pub(super) fn forget_last(&mut self) {
        self.pieces.truncate(self.before_last());
        self.list.pop();
    }

    /// Where the pieces of the session added last begin.
    fn before_last(&self) -> usize {
        let before = self.list.len().checked_sub(2).map(|before| self.list[before]);
        before.map_or(0, |(_, end)| end)
    }
}
