//! [`Slots`]: which slot numbers are in use. Freed ones are given out again, last freed first.

use laminar_types::error::code;
use laminar_types::{Error, Result};

use super::Bits;

/// Slots stay below this, so that a table entry can tell slot 0 from none.
const LIMIT: u32 = 1 << 31;

/// The slot numbers of one index.
#[derive(Default)]
pub(super) struct Slots {
    end: u32,
    free: Vec<u32>,
    dead: Bits,
}

impl Slots {
    /// A slot that was not in use.
    #[inline]
    pub(super) fn allocate(&mut self) -> Result<u32> {
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
    pub(super) fn release(&mut self, slot: u32) {
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
    pub(super) fn end(&self) -> usize {
        self.end as usize
    }

    /// How many slots are in use.
    pub(super) fn len(&self) -> usize {
        self.end as usize - self.free.len()
    }

    pub(super) fn clear(&mut self) {
        self.end = 0;
        self.free.clear();
        self.dead.clear();
    }

    /// The same slots, given out alike; neither sees later changes of the other.
    pub(super) fn copied(&mut self) -> Self {
        Self { end: self.end, free: self.free.clone(), dead: self.dead.snapshot() }
    }

    /// The slots in use now.
    pub(super) fn snapshot(&mut self) -> LiveSlots {
        let dead = (!self.free.is_empty()).then(|| self.dead.snapshot());
        LiveSlots { end: self.end, len: self.len(), dead }
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.free.capacity() * size_of::<u32>() + self.dead.state_bytes()
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
