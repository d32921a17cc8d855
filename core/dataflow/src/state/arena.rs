//! [`Arena`]: append-only bytes in chunks that snapshots share.
//!
//! The writer appends behind what any snapshot can see, in the same chunk, so nothing is ever
//! copied. Nothing is freed either but by [`Arena::clear`] and by building a new arena; the
//! owner counts what is no longer referred to and decides when.
#![allow(unsafe_code)]

use std::ptr;

use super::page::Page;

const FIRST_CHUNK: usize = 1024;
const LARGEST_CHUNK: usize = 1024 * 1024;

/// Byte strings, each at an address that stays valid.
#[derive(Default)]
pub(super) struct Arena {
    chunks: Vec<Page<u8>>,
    /// Bytes written to the last chunk.
    used: usize,
}

impl Arena {
    /// Appends `bytes` and returns their address.
    pub(super) fn append(&mut self, bytes: &[u8]) -> u64 {
        let room = self.chunks.last().map_or(0, |chunk| chunk.capacity() - self.used);
        if room < bytes.len() {
            let next = self.chunks.last().map_or(FIRST_CHUNK, |chunk| chunk.capacity() * 2);
            self.chunks.push(Page::new(next.min(LARGEST_CHUNK).max(bytes.len())));
            self.used = 0;
        }
        let (index, offset) = (self.chunks.len() - 1, self.used);
        // SAFETY: the chunk has room for the bytes behind `used`. No snapshot reads there: its
        // addresses are of bytes appended before it was taken, and a snapshot that appends
        // itself begins a chunk of its own.
        unsafe {
            let target = self.chunks[index].values().add(offset);
            ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len());
        }
        self.used += bytes.len();
        (index as u64) << 32 | offset as u64
    }

    /// The `len` bytes at an address that `append` of this arena, or of the one this is a
    /// snapshot of, returned for bytes of that length.
    #[inline]
    pub(super) fn slice(&self, address: u64, len: usize) -> &[u8] {
        let chunk = &self.chunks[(address >> 32) as usize];
        let offset = address as u32 as usize;
        assert!(offset + len <= chunk.capacity(), "an address of this arena");
        // SAFETY: inside the chunk; the bytes at an address were written before it was
        // returned and are never written again.
        unsafe { std::slice::from_raw_parts(chunk.values().add(offset), len) }
    }

    /// The same bytes, shared. What is appended to either later is not seen by the other.
    pub(super) fn snapshot(&mut self) -> Self {
        let chunks = self.chunks.clone();
        // Full, so that appending to the snapshot begins a chunk of its own.
        let used = chunks.last().map_or(0, Page::capacity);
        Self { chunks, used }
    }

    /// Forgets everything and keeps the last chunk if nobody else has it.
    pub(super) fn clear(&mut self) {
        let kept = self.chunks.pop().filter(Page::is_unique);
        self.chunks.clear();
        self.chunks.extend(kept);
        self.used = 0;
    }

    /// Bytes allocated.
    pub(super) fn state_bytes(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(Page::bytes).sum();
        chunks + self.chunks.capacity() * size_of::<Page<u8>>()
    }
}
