//! [`Sessions`]: the rows of an ad-hoc query with the bounds of their sessions.
//!
//! Along the rows of a key in the order of their times a session begins where a row is a gap or more
//! after the one before it. The number of beginnings so far is the number of the session, whose first
//! and last time are its bounds.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, Result, plan_err};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::functions_window::lead_lag::lag_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Window, WindowFrame,
    WindowFunctionDefinition, cast, lit, when,
};
use laminar_dataflow::window::session_gap;
use laminar_types::TimeUnit;

use crate::functions::length_ns;

const BEFORE: &str = "__before";
const NUMBER: &str = "__session";
const FIRST: &str = "__first";
const LAST: &str = "__last";

/// A relation whose rows have the bounds of their sessions.
pub(crate) struct Sessions {
    /// The columns of the relation and some more. Rows without a time are in no session.
    pub(crate) plan: LogicalPlan,
    pub(crate) start: Expr,
    pub(crate) end: Expr,
}

impl Sessions {
    /// Of the rows of `input`, by keys; `window` are the time and the gap.
    ///
    /// # Errors
    /// For a time that is none, and a gap that is no positive constant of whole units of it.
    pub(crate) fn new(input: &Arc<LogicalPlan>, window: &[Expr], keys: &[Expr]) -> Result<Self> {
        let [time, gap] = window else {
            return plan_err!("session(ts, gap) takes a time and a gap");
        };
        let Expr::Literal(gap, _) = gap else {
            return plan_err!("the gap of session(...) must be a constant, not {gap}");
        };
        let data_type = time.get_type(input.schema())?;
        let Some(unit) = TimeUnit::of(&data_type) else {
            return plan_err!(
                "session(...) needs a TIMESTAMP or BIGINT as event time, and {time} is a {data_type}"
            );
        };
        let gap = session_gap(unit, length_ns(gap)?)
            .map_err(|error| datafusion::error::DataFusionError::Plan(error.message().into()))?;
        let units = cast(time.clone(), DataType::Int64);
        let rows =
            LogicalPlanBuilder::from(Arc::clone(input)).filter(units.clone().is_not_null())?;
        let along = |function: WindowFunctionDefinition, args: Vec<Expr>, name: &str| {
            let mut call = WindowFunction::new(function, args);
            call.params.partition_by = keys.to_vec();
            call.params.order_by = vec![units.clone().sort(true, false)];
            call.params.window_frame = WindowFrame::new(Some(false));
            Expr::WindowFunction(Box::new(call)).alias(name)
        };
        let lag = WindowFunctionDefinition::WindowUDF(lag_udwf());
        let before = along(lag, vec![units.clone()], BEFORE);
        let rows = over(rows.build()?, vec![before])?;
        let begins = named(BEFORE).is_null().or((units.clone() - named(BEFORE)).gt_eq(lit(gap)));
        let count = WindowFunctionDefinition::AggregateUDF(count_udaf());
        let number = along(count, vec![when(begins, lit(1_i64)).end()?], NUMBER);
        let rows = over(rows, vec![number])?;
        let of_session = |function, name: &str| {
            let function = WindowFunctionDefinition::AggregateUDF(function);
            let mut call = WindowFunction::new(function, vec![units.clone()]);
            call.params.partition_by = [keys, &[named(NUMBER)]].concat();
            Expr::WindowFunction(Box::new(call)).alias(name)
        };
        let bounds = vec![of_session(min_udaf(), FIRST), of_session(max_udaf(), LAST)];
        let plan = over(rows, bounds)?;
        let start = cast(named(FIRST), data_type.clone());
        let end = cast(named(LAST) + lit(gap), data_type);
        Ok(Self { plan, start, end })
    }
}

fn over(rows: LogicalPlan, calls: Vec<Expr>) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Window(Window::try_new(calls, Arc::new(rows))?))
}

fn named(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}
