//! Batches that are gathered and pushed together.

use laminar_sys as sys;

use crate::Result;
use crate::arrow::{Array, ArraySchema};
use crate::error::check;
use crate::handle::Handle;

/// Gathers batches for a source, to be pushed as one epoch; a producer of its own.
#[derive(Debug)]
pub struct Writer {
    handle: Handle<sys::laminar_writer>,
}

impl Writer {
    pub(crate) fn new(handle: Handle<sys::laminar_writer>) -> Self {
        Self { handle }
    }

    /// Adds a batch; one that does not fit is refused and what was added before stays. Without a
    /// schema its columns are those of the source.
    pub fn append(&mut self, mut array: Array, schema: Option<&ArraySchema>) -> Result<()> {
        let schema = schema.map_or(std::ptr::null(), |schema| schema.raw() as *const _);
        // SAFETY: the array is moved, or left alone and dropped here; the schema is only read.
        unsafe {
            check(|error| {
                let writer = self.handle.exclusive();
                sys::laminar_writer_append(writer, array.as_mut_ptr(), schema, error)
            })
        }
    }

    /// Pushes what was added as one epoch; answers how many rows. Rows that found no room stay.
    pub fn flush(&mut self) -> Result<u64> {
        let mut rows = 0;
        // SAFETY: the handle is ours alone; `rows` is an out parameter.
        unsafe {
            check(|error| sys::laminar_writer_flush(self.handle.exclusive(), &mut rows, error))?;
        }
        Ok(rows)
    }

    /// Flushes, then promises that no event with a time of at most `ts_ms` follows.
    pub fn watermark(&mut self, ts_ms: i64) -> Result<()> {
        // SAFETY: the handle is ours alone.
        unsafe {
            check(|error| sys::laminar_writer_watermark(self.handle.exclusive(), ts_ms, error))
        }
    }

    /// Flushes and gives the producer up. The second time it does nothing.
    pub fn close(&mut self) -> Result<()> {
        // SAFETY: the handle is ours alone.
        unsafe { check(|error| sys::laminar_writer_close(self.handle.exclusive(), error)) }
    }
}
