//! [`TimeMap`]: how the frontier of an output column follows from that of an input column.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use laminar_types::{Frontier, Result, TimeUnit};

use crate::expr::Expr;
use crate::operator::Marks;
use crate::state::Parts;

/// An output column that is a monotone function of an event-time column of the input.
///
/// What is not before a frontier is not before the function's value of it afterwards, so that
/// value is a frontier of the output.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeMap {
    /// The position among the input's event-time columns.
    pub input: usize,
    /// The steps of the function, the first one first; none when the column is passed on.
    pub steps: Vec<TimeStep>,
}

/// One step of a [`TimeMap`].
#[derive(Debug, Clone, PartialEq)]
pub enum TimeStep {
    /// Adds a span, in nanoseconds.
    Shift(i64),
    /// Any function that never decreases.
    Monotone(Box<Monotone>),
}

/// A function from one event time to another that never decreases, or to a list of event times
/// whose first, the least, never decreases.
#[derive(Debug, Clone, PartialEq)]
pub struct Monotone {
    expr: Expr,
    input: SchemaRef,
    from: TimeUnit,
    to: TimeUnit,
}

impl TimeMap {
    /// The map of a column that is passed on.
    pub fn identity(input: usize) -> Self {
        Self { input, steps: Vec::new() }
    }

    /// The map with one more step.
    pub fn then(mut self, step: TimeStep) -> Self {
        match (self.steps.last_mut(), &step) {
            (_, TimeStep::Shift(0)) => {}
            (Some(TimeStep::Shift(span)), TimeStep::Shift(more))
                if span.checked_add(*more).is_some() =>
            {
                *span += more;
            }
            _ => self.steps.push(step),
        }
        self
    }

    /// The frontier of the output; `inputs` are those of the input's event-time columns.
    pub fn frontier(&self, inputs: &[Frontier]) -> Frontier {
        let frontier = inputs.get(self.input).copied().unwrap_or(Frontier::MIN);
        self.steps.iter().fold(frontier, |frontier, step| match step {
            TimeStep::Shift(span) => frontier.shift(i128::from(*span)),
            TimeStep::Monotone(function) => function.frontier(frontier),
        })
    }
}

/// The event times of an operator whose output follows those of its only input.
#[derive(Debug, Default)]
pub(super) struct PassedTimes {
    maps: Vec<TimeMap>,
    inputs: Vec<Frontier>,
}

impl PassedTimes {
    /// One map for each event-time column of the output.
    pub(super) fn new(maps: Vec<TimeMap>) -> Self {
        Self { maps, inputs: Vec::new() }
    }

    /// What matters to those that read the operator, if they see the input's own frontiers.
    pub(super) fn marks(&self) -> Marks {
        match self.maps.iter().all(|map| map.steps.is_empty()) {
            true => Marks::AsReaders,
            false => Marks::Every,
        }
    }

    /// Takes the frontiers of the input's event-time columns.
    pub(super) fn advance(&mut self, inputs: &[Frontier]) {
        self.inputs.clear();
        self.inputs.extend_from_slice(inputs);
    }

    /// The frontier of an event-time column of the input, if it was told.
    pub(super) fn input(&self, position: usize) -> Option<Frontier> {
        self.inputs.get(position).copied()
    }

    /// The frontiers of the output's.
    pub(super) fn frontiers(&self, out: &mut Vec<Frontier>) {
        out.clear();
        out.extend(self.maps.iter().map(|map| map.frontier(&self.inputs)));
    }

    /// What outlives an epoch.
    pub(super) fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        parts.numbers(&mut self.inputs)
    }
}

impl Monotone {
    /// The function that an expression over a single column, of type `input`, is; `None` when
    /// either side is no event time.
    pub fn new(expr: Expr, input: &DataType) -> Option<Self> {
        let schema = Arc::new(Schema::new(vec![Field::new("time", input.clone(), true)]));
        let output = expr.data_type(&schema).ok()?;
        let output = match &output {
            DataType::List(item) => item.data_type(),
            output => output,
        };
        Some(Self { from: TimeUnit::of(input)?, to: TimeUnit::of(output)?, input: schema, expr })
    }

    /// The function's value of the first time that is not before the frontier. Where it has none,
    /// nothing is known.
    fn frontier(&self, frontier: Frontier) -> Frontier {
        if frontier == Frontier::MIN || frontier == Frontier::MAX {
            return frontier;
        }
        match self.value(frontier.in_unit(self.from)) {
            Some(time) => Frontier::before(time, self.to),
            None => Frontier::MIN,
        }
    }

    fn value(&self, time: i64) -> Option<i64> {
        let times: ArrayRef = Arc::new(Int64Array::from(vec![time]));
        let times = cast(&times, self.input.field(0).data_type()).ok()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.input), vec![times]).ok()?;
        let mut value = self.expr.evaluate(&batch).ok()?;
        if let Some(list) = value.as_list_opt::<i32>() {
            value = list.value(0);
        }
        let value = cast(&value, &DataType::Int64).ok()?;
        let value = value.as_primitive::<Int64Type>();
        (!value.is_empty() && value.is_valid(0)).then(|| value.value(0))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::Operator;
    use datafusion::physical_expr::expressions::{BinaryExpr, Column, lit};

    use super::*;

    #[test]
    fn steps_follow_each_other() {
        let before = |ms| Frontier::before(ms, TimeUnit::Millisecond);
        let second = 1_000_000_000;
        let divided =
            BinaryExpr::new(Arc::new(Column::new("time", 0)), Operator::Divide, lit(10i64));
        let tenth = Monotone::new(Expr::new(Arc::new(divided)), &DataType::Int64).unwrap();
        let map = TimeMap::identity(1)
            .then(TimeStep::Shift(second))
            .then(TimeStep::Shift(-3 * second))
            .then(TimeStep::Monotone(Box::new(tenth)));
        assert_eq!(map.steps.len(), 2);
        assert_eq!(map.frontier(&[Frontier::MAX, before(12_345)]), before(1_034));
        assert_eq!(map.frontier(&[Frontier::MAX, Frontier::MIN]), Frontier::MIN);
        assert_eq!(map.frontier(&[Frontier::MIN, Frontier::MAX]), Frontier::MAX);
        assert_eq!(map.frontier(&[]), Frontier::MIN);
    }

    #[test]
    fn what_has_no_value_tells_nothing() {
        let divided =
            BinaryExpr::new(Arc::new(Column::new("time", 0)), Operator::Divide, lit(0i64));
        let never = Monotone::new(Expr::new(Arc::new(divided)), &DataType::Int64).unwrap();
        let frontier = Frontier::before(5, TimeUnit::Millisecond);
        assert_eq!(never.frontier(frontier), Frontier::MIN);
        let column = Expr::column("time", 0);
        assert!(Monotone::new(column, &DataType::Utf8).is_none());
    }
}
