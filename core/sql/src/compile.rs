//! Compiling expressions: from DataFusion's logical ones to ones that run.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, Operator, Volatility};
use datafusion::physical_expr::expressions::{BinaryExpr, Literal, NegativeExpr};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use laminar_dataflow::Changes;
use laminar_dataflow::expr::Expr as Compiled;
use laminar_types::{Error, Result, code};

use crate::checked::has_checked_sign;
use crate::clock::{clock_call, moves_by_itself, of_the_epoch};
use crate::planner::sentence;

/// Compiles expressions over rows of given columns.
pub(crate) struct Compiler<'a> {
    pub(crate) columns: &'a DFSchema,
    pub(crate) changes: Changes,
}

impl Compiler<'_> {
    /// An expression whose value follows from the row alone.
    pub(crate) fn compile(&self, expr: &Expr) -> Result<Compiled> {
        self.check(expr, false)?;
        self.build(expr)
    }

    /// An expression of a select list, which is evaluated when the row comes: over rows that only
    /// ever come to be it may read the time of the epoch.
    pub(crate) fn compile_selected(&self, expr: &Expr) -> Result<Compiled> {
        self.check(expr, true)?;
        let (expr, time) = of_the_epoch(expr, self.columns)
            .map_err(|error| Error::new(code::PLAN, sentence(&error)))?;
        Ok(self.build(&expr)?.with_time(time))
    }

    fn build(&self, expr: &Expr) -> Result<Compiled> {
        let physical = create_physical_expr(
            expr,
            self.columns,
            &ExecutionProps::new(),
            &PhysicalPlanningContext::default(),
        )
        .and_then(|physical| checked(physical, self.columns.as_arrow()))
        .map_err(|error| Error::new(code::PLAN, sentence(&error)))?;
        Ok(Compiled::new(physical))
    }

    /// Refuses what has no meaning, or no exact one, in a query that runs for ever.
    fn check(&self, expr: &Expr, is_selected: bool) -> Result<()> {
        let mut refused = None;
        expr.apply(|expr| {
            if let Some(function) = clock_call(expr) {
                match (is_selected, self.changes) {
                    (true, Changes::AppendOnly) => return Ok(TreeNodeRecursion::Continue),
                    (true, _) => {
                        refused = Some(format!(
                            "{function}() cannot stand over updating input: a retraction would \
                             not equal the row that it takes back; select it of the rows that \
                             come, in a subquery"
                        ));
                    }
                    (false, _) => refused = Some(moves_by_itself(function)),
                }
                return Ok(TreeNodeRecursion::Stop);
            }
            match expr {
                Expr::ScalarFunction(call)
                    if call.func.signature().volatility == Volatility::Volatile
                        && self.changes != Changes::AppendOnly =>
                {
                    refused = Some(format!(
                        "{}() cannot stand over updating input: a retraction would not equal the \
                         row that it takes back; select it of the rows that come, in a subquery",
                        call.func.name()
                    ));
                }
                Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) => {
                    refused = Some(
                        "this version cannot keep a subquery in an expression up to date in a \
                         continuous query: create a stream for it"
                            .to_string(),
                    );
                }
                _ => return Ok(TreeNodeRecursion::Continue),
            }
            Ok(if refused.is_some() {
                TreeNodeRecursion::Stop
            } else {
                TreeNodeRecursion::Continue
            })
        })
        .map_err(|error| Error::internal(sentence(&error)))?;
        match refused {
            Some(message) => Err(Error::unsupported(message)),
            None => Ok(()),
        }
    }
}

/// The same expression with arithmetic that fails on overflow instead of wrapping around.
fn checked(
    physical: Arc<dyn PhysicalExpr>,
    columns: &Schema,
) -> datafusion::error::Result<Arc<dyn PhysicalExpr>> {
    let physical = physical.transform_up(|expr| {
        if let Some(negative) = expr.downcast_ref::<NegativeExpr>() {
            let data_type = negative.arg().data_type(columns)?;
            if !has_checked_sign(&data_type) {
                return Ok(Transformed::no(expr));
            }
            let zero = Arc::new(Literal::new(ScalarValue::new_zero(&data_type)?));
            let checked = BinaryExpr::new(zero, Operator::Minus, Arc::clone(negative.arg()))
                .with_fail_on_overflow(true);
            return Ok(Transformed::yes(Arc::new(checked) as _));
        }
        let Some(binary) = expr.downcast_ref::<BinaryExpr>() else {
            return Ok(Transformed::no(expr));
        };
        if !matches!(binary.op(), Operator::Plus | Operator::Minus | Operator::Multiply) {
            return Ok(Transformed::no(expr));
        }
        let checked =
            BinaryExpr::new(Arc::clone(binary.left()), *binary.op(), Arc::clone(binary.right()))
                .with_fail_on_overflow(true);
        Ok(Transformed::yes(Arc::new(checked) as _))
    })?;
    Ok(physical.data)
}
