//! [`AggregateFunction`], and [`CallSpec`]: what an aggregate call is, before it has state.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Accumulator as BatchAccumulator;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use laminar_types::error::code;
use laminar_types::{Error, Result};

use super::moments::Moment;

/// The aggregate functions.
#[derive(Debug, Clone)]
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
    /// `bool_and(x)`.
    BoolAnd,
    /// `bool_or(x)`.
    BoolOr,
    /// `bit_and(x)`.
    BitAnd,
    /// `bit_or(x)`.
    BitOr,
    /// `bit_xor(x)`.
    BitXor,
    /// Variances, covariances, correlation and regression.
    Moment(Moment),
    /// `first_value(x)` in the order of the call; `any_value(x)`, which skips nulls.
    First,
    /// `last_value(x)` in the order of the call.
    Last,
    /// `nth_value(x, n)` in the order of the call, counted from 1, from the end if negative.
    Nth(i64),
    /// `median(x)`.
    Median,
    /// `percentile_cont(x, share)`, the share being from 0 to 1.
    Percentile(f64),
    /// `array_agg(x)` in the order of the call.
    ArrayAgg,
    /// `string_agg(x, delimiter)` in the order of the call.
    StringAgg(String),
    /// A function evaluated by DataFusion's own accumulator.
    Batch(BatchFunction),
}

impl AggregateFunction {
    /// The SQL name.
    pub fn name(&self) -> &str {
        match self {
            Self::CountAll | Self::Count => "count",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::BoolAnd => "bool_and",
            Self::BoolOr => "bool_or",
            Self::BitAnd => "bit_and",
            Self::BitOr => "bit_or",
            Self::BitXor => "bit_xor",
            Self::Moment(_) => "a function of moments",
            Self::First => "first_value",
            Self::Last => "last_value",
            Self::Nth(_) => "nth_value",
            Self::Median => "median",
            Self::Percentile(_) => "percentile_cont",
            Self::ArrayAgg => "array_agg",
            Self::StringAgg(_) => "string_agg",
            Self::Batch(function) => function.expr.fun().name(),
        }
    }

    /// Whether a value that comes twice counts as one that comes once.
    fn ignores_duplicates(&self) -> bool {
        use AggregateFunction::*;
        matches!(self, Min | Max | BoolAnd | BoolOr | BitAnd | BitOr | First | Last)
    }

    /// Whether the order of rows makes a difference.
    pub fn is_ordered(&self) -> bool {
        use AggregateFunction::*;
        matches!(self, First | Last | Nth(_) | ArrayAgg | StringAgg(_))
    }
}

/// An aggregate function of DataFusion over the columns of a call, in their order.
#[derive(Debug, Clone)]
pub struct BatchFunction {
    /// The function and its arguments.
    pub expr: Arc<AggregateFunctionExpr>,
    /// Whether it can refuse rows: then its states before an update are kept until the next one.
    pub can_fail: bool,
}

impl BatchFunction {
    /// An accumulator without rows.
    pub(super) fn accumulator(&self) -> Result<Box<dyn BatchAccumulator>> {
        self.expr.create_accumulator().map_err(|error| batch_error(&error))
    }
}

/// An error of one of DataFusion's accumulators.
pub(super) fn batch_error(error: &DataFusionError) -> Error {
    let message = match error.find_root() {
        DataFusionError::Execution(message) => message.clone(),
        other => other.strip_backtrace(),
    };
    Error::new(code::EXECUTION, message)
}

/// An aggregate call over columns of these types.
#[derive(Debug, Clone)]
pub struct CallSpec {
    /// The function.
    pub function: AggregateFunction,
    /// The types of the arguments.
    pub args: Vec<DataType>,
    /// The types and directions of what the rows of a group are ordered by. Their columns come
    /// after the arguments. Rows that are equal in them are ordered by the arguments.
    pub order: Vec<(DataType, SortOptions)>,
    /// Whether equal arguments count once.
    pub distinct: bool,
    /// Whether rows are left out where the first argument is null.
    pub skip_nulls: bool,
}

impl CallSpec {
    /// A call without clauses.
    pub fn new(function: AggregateFunction, args: &[DataType]) -> Self {
        let (args, order) = (args.to_vec(), Vec::new());
        Self { function, args, order, distinct: false, skip_nulls: false }
    }

    /// Whether equal arguments must be told apart from different ones.
    pub(super) fn needs_distinct(&self) -> bool {
        self.distinct && !self.function.ignores_duplicates()
    }

    /// What is kept for the call, in a word for people.
    pub fn keeps(&self, append_only: bool) -> &'static str {
        use AggregateFunction::*;
        let is_value = |data_type: Option<&DataType>| {
            data_type.is_some_and(|data_type| !data_type.is_nested())
        };
        match &self.function {
            _ if self.needs_distinct() => "distinct values",
            Moment(_) => "moments",
            Min | Max if !append_only && is_value(self.args.first()) => "ordered values",
            Min | Max | First | Last if !append_only => "ordered rows",
            BitAnd | BitOr if !append_only => "counts",
            Median | Percentile(_) => "ordered values",
            Nth(_) | ArrayAgg | StringAgg(_) => "ordered rows",
            Batch(_) if append_only => "DataFusion's state",
            Batch(_) => "ordered rows, recomputed",
            _ => "a value",
        }
    }
}
