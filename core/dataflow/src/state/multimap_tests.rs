//! [`Multimap`] against a list per key, under random batches, walks, removals and snapshots.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, ListArray, StringArray,
};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};

use super::*;
use crate::state::Snapshot;

/// SplitMix64 (Steele, Lea, Flood, 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// A row: the number of its key, and of its other columns' values.
type Row = (i64, u64);

/// Each row of a key with its weight, in the order in which they came.
type Model = BTreeMap<i64, Vec<(u64, i64)>>;

/// Columns of every representation, all made of one number, so that it can be read back from the
/// first. Some are NULL, and 0.0 and -0.0 both appear.
fn columns(values: &[u64]) -> Vec<ArrayRef> {
    let every = |n: u64, v: u64| !v.is_multiple_of(n);
    let number = |v: &u64| *v as i64;
    let text = |v: &u64| format!("{v}{}", "é".repeat(*v as usize % 12));
    let float = |v: &u64| if v.is_multiple_of(2) { -0.0 } else { 0.0 };
    let lists = values.iter().map(|v| {
        every(5, *v).then(|| (0..*v % 4).map(|n| Some((n + v) as i32)).collect::<Vec<_>>())
    });
    vec![
        Arc::new(Int64Array::from_iter_values(values.iter().map(number))),
        Arc::new(values.iter().map(|v| every(3, *v).then(|| text(v))).collect::<StringArray>()),
        Arc::new(Float64Array::from_iter_values(values.iter().map(float))),
        Arc::new(
            values.iter().map(|v| every(4, *v).then_some(v % 2 == 1)).collect::<BooleanArray>(),
        ),
        Arc::new(values.iter().map(|v| every(7, *v).then_some(*v as i32)).collect::<Int32Array>()),
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists)),
    ]
}

fn types() -> Vec<DataType> {
    columns(&[1]).iter().map(|column| column.data_type().clone()).collect()
}

fn key_column(keys: impl Iterator<Item = i64>) -> Vec<ArrayRef> {
    vec![Arc::new(Int64Array::from_iter_values(keys))]
}

/// What a snapshot holds, by key, with all columns checked against the number in the first.
fn read(snapshot: &MultimapSnapshot) -> Model {
    let mut model = Model::new();
    for rows in snapshot.chunks(7) {
        let rows = rows.unwrap();
        let keys = rows.keys[0].as_primitive::<Int64Type>().values();
        let values = rows.columns[0].as_primitive::<Int64Type>().values();
        let values: Vec<u64> = values.iter().map(|value| *value as u64).collect();
        assert_eq!(rows.columns, columns(&values));
        let bits = |column: &ArrayRef| -> Vec<u64> {
            column.as_primitive::<Float64Type>().values().iter().map(|x| x.to_bits()).collect()
        };
        assert_eq!(bits(&rows.columns[2]), bits(&columns(&values)[2]));
        for (row, (key, value)) in keys.iter().zip(values).enumerate() {
            model.entry(*key).or_default().push((value, rows.weights[row]));
        }
    }
    model
}

/// Checks a walk over all keys, known or not, in pieces of any size.
fn check_walk(map: &mut Multimap, model: &Model, random: &mut Random) {
    let keys: Vec<i64> = (0..40).map(|_| random.below(25) as i64).collect();
    let mut expected = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        let rows = model.get(key).into_iter().flatten().filter(|(_, weight)| *weight != 0);
        expected.extend(rows.map(|(value, weight)| (number, *value, *weight)));
    }
    let mut probe = Probe::default();
    map.probe(&key_column(keys.iter().copied()), keys.len(), &mut probe).unwrap();
    let (mut rows, mut slots, mut got) = (Vec::new(), Vec::new(), Vec::new());
    let limit = 1 + random.below(50) as usize;
    loop {
        map.matches(&mut probe, limit, (&mut rows, &mut slots), |slot| map.weight(slot));
        if rows.is_empty() {
            break;
        }
        let values = map.gather(0, &slots).unwrap();
        for (at, (row, slot)) in rows.iter().zip(&slots).enumerate() {
            let value = values.as_primitive::<Int64Type>().value(at) as u64;
            got.push((*row as usize, value, map.weight(*slot)));
        }
    }
    assert_eq!(got, expected);
}

/// Checks what a list of all rows tells.
fn check_all(map: &mut Multimap, model: &Model) {
    let (keys, weights, slots) = map.all().unwrap();
    let keys = keys[0].as_primitive::<Int64Type>().values().iter();
    let values = map.gather(0, &slots).unwrap();
    let values = values.as_primitive::<Int64Type>().values().iter().map(|value| *value as u64);
    let mut got: Vec<(i64, u64, i64)> =
        keys.zip(values).zip(weights).map(|((key, value), weight)| (*key, value, weight)).collect();
    let rows = model.iter().flat_map(|(key, list)| list.iter().map(|row| (*key, row.0, row.1)));
    let mut expected: Vec<(i64, u64, i64)> = rows.collect();
    got.sort_unstable();
    expected.sort_unstable();
    assert_eq!(got, expected);
}

/// The slot of a row, found by a walk.
fn slot_of(map: &mut Multimap, (key, value): Row) -> u32 {
    let mut probe = Probe::default();
    map.probe(&key_column([key].into_iter()), 1, &mut probe).unwrap();
    let (mut rows, mut slots) = (Vec::new(), Vec::new());
    map.matches(&mut probe, usize::MAX, (&mut rows, &mut slots), |slot| map.weight(slot));
    let values = map.gather(0, &slots).unwrap();
    let values = values.as_primitive::<Int64Type>().values();
    slots[values.iter().position(|stored| *stored as u64 == value).unwrap()]
}

/// Random batches into a map and into lists. Each batch may take back what is there or what it
/// brings itself; with `Never` rows only come, and each is different.
fn agrees_with_lists(search: Search, seed: u64) {
    let mut random = Random(seed);
    let mut map = Multimap::new(&[DataType::Int64], &types(), search).unwrap();
    let mut model = Model::new();
    let mut fresh = 1_000;
    let mut snapshots: Vec<(MultimapSnapshot, Snapshot, Model)> = Vec::new();
    for _ in 0..120 {
        let rows: Vec<(Row, i64)> = (0..random.below(40))
            .map(|_| {
                let key = random.below(20) as i64;
                match search {
                    Search::Never => {
                        fresh += 1;
                        ((key, fresh), 1)
                    }
                    _ => {
                        let value = random.below(12) + 1;
                        ((key, value), [1, 1, 2, -1, -2][random.below(5) as usize])
                    }
                }
            })
            .collect();
        let mut expected: Vec<(Row, i64, i64)> = Vec::new();
        for ((key, value), weight) in &rows {
            let list = model.entry(*key).or_default();
            let at = match list.iter().position(|(stored, ..)| stored == value) {
                Some(at) => at,
                None => {
                    list.push((*value, 0));
                    list.len() - 1
                }
            };
            let named = expected.iter().position(|(row, ..)| *row == (*key, *value));
            let change = named.unwrap_or_else(|| {
                expected.push(((*key, *value), list[at].1, 0));
                expected.len() - 1
            });
            list[at].1 += weight;
            expected[change].2 += weight;
        }
        expected.retain(|(_, _, change)| *change != 0);

        let values: Vec<u64> = rows.iter().map(|((_, value), _)| *value).collect();
        let weights: Vec<i64> = rows.iter().map(|(_, weight)| *weight).collect();
        let weights = (search != Search::Never).then_some(weights.as_slice());
        let keys = key_column(rows.iter().map(|((key, _), _)| *key));
        let mut changes = Vec::new();
        map.add(&keys, &columns(&values), weights, rows.len(), &mut changes).unwrap();
        let got: Vec<(Row, i64, i64)> = changes
            .iter()
            .map(|change| (rows[change.row as usize].0, change.before, change.change))
            .collect();
        assert_eq!(got, expected);

        check_walk(&mut map, &model, &mut random);
        map.settle();
        model.values_mut().for_each(|list| list.retain(|(_, weight)| *weight != 0));
        model.retain(|_, list| !list.is_empty());
        assert_eq!(map.len(), model.values().map(Vec::len).sum::<usize>());

        if let Some(key) = model.keys().nth(random.below(20) as usize).copied() {
            let at = random.below(model[&key].len() as u64) as usize;
            let slot = slot_of(&mut map, (key, model[&key][at].0));
            if random.below(3) == 0 {
                map.remove(slot);
                model.get_mut(&key).unwrap().remove(at);
            }
            model.retain(|_, list| !list.is_empty());
        }
        check_walk(&mut map, &model, &mut random);
        check_all(&mut map, &model);
        if random.below(10) == 0 {
            let parts = Snapshot::take(&mut map).unwrap();
            snapshots.push((map.snapshot(), parts, model.clone()));
        }
        if random.below(30) == 0
            && let Some((_, parts, then)) = snapshots.last()
        {
            // Back to an earlier time, and on from there.
            parts.restore(&mut map).unwrap();
            model = then.clone();
            check_walk(&mut map, &model, &mut random);
        }
    }
    assert!(!snapshots.is_empty() && !model.is_empty());
    assert!(map.state_bytes() > 10_000);
    for (snapshot, parts, expected) in &snapshots {
        assert_eq!(read(snapshot), *expected);
        let mut again = Multimap::new(&[DataType::Int64], &types(), search).unwrap();
        parts.restore(&mut again).unwrap();
        assert_eq!(read(&again.snapshot()), *expected);
        check_walk(&mut again, expected, &mut random);
        // Where rows are looked for, every one is found again and can be taken back.
        let rows = expected.iter().flat_map(|(key, list)| list.iter().map(move |row| (*key, row)));
        let (keys, rows): (Vec<i64>, Vec<&(u64, i64)>) = rows.unzip();
        let values: Vec<u64> = rows.iter().map(|row| row.0).collect();
        let weights: Vec<i64> = rows.iter().map(|row| -row.1).collect();
        if search != Search::Never {
            let (keys, mut changes) = (key_column(keys.into_iter()), Vec::new());
            let columns = columns(&values);
            again.add(&keys, &columns, Some(&weights), values.len(), &mut changes).unwrap();
            again.settle();
            assert!(again.is_empty());
        }
    }
}

#[test]
fn rows_found_by_hash() {
    (0..8).for_each(|seed| agrees_with_lists(Search::Hash, seed));
}

#[test]
fn rows_found_in_their_list() {
    (100..108).for_each(|seed| agrees_with_lists(Search::Chain, seed));
}

#[test]
fn rows_that_are_never_looked_for() {
    (200..208).for_each(|seed| agrees_with_lists(Search::Never, seed));
}

#[test]
fn rows_without_keys_or_columns() {
    let mut map = Multimap::new(&[], &[DataType::Int64], Search::Hash).unwrap();
    let (mut changes, mut probe) = (Vec::new(), Probe::default());
    let (mut rows, mut slots) = (Vec::new(), Vec::new());
    map.probe(&[], 2, &mut probe).unwrap();
    map.matches(&mut probe, 10, (&mut rows, &mut slots), |slot| map.weight(slot));
    assert!(rows.is_empty());
    map.add(&[], &key_column([7, 8].into_iter()), None, 2, &mut changes).unwrap();
    map.probe(&[], 2, &mut probe).unwrap();
    map.matches(&mut probe, 10, (&mut rows, &mut slots), |slot| map.weight(slot));
    assert_eq!(rows, [0, 0, 1, 1]);
    assert_eq!(&map.gather(0, &slots).unwrap(), &key_column([7, 8, 7, 8].into_iter())[0]);

    let mut counted = Multimap::new(&[DataType::Int64], &[], Search::Chain).unwrap();
    let keys = key_column([1, 2, 1].into_iter());
    counted.add(&keys, &[], None, 3, &mut changes).unwrap();
    assert_eq!(counted.len(), 2);
    assert_eq!((counted.weight(changes[0].slot), counted.weight(changes[1].slot)), (2, 1));
    counted.add(&keys, &[], Some(&[-1, -1, -1]), 3, &mut changes).unwrap();
    counted.settle();
    assert!(counted.is_empty());
}

#[test]
fn a_key_of_ten_thousand_rows_is_not_searched_row_by_row() {
    // Quadratic, this would be 10^8 comparisons of six columns, many seconds.
    let values: Vec<u64> = (1..=10_000).collect();
    let mut map = Multimap::new(&[DataType::Int64], &types(), Search::Hash).unwrap();
    let (keys, columns) = (key_column(values.iter().map(|_| 1)), columns(&values));
    let mut changes = Vec::new();
    map.add(&keys, &columns, None, values.len(), &mut changes).unwrap();
    let back = vec![-1; values.len()];
    map.add(&keys, &columns, Some(&back), values.len(), &mut changes).unwrap();
    map.settle();
    assert!(map.is_empty());
}
