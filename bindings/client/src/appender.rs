//! Rows one value at a time, in the library's own buffers.

use laminar_sys as sys;

use crate::Result;
use crate::error::check;
use crate::handle::Handle;

/// The library's row appender: values are set by column, a row is ended, all rows are flushed as
/// one epoch. A value that does not fit is an error that names the column; the row is
/// forgotten then and those before it stay. It is for events that come one at a time through a
/// [`crate::Source`]; rows of any type, and pushes by name, go through a [`crate::RowBuffer`].
#[derive(Debug)]
pub struct Appender {
    handle: Handle<sys::laminar_appender>,
}

macro_rules! setters {
    ($(
        $(#[$doc:meta])*
        $name:ident($($value:ident: $ty:ty),*) = $function:ident($($argument:expr),*);
    )*) => {
        $(
            $(#[$doc])*
            pub fn $name(&mut self, column: usize $(, $value: $ty)*) -> Result<()> {
                // SAFETY: the handle is ours alone; slices live through the call.
                unsafe {
                    check(|error| {
                        sys::$function(self.handle.exclusive(), column $(, $argument)*, error)
                    })
                }
            }
        )*
    };
}

impl Appender {
    pub(crate) fn new(handle: Handle<sys::laminar_appender>) -> Self {
        Self { handle }
    }

    setters! {
        /// NULL.
        null() = laminar_append_null();
        /// A boolean.
        bool(value: bool) = laminar_append_bool(value);
        /// An integer, or a date, time, timestamp or duration in the unit of its column.
        int64(value: i64) = laminar_append_int64(value);
        /// An integer past the range of `int64`.
        uint64(value: u64) = laminar_append_uint64(value);
        /// A floating point number.
        double(value: f64) = laminar_append_double(value);
        /// A text; also the digits of a decimal.
        string(value: &str) = laminar_append_string(value.as_ptr().cast(), value.len());
        /// Bytes.
        binary(value: &[u8]) = laminar_append_binary(value.as_ptr(), value.len());
    }

    /// Ends the row. Columns that were not set are NULL; an error where they may not be.
    pub fn end_row(&mut self) -> Result<()> {
        // SAFETY: the handle is ours alone.
        unsafe { check(|error| sys::laminar_append_row(self.handle.exclusive(), error)) }
    }

    /// Rows that were ended and not flushed.
    pub fn rows(&self) -> usize {
        // SAFETY: the handle is alive.
        unsafe { sys::laminar_appender_rows(self.handle.shared()) }
    }

    /// Pushes the rows as one epoch. On BACKPRESSURE they are kept, on any other error dropped.
    pub fn flush(&mut self) -> Result<()> {
        // SAFETY: the handle is ours alone.
        unsafe { check(|error| sys::laminar_appender_flush(self.handle.exclusive(), error)) }
    }

    /// As [`Appender::flush`], but never waits; false, with the rows kept, when there is no room.
    pub fn try_flush(&mut self) -> Result<bool> {
        // SAFETY: the handle is ours alone.
        let flushed = unsafe {
            check(|error| sys::laminar_appender_try_flush(self.handle.exclusive(), error))
        };
        match flushed {
            Ok(()) => Ok(true),
            Err(error) if error.status() == sys::LAMINAR_BACKPRESSURE => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Forgets the rows that were not flushed.
    pub fn reset(&mut self) {
        // SAFETY: the handle is ours alone.
        unsafe { sys::laminar_appender_reset(self.handle.exclusive()) }
    }
}
