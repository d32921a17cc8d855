//! [`Userdata`]: what a host hands over with a callback.

use std::ffi::c_void;

use laminar_types::outside;

type DropUserdata = unsafe extern "C" fn(userdata: *mut c_void);

/// A pointer of the host and the function that drops it: called once, with this value, and never
/// under the token.
pub(crate) struct Userdata {
    pointer: *mut c_void,
    drop: Option<DropUserdata>,
}

// SAFETY: the header demands that the functions can be called from any thread.
unsafe impl Send for Userdata {}
// SAFETY: as above; the pointer is only handed on.
unsafe impl Sync for Userdata {}

impl Userdata {
    pub(crate) fn new(pointer: *mut c_void, drop: Option<DropUserdata>) -> Self {
        Self { pointer, drop }
    }

    /// What the host handed over.
    pub(crate) fn pointer(&self) -> *mut c_void {
        self.pointer
    }
}

impl Drop for Userdata {
    fn drop(&mut self) {
        let Some(drop) = self.drop else { return };
        let pointer = Pointer(self.pointer);
        outside::run(move || pointer.drop_by(drop));
    }
}

/// A pointer of the host on its way to the function that drops it.
struct Pointer(*mut c_void);

// SAFETY: the header demands that the function can be called from any thread.
unsafe impl Send for Pointer {}

impl Pointer {
    fn drop_by(self, drop: DropUserdata) {
        // SAFETY: the host gave both for each other; this runs once.
        unsafe { drop(self.0) }
    }
}
