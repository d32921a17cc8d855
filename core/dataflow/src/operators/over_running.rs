//! [`Running`]: aggregates of a partition's rows from the first one up to the current one.
//!
//! A change touches the rows from it on, whose values differ; what is before it must not be read
//! again. So the states of the accumulators are kept, as they give them to be merged, at some rows:
//! at the last one of a partition and at about one of sixteen others. A change goes on from the
//! nearest state before it, so a row at the end costs itself and the way to its place.
//!
//! Rows are added as DataFusion's evaluator of ever-expanding frames adds them, one by one or peer
//! group by peer group, and only functions come here whose state, merged into nothing, is itself.
//! So values have the same bits whichever state they are computed from.
//!
//! Invariant: a row has the state that its partition has now, or none.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter;
use arrow::row::{RowConverter, SortField};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Accumulator;
use datafusion::physical_expr::window::PlainAggregateWindowExpr;
use datafusion::physical_plan::WindowExpr;
use laminar_types::{Error, Result};

use super::over::failed;
use super::over_reach::Place;
use super::partition_rows::are_peers;
use crate::state::{ByteColumn, Container, Parts, arrow_error};

/// About one of so many rows keeps a state.
const KEPT: u32 = 16;

/// An aggregate from the first row of the partition on.
#[derive(Debug, Clone)]
pub struct RunningAggregate {
    /// The aggregate, a `PlainAggregateWindowExpr` over the rows. Its states must merge into
    /// nothing without a change.
    pub expr: Arc<dyn WindowExpr>,
    /// The boolean column of its `FILTER`.
    pub filter: Option<usize>,
    /// Whether it goes up to the last peer of the current row, rather than to the row itself.
    pub by_peers: bool,
}

impl RunningAggregate {
    fn accumulator(&self) -> Result<Box<dyn Accumulator>> {
        let plain = self.expr.as_any().downcast_ref::<PlainAggregateWindowExpr>();
        let plain = plain.ok_or_else(|| Error::internal("a running aggregate is an aggregate"))?;
        plain.get_aggregate_expr().create_accumulator().map_err(failed)
    }
}

/// The running aggregates of an operator.
pub(super) struct Running {
    /// With the number of the call that each is.
    calls: Vec<(usize, RunningAggregate)>,
    /// How many columns the state of each call has.
    widths: Vec<usize>,
    format: RowConverter,
    /// Whether states are kept behind whole peer groups alone.
    by_peers: bool,
    /// By slot of a row, the states of all calls behind it; empty where none are kept.
    states: ByteColumn,
}

/// One call on its way through a range of rows.
struct Walk {
    accumulator: Box<dyn Accumulator>,
    arguments: Vec<ArrayRef>,
    filter: Option<BooleanArray>,
    values: Vec<ScalarValue>,
}

impl Walk {
    /// Adds rows and tells the value behind them.
    fn add(&mut self, rows: Range<usize>) -> Result<ScalarValue> {
        let mask = self.filter.as_ref().map(|mask| mask.slice(rows.start, rows.len()));
        let arguments = self.arguments.iter().map(|column| {
            let column = column.slice(rows.start, rows.len());
            mask.as_ref().map_or(Ok(column.clone()), |mask| filter(&column, mask))
        });
        let arguments = arguments.collect::<Result<Vec<_>, _>>().map_err(arrow_error)?;
        self.accumulator.update_batch(&arguments).map_err(failed)?;
        self.accumulator.evaluate().map_err(failed)
    }
}

impl Running {
    /// These calls, with their numbers.
    ///
    /// # Errors
    /// `INTERNAL` when a call is no aggregate or has no state that can be kept.
    pub(super) fn new(calls: Vec<(usize, RunningAggregate)>) -> Result<Self> {
        let (mut fields, mut widths) = (Vec::new(), Vec::new());
        for (_, call) in &calls {
            let state = call.accumulator()?.state().map_err(failed)?;
            fields.extend(state.iter().map(|value| SortField::new(value.data_type())));
            widths.push(state.len());
        }
        let by_peers = calls.iter().any(|(_, call)| call.by_peers);
        let format = RowConverter::new(fields).map_err(arrow_error)?;
        Ok(Self { calls, widths, format, by_peers, states: ByteColumn::default() })
    }

    /// Makes room for `slots` rows.
    pub(super) fn resize(&mut self, slots: usize) {
        self.states.resize(slots);
    }

    /// Forgets a row that ceased.
    pub(super) fn forget(&mut self, row: u32) {
        self.states.set(row as usize, &[]);
    }

    /// The values of a range of rows, which is not empty, by the number of their call. Every row
    /// of the partition behind the first one that changed is in it.
    pub(super) fn evaluate(
        &mut self,
        place: &Place<'_>,
        range: Range<usize>,
    ) -> Result<Vec<(usize, ArrayRef)>> {
        let (from, known) = self.known_before(place, range.start);
        let to = match self.by_peers {
            true => place.peers_end(place.bytes(range.end - 1)),
            false => range.end,
        };
        let mut rows = Vec::with_capacity(to - from);
        place.rows.collect(place.partition, from..to, &mut rows);
        let bytes: Vec<&[u8]> = rows.iter().map(|row| place.rows.bytes(*row)).collect();
        let mut walks = self.walks(known, &place.codec.decode(&bytes)?)?;
        let mut start = 0;
        while start < rows.len() {
            let mut end = start + 1;
            while self.by_peers && end < rows.len() && are_peers(bytes[start], bytes[end]) {
                end += 1;
            }
            self.add(&mut walks, start..end)?;
            for (at, row) in rows[start..end].iter().enumerate() {
                let position = from + start + at;
                if range.contains(&position) {
                    let is_last = position + 1 == place.len();
                    let is_kept = start + at + 1 == end && (is_last || row % KEPT == 0);
                    self.keep(*row, is_kept, &mut walks)?;
                }
            }
            start = end;
        }
        // The row that was the last one is so no more.
        if let Some(row) = known.filter(|row| from < place.len() && row % KEPT != 0) {
            self.forget(row);
        }
        let wanted = range.start - from..range.end - from;
        let calls = self.calls.iter().zip(walks);
        let values = calls.map(|((call, _), walk)| {
            let values = walk.values.into_iter().skip(wanted.start).take(wanted.len());
            Ok((*call, ScalarValue::iter_to_array(values).map_err(failed)?))
        });
        values.collect()
    }

    /// The nearest position at or before one from which values can be computed, and the row before
    /// it, which has a state; none at the beginning.
    fn known_before(&self, place: &Place<'_>, position: usize) -> (usize, Option<u32>) {
        let start_of = |position: usize| match self.by_peers {
            true => place.peers_start(place.bytes(position)),
            false => position,
        };
        let mut position = start_of(position);
        while let Some(before) = position.checked_sub(1) {
            let row = place.rows.row_at(place.partition, before);
            if !self.states.value(row as usize).is_empty() {
                return (position, Some(row));
            }
            position = start_of(before);
        }
        (0, None)
    }

    /// The calls behind a row that has a state, about to go through a batch.
    fn walks(&self, known: Option<u32>, batch: &RecordBatch) -> Result<Vec<Walk>> {
        let mut states = match known {
            Some(row) => {
                let parser = self.format.parser();
                let row = parser.parse(self.states.value(row as usize));
                self.format.convert_rows([row]).map_err(arrow_error)?
            }
            None => Vec::new(),
        };
        let calls = self.calls.iter().zip(&self.widths);
        let walks = calls.map(|((_, call), width)| {
            let mut accumulator = call.accumulator()?;
            if known.is_some() {
                let state: Vec<ArrayRef> = states.drain(..*width).collect();
                accumulator.merge_batch(&state).map_err(failed)?;
            }
            let arguments = call.expr.evaluate_args(batch).map_err(failed)?;
            let filter = call.filter.map(|column| batch.column(column).as_boolean().clone());
            Ok(Walk { accumulator, arguments, filter, values: Vec::new() })
        });
        walks.collect()
    }

    /// Adds a row, or rows that are peers, to all calls.
    fn add(&self, walks: &mut [Walk], rows: Range<usize>) -> Result<()> {
        for ((_, call), walk) in self.calls.iter().zip(walks) {
            if call.by_peers {
                let value = walk.add(rows.clone())?;
                walk.values.extend(std::iter::repeat_n(value, rows.len()));
                continue;
            }
            for row in rows.clone() {
                let value = walk.add(row..row + 1)?;
                walk.values.push(value);
            }
        }
        Ok(())
    }

    /// Keeps the states behind a row, or sees to it that it has none.
    fn keep(&mut self, row: u32, is_kept: bool, walks: &mut [Walk]) -> Result<()> {
        if !is_kept {
            if !self.states.value(row as usize).is_empty() {
                self.forget(row);
            }
            return Ok(());
        }
        let mut columns = Vec::new();
        for walk in walks {
            for value in walk.accumulator.state().map_err(failed)? {
                columns.push(value.to_array().map_err(failed)?);
            }
        }
        let rows = self.format.convert_columns(&columns).map_err(arrow_error)?;
        self.states.set(row as usize, rows.row(0).data());
        Ok(())
    }
}

impl Container for Running {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { calls: _, widths: _, format: _, by_peers: _, states } = self;
        states.parts(parts)
    }

    fn state_bytes(&self) -> usize {
        self.states.state_bytes()
    }
}
