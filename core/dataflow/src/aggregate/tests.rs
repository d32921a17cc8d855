use std::sync::Arc;

use arrow::array::*;
use arrow::compute::{cast, take};
use arrow::datatypes::*;
use laminar_types::ErrorKind;

use super::AggregateFunction::{Avg, Count, CountAll, Max, Min, Sum};
use super::*;
use crate::state::Snapshot;

const SLOTS: usize = 5;

struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % below
    }
}

/// A column of small values of a type, some null.
fn column(data_type: &DataType, rows: usize, random: &mut Random) -> ArrayRef {
    let numbers = Int64Array::from_iter(
        (0..rows).map(|_| (random.next(5) > 0).then(|| random.next(41) as i64 - 20)),
    );
    let via = match data_type {
        DataType::Boolean => {
            let odd = numbers.iter().map(|value| value.map(|value| value % 2 != 0));
            return Arc::new(BooleanArray::from_iter(odd));
        }
        data_type if data_type.is_unsigned_integer() => {
            let values: Int64Array = numbers.unary(i64::abs);
            return cast(&values, data_type).unwrap();
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let values = numbers
                .iter()
                .map(|value| value.map(|value| IntervalMonthDayNano::new(value as i32, 1, -value)));
            return Arc::new(IntervalMonthDayNanoArray::from_iter(values));
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            let values = numbers
                .iter()
                .map(|value| value.map(|value| IntervalDayTime::new(value as i32, -value as i32)));
            return Arc::new(IntervalDayTimeArray::from_iter(values));
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let pad = |value: i64| "x".repeat(value.unsigned_abs() as usize) + &value.to_string();
            let values = numbers.iter().map(|value| value.map(pad));
            return cast(&StringArray::from_iter(values), data_type).unwrap();
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => DataType::Utf8,
        DataType::FixedSizeBinary(2) => {
            let values = numbers.iter().map(|value| value.map(|value| [value as u8, 7]));
            let array = FixedSizeBinaryArray::try_from_sparse_iter_with_size(values, 2);
            return Arc::new(array.unwrap());
        }
        DataType::Date32 | DataType::Time32(_) => DataType::Int32,
        DataType::Interval(IntervalUnit::YearMonth) => DataType::Int32,
        _ => DataType::Int64,
    };
    cast(&cast(&numbers, &via).unwrap(), data_type).unwrap()
}

fn numeric_types() -> Vec<DataType> {
    use DataType::*;
    vec![
        Int8,
        Int16,
        Int32,
        Int64,
        UInt8,
        UInt16,
        UInt32,
        UInt64,
        Float16,
        Float32,
        Float64,
        Decimal32(5, 1),
        Decimal64(12, 2),
        Decimal128(20, 3),
        Decimal128(38, 0),
        Decimal256(50, 2),
        Duration(TimeUnit::Second),
        Duration(TimeUnit::Nanosecond),
    ]
}

fn ordered_types() -> Vec<DataType> {
    use DataType::*;
    let mut types = numeric_types();
    types.extend([
        Boolean,
        Utf8,
        LargeUtf8,
        Utf8View,
        Binary,
        LargeBinary,
        BinaryView,
        FixedSizeBinary(2),
        Date32,
        Date64,
        Time32(TimeUnit::Second),
        Time64(TimeUnit::Nanosecond),
        Timestamp(TimeUnit::Millisecond, None),
        Timestamp(TimeUnit::Microsecond, Some("Europe/Berlin".into())),
        Interval(IntervalUnit::YearMonth),
        Interval(IntervalUnit::DayTime),
        Interval(IntervalUnit::MonthDayNano),
    ]);
    types
}

/// One slot's rows of an argument, each as often as its weight says.
fn content(rows: &[(ArrayRef, usize, i64)]) -> Vec<ArrayRef> {
    let mut kept: Vec<(ArrayRef, i64)> = Vec::new();
    for (column, row, weight) in rows {
        let value = column.slice(*row, 1);
        match kept.iter_mut().find(|(other, _)| other == &value) {
            Some((_, count)) => *count += weight,
            None => kept.push((value, *weight)),
        }
    }
    kept.into_iter().flat_map(|(value, n)| std::iter::repeat_n(value, n as usize)).collect()
}

/// What a function answers for these one-row columns, by Arrow's comparisons and 128-bit sums.
fn expected(function: &AggregateFunction, values: &[ArrayRef], result: &DataType) -> ArrayRef {
    let values: Vec<&ArrayRef> = values.iter().filter(|value| value.null_count() == 0).collect();
    if matches!(function, Count) {
        return Arc::new(Int64Array::from(vec![values.len() as i64]));
    }
    if values.is_empty() {
        return new_null_array(result, 1);
    }
    if matches!(function, Min | Max) {
        let mut best = values[0];
        for value in &values[1..] {
            let options = arrow::compute::SortOptions::default();
            let order = make_comparator(value.as_ref(), best.as_ref(), options).unwrap()(0, 0);
            if order == min_max::better(matches!(function, Max)) {
                best = value;
            }
        }
        return best.clone();
    }
    let raw = |value: &ArrayRef| match value.data_type() {
        DataType::Decimal32(..) => value.as_primitive::<Decimal32Type>().value(0).into(),
        DataType::Decimal64(..) => value.as_primitive::<Decimal64Type>().value(0).into(),
        DataType::Decimal128(..) => value.as_primitive::<Decimal128Type>().value(0),
        DataType::Decimal256(..) => {
            value.as_primitive::<Decimal256Type>().value(0).to_i128().unwrap()
        }
        data_type => {
            let number = if data_type.is_floating() { DataType::Float64 } else { DataType::Int64 };
            let number = cast(&cast(value, &number).unwrap(), &DataType::Int64).unwrap();
            i128::from(number.as_primitive::<Int64Type>().value(0))
        }
    };
    let sum: i128 = values.iter().map(|value| raw(value)).sum();
    let count = values.len() as i128;
    let number = match (function, result) {
        (Sum, _) => sum,
        (_, DataType::Float64) => {
            return Arc::new(Float64Array::from(vec![sum as f64 / count as f64]));
        }
        (_, DataType::Duration(_)) => sum / count,
        (_, _) => {
            let (DataType::Decimal32(_, from)
            | DataType::Decimal64(_, from)
            | DataType::Decimal128(_, from)
            | DataType::Decimal256(_, from)) = values[0].data_type()
            else {
                unreachable!()
            };
            let (DataType::Decimal32(_, to)
            | DataType::Decimal64(_, to)
            | DataType::Decimal128(_, to)
            | DataType::Decimal256(_, to)) = result
            else {
                unreachable!()
            };
            sum * 10i128.pow((to - from) as u32) / count
        }
    };
    match result {
        DataType::Decimal32(..) => {
            Arc::new(Decimal32Array::from(vec![number as i32]).with_data_type(result.clone()))
        }
        DataType::Decimal64(..) => {
            Arc::new(Decimal64Array::from(vec![number as i64]).with_data_type(result.clone()))
        }
        DataType::Decimal128(..) => {
            Arc::new(Decimal128Array::from(vec![number]).with_data_type(result.clone()))
        }
        DataType::Decimal256(..) => Arc::new(
            Decimal256Array::from(vec![i256::from_i128(number)]).with_data_type(result.clone()),
        ),
        other => cast(&Int64Array::from(vec![number as i64]), other).unwrap(),
    }
}

/// An accumulator of the same call with what another one held.
fn restored(like: &dyn Accumulator, snapshot: &Snapshot) -> Box<dyn Accumulator> {
    let mut fresh = like.fresh();
    snapshot.put_back(|parts| fresh.parts(parts)).unwrap();
    fresh
}

/// Random batches, with filters and, unless append-only, retractions of earlier rows, compared
/// with a naive model; snapshots taken on the way must still hold at the end.
fn check(function: AggregateFunction, data_type: &DataType, append_only: bool) {
    let mut random = Random(7);
    let mut accumulator =
        create(function.clone(), std::slice::from_ref(data_type), append_only).unwrap();
    let result = accumulator.result_type();
    accumulator.resize(SLOTS);
    let mut model: Vec<Vec<(ArrayRef, usize, i64)>> = vec![Vec::new(); SLOTS];
    let all: Vec<u32> = (0..SLOTS as u32).collect();
    let (mut snapshots, mut parts) = (Vec::new(), Vec::new());
    for round in 0..12 {
        let rows = 1 + random.next(30) as usize;
        let mut slots: Vec<u32> = (0..rows).map(|_| random.next(SLOTS as u64 - 1) as u32).collect();
        let mut argument = column(data_type, rows, &mut random);
        let mut weights = vec![1i64; rows];
        if !append_only && round % 2 == 1 {
            // Take back some of what is there, and put back the rest of the batch twice.
            let slot = random.next(SLOTS as u64 - 1) as usize;
            let gone = content(&model[slot]);
            let gone = &gone[..gone.len().min(9)];
            if !gone.is_empty() {
                let parts: Vec<&dyn Array> = gone.iter().map(|value| value.as_ref()).collect();
                argument = arrow::compute::concat(&parts).unwrap();
                slots = vec![slot as u32; argument.len()];
                weights = vec![-1; argument.len()];
            }
        } else if !append_only {
            weights.iter_mut().for_each(|weight| *weight = 1 + random.next(3) as i64);
        }
        let filter = (round % 3 == 2 && weights[0] > 0).then(|| {
            BooleanArray::from_iter((0..argument.len()).map(|row| match row % 4 {
                0 => None,
                1 => Some(false),
                _ => Some(true),
            }))
        });
        let args = [argument.clone()];
        accumulator
            .update(&Input {
                slots: &slots,
                args: &args,
                filter: filter.as_ref(),
                weights: (!append_only).then_some(&weights),
            })
            .unwrap();
        for (row, (&slot, &weight)) in slots.iter().zip(&weights).enumerate() {
            if filter.as_ref().is_none_or(|filter| filter.is_valid(row) && filter.value(row)) {
                model[slot as usize].push((argument.clone(), row, weight));
            }
        }
        let got = accumulator.evaluate(&all).unwrap();
        got.to_data().validate_full().unwrap();
        assert_eq!(got.data_type(), &result);
        for (slot, rows) in model.iter().enumerate() {
            let want = expected(&function, &content(rows), &result);
            let name = function.name();
            assert_eq!(&got.slice(slot, 1), &want, "{name}({data_type}) {append_only} {round}");
        }
        parts.push((Snapshot::of(|parts| accumulator.parts(parts)).unwrap(), got.clone()));
        snapshots.push((accumulator.snapshot(), got));
        if round % 4 == 3 {
            // Another one goes on from the parts.
            accumulator = restored(accumulator.as_ref(), &parts[round].0);
        }
    }
    for (snapshot, want) in &snapshots {
        assert_eq!(&snapshot.evaluate(&all).unwrap(), want);
    }
    for (snapshot, want) in &parts {
        assert_eq!(&restored(accumulator.as_ref(), snapshot).evaluate(&all).unwrap(), want);
    }
    // Two copies merged crosswise hold everything twice; a reset slot holds nothing.
    let (snapshot, got) = snapshots.pop().unwrap();
    let mut merged = accumulator.fresh();
    merged.resize(SLOTS);
    merged.merge(&[1, 0, 2, 3, 4], snapshot.as_ref(), &all).unwrap();
    let order = UInt32Array::from(vec![1, 0, 2, 3, 4]);
    assert_eq!(&merged.evaluate(&all).unwrap(), &take(&got, &order, None).unwrap());
    merged.reset(2);
    let empty = expected(&function, &[], &result);
    assert_eq!(&merged.evaluate(&[2]).unwrap(), &empty);
    assert_eq!(&merged.evaluate(&[3]).unwrap(), &got.slice(3, 1));
    merged.clear();
    merged.resize(SLOTS);
    assert_eq!(&merged.evaluate(&[0]).unwrap(), &empty);
    assert!(accumulator.state_bytes() > 0);
}

#[test]
fn sums_averages_and_counts_agree_with_a_model() {
    for data_type in numeric_types() {
        for append_only in [true, false] {
            check(Count, &data_type, append_only);
            check(Sum, &data_type, append_only);
            check(Avg, &data_type, append_only);
        }
    }
}

#[test]
fn smallest_and_largest_agree_with_a_model() {
    for data_type in ordered_types() {
        for append_only in [true, false] {
            check(Min, &data_type, append_only);
            check(Max, &data_type, append_only);
        }
    }
}

#[test]
fn types_are_those_of_datafusion() {
    let type_of =
        |function, data_type: DataType| create(function, &[data_type], true).unwrap().result_type();
    assert_eq!(type_of(Sum, DataType::Int8), DataType::Int64);
    assert_eq!(type_of(Sum, DataType::UInt32), DataType::UInt64);
    assert_eq!(type_of(Sum, DataType::Float32), DataType::Float64);
    assert_eq!(type_of(Sum, DataType::Decimal128(10, 2)), DataType::Decimal128(20, 2));
    assert_eq!(type_of(Sum, DataType::Decimal128(35, 2)), DataType::Decimal128(38, 2));
    assert_eq!(type_of(Avg, DataType::Int64), DataType::Float64);
    assert_eq!(type_of(Avg, DataType::Decimal128(10, 2)), DataType::Decimal128(14, 6));
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    assert_eq!(type_of(Max, dictionary), DataType::Utf8);
    for function in [Sum, Avg] {
        let error = create(function, &[DataType::Utf8], true).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    assert!(create(CountAll, &[DataType::Int64], true).is_err());
}

fn update(accumulator: &mut dyn Accumulator, values: ArrayRef, weights: &[i64]) -> Result<()> {
    accumulator.resize(1);
    let (slots, args) = (vec![0; values.len()], [values]);
    accumulator.update(&Input { slots: &slots, args: &args, filter: None, weights: Some(weights) })
}

fn double(accumulator: &dyn Accumulator) -> f64 {
    accumulator.evaluate(&[0]).unwrap().as_primitive::<Float64Type>().value(0)
}

#[test]
fn an_overflow_leaves_the_state() {
    let sums: [(ArrayRef, ArrayRef); 4] = [
        (
            Arc::new(Int64Array::from(vec![i64::MAX - 1])),
            Arc::new(Int64Array::from(vec![-5, 5, 2])),
        ),
        (Arc::new(UInt64Array::from(vec![1])), Arc::new(UInt64Array::from(vec![u64::MAX]))),
        (
            Arc::new(Decimal128Array::from(vec![9]).with_precision_and_scale(38, 0).unwrap()),
            Arc::new(
                Decimal128Array::from(vec![10i128.pow(38) - 5])
                    .with_precision_and_scale(38, 0)
                    .unwrap(),
            ),
        ),
        (
            Arc::new(IntervalYearMonthArray::from(vec![1])),
            Arc::new(IntervalYearMonthArray::from(vec![i32::MAX])),
        ),
    ];
    for (first, second) in sums {
        let data_type = first.data_type().clone();
        let mut sum = create(Sum, &[data_type], true).unwrap();
        sum.resize(1);
        let before = sum.evaluate(&[0]).unwrap();
        assert_eq!(before.null_count(), 1);
        let slots = vec![0; second.len()];
        let add = |sum: &mut dyn Accumulator, values: &ArrayRef, undo: bool| {
            let (slots, args) = (&slots[..values.len()], [values.clone()]);
            let input = Input { slots, args: &args, filter: None, weights: None };
            let result = sum.update(&input);
            if undo {
                sum.undo(&input);
            }
            result
        };
        add(sum.as_mut(), &first, true).unwrap();
        assert_eq!(&sum.evaluate(&[0]).unwrap(), &before);
        add(sum.as_mut(), &first, false).unwrap();
        let before = sum.evaluate(&[0]).unwrap();
        let error = add(sum.as_mut(), &second, false).unwrap_err();
        assert_eq!(error.code(), code::EXECUTION);
        assert_eq!(&sum.evaluate(&[0]).unwrap(), &before);
    }
}

#[test]
fn float_sums_forget_what_was_taken_back() {
    let floats = |values: &[f64]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
    let mut sum = create(Sum, &[DataType::Float64], false).unwrap();
    update(sum.as_mut(), floats(&[1e16, 1.0, 0.1]), &[1, 1, 1]).unwrap();
    update(sum.as_mut(), floats(&[1e16]), &[-1]).unwrap();
    assert_eq!(double(sum.as_ref()), 1.1);
    let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MAX, 1e300];
    for value in special {
        update(sum.as_mut(), floats(&[value]), &[1]).unwrap();
    }
    assert!(double(sum.as_ref()).is_nan());
    update(sum.as_mut(), floats(&[f64::NAN, f64::INFINITY]), &[-1, -1]).unwrap();
    assert_eq!(double(sum.as_ref()), f64::NEG_INFINITY);
    update(sum.as_mut(), floats(&[f64::NEG_INFINITY]), &[-1]).unwrap();
    assert_eq!(double(sum.as_ref()), f64::INFINITY);
    update(sum.as_mut(), floats(&[f64::MAX]), &[-2]).unwrap();
    assert_eq!(double(sum.as_ref()), 1e300);
    update(sum.as_mut(), floats(&[1e300]), &[-1]).unwrap();
    assert_eq!(double(sum.as_ref()), 1.1);
    update(sum.as_mut(), floats(&[0.1, 1.0]), &[-1, -1]).unwrap();
    assert_eq!(sum.evaluate(&[0]).unwrap().null_count(), 1);
    let mut sum = create(Sum, &[DataType::Float64], false).unwrap();
    for _ in 0..1_000 {
        update(sum.as_mut(), floats(&[0.1]), &[3]).unwrap();
        update(sum.as_mut(), floats(&[0.7]), &[1]).unwrap();
        update(sum.as_mut(), floats(&[0.1]), &[-3]).unwrap();
        update(sum.as_mut(), floats(&[0.7]), &[-1]).unwrap();
    }
    update(sum.as_mut(), floats(&[0.3]), &[1]).unwrap();
    assert_eq!(double(sum.as_ref()), 0.3);
}

#[test]
fn nan_is_largest_whatever_the_order() {
    for append_only in [true, false] {
        for values in [[f64::NAN, 1.0, f64::INFINITY], [1.0, f64::INFINITY, f64::NAN]] {
            let evaluate = |function, keep: usize| {
                let mut accumulator = create(function, &[DataType::Float64], append_only).unwrap();
                accumulator.resize(1);
                let args: [ArrayRef; 1] = [Arc::new(Float64Array::from(values[..keep].to_vec()))];
                let slots = vec![0; keep];
                let input = Input { slots: &slots, args: &args, filter: None, weights: None };
                accumulator.update(&input).unwrap();
                double(accumulator.as_ref())
            };
            assert!(evaluate(Max, 3).is_nan());
            assert_eq!(evaluate(Min, 3), 1.0);
        }
        let mut accumulator = create(Min, &[DataType::Float64], append_only).unwrap();
        let infinity: ArrayRef = Arc::new(Float64Array::from(vec![f64::INFINITY]));
        update(accumulator.as_mut(), infinity, &[1]).unwrap();
        assert_eq!(double(accumulator.as_ref()), f64::INFINITY);
    }
}

#[test]
fn counts_rows_whose_arguments_are_all_there() {
    let mut all = create(CountAll, &[], false).unwrap();
    let mut both = create(Count, &[DataType::Int64, DataType::Null], false).unwrap();
    let mut pairs = create(Count, &[DataType::Int64, DataType::Int64], false).unwrap();
    let a: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let b: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None]));
    let nothing: ArrayRef = Arc::new(NullArray::new(3));
    let weights = [2, 3, 4];
    let count = |accumulator: &mut dyn Accumulator, args: &[ArrayRef]| {
        accumulator.resize(1);
        let input = Input { slots: &[0; 3], args, filter: None, weights: Some(&weights) };
        accumulator.update(&input).unwrap();
        accumulator.evaluate(&[0]).unwrap().as_primitive::<Int64Type>().value(0)
    };
    assert_eq!(count(all.as_mut(), &[]), 9);
    assert_eq!(count(pairs.as_mut(), &[a.clone(), b]), 2);
    assert_eq!(count(both.as_mut(), &[a, nothing]), 0);
}
