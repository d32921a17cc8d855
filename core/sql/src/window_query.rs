//! [`prepare_windows`]: a query whose windows are ready for DataFusion's binder.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Query, visit_expressions_mut,
};
use laminar_types::Result;

use crate::parser::windows::{ColumnsOf, Grouped, WINDOW_END, WindowKind, rewrite_windows_with};

/// Rewrites the windows of a query as [`rewrite_windows_with`] does, and gives the end of each tumbling
/// window its size as second argument, by which it can be computed where no window operator is.
///
/// # Errors
/// As [`rewrite_windows_with`].
pub fn prepare_windows(
    query: &mut Query,
    grouped: Grouped,
    columns_of: ColumnsOf<'_>,
) -> Result<()> {
    rewrite_windows_with(query, grouped, &|_| false, columns_of)?;
    let flow: ControlFlow<Infallible> = visit_expressions_mut(query, |expr| {
        add_size(expr);
        ControlFlow::Continue(())
    });
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(never) => match never {},
    }
}

fn add_size(expr: &mut Expr) {
    let Expr::Function(end) = expr else { return };
    if end.name.to_string() != WINDOW_END {
        return;
    }
    let FunctionArguments::List(list) = &mut end.args else { return };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(window)))] =
        list.args.as_slice()
    else {
        return;
    };
    if WindowKind::of_name(&window.name.to_string()) != Some(WindowKind::Tumble) {
        return;
    }
    if let FunctionArguments::List(window) = &window.args
        && let Some(size) = window.args.get(1)
    {
        let size = size.clone();
        list.args.push(size);
    }
}
