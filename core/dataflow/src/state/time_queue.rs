//! [`TimeQueue`]: numbers in the order of times, for limits that only go on.
//!
//! A radix heap (Ahuja, Mehlhorn, Orlin and Tarjan, "Faster algorithms for the shortest path
//! problem", 1990): what lies beyond the limit stands in a list by the highest bit in which its time
//! differs from the limit. When the limit moves, lists that it has passed as a whole are taken out,
//! and one is dealt out to lists of lower bits. So an entry is copied a few times, in memory that is
//! read in order, however many others there are; only what the limit has passed is put in order.
//!
//! An index beside columns, like a hash table: whoever owns it keeps in a column which entries count,
//! leaves out those that no longer do when they come, and enters them anew when parts are put back.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Numbers by time; equal entries may be there more than once.
pub struct TimeQueue {
    limit: i64,
    /// The entries at or before the limit, the first one on top.
    near: BinaryHeap<Reverse<(i64, u32)>>,
    /// The entries after it, by the level of their time.
    far: Vec<Vec<(i64, u32)>>,
}

impl Default for TimeQueue {
    fn default() -> Self {
        let far = (0..i64::BITS).map(|_| Vec::new()).collect();
        Self { limit: i64::MIN, near: BinaryHeap::new(), far }
    }
}

impl TimeQueue {
    /// Adds an entry.
    pub fn insert(&mut self, time: i64, number: u32) {
        match time <= self.limit {
            true => self.near.push(Reverse((time, number))),
            false => self.far[level(self.limit, time)].push((time, number)),
        }
    }

    /// Makes what stands at or before a limit come out. A limit before an earlier one is that one.
    pub fn advance(&mut self, limit: i64) {
        if limit <= self.limit {
            return;
        }
        let highest = level(self.limit, limit);
        self.limit = limit;
        for passed in &mut self.far[..highest] {
            self.near.extend(passed.drain(..).map(Reverse));
        }
        let mut dealt = std::mem::take(&mut self.far[highest]);
        for (time, number) in dealt.drain(..) {
            self.insert(time, number);
        }
        // Empty, but for its memory.
        self.far[highest] = dealt;
    }

    /// The first entry at or before the limit.
    pub fn first(&self) -> Option<(i64, u32)> {
        self.near.peek().map(|entry| entry.0)
    }

    /// Takes the first entry at or before the limit out: the least time, and of one time the least
    /// number.
    pub fn pop(&mut self) -> Option<(i64, u32)> {
        self.near.pop().map(|entry| entry.0)
    }

    /// Forgets all entries, and the limit.
    pub fn clear(&mut self) {
        self.limit = i64::MIN;
        self.near.clear();
        self.far.iter_mut().for_each(Vec::clear);
    }

    /// Bytes allocated.
    pub fn state_bytes(&self) -> usize {
        let far: usize = self.far.iter().map(Vec::capacity).sum();
        (self.near.capacity() + far) * size_of::<(i64, u32)>()
    }
}

/// The highest bit in which two different times differ.
fn level(one: i64, other: i64) -> usize {
    debug_assert_ne!(one, other);
    ((one ^ other) as u64).ilog2() as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Against a map, with times at both ends of their range, and entries before the limit.
    #[test]
    fn agrees_with_a_map() {
        let mut state = 3u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        for (first, most) in [(0, 300), (-40_000, 50_000), (i64::MIN, 1_000), (i64::MAX - 900, 900)]
        {
            let (mut queue, mut model) = (TimeQueue::default(), BTreeMap::new());
            let mut limit = i64::MIN;
            for step in 0..3_000u32 {
                let time = first.saturating_add(next(most) as i64);
                queue.insert(time, step % 100);
                *model.entry((time, step % 100)).or_insert(0) += 1;
                if step % 7 == 0 {
                    limit = limit.max(first.saturating_add((step as u64 * most / 3_000) as i64));
                    queue.advance(limit);
                    queue.advance(limit.saturating_sub(1));
                }
                while next(3) > 0 {
                    let expected = model.first_entry().filter(|entry| entry.key().0 <= limit);
                    let expected = expected.map(|mut entry| {
                        let key = *entry.key();
                        *entry.get_mut() -= 1;
                        if *entry.get() == 0 {
                            entry.remove();
                        }
                        key
                    });
                    assert_eq!(queue.first(), expected);
                    assert_eq!(queue.pop(), expected);
                }
            }
            queue.advance(i64::MAX);
            let rest = model.into_iter().flat_map(|(entry, times)| vec![entry; times]);
            assert_eq!(
                std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>(),
                rest.collect::<Vec<_>>()
            );
        }
    }
}
