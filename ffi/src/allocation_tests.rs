//! A push of one row and the poll of what it brings about allocate nothing: counted at the C
//! interface, by an allocator that counts what a thread asks for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::CString;
use std::ptr;
use std::sync::Arc;

use arrow::array::{Array, Int64Array, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ffi::{FFI_ArrowArray, to_ffi};

use crate::arrow_c::ArrowArray;
use crate::db::{laminar_close, laminar_execute, laminar_open, laminar_start};
use crate::source::{laminar_push, laminar_source_free, laminar_source_open};
use crate::status::LAMINAR_OK;
use crate::subscription::{laminar_poll, laminar_subscribe, laminar_subscription_free};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is the system's allocator; counting touches a plain thread-local number.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: handed through.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: handed through.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: handed through.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: handed through.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A row of `(key BIGINT, name VARCHAR, value BIGINT)` as C has it.
fn row(number: i64) -> ArrowArray {
    let fields = vec![
        Field::new("key", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("value", DataType::Int64, true),
    ];
    let columns: Vec<Arc<dyn Array>> = vec![
        Arc::new(Int64Array::from(vec![number % 50])),
        Arc::new(StringArray::from(vec![format!("name {}", number % 7)])),
        Arc::new(Int64Array::from(vec![number])),
    ];
    let array = StructArray::new(Schema::new(fields).fields, columns, None);
    let (array, _) = to_ffi(&array.to_data()).unwrap();
    // SAFETY: both types are `struct ArrowArray` of the C data interface; it is moved.
    unsafe { std::mem::transmute::<FFI_ArrowArray, ArrowArray>(array) }
}

/// Allocations of so many pushes of one row, each with the poll of what it brings about.
fn allocations(query: &str, pushes: i64) -> u64 {
    let text = |text: &str| CString::new(text).unwrap();
    let source = text("CREATE SOURCE events (key BIGINT, name VARCHAR, value BIGINT)");
    let stream = text(&format!("CREATE STREAM result AS {query}"));
    let (events, result) = (text("events"), text("result"));
    let (mut db, mut producer) = (ptr::null_mut(), ptr::null_mut());
    let (mut subscription, no_error) = (ptr::null_mut(), ptr::null_mut());
    let mut counted = 0;
    // SAFETY: the conventions of the header are kept.
    unsafe {
        assert_eq!(laminar_open(ptr::null(), &raw mut db, no_error), LAMINAR_OK);
        for sql in [&source, &stream] {
            let status = laminar_execute(db, sql.as_ptr(), ptr::null_mut(), no_error);
            assert_eq!(status, LAMINAR_OK, "{sql:?}");
        }
        assert_eq!(laminar_start(db, no_error), LAMINAR_OK);
        laminar_source_open(db, events.as_ptr(), &raw mut producer, no_error);
        laminar_subscribe(db, result.as_ptr(), ptr::null(), &raw mut subscription, no_error);
        for number in -500..pushes {
            let mut array = row(number + 500);
            let mut polled = ArrowArray::released();
            let before = ALLOCATIONS.get();
            let pushed = laminar_push(producer, &raw mut array, ptr::null(), no_error);
            assert_eq!(pushed, LAMINAR_OK);
            let status = laminar_poll(subscription, 0, &raw mut polled, ptr::null_mut(), no_error);
            assert_eq!(status, LAMINAR_OK);
            polled.release.unwrap()(&raw mut polled);
            counted += if number < 0 { 0 } else { ALLOCATIONS.get() - before };
        }
        laminar_subscription_free(subscription);
        laminar_source_free(producer);
        laminar_close(db);
    }
    counted
}

#[test]
fn a_row_from_push_to_poll_allocates_nothing() {
    for query in [
        "SELECT key, name, value * 2 AS doubled FROM events WHERE value >= 0 AND name <> 'x'",
        "SELECT key, count(*) AS n, sum(value) AS total FROM events GROUP BY key EMIT CHANGES",
        "SELECT name, max(value) AS top FROM events GROUP BY name",
    ] {
        let pushes = 2_000;
        let counted = allocations(query, pushes);
        // The history begins a new page now and then.
        assert!(counted < pushes as u64 / 50, "{counted} allocations in {pushes} pushes: {query}");
    }
}
