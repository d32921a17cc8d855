//! Conditions that bound the distance of two event times, and the [`Band`] that they make.

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::{
    Between, BinaryExpr, Cast, Expr, ExprSchemable, Join as LogicalJoin, Operator,
};
use laminar_dataflow::operators::{Lifetime, Side, TimeMap, TimeStep, Until};
use laminar_dataflow::{Changes, EventTime, Traits};
use laminar_types::{Error, Result, TimeUnit};

use super::event_time::moved_time;
use super::time_join::{duration, names};
use crate::functions::length_ns;

/// `low <= right - left` or `right - left <= high`, between an event-time column of each side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) left: usize,
    pub(super) right: usize,
    pub(super) is_low: bool,
    pub(super) span_ns: i64,
    /// Whether it says by its form that the columns are times, and not numbers that are one.
    is_of_times: bool,
}

/// Both bounds of a join.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band {
    pub(super) low: Bound,
    pub(super) high: Bound,
}

impl Bound {
    /// Whether the frontiers of its columns bound what a join keeps: a watermark is declared, or
    /// may be promised for columns that are times by their form; and what an updating side takes
    /// back is not behind its frontier.
    fn is_kept_by(&self, sides: [&Traits; 2]) -> bool {
        let is_kept = |(traits, column): (&Traits, usize)| {
            let time = traits.time_of(column).map(|time| traits.times[time]);
            let is_settled =
                traits.changes == Changes::AppendOnly || time.is_some_and(|time| time.settled);
            time.is_some() && is_settled && (traits.declared_watermark || self.is_of_times)
        };
        sides.into_iter().zip([self.left, self.right]).all(is_kept)
    }
}

impl Band {
    /// The tightest of the bounds that let rows go, if there is one on both sides.
    pub(super) fn of(bounds: &[Bound], sides: [&Traits; 2]) -> Option<Self> {
        let kept = || bounds.iter().filter(|bound| bound.is_kept_by(sides));
        let low = kept().filter(|bound| bound.is_low).max_by_key(|bound| bound.span_ns)?;
        let high = kept().filter(|bound| !bound.is_low).min_by_key(|bound| bound.span_ns)?;
        Some(Self { low: *low, high: *high })
    }

    /// Whether a bound is a part of the band.
    pub(super) fn implies(&self, bound: &Bound) -> bool {
        let columns = |bound: &Bound| (bound.left, bound.right);
        [&self.low, &self.high].iter().all(|of_band| columns(of_band) == columns(bound))
            && match bound.is_low {
                true => bound.span_ns <= self.low.span_ns,
                false => bound.span_ns >= self.high.span_ns,
            }
    }

    /// How long a join keeps its rows: until no row of the other side can match them and, where
    /// they can cease, until none takes them back.
    pub(super) fn lifetimes(&self, [left, right]: [&Traits; 2]) -> Result<[Lifetime; 2]> {
        let until = |port: usize, traits: &Traits, column: usize, span_ns| {
            let frontier = traits.time_of(column);
            frontier.map(|frontier| Until { port, frontier, span_ns })
        };
        let lifetime = |port: usize, traits: &Traits, column: usize, other: Option<Until>| {
            let own = until(port, traits, column, 0);
            let (Some(own), Some(other)) = (own, other) else {
                return Err(Error::internal("a band is between event times"));
            };
            let can_cease = traits.changes != Changes::AppendOnly;
            Ok(Lifetime::EventTime {
                column,
                unit: traits.times[own.frontier].unit,
                frontier: own.frontier,
                until: [other].into_iter().chain(can_cease.then_some(own)).collect(),
                drops_late: true,
            })
        };
        let Self { low, high } = self;
        let for_left = until(1, right, high.right, high.span_ns);
        let for_right = until(0, left, low.left, low.span_ns.saturating_neg());
        Ok([lifetime(0, left, high.left, for_left)?, lifetime(1, right, low.right, for_right)?])
    }

    /// The event times of the result, which follow from both sides: a row comes out, or goes, when
    /// one of its halves does.
    pub(super) fn event_times(
        &self,
        carried: &[Side],
        [left, right]: [&Traits; 2],
        left_width: usize,
    ) -> (Vec<EventTime>, Vec<[Option<TimeMap>; 2]>) {
        let Self { low, high } = self;
        let map = |traits: &Traits, column, shift_ns| {
            let input = traits.time_of(column)?;
            Some(TimeMap::identity(input).then(TimeStep::Shift(shift_ns)))
        };
        let of = |side: &Side| {
            let (traits, from, width) = match side {
                Side::Left => (left, high.left, 0),
                Side::Right => (right, low.right, left_width),
            };
            let time = traits.times[traits.time_of(from)?];
            let follows = match side {
                Side::Left => {
                    [map(left, high.left, 0), map(right, high.right, high.span_ns.saturating_neg())]
                }
                Side::Right => [map(left, low.left, low.span_ns), map(right, low.right, 0)],
            };
            Some((
                EventTime { column: from + width, settled: true, closed: false, ..time },
                follows,
            ))
        };
        carried.iter().filter_map(of).unzip()
    }

    /// What `EXPLAIN` says of it.
    pub(super) fn label(&self, [left, right]: [&DFSchema; 2]) -> String {
        let Self { low, high } = self;
        format!(
            "{} from {} before {} to {} after it; keeps until the frontiers pass that",
            names(&[low.right, high.right], right),
            duration(low.span_ns.saturating_neg()),
            names(&[low.left, high.left], left),
            duration(high.span_ns),
        )
    }

    /// What a person should know of a join that no declared watermark bounds.
    pub(super) fn note(&self, sides: [&Traits; 2]) -> Option<String> {
        let is_declared = sides.iter().all(|traits| traits.declared_watermark);
        (!is_declared).then(|| {
            "no watermark is declared: the rows of the join are kept until the producers call \
             watermark(t)"
                .to_string()
        })
    }
}

/// Why a join keeps its rows for ever although its conditions bound a distance in time on both
/// sides by their form; `None` where they do not, or compare what is a number.
pub(super) fn unbounded(conditions: &[Expr], sides: [(&DFSchema, &Traits); 2]) -> Option<String> {
    let [left, right] = sides.map(|(columns, _)| columns);
    let mut bounds: [Option<[usize; 2]>; 2] = [None; 2];
    for Comparison { left: a, operator, right: b, .. } in conditions.iter().flat_map(comparisons) {
        let of = |expr: &Expr, columns| time_term(expr, columns).map(|(column, _)| column);
        let (operator, pair) = match (of(a, left), of(b, right), of(b, left), of(a, right)) {
            (Some(left), Some(right), ..) => (Some(operator), [left, right]),
            (_, _, Some(left), Some(right)) => (operator.swap(), [left, right]),
            _ => continue,
        };
        match operator {
            Some(Operator::Gt | Operator::GtEq) => bounds[0] = bounds[0].or(Some(pair)),
            Some(Operator::Lt | Operator::LtEq) => bounds[1] = bounds[1].or(Some(pair)),
            _ => {}
        }
    }
    let (Some(high), Some(low)) = (bounds[0], bounds[1]) else { return None };
    let columns = [(0, high[0]), (0, low[0]), (1, high[1]), (1, low[1])];
    let reason = columns.into_iter().find_map(|(side, column)| {
        let (schema, traits) = sides[side];
        why_kept(&Column::from(schema.qualified_field(column)).flat_name(), column, traits)
    })?;
    Some(format!("unbounded: the rows of the join are kept for ever, since {reason}"))
}

/// Why no frontier of a column lets rows go.
fn why_kept(name: &str, column: usize, traits: &Traits) -> Option<String> {
    let is_updating = traits.changes != Changes::AppendOnly;
    match traits.time_of(column).map(|time| traits.times[time]) {
        Some(time) if is_updating && !time.settled => {
            Some(format!("rows with a {name} behind its watermark can still be taken back"))
        }
        Some(_) if !traits.declared_watermark => Some(format!(
            "no watermark is declared for {name}, which may be a number: declare WATERMARK FOR it"
        )),
        None if is_updating => Some(format!(
            "no watermark is about {name}, and its rows can be taken back at any time"
        )),
        None if is_timestamp(traits, column) => Some(format!("no watermark is about {name}")),
        _ => None,
    }
}

/// Whether a condition can bound a distance in time, by its form.
pub(super) fn may_bound(condition: &Expr, join: &LogicalJoin) -> bool {
    let (left, right) = (join.left.schema(), join.right.schema());
    comparisons(condition).iter().any(|Comparison { left: a, right: b, .. }| {
        let side = |expr: &Expr| {
            time_term(expr, left).map(|_| 0).or_else(|| time_term(expr, right).map(|_| 1))
        };
        matches!((side(a), side(b)), (Some(a), Some(b)) if a != b)
    })
}

/// Whether a join stands for a subquery in an expression. What that equates is what it is about, and
/// not a span of time: the rows of an equal time count however late they come.
pub(super) fn is_of_subquery(join: &LogicalJoin) -> bool {
    // The names that DataFusion gives such subqueries.
    const NAMES: [&str; 2] = ["__scalar_sq_", "__correlated_sq_"];
    let mut names = join.right.schema().iter().map(|(qualifier, _)| qualifier);
    !join.right.schema().fields().is_empty()
        && names.all(|name| {
            name.is_some_and(|name| NAMES.iter().any(|of| name.table().starts_with(of)))
        })
}

pub(super) fn is_equality(condition: &Expr) -> bool {
    matches!(condition, Expr::BinaryExpr(BinaryExpr { op: Operator::Eq, .. }))
}

/// The bounds that a condition means, between columns and traits of each side.
pub(super) fn bounds_of(
    condition: &Expr,
    left: (&DFSchema, &Traits),
    right: (&DFSchema, &Traits),
) -> Vec<Bound> {
    let traits = [left.1, right.1];
    let mut bounds = Vec::new();
    for Comparison { left: a, operator, right: b, span_ns } in comparisons(condition) {
        let of = |expr: &Expr, (columns, traits): (&DFSchema, &Traits)| {
            let (column, shift) = time_term(expr, columns)?;
            let time = traits.time_of(column)?;
            Some((column, shift, traits.times[time].unit))
        };
        // `a OP b + span`, from the left side to the right one.
        let (operator, (left, left_shift, left_unit), (right, right_shift, right_unit), span_ns) =
            match (of(a, left), of(b, right), of(b, left), of(a, right)) {
                (Some(left), Some(right), _, _) => (operator, left, right, span_ns),
                (_, _, Some(left), Some(right)) => match operator.swap() {
                    Some(operator) => (operator, left, right, span_ns.saturating_neg()),
                    None => continue,
                },
                _ => continue,
            };
        // left + left_shift OP right + right_shift + span, in whole units of the finer column.
        let unit_ns = left_unit.min(right_unit).nanos();
        let span_ns = left_shift.checked_sub(right_shift).and_then(|s| s.checked_sub(span_ns));
        let Some(span_ns) = span_ns else { continue };
        // An equality of two times may be no more than a key.
        let is_of_times = is_timestamp(traits[0], left)
            && is_timestamp(traits[1], right)
            && operator != Operator::Eq;
        let mut bound = |is_low, span_ns| {
            bounds.push(Bound { left, right, is_low, span_ns, is_of_times });
        };
        match operator {
            Operator::GtEq => bound(false, span_ns),
            Operator::Gt => bound(false, span_ns - unit_ns),
            Operator::LtEq => bound(true, span_ns),
            Operator::Lt => bound(true, span_ns + unit_ns),
            Operator::Eq => {
                bound(true, span_ns);
                bound(false, span_ns);
            }
            _ => {}
        }
    }
    bounds
}

/// `left OP right + span`.
struct Comparison<'a> {
    left: &'a Expr,
    operator: Operator,
    right: &'a Expr,
    span_ns: i64,
}

/// The comparisons of which a condition is the conjunction; none where it is something else.
fn comparisons(condition: &Expr) -> Vec<Comparison<'_>> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if op.swap().is_some() => {
            compared(left, *op, right)
        }
        Expr::Between(Between { expr, negated: false, low, high }) => {
            let low = compared(expr, Operator::GtEq, low);
            low.into_iter().chain(compared(expr, Operator::LtEq, high)).collect()
        }
        _ => Vec::new(),
    }
}

/// `left OP right`, and what it means where one of them is a difference of two times, or the amount
/// of it, and the other a constant.
fn compared<'a>(left: &'a Expr, operator: Operator, right: &'a Expr) -> Vec<Comparison<'a>> {
    if let (Some(span_ns), Some(operator)) = (constant_ns(left), operator.swap()) {
        return match constant_ns(right) {
            None => distance(right, operator, span_ns),
            Some(_) => Vec::new(),
        };
    }
    let Some(span_ns) = constant_ns(right) else {
        return vec![Comparison { left, operator, right, span_ns: 0 }];
    };
    distance(left, operator, span_ns)
}

fn distance(expr: &Expr, operator: Operator, span_ns: i64) -> Vec<Comparison<'_>> {
    match expr {
        Expr::Alias(alias) => distance(&alias.expr, operator, span_ns),
        Expr::Cast(Cast { expr, field }) if is_interval(field.data_type()) => {
            distance(expr, operator, span_ns)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Minus, right }) => {
            vec![Comparison { left, operator, right, span_ns }]
        }
        // |a - b| <= span
        Expr::ScalarFunction(call) if call.func.name() == "abs" => {
            let (Operator::Lt | Operator::LtEq, [amount]) = (operator, call.args.as_slice()) else {
                return Vec::new();
            };
            let back = operator.swap().map(|back| distance(amount, back, span_ns.saturating_neg()));
            let ahead = distance(amount, operator, span_ns);
            ahead.into_iter().chain(back.into_iter().flatten()).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a difference of times is the same as a value of this type.
fn is_interval(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_))
}

fn is_timestamp(traits: &Traits, column: usize) -> bool {
    matches!(traits.schema.field(column).data_type(), DataType::Timestamp(..))
}

/// A length of time; a number counts milliseconds.
fn constant_ns(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Alias(alias) => constant_ns(&alias.expr),
        Expr::Cast(Cast { expr, .. }) => constant_ns(expr),
        Expr::Literal(value, _) => match value {
            ScalarValue::DurationSecond(Some(span)) => span.checked_mul(1_000_000_000),
            ScalarValue::DurationMillisecond(Some(span)) => span.checked_mul(1_000_000),
            ScalarValue::DurationMicrosecond(Some(span)) => span.checked_mul(1_000),
            ScalarValue::DurationNanosecond(Some(span)) => Some(*span),
            ScalarValue::IntervalMonthDayNano(_) | ScalarValue::IntervalDayTime(_) => {
                length_ns(value).ok()
            }
            other if other.data_type().is_integer() => length_ns(other).ok(),
            _ => None,
        },
        _ => None,
    }
}

/// A column moved by a span, under casts that keep every time.
fn time_term(expr: &Expr, columns: &DFSchema) -> Option<(usize, i64)> {
    match expr {
        Expr::Cast(Cast { expr, field }) => {
            let from = TimeUnit::of(&expr.get_type(columns).ok()?)?;
            let to = TimeUnit::of(field.data_type())?;
            (to <= from).then(|| time_term(expr, columns)).flatten()
        }
        Expr::Alias(alias) => time_term(&alias.expr, columns),
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if matches!(left.as_ref(), Expr::Cast(_)) =>
        {
            let (column, shift) = time_term(left, columns)?;
            let Expr::Literal(span, _) = right.as_ref() else { return None };
            let span = length_ns(span).ok()?;
            match op {
                Operator::Plus => Some((column, shift.checked_add(span)?)),
                Operator::Minus => Some((column, shift.checked_sub(span)?)),
                _ => None,
            }
        }
        expr => {
            let (column, shift) = moved_time(expr, columns)?;
            TimeUnit::of(columns.field(column).data_type())?;
            Some((column, shift))
        }
    }
}
