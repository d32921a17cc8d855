//! Windows as tables: `FROM HOP(t, ts, slide, size)` without a `GROUP BY` of its bounds.
//!
//! The text is turned into a subquery that selects the columns of `t` and two markers, calls of
//! [`ROW_WINDOW_START`] and [`ROW_WINDOW_END`] over the window call, so that names and types bind as
//! ever. [`expand_windows`] then puts in place of the markers what gives a row its windows:
//!
//! | window | plan |
//! |---|---|
//! | `tumble` | two columns more: stateless, a function of the row's time |
//! | `hop`, `cumulate` | an unnested list of the row's windows: stateless, a row for each |
//! | `session` | the rows of each session, gathered by `GROUP BY keys, session(ts, gap)`, and unnested: a row's bounds are those of its session |
//! | `session`, in an ad-hoc query | gaps counted along each key's rows in the order of their times (`batch_sessions.rs`) |
//!
//! A row without a time is in no window of any kind: it fails, and so is a dead letter, in a
//! continuous query, and is left out of an ad-hoc one.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result, internal_err, plan_err};
use datafusion::functions::core::{get_field, named_struct};
use datafusion::functions_aggregate::array_agg::array_agg;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection, ScalarUDF, lit};

use crate::batch_sessions::Sessions;
use crate::functions::{
    ROW_WINDOW_END, ROW_WINDOW_START, known_time, length_ns, window_call, window_end,
    window_function, window_list,
};
use crate::parser::windows::{Grouped, WindowKind};

/// The column that holds what is unnested.
pub(crate) const WINDOWS: &str = "__windows";
const START: &str = "__start";
const END: &str = "__end";

/// Replaces the markers of windows as tables; `grouped` says for which kind of query.
///
/// # Errors
/// For lengths that are no constants.
pub fn expand_windows(plan: LogicalPlan, grouped: Grouped) -> Result<LogicalPlan> {
    let expanded = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Projection(projection) = &node else { return Ok(Transformed::no(node)) };
        let Some(marker) = projection.expr.iter().find_map(marker) else {
            return Ok(Transformed::no(node));
        };
        let Some((kind, args)) = marker.args.first().and_then(window_call) else {
            return internal_err!("a window as a table without its window");
        };
        let expanded = match kind {
            WindowKind::Session if grouped == Grouped::ByColumns => {
                let keys = &marker.args[1..];
                let Sessions { plan, start, end } = Sessions::new(&projection.input, args, keys)?;
                let exprs = projection.expr.iter();
                let exprs = exprs.map(|expr| with_bounds(expr.clone(), &start, &end));
                LogicalPlanBuilder::from(plan)
                    .project(exprs.collect::<Result<Vec<Expr>>>()?)?
                    .build()?
            }
            WindowKind::Session => session(projection, &marker.args[0], &marker.args[1..])?,
            kind => {
                let input = match grouped {
                    Grouped::ByColumns => with_times(&projection.input, args)?,
                    Grouped::ByOperator => Arc::clone(&projection.input),
                };
                match kind {
                    WindowKind::Tumble => single(input, &projection.expr, args)?,
                    _ => listed(input, &projection.expr, kind, args)?,
                }
            }
        };
        Ok(Transformed::yes(expanded))
    })?;
    Ok(expanded.data)
}

/// The marker in a select item.
fn marker(expr: &Expr) -> Option<&ScalarFunction> {
    match expr {
        Expr::Alias(alias) => marker(&alias.expr),
        Expr::ScalarFunction(call) if is_marker(&call.func) => Some(call),
        Expr::ScalarFunction(call) => call.args.iter().find_map(marker),
        _ => None,
    }
}

fn is_marker(function: &ScalarUDF) -> bool {
    [ROW_WINDOW_START, ROW_WINDOW_END].contains(&function.name())
}

/// The rows that have a time.
fn with_times(input: &Arc<LogicalPlan>, args: &[Expr]) -> Result<Arc<LogicalPlan>> {
    let Some(time) = args.first() else { return Ok(Arc::clone(input)) };
    let known = LogicalPlanBuilder::from(Arc::clone(input)).filter(time.clone().is_not_null())?;
    known.build().map(Arc::new)
}

/// Each row with the only window of its time.
fn single(input: Arc<LogicalPlan>, exprs: &[Expr], args: &[Expr]) -> Result<LogicalPlan> {
    let [time, size, ..] = args else {
        return internal_err!("tumble(...) without its size");
    };
    let known = std::iter::once(known_time(time.clone())).chain(args[1..].iter().cloned());
    let start = window_function(WindowKind::Tumble).call(known.collect());
    let end = window_end(vec![start.clone(), size.clone()]);
    let exprs = exprs.iter().map(|expr| with_bounds(expr.clone(), &start, &end));
    let exprs = exprs.collect::<Result<Vec<Expr>>>()?;
    LogicalPlanBuilder::from(input).project(exprs)?.build()
}

/// A row for each of the windows of a row that follow from its time alone.
fn listed(
    input: Arc<LogicalPlan>,
    exprs: &[Expr],
    kind: WindowKind,
    args: &[Expr],
) -> Result<LogicalPlan> {
    let [time, first, second, offset @ ..] = args else {
        return internal_err!("{}(...) without its lengths", kind.name());
    };
    let length = |expr: &Expr| match expr {
        Expr::Literal(value, _) => length_ns(value),
        other => plan_err!("the lengths of {}(...) must be constants, not {other}", kind.name()),
    };
    let size = if length(first)? > length(second)? { first } else { second };
    let columns = input.schema().columns().into_iter().map(Expr::Column);
    let windows = window_list(kind, args).alias(WINDOWS);
    let input = LogicalPlanBuilder::from(input)
        .project(columns.chain([windows]))?
        .unnest_column(WINDOWS)?;
    let each = Expr::Column(Column::new_unqualified(WINDOWS));
    let (start, end) = match kind {
        // The list has the starts.
        WindowKind::Hop => (each.clone(), window_end(vec![each, size.clone()])),
        // The list has the ends, and all windows of a row start together.
        _ => {
            let args = [&[time.clone(), size.clone()], offset].concat();
            (window_function(WindowKind::Tumble).call(args), each)
        }
    };
    let exprs = exprs.iter().map(|expr| with_bounds(expr.clone(), &start, &end));
    input.project(exprs.collect::<Result<Vec<Expr>>>()?)?.build()
}

/// Each row with the bounds of its session.
fn session(projection: &Projection, window: &Expr, keys: &[Expr]) -> Result<LogicalPlan> {
    let columns = projection.input.schema().columns();
    let fields = columns
        .iter()
        .enumerate()
        .flat_map(|(index, column)| [lit(field_name(index)), Expr::Column(column.clone())]);
    let rows = array_agg(named_struct().call(fields.collect()));
    let groups: Vec<Expr> = keys.iter().chain([window]).cloned().collect();
    let grouped =
        LogicalPlanBuilder::from(Arc::clone(&projection.input)).aggregate(groups, [rows])?;
    let column = |index: usize| {
        let (qualifier, field) = grouped.schema().qualified_field(index);
        Expr::Column(Column::from((qualifier, field)))
    };
    let (start, rows) = (column(keys.len()), column(keys.len() + 1));
    let bounds =
        vec![start.clone().alias(START), window_end(vec![start]).alias(END), rows.alias(WINDOWS)];
    let input = grouped.project(bounds)?.unnest_column(WINDOWS)?;
    let schema = Arc::clone(projection.input.schema());
    let named = |name: &str| Expr::Column(Column::new_unqualified(name));
    let exprs = projection.expr.iter().map(|expr| {
        let bounded = with_bounds(of_row(expr.clone(), &schema)?, &named(START), &named(END))?;
        // A column keeps its name and the relation that it is of.
        Ok(match expr {
            Expr::Column(Column { relation, name, .. }) => {
                bounded.alias_qualified(relation.clone(), name.clone())
            }
            _ => bounded,
        })
    });
    input.project(exprs.collect::<Result<Vec<Expr>>>()?)?.build()
}

fn field_name(column: usize) -> String {
    format!("_{column}")
}

/// The expression over the row that was gathered.
fn of_row(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let done = |expr, changed| Ok(Transformed::new(expr, changed, TreeNodeRecursion::Jump));
    let replaced = expr.transform_down(|expr| match &expr {
        // What stands in a marker is of the rows before they were gathered.
        Expr::ScalarFunction(call) if is_marker(&call.func) => done(expr, false),
        Expr::Column(column) => {
            let field = lit(field_name(schema.index_of_column(column)?));
            let row = Expr::Column(Column::new_unqualified(WINDOWS));
            done(get_field().call(vec![row, field]), true)
        }
        _ => Ok(Transformed::no(expr)),
    });
    Ok(replaced?.data)
}

/// The expression with the bounds in the place of markers.
fn with_bounds(expr: Expr, start: &Expr, end: &Expr) -> Result<Expr> {
    let replaced = expr.transform_up(|expr| match &expr {
        Expr::ScalarFunction(call) if call.func.name() == ROW_WINDOW_START => {
            Ok(Transformed::yes(start.clone()))
        }
        Expr::ScalarFunction(call) if call.func.name() == ROW_WINDOW_END => {
            Ok(Transformed::yes(end.clone()))
        }
        _ => Ok(Transformed::no(expr)),
    });
    Ok(replaced?.data)
}
