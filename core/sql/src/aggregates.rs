//! Aggregate calls: which the dataflow can maintain, and what they read.

use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, ExprSchemable};
use laminar_dataflow::aggregate::AggregateFunction;
use laminar_dataflow::operators::AggregateCall;
use laminar_types::{Error, Result};

/// The call of an aggregate expression; `column` gives the column that will hold an argument.
pub(crate) fn call(
    expr: &Expr,
    columns: &DFSchema,
    mut column: impl FnMut(&Expr) -> usize,
) -> Result<AggregateCall> {
    let expr = expr.clone().unalias();
    let Expr::AggregateFunction(aggregate) = &expr else {
        return Err(Error::internal(format!("{expr} is not an aggregate")));
    };
    let name = aggregate.func.name();
    let params = &aggregate.params;
    if params.distinct {
        return Err(Error::unsupported(format!(
            "{name}(DISTINCT ...) is not built yet in continuous queries"
        )));
    }
    if !params.order_by.is_empty() {
        return Err(Error::unsupported(format!(
            "{name}(... ORDER BY ...) is not built yet in continuous queries"
        )));
    }
    let function = match name {
        "count" if counts_rows(&params.args, columns) => AggregateFunction::CountAll,
        "count" if params.args.len() == 1 => AggregateFunction::Count,
        "sum" => AggregateFunction::Sum,
        "avg" => AggregateFunction::Avg,
        "min" => AggregateFunction::Min,
        "max" => AggregateFunction::Max,
        _ => {
            return Err(Error::unsupported(format!(
                "the aggregate {name}(...) is not built yet in continuous queries: this version \
                 has count, sum, avg, min and max"
            )));
        }
    };
    let args = match function {
        AggregateFunction::CountAll => Vec::new(),
        _ => params.args.clone(),
    };
    Ok(AggregateCall {
        function,
        args: args.iter().map(&mut column).collect(),
        filter: params.filter.as_ref().map(|filter| column(filter)),
    })
}

/// Whether `count(args)` counts every row: `count(*)`, `count(1)`, `count(not_null)`.
fn counts_rows(args: &[Expr], columns: &DFSchema) -> bool {
    args.iter().all(|arg| match arg {
        Expr::Literal(value, _) => !value.is_null(),
        arg => matches!(arg.nullable(columns), Ok(false)),
    })
}
