//! [`TimeQueue`]: numbers in the order of times, for limits that only go on.
//!
//! A radix heap (Ahuja, Mehlhorn, Orlin and Tarjan, "Faster algorithms for the shortest path
//! problem", 1990): what lies beyond the limit stands in a list by the highest bit in which its time
//! differs from the limit. When the limit moves, lists that it has passed as a whole are taken out,
//! and one is dealt out to lists of lower bits. So an entry is copied a few times, in memory that is
//! read in order, however many others there are; only what the limit has passed is put in order.
//!
//! An index beside columns, like a hash table: whoever owns it keeps in a column which entries count,
//! leaves out those that no longer do when they come, and enters those that do anew when parts are put
//! back, and when too many do not count ([`TimeQueue::is_stale`]).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Numbers by time; equal entries may be there more than once.
pub struct TimeQueue {
    limit: i64,
    /// The entries at or before the limit, the first one on top.
    near: BinaryHeap<Reverse<(i64, u32)>>,
    /// The entries after it, by the level of their time.
    far: Vec<Vec<(i64, u32)>>,
    /// How many entries there are.
    len: usize,
}

/// So many entries that do not count are no matter.
const FEW: usize = 64;

impl Default for TimeQueue {
    fn default() -> Self {
        let far = (0..i64::BITS).map(|_| Vec::new()).collect();
        Self { limit: i64::MIN, near: BinaryHeap::new(), far, len: 0 }
    }
}

impl TimeQueue {
    /// Adds an entry.
    pub fn insert(&mut self, time: i64, number: u32) {
        self.len += 1;
        self.place(time, number);
    }

    fn place(&mut self, time: i64, number: u32) {
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
            self.place(time, number);
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
        let first = self.near.pop().map(|entry| entry.0);
        self.len -= usize::from(first.is_some());
        first
    }

    /// Whether so many entries are there that most do not count, where at most `counting` do.
    pub fn is_stale(&self, counting: usize) -> bool {
        self.len > 2 * counting + FEW
    }

    /// Puts the entries that count in the place of all; the limit stays.
    pub fn refill(&mut self, entries: impl Iterator<Item = (i64, u32)>) {
        let limit = self.limit;
        *self = Self { limit, ..Self::default() };
        entries.for_each(|(time, number)| self.insert(time, number));
    }

    /// Forgets all entries, and the limit.
    pub fn clear(&mut self) {
        self.limit = i64::MIN;
        self.len = 0;
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

    /// Entries that are entered again and again, as where the time of a number falls, take no more
    /// memory than those that count.
    #[test]
    fn what_does_not_count_is_bounded() {
        let (mut queue, mut times) = (TimeQueue::default(), vec![i64::MAX; 100]);
        let mut most = 0;
        for step in 0..200_000 {
            let number = (step * 37 % 100) as u32;
            let time = 10_000_000 - step as i64;
            times[number as usize] = time;
            queue.insert(time, number);
            if queue.is_stale(times.len()) {
                queue.refill(times.iter().enumerate().map(|(at, time)| (*time, at as u32)));
            }
            most = most.max(queue.state_bytes());
        }
        assert!(most < 20_000, "{most} bytes for 100 numbers");
        queue.advance(i64::MAX);
        let mut expected: Vec<(i64, u32)> =
            times.iter().enumerate().map(|(at, time)| (*time, at as u32)).collect();
        expected.sort_unstable();
        let came = std::iter::from_fn(|| queue.pop());
        let counting: Vec<_> = came.filter(|(t, n)| times[*n as usize] == *t).collect();
        assert_eq!(counting, expected);
    }
}
