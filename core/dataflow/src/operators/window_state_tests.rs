//! The state of windowed operators over a long time: what is closed is forgotten.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use laminar_types::{Delta, Frontier, TimeUnit, Weights};

use super::{
    AggregateCall, SessionAggregate, WindowAggregate, WindowColumns, WindowEmit, WindowOptions,
};
use crate::aggregate::AggregateFunction;
use crate::operator::{Context, Operator};
use crate::window::WindowSpec;

fn schema(names: &[&str]) -> SchemaRef {
    let fields = names.iter().map(|name| Field::new(*name, DataType::Int64, true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// An operator over rows `k, ts` and what to call it.
fn operators(options: WindowOptions) -> Vec<(String, Box<dyn Operator>)> {
    let (input, output) = (schema(&["k", "ts"]), schema(&["k", "start", "low", "n", "end"]));
    let columns = WindowColumns { time: 1, frontier: 0, keys: vec![0], start: 1 };
    let calls = vec![
        AggregateCall::new(AggregateFunction::Min, vec![1]),
        AggregateCall::new(AggregateFunction::CountAll, vec![]),
    ];
    let (unit, ns) = (TimeUnit::Millisecond, 1_000_000);
    let windows = [
        ("tumble", WindowSpec::new(unit, 10 * ns, 10 * ns, 0).unwrap()),
        ("hop", WindowSpec::new(unit, 50 * ns, 20 * ns, 0).unwrap()),
        ("cumulate", WindowSpec::cumulating(unit, 10 * ns, 50 * ns, 0).unwrap()),
    ];
    let mut all: Vec<(String, Box<dyn Operator>)> = Vec::new();
    for (name, spec) in windows {
        let operator = WindowAggregate::new(
            &input,
            spec,
            columns.clone(),
            calls.clone(),
            output.clone(),
            options,
        );
        all.push((format!("{name} {options:?}"), Box::new(operator.unwrap())));
    }
    let session = SessionAggregate::new(&input, unit, 7, columns, calls, output, options);
    all.push((format!("session {options:?}"), Box::new(session.unwrap())));
    all
}

fn rows(keys: Vec<i64>, times: Vec<i64>, weights: Option<i64>) -> Delta {
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(keys)), Arc::new(Int64Array::from(times))];
    let batch = RecordBatch::try_new(schema(&["k", "ts"]), columns).unwrap();
    let weights = weights.map(|weight| Weights::from(vec![weight; batch.num_rows()]));
    Delta { batch, weights }
}

#[test]
fn state_stays_bounded_over_a_long_time() {
    for emit in [WindowEmit::Final, WindowEmit::Updates] {
        for append_only in [true, false] {
            for lateness_ns in [0, 30_000_000] {
                let options = WindowOptions {
                    emit,
                    append_only,
                    lateness_ns,
                    late_columns: None,
                    of_set: None,
                };
                for (name, mut operator) in operators(options) {
                    run(&name, operator.as_mut(), append_only);
                }
            }
        }
    }
}

fn run(name: &str, operator: &mut dyn Operator, append_only: bool) {
    let (mut dead_letters, mut late) = (Vec::new(), Vec::new());
    let (dead_letters, late) = (&mut dead_letters, &mut late);
    let mut cx = Context { epoch: 1, step: 1, now_ms: 0, dead_letters, late };
    let mut after = Vec::new();
    for round in 0..600i64 {
        // New keys all the time, and sessions of up to a few rows of each.
        let keys: Vec<i64> = (0..60).map(|row| round * 5 + row % 17).collect();
        let times: Vec<i64> = (0..60).map(|row| round * 40 + row).collect();
        let weight = (!append_only).then_some(1);
        operator.input(0, rows(keys.clone(), times.clone(), weight), &mut cx).unwrap();
        operator.finish(&mut cx).unwrap();
        if !append_only && round % 3 == 0 {
            let (keys, times) = (keys[..20].to_vec(), times[..20].to_vec());
            operator.input(0, rows(keys, times, Some(-1)), &mut cx).unwrap();
            operator.finish(&mut cx).unwrap();
        }
        let frontier = Frontier::before(round * 40 - 20, TimeUnit::Millisecond);
        operator.advance(0, &[frontier], &mut cx).unwrap();
        operator.finish(&mut cx).unwrap();
        if round == 100 || round == 599 {
            after.push(operator.metrics().state_bytes);
        }
    }
    let (early, last) = (after[0], after[1]);
    assert!(last <= early + early / 4, "{name}: {early} bytes grew to {last}");
}
