use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, StringArray};
use arrow::datatypes::Int64Type;

use super::*;
use crate::aggregate::{AggregateFunction, create};
use crate::state::Snapshot;

/// count(*), sum(v), max(v) by a BIGINT key.
fn table(append_only: bool) -> AggregateTable {
    let calls = [
        create(AggregateFunction::CountAll, &[], append_only),
        create(AggregateFunction::Sum, &[DataType::Int64], append_only),
        create(AggregateFunction::Max, &[DataType::Int64], append_only),
    ];
    let calls = calls.into_iter().map(Result::unwrap).collect();
    AggregateTable::new(&[DataType::Int64], calls, append_only).unwrap()
}

fn add(table: &mut AggregateTable, rows: &[(i64, i64)], weights: Option<&[i64]>) -> Result<()> {
    let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1)));
    let values = [values];
    let args = AggregateArgs { args: &values, filter: None };
    table.update(&[keys], &[AggregateArgs::default(), args, args], weights, rows.len())
}

fn rows(columns: &[ArrayRef]) -> Vec<[Option<i64>; 4]> {
    let columns: Vec<&Int64Array> = columns.iter().map(|c| c.as_primitive::<Int64Type>()).collect();
    let row = |row| {
        let value = |column: &&Int64Array| column.is_valid(row).then(|| column.value(row));
        let values: Vec<_> = columns.iter().map(value).collect();
        values.try_into().unwrap()
    };
    (0..columns[0].len()).map(row).collect()
}

fn live(table: &AggregateTable) -> Vec<[Option<i64>; 4]> {
    rows(&table.emit(&table.live_slots().collect::<Vec<_>>()).unwrap())
}

fn all(snapshot: &AggregateSnapshot) -> Vec<[Option<i64>; 4]> {
    snapshot.chunks(3).flat_map(|chunk| rows(&chunk.unwrap())).collect()
}

#[test]
fn tells_touched_groups_once_in_order() {
    let mut table = table(true);
    add(&mut table, &[(5, 1), (3, 2), (5, 3)], None).unwrap();
    add(&mut table, &[(3, 1), (9, 1)], None).unwrap();
    assert_eq!(table.touched(), [0, 1, 2]);
    assert_eq!(table.touched_is_new(), [true; 3]);
    table.settle();
    add(&mut table, &[(9, 7), (4, 1), (5, 0)], None).unwrap();
    assert_eq!(table.touched(), [2, 3, 0]);
    assert_eq!(table.touched_is_new(), [false, true, false]);
    let emitted = rows(&table.emit(&[2, 0]).unwrap());
    assert_eq!(emitted[0], [9, 2, 8, 7].map(Some));
    assert_eq!(emitted[1], [5, 3, 4, 3].map(Some));
    table.clear();
    assert!(table.is_empty() && table.touched().is_empty());
    add(&mut table, &[(1, 1)], None).unwrap();
    assert_eq!(live(&table), [[1, 1, 1, 1].map(Some)]);
}

#[test]
fn groups_without_rows_vanish_and_their_slots_are_used_again() {
    let mut table = table(false);
    add(&mut table, &[(1, 10), (2, 20)], None).unwrap();
    table.settle();
    let snapshot = table.snapshot();
    add(&mut table, &[(1, 10), (3, 30)], Some(&[-1, 2])).unwrap();
    assert_eq!(live(&table), [[2, 1, 20, 20].map(Some), [3, 2, 60, 30].map(Some)]);
    assert_eq!((table.len(), table.is_present(0)), (3, false));
    table.settle();
    assert_eq!(table.len(), 2);
    add(&mut table, &[(4, 1)], None).unwrap();
    assert_eq!(table.touched(), [0]);
    assert_eq!(table.touched_is_new(), [true]);
    assert_eq!(live(&table)[0], [4, 1, 1, 1].map(Some));
    assert_eq!(all(&snapshot), [[1, 1, 10, 10].map(Some), [2, 1, 20, 20].map(Some)]);
}

#[test]
fn a_failed_batch_leaves_nothing() {
    for append_only in [true, false] {
        let mut table = table(append_only);
        add(&mut table, &[(1, i64::MAX), (2, 5)], None).unwrap();
        table.settle();
        add(&mut table, &[(2, 1)], None).unwrap();
        let before = live(&table);
        let error = add(&mut table, &[(7, 7), (2, 2), (1, 1), (8, 8)], None).unwrap_err();
        assert_eq!(error.code(), laminar_types::error::code::EXECUTION);
        assert_eq!((live(&table), table.touched(), table.len()), (before, &[1][..], 2));
        // Row by row all but the failing one go in, into the slots they would have had.
        assert!(add(&mut table, &[(7, 7)], None).is_ok());
        assert!(add(&mut table, &[(1, 1)], None).is_err());
        assert!(add(&mut table, &[(8, 8)], None).is_ok());
        assert_eq!(table.touched(), [1, 2, 3]);
        assert_eq!(table.touched_is_new(), [false, true, true]);
        assert_eq!(live(&table)[2], [7, 1, 7, 7].map(Some));
    }
}

#[test]
fn two_sums_fail_together() {
    let sum = || create(AggregateFunction::Sum, &[DataType::Int64], true).unwrap();
    let count = create(AggregateFunction::CountAll, &[], true).unwrap();
    let mut table =
        AggregateTable::new(&[DataType::Int64], vec![count, sum(), sum()], true).unwrap();
    let column =
        |values: Vec<Option<i64>>| -> [ArrayRef; 1] { [Arc::new(Int64Array::from(values))] };
    let mut add = |a: Vec<Option<i64>>, b: Vec<Option<i64>>| {
        let keys = column(vec![Some(1); a.len()]);
        let (rows, a, b) = (a.len(), column(a), column(b));
        let args = [&[][..], &a, &b].map(|args| AggregateArgs { args, filter: None });
        let result = table.update(&keys, &args, None, rows);
        (result.is_ok(), live(&table))
    };
    assert!(add(vec![None], vec![Some(i64::MAX)]).0);
    let (ok, rows) = add(vec![Some(4)], vec![Some(1)]);
    assert!(!ok);
    assert_eq!(rows, [[Some(1), Some(1), None, Some(i64::MAX)]]);
}

#[test]
fn the_global_group_is_always_there() {
    for append_only in [true, false] {
        let count = create(AggregateFunction::CountAll, &[], append_only).unwrap();
        let sum = create(AggregateFunction::Sum, &[DataType::Int64], append_only).unwrap();
        let mut table = AggregateTable::new(&[], vec![count, sum], append_only).unwrap();
        let empty = table.emit(&[0]).unwrap();
        assert_eq!(empty[0].as_primitive::<Int64Type>().value(0), 0);
        assert!(empty[1].is_null(0));
        assert_eq!(table.snapshot().chunks(10).count(), 1);
        let values: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![1, 2]))];
        let args = [AggregateArgs::default(), AggregateArgs { args: &values, filter: None }];
        table.update(&[], &args, None, 2).unwrap();
        assert_eq!((table.touched(), table.touched_is_new()), (&[0][..], &[false][..]));
        table.settle();
        assert_eq!(table.emit(&[0]).unwrap()[1].as_primitive::<Int64Type>().value(0), 3);
        if !append_only {
            table.update(&[], &args, Some(&[-1, -1]), 2).unwrap();
            table.settle();
            assert_eq!(table.emit(&[0]).unwrap(), empty);
        }
        table.clear();
        assert_eq!(table.emit(&table.live_slots().collect::<Vec<_>>()).unwrap(), empty);
    }
}

#[test]
fn panes_merge() {
    for append_only in [true, false] {
        let (mut a, mut b) = (table(append_only), table(append_only));
        add(&mut a, &[(1, 1), (2, 2)], None).unwrap();
        add(&mut b, &[(3, 3), (2, 5), (3, 1)], None).unwrap();
        let mut window = a.fresh().unwrap();
        window.merge_from(&a).unwrap();
        window.merge_from(&b).unwrap();
        let expected = [[1, 1, 1, 1], [2, 2, 7, 5], [3, 2, 4, 3]];
        assert_eq!(live(&window), expected.map(|row| row.map(Some)));
        assert_eq!(live(&a).len(), 2);
        window.clear();
        window.merge_from(&b).unwrap();
        assert_eq!(live(&window), live(&b));
    }
}

/// Random inserts and deletes, batch by batch, against a map of multisets; every snapshot taken
/// on the way is read again at the end, on another thread.
#[test]
fn agrees_with_a_model_under_retraction() {
    let mut table = table(false);
    let mut model: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    let mut state = 42u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    let of_model = |model: &BTreeMap<i64, Vec<i64>>| -> Vec<[Option<i64>; 4]> {
        let groups = model.iter().filter(|(_, values)| !values.is_empty());
        let row = |(key, values): (&i64, &Vec<i64>)| {
            [*key, values.len() as i64, values.iter().sum(), *values.iter().max().unwrap()]
        };
        groups.map(|group| row(group).map(Some)).collect()
    };
    let sorted = |mut rows: Vec<[Option<i64>; 4]>| {
        rows.sort();
        rows
    };
    let (mut snapshots, mut parts) = (Vec::new(), Vec::new());
    for step in 0..400 {
        let (mut batch, mut weights) = (Vec::new(), Vec::new());
        for _ in 0..1 + next(40) {
            let key = next(60) as i64;
            let values = model.entry(key).or_default();
            if next(2) == 0 && !values.is_empty() {
                let value = values.swap_remove(next(values.len() as u64) as usize);
                batch.push((key, value));
                weights.push(-1);
            } else {
                let value = next(20) as i64 - 10;
                values.push(value);
                batch.push((key, value));
                weights.push(1);
            }
        }
        add(&mut table, &batch, Some(&weights)).unwrap();
        assert_eq!(sorted(live(&table)), of_model(&model));
        if step % 3 == 0 {
            table.settle();
            assert_eq!(table.len(), of_model(&model).len());
        }
        if step % 37 == 0 {
            table.settle();
            parts.push((Snapshot::take(&mut table).unwrap(), model.clone()));
            snapshots.push((table.snapshot(), of_model(&model)));
        }
        if step % 150 == 149 {
            // Back to an earlier time, and on from there.
            let (snapshot, then) = &parts[next(parts.len() as u64) as usize];
            table.settle();
            snapshot.restore(&mut table).unwrap();
            model = then.clone();
            assert_eq!(sorted(live(&table)), of_model(&model));
        }
    }
    for (snapshot, then) in &parts {
        let mut restored = self::table(false);
        snapshot.restore(&mut restored).unwrap();
        assert_eq!(sorted(live(&restored)), of_model(then));
        // Known groups are found again.
        let known = restored.len();
        let again: Vec<_> = live(&restored).iter().map(|row| (row[0].unwrap(), 0)).collect();
        add(&mut restored, &again, Some(&vec![1; again.len()])).unwrap();
        assert_eq!(restored.len(), known);
    }
    let reader = std::thread::spawn(move || {
        for (snapshot, expected) in snapshots {
            assert_eq!(sorted(all(&snapshot)), expected);
        }
    });
    reader.join().unwrap();
}

#[test]
fn grows_to_200_thousand_groups_in_little_memory() {
    let mut table = table(true);
    for batch in 0..20 {
        let rows: Vec<_> = (0..10_000).map(|row| (batch * 10_000 + row, row)).collect();
        add(&mut table, &rows, None).unwrap();
        table.settle();
    }
    assert_eq!(table.len(), 200_000);
    assert!(table.state_bytes() < 200_000 * 60, "{}", table.state_bytes());
    assert_eq!(live(&table)[123_456], [123_456, 1, 3_456, 3_456].map(Some));
}

#[test]
fn groups_by_strings() {
    let count = create(AggregateFunction::CountAll, &[], true).unwrap();
    let mut table = AggregateTable::new(&[DataType::Utf8], vec![count], true).unwrap();
    let keys: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("a"), None]));
    table.update(&[keys], &[AggregateArgs::default()], None, 4).unwrap();
    let emitted = table.emit(table.touched()).unwrap();
    assert_eq!(emitted[0].as_string::<i32>().iter().collect::<Vec<_>>(), [Some("a"), None]);
    assert_eq!(emitted[1].as_primitive::<Int64Type>().values(), &[2, 2]);
}
