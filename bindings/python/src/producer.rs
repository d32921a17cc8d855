//! A producer of a source and the rows that wait to go through it: what sources and writers share.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LockResult, Mutex, PoisonError};

use laminar_client::sys::{LAMINAR_BACKPRESSURE, LAMINAR_CONNECTION_IN_USE, LAMINAR_WRITER_CLOSED};
use laminar_client::{Error, Gatherer, Result, Schema, Source};

use crate::data::Data;
use crate::failure::Fallible;
use crate::ready::Ready;
use crate::unlocked::Unlocked;

/// A producer; one thread at a time is in it, others wait.
pub struct Producer {
    schema: Arc<Schema>,
    name: String,
    /// Set when the database was closed.
    closed: Arc<AtomicBool>,
    open: Mutex<Option<Unlocked<Gatherer>>>,
    given_up: AtomicBool,
    watermark: Mutex<Option<i64>>,
    /// Made when a call first waits for room in an event loop.
    room: Mutex<Option<Ready>>,
}

thread_local! {
    /// The producers that this thread is in: a stream that is being pushed may be made by Python
    /// code, which could come back here and would wait for itself.
    static INSIDE: RefCell<Vec<*const Producer>> = const { RefCell::new(Vec::new()) };
}

/// As long as it lives, this thread is in a producer.
struct Inside;

impl Inside {
    fn enter(producer: *const Producer) -> Self {
        INSIDE.with_borrow_mut(|inside| inside.push(producer));
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.with_borrow_mut(|inside| inside.pop());
    }
}

impl Producer {
    pub fn new(source: Source, closed: Arc<AtomicBool>) -> Self {
        Self {
            schema: Arc::clone(source.schema()),
            name: source.name().to_string(),
            closed,
            open: Mutex::new(Some(Unlocked::new(Gatherer::new(source)))),
            given_up: AtomicBool::new(false),
            watermark: Mutex::new(None),
            room: Mutex::new(None),
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
        self.closed.load(Ordering::Acquire) || self.given_up.load(Ordering::Acquire)
    }

    /// Pushes data, all of it or nothing; answers its rows.
    pub fn push(&self, data: Data) -> Result<u64> {
        self.with(|open| push(open.source(), data))
    }

    /// Pushes rows or one array unless there is no room; answers the rows, or `None`.
    pub fn try_push(&self, data: Data) -> Result<Option<u64>> {
        self.with(|open| match data {
            Data::Rows(rows) => open.source().try_push(rows.batch()?, None),
            Data::Array(array, schema) => open.source().try_push(array, Some(&schema)),
            Data::Stream(_) | Data::Text(..) => Err(Error::ingestion_argument(
                "try_push takes rows or one Arrow batch; push() takes streams and text",
            )),
        })
    }

    /// Takes data: Arrow data is pushed at once, rows are gathered until there are `batch_rows`.
    /// Answers the rows taken; after an error nothing was taken.
    pub fn gather(&self, data: Data, batch_rows: usize) -> Result<u64> {
        self.with(|open| match data {
            Data::Rows(rows) => open.gather(rows, batch_rows),
            data => {
                open.flush()?;
                push(open.source(), data)
            }
        })
    }

    /// As [`Producer::gather`], for rows, which are gathered without being pushed, and one array; `None`
    /// when there is no room, and nothing was taken.
    pub fn try_gather(&self, data: Data) -> Result<Option<u64>> {
        self.with(|open| match data {
            Data::Rows(rows) => open.gather(rows, usize::MAX).map(Some),
            Data::Array(array, schema) => match open.try_flush()? {
                Some(_) => open.source().try_push(array, Some(&schema)),
                None => Ok(None),
            },
            Data::Stream(_) | Data::Text(..) => Err(Error::ingestion_argument(
                "a writer in an event loop takes rows or one Arrow batch; one outside takes streams \
                 and text",
            )),
        })
    }

    /// Rows that wait.
    pub fn gathered(&self) -> Result<usize> {
        self.with(|open| Ok(open.rows()))
    }

    /// Pushes the rows that wait unless there is no room; answers how many, or `None`.
    pub fn try_flush(&self) -> Result<Option<u64>> {
        self.with(Gatherer::try_flush)
    }

    /// Pushes the rows that wait; answers how many.
    pub fn flush(&self) -> Result<u64> {
        self.with(Gatherer::flush)
    }

    /// Pushes the rows that wait, then the watermark.
    pub fn set_watermark(&self, ts_ms: i64) -> Result<()> {
        self.with(|open| {
            open.watermark(ts_ms)?;
            let mut watermark = unpoisoned(self.watermark.lock());
            *watermark = watermark.max(Some(ts_ms));
            Ok(())
        })
    }

    /// Pushes the rows that wait, then says that nothing more will come.
    pub fn end_of_input(&self) -> Result<()> {
        self.with(Gatherer::end_of_input)
    }

    /// The largest watermark that was set here.
    pub fn watermark(&self) -> Option<i64> {
        *unpoisoned(self.watermark.lock())
    }

    /// Rows that the source holds back until the database is started, and how many it may hold
    /// back.
    pub fn queue(&self) -> Result<(u64, u64)> {
        self.with(|open| Ok((open.source().pending(), open.source().capacity())))
    }

    /// A descriptor that can be read when there may be room.
    pub fn room_descriptor(&self) -> Fallible<i32> {
        let mut room = unpoisoned(self.room.lock());
        let room = match &mut *room {
            Some(room) => room,
            // The failure may be one of Python's, which the closure cannot answer.
            none => none.insert(self.with(|open| Ok(Ready::watch_room(open.source())))??),
        };
        Ok(room.descriptor())
    }

    /// Takes back what was told of room.
    pub fn clear_room(&self) {
        if let Some(room) = &*unpoisoned(self.room.lock()) {
            room.clear();
        }
    }

    /// One more producer of the same source.
    pub fn try_clone(&self) -> Result<Self> {
        let source = self.with(|open| open.source().try_clone())?;
        Ok(Self::new(source, Arc::clone(&self.closed)))
    }

    /// Pushes the rows that wait and gives the producer up. When there is no room for them it stays
    /// open. The second time it does nothing.
    pub fn close(&self) -> Result<()> {
        if self.given_up.load(Ordering::Acquire) {
            return Ok(());
        }
        let flushed = self.with(Gatherer::flush);
        let goes_on = |error: &Error| {
            // The rows wait on, or the call that this one was made from inside of does.
            matches!(error.status(), LAMINAR_BACKPRESSURE | LAMINAR_CONNECTION_IN_USE)
        };
        if !flushed.as_ref().is_err_and(goes_on) {
            self.given_up.store(true, Ordering::Release);
            unpoisoned(self.open.lock()).take();
        }
        flushed.map(|_| ())
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Gatherer) -> Result<T>) -> Result<T> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::closed());
        }
        let this = std::ptr::from_ref(self);
        if INSIDE.with_borrow(|inside| inside.contains(&this)) {
            return Err(Error::new(
                LAMINAR_CONNECTION_IN_USE,
                1201,
                format!("a push into `{}` was made from inside of one", self.name),
            ));
        }
        let mut open = unpoisoned(self.open.lock());
        let open = open.as_mut().ok_or_else(|| {
            Error::new(
                LAMINAR_WRITER_CLOSED,
                3101,
                format!("this writer of `{}` is closed; make another", self.name),
            )
        })?;
        let _inside = Inside::enter(this);
        use_it(open)
    }
}

/// What a lock guards, also after a panic: nothing here is left half-done by one.
fn unpoisoned<T>(lock: LockResult<T>) -> T {
    lock.unwrap_or_else(PoisonError::into_inner)
}

fn push(source: &mut Source, data: Data) -> Result<u64> {
    match data {
        Data::Rows(rows) => source.push(rows.batch()?, None),
        Data::Array(array, schema) => source.push(array, Some(&schema)),
        Data::Stream(stream) => source.push_stream(stream),
        Data::Text(form, text) => source.push_encoded(form.encoding(None), &text),
    }
}
