//! `GROUP BY`: which columns an aggregate reads, and the aggregate without windows.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Aggregate as LogicalAggregate, Expr, ExprSchemable, LogicalPlan};
use laminar_dataflow::operators::{Aggregate, AggregateCall, Lifetime};
use laminar_dataflow::{Changes, EventTime, Traits};
use laminar_types::{Error, Result, code};

use super::grouping_sets::GroupingSets;
use super::window::{is_window_bound, resolve_window_end};
use super::workers::{column_keys, undivided_groups};
use super::{Lowered, Lowering};
use crate::aggregates;
use crate::functions::window_call;
use crate::parser::windows::WindowKind;
use crate::plan::InputRef;
use crate::planner::sentence;

impl Lowering<'_> {
    pub(super) fn aggregate(&mut self, aggregate: &LogicalAggregate) -> Result<Lowered> {
        let input = self.plan(&aggregate.input)?;
        let append_only = input.traits.changes == Changes::AppendOnly;
        let in_order = self.arrives_in_order(&input.input);
        let group_exprs = grouping_set_to_exprlist(&aggregate.group_expr)
            .map_err(|error| Error::new(code::PLAN, sentence(&error)))?;
        let mut sets = match aggregate.group_expr.first() {
            Some(Expr::GroupingSet(grouping)) => Some(GroupingSets::of(grouping, &group_exprs)),
            _ => None,
        };
        let mut arguments = Arguments { exprs: Vec::new() };
        let mut keys = Vec::new();
        let mut window = None;
        let instant = self.instant(&group_exprs, &input, &aggregate.input);
        let instant = instant.filter(|_| sets.is_none());
        for (index, expr) in group_exprs.into_iter().enumerate() {
            match window_call(expr) {
                Some(_) if window.is_some() => {
                    return Err(Error::unsupported(
                        "a query can group by one window: join two streams to combine windows",
                    ));
                }
                Some((kind, args)) => {
                    if let Some(sets) = &mut sets {
                        sets.take_out_window(index)?;
                    }
                    window = Some((index, kind, args, arguments.add(&args[0])));
                }
                None => match &instant {
                    Some((key, args)) if *key == index => {
                        let kind = WindowKind::Tumble;
                        window = Some((index, kind, args.as_slice(), arguments.add(expr)));
                    }
                    _ => keys.push(arguments.add(expr)),
                },
            }
        }
        let mut calls = Vec::new();
        for expr in &aggregate.aggr_expr {
            let mut column = |expr: &Expr| arguments.add(expr);
            let mut call = aggregates::call(expr, &input.columns, append_only, &mut column)?;
            call.by_arrival &= in_order;
            calls.push(call);
        }
        let age = match window {
            None => self.ttl_time(&input).map(|time| arguments.add(&time)),
            Some(_) => None,
        };
        // Rows that may have to be handed on as late keep their columns.
        let late_columns = match window.is_some() && self.takes_late_rows(&input.input) {
            true => Some(input.columns.fields().len()),
            false => None,
        };
        let (mut prepared, columns) = match late_columns {
            Some(_) => self.prepare_beside(input, &arguments.exprs)?,
            None => self.prepare(input, &arguments.exprs)?,
        };
        let mut keys: Vec<usize> = keys.into_iter().map(|key| columns[key]).collect();
        let calls: Vec<AggregateCall> = calls.into_iter().map(|call| call.over(&columns)).collect();
        let mut permanent = Vec::new();
        let mut of_set = None;
        if let Some(sets) = &sets {
            let number_type = aggregate.schema.field(sets.exprs()).data_type();
            let first;
            (prepared, first) = self.expand(prepared, &keys, sets, number_type)?;
            let number = first + keys.len();
            keys = (first..=number).collect();
            permanent = sets.empty_sets(&prepared.columns, &keys)?;
            // Each row is there once for each set, and late once.
            of_set = sets.first_number().map(|first| (number, first));
        }
        let (input, traits) = self.operator_input(prepared)?;
        let labels = aggregate.aggr_expr.iter().zip(&calls).map(|(expr, call)| {
            let keeps = call.spec(&traits.schema).keeps(append_only);
            format!("{} ({keeps})", expr.human_display())
        });
        let labels: Vec<String> = labels.collect();
        let output = Arc::new(aggregate.schema.as_arrow().clone());
        match window {
            None => {
                let keys_label: Vec<String> =
                    aggregate.group_expr.iter().map(|e| e.human_display().to_string()).collect();
                self.keyed_aggregate(
                    aggregate,
                    input,
                    &traits,
                    (keys, permanent),
                    calls,
                    age.map(|age| columns[age]),
                    output,
                    format!("Aggregate by ({}): {}", keys_label.join(", "), labels.join(", ")),
                )
            }
            Some((index, kind, args, time)) => self.window_aggregate(
                aggregate,
                input,
                &traits,
                keys,
                calls,
                (index, kind, args, columns[time]),
                late_columns,
                of_set,
                &labels,
            ),
        }
    }

    /// The key of groups that are final when an event time is over, where only final rows are
    /// asked for, or the event time is a window's bound and that is the default: the event time, as
    /// a window of one unit. So groups are dropped when they are given.
    fn instant(
        &self,
        keys: &[&Expr],
        input: &Lowered,
        plan: &LogicalPlan,
    ) -> Option<(usize, Vec<Expr>)> {
        if !self.final_windows || keys.iter().any(|key| window_call(key).is_some()) {
            return None;
        }
        if !self.final_given && !keys.iter().any(|key| is_window_bound(key, plan)) {
            return None;
        }
        // Of the bounds of a window the last one is over last.
        keys.iter().enumerate().rev().find_map(|(index, key)| {
            let plain = (*key).clone().unalias();
            let Expr::Column(column) = &plain else { return None };
            let time = input.traits.time_of(input.columns.maybe_index_of_column(column)?)?;
            let unit_ns = input.traits.times[time].unit.nanos();
            let unit = ScalarValue::new_interval_mdn(0, 0, unit_ns);
            Some((index, vec![plain, Expr::Literal(unit, None)]))
        })
    }

    #[allow(clippy::too_many_arguments)]
    fn keyed_aggregate(
        &mut self,
        aggregate: &LogicalAggregate,
        input: InputRef,
        input_traits: &Traits,
        (keys, permanent): (Vec<usize>, Vec<ArrayRef>),
        calls: Vec<AggregateCall>,
        age: Option<usize>,
        output: SchemaRef,
        mut label: String,
    ) -> Result<Lowered> {
        let append_only = input_traits.changes == Changes::AppendOnly;
        let lifetime = match keys.is_empty() || self.is_constant(&input) {
            true => None,
            false => self.lifetime_by(input_traits, 0, age),
        };
        // A key that is an event time stays one: a group has the time of its rows.
        let timed = keys.iter().enumerate().filter_map(|(column, key)| {
            let position = input_traits.time_of(*key)?;
            Some((EventTime { column, ..input_traits.times[position] }, position))
        });
        let (times, positions): (Vec<EventTime>, Vec<usize>) = timed.unzip();
        let traits = Traits {
            schema: Arc::clone(&output),
            // Groups vanish only when rows do; a global aggregate always has its one row.
            changes: if append_only || keys.is_empty() {
                Changes::Upsert
            } else {
                Changes::Retract
            },
            unique_key: Some((0..keys.len()).collect()),
            times,
            declared_watermark: input_traits.declared_watermark,
        };
        let schema = &input_traits.schema;
        let ttl = self.ttl_label();
        let lifetime = lifetime.filter(|_| ttl.is_some());
        if let (Some(lifetime), Some(ttl)) = (&lifetime, ttl) {
            if !append_only && matches!(lifetime, Lifetime::Clock { .. }) {
                let error = Error::unsupported(
                    "state_ttl of a GROUP BY over rows that change needs their event time and a \
                     declared watermark, as the clock does not tell when a row came that is taken \
                     back, so a group that began anew could lose what it never had: declare one on \
                     the source and carry its column along, or leave it out",
                );
                let position = self.state_ttl.and_then(|ttl| ttl.position);
                return Err(position.map_or(error.clone(), |position| error.at(position)));
            }
            label.push_str(&format!("; a group is forgotten {ttl} after its last row"));
        }
        let hindrance = match permanent.is_empty() {
            true => undivided_groups(keys.len(), &calls),
            false => Some("some groups are there without rows".to_string()),
        };
        let make = || {
            let (keys, permanent) = (keys.clone(), permanent.clone());
            let (calls, output) = (calls.clone(), Arc::clone(&output));
            let operator = Aggregate::new(schema, keys, permanent, calls, output, append_only)?
                .with_times(positions.clone());
            Ok(match &lifetime {
                Some(lifetime) => operator.with_lifetime(lifetime.clone(), append_only),
                None => operator,
            })
        };
        let inputs = vec![(Arc::clone(schema), column_keys(schema, &keys))];
        let operator =
            self.divided(inputs, hindrance, &mut label, make, Aggregate::as_partition)?;
        let node = self.add(operator, traits, vec![input], label);
        Ok(self.lowered(node, aggregate.schema.as_ref().clone(), None, true))
    }

    /// Puts what an operator reads into columns: a projection, unless every expression is a column
    /// of an input without stages. Tells where each expression then stands.
    pub(super) fn prepare(&self, input: Lowered, exprs: &[Expr]) -> Result<(Lowered, Vec<usize>)> {
        let direct: Option<Vec<usize>> = exprs
            .iter()
            .map(|expr| match expr {
                Expr::Column(column) => input.columns.maybe_index_of_column(column),
                _ => None,
            })
            .collect();
        if let Some(direct) = direct.filter(|_| input.stages.is_empty()) {
            return Ok((input, direct));
        }
        let fields = exprs
            .iter()
            .enumerate()
            .map(|(index, expr)| {
                let expr = resolve_window_end(expr, &input)?;
                let (_, field) = expr
                    .to_field(&input.columns)
                    .map_err(|error| Error::new(code::PLAN, sentence(&error)))?;
                // Nothing but dead letters refers to names, which must only differ from each other.
                let is_first = !exprs[..index].iter().any(|before| names_alike(before, &expr));
                let name = match &expr {
                    Expr::Column(column) if is_first => column.name.clone(),
                    _ => format!("_{index}"),
                };
                Ok((None, Arc::new(field.as_ref().clone().with_name(name))))
            })
            .collect::<Result<Vec<_>>>()?;
        let schema = DFSchema::new_with_metadata(fields, Default::default())
            .map_err(|error| Error::internal(sentence(&error)))?;
        let mut prepared = self.project(input, exprs, &Arc::new(schema))?;
        if exprs.iter().all(|expr| matches!(expr, Expr::Column(_))) {
            prepared.labels.pop();
        }
        Ok((prepared, (0..exprs.len()).collect()))
    }
}

impl Lowering<'_> {
    /// As [`prepare`](Self::prepare), behind all columns of the input.
    fn prepare_beside(&self, input: Lowered, exprs: &[Expr]) -> Result<(Lowered, Vec<usize>)> {
        let own = input.columns.fields().len();
        let mut all: Vec<Expr> = (0..own)
            .map(|index| Expr::Column(Column::from(input.columns.qualified_field(index))))
            .collect();
        let mut fields: Vec<_> = input
            .columns
            .iter()
            .map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)))
            .collect();
        let mut columns = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let column = match expr {
                Expr::Column(column) => input.columns.maybe_index_of_column(column),
                _ => None,
            };
            columns.push(column.unwrap_or(all.len()));
            if column.is_none() {
                let (_, field) = expr
                    .to_field(&input.columns)
                    .map_err(|error| Error::new(code::PLAN, sentence(&error)))?;
                let name = format!("_{}", all.len());
                fields.push((None, Arc::new(field.as_ref().clone().with_name(name))));
                all.push(expr.clone());
            }
        }
        if all.len() == own && input.stages.is_empty() {
            return Ok((input, columns));
        }
        let schema = DFSchema::new_with_metadata(fields, Default::default())
            .map_err(|error| Error::internal(sentence(&error)))?;
        Ok((self.project(input, &all, &Arc::new(schema))?, columns))
    }
}

/// Whether two expressions are columns of one name.
fn names_alike(one: &Expr, other: &Expr) -> bool {
    matches!((one, other), (Expr::Column(one), Expr::Column(other)) if one.name == other.name)
}

/// The distinct expressions that an operator reads, in the order of first use.
pub(super) struct Arguments {
    pub(super) exprs: Vec<Expr>,
}

impl Arguments {
    /// The column that will hold the expression.
    pub(super) fn add(&mut self, expr: &Expr) -> usize {
        let expr = expr.clone().unalias();
        match self.exprs.iter().position(|known| *known == expr) {
            Some(column) => column,
            None => {
                self.exprs.push(expr);
                self.exprs.len() - 1
            }
        }
    }
}
