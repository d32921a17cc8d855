//! Handles: what an opaque pointer of the C API points to.
//!
//! A handle counts its owner and the calls that are in it. Freeing gives up the owner's count and
//! cancels what waits, so a free during a call neither waits nor pulls the ground from under it:
//! the last call out drops the handle. Every handle holds what it needs of the others, so they may
//! be freed in any order.
//!
//! What a noun keeps is in two parts: the shared one is used by any number of calls at once, the
//! exclusive one by the single call that has the `BUSY` flag; a second such call is refused rather
//! than made to wait.

use std::cell::UnsafeCell;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use laminar_types::error::code;
use laminar_types::{Code, Error, Result};

use crate::{args, guard};

/// A noun of the C API. The type itself is only the name of the opaque pointer.
pub(crate) trait Noun: Sized {
    /// What `const T *` calls use, several at once.
    type Shared: Send + Sync;
    /// What `T *` calls use, one at a time.
    type Exclusive: Send;
    /// The name of the argument, for messages.
    const NAME: &'static str;

    /// Called once when the owner frees the handle, before the last call has left it: wakes what
    /// waits in it. Must not wait.
    fn released(_shared: &Self::Shared) {}
}

struct Handle<N: Noun> {
    /// The owner and the calls inside, by [`ONE`] each, and [`BUSY`].
    state: AtomicUsize,
    generation: u32,
    shared: N::Shared,
    exclusive: UnsafeCell<N::Exclusive>,
}

const BUSY: usize = 1;
const ONE: usize = 2;

/// A new handle for C to own.
pub(crate) fn new<N: Noun>(shared: N::Shared, exclusive: N::Exclusive) -> *mut N {
    let handle: Handle<N> = Handle {
        state: AtomicUsize::new(ONE),
        generation: guard::generation(),
        shared,
        exclusive: UnsafeCell::new(exclusive),
    };
    Box::into_raw(Box::new(handle)).cast()
}

/// A call inside a handle, next to any others.
pub(crate) struct Shared<N: Noun>(NonNull<Handle<N>>);

/// Enters a handle. `code` is the one for NULL.
///
/// # Safety
/// `pointer` is NULL or comes from [`new`] and was not freed before this call began.
pub(crate) unsafe fn shared<N: Noun>(pointer: *const N, code: Code) -> Result<Shared<N>> {
    // SAFETY: handed through.
    let handle = unsafe { live(pointer, code) }?;
    // SAFETY: not freed, so the owner's count keeps it.
    unsafe { handle.as_ref() }.state.fetch_add(ONE, Ordering::Relaxed);
    Ok(Shared(handle))
}

/// The one call inside a handle that may change it.
pub(crate) struct Exclusive<N: Noun>(NonNull<Handle<N>>);

/// Enters a handle exclusively; fails with `IN_USE` when another call has done so.
///
/// # Safety
/// As for [`shared`].
pub(crate) unsafe fn exclusive<N: Noun>(pointer: *mut N, code: Code) -> Result<Exclusive<N>> {
    // SAFETY: handed through.
    let handle = unsafe { live(pointer.cast_const(), code) }?;
    // SAFETY: not freed, so the owner's count keeps it.
    let state = unsafe { &handle.as_ref().state };
    let mut seen = state.load(Ordering::Relaxed);
    loop {
        if seen & BUSY != 0 {
            return Err(in_use(N::NAME));
        }
        let entered = (seen + ONE) | BUSY;
        match state.compare_exchange_weak(seen, entered, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => return Ok(Exclusive(handle)),
            Err(now) => seen = now,
        }
    }
}

/// The error that is told as `LAMINAR_BUSY`.
pub(crate) fn in_use(name: &str) -> Error {
    Error::new(code::IN_USE, format!("the handle `{name}` is in an exclusive call already"))
}

/// Frees a handle: the owner's part of it. NULL does nothing. In a forked child it leaks.
///
/// # Safety
/// `pointer` is NULL or comes from [`new`] and was not freed before; it is not used afterwards.
pub(crate) unsafe fn free<N: Noun>(pointer: *mut N) {
    let Some(handle) = NonNull::new(pointer.cast::<Handle<N>>()) else {
        return;
    };
    // SAFETY: the owner's count keeps it until `leave`.
    let inside = unsafe { handle.as_ref() };
    if inside.generation != guard::generation() {
        return;
    }
    guard::value((), || {
        N::released(&inside.shared);
        leave(handle, ONE);
    });
}

/// # Safety
/// As for [`shared`].
unsafe fn live<N: Noun>(pointer: *const N, code: Code) -> Result<NonNull<Handle<N>>> {
    let handle = NonNull::new(pointer.cast_mut().cast::<Handle<N>>())
        .ok_or_else(|| args::null(N::NAME, code))?;
    // SAFETY: not NULL and, as the caller vouches, not freed.
    if unsafe { handle.as_ref() }.generation != guard::generation() {
        return Err(guard::forked());
    }
    Ok(handle)
}

/// Gives up a count, and the handle with the last one.
fn leave<N: Noun>(handle: NonNull<Handle<N>>, count: usize) {
    // SAFETY: the count given up here has kept the handle until now.
    let before = unsafe { handle.as_ref() }.state.fetch_sub(count, Ordering::AcqRel);
    if before == count {
        // SAFETY: nobody counts any more; it was made by `Box::into_raw` in `new`.
        drop(unsafe { Box::from_raw(handle.as_ptr()) });
    }
}

impl<N: Noun> Deref for Shared<N> {
    type Target = N::Shared;

    fn deref(&self) -> &N::Shared {
        // SAFETY: `self` counts, and the shared part is only ever read.
        unsafe { &(*self.0.as_ptr()).shared }
    }
}

impl<N: Noun> Drop for Shared<N> {
    fn drop(&mut self) {
        leave(self.0, ONE);
    }
}

impl<N: Noun> Exclusive<N> {
    /// Both parts.
    pub(crate) fn parts(&mut self) -> (&N::Shared, &mut N::Exclusive) {
        let handle = self.0.as_ptr();
        // SAFETY: `self` counts and has the BUSY flag, so nobody else is in the exclusive part;
        // the borrow of `self` keeps a second `parts` away.
        unsafe { (&(*handle).shared, &mut *(*handle).exclusive.get()) }
    }
}

impl<N: Noun> Drop for Exclusive<N> {
    fn drop(&mut self) {
        leave(self.0, ONE | BUSY);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use laminar_types::error::code::QUERY_ARGUMENT;

    use super::*;

    struct Tool;

    impl Noun for Tool {
        type Shared = (Arc<()>, AtomicBool);
        type Exclusive = u32;
        const NAME: &'static str = "tool";

        fn released(shared: &Self::Shared) {
            shared.1.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_free_during_a_call_cancels_and_defers() {
        let alive = Arc::new(());
        let raw: *mut Tool = new((Arc::clone(&alive), AtomicBool::new(false)), 1);
        // SAFETY: `raw` is live until `free`, and not entered after it.
        unsafe {
            let mut inside = exclusive(raw, QUERY_ARGUMENT).unwrap();
            let beside = shared(raw, QUERY_ARGUMENT).unwrap();
            free(raw);
            assert!(beside.1.load(Ordering::Relaxed));
            *inside.parts().1 += 1;
            assert_eq!(*inside.parts().1, 2);
            drop(inside);
            assert_eq!(Arc::strong_count(&alive), 2);
            drop(beside);
            assert_eq!(Arc::strong_count(&alive), 1);
        }
    }

    #[test]
    fn a_second_exclusive_call_is_refused() {
        let raw: *mut Tool = new((Arc::new(()), AtomicBool::new(false)), 1);
        // SAFETY: `raw` is live until `free`.
        unsafe {
            let first = exclusive(raw, QUERY_ARGUMENT).unwrap();
            let error = exclusive(raw, QUERY_ARGUMENT).err().unwrap();
            assert_eq!(error.code(), code::IN_USE);
            drop(first);
            drop(exclusive(raw, QUERY_ARGUMENT).unwrap());
            free(raw);
            free(std::ptr::null_mut::<Tool>());
            let error = shared(std::ptr::null::<Tool>(), QUERY_ARGUMENT).err().unwrap();
            assert_eq!(error.to_string(), "LDB-4001: the argument `tool` is NULL");
        }
    }
}
