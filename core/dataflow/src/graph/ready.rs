//! [`ReadySet`]: the nodes to visit.

use super::NodeId;

/// The nodes to visit, as a bit for each id.
#[derive(Default)]
pub(super) struct ReadySet {
    words: Vec<u64>,
    /// No word before this one has a bit.
    first: usize,
}

impl ReadySet {
    pub(super) fn insert(&mut self, id: NodeId) {
        let word = id.index() / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (id.index() % 64);
        self.first = self.first.min(word);
    }

    /// Takes a node out, and tells whether it was there.
    pub(super) fn remove(&mut self, id: NodeId) -> bool {
        let Some(word) = self.words.get_mut(id.index() / 64) else { return false };
        let bit = 1 << (id.index() % 64);
        let was_there = *word & bit != 0;
        *word &= !bit;
        was_there
    }

    pub(super) fn pop_first(&mut self) -> Option<NodeId> {
        while let Some(word) = self.words.get_mut(self.first) {
            if *word != 0 {
                let bit = word.trailing_zeros();
                *word &= *word - 1;
                return Some(NodeId((self.first * 64) as u32 + bit));
            }
            self.first += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_nodes_come_in_order_and_once() {
        let mut ready = ReadySet::default();
        for index in [70, 3, 3, 200, 64] {
            ready.insert(NodeId(index));
        }
        ready.remove(NodeId(200));
        assert_eq!(ready.pop_first(), Some(NodeId(3)));
        ready.insert(NodeId(65));
        let rest: Vec<_> = std::iter::from_fn(|| ready.pop_first()).collect();
        assert_eq!(rest, [NodeId(64), NodeId(65), NodeId(70)]);
        ready.insert(NodeId(0));
        assert_eq!(ready.pop_first(), Some(NodeId(0)));
    }
}
