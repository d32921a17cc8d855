//! Ownership of an opaque handle of the library.

use std::ffi::CString;
use std::ptr::NonNull;

use crate::{Error, Result};

/// A handle and the function that frees it.
///
/// The library counts its handles inside and lets functions that take `const T *` run concurrently,
/// so sharing is sound for them; whoever calls one that takes `T *` holds the handle by `&mut`.
#[derive(Debug)]
pub(crate) struct Handle<T> {
    raw: NonNull<T>,
    free: unsafe extern "C" fn(*mut T),
}

// SAFETY: handles of the library belong to no thread (header, chapter on threads).
unsafe impl<T> Send for Handle<T> {}
// SAFETY: `&Handle` only gives access to functions that take `const T *`, which are concurrent.
unsafe impl<T> Sync for Handle<T> {}

impl<T> Handle<T> {
    /// Takes over what an out parameter received.
    ///
    /// # Safety
    /// `raw` is null or a handle that nobody else frees, and `free` is its function.
    pub(crate) unsafe fn new(raw: *mut T, free: unsafe extern "C" fn(*mut T)) -> Result<Self> {
        match NonNull::new(raw) {
            Some(raw) => Ok(Self { raw, free }),
            None => Err(Error::new(900, 9001, "the library answered OK and no handle")),
        }
    }

    /// For functions that take `const T *`.
    pub(crate) fn shared(&self) -> *const T {
        self.raw.as_ptr()
    }

    /// For functions that take `T *`: the caller makes sure that no other such call runs.
    pub(crate) fn exclusive(&self) -> *mut T {
        self.raw.as_ptr()
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, alive, and not used again.
        unsafe { (self.free)(self.raw.as_ptr()) };
    }
}

/// A text on its way to the library. `status` and `code` are those of the error when it holds a
/// NUL.
pub(crate) fn c_text(text: &str, what: &str, status: i32, code: u16) -> Result<CString> {
    CString::new(text)
        .map_err(|_| Error::new(status, code, format!("{what} contains a NUL character")))
}
