//! `laminar_error`: what went wrong, as C reads it.
//!
//! The texts are made once, when the error crosses the boundary, so that the accessors only hand
//! out pointers.

use std::ffi::{CString, c_char};
use std::ptr;

use laminar_types::Error;

use crate::args;
use crate::status::{LAMINAR_OK, Status};

/// An error, owned by whoever received it: free it with `laminar_error_free`. It belongs to no
/// other handle and may be read by several threads.
pub struct ErrorHandle {
    status: Status,
    code: CString,
    message: CString,
    line: u64,
    column: u64,
}

impl ErrorHandle {
    /// The error as a pointer that C owns.
    pub(crate) fn into_raw(error: &Error) -> *mut ErrorHandle {
        let position = error.position();
        Box::into_raw(Box::new(Self {
            status: error.kind().status(),
            code: args::c_string(&error.code().to_string()),
            message: args::c_string(&error.to_string()),
            line: position.map_or(0, |position| position.line),
            column: position.map_or(0, |position| position.column),
        }))
    }
}

/// The status of an error: the same number that the failed call returned.
///
/// @param error may be NULL
/// @return the status; `LAMINAR_OK` for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_error_status(error: *const ErrorHandle) -> Status {
    // SAFETY: as this function's own contract says.
    unsafe { error.as_ref() }.map_or(LAMINAR_OK, |error| error.status)
}

/// The full text: code, what was wrong, what to do, and the position in the SQL text, for example
/// `"LDB-2001: no source, table or stream is named `trades` (line 1, column 15)"`.
///
/// @param error may be NULL
/// @return UTF-8, valid until the error is freed; `""` for NULL, never NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_error_message(error: *const ErrorHandle) -> *const c_char {
    // SAFETY: as this function's own contract says.
    unsafe { error.as_ref() }.map_or(c"".as_ptr(), |error| error.message.as_ptr())
}

/// The stable code of the error, for example `"LDB-2001"`. It is finer than the status and never
/// changes its meaning.
///
/// @param error may be NULL
/// @return ASCII, valid until the error is freed; `""` for NULL, never NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_error_code(error: *const ErrorHandle) -> *const c_char {
    // SAFETY: as this function's own contract says.
    unsafe { error.as_ref() }.map_or(c"".as_ptr(), |error| error.code.as_ptr())
}

/// The line of the SQL text that the error is about, counted from 1.
///
/// @param error may be NULL
/// @return the line; 0 when the error has no place in SQL text, and for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_error_line(error: *const ErrorHandle) -> u64 {
    // SAFETY: as this function's own contract says.
    unsafe { error.as_ref() }.map_or(0, |error| error.line)
}

/// The column in that line, in characters counted from 1.
///
/// @param error may be NULL
/// @return the column; 0 when the error has no place in SQL text, and for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_error_column(error: *const ErrorHandle) -> u64 {
    // SAFETY: as this function's own contract says.
    unsafe { error.as_ref() }.map_or(0, |error| error.column)
}

/// Frees an error and the texts that it handed out.
///
/// @param error may be NULL, which does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_error_free(error: *mut ErrorHandle) {
    if !error.is_null() {
        // SAFETY: every error comes from `ErrorHandle::into_raw`, and the caller gives it up.
        drop(unsafe { Box::from_raw(error) });
    }
}

/// Writes `error` to where C wants it, or drops it when C does not.
///
/// # Safety
/// `slot` is NULL or may be written.
pub(crate) unsafe fn write(slot: *mut *mut ErrorHandle, error: &Error) {
    if !slot.is_null() {
        // SAFETY: not NULL, and the caller vouches for the rest.
        unsafe { ptr::write(slot, ErrorHandle::into_raw(error)) };
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use laminar_types::Position;
    use laminar_types::error::code;

    use super::*;

    #[test]
    fn accessors_tell_the_error() {
        let error = Error::new(code::SYNTAX, "a\0b").at(Position { line: 2, column: 7 });
        let raw = ErrorHandle::into_raw(&error);
        // SAFETY: `raw` is live until it is freed in the last line.
        unsafe {
            assert_eq!(laminar_error_status(raw), 401);
            assert_eq!(CStr::from_ptr(laminar_error_code(raw)), c"LDB-4101");
            let message = CStr::from_ptr(laminar_error_message(raw)).to_str().unwrap();
            assert_eq!(message, "LDB-4101: a\u{fffd}b (line 2, column 7)");
            assert_eq!((laminar_error_line(raw), laminar_error_column(raw)), (2, 7));
            laminar_error_free(raw);
        }
    }

    #[test]
    fn null_is_no_error() {
        let null = ptr::null();
        // SAFETY: NULL is allowed everywhere.
        unsafe {
            assert_eq!(laminar_error_status(null), 0);
            assert_eq!(*laminar_error_code(null), 0);
            assert_eq!(*laminar_error_message(null), 0);
            assert_eq!((laminar_error_line(null), laminar_error_column(null)), (0, 0));
            laminar_error_free(ptr::null_mut());
        }
    }
}
