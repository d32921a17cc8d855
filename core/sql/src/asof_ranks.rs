//! ASOF joins of ad-hoc queries by rank: each left row with one right row, in the time of a sort.
//!
//! The right rows are numbered in the order of their times; left and right rows of a key, in that
//! order together, tell each left row the number of the last right row before it, a running
//! maximum; looking ahead it is a running minimum from the end. A join by the number brings the
//! right row's columns:
//!
//! ```text
//! Project: columns of both sides
//!   Join on match = rank
//!     Window: max(rank) OVER (PARTITION BY keys ORDER BY time, side, rank)
//!       Union: left rows without a rank; right rows' ranks, keys and times
//!     Right rows with their ranks
//! ```

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Column, DFSchema, NullEquality, Result, ScalarValue};
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    AggregateUDF, BinaryExpr, Case, Expr, ExprSchemable, Join, LogicalPlan, LogicalPlanBuilder,
    Operator, Window, WindowFrame, WindowFrameBound, WindowFrameUnits, cast, lit, when,
};
use laminar_dataflow::operators::AsofMatch;

/// Names that no column of a user's can have.
const RANK: &str = "__rank";
const MATCH: &str = "__match";
const TIME: &str = "__time";

/// An ASOF join whose conditions are of one side each, besides equalities.
pub(crate) struct AsofRanks<'a> {
    join: &'a Join,
    matching: AsofMatch,
    /// By key: of the left side, of the right side, as values of one type.
    keys: Vec<[Expr; 2]>,
    /// The times of both sides, as values of one type.
    times: [Expr; 2],
    /// What else must be true of a left row, and of a right row.
    conditions: [Option<Expr>; 2],
}

impl<'a> AsofRanks<'a> {
    /// The join taken apart; `None` for one that is not of this form: a condition reads both sides,
    /// a key is not what sorting takes for equal, or the right side would differ if it were
    /// computed twice.
    pub(crate) fn of(
        join: &'a Join,
        matching: AsofMatch,
        times: &[Expr; 2],
    ) -> Result<Option<Self>> {
        let (left, right) = (join.left.schema().as_ref(), join.right.schema().as_ref());
        if join.null_equality != NullEquality::NullEqualsNothing || is_volatile(&join.right)? {
            return Ok(None);
        }
        let mut pairs: Vec<[Expr; 2]> =
            join.on.iter().map(|(left, right)| [left.clone(), right.clone()]).collect();
        let mut of_left = Vec::new();
        let mut of_right = Vec::new();
        for condition in join.filter.iter().flat_map(|filter| split_conjunction(filter)) {
            if let Some(pair) = equality(condition, left, right) {
                pairs.push(pair);
            } else if is_over(condition, right) {
                of_right.push(condition.clone());
            } else if is_over(condition, left) {
                of_left.push(condition.clone());
            } else {
                return Ok(None);
            }
        }
        let mut keys = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let types = [pair[0].get_type(left)?, pair[1].get_type(right)?];
            match comparison_coercion(&types[0], &types[1]) {
                Some(key) if !key.is_floating() && !key.is_nested() => {
                    keys.push(pair.map(|expr| cast(expr, key.clone())));
                }
                _ => return Ok(None),
            }
        }
        let types = [times[0].get_type(left)?, times[1].get_type(right)?];
        let Some(time) = comparison_coercion(&types[0], &types[1]) else { return Ok(None) };
        let times = times.clone().map(|expr| cast(expr, time.clone()));
        let conditions = [conjunction(of_left), conjunction(of_right)];
        Ok(Some(Self { join, matching, keys, times, conditions }))
    }

    /// The plan; `right` is the right side with the number of each row, by which rows of one time
    /// are told apart, in the column `arrival`.
    pub(crate) fn plan(&self, right: LogicalPlan, arrival: &str) -> Result<LogicalPlan> {
        let ranked = self.ranked(right, arrival)?;
        let left_width = self.join.left.schema().fields().len();
        let matched = self.matched(&ranked)?;
        let on = vec![(named(MATCH), named(RANK))];
        let joined = Join::try_new(
            Arc::new(matched),
            Arc::new(ranked),
            on,
            None,
            self.join.join_type,
            self.join.join_constraint,
            NullEquality::NullEqualsNothing,
            false,
        )?;
        let columns = self.join.schema.iter().enumerate().map(|(index, (relation, field))| {
            match index < left_width {
                true => named(&left_name(index)).alias_qualified(relation.cloned(), field.name()),
                false => Expr::Column(Column::from((relation, field))),
            }
        });
        LogicalPlanBuilder::from(LogicalPlan::Join(joined)).project(columns)?.build()
    }

    /// The right rows that can match, numbered in the order of their times.
    fn ranked(&self, right: LogicalPlan, arrival: &str) -> Result<LogicalPlan> {
        let [_, time] = &self.times;
        let keys = self.keys.iter().map(|[_, key]| key.clone().is_not_null());
        let needed = self.conditions[1].iter().cloned().chain(keys);
        let needed = needed.chain([time.clone().is_not_null()]).reduce(Expr::and);
        let mut rows = LogicalPlanBuilder::from(right);
        if let Some(needed) = needed {
            rows = rows.filter(needed)?;
        }
        let mut rank = WindowFunction::new(row_number_udwf(), Vec::new());
        rank.params.order_by =
            vec![time.clone().sort(true, false), named(arrival).sort(true, false)];
        let rank = Expr::WindowFunction(Box::new(rank)).alias(RANK);
        Ok(LogicalPlan::Window(Window::try_new(vec![rank], Arc::new(rows.build()?))?))
    }

    /// The left rows, each with the rank of its match.
    fn matched(&self, ranked: &LogicalPlan) -> Result<LogicalPlan> {
        let left = self.join.left.schema();
        let columns = left.columns();
        let [left_time, right_time] = &self.times;
        // A left row without a time matches nothing.
        let left_time = match &self.conditions[0] {
            Some(condition) => when(condition.clone(), left_time.clone()).end()?,
            None => left_time.clone(),
        };
        let mut of_left: Vec<Expr> = Vec::new();
        let mut of_right: Vec<Expr> = Vec::new();
        for (index, column) in columns.into_iter().enumerate() {
            let nothing = ScalarValue::try_new_null(left.field(index).data_type())?;
            of_left.push(Expr::Column(column).alias(left_name(index)));
            of_right.push(lit(nothing).alias(left_name(index)));
        }
        for (index, [left, right]) in self.keys.iter().enumerate() {
            of_left.push(left.clone().alias(key_name(index)));
            of_right.push(right.clone().alias(key_name(index)));
        }
        of_left.extend([left_time.alias(TIME), lit(ScalarValue::UInt64(None)).alias(RANK)]);
        of_right.extend([right_time.clone().alias(TIME), named(RANK)]);
        let left = LogicalPlanBuilder::from(Arc::clone(&self.join.left)).project(of_left)?;
        let right = LogicalPlanBuilder::from(ranked.clone()).project(of_right)?;
        let mut all = left.union(right.build()?)?.build()?;
        let (windows, matched) = self.matches()?;
        for window in windows {
            all = LogicalPlan::Window(Window::try_new(window, Arc::new(all))?);
        }
        let width = self.join.left.schema().fields().len();
        let own = (0..width).map(|index| named(&left_name(index)));
        LogicalPlanBuilder::from(all)
            .filter(named(RANK).is_null())?
            .project(own.chain([matched.alias(MATCH)]))?
            .build()
    }

    /// The window functions, node by node, and the rank of the match by their values.
    fn matches(&self) -> Result<(Vec<Vec<Expr>>, Expr)> {
        let before = |inclusive| self.nearest_rank("__before", max_udaf(), true, inclusive);
        let after = |inclusive| self.nearest_rank("__after", min_udaf(), false, inclusive);
        let rank = |side: &str| named(&format!("{side}_rank"));
        Ok(match self.matching {
            AsofMatch::Backward { inclusive } => (vec![before(inclusive)], rank("__before")),
            AsofMatch::Forward { inclusive } => (vec![after(inclusive)], rank("__after")),
            AsofMatch::Nearest => {
                let number = |name: &str| cast(named(name), DataType::Int64);
                let back = number(TIME) - number("__before_time");
                let ahead = number("__after_time") - number(TIME);
                let is_ahead = rank("__before").is_null().or(ahead.lt(back));
                let is_ahead = rank("__after").is_not_null().and(is_ahead);
                let nearest = when(is_ahead, rank("__after")).otherwise(rank("__before"))?;
                (vec![before(true), after(false)], nearest)
            }
        })
    }

    /// The rank and the time of the last right row before each row in an order by time: that of
    /// the greatest rank looking back, of the least looking ahead.
    fn nearest_rank(
        &self,
        side: &str,
        extreme: Arc<AggregateUDF>,
        ascending: bool,
        inclusive: bool,
    ) -> Vec<Expr> {
        // Right rows go before left rows of the same time where those may match them.
        let is_right = named(RANK).is_not_null();
        let order = vec![
            named(TIME).sort(ascending, true),
            is_right.clone().sort(!inclusive, false),
            named(RANK).sort(ascending, false),
        ];
        let over = |value: Expr, name: &str| {
            let mut call = WindowFunction::new(Arc::clone(&extreme), vec![value]);
            call.params.partition_by =
                (0..self.keys.len()).map(|index| named(&key_name(index))).collect();
            call.params.order_by = order.clone();
            call.params.window_frame = running();
            Expr::WindowFunction(Box::new(call)).alias(format!("{side}_{name}"))
        };
        let mut calls = vec![over(named(RANK), "rank")];
        if self.matching == AsofMatch::Nearest {
            let cases = vec![(Box::new(is_right), Box::new(named(TIME)))];
            calls.push(over(Expr::Case(Case::new(None, cases, None)), "time"));
        }
        calls
    }
}

/// From the first row of the partition to the current one.
fn running() -> WindowFrame {
    WindowFrame::new_bounds(
        WindowFrameUnits::Rows,
        WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
        WindowFrameBound::CurrentRow,
    )
}

fn named(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

fn left_name(column: usize) -> String {
    format!("__left_{column}")
}

fn key_name(key: usize) -> String {
    format!("__key_{key}")
}

/// The two sides of an equality between the relations, the left one first.
fn equality(condition: &Expr, left: &DFSchema, right: &DFSchema) -> Option<[Expr; 2]> {
    let Expr::BinaryExpr(BinaryExpr { left: a, op: Operator::Eq, right: b }) = condition else {
        return None;
    };
    let pair = |a: &Expr, b: &Expr| [a.clone(), b.clone()];
    match (is_over(a, left) && is_over(b, right), is_over(a, right) && is_over(b, left)) {
        (true, _) => Some(pair(a, b)),
        (_, true) => Some(pair(b, a)),
        _ => None,
    }
}

/// Whether an expression reads columns of a relation, and no others.
fn is_over(expr: &Expr, schema: &DFSchema) -> bool {
    let refs = expr.column_refs();
    !refs.is_empty() && refs.iter().all(|column| schema.has_column(column))
}

/// Whether a plan may give other rows when it runs again.
fn is_volatile(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= node.expressions().iter().any(Expr::is_volatile);
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(found)
}
