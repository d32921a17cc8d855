//! `sum(...) OVER (...)` of integers and large decimals: summed in a type that no sum leaves, and
//! brought back to its own type behind the window functions.
//!
//! So a sum that does not fit fails for its row alone, which is left out like every row on which
//! an expression fails, and not for the evaluator that computes many rows at once.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL256_MAX_PRECISION, DataType};
use datafusion::common::Column;
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, Projection, Window, WindowFunctionDefinition, cast,
};

/// The same plan with such sums behind a projection that casts them.
pub(crate) fn widen(plan: LogicalPlan) -> Result<LogicalPlan> {
    let widened = plan.transform_up_with_subqueries(|plan| match plan {
        LogicalPlan::Window(window) => widen_window(window),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(widened.data)
}

fn widen_window(window: Window) -> Result<Transformed<LogicalPlan>> {
    let inputs = window.input.schema().fields().len();
    let mut exprs = Vec::with_capacity(window.window_expr.len());
    let mut columns: Vec<Expr> =
        window.schema.columns().into_iter().take(inputs).map(Expr::Column).collect();
    let mut some = false;
    for (index, expr) in window.window_expr.iter().enumerate() {
        let name = window.schema.field(inputs + index).name();
        match widen_sum(expr, &window)? {
            None => {
                exprs.push(expr.clone());
                columns.push(Expr::Column(Column::new_unqualified(name)));
            }
            Some((sum, data_type)) => {
                let wide = format!("__wide_sum_{index}");
                columns.push(
                    cast(Expr::Column(Column::new_unqualified(&wide)), data_type).alias(name),
                );
                exprs.push(sum.alias(wide));
                some = true;
            }
        }
    }
    if !some {
        return Ok(Transformed::no(LogicalPlan::Window(window)));
    }
    let wide = LogicalPlan::Window(Window::try_new(exprs, Arc::clone(&window.input))?);
    let narrow = Projection::try_new_with_schema(columns, Arc::new(wide), window.schema)?;
    Ok(Transformed::yes(LogicalPlan::Projection(narrow)))
}

/// A sum in a wide type, and its own type; `None` for what is no such sum.
fn widen_sum(expr: &Expr, window: &Window) -> Result<Option<(Expr, DataType)>> {
    let Expr::WindowFunction(call) = expr.clone().unalias() else { return Ok(None) };
    let WindowFunction { fun: WindowFunctionDefinition::AggregateUDF(function), params } = &*call
    else {
        return Ok(None);
    };
    if function.name() != "sum" || params.distinct {
        return Ok(None);
    }
    let own = expr.get_type(window.input.schema())?;
    let wide = match &own {
        DataType::Int64 | DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Decimal128(38, scale) => DataType::Decimal256(DECIMAL256_MAX_PRECISION, *scale),
        _ => return Ok(None),
    };
    let mut call = call;
    for argument in &mut call.params.args {
        *argument = cast(argument.clone(), wide.clone());
    }
    Ok(Some((Expr::WindowFunction(call), own)))
}
