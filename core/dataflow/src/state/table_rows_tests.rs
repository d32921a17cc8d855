//! Tests of [`TableRows`] against a model of a few lines.

use std::collections::BTreeMap;

use arrow::array::{Int64Array, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema};

use super::*;
use crate::state::Snapshot;

type Plain = (i64, Option<String>);

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, false),
        Field::new("v", DataType::Utf8, true),
    ]))
}

fn batch(rows: &[Plain]) -> RecordBatch {
    let keys: Int64Array = rows.iter().map(|row| Some(row.0)).collect();
    let values: StringArray = rows.iter().map(|row| row.1.as_deref()).collect();
    RecordBatch::try_new(schema(), vec![Arc::new(keys), Arc::new(values)]).unwrap()
}

fn plain(batch: &RecordBatch) -> Vec<Plain> {
    let keys = batch.column(0).as_primitive::<arrow::datatypes::Int64Type>();
    let values = batch.column(1).as_string::<i32>();
    let value = |row| (!values.is_null(row)).then(|| values.value(row).to_string());
    (0..batch.num_rows()).map(|row| (keys.value(row), value(row))).collect()
}

fn sorted(mut rows: Vec<Plain>) -> Vec<Plain> {
    rows.sort();
    rows
}

fn content(snapshot: &TableSnapshot) -> Vec<Plain> {
    let batches = snapshot.batches().unwrap();
    assert!(batches.iter().all(|batch| batch.num_rows() > 0));
    sorted(plain(&concat_batches(&schema(), &batches).unwrap()))
}

/// Adds up changes. A change has retractions first, and no row twice.
#[derive(Default)]
struct Sum(BTreeMap<Plain, i64>);

impl Sum {
    fn add(&mut self, delta: Option<Delta>) {
        let Some(delta) = delta else { return };
        assert!(!delta.is_empty());
        let weights = delta.weights.as_ref().unwrap();
        assert!(weights.is_sorted_by_key(|weight| *weight > 0));
        let rows = plain(&delta.batch);
        assert_eq!(rows.iter().collect::<std::collections::BTreeSet<_>>().len(), rows.len());
        for (row, weight) in rows.into_iter().zip(weights.iter()) {
            *self.0.entry(row).or_default() += weight;
        }
        self.0.retain(|_, weight| *weight != 0);
    }

    fn rows(&self) -> Vec<Plain> {
        let repeated = self.0.iter();
        repeated.flat_map(|(row, n)| vec![row.clone(); usize::try_from(*n).unwrap()]).collect()
    }
}

fn random_changes(key: Option<Vec<usize>>) {
    let is_keyed = key.is_some();
    let mut table = TableRows::new(schema(), key.clone()).unwrap();
    let (mut model, mut sum): (Vec<Plain>, Sum) = Default::default();
    let mut state = 7u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    let mut kept: Vec<(TableSnapshot, Snapshot, Vec<Plain>)> = Vec::new();
    for step in 0..600 {
        let value = |n: u64| (n > 0).then(|| "value ".repeat(n as usize % 7) + &n.to_string());
        match next(4) {
            0 | 1 => {
                let rows: Vec<Plain> =
                    (0..next(20)).map(|_| (next(60) as i64, value(next(12)))).collect();
                sum.add(table.insert(&batch(&rows)).unwrap());
                for row in rows {
                    if is_keyed {
                        model.retain(|other| other.0 != row.0);
                    }
                    model.push(row);
                }
            }
            2 => {
                let low = next(60) as i64;
                let gone: Vec<Plain> = model.iter().filter(|row| row.0 < low).cloned().collect();
                model.retain(|row| row.0 >= low);
                sum.add(table.remove(&batch(&gone)).unwrap());
            }
            _ => {
                let (shift, low) = (next(3) as i64, next(60) as i64);
                let old: Vec<Plain> = model.iter().filter(|row| row.0 >= low).cloned().collect();
                let new: Vec<Plain> =
                    old.iter().map(|row| (row.0 + shift, value(next(12)))).collect();
                sum.add(table.replace(&batch(&old), &batch(&new)).unwrap());
                model.retain(|row| row.0 < low);
                model.extend(new);
            }
        }
        assert_eq!(table.len(), model.len() as u64);
        assert_eq!(sum.rows(), sorted(model.clone()));
        let snapshot = table.snapshot();
        assert_eq!(content(&snapshot), sorted(model.clone()));
        if step % 50 == 0 {
            kept.push((snapshot, Snapshot::take(&mut table).unwrap(), model.clone()));
        }
        if step % 170 == 169 {
            // Back to an earlier time, and on from there.
            let (_, parts, then) = &kept[next(kept.len() as u64) as usize];
            parts.restore(&mut table).unwrap();
            model = then.clone();
            sum = Sum::default();
            model.iter().for_each(|row| *sum.0.entry(row.clone()).or_default() += 1);
        }
    }
    for (snapshot, parts, then) in &kept {
        let then = sorted(then.clone());
        assert_eq!(content(snapshot), then);
        let mut restored = TableRows::new(schema(), key.clone()).unwrap();
        parts.restore(&mut restored).unwrap();
        assert_eq!(
            (content(&restored.snapshot()), restored.len() as usize),
            (then.clone(), then.len())
        );
        // Every row is found again.
        restored.remove(&batch(&then)).unwrap();
        assert!(restored.is_empty());
    }
}

#[test]
fn agrees_with_a_model_by_key() {
    random_changes(Some(vec![0]));
}

#[test]
fn agrees_with_a_model_without_a_key() {
    random_changes(None);
}

#[test]
fn what_is_refused_changes_nothing() {
    let row = |k, v: &str| (k, Some(v.to_string()));
    for key in [Some(vec![0]), None] {
        let mut table = TableRows::new(schema(), key.clone()).unwrap();
        let before = [row(1, "a"), row(2, "b")];
        table.insert(&batch(&before)).unwrap();
        let missing = batch(&[row(1, "a"), row(9, "x")]);
        assert!(table.remove(&missing).is_err());
        assert!(table.replace(&missing, &batch(&[row(3, "c")])).is_err());
        if key.is_some() {
            let one = batch(&[row(1, "a")]);
            let taken = table.replace(&one, &batch(&[row(2, "c")])).unwrap_err();
            assert!(taken.message().contains("k = 2"), "{taken}");
            let twice = batch(&[row(5, "a"), row(5, "b")]);
            assert!(table.replace(&batch(&before), &twice).is_err());
        }
        assert_eq!(content(&table.snapshot()), before);
        assert_eq!(table.len(), 2);
        // And the table goes on.
        assert!(table.insert(&batch(&[row(9, "x")])).unwrap().is_some());
        assert!(table.remove(&batch(&[row(9, "x")])).unwrap().is_some());
        assert_eq!(content(&table.snapshot()), before);
    }
}
