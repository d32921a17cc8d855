//! Blocks of rows to arrays of C.
//!
//! What an exported block needs (the children, the tables of pointers, the values) lies in one
//! [`ExportedRows`], which goes back to its exporter when the last array of it was released: in the
//! steady state an export allocates nothing.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, Schema};
use laminar_types::RowBlock;
use laminar_types::rows::ColumnKind;

use crate::arrow_c::ArrowArray;

/// Exports that are kept to be used again.
const MOST_SPARE: usize = 4;

/// Exports the blocks of one schema.
#[derive(Default)]
pub(crate) struct RowExporter {
    pool: Arc<Pool>,
}

/// Boxes, since an export keeps its place from the first time on: that is what C is given.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "a pooled box is handed out again without an allocation")]
struct Pool(Mutex<Vec<Box<ExportedRows>>>);

/// What the arrays of one exported block share.
struct ExportedRows {
    /// Arrays that were not released: the children and the root.
    live: AtomicUsize,
    children: Vec<ArrowArray>,
    /// The root's validity, which is not there; the children; three buffers for each of them.
    slots: Vec<*mut c_void>,
    /// The buffers, one behind the other, each beginning with a word.
    data: Vec<u64>,
    /// Where it goes back to; none while it lies there.
    pool: Option<Arc<Pool>>,
}

// SAFETY: the pointers are to parts of the value itself, and are only followed by the consumer.
unsafe impl Send for ExportedRows {}

/// The end of a table that says of a slot that its buffer is not there.
const ABSENT: usize = usize::MAX;

impl RowExporter {
    /// The rows as a struct array with the columns of `schema`, which are those of the block but
    /// for views, which C gets as plain strings.
    pub(crate) fn export(&self, rows: &RowBlock, schema: &Schema) -> ArrowArray {
        let spare = self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut export = spare.unwrap_or_else(ExportedRows::empty);
        export.pool = Some(Arc::clone(&self.pool));
        export.fill(rows, schema);
        export.hand_over(rows.num_rows())
    }
}

impl ExportedRows {
    fn empty() -> Box<Self> {
        Box::new(Self {
            live: AtomicUsize::new(0),
            children: Vec::new(),
            slots: Vec::new(),
            data: Vec::new(),
            pool: None,
        })
    }

    /// Writes the buffers, and places in them instead of pointers.
    fn fill(&mut self, rows: &RowBlock, schema: &Schema) {
        self.children.clear();
        self.slots.clear();
        self.data.clear();
        let columns = rows.layout().kinds().len();
        self.slots.resize(1 + columns, ptr::null_mut());
        let nulls = rows.null_columns();
        for (column, kind) in rows.layout().kinds().iter().enumerate() {
            let mut child = ArrowArray::released();
            child.length = signed(rows.num_rows());
            child.n_buffers = if kind.is_bytes() { 3 } else { 2 };
            let validity = if nulls >> column & 1 == 1 {
                let valid = (0..rows.num_rows()).map(|row| !rows.is_null(row, column));
                child.null_count = signed(valid.clone().filter(|valid| !valid).count());
                self.write_bits(valid)
            } else {
                ABSENT
            };
            self.slots.push(place(validity));
            match kind {
                ColumnKind::Text | ColumnKind::Bytes => {
                    let is_large = matches!(
                        schema.field(column).data_type(),
                        DataType::LargeUtf8 | DataType::LargeBinary
                    );
                    self.write_strings(rows, column, if is_large { 8 } else { 4 });
                }
                ColumnKind::Boolean => {
                    let values = (0..rows.num_rows()).map(|row| rows.word(row, column) == 1);
                    let values = self.write_bits(values);
                    self.slots.push(place(values));
                }
                kind => {
                    let values = (0..rows.num_rows()).map(|row| rows.word(row, column));
                    let values = self.write_values(values, kind.width().unwrap_or(8));
                    self.slots.push(place(values));
                }
            }
            self.children.push(child);
        }
    }

    fn write_bits(&mut self, bits: impl Iterator<Item = bool>) -> usize {
        let at = self.data.len();
        for (index, bit) in bits.enumerate() {
            if index % 64 == 0 {
                self.data.push(0);
            }
            if let Some(last) = self.data.last_mut() {
                *last |= (u64::from(bit) << (index % 64)).to_le();
            }
        }
        at
    }

    /// Values of so many bytes.
    fn write_values(&mut self, values: impl Iterator<Item = u64>, width: usize) -> usize {
        let at = self.data.len();
        if width == 8 {
            self.data.extend(values);
        } else {
            let mut bytes = Bytes::new(&mut self.data);
            values.for_each(|value| bytes.push(&value.to_le_bytes()[..width]));
        }
        at
    }

    fn write_strings(&mut self, rows: &RowBlock, column: usize, offset_width: usize) {
        let mut end = 0;
        let ends = (0..rows.num_rows()).map(|row| {
            end += rows.bytes(row, column).len() as u64;
            end
        });
        let offsets = self.write_values(std::iter::once(0).chain(ends), offset_width);
        let at = self.data.len();
        let mut bytes = Bytes::new(&mut self.data);
        (0..rows.num_rows()).for_each(|row| bytes.push(rows.bytes(row, column)));
        if self.data.len() == at {
            // Something is there even where all strings are empty.
            self.data.push(0);
        }
        self.slots.extend([place(offsets), place(at)]);
    }

    /// Turns places into pointers, now that nothing moves any more, and gives the root to C.
    fn hand_over(mut self: Box<Self>, rows: usize) -> ArrowArray {
        let columns = self.children.len();
        *self.live.get_mut() = columns + 1;
        let (children, slots) = (self.children.as_mut_ptr(), self.slots.as_mut_ptr());
        let (data, n_slots) = (self.data.as_mut_ptr(), self.slots.len());
        let shared = Box::into_raw(self).cast::<c_void>();
        let mut root = ArrowArray::released();
        (root.length, root.n_buffers, root.n_children) = (signed(rows), 1, signed(columns));
        root.release = Some(release);
        root.private_data = shared;
        // SAFETY: `slots` has one entry for the root's validity, one for each child and two or three
        // for each child's buffers, whose places lie in `data`; all three stay where they are until
        // the last array is released.
        unsafe {
            root.buffers = slots.cast();
            root.children = slots.add(1).cast();
            let mut slot = 1 + columns;
            for column in 0..columns {
                let child = &mut *children.add(column);
                child.buffers = slots.add(slot).cast();
                child.release = Some(release);
                child.private_data = shared;
                slot += usize::try_from(child.n_buffers).unwrap_or(0);
                *slots.add(1 + column) = (&raw mut *child).cast();
            }
            for slot in 1 + columns..n_slots {
                let buffer = slots.add(slot);
                *buffer = match (*buffer).addr() {
                    ABSENT => ptr::null_mut(),
                    at => data.add(at).cast(),
                };
            }
        }
        root
    }
}

/// Bytes written behind words, in whole words.
struct Bytes<'a> {
    data: &'a mut Vec<u64>,
    /// Bytes of the last word that are in use.
    used: usize,
}

impl<'a> Bytes<'a> {
    fn new(data: &'a mut Vec<u64>) -> Self {
        Self { data, used: 8 }
    }

    fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.used == 8 {
                self.data.push(0);
                self.used = 0;
            }
            let (now, rest) = bytes.split_at(bytes.len().min(8 - self.used));
            if let Some(last) = self.data.last_mut() {
                let mut word = last.to_ne_bytes();
                word[self.used..][..now.len()].copy_from_slice(now);
                *last = u64::from_ne_bytes(word);
            }
            self.used += now.len();
            bytes = rest;
        }
    }
}

/// An index that stands where a pointer will.
fn place(index: usize) -> *mut c_void {
    ptr::without_provenance_mut(index)
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// The release callback of every exported array.
unsafe extern "C" fn release(array: *mut ArrowArray) {
    // SAFETY: a consumer releases a live array of ours once; children that it did not move out are
    // released with it, and the last one to go takes what they share along.
    unsafe {
        for index in 0..usize::try_from((*array).n_children).unwrap_or(0) {
            let child = *(*array).children.add(index);
            if let Some(release) = (*child).release {
                release(child);
            }
        }
        (*array).release = None;
        let shared = (*array).private_data.cast::<ExportedRows>();
        if (*shared).live.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            give_back(Box::from_raw(shared));
        }
    }
}

/// Puts what nobody uses any more where the next export finds it.
fn give_back(mut export: Box<ExportedRows>) {
    let Some(pool) = export.pool.take() else { return };
    let mut spare = pool.0.lock().unwrap_or_else(PoisonError::into_inner);
    if spare.len() < MOST_SPARE {
        spare.push(export);
    }
}
