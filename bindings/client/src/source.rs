//! A producer of one source.

use std::sync::Arc;

use laminar_sys as sys;

use crate::arrow::{Array, ArraySchema, Stream};
use crate::error::{check, text};
use crate::handle::Handle;
use crate::waker::Waker;
use crate::{Appender, Encoding, Result, Schema};

/// A producer: it has its own watermark, and the watermark of the source is the smallest of its
/// open producers. Each thread that pushes has its own; [`Source::try_clone`] makes another.
#[derive(Debug)]
pub struct Source {
    handle: Handle<sys::laminar_source>,
    schema: Arc<Schema>,
    name: String,
}

impl Source {
    pub(crate) fn new(handle: Handle<sys::laminar_source>) -> Result<Self> {
        let mut schema = ArraySchema::empty();
        // SAFETY: the handle is alive; `schema` is a struct to write into; the name is copied.
        let name = unsafe {
            check(|error| sys::laminar_source_schema(handle.shared(), schema.as_mut_ptr(), error))?;
            text(sys::laminar_source_name(handle.shared()))
        };
        Ok(Self { handle, schema: Arc::new(Schema::new(schema)?), name })
    }

    /// One more producer of the same source.
    pub fn try_clone(&self) -> Result<Self> {
        let mut source = std::ptr::null_mut();
        // SAFETY: the handle is alive; `source` is an out parameter.
        unsafe {
            check(|error| sys::laminar_source_clone(self.handle.shared(), &mut source, error))?;
            Self::new(Handle::new(source, sys::laminar_source_free)?)
        }
    }

    /// The name of the source.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns of the source.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Rows that wait to be taken up.
    pub fn pending(&self) -> u64 {
        // SAFETY: the handle is alive.
        unsafe { sys::laminar_source_pending(self.handle.shared()) }
    }

    /// Rows that may wait.
    pub fn capacity(&self) -> u64 {
        // SAFETY: the handle is alive.
        unsafe { sys::laminar_source_capacity(self.handle.shared()) }
    }

    /// Pushes one batch; answers its rows. All of it lands or nothing. Without a schema its columns
    /// are those of the source.
    pub fn push(&mut self, mut array: Array, schema: Option<&ArraySchema>) -> Result<u64> {
        let rows = array.raw().length.max(0) as u64;
        let schema = schema.map_or(std::ptr::null(), |schema| schema.raw() as *const _);
        // SAFETY: the array is moved, or left alone and dropped here; the schema is only read.
        unsafe {
            check(|error| {
                let source = self.handle.exclusive();
                sys::laminar_push(source, array.as_mut_ptr(), schema, error)
            })?;
        }
        Ok(rows)
    }

    /// As [`Source::push`], but never waits; `None` when there is no room.
    pub fn try_push(&mut self, array: Array, schema: Option<&ArraySchema>) -> Result<Option<u64>> {
        match self.push_at_once(array, schema) {
            Ok(rows) => Ok(Some(rows)),
            // It comes with words of its own before the start.
            Err(error) if error.status() == sys::LAMINAR_BACKPRESSURE => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// As [`Source::push`], but fails rather than wait.
    pub fn push_at_once(&mut self, mut array: Array, schema: Option<&ArraySchema>) -> Result<u64> {
        let rows = array.raw().length.max(0) as u64;
        let schema = schema.map_or(std::ptr::null(), |schema| schema.raw() as *const _);
        // SAFETY: the array is moved, or left alone and dropped here; the schema is only read.
        unsafe {
            check(|error| {
                let source = self.handle.exclusive();
                sys::laminar_try_push(source, array.as_mut_ptr(), schema, error)
            })?;
        }
        Ok(rows)
    }

    /// How long a push waits for room, in milliseconds, where the source says so; else it waits as
    /// the database is set.
    pub fn push_timeout_ms(&self) -> Option<u64> {
        // SAFETY: the handle is alive.
        let timeout_ms = unsafe { sys::laminar_source_push_timeout_ms(self.handle.shared()) };
        u64::try_from(timeout_ms).ok()
    }

    /// Calls `wake` when there is room: at once if there is some now, then each time after a push
    /// found none, and when the source is no more. It runs on a thread of the library's choice and
    /// must only make a note of it.
    pub fn on_room(&self, wake: impl Fn() + Send + Sync + 'static) -> Result<()> {
        let waker = Waker::new(wake);
        let userdata = waker.into_raw();
        // SAFETY: the library owns `userdata` from here on, on failure too, and gives it to `drop`
        // after the last callback.
        unsafe {
            check(|error| {
                let (callback, drop) = (Some(Waker::call as _), Some(Waker::drop as _));
                sys::laminar_source_on_room(self.handle.shared(), callback, userdata, drop, error)
            })
        }
    }

    /// Pushes all batches of a stream as one epoch; answers their rows. All of it lands or nothing.
    pub fn push_stream(&mut self, stream: Stream) -> Result<u64> {
        let (mut stream, rows) = stream.counted();
        // SAFETY: the stream is moved, or left alone and dropped here.
        unsafe {
            check(|error| {
                let source = self.handle.exclusive();
                sys::laminar_push_stream(source, stream.as_mut_ptr(), error)
            })?;
        }
        Ok(rows.load(std::sync::atomic::Ordering::Relaxed))
    }

    /// Pushes rows that are written as bytes as one epoch; answers how many. All of it lands or
    /// nothing.
    pub fn push_encoded(&mut self, form: Encoding<'_>, bytes: &[u8]) -> Result<u64> {
        let mut rows = 0;
        let options = form.options()?;
        let options = options.as_ref().map_or(std::ptr::null(), |options| options.as_ptr());
        let (source, text, length) = (self.handle.exclusive(), bytes.as_ptr(), bytes.len());
        // SAFETY: the bytes and the options live through the call; the handle is ours alone.
        unsafe {
            check(|error| match form {
                Encoding::Json(_) => {
                    sys::laminar_push_json(source, text.cast(), length, options, &mut rows, error)
                }
                Encoding::Csv(_) => {
                    sys::laminar_push_csv(source, text.cast(), length, options, &mut rows, error)
                }
                Encoding::Ipc => sys::laminar_push_ipc(source, text, length, &mut rows, error),
            })?;
        }
        Ok(rows)
    }

    /// Says that every row of this producer with an event time up to `ts_ms` (milliseconds since
    /// the epoch) has been pushed. It never goes back.
    pub fn watermark(&mut self, ts_ms: i64) -> Result<()> {
        // SAFETY: the handle is alive and ours alone.
        unsafe { check(|error| sys::laminar_watermark(self.handle.exclusive(), ts_ms, error)) }
    }

    /// Says that this producer sends nothing any more; a later push through it is refused. When
    /// every producer of the source has said so or is gone, all windows close.
    pub fn end_of_input(&mut self) -> Result<()> {
        // SAFETY: the handle is alive and ours alone.
        unsafe { check(|error| sys::laminar_end_of_input(self.handle.exclusive(), error)) }
    }

    /// An appender whose rows go through this producer.
    pub fn appender(&self) -> Result<Appender> {
        let mut appender = std::ptr::null_mut();
        // SAFETY: the handle is alive; `appender` is an out parameter.
        unsafe {
            check(|error| sys::laminar_appender_open(self.handle.shared(), &mut appender, error))?;
            Ok(Appender::new(Handle::new(appender, sys::laminar_appender_free)?))
        }
    }
}
