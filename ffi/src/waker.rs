//! The callbacks of `laminar_on_ready` and `laminar_source_on_room`, with the host's data.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use laminar_types::Result;

use crate::handle;
use crate::userdata::Userdata;

type Callback = unsafe extern "C" fn(userdata: *mut c_void);

/// A callback and its userdata. With the last clone `drop(userdata)` is called, once and never
/// under the token.
#[derive(Clone)]
pub(crate) struct Waker(Arc<Inner>);

struct Inner {
    callback: Option<Callback>,
    userdata: Userdata,
    armed: AtomicBool,
}

impl Waker {
    pub(crate) fn new(
        callback: Option<Callback>,
        pointer: *mut c_void,
        drop: Option<Callback>,
    ) -> Self {
        let userdata = Userdata::new(pointer, drop);
        Self(Arc::new(Inner { callback, userdata, armed: AtomicBool::new(true) }))
    }

    /// Calls the callback, unless disarmed.
    pub(crate) fn wake(&self) {
        // A free from inside the callback must not drop the userdata before its end.
        let inner = Arc::clone(&self.0);
        if let (Some(callback), true) = (inner.callback, inner.armed.load(Ordering::Acquire)) {
            // SAFETY: the host gave both for each other, and `drop` has not been called.
            unsafe { callback(inner.userdata.pointer()) };
        }
    }

    /// Lets no further call start.
    pub(crate) fn disarm(&self) {
        self.0.armed.store(false, Ordering::Release);
    }

    pub(crate) fn is_armed(&self) -> bool {
        self.0.armed.load(Ordering::Acquire)
    }
}

/// The place of the one callback that a handle has, if any.
#[derive(Default)]
pub(crate) struct WakerSlot {
    installed: Mutex<Option<Waker>>,
    /// Held while a waker is installed.
    registering: Mutex<()>,
}

/// Where a waker is hung up: what the engine calls.
pub(crate) trait Wakes {
    /// What holds it, as messages call it.
    const NAME: &'static str;

    /// Calls this, in the place of what was called before; perhaps at once.
    fn call(&self, wake: Box<dyn Fn() + Send + Sync>);

    /// Calls nothing any more.
    fn call_nothing(&self);
}

impl WakerSlot {
    /// Installs a waker in place of the one before. Fails with `IN_USE` while another thread does
    /// the same, or from inside the call that the registration itself makes.
    pub(crate) fn install<W: Wakes>(&self, on: &W, waker: Waker) -> Result<()> {
        let Ok(_registering) = self.registering.try_lock() else {
            return Err(handle::in_use(W::NAME));
        };
        self.remove(on);
        *self.installed.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
        let installed = waker.clone();
        on.call(Box::new(move || installed.wake()));
        // Removed meanwhile, perhaps by the very call that was just made: let go of it.
        if !waker.is_armed() {
            on.call_nothing();
        }
        Ok(())
    }

    /// Removes the waker: no call of it starts after this.
    pub(crate) fn remove<W: Wakes>(&self, on: &W) {
        // Taken out before it is dropped: the last use calls `drop(userdata)`, outside the lock.
        let removed = self.installed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = removed {
            waker.disarm();
            on.call_nothing();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use laminar_types::outside;

    use super::*;

    #[derive(Default)]
    struct Counts {
        calls: AtomicU32,
        drops: AtomicU32,
    }

    impl Counts {
        fn get(&self) -> (u32, u32) {
            (self.calls.load(Ordering::Relaxed), self.drops.load(Ordering::Relaxed))
        }
    }

    unsafe extern "C" fn called(userdata: *mut c_void) {
        // SAFETY: the tests pass a `Counts`.
        unsafe { &*userdata.cast::<Counts>() }.calls.fetch_add(1, Ordering::Relaxed);
    }

    unsafe extern "C" fn dropped(userdata: *mut c_void) {
        // SAFETY: the tests pass a `Counts`.
        unsafe { &*userdata.cast::<Counts>() }.drops.fetch_add(1, Ordering::Relaxed);
    }

    fn waker(counts: &Counts) -> Waker {
        let userdata = std::ptr::from_ref(counts).cast_mut().cast();
        Waker::new(Some(called), userdata, Some(dropped))
    }

    #[test]
    fn userdata_is_dropped_once_with_the_last_clone() {
        let counts = Counts::default();
        let first = waker(&counts);
        let second = first.clone();
        first.wake();
        drop(first);
        assert_eq!(counts.get(), (1, 0));
        second.disarm();
        second.wake();
        drop(second);
        assert_eq!(counts.get(), (1, 1));
    }

    #[test]
    fn userdata_is_not_dropped_under_the_token() {
        let counts = Counts::default();
        let token = outside::enter();
        drop(waker(&counts));
        assert_eq!(counts.get(), (0, 0));
        drop(token);
        assert_eq!(counts.get(), (0, 1));
    }
}
