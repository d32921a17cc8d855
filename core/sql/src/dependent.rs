//! [`Dependent`]: subqueries that refer to the query around them in ways that DataFusion has no rule
//! for: by comparisons, in what they compute, below a `LIMIT`.
//!
//! The values that the rows around a subquery give it, each once, are its *domain*. The subquery is
//! computed once for each of them, by taking the domain into its operators (Neumann and Kemper,
//! "Unnesting Arbitrary Queries", BTW 2015): what stands at the leaves is joined with the domain,
//! groups and partitions get its columns as further keys, a limit counts the rows of each. The rows
//! around are then joined with the results by these columns, NULL being equal to NULL.
//!
//! What is not known how to take a domain in stays as it is, and is refused when it is lowered.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{
    Column, DFSchema, ExprSchema, JoinType, NullEquality, Result, TableReference,
};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, FetchType, Join, Limit, LogicalPlan, LogicalPlanBuilder,
    Projection, SkipType, SortExpr, Subquery, Union, Window, WindowFrame, lit, when,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// See the module.
#[derive(Debug)]
pub(crate) enum Dependent {
    /// Of subqueries that DataFusion's rules would get wrong: run before them.
    BeforeOthers,
    /// Of all that they have left.
    AfterOthers,
}

impl OptimizerRule for Dependent {
    fn name(&self) -> &str {
        match self {
            Self::BeforeOthers => "dependent_subqueries_first",
            Self::AfterOthers => "dependent_subqueries",
        }
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let first = matches!(self, Self::BeforeOthers);
        match &plan {
            LogicalPlan::Projection(projection) => {
                let Some(values) =
                    Values::join(&projection.input, &projection.expr, first, config)?
                else {
                    return Ok(Transformed::no(plan));
                };
                let exprs = projection.expr.iter().map(|expr| values.in_place(expr));
                let exprs = exprs.collect::<Result<Vec<Expr>>>()?;
                LogicalPlanBuilder::from(values.joined).project(exprs)?.build()
            }
            LogicalPlan::Filter(filter) => {
                let conditions = std::slice::from_ref(&filter.predicate);
                let Some(values) = Values::join(&filter.input, conditions, first, config)? else {
                    return Ok(Transformed::no(plan));
                };
                let condition = values.in_place(&filter.predicate)?.unalias();
                let columns = filter.input.schema().columns().into_iter().map(Expr::Column);
                LogicalPlanBuilder::from(values.joined).filter(condition)?.project(columns)?.build()
            }
            LogicalPlan::Join(join) if !first || is_in_steps(&join.right)? => {
                match lateral(join, config)? {
                    Some(joined) => Ok(joined),
                    None => return Ok(Transformed::no(plan)),
                }
            }
            _ => return Ok(Transformed::no(plan)),
        }
        .map(Transformed::yes)
    }
}

/// Rows joined with the values of subqueries.
struct Values {
    joined: LogicalPlan,
    columns: Vec<(Subquery, Column)>,
}

impl Values {
    /// The rows of a plan with the values of the subqueries in these expressions over them; `None`
    /// where there are none that can be computed.
    fn join(
        input: &Arc<LogicalPlan>,
        exprs: &[Expr],
        first: bool,
        config: &dyn OptimizerConfig,
    ) -> Result<Option<Self>> {
        let mut subqueries: Vec<Subquery> = Vec::new();
        for expr in exprs {
            expr.apply(|expr| {
                if let Expr::ScalarSubquery(subquery) = expr
                    && !subqueries.contains(subquery)
                {
                    subqueries.push(subquery.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        let mut values = Self { joined: input.as_ref().clone(), columns: Vec::new() };
        for subquery in subqueries {
            if first && !is_in_steps(&subquery.subquery)? {
                continue;
            }
            let Some(domain) = Domain::of(&subquery.subquery, input, config)? else { continue };
            let Some(results) = domain.taken_into(&subquery.subquery)? else { continue };
            let name = config.alias_generator().next("__value");
            let value = Column::from(subquery.subquery.schema().qualified_field(0));
            let results = domain.renamed(results, &name, [value])?;
            let kind = match has_one_row(&subquery.subquery) {
                true => JoinType::Inner,
                false => JoinType::Left,
            };
            values.joined = domain.joined(values.joined, results, &name, kind)?;
            values.columns.push((subquery, Column::new(Some(name), "c0")));
        }
        Ok((!values.columns.is_empty()).then_some(values))
    }

    /// The expression with columns in the place of subqueries, under its own name.
    fn in_place(&self, expr: &Expr) -> Result<Expr> {
        let name = NamePreserver::new_for_projection().save(expr);
        let replaced = expr.clone().transform_up(|expr| {
            let column = match &expr {
                Expr::ScalarSubquery(subquery) => {
                    self.columns.iter().find(|(known, _)| known == subquery)
                }
                _ => None,
            };
            Ok(match column {
                Some((_, column)) => Transformed::yes(Expr::Column(column.clone())),
                None => Transformed::no(expr),
            })
        })?;
        Ok(name.restore(replaced.data))
    }
}

/// `l, LATERAL (...)`: the rows of the right side for each row of the left one.
fn lateral(join: &Join, config: &dyn OptimizerConfig) -> Result<Option<LogicalPlan>> {
    let kinds = [JoinType::Inner, JoinType::Left];
    if !join.on.is_empty() || !kinds.contains(&join.join_type) || !is_dependent(&join.right)? {
        return Ok(None);
    }
    let mut right = join.right.as_ref().clone();
    if let Some(filter) = &join.filter {
        let filter = outer_columns(filter.clone(), join.left.schema())?;
        right = LogicalPlanBuilder::from(right).filter(filter)?.build()?;
    }
    let Some(domain) = Domain::of(&right, &join.left, config)? else { return Ok(None) };
    let Some(results) = domain.taken_into(&right)? else { return Ok(None) };
    let name = config.alias_generator().next("__lateral");
    let columns = join.right.schema().columns();
    let results = domain.renamed(results, &name, columns.clone())?;
    let joined = domain.joined(join.left.as_ref().clone(), results, &name, join.join_type)?;
    let left = join.left.schema().columns().into_iter().map(Expr::Column);
    let right = columns.into_iter().enumerate().map(|(index, column)| {
        let result = Column::new(Some(name.as_str()), format!("c{index}"));
        Expr::Column(result).alias_qualified(column.relation, column.name)
    });
    LogicalPlanBuilder::from(joined).project(left.chain(right))?.build().map(Some)
}

/// An expression with the columns of the rows around as a subquery refers to them.
fn outer_columns(expr: Expr, around: &DFSchema) -> Result<Expr> {
    let expr = expr.transform_up(|expr| match expr {
        Expr::Column(column) if around.has_column(&column) => {
            let field = Arc::clone(around.field_from_column(&column)?);
            Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
        }
        expr => Ok(Transformed::no(expr)),
    })?;
    Ok(expr.data)
}

/// The values that the rows around a subquery give it.
struct Domain {
    /// Each of them once.
    plan: LogicalPlan,
    name: TableReference,
    /// The columns of the rows around; column `i` of the domain is called `di`.
    columns: Vec<Column>,
}

impl Domain {
    /// What a plan reads of the rows around it; `None` where that is nothing, or where it cannot
    /// be told.
    fn of(
        plan: &LogicalPlan,
        around: &Arc<LogicalPlan>,
        config: &dyn OptimizerConfig,
    ) -> Result<Option<Self>> {
        let mut columns: Vec<Column> = Vec::new();
        let mut known = true;
        each_expr(plan, &mut |expr| match expr {
            Expr::OuterReferenceColumn(_, column) if !columns.contains(column) => {
                known &= around.schema().has_column(column);
                columns.push(column.clone());
            }
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) => known = false,
            _ => {}
        })?;
        // The rows around are computed twice.
        each_expr(around, &mut |expr| known &= !expr.is_volatile_node())?;
        if columns.is_empty() || !known {
            return Ok(None);
        }
        let name = config.alias_generator().next("__outer");
        let exprs = columns.iter().enumerate();
        let exprs = exprs.map(|(index, column)| Expr::Column(column.clone()).alias(of(index)));
        let keys = (0..columns.len()).map(|index| Expr::Column(Column::new_unqualified(of(index))));
        let plan = LogicalPlanBuilder::from(Arc::clone(around))
            .project(exprs)?
            .aggregate(keys, Vec::<Expr>::new())?
            .alias(name.as_str())?
            .build()?;
        Ok(Some(Self { plan, name: TableReference::bare(name), columns }))
    }

    /// The domain's columns.
    fn keys(&self) -> impl Iterator<Item = Expr> + '_ {
        let key = |index| Expr::Column(Column::new(Some(self.name.clone()), of(index)));
        (0..self.columns.len()).map(key)
    }

    /// The expression over rows that have the domain's columns, under its own name.
    fn resolved(&self, expr: &Expr) -> Result<Expr> {
        let name = NamePreserver::new_for_projection().save(expr);
        Ok(name.restore(self.of_row(expr.clone())?))
    }

    fn of_row(&self, expr: Expr) -> Result<Expr> {
        let resolved = expr.transform_up(|expr| {
            let Expr::OuterReferenceColumn(_, column) = &expr else {
                return Ok(Transformed::no(expr));
            };
            let index = self.columns.iter().position(|known| known == column);
            Ok(match index {
                Some(index) => {
                    let key = Column::new(Some(self.name.clone()), of(index));
                    Transformed::yes(Expr::Column(key))
                }
                None => Transformed::no(expr),
            })
        })?;
        Ok(resolved.data)
    }

    fn all_resolved(&self, exprs: &[Expr]) -> Result<Vec<Expr>> {
        exprs.iter().map(|expr| self.resolved(expr)).collect()
    }

    /// The rows of a plan for each value of the domain, whose columns they have besides their own.
    fn taken_into(&self, plan: &LogicalPlan) -> Result<Option<LogicalPlan>> {
        if matches!(plan, LogicalPlan::EmptyRelation(empty) if empty.produce_one_row) {
            return Ok(Some(self.plan.clone()));
        }
        if !is_dependent(plan)? {
            let rows = LogicalPlanBuilder::from(self.plan.clone()).cross_join(plan.clone())?;
            return rows.build().map(Some);
        }
        let rows = match plan {
            LogicalPlan::Subquery(subquery) => return self.taken_into(&subquery.subquery),
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => return self.taken_into(&sort.input),
            LogicalPlan::Aggregate(aggregate) => return self.aggregated(aggregate),
            LogicalPlan::Limit(limit) => return self.limited(limit),
            LogicalPlan::Join(join) => return self.of_pairs(join),
            LogicalPlan::Union(union) => return self.united(union),
            LogicalPlan::Window(window) => return self.over(window),
            LogicalPlan::Unnest(unnest) => {
                let Some(input) = self.taken_into(&unnest.input)? else { return Ok(None) };
                let (columns, options) = (unnest.exec_columns.clone(), unnest.options.clone());
                LogicalPlanBuilder::from(input).unnest_columns_with_options(columns, options)?
            }
            LogicalPlan::Filter(filter) => {
                let Some(input) = self.taken_into(&filter.input)? else { return Ok(None) };
                let condition = self.of_row(filter.predicate.clone())?;
                LogicalPlanBuilder::from(input).filter(condition)?
            }
            LogicalPlan::Projection(projection) => {
                let Some(input) = self.taken_into(&projection.input)? else { return Ok(None) };
                let exprs = self.all_resolved(&projection.expr)?;
                LogicalPlanBuilder::from(input).project(self.keys().chain(exprs))?
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let Some(input) = self.taken_into(&alias.input)? else { return Ok(None) };
                let columns = alias.input.schema().columns().into_iter();
                let renamed = columns.zip(alias.schema.columns()).map(|(from, to)| {
                    Expr::Column(from).alias_qualified(to.relation.clone(), to.name.clone())
                });
                LogicalPlanBuilder::from(input).project(self.keys().chain(renamed))?
            }
            _ => return Ok(None),
        };
        rows.build().map(Some)
    }

    fn aggregated(&self, aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
        if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
            return Ok(None);
        }
        let Some(input) = self.taken_into(&aggregate.input)? else { return Ok(None) };
        let keys = self.keys().chain(self.all_resolved(&aggregate.group_expr)?);
        let calls = self.all_resolved(&aggregate.aggr_expr)?;
        let groups = LogicalPlanBuilder::from(input).aggregate(keys, calls)?.build()?;
        if !aggregate.group_expr.is_empty() {
            return Ok(Some(groups));
        }
        // Over no rows there is a row all the same.
        let name = format!("{}_group", self.name);
        let present = format!("c{}", aggregate.aggr_expr.len());
        let results = aggregate.schema.columns();
        let groups = self.renamed(groups, &name, results.clone())?;
        let columns = groups.schema().columns().into_iter().map(Expr::Column);
        let mark = lit(true).alias_qualified(Some(name.as_str()), present.as_str());
        let groups = LogicalPlanBuilder::from(groups)
            .project(columns.chain(std::iter::once(mark)))?
            .build()?;
        let of_own = |index: usize| {
            let own = Column::new(Some(self.name.clone()), of(index));
            (own, Column::new(Some(name.as_str()), of(index)))
        };
        let (own, others) = (0..self.columns.len()).map(of_own).unzip::<_, _, Vec<_>, Vec<_>>();
        let padded = LogicalPlanBuilder::from(self.plan.clone()).join_detailed(
            groups,
            JoinType::Left,
            (own, others),
            None,
            NullEquality::NullEqualsNull,
        )?;
        let is_absent = Expr::Column(Column::new(Some(name.as_str()), present)).is_null();
        let values = results.into_iter().zip(&aggregate.aggr_expr).enumerate();
        let values = values.map(|(index, (result, call))| {
            let value = Expr::Column(Column::new(Some(name.as_str()), format!("c{index}")));
            let Expr::AggregateFunction(function) = call.clone().unalias() else {
                return Ok(None);
            };
            let data_type = call.get_type(aggregate.input.schema())?;
            let of_none = function.func.default_value(&data_type)?;
            let value = match of_none.is_null() {
                true => value,
                false => when(is_absent.clone(), lit(of_none)).otherwise(value)?,
            };
            Ok(Some(value.alias_qualified(result.relation, result.name)))
        });
        let Some(values) = values.collect::<Result<Option<Vec<Expr>>>>()? else { return Ok(None) };
        padded.project(self.keys().chain(values))?.build().map(Some)
    }

    fn limited(&self, limit: &Limit) -> Result<Option<LogicalPlan>> {
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) =
            (limit.get_skip_type()?, limit.get_fetch_type()?)
        else {
            return Ok(None);
        };
        // The order of the rows is below what is computed of them.
        if let LogicalPlan::Projection(projection) = limit.input.as_ref() {
            let below =
                LogicalPlan::Limit(Limit { input: Arc::clone(&projection.input), ..limit.clone() });
            let exprs = projection.expr.clone();
            let above = Projection::try_new_with_schema(
                exprs,
                Arc::new(below),
                Arc::clone(&projection.schema),
            )?;
            return self.taken_into(&LogicalPlan::Projection(above));
        }
        let (input, order) = match limit.input.as_ref() {
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => (&sort.input, sort.expr.as_slice()),
            _ => (&limit.input, &[][..]),
        };
        let Some(rows) = self.taken_into(input)? else { return Ok(None) };
        let order = order
            .iter()
            .map(|sort| Ok(SortExpr { expr: self.of_row(sort.expr.clone())?, ..sort.clone() }));
        let place = format!("{}_place", self.name);
        let mut number = WindowFunction::new(row_number_udwf(), Vec::new());
        number.params.partition_by = self.keys().collect();
        number.params.order_by = order.collect::<Result<Vec<SortExpr>>>()?;
        number.params.window_frame = WindowFrame::new(Some(false));
        let number = Expr::WindowFunction(Box::new(number)).alias(&place);
        let place = Expr::Column(Column::new_unqualified(place));
        let mut conditions = Vec::new();
        conditions.extend(fetch.map(|fetch| place.clone().lt_eq(lit((skip + fetch) as u64))));
        conditions.extend((skip > 0).then(|| place.gt(lit(skip as u64))));
        let columns: Vec<Expr> = rows.schema().columns().into_iter().map(Expr::Column).collect();
        let Some(condition) = conjunction(conditions) else { return Ok(Some(rows)) };
        let numbered = LogicalPlan::Window(Window::try_new(vec![number], Arc::new(rows))?);
        LogicalPlanBuilder::from(numbered).filter(condition)?.project(columns)?.build().map(Some)
    }

    fn of_pairs(&self, join: &Join) -> Result<Option<LogicalPlan>> {
        let kinds = [JoinType::Inner, JoinType::Left, JoinType::LeftSemi, JoinType::LeftAnti];
        let on_is_own = join.on.iter().all(|(a, b)| !a.contains_outer() && !b.contains_outer());
        if !kinds.contains(&join.join_type) || join.null_aware || !on_is_own {
            return Ok(None);
        }
        let filter = join.filter.clone().map(|filter| self.of_row(filter)).transpose()?;
        let Some(left) = self.taken_into(&join.left)? else { return Ok(None) };
        let mut right = join.right.as_ref().clone();
        let mut conditions: Vec<Expr> = filter.into_iter().collect();
        if is_dependent(&join.right)? {
            let Some(rows) = self.taken_into(&join.right)? else { return Ok(None) };
            let name = format!("{}_right", self.name);
            let keys = self
                .keys()
                .enumerate()
                .map(|(index, key)| key.alias_qualified(Some(name.as_str()), of(index)));
            let columns = join.right.schema().columns().into_iter().map(Expr::Column);
            right = LogicalPlanBuilder::from(rows).project(keys.chain(columns))?.build()?;
            let same = self.keys().enumerate().map(|(index, key)| {
                let other = Expr::Column(Column::new(Some(name.as_str()), of(index)));
                datafusion::logical_expr::binary_expr(
                    key,
                    datafusion::logical_expr::Operator::IsNotDistinctFrom,
                    other,
                )
            });
            conditions.extend(same);
        }
        let joined = Join::try_new(
            Arc::new(left),
            Arc::new(right),
            join.on.clone(),
            conjunction(conditions),
            join.join_type,
            join.join_constraint,
            join.null_equality,
            false,
        )?;
        let columns = join.schema.columns().into_iter().map(Expr::Column);
        let joined = LogicalPlanBuilder::from(LogicalPlan::Join(joined));
        joined.project(self.keys().chain(columns))?.build().map(Some)
    }

    fn united(&self, union: &Union) -> Result<Option<LogicalPlan>> {
        let mut all: Option<LogicalPlanBuilder> = None;
        let to = union.schema.columns();
        for input in &union.inputs {
            let Some(rows) = self.taken_into(input)? else { return Ok(None) };
            let keys = self.keys().enumerate().map(|(index, key)| key.alias(of(index)));
            let columns = input.schema().columns().into_iter().enumerate();
            let columns =
                columns.map(|(index, column)| Expr::Column(column).alias(format!("c{index}")));
            let rows = LogicalPlanBuilder::from(rows).project(keys.chain(columns))?.build()?;
            all = Some(match all {
                None => LogicalPlanBuilder::from(rows),
                Some(all) => all.union(rows)?,
            });
        }
        let Some(all) = all else { return Ok(None) };
        let keys = (0..self.columns.len()).map(|index| {
            let key = Expr::Column(Column::new_unqualified(of(index)));
            key.alias_qualified(Some(self.name.clone()), of(index))
        });
        let columns = to.into_iter().enumerate().map(|(index, to)| {
            let column = Expr::Column(Column::new_unqualified(format!("c{index}")));
            column.alias_qualified(to.relation, to.name)
        });
        all.project(keys.chain(columns))?.build().map(Some)
    }

    fn over(&self, window: &Window) -> Result<Option<LogicalPlan>> {
        let Some(input) = self.taken_into(&window.input)? else { return Ok(None) };
        let calls = window.window_expr.iter().map(|expr| {
            let name = NamePreserver::new_for_projection().save(expr);
            let call = self.of_row(expr.clone())?.transform_up(|expr| match expr {
                Expr::WindowFunction(mut call) => {
                    call.params.partition_by.extend(self.keys());
                    Ok(Transformed::yes(Expr::WindowFunction(call)))
                }
                expr => Ok(Transformed::no(expr)),
            })?;
            Ok(name.restore(call.data))
        });
        let calls = calls.collect::<Result<Vec<Expr>>>()?;
        Ok(Some(LogicalPlan::Window(Window::try_new(calls, Arc::new(input))?)))
    }

    /// Results with their columns as `c0`, `c1` and so on behind the domain's, all of `name`.
    fn renamed(
        &self,
        results: LogicalPlan,
        name: &str,
        columns: impl IntoIterator<Item = Column>,
    ) -> Result<LogicalPlan> {
        let keys =
            self.keys().enumerate().map(|(index, key)| key.alias_qualified(Some(name), of(index)));
        let columns = columns.into_iter().enumerate().map(|(index, column)| {
            Expr::Column(column).alias_qualified(Some(name), format!("c{index}"))
        });
        LogicalPlanBuilder::from(results).project(keys.chain(columns))?.build()
    }

    /// The rows around, each with the results for its value of the domain.
    fn joined(
        &self,
        around: LogicalPlan,
        results: LogicalPlan,
        name: &str,
        kind: JoinType,
    ) -> Result<LogicalPlan> {
        let others = (0..self.columns.len()).map(|index| Column::new(Some(name), of(index)));
        let keys = (self.columns.clone(), others.collect::<Vec<Column>>());
        LogicalPlanBuilder::from(around)
            .join_detailed(results, kind, keys, None, NullEquality::NullEqualsNull)?
            .build()
    }
}

/// The name of a column of the domain.
fn of(index: usize) -> String {
    format!("d{index}")
}

/// Whether something in a plan goes by the rows that it has for each row around it: conditions
/// below that DataFusion's rules would lift above it.
pub(crate) fn is_in_steps(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| {
        Ok(matches!(
            node,
            LogicalPlan::Window(_)
                | LogicalPlan::Unnest(_)
                | LogicalPlan::Limit(_)
                | LogicalPlan::Union(_)
        ))
    })
}

/// Whether a plan refers to the rows around it.
fn is_dependent(plan: &LogicalPlan) -> Result<bool> {
    let mut is_dependent = false;
    each_expr(plan, &mut |expr| {
        is_dependent |= matches!(expr, Expr::OuterReferenceColumn(..));
    })?;
    Ok(is_dependent)
}

/// Calls `each` for every expression in a plan.
fn each_expr(plan: &LogicalPlan, each: &mut impl FnMut(&Expr)) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                each(expr);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(())
}

/// Whether a plan has one row whatever comes.
fn has_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => has_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => has_one_row(&alias.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        _ => false,
    }
}
