//! [`JsonOperators`]: the operators over JSON documents.

use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::function::Kind;
use super::json_function;

/// Binds `json -> key` (the part, as JSON), `json ->> key` (as text), and `json #> '{a,b}'` and
/// `json #>> '{a,b}'` (the part at a path). A chain of them becomes one call.
#[derive(Debug)]
pub(crate) struct JsonOperators;

impl ExprPlanner for JsonOperators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        _schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let (kind, is_path) = match expr.op {
            BinaryOperator::Arrow => (Kind::Extract, false),
            BinaryOperator::LongArrow => (Kind::ExtractText, false),
            BinaryOperator::HashArrow => (Kind::Extract, true),
            BinaryOperator::HashLongArrow => (Kind::ExtractText, true),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        // The part of a part is one way down, so that the document is read once.
        let mut arguments = match expr.left {
            Expr::ScalarFunction(call) if call.func.name() == Kind::Extract.name() => call.args,
            document => vec![document],
        };
        match is_path {
            true => arguments.extend(path(&expr.right)?),
            false => arguments.push(expr.right),
        }
        Ok(PlannerResult::Planned(json_function(kind).call(arguments)))
    }
}

/// The keys of a path, `'{a,0,b}'`.
fn path(expr: &Expr) -> Result<Vec<Expr>> {
    let text = match expr {
        Expr::Literal(
            ScalarValue::Utf8(Some(text))
            | ScalarValue::LargeUtf8(Some(text))
            | ScalarValue::Utf8View(Some(text)),
            _,
        ) => text.trim(),
        _ => return plan_err!("a path in JSON is a constant such as '{{a,b}}'"),
    };
    match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        Some(keys) if !keys.trim().is_empty() => {
            Ok(keys.split(',').map(|key| lit(key.trim().trim_matches('"'))).collect())
        }
        _ => plan_err!("`{text}` is no path in JSON: write '{{a,b}}'"),
    }
}
