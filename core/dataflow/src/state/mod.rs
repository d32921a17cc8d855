//! Containers that hold all state of operators.
//!
//! They own layout, copy-on-write snapshots, dirty tracking by page and byte accounting, so that
//! reading, durability and memory limits are solved once. They know no operator, evaluate
//! nothing and do no I/O.
//!
//! | module | what it holds |
//! |---|---|
//! | [`paged`] | [`Paged`]: a column of fixed-size values in copy-on-write pages |
//! | [`bytes`] | [`ByteColumn`]: a column of byte strings, short ones inline |
//! | [`bits`] | [`Bits`]: a set of slots |
//! | [`snapshot`] | [`Container`]: what all of them can do; [`Snapshot`] |
//! | [`group_index`] | [`GroupIndex`]: from key columns to the slot of each row's group |
//! | [`multimap`] | [`Multimap`]: from key columns to rows with weights |
//! | `row_columns` | columns of any type, by slot, as they came |
//! | `slot_set` | a set of slots that is scratch |
//! | `table_rows` | [`TableRows`]: the rows of a table, by primary key or as a multiset |
//! | [`ordered`] | [`OrderedPartitions`]: rows in an order, by partition |
//! | [`ordered_bags`] | [`OrderedBags`]: the same with how often each is there |
//! | [`row_store`] | [`RowStore`]: whole rows by slot |
//! | [`time_index`] | [`TimeIndex`]: from a key's slot to nodes ordered by time |
//! | [`time_queue`] | [`TimeQueue`]: numbers in the order of times |
//! | [`timed_rows`] | [`TimedRows`]: rows by key and time, the two together |
//! | `byte_array` | arrays of strings and binary of any type |
//! | `fixed_keys`, `byte_keys`, `row_keys` | how keys are represented |
//! | `ordered_tree` | the counted trees of ordered partitions |
//! | `key_hash` | [`KeyHash`]: by which keys are shared out among partitions |
//! | `table`, `slots`, `hash` | the hash table, slot numbers in use, the hash function |
//! | `page`, `arena`, `slab` | shared memory under the columns |

mod arena;
pub mod bits;
mod byte_array;
mod byte_keys;
pub mod bytes;
mod fixed_keys;
pub mod group_index;
mod hash;
mod key_hash;
mod layout;
pub mod multimap;
pub mod ordered;
pub mod ordered_bags;
mod ordered_tree;
mod page;
pub mod paged;
mod row_columns;
mod row_keys;
pub mod row_store;
mod slab;
mod slot_set;
mod slots;
pub mod snapshot;
mod table;
mod table_rows;
pub mod time_index;
pub mod time_queue;
pub mod timed_rows;

pub use bits::Bits;
pub(crate) use byte_array::{byte_array, each_byte_array};
pub use bytes::ByteColumn;
pub use group_index::{GroupIndex, GroupKeys};
pub(crate) use hash::KeyHasher;
pub use key_hash::KeyHash;
pub use multimap::{KeyLookup, Multimap, MultimapSnapshot, Probe, RowChange, Search, StoredRows};
pub use ordered::{OrderedPartitions, OrderedRows};
pub use ordered_bags::{Bag, OrderedBags};
pub use paged::Paged;
pub(crate) use row_columns::{RowColumns, View};
pub use row_store::RowStore;
pub use slot_set::SlotSet;
pub use slots::Slots;
pub use snapshot::{Container, Parts, Snapshot};
pub use table_rows::{TableRows, TableSnapshot};
pub use time_index::TimeIndex;
pub use time_queue::TimeQueue;
pub use timed_rows::TimedRows;

use laminar_types::Error;
use laminar_types::error::code;

/// Asks the processor to bring an address near. Any address will do.
#[inline(always)]
#[allow(unsafe_code)]
fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint and never faults, and SSE is part of x86-64.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch is a hint: it never faults and changes no register or memory.
    unsafe {
        std::arch::asm!(
            "prfm pldl1keep, [{}]", in(reg) address,
            options(nostack, preserves_flags, readonly)
        );
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}

/// Asks for huge pages under the whole ones in memory that the caller owns. Less than two huge
/// pages are left alone, unless they begin at one.
#[allow(unsafe_code)]
fn advise_huge_pages(start: *mut u8, bytes: usize) {
    #[cfg(target_os = "linux")]
    {
        const HUGE_PAGE_BYTES: usize = 2 * 1024 * 1024;
        const MADV_HUGEPAGE: i32 = 14;
        unsafe extern "C" {
            fn madvise(start: *mut std::ffi::c_void, bytes: usize, advice: i32) -> i32;
        }
        let offset = start.addr().next_multiple_of(HUGE_PAGE_BYTES) - start.addr();
        if bytes < offset + HUGE_PAGE_BYTES {
            return;
        }
        let whole = (bytes - offset) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
        // SAFETY: the range is page-aligned and inside the caller's memory. The advice changes
        // how it is backed, not what it holds, and a refusal is harmless.
        unsafe { madvise(start.wrapping_add(offset).cast(), whole, MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, bytes);
}

/// An error of an Arrow kernel on data that already passed the schema's checks.
pub(crate) fn arrow_error(error: arrow::error::ArrowError) -> Error {
    Error::new(code::EXECUTION, error.to_string())
}
