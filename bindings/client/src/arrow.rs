//! Owned forms of Arrow's C structs: they release what they hold when dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use laminar_sys::{ArrowArray, ArrowArrayStream, ArrowSchema};

use crate::error::text;
use crate::{Error, Result};

macro_rules! owned {
    ($(#[$doc:meta])* $name:ident, $raw:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name($raw);

        // SAFETY: Arrow's structs belong to no thread, and are read only while they are shared.
        unsafe impl Send for $name {}
        // SAFETY: as above; nothing is changed through a shared reference.
        unsafe impl Sync for $name {}

        impl $name {
            /// A released struct, for the library to write into.
            pub fn empty() -> Self {
                Self($raw::empty())
            }

            /// Moves the struct out of `raw`, which is left released.
            ///
            /// # Safety
            /// `raw` points to a valid struct, released or not.
            pub unsafe fn take(raw: *mut $raw) -> Self {
                // SAFETY: `raw` is valid; what is left there is a released struct.
                Self(unsafe { std::ptr::replace(raw, $raw::empty()) })
            }

            /// Whether there is nothing in it.
            pub fn is_released(&self) -> bool {
                self.0.release.is_none()
            }

            /// The struct, for a function that moves out of it or writes into it.
            pub fn as_mut_ptr(&mut self) -> *mut $raw {
                &mut self.0
            }

            /// The struct, for a function that reads it.
            pub fn raw(&self) -> &$raw {
                &self.0
            }

            /// Gives the struct away; whoever has it releases it.
            pub fn into_raw(mut self) -> $raw {
                std::mem::replace(&mut self.0, $raw::empty())
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                if let Some(release) = self.0.release {
                    // SAFETY: the struct is alive and is not used again.
                    unsafe { release(&mut self.0) };
                }
            }
        }
    };
}

owned! {
    /// An owned `ArrowArray`.
    Array, ArrowArray
}
owned! {
    /// An owned `ArrowSchema`.
    ArraySchema, ArrowSchema
}
owned! {
    /// An owned `ArrowArrayStream`.
    Stream, ArrowArrayStream
}

impl Array {
    /// A column moved out of a batch; the rest of the batch is released.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn into_column(self, index: usize) -> Array {
        assert!((index as i64) < self.0.n_children, "the batch has this column");
        // SAFETY: there are as many children as `n_children` says, and moving one out leaves a
        // released struct, which the release of the batch skips.
        unsafe { Array::take(*self.0.children.add(index)) }
    }
}

impl ArraySchema {
    /// The type of a column moved out of the schema of a batch; the rest is released.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn into_column(self, index: usize) -> ArraySchema {
        assert!((index as i64) < self.0.n_children, "the batch has this column");
        // SAFETY: as for arrays.
        unsafe { ArraySchema::take(*self.0.children.add(index)) }
    }
}

impl Stream {
    /// The type of the stream's batches.
    pub fn schema(&mut self) -> Result<ArraySchema> {
        let mut schema = ArraySchema::empty();
        let Some(function) = self.0.get_schema else {
            return Err(released());
        };
        // SAFETY: the stream is alive and `schema` is a struct to write into.
        match unsafe { function(&mut self.0, schema.as_mut_ptr()) } {
            0 => Ok(schema),
            errno => Err(self.failure(errno)),
        }
    }

    /// The next batch; `None` at the end.
    pub fn next_array(&mut self) -> Result<Option<Array>> {
        let mut array = Array::empty();
        let Some(function) = self.0.get_next else {
            return Err(released());
        };
        // SAFETY: the stream is alive and `array` is a struct to write into.
        match unsafe { function(&mut self.0, array.as_mut_ptr()) } {
            0 => Ok(Some(array).filter(|array| !array.is_released())),
            errno => Err(self.failure(errno)),
        }
    }

    fn failure(&mut self, errno: i32) -> Error {
        // SAFETY: the stream is alive and its last call failed; the text is copied at once.
        let message = self.0.get_last_error.map(|last| unsafe { text(last(&mut self.0)) });
        let message = message.filter(|message| !message.is_empty());
        Error::from_text(message.unwrap_or_else(|| format!("the stream failed: errno {errno}")))
    }

    /// The same stream, and a counter of the rows that have been taken from it.
    pub fn counted(self) -> (Stream, Arc<AtomicU64>) {
        let rows = Arc::new(AtomicU64::new(0));
        let counting = Box::new(Counting { stream: self, rows: Arc::clone(&rows) });
        let stream = ArrowArrayStream {
            get_schema: Some(counting_schema),
            get_next: Some(counting_next),
            get_last_error: Some(counting_last_error),
            release: Some(counting_release),
            private_data: Box::into_raw(counting).cast(),
        };
        (Stream(stream), rows)
    }
}

fn released() -> Error {
    Error::ingestion_argument("the Arrow stream was used up already")
}

struct Counting {
    stream: Stream,
    rows: Arc<AtomicU64>,
}

/// # Safety
/// `stream` is one that [`Stream::counted`] made and nobody else uses it meanwhile.
unsafe fn counting<'a>(stream: *mut ArrowArrayStream) -> &'a mut Counting {
    // SAFETY: its private data is the box of `counted` until it is released.
    unsafe { &mut *(*stream).private_data.cast::<Counting>() }
}

unsafe extern "C" fn counting_schema(
    stream: *mut ArrowArrayStream,
    out: *mut ArrowSchema,
) -> std::ffi::c_int {
    // SAFETY: called through the struct that `counted` made.
    let inner = unsafe { &mut counting(stream).stream.0 };
    match inner.get_schema {
        // SAFETY: the inner stream is alive, `out` is the caller's.
        Some(function) => unsafe { function(inner, out) },
        None => EINVAL,
    }
}

unsafe extern "C" fn counting_next(
    stream: *mut ArrowArrayStream,
    out: *mut ArrowArray,
) -> std::ffi::c_int {
    // SAFETY: called through the struct that `counted` made.
    let counting = unsafe { counting(stream) };
    let inner = &mut counting.stream.0;
    let Some(function) = inner.get_next else {
        return EINVAL;
    };
    // SAFETY: the inner stream is alive, `out` is the caller's and written when 0 is answered.
    unsafe {
        let errno = function(inner, out);
        if errno == 0 && (*out).release.is_some() {
            counting.rows.fetch_add((*out).length.max(0) as u64, Ordering::Relaxed);
        }
        errno
    }
}

unsafe extern "C" fn counting_last_error(stream: *mut ArrowArrayStream) -> *const std::ffi::c_char {
    // SAFETY: called through the struct that `counted` made.
    let inner = unsafe { &mut counting(stream).stream.0 };
    match inner.get_last_error {
        // SAFETY: the inner stream is alive.
        Some(function) => unsafe { function(inner) },
        None => std::ptr::null(),
    }
}

unsafe extern "C" fn counting_release(stream: *mut ArrowArrayStream) {
    // SAFETY: the box is the one of `counted`; the struct is marked released and not used again.
    unsafe {
        drop(Box::from_raw((*stream).private_data.cast::<Counting>()));
        (*stream).private_data = std::ptr::null_mut();
        (*stream).release = None;
    }
}

/// `EINVAL` of every system that is supported.
const EINVAL: std::ffi::c_int = 22;
