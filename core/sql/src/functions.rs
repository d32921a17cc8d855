//! The window functions of the dialect, as scalar functions of DataFusion.
//!
//! In `GROUP BY` of a continuous query the planner turns a call into a window operator and never
//! evaluates it. Elsewhere `tumble` is what it says: the start of the window of a time. A time
//! that belongs to several windows has no single start, so the others are only for grouping.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, IntervalUnit};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err, plan_err};
use datafusion::functions_aggregate::first_last::{first_value_udaf, last_value_udaf};
use datafusion::logical_expr::{
    AggregateUDF, ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, lit,
};
use laminar_dataflow::window::WindowSpec;
use laminar_types::{Error, TimeUnit, mutant};

use crate::parser::windows::{WINDOW_END, WindowKind};

pub(crate) use crate::parser::windows::{ROW_WINDOW_END, ROW_WINDOW_START, WINDOW_TIME};

/// The function that lists the windows of a time.
pub(crate) const WINDOW_LIST: &str = "__window_list";

/// The function that fails for NULL and is its argument otherwise.
pub(crate) const KNOWN_TIME: &str = "__known_time";

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
    functions.extend(Piece::ALL.map(|piece| Arc::new(piece.function())));
    functions
}

/// The function of a kind of window.
pub(crate) fn window_function(kind: WindowKind) -> ScalarUDF {
    ScalarUDF::from(WindowFunction::new(kind))
}

/// The end of a window: `__window_end(start [, size])`.
pub(crate) fn window_end(args: Vec<Expr>) -> Expr {
    Piece::End.function().call(args)
}

/// A time that may not be NULL: a row without one is in no window.
pub(crate) fn known_time(time: Expr) -> Expr {
    Piece::Known.function().call(vec![time])
}

/// The windows of a time, with the arguments of their call: of hopping windows the starts, of
/// cumulating windows the ends, ascending.
pub(crate) fn window_list(kind: WindowKind, args: &[Expr]) -> Expr {
    let args = std::iter::once(lit(kind.name())).chain(args.iter().cloned());
    Piece::List.function().call(args.collect())
}

/// The windows of a kind with these lengths in nanoseconds, as they stand in a call.
///
/// # Errors
/// As [`WindowSpec::new`].
pub(crate) fn window_spec(
    kind: WindowKind,
    lengths_ns: &[i64],
    unit: TimeUnit,
) -> laminar_types::Result<WindowSpec> {
    let offset = |at: usize| lengths_ns.get(at).copied().unwrap_or(0);
    match (kind, lengths_ns) {
        (WindowKind::Tumble, [size, ..]) => WindowSpec::new(unit, *size, *size, offset(1)),
        (WindowKind::Hop, [a, b, ..]) => WindowSpec::new(unit, *a.max(b), *a.min(b), offset(2)),
        (WindowKind::Cumulate, [step, size, ..]) => {
            WindowSpec::cumulating(unit, *step, *size, offset(2))
        }
        _ => Err(Error::internal(format!("{}(...) without its lengths", kind.name()))),
    }
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
                 tumble(...), and by the bounds of HOP and CUMULATE as tables in a subquery",
                self.kind.name()
            );
        }
        let Some(unit) = TimeUnit::of(&args.args[0].data_type()) else {
            return exec_err!("tumble(...) got a {} as time", args.args[0].data_type());
        };
        let lengths = args.args[1..].iter().map(|length| match length {
            ColumnarValue::Scalar(value) => length_ns(value),
            ColumnarValue::Array(_) => exec_err!("the size of tumble(...) must be a constant"),
        });
        let spec = window_spec(self.kind, &lengths.collect::<Result<Vec<i64>>>()?, unit);
        let spec = spec.map_err(|error| DataFusionError::Plan(error.message().to_string()))?;
        let times = args.args[0].to_array(args.number_rows)?;
        bounded(&times, &spec)?;
        moved(&times, |time| spec.start(spec.first_end(time)))
    }
}

/// What rewritten windows are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Piece {
    /// `__window_end(start [, size])`: right above a window's `GROUP BY` the planner replaces it by
    /// the column that the window operator gives. Elsewhere it is start plus size.
    End,
    /// `__window_time(end)`: the last time that a window holds, one unit before its end.
    Time,
    /// `__known_time(ts)`: see [`known_time`].
    Known,
    /// `__window_list(kind, ts, ...)`: see [`window_list`].
    List,
    /// Stands for the start or the end of the windows of a row; see [`crate::window_tables`].
    RowStart,
    RowEnd,
}

/// A piece as a function of its arguments as they come.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PieceFunction {
    piece: Piece,
    signature: Signature,
}

impl Piece {
    const ALL: [Self; 6] =
        [Self::End, Self::Time, Self::Known, Self::List, Self::RowStart, Self::RowEnd];

    fn function(self) -> ScalarUDF {
        let signature = Signature::user_defined(Volatility::Immutable);
        ScalarUDF::from(PieceFunction { piece: self, signature })
    }
}

impl ScalarUDFImpl for PieceFunction {
    fn name(&self) -> &str {
        match self.piece {
            Piece::End => WINDOW_END,
            Piece::Time => WINDOW_TIME,
            Piece::Known => KNOWN_TIME,
            Piece::List => WINDOW_LIST,
            Piece::RowStart => ROW_WINDOW_START,
            Piece::RowEnd => ROW_WINDOW_END,
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(match self.piece {
            Piece::List => {
                DataType::List(Arc::new(Field::new_list_field(arguments[1].clone(), true)))
            }
            _ => arguments[0].clone(),
        })
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match self.piece {
            Piece::End => end_of(&args),
            Piece::Time => {
                moved(&args.args[0].to_array(args.number_rows)?, |end| end.saturating_sub(1))
            }
            Piece::Known => {
                Ok(ColumnarValue::Array(known(args.args[0].to_array(args.number_rows)?)?))
            }
            Piece::List => list_of(&args),
            Piece::RowStart | Piece::RowEnd => exec_err!("a window as a table was not expanded"),
        }
    }
}

/// Refuses times whose windows have bounds that cannot be said.
fn bounded(times: &ArrayRef, spec: &WindowSpec) -> Result<()> {
    let numbers = cast(times, &DataType::Int64)?;
    let range = spec.times();
    match numbers.as_primitive::<Int64Type>().iter().flatten().find(|time| !range.contains(time)) {
        Some(time) => exec_err!("the time {time} is too far from 1970 to be in a window"),
        None => Ok(()),
    }
}

/// Times moved by a function of their numbers.
fn moved(times: &ArrayRef, by: impl Fn(i64) -> i64) -> Result<ColumnarValue> {
    let numbers = cast(times, &DataType::Int64)?;
    let moved: Int64Array = numbers.as_primitive::<Int64Type>().unary(by);
    Ok(ColumnarValue::Array(cast(&moved, times.data_type())?))
}

fn end_of(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let [start, ColumnarValue::Scalar(size)] = args.args.as_slice() else {
        return exec_err!("window_end is known only where a query groups by a window");
    };
    let Some(unit) = TimeUnit::of(&start.data_type()) else {
        return exec_err!("window_end got a {} as time", start.data_type());
    };
    let size = length_ns(size)? / unit.nanos();
    moved(&start.to_array(args.number_rows)?, |start| start.saturating_add(size))
}

/// The times, of which none may be missing.
fn known(times: ArrayRef) -> Result<ArrayRef> {
    match times.null_count() {
        0 => Ok(times),
        _ => exec_err!("a row without an event time has no window"),
    }
}

fn list_of(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let [ColumnarValue::Scalar(kind), time, lengths @ ..] = args.args.as_slice() else {
        return exec_err!("a list of windows needs their kind and a time");
    };
    let kind = kind.try_as_str().flatten().and_then(WindowKind::of_name);
    let (Some(kind), Some(unit)) = (kind, TimeUnit::of(&time.data_type())) else {
        return exec_err!("windows got a {} as time", time.data_type());
    };
    let lengths = lengths.iter().map(|length| match length {
        ColumnarValue::Scalar(value) => length_ns(value),
        ColumnarValue::Array(_) => exec_err!("the lengths of a window must be constants"),
    });
    let spec = window_spec(kind, &lengths.collect::<Result<Vec<i64>>>()?, unit);
    let spec = spec.map_err(|error| DataFusionError::Plan(error.message().to_string()))?;
    let times = known(time.to_array(args.number_rows)?)?;
    bounded(&times, &spec)?;
    let numbers = cast(&times, &DataType::Int64)?;
    let mut windows = Vec::new();
    let mut counts = Vec::with_capacity(times.len());
    for time in numbers.as_primitive::<Int64Type>().values() {
        let before = windows.len();
        let (mut end, last) = (spec.first_end(*time), spec.last_end(*time));
        loop {
            windows.push(if kind == WindowKind::Hop { spec.start(end) } else { end });
            let next = spec.next_end(end);
            if end >= last || next == end || mutant!(RowInOneWindow) {
                break;
            }
            end = next;
        }
        counts.push(windows.len() - before);
    }
    let windows = cast(&Int64Array::from(windows), times.data_type())?;
    let item = Arc::new(Field::new_list_field(times.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths(counts);
    let lists: ArrayRef = Arc::new(ListArray::try_new(item, offsets, windows, None)?);
    Ok(ColumnarValue::Array(lists))
}
