//! Windows as table functions: `FROM TUMBLE(t, ts, size)` and `FROM TABLE(TUMBLE(TABLE t,
//! DESCRIPTOR(ts), size))`.
//!
//! Grouped by the bounds that it adds, such a function is the window call in `GROUP BY` over the
//! table itself. Elsewhere it is a derived table with three columns more: the start, the end and the
//! last time of a window of the row. They stand there as markers, which the planner replaces
//! (`window_tables.rs`).

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident,
    ObjectName, Query, Select, SelectFlavor, SelectItem, SetExpr, TableAlias, TableFactor,
    TableWithJoins, helpers::attached_token::AttachedToken,
};
use laminar_types::{Error, Result, error::code};

use super::{
    PARTITION_BY, ROW_WINDOW_END, ROW_WINDOW_START, WINDOW_TIME,
    call::{Bound, WindowKind, arguments, function_name, is_same_expr, make, normalised},
    select::column_bound,
};
use crate::parser::lexer::position;

/// A window table function taken apart.
pub(super) struct TableWindow {
    /// The kind.
    pub(super) kind: WindowKind,
    /// The window call over the columns of the table.
    pub(super) call: Expr,
    /// The name that qualifies the columns.
    pub(super) qualifier: Option<String>,
    /// The keys of `PARTITION BY`, when it is there.
    keys: Option<Vec<Expr>>,
    input: TableFactor,
    alias: Option<TableAlias>,
}

/// Reads a table factor that is a window table function.
///
/// # Errors
/// [`code::SYNTAX`] when its arguments are not a table, a column and sizes; [`code::PLAN`] for a
/// `PARTITION BY` of windows that do not depend on it.
pub(super) fn read(factor: &TableFactor) -> Result<Option<TableWindow>> {
    let (name, args, alias) = match factor {
        TableFactor::Table { name, args: Some(args), alias, .. } => {
            let Some(ident) = name.0.last().and_then(|part| part.as_ident()) else {
                return Ok(None);
            };
            (ident.clone(), args.args.as_slice(), alias)
        }
        TableFactor::TableFunction { expr: Expr::Function(function), alias } => {
            match function.name.0.last().and_then(|part| part.as_ident()) {
                Some(ident) => (ident.clone(), arguments(function), alias),
                None => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    let Some(kind) = WindowKind::of_name(&name.value) else { return Ok(None) };
    let at = position(name.span.start);
    let usage = || {
        let message = format!(
            "{name} as a table takes a table, a time column and sizes: {}(t, ts, INTERVAL '1' \
             MINUTE)",
            kind.name()
        );
        Error::new(code::SYNTAX, message).at(at)
    };
    let keys = args.get(1).and_then(keys_of);
    let skipped = 1 + usize::from(keys.is_some());
    let (Some(table), Some(time)) =
        (args.first().and_then(expression), args.get(skipped).and_then(expression))
    else {
        return Err(usage());
    };
    if args.len() < skipped + 2 {
        return Err(usage());
    }
    if keys.is_some() && kind != WindowKind::Session {
        let message = format!(
            "the windows of {name} are the same for every key: leave out PARTITION BY, or use \
             SESSION"
        );
        return Err(Error::new(code::PLAN, message).at(at));
    }
    let input = input_of(table).ok_or_else(usage)?;
    let qualifier = match (alias, table) {
        (Some(alias), _) => Some(normalised(&alias.name)),
        (None, Expr::Identifier(ident)) => Some(normalised(ident)),
        _ => None,
    };
    let mut sizes = args[skipped + 1..].to_vec();
    sizes.insert(0, FunctionArg::Unnamed(FunctionArgExpr::Expr(column_of(time))));
    let alias = alias.clone();
    let call = make(Ident { quote_style: None, ..name }, sizes);
    Ok(Some(TableWindow { kind, call, qualifier, keys, input, alias }))
}

impl TableWindow {
    /// The table itself, under the alias of the function.
    pub(super) fn into_input(self) -> (Expr, TableFactor) {
        let mut input = self.input;
        if let Some(given) = self.alias {
            match &mut input {
                TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } => {
                    *alias = Some(given);
                }
                _ => {}
            }
        }
        (self.call, input)
    }

    /// The table that it is of.
    pub(super) fn table(&self) -> &TableFactor {
        &self.input
    }

    /// Whether it gives sessions, of all rows as one key.
    pub(super) fn is_session_of_all(&self) -> bool {
        self.kind == WindowKind::Session && self.keys.is_none()
    }

    /// Whether grouping by these, the bounds left out, is what its `PARTITION BY` says, if it says
    /// anything.
    pub(super) fn is_partitioned_by(&self, groups: &[Expr], qualifier: Option<&str>) -> bool {
        let Some(keys) = &self.keys else { return true };
        let is_key = |group: &Expr| keys.iter().any(|key| is_same_expr(key, group));
        let mut grouped = groups.iter().filter(|group| column_bound(group, qualifier).is_none());
        let is_group = |key: &Expr| groups.iter().any(|group| is_same_expr(key, group));
        grouped.all(is_key) && keys.iter().all(is_group)
    }

    /// The table with its columns more.
    pub(super) fn into_derived(self) -> TableFactor {
        let bounds = [Bound::Start, Bound::End, Bound::Time].map(|bound| self.bound(bound));
        let alias = self.alias.or_else(|| {
            self.qualifier.map(|name| TableAlias {
                explicit: true,
                name: Ident::with_quote('"', name),
                columns: Vec::new(),
                at: None,
            })
        });
        let mut projection = vec![SelectItem::Wildcard(Default::default())];
        projection.extend(bounds);
        let subquery = Box::new(select_from(self.input, projection));
        TableFactor::Derived { lateral: false, subquery, alias, sample: None }
    }

    fn bound(&self, bound: Bound) -> SelectItem {
        let call = |name: &str, args: Vec<Expr>| {
            let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)));
            make(Ident::new(name), args.collect())
        };
        let marker = |name: &str| {
            let keys = self.keys.iter().flatten();
            call(name, [&self.call].into_iter().chain(keys).cloned().collect())
        };
        let expr = match bound {
            Bound::Start => marker(ROW_WINDOW_START),
            Bound::End => marker(ROW_WINDOW_END),
            Bound::Time => call(WINDOW_TIME, vec![marker(ROW_WINDOW_END)]),
        };
        SelectItem::ExprWithAlias { expr, alias: Ident::new(bound.column()) }
    }
}

/// Gives a window table function without `PARTITION BY` these keys.
pub(super) fn partition_by(factor: &mut TableFactor, keys: Vec<Expr>) {
    let args = match factor {
        TableFactor::Table { args: Some(args), .. } => &mut args.args,
        TableFactor::TableFunction { expr: Expr::Function(function), .. } => {
            match &mut function.args {
                FunctionArguments::List(list) => &mut list.args,
                _ => return,
            }
        }
        _ => return,
    };
    let argument = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
    let keys = keys.into_iter().map(argument).collect();
    args.insert(1, argument(make(Ident::new(PARTITION_BY), keys)));
}

/// The keys of `PARTITION BY`, which the parser has as one argument.
fn keys_of(argument: &FunctionArg) -> Option<Vec<Expr>> {
    match expression(argument)? {
        Expr::Function(function) if function_name(function).as_deref() == Some(PARTITION_BY) => {
            Some(arguments(function).iter().filter_map(expression).cloned().collect())
        }
        _ => None,
    }
}

fn expression(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

/// `DESCRIPTOR(ts)` and `ts` are the same.
fn column_of(time: &Expr) -> Expr {
    let descriptor = |function: &Function| function_name(function).as_deref() == Some("descriptor");
    match time {
        Expr::Function(function) if descriptor(function) => match arguments(function) {
            [argument] => expression(argument).unwrap_or(time).clone(),
            _ => time.clone(),
        },
        _ => time.clone(),
    }
}

fn input_of(table: &Expr) -> Option<TableFactor> {
    let idents = match table {
        Expr::Identifier(ident) => vec![ident.clone()],
        Expr::CompoundIdentifier(parts) => parts.clone(),
        Expr::Subquery(subquery) => {
            return Some(TableFactor::Derived {
                lateral: false,
                subquery: subquery.clone(),
                alias: None,
                sample: None,
            });
        }
        _ => return None,
    };
    Some(TableFactor::Table {
        name: ObjectName::from(idents),
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    })
}

fn select_from(relation: TableFactor, projection: Vec<SelectItem>) -> Query {
    let select = Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection,
        exclude: None,
        into: None,
        from: vec![TableWithJoins { relation, joins: Vec::new() }],
        lateral_views: Vec::new(),
        prewhere: None,
        selection: None,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    };
    Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}
