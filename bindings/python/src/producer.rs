//! A producer of a source and the rows that wait to go through it: what sources and writers share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use laminar_client::sys::{LAMINAR_BACKPRESSURE, LAMINAR_WRITER_CLOSED};
use laminar_client::{Error, Result, RowBuffer, Schema, Source};

use crate::data::Data;

/// A producer; one thread at a time is in it, others wait.
pub struct Producer {
    schema: Arc<Schema>,
    name: String,
    /// Set when the database was closed.
    closed: Arc<AtomicBool>,
    open: Mutex<Option<Open>>,
}

struct Open {
    source: Source,
    rows: RowBuffer,
    watermark: Option<i64>,
}

impl Producer {
    pub fn new(source: Source, closed: Arc<AtomicBool>) -> Self {
        let rows = RowBuffer::new(source.schema());
        Self {
            schema: Arc::clone(source.schema()),
            name: source.name().to_string(),
            closed,
            open: Mutex::new(Some(Open {
                source,
                rows,
                watermark: None,
            })),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Whether pushes are refused, because this or the database was closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) || self.lock().is_none()
    }

    /// Pushes data, all of it or nothing; answers its rows.
    pub fn push(&self, data: Data) -> Result<u64> {
        self.with(|open| open.push(data))
    }

    /// Takes data: Arrow data is pushed at once, rows are gathered until there are `batch_rows`.
    /// Answers the rows taken; after an error nothing was taken.
    pub fn gather(&self, data: Data, batch_rows: usize) -> Result<u64> {
        self.with(|open| {
            if open.rows.rows() >= batch_rows || !matches!(data, Data::Rows(_)) {
                open.flush()?;
            }
            let Data::Rows(rows) = data else {
                return open.push(data);
            };
            let taken = rows.rows() as u64;
            open.rows.append(rows);
            if open.rows.rows() >= batch_rows {
                match open.flush() {
                    // They still wait, and the next call pushes them first.
                    Err(error) if error.status() == LAMINAR_BACKPRESSURE => {}
                    flushed => drop(flushed?),
                }
            }
            Ok(taken)
        })
    }

    /// Pushes the rows that wait; answers how many.
    pub fn flush(&self) -> Result<u64> {
        self.with(Open::flush)
    }

    /// Pushes the rows that wait, then the watermark.
    pub fn set_watermark(&self, ts_ms: i64) -> Result<()> {
        self.with(|open| {
            open.flush()?;
            open.source.watermark(ts_ms)?;
            open.watermark = open.watermark.max(Some(ts_ms));
            Ok(())
        })
    }

    /// The largest watermark that was set here.
    pub fn watermark(&self) -> Option<i64> {
        self.lock().as_ref().and_then(|open| open.watermark)
    }

    /// Rows that the source holds back until the database is started, and how many it may hold
    /// back.
    pub fn queue(&self) -> Result<(u64, u64)> {
        self.with(|open| Ok((open.source.pending(), open.source.capacity())))
    }

    /// One more producer of the same source.
    pub fn try_clone(&self) -> Result<Self> {
        let source = self.with(|open| open.source.try_clone())?;
        Ok(Self::new(source, Arc::clone(&self.closed)))
    }

    /// Pushes the rows that wait and gives the producer up. The second time it does nothing.
    pub fn close(&self) -> Result<()> {
        let flushed = self.with(|open| open.flush());
        let open = self.lock().take();
        if open.is_some() {
            flushed.map(|_| ())
        } else {
            Ok(())
        }
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Open) -> Result<T>) -> Result<T> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::closed());
        }
        let mut open = self.lock();
        use_it(open.as_mut().ok_or_else(|| {
            Error::new(
                LAMINAR_WRITER_CLOSED,
                3101,
                format!("this writer of `{}` is closed; make another", self.name),
            )
        })?)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Open {
    fn push(&mut self, data: Data) -> Result<u64> {
        match data {
            Data::Rows(rows) => self.source.push(rows.batch()?, None),
            Data::Array(array, schema) => self.source.push(array, Some(&schema)),
            Data::Stream(stream) => self.source.push_stream(stream),
        }
    }

    /// Pushes the rows that wait. When there is no room they wait on, after any other error they
    /// are dropped.
    fn flush(&mut self) -> Result<u64> {
        if self.rows.rows() == 0 {
            return Ok(0);
        }
        let flushed = self.source.push(self.rows.batch()?, None);
        if !matches!(&flushed, Err(error) if error.status() == LAMINAR_BACKPRESSURE) {
            self.rows = RowBuffer::new(self.source.schema());
        }
        flushed
    }
}
