//! [`Running`]: aggregates of a partition's rows from the first one up to the current one.
//!
//! A change touches the rows from it on, whose values differ; what is before it must not be read
//! again. So the states of the aggregates are kept at some rows: at the last one of a partition and
//! at about one of sixteen others. A change goes on from the nearest state before it, so a row at
//! the end costs itself and the way to its place.
//!
//! Rows are added in their order, one by one or peer group by peer group, to accumulators for rows
//! that are only appended, since none is ever taken out of a state. A state merged into nothing is
//! itself to the last bit, so values do not depend on the state that they are computed from.
//!
//! A row is failing while a call fails on the rows up to it. Where a state could not take rows in,
//! the rows behind are failing, too, and keep no state.
//!
//! Invariant: a row has the state that its partition has now, or none.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array, UInt64Array, new_null_array,
};
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, Schema};
use laminar_types::Result;

use super::aggregate_call::AggregateCall;
use super::over_reach::Place;
use super::partition_rows::are_peers;
use crate::aggregate::{Accumulator, CallSpec, Input, create_call};
use crate::state::{Container, Paged, Parts, Slots, arrow_error};

/// About one of so many rows keeps a state.
const KEPT: u32 = 16;

/// In the place of a state's slot.
const NONE: u32 = u32::MAX;

/// An aggregate from the first row of the partition on.
#[derive(Debug, Clone)]
pub struct RunningAggregate {
    /// The call over the columns of the rows. Where its function is ordered it goes by the place
    /// of a row in its partition, and has no order of its own.
    pub call: AggregateCall,
    /// Whether it goes up to the last peer of the current row, rather than to the row itself.
    pub by_peers: bool,
}

impl RunningAggregate {
    /// The type of its values over rows of a schema; `None` where it is not for their types.
    pub fn data_type(&self, input: &Schema) -> Option<DataType> {
        self.accumulator(input).ok().map(|accumulator| accumulator.result_type())
    }

    fn accumulator(&self, input: &Schema) -> Result<Box<dyn Accumulator>> {
        let mut spec: CallSpec = self.call.spec(input);
        if self.call.function.is_ordered() {
            spec.order = vec![(DataType::UInt64, Default::default())];
        }
        create_call(&spec, true)
    }
}

/// The running aggregates of an operator.
pub(super) struct Running {
    calls: Vec<Call>,
    /// Whether states are kept behind whole peer groups alone.
    by_peers: bool,
    /// By slot of a row, the slot of the states behind it, or [`NONE`].
    kept: Paged<u32>,
    slots: Slots,
}

/// One call, with the states of it that are kept.
struct Call {
    /// Which of the operator's calls it is.
    number: usize,
    aggregate: RunningAggregate,
    states: Box<dyn Accumulator>,
}

/// One call on its way through a range of rows.
struct Walk {
    /// Its one slot has the rows so far.
    state: Box<dyn Accumulator>,
    arguments: Vec<ArrayRef>,
    filter: Option<BooleanArray>,
    /// What the state was behind each row or peer group, by its number.
    values: Box<dyn Accumulator>,
    /// Why it could not take rows in, and the first number that this concerns.
    failure: Option<(usize, String)>,
}

impl Walk {
    /// Adds rows, which get the value of this number.
    fn add(&mut self, rows: Range<usize>, number: usize) -> Result<()> {
        if self.failure.is_some() {
            return Ok(());
        }
        let slots = vec![0; rows.len()];
        let arguments = self.arguments.iter();
        let args: Vec<ArrayRef> =
            arguments.map(|column| column.slice(rows.start, rows.len())).collect();
        let filter = self.filter.as_ref().map(|filter| filter.slice(rows.start, rows.len()));
        let input = Input { slots: &slots, args: &args, filter: filter.as_ref(), weights: None };
        match self.state.update(&input) {
            Ok(()) => self.values.merge(&[number as u32], self.state.as_ref(), &[0])?,
            Err(error) => self.failure = Some((number, error.message().to_string())),
        }
        Ok(())
    }

    /// The values of so many numbers; NULL where the call fails, `failures` saying why.
    fn values(&self, count: usize, failures: &mut BTreeMap<usize, String>) -> Result<ArrayRef> {
        let sound = self.failure.as_ref().map_or(count, |(number, _)| *number);
        let numbers: Vec<u32> = (0..sound as u32).collect();
        let mut values = match self.values.evaluate(&numbers) {
            Ok(values) => vec![values],
            Err(_) => numbers
                .iter()
                .map(|number| match self.values.evaluate(&[*number]) {
                    Ok(value) => value,
                    Err(error) => {
                        failures.insert(*number as usize, error.message().to_string());
                        new_null_array(&self.values.result_type(), 1)
                    }
                })
                .collect(),
        };
        if let Some((_, message)) = &self.failure {
            failures.extend((sound..count).map(|number| (number, message.clone())));
            values.push(new_null_array(&self.values.result_type(), count - sound));
        }
        match values.as_slice() {
            [values] => Ok(Arc::clone(values)),
            values => {
                let values: Vec<&dyn Array> = values.iter().map(|values| &**values).collect();
                concat(&values).map_err(arrow_error)
            }
        }
    }
}

impl Running {
    /// These calls over rows of a schema, with their numbers.
    ///
    /// # Errors
    /// `UNSUPPORTED` when a call is not for the types of its arguments.
    pub(super) fn new(calls: Vec<(usize, RunningAggregate)>, input: &Schema) -> Result<Self> {
        let by_peers = calls.iter().any(|(_, call)| call.by_peers);
        let calls = calls.into_iter().map(|(number, aggregate)| {
            let states = aggregate.accumulator(input)?;
            Ok(Call { number, aggregate, states })
        });
        let calls = calls.collect::<Result<_>>()?;
        Ok(Self { calls, by_peers, kept: Paged::new(NONE), slots: Slots::default() })
    }

    /// Makes room for `slots` rows.
    pub(super) fn resize(&mut self, slots: usize) {
        self.kept.resize(slots);
    }

    /// Forgets a row that ceased.
    pub(super) fn forget(&mut self, row: u32) {
        let slot = *self.kept.at(row as usize);
        if slot == NONE {
            return;
        }
        self.calls.iter_mut().for_each(|call| call.states.reset(slot));
        self.slots.release(slot);
        *self.kept.at_mut(row as usize) = NONE;
    }

    /// The values of a range of rows, which is not empty, by the number of their call. Every row
    /// of the partition behind the first one that changed is in it. `failures` gets why a call
    /// failed on a row, by the row's place in the range.
    pub(super) fn evaluate(
        &mut self,
        place: &Place<'_>,
        range: Range<usize>,
        failures: &mut BTreeMap<usize, String>,
    ) -> Result<Vec<(usize, ArrayRef)>> {
        let (from, known) = self.known_before(place, range.start);
        let to = match self.by_peers {
            true => place.peers_end(place.bytes(range.end - 1)),
            false => range.end,
        };
        let mut rows = Vec::with_capacity(to - from);
        place.rows.collect(place.partition, from..to, &mut rows);
        let bytes: Vec<&[u8]> = rows.iter().map(|row| place.rows.bytes(*row)).collect();
        let mut walks = self.walks(known, &place.codec.decode(&bytes)?, from)?;
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
                    self.keep(*row, is_kept, &walks)?;
                }
            }
            start = end;
        }
        // The row that was the last one is so no more.
        if let Some(row) = known.filter(|row| from < place.len() && row % KEPT != 0) {
            self.forget(row);
        }
        let wanted = range.start - from..range.end - from;
        let first_peers = self.first_peers(&bytes);
        let calls = self.calls.iter().zip(walks);
        let values = calls.map(|(call, walk)| {
            let mut failed = BTreeMap::new();
            let mut values = walk.values(rows.len(), &mut failed)?;
            let number = |at: usize| match call.aggregate.by_peers {
                true => first_peers[at] as usize,
                false => at,
            };
            if call.aggregate.by_peers {
                let numbers = UInt32Array::from(first_peers.clone());
                values = take(&values, &numbers, None).map_err(arrow_error)?;
            }
            if !failed.is_empty() {
                for at in wanted.clone() {
                    if let Some(message) = failed.get(&number(at)) {
                        failures.entry(at - wanted.start).or_insert_with(|| message.clone());
                    }
                }
            }
            Ok((call.number, values.slice(wanted.start, wanted.len())))
        });
        values.collect()
    }

    /// For each row the first of its peers among these rows, whose number their values have.
    fn first_peers(&self, rows: &[&[u8]]) -> Vec<u32> {
        if !self.by_peers {
            return Vec::new();
        }
        let mut first = 0;
        let of = |at: usize| {
            if at > 0 && !are_peers(rows[at - 1], rows[at]) {
                first = at as u32;
            }
            first
        };
        (0..rows.len()).map(of).collect()
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
            if *self.kept.at(row as usize) != NONE {
                return (position, Some(row));
            }
            position = start_of(before);
        }
        (0, None)
    }

    /// The calls behind a row that has a state, about to go through a batch whose first row has
    /// this position.
    fn walks(&self, known: Option<u32>, batch: &RecordBatch, from: usize) -> Result<Vec<Walk>> {
        let walks = self.calls.iter().map(|Call { aggregate, states, .. }| {
            let mut state = states.fresh();
            state.resize(1);
            if let Some(row) = known {
                state.merge(&[0], states.as_ref(), &[*self.kept.at(row as usize)])?;
            }
            let call = &aggregate.call;
            let mut arguments: Vec<ArrayRef> =
                call.args.iter().map(|column| batch.column(*column).clone()).collect();
            if call.function.is_ordered() {
                let positions = from as u64..(from + batch.num_rows()) as u64;
                arguments.push(Arc::new(UInt64Array::from_iter_values(positions)));
            }
            let filter = call.filter.map(|column| batch.column(column).as_boolean().clone());
            let mut values = states.fresh();
            values.resize(batch.num_rows());
            Ok(Walk { state, arguments, filter, values, failure: None })
        });
        walks.collect()
    }

    /// Adds a row, or rows that are peers, to all calls.
    fn add(&self, walks: &mut [Walk], rows: Range<usize>) -> Result<()> {
        for (call, walk) in self.calls.iter().zip(walks) {
            match call.aggregate.by_peers {
                true => walk.add(rows.clone(), rows.start)?,
                false => rows.clone().try_for_each(|row| walk.add(row..row + 1, row))?,
            }
        }
        Ok(())
    }

    /// Keeps the states behind a row, or sees to it that it has none.
    fn keep(&mut self, row: u32, is_kept: bool, walks: &[Walk]) -> Result<()> {
        self.forget(row);
        if !is_kept || walks.iter().any(|walk| walk.failure.is_some()) {
            return Ok(());
        }
        let slot = self.slots.allocate()?;
        for (call, walk) in self.calls.iter_mut().zip(walks) {
            call.states.resize(self.slots.end());
            call.states.merge(&[slot], walk.state.as_ref(), &[0])?;
        }
        *self.kept.at_mut(row as usize) = slot;
        Ok(())
    }
}

impl Container for Running {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { calls, by_peers: _, kept, slots } = self;
        kept.parts(parts)?;
        slots.parts(parts)?;
        calls.iter_mut().try_for_each(|call| call.states.parts(parts))
    }

    fn state_bytes(&self) -> usize {
        let states = self.calls.iter().map(|call| call.states.state_bytes()).sum::<usize>();
        self.kept.state_bytes() + self.slots.state_bytes() + states
    }
}
