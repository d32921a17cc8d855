//! The one way into the library: every exported function that may fail or panic runs in
//! [`call`] or [`value`].
//!
//! Invariants: no panic leaves an exported function; `error` is nulled on entry and written only
//! when the status is an error (100 or more), or is `LAMINAR_AGAIN` and will stay that until the
//! database is started.
//!
//! A process that was forked has no threads of the library, and locks may be held for ever. The
//! child's [`generation`] differs from the one every handle remembers, so that calls there answer
//! an error and frees leak on purpose.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use laminar_types::error::code;
use laminar_types::{Error, Result};

use crate::error::{self, ErrorHandle};
use crate::status::{Outcome, Status};

/// Runs a fallible call and tells C how it went.
///
/// # Safety
/// `error` is NULL or may be written.
pub(crate) unsafe fn call(
    error: *mut *mut ErrorHandle,
    work: impl FnOnce() -> Result<Outcome>,
) -> Status {
    if !error.is_null() {
        // SAFETY: not NULL, and the caller vouches for the rest.
        unsafe { ptr::write(error, ptr::null_mut()) };
    }
    let failure = match caught(work) {
        Ok(outcome) => return outcome.status(),
        Err(failure) => failure,
    };
    let outcome = Outcome::of_error(failure.kind());
    // Waiting helps against the other outcomes, so that nothing need be said of them.
    if outcome.is_none() || failure.code() == code::NOT_STARTED {
        // SAFETY: as above.
        unsafe { error::write(error, &failure) };
    }
    outcome.map_or(failure.kind().status(), Outcome::status)
}

/// Runs work and makes a panic in it an error.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // Unwind safety: a handle's exclusive part is only reached through guards that give it back,
    // and what a panic leaves behind inside an epoch is the engine's to fail.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(panicked(payload)))
}

/// Runs a call that cannot fail; a panic in it gives `default`.
pub(crate) fn value<T>(default: T, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        panicked(payload);
        default
    })
}

/// A panic as an error.
fn panicked(payload: Box<dyn Any + Send>) -> Error {
    let error = Error::from_panic("the library", &*payload);
    // A payload may panic when it is dropped; what that throws is forgotten.
    if let Err(worse) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(worse);
    }
    error
}

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Counts the forks between the process that loaded the library and this one, from the first
/// [`watch_forks`] on.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Begins to watch for forks. Called before the first handle is made.
pub(crate) fn watch_forks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[cfg(unix)]
        {
            unsafe extern "C" fn child() {
                GENERATION.fetch_add(1, Ordering::Relaxed);
            }
            // SAFETY: the handler only touches an atomic, which is allowed after a fork, and the
            // library is never unmapped (`-z nodelete`). Without memory for the handler (its only
            // error) forks go unnoticed.
            unsafe { libc::pthread_atfork(None, None, Some(child)) };
        }
    });
}

/// The error of a call on a handle that the parent process made.
pub(crate) fn forked() -> Error {
    Error::new(
        code::FORKED,
        "this handle was made before the process was forked and cannot be used in the child: \
         open a database in the child instead",
    )
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;
    use crate::error::{laminar_error_free, laminar_error_message};
    use crate::status::{LAMINAR_AGAIN, LAMINAR_BUSY, LAMINAR_INTERNAL_ERROR, LAMINAR_OK};

    fn run(work: impl FnOnce() -> Result<Outcome>) -> (Status, Option<String>) {
        // A pointer that must not survive the call.
        let mut error = ptr::dangling_mut();
        // SAFETY: `error` may be written, and what is written there is an error or NULL.
        unsafe {
            let status = call(&raw mut error, work);
            let text = (!error.is_null()).then(|| {
                CStr::from_ptr(laminar_error_message(error)).to_string_lossy().into_owned()
            });
            laminar_error_free(error);
            (status, text)
        }
    }

    #[test]
    fn outcomes_write_no_error() {
        assert_eq!(run(|| Ok(Outcome::Ok)), (LAMINAR_OK, None));
        assert_eq!(run(|| Err(Error::new(code::FULL, "full"))), (LAMINAR_AGAIN, None));
        assert_eq!(run(|| Err(Error::new(code::IN_USE, "busy"))), (LAMINAR_BUSY, None));
    }

    #[test]
    fn a_push_that_needs_the_start_says_so() {
        let (status, text) = run(|| Err(Error::new(code::NOT_STARTED, "call start()")));
        assert_eq!(status, LAMINAR_AGAIN);
        assert_eq!(text.as_deref(), Some("LDB-3302: call start()"));
    }

    #[test]
    fn errors_and_panics_are_told() {
        let (status, text) = run(|| Err(Error::new(code::PLAN, "no")));
        assert_eq!((status, text.as_deref()), (400, Some("LDB-4002: no")));
        let (status, text) = run(|| panic!("at the {}", "disco"));
        assert_eq!(status, LAMINAR_INTERNAL_ERROR);
        assert!(text.unwrap().starts_with("LDB-9002: the library panicked: at the disco"));
        let (_, text) = run(|| std::panic::panic_any(7));
        assert!(text.unwrap().contains("no message"));
        assert_eq!(value(3, || panic!("again")), 3);
    }

    #[test]
    fn nobody_has_to_want_the_error() {
        // SAFETY: NULL is allowed.
        let status = unsafe { call(ptr::null_mut(), || Err(Error::internal("x"))) };
        assert_eq!(status, LAMINAR_INTERNAL_ERROR);
    }
}
