//! Aggregate functions over groups, and the table of groups that operators own.
//!
//! An [`Accumulator`] keeps the state of one aggregate call for all groups as columns indexed by
//! slot; an [`AggregateTable`] joins a [`GroupIndex`](crate::state::GroupIndex) with the
//! accumulators of a query. Nothing here knows windows, watermarks or changelogs.
//!
//! Types and results are DataFusion's, except that integer and decimal sums are checked where
//! DataFusion's wrap.
//!
//! | module | what it holds |
//! |---|---|
//! | [`table`] | [`AggregateTable`], [`AggregateSnapshot`] |
//! | [`columns`] | [`AggregateColumns`]: accumulators by slot, without keys |
//! | `call` | [`AggregateFunction`], [`CallSpec`]: a call before it has state |
//! | `by_word` | [`ByWord`]: rows one at a time, as words |
//! | `count`, `sum`, `float_sum`, `avg` | counts and sums |
//! | `booleans`, `bitwise` | `bool_and`, `bit_or` and their like |
//! | `moments`, `expansion` | variances, correlation, regression, and the sums behind them |
//! | `min_max`, `min_max_bytes`, `kind` | smallest and largest value over append-only input |
//! | `kept_row` | the first or last row of a group over append-only input |
//! | `retained`, `percentile` | what needs every row of a group, in an order; `min` and `max` over updating input |
//! | `row_codec` | rows of a call as byte strings in its order |
//! | `distinct` | any of them over distinct arguments |
//! | `sliding` | any of them as one of DataFusion's, for frames that move |
//! | `batchwise` | DataFusion's own accumulators over append-only input |
//! | `input`, `presence` | rows to take; which slots have seen a value |
//! | `converted` | arguments cast first |

mod avg;
mod batchwise;
mod bitwise;
mod booleans;
mod by_word;
mod call;
pub mod columns;
mod converted;
mod count;
mod distinct;
mod expansion;
mod float_sum;
mod input;
mod kept_row;
mod kind;
mod min_max;
mod min_max_bytes;
mod moments;
mod percentile;
mod presence;
mod retained;
mod row_codec;
mod sliding;
mod sum;
pub mod table;

use std::any::Any;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use laminar_types::error::code;
use laminar_types::{Error, Result};

use batchwise::Batchwise;
use bitwise::Bitwise;
use booleans::Booleans;
pub use by_word::ByWord;
pub use call::{AggregateFunction, BatchFunction, CallSpec};
pub use columns::{AggregateArgs, AggregateColumns};
use converted::Converted;
use distinct::Distinct;
pub use input::Input;
use kept_row::KeptRow;
pub use moments::Moment;
use retained::Retained;
pub use sliding::sliding;
pub use table::{AggregateSnapshot, AggregateTable};

use crate::state::Parts;

/// The state of one aggregate call for all groups, as columns indexed by slot.
///
/// Slots given to any method are below the size last given to [`Accumulator::resize`].
pub trait Accumulator: Any + Send + Sync {
    /// The type of [`Accumulator::evaluate`]'s arrays.
    fn result_type(&self) -> DataType;

    /// Makes room for `slots` slots; new ones hold the state of no rows. Never shrinks.
    fn resize(&mut self, slots: usize);

    /// Adds rows to their groups, in order.
    ///
    /// # Errors
    /// `EXECUTION` when an integer or decimal sum overflows; the state is then as before.
    fn update(&mut self, input: &Input<'_>) -> Result<()>;

    /// Whether [`Accumulator::update`] can fail; then [`Accumulator::undo`] is exact.
    fn can_fail(&self) -> bool {
        false
    }

    /// Takes back the last successful update, whose input this is. Only asked of accumulators
    /// that can fail, when another one did.
    fn undo(&mut self, _input: &Input<'_>) {}

    /// The accumulator as one that takes rows one at a time, if it has that form.
    fn by_word(&mut self) -> Option<&mut dyn ByWord> {
        None
    }

    /// Adds the state of `other_slots[i]` of an accumulator of the same call to `slots[i]`.
    ///
    /// # Errors
    /// As [`Accumulator::update`], but some slots may have been merged: the caller clears.
    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()>;

    /// The result of each of these slots.
    ///
    /// # Errors
    /// `EXECUTION` when a decimal average does not fit its type.
    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef>;

    /// Gives a slot back the state of no rows.
    fn reset(&mut self, slot: u32);

    /// Forgets all slots and keeps memory for new ones.
    fn clear(&mut self);

    /// The same results for readers, sharing memory; neither sees later changes of the other.
    fn snapshot(&mut self) -> Box<dyn Accumulator>;

    /// Hands over the parts of its state: see [`Container::parts`](crate::state::Container::parts).
    ///
    /// # Errors
    /// As there.
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()>;

    /// The same call without state.
    fn fresh(&self) -> Box<dyn Accumulator>;

    /// Bytes allocated, shared memory counted in full.
    fn state_bytes(&self) -> usize;

    /// For [`Accumulator::merge`], which needs the other's type.
    fn as_any(&self) -> &dyn Any;
}

/// An accumulator for a function without clauses over arguments of these types; `append_only` when
/// no row of its input ever has a weight other than one.
///
/// # Errors
/// As [`create_call`].
pub fn create(
    function: AggregateFunction,
    input: &[DataType],
    append_only: bool,
) -> Result<Box<dyn Accumulator>> {
    create_call(&CallSpec::new(function, input), append_only)
}

/// An accumulator for a call; `append_only` when no row of its input ever has a weight other than
/// one.
///
/// # Errors
/// `UNSUPPORTED` when the function does not exist for these types.
pub fn create_call(call: &CallSpec, append_only: bool) -> Result<Box<dyn Accumulator>> {
    let every = of_every_row(call, append_only)?;
    match call.needs_distinct() {
        true => Ok(Box::new(Distinct::over(&call.args, append_only, every)?)),
        false => Ok(every),
    }
}

fn of_every_row(call: &CallSpec, append_only: bool) -> Result<Box<dyn Accumulator>> {
    use AggregateFunction as Of;
    match (&call.function, call.args.as_slice()) {
        (Of::CountAll, []) => Ok(Box::new(count::Count::new(true))),
        (Of::Count, [_, ..]) => Ok(Box::new(count::Count::new(false))),
        (Of::Sum, [argument]) => sum::create(argument, append_only),
        (Of::Avg, [argument]) => avg::create(argument, append_only),
        (Of::Min | Of::Max, [DataType::Dictionary(_, values)]) if !append_only => {
            let call = CallSpec { args: vec![values.as_ref().clone()], ..call.clone() };
            Ok(Converted::over(values.as_ref().clone(), of_every_row(&call, append_only)?))
        }
        (Of::Min | Of::Max, [_]) if !append_only => {
            let call = CallSpec { skip_nulls: true, ..call.clone() };
            Ok(Box::new(Retained::new(&call, append_only)?))
        }
        (of @ (Of::Min | Of::Max), [argument]) if argument.is_nested() || argument.is_null() => {
            let call = CallSpec { skip_nulls: true, ..call.clone() };
            match of {
                Of::Min => Ok(Box::new(KeptRow::<false>::new(&call)?)),
                _ => Ok(Box::new(KeptRow::<true>::new(&call)?)),
            }
        }
        (Of::Min, [argument]) => min_max::create::<false>(argument),
        (Of::Max, [argument]) => min_max::create::<true>(argument),
        (Of::BoolAnd, [DataType::Boolean]) => Ok(Box::new(Booleans::<true>::default())),
        (Of::BoolOr, [DataType::Boolean]) => Ok(Box::new(Booleans::<false>::default())),
        (Of::BitAnd, [argument]) => bitwise::create(Bitwise::And, argument, append_only),
        (Of::BitOr, [argument]) => bitwise::create(Bitwise::Or, argument, append_only),
        (Of::BitXor, [argument]) => bitwise::create(Bitwise::Xor, argument, append_only),
        (Of::Moment(moment), arguments) => moments::create(*moment, arguments, append_only),
        (Of::First, [_]) if append_only => Ok(Box::new(KeptRow::<false>::new(call)?)),
        (Of::Last, [_]) if append_only => Ok(Box::new(KeptRow::<true>::new(call)?)),
        (Of::Nth(0), _) => {
            Err(Error::unsupported("nth_value(x, 0): places are counted from 1, or back from -1"))
        }
        (Of::First | Of::Last | Of::Nth(_) | Of::ArrayAgg, [_]) => {
            Ok(Box::new(Retained::new(call, append_only)?))
        }
        (Of::Median | Of::Percentile(_) | Of::StringAgg(_), [_]) => {
            let call = CallSpec { skip_nulls: true, ..call.clone() };
            Ok(Box::new(Retained::new(&call, append_only)?))
        }
        (Of::Batch(function), [_, ..]) => match append_only {
            true => Ok(Box::new(Batchwise::new(call, function)?)),
            false => Ok(Box::new(Retained::new(call, append_only)?)),
        },
        (function, arguments) => Err(unsupported(function.name(), arguments)),
    }
}

fn unsupported(function: &str, input: &[DataType]) -> Error {
    let types: Vec<String> = input.iter().map(DataType::to_string).collect();
    Error::unsupported(format!("{function}({}) is not supported", types.join(", ")))
}

fn overflow(function: &str, data_type: &DataType) -> Error {
    Error::new(code::EXECUTION, format!("{function} overflows its type {data_type}"))
}

/// The other accumulator as one of the same type.
fn same<A: Accumulator>(other: &dyn Accumulator) -> Result<&A> {
    let other = other.as_any().downcast_ref();
    other.ok_or_else(|| Error::internal("the states of two different aggregates were merged"))
}

/// The argument as an array of the type planned.
fn argument<'a, T: 'static>(input: &Input<'a>) -> Result<&'a T> {
    let argument = input.args.first().and_then(|argument| argument.as_any().downcast_ref());
    argument.ok_or_else(|| {
        let types: Vec<_> = input.args.iter().map(|a| a.data_type().to_string()).collect();
        Error::internal(format!("aggregate arguments of unplanned types: {}", types.join(", ")))
    })
}

#[cfg(test)]
mod tests;
