//! Addresses of boxes, as Java holds them.

use jni::sys::jlong;

/// Puts a value where Java can hold it.
pub fn give<T>(value: T) -> jlong {
    Box::into_raw(Box::new(value)).expose_provenance() as jlong
}

/// What a handle leads to.
///
/// # Safety
/// `handle` came from [`give`] for this type, and is not freed before the native method that was
/// given it returns. Java's `Handle` counts such methods.
pub unsafe fn lend<'a, T>(handle: jlong) -> &'a T {
    // SAFETY: by the contract of this function.
    unsafe { &*std::ptr::with_exposed_provenance::<T>(handle as usize) }
}

/// Takes back what [`give`] gave, to be dropped.
///
/// # Safety
/// `handle` came from [`give`] for this type, nobody is in it, and nobody uses it again.
pub unsafe fn take<T>(handle: jlong) -> Box<T> {
    // SAFETY: by the contract of this function.
    unsafe { Box::from_raw(std::ptr::with_exposed_provenance_mut::<T>(handle as usize)) }
}

/// The address of a struct of Arrow, which another Java library allocated.
pub fn pointer<T>(address: jlong) -> *mut T {
    std::ptr::with_exposed_provenance_mut(address as usize)
}
