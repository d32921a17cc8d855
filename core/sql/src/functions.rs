//! The window functions of the dialect, as scalar functions of DataFusion.
//!
//! In `GROUP BY` of a continuous query the planner turns a call into a window operator and never
//! evaluates it. Elsewhere `tumble` is what it says: the start of the window of a time. A time
//! that belongs to several windows has no single start, so the others are only for grouping.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, IntervalUnit};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::functions_aggregate::first_last::{first_value_udaf, last_value_udaf};
use datafusion::logical_expr::{
    AggregateUDF, ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use laminar_types::TimeUnit;

use crate::parser::windows::{WINDOW_END, WindowKind};

/// Every kind of window.
const KINDS: [WindowKind; 4] =
    [WindowKind::Tumble, WindowKind::Hop, WindowKind::Session, WindowKind::Cumulate];

/// How a call is written, for error messages.
fn usage(kind: WindowKind) -> &'static str {
    match kind {
        WindowKind::Tumble => "tumble(ts, size [, offset])",
        WindowKind::Hop => "hop(ts, size, slide [, offset])",
        WindowKind::Session => "session(ts, gap)",
        WindowKind::Cumulate => "cumulate(ts, step, max_size [, offset])",
    }
}

fn argument_counts(kind: WindowKind) -> std::ops::RangeInclusive<usize> {
    match kind {
        WindowKind::Tumble => 2..=3,
        WindowKind::Hop => 3..=4,
        WindowKind::Session => 2..=2,
        WindowKind::Cumulate => 3..=4,
    }
}

/// The window functions to register in a session.
pub(crate) fn window_functions() -> Vec<Arc<ScalarUDF>> {
    let mut functions: Vec<_> = KINDS
        .into_iter()
        .map(|kind| Arc::new(ScalarUDF::from(WindowFunction::new(kind))))
        .collect();
    functions.push(Arc::new(ScalarUDF::from(WindowEnd::new())));
    functions
}

/// `FIRST(x)` and `LAST(x)`: other names of `first_value` and `last_value`.
pub(crate) fn first_and_last() -> Vec<Arc<AggregateUDF>> {
    let named = |function: Arc<AggregateUDF>, name| {
        Arc::new(function.as_ref().clone().with_aliases([name]))
    };
    vec![named(first_value_udaf(), "first"), named(last_value_udaf(), "last")]
}

/// The window call in an expression, under any alias: its kind and arguments.
pub(crate) fn window_call(expr: &Expr) -> Option<(WindowKind, &[Expr])> {
    match expr {
        Expr::Alias(alias) => window_call(&alias.expr),
        Expr::ScalarFunction(call) => {
            let kind = KINDS.into_iter().find(|kind| kind.name() == call.func.name())?;
            Some((kind, &call.args))
        }
        _ => None,
    }
}

/// A length in a window call, in nanoseconds: an `INTERVAL` without months, or an integer, which
/// counts milliseconds.
pub(crate) fn length_ns(value: &ScalarValue) -> Result<i64> {
    let too_long = || plan_err!("the interval {value} is too long for a window");
    match value {
        ScalarValue::IntervalMonthDayNano(Some(interval)) => {
            if interval.months != 0 {
                return plan_err!(
                    "a window cannot have a length in months or years, whose lengths differ: \
                     use days"
                );
            }
            let days = i64::from(interval.days).checked_mul(86_400_000_000_000);
            days.and_then(|days| days.checked_add(interval.nanoseconds)).map_or_else(too_long, Ok)
        }
        ScalarValue::IntervalDayTime(Some(interval)) => {
            let days = i64::from(interval.days) * 86_400_000;
            let millis = days + i64::from(interval.milliseconds);
            millis.checked_mul(1_000_000).map_or_else(too_long, Ok)
        }
        ScalarValue::IntervalYearMonth(_) => {
            plan_err!("a window cannot have a length in months or years: use days")
        }
        other => match other.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(Some(millis))) if other.data_type().is_integer() => {
                millis.checked_mul(1_000_000).map_or_else(too_long, Ok)
            }
            _ => plan_err!(
                "a window's length must be an INTERVAL or a number of milliseconds, not {other}"
            ),
        },
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct WindowFunction {
    kind: WindowKind,
    signature: Signature,
}

impl WindowFunction {
    fn new(kind: WindowKind) -> Self {
        Self { kind, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for WindowFunction {
    fn name(&self) -> &str {
        self.kind.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        if !argument_counts(self.kind).contains(&arguments.len()) {
            return plan_err!("wrong number of arguments: write {}", usage(self.kind));
        }
        let time = match &arguments[0] {
            time if TimeUnit::of(time).is_some() => time.clone(),
            DataType::Int32 => DataType::Int64,
            other => {
                return plan_err!(
                    "the event time of {}(...) must be TIMESTAMP or BIGINT (milliseconds), \
                     not {other}",
                    self.kind.name()
                );
            }
        };
        let lengths = arguments[1..].iter().map(|length| match length {
            length if length.is_integer() => DataType::Int64,
            _ => DataType::Interval(IntervalUnit::MonthDayNano),
        });
        Ok(std::iter::once(time).chain(lengths).collect())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.kind != WindowKind::Tumble {
            return exec_err!(
                "{}(...) groups the rows of a continuous query; an ad-hoc query can group by \
                 tumble(...) only",
                self.kind.name()
            );
        }
        let Some(unit) = TimeUnit::of(&args.args[0].data_type()) else {
            return exec_err!("tumble(...) got a {} as time", args.args[0].data_type());
        };
        let lengths = args.args[1..].iter().map(|length| match length {
            ColumnarValue::Scalar(value) => Ok(length_ns(value)? / unit.nanos()),
            ColumnarValue::Array(_) => exec_err!("the size of tumble(...) must be a constant"),
        });
        let lengths = lengths.collect::<Result<Vec<i64>>>()?;
        let (size, offset) = (lengths[0], lengths.get(1).copied().unwrap_or(0));
        if size <= 0 {
            return exec_err!("the size of tumble(...) must be positive");
        }
        let times = args.args[0].to_array(args.number_rows)?;
        let time_type = times.data_type().clone();
        let starts: Int64Array = cast(&times, &DataType::Int64)?
            .as_primitive::<Int64Type>()
            .unary(|time| (time - offset).div_euclid(size) * size + offset);
        let starts: ArrayRef = cast(&starts, &time_type)?;
        Ok(ColumnarValue::Array(starts))
    }
}

/// `__window_end(start [, size])`: right above a window's `GROUP BY` the planner replaces it by the
/// column that the window operator gives. Elsewhere it is start plus size.
#[derive(Debug, PartialEq, Eq, Hash)]
struct WindowEnd {
    signature: Signature,
}

impl WindowEnd {
    fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for WindowEnd {
    fn name(&self) -> &str {
        WINDOW_END
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [start, ColumnarValue::Scalar(size)] = args.args.as_slice() else {
            return exec_err!("window_end is known only where a query groups by a window");
        };
        let Some(unit) = TimeUnit::of(&start.data_type()) else {
            return exec_err!("window_end got a {} as time", start.data_type());
        };
        let size = length_ns(size)? / unit.nanos();
        let starts = start.to_array(args.number_rows)?;
        let ends: Int64Array = cast(&starts, &DataType::Int64)?
            .as_primitive::<Int64Type>()
            .unary(|start| start + size);
        Ok(ColumnarValue::Array(cast(&ends, starts.data_type())?))
    }
}
