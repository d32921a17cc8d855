//! The one error of the bindings.

use std::ffi::CStr;
use std::fmt;

use laminar_sys as sys;

/// The result of everything fallible.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the library answered: the number of the error, its `LDB-NNNN` code, its sentence and, where
/// SQL was involved, the place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    status: i32,
    code: String,
    message: String,
    position: Option<(u64, u64)>,
}

impl Error {
    /// An error that a binding finds itself. `code` is four digits whose first is the band of
    /// `status`.
    pub fn new(status: i32, code: u16, message: impl fmt::Display) -> Self {
        let code = format!("LDB-{code:04}");
        Self { status, message: format!("{code}: {message}"), code, position: None }
    }

    /// A value does not fit the column that it was given for.
    pub fn value(message: impl fmt::Display) -> Self {
        Self::new(sys::LAMINAR_INGESTION_FAILED, 3002, message)
    }

    /// An argument of an ingestion call cannot be used.
    pub fn ingestion_argument(message: impl fmt::Display) -> Self {
        Self::new(sys::LAMINAR_INGESTION_FAILED, 3001, message)
    }

    /// A construct that the bindings do not have.
    pub fn unsupported(message: impl fmt::Display) -> Self {
        Self::new(sys::LAMINAR_UNSUPPORTED, 4301, message)
    }

    /// The database was closed.
    pub fn closed() -> Self {
        Self::new(sys::LAMINAR_CONNECTION_CLOSED, 1101, "the database is closed; open it again")
    }

    /// The call would wait for one that is running, which may be the one that makes it.
    pub fn in_use() -> Self {
        Self::new(
            sys::LAMINAR_CONNECTION_IN_USE,
            1201,
            "the handle is in use by another thread, or the call came from inside a function that \
             the engine calls; give each thread its own, and call from outside",
        )
    }

    /// An error of a stream of the library, which carries only the text: `LDB-4003: ...`. The
    /// digits of a code begin with the two outer digits of its status.
    pub(crate) fn from_text(message: String) -> Self {
        let code = message.strip_prefix("LDB-").and_then(|rest| rest.get(..4)?.parse::<u16>().ok());
        match code {
            Some(code) => Self {
                status: i32::from(code / 1000 * 100 + code / 100 % 10),
                code: format!("LDB-{code:04}"),
                message,
                position: None,
            },
            None => Self::new(sys::LAMINAR_QUERY_FAILED, 4003, message),
        }
    }

    /// The same error with words after its message, in parentheses.
    pub fn context_after(mut self, words: impl fmt::Display) -> Self {
        self.message = format!("{} ({words})", self.message);
        self
    }

    /// The number of the error: one of `LAMINAR_*` from 100 on.
    pub fn status(&self) -> i32 {
        self.status
    }

    /// The stable code, `LDB-NNNN`.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The full text: code, sentence, and place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Line and column in the SQL text, both from one.
    pub fn position(&self) -> Option<(u64, u64)> {
        self.position
    }

    /// Takes over what a call answered. An outcome that is no success becomes the error that
    /// bindings raise for it.
    ///
    /// # Safety
    /// `error` is null or an error that the library gave out, and is not used again.
    pub(crate) unsafe fn from_raw(status: i32, error: *mut sys::laminar_error) -> Self {
        let fallback = Self::outcome(status);
        if error.is_null() {
            return fallback;
        }
        // SAFETY: the error is alive until it is freed below, and its texts live as long as it.
        let taken = unsafe {
            Self {
                status: fallback.status,
                code: text(sys::laminar_error_code(error)),
                message: text(sys::laminar_error_message(error)),
                position: Some((sys::laminar_error_line(error), sys::laminar_error_column(error)))
                    .filter(|(line, _)| *line > 0),
            }
        };
        // SAFETY: it is ours by the contract of this function.
        unsafe { sys::laminar_error_free(error) };
        taken
    }

    fn outcome(status: i32) -> Self {
        match status {
            sys::LAMINAR_AGAIN => Self::new(
                sys::LAMINAR_BACKPRESSURE,
                3301,
                "there was no room within the time allowed and nothing was taken; read the \
                 subscriptions that are full, and try again",
            ),
            sys::LAMINAR_BUSY => Self::in_use(),
            sys::LAMINAR_END => {
                Self::new(sys::LAMINAR_SUBSCRIPTION_CLOSED, 5101, "there is nothing more to come")
            }
            status => {
                // SAFETY: the name of a status is static, for unknown numbers too.
                let name = unsafe { text(sys::laminar_status_name(status)) };
                Self {
                    status,
                    code: String::new(),
                    message: format!("the library answered {status} ({name})"),
                    position: None,
                }
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Calls a function of the ABI with an error slot, and answers its status; errors become [`Error`].
///
/// # Safety
/// `call` passes the slot as its last argument to a function of the ABI and answers its status.
pub(crate) unsafe fn status(call: impl FnOnce(*mut *mut sys::laminar_error) -> i32) -> Result<i32> {
    let mut error = std::ptr::null_mut();
    let status = call(&mut error);
    if (0..100).contains(&status) && error.is_null() {
        return Ok(status);
    }
    // SAFETY: the slot holds null or the error that this call gave out.
    Err(unsafe { Error::from_raw(status, error) })
}

/// As [`status`], for calls of which only OK is a success.
///
/// # Safety
/// As for [`status`].
pub(crate) unsafe fn check(call: impl FnOnce(*mut *mut sys::laminar_error) -> i32) -> Result<()> {
    // SAFETY: passed on.
    match unsafe { status(call) }? {
        sys::LAMINAR_OK => Ok(()),
        // SAFETY: null is allowed.
        other => Err(unsafe { Error::from_raw(other, std::ptr::null_mut()) }),
    }
}

/// Copies a text that the library lends.
///
/// # Safety
/// `text` is null or a NUL-terminated string that lives through the call.
pub(crate) unsafe fn text(text: *const std::ffi::c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: by the contract of this function.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_tells_its_number() {
        for (text, status, code) in [
            ("LDB-4003: no", 400, "LDB-4003"),
            ("LDB-2201: no", 202, "LDB-2201"),
            ("LDB-9101: no", 901, "LDB-9101"),
            ("no", 400, "LDB-4003"),
        ] {
            let error = Error::from_text(text.into());
            assert_eq!((error.status(), error.code()), (status, code), "{text}");
        }
    }
}
