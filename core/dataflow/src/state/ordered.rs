//! [`OrderedPartitions`]: rows in an order, apart by partition.
//!
//! A row is a byte string, and rows are in the order of their bytes; a row that is there several
//! times stands as often, side by side. Partitions are numbered by the caller, as the slots of a
//! [`GroupIndex`](super::GroupIndex) are. Insertion and removal anywhere, the rank of a row and
//! the n-th row cost the logarithm of the partition's length.
//!
//! *Invariant:* the slot and the bytes of a row that was removed stay as they are until
//! [`settle`](OrderedPartitions::settle), so that what was there before a step can be compared
//! with what is there after it.

use std::ops::{Deref, Range};

use laminar_types::Result;

use super::ordered_tree::{Entry, Forest};
use super::slots::Slots;
use super::{Container, Parts};

/// Rows in an order, by partition, to be changed.
pub struct OrderedPartitions {
    read: OrderedRows,
    slots: Slots,
    /// Slots of rows that were removed since the last `settle`.
    removed: Vec<u32>,
    /// Rows numbered so far.
    arrivals: u64,
}

/// Rows in an order, by partition, to be read: as they are, or as they were at a snapshot.
pub struct OrderedRows {
    forest: Forest<()>,
}

impl Default for OrderedPartitions {
    fn default() -> Self {
        Self {
            read: OrderedRows { forest: Forest::new() },
            slots: Slots::default(),
            removed: Vec::new(),
            arrivals: 0,
        }
    }
}

impl Deref for OrderedPartitions {
    type Target = OrderedRows;

    fn deref(&self) -> &OrderedRows {
        &self.read
    }
}

impl OrderedPartitions {
    /// Puts a row behind all rows of its partition that are not greater. Tells its slot and its
    /// position.
    ///
    /// # Errors
    /// When there would be more than 2^31 rows.
    pub fn insert(&mut self, partition: u32, bytes: &[u8]) -> Result<(u32, usize)> {
        let row = self.slots.allocate()?;
        let rows = &mut self.read.forest.rows;
        rows.resize(self.slots.end());
        rows.set(row as usize, bytes);
        let position = self.read.forest.insert(partition, Entry::new(row, bytes), &|_| ());
        Ok((row, position))
    }

    /// Takes out the last of the rows that equal `bytes`. Tells its slot and the position it had,
    /// or `None` when there is no such row.
    pub fn remove(&mut self, partition: u32, bytes: &[u8]) -> Option<(u32, usize)> {
        let position = self.rank(partition, bytes, true).checked_sub(1)?;
        if self.bytes(self.row_at(partition, position)) != bytes {
            return None;
        }
        Some((self.remove_at(partition, position), position))
    }

    /// Takes out the row at a position below the partition's length. Tells its slot.
    pub fn remove_at(&mut self, partition: u32, position: usize) -> u32 {
        let row = self.read.forest.remove(partition, position);
        self.removed.push(row);
        row
    }

    /// Forgets the rows that were removed; their slots will be given to others.
    pub fn settle(&mut self) {
        for row in self.removed.drain(..) {
            self.read.forest.rows.set(row as usize, &[]);
            self.slots.release(row);
        }
    }

    /// One past the largest slot in use, so the size that columns beside this one need.
    pub fn slots(&self) -> usize {
        self.slots.end()
    }

    /// The next of the numbers that tell rows apart by their arrival.
    pub fn next_arrival(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    /// The rows as they are now, to be read while this goes on.
    pub fn snapshot(&mut self) -> OrderedRows {
        OrderedRows { forest: self.read.forest.snapshot() }
    }

    /// Asks the processor to bring the trees of some partitions near.
    pub fn prefetch(&self, partitions: &[u32]) {
        let forest = &self.read.forest;
        partitions.iter().for_each(|partition| forest.prefetch_root(*partition));
        partitions.iter().for_each(|partition| forest.prefetch_leaf(*partition));
    }
}

impl Container for OrderedPartitions {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        debug_assert!(self.removed.is_empty(), "rows are settled at the end of a step");
        self.read.forest.parts(parts)?;
        self.slots.parts(parts)?;
        parts.number(&mut self.arrivals)
    }

    fn state_bytes(&self) -> usize {
        let removed = self.removed.capacity() * size_of::<u32>();
        self.read.forest.state_bytes() + self.slots.state_bytes() + removed
    }
}

impl OrderedRows {
    /// How many rows a partition has.
    pub fn len(&self, partition: u32) -> usize {
        self.forest.root(partition).len as usize
    }

    /// Whether a partition has no row.
    pub fn is_empty(&self, partition: u32) -> bool {
        self.len(partition) == 0
    }

    /// The bytes of a row.
    pub fn bytes(&self, row: u32) -> &[u8] {
        self.forest.rows.value(row as usize)
    }

    /// The row at a position below the partition's length.
    pub fn row_at(&self, partition: u32, position: usize) -> u32 {
        self.forest.row_at(partition, position)
    }

    /// Appends to `out` the rows at these positions, cut at the partition's end.
    pub fn collect(&self, partition: u32, positions: Range<usize>, out: &mut Vec<u32>) {
        self.forest.collect(partition, positions, out);
    }

    /// How many rows of a partition stand before `bytes`; those that equal it count when
    /// `with_equal` is set.
    pub fn rank(&self, partition: u32, bytes: &[u8], with_equal: bool) -> usize {
        self.forest.rank(partition, bytes, with_equal)
    }

    /// How many rows of a partition stand before the first for which `before` does not hold. It
    /// must hold for the first rows of the order and for no others.
    pub fn point(&self, partition: u32, before: impl Fn(&[u8]) -> bool) -> usize {
        self.forest.point(partition, before)
    }

    /// One past the largest partition that was ever given a row.
    pub fn partitions(&self) -> u32 {
        self.forest.roots.len() as u32
    }
}

#[cfg(test)]
#[path = "ordered_tests.rs"]
mod tests;
