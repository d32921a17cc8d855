//! A producer and the rows that wait to go through it: what the writers of all languages are.

use laminar_sys::{LAMINAR_BACKPRESSURE, LAMINAR_CONNECTION_IN_USE};

use crate::{Array, Error, Result, RowBuffer, Source};

/// A producer that pushes rows many at a time.
#[derive(Debug)]
pub struct Gatherer {
    source: Source,
    rows: RowBuffer,
}

impl Gatherer {
    /// Gathers for this producer.
    pub fn new(source: Source) -> Self {
        let rows = RowBuffer::new(source.schema());
        Self { source, rows }
    }

    /// The producer, for what is to be pushed at once.
    pub fn source(&mut self) -> &mut Source {
        &mut self.source
    }

    /// Rows that wait.
    pub fn rows(&self) -> usize {
        self.rows.rows()
    }

    /// Takes rows of the source's columns and pushes all that wait as soon as they are `batch_rows`.
    /// Answers the rows taken; after an error none of them was.
    pub fn gather(&mut self, rows: RowBuffer, batch_rows: usize) -> Result<u64> {
        if self.rows() >= batch_rows {
            self.flush()?;
        }
        let taken = rows.rows() as u64;
        self.rows.append(rows);
        if self.rows() >= batch_rows {
            match self.flush() {
                // They still wait, and the next call pushes them first.
                Err(error) if may_be_tried_again(&error) => {}
                flushed => drop(flushed?),
            }
        }
        Ok(taken)
    }

    /// Pushes the rows that wait; answers how many. When there is no room, or from inside a function
    /// that the engine calls, they wait on; after any other error they are dropped.
    pub fn flush(&mut self) -> Result<u64> {
        self.push_rows(|source, rows| source.push(rows, None))
    }

    /// As [`Gatherer::flush`], but never waits for room; `None` when there is none.
    pub fn try_flush(&mut self) -> Result<Option<u64>> {
        match self.push_rows(|source, rows| source.push_at_once(rows, None)) {
            Ok(rows) => Ok(Some(rows)),
            Err(error) if error.status() == LAMINAR_BACKPRESSURE => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn push_rows(&mut self, push: impl FnOnce(&mut Source, Array) -> Result<u64>) -> Result<u64> {
        if self.rows() == 0 {
            return Ok(0);
        }
        let flushed = push(&mut self.source, self.rows.batch()?);
        if !matches!(&flushed, Err(error) if may_be_tried_again(error)) {
            self.rows = RowBuffer::new(self.source.schema());
        }
        flushed
    }

    /// Pushes the rows that wait, then promises the watermark; see [`Source::watermark`].
    pub fn watermark(&mut self, ts_ms: i64) -> Result<()> {
        self.flush()?;
        self.source.watermark(ts_ms)
    }

    /// Pushes the rows that wait, then says that nothing follows; see [`Source::end_of_input`].
    pub fn end_of_input(&mut self) -> Result<()> {
        self.flush()?;
        self.source.end_of_input()
    }
}

/// There was no room, or the call came from inside a function that the engine calls: nothing was
/// taken.
fn may_be_tried_again(error: &Error) -> bool {
    matches!(error.status(), LAMINAR_BACKPRESSURE | LAMINAR_CONNECTION_IN_USE)
}
