//! [`Milliseconds`]: `BIGINT` plus or minus an `INTERVAL`, which counts milliseconds.

use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::functions::length_ns;

/// Binds `bigint + INTERVAL` and `bigint - INTERVAL` as arithmetic in milliseconds, the unit of a
/// `BIGINT` event time. Intervals with months, or parts of a millisecond, are left alone.
#[derive(Debug)]
pub(crate) struct Milliseconds;

impl ExprPlanner for Milliseconds {
    fn plan_binary_op(
        &self,
        mut expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        if matches!(expr.op, BinaryOperator::Plus | BinaryOperator::Minus)
            && let Expr::Literal(span @ ScalarValue::IntervalMonthDayNano(Some(_)), _) = &expr.right
            && expr.left.get_type(schema).is_ok_and(|t| t == arrow::datatypes::DataType::Int64)
            && let Ok(ns) = length_ns(span)
            && ns % 1_000_000 == 0
        {
            expr.right = lit(ns / 1_000_000);
        }
        Ok(PlannerResult::Original(expr))
    }
}
