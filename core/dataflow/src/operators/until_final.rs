//! [`UntilFinal`]: holds rows that can still change back, and gives each once.
//!
//! No change of a row is expected whose event time is before the frontier; so that is when the row
//! is final. A change that comes later all the same is late: it is counted and left out.

use arrow::datatypes::SchemaRef;
use laminar_types::{Delta, Frontier, Result, TimeUnit};

use super::aggregate::batch;
use super::late_rows::LateRows;
use super::timed_rows::{select, with_times};
use crate::operator::{Context, Metrics, Operator};
use crate::state::timed_rows::Changed;
use crate::state::{Container, Parts, TimedRows};

/// Makes an updating input append-only.
pub struct UntilFinal {
    rows: TimedRows,
    schema: SchemaRef,
    /// The column of the event time.
    time: usize,
    unit: TimeUnit,
    /// The position of its frontier among those of the input.
    position: usize,
    frontier: Frontier,
    /// Rows before this have been given.
    given: i64,
    late: LateRows,
}

impl UntilFinal {
    /// Holds rows of a schema until the frontier at `position` passes the event time in the column
    /// `time`.
    pub fn new(schema: SchemaRef, time: usize, unit: TimeUnit, position: usize) -> Result<Self> {
        Ok(Self {
            rows: TimedRows::new(&schema, false)?,
            schema,
            time,
            unit,
            position,
            frontier: Frontier::MIN,
            given: i64::MIN,
            late: LateRows::new(None, false, None),
        })
    }
}

impl Operator for UntilFinal {
    fn input(&mut self, _port: usize, delta: Delta, cx: &mut Context<'_>) -> Result<()> {
        let (delta, times) = with_times(delta, self.time, &(i64::MIN..=i64::MAX), cx)?;
        let rows = self.rows.encode(&delta.batch)?;
        let mut late = Vec::new();
        for (row, time) in times.values().iter().enumerate() {
            if *time < self.given {
                late.push(row as u32);
                continue;
            }
            let bytes = rows.row(row);
            if let Changed::Went(node) =
                self.rows.change(bytes.as_ref(), 0, *time, delta.weight(row))?
            {
                self.rows.remove(node);
            }
        }
        match late.is_empty() {
            true => Ok(()),
            false => self.late.take(select(&delta, &late)?, cx),
        }
    }

    fn advance(&mut self, _: usize, frontiers: &[Frontier], _: &mut Context<'_>) -> Result<()> {
        self.frontier = frontiers[self.position];
        Ok(())
    }

    fn finish(&mut self, _cx: &mut Context<'_>) -> Result<Option<Delta>> {
        let limit = self.frontier.in_unit(self.unit);
        if limit <= self.given {
            return Ok(None);
        }
        self.given = limit;
        let mut nodes = Vec::new();
        let index = self.rows.index();
        index.for_range(0, i64::MIN, limit - 1, &mut |node| {
            let copies = usize::try_from(index.weight(node)).unwrap_or(0);
            nodes.extend(std::iter::repeat_n(node, copies));
        });
        if nodes.is_empty() {
            return Ok(None);
        }
        let rows = batch(&self.schema, self.rows.gather(&nodes)?)?;
        nodes.dedup();
        nodes.into_iter().for_each(|node| self.rows.remove(node));
        Ok(Some(Delta::insert(rows)))
    }

    fn frontiers(&self, out: &mut Vec<Frontier>) {
        out.clear();
        out.push(self.frontier);
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { rows, schema: _, time: _, unit: _, position: _, frontier, given, late } = self;
        rows.parts(parts)?;
        parts.number(frontier)?;
        parts.number(given)?;
        late.parts(parts)
    }

    fn metrics(&self) -> Metrics {
        Metrics { late_rows: self.late.count(), state_bytes: self.rows.state_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use laminar_types::Weights;

    use super::*;

    fn delta(schema: &SchemaRef, rows: &[(i64, i64)]) -> Delta {
        let times = Int64Array::from_iter_values(rows.iter().map(|row| row.0));
        let batch = RecordBatch::try_new(Arc::clone(schema), vec![Arc::new(times)]).unwrap();
        Delta::weighted(batch, Weights::from_iter(rows.iter().map(|row| row.1)))
    }

    /// Runs a step, and answers the times that come out.
    fn step(held: &mut UntilFinal, rows: &[(i64, i64)], before: i64) -> Vec<i64> {
        let (mut dead_letters, mut late) = (Vec::new(), Vec::new());
        let (dead_letters, late) = (&mut dead_letters, &mut late);
        let mut cx = Context { epoch: 1, step: 1, now_ms: 0, dead_letters, late };
        if !rows.is_empty() {
            held.input(0, delta(&held.schema.clone(), rows), &mut cx).unwrap();
        }
        let frontier = Frontier::before(before, TimeUnit::Millisecond);
        held.advance(0, &[frontier], &mut cx).unwrap();
        let out = held.finish(&mut cx).unwrap();
        out.map_or(Vec::new(), |out| {
            assert!(out.weights.is_none());
            out.batch.column(0).as_primitive::<Int64Type>().values().to_vec()
        })
    }

    #[test]
    fn rows_come_once_when_nothing_can_change_them() {
        let schema = Arc::new(Schema::new(vec![Field::new("ts", DataType::Int64, true)]));
        let mut held = UntilFinal::new(schema, 0, TimeUnit::Millisecond, 0).unwrap();
        assert_eq!(step(&mut held, &[(5, 1), (5, 1), (3, 1), (9, 1)], 3), Vec::<i64>::new());
        assert_eq!(step(&mut held, &[(3, -1), (4, 1)], 5), [4]);
        // 4 is final: what would take it back is late. A time at the frontier is not.
        assert_eq!(step(&mut held, &[(4, -1), (9, -1), (5, 1)], 6), [5, 5, 5]);
        assert_eq!(held.metrics().late_rows, 1);
        assert_eq!(step(&mut held, &[], 100), Vec::<i64>::new());
        assert_eq!(step(&mut held, &[(7, 1)], 100), Vec::<i64>::new());
        assert_eq!(held.metrics().late_rows, 2);
    }
}
