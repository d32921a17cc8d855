//! `ASOF` joins. sqlparser knows one spelling, `ASOF JOIN r MATCH_CONDITION (c) ON k`; here are
//! the others, turned into that one:
//!
//! - the condition inside `ON`: taken out of it;
//! - `LEFT ASOF JOIN` and `ASOF LEFT JOIN`: the condition is wrapped into a call of
//!   [`ASOF_LEFT`], because the operator of sqlparser has no place for it;
//! - `INNER` in either place: left out.
//!
//! [`asof_join`] reads the result.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::{
    ast::{
        BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Join,
        JoinConstraint, JoinOperator, Select, Spanned, TableFactor, VisitMut, VisitorMut,
        visit_expressions,
    },
    tokenizer::{Token, TokenWithSpan},
};
use laminar_types::{Error, Result, error::code};

use super::lexer::{bracket, is_word, position};
use super::probe;

/// The function that the condition of a left `ASOF` join is wrapped into.
pub const ASOF_LEFT: &str = "__asof_left";

/// Stands for a condition that is still inside `ON`.
const IN_ON: &str = "__asof_in_on";

/// Marks the condition of a join that was written `NATURAL`, until the query is parsed.
const ASOF_NATURAL: &str = "__asof_natural";

/// What is said of a `NATURAL` join that has keys of its own, or no place for its times.
const NO_CONSTRAINT: &str = "NATURAL ASOF JOIN compares the times in MATCH_CONDITION (l.ts >= r.ts), and has no ON or \
     USING beside it: its keys are the columns that both sides have";

/// The function that asks for the nearest row on either side.
const NEAREST: &str = "nearest";

/// An `ASOF` join, as the planner needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct AsofJoin<'a> {
    /// Whether left rows without a match are kept.
    pub left: bool,
    /// `l.ts >= r.ts` with any of the four comparisons, or `nearest(l.ts, r.ts)`.
    pub condition: &'a Expr,
    /// The keys; `None` when there are none.
    pub constraint: &'a JoinConstraint,
}

/// The `ASOF` join that an operator is, if it is one.
pub fn asof_join(operator: &JoinOperator) -> Option<AsofJoin<'_>> {
    let JoinOperator::AsOf { match_condition, constraint } = operator else { return None };
    let (left, condition) = match call_argument(match_condition, ASOF_LEFT) {
        Some(condition) => (true, condition),
        None => (false, match_condition),
    };
    Some(AsofJoin { left, condition, constraint })
}

/// Changes tokens so that sqlparser reads all spellings of `ASOF` joins, `TEMPORAL PROBE` joins,
/// and `TABLE(TUMBLE(TABLE t, ...))`.
///
/// # Errors
/// [`code::UNSUPPORTED`] for `RIGHT` and `FULL` ones, [`code::SYNTAX`] for probes that are not of
/// their form.
pub(super) fn prepare(tokens: &mut Vec<TokenWithSpan>) -> Result<()> {
    let mut edits = Edits::default();
    for at in 0..tokens.len() {
        let word = |index: usize, expected: &str| {
            tokens.get(index).is_some_and(|token| is_word(&token.token, expected))
        };
        let token = |index: usize| tokens.get(index).map_or(&Token::EOF, |token| &token.token);
        if word(at, "ASOF") {
            prepare_asof(tokens, at, &mut edits)?;
        } else if probe::starts(tokens, at) {
            probe::prepare(tokens, at, &mut edits)?;
        } else if word(at, "TABLE")
            && token(at + 1) == &Token::LParen
            && token(at + 3) == &Token::LParen
            && word(at + 4, "TABLE")
        {
            edits.delete.push(at + 4);
        }
    }
    edits.apply(tokens);
    Ok(())
}

/// Takes conditions out of `ON`.
///
/// # Errors
/// [`code::SYNTAX`] for an `ON` that holds no condition or more than one.
pub(super) fn normalise(node: &mut impl VisitMut) -> Result<()> {
    match node.visit(&mut Normalise) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Changes of a list of tokens, by their index in it.
#[derive(Default)]
pub(super) struct Edits {
    pub(super) delete: Vec<usize>,
    pub(super) insert_before: Vec<(usize, Vec<Token>)>,
}

impl Edits {
    fn apply(mut self, tokens: &mut Vec<TokenWithSpan>) {
        if self.delete.is_empty() && self.insert_before.is_empty() {
            return;
        }
        self.insert_before.sort_by_key(|(index, _)| *index);
        let mut insert = self.insert_before.into_iter().peekable();
        let old = std::mem::take(tokens);
        for (index, token) in old.into_iter().enumerate() {
            while let Some((_, new)) = insert.next_if(|(before, _)| *before == index) {
                tokens.extend(new.into_iter().map(|new| TokenWithSpan::new(new, token.span)));
            }
            if !self.delete.contains(&index) {
                tokens.push(token);
            }
        }
    }
}

fn prepare_asof(tokens: &[TokenWithSpan], at: usize, edits: &mut Edits) -> Result<()> {
    let word = |index: usize, expected: &str| {
        tokens.get(index).is_some_and(|token| is_word(&token.token, expected))
    };
    let (mut left, mut natural) = (false, None);
    let mut delete = Vec::new();

    // What stands between ASOF and JOIN.
    let mut next = at + 1;
    if word(next, "LEFT") || word(next, "INNER") {
        left = word(next, "LEFT");
        delete.push(next);
        next += 1;
        if left && word(next, "OUTER") {
            delete.push(next);
            next += 1;
        }
    }
    let unsupported = |index: usize| {
        let message = "ASOF JOIN is an inner or a left join, not a right or full one";
        Err(Error::unsupported(message).at(position(tokens[index].span.start)))
    };
    if word(next, "RIGHT") || word(next, "FULL") {
        return if word(next + 1, "JOIN") || word(next + 1, "OUTER") {
            unsupported(next)
        } else {
            Ok(())
        };
    }
    if !word(next, "JOIN") {
        return Ok(());
    }

    // What stands before ASOF.
    if let Some(mut before) = at.checked_sub(1) {
        let outer = word(before, "OUTER");
        if outer && before > 0 {
            before -= 1;
        }
        if word(before, "RIGHT") || word(before, "FULL") {
            return unsupported(before);
        }
        if word(before, "LEFT") || (word(before, "INNER") && !outer) {
            left |= word(before, "LEFT");
            delete.extend(before..at);
            before = before.saturating_sub(1);
        }
        if word(before, "NATURAL") {
            natural = Some(before);
            delete.push(before);
        }
    }
    edits.delete.extend(delete);

    let Some((index, in_on)) = find_condition(tokens, next + 1) else { return Ok(()) };
    let call = |name: &str| [Token::make_word(name, None), Token::LParen];
    if let Some(natural) = natural {
        let Some(close) = closing(tokens, index + 1).filter(|_| !in_on) else {
            let here = position(tokens[natural].span.start);
            return Err(Error::new(code::SYNTAX, NO_CONSTRAINT).at(here));
        };
        edits.insert_before.push((index + 2, Vec::from(call(ASOF_NATURAL))));
        edits.insert_before.push((close, vec![Token::RParen]));
    }
    if in_on {
        let mut inserted = Vec::from(call("MATCH_CONDITION"));
        if left {
            inserted.extend(call(ASOF_LEFT));
        }
        inserted.extend(call(IN_ON));
        inserted.extend([Token::RParen, Token::RParen]);
        if left {
            inserted.push(Token::RParen);
        }
        edits.insert_before.push((index, inserted));
    } else if left && let Some(close) = closing(tokens, index + 1) {
        edits.insert_before.push((index + 2, Vec::from(call(ASOF_LEFT))));
        edits.insert_before.push((close, vec![Token::RParen]));
    }
    Ok(())
}

/// The index of `MATCH_CONDITION`, or of the `ON` or `USING` that stands in place of it.
fn find_condition(tokens: &[TokenWithSpan], from: usize) -> Option<(usize, bool)> {
    const ENDS: [&str; 7] = ["JOIN", "ASOF", "CROSS", "WHERE", "GROUP", "ORDER", "UNION"];
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(from) {
        depth += bracket(&token.token);
        if depth < 0 {
            return None;
        }
        if depth > 0 {
            continue;
        }
        if is_word(&token.token, "MATCH_CONDITION") {
            return Some((index, false));
        }
        if is_word(&token.token, "ON") || is_word(&token.token, "USING") {
            return Some((index, true));
        }
        if ENDS.iter().any(|end| is_word(&token.token, end)) {
            return None;
        }
    }
    None
}

/// The index of the bracket that closes the one at an index.
fn closing(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        depth += bracket(&token.token);
        if depth == 0 {
            return (index > open).then_some(index);
        }
    }
    None
}

struct Normalise;

impl VisitorMut for Normalise {
    type Break = Error;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        let joins = select.from.iter_mut().flat_map(|table| table.joins.iter_mut());
        normalise_joins(joins)
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => {
                normalise_joins(table_with_joins.joins.iter_mut())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

fn normalise_joins<'a>(joins: impl Iterator<Item = &'a mut Join>) -> ControlFlow<Error> {
    for join in joins {
        if let JoinOperator::AsOf { match_condition, constraint } = &mut join.join_operator
            && let Err(error) = normalise_asof(match_condition, constraint)
        {
            return ControlFlow::Break(error);
        }
    }
    ControlFlow::Continue(())
}

fn normalise_asof(condition: &mut Expr, constraint: &mut JoinConstraint) -> Result<()> {
    if let Some(natural) = call_argument(condition, ASOF_NATURAL).cloned() {
        if *constraint != JoinConstraint::None {
            let here = position(natural.span().start);
            return Err(Error::new(code::SYNTAX, NO_CONSTRAINT).at(here));
        }
        *condition = natural;
        *constraint = JoinConstraint::Natural;
        return Ok(());
    }
    let is_left = call_argument(condition, ASOF_LEFT).is_some();
    let slot = if is_left { argument_mut(condition) } else { Some(condition) };
    let Some(slot) = slot.filter(|slot| is_call(slot, IN_ON)) else { return Ok(()) };

    let here = position(slot.span().start);
    let error = |message: &str| Err(Error::new(code::SYNTAX, message).at(here));
    let JoinConstraint::On(on) = std::mem::replace(constraint, JoinConstraint::None) else {
        return error("ASOF JOIN with USING needs MATCH_CONDITION (l.ts >= r.ts) before it");
    };
    let mut keys = Vec::new();
    let mut found = None;
    for conjunct in conjuncts(on) {
        if !is_order(&conjunct) {
            keys.push(conjunct);
        } else if found.replace(conjunct).is_some() {
            return error(
                "ON holds several comparisons that could be the one of ASOF JOIN; put it into \
                 MATCH_CONDITION (l.ts >= r.ts)",
            );
        }
    }
    let Some(found) = found else {
        return error("ASOF JOIN needs a comparison of times: MATCH_CONDITION (l.ts >= r.ts)");
    };
    *slot = found;
    if let Some(on) = keys.into_iter().reduce(and) {
        *constraint = JoinConstraint::On(on);
    }
    Ok(())
}

fn and(left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::And, right: Box::new(right) }
}

/// The terms of a conjunction, in their order.
fn conjuncts(expr: Expr) -> Vec<Expr> {
    let mut terms = Vec::new();
    let mut rest = vec![expr];
    while let Some(expr) = rest.pop() {
        match expr {
            Expr::Nested(inner) => rest.push(*inner),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                rest.push(*right);
                rest.push(*left);
            }
            term => terms.push(term),
        }
    }
    terms
}

/// Whether a term compares a column with a column by order.
fn is_order(term: &Expr) -> bool {
    use BinaryOperator::{Gt, GtEq, Lt, LtEq};
    match term {
        Expr::BinaryOp { left, op: Gt | GtEq | Lt | LtEq, right } => {
            has_column(left) && has_column(right)
        }
        term => is_call(term, NEAREST),
    }
}

fn has_column(expr: &Expr) -> bool {
    visit_expressions(expr, |expr| match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

fn is_call(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case(name))
}

/// The argument of a call with one argument.
fn call_argument<'a>(expr: &'a Expr, name: &str) -> Option<&'a Expr> {
    match expr {
        Expr::Function(function) if is_call(expr, name) => match &function.args {
            FunctionArguments::List(list) => match list.args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] => Some(argument),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn argument_mut(expr: &mut Expr) -> Option<&mut Expr> {
    match expr {
        Expr::Function(function) => match &mut function.args {
            FunctionArguments::List(list) => match list.args.as_mut_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] => Some(argument),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}
