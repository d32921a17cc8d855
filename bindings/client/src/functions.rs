//! Functions of the host and the log: closures as the library calls them.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use laminar_sys as sys;

use crate::arrow::Array;

/// What a function answers when it refuses: the reason.
pub type Refused = String;

/// A scalar function: a struct array of arguments to an array of as many results.
pub type ScalarFunction = Box<dyn Fn(Array) -> Result<Array, Refused> + Send + Sync>;

/// What is told line by line: the level, from 1 (error) to 4 (debug), and the line.
pub type LogListener = Box<dyn Fn(i32, &str) + Send + Sync>;

/// An aggregate function. A state is a struct array of one row.
pub trait AggregateFunction: Send + Sync {
    /// The state after some rows; `None` is that of no rows.
    fn update(&self, state: Option<Array>, arguments: Array) -> Result<Array, Refused>;

    /// The state of the rows of both.
    fn merge(&self, state: Array, other: Array) -> Result<Array, Refused>;

    /// The result, as an array of one value.
    fn evaluate(&self, state: Option<Array>) -> Result<Array, Refused>;
}

/// Takes an array that the library hands over; `None` for a released one.
///
/// # Safety
/// `array` points to a struct that is the callee's.
unsafe fn take(array: *mut sys::ArrowArray) -> Option<Array> {
    // SAFETY: handed through.
    let array = unsafe { Array::take(array) };
    (!array.is_released()).then_some(array)
}

/// Runs a function of the host and puts out what it answers.
///
/// # Safety
/// `result` may be written, and so may `size` bytes at `message`.
unsafe fn answer(
    work: impl FnOnce() -> Result<Array, Refused>,
    result: *mut sys::ArrowArray,
    message: *mut c_char,
    size: usize,
) -> c_int {
    // A panic must not pass through the library.
    let answer = catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err("the function panicked".to_string()));
    match answer {
        Ok(array) => {
            // SAFETY: handed through.
            unsafe { result.write(array.into_raw()) };
            0
        }
        Err(reason) => {
            let length = reason.len().min(size.saturating_sub(1));
            // SAFETY: so many bytes fit, with the NUL behind them.
            unsafe {
                std::ptr::copy_nonoverlapping(reason.as_ptr().cast(), message, length);
                message.add(length).write(0);
            }
            1
        }
    }
}

/// The library gave nothing where something must be.
fn missing() -> Refused {
    "an array is missing".to_string()
}

pub(crate) unsafe extern "C" fn call_scalar(
    userdata: *mut c_void,
    arguments: *mut sys::ArrowArray,
    result: *mut sys::ArrowArray,
    message: *mut c_char,
    size: usize,
) -> c_int {
    // SAFETY: the library gives back what was registered, and arrays that are ours.
    unsafe {
        let function = &*userdata.cast::<ScalarFunction>();
        let arguments = take(arguments);
        answer(|| function(arguments.ok_or_else(missing)?), result, message, size)
    }
}

pub(crate) type Boxed = Box<dyn AggregateFunction>;

pub(crate) unsafe extern "C" fn call_update(
    userdata: *mut c_void,
    state: *mut sys::ArrowArray,
    arguments: *mut sys::ArrowArray,
    result: *mut sys::ArrowArray,
    message: *mut c_char,
    size: usize,
) -> c_int {
    // SAFETY: as in `call_scalar`.
    unsafe {
        let function = &*userdata.cast::<Boxed>();
        let (state, arguments) = (take(state), take(arguments));
        let work = || function.update(state, arguments.ok_or_else(missing)?);
        answer(work, result, message, size)
    }
}

pub(crate) unsafe extern "C" fn call_merge(
    userdata: *mut c_void,
    state: *mut sys::ArrowArray,
    other: *mut sys::ArrowArray,
    result: *mut sys::ArrowArray,
    message: *mut c_char,
    size: usize,
) -> c_int {
    // SAFETY: as in `call_scalar`.
    unsafe {
        let function = &*userdata.cast::<Boxed>();
        let (state, other) = (take(state), take(other));
        let work = || function.merge(state.ok_or_else(missing)?, other.ok_or_else(missing)?);
        answer(work, result, message, size)
    }
}

pub(crate) unsafe extern "C" fn call_evaluate(
    userdata: *mut c_void,
    state: *mut sys::ArrowArray,
    result: *mut sys::ArrowArray,
    message: *mut c_char,
    size: usize,
) -> c_int {
    // SAFETY: as in `call_scalar`.
    unsafe {
        let function = &*userdata.cast::<Boxed>();
        let state = take(state);
        answer(|| function.evaluate(state), result, message, size)
    }
}

pub(crate) unsafe extern "C" fn call_log(
    userdata: *mut c_void,
    level: i32,
    message: *const c_char,
) {
    // SAFETY: the library gives back what was registered, and a text for the call.
    let (listener, line) =
        unsafe { (&*userdata.cast::<LogListener>(), CStr::from_ptr(message).to_string_lossy()) };
    // A panic must not pass through the library, and there is nobody to tell.
    let _ = catch_unwind(AssertUnwindSafe(|| listener(level, &line)));
}

/// Gives a value to the library to keep.
pub(crate) fn into_raw<T>(value: T) -> *mut c_void {
    Box::into_raw(Box::new(value)).cast()
}

/// Drops what [`into_raw`] gave.
pub(crate) unsafe extern "C" fn drop_raw<T>(userdata: *mut c_void) {
    // SAFETY: it comes from `into_raw` of this type, and is dropped once.
    drop(unsafe { Box::from_raw(userdata.cast::<T>()) });
}
