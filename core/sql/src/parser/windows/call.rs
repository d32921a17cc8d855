//! A window call: recognising it, its one spelling, and when two are the same.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, ObjectNamePart, visit_expressions_mut,
};

use crate::parser::duration::duration_of_expr_ns;

/// The kinds of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowKind {
    /// `tumble(ts, size [, offset])`.
    Tumble,
    /// `hop(ts, size, slide [, offset])`.
    Hop,
    /// `session(ts, gap)`.
    Session,
    /// `cumulate(ts, step, max_size)`.
    Cumulate,
}

impl WindowKind {
    /// The kind that a function of this name, in any case, makes.
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "tumble" => Self::Tumble,
            "hop" | "hopping" | "slide" => Self::Hop,
            "session" => Self::Session,
            "cumulate" => Self::Cumulate,
            _ => return None,
        })
    }

    /// The name of its function.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tumble => "tumble",
            Self::Hop => "hop",
            Self::Session => "session",
            Self::Cumulate => "cumulate",
        }
    }
}

/// One of the bounds of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Start,
    /// Exclusive.
    End,
    /// The last time that the window holds, one unit before its end.
    Time,
}

impl Bound {
    /// The name of the column.
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Start => "window_start",
            Self::End => "window_end",
            Self::Time => "window_time",
        }
    }

    /// The bound whose column has this name.
    pub(super) fn of_ident(ident: &Ident) -> Option<Self> {
        let all = [Self::Start, Self::End, Self::Time];
        all.into_iter().find(|bound| normalised(ident) == bound.column())
    }
}

/// `tumble_start(...)` and its like: the bound, and the kind of window unless it is any.
pub(super) fn bound_call(expr: &Expr) -> Option<(Bound, Option<WindowKind>)> {
    let name = function_name(plain_function(expr)?)?;
    let (kind, bound) = name.rsplit_once('_')?;
    let bound = match bound {
        "start" => Bound::Start,
        "end" => Bound::End,
        "rowtime" => Bound::Time,
        "time" if kind == "window" => Bound::Time,
        _ => return None,
    };
    match kind {
        "window" => Some((bound, None)),
        kind => WindowKind::of_name(kind).map(|kind| (bound, Some(kind))),
    }
}

/// The kind of window that a call makes, if it is one.
pub(super) fn window_call(expr: &Expr) -> Option<WindowKind> {
    WindowKind::of_name(&function_name(plain_function(expr)?)?)
}

/// Gives a window call its one spelling; leaves every other expression alone.
pub(super) fn normalise(expr: &mut Expr) {
    let Some(kind) = window_call(expr) else { return };
    let Expr::Function(function) = expr else { return };
    function.name = ObjectName::from(Ident { value: kind.name().to_string(), ..name_of(function) });
    if kind == WindowKind::Hop
        && let Some([_, first, second, ..]) = arguments_mut(function)
        && let (Some(first_ns), Some(second_ns)) = (duration_of(first), duration_of(second))
        && first_ns < second_ns
    {
        std::mem::swap(first, second);
    }
}

/// Makes a window call of a kind out of its arguments.
pub(super) fn make(name: Ident, args: Vec<FunctionArg>) -> Expr {
    let list = FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() };
    let mut call = Expr::Function(Function {
        name: ObjectName::from(name),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(list),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    });
    normalise(&mut call);
    call
}

/// The window call whose bound `tumble_end(ts, size)` asks for: the same arguments.
pub(super) fn window_of_bound_call(expr: &Expr) -> Option<Expr> {
    let (_, kind) = bound_call(expr)?;
    let function = plain_function(expr)?;
    let args = arguments(function);
    let name = Ident { value: kind?.name().to_string(), ..name_of(function) };
    (args.len() > 1).then(|| make(name, args.to_vec()))
}

/// Whether two window calls in their one spelling make the same windows. `t.ts` and `ts` are the
/// same column, and durations are compared by their length.
pub(super) fn is_same(left: &Expr, right: &Expr) -> bool {
    let (Expr::Function(one), Expr::Function(other)) = (left, right) else { return false };
    let (ones, others) = (arguments(one), arguments(other));
    window_call(left) == window_call(right)
        && ones.len() == others.len()
        && ones.iter().zip(others).all(|(one, other)| is_same_argument(one, other))
}

/// The name of a function, when it has one part: lower case unless it was quoted.
pub(super) fn function_name(function: &Function) -> Option<String> {
    match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(normalised(ident)),
        _ => None,
    }
}

/// The arguments of a function; none for one without parentheses.
pub(super) fn arguments(function: &Function) -> &[FunctionArg] {
    match &function.args {
        FunctionArguments::List(list) => &list.args,
        _ => &[],
    }
}

/// A name as the planner sees it.
pub(super) fn normalised(ident: &Ident) -> String {
    match ident.quote_style {
        None => ident.value.to_ascii_lowercase(),
        Some(_) => ident.value.clone(),
    }
}

/// An expression without the parentheses around it.
pub(super) fn without_parentheses(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

/// A call that is not an aggregate over something or a window function.
fn plain_function(expr: &Expr) -> Option<&Function> {
    match expr {
        Expr::Function(function) if function.over.is_none() && function.filter.is_none() => {
            Some(function)
        }
        _ => None,
    }
}

fn name_of(function: &Function) -> Ident {
    match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Ident { quote_style: None, ..ident.clone() },
        _ => Ident::new(""),
    }
}

fn arguments_mut(function: &mut Function) -> Option<&mut [FunctionArg]> {
    match &mut function.args {
        FunctionArguments::List(list) => Some(&mut list.args),
        _ => None,
    }
}

fn expression(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn duration_of(argument: &FunctionArg) -> Option<i64> {
    duration_of_expr_ns(expression(argument)?).ok()
}

fn is_same_argument(one: &FunctionArg, other: &FunctionArg) -> bool {
    if let (Some(one), Some(other)) = (duration_of(one), duration_of(other)) {
        return one == other;
    }
    match (expression(one), expression(other)) {
        (Some(one), Some(other)) => is_same_expr(one, other),
        _ => one == other,
    }
}

pub(super) fn is_same_expr(one: &Expr, other: &Expr) -> bool {
    let (one, other) = (without_parentheses(one), without_parentheses(other));
    match (one, other) {
        (Expr::Identifier(one), Expr::CompoundIdentifier(parts))
        | (Expr::CompoundIdentifier(parts), Expr::Identifier(one)) => {
            parts.last().is_some_and(|last| normalised(last) == normalised(one))
        }
        _ => canonical(one) == canonical(other),
    }
}

/// A copy whose names are as the planner sees them.
fn canonical(expr: &Expr) -> Expr {
    let mut copy = expr.clone();
    let _ = visit_expressions_mut(&mut copy, |expr| {
        let names = match expr {
            Expr::Identifier(ident) => std::slice::from_mut(ident),
            Expr::CompoundIdentifier(parts) => parts.as_mut_slice(),
            _ => &mut [],
        };
        for name in names {
            *name = Ident::with_quote('"', normalised(name));
        }
        ControlFlow::<()>::Continue(())
    });
    copy
}
