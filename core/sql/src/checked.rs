//! Checked integer arithmetic in ad-hoc queries.
//!
//! DataFusion adds, subtracts, multiplies and negates integers and durations modulo their width.
//! [`CheckedArithmetic`] puts functions in the place of these operators, which fail on overflow as
//! the operators of continuous queries do. Decimals are checked by Arrow.

use std::sync::Arc;

use arrow::compute::kernels::numeric::{add, mul, sub};
use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr_common::datum::apply;

/// Replaces `+`, `-`, `*` and the sign of integers and durations by functions that fail on overflow. Stands behind
/// the coercion of types.
#[derive(Debug)]
pub struct CheckedArithmetic {
    add: Arc<ScalarUDF>,
    subtract: Arc<ScalarUDF>,
    multiply: Arc<ScalarUDF>,
}

impl Default for CheckedArithmetic {
    fn default() -> Self {
        let function = |name, symbol| {
            let signature = Signature::any(2, Volatility::Immutable);
            Arc::new(ScalarUDF::new_from_impl(Checked { name, symbol, signature }))
        };
        Self {
            add: function("checked_add", "+"),
            subtract: function("checked_subtract", "-"),
            multiply: function("checked_multiply", "*"),
        }
    }
}

impl AnalyzerRule for CheckedArithmetic {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = plan.transform_up_with_subqueries(|plan| {
            let mut schema = DFSchema::empty();
            for input in plan.inputs() {
                schema.merge(input.schema());
            }
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let expr = expr.transform_up(|expr| Ok(self.checked(expr, &schema)))?;
                Ok(expr.update_data(|expr| name.restore(expr)))
            })
        })?;
        Ok(plan.data)
    }

    fn name(&self) -> &str {
        "checked_arithmetic"
    }
}

impl CheckedArithmetic {
    fn checked(&self, expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
        if let Expr::Negative(negated) = &expr
            && let Ok(data_type) = negated.get_type(schema)
            && has_checked_sign(&data_type)
            && let Ok(zero) = ScalarValue::new_zero(&data_type)
        {
            let arguments = vec![Expr::Literal(zero, None), negated.as_ref().clone()];
            return Transformed::yes(call(&self.subtract, arguments));
        }
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &expr else {
            return Transformed::no(expr);
        };
        let function = match op {
            Operator::Plus => &self.add,
            Operator::Minus => &self.subtract,
            Operator::Multiply => &self.multiply,
            _ => return Transformed::no(expr),
        };
        // What has no type here, such as a column of an outer query, stays as it is.
        let is_checked = match (left.get_type(schema), right.get_type(schema)) {
            (Ok(left), Ok(right)) if left.is_integer() => right.is_integer(),
            (Ok(left @ DataType::Duration(_)), Ok(right)) => {
                left == right && *op != Operator::Multiply
            }
            _ => false,
        };
        if !is_checked {
            return Transformed::no(expr);
        }
        let arguments = vec![left.as_ref().clone(), right.as_ref().clone()];
        Transformed::yes(call(function, arguments))
    }
}

/// Whether the negative of the least value of a type is no value of it.
pub(crate) fn has_checked_sign(data_type: &DataType) -> bool {
    data_type.is_signed_integer()
        || matches!(data_type, DataType::Duration(_) | DataType::Interval(_))
}

fn call(function: &Arc<ScalarUDF>, arguments: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(function), arguments))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    name: &'static str,
    symbol: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn display_name(&self, arguments: &[Expr]) -> Result<String> {
        Ok(format!("{} {} {}", arguments[0], self.symbol, arguments[1]))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = arguments.args.as_slice() else {
            return datafusion::common::internal_err!("{} takes two arguments", self.name);
        };
        match self.symbol {
            "+" => apply(left, right, add),
            "-" => apply(left, right, sub),
            _ => apply(left, right, mul),
        }
    }
}
