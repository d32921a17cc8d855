//! Top-N: `ORDER BY ... LIMIT` and filters on a rank.
//!
//! A filter that bounds the `row_number()`, `rank()` or `dense_rank()` of its input from above is
//! lowered together with it, whatever its spelling, if nothing but projections stands between.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Between, BinaryExpr, Expr, FetchType, Filter, Limit, LogicalPlan, Operator, SkipType, SortExpr,
    Window, WindowFunctionDefinition,
};
use laminar_dataflow::operators::{OverColumn, Ranking, TopN, TopNSpec};
use laminar_dataflow::{Changes, Traits};
use laminar_types::{Error, Result, code};

use super::over::{functions, order_text, ordering, over_arguments};
use super::window::with_hidden;
use super::workers::undivided;
use super::{Lowered, Lowering};
use crate::aggregates::whole;
use crate::planner::sentence;

/// A filter on a rank.
struct RankFilter {
    spec: TopNSpec,
    /// What is left of the predicate.
    residue: Option<Expr>,
}

impl Lowering<'_> {
    /// Lowers a filter on a rank together with the rank; `None` for any other filter. `is_read`
    /// tells whether a column is read above the filter.
    pub(super) fn rank_filter(
        &mut self,
        filter: &Filter,
        is_read: impl Fn(usize) -> bool,
    ) -> Result<Option<Lowered>> {
        let Some(RankFilter { spec, residue }) = RankFilter::of(filter, is_read) else {
            return Ok(None);
        };
        let mut lowered = self.ranked(&filter.input, spec)?;
        if let Some(residue) = residue {
            lowered = self.filter(lowered, &residue)?;
        }
        Ok(Some(lowered))
    }

    /// The rank below projections, cut to its first rows.
    fn ranked(&mut self, plan: &LogicalPlan, spec: TopNSpec) -> Result<Lowered> {
        match plan {
            LogicalPlan::Window(window) => self.window_top_n(window, spec),
            LogicalPlan::SubqueryAlias(alias) => {
                let mut input = self.ranked(&alias.input, spec)?;
                input.columns = with_hidden(&alias.schema, &input)?;
                Ok(input)
            }
            LogicalPlan::Projection(projection) => {
                let input = self.ranked(&projection.input, spec)?;
                self.project(input, &projection.expr, &projection.schema)
            }
            other => Err(Error::internal(format!("a rank is not below {}", other.display()))),
        }
    }

    fn window_top_n(&mut self, window: &Window, spec: TopNSpec) -> Result<Lowered> {
        let params = functions(window)?.swap_remove(0).params;
        let input = self.plan(&window.input)?;
        let mut arguments = over_arguments(&window.input);
        let (over, _) =
            self.over_input(input, &mut arguments, &params.partition_by, &params.order_by)?;
        let mut columns: Vec<OverColumn> =
            over.columns.iter().map(|column| OverColumn::Input(*column)).collect();
        columns.push(OverColumn::Value(0));
        let rank_column = columns.len() - 1;
        let (schema, hidden) = over.schema(window.schema.as_arrow(), &mut columns);
        let is_by_row = spec.ranking == Ranking::RowNumber;
        // One row per partition, or one per partition and number.
        let key = over.visible(&over.partitioning.keys).filter(|_| is_by_row);
        let key = match (key, spec.constant_rank) {
            (Some(key), _) if spec.limit.saturating_sub(spec.above) == 1 => Some(key),
            (Some(mut key), None) => {
                key.push(rank_column);
                Some(key)
            }
            _ => None,
        };
        let append_only = over.partitioning.append_only;
        let (times, maps) = over.times(&[]);
        let traits = Traits {
            schema: Arc::clone(&schema),
            // Rows that only come push others down: a place once taken stays taken.
            changes: match append_only && key.is_some() {
                true => Changes::Upsert,
                false => Changes::Retract,
            },
            unique_key: key.or_else(|| over.unique_key()),
            times,
            declared_watermark: over.traits.declared_watermark,
        };
        let rows = &over.traits.schema;
        let make = || {
            let (columns, schema) = (columns.clone(), Arc::clone(&schema));
            let operator = TopN::new(rows, &over.partitioning, spec, columns, schema)?;
            Ok(operator.with_times(maps.clone()))
        };
        let forgets = over.forgets(&params);
        let mut label = format!(
            "Top-N {}: {} {}; keeps {}{forgets}",
            ordering(&params),
            match spec.ranking {
                Ranking::RowNumber => "row_number",
                Ranking::Rank => "rank",
                Ranking::DenseRank => "dense_rank",
            },
            match spec.constant_rank {
                Some(_) => format!("{} to {}, not read", spec.above + 1, spec.limit),
                None => format!("{} to {}", spec.above + 1, spec.limit),
            },
            kept(append_only)
        );
        let holds_content = forgets.is_empty();
        let hindrance = undivided(over.partitioning.keys.len(), []);
        let operator = self.divided(over.keys(), hindrance, &mut label, make, |top| top)?;
        let node = self.add(operator, traits, vec![over.input], label);
        let mut lowered = self.lowered(node, window.schema.as_ref().clone(), hidden, holds_content);
        lowered.columns = with_hidden(&window.schema, &lowered)?;
        Ok(lowered)
    }

    pub(super) fn limit(&mut self, limit: &Limit) -> Result<Lowered> {
        let skip = limit.get_skip_type().map_err(plan_error)?;
        let fetch = limit.get_fetch_type().map_err(plan_error)?;
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) = (skip, fetch) else {
            return Err(Error::unsupported(
                "LIMIT and OFFSET of a continuous query must be whole numbers: write LIMIT 10",
            ));
        };
        let (above, rows) = (skip as u64, fetch.map_or(u64::MAX, |fetch| fetch as u64));
        let spec = TopNSpec {
            ranking: Ranking::RowNumber,
            above,
            limit: above.saturating_add(rows),
            constant_rank: Some(0),
        };
        self.limited(&limit.input, spec)
    }

    /// The first rows of a plan: below its projections, which neither add nor drop rows.
    fn limited(&mut self, plan: &LogicalPlan, spec: TopNSpec) -> Result<Lowered> {
        match plan {
            LogicalPlan::SubqueryAlias(alias) => {
                let mut input = self.limited(&alias.input, spec)?;
                input.columns = with_hidden(&alias.schema, &input)?;
                Ok(input)
            }
            LogicalPlan::Projection(projection) => {
                let input = self.limited(&projection.input, spec)?;
                self.project(input, &projection.expr, &projection.schema)
            }
            LogicalPlan::Sort(sort) => self.sorted_top_n(&sort.input, &sort.expr, spec),
            other => self.sorted_top_n(other, &[], spec),
        }
    }

    fn sorted_top_n(
        &mut self,
        plan: &LogicalPlan,
        order: &[SortExpr],
        spec: TopNSpec,
    ) -> Result<Lowered> {
        let input = self.plan(plan)?;
        let mut arguments = over_arguments(plan);
        let (over, _) = self.over_input(input, &mut arguments, &[], order)?;
        let mut columns: Vec<OverColumn> =
            over.columns.iter().map(|column| OverColumn::Input(*column)).collect();
        let (schema, hidden) = over.schema(plan.schema().as_arrow(), &mut columns);
        let traits = Traits {
            schema: Arc::clone(&schema),
            changes: Changes::Retract,
            unique_key: over.unique_key(),
            times: Vec::new(),
            declared_watermark: over.traits.declared_watermark,
        };
        let append_only = over.partitioning.append_only;
        let rows = &over.traits.schema;
        let make = || {
            let (columns, schema) = (columns.clone(), Arc::clone(&schema));
            TopN::new(rows, &over.partitioning, spec, columns, schema)
        };
        let last = match spec.limit {
            u64::MAX => "last".to_string(),
            limit => limit.to_string(),
        };
        let mut label = format!(
            "Top-N {}: rows {} to {last}; keeps {}",
            order_text(order),
            spec.above.saturating_add(1),
            kept(append_only)
        );
        let operator = self.divided(over.keys(), undivided(0, []), &mut label, make, |top| top)?;
        let node = self.add(operator, traits, vec![over.input], label);
        let mut lowered = self.lowered(node, plan.schema().as_ref().clone(), hidden, true);
        lowered.columns = with_hidden(plan.schema(), &lowered)?;
        Ok(lowered)
    }
}

fn kept(append_only: bool) -> &'static str {
    match append_only {
        true => "the rows up to the last rank",
        false => "every row, since any can move up",
    }
}

impl RankFilter {
    fn of(filter: &Filter, is_read: impl Fn(usize) -> bool) -> Option<Self> {
        let parts = split_conjunction(&filter.predicate);
        let column = parts.iter().find_map(|part| {
            let (column, _) = bounds(part)?;
            let index = filter.input.schema().maybe_index_of_column(column)?;
            ranking(&filter.input, index).map(|ranking| (index, ranking))
        });
        let (index, ranking) = column?;
        let mut spec = TopNSpec { ranking, above: 0, limit: u64::MAX, constant_rank: None };
        let mut residue = Vec::new();
        for part in parts {
            let bounds = bounds(part).filter(|(column, _)| {
                filter.input.schema().maybe_index_of_column(column) == Some(index)
            });
            match bounds {
                // Only numbers of rows can be left out from below.
                Some((_, (above, limit))) if above == 0 || ranking == Ranking::RowNumber => {
                    spec.above = spec.above.max(above);
                    spec.limit = spec.limit.min(limit);
                }
                Some((_, (_, limit))) => {
                    spec.limit = spec.limit.min(limit);
                    residue.push(part.clone());
                }
                None => residue.push(part.clone()),
            }
        }
        if spec.limit == u64::MAX {
            return None;
        }
        let reads_rank = |expr: &Expr| {
            expr.column_refs()
                .iter()
                .any(|column| filter.input.schema().maybe_index_of_column(column) == Some(index))
        };
        if !is_read(index) && !residue.iter().any(reads_rank) {
            spec.constant_rank = Some(spec.above + 1);
        }
        Some(Self { spec, residue: conjunction(residue) })
    }
}

/// The ranking that a column is, seen through projections.
fn ranking(plan: &LogicalPlan, index: usize) -> Option<Ranking> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => ranking(&alias.input, index),
        LogicalPlan::Projection(projection) => {
            let expr = projection.expr.get(index)?.clone().unalias_nested().data;
            let Expr::Column(column) = expr else { return None };
            let index = projection.input.schema().maybe_index_of_column(&column)?;
            ranking(&projection.input, index)
        }
        LogicalPlan::Window(window) => {
            let width = window.input.schema().fields().len();
            if window.window_expr.len() != 1 || index != width {
                return None;
            }
            let Expr::WindowFunction(function) =
                window.window_expr[0].clone().unalias_nested().data
            else {
                return None;
            };
            let WindowFunctionDefinition::WindowUDF(udf) = &function.fun else { return None };
            match udf.name() {
                "row_number" => Some(Ranking::RowNumber),
                "rank" => Some(Ranking::Rank),
                "dense_rank" => Some(Ranking::DenseRank),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The bounds that a predicate sets on a column of whole numbers from 1: values above the first,
/// and at most the second.
fn bounds(predicate: &Expr) -> Option<(&Column, (u64, u64))> {
    match predicate {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (column, op, value) = match (column(left), number(right)) {
                (Some(column), Some(value)) => (column, *op, value),
                _ => (column(right)?, op.swap()?, number(left)?),
            };
            let at_most = |value: i64| value.max(0) as u64;
            let (above, limit) = match op {
                Operator::Eq => (at_most(value.saturating_sub(1)), at_most(value)),
                Operator::Lt => (0, at_most(value.saturating_sub(1))),
                Operator::LtEq => (0, at_most(value)),
                Operator::Gt => (at_most(value), u64::MAX),
                Operator::GtEq => (at_most(value.saturating_sub(1)), u64::MAX),
                _ => return None,
            };
            Some((column, (above, limit)))
        }
        Expr::Between(Between { expr, negated: false, low, high }) => {
            let (low, high) = (number(low)?, number(high)?);
            let above = low.saturating_sub(1).max(0) as u64;
            Some((column(expr)?, (above, high.max(0) as u64)))
        }
        _ => None,
    }
}

fn column(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Cast(cast) => column(&cast.expr),
        _ => None,
    }
}

fn number(expr: &Expr) -> Option<i64> {
    match expr {
        // A number with a fraction is no bound that could be moved by one.
        Expr::Literal(value, _) if value.data_type().is_integer() => whole(value),
        _ => None,
    }
}

fn plan_error(error: datafusion::error::DataFusionError) -> Error {
    Error::new(code::PLAN, sentence(&error))
}
