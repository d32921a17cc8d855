use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;

use super::*;
use crate::state::Snapshot;

fn slots(index: &mut GroupIndex, keys: &[ArrayRef]) -> Vec<u32> {
    let mut slots = Vec::new();
    index.intern(keys, keys.first().map_or(0, |key| key.len()), &mut slots).unwrap();
    slots
}

fn index_of(columns: &[ArrayRef]) -> GroupIndex {
    let types: Vec<DataType> = columns.iter().map(|column| column.data_type().clone()).collect();
    GroupIndex::new(&types).unwrap()
}

/// Interning gives equal slots to equal rows, and the slots decode to the rows.
fn round_trip(columns: &[ArrayRef]) -> GroupIndex {
    let mut index = index_of(columns);
    let first = slots(&mut index, columns);
    assert_eq!(slots(&mut index, columns), first, "{:?}", index.types());
    assert!(index.created().is_empty());
    let decoded = index.keys(&first).unwrap();
    for (column, decoded) in columns.iter().zip(&decoded) {
        decoded.to_data().validate_full().unwrap();
        assert_eq!(column.as_ref(), decoded.as_ref());
    }
    let mut found = Vec::new();
    index.lookup(columns, first.len(), &mut found).unwrap();
    assert_eq!(found, first);
    let mut other = index_of(columns);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    other.intern_all(&index, &mut ours, &mut theirs).unwrap();
    assert_eq!(other.len(), index.len());
    assert_eq!(index.keys(&theirs).unwrap(), other.keys(&ours).unwrap());
    let snapshot = index.snapshot();
    assert_eq!(snapshot.len(), index.len());
    assert_eq!(snapshot.keys(&first).unwrap(), decoded);
    let mut restored = index_of(columns);
    Snapshot::take(&mut index).unwrap().restore(&mut restored).unwrap();
    assert_eq!(slots(&mut restored, columns), first);
    assert!(restored.created().is_empty());
    index
}

fn sample_columns() -> Vec<ArrayRef> {
    let strings = [Some("a"), None, Some(""), Some("a string too long to stand inline"), Some("b")];
    let bytes = strings.map(|text| text.map(str::as_bytes));
    let dictionary: DictionaryArray<Int32Type> =
        [Some("x"), None, Some("y"), Some("x"), None].into_iter().collect();
    let numbers = [Some(1), None, Some(-1), Some(0), Some(i64::MAX)];
    let decimals = [Some(1i128), None, Some(-1), Some(i128::MAX), Some(0)];
    let fixed = [Some([1u8; 12]), None, Some([2; 12]), Some([0; 12]), Some([1; 12])];
    let lists = [Some(vec![Some(1)]), None, Some(vec![]), Some(vec![None]), Some(vec![Some(1)])];
    vec![
        Arc::new(Int64Array::from_iter(numbers)),
        Arc::new(Int8Array::from(vec![Some(1), None, Some(-1), Some(0), Some(127)])),
        Arc::new(UInt16Array::from(vec![Some(1), None, Some(9), Some(0), Some(65535)])),
        Arc::new(Int32Array::from(vec![1, 2, 1, -3, 2])),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true), None])),
        Arc::new(Float64Array::from(vec![Some(1.5), None, Some(f64::NAN), Some(0.0), Some(1.5)])),
        Arc::new(Float32Array::from(vec![Some(1.5), None, Some(f32::NAN), Some(0.0), Some(1.5)])),
        Arc::new(TimestampMicrosecondArray::from_iter(numbers).with_timezone("Europe/Berlin")),
        Arc::new(Date32Array::from(vec![Some(1), None, Some(-1), Some(0), Some(1)])),
        Arc::new(Decimal128Array::from_iter(decimals).with_precision_and_scale(38, 4).unwrap()),
        Arc::new(Decimal256Array::from_iter(
            decimals.map(|value| value.map(|value| i256::from_parts(7, value))),
        )),
        Arc::new(IntervalMonthDayNanoArray::from(vec![
            Some(IntervalMonthDayNano::new(1, -2, 3)),
            None,
            Some(IntervalMonthDayNano::new(-1, 2, -3)),
            Some(IntervalMonthDayNano::new(0, 0, 0)),
            Some(IntervalMonthDayNano::new(1, -2, 3)),
        ])),
        Arc::new(IntervalDayTimeArray::from(vec![IntervalDayTime::new(-1, 5); 5])),
        Arc::new(
            FixedSizeBinaryArray::try_from_sparse_iter_with_size(fixed.into_iter(), 12).unwrap(),
        ),
        Arc::new(StringArray::from_iter(strings)),
        Arc::new(LargeStringArray::from_iter(strings)),
        Arc::new(StringViewArray::from_iter(strings)),
        Arc::new(BinaryArray::from_iter(bytes)),
        Arc::new(LargeBinaryArray::from_iter(bytes)),
        Arc::new(BinaryViewArray::from_iter(bytes)),
        Arc::new(dictionary),
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists)),
        Arc::new(NullArray::new(5)),
    ]
}

#[test]
fn every_type_alone() {
    for column in sample_columns() {
        round_trip(&[column]);
    }
}

#[test]
fn every_two_types_and_many() {
    let columns = sample_columns();
    for a in &columns {
        for b in &columns {
            round_trip(&[a.clone(), b.clone()]);
        }
    }
    round_trip(&columns[..5]);
    round_trip(&columns);
}

#[test]
fn slots_come_in_the_order_of_first_touch() {
    let mut index = GroupIndex::new(&[DataType::Int64]).unwrap();
    let keys: ArrayRef = Arc::new(Int64Array::from(vec![Some(9), None, Some(9), Some(3), None]));
    assert_eq!(slots(&mut index, &[keys]), [0, 1, 0, 2, 1]);
    assert_eq!(index.created(), [0, 1, 2]);
    index.remove(1);
    index.remove(0);
    assert_eq!((index.len(), index.slots(), index.is_live(1)), (1, 3, false));
    let keys: ArrayRef = Arc::new(Int64Array::from(vec![3, 7, 9, 8]));
    assert_eq!(slots(&mut index, &[keys]), [2, 0, 1, 3]);
    index.clear();
    let keys: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(3)]));
    assert_eq!(slots(&mut index, &[keys]), [0, 1]);
}

#[test]
fn zeros_are_one_key_and_so_are_nans() {
    let nan = f64::from_bits(f64::NAN.to_bits() | 1 << 63 | 5);
    let keys: ArrayRef = Arc::new(Float64Array::from(vec![-0.0, 0.0, nan, f64::NAN]));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a"; 4]));
    for keys in [vec![keys.clone()], vec![keys, text]] {
        let mut index = index_of(&keys);
        assert_eq!(slots(&mut index, &keys), [0, 0, 1, 1]);
        let decoded = index.keys(&[0, 1]).unwrap();
        let decoded = decoded[0].as_primitive::<Float64Type>();
        assert_eq!(decoded.value(0).to_bits(), 0);
        assert!(decoded.value(1).is_nan());
    }
}

#[test]
fn without_columns_there_is_one_group() {
    let mut index = GroupIndex::new(&[]).unwrap();
    assert_eq!((index.len(), index.slots(), index.is_live(0)), (1, 1, true));
    let mut slots = Vec::new();
    index.intern(&[], 3, &mut slots).unwrap();
    assert_eq!(slots, [0, 0, 0]);
    index.remove(0);
    index.clear();
    assert_eq!((index.len(), index.keys(&[0]).unwrap().len()), (1, 0));
}

/// Random insertions and removals, compared with a map, with snapshots that must not change.
#[test]
fn agrees_with_a_map_up_to_200_thousand_keys() {
    let number = |key: u64| -> ArrayRef { Arc::new(UInt64Array::from(vec![key])) };
    let text = |key: u64| -> ArrayRef {
        let text = if key.is_multiple_of(3) {
            format!("{key}")
        } else {
            format!("the long key {key:020}")
        };
        Arc::new(StringArray::from(vec![text]))
    };
    let makers: [&dyn Fn(u64) -> Vec<ArrayRef>; 3] =
        [&|key| vec![number(key)], &|key| vec![text(key)], &|key| {
            vec![text(key / 7), number(key % 7)]
        }];
    for (round, make) in makers.into_iter().enumerate() {
        let mut index = index_of(&make(0));
        let mut model: HashMap<u64, u32> = HashMap::new();
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut snapshots = Vec::new();
        let range = if round == 0 { 300_000 } else { 40_000 };
        for step in 0..range * 2 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let key = (state >> 33) % range;
            if state >> 31 & 3 == 0 {
                if let Some(slot) = model.remove(&key) {
                    index.remove(slot);
                }
            } else {
                let slot = slots(&mut index, &make(key))[0];
                assert_eq!(*model.entry(key).or_insert(slot), slot);
            }
            if step % (range / 2) == range / 3 {
                let all: Vec<u32> = index.live_slots().collect();
                let parts = Snapshot::take(&mut index).unwrap();
                let keys = index.keys(&all).unwrap();
                snapshots.push((index.snapshot(), parts, model.clone(), keys, all));
            }
            if step == range * 3 / 2 {
                // Back to an earlier time, and on from there.
                let (_, parts, then, ..) = &snapshots[1];
                parts.restore(&mut index).unwrap();
                model = then.clone();
            }
        }
        assert_eq!(index.len(), model.len());
        assert!(round > 0 || model.len() > 150_000);
        for (snapshot, parts, model, keys, all) in snapshots {
            assert_eq!(snapshot.live_slots().collect::<Vec<_>>(), all);
            assert_eq!(snapshot.keys(&all).unwrap(), keys);
            let mut restored = index_of(&make(0));
            parts.restore(&mut restored).unwrap();
            assert_eq!(restored.len(), model.len());
            let mut found = Vec::new();
            restored.lookup(&keys, all.len(), &mut found).unwrap();
            assert_eq!(found, all);
        }
    }
}

#[test]
fn large_batches_are_found_again() {
    let keys: ArrayRef = Arc::new(Int64Array::from_iter_values((0..200_000).map(|k| k * 4096)));
    let index = round_trip(std::slice::from_ref(&keys));
    assert!(index.state_bytes() < 200_000 * 40, "{}", index.state_bytes());
    let text = arrow::compute::cast(&keys, &DataType::Utf8).unwrap();
    round_trip(std::slice::from_ref(&text));
    round_trip(&[keys, text]);
}
