//! [`Retained`]: aggregates that need every row of a group, in an order.
//!
//! The rows of every group are an ordered multiset; a row that goes is taken out of it, so `min` and
//! `max` over updating input are among them. A result is read off it: a first or last row and the row of a rank without looking at the others, arrays
//! and strings by one walk, and what DataFusion alone knows how to compute by running its
//! accumulator over the rows.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeStringBuilder, ListArray, new_null_array};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use laminar_types::error::code;
use laminar_types::{Error, Result, mutant};

use super::call::{AggregateFunction, BatchFunction, CallSpec, batch_error};
use super::percentile::{self, Middle};
use super::row_codec::RowCodec;
use super::{Accumulator, Input, same};
use crate::state::{Container, OrderedBags, Parts, arrow_error};

/// The rows of every slot, as the codec orders them.
pub(super) struct Retained {
    call: Arc<CallSpec>,
    codec: RowCodec,
    rows: OrderedBags,
    /// How many rows from the start (or, negative, from the end) are enough, where none goes.
    enough: Option<i64>,
}

impl Retained {
    pub(super) fn new(call: &CallSpec, append_only: bool) -> Result<Self> {
        let enough = match call.function {
            AggregateFunction::Nth(n) if append_only => Some(n),
            _ => None,
        };
        let codec = RowCodec::new(call)?;
        Ok(Self { call: Arc::new(call.clone()), codec, rows: OrderedBags::default(), enough })
    }

    /// Takes out the rows of a slot that can no longer be the one asked for.
    fn forget_surplus(&mut self, slot: u32, enough: i64) -> Result<()> {
        while self.rows.bag(slot).len() > enough.unsigned_abs() {
            let bag = self.rows.bag(slot);
            let rank = if enough > 0 { bag.len() - 1 } else { 0 };
            let Some(row) = bag.nth(rank).map(<[u8]>::to_vec) else { return Ok(()) };
            self.rows.add(slot, &row, -1)?;
        }
        Ok(())
    }

    /// The row that a rank chooses of every slot.
    fn pick(&self, slots: &[u32], rank: impl Fn(u64) -> Option<u64>) -> Result<ArrayRef> {
        self.codec.decode_each(slots.iter().map(|&slot| {
            let bag = self.rows.bag(slot);
            let rank = rank(bag.len())?;
            bag.nth(rank.saturating_sub(u64::from(mutant!(RankOneTooLow))))
        }))
    }

    /// The values of every slot in their order, one behind the other, and how many each has.
    fn walk(&self, slots: &[u32]) -> Result<(ArrayRef, Vec<usize>)> {
        let mut lengths = Vec::with_capacity(slots.len());
        let mut rows = Vec::new();
        for &slot in slots {
            let before = rows.len();
            for (row, count) in self.rows.bag(slot).iter() {
                rows.extend(std::iter::repeat_n(row, count as usize));
            }
            lengths.push(rows.len() - before);
        }
        let mut columns = self.codec.decode(rows.into_iter())?;
        Ok((columns.swap_remove(0), lengths))
    }

    fn arrays(&self, slots: &[u32]) -> Result<ArrayRef> {
        let (values, lengths) = self.walk(slots)?;
        if i32::try_from(values.len()).is_err() {
            let message = format!("array_agg: {} values do not fit one column", values.len());
            return Err(Error::new(code::EXECUTION, message));
        }
        let mut offsets = vec![0i32];
        offsets.extend(lengths.iter().scan(0i32, |end, length| {
            *end += *length as i32;
            Some(*end)
        }));
        let valid = BooleanBuffer::collect_bool(lengths.len(), |row| lengths[row] > 0);
        let nulls = Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0);
        let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(Arc::new(ListArray::try_new(field, offsets, values, nulls).map_err(arrow_error)?))
    }

    fn strings(&self, slots: &[u32], delimiter: &str) -> Result<ArrayRef> {
        let (values, lengths) = self.walk(slots)?;
        let values = cast(&values, &DataType::LargeUtf8).map_err(arrow_error)?;
        let values = values.as_string::<i64>();
        let mut strings = LargeStringBuilder::with_capacity(slots.len(), values.value_data().len());
        let mut row = 0;
        for length in lengths {
            if length == 0 {
                strings.append_null();
                continue;
            }
            let text: Vec<&str> = (row..row + length).map(|row| values.value(row)).collect();
            strings.append_value(text.join(delimiter));
            row += length;
        }
        Ok(Arc::new(strings.finish()))
    }

    /// Runs DataFusion's accumulator over the rows of every slot.
    fn recompute(&self, slots: &[u32], function: &BatchFunction) -> Result<ArrayRef> {
        let results = slots.iter().map(|&slot| {
            let mut accumulator = function.accumulator()?;
            let rows = self.rows.bag(slot).iter();
            let rows = rows.flat_map(|(row, count)| std::iter::repeat_n(row, count as usize));
            let rows: Vec<&[u8]> = rows.collect();
            if !rows.is_empty() {
                let columns = self.codec.decode(rows.into_iter())?;
                accumulator.update_batch(&columns).map_err(|error| batch_error(&error))?;
            }
            accumulator.evaluate().map_err(|error| batch_error(&error))
        });
        let results = results.collect::<Result<Vec<ScalarValue>>>()?;
        match results.is_empty() {
            true => Ok(new_null_array(&self.result_type(), 0)),
            false => ScalarValue::iter_to_array(results).map_err(|error| batch_error(&error)),
        }
    }
}

impl Accumulator for Retained {
    fn result_type(&self) -> DataType {
        let argument = &self.call.args[0];
        match &self.call.function {
            AggregateFunction::ArrayAgg => {
                DataType::List(Arc::new(Field::new_list_field(argument.clone(), true)))
            }
            AggregateFunction::StringAgg(_) => DataType::LargeUtf8,
            AggregateFunction::Batch(function) => function.expr.field().data_type().clone(),
            _ => argument.clone(),
        }
    }

    /// A slot without rows takes no room.
    fn resize(&mut self, _slots: usize) {}

    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let selection = input.selection_of(&self.call);
        self.codec.encode(input.args)?;
        let Self { call, codec, rows, .. } = self;
        let is_extreme = matches!(call.function, AggregateFunction::Min | AggregateFunction::Max);
        let mut added = Ok(());
        input.each(selection.as_ref(), |row, slot, weight| {
            if added.is_ok() && !(is_extreme && weight < 0 && mutant!(ExtremeNeverFalls)) {
                added = rows.add(slot, codec.row(row).data(), weight);
            }
        });
        added?;
        if let Some(enough) = self.enough {
            input.slots.iter().try_for_each(|&slot| self.forget_surplus(slot, enough))?;
        }
        Ok(())
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        self.rows.merge(slots, &same::<Self>(other)?.rows, other_slots)
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        use AggregateFunction as Of;
        match &self.call.function {
            Of::First | Of::Min => self.pick(slots, |_| Some(0)),
            Of::Last | Of::Max => self.pick(slots, |rows| rows.checked_sub(1)),
            Of::Nth(n) if *n > 0 => self.pick(slots, |_| Some(n.unsigned_abs() - 1)),
            Of::Nth(n) => self.pick(slots, |rows| rows.checked_sub(n.unsigned_abs())),
            Of::ArrayAgg => self.arrays(slots),
            Of::StringAgg(delimiter) => self.strings(slots, delimiter),
            Of::Batch(function) => self.recompute(slots, function),
            of => {
                let share = if let Of::Percentile(share) = of { *share } else { 0.5 };
                let middles =
                    slots.iter().map(|&slot| Middle::of(share, self.rows.bag(slot).len()));
                let middles: Vec<Option<Middle>> = middles.collect();
                let pick = |rank: fn(&Middle) -> u64| {
                    self.codec.decode_each(
                        slots
                            .iter()
                            .zip(&middles)
                            .map(|(&slot, middle)| self.rows.bag(slot).nth(rank(middle.as_ref()?))),
                    )
                };
                let (lower, upper) = (pick(|middle| middle.lower)?, pick(|middle| middle.upper)?);
                match of {
                    Of::Median => percentile::halfway(&lower, &upper),
                    _ => percentile::between(&lower, &upper, &middles),
                }
            }
        }
    }

    fn reset(&mut self, slot: u32) {
        self.rows.reset(slot);
    }

    fn clear(&mut self) {
        self.rows.clear();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        Box::new(Self {
            call: Arc::clone(&self.call),
            codec: self.codec.beside(),
            rows: self.rows.snapshot(),
            enough: self.enough,
        })
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.rows.parts(parts)
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        Box::new(Self {
            call: Arc::clone(&self.call),
            codec: self.codec.beside(),
            rows: OrderedBags::default(),
            enough: self.enough,
        })
    }

    fn state_bytes(&self) -> usize {
        self.rows.state_bytes() + self.codec.state_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
