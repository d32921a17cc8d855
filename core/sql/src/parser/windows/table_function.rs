//! Windows as table functions: `FROM TUMBLE(t, ts, size)` and `FROM TABLE(TUMBLE(TABLE t,
//! DESCRIPTOR(ts), size))`.
//!
//! Grouped by the bounds that it adds, such a function is the window call in `GROUP BY` over the
//! table itself. Elsewhere a tumbling window is a derived table with two columns more; the other
//! kinds give a row several windows, or a window that later rows change, and are refused.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, GroupByExpr, Ident, ObjectName, Query, Select,
    SelectFlavor, SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins,
    helpers::attached_token::AttachedToken,
};
use laminar_types::{Error, Position, Result, error::code};

use super::{
    call::{Bound, WindowKind, arguments, function_name, make, normalised},
    replace::bound_of,
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
    /// Where it stands.
    pub(super) position: Position,
    input: TableFactor,
    alias: Option<TableAlias>,
}

/// Reads a table factor that is a window table function.
///
/// # Errors
/// [`code::SYNTAX`] when its arguments are not a table, a column and sizes.
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
    let (Some(table), Some(time)) =
        (args.first().and_then(expression), args.get(1).and_then(expression))
    else {
        return Err(usage());
    };
    if args.len() < 3 {
        return Err(usage());
    }
    let input = input_of(table).ok_or_else(usage)?;
    let qualifier = match (alias, table) {
        (Some(alias), _) => Some(normalised(&alias.name)),
        (None, Expr::Identifier(ident)) => Some(normalised(ident)),
        _ => None,
    };
    let mut sizes = args[2..].to_vec();
    sizes.insert(0, FunctionArg::Unnamed(FunctionArgExpr::Expr(column_of(time))));
    let alias = alias.clone();
    let call = make(Ident { quote_style: None, ..name }, sizes);
    Ok(Some(TableWindow { kind, call, qualifier, position: at, input, alias }))
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

    /// The table with its two columns more.
    ///
    /// # Errors
    /// [`code::UNSUPPORTED`] for windows other than tumbling ones.
    pub(super) fn into_derived(self) -> Result<TableFactor> {
        if self.kind != WindowKind::Tumble {
            let name = self.kind.name().to_ascii_uppercase();
            let message = format!(
                "{name} as a table is not supported unless its rows are grouped by window_start \
                 or window_end; write {}(...) in GROUP BY",
                self.kind.name()
            );
            return Err(Error::unsupported(message).at(self.position));
        }
        let alias = self.alias.or_else(|| {
            self.qualifier.map(|name| TableAlias {
                explicit: true,
                name: Ident::with_quote('"', name),
                columns: Vec::new(),
                at: None,
            })
        });
        let column = |bound: Bound| SelectItem::ExprWithAlias {
            expr: bound_of(&self.call, bound),
            alias: Ident::new(bound.column()),
        };
        let projection = vec![
            SelectItem::Wildcard(Default::default()),
            column(Bound::Start),
            column(Bound::End),
        ];
        let subquery = Box::new(select_from(self.input, projection));
        Ok(TableFactor::Derived { lateral: false, subquery, alias, sample: None })
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
