//! Joins in time: ASOF, temporal and interval joins.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::{Column, DFSchema, DFSchemaRef, JoinType, NullEquality};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Join as LogicalJoin, LogicalPlan, Operator,
};
use laminar_dataflow::operators::{
    AsofJoin, AsofMatch, AsofPlan, CurrentJoin, CurrentPlan, IntervalJoin, IntervalPlan,
    SideOutput, Stage, TimedSide,
};
use laminar_dataflow::{Changes, EventTime, Traits};
use laminar_types::{Error, Result, TimeUnit, code};

use super::band::{Band, Bound, bounds_of, is_equality, is_of_subquery, may_bound, unbounded};
use super::event_time::{carried_time, moved_time};
use super::workers::{column_keys, undivided};
use super::{Lowered, Lowering};
use crate::compile::Compiler;
use crate::distinct_casts::distinct_column;
use crate::equalities::is_over;
use crate::place::at_column_of;
use crate::plan::InputRef;
use crate::planner::sentence;
use crate::time_joins::{TimeJoin, time_join};

/// Whether a join is one whose rows wait until they are final.
pub(super) fn waits(join: &LogicalJoin) -> bool {
    let mut conditions = join.filter.iter().flat_map(|filter| split_conjunction(filter));
    conditions.any(|condition| {
        matches!(time_join(condition), Some(TimeJoin::Asof(..) | TimeJoin::VersionAt(..)))
    })
}

impl Lowering<'_> {
    /// A join in time, or `None` for any other join.
    pub(super) fn time_join(&mut self, join: &LogicalJoin) -> Result<Option<Lowered>> {
        let mut conditions: Vec<Expr> = Vec::new();
        let mut marker = None;
        for condition in join.filter.iter().flat_map(|filter| split_conjunction(filter)) {
            match time_join(condition) {
                Some(found) => marker = Some(found),
                None => conditions.push(condition.clone()),
            }
        }
        match marker {
            Some(TimeJoin::Asof(matching, a, b)) => {
                self.asof(join, conditions, matching, [&a, &b], false).map(Some)
            }
            Some(TimeJoin::VersionAt(at, from)) => {
                let matching = AsofMatch::Backward { inclusive: true };
                self.asof(join, conditions, matching, [&at, &from], true).map(Some)
            }
            Some(TimeJoin::VersionNow) => {
                self.current(join, conditions, "FOR SYSTEM_TIME AS OF proctime()").map(Some)
            }
            None => match self.lookup(join, &conditions)? {
                Some(lowered) => Ok(Some(lowered)),
                None => self.interval(join, conditions),
            },
        }
    }

    /// An ASOF join or, which is one over the versions of a relation, a temporal join.
    fn asof(
        &mut self,
        join: &LogicalJoin,
        conditions: Vec<Expr>,
        matching: AsofMatch,
        [a, b]: [&Expr; 2],
        is_temporal: bool,
    ) -> Result<Lowered> {
        let name = if is_temporal { "FOR SYSTEM_TIME AS OF" } else { "an ASOF JOIN" };
        let outer = join.join_type == JoinType::Left;
        let mut left = self.lenient_side(&join.left)?;
        let mut right = self.lenient_side(&join.right)?;
        let (mut matching, mut left_time) = (matching, a.clone());
        let right_time = match b {
            b if reads(a, &left.columns) && reads(b, &right.columns) => b.clone(),
            b if reads(b, &left.columns) && reads(a, &right.columns) => {
                left_time = b.clone();
                matching = matching.turned();
                a.clone()
            }
            _ => {
                let message = format!(
                    "{name} compares a time of its left side with one of its right side, and {a} \
                     and {b} are not"
                );
                return Err(at_column_of(Error::new(code::PLAN, message), a));
            }
        };
        let (keys, rest) = keys(join, conditions, &left.columns, &right.columns)?;
        for condition in rest {
            if reads(&condition, &right.columns) {
                right.filter(&condition)?;
            } else if reads(&condition, &left.columns) && !outer {
                left.filter(&condition)?;
            } else {
                return Err(at_column_of(not_of_the_right(name, &condition), &condition));
            }
        }
        let mut left_side = left.finish(Some(&left_time), &keys, |key| &key.0)?;
        let mut right_side = right.finish(Some(&right_time), &keys, |key| &key.1)?;
        // A table takes rows back that its frontier has long passed; versions stay.
        if !left_side.append_only && !left.is_settled(&left_time) {
            left_side.frontier = None;
        }
        if !right_side.append_only && !is_temporal && !right.is_settled(&right_time) {
            right_side.frontier = None;
        }
        let versions = is_temporal && !right_side.append_only;
        if versions && !is_keyed_by(&right, &keys) {
            return Err(Error::new(
                code::PLAN,
                "FOR SYSTEM_TIME AS OF needs ON to equate exactly the primary key of its right \
                 side: a row has one version at a time by that key",
            ));
        }
        // The versions of a relation that only grows are told apart by their times, and then as of
        // an ASOF join.
        right_side.append_only &= self.arrives_in_order(&right.lowered.input);
        let can_wait = left_side.append_only && right_side.frontier.is_some();
        if self.final_windows && !can_wait && self.final_given {
            let reason = match left_side.append_only {
                true => "no watermark reaches the time of its right side",
                false => "its left side is updated",
            };
            return Err(Error::unsupported(format!(
                "{name} cannot wait until its matches are final, as {reason}: use EMIT CHANGES"
            )));
        }
        let is_final = self.final_windows && can_wait;
        let left_traits = left.lowered.traits.clone();
        let right_traits = right.lowered.traits.clone();
        let is_plain = left_side.time < left_side.width;
        let has_time = is_plain && left_side.frontier.is_some() && right_side.frontier.is_some();
        let one_each = left_traits.changes <= Changes::Upsert
            && left_traits.unique_key.is_some()
            && (outer || right_side.append_only);
        let traits = Traits {
            schema: Arc::new(join.schema.as_arrow().clone()),
            changes: match (is_final, one_each) {
                (true, _) => Changes::AppendOnly,
                (false, true) => Changes::Upsert,
                (false, false) => Changes::Retract,
            },
            unique_key: left_traits.unique_key.clone(),
            times: match has_time {
                true => {
                    let (column, unit) = (left_side.time, left_side.unit);
                    vec![EventTime { column, unit, settled: true, closed: false }]
                }
                false => Vec::new(),
            },
            declared_watermark: declared(&left_traits) && declared(&right_traits),
        };
        let mut label = asof_label(&AsofLabel {
            is_temporal,
            outer,
            matching,
            left_time: &left_time,
            right_time: &right_time,
            keys: &keys,
            is_final,
            left: &left_side,
            right: &right_side,
        });
        let late_of = left_side.frontier.is_some() && self.takes_late_rows(&left.lowered.input);
        let late_of = late_of.then(|| (left_traits.clone(), left_side.width));
        let sides = timed_keys(&left_side, &right_side);
        let hindrance = undivided(keys.len(), []);
        let plan = AsofPlan {
            left: left_side,
            right: right_side,
            matching,
            outer,
            is_final,
            versions,
            has_time,
            schema: Arc::clone(&traits.schema),
        };
        let make = || {
            let operator = AsofJoin::new(plan.clone())?;
            Ok(if late_of.is_some() { operator.with_late_rows() } else { operator })
        };
        let operator = self.divided(sides, hindrance, &mut label, make, AsofJoin::as_partition)?;
        let lowered = self.timed_node(operator, traits, left, right, label, &join.schema)?;
        self.late_of_left(&lowered, late_of)?;
        Ok(lowered)
    }

    /// A join of rows that only come with a lookup table: by keys, each row once, with what the
    /// table holds when it comes. Any other join reads a lookup table like any table.
    fn lookup(&mut self, join: &LogicalJoin, conditions: &[Expr]) -> Result<Option<Lowered>> {
        let is_lookup = [&join.left, &join.right].map(|side| self.is_lookup_table(side));
        let by_keys = |left: &LogicalPlan, right: &LogicalPlan| {
            let (left, right) = (left.schema(), right.schema());
            let found = keys(join, conditions.to_vec(), left, right).map(|(keys, _)| keys);
            found.is_ok_and(|keys| !keys.is_empty())
        };
        if join.null_equality == NullEquality::NullEqualsNull
            || join.null_aware
            || !by_keys(&join.left, &join.right)
        {
            return Ok(None);
        }
        let turned = match (join.join_type, is_lookup) {
            (JoinType::Inner | JoinType::Left, [false, true]) => false,
            (JoinType::Inner | JoinType::Right, [true, false]) => true,
            _ => return Ok(None),
        };
        let asking = if turned { &join.right } else { &join.left };
        let (nodes, notes) = (self.nodes.len(), self.notes.len());
        let only_come = self.plan(asking)?.traits.changes == Changes::AppendOnly;
        self.forget(nodes, notes);
        if !only_come {
            return Ok(None);
        }
        let name = "a join with a lookup table";
        if !turned {
            return self.current(join, conditions.to_vec(), name).map(Some);
        }
        let on = join.on.iter().map(|(left, right)| (right.clone(), left.clone())).collect();
        let join_type = match join.join_type {
            JoinType::Right => JoinType::Left,
            other => other,
        };
        let mirrored = LogicalJoin::try_new(
            Arc::clone(&join.right),
            Arc::clone(&join.left),
            on,
            None,
            join_type,
            join.join_constraint,
            join.null_equality,
            false,
        )
        .map_err(|error| internal(&error))?;
        let lowered = self.current(&mirrored, conditions.to_vec(), name)?;
        let columns: Vec<Expr> = join.schema.columns().into_iter().map(Expr::Column).collect();
        let mut lowered = self.project(lowered, &columns, &join.schema)?;
        lowered.labels.pop();
        Ok(Some(lowered))
    }

    /// Whether a plan reads a lookup table, row by row.
    fn is_lookup_table(&self, plan: &LogicalPlan) -> bool {
        match plan {
            LogicalPlan::TableScan(scan) => self.catalog.is_lookup(scan.table_name.table()),
            LogicalPlan::SubqueryAlias(alias) => self.is_lookup_table(&alias.input),
            LogicalPlan::Projection(projection) => self.is_lookup_table(&projection.input),
            LogicalPlan::Filter(filter) => self.is_lookup_table(&filter.input),
            _ => false,
        }
    }

    /// A join with the version of the right side that is there when a left row comes.
    fn current(
        &mut self,
        join: &LogicalJoin,
        conditions: Vec<Expr>,
        name: &str,
    ) -> Result<Lowered> {
        let outer = join.join_type == JoinType::Left;
        let mut left = self.timed_side(&join.left)?;
        let mut right = self.timed_side(&join.right)?;
        if left.lowered.traits.changes != Changes::AppendOnly {
            return Err(Error::unsupported(format!(
                "{name} needs a left side whose rows never change: a row that is taken back would \
                 meet another version than when it came"
            )));
        }
        let (keys, rest) = keys(join, conditions, &left.columns, &right.columns)?;
        let mut of_pairs = Vec::new();
        for condition in rest {
            if reads(&condition, &right.columns) {
                right.filter(&condition)?;
            } else if !outer {
                of_pairs.push(condition);
            } else {
                return Err(at_column_of(not_of_the_right(name, &condition), &condition));
            }
        }
        let left_side = left.finish(None, &keys, |key| &key.0)?;
        let right_side = right.finish(None, &keys, |key| &key.1)?;
        let traits = Traits {
            schema: Arc::new(join.schema.as_arrow().clone()),
            changes: Changes::AppendOnly,
            unique_key: None,
            times: left.lowered.traits.times.clone(),
            declared_watermark: left.lowered.traits.declared_watermark,
        };
        let mut label = format!(
            "Lookup{} join by ({}): the right rows when a left row comes, not corrected later; the \
             right side is kept whole",
            if outer { " left" } else { "" },
            key_names(&keys)
        );
        self.notes.push(format!(
            "not exact: {name} depends on what the right side held when each row came"
        ));
        let sides = timed_keys(&left_side, &right_side);
        let plan = CurrentPlan {
            left: left_side,
            right: right_side,
            outer,
            times: traits.times.len(),
            schema: Arc::clone(&traits.schema),
        };
        let make = || CurrentJoin::new(plan.clone());
        let hindrance = undivided(keys.len(), []);
        let operator = self.divided(sides, hindrance, &mut label, make, |join| join)?;
        let pairs = self.timed_node(operator, traits, left, right, label, &join.schema)?;
        of_pairs.iter().try_fold(pairs, |pairs, condition| self.filter(pairs, condition))
    }

    /// A join whose condition bounds the distance of two event times on both sides, or `None` for
    /// any other.
    fn interval(&mut self, join: &LogicalJoin, conditions: Vec<Expr>) -> Result<Option<Lowered>> {
        if join.null_aware || join.null_equality == NullEquality::NullEqualsNull {
            return Ok(None);
        }
        let outputs = match join.join_type {
            JoinType::Inner => [SideOutput::Pairs, SideOutput::Pairs],
            JoinType::Left => [SideOutput::PairsOrPadded, SideOutput::Pairs],
            JoinType::Right => [SideOutput::Pairs, SideOutput::PairsOrPadded],
            JoinType::Full => [SideOutput::PairsOrPadded; 2],
            JoinType::LeftSemi => [SideOutput::Matched, SideOutput::Nothing],
            JoinType::RightSemi => [SideOutput::Nothing, SideOutput::Matched],
            JoinType::LeftAnti => [SideOutput::Unmatched, SideOutput::Nothing],
            JoinType::RightAnti => [SideOutput::Nothing, SideOutput::Unmatched],
            _ => return Ok(None),
        };
        let on = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
        let all: Vec<Expr> = on.chain(conditions).collect();
        let of_subquery = is_of_subquery(join);
        let bounds_time = |condition: &Expr| !of_subquery || !is_equality(condition);
        if !all.iter().any(|condition| bounds_time(condition) && may_bound(condition, join)) {
            return Ok(None);
        }
        // Whether the times carry frontiers is known when the sides are lowered; if they do not,
        // the join is lowered again as any other.
        let (nodes, notes) = (self.nodes.len(), self.notes.len());
        let mut left = self.lenient_side(&join.left)?;
        let mut right = self.lenient_side(&join.right)?;
        let meant = |condition: &Expr| match bounds_time(condition) {
            true => bounds_between(condition, &left, &right),
            false => Vec::new(),
        };
        let bounds: Vec<Bound> = all.iter().flat_map(meant).collect();
        let traits = [&left.lowered.traits, &right.lowered.traits];
        let band = Band::of(&bounds, traits);
        // Rows that can cease, and those that only promises let go, are the general join's.
        let is_final = traits
            .iter()
            .all(|traits| traits.changes == Changes::AppendOnly && traits.declared_watermark);
        let Some(band) = band.filter(|_| is_final) else {
            let sides = [&left, &right].map(|side| (&side.columns, &side.lowered.traits));
            let unbounded = unbounded(&all, sides).filter(|_| band.is_none());
            self.forget(nodes, notes);
            self.notes.extend(unbounded.filter(|_| self.state_ttl.is_none()));
            return band.map(|band| self.join_within(join, Some(band))).transpose();
        };
        let Band { low, high } = band;
        let is_band = |condition: &Expr| {
            let bounds = meant(condition);
            !bounds.is_empty() && bounds.iter().all(|bound| band.implies(bound))
        };
        let rest: Vec<Expr> = all.into_iter().filter(|condition| !is_band(condition)).collect();
        let no_on = LogicalJoin { on: Vec::new(), ..join.clone() };
        let (keys, mut rest) = keys(&no_on, rest, &left.columns, &right.columns)?;
        // The index takes every NaN for the same key, which `=` tells apart by their bits.
        for (key, other) in &keys {
            if key.get_type(&left.columns).is_ok_and(|key| key.is_floating() || key.is_nested()) {
                rest.push(key.clone().eq(other.clone()));
            }
        }

        let column = |side: &JoinRelation, column: usize| {
            Expr::Column(Column::from(side.columns.qualified_field(column)))
        };
        let (left_time, right_time) = (column(&left, high.left), column(&right, low.right));
        let left_side = left.finish(Some(&left_time), &keys, |key| &key.0)?;
        let right_side = right.finish(Some(&right_time), &keys, |key| &key.1)?;
        let both = left.columns.join(&right.columns).map_err(|error| internal(&error))?;
        let changes = Changes::AppendOnly;
        let filter = rest
            .iter()
            .cloned()
            .reduce(Expr::and)
            .map(|filter| Compiler { columns: &both, changes }.compile(&filter))
            .transpose()?;

        let traits = [&left.lowered.traits, &right.lowered.traits];
        let gives = |side: usize| outputs[side] != SideOutput::Nothing;
        let has_time = [gives(0), gives(1)];
        let left_width = if gives(0) { left_side.width } else { 0 };
        let time = |side: &TimedSide, offset| EventTime {
            column: side.time + offset,
            unit: side.unit,
            settled: true,
            closed: false,
        };
        let times = [(0, time(&left_side, 0)), (1, time(&right_side, left_width))];
        let waits_for_matches = outputs
            .iter()
            .any(|output| matches!(output, SideOutput::PairsOrPadded | SideOutput::Unmatched));
        let mut label = format!(
            "Interval join, {}, by ({}): {} from {} before {} to {} after it; left rows are kept \
             until the frontier of {} passes them by that, right rows until that of {} does{}{}",
            join.join_type.to_string().to_lowercase(),
            key_names(&keys),
            names(&[low.right, high.right], &right.columns),
            duration(low.span_ns.saturating_neg()),
            names(&[low.left, high.left], &left.columns),
            duration(high.span_ns),
            right.columns.field(high.right).name(),
            left.columns.field(low.left).name(),
            match waits_for_matches {
                true => "; rows without a match come out then",
                false => "",
            },
            match rest.is_empty() {
                true => String::new(),
                false => format!(
                    "; filter {}",
                    rest.iter()
                        .map(|e| e.human_display().to_string())
                        .collect::<Vec<_>>()
                        .join(" AND ")
                ),
            }
        );
        let out = Traits {
            schema: Arc::new(join.schema.as_arrow().clone()),
            changes,
            unique_key: match (gives(0), gives(1)) {
                (true, false) => traits[0].unique_key.clone(),
                (false, true) => traits[1].unique_key.clone(),
                _ => None,
            },
            times: times
                .iter()
                .filter(|(side, _)| has_time[*side])
                .map(|(_, time)| *time)
                .collect(),
            declared_watermark: declared(traits[0]) && declared(traits[1]),
        };
        let time_of = |side: usize, column| {
            let time = traits[side].time_of(column);
            time.ok_or_else(|| Error::internal("a bound is between event-time columns"))
        };
        let other_frontiers = [time_of(0, low.left)?, time_of(1, high.right)?];
        let late_of = self.takes_late_rows(&left.lowered.input);
        let late_of = late_of.then(|| (traits[0].clone(), left_side.width));
        let keys_of_sides = timed_keys(&left_side, &right_side);
        let hindrance = undivided(keys.len(), &rest);
        let plan = IntervalPlan {
            other_frontiers,
            sides: [left_side, right_side],
            others: [low.left, high.right],
            low_ns: low.span_ns,
            high_ns: high.span_ns,
            filter,
            outputs,
            has_time,
            schema: Arc::clone(&out.schema),
        };
        let make = || {
            let operator = IntervalJoin::new(plan.clone())?;
            Ok(if late_of.is_some() { operator.with_late_rows() } else { operator })
        };
        let as_partition = IntervalJoin::as_partition;
        let operator = self.divided(keys_of_sides, hindrance, &mut label, make, as_partition)?;
        let lowered = self.timed_node(operator, out, left, right, label, &join.schema)?;
        if let (true, InputRef::Node(node)) = (waits_for_matches, &lowered.input) {
            self.mixed_nodes.push(*node);
        }
        self.late_of_left(&lowered, late_of)?;
        Ok(Some(lowered))
    }

    /// Makes a join give the left rows that are late, with their first columns, if it is to.
    fn late_of_left(&mut self, join: &Lowered, of: Option<(Traits, usize)>) -> Result<()> {
        match (&join.input, of) {
            (InputRef::Node(node), Some((left, width))) => self.late_output(*node, &left, width),
            _ => Ok(()),
        }
    }

    /// One input of a join.
    fn timed_side(&mut self, plan: &LogicalPlan) -> Result<JoinRelation> {
        let lowered = self.exact(plan)?;
        Ok(JoinRelation { lowered, columns: plan.schema().as_ref().clone(), extra: Vec::new() })
    }

    /// One input of a join for which rows can be late.
    fn lenient_side(&mut self, plan: &LogicalPlan) -> Result<JoinRelation> {
        let JoinRelation { lowered, columns, extra } = self.timed_side(plan)?;
        Ok(JoinRelation { lowered: self.lenient(lowered)?, columns, extra })
    }

    fn timed_node(
        &mut self,
        operator: Box<dyn laminar_dataflow::Operator>,
        traits: Traits,
        left: JoinRelation,
        right: JoinRelation,
        label: String,
        schema: &DFSchemaRef,
    ) -> Result<Lowered> {
        let mut ports = Vec::with_capacity(2);
        for side in [left, right] {
            let lowered = side.with_extra(self)?;
            ports.push(self.operator_input(lowered)?.0);
        }
        let node = self.add(operator, traits, ports, label);
        Ok(self.lowered(node, schema.as_ref().clone(), None, false))
    }
}

/// By side, the columns that come and the keys.
fn timed_keys(
    left: &TimedSide,
    right: &TimedSide,
) -> Vec<(SchemaRef, Vec<laminar_dataflow::expr::Expr>)> {
    let of = |side: &TimedSide| (Arc::clone(&side.schema), column_keys(&side.schema, &side.keys));
    vec![of(left), of(right)]
}

/// One input of a join, and what is to be computed for it behind its columns.
struct JoinRelation {
    lowered: Lowered,
    columns: DFSchema,
    extra: Vec<Expr>,
}

impl JoinRelation {
    /// Keeps the rows for which a condition is true.
    fn filter(&mut self, condition: &Expr) -> Result<()> {
        let changes = self.lowered.traits.changes;
        let predicate = Compiler { columns: &self.columns, changes }.compile(condition)?;
        self.lowered.labels.push(format!("filter {}", condition.human_display()));
        self.lowered.stages.push(Stage::Filter(predicate));
        if changes == Changes::Upsert {
            self.lowered.traits.changes = Changes::Retract;
        }
        Ok(())
    }

    /// Whether no row is taken back that is behind the frontier of this time.
    fn is_settled(&self, time: &Expr) -> bool {
        let column = moved_time(time, &self.columns).map(|(column, _)| column);
        let time = column.and_then(|column| self.lowered.traits.time_of(column));
        time.is_some_and(|time| self.lowered.traits.times[time].settled)
    }

    /// The side as the operator reads it; what is no plain column is computed behind the others.
    fn finish(
        &mut self,
        time: Option<&Expr>,
        keys: &[Key],
        of_side: impl Fn(&Key) -> &Expr,
    ) -> Result<TimedSide> {
        let width = self.columns.fields().len();
        let mut fields: Vec<_> = self.columns.as_arrow().fields().iter().cloned().collect();
        let mut place = |expr: &Expr| -> Result<usize> {
            if let Expr::Column(column) = expr
                && let Some(index) = self.columns.maybe_index_of_column(column)
            {
                return Ok(index);
            }
            let data_type = expr.get_type(&self.columns).map_err(|error| internal(&error))?;
            fields.push(Arc::new(Field::new(format!("__{}", fields.len()), data_type, true)));
            self.extra.push(expr.clone());
            Ok(fields.len() - 1)
        };
        let keys = keys.iter().map(|key| place(of_side(key))).collect::<Result<Vec<usize>>>()?;
        let Some(time) = time else {
            return Ok(TimedSide {
                schema: Arc::new(Schema::new(fields)),
                width,
                keys,
                time: 0,
                unit: TimeUnit::Nanosecond,
                frontier: None,
                append_only: self.lowered.traits.changes == Changes::AppendOnly,
            });
        };
        let time_column = place(time)?;
        let unit = TimeUnit::of(fields[time_column].data_type()).ok_or_else(|| {
            let message = format!(
                "{} is no time: compare TIMESTAMPs, or BIGINTs that count milliseconds",
                time.human_display()
            );
            at_column_of(Error::new(code::PLAN, message), time)
        })?;
        let traits = &self.lowered.traits;
        let moved = carried_time(time, &self.columns).map(|(column, _)| column);
        let before = moved.and_then(|column| traits.time_of(column));
        // A computed time is the last of the event-time columns, when its own column is one.
        let frontier = match time_column < width {
            true => traits.time_of(time_column),
            false => before.map(|_| {
                let moved = |expr: &&Expr| {
                    carried_time(expr, &self.columns)
                        .is_some_and(|(column, _)| traits.time_of(column).is_some())
                };
                traits.times.len() + self.extra.iter().filter(moved).count() - 1
            }),
        };
        Ok(TimedSide {
            schema: Arc::new(Schema::new(fields)),
            width,
            keys,
            time: time_column,
            unit,
            frontier,
            append_only: traits.changes == Changes::AppendOnly,
        })
    }

    /// The relation with what is to be computed.
    fn with_extra(self, lowering: &Lowering<'_>) -> Result<Lowered> {
        if self.extra.is_empty() {
            return Ok(self.lowered);
        }
        let width = self.columns.fields().len();
        let mut exprs: Vec<Expr> = (0..width)
            .map(|index| Expr::Column(Column::from(self.columns.qualified_field(index))))
            .collect();
        let mut fields: Vec<_> = self
            .columns
            .iter()
            .map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)))
            .collect();
        for expr in self.extra {
            let data_type = expr.get_type(&self.columns).map_err(|error| internal(&error))?;
            let name = format!("__{}", fields.len());
            fields.push((None, Arc::new(Field::new(name, data_type, true))));
            exprs.push(expr);
        }
        let schema = DFSchema::new_with_metadata(fields, Default::default())
            .map_err(|error| internal(&error))?;
        let shown: Vec<String> =
            exprs[width..].iter().map(|expr| expr.human_display().to_string()).collect();
        let mut lowered = lowering.project(self.lowered, &exprs, &Arc::new(schema))?;
        lowered.labels.pop();
        lowered.labels.push(format!("compute {}", shown.join(", ")));
        Ok(lowered)
    }
}

/// The bounds that a condition means for two sides.
fn bounds_between(condition: &Expr, left: &JoinRelation, right: &JoinRelation) -> Vec<Bound> {
    let [left, right] = [left, right].map(|side| (&side.columns, &side.lowered.traits));
    bounds_of(condition, left, right)
}

/// What must be equal: an expression over the left side and one over the right.
type Key = (Expr, Expr);

/// The equalities between the two sides, and the other conditions.
fn keys(
    join: &LogicalJoin,
    conditions: Vec<Expr>,
    left: &DFSchema,
    right: &DFSchema,
) -> Result<(Vec<Key>, Vec<Expr>)> {
    let mut keys = join.on.clone();
    let mut rest = Vec::new();
    for condition in conditions {
        if let Expr::BinaryExpr(BinaryExpr { left: a, op: Operator::Eq, right: b }) = &condition {
            if reads(a, left) && reads(b, right) {
                keys.push((a.as_ref().clone(), b.as_ref().clone()));
                continue;
            }
            if reads(a, right) && reads(b, left) {
                keys.push((b.as_ref().clone(), a.as_ref().clone()));
                continue;
            }
        }
        rest.push(condition);
    }
    Ok((keys, rest))
}

/// Whether an expression reads columns of a relation, and no others.
fn reads(expr: &Expr, columns: &DFSchema) -> bool {
    !expr.column_refs().is_empty() && is_over(expr, columns)
}

/// Whether the keys of a join are exactly the unique key of its right side, each column as it is or as
/// another type that tells the same values apart.
fn is_keyed_by(right: &JoinRelation, keys: &[Key]) -> bool {
    let column = |(_, key): &Key| distinct_column(key, &right.columns);
    let Some(keys) = keys.iter().map(column).collect::<Option<Vec<usize>>>() else { return false };
    right.lowered.traits.unique_key.as_ref().is_some_and(|key| {
        key.iter().all(|column| keys.contains(column)) && keys.iter().all(|k| key.contains(k))
    })
}

fn declared(traits: &Traits) -> bool {
    traits.times.is_empty() || traits.declared_watermark
}

struct AsofLabel<'a> {
    is_temporal: bool,
    outer: bool,
    matching: AsofMatch,
    left_time: &'a Expr,
    right_time: &'a Expr,
    keys: &'a [Key],
    is_final: bool,
    left: &'a TimedSide,
    right: &'a TimedSide,
}

fn asof_label(join: &AsofLabel<'_>) -> String {
    let (left, right) = (join.left_time.human_display(), join.right_time.human_display());
    let what = match join.matching {
        AsofMatch::Backward { inclusive: true } => format!("the last {right} <= {left}"),
        AsofMatch::Backward { inclusive: false } => format!("the last {right} < {left}"),
        AsofMatch::Forward { inclusive: true } => format!("the first {right} >= {left}"),
        AsofMatch::Forward { inclusive: false } => format!("the first {right} > {left}"),
        AsofMatch::Nearest => format!("the {right} nearest to {left}"),
    };
    let left_rows = match (join.is_final, join.right.frontier.is_some()) {
        (true, _) => "left rows wait until the right frontier makes their match final",
        (false, true) if join.left.append_only || join.left.frontier.is_some() => {
            "matches are corrected until the right frontier makes them final"
        }
        (false, _) => "matches are corrected for ever, and left rows kept",
    };
    let right_stay = join.right.append_only || join.is_temporal || join.right.frontier.is_some();
    let right_rows = match (join.left.frontier.is_some() && right_stay, join.matching) {
        (false, _) => "right rows are kept for ever",
        (true, AsofMatch::Forward { .. }) => "right rows are kept until the left frontier",
        (true, _) => {
            "right rows are kept until the left frontier, and the last one before it of each key"
        }
    };
    format!(
        "{}{} join by ({}): {what}; {left_rows}; {right_rows}",
        if join.is_temporal { "Temporal" } else { "ASOF" },
        if join.outer { " left" } else { "" },
        key_names(join.keys),
    )
}

fn key_names(keys: &[Key]) -> String {
    let names = keys.iter().map(|(left, right)| match (left, right) {
        (Expr::Column(left), Expr::Column(right)) if left.name == right.name => left.name.clone(),
        _ => format!("{} = {}", left.human_display(), right.human_display()),
    });
    names.collect::<Vec<String>>().join(", ")
}

/// The names of one or two columns.
pub(super) fn names(columns: &[usize; 2], schema: &DFSchema) -> String {
    let name = |column: usize| schema.field(column).name().clone();
    match columns {
        [a, b] if a == b => name(*a),
        [a, b] => format!("{} and {}", name(*a), name(*b)),
    }
}

/// A span for people, in the largest unit in which it is whole.
pub(super) fn duration(ns: i64) -> String {
    let units = [(86_400_000_000_000, "d"), (3_600_000_000_000, "h"), (60_000_000_000, "min")];
    let smaller = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")];
    let unit = units.into_iter().chain(smaller).find(|(unit, _)| ns != 0 && ns % unit == 0);
    match unit {
        Some((unit, name)) => format!("{} {name}", ns / unit),
        None if ns == 0 => "0 s".to_string(),
        None => format!("{ns} ns"),
    }
}

fn internal(error: &datafusion::error::DataFusionError) -> Error {
    Error::internal(sentence(error))
}

/// The error of a condition that such a join cannot have.
fn not_of_the_right(name: &str, condition: &Expr) -> Error {
    Error::unsupported(format!(
        "{name} is ON equalities and conditions on its right side alone: put {} into WHERE",
        condition.human_display()
    ))
}
