//! [`Paged`]: a growable column of fixed-size values in copy-on-write pages.
//!
//! A snapshot clones the list of pages and shares their memory; a page is copied by the first
//! write to it while somebody else still holds it, and never otherwise. Writes pay no atomic
//! operation: each page carries the generation at which it was last made writable, a snapshot
//! begins a new generation, and only a write that finds an older stamp looks at the owners.
//! The same stamps say which pages changed since a generation.
//!
//! Invariants: every value below `len` is initialised; a page whose stamp is the column's
//! generation has one owner; pages hold [`Paged::PAGE`] values, only the first starts smaller.
#![allow(unsafe_code)]

use std::any::Any;
use std::marker::PhantomData;
use std::ptr;

use laminar_types::Result;

use super::page::Page;
use super::snapshot::{Container, Pages, Parts};

/// Bytes of values in a full page: small enough to copy in a microsecond or two.
const PAGE_BYTES: usize = 32 * 1024;
/// Columns larger than this are worth prefetching.
const NEAR_BYTES: usize = 1024 * 1024;
/// Values in the first page of a small column.
const FIRST_PAGE: usize = 16;
/// A column of more pages than this has further ones in huge pages.
const SMALL_COLUMN_PAGES: usize = 16;

/// A growable column of `T` with cheap snapshots.
pub struct Paged<T> {
    entries: Vec<Entry<T>>,
    len: usize,
    generation: u64,
    fill: T,
}

struct Entry<T> {
    page: Page<T>,
    stamp: u64,
}

impl<T: Copy> Paged<T> {
    const SHIFT: u32 = {
        assert!(size_of::<T>() > 0 && size_of::<T>() * FIRST_PAGE <= PAGE_BYTES);
        (PAGE_BYTES / size_of::<T>()).ilog2()
    };
    /// Values in a page, a power of two.
    pub const PAGE: usize = 1 << Self::SHIFT;
    const MASK: usize = Self::PAGE - 1;

    /// An empty column whose new values will be `fill`.
    pub fn new(fill: T) -> Self {
        Self { entries: Vec::new(), len: 0, generation: 1, fill }
    }

    /// How many values the column holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the column holds no value.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value at `index`, which must be below `len`.
    #[inline(always)]
    pub fn at(&self, index: usize) -> &T {
        assert!(index < self.len, "a slot past the end of its column");
        // SAFETY: pages cover every index below `len`, and values below `len` are initialised.
        // Only `&mut self` writes to pages of this column.
        unsafe {
            let entry = self.entries.get_unchecked(index >> Self::SHIFT);
            &*entry.page.values().add(index & Self::MASK)
        }
    }

    /// The value at `index`, to be written. For more than one write take a [`Paged::writer`].
    #[inline]
    pub fn at_mut(&mut self, index: usize) -> &mut T {
        let mut writer = self.writer();
        let value: *mut T = writer.at(index);
        // SAFETY: the pointer is to a value of this column, exclusively borrowed for as long as
        // the result lives.
        unsafe { &mut *value }
    }

    /// Asks the processor to bring the value at `index` near; an index past the end is ignored.
    #[inline(always)]
    pub fn prefetch(&self, index: usize) {
        if let Some(entry) = self.entries.get(index >> Self::SHIFT) {
            super::prefetch(entry.page.values().wrapping_add(index & Self::MASK));
        }
    }

    /// A view for a series of writes.
    #[inline]
    pub fn writer(&mut self) -> Writer<'_, T> {
        Writer {
            entries: self.entries.as_mut_ptr(),
            len: self.len,
            generation: self.generation,
            column: PhantomData,
        }
    }

    /// Grows to `len` values, the new ones being the column's fill; never shrinks.
    pub fn resize(&mut self, len: usize) {
        if len <= self.len {
            return;
        }
        self.reserve(len);
        let mut from = self.len;
        while from < len {
            let to = len.min((from | Self::MASK) + 1);
            let (generation, used) = (self.generation, self.len);
            let page = from >> Self::SHIFT;
            let entry = &mut self.entries[page];
            if entry.stamp != generation {
                entry.own(generation, used.saturating_sub(page << Self::SHIFT));
            }
            for index in from & Self::MASK..=(to - 1) & Self::MASK {
                // SAFETY: the page covers these indices, it has no other owner since it carries
                // the current generation, and writing does not read what was there.
                unsafe { entry.page.values().add(index).write(self.fill) };
            }
            from = to;
        }
        self.len = len;
    }

    /// A column with the same content that shares its pages with this one. Either may be
    /// written; neither sees the other's writes. Costs one step per page.
    pub fn snapshot(&mut self) -> Self {
        self.generation += 1;
        Self {
            entries: self.entries.iter().map(Entry::shared).collect(),
            len: self.len,
            generation: self.generation,
            fill: self.fill,
        }
    }

    /// A column with the content of this one, a snapshot that is never written, sharing its pages.
    pub(super) fn thawed(&self) -> Self {
        // No page has the stamp of a generation in which nothing was written.
        debug_assert!(self.entries.iter().all(|entry| entry.stamp < self.generation));
        Self {
            entries: self.entries.iter().map(Entry::shared).collect(),
            len: self.len,
            generation: self.generation,
            fill: self.fill,
        }
    }

    /// Forgets all values and keeps the pages for new ones.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The values of one page, the last one cut at `len`.
    pub fn page(&self, page: usize) -> &[T] {
        let used = self.len.saturating_sub(page << Self::SHIFT).min(Self::PAGE);
        if used == 0 {
            return &[];
        }
        // SAFETY: the first `used` values of the page are below `len`, so initialised, and
        // nothing writes them while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.entries[page].page.values(), used) }
    }

    /// Makes pages for `len` values; the first page doubles until it is a full one.
    fn reserve(&mut self, len: usize) {
        let first = len.next_power_of_two().clamp(FIRST_PAGE, Self::PAGE);
        match self.entries.first_mut() {
            Some(entry) if entry.page.capacity() < first => {
                entry.page = entry.copied(first, self.len.min(Self::PAGE));
                entry.stamp = self.generation;
            }
            Some(_) => {}
            None => self.entries.push(Entry { page: Page::new(first), stamp: self.generation }),
        }
        while self.entries.len() << Self::SHIFT < len {
            let page = match self.entries.len() {
                ..SMALL_COLUMN_PAGES => Page::new(Self::PAGE),
                _ => Page::framed(Self::PAGE),
            };
            self.entries.push(Entry { page, stamp: self.generation });
        }
    }
}

impl<T: Copy + Send + Sync + 'static> Container for Paged<T> {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        parts.column(self)
    }

    fn state_bytes(&self) -> usize {
        self.page_bytes() + self.entries.capacity() * size_of::<Entry<T>>()
    }
}

impl<T: Copy + Send + Sync + 'static> Pages for Paged<T> {
    fn pages(&self) -> usize {
        self.len.div_ceil(Self::PAGE)
    }

    fn stamp(&self, page: usize) -> u64 {
        self.entries[page].stamp
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn page_bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.page.bytes()).sum()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<T: Copy> Entry<T> {
    /// The same page, with one owner more.
    fn shared(&self) -> Self {
        Self { page: self.page.clone(), stamp: self.stamp }
    }

    /// Makes this the page's only owner, copying its first `used` values if need be.
    #[cold]
    #[inline(never)]
    fn own(&mut self, generation: u64, used: usize) {
        if !self.page.is_unique() {
            self.page = self.copied(self.page.capacity(), used.min(self.page.capacity()));
        }
        self.stamp = generation;
    }

    /// A new page with the first `used` values of this one.
    fn copied(&self, capacity: usize, used: usize) -> Page<T> {
        debug_assert!(used <= capacity && used <= self.page.capacity());
        let page = match self.page.is_framed() {
            true => Page::framed(capacity),
            false => Page::new(capacity),
        };
        // SAFETY: both pages have room for `used` values, and they are different allocations.
        unsafe { ptr::copy_nonoverlapping(self.page.values(), page.values(), used) };
        page
    }
}

/// A view of a [`Paged`] column through which many values are written.
pub struct Writer<'a, T> {
    entries: *mut Entry<T>,
    len: usize,
    generation: u64,
    column: PhantomData<&'a mut Paged<T>>,
}

impl<'a, T: Copy> Writer<'a, T> {
    /// The value at `index`, which must be below the column's `len`.
    #[inline(always)]
    pub fn at(&mut self, index: usize) -> &mut T {
        assert!(index < self.len, "a slot past the end of its column");
        // SAFETY: `entries` are those of the column borrowed by this writer, and cover `len`.
        let entry = unsafe { &mut *self.entries.add(index >> Paged::<T>::SHIFT) };
        if entry.stamp != self.generation {
            entry.own(self.generation, self.len - (index & !Paged::<T>::MASK));
        }
        // SAFETY: the index is inside the page, its value is initialised, and a page of the
        // current generation has no other owner.
        unsafe { &mut *entry.page.values().add(index & Paged::<T>::MASK) }
    }

    /// Fetches values ahead of their writes, if the column is too large to be near.
    pub fn ahead(&self) -> Option<impl Fn(u32) + use<'a, T>> {
        let (entries, len) = (self.entries, self.len);
        (len * size_of::<T>() > NEAR_BYTES).then_some(move |slot: u32| {
            let index = slot as usize;
            if index < len {
                // SAFETY: as in `at`, the entry exists. Only its pointer is copied: no reference
                // is made that the writes of this writer could run into.
                let values = unsafe {
                    let entry = entries.add(index >> Paged::<T>::SHIFT);
                    (*entry).page.values()
                };
                super::prefetch(values.wrapping_add(index & Paged::<T>::MASK));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(column: &Paged<u64>) -> Vec<u64> {
        (0..column.len()).map(|index| *column.at(index)).collect()
    }

    #[test]
    fn grows_and_fills() {
        let mut column = Paged::new(7u64);
        assert_eq!(column.state_bytes(), 0);
        column.resize(3);
        assert!(column.state_bytes() < 512);
        *column.at_mut(1) = 1;
        column.resize(3 * Paged::<u64>::PAGE + 5);
        assert_eq!(content(&column)[..4], [7, 1, 7, 7]);
        assert_eq!(*column.at(3 * Paged::<u64>::PAGE + 4), 7);
        assert_eq!(column.page(3), [7; 5]);
        assert!(column.page(0).len() == Paged::<u64>::PAGE && column.page(0)[1] == 1);
    }

    #[test]
    fn snapshots_do_not_see_later_writes() {
        let mut column = Paged::new(0u64);
        column.resize(10_000);
        for index in 0..10_000 {
            *column.at_mut(index) = index as u64;
        }
        let expected = content(&column);
        let mut snapshot = column.snapshot();
        for index in (0..10_000).step_by(3) {
            *column.at_mut(index) = 1;
        }
        column.resize(20_000);
        assert_eq!(content(&snapshot), expected);
        let other = snapshot.snapshot();
        *snapshot.at_mut(5) = 99;
        assert_eq!((*other.at(5), *column.at(5), *snapshot.at(5)), (5, 5, 99));
        drop(column);
        assert_eq!(content(&other), expected);
    }

    #[test]
    fn copies_a_page_only_while_it_is_read() {
        let mut column = Paged::new(0u64);
        column.resize(Paged::<u64>::PAGE * 2);
        let (first, second) = (ptr::from_ref(column.at(0)), ptr::from_ref(column.at(5_000)));
        drop(column.snapshot());
        *column.at_mut(0) = 1;
        assert_eq!(ptr::from_ref(column.at(0)), first);
        let snapshot = column.snapshot();
        *column.at_mut(0) = 2;
        assert_ne!(ptr::from_ref(column.at(0)), first);
        assert_eq!(ptr::from_ref(column.at(5_000)), second);
        assert_eq!(*snapshot.at(0), 1);
    }

    #[test]
    fn tells_which_pages_changed() {
        let mut column = Paged::new(0u64);
        column.resize(Paged::<u64>::PAGE * 3);
        let since = column.snapshot().generation();
        let changed = |column: &Paged<u64>| {
            let pages = (0..column.pages()).filter(|page| column.stamp(*page) >= since);
            pages.collect::<Vec<_>>()
        };
        assert!(changed(&column).is_empty());
        *column.at_mut(Paged::<u64>::PAGE) = 1;
        column.resize(Paged::<u64>::PAGE * 3 + 1);
        assert_eq!(changed(&column), [1, 3]);
    }

    #[test]
    fn what_is_thawed_and_its_snapshot_do_not_see_each_other() {
        let mut column = Paged::new(0u64);
        column.resize(10_000);
        let snapshot = column.snapshot();
        let (mut one, mut other) = (snapshot.thawed(), snapshot.thawed());
        *one.at_mut(3) = 1;
        *other.at_mut(3) = 2;
        *column.at_mut(3) = 3;
        let all = [&snapshot, &one, &other, &column].map(|column| *column.at(3));
        assert_eq!(all, [0, 1, 2, 3]);
    }

    #[test]
    fn clears_under_a_snapshot() {
        let mut column = Paged::new(0u64);
        column.resize(100);
        *column.at_mut(3) = 3;
        let snapshot = column.snapshot();
        column.clear();
        column.resize(50);
        assert_eq!(content(&column), [0; 50]);
        assert_eq!(*snapshot.at(3), 3);
    }

    #[test]
    fn snapshots_are_read_on_other_threads() {
        let mut column = Paged::new(0u64);
        column.resize(50_000);
        for round in 1..20u64 {
            let snapshot = column.snapshot();
            let reader = std::thread::spawn(move || {
                (0..snapshot.len()).map(|index| *snapshot.at(index)).sum::<u64>()
            });
            let mut writer = column.writer();
            for index in 0..50_000 {
                *writer.at(index) += 1;
            }
            assert_eq!(reader.join().unwrap(), (round - 1) * 50_000);
        }
    }
}
