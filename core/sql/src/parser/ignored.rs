//! What sqlparser reads in a query and no planner takes. Most of it no planner even looks at: it
//! would be accepted and have no effect.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    LimitClause, OrderBy, OrderByExpr, OrderByKind, Query, Select, Spanned, TableFactor, Visit,
    Visitor,
};
use laminar_types::{Error, Result, error::code};

use super::lexer::position;

/// Refuses a node with such a clause, at the place of what it belongs to.
pub(super) fn refuse(node: &impl Visit) -> Result<()> {
    node.visit(&mut Ignored).break_value().map_or(Ok(()), Err)
}

struct Ignored;

impl Visitor for Ignored {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        let fills = |order: &OrderBy| {
            let filled = |by: &OrderByExpr| by.with_fill.is_some();
            let exprs =
                matches!(&order.kind, OrderByKind::Expressions(by) if by.iter().any(filled));
            exprs || order.interpolate.is_some()
        };
        one_of(
            query,
            &[
                (!query.locks.is_empty(), "FOR UPDATE or FOR SHARE: nothing here needs a lock"),
                (query.for_clause.is_some(), "FOR XML or FOR JSON: rows are Arrow batches"),
                (query.order_by.as_ref().is_some_and(fills), "WITH FILL or INTERPOLATE"),
                (
                    matches!(&query.limit_clause, Some(LimitClause::LimitOffset { limit_by, .. })
                        if !limit_by.is_empty()),
                    "LIMIT BY: filter by row_number() OVER (PARTITION BY ...)",
                ),
            ],
        )
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        one_of(
            select,
            &[
                (select.top.is_some(), "TOP: write LIMIT"),
                (!select.lateral_views.is_empty(), "LATERAL VIEW: write CROSS JOIN UNNEST(...)"),
                (!select.cluster_by.is_empty(), "CLUSTER BY"),
                (!select.sort_by.is_empty(), "SORT BY: write ORDER BY"),
                (select.into.is_some(), "SELECT ... INTO: write CREATE TABLE ... AS SELECT"),
                (select.prewhere.is_some(), "PREWHERE: write WHERE"),
                (!select.distribute_by.is_empty(), "DISTRIBUTE BY: set workers for a stream"),
                (select.value_table_mode.is_some(), "SELECT AS STRUCT: write struct(...)"),
                (select.select_modifiers.is_some(), "modifiers of SELECT"),
                (select.exclude.is_some(), "EXCLUDE behind columns: write * EXCLUDE (...)"),
            ],
        )
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        match factor {
            TableFactor::Table {
                sample, with_hints, partitions, json_path, index_hints, ..
            } => one_of(
                factor,
                &[
                    (sample.is_some(), "TABLESAMPLE: filter by a condition on the rows"),
                    (!with_hints.is_empty(), "WITH (...) behind a relation in FROM"),
                    (!partitions.is_empty(), "PARTITION (...) behind a relation"),
                    (json_path.is_some(), "paths into a relation: use json functions"),
                    (!index_hints.is_empty(), "index hints"),
                ],
            ),
            TableFactor::Derived { sample: Some(_), .. } => {
                one_of(factor, &[(true, "TABLESAMPLE: filter by a condition on the rows")])
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Refuses the first of these that is there.
fn one_of(node: &impl Spanned, clauses: &[(bool, &str)]) -> ControlFlow<Error> {
    let Some((_, what)) = clauses.iter().find(|(is_there, _)| *is_there) else {
        return ControlFlow::Continue(());
    };
    let error = Error::new(code::UNSUPPORTED, format!("this version has no {what}"));
    let start = node.span().start;
    ControlFlow::Break(if start.line > 0 { error.at(position(start)) } else { error })
}
