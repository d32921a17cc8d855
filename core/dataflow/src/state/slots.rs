//! [`Slots`]: which slot numbers are in use. Freed ones are given out again, last freed first.

use laminar_types::error::code;
use laminar_types::{Error, Result};

use super::{Bits, Container, Paged, Parts};

/// Slots stay below this, so that a table entry can tell slot 0 from none.
const LIMIT: u32 = 1 << 31;

/// The slot numbers of one index.
#[derive(Default)]
pub struct Slots {
    end: u32,
    free: FreeSlots,
    dead: Bits,
}

/// Numbers that were given back, the last one on top.
pub(super) struct FreeSlots {
    stack: Paged<u32>,
    len: usize,
}

impl Slots {
    /// A slot that was not in use.
    ///
    /// # Errors
    /// When there would be more than 2^31 slots.
    #[inline]
    pub fn allocate(&mut self) -> Result<u32> {
        if let Some(slot) = self.free.pop() {
            self.dead.remove(slot);
            return Ok(slot);
        }
        if self.end == LIMIT {
            let message = format!("an operator holds more than {LIMIT} groups");
            return Err(Error::new(code::EXECUTION, message));
        }
        self.end += 1;
        Ok(self.end - 1)
    }

    /// Gives back a slot in use.
    pub fn release(&mut self, slot: u32) {
        debug_assert!(self.is_live(slot));
        self.dead.insert(slot);
        self.free.push(slot);
    }

    /// Whether `slot` is in use.
    #[inline]
    pub(super) fn is_live(&self, slot: u32) -> bool {
        slot < self.end && (self.free.is_empty() || !self.dead.contains(slot))
    }

    /// One past the largest slot that was ever in use since the last `clear`.
    pub fn end(&self) -> usize {
        self.end as usize
    }

    /// How many slots are in use.
    pub(super) fn len(&self) -> usize {
        self.end as usize - self.free.len
    }

    pub(super) fn clear(&mut self) {
        self.end = 0;
        self.free.clear();
        self.dead.clear();
    }

    /// The slots in use, ascending.
    pub(super) fn live(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.end).filter(|&slot| self.is_live(slot))
    }

    /// The same slots, given out alike; neither sees later changes of the other.
    pub(super) fn copied(&mut self) -> Self {
        Self { end: self.end, free: self.free.snapshot(), dead: self.dead.snapshot() }
    }

    /// The slots in use now.
    pub(super) fn snapshot(&mut self) -> LiveSlots {
        let dead = (!self.free.is_empty()).then(|| self.dead.snapshot());
        LiveSlots { end: self.end, len: self.len(), dead }
    }
}

impl Container for Slots {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        parts.number(&mut self.end)?;
        self.free.parts(parts)?;
        self.dead.parts(parts)
    }

    fn state_bytes(&self) -> usize {
        self.free.state_bytes() + self.dead.state_bytes()
    }
}

impl Default for FreeSlots {
    fn default() -> Self {
        Self { stack: Paged::new(0), len: 0 }
    }
}

impl FreeSlots {
    pub(super) fn push(&mut self, slot: u32) {
        self.stack.resize(self.len + 1);
        *self.stack.at_mut(self.len) = slot;
        self.len += 1;
    }

    pub(super) fn pop(&mut self) -> Option<u32> {
        self.len = self.len.checked_sub(1)?;
        Some(*self.stack.at(self.len))
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    pub(super) fn snapshot(&mut self) -> Self {
        Self { stack: self.stack.snapshot(), len: self.len }
    }
}

impl Container for FreeSlots {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.stack.parts(parts)?;
        parts.number(&mut self.len)
    }

    fn state_bytes(&self) -> usize {
        self.stack.state_bytes()
    }
}

/// The slots in use at one moment.
pub(super) struct LiveSlots {
    end: u32,
    len: usize,
    dead: Option<Bits>,
}

impl LiveSlots {
    /// Slots in use, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.end).filter(|&slot| self.dead.as_ref().is_none_or(|dead| !dead.contains(slot)))
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Snapshot;

    /// Random slots taken and given back against a stack of free ones; snapshots put them back.
    #[test]
    fn agrees_with_a_stack() {
        let mut state = 11u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        let check = |slots: &Slots, live: &[bool], free: &[u32]| {
            assert_eq!((slots.end(), slots.len()), (live.len(), live.len() - free.len()));
            let expected = (0..live.len() as u32).filter(|slot| live[*slot as usize]);
            assert_eq!(slots.live().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        };
        let (mut slots, mut live, mut free) = (Slots::default(), Vec::new(), Vec::<u32>::new());
        let mut snapshots = Vec::new();
        for step in 0..20_000 {
            let grows = step / 3_000 % 2 == 0;
            if next(10) < if grows { 7 } else { 3 } {
                let slot = slots.allocate().unwrap();
                let expected = free.pop().unwrap_or_else(|| {
                    live.push(false);
                    live.len() as u32 - 1
                });
                assert_eq!(slot, expected);
                live[slot as usize] = true;
            } else if let Some(slot) = (!live.is_empty()).then(|| next(live.len()))
                && live[slot]
            {
                slots.release(slot as u32);
                live[slot] = false;
                free.push(slot as u32);
            }
            if step % 1_000 == 0 {
                let snapshot = Snapshot::take(&mut slots).unwrap();
                let readers = slots.snapshot().iter().count();
                snapshots.push((snapshot, readers, live.clone(), free.clone()));
            }
            if step % 4_500 == 4_499 {
                let (snapshot, _, then_live, then_free) = &snapshots[next(snapshots.len())];
                snapshot.restore(&mut slots).unwrap();
                (live, free) = (then_live.clone(), then_free.clone());
            }
        }
        check(&slots, &live, &free);
        for (snapshot, readers, live, free) in snapshots {
            snapshot.restore(&mut slots).unwrap();
            check(&slots, &live, &free);
            assert_eq!(readers, slots.len());
        }
    }
}
