//! The rewrite of one `SELECT`: finds its windows in `GROUP BY` and puts them where their bounds
//! are asked for.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Ident, NamedWindowExpr, OrderBy, OrderByKind, Select, SelectItem, Spanned,
    Value, visit_expressions,
};
use laminar_types::{Error, Result};

use super::{
    Grouped, WindowKind,
    call::{
        Bound, bound_call, is_same, normalised, window_call, window_of_bound_call,
        without_parentheses,
    },
    known::Known,
    replace::{IsAggregate, Replace, is_aggregate_call},
    table_function::{self, TableWindow},
};

/// Rewrites a `SELECT` whose window calls are spelled in their one way.
pub(super) fn rewrite(
    select: &mut Select,
    order_by: Option<&mut OrderBy>,
    grouped: Grouped,
    is_aggregate: IsAggregate<'_>,
    known: &Known<'_>,
) -> Result<()> {
    spell_ordinals(select)?;
    if grouped == Grouped::ByColumns {
        partition_by_groups(select, is_aggregate)?;
    }
    let table_window = grouped_table_function(select, grouped, is_aggregate)?;
    let qualifier = table_window.as_ref().and_then(|window| window.qualifier.clone());
    let in_aggregates = table_window.is_some();
    if let Some(window) = table_window {
        let (call, input) = window.into_input();
        group_by_call(&mut select.group_by, &call, qualifier.as_deref());
        // A grouped table function is the only table of its SELECT.
        if let [table] = select.from.as_mut_slice() {
            table.relation = input;
        }
    }
    resolve_group_by(select, known);

    let windows = windows_of(select, is_aggregate);
    if windows.is_empty() {
        return Ok(());
    }
    let kept = kept_bounds(&mut select.group_by);
    let replace = Replace {
        windows: &windows,
        kept: &kept,
        qualifier: qualifier.as_deref(),
        in_aggregates,
        is_aggregate,
    };
    rewrite_projection(&mut select.projection, &replace)?;
    let filter = select.selection.as_mut().filter(|_| in_aggregates);
    for expr in filter.into_iter().chain(&mut select.having).chain(&mut select.qualify) {
        replace.apply(expr)?;
    }
    for window in &mut select.named_window {
        if let NamedWindowExpr::WindowSpec(spec) = &mut window.1 {
            for expr in &mut spec.partition_by {
                replace.apply(expr)?;
            }
            for order in &mut spec.order_by {
                replace.apply(&mut order.expr)?;
            }
        }
    }
    match order_by {
        Some(order_by) => rewrite_order_by(order_by, &select.projection, &replace),
        None => Ok(()),
    }
}

/// The window table function that is the only table of a `SELECT` grouped by its bounds.
fn grouped_table_function(
    select: &Select,
    grouped: Grouped,
    is_aggregate: IsAggregate<'_>,
) -> Result<Option<TableWindow>> {
    let [table] = select.from.as_slice() else { return Ok(None) };
    let GroupByExpr::Expressions(groups, _) = &select.group_by else { return Ok(None) };
    if !table.joins.is_empty() {
        return Ok(None);
    }
    let Some(window) = table_function::read(&table.relation)? else { return Ok(None) };
    let qualifier = window.qualifier.as_deref();
    if !groups.iter().any(|group| any_expr(group, &|expr| column_bound(expr, qualifier).is_some()))
    {
        return Ok(None);
    }
    // Whatever the call in GROUP BY cannot say, the table with its bounds says: conditions on the
    // bounds, and sessions by other keys than those that are grouped by.
    let is_tumbling = window.kind == WindowKind::Tumble;
    let by_columns = !is_tumbling
        && (grouped == Grouped::ByColumns
            || mentions_outside_groups(select, qualifier, is_aggregate)
            || !window.is_partitioned_by(groups, qualifier));
    Ok((!by_columns).then_some(window))
}

/// Puts the columns that ordinals mean in their place, over a window table function alone.
fn spell_ordinals(select: &mut Select) -> Result<()> {
    let [table] = select.from.as_slice() else { return Ok(()) };
    let GroupByExpr::Expressions(groups, _) = &mut select.group_by else { return Ok(()) };
    if table_function::read(&table.relation)?.is_none() {
        return Ok(());
    }
    for group in groups {
        let Expr::Value(value) = without_parentheses(group) else { continue };
        let Value::Number(ordinal, _) = &value.value else { continue };
        let item = item_of_ordinal(&select.projection, ordinal);
        if let Some(column @ (Expr::Identifier(_) | Expr::CompoundIdentifier(_))) = item {
            *group = column.clone();
        }
    }
    Ok(())
}

/// Gives sessions as a table that are grouped by their bounds, and are of no keys by their text, the
/// other keys of `GROUP BY`.
fn partition_by_groups(select: &mut Select, is_aggregate: IsAggregate<'_>) -> Result<()> {
    let [table] = select.from.as_slice() else { return Ok(()) };
    let GroupByExpr::Expressions(groups, _) = &select.group_by else { return Ok(()) };
    let Some(window) = table_function::read(&table.relation)? else { return Ok(()) };
    let qualifier = window.qualifier.as_deref();
    let is_bound = |expr: &Expr| column_bound(expr, qualifier).is_some();
    if !table.joins.is_empty()
        || !window.is_session_of_all()
        || !groups.iter().any(|group| any_expr(group, &is_bound))
        || mentions_outside_groups(select, qualifier, is_aggregate)
    {
        return Ok(());
    }
    let mut keys = Vec::new();
    for group in groups.iter().map(without_parentheses).filter(|group| !is_bound(group)) {
        match group {
            Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_) => {
                return Err(Error::unsupported(
                    "sessions by ROLLUP, CUBE or GROUPING SETS in an ad-hoc query: say PARTITION BY \
                     in SESSION(...)",
                ));
            }
            key => keys.push(unqualified(key, qualifier)),
        }
    }
    if let [table] = select.from.as_mut_slice() {
        table_function::partition_by(&mut table.relation, keys);
    }
    Ok(())
}

/// A column of the relation without its qualifier.
fn unqualified(expr: &Expr, qualifier: Option<&str>) -> Expr {
    match expr {
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [first, name] if Some(normalised(first).as_str()) == qualifier => {
                Expr::Identifier(name.clone())
            }
            _ => expr.clone(),
        },
        _ => expr.clone(),
    }
}

/// Whether `WHERE` or an aggregate reads a bound of a table function.
fn mentions_outside_groups(
    select: &Select,
    qualifier: Option<&str>,
    is_aggregate: IsAggregate<'_>,
) -> bool {
    let is_bound = |expr: &Expr| column_bound(expr, qualifier).is_some();
    let in_call = |expr: &Expr| is_aggregate_call(expr, is_aggregate) && any_expr(expr, &is_bound);
    let items = select.projection.iter().filter_map(item_expr);
    select.selection.iter().any(|expr| any_expr(expr, &is_bound))
        || items.chain(&select.having).any(|expr| any_expr(expr, &in_call))
}

/// The bound that a column names, qualified or not.
pub(super) fn column_bound(expr: &Expr, qualifier: Option<&str>) -> Option<Bound> {
    match expr {
        Expr::Identifier(ident) => Bound::of_ident(ident),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [first, ident] if Some(normalised(first).as_str()) == qualifier => {
                Bound::of_ident(ident)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Puts a window call once where `GROUP BY` has the columns of a table function.
fn group_by_call(group_by: &mut GroupByExpr, call: &Expr, qualifier: Option<&str>) {
    let GroupByExpr::Expressions(groups, _) = group_by else { return };
    for_each_group(groups, &mut |group| {
        if column_bound(group, qualifier).is_some() {
            *group = call.clone();
        }
    });
    remove_repeated(groups);
}

/// Resolves aliases, ordinals and `tumble_start(...)` in `GROUP BY` to window calls. A name is a
/// column of the input first.
fn resolve_group_by(select: &mut Select, known: &Known<'_>) {
    let from = &select.from;
    let is_column = |name: &Ident| known.of_all(from).contains(&normalised(name));
    let GroupByExpr::Expressions(groups, _) = &mut select.group_by else { return };
    let projection = &select.projection;
    for_each_group(groups, &mut |group| {
        let named = match without_parentheses(group) {
            Expr::Identifier(ident) => {
                item_of_alias(projection, ident).filter(|_| !is_column(ident))
            }
            Expr::Value(value) => match &value.value {
                Value::Number(ordinal, _) => item_of_ordinal(projection, ordinal),
                _ => None,
            },
            _ => None,
        };
        let expr = without_parentheses(named.unwrap_or(group));
        if let Some(window) = window_of_bound_call(expr) {
            *group = window;
        } else if named.is_some() && contains_window(expr) {
            *group = expr.clone();
        }
    });
    remove_repeated(groups);
}

/// Keeps the first of several groups that are the same window call.
fn remove_repeated(groups: &mut Vec<Expr>) {
    let mut seen: Vec<Expr> = Vec::new();
    groups.retain(|group| {
        if window_call(group).is_none() {
            return true;
        }
        let is_new = !seen.iter().any(|other| is_same(other, group));
        if is_new {
            seen.push(group.clone());
        }
        is_new
    });
}

/// The select item of an alias that names a window. A name that the window reads is the column.
fn item_of_alias<'a>(projection: &'a [SelectItem], name: &Ident) -> Option<&'a Expr> {
    projection.iter().find_map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } if normalised(alias) == normalised(name) => {
            let is_column = |inner: &Expr| {
                matches!(inner, Expr::Identifier(ident) if normalised(ident) == normalised(name))
            };
            let is_window = contains_window(expr) || bound_call(expr).is_some();
            (is_window && !any_expr(expr, &is_column)).then_some(expr)
        }
        _ => None,
    })
}

fn item_of_ordinal<'a>(projection: &'a [SelectItem], ordinal: &str) -> Option<&'a Expr> {
    let index = ordinal.parse::<usize>().ok()?.checked_sub(1)?;
    item_expr(projection.get(index)?)
}

fn item_expr(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr)
        | SelectItem::ExprWithAlias { expr, .. }
        | SelectItem::ExprWithAliases { expr, .. } => Some(expr),
        SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => None,
    }
}

/// The different window calls that a `SELECT` is grouped by.
fn windows_of(select: &Select, is_aggregate: IsAggregate<'_>) -> Vec<Expr> {
    let mut windows = Vec::new();
    match &select.group_by {
        GroupByExpr::Expressions(groups, _) => {
            groups.iter().for_each(|group| collect_windows(group, &mut windows));
        }
        GroupByExpr::All(_) => {
            let is_key = |expr: &&Expr| !any_expr(expr, &|e| is_aggregate_call(e, is_aggregate));
            let items = select.projection.iter().filter_map(item_expr);
            items.filter(is_key).for_each(|key| collect_windows(key, &mut windows));
        }
    }
    windows
}

/// Adds the window calls in an expression that are not there yet.
fn collect_windows(expr: &Expr, windows: &mut Vec<Expr>) {
    let _ = visit_expressions(expr, |expr| {
        if window_call(expr).is_some() && !windows.iter().any(|other| is_same(other, expr)) {
            windows.push(expr.clone());
        }
        ControlFlow::<()>::Continue(())
    });
}

/// The bounds that are grouped columns of the input.
fn kept_bounds(group_by: &mut GroupByExpr) -> Vec<Bound> {
    let mut kept = Vec::new();
    if let GroupByExpr::Expressions(groups, _) = group_by {
        for_each_group(groups, &mut |group| {
            if let Expr::Identifier(ident) = without_parentheses(group) {
                kept.extend(Bound::of_ident(ident));
            }
        });
    }
    kept
}

/// Replaces in the select list. An item that is nothing but a bound gets its name, unless it has
/// one or another item has it.
fn rewrite_projection(projection: &mut [SelectItem], replace: &Replace<'_>) -> Result<()> {
    let mut names: Vec<String> = projection.iter().filter_map(output_name).collect();
    for item in projection {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let named = replace.bound_of(expr);
                let called = bound_call(expr).map(|(bound, _)| bound);
                let window = window_call(expr).map(|_| Bound::Start);
                replace.apply(expr)?;
                let Some(bound) = named.or(called).or(window) else { continue };
                let name = bound.column().to_string();
                // A bare `window_start` is among the names already, as itself.
                if named.is_none() && names.contains(&name) {
                    continue;
                }
                let alias = Ident::with_span(expr.span(), bound.column());
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                names.push(name);
            }
            SelectItem::ExprWithAlias { expr, .. } | SelectItem::ExprWithAliases { expr, .. } => {
                replace.apply(expr)?;
            }
            SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => {}
        }
    }
    Ok(())
}

/// Replaces in `ORDER BY`, except where it names a column of the result.
fn rewrite_order_by(
    order_by: &mut OrderBy,
    projection: &[SelectItem],
    replace: &Replace<'_>,
) -> Result<()> {
    let OrderByKind::Expressions(orders) = &mut order_by.kind else { return Ok(()) };
    for order in orders {
        let is_output = match &order.expr {
            Expr::Identifier(ident) => {
                let name = normalised(ident);
                projection.iter().filter_map(output_name).any(|output| output == name)
            }
            _ => false,
        };
        if !is_output {
            replace.apply(&mut order.expr)?;
        }
    }
    Ok(())
}

/// The name of the column that a select item gives, where the text says it.
pub(super) fn output_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(normalised(alias)),
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(normalised(ident)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(normalised),
        _ => None,
    }
}

/// Calls a function on every expression to group by, also in `ROLLUP`, `CUBE` and `GROUPING SETS`.
fn for_each_group(groups: &mut [Expr], change: &mut impl FnMut(&mut Expr)) {
    for group in groups {
        match group {
            Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) => {
                sets.iter_mut().flatten().for_each(&mut *change);
            }
            group => change(group),
        }
    }
}

/// Whether an expression or one inside it is of a kind.
fn any_expr(expr: &Expr, is_of_kind: &dyn Fn(&Expr) -> bool) -> bool {
    visit_expressions(expr, |expr| match is_of_kind(expr) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    })
    .is_break()
}

fn contains_window(expr: &Expr) -> bool {
    any_expr(expr, &|expr| window_call(expr).is_some())
}
