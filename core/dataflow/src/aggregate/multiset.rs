//! `min` and `max` over updating input: every slot keeps an ordered multiset of its values.
//!
//! A multiset is a B-tree from value to count. Snapshots share the trees: a tree is copied by
//! the first write to it while a reader holds it. Memory is that of all distinct values.

use std::any::Any;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::DataType;
use laminar_types::{Result, mutant};

use super::kind::Kind;
use super::{Accumulator, Input, argument, same};
use crate::state::{byte_array, each_byte_array};

/// Trees in a shared chunk.
const CHUNK: usize = 256;

type Tree<V> = BTreeMap<V, i64>;
type Chunk<V> = Vec<Option<Arc<Tree<V>>>>;

/// A multiset per slot, in chunks that snapshots share.
struct Trees<V> {
    chunks: Vec<Arc<Chunk<V>>>,
    len: usize,
    /// Distinct values in all slots.
    entries: usize,
    /// Bytes of values outside the trees' nodes.
    outside_bytes: usize,
}

impl<V> Default for Trees<V> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0, entries: 0, outside_bytes: 0 }
    }
}

impl<V: Ord + Clone> Trees<V> {
    fn resize(&mut self, slots: usize) {
        self.len = self.len.max(slots);
        let chunks = self.len.div_ceil(CHUNK);
        self.chunks.resize_with(chunks, || Arc::new(vec![None; CHUNK]));
    }

    /// Adds a value `weight` times. A count below zero waits for what it was taken off.
    fn add(&mut self, slot: u32, value: V, weight: i64, outside_bytes: usize) {
        if weight < 0 && mutant!(ExtremeNeverFalls) {
            return;
        }
        let chunk = Arc::make_mut(&mut self.chunks[slot as usize / CHUNK]);
        let place = &mut chunk[slot as usize % CHUNK];
        let tree = Arc::make_mut(place.get_or_insert_default());
        match tree.entry(value) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(weight);
                self.entries += 1;
                self.outside_bytes += outside_bytes;
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                *entry.get_mut() += weight;
                if *entry.get() == 0 {
                    entry.remove();
                    self.entries -= 1;
                    self.outside_bytes -= outside_bytes;
                }
            }
        }
        if tree.is_empty() {
            *place = None;
        }
    }

    /// The multiset of a slot, if it is not empty.
    fn tree(&self, slot: u32) -> Option<&Tree<V>> {
        self.chunks[slot as usize / CHUNK][slot as usize % CHUNK].as_deref()
    }

    /// The largest or the smallest value that is there more often than not.
    fn best<const MAX: bool>(&self, slot: u32) -> Option<&V> {
        let tree = self.tree(slot)?;
        let present = |(value, count): (_, &i64)| (*count > 0).then_some(value);
        if MAX { tree.iter().rev().find_map(present) } else { tree.iter().find_map(present) }
    }

    fn merge(
        &mut self,
        slots: &[u32],
        other: &Self,
        other_slots: &[u32],
        outside_bytes: impl Fn(&V) -> usize,
    ) {
        for (&slot, &from) in slots.iter().zip(other_slots) {
            for (value, &count) in other.tree(from).into_iter().flatten() {
                self.add(slot, value.clone(), count, outside_bytes(value));
            }
        }
    }

    fn reset(&mut self, slot: u32, outside_bytes: impl Fn(&V) -> usize) {
        if let Some(tree) = self.tree(slot) {
            let (entries, bytes) = (tree.len(), tree.keys().map(outside_bytes).sum::<usize>());
            self.entries -= entries;
            self.outside_bytes -= bytes;
            let chunk = Arc::make_mut(&mut self.chunks[slot as usize / CHUNK]);
            chunk[slot as usize % CHUNK] = None;
        }
    }

    fn snapshot(&self) -> Self {
        let Self { len, entries, outside_bytes, .. } = *self;
        Self { chunks: self.chunks.clone(), len, entries, outside_bytes }
    }

    fn state_bytes(&self) -> usize {
        // A node of a B-tree holds up to eleven entries and is two thirds full on average.
        let entry_bytes = (size_of::<V>() + size_of::<i64>()) * 3 / 2;
        self.chunks.len() * CHUNK * size_of::<usize>()
            + self.entries * entry_bytes
            + self.outside_bytes
    }
}

/// A value of a kind, ordered.
struct Ordered<K: Kind>(K::Value);

impl<K: Kind> Clone for Ordered<K> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<K: Kind> PartialEq for Ordered<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K: Kind> Eq for Ordered<K> {}

impl<K: Kind> PartialOrd for Ordered<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Kind> Ord for Ordered<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        K::compare(self.0, other.0)
    }
}

/// `min` or `max` of fixed-size values.
pub(super) struct Multisets<K: Kind, const MAX: bool> {
    data_type: DataType,
    trees: Trees<Ordered<K>>,
}

impl<K: Kind, const MAX: bool> Multisets<K, MAX> {
    pub(super) fn new(data_type: &DataType) -> Self {
        Self { data_type: data_type.clone(), trees: Trees::default() }
    }
}

impl<K: Kind, const MAX: bool> Accumulator for Multisets<K, MAX> {
    fn result_type(&self) -> DataType {
        self.data_type.clone()
    }

    fn resize(&mut self, slots: usize) {
        self.trees.resize(slots);
    }

    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let array: &K::Array = argument(input)?;
        input.each(input.selection().as_ref(), |row, slot, weight| {
            self.trees.add(slot, Ordered(K::value(array, row)), weight, 0);
        });
        Ok(())
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        self.trees.merge(slots, &same::<Self>(other)?.trees, other_slots, |_| 0);
        Ok(())
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        let best: Vec<_> = slots.iter().map(|&slot| self.trees.best::<MAX>(slot)).collect();
        let nulls = nulls(&best);
        let values = best.into_iter().map(|value| value.map_or(K::LEAST, |value| value.0));
        Ok(K::array(values.collect(), nulls, &self.data_type))
    }

    fn reset(&mut self, slot: u32) {
        self.trees.reset(slot, |_| 0);
    }

    fn clear(&mut self) {
        self.trees = Trees::default();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        Box::new(Self { data_type: self.data_type.clone(), trees: self.trees.snapshot() })
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        Box::new(Self::new(&self.data_type))
    }

    fn state_bytes(&self) -> usize {
        self.trees.state_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `min` or `max` of strings and binary.
pub(super) struct ByteMultisets<const MAX: bool> {
    data_type: DataType,
    trees: Trees<Box<[u8]>>,
}

impl<const MAX: bool> ByteMultisets<MAX> {
    pub(super) fn new(data_type: &DataType) -> Self {
        Self { data_type: data_type.clone(), trees: Trees::default() }
    }
}

impl<const MAX: bool> Accumulator for ByteMultisets<MAX> {
    fn result_type(&self) -> DataType {
        self.data_type.clone()
    }

    fn resize(&mut self, slots: usize) {
        self.trees.resize(slots);
    }

    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let selection = input.selection();
        each_byte_array!(input.args[0], array => {
            input.each(selection.as_ref(), |row, slot, weight| {
                let value: &[u8] = array.value(row).as_ref();
                self.trees.add(slot, value.into(), weight, value.len());
            });
        });
        Ok(())
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        let other: &Self = same(other)?;
        self.trees.merge(slots, &other.trees, other_slots, |value| value.len());
        Ok(())
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        let best: Vec<_> = slots.iter().map(|&slot| self.trees.best::<MAX>(slot)).collect();
        let values = best.iter().map(|value| value.map_or(&[][..], |value| value));
        byte_array(&self.data_type, values, nulls(&best))
    }

    fn reset(&mut self, slot: u32) {
        self.trees.reset(slot, |value| value.len());
    }

    fn clear(&mut self) {
        self.trees = Trees::default();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        Box::new(Self { data_type: self.data_type.clone(), trees: self.trees.snapshot() })
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        Box::new(Self::new(&self.data_type))
    }

    fn state_bytes(&self) -> usize {
        self.trees.state_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn nulls<T>(best: &[Option<T>]) -> Option<NullBuffer> {
    let valid = BooleanBuffer::collect_bool(best.len(), |row| best[row].is_some());
    Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0)
}
