//! Arguments from C: texts, out parameters.

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use laminar_types::{Code, Error, Result};

/// The error of an argument that is NULL; `code` is that of the function's band.
pub(crate) fn null(name: &str, code: Code) -> Error {
    Error::new(code, format!("the argument `{name}` is NULL"))
}

/// A text that must be there.
///
/// # Safety
/// `text` is NULL or points to a NUL-terminated string that lives, unchanged, for `'a`.
pub(crate) unsafe fn text<'a>(text: *const c_char, name: &str, code: Code) -> Result<&'a str> {
    // SAFETY: handed through.
    unsafe { optional_text(text, name, code) }?.ok_or_else(|| null(name, code))
}

/// A text that may be NULL.
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn optional_text<'a>(
    text: *const c_char,
    name: &str,
    code: Code,
) -> Result<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and the caller vouches for the rest.
    let text = unsafe { CStr::from_ptr(text) };
    utf8(text.to_bytes(), name, code).map(Some)
}

/// Bytes with their length. NULL is allowed when the length is zero.
///
/// # Safety
/// `data` is NULL or `length` bytes can be read there, unchanged, for `'a`.
pub(crate) unsafe fn bytes<'a>(
    data: *const u8,
    length: usize,
    name: &str,
    code: Code,
) -> Result<&'a [u8]> {
    match (data.is_null(), length) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(null(name, code)),
        (false, length) if isize::try_from(length).is_err() => {
            Err(Error::new(code, format!("the length {length} of `{name}` is more than can exist")))
        }
        // SAFETY: not NULL, no longer than any object, and the caller vouches for the rest.
        (false, length) => Ok(unsafe { std::slice::from_raw_parts(data, length) }),
    }
}

/// Checks that the bytes of the argument `name` are UTF-8.
fn utf8<'a>(bytes: &'a [u8], name: &str, code: Code) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|error| {
        Error::new(
            code,
            format!("the argument `{name}` is not UTF-8: byte {} is wrong", error.valid_up_to()),
        )
    })
}

/// A text for C. A NUL inside, which C could not see behind, becomes U+FFFD.
pub(crate) fn c_string(text: &str) -> CString {
    CString::new(text).or_else(|_| CString::new(text.replace('\0', "\u{fffd}"))).unwrap_or_default()
}

/// Where a call puts its result: nulled on entry, written at most once.
pub(crate) struct Out<T>(*mut *mut T);

impl<T> Out<T> {
    /// Nulls the place.
    ///
    /// # Safety
    /// `slot` is NULL or may be written as long as the value lives.
    pub(crate) unsafe fn new(slot: *mut *mut T) -> Self {
        if !slot.is_null() {
            // SAFETY: not NULL, and the caller vouches for the rest.
            unsafe { ptr::write(slot, ptr::null_mut()) };
        }
        Self(slot)
    }

    /// Refuses a place that is NULL, before any work is done for it.
    pub(crate) fn required(self, name: &str, code: Code) -> Result<Self> {
        if self.0.is_null() { Err(null(name, code)) } else { Ok(self) }
    }

    /// Hands the result over.
    pub(crate) fn write(self, value: *mut T) {
        debug_assert!(!self.0.is_null(), "`required` comes first");
        // SAFETY: `required` refused NULL, and `new`'s caller vouches for the rest.
        unsafe { ptr::write(self.0, value) };
    }
}

/// Where a call puts bytes that the caller will own: [`free_bytes`] takes them back.
pub(crate) struct OutBytes {
    data: *mut *mut u8,
    length: *mut usize,
}

impl OutBytes {
    /// Nulls both.
    ///
    /// # Safety
    /// Each is NULL or may be written.
    pub(crate) unsafe fn new(data: *mut *mut u8, length: *mut usize) -> Self {
        // SAFETY: not NULL where written, and the caller vouches for the rest.
        unsafe {
            if !data.is_null() {
                ptr::write(data, ptr::null_mut());
            }
            if !length.is_null() {
                ptr::write(length, 0);
            }
        }
        Self { data, length }
    }

    /// Refuses NULL.
    pub(crate) fn required(self, code: Code) -> Result<Self> {
        match (self.data.is_null(), self.length.is_null()) {
            (true, _) => Err(null("data", code)),
            (_, true) => Err(null("length", code)),
            _ => Ok(self),
        }
    }

    /// Hands bytes over.
    pub(crate) fn write(self, bytes: Vec<u8>) {
        debug_assert!(!self.data.is_null(), "`required` comes first");
        let bytes = Box::leak(bytes.into_boxed_slice());
        // SAFETY: `required` refused NULL, and `new`'s caller vouches for the rest.
        unsafe {
            ptr::write(self.length, bytes.len());
            ptr::write(self.data, bytes.as_mut_ptr());
        }
    }
}

/// Takes back bytes that [`OutBytes::write`] handed over.
///
/// # Safety
/// Both come from there, once; or `data` is NULL.
pub(crate) unsafe fn free_bytes(data: *mut u8, length: usize) {
    if !data.is_null() {
        // SAFETY: they are the parts of a boxed slice that was leaked.
        drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(data, length)) });
    }
}

/// Writes a count where the caller asked for it.
///
/// # Safety
/// `out` is NULL or may be written.
pub(crate) unsafe fn write_count(out: *mut u64, value: u64) {
    if !out.is_null() {
        // SAFETY: not NULL, and the caller vouches for the rest.
        unsafe { ptr::write(out, value) };
    }
}

#[cfg(test)]
mod tests {
    use laminar_types::error::code::QUERY_ARGUMENT;

    use super::*;

    #[test]
    fn texts_are_checked() {
        // SAFETY: literals and NULL.
        unsafe {
            assert_eq!(text(c"abc".as_ptr(), "sql", QUERY_ARGUMENT).unwrap(), "abc");
            let error = text(ptr::null(), "sql", QUERY_ARGUMENT).unwrap_err();
            assert_eq!(error.to_string(), "LDB-4001: the argument `sql` is NULL");
            let error = text(c"ab\xff".as_ptr(), "sql", QUERY_ARGUMENT).unwrap_err();
            assert_eq!(error.message(), "the argument `sql` is not UTF-8: byte 2 is wrong");
            assert!(optional_text(ptr::null(), "sql", QUERY_ARGUMENT).unwrap().is_none());
            assert_eq!(bytes(ptr::null(), 0, "data", QUERY_ARGUMENT).unwrap(), b"");
            assert!(bytes(ptr::null(), 1, "data", QUERY_ARGUMENT).is_err());
            assert!(bytes(b"x".as_ptr(), usize::MAX, "data", QUERY_ARGUMENT).is_err());
        }
    }
}
