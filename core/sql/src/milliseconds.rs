//! [`Milliseconds`]: `BIGINT` plus, minus or compared with an `INTERVAL`, which counts milliseconds.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::functions::length_ns;

/// Binds `bigint + INTERVAL`, `INTERVAL + bigint`, `bigint - INTERVAL` and comparisons such as
/// `a - b < INTERVAL` as in milliseconds, the unit of a `BIGINT` event time. Intervals with months,
/// or parts of a millisecond, are left alone.
#[derive(Debug)]
pub(crate) struct Milliseconds;

impl ExprPlanner for Milliseconds {
    fn plan_binary_op(
        &self,
        mut expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, Minus, NotEq, Plus};
        let is_bigint = |expr: &Expr| expr.get_type(schema).is_ok_and(|t| t == DataType::Int64);
        match expr.op {
            Plus | Minus | Eq | NotEq | Lt | LtEq | Gt | GtEq if is_bigint(&expr.left) => {
                count_in_milliseconds(&mut expr.right);
            }
            Plus | Eq | NotEq | Lt | LtEq | Gt | GtEq if is_bigint(&expr.right) => {
                count_in_milliseconds(&mut expr.left);
            }
            _ => {}
        }
        Ok(PlannerResult::Original(expr))
    }
}

fn count_in_milliseconds(expr: &mut Expr) {
    if let Expr::Literal(span @ ScalarValue::IntervalMonthDayNano(Some(_)), _) = expr
        && let Ok(ns) = length_ns(span)
        && ns % 1_000_000 == 0
    {
        *expr = lit(ns / 1_000_000);
    }
}
