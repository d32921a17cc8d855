//! [`Arena`]: append-only bytes in chunks that snapshots share.
//!
//! The writer appends behind what any snapshot can see, in the same chunk, so nothing is ever
//! copied. Nothing is freed either but by [`Arena::clear`] and by building a new arena; the
//! owner counts what is no longer referred to and decides when.
#![allow(unsafe_code)]

use std::any::Any;
use std::ptr;

use super::page::Page;
use super::snapshot::Pages;

const FIRST_CHUNK: usize = 1024;
const LARGEST_CHUNK: usize = 1024 * 1024;

/// Byte strings, each at an address that stays valid.
#[derive(Default)]
pub(super) struct Arena {
    chunks: Vec<Chunk>,
    /// Bytes written to the last chunk.
    used: usize,
    /// Begun by each snapshot.
    generation: u64,
}

#[derive(Clone)]
struct Chunk {
    page: Page<u8>,
    /// The generation in which it was last appended to.
    stamp: u64,
}

impl Arena {
    /// Appends `bytes` and returns their address.
    pub(super) fn append(&mut self, bytes: &[u8]) -> u64 {
        let room = self.chunks.last().map_or(0, |chunk| chunk.page.capacity() - self.used);
        if room < bytes.len() {
            let next = self.chunks.last().map_or(FIRST_CHUNK, |chunk| chunk.page.capacity() * 2);
            let page = Page::new(next.min(LARGEST_CHUNK).max(bytes.len()));
            self.chunks.push(Chunk { page, stamp: self.generation });
            self.used = 0;
        }
        let (index, offset) = (self.chunks.len() - 1, self.used);
        let chunk = &mut self.chunks[index];
        chunk.stamp = self.generation;
        // SAFETY: the chunk has room for the bytes behind `used`. No snapshot reads there: its
        // addresses are of bytes appended before it was taken, and a snapshot that appends
        // itself begins a chunk of its own.
        unsafe {
            let target = chunk.page.values().add(offset);
            ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len());
        }
        self.used += bytes.len();
        (index as u64) << 32 | offset as u64
    }

    /// The `len` bytes at an address that `append` of this arena, or of the one this is a
    /// snapshot of, returned for bytes of that length.
    #[inline]
    pub(super) fn slice(&self, address: u64, len: usize) -> &[u8] {
        let chunk = &self.chunks[(address >> 32) as usize].page;
        let offset = address as u32 as usize;
        assert!(offset + len <= chunk.capacity(), "an address of this arena");
        // SAFETY: inside the chunk; the bytes at an address were written before it was
        // returned and are never written again.
        unsafe { std::slice::from_raw_parts(chunk.values().add(offset), len) }
    }

    /// The same bytes, shared. What is appended to either later is not seen by the other.
    pub(super) fn snapshot(&mut self) -> Self {
        self.generation += 1;
        self.thawed()
    }

    /// An arena with the bytes of this one, a snapshot that is never written.
    pub(super) fn thawed(&self) -> Self {
        let chunks = self.chunks.clone();
        // Full, so that appending begins a chunk of its own.
        let used = chunks.last().map_or(0, |chunk| chunk.page.capacity());
        Self { chunks, used, generation: self.generation }
    }

    /// Leaves an empty arena in the place of this one.
    pub(super) fn take(&mut self) -> Self {
        let empty = Self { generation: self.generation, ..Self::default() };
        std::mem::replace(self, empty)
    }

    /// Forgets everything and keeps the last chunk if nobody else has it.
    pub(super) fn clear(&mut self) {
        let kept = self.chunks.pop().filter(|chunk| chunk.page.is_unique());
        self.chunks.clear();
        self.chunks.extend(kept);
        self.used = 0;
    }

    /// Bytes allocated.
    pub(super) fn state_bytes(&self) -> usize {
        self.page_bytes() + self.chunks.capacity() * size_of::<Chunk>()
    }
}

impl Pages for Arena {
    fn pages(&self) -> usize {
        self.chunks.len()
    }

    fn stamp(&self, page: usize) -> u64 {
        self.chunks[page].stamp
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn page_bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.page.bytes()).sum()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
