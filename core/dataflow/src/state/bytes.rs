//! [`ByteColumn`]: a column of byte strings, one per slot, with cheap snapshots.
//!
//! A cell is 16 bytes: strings of up to 15 bytes stand in it, longer ones in an arena. Long
//! strings that were overwritten or removed stay in the arena until they outweigh the others;
//! then it is rebuilt, so the cost of that is amortised.

use arrow::datatypes::DataType;
use laminar_types::Result;

use super::arena::Arena;
use super::{Container, Paged, Parts};

/// The longest string that a cell holds itself.
const INLINE: usize = 15;
/// In the lowest byte of a cell whose string is in the arena; else that byte is the length.
const LONG: u128 = 0xFF;
/// Less garbage than this is never collected.
const SMALL_GARBAGE: usize = 64 * 1024;

/// Byte strings by slot.
pub struct ByteColumn {
    cells: Paged<[u8; 16]>,
    arena: Arena,
    /// Bytes in the arena that a cell refers to, and all bytes in it.
    live: usize,
    written: usize,
}

impl Default for ByteColumn {
    fn default() -> Self {
        Self { cells: Paged::new([0; 16]), arena: Arena::default(), live: 0, written: 0 }
    }
}

impl ByteColumn {
    /// Whether values of this type are byte strings.
    pub fn supports(data_type: &DataType) -> bool {
        use DataType::{Binary, BinaryView, FixedSizeBinary, LargeBinary};
        use DataType::{LargeUtf8, Utf8, Utf8View};
        matches!(
            data_type,
            Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView | FixedSizeBinary(_)
        )
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is no slot.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Grows to `len` slots, the new ones holding the empty string.
    pub fn resize(&mut self, len: usize) {
        self.cells.resize(len);
    }

    /// The string of a slot below `len`.
    #[inline]
    pub fn value(&self, slot: usize) -> &[u8] {
        let cell = self.cells.at(slot);
        match cell[0] as usize {
            len @ 0..=INLINE => &cell[1..=len],
            _ => {
                let cell = u128::from_le_bytes(*cell);
                self.arena.slice((cell >> 64) as u64, (cell as u64 >> 8) as usize)
            }
        }
    }

    /// Replaces the string of a slot below `len`.
    pub fn set(&mut self, slot: usize, value: &[u8]) {
        self.store(slot, Cell::of(value), value);
    }

    /// The same content, sharing memory; neither sees later changes of the other.
    pub fn snapshot(&mut self) -> Self {
        Self {
            cells: self.cells.snapshot(),
            arena: self.arena.snapshot(),
            live: self.live,
            written: self.written,
        }
    }

    /// Forgets all slots and keeps memory for new ones.
    pub fn clear(&mut self) {
        self.cells.clear();
        self.arena.clear();
        (self.live, self.written) = (0, 0);
    }

    /// Whether a slot holds this string, of which `cell` was made.
    #[inline(always)]
    pub(super) fn holds(&self, slot: usize, cell: Cell, value: &[u8]) -> bool {
        let stored = u128::from_le_bytes(*self.cells.at(slot));
        if !cell.is_long() {
            return stored == cell.0;
        }
        // The low half of a long cell is its tag and length.
        stored as u64 == cell.0 as u64
            && self.arena.slice((stored >> 64) as u64, value.len()) == value
    }

    /// Replaces the string of a slot by this one, of which `cell` was made.
    pub(super) fn store(&mut self, slot: usize, cell: Cell, value: &[u8]) {
        let old = Cell(u128::from_le_bytes(*self.cells.at(slot)));
        if old.is_long() {
            self.live -= old.long_len();
            // The slot must not refer to what a collection is about to leave behind.
            *self.cells.at_mut(slot) = [0; 16];
            self.collect();
        }
        let mut cell = cell;
        if cell.is_long() {
            cell.0 |= u128::from(self.arena.append(value)) << 64;
            self.live += value.len();
            self.written += value.len();
        }
        *self.cells.at_mut(slot) = cell.0.to_le_bytes();
    }

    pub(super) fn prefetch(&self, slot: usize) {
        self.cells.prefetch(slot);
    }

    /// Rebuilds the arena when it holds more garbage than strings.
    fn collect(&mut self) {
        if self.written - self.live < self.live.max(SMALL_GARBAGE) {
            return;
        }
        let old = self.arena.take();
        let len = self.cells.len();
        let mut cells = self.cells.writer();
        for slot in 0..len {
            let bytes = cells.at(slot);
            let cell = Cell(u128::from_le_bytes(*bytes));
            if cell.is_long() {
                let address = self.arena.append(old.slice((cell.0 >> 64) as u64, cell.long_len()));
                let cell = u128::from(cell.0 as u64) | u128::from(address) << 64;
                *bytes = cell.to_le_bytes();
            }
        }
        self.written = self.live;
    }
}

impl Container for ByteColumn {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.cells.parts(parts)?;
        parts.arena(&mut self.arena)?;
        parts.number(&mut self.live)?;
        parts.number(&mut self.written)
    }

    fn state_bytes(&self) -> usize {
        self.cells.state_bytes() + self.arena.state_bytes()
    }
}

/// The 16 bytes that stand for a string: complete for a short one, less the address for a long.
#[derive(Clone, Copy)]
pub(super) struct Cell(pub(super) u128);

impl Cell {
    /// The cell of a string; if it is long, still without an address.
    #[inline(always)]
    pub(super) fn of(value: &[u8]) -> Self {
        let len = value.len();
        if len > INLINE {
            return Self(LONG | (len as u128) << 8);
        }
        // Two reads that may overlap cover the string without a loop.
        let text = match len {
            8.. => {
                let (low, high) = (read::<8>(value, 0), read::<8>(value, len - 8));
                u128::from(u64::from_le_bytes(low))
                    | u128::from(u64::from_le_bytes(high)) << (8 * (len - 8))
            }
            4.. => {
                let (low, high) = (read::<4>(value, 0), read::<4>(value, len - 4));
                u128::from(u32::from_le_bytes(low))
                    | u128::from(u32::from_le_bytes(high)) << (8 * (len - 4))
            }
            1.. => {
                let (middle, last) = (value[len / 2], value[len - 1]);
                u128::from(value[0])
                    | u128::from(middle) << (8 * (len / 2))
                    | u128::from(last) << (8 * (len - 1))
            }
            0 => 0,
        };
        Self(text << 8 | len as u128)
    }

    pub(super) fn is_long(self) -> bool {
        self.0 & 0xFF == LONG
    }

    fn long_len(self) -> usize {
        (self.0 as u64 >> 8) as usize
    }
}

#[inline(always)]
fn read<const N: usize>(value: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&value[at..at + N]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Snapshot;

    fn text(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 7 + len) as u8).collect()
    }

    #[test]
    fn holds_strings_of_every_length() {
        let mut column = ByteColumn::default();
        column.resize(100);
        for len in 0..100 {
            column.set(len, &text(len));
        }
        let snapshot = column.snapshot();
        for len in 0..100 {
            assert_eq!(column.value(len), text(len));
            assert!(column.holds(len, Cell::of(&text(len)), &text(len)));
            assert!(!column.holds(len, Cell::of(&text(len + 1)), &text(len + 1)));
            column.set(len, &text(99 - len));
        }
        for len in 0..100 {
            assert_eq!(snapshot.value(len), text(len));
            assert_eq!(column.value(len), text(99 - len));
        }
    }

    #[test]
    fn collects_what_is_no_longer_referred_to() {
        let mut column = ByteColumn::default();
        column.resize(50);
        for slot in 0..50 {
            column.set(slot, &text(100 + slot));
        }
        let snapshot = column.snapshot();
        for round in 0..2_000 {
            column.set(round % 40, &text(60 + round % 50));
        }
        for slot in 40..50 {
            assert_eq!(column.value(slot), text(100 + slot));
        }
        assert!(column.state_bytes() < 600_000, "{}", column.state_bytes());
        assert_eq!(snapshot.value(3), text(103));
    }

    /// Random strings against a vector; snapshots stay as they were and put it back.
    #[test]
    fn agrees_with_a_vector() {
        let mut state = 3u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        let (mut column, mut model) = (ByteColumn::default(), Vec::<Vec<u8>>::new());
        let mut snapshots: Vec<(Snapshot, ByteColumn, Vec<Vec<u8>>)> = Vec::new();
        let check = |column: &ByteColumn, model: &[Vec<u8>]| {
            assert_eq!(column.len(), model.len());
            model.iter().enumerate().for_each(|(slot, of)| assert_eq!(column.value(slot), of));
        };
        for step in 0..20_000 {
            if next(50) == 0 {
                model.resize(model.len() + next(40), Vec::new());
                column.resize(model.len());
            }
            if !model.is_empty() {
                let slot = next(model.len());
                model[slot] = text([3, 15, 16, 200][next(4)] + next(5));
                column.set(slot, &model[slot]);
            }
            if step % 900 == 0 {
                let parts = Snapshot::take(&mut column).unwrap();
                snapshots.push((parts, column.snapshot(), model.clone()));
            }
            if step % 7_000 == 6_999 {
                let (parts, _, then) = &snapshots[next(snapshots.len())];
                parts.restore(&mut column).unwrap();
                model = then.clone();
            }
        }
        check(&column, &model);
        for (parts, copy, model) in &snapshots {
            check(copy, model);
            let mut restored = ByteColumn::default();
            parts.restore(&mut restored).unwrap();
            check(&restored, model);
        }
    }
}
