//! Aggregate calls: which the dataflow can maintain, and what they read.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::expr::{AggregateFunctionParams, NullTreatment, WindowFunction};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{AggregateUDF, Expr, ExprSchemable, WindowFunctionDefinition};
use datafusion::physical_expr::aggregate::AggregateExprBuilder;
use datafusion::physical_expr::create_physical_expr;
use laminar_dataflow::aggregate::{AggregateFunction, BatchFunction, Moment};
use laminar_dataflow::operators::AggregateCall;
use laminar_types::{Error, Result, code};

use crate::clock::refuse_clock;
use crate::host_functions::{is_append_only, is_host};
use crate::planner::sentence;

/// Aggregates whose state is a summary that no row can be taken out of.
const APPROXIMATE: [&str; 1] = ["approx_distinct"];

/// The call of an aggregate expression over rows of these columns; `column` gives the column that
/// will hold an expression.
pub(crate) fn call(
    expr: &Expr,
    columns: &DFSchema,
    append_only: bool,
    column: &mut dyn FnMut(&Expr) -> usize,
) -> Result<AggregateCall> {
    let expr = expr.clone().unalias();
    let Expr::AggregateFunction(aggregate) = &expr else {
        return Err(Error::internal(format!("{expr} is not an aggregate")));
    };
    let params = &aggregate.params;
    let (function, args) = function(&aggregate.func, params, columns, append_only)?;
    let is_ordered = function.is_ordered();
    let is_any = aggregate.func.name() == "any_value";
    if params.distinct && is_ordered && !order_is_of(&params.order_by, args) {
        return Err(Error::unsupported(format!(
            "{}(DISTINCT ...) can only be ordered by its arguments: of equal ones no other value \
             says which comes first; leave DISTINCT out, or order by an argument",
            aggregate.func.name()
        )));
    }
    let mut call = AggregateCall::new(function, args.iter().map(&mut *column).collect());
    if let Some(filter) = &params.filter {
        refuse_clock(filter)?;
        call.filter = Some(column(filter));
    }
    call.distinct = params.distinct;
    call.skip_nulls = is_any || params.null_treatment == Some(NullTreatment::IgnoreNulls);
    if is_ordered {
        let order = params.order_by.iter().map(|sort| {
            let options = SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first };
            (column(&sort.expr), options)
        });
        call.order = order.collect();
        // Equal arguments came at several times.
        call.by_arrival = append_only && !params.distinct;
    }
    Ok(call)
}

/// How many rows the state of a running `nth_value` may have: it is written down at every row that
/// keeps one.
const RUNNING_ROWS: i64 = 16;

/// The function of a window function over rows of these columns, and how many of its arguments are
/// columns; `None` where it is none whose state, merged into nothing, is itself, and small.
pub(crate) fn running_call(
    call: &WindowFunction,
    columns: &DFSchema,
) -> Option<(AggregateFunction, usize)> {
    use AggregateFunction as Of;
    let params = AggregateFunctionParams {
        args: call.params.args.clone(),
        distinct: false,
        filter: None,
        order_by: Vec::new(),
        null_treatment: call.params.null_treatment,
    };
    let (function, args) = match &call.fun {
        WindowFunctionDefinition::AggregateUDF(udf) => {
            let (of, args) = function(udf, &params, columns, true).ok()?;
            (of, args.len())
        }
        WindowFunctionDefinition::WindowUDF(udf) => match (udf.name(), params.args.as_slice()) {
            ("first_value", [_]) => (Of::First, 1),
            ("last_value", [_]) => (Of::Last, 1),
            ("nth_value", [_, n]) => (Of::Nth(whole(&constant("nth_value", Some(n)).ok()?)?), 1),
            _ => return None,
        },
    };
    let is_small = match &function {
        Of::Nth(n) => (1..=RUNNING_ROWS).contains(n),
        Of::ArrayAgg | Of::StringAgg(_) | Of::Median | Of::Percentile(_) | Of::Batch(_) => false,
        _ => true,
    };
    is_small.then_some((function, args))
}

/// A whole number of any type.
pub(crate) fn whole(value: &ScalarValue) -> Option<i64> {
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(value)) => value,
        _ => None,
    }
}

fn order_is_of(order: &[datafusion::logical_expr::SortExpr], args: &[Expr]) -> bool {
    order.iter().all(|sort| args.contains(&sort.expr))
}

/// The function of a call, and which of its arguments are columns.
fn function<'a>(
    udf: &Arc<AggregateUDF>,
    params: &'a AggregateFunctionParams,
    columns: &DFSchema,
    append_only: bool,
) -> Result<(AggregateFunction, &'a [Expr])> {
    use AggregateFunction as Of;
    let args = params.args.as_slice();
    let name = udf.name();
    let of_first = |function| Ok((function, &args[..1]));
    match name {
        "count" if !params.distinct && counts_rows(args, columns) => Ok((Of::CountAll, &[])),
        "count" => Ok((Of::Count, args)),
        "sum" => Ok((Of::Sum, args)),
        "avg" => Ok((Of::Avg, args)),
        "min" => Ok((Of::Min, args)),
        "max" => Ok((Of::Max, args)),
        "bool_and" => Ok((Of::BoolAnd, args)),
        "bool_or" => Ok((Of::BoolOr, args)),
        "bit_and" => Ok((Of::BitAnd, args)),
        "bit_or" => Ok((Of::BitOr, args)),
        "bit_xor" => Ok((Of::BitXor, args)),
        "first_value" | "any_value" => Ok((Of::First, args)),
        "last_value" => Ok((Of::Last, args)),
        "array_agg" => Ok((Of::ArrayAgg, args)),
        "median" | "approx_median" => Ok((Of::Median, args)),
        "nth_value" => {
            let n = whole(&constant(name, args.get(1))?).ok_or_else(|| not_constant(name))?;
            of_first(Of::Nth(n))
        }
        "percentile_cont" | "approx_percentile_cont" => {
            let share = constant(name, args.get(1))?;
            match share.cast_to(&DataType::Float64) {
                Ok(ScalarValue::Float64(Some(share))) if (0.0..=1.0).contains(&share) => {
                    let descending = params.order_by.first().is_some_and(|sort| !sort.asc);
                    of_first(Of::Percentile(if descending { 1.0 - share } else { share }))
                }
                _ => Err(Error::new(
                    code::PLAN,
                    format!("the share of {name}(...) must be a number from 0 to 1, not {share}"),
                )),
            }
        }
        "string_agg" => match constant(name, args.get(1))? {
            delimiter if delimiter.is_null() => of_first(Of::StringAgg(String::new())),
            delimiter => match delimiter.try_as_str() {
                Some(Some(delimiter)) => of_first(Of::StringAgg(delimiter.to_string())),
                _ => Err(not_constant(name)),
            },
        },
        _ => match Moment::from_name(name) {
            Some(moment) => Ok((Of::Moment(moment), args)),
            None => Ok((Of::Batch(batch_function(udf, params, columns, append_only)?), args)),
        },
    }
}

/// A function that DataFusion's own accumulator evaluates.
fn batch_function(
    udf: &Arc<AggregateUDF>,
    params: &AggregateFunctionParams,
    columns: &DFSchema,
    append_only: bool,
) -> Result<BatchFunction> {
    let name = udf.name();
    if !append_only && APPROXIMATE.contains(&name) {
        return Err(Error::unsupported(format!(
            "{name}(...) cannot stand over updating input: no row can be taken out of its \
             approximation; use count(DISTINCT ...)"
        )));
    }
    if !append_only && is_append_only(udf) {
        return Err(Error::unsupported(format!(
            "{name}(...) cannot stand over updating input: it was registered without \
             `retractable`, so no row can be taken out of it; register it with that"
        )));
    }
    let physical = |expr: &Expr| {
        let context = PhysicalPlanningContext::default();
        create_physical_expr(expr, columns, &ExecutionProps::new(), &context)
    };
    let built = params.args.iter().map(physical).collect::<Result<Vec<_>, _>>().and_then(|args| {
        AggregateExprBuilder::new(Arc::clone(udf), args)
            .schema(columns.inner().clone())
            .alias(name)
            .with_ignore_nulls(params.null_treatment == Some(NullTreatment::IgnoreNulls))
            .build()
    });
    let function = built.map_err(|error| Error::new(code::PLAN, sentence(&error)))?;
    Ok(BatchFunction { expr: Arc::new(function), can_fail: is_host(udf) })
}

/// An argument that must be a constant.
fn constant(name: &str, arg: Option<&Expr>) -> Result<ScalarValue> {
    match arg.map(|arg| arg.clone().unalias()) {
        Some(Expr::Literal(value, _)) => Ok(value),
        Some(Expr::Cast(cast)) => match *cast.expr {
            Expr::Literal(value, _) => Ok(value),
            _ => Err(not_constant(name)),
        },
        _ => Err(not_constant(name)),
    }
}

fn not_constant(name: &str) -> Error {
    Error::unsupported(format!(
        "the second argument of {name}(...) must be a constant: write its value"
    ))
}

/// Whether `count(args)` counts every row: `count(*)`, `count(1)`, `count(not_null)`.
fn counts_rows(args: &[Expr], columns: &DFSchema) -> bool {
    args.iter().all(|arg| match arg {
        Expr::Literal(value, _) => !value.is_null(),
        arg => matches!(arg.nullable(columns), Ok(false)),
    })
}
