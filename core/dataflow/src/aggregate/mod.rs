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
//! | `count`, `sum`, `float_sum`, `avg` | counts and sums |
//! | `min_max`, `min_max_bytes`, `kind` | smallest and largest value over append-only input |
//! | `multiset` | the same over updating input |
//! | `input`, `presence` | rows to take; which slots have seen a value |
//! | `converted` | arguments cast first |

mod avg;
mod converted;
mod count;
mod float_sum;
mod input;
mod kind;
mod min_max;
mod min_max_bytes;
mod multiset;
mod presence;
mod sum;
pub mod table;

use std::any::Any;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use laminar_types::error::code;
use laminar_types::{Error, Result};

pub use input::Input;
pub use table::{AggregateArgs, AggregateSnapshot, AggregateTable};

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

    /// The same state, sharing memory; neither sees later changes of the other.
    fn snapshot(&mut self) -> Box<dyn Accumulator>;

    /// The same call without state.
    fn fresh(&self) -> Box<dyn Accumulator>;

    /// Bytes allocated, shared memory counted in full.
    fn state_bytes(&self) -> usize;

    /// For [`Accumulator::merge`], which needs the other's type.
    fn as_any(&self) -> &dyn Any;
}

/// The aggregate functions with an incremental algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AggregateFunction {
    /// `count(*)`: rows.
    CountAll,
    /// `count(x, ...)`: rows where no argument is null.
    Count,
    /// `sum(x)`.
    Sum,
    /// `avg(x)`.
    Avg,
    /// `min(x)`.
    Min,
    /// `max(x)`.
    Max,
}

impl AggregateFunction {
    /// The function of this SQL name; `count` without arguments is [`Self::CountAll`].
    pub fn from_name(name: &str, arguments: usize) -> Option<Self> {
        match (name, arguments) {
            ("count", 0) => Some(Self::CountAll),
            ("count", _) => Some(Self::Count),
            ("sum", 1) => Some(Self::Sum),
            ("avg" | "mean", 1) => Some(Self::Avg),
            ("min", 1) => Some(Self::Min),
            ("max", 1) => Some(Self::Max),
            _ => None,
        }
    }

    /// The SQL name.
    pub fn name(self) -> &'static str {
        match self {
            Self::CountAll | Self::Count => "count",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
        }
    }
}

/// An accumulator for `function` over arguments of these types; `append_only` when no row of its
/// input ever has a weight other than one.
///
/// # Errors
/// `UNSUPPORTED` when the function does not exist for these types.
pub fn create(
    function: AggregateFunction,
    input: &[DataType],
    append_only: bool,
) -> Result<Box<dyn Accumulator>> {
    use AggregateFunction::{Avg, Count, CountAll, Max, Min, Sum};
    match (function, input) {
        (CountAll, []) => Ok(Box::new(count::Count::new(true))),
        (Count, [_, ..]) => Ok(Box::new(count::Count::new(false))),
        (Sum, [argument]) => sum::create(argument, append_only),
        (Avg, [argument]) => avg::create(argument, append_only),
        (Min, [argument]) => min_max::create::<false>(argument, append_only),
        (Max, [argument]) => min_max::create::<true>(argument, append_only),
        _ => Err(unsupported(function.name(), input)),
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
