//! [`SortedBytes`]: for every slot a multiset of byte strings in their order.
//!
//! The multiset of a slot is a [`Run`]: blocks of up to [`BLOCK_ENTRIES`] distinct strings with
//! how often each is there. Snapshots share runs and blocks; a write copies the one block that it
//! changes, and only while somebody else still reads it. Each block knows how many strings it
//! counts, so that the string of a rank is found without walking over those before it.
//!
//! Invariants: strings ascend through the blocks of a run; no block is empty; no count is zero. A
//! count below zero waits for the string that it was taken off, and is in no rank meanwhile.

use std::sync::Arc;

/// Distinct strings in a block: few enough to be copied in a microsecond or two.
const BLOCK_ENTRIES: usize = 128;
/// A block of fewer entries is put together with its neighbour.
const SMALL_BLOCK: usize = BLOCK_ENTRIES / 8;
/// Slots in a shared chunk.
const CHUNK: usize = 256;

type Chunk = Vec<Option<Arc<Run>>>;

/// An ordered multiset of byte strings for every slot.
#[derive(Default)]
pub struct SortedBytes {
    chunks: Vec<Arc<Chunk>>,
    bytes: usize,
}

impl SortedBytes {
    /// Makes room for `slots` slots; new ones are empty. Never shrinks.
    pub fn resize(&mut self, slots: usize) {
        let chunks = slots.div_ceil(CHUNK).max(self.chunks.len());
        self.chunks.resize_with(chunks, || Arc::new(vec![None; CHUNK]));
    }

    /// Adds a string `weight` times to the multiset of a slot.
    pub fn add(&mut self, slot: u32, row: &[u8], weight: i64) {
        if weight == 0 {
            return;
        }
        let chunk = Arc::make_mut(&mut self.chunks[slot as usize / CHUNK]);
        let place = &mut chunk[slot as usize % CHUNK];
        let run = Arc::make_mut(place.get_or_insert_default());
        let before = run.bytes;
        run.add(row, weight);
        self.bytes = self.bytes + run.bytes - before;
        if run.blocks.is_empty() {
            *place = None;
        }
    }

    /// The multiset of a slot, unless it is empty.
    pub fn run(&self, slot: u32) -> Option<&Run> {
        self.chunks[slot as usize / CHUNK][slot as usize % CHUNK].as_deref()
    }

    /// Adds the multiset of each of `other_slots` to that of the slot beside it.
    pub fn merge(&mut self, slots: &[u32], other: &Self, other_slots: &[u32]) {
        for (&slot, &from) in slots.iter().zip(other_slots) {
            let place = &self.chunks[slot as usize / CHUNK][slot as usize % CHUNK];
            match (&other.chunks[from as usize / CHUNK][from as usize % CHUNK], place) {
                (None, _) => {}
                (Some(run), None) => {
                    self.bytes += run.bytes;
                    let chunk = Arc::make_mut(&mut self.chunks[slot as usize / CHUNK]);
                    chunk[slot as usize % CHUNK] = Some(Arc::clone(run));
                }
                (Some(run), Some(_)) => {
                    for (row, count) in run.counts() {
                        self.add(slot, row, count);
                    }
                }
            }
        }
    }

    /// Empties the multiset of a slot.
    pub fn reset(&mut self, slot: u32) {
        if let Some(run) = self.run(slot) {
            self.bytes -= run.bytes;
            let chunk = Arc::make_mut(&mut self.chunks[slot as usize / CHUNK]);
            chunk[slot as usize % CHUNK] = None;
        }
    }

    /// Forgets all slots.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The same multisets, sharing memory; neither sees later changes of the other.
    pub fn snapshot(&self) -> Self {
        Self { chunks: self.chunks.clone(), bytes: self.bytes }
    }

    /// Bytes allocated, shared memory counted in full.
    pub fn state_bytes(&self) -> usize {
        self.bytes + self.chunks.len() * CHUNK * size_of::<Option<Arc<Run>>>()
    }
}

/// The multiset of one slot.
#[derive(Clone, Default)]
pub struct Run {
    blocks: Vec<Arc<Block>>,
    present: i64,
    bytes: usize,
}

impl Run {
    /// How many strings there are, each as often as it is there.
    pub fn len(&self) -> u64 {
        self.present as u64
    }

    /// Whether no string is there.
    pub fn is_empty(&self) -> bool {
        self.present == 0
    }

    /// The string of this rank, counted from zero and from the least one.
    pub fn nth(&self, rank: u64) -> Option<&[u8]> {
        let mut rank = i64::try_from(rank).ok()?;
        for block in &self.blocks {
            if rank < block.present {
                return block.nth(rank);
            }
            rank -= block.present;
        }
        None
    }

    /// The strings that are there, ascending, with how often each is.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.counts().filter(|(_, count)| *count > 0).map(|(row, count)| (row, count as u64))
    }

    /// All counts, ascending by string: what [`SortedBytes::add`] restores the multiset from.
    pub fn counts(&self) -> impl Iterator<Item = (&[u8], i64)> {
        self.blocks
            .iter()
            .flat_map(|block| (0..block.counts.len()).map(|at| (block.row(at), block.counts[at])))
    }

    fn add(&mut self, row: &[u8], weight: i64) {
        let at = self.blocks.partition_point(|block| block.last() < row);
        let Some(at) = (at < self.blocks.len()).then_some(at).or(self.blocks.len().checked_sub(1))
        else {
            let mut block = Block::default();
            block.add(row, weight);
            (self.present, self.bytes) = (block.present, block.bytes());
            self.blocks.push(Arc::new(block));
            return;
        };
        // A copy may take less room, so the old size is that before it.
        let bytes = self.blocks[at].bytes();
        let block = Arc::make_mut(&mut self.blocks[at]);
        let present = block.present;
        block.add(row, weight);
        self.present += block.present - present;
        if block.counts.len() > BLOCK_ENTRIES {
            // Ascending input leaves full blocks behind.
            let is_end = block.last() == row;
            let tail = block.split_off(if is_end { BLOCK_ENTRIES } else { BLOCK_ENTRIES / 2 });
            self.bytes += tail.bytes();
            self.blocks.insert(at + 1, Arc::new(tail));
        }
        self.bytes = self.bytes + self.blocks[at].bytes() - bytes;
        match self.blocks[at].counts.len() {
            0 => {
                self.bytes -= self.blocks[at].bytes();
                self.blocks.remove(at);
            }
            ..SMALL_BLOCK if weight < 0 => self.join(at),
            _ => {}
        }
    }

    /// Puts a small block together with the one behind it, if they fit one.
    fn join(&mut self, at: usize) {
        let Some(next) = self.blocks.get(at + 1) else { return };
        if next.counts.len() > BLOCK_ENTRIES / 2 {
            return;
        }
        let next = self.blocks.remove(at + 1);
        let block = Arc::make_mut(&mut self.blocks[at]);
        self.bytes -= next.bytes() + block.bytes();
        block.append(&next);
        self.bytes += block.bytes();
    }
}

/// Some neighbouring strings of a run.
#[derive(Clone, Default)]
struct Block {
    /// The strings, one behind the other.
    text: Vec<u8>,
    /// Where each string ends.
    ends: Vec<u32>,
    counts: Vec<i64>,
    /// The sum of the counts above zero.
    present: i64,
}

impl Block {
    fn row(&self, at: usize) -> &[u8] {
        &self.text[self.start(at)..self.ends[at] as usize]
    }

    fn start(&self, at: usize) -> usize {
        at.checked_sub(1).map_or(0, |before| self.ends[before] as usize)
    }

    fn last(&self) -> &[u8] {
        self.row(self.ends.len() - 1)
    }

    fn nth(&self, mut rank: i64) -> Option<&[u8]> {
        for (at, &count) in self.counts.iter().enumerate() {
            if rank < count.max(0) {
                return Some(self.row(at));
            }
            rank -= count.max(0);
        }
        None
    }

    fn add(&mut self, row: &[u8], weight: i64) {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = (low + high) / 2;
            match self.row(middle).cmp(row) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return self.count(middle, weight),
            }
        }
        let start = self.start(low);
        self.text.splice(start..start, row.iter().copied());
        // Invariant: a block holds few strings, and Arrow's row format none of gigabytes.
        let len = row.len() as u32;
        self.ends.insert(low, start as u32 + len);
        self.ends[low + 1..].iter_mut().for_each(|end| *end += len);
        self.counts.insert(low, weight);
        self.present += weight.max(0);
    }

    fn count(&mut self, at: usize, weight: i64) {
        let before = self.counts[at];
        let after = before + weight;
        self.present += after.max(0) - before.max(0);
        if after != 0 {
            self.counts[at] = after;
            return;
        }
        let (start, end) = (self.start(at), self.ends[at] as usize);
        self.text.drain(start..end);
        self.counts.remove(at);
        self.ends.remove(at);
        self.ends[at..].iter_mut().for_each(|later| *later -= (end - start) as u32);
    }

    fn split_off(&mut self, at: usize) -> Self {
        let start = self.start(at);
        let ends = self.ends.split_off(at).into_iter().map(|end| end - start as u32).collect();
        let counts = self.counts.split_off(at);
        let present = counts.iter().map(|count| (*count).max(0)).sum();
        self.present -= present;
        Self { text: self.text.split_off(start), ends, counts, present }
    }

    fn append(&mut self, other: &Self) {
        let start = self.text.len() as u32;
        self.text.extend_from_slice(&other.text);
        self.ends.extend(other.ends.iter().map(|end| end + start));
        self.counts.extend_from_slice(&other.counts);
        self.present += other.present;
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.text.capacity()
            + self.ends.capacity() * size_of::<u32>()
            + self.counts.capacity() * size_of::<i64>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    type Model = BTreeMap<Vec<u8>, i64>;

    fn check(rows: &SortedBytes, slot: u32, model: &Model) {
        let present: Vec<(&[u8], u64)> =
            model.iter().filter(|(_, c)| **c > 0).map(|(r, c)| (r.as_slice(), *c as u64)).collect();
        let Some(run) = rows.run(slot) else {
            assert!(model.is_empty());
            return;
        };
        assert_eq!(run.iter().collect::<Vec<_>>(), present);
        let all: Vec<&[u8]> =
            present.iter().flat_map(|(row, count)| vec![*row; *count as usize]).collect();
        assert_eq!(run.len() as usize, all.len());
        for rank in [0, 1, all.len() / 3, all.len() / 2, all.len().saturating_sub(1), all.len()] {
            assert_eq!(run.nth(rank as u64), all.get(rank).copied(), "rank {rank}");
        }
    }

    /// Random additions and removals against a map; snapshots taken on the way stay as they were,
    /// and what a snapshot holds restores it.
    #[test]
    fn agrees_with_a_map() {
        let mut state = 7u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let mut rows = SortedBytes::default();
        rows.resize(3);
        let mut models = vec![Model::new(); 3];
        let mut snapshots = Vec::new();
        for step in 0..30_000 {
            let slot = next(3) as usize;
            let row = match slot {
                0 => format!("{:06}", step).into_bytes(),
                _ => format!("{:x}", next(900) * next(900)).into_bytes(),
            };
            // The first half grows, the second shrinks; counts also pass below zero.
            let weight = if next(10) < if step < 15_000 { 8 } else { 3 } { 1 } else { -1 };
            let row = match (weight, models[slot].keys().nth(next(20) as usize)) {
                (-1, Some(known)) => known.clone(),
                _ => row,
            };
            rows.add(slot as u32, &row, weight);
            let count = models[slot].entry(row.clone()).or_default();
            *count += weight;
            if *count == 0 {
                models[slot].remove(&row);
            }
            if step % 1_000 == 0 {
                snapshots.push((rows.snapshot(), models.clone()));
            }
            if step % 97 == 0 {
                check(&rows, slot as u32, &models[slot]);
            }
        }
        for (snapshot, models) in &snapshots {
            let mut restored = SortedBytes::default();
            restored.resize(3);
            for (slot, model) in models.iter().enumerate() {
                check(snapshot, slot as u32, model);
                for (row, count) in snapshot.run(slot as u32).into_iter().flat_map(Run::counts) {
                    restored.add(slot as u32, row, count);
                }
                check(&restored, slot as u32, model);
            }
        }
        let mut merged = SortedBytes::default();
        merged.resize(1);
        merged.merge(&[0, 0], &rows, &[1, 2]);
        let mut model = models[1].clone();
        for (row, count) in &models[2] {
            *model.entry(row.clone()).or_default() += count;
        }
        model.retain(|_, count| *count != 0);
        check(&merged, 0, &model);
        for (slot, model) in models.iter().enumerate() {
            for (row, count) in model {
                rows.add(slot as u32, row, -count);
            }
            assert!(rows.run(slot as u32).is_none());
        }
        assert_eq!(rows.bytes, 0);
    }
}
