//! The rewrite of window calls, which the planner applies to a query before it plans it.
//!
//! A window stands in `GROUP BY` as a call, `tumble(ts, size)`; its start and end are asked for in
//! many ways. After [`rewrite_windows`] there are two left, wherever the rows are grouped already:
//!
//! - the very same call as in `GROUP BY` is the start of the window;
//! - `__window_end(call)` around the very same call is its end, and `__window_time(...)` around that
//!   the last time before it.
//!
//! So an ordinary planner that matches expressions with those of `GROUP BY` finds them. Window
//! calls have one spelling then: `tumble`, `hop` with the size before the slide where both are
//! literals, `session`, `cumulate`; sizes are as they were written.

mod call;
mod known;
mod partition_by;
mod replace;
mod select;
mod table_function;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, OrderBy, Query, SetExpr, TableFactor, VisitMut, VisitorMut,
};
use laminar_types::{Error, Result};

pub use call::WindowKind;
pub use known::ColumnsOf;
use known::Known;
pub(super) use partition_by::spell_partitions;
pub use replace::IsAggregate;

/// The function around a window call that stands for the window's end. The call itself is the
/// start.
pub const WINDOW_END: &str = "__window_end";

/// The function around the end of a window that stands for the last time before it.
pub const WINDOW_TIME: &str = "__window_time";

/// The function around a window call that stands for the start of each window of a row that is not
/// grouped; its further arguments are the keys of sessions.
pub const ROW_WINDOW_START: &str = "__row_window_start";

/// As [`ROW_WINDOW_START`], for the end.
pub const ROW_WINDOW_END: &str = "__row_window_end";

/// The function around the keys of `PARTITION BY` in a window table function.
const PARTITION_BY: &str = "__partition_by";

/// Rewrites the windows of a query and of all queries in it.
///
/// # Errors
/// [`code::PLAN`](laminar_types::error::code::PLAN) for a bound of a window that `GROUP BY` does
/// not have, [`code::UNSUPPORTED`](laminar_types::error::code::UNSUPPORTED) for window table
/// functions that cannot be had; both with a position.
pub fn rewrite_windows(query: &mut Query) -> Result<()> {
    rewrite_windows_with(query, Grouped::ByOperator, &|_| false, &|_| None)
}

/// What groups the rows of a window table function by its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouped {
    /// The operator of the window call, in a continuous query.
    ByOperator,
    /// Whatever groups by columns, except for tumbling windows.
    ByColumns,
}

/// As [`rewrite_windows`]; functions that `is_aggregate` knows, by their names in lower case, are
/// aggregates besides those of DataFusion. A name in `GROUP BY` is a column of the input, which
/// `columns_of` knows, before it is a window of the select list.
///
/// # Errors
/// As [`rewrite_windows`].
pub fn rewrite_windows_with(
    query: &mut Query,
    grouped: Grouped,
    is_aggregate: IsAggregate<'_>,
    columns_of: ColumnsOf<'_>,
) -> Result<()> {
    let is_aggregate = |name: &str| replace::is_default_aggregate(name) || is_aggregate(name);
    match VisitMut::visit(query, &mut Spell) {
        ControlFlow::Continue(()) => {}
        ControlFlow::Break(never) => match never {},
    }
    let known = Known::new(query, columns_of);
    let mut rewrite = Rewrite { grouped, is_aggregate: &is_aggregate, known };
    match VisitMut::visit(query, &mut rewrite) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Gives every window call its one spelling.
struct Spell;

impl VisitorMut for Spell {
    type Break = std::convert::Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        call::normalise(expr);
        ControlFlow::Continue(())
    }
}

struct Rewrite<'a> {
    grouped: Grouped,
    is_aggregate: IsAggregate<'a>,
    known: Known<'a>,
}

impl VisitorMut for Rewrite<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        break_on_error(self.rewrite_body(&mut query.body, query.order_by.as_mut()))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        break_on_error(rewrite_table_function(factor))
    }
}

impl Rewrite<'_> {
    /// `order_by` belongs to a body that is one `SELECT`.
    fn rewrite_body(&self, body: &mut SetExpr, order_by: Option<&mut OrderBy>) -> Result<()> {
        match body {
            SetExpr::Select(select) => {
                select::rewrite(select, order_by, self.grouped, self.is_aggregate, &self.known)
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.rewrite_body(left, None)?;
                self.rewrite_body(right, None)
            }
            // Queries inside are visited by themselves.
            _ => Ok(()),
        }
    }
}

/// What the rewrite of its `SELECT` has left.
fn rewrite_table_function(factor: &mut TableFactor) -> Result<()> {
    if let Some(window) = table_function::read(factor)? {
        *factor = window.into_derived();
    }
    Ok(())
}

fn break_on_error(result: Result<()>) -> ControlFlow<Error> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}
