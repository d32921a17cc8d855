//! [`Writer`]: batches that are gathered and pushed together.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use laminar_types::{Epoch, Error, Result, code};

use crate::source::UntypedSource;

/// Gathers batches for a source; [`flush`](Self::flush) pushes them as one epoch.
///
/// It is a producer of its own, with a watermark of its own. Batches that were not flushed are
/// forgotten with it.
#[derive(Debug)]
pub struct Writer {
    source: Option<UntypedSource>,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
}

impl Writer {
    /// A writer through a producer.
    pub fn new(source: UntypedSource) -> Self {
        Self { schema: source.schema(), source: Some(source), batches: Vec::new(), rows: 0 }
    }

    /// The source's columns.
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// Rows that wait for the next flush.
    pub fn num_rows(&self) -> usize {
        self.rows
    }

    /// Adds a batch with the columns of the source. One that does not fit is refused with its
    /// column and row, and what was added before stays.
    pub fn append(&mut self, batch: RecordBatch) -> Result<()> {
        self.source()?.check(&batch)?;
        if batch.num_rows() > 0 {
            self.rows += batch.num_rows();
            self.batches.push(batch);
        }
        Ok(())
    }

    /// Pushes what was added as one epoch; `None` when that is nothing.
    ///
    /// After `FULL` the rows are kept, to be flushed again; after any other error they are
    /// forgotten.
    pub fn flush(&mut self) -> Result<Option<Epoch>> {
        self.source()?;
        if self.batches.is_empty() {
            return Ok(None);
        }
        // Clones share their columns.
        let pushed = self.source()?.push_batches(self.batches.clone());
        if pushed.as_ref().is_err_and(|error| [code::FULL, code::IN_USE].contains(&error.code())) {
            return pushed.map(Some);
        }
        self.batches.clear();
        self.rows = 0;
        pushed.map(Some)
    }

    /// Flushes, then promises that no event with a time of at most `ts_ms` follows.
    pub fn watermark(&mut self, ts_ms: i64) -> Result<Epoch> {
        self.flush()?;
        self.source()?.watermark(ts_ms)
    }

    /// Flushes and gives the producer up; every later call answers `SOURCE_CLOSED`. The second
    /// time it does nothing.
    pub fn close(&mut self) -> Result<()> {
        if self.source.is_none() {
            return Ok(());
        }
        self.flush()?;
        self.source = None;
        Ok(())
    }

    fn source(&self) -> Result<&UntypedSource> {
        self.source.as_ref().ok_or_else(|| {
            Error::new(code::SOURCE_CLOSED, "the writer was closed: open another one")
        })
    }
}
