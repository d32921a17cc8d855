//! Batches across the boundary: what is exported comes back the same, arrays of other producers
//! are taken, and malformed ones are refused.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::*;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use laminar_types::error::code;
use laminar_types::{Error, Result};

use crate::arrow_c::{ArrowArray, ArrowSchema, CheckedSchema, Offered, Owner};
use crate::export::Exporter;
use crate::import::Importer;
use crate::rows::Rows;

/// One array of every kind, with NULLs, of eleven values each.
fn arrays() -> Vec<ArrayRef> {
    const ROWS: usize = 11;
    let ints = Int32Array::from_iter((0..11).map(|i| (i % 4 != 1).then_some(i * 3 - 7)));
    let ints: ArrayRef = Arc::new(ints);
    let words = StringArray::from_iter(
        (0..ROWS).map(|i| (i % 3 != 0).then(|| "é, a longer text than a view holds".repeat(i % 3))),
    );
    let words: ArrayRef = Arc::new(words);
    let to = |array: &ArrayRef, data_type: DataType| cast(array, &data_type).unwrap();
    let mut all = vec![ints.clone(), words.clone()];
    for data_type in [
        DataType::Int8,
        DataType::Int16,
        DataType::Int64,
        DataType::Float16,
        DataType::Float32,
        DataType::Float64,
        DataType::Date32,
        DataType::Time32(TimeUnit::Second),
        DataType::Decimal32(8, 2),
        DataType::Decimal64(12, 2),
        DataType::Decimal128(20, 3),
        DataType::Decimal256(50, 3),
        DataType::Boolean,
        DataType::Interval(IntervalUnit::YearMonth),
    ] {
        all.push(to(&ints, data_type));
    }
    let longs = to(&ints, DataType::Int64);
    for data_type in [
        DataType::Date64,
        DataType::Time64(TimeUnit::Nanosecond),
        DataType::Timestamp(TimeUnit::Second, None),
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Duration(TimeUnit::Millisecond),
    ] {
        all.push(to(&longs, data_type));
    }
    for data_type in [
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::LargeBinary,
        DataType::BinaryView,
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
        DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::LargeUtf8)),
    ] {
        all.push(to(&words, data_type));
    }
    all.push(Arc::new(UInt8Array::from_iter((0..11).map(Some))));
    all.push(Arc::new(UInt16Array::from_iter_values(0..11)));
    all.push(Arc::new(UInt64Array::from_iter_values(0..11)));
    all.push(Arc::new(NullArray::new(ROWS)));
    let fixed = (0..ROWS).map(|i| (i % 5 != 0).then_some([i as u8; 3]));
    all.push(Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(fixed, 3).unwrap()));
    all.extend(nested(&ints, &words));
    all
}

fn nested(ints: &ArrayRef, words: &ArrayRef) -> Vec<ArrayRef> {
    let item = |array: &ArrayRef| Arc::new(Field::new("item", array.data_type().clone(), true));
    let nulls = || NullBuffer::from_iter((0..11).map(|i| i % 4 != 2));
    let offsets: Vec<i32> = vec![0, 0, 1, 3, 3, 3, 4, 7, 7, 10, 11, 11];
    let large = offsets.iter().map(|&offset| i64::from(offset)).collect();
    let list = ListArray::new(
        item(words),
        OffsetBuffer::new(offsets.clone().into()),
        words.clone(),
        Some(nulls()),
    );
    let large_list =
        LargeListArray::new(item(ints), OffsetBuffer::new(large), ints.clone(), Some(nulls()));
    let twice: Vec<usize> = (0..22).map(|i| i % 11).collect();
    let indices = UInt32Array::from_iter_values(twice.iter().map(|&i| i as u32));
    let doubled = arrow::compute::take(ints, &indices, None).unwrap();
    let pairs = FixedSizeListArray::new(item(&doubled), 2, doubled, Some(nulls()));
    let structure = StructArray::new(
        vec![
            Field::new("i", DataType::Int32, true),
            Field::new("l", list.data_type().clone(), true),
        ]
        .into(),
        vec![ints.clone(), Arc::new(list.clone())],
        Some(nulls()),
    );
    let keys: ArrayRef = Arc::new(StringArray::from_iter_values((0..11).map(|i| format!("k{i}"))));
    let entries = StructArray::new(
        vec![
            Field::new("keys", DataType::Utf8, false),
            Field::new("values", DataType::Int32, true),
        ]
        .into(),
        vec![keys, ints.clone()],
        None,
    );
    let map = MapArray::new(
        Arc::new(Field::new("entries", entries.data_type().clone(), false)),
        OffsetBuffer::new(offsets.into()),
        entries,
        Some(nulls()),
        false,
    );
    let lists: ArrayRef = Arc::new(list.clone());
    let outer_offsets: Vec<i32> = (0..12).collect();
    let outer =
        ListArray::new(item(&lists), OffsetBuffer::new(outer_offsets.into()), lists, Some(nulls()));
    vec![
        Arc::new(list),
        Arc::new(large_list),
        Arc::new(pairs),
        Arc::new(structure),
        Arc::new(map),
        Arc::new(outer),
    ]
}

fn batch_of(array: &ArrayRef) -> RecordBatch {
    let field = Field::new("v", array.data_type().clone(), true);
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array.clone()]).unwrap()
}

/// The array as arrow-rs exports it, whose structs may have offsets.
fn foreign(data: &ArrayData) -> ArrowArray {
    // SAFETY: both are `repr(C)` with the fields of `struct ArrowArray`.
    unsafe { std::mem::transmute::<FFI_ArrowArray, ArrowArray>(FFI_ArrowArray::new(data)) }
}

fn import(array: ArrowArray, schema: &SchemaRef) -> Result<RecordBatch> {
    Importer::new(schema.clone(), true).batch(&Owner::new(array), None)
}

/// Slices that begin at, before and after the bounds of bytes.
const SLICES: [(usize, usize); 6] = [(0, 11), (0, 5), (3, 6), (8, 3), (9, 1), (4, 0)];

#[test]
fn what_is_exported_comes_back() {
    for array in arrays() {
        for (offset, length) in SLICES {
            let batch = batch_of(&array).slice(offset, length);
            let exporter = Exporter::new(batch.schema());
            let exported = exporter.export(batch.clone()).unwrap();
            let back = import(exported, exporter.schema()).unwrap();
            back.column(0).to_data().validate_full().unwrap();
            let plain = cast(batch.column(0), back.column(0).data_type()).unwrap();
            let what = array.data_type();
            assert_eq!(back.column(0), &plain, "{what} from {offset}, {length} rows");
        }
    }
}

#[test]
fn other_consumers_read_what_is_exported() {
    for array in arrays() {
        for (offset, length) in SLICES {
            let batch = batch_of(&array).slice(offset, length);
            let exporter = Exporter::new(batch.schema());
            let exported = exporter.export(batch.clone()).unwrap();
            let schema = FFI_ArrowSchema::try_from(exporter.schema().as_ref()).unwrap();
            // SAFETY: one layout; the array is moved.
            let data = unsafe {
                from_ffi(std::mem::transmute::<ArrowArray, FFI_ArrowArray>(exported), &schema)
            };
            let data = data.unwrap();
            data.validate_full().unwrap();
            let back = StructArray::from(data);
            let plain = cast(batch.column(0), back.column(0).data_type()).unwrap();
            assert_eq!(back.column(0), &plain, "{}", array.data_type());
        }
    }
}

#[test]
fn arrays_of_other_producers_are_taken() {
    for array in arrays() {
        for (offset, length) in SLICES {
            // A struct with an offset of its own, and a struct of slices whose data has one.
            let whole = StructArray::from(batch_of(&array));
            let sliced_struct = ArrayData::builder(whole.data_type().clone())
                .offset(offset)
                .len(length)
                .add_child_data(array.to_data())
                .build()
                .unwrap();
            // Slices of struct data in arrow-rs have an offset and sliced children: not C's form.
            let child = match array.data_type() {
                DataType::Struct(_) => array.slice(offset, length).to_data(),
                _ => array.to_data().slice(offset, length),
            };
            let sliced_child = ArrayData::builder(whole.data_type().clone())
                .len(length)
                .add_child_data(child)
                .build()
                .unwrap();
            for data in [sliced_struct, sliced_child] {
                let batch = import(foreign(&data), batch_of(&array).schema_ref()).unwrap();
                let expected = array.slice(offset, length);
                assert_eq!(batch.column(0), &expected, "{}", array.data_type());
                batch.column(0).to_data().validate_full().unwrap();
            }
        }
    }
}

#[test]
fn children_may_outlive_their_parent() {
    let array = arrays().remove(1);
    let exporter = Exporter::new(batch_of(&array).schema());
    let mut exported = exporter.export(batch_of(&array)).unwrap();
    // SAFETY: the child is moved out as the interface allows, then both are released.
    let child = unsafe {
        let child = ptr::read(*exported.children);
        (**exported.children).release = None;
        exported.release.unwrap()(&raw mut exported);
        child
    };
    assert!(exported.release.is_none());
    let mut owner = child;
    // SAFETY: the child is live: its validity has eleven bits.
    let validity = unsafe { *(*owner.buffers).cast::<u8>() };
    assert_eq!(validity, 0b1011_0110);
    // SAFETY: as above.
    unsafe { owner.release.unwrap()(&raw mut owner) };
}

#[test]
fn views_and_runs_leave_as_plain_arrays() {
    let view: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "b"]));
    let runs: RunArray<Int32Type> = ["x", "x"].into_iter().collect();
    let runs: ArrayRef = Arc::new(runs);
    for array in [view, runs] {
        let exporter = Exporter::new(batch_of(&array).schema());
        assert_eq!(exporter.schema().field(0).data_type(), &DataType::Utf8);
        let exported = exporter.export(batch_of(&array)).unwrap();
        assert_eq!(import(exported, exporter.schema()).unwrap().num_rows(), 2);
    }
}

/// An array made by hand, whose release callback frees what it points to.
struct Hand {
    array: ArrowArray,
    buffers: Vec<*const c_void>,
    children: Vec<*mut ArrowArray>,
}

impl Hand {
    fn new(length: i64, buffers: &[*const u8]) -> Self {
        unsafe extern "C" fn release(array: *mut ArrowArray) {
            // SAFETY: called with a live array, once.
            unsafe { (*array).release = None };
        }
        let mut array = ArrowArray::released();
        array.length = length;
        array.null_count = -1;
        array.release = Some(release);
        let buffers = buffers.iter().map(|buffer| buffer.cast()).collect();
        Self { array, buffers, children: Vec::new() }
    }

    fn child(mut self, child: &mut Hand) -> Self {
        self.children.push(&raw mut child.settle().array);
        self
    }

    fn settle(&mut self) -> &mut Self {
        self.array.n_buffers = self.buffers.len() as i64;
        self.array.buffers = self.buffers.as_mut_ptr();
        self.array.n_children = self.children.len() as i64;
        self.array.children = self.children.as_mut_ptr();
        self
    }

    /// The struct for an import; `self` keeps what it points to.
    fn export(&mut self) -> ArrowArray {
        self.settle();
        // SAFETY: the release callback frees nothing, so two copies do no harm.
        unsafe { ptr::read(&raw const self.array) }
    }
}

/// Imports a column made by hand into a source with one nullable column.
fn import_column(mut column: Hand, data_type: DataType) -> Result<RecordBatch> {
    let length = column.array.length;
    let mut root = Hand::new(length, &[ptr::null()]).child(&mut column);
    root.array.length = length.max(0);
    let schema = Arc::new(Schema::new(vec![Field::new("v", data_type, true)]));
    import(root.export(), &schema)
}

fn bytes<T>(values: &[T]) -> *const u8 {
    values.as_ptr().cast()
}

#[track_caller]
fn assert_malformed(result: Result<RecordBatch>, part: &str) {
    let error: Error = result.err().unwrap_or_else(|| panic!("taken, not refused for {part}"));
    assert_eq!(error.code(), code::MALFORMED_ARROW, "{error}");
    assert!(error.message().contains(part), "{error} lacks {part}");
}

#[test]
fn malformed_counts_are_refused() {
    let values = [1_i64, 2, 3];
    let hand = || Hand::new(3, &[ptr::null(), bytes(&values)]);
    assert!(import_column(hand(), DataType::Int64).is_ok());
    let with = |change: fn(&mut Hand)| {
        let mut hand = hand();
        change(&mut hand);
        import_column(hand, DataType::Int64)
    };
    assert_malformed(with(|hand| hand.array.offset = -1), "column `v`: the offset is -1");
    assert_malformed(with(|hand| hand.array.null_count = -2), "the null count is -2");
    assert_malformed(with(|hand| hand.array.null_count = 4), "more than the length");
    assert_malformed(with(|hand| hand.array.null_count = 1), "no validity buffer");
    assert_malformed(with(|hand| hand.array.offset = i64::MAX), "overflow");
    assert_malformed(with(|hand| hand.buffers.truncate(1)), "there are 1 buffers");
    assert_malformed(with(|hand| hand.buffers.push(ptr::null())), "there are 3 buffers");
    assert_malformed(with(|hand| hand.buffers[1] = ptr::null()), "buffer 1 is missing");
    assert_malformed(with(|hand| hand.array.release = None), "a child was released");
    assert_malformed(
        with(|hand| (hand.array.length, hand.array.offset) = (3, i64::MAX / 4)),
        "larger than memory",
    );
    assert_malformed(with(|hand| hand.children.push(ptr::null_mut())), "there are 1 children");
}

#[test]
fn lengths_must_agree() {
    let values = [1_i64, 2, 3];
    let schema = Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, true)]));
    let mut column = Hand::new(3, &[ptr::null(), bytes(&values)]);
    let mut root = Hand::new(4, &[ptr::null()]).child(&mut column);
    assert_malformed(import(root.export(), &schema), "4 values are needed from 0, and there are 3");
    root.array.length = -4;
    assert_malformed(import(root.export(), &schema), "the length is -4");
    (root.array.length, root.array.offset) = (1, 2);
    assert_eq!(import(root.export(), &schema).unwrap().num_rows(), 1);
    (root.array.length, root.array.offset) = (2, 2);
    assert_malformed(import(root.export(), &schema), "2 values are needed from 2");
    let mut empty = Hand::new(1, &[ptr::null()]);
    assert_malformed(import(empty.export(), &schema), "the batch has 0 columns");
    let none = [0_u8];
    let mut rows_null = Hand::new(1, &[bytes(&none)]).child(&mut column);
    assert_malformed(import(rows_null.export(), &schema), "NULL as a whole");
}

#[test]
fn malformed_text_is_refused() {
    let good = [0_i32, 1, 3];
    let text = "aé".as_bytes();
    let take = |offsets: &[i32], text: &[u8]| {
        let hand = Hand::new(2, &[ptr::null(), bytes(offsets), bytes(text)]);
        import_column(hand, DataType::Utf8)
    };
    assert!(take(&good, text).is_ok());
    assert_malformed(take(&good, b"a\xff\xff"), "not UTF-8: byte 1");
    assert_malformed(take(&[0, 2, 3], text), "value 1 begins inside a character");
    assert_malformed(take(&[0, 5, 3], text), "decrease");
    assert_malformed(take(&[3, 3, 1], text), "begin at 3 and end before");
    assert_malformed(take(&[-1, 0, 1], text), "begin at -1");
    let mut list = Hand::new(2, &[ptr::null(), bytes(&[0_i32, 1, 4])]);
    let values = [1_i64, 2, 3];
    let mut items = Hand::new(3, &[ptr::null(), bytes(&values)]);
    list = list.child(&mut items);
    let list_type = DataType::new_list(DataType::Int64, true);
    assert_malformed(import_column(list, list_type), "4 values are needed from 0");
}

#[test]
fn wrong_dictionary_keys_are_refused() {
    let keys = [0_i8, 2];
    let words = Hand::new(2, &[ptr::null(), bytes(&[0_i32, 1, 2]), bytes(b"ab")]);
    let data_type = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    let hand = Hand::new(2, &[ptr::null(), bytes(&keys)]);
    assert_malformed(import_column(hand, data_type.clone()), "the dictionary is missing");
    let (mut hand, mut words) = (Hand::new(2, &[ptr::null(), bytes(&keys)]), words);
    hand.array.dictionary = &raw mut words.settle().array;
    assert_malformed(import_column(hand, data_type), "");
}

#[test]
fn misaligned_buffers_are_copied() {
    let mut memory = vec![0_u64; 4];
    // SAFETY: 25 of 32 bytes.
    let bytes_of = unsafe { std::slice::from_raw_parts_mut(memory.as_mut_ptr().cast::<u8>(), 32) };
    bytes_of[1..17].copy_from_slice([5_i64, 6].map(i64::to_ne_bytes).as_flattened());
    let mut column = Hand::new(2, &[ptr::null(), bytes_of[1..].as_ptr()]);
    let mut root = Hand::new(2, &[ptr::null()]).child(&mut column);
    let schema = Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, true)]));
    let batch = import(root.export(), &schema).unwrap();
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[5, 6]);
}

#[test]
fn nulls_in_a_column_that_is_not_null_are_refused() {
    let array: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let schema = Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, false)]));
    let data = StructArray::from(batch_of(&array)).to_data();
    let error = import(foreign(&data), &schema).unwrap_err();
    assert_eq!(error.code(), code::NULL_VALUE);
    assert!(error.message().contains("`v` is NOT NULL"), "{error}");
}

#[test]
fn schemas_are_compared_by_name() {
    let array: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let batch = batch_of(&array);
    let target = Arc::new(Schema::new(vec![
        Field::new("w", DataType::Utf8, true),
        Field::new("v", DataType::Int64, false),
    ]));
    let importer = Importer::new(target, true);
    let take = |schema: &Schema| {
        let schema = FFI_ArrowSchema::try_from(schema).unwrap();
        // SAFETY: one layout; the schema lives until the end of the function.
        let checked =
            unsafe { CheckedSchema::borrow((&raw const schema).cast::<ArrowSchema>()) }.unwrap();
        let data = StructArray::from(batch.clone()).to_data();
        importer.batch(&Owner::new(foreign(&data)), checked.as_ref())
    };
    let taken = take(batch.schema_ref()).unwrap();
    assert_eq!(taken.column(1).as_primitive::<Int64Type>().values(), &[1, 2]);
    assert_eq!(taken.column(0).null_count(), 2);
    let other = Schema::new(vec![Field::new("x", DataType::Int32, true)]);
    let error = take(&other).unwrap_err();
    assert_eq!(error.code(), code::BATCH_SCHEMA);
    assert!(error.message().contains("`x`"), "{error}");
}

#[test]
fn malformed_schemas_are_refused() {
    let good =
        || FFI_ArrowSchema::try_from(&Schema::new(vec![Field::new("v", DataType::Int64, true)]));
    let mut schema = good().unwrap();
    let raw = (&raw mut schema).cast::<ArrowSchema>();
    let address = raw.cast_const();
    let check = move || {
        // SAFETY: `raw` is live.
        unsafe { CheckedSchema::borrow(address) }.map(|_| ()).unwrap_err().message().to_owned()
    };
    // SAFETY: only fields that are put back before the schema is released change.
    unsafe {
        assert!(CheckedSchema::borrow(raw).is_ok());
        assert!(CheckedSchema::borrow(ptr::null()).unwrap().is_none());
        let format = std::mem::replace(&mut (*raw).format, ptr::null());
        assert_eq!(check(), "the format of the schema is NULL");
        (*raw).format = c"+m".as_ptr();
        (*raw).n_children = 0;
        assert!(check().contains("needs 1 children"));
        (*raw).n_children = -1;
        assert!(check().contains("-1 children"));
        ((*raw).format, (*raw).n_children) = (format, 1);
        let children = std::mem::replace(&mut (*raw).children, ptr::null_mut());
        assert!(check().contains("children is NULL"));
        (*raw).children = children;
        let release = (*raw).release.take();
        assert_eq!(check(), "the schema was released");
        (*raw).release = release;
    }
}

#[test]
fn a_refused_array_can_be_given_back() {
    let array: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let batch = batch_of(&array);
    let mut slot = foreign(&StructArray::from(batch.clone()).to_data());
    // SAFETY: `slot` is initialised and outlives the value.
    let mut offered = unsafe { Offered::take(&raw mut slot, code::INGESTION_ARGUMENT) }.unwrap();
    assert!(slot.release.is_none());
    let importer = Importer::new(batch.schema(), true);
    let kept = importer.batch(offered.owner(), None).unwrap();
    drop(kept);
    offered.give_back().unwrap();
    assert!(slot.release.is_some());
    // SAFETY: as above.
    let mut offered = unsafe { Offered::take(&raw mut slot, code::INGESTION_ARGUMENT) }.unwrap();
    let kept = importer.batch(offered.owner(), None).unwrap();
    assert!(offered.give_back().is_err());
    assert_eq!(kept, batch);
    // SAFETY: as above.
    let again = unsafe { Offered::take(&raw mut slot, code::INGESTION_ARGUMENT) };
    assert!(again.is_err_and(|error| error.message().contains("released or moved")));
}

#[test]
fn the_root_may_have_no_columns() {
    let schema = Arc::new(Schema::empty());
    let mut root = Hand::new(5, &[ptr::null()]);
    assert_eq!(import(root.export(), &schema).unwrap().num_rows(), 5);
    let buffer = Buffer::from_vec(vec![0_i32]);
    let values: ScalarBuffer<i32> = buffer.into();
    assert_eq!(values.len(), 1);
}

fn appender(fields: &[(&str, DataType, bool)]) -> Rows {
    let field = |(name, data_type, nullable): &(&str, DataType, bool)| {
        Field::new(*name, data_type.clone(), *nullable)
    };
    Rows::new(Arc::new(Schema::new(fields.iter().map(field).collect::<Vec<_>>())))
}

fn flush(rows: &mut Rows) -> RecordBatch {
    let mut sent = None;
    rows.flush(
        |batch| {
            sent = Some(batch);
            Ok(())
        },
        |_| false,
    )
    .unwrap();
    sent.unwrap()
}

#[test]
fn the_appender_fills_every_type() {
    let types = arrays().iter().map(|array| array.data_type().clone()).collect::<Vec<_>>();
    for data_type in types {
        let mut rows = appender(&[("v", data_type.clone(), true)]);
        let pushed = [
            rows.set_integer(0, 7).is_ok(),
            rows.set_double(0, 7.0).is_ok(),
            rows.set_bool(0, true).is_ok(),
            rows.set_string(0, "7").is_ok(),
            rows.set_binary(0, b"777").is_ok(),
        ];
        rows.end_row().unwrap();
        rows.set_null(0).unwrap();
        rows.end_row().unwrap();
        let batch = flush(&mut rows);
        assert_eq!(batch.column(0).data_type(), &data_type);
        assert_eq!((batch.num_rows(), rows.len()), (2, 0));
        batch.column(0).to_data().validate_full().unwrap();
        let is_nested_or_null = data_type.is_nested() || data_type.is_null();
        assert_eq!(pushed.contains(&true), !is_nested_or_null, "{data_type}: {pushed:?}");
    }
}

#[test]
fn the_appender_checks_values() {
    let mut rows = appender(&[
        ("small", DataType::Int8, true),
        ("name", DataType::Utf8, false),
        ("price", DataType::Decimal128(4, 2), true),
        ("key", DataType::FixedSizeBinary(2), true),
        ("ratio", DataType::Float32, true),
    ]);
    for (error, part) in [
        (rows.set_integer(0, 128), "`small` of type Int8 cannot hold 128"),
        (rows.set_string(0, "1"), "`small` has the type Int8, and a text"),
        (rows.set_null(1), "`name` is NOT NULL"),
        (rows.set_string(2, "1.234"), "`price`"),
        (rows.set_string(2, "100"), "`price`"),
        (rows.set_integer(2, 100), "`price`"),
        (rows.set_binary(3, b"abc"), "`key`"),
        (rows.set_double(4, 1e300), "`ratio`"),
        (rows.set_integer(4, (1 << 24) + 1), "`ratio`"),
        (rows.set_bool(9, true), "no column 9: the source has 5"),
        (rows.end_row(), "`name` is NOT NULL and has no value"),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.kind().status(), 300);
        assert!(error.message().contains(part), "{error}");
    }
    rows.set_string(1, "first").unwrap();
    rows.set_string(1, "second").unwrap();
    rows.set_integer(2, 9).unwrap();
    rows.set_binary(3, b"ab").unwrap();
    rows.end_row().unwrap();
    // A failure forgets the row that was begun, and only that.
    rows.set_string(1, "third").unwrap();
    rows.set_integer(0, 1000).unwrap_err();
    rows.end_row().unwrap_err();
    let batch = flush(&mut rows);
    assert_eq!(batch.num_rows(), 1);
    assert_eq!(batch.column(1).as_string::<i32>().value(0), "second");
    assert_eq!(batch.column(2).as_primitive::<Decimal128Type>().value(0), 900);
    assert!(batch.column(0).is_null(0));
}

#[test]
fn a_row_that_was_begun_outlives_a_flush() {
    let mut rows = appender(&[("a", DataType::Utf8View, true), ("b", DataType::Int64, true)]);
    rows.set_string(0, "ended").unwrap();
    rows.end_row().unwrap();
    rows.set_string(0, "begun").unwrap();
    rows.set_null(1).unwrap();
    assert_eq!(flush(&mut rows).num_rows(), 1);
    rows.end_row().unwrap();
    let batch = flush(&mut rows);
    assert_eq!(batch.column(0).as_string_view().value(0), "begun");
    assert!(batch.column(1).is_null(0));
}

#[test]
fn refused_rows_are_kept_and_failed_ones_dropped() {
    let mut rows = appender(&[("a", DataType::Int64, true)]);
    let add = |rows: &mut Rows, value: i128| {
        rows.set_integer(0, value).unwrap();
        rows.end_row().unwrap();
    };
    add(&mut rows, 1);
    let full = |_| Err::<(), _>(Error::new(code::FULL, "full"));
    rows.flush(full, |_| true).unwrap_err();
    assert_eq!(rows.len(), 1);
    add(&mut rows, 2);
    assert_eq!(rows.len(), 2);
    let batch = flush(&mut rows);
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[1, 2]);
    add(&mut rows, 3);
    rows.flush(full, |_| false).unwrap_err();
    assert_eq!(rows.len(), 0);
    add(&mut rows, 4);
    rows.reset();
    assert_eq!(rows.len(), 0);
    rows.flush(full, |_| true).unwrap();
}

#[test]
fn the_appender_takes_its_memory_back() {
    let mut rows = appender(&[("a", DataType::Int64, true), ("b", DataType::Utf8, true)]);
    let mut address = None;
    for round in 0..3 {
        for row in 0..100 {
            rows.set_integer(0, row).unwrap();
            rows.set_string(1, "some text").unwrap();
            rows.end_row().unwrap();
        }
        let mut seen = None;
        rows.flush(
            |batch| {
                let values = batch.column(0).as_primitive::<Int64Type>().values().as_ptr();
                let text = batch.column(1).as_string::<i32>().value_data().as_ptr();
                seen = Some((values.addr(), text.addr()));
                Ok(())
            },
            |_| false,
        )
        .unwrap();
        if round > 0 {
            assert_eq!(seen, address);
        }
        address = seen;
    }
}
