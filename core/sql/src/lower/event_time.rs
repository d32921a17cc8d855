//! How event time passes through expressions.
//!
//! A column keeps a frontier when it is a function of an event-time column that never decreases;
//! [`TimeMap`] then says what the frontier becomes. What is not known to be such a function drops
//! event time.

use arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Operator};
use laminar_dataflow::expr::Expr as Compiled;
use laminar_dataflow::operators::{Monotone, TimeMap, TimeStep};
use laminar_dataflow::{Changes, EventTime, Traits};
use laminar_types::TimeUnit;

use super::Lowered;
use crate::compile::Compiler;
use crate::functions::{KNOWN_TIME, WINDOW_LIST, WINDOW_TIME, length_ns};
use crate::parser::probe::PROBE_TIMES;
use crate::parser::windows::{WINDOW_END, WindowKind};

/// The maps of event times that are passed on as they are.
pub(super) fn identity(traits: &Traits) -> Vec<TimeMap> {
    (0..traits.times.len()).map(TimeMap::identity).collect()
}

/// The event times of a projection.
pub(super) struct ProjectedTimes {
    pub(super) times: Vec<EventTime>,
    /// How each follows from the event times of the relation's input.
    pub(super) maps: Vec<TimeMap>,
    /// What `EXPLAIN` says of those that are computed.
    pub(super) labels: Vec<String>,
}

/// Which columns of a projection carry event time.
pub(super) fn project_times(
    exprs: &[Expr],
    compiled: &[Compiled],
    input: &Lowered,
    schema: &Schema,
) -> ProjectedTimes {
    let mut found = ProjectedTimes { times: Vec::new(), maps: Vec::new(), labels: Vec::new() };
    for (column, compiled) in compiled.iter().enumerate() {
        let carried = match (compiled.as_column(), exprs.get(column)) {
            (Some(from), _) => Some((from, None)),
            (None, Some(expr)) => carried_time(expr, &input.columns),
            (None, None) => None,
        };
        let Some((from, step)) = carried else { continue };
        let Some(time) = input.traits.time_of(from) else { continue };
        let unit = match time_unit(schema.field(column).data_type()) {
            Some(unit) => unit,
            None => continue,
        };
        if step.is_some() {
            let from = input.columns.field(from).name();
            let name = schema.field(column).name();
            found.labels.push(format!("event time {name} by that of {from}"));
        }
        let map = input.times[time].clone();
        found.times.push(EventTime { column, unit, ..input.traits.times[time] });
        found.maps.push(step.into_iter().fold(map, TimeMap::then));
    }
    found
}

/// The unit of an event time, or of a list of event times.
fn time_unit(data_type: &DataType) -> Option<TimeUnit> {
    match data_type {
        DataType::List(item) => TimeUnit::of(item.data_type()),
        other => TimeUnit::of(other),
    }
}

/// The column of which an expression is a function that never decreases, and the function; `None`
/// in its place where the expression is the column.
pub(super) fn carried_time(expr: &Expr, columns: &DFSchema) -> Option<(usize, Option<TimeStep>)> {
    if let Some((column, span_ns)) = moved_time(expr, columns) {
        return Some((column, (span_ns != 0).then_some(TimeStep::Shift(span_ns))));
    }
    let column = monotone_column(expr, columns)?;
    let index = columns.maybe_index_of_column(column)?;
    let field = columns.field(index);
    let time = Column::new_unqualified("time");
    let over_time = expr.clone().transform_up(|expr| match &expr {
        Expr::Column(_) => Ok(Transformed::yes(Expr::Column(time.clone()))),
        _ => Ok(Transformed::no(expr)),
    });
    let schema = Schema::new(vec![field.as_ref().clone().with_name("time")]);
    let schema = DFSchema::try_from(schema).ok()?;
    let compiler = Compiler { columns: &schema, changes: Changes::AppendOnly };
    let compiled = compiler.compile(&over_time.ok()?.data).ok()?;
    let function = Monotone::new(compiled, field.data_type())?;
    Some((index, Some(TimeStep::Monotone(Box::new(function)))))
}

/// `column + span`, `span + column` or `column - span`: the column and the span in nanoseconds.
pub(super) fn moved_time(expr: &Expr, columns: &DFSchema) -> Option<(usize, i64)> {
    match expr {
        Expr::Alias(alias) => moved_time(&alias.expr, columns),
        Expr::Column(column) => Some((columns.maybe_index_of_column(column)?, 0)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (time, span) = match (left.as_ref(), op, right.as_ref()) {
                (time, Operator::Plus, Expr::Literal(span, _))
                | (Expr::Literal(span, _), Operator::Plus, time) => (time, length_ns(span).ok()?),
                (time, Operator::Minus, Expr::Literal(span, _)) => {
                    (time, length_ns(span).ok()?.checked_neg()?)
                }
                _ => return None,
            };
            let (column, shift) = moved_time(time, columns)?;
            Some((column, shift.checked_add(span)?))
        }
        _ => None,
    }
}

/// The only column of an expression that never decreases when the column grows.
///
/// Intervals with months are none: they bring a later hour of an earlier day behind an earlier
/// hour of a later one (30 January 13:00 and 31 January 12:00, a month later). Nor is local time:
/// an hour comes twice in autumn.
fn monotone_column<'e>(expr: &'e Expr, columns: &DFSchema) -> Option<&'e Column> {
    let inner = match expr {
        Expr::Column(column) => {
            return is_event_time(&expr.get_type(columns).ok()?).then_some(column);
        }
        Expr::Alias(alias) => &alias.expr,
        Expr::Cast(Cast { expr, .. }) => expr,
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            match (left.as_ref(), op, right.as_ref()) {
                (_, Operator::Plus | Operator::Minus, Expr::Literal(span, _))
                    if length_ns(span).is_ok() =>
                {
                    left
                }
                (_, Operator::Multiply | Operator::Divide, factor) if is_positive(factor) => left,
                (Expr::Literal(span, _), Operator::Plus, _) if length_ns(span).is_ok() => right,
                (factor, Operator::Multiply, _) if is_positive(factor) => right,
                _ => return None,
            }
        }
        Expr::ScalarFunction(call) => {
            let are_literals =
                |args: &[Expr]| args.iter().all(|arg| matches!(arg, Expr::Literal(..)));
            match (call.func.name(), call.args.as_slice()) {
                ("date_trunc", [Expr::Literal(..), time]) => time,
                ("date_bin", [Expr::Literal(..), time, rest @ ..]) if are_literals(rest) => time,
                (
                    "to_timestamp"
                    | "to_timestamp_seconds"
                    | "to_timestamp_millis"
                    | "to_timestamp_micros"
                    | "to_timestamp_nanos"
                    | "from_unixtime"
                    | WINDOW_TIME
                    | KNOWN_TIME,
                    [time],
                ) => time,
                (WINDOW_END, [time, rest @ ..]) if !rest.is_empty() && are_literals(rest) => time,
                (WINDOW_LIST, [_, time, rest @ ..]) | (PROBE_TIMES, [time, rest @ ..])
                    if are_literals(rest) =>
                {
                    time
                }
                (name, [time, rest @ ..])
                    if name == WindowKind::Tumble.name() && are_literals(rest) =>
                {
                    time
                }
                _ => return None,
            }
        }
        _ => return None,
    };
    let data_type = expr.get_type(columns).ok()?;
    let data_type = match &data_type {
        DataType::List(item) => item.data_type(),
        data_type => data_type,
    };
    is_event_time(data_type).then(|| monotone_column(inner, columns)).flatten()
}

/// Whether a type can carry event time, in no zone whose clock is ever set back.
fn is_event_time(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, Some(zone)) => {
            zone.eq_ignore_ascii_case("utc") || zone.starts_with(['+', '-'])
        }
        other => TimeUnit::of(other).is_some(),
    }
}

fn is_positive(expr: &Expr) -> bool {
    let Expr::Literal(value, _) = expr else { return false };
    let number = value.cast_to(&DataType::Int64).ok().filter(|_| value.data_type().is_integer());
    matches!(number, Some(datafusion::common::ScalarValue::Int64(Some(number))) if number > 0)
}
