//! Puts the window call of `GROUP BY` in the place of what names its bounds.

use std::{collections::HashSet, ops::ControlFlow, sync::LazyLock};

use datafusion::{
    functions_aggregate::all_default_aggregate_functions,
    sql::sqlparser::ast::{
        Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, Spanned, VisitMut,
        VisitorMut,
    },
};
use laminar_types::{Error, Position, Result, error::code};

use super::{
    WINDOW_END, WINDOW_TIME,
    call::{
        Bound, WindowKind, arguments, bound_call, function_name, is_same, make, normalised,
        window_call, window_of_bound_call,
    },
};
use crate::parser::lexer::position;

/// Tells whether a function of a name in lower case is an aggregate.
pub type IsAggregate<'a> = &'a dyn Fn(&str) -> bool;

/// The aggregates of DataFusion, and `first` and `last`. `grouping` is none of them here: its
/// arguments are expressions of `GROUP BY`.
static AGGREGATES: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let mut names: HashSet<String> = ["first".to_string(), "last".to_string()].into();
    for function in all_default_aggregate_functions() {
        names.insert(function.name().to_ascii_lowercase());
        names.extend(function.aliases().iter().map(|alias| alias.to_ascii_lowercase()));
    }
    names.remove("grouping");
    names
});

/// Whether DataFusion or the dialect has an aggregate of this name, which is in lower case.
pub(super) fn is_default_aggregate(name: &str) -> bool {
    AGGREGATES.contains(name)
}

/// Whether an expression is the call of an aggregate, and not of a window function.
pub(super) fn is_aggregate_call(expr: &Expr, is_aggregate: IsAggregate<'_>) -> bool {
    let Expr::Function(function) = expr else { return false };
    if function.over.is_some() {
        return false;
    }
    let has_clauses = matches!(&function.args, FunctionArguments::List(list)
        if list.duplicate_treatment.is_some() || !list.clauses.is_empty());
    has_clauses
        || function.filter.is_some()
        || !function.within_group.is_empty()
        || function_name(function).is_some_and(|name| is_aggregate(&name))
}

/// What to put where.
pub(super) struct Replace<'a> {
    /// The window calls of `GROUP BY`, at least one, all different.
    pub(super) windows: &'a [Expr],
    /// Bounds that are grouped columns of the input and stay.
    pub(super) kept: &'a [Bound],
    /// The name before the point in `w.window_start`, when the bounds belong to a table function.
    pub(super) qualifier: Option<&'a str>,
    /// Also inside the arguments of aggregates.
    pub(super) in_aggregates: bool,
    /// The aggregates.
    pub(super) is_aggregate: IsAggregate<'a>,
}

impl Replace<'_> {
    /// Replaces in an expression.
    ///
    /// # Errors
    /// [`code::PLAN`] where a bound is asked of a window that `GROUP BY` does not have.
    pub(super) fn apply(&self, expr: &mut Expr) -> Result<()> {
        match expr.visit(&mut Walk { replace: self, opaque: 0 }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error),
        }
    }

    /// The bound that an expression by itself names.
    pub(super) fn bound_of(&self, expr: &Expr) -> Option<Bound> {
        let bound = match expr {
            Expr::Identifier(ident) => Bound::of_ident(ident),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [qualifier, ident] if self.is_qualifier(qualifier) => Bound::of_ident(ident),
                _ => None,
            },
            _ => None,
        };
        bound.filter(|bound| !self.kept.contains(bound))
    }

    fn is_qualifier(&self, ident: &Ident) -> bool {
        self.qualifier.is_some_and(|qualifier| normalised(ident) == qualifier)
    }

    /// Whether what stands inside this call belongs to the rows before grouping.
    fn is_opaque(&self, expr: &Expr) -> bool {
        if bound_call(expr).is_some() || window_call(expr).is_some() {
            return true;
        }
        !self.in_aggregates && is_aggregate_call(expr, self.is_aggregate)
    }

    fn replacement(&self, expr: &Expr) -> Result<Option<Expr>> {
        if let Some(bound) = self.bound_of(expr) {
            return self
                .only_window(bound.column(), at(expr))
                .map(|window| Some(bound_of(window, bound)));
        }
        if window_call(expr).is_some() {
            return Ok(self.windows.iter().find(|window| is_same(window, expr)).cloned());
        }
        match bound_call(expr) {
            Some((bound, kind)) => self.bound_call(expr, bound, kind).map(Some),
            None => Ok(None),
        }
    }

    /// `tumble_end(ts, size)`, `tumble_end()`, `window_end()`.
    fn bound_call(&self, expr: &Expr, bound: Bound, kind: Option<WindowKind>) -> Result<Expr> {
        let window = match window_of_bound_call(expr) {
            Some(window) => self.windows.iter().find(|known| is_same(known, &window)),
            None if kind.is_none() => Some(self.only_window(&expr.to_string(), at(expr))?),
            None => {
                let mut of_kind = self.windows.iter().filter(|known| window_call(known) == kind);
                match (of_kind.next(), of_kind.next()) {
                    (Some(window), None) if has_no_other_window(expr, window) => Some(window),
                    _ => None,
                }
            }
        };
        match window {
            Some(window) => Ok(bound_of(window, bound)),
            None => {
                let message =
                    format!("{expr} asks for the bound of a window that GROUP BY does not have");
                Err(Error::new(code::PLAN, message).at(at(expr)))
            }
        }
    }

    fn only_window(&self, what: &str, at: Position) -> Result<&Expr> {
        match self.windows {
            [window] => Ok(window),
            _ => {
                let message = format!(
                    "{what} could be of any of the {} windows in GROUP BY",
                    self.windows.len()
                );
                Err(Error::new(code::PLAN, message).at(at))
            }
        }
    }
}

/// Whether `tumble_end(x)` leaves `x` out or means the window itself by it.
fn has_no_other_window(expr: &Expr, window: &Expr) -> bool {
    let Expr::Function(function) = expr else { return false };
    match arguments(function) {
        [] => true,
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] => match window_call(argument) {
            Some(_) => is_same(argument, window),
            // The time column, or the alias of the window.
            None => true,
        },
        _ => false,
    }
}

/// The expression for a bound of a window.
pub(super) fn bound_of(window: &Expr, bound: Bound) -> Expr {
    match bound {
        Bound::Start => window.clone(),
        Bound::End => call_of(WINDOW_END, window.clone()),
        Bound::Time => call_of(WINDOW_TIME, call_of(WINDOW_END, window.clone())),
    }
}

fn call_of(function: &str, argument: Expr) -> Expr {
    let name = Ident::with_span(argument.span(), function);
    make(name, vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))])
}

fn at(expr: &Expr) -> Position {
    position(expr.span().start)
}

struct Walk<'a> {
    replace: &'a Replace<'a>,
    /// How many calls and subqueries around this place hide it.
    opaque: usize,
}

impl VisitorMut for Walk<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.opaque += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.opaque -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        self.opaque += usize::from(self.replace.is_opaque(expr));
        ControlFlow::Continue(())
    }

    /// Children come before their parents, so that nothing put in is looked at again.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        self.opaque -= usize::from(self.replace.is_opaque(expr));
        if self.opaque > 0 {
            return ControlFlow::Continue(());
        }
        match self.replace.replacement(expr) {
            Ok(Some(replacement)) => *expr = replacement,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}
