//! [`placed`]: where in a query the construct stands that an error names.
//!
//! Logical plans have lost most of their places in the text: only columns remember theirs. So an
//! error from below them is placed at a column ([`at_column_of`]) or by its words: at the first call
//! of a function that it names with a parenthesis, `median(...)`, at the first clause that it names,
//! or else where the query begins.

use std::ops::ControlFlow;

use datafusion::logical_expr::Expr as Bound;
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, LimitClause, ObjectName, ObjectNamePart, Query, Select, SetExpr, Spanned,
    TableFactor, Visit, Visitor, visit_expressions,
};
use datafusion::sql::sqlparser::tokenizer::Location;
use laminar_types::{Error, Position};

use crate::parser::joins::asof_join;
use crate::parser::windows::WindowKind;

/// The error at the place of what it is about: its own, or what the query shows.
pub(crate) fn placed(error: Error, query: &Query) -> Error {
    if error.position().is_some() {
        return error;
    }
    match place_of(query, error.message()) {
        Some(place) => error.at(place),
        None => error,
    }
}

/// The error at the first column of a bound expression that remembers its place.
pub(crate) fn at_column_of(error: Error, expr: &Bound) -> Error {
    let columns = expr.column_refs().into_iter();
    let starts = columns.filter_map(|column| column.spans().first()).map(|span| span.start);
    match starts.filter(|start| start.line > 0).min_by_key(|start| (start.line, start.column)) {
        Some(start) => error.at(Position { line: start.line, column: start.column }),
        None => error,
    }
}

/// The place of what a message is about; the beginning of the query where it does not show that.
fn place_of(query: &Query, message: &str) -> Option<Position> {
    let mut finder = Finder { message: message.to_lowercase(), windows: 0 };
    let place = match query.visit(&mut finder) {
        ControlFlow::Break(place) => place,
        ControlFlow::Continue(()) => query.span().start,
    };
    (place.line > 0).then_some(Position { line: place.line, column: place.column })
}

struct Finder {
    message: String,
    /// The window calls that were passed in the `GROUP BY` of the query.
    windows: usize,
}

impl Finder {
    /// Whether the message names one of these.
    fn names(&self, constructs: &[&str]) -> bool {
        constructs.iter().any(|construct| self.message.contains(construct))
    }

    /// Whether the message speaks of calls of a function.
    fn names_call(&self, function: &ObjectName) -> bool {
        let Some(ObjectNamePart::Identifier(name)) = function.0.last() else { return false };
        let name = name.value.to_lowercase();
        let name = match name.as_str() {
            "current_timestamp" => "now",
            "today" => "current_date",
            name => name,
        };
        let call = format!("{name}(");
        self.message
            .match_indices(&call)
            .any(|(at, _)| !self.message[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
    }
}

impl Visitor for Finder {
    type Break = Location;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Location> {
        let is_it = match expr {
            Expr::Function(call) => {
                self.names_call(&call.name)
                    || (is_window(expr) && self.names(&["a window cannot", "a window's length"]))
                    || (call.over.is_some() && self.names(&["without partition by"]))
            }
            Expr::InSubquery { negated: true, .. } => self.names(&["not in (select"]),
            Expr::InSubquery { .. } | Expr::Exists { .. } | Expr::Subquery(_) => {
                self.names(&["subquery"])
            }
            _ => false,
        };
        found(is_it, expr)
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Location> {
        let is_it = match factor {
            TableFactor::Table { version: Some(_), .. } => self.names(&["for system_time"]),
            TableFactor::UNNEST { .. } => self.names(&["unnest"]),
            TableFactor::Function { name, .. } => self.names_call(name),
            _ => false,
        };
        found(is_it, factor)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Location> {
        for join in select.from.iter().flat_map(|from| &from.joins) {
            let is_it = asof_join(&join.join_operator).is_some()
                && self.names(&["asof join", "a join in time"]);
            found(is_it, &join.relation)?;
        }
        if let Some(condition) = &select.selection {
            found(self.names(&["in the where clause"]), condition)?;
        }
        if let GroupByExpr::Expressions(keys, _) = &select.group_by {
            let which = match (self.names(&["by one window"]), self.names(&["every grouping set"]))
            {
                (true, _) => 2,
                (_, true) => 1,
                _ => return ControlFlow::Continue(()),
            };
            let found = visit_expressions(keys, |expr| {
                self.windows += usize::from(is_window(expr));
                found(self.windows == which, expr)
            });
            self.windows = 0;
            return found;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Location> {
        if let Some(with) = query.with.as_ref().filter(|with| with.recursive) {
            found(self.names(&["with recursive"]), with)?;
        }
        if let SetExpr::SetOperation { op, right, .. } = query.body.as_ref() {
            found(self.names(&[&op.to_string().to_lowercase()]), right.as_ref())?;
        }
        if let Some(order) = &query.order_by {
            found(self.names(&["order by without limit"]), order)?;
        }
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &query.limit_clause
            && self.names(&["limit and offset", "limit must", "expected limit"])
        {
            let is_any = !self.names(&["limit and offset"]);
            let literal = |expr: &Expr| matches!(expr, Expr::Value(_)) && !is_any;
            if let Some(limit) = limit.as_ref().filter(|limit| !literal(limit)) {
                found(true, limit)?;
            }
            if let Some(offset) = offset.as_ref().filter(|offset| !literal(&offset.value)) {
                found(true, &offset.value)?;
            }
        }
        found(self.names(&["query without from", "keep values"]), query.body.as_ref())
    }
}

fn is_window(expr: &Expr) -> bool {
    let Expr::Function(call) = expr else { return false };
    let Some(ObjectNamePart::Identifier(name)) = call.name.0.last() else { return false };
    WindowKind::of_name(&name.value).is_some()
}

fn found(is_it: bool, node: &impl Spanned) -> ControlFlow<Location> {
    let start = node.span().start;
    match is_it && start.line > 0 {
        true => ControlFlow::Break(start),
        false => ControlFlow::Continue(()),
    }
}
