//! [`Forest`]: one counted B+-tree per partition, all in the same copy-on-write pages.
//!
//! Every row is an entry of a leaf; a branch knows, for each child, how many rows are below it and
//! the first of them. So the rank of a row and the n-th row are found on one way down (counted
//! B-trees: Tatham, 2001). Entries carry the first bytes of their row, which decide almost every
//! comparison without a look at the row. Besides the number of rows a tree adds up what each of
//! them [counts](Sum) for, if that is something.
//!
//! Invariants: nodes are never empty; all leaves of a tree are equally deep; `counts`, `sums` and
//! `entries` of a branch are those of the children; rows are in ascending order.

use std::cmp::Ordering;
use std::ops::Range;

use laminar_types::Result;

use super::slots::FreeSlots;
use super::{ByteColumn, Container, Paged, Parts};

/// Entries of a leaf.
const LEAF: usize = 12;
/// Children of a branch.
const BRANCH: usize = 16;

/// A row in order: where it is, and how it begins.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    pub(super) row: u32,
    /// The first 16 bytes, big-endian, zeros after the end.
    prefix: u128,
}

impl Entry {
    pub(super) fn new(row: u32, bytes: &[u8]) -> Self {
        Self { row, prefix: prefix(bytes) }
    }
}

fn prefix(bytes: &[u8]) -> u128 {
    let mut first = [0; 16];
    match bytes.first_chunk() {
        Some(chunk) => first = *chunk,
        None => first[..bytes.len()].copy_from_slice(bytes),
    }
    u128::from_be_bytes(first)
}

/// What rows count for, added up.
pub(super) trait Sum: Copy + Default + PartialEq + Send + Sync + 'static {
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
}

/// Nothing is added up.
impl Sum for () {
    fn plus(self, (): ()) {}
    fn minus(self, (): ()) {}
}

impl Sum for i64 {
    fn plus(self, other: Self) -> Self {
        self + other
    }
    fn minus(self, other: Self) -> Self {
        self - other
    }
}

#[derive(Clone, Copy, Default)]
struct Leaf {
    len: u32,
    rows: [u32; LEAF],
    prefixes: [u128; LEAF],
}

#[derive(Clone, Copy, Default)]
struct Branch<S> {
    len: u32,
    nodes: [u32; BRANCH],
    /// Rows below each child.
    counts: [u32; BRANCH],
    /// What they come to.
    sums: [S; BRANCH],
    /// The first row below each child.
    rows: [u32; BRANCH],
    prefixes: [u128; BRANCH],
}

/// The tree of a partition.
#[derive(Clone, Copy, Default)]
pub(super) struct Root<S> {
    node: u32,
    /// Branches above the leaves.
    height: u32,
    pub(super) len: u32,
    pub(super) sum: S,
}

/// The right half of a node that became two.
struct Split<S> {
    node: u32,
    count: u32,
    sum: S,
    first: Entry,
}

/// Nodes of one kind; those no longer in use are given out again.
struct Nodes<N> {
    pages: Paged<N>,
    free: FreeSlots,
}

impl<N: Copy + Default + Send + Sync + 'static> Nodes<N> {
    fn new() -> Self {
        Self { pages: Paged::new(N::default()), free: FreeSlots::default() }
    }

    fn add(&mut self, node: N) -> u32 {
        let at = self.free.pop().unwrap_or_else(|| {
            let at = self.pages.len();
            self.pages.resize(at + 1);
            // Every leaf holds a row and every branch two children: nodes are fewer than rows.
            at as u32
        });
        *self.pages.at_mut(at as usize) = node;
        at
    }

    fn at(&self, node: u32) -> &N {
        self.pages.at(node as usize)
    }

    fn at_mut(&mut self, node: u32) -> &mut N {
        self.pages.at_mut(node as usize)
    }

    fn snapshot(&mut self) -> Self {
        Self { pages: self.pages.snapshot(), free: self.free.snapshot() }
    }

    fn clear(&mut self) {
        self.pages.clear();
        self.free.clear();
    }
}

impl<N: Copy + Default + Send + Sync + 'static> Container for Nodes<N> {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.pages.parts(parts)?;
        self.free.parts(parts)
    }

    fn state_bytes(&self) -> usize {
        self.pages.state_bytes() + self.free.state_bytes()
    }
}

/// The trees of all partitions and the bytes of all rows.
pub(super) struct Forest<S> {
    pub(super) rows: ByteColumn,
    pub(super) roots: Paged<Root<S>>,
    leaves: Nodes<Leaf>,
    branches: Nodes<Branch<S>>,
}

impl<S: Sum> Container for Forest<S> {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.rows.parts(parts)?;
        self.roots.parts(parts)?;
        self.leaves.parts(parts)?;
        self.branches.parts(parts)
    }

    fn state_bytes(&self) -> usize {
        self.rows.state_bytes()
            + self.roots.state_bytes()
            + self.leaves.state_bytes()
            + self.branches.state_bytes()
    }
}

impl<S: Sum> Forest<S> {
    pub(super) fn new() -> Self {
        Self {
            rows: ByteColumn::default(),
            roots: Paged::new(Root::default()),
            leaves: Nodes::new(),
            branches: Nodes::new(),
        }
    }

    pub(super) fn snapshot(&mut self) -> Self {
        Self {
            rows: self.rows.snapshot(),
            roots: self.roots.snapshot(),
            leaves: self.leaves.snapshot(),
            branches: self.branches.snapshot(),
        }
    }

    /// Forgets all trees and keeps memory for new ones.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.roots.clear();
        self.leaves.clear();
        self.branches.clear();
    }

    /// Forgets the tree of a partition, but not the bytes of its rows.
    pub(super) fn forget(&mut self, partition: u32) {
        let root = self.root(partition);
        if root.len > 0 {
            self.release(root.node, root.height);
            *self.roots.at_mut(partition as usize) = Root::default();
        }
    }

    /// The tree of a partition, which may be none yet.
    pub(super) fn root(&self, partition: u32) -> Root<S> {
        match self.roots.len() > partition as usize {
            true => *self.roots.at(partition as usize),
            false => Root::default(),
        }
    }

    pub(super) fn prefetch_root(&self, partition: u32) {
        self.roots.prefetch(partition as usize);
    }

    pub(super) fn prefetch_leaf(&self, partition: u32) {
        let root = self.root(partition);
        if root.len > 0 && root.height == 0 {
            self.leaves.pages.prefetch(root.node as usize);
        }
    }

    /// How many rows of a partition stand before `bytes`; rows equal to it do when `after` is set.
    pub(super) fn rank(&self, partition: u32, bytes: &[u8], after: bool) -> usize {
        let start = prefix(bytes);
        self.partition_point(partition, |row, prefix| match prefix.cmp(&start) {
            Ordering::Equal => match self.rows.value(row as usize).cmp(bytes) {
                Ordering::Equal => after,
                order => order.is_lt(),
            },
            order => order.is_lt(),
        })
    }

    /// How many rows stand before the first whose bytes are no longer `before`, which holds for
    /// the first rows of the order and for no others.
    pub(super) fn point(&self, partition: u32, before: impl Fn(&[u8]) -> bool) -> usize {
        self.partition_point(partition, |row, _| before(self.rows.value(row as usize)))
    }

    fn partition_point(&self, partition: u32, before: impl Fn(u32, u128) -> bool) -> usize {
        let root = self.root(partition);
        if root.len == 0 {
            return 0;
        }
        let (mut node, mut rank) = (root.node, 0);
        for _ in 0..root.height {
            let branch = self.branches.at(node);
            let child = branch.child(&before);
            rank += branch.counts[..child].iter().sum::<u32>() as usize;
            node = branch.nodes[child];
        }
        rank + self.leaves.at(node).point(&before)
    }

    /// The row at a position below the partition's length.
    pub(super) fn row_at(&self, partition: u32, position: usize) -> u32 {
        let root = self.root(partition);
        assert!(position < root.len as usize, "a position past the end of its partition");
        let (mut node, mut position) = (root.node, position as u32);
        for _ in 0..root.height {
            let branch = self.branches.at(node);
            let child = branch.child_at(&mut position);
            node = branch.nodes[child];
        }
        self.leaves.at(node).rows[position as usize]
    }

    /// Appends the rows at these positions, cut at the partition's end.
    pub(super) fn collect(&self, partition: u32, positions: Range<usize>, out: &mut Vec<u32>) {
        let root = self.root(partition);
        let end = positions.end.min(root.len as usize);
        if positions.start < end {
            let positions = positions.start as u32..end as u32;
            self.collect_below(root.node, root.height, positions, out);
        }
    }

    fn collect_below(&self, node: u32, height: u32, positions: Range<u32>, out: &mut Vec<u32>) {
        if height == 0 {
            let rows = &self.leaves.at(node).rows;
            out.extend_from_slice(&rows[positions.start as usize..positions.end as usize]);
            return;
        }
        let branch = self.branches.at(node);
        let mut before = 0;
        for child in 0..branch.len as usize {
            let count = branch.counts[child];
            let start = positions.start.max(before);
            let end = positions.end.min(before + count);
            if start < end {
                let below = start - before..end - before;
                self.collect_below(branch.nodes[child], height - 1, below, out);
            }
            before += count;
        }
    }

    /// Puts a row behind all rows that are not greater. Tells its position. `sum_of` gives what rows
    /// count for, the new one among them.
    pub(super) fn insert(
        &mut self,
        partition: u32,
        entry: Entry,
        sum_of: &impl Fn(u32) -> S,
    ) -> usize {
        if self.roots.len() <= partition as usize {
            self.roots.resize(partition as usize + 1);
        }
        let mut root = self.root(partition);
        let position = if root.len == 0 {
            root.node = self.leaves.add(Leaf::of(&[entry]));
            0
        } else {
            let (position, split) = self.insert_below(root.node, root.height, entry, sum_of);
            if let Some(split) = split {
                let first = self.first(root.node, root.height);
                let mut branch = Branch::default();
                let sum = root.sum.plus(sum_of(entry.row)).minus(split.sum);
                branch.put(0, root.node, root.len + 1 - split.count, sum, first);
                branch.put(1, split.node, split.count, split.sum, split.first);
                branch.len = 2;
                root.node = self.branches.add(branch);
                root.height += 1;
            }
            position
        };
        root.len += 1;
        root.sum = root.sum.plus(sum_of(entry.row));
        *self.roots.at_mut(partition as usize) = root;
        position
    }

    fn insert_below(
        &mut self,
        node: u32,
        height: u32,
        entry: Entry,
        sum_of: &impl Fn(u32) -> S,
    ) -> (usize, Option<Split<S>>) {
        let before = |row: u32, prefix: u128| match prefix.cmp(&entry.prefix) {
            Ordering::Equal => self.rows.value(row as usize) <= self.rows.value(entry.row as usize),
            order => order.is_lt(),
        };
        if height == 0 {
            let position = self.leaves.at(node).point(&before);
            let leaf = self.leaves.at_mut(node);
            if (leaf.len as usize) < LEAF {
                leaf.insert(position, entry);
                return (position, None);
            }
            // Rows that come in order leave full leaves behind.
            let keep = if position == LEAF { LEAF } else { LEAF / 2 };
            let mut right = leaf.split_off(keep);
            match position > keep || keep == LEAF {
                true => right.insert(position - keep, entry),
                false => leaf.insert(position, entry),
            }
            let (count, first) = (right.len, right.entry(0));
            let rows = right.rows[..count as usize].iter();
            let sum = rows.fold(S::default(), |sum, row| sum.plus(sum_of(*row)));
            let node = self.leaves.add(right);
            return (position, Some(Split { node, count, sum, first }));
        }
        let branch = self.branches.at(node);
        let child = branch.child(&before);
        let (below, rows_before) =
            (branch.nodes[child], branch.counts[..child].iter().sum::<u32>());
        let (position, split) = self.insert_below(below, height - 1, entry, sum_of);
        let branch = self.branches.at_mut(node);
        branch.counts[child] += 1;
        branch.sums[child] = branch.sums[child].plus(sum_of(entry.row));
        if position == 0 {
            branch.put_first(child, entry);
        }
        let position = rows_before as usize + position;
        let Some(split) = split else { return (position, None) };
        branch.counts[child] -= split.count;
        branch.sums[child] = branch.sums[child].minus(split.sum);
        if (branch.len as usize) < BRANCH {
            branch.insert(child + 1, &split);
            return (position, None);
        }
        let keep = if child + 1 == BRANCH { BRANCH - 1 } else { BRANCH / 2 };
        let mut right = branch.split_off(keep);
        match child + 1 > keep {
            true => right.insert(child + 1 - keep, &split),
            false => branch.insert(child + 1, &split),
        }
        let (count, sum, first) = (right.count(), right.sum(), right.entry(0));
        let node = self.branches.add(right);
        (position, Some(Split { node, count, sum, first }))
    }

    /// Changes what the row at a position counts for by a difference.
    pub(super) fn reweigh(&mut self, partition: u32, position: usize, change: S) {
        if change == S::default() {
            return;
        }
        let root = self.roots.at_mut(partition as usize);
        root.sum = root.sum.plus(change);
        let (mut node, mut position, height) = (root.node, position as u32, root.height);
        for _ in 0..height {
            let branch = self.branches.at_mut(node);
            let child = branch.child_at(&mut position);
            branch.sums[child] = branch.sums[child].plus(change);
            node = branch.nodes[child];
        }
    }

    /// Takes out the row at a position below the partition's length; it must count for nothing.
    pub(super) fn remove(&mut self, partition: u32, position: usize) -> u32 {
        let mut root = self.root(partition);
        assert!(position < root.len as usize, "a position past the end of its partition");
        let row = self.remove_below(root.node, root.height, position as u32);
        root.len -= 1;
        if root.len == 0 {
            self.release(root.node, root.height);
            root = Root::default();
        }
        while root.height > 0 && self.branches.at(root.node).len == 1 {
            let branch = root.node;
            root.node = self.branches.at(branch).nodes[0];
            self.branches.free.push(branch);
            root.height -= 1;
        }
        *self.roots.at_mut(partition as usize) = root;
        row
    }

    fn remove_below(&mut self, node: u32, height: u32, mut position: u32) -> u32 {
        if height == 0 {
            return self.leaves.at_mut(node).remove(position as usize);
        }
        let child = self.branches.at(node).child_at(&mut position);
        let below = self.branches.at(node).nodes[child];
        let row = self.remove_below(below, height - 1, position);
        let branch = self.branches.at_mut(node);
        branch.counts[child] -= 1;
        if branch.counts[child] == 0 {
            branch.remove(child);
            self.release(below, height - 1);
        } else {
            if position == 0 {
                let first = self.first(below, height - 1);
                self.branches.at_mut(node).put_first(child, first);
            }
            self.merge(node, height, child);
        }
        row
    }

    /// Joins a child that is less than a quarter full with a neighbour that has room for it.
    fn merge(&mut self, node: u32, height: u32, child: usize) {
        let branch = self.branches.at(node);
        let full = if height == 1 { LEAF } else { BRANCH };
        let len = |child: usize| match height {
            1 => self.leaves.at(branch.nodes[child]).len as usize,
            _ => self.branches.at(branch.nodes[child]).len as usize,
        };
        if len(child) * 4 > full || branch.len < 2 {
            return;
        }
        let left = if child + 1 < branch.len as usize { child } else { child - 1 };
        if len(left) + len(left + 1) > full {
            return;
        }
        let (into, from) = (branch.nodes[left], branch.nodes[left + 1]);
        if height == 1 {
            let right = *self.leaves.at(from);
            self.leaves.at_mut(into).append(&right);
        } else {
            let right = *self.branches.at(from);
            self.branches.at_mut(into).append(&right);
        }
        let branch = self.branches.at_mut(node);
        branch.counts[left] += branch.counts[left + 1];
        branch.sums[left] = branch.sums[left].plus(branch.sums[left + 1]);
        branch.remove(left + 1);
        match height {
            1 => self.leaves.free.push(from),
            _ => self.branches.free.push(from),
        }
    }

    /// Gives back a node without rows and those below it.
    fn release(&mut self, node: u32, height: u32) {
        if height == 0 {
            self.leaves.free.push(node);
            return;
        }
        let branch = *self.branches.at(node);
        for child in &branch.nodes[..branch.len as usize] {
            self.release(*child, height - 1);
        }
        self.branches.free.push(node);
    }

    fn first(&self, node: u32, height: u32) -> Entry {
        match height {
            0 => self.leaves.at(node).entry(0),
            _ => self.branches.at(node).entry(0),
        }
    }
}

impl Forest<i64> {
    /// The row in which so many of what rows count for, from the first one on, are passed; `sum_of`
    /// is not negative. `None` behind the last row.
    pub(super) fn row_of_sum(
        &self,
        partition: u32,
        mut passed: i64,
        sum_of: impl Fn(u32) -> i64,
    ) -> Option<u32> {
        let root = self.root(partition);
        if passed < 0 || passed >= root.sum {
            return None;
        }
        let mut node = root.node;
        for _ in 0..root.height {
            let branch = self.branches.at(node);
            let mut child = 0;
            while passed >= branch.sums[child] {
                passed -= branch.sums[child];
                child += 1;
            }
            node = branch.nodes[child];
        }
        let leaf = self.leaves.at(node);
        leaf.rows[..leaf.len as usize].iter().copied().find(|row| {
            passed -= sum_of(*row);
            passed < 0
        })
    }
}

impl Leaf {
    fn of(entries: &[Entry]) -> Self {
        let mut leaf = Self::default();
        entries.iter().enumerate().for_each(|(at, entry)| leaf.insert(at, *entry));
        leaf
    }

    fn entry(&self, at: usize) -> Entry {
        Entry { row: self.rows[at], prefix: self.prefixes[at] }
    }

    #[inline(always)]
    fn point(&self, before: &impl Fn(u32, u128) -> bool) -> usize {
        point(self.len as usize, |at| before(self.rows[at], self.prefixes[at]))
    }

    fn insert(&mut self, at: usize, entry: Entry) {
        let len = self.len as usize;
        self.rows.copy_within(at..len, at + 1);
        self.prefixes.copy_within(at..len, at + 1);
        self.rows[at] = entry.row;
        self.prefixes[at] = entry.prefix;
        self.len += 1;
    }

    fn remove(&mut self, at: usize) -> u32 {
        let (row, len) = (self.rows[at], self.len as usize);
        self.rows.copy_within(at + 1..len, at);
        self.prefixes.copy_within(at + 1..len, at);
        self.len -= 1;
        row
    }

    fn split_off(&mut self, at: usize) -> Self {
        let mut right = Self::default();
        (at..self.len as usize).for_each(|from| right.insert(from - at, self.entry(from)));
        self.len = at as u32;
        right
    }

    fn append(&mut self, right: &Self) {
        (0..right.len as usize).for_each(|at| self.insert(self.len as usize, right.entry(at)));
    }
}

impl<S: Sum> Branch<S> {
    fn entry(&self, at: usize) -> Entry {
        Entry { row: self.rows[at], prefix: self.prefixes[at] }
    }

    fn count(&self) -> u32 {
        self.counts[..self.len as usize].iter().sum()
    }

    fn sum(&self) -> S {
        self.sums[..self.len as usize].iter().fold(S::default(), |sum, of| sum.plus(*of))
    }

    /// The child in which the first row lies that `before` does not hold for, or the last child.
    #[inline(always)]
    fn child(&self, before: &impl Fn(u32, u128) -> bool) -> usize {
        point(self.len as usize, |at| before(self.rows[at], self.prefixes[at])).saturating_sub(1)
    }

    /// The child that holds a position, which becomes the position in that child.
    fn child_at(&self, position: &mut u32) -> usize {
        let mut child = 0;
        while *position >= self.counts[child] {
            *position -= self.counts[child];
            child += 1;
        }
        child
    }

    fn put(&mut self, at: usize, node: u32, count: u32, sum: S, first: Entry) {
        self.nodes[at] = node;
        self.counts[at] = count;
        self.sums[at] = sum;
        self.put_first(at, first);
    }

    fn put_first(&mut self, at: usize, first: Entry) {
        self.rows[at] = first.row;
        self.prefixes[at] = first.prefix;
    }

    fn insert(&mut self, at: usize, split: &Split<S>) {
        let len = self.len as usize;
        self.nodes.copy_within(at..len, at + 1);
        self.counts.copy_within(at..len, at + 1);
        self.sums.copy_within(at..len, at + 1);
        self.rows.copy_within(at..len, at + 1);
        self.prefixes.copy_within(at..len, at + 1);
        self.put(at, split.node, split.count, split.sum, split.first);
        self.len += 1;
    }

    fn remove(&mut self, at: usize) {
        let len = self.len as usize;
        self.nodes.copy_within(at + 1..len, at);
        self.counts.copy_within(at + 1..len, at);
        self.sums.copy_within(at + 1..len, at);
        self.rows.copy_within(at + 1..len, at);
        self.prefixes.copy_within(at + 1..len, at);
        self.len -= 1;
    }

    fn split_off(&mut self, at: usize) -> Self {
        let mut right = Self::default();
        right.append_from(self, at);
        self.len = at as u32;
        right
    }

    fn append(&mut self, right: &Self) {
        self.append_from(right, 0);
    }

    fn append_from(&mut self, other: &Self, at: usize) {
        for from in at..other.len as usize {
            let to = self.len as usize;
            let (node, count, sum) = (other.nodes[from], other.counts[from], other.sums[from]);
            self.put(to, node, count, sum, other.entry(from));
            self.len += 1;
        }
    }
}

/// The first of `0..len` for which `before` does not hold.
#[inline(always)]
fn point(len: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = (low + high) / 2;
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}
