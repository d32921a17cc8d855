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

/// Where the library wants the result, or why there is none.
struct Out {
    result: *mut sys::ArrowArray,
    message: *mut c_char,
    size: usize,
}

/// Runs a function of the host over the arrays that the library hands over, and puts out what it
/// answers.
///
/// # Safety
/// `userdata` is an `F` of [`into_raw`], the arrays are the callee's, and what `out` leads to may be
/// written.
unsafe fn call<F, const N: usize>(
    userdata: *mut c_void,
    arrays: [*mut sys::ArrowArray; N],
    out: Out,
    work: impl FnOnce(&F, [Option<Array>; N]) -> Result<Array, Refused>,
) -> c_int {
    // SAFETY: by the contract of this function.
    let (function, arrays) = unsafe { (&*userdata.cast::<F>(), arrays.map(|array| take(array))) };
    // A panic must not pass through the library.
    let answer = catch_unwind(AssertUnwindSafe(|| work(function, arrays)))
        .unwrap_or_else(|_| Err("the function panicked".to_string()));
    match answer {
        Ok(array) => {
            // SAFETY: by the contract of this function.
            unsafe { out.result.write(array.into_raw()) };
            0
        }
        Err(reason) => {
            let length = reason.len().min(out.size.saturating_sub(1));
            // SAFETY: so many bytes fit, with the NUL behind them.
            unsafe {
                std::ptr::copy_nonoverlapping(reason.as_ptr().cast(), out.message, length);
                out.message.add(length).write(0);
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
    let scalar = |function: &ScalarFunction, [arguments]: [Option<Array>; 1]| {
        function(arguments.ok_or_else(missing)?)
    };
    // SAFETY: the library gives back what was registered, arrays that are ours, and places to write.
    unsafe { call(userdata, [arguments], Out { result, message, size }, scalar) }
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
    let update = |function: &Boxed, [state, arguments]: [Option<Array>; 2]| {
        function.update(state, arguments.ok_or_else(missing)?)
    };
    // SAFETY: as in `call_scalar`.
    unsafe { call(userdata, [state, arguments], Out { result, message, size }, update) }
}

pub(crate) unsafe extern "C" fn call_merge(
    userdata: *mut c_void,
    state: *mut sys::ArrowArray,
    other: *mut sys::ArrowArray,
    result: *mut sys::ArrowArray,
    message: *mut c_char,
    size: usize,
) -> c_int {
    let merge = |function: &Boxed, [state, other]: [Option<Array>; 2]| {
        function.merge(state.ok_or_else(missing)?, other.ok_or_else(missing)?)
    };
    // SAFETY: as in `call_scalar`.
    unsafe { call(userdata, [state, other], Out { result, message, size }, merge) }
}

pub(crate) unsafe extern "C" fn call_evaluate(
    userdata: *mut c_void,
    state: *mut sys::ArrowArray,
    result: *mut sys::ArrowArray,
    message: *mut c_char,
    size: usize,
) -> c_int {
    let evaluate = |function: &Boxed, [state]: [Option<Array>; 1]| function.evaluate(state);
    // SAFETY: as in `call_scalar`.
    unsafe { call(userdata, [state], Out { result, message, size }, evaluate) }
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
