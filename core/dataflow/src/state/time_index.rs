//! [`TimeIndex`]: a time-ordered multimap, from a key's slot to nodes ordered by time.
//!
//! Each key has a treap (Seidel and Aragon, "Randomized Search Trees", 1996) whose nodes lie in one
//! column for all keys: inserting anywhere, finding the nearest node before or after a time, and
//! cutting off the front all cost the logarithm of the key's nodes; a new latest time costs a walk
//! along the right edge. Priorities are a hash of the node's number, so the shape depends on the
//! input alone. A node number is free to be used as the slot of columns beside the index.
//!
//! Within a time nodes stand in the order of their ties, which are either the order of arrival or
//! given by the caller, who compares the rows.

use std::cmp::Ordering;

use laminar_types::Result;

use super::slots::Slots;
use super::{Container, Paged, Parts};

/// The end of a branch.
const NIL: u32 = u32::MAX;

/// How what is inserted, sought or removed compares with a node of the same time.
pub type Tie<'a> = &'a dyn Fn(u32) -> Ordering;

/// Nodes by key and time.
pub struct TimeIndex {
    nodes: Paged<Node>,
    /// The root of each key's tree, by the key's slot.
    roots: Paged<u32>,
    slots: Slots,
    arrivals: u64,
}

#[derive(Clone, Copy)]
struct Node {
    time: i64,
    /// Which insertion made it, counted from the first.
    arrival: u64,
    weight: i64,
    left: u32,
    right: u32,
    key: u32,
    /// What the caller attached.
    value: u32,
}

const NO_NODE: Node =
    Node { time: 0, arrival: 0, weight: 0, left: NIL, right: NIL, key: 0, value: 0 };

impl Default for TimeIndex {
    fn default() -> Self {
        Self {
            nodes: Paged::new(NO_NODE),
            roots: Paged::new(NIL),
            slots: Slots::default(),
            arrivals: 0,
        }
    }
}

impl TimeIndex {
    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a key has no node.
    pub fn is_empty_key(&self, key: u32) -> bool {
        self.root(key) == NIL
    }

    /// One past the largest key that ever had a node.
    pub fn keys_end(&self) -> u32 {
        self.roots.len() as u32
    }

    /// The time of a node.
    #[inline]
    pub fn time(&self, node: u32) -> i64 {
        self.nodes.at(node as usize).time
    }

    /// The key of a node.
    pub fn key(&self, node: u32) -> u32 {
        self.nodes.at(node as usize).key
    }

    /// How often the row of a node is there.
    #[inline]
    pub fn weight(&self, node: u32) -> i64 {
        self.nodes.at(node as usize).weight
    }

    /// Adds to the weight of a node, and tells what it is then.
    pub fn add_weight(&mut self, node: u32, weight: i64) -> i64 {
        let node = self.nodes.at_mut(node as usize);
        node.weight += weight;
        node.weight
    }

    /// What is attached to a node; zero at first.
    pub fn value(&self, node: u32) -> u32 {
        self.nodes.at(node as usize).value
    }

    /// Attaches a number to a node.
    pub fn set_value(&mut self, node: u32, value: u32) {
        self.nodes.at_mut(node as usize).value = value;
    }

    /// Adds a node of weight 1 behind all of its key and time, and tells its number.
    ///
    /// # Errors
    /// When there would be more than 2^31 nodes.
    pub fn insert(&mut self, key: u32, time: i64) -> Result<u32> {
        let behind_all = |_| Ordering::Greater;
        self.insert_tied(key, time, &behind_all)
    }

    /// The same, at the place among the nodes of its time that `tie` tells.
    pub fn insert_tied(&mut self, key: u32, time: i64, tie: Tie<'_>) -> Result<u32> {
        let new = self.slots.allocate()?;
        self.nodes.resize(self.slots.end());
        self.roots.resize(self.roots.len().max(key as usize + 1));
        *self.nodes.at_mut(new as usize) =
            Node { time, arrival: self.arrivals, weight: 1, left: NIL, right: NIL, key, value: 0 };
        self.arrivals += 1;

        // Down to the first node of lower priority, whose place the new one takes.
        let priority = priority(new);
        let mut link = Link::Root(key);
        let mut at = self.root(key);
        while at != NIL && self::priority(at) >= priority {
            let before = self.is_before(at, time, tie);
            link = if before { Link::Right(at) } else { Link::Left(at) };
            at = self.child(link);
        }
        let (left, right) = self.split(at, time, tie);
        let node = self.nodes.at_mut(new as usize);
        (node.left, node.right) = (left, right);
        self.set(link, new);
        Ok(new)
    }

    /// The node of a key and time that `tie` calls equal.
    pub fn find(&self, key: u32, time: i64, tie: Tie<'_>) -> Option<u32> {
        let mut at = self.root(key);
        while at != NIL {
            let node = self.nodes.at(at as usize);
            match time.cmp(&node.time).then_with(|| tie(at)) {
                Ordering::Equal => return Some(at),
                Ordering::Less => at = node.left,
                Ordering::Greater => at = node.right,
            }
        }
        None
    }

    /// Takes a node out whose place follows from its arrival. Its number is free then.
    pub fn remove(&mut self, node: u32) {
        let Node { arrival, .. } = *self.nodes.at(node as usize);
        let link = self.link_to(node, &|other| arrival.cmp(&self.nodes.at(other as usize).arrival));
        self.unlink(node, link);
    }

    /// Takes a node out whose place among those of its time `tie` tells.
    pub fn remove_tied(&mut self, node: u32, tie: Tie<'_>) {
        let link = self.link_to(node, tie);
        self.unlink(node, link);
    }

    fn unlink(&mut self, node: u32, link: Link) {
        let Node { left, right, .. } = *self.nodes.at(node as usize);
        let merged = self.merge(left, right);
        self.set(link, merged);
        self.slots.release(node);
    }

    /// The last node of a key at or before a time.
    #[inline]
    pub fn last_at_or_before(&self, key: u32, time: i64) -> Option<u32> {
        self.last_where(key, |node| node.time <= time)
    }

    /// The last node of a key before a time.
    pub fn last_before(&self, key: u32, time: i64) -> Option<u32> {
        self.last_where(key, |node| node.time < time)
    }

    /// The first node of a key at or after a time.
    pub fn first_at_or_after(&self, key: u32, time: i64) -> Option<u32> {
        self.first_where(key, |node| node.time >= time)
    }

    /// The first node of a key after a time.
    pub fn first_after(&self, key: u32, time: i64) -> Option<u32> {
        self.first_where(key, |node| node.time > time)
    }

    /// The last node of a key before a time and tie.
    pub fn before(&self, key: u32, time: i64, tie: Tie<'_>) -> Option<u32> {
        let (mut at, mut best) = (self.root(key), None);
        while at != NIL {
            let is_before = self.is_before(at, time, tie);
            if is_before {
                best = Some(at);
            }
            at = self.child(if is_before { Link::Right(at) } else { Link::Left(at) });
        }
        best
    }

    /// The first node of a key after a time and tie.
    pub fn after(&self, key: u32, time: i64, tie: Tie<'_>) -> Option<u32> {
        let (mut at, mut best) = (self.root(key), None);
        while at != NIL {
            let order = self.time(at).cmp(&time).then_with(|| tie(at).reverse());
            if order.is_gt() {
                best = Some(at);
            }
            at = self.child(if order.is_gt() { Link::Left(at) } else { Link::Right(at) });
        }
        best
    }

    /// Visits the nodes of a key with a time in `from..=to`, in their order.
    pub fn for_range(&self, key: u32, from: i64, to: i64, visit: &mut dyn FnMut(u32)) {
        self.for_branch(self.root(key), from, to, visit);
    }

    /// Takes out the nodes of a key before a time, and hands each to `gone`, in their order.
    pub fn remove_before(&mut self, key: u32, time: i64, gone: &mut dyn FnMut(u32)) {
        let root = self.root(key);
        if root == NIL || self.first_before(root, time).is_none() {
            return;
        }
        let before_all = |_| Ordering::Less;
        let (before, rest) = self.split(root, time, &before_all);
        self.set(Link::Root(key), rest);
        self.release(before, gone);
    }

    /// The same, but leaves the last one of them.
    pub fn remove_before_but_last(&mut self, key: u32, time: i64, gone: &mut dyn FnMut(u32)) {
        let Some(last) = self.last_before(key, time) else { return };
        self.remove_before(key, self.time(last), gone);
        // Those of the same time that stand before it.
        loop {
            let mut link = Link::Root(key);
            let mut first = self.child(link);
            while self.child(Link::Left(first)) != NIL {
                link = Link::Left(first);
                first = self.child(link);
            }
            if first == last {
                return;
            }
            self.unlink(first, link);
            gone(first);
        }
    }

    /// Takes out the nodes of a key up to a time, those at it included.
    pub fn remove_up_to(&mut self, key: u32, time: i64) {
        match time.checked_add(1) {
            Some(behind) => self.remove_before(key, behind, &mut |_| {}),
            None => {
                let root = self.root(key);
                self.set(Link::Root(key), NIL);
                self.release(root, &mut |_| {});
            }
        }
    }

    /// The first node of a key.
    pub fn first(&self, key: u32) -> Option<u32> {
        self.first_where(key, |_| true)
    }

    /// Forgets all nodes and keeps memory for new ones.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.roots.clear();
        self.slots.clear();
    }

    #[inline]
    fn root(&self, key: u32) -> u32 {
        let key = key as usize;
        if key < self.roots.len() { *self.roots.at(key) } else { NIL }
    }

    fn child(&self, link: Link) -> u32 {
        match link {
            Link::Root(key) => self.root(key),
            Link::Left(node) => self.nodes.at(node as usize).left,
            Link::Right(node) => self.nodes.at(node as usize).right,
        }
    }

    fn set(&mut self, link: Link, to: u32) {
        match link {
            Link::Root(key) => *self.roots.at_mut(key as usize) = to,
            Link::Left(node) => self.nodes.at_mut(node as usize).left = to,
            Link::Right(node) => self.nodes.at_mut(node as usize).right = to,
        }
    }

    /// Whether a node stands before a time and tie.
    fn is_before(&self, node: u32, time: i64, tie: Tie<'_>) -> bool {
        let other = self.nodes.at(node as usize).time;
        other < time || (other == time && tie(node) == Ordering::Greater)
    }

    #[inline]
    fn last_where(&self, key: u32, holds: impl Fn(&Node) -> bool) -> Option<u32> {
        let (mut at, mut best) = (self.root(key), NIL);
        while at != NIL {
            let node = self.nodes.at(at as usize);
            if holds(node) {
                best = at;
                at = node.right;
            } else {
                at = node.left;
            }
        }
        (best != NIL).then_some(best)
    }

    #[inline]
    fn first_where(&self, key: u32, holds: impl Fn(&Node) -> bool) -> Option<u32> {
        let (mut at, mut best) = (self.root(key), NIL);
        while at != NIL {
            let node = self.nodes.at(at as usize);
            if holds(node) {
                best = at;
                at = node.left;
            } else {
                at = node.right;
            }
        }
        (best != NIL).then_some(best)
    }

    fn first_before(&self, root: u32, time: i64) -> Option<u32> {
        let mut at = root;
        loop {
            let node = self.nodes.at(at as usize);
            if node.left == NIL {
                return (node.time < time).then_some(at);
            }
            at = node.left;
        }
    }

    fn for_branch(&self, at: u32, from: i64, to: i64, visit: &mut dyn FnMut(u32)) {
        if at == NIL {
            return;
        }
        let node = *self.nodes.at(at as usize);
        if node.time >= from {
            self.for_branch(node.left, from, to, visit);
        }
        if (from..=to).contains(&node.time) {
            visit(at);
        }
        if node.time <= to {
            self.for_branch(node.right, from, to, visit);
        }
    }

    /// The nodes before a time and tie, and the others.
    fn split(&mut self, at: u32, time: i64, tie: Tie<'_>) -> (u32, u32) {
        if at == NIL {
            return (NIL, NIL);
        }
        if self.is_before(at, time, tie) {
            let (left, right) = self.split(self.child(Link::Right(at)), time, tie);
            self.set(Link::Right(at), left);
            (at, right)
        } else {
            let (left, right) = self.split(self.child(Link::Left(at)), time, tie);
            self.set(Link::Left(at), right);
            (left, at)
        }
    }

    /// One tree of two, of which the first stands before the second.
    fn merge(&mut self, left: u32, right: u32) -> u32 {
        if left == NIL || right == NIL {
            return left.min(right);
        }
        if priority(left) >= priority(right) {
            let merged = self.merge(self.child(Link::Right(left)), right);
            self.set(Link::Right(left), merged);
            left
        } else {
            let merged = self.merge(left, self.child(Link::Left(right)));
            self.set(Link::Left(right), merged);
            right
        }
    }

    /// What points to a node.
    fn link_to(&self, node: u32, tie: Tie<'_>) -> Link {
        let Node { time, key, .. } = *self.nodes.at(node as usize);
        let mut link = Link::Root(key);
        loop {
            let at = self.child(link);
            if at == node {
                return link;
            }
            assert!(at != NIL, "a node is in the tree of its key until it is removed");
            link = if self.is_before(at, time, tie) { Link::Right(at) } else { Link::Left(at) };
        }
    }

    fn release(&mut self, at: u32, gone: &mut dyn FnMut(u32)) {
        if at == NIL {
            return;
        }
        let Node { left, right, .. } = *self.nodes.at(at as usize);
        self.release(left, gone);
        gone(at);
        self.slots.release(at);
        self.release(right, gone);
    }
}

impl Container for TimeIndex {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.nodes.parts(parts)?;
        self.roots.parts(parts)?;
        self.slots.parts(parts)?;
        parts.number(&mut self.arrivals)
    }

    fn state_bytes(&self) -> usize {
        self.nodes.state_bytes() + self.roots.state_bytes() + self.slots.state_bytes()
    }
}

/// What points to a node.
#[derive(Clone, Copy)]
enum Link {
    Root(u32),
    Left(u32),
    Right(u32),
}

/// A number that looks random (the finalizer of MurmurHash3).
#[inline]
fn priority(node: u32) -> u32 {
    let mut hash = node.wrapping_add(0x9E37_79B9);
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85EB_CA6B);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xC2B2_AE35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::state::Snapshot;

    /// Nodes with ties of the caller's against a map, by every way to the next one and the one
    /// before. (Nodes in the order of arrival are tested with the rows of [`TimedRows`].)
    ///
    /// [`TimedRows`]: crate::state::TimedRows
    #[test]
    fn tied_nodes_agree_with_a_map() {
        type Place = (u32, i64, u32);
        let mut state = 23u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        // By node the tie, and by place the node.
        let (mut index, mut ties) = (TimeIndex::default(), Vec::new());
        let mut model: BTreeMap<Place, u32> = BTreeMap::new();
        let mut snapshots = Vec::new();
        for step in 0..8_000 {
            let place = (next(3) as u32, next(12) as i64 - 4, next(20) as u32);
            let (key, time, number) = place;
            let tie = |node: u32| number.cmp(&ties[node as usize]);
            let found = index.find(key, time, &tie);
            assert_eq!(found, model.get(&place).copied());
            let before = model.range((key, i64::MIN, 0)..place).next_back().map(|(_, node)| *node);
            assert_eq!(index.before(key, time, &tie), before);
            let after = model.range((key, time, number + 1)..(key + 1, i64::MIN, 0)).next();
            assert_eq!(index.after(key, time, &tie), after.map(|(_, node)| *node));
            match found {
                Some(node) if next(3) == 0 => {
                    index.remove_tied(node, &tie);
                    model.remove(&place);
                }
                Some(_) => {}
                None => {
                    let node = index.insert_tied(key, time, &tie).unwrap();
                    ties.resize(ties.len().max(node as usize + 1), 0);
                    ties[node as usize] = number;
                    model.insert(place, node);
                }
            }
            assert_eq!(index.len(), model.len());
            if step % 900 == 0 {
                let snapshot = Snapshot::take(&mut index).unwrap();
                snapshots.push((snapshot, ties.clone(), model.clone()));
            }
            if step % 2_500 == 2_499 {
                let (snapshot, then_ties, then) = &snapshots[next(snapshots.len() as u64) as usize];
                snapshot.restore(&mut index).unwrap();
                (ties, model) = (then_ties.clone(), then.clone());
            }
        }
        for (snapshot, _, model) in snapshots {
            snapshot.restore(&mut index).unwrap();
            for key in 0..3 {
                let mut nodes = Vec::new();
                index.for_range(key, i64::MIN, i64::MAX, &mut |node| nodes.push(node));
                let of_key = model.range((key, i64::MIN, 0)..(key + 1, i64::MIN, 0));
                assert_eq!(nodes, of_key.map(|(_, node)| *node).collect::<Vec<_>>());
            }
        }
    }
}
