//! [`Page`]: a reference-counted block of memory for `capacity` values of one fixed-size type.
//!
//! The primitive under [`Paged`](super::Paged) and [`Arena`](super::arena::Arena). It only counts
//! its owners and gives a raw pointer: which owner may write which bytes is the invariant of the
//! container above it. The bytes are not initialised.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use super::slab;

/// What stands before the values: one cache line, so that owners never share one with values.
#[repr(C, align(64))]
struct Header {
    owners: AtomicUsize,
    capacity: usize,
    /// Whether the memory is a frame of a slab.
    framed: bool,
}

const HEADER_BYTES: usize = size_of::<Header>();

/// Shared memory for values; cloning adds an owner, the last drop frees.
pub(super) struct Page<T> {
    values: NonNull<T>,
    owned: PhantomData<T>,
}

// SAFETY: a page is a counted pointer to plain values. The count is atomic, and the containers
// write only what no other owner reads.
unsafe impl<T: Send + Sync> Send for Page<T> {}
// SAFETY: as above; through a shared reference a page only hands out its pointer.
unsafe impl<T: Send + Sync> Sync for Page<T> {}

impl<T: Copy> Page<T> {
    /// A page of one owner for `capacity` values, none of them initialised.
    pub(super) fn new(capacity: usize) -> Self {
        let layout = Self::layout(capacity);
        // SAFETY: the layout is never of size zero, for it holds the header.
        let base = unsafe { alloc(layout) };
        let Some(base) = NonNull::new(base) else { handle_alloc_error(layout) };
        // SAFETY: the allocation was made with this capacity's layout.
        unsafe { Self::at(base, capacity, false) }
    }

    /// The same in a frame of a slab, for a full page of a large column.
    pub(super) fn framed(capacity: usize) -> Self {
        if Self::layout(capacity).size() > slab::FRAME_BYTES {
            return Self::new(capacity);
        }
        // SAFETY: a frame is as large as the layout, or larger, and aligned to a cache line.
        unsafe { Self::at(slab::allocate(), capacity, true) }
    }

    /// # Safety
    /// `base` is memory of its own of at least `layout(capacity)`.
    unsafe fn at(base: NonNull<u8>, capacity: usize, framed: bool) -> Self {
        let header = Header { owners: AtomicUsize::new(1), capacity, framed };
        // SAFETY: the memory starts with room for a header, aligned for it, and the values begin
        // `HEADER_BYTES` behind it, inside the memory.
        unsafe {
            base.cast::<Header>().write(header);
            Self { values: base.add(HEADER_BYTES).cast(), owned: PhantomData }
        }
    }

    /// How many values there is room for.
    pub(super) fn capacity(&self) -> usize {
        self.header().capacity
    }

    /// Whether the page lies in a slab.
    pub(super) fn is_framed(&self) -> bool {
        self.header().framed
    }

    /// Bytes allocated, with the header.
    pub(super) fn bytes(&self) -> usize {
        Self::layout(self.capacity()).size()
    }

    /// The first value.
    #[inline(always)]
    pub(super) fn values(&self) -> *mut T {
        self.values.as_ptr()
    }
}

impl<T> Page<T> {
    /// Whether no other owner exists. What other owners did to the page happened before.
    pub(super) fn is_unique(&self) -> bool {
        self.header().owners.load(Ordering::Acquire) == 1
    }

    fn header(&self) -> &Header {
        // SAFETY: `new` wrote a header `HEADER_BYTES` before the values, and it lives as long as
        // any owner.
        unsafe { &*self.values.cast::<u8>().sub(HEADER_BYTES).cast::<Header>().as_ptr() }
    }

    fn layout(capacity: usize) -> Layout {
        const { assert!(align_of::<T>() <= HEADER_BYTES) };
        let bytes = capacity.checked_mul(size_of::<T>()).and_then(|b| b.checked_add(HEADER_BYTES));
        // Invariant: containers ask for a page of some kilobytes, or one byte string.
        let bytes = bytes.expect("a page is smaller than the address space");
        Layout::from_size_align(bytes, HEADER_BYTES).expect("a page is smaller than half of it")
    }
}

impl<T> Clone for Page<T> {
    fn clone(&self) -> Self {
        self.header().owners.fetch_add(1, Ordering::Relaxed);
        Self { values: self.values, owned: PhantomData }
    }
}

impl<T> Drop for Page<T> {
    fn drop(&mut self) {
        let (capacity, framed) = (self.header().capacity, self.header().framed);
        if self.header().owners.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // Everything the other owners did with the page comes before it is freed.
        fence(Ordering::Acquire);
        // SAFETY: this was the last owner, and the memory is given back where it came from, with
        // the layout of its allocation in `new`.
        unsafe {
            let base = self.values.cast::<u8>().sub(HEADER_BYTES);
            if framed {
                slab::release(base);
            } else {
                dealloc(base.as_ptr(), Self::layout(capacity));
            }
        }
    }
}
