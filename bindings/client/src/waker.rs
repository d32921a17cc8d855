//! A Rust closure as the callback of `laminar_on_ready` and `laminar_source_on_room`.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The closure on the heap, behind the pointer that the library hands back.
pub(crate) struct Waker {
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Waker {
    pub(crate) fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { wake: Box::new(wake) }
    }

    pub(crate) fn into_raw(self) -> *mut c_void {
        Box::into_raw(Box::new(self)).cast()
    }

    /// The callback. A panic ends here: it must not cross the library.
    pub(crate) unsafe extern "C" fn call(userdata: *mut c_void) {
        // SAFETY: `userdata` came from `into_raw` and is dropped after the last call only.
        let waker = unsafe { &*userdata.cast::<Waker>() };
        let _ = catch_unwind(AssertUnwindSafe(|| (waker.wake)()));
    }

    /// The drop function.
    pub(crate) unsafe extern "C" fn drop(userdata: *mut c_void) {
        // SAFETY: `userdata` came from `into_raw` and this is its last use.
        let waker = unsafe { Box::from_raw(userdata.cast::<Waker>()) };
        let _ = catch_unwind(AssertUnwindSafe(move || std::mem::drop(waker)));
    }
}
