//! Frames for the pages of large columns, cut out of slabs of one huge page each.
//!
//! A random access to a large column costs a page walk when its pages lie in small ones; two
//! thirds of the time of a large hash aggregate go there. Frames are given out and taken back
//! under a lock, which is taken once per page and never per row. A slab without frames in use is
//! freed, but for one.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::advise_huge_pages;

/// Bytes of a slab, and its alignment: one huge page.
const SLAB_BYTES: usize = 2 * 1024 * 1024;
/// Bytes of a frame: a full page of a column and its header.
pub(super) const FRAME_BYTES: usize = 32 * 1024 + 64;
/// The first frame begins behind the slab's own line.
const FIRST_FRAME: usize = 64;
const FRAMES: usize = (SLAB_BYTES - FIRST_FRAME) / FRAME_BYTES;

/// What stands at the start of a slab.
struct Slab {
    /// Frames in use.
    used: usize,
    /// Frames that were ever in use; those behind them were never touched.
    begun: usize,
    /// The last frame given back, each holding the address of the one before.
    free: Option<NonNull<u8>>,
}

/// Slabs with a frame to give.
struct Pool {
    open: Vec<NonNull<Slab>>,
}

// SAFETY: the pool owns its slabs, and only it, under its lock, reads and writes their heads.
unsafe impl Send for Pool {}

static POOL: Mutex<Pool> = Mutex::new(Pool { open: Vec::new() });

/// Memory for [`FRAME_BYTES`], aligned to a cache line, not initialised.
pub(super) fn allocate() -> NonNull<u8> {
    pool().allocate()
}

/// Gives back a frame.
///
/// # Safety
/// `frame` came from [`allocate`], was not given back since, and nobody refers to it.
pub(super) unsafe fn release(frame: NonNull<u8>) {
    // SAFETY: as promised by the caller.
    unsafe { pool().release(frame) }
}

fn pool() -> MutexGuard<'static, Pool> {
    // Nothing under the lock panics half way through a change.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    fn allocate(&mut self) -> NonNull<u8> {
        if self.open.is_empty() {
            self.open.push(new_slab());
        }
        let at = self.open.len() - 1;
        // SAFETY: slabs in the pool are alive, and their heads are this pool's alone. A frame in
        // the free list is not in use and holds the address of the next. Frame `begun` lies
        // inside the slab since a slab in `open` has a frame to give.
        unsafe {
            let slab = self.open[at].as_mut();
            let frame = match slab.free {
                Some(frame) => {
                    slab.free = frame.cast::<Option<NonNull<u8>>>().read();
                    frame
                }
                None => {
                    let offset = FIRST_FRAME + slab.begun * FRAME_BYTES;
                    slab.begun += 1;
                    self.open[at].cast::<u8>().add(offset)
                }
            };
            let slab = self.open[at].as_mut();
            slab.used += 1;
            if slab.used == FRAMES {
                self.open.pop();
            }
            frame
        }
    }

    /// # Safety
    /// As [`release`].
    unsafe fn release(&mut self, frame: NonNull<u8>) {
        // SAFETY: slabs are aligned to their size, so a frame's address without its low bits is
        // its slab's. The frame is no longer in use, so its bytes may hold the list.
        unsafe {
            let offset = frame.addr().get() & (SLAB_BYTES - 1);
            let mut place: NonNull<Slab> = frame.sub(offset).cast();
            let slab = place.as_mut();
            frame.cast::<Option<NonNull<u8>>>().write(slab.free);
            slab.free = Some(frame);
            if slab.used == FRAMES {
                self.open.push(place);
            }
            slab.used -= 1;
            if slab.used == 0 && self.open.len() > 1 {
                self.open.retain(|other| *other != place);
                dealloc(place.as_ptr().cast(), layout());
            }
        }
    }
}

fn layout() -> Layout {
    const { assert!(size_of::<Slab>() <= FIRST_FRAME && FRAME_BYTES.is_multiple_of(64)) };
    // Invariant: both constants are the same power of two.
    Layout::from_size_align(SLAB_BYTES, SLAB_BYTES).expect("a slab is aligned to its size")
}

fn new_slab() -> NonNull<Slab> {
    // SAFETY: the layout is not of size zero, and a slab's head fits its start.
    unsafe {
        let Some(place) = NonNull::new(alloc(layout())) else { handle_alloc_error(layout()) };
        advise_huge_pages(place.as_ptr(), SLAB_BYTES);
        place.cast::<Slab>().write(Slab { used: 0, begun: 0, free: None });
        place.cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_do_not_overlap_and_come_again() {
        let mut pool = Pool { open: Vec::new() };
        let mut frames: Vec<NonNull<u8>> = (0..FRAMES * 2 + 1).map(|_| pool.allocate()).collect();
        frames.sort();
        for pair in frames.windows(2) {
            assert!(pair[1].addr().get() - pair[0].addr().get() >= FRAME_BYTES);
        }
        for (number, frame) in frames.iter().enumerate() {
            // SAFETY: a frame in use is ours to write.
            unsafe { frame.as_ptr().write_bytes(number as u8, FRAME_BYTES) };
        }
        let again = frames.swap_remove(70);
        // SAFETY: each frame is in use and given back once.
        unsafe {
            pool.release(again);
            let mut others: Vec<_> = (0..2).map(|_| pool.allocate()).collect();
            assert!(others.contains(&again) || pool.open.len() <= 2);
            frames.append(&mut others);
            frames.into_iter().for_each(|frame| pool.release(frame));
        }
        assert_eq!(pool.open.len(), 1);
        let last = pool.open.remove(0);
        // SAFETY: no frame of the last slab is in use.
        unsafe { dealloc(last.as_ptr().cast(), layout()) };
    }
}
