//! [`Known`]: the columns of relations, as far as they can be told before a query is bound.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Query, SelectItem, SetExpr, TableFactor, TableWithJoins, Visit, Visitor,
};

use super::{call::normalised, select::output_name, table_function};

/// Tells the columns of a relation of the catalogue, if it is one.
pub type ColumnsOf<'a> = &'a dyn Fn(&str) -> Option<Vec<String>>;

/// The columns of relations. What is not known has none.
pub(super) struct Known<'a> {
    columns_of: ColumnsOf<'a>,
    /// Those of the common table expressions of the query, wherever they stand in it.
    with: HashMap<String, Vec<String>>,
}

impl<'a> Known<'a> {
    pub(super) fn new(query: &Query, columns_of: ColumnsOf<'a>) -> Self {
        let mut known = Self { columns_of, with: HashMap::new() };
        match query.visit(&mut known) {
            ControlFlow::Continue(()) => known,
            ControlFlow::Break(never) => match never {},
        }
    }

    /// The columns of what a `SELECT` reads.
    pub(super) fn of_all(&self, from: &[TableWithJoins]) -> Vec<String> {
        let relations = from.iter().flat_map(|tables| {
            let joined = tables.joins.iter().map(|join| &join.relation);
            [&tables.relation].into_iter().chain(joined)
        });
        relations.flat_map(|relation| self.of(relation)).collect()
    }

    fn of(&self, relation: &TableFactor) -> Vec<String> {
        match relation {
            TableFactor::Table { name, args: None, .. } => {
                let Some(name) = name.0.last().and_then(|part| part.as_ident()) else {
                    return Vec::new();
                };
                let name = normalised(name);
                let of_with = self.with.get(&name).cloned();
                of_with.or_else(|| (self.columns_of)(&name)).unwrap_or_default()
            }
            TableFactor::Derived { subquery, .. } => self.of_query(&subquery.body),
            TableFactor::NestedJoin { table_with_joins, .. } => {
                self.of_all(std::slice::from_ref(table_with_joins))
            }
            // What is wrong with a window table function is found where it is rewritten.
            other => match table_function::read(other) {
                Ok(Some(window)) => self.of(window.table()),
                _ => Vec::new(),
            },
        }
    }

    fn of_query(&self, body: &SetExpr) -> Vec<String> {
        match body {
            SetExpr::Select(select) => {
                let items = select.projection.iter();
                items
                    .flat_map(|item| match item {
                        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                            self.of_all(&select.from)
                        }
                        item => output_name(item).into_iter().collect(),
                    })
                    .collect()
            }
            SetExpr::SetOperation { left, .. } => self.of_query(left),
            SetExpr::Query(query) => self.of_query(&query.body),
            _ => Vec::new(),
        }
    }
}

impl Visitor for Known<'_> {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Infallible> {
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            let columns = match table.alias.columns.as_slice() {
                [] => self.of_query(&table.query.body),
                named => named.iter().map(|column| normalised(&column.name)).collect(),
            };
            self.with.insert(normalised(&table.alias.name), columns);
        }
        ControlFlow::Continue(())
    }
}
