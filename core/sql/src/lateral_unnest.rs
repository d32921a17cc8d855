//! `FROM t, UNNEST(t.list)`: a list of a row beside the row, without a join.
//!
//! DataFusion binds it as a join of `t` with a subquery that unnests a column of `t` out of
//! nothing, and has no rule for that. Here the steps of the subquery are put on top of `t`, each
//! keeping the columns of `t`: what the join would pair up was never apart.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, JoinType, ScalarValue};
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions_nested::expr_fn::array_length;
use datafusion::logical_expr::{Expr, Filter, Join, LogicalPlan, LogicalPlanBuilder, lit, when};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, TableAlias, TableAliasColumnDef, TableFactor, VisitMut,
    VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// `LATERAL UNNEST(...)` as `UNNEST(...)`, which may read the relations before it anyway, and
/// `WITH ORDINALITY` and `WITH OFFSET` as one more list, of the numbers.
pub fn spell(query: &mut ast::Query) {
    let _ = VisitMut::visit(query, &mut Lists);
}

/// `generate_series(...)` and `range(...)` in `FROM` as lists.
pub(crate) fn spell_series(query: &mut ast::Query) {
    let _ = VisitMut::visit(query, &mut Series);
}

struct Lists;

impl VisitorMut for Lists {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Function { lateral: true, name, args, alias, .. } = factor
            && name.to_string().eq_ignore_ascii_case("unnest")
            && let Some(array_exprs) = unnamed(args)
        {
            *factor = unnest(array_exprs, alias.take());
        }
        if let TableFactor::UNNEST {
            alias,
            array_exprs,
            with_offset,
            with_offset_alias,
            with_ordinality,
        } = factor
            && (*with_offset || *with_ordinality)
            && let Some(numbers) = numbers(array_exprs, *with_ordinality)
        {
            let name = match *with_ordinality {
                true => ast::Ident::new("ordinality"),
                false => with_offset_alias.take().unwrap_or_else(|| ast::Ident::new("offset")),
            };
            name_columns(alias, array_exprs.len(), name);
            array_exprs.push(numbers);
            (*with_offset, *with_ordinality) = (false, false);
        }
        ControlFlow::Continue(())
    }
}

struct Series;

impl VisitorMut for Series {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let (name, args, alias) = match factor {
            TableFactor::Table { name, args: Some(args), alias, .. } => (name, &args.args, alias),
            TableFactor::Function { name, args, alias, .. } => (name, &*args, alias),
            _ => return ControlFlow::Continue(()),
        };
        let function = name.to_string().to_lowercase();
        if !matches!(function.as_str(), "generate_series" | "range") {
            return ControlFlow::Continue(());
        }
        let args = unnamed(args).unwrap_or_default();
        let args: Vec<String> = args.iter().map(ast::Expr::to_string).collect();
        let Some(list) = expression(&format!("{function}({})", args.join(", "))) else {
            return ControlFlow::Continue(());
        };
        let mut alias = alias.take().unwrap_or_else(|| named(ast::Ident::new(function)));
        if alias.columns.is_empty() {
            alias.columns.push(TableAliasColumnDef::from_name("value"));
        }
        *factor = unnest(vec![list], Some(alias));
        ControlFlow::Continue(())
    }
}

fn unnest(array_exprs: Vec<ast::Expr>, alias: Option<TableAlias>) -> TableFactor {
    TableFactor::UNNEST {
        alias,
        array_exprs,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    }
}

fn unnamed(args: &[FunctionArg]) -> Option<Vec<ast::Expr>> {
    let args = args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    });
    args.collect()
}

/// The numbers of the elements of the longest of some lists, from 1 or from 0.
fn numbers(lists: &[ast::Expr], from_one: bool) -> Option<ast::Expr> {
    let lengths = lists.iter().map(|list| format!("coalesce(array_length({list}), 0)"));
    let lengths = lengths.collect::<Vec<String>>().join(", ");
    let count = format!("CAST(greatest({lengths}) AS BIGINT)");
    expression(&match from_one {
        true => format!("range(1, {count} + 1)"),
        false => format!("range(0, {count})"),
    })
}

fn expression(text: &str) -> Option<ast::Expr> {
    Parser::new(&GenericDialect).try_with_sql(text).ok()?.parse_expr().ok()
}

/// Gives the columns of some lists and, behind them, of the numbers their names, where the alias
/// leaves them out.
fn name_columns(alias: &mut Option<TableAlias>, lists: usize, numbers: ast::Ident) {
    let alias = alias.get_or_insert_with(|| named(ast::Ident::new("unnest")));
    if alias.columns.is_empty() {
        let of = |list: usize| match lists {
            1 => alias.name.clone(),
            _ => ast::Ident::new(format!("{}_{}", alias.name.value, list + 1)),
        };
        let columns = (0..lists).map(of).map(|name| TableAliasColumnDef { name, data_type: None });
        alias.columns = columns.collect();
    }
    if alias.columns.len() == lists {
        alias.columns.push(TableAliasColumnDef { name: numbers, data_type: None });
    }
}

fn named(name: ast::Ident) -> TableAlias {
    TableAlias { explicit: true, name, columns: Vec::new(), at: None }
}

/// The same plan with every such join as steps over its left side.
pub(crate) fn as_steps(plan: LogicalPlan) -> Result<LogicalPlan> {
    let steps = plan.transform_up_with_subqueries(|plan| {
        let LogicalPlan::Join(join) = &plan else { return Ok(Transformed::no(plan)) };
        let Some(kind) = Steps::of(join) else { return Ok(Transformed::no(plan)) };
        let Some(steps) = kind.graft(&join.right, &join.left)? else {
            return Ok(Transformed::no(plan));
        };
        match &join.filter {
            Some(filter) if kind == Steps::Pairs => {
                let filter = Filter::try_new(filter.clone(), Arc::new(steps))?;
                Ok(Transformed::yes(LogicalPlan::Filter(filter)))
            }
            _ => Ok(Transformed::yes(steps)),
        }
    })?;
    Ok(steps.data)
}

/// What becomes of a row without elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Steps {
    /// Nothing.
    Pairs,
    /// One row, with NULL for the element.
    Padded,
}

impl Steps {
    /// The steps that a join may be.
    fn of(join: &Join) -> Option<Self> {
        let is_always =
            |filter: &Expr| matches!(filter, Expr::Literal(ScalarValue::Boolean(Some(true)), _));
        match join.join_type {
            _ if !join.on.is_empty() => None,
            JoinType::Inner => Some(Self::Pairs),
            JoinType::Left if join.filter.as_ref().is_none_or(is_always) => Some(Self::Padded),
            _ => None,
        }
    }

    /// The steps of `plan` on top of `base`, whose columns come first; `None` when `plan` does not
    /// begin with one row without columns.
    fn graft(self, plan: &LogicalPlan, base: &Arc<LogicalPlan>) -> Result<Option<LogicalPlan>> {
        let kept = || base.schema().columns().into_iter().map(Expr::Column);
        let grafted = match plan {
            LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => {
                return Ok(Some(base.as_ref().clone()));
            }
            LogicalPlan::Subquery(subquery) => return self.graft(&subquery.subquery, base),
            LogicalPlan::SubqueryAlias(alias) => {
                // Names that are not qualified yet could be those of columns of the base.
                let mut named = alias.input.as_ref();
                while let LogicalPlan::Subquery(subquery) = named {
                    named = &subquery.subquery;
                }
                let (input, columns) = match named {
                    LogicalPlan::Projection(projection) => {
                        let exprs = projection.expr.iter().map(|expr| of_row(expr.clone()));
                        (projection.input.as_ref(), exprs.collect::<Result<Vec<Expr>>>()?)
                    }
                    input => {
                        let columns = input.schema().columns().into_iter().map(Expr::Column);
                        (input, columns.collect())
                    }
                };
                let Some(input) = self.graft(input, base)? else { return Ok(None) };
                let columns = columns.into_iter().zip(alias.schema.columns());
                let columns = columns.map(|(expr, to)| {
                    expr.unalias().alias_qualified(to.relation.clone(), to.name.clone())
                });
                LogicalPlanBuilder::from(input).project(kept().chain(columns))?
            }
            LogicalPlan::Projection(projection) => {
                let Some(input) = self.graft(&projection.input, base)? else { return Ok(None) };
                let exprs = projection.expr.iter().map(|expr| of_row(expr.clone()));
                let exprs = exprs.collect::<Result<Vec<Expr>>>()?;
                LogicalPlanBuilder::from(input).project(kept().chain(exprs))?
            }
            LogicalPlan::Unnest(unnest) => {
                let Some(mut input) = self.graft(&unnest.input, base)? else { return Ok(None) };
                let mut options = unnest.options.clone();
                if self == Self::Padded {
                    let columns = input.schema().columns().into_iter();
                    let columns =
                        columns.map(|column| match unnest.exec_columns.contains(&column) {
                            true => without_empty(column),
                            false => Ok(Expr::Column(column)),
                        });
                    let columns = columns.collect::<Result<Vec<Expr>>>()?;
                    input = LogicalPlanBuilder::from(input).project(columns)?.build()?;
                    options = options.with_preserve_nulls(true);
                }
                LogicalPlanBuilder::from(input)
                    .unnest_columns_with_options(unnest.exec_columns.clone(), options)?
            }
            _ => return Ok(None),
        };
        grafted.build().map(Some)
    }
}

/// A list, NULL in the place of an empty one.
fn without_empty(column: Column) -> Result<Expr> {
    let list = Expr::Column(column.clone());
    let length = coalesce(vec![array_length(list.clone()), lit(0_u64)]);
    let list = when(length.gt(lit(0_u64)), list).end()?;
    Ok(list.alias_qualified(column.relation, column.name))
}

/// The expression with columns of the query around it as columns of the row.
fn of_row(expr: Expr) -> Result<Expr> {
    let expr = expr.transform_up(|expr| match expr {
        Expr::OuterReferenceColumn(_, column) => Ok(Transformed::yes(Expr::Column(column))),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(expr.data)
}
