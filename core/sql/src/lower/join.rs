//! Joins: which conditions become keys, how each side is kept, and what the result promises.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{Column, DFSchema, DFSchemaRef, JoinType, NullEquality};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Expr, ExprSchemable, Join as LogicalJoin, LogicalPlan, Operator};
use laminar_dataflow::operators::{
    Join, JoinFilter, JoinInput, JoinKind, JoinSpec, Keeping, SetOperation, SetQuantity, Side,
    Stage, TimeMap,
};
use laminar_dataflow::{Changes, EventTime, Traits};
use laminar_types::{Error, Result};

use super::band::Band;
use super::workers::{column_keys, undivided};
use super::{Lowered, Lowering};
use crate::compile::Compiler;
use crate::equalities::Equality;
use crate::plan::InputRef;
use crate::planner::sentence;

impl Lowering<'_> {
    pub(super) fn join(&mut self, join: &LogicalJoin) -> Result<Lowered> {
        self.join_within(join, None)
    }

    /// A join whose rows match within a band of time, so that its sides need not be kept for ever.
    pub(super) fn join_within(
        &mut self,
        join: &LogicalJoin,
        band: Option<Band>,
    ) -> Result<Lowered> {
        let kind = kind(join)?;
        // Joins of one input can share what they keep of it, whichever of its columns each takes.
        let takes_columns =
            band.is_none() && self.state_ttl.is_none() && !may_be_of_multisets(join);
        let left = self.join_side(&join.left, band.is_some(), takes_columns)?;
        let right = self.join_side(&join.right, band.is_some(), takes_columns)?;
        if let Some(quantity) = multiset_quantity(join, &left) {
            return self.set_operation(join, quantity, left, right);
        }
        let columns = left.columns.join(&right.columns).map_err(|e| internal(&e))?;
        let condition = Condition::of(join, &left.columns, &right.columns, &columns)?;
        let sides = [&left, &right];
        let mut inputs = Vec::with_capacity(2);
        for side in Side::BOTH {
            let relation = sides[side.index()];
            let compiler =
                Compiler { columns: &relation.columns, changes: relation.traits.changes };
            let Taken { schema, columns, .. } = &relation.taken;
            let keys = condition
                .keys
                .iter()
                .map(|key| compiler.compile(of_side(key, side))?.over(schema, columns));
            let keys = keys.collect::<Result<Vec<_>>>()?;
            let keeping = if relation.traits.changes == Changes::AppendOnly {
                Keeping::AppendOnly
            } else if is_unique_on(&relation.traits, &condition.columns[side.index()]) {
                Keeping::UniqueKey
            } else {
                Keeping::Updating
            };
            let (schema, columns) = (Arc::clone(schema), columns.clone());
            inputs.push(JoinInput { schema, columns, keys, keeping });
        }
        let [left_input, right_input] = <[JoinInput; 2]>::try_from(inputs)
            .map_err(|_| Error::internal("a join has two sides"))?;
        let lifetimes = match &band {
            Some(band) => Some(band.lifetimes(sides.map(|side| &side.traits))?),
            None => {
                let lifetimes = [
                    self.side_lifetime(&left.input, &left.traits, Side::Left),
                    self.side_lifetime(&right.input, &right.traits, Side::Right),
                ];
                match lifetimes {
                    [Some(left), Some(right)] => Some([left, right]),
                    _ => None,
                }
            }
        };
        let kept = match (&band, self.ttl_label()) {
            (Some(band), _) => {
                self.notes.extend(band.note(sides.map(|side| &side.traits)));
                band.label(sides.map(|side| &side.columns))
            }
            (None, Some(ttl)) => format!("keeps for {ttl}"),
            (None, None) => "keeps for ever".to_string(),
        };
        let keeping = [left_input.keeping, right_input.keeping];
        let mut label = label(kind, &condition, &kept, keeping);
        let filter = condition.filter.as_ref();
        let filter = filter.map(|filter| join_filter(filter, sides, &columns)).transpose()?;
        let (traits, times) = promises(kind, sides, &condition, band.as_ref(), &join.schema);
        let spec = JoinSpec {
            kind,
            inputs: [left_input, right_input],
            null_equals_null: condition.null_equals_null,
            filter,
            schema: Arc::clone(&traits.schema),
            times,
            lifetimes,
        };
        let width = left.traits.schema.fields().len();
        let hands_on = band.is_some() && self.takes_late_rows(&left.input);
        let sides = spec.inputs.iter();
        let keys = sides.map(|side| (Arc::clone(&side.schema), side.keys.clone())).collect();
        let hindrance = undivided(condition.keys.len(), condition.exprs());
        let make = || {
            let operator = Join::new(spec.clone())?;
            Ok(match hands_on {
                true => operator.with_late_rows(width, left.traits.changes == Changes::AppendOnly),
                false => operator,
            })
        };
        let operator = self.divided(keys, hindrance, &mut label, make, |join| join)?;
        let ports = vec![left.input, right.input];
        let node = self.add(operator, traits, ports, label);
        if hands_on {
            self.late_output(node, &left.traits, width)?;
        }
        // A result that outlives its rows is kept by itself.
        let holds_content = kind.content_follows_from_rows() && band.is_none();
        Ok(self.lowered(node, join.schema.as_ref().clone(), None, holds_content))
    }

    /// A relation with exactly the columns of its plan.
    pub(super) fn exact(&mut self, plan: &LogicalPlan) -> Result<Lowered> {
        let mut lowered = self.plan(plan)?;
        let schema = plan.schema();
        if lowered.window.is_some() || lowered.columns.fields().len() != schema.fields().len() {
            let exprs: Vec<Expr> = (0..schema.fields().len())
                .map(|index| Expr::Column(Column::from(lowered.columns.qualified_field(index))))
                .collect();
            lowered.window = None;
            lowered = self.project(lowered, &exprs, schema)?;
            lowered.labels.pop();
        }
        Ok(lowered)
    }

    /// One input of a join, for which rows can be late or cannot.
    fn join_side(
        &mut self,
        plan: &LogicalPlan,
        can_be_late: bool,
        takes_columns: bool,
    ) -> Result<JoinRelation> {
        let mut lowered = self.exact(plan)?;
        if can_be_late {
            lowered = self.lenient(lowered)?;
        }
        let columns = plan.schema().as_ref().clone();
        if let Some(taken) = Taken::of(&lowered).filter(|_| takes_columns) {
            return Ok(JoinRelation {
                input: lowered.input,
                traits: lowered.traits,
                columns,
                taken,
            });
        }
        let (input, traits) = self.operator_input(lowered)?;
        let taken = Taken::all(&traits);
        Ok(JoinRelation { input, traits, columns, taken })
    }

    /// `INTERSECT ALL` and `EXCEPT ALL`.
    fn set_operation(
        &mut self,
        join: &LogicalJoin,
        quantity: SetQuantity,
        left: JoinRelation,
        right: JoinRelation,
    ) -> Result<Lowered> {
        let name = match quantity {
            SetQuantity::Common => "INTERSECT ALL",
            SetQuantity::Surplus => "EXCEPT ALL",
        };
        let is_plain = |column: usize| {
            let (left_key, right_key) = &join.on[column];
            position(left_key, &left.columns) == Some(column)
                && position(right_key, &right.columns) == Some(column)
        };
        if !(0..join.on.len()).all(is_plain) {
            return Err(Error::unsupported(format!(
                "{name} of columns of different types cannot be kept up to date yet: cast the \
                 columns of both queries to the same types"
            )));
        }
        let schema: SchemaRef = Arc::new(join.schema.as_arrow().clone());
        let append_only = [&left, &right].iter().all(|s| s.traits.changes == Changes::AppendOnly);
        let traits = Traits {
            schema: Arc::clone(&schema),
            changes: match quantity {
                SetQuantity::Common if append_only => Changes::AppendOnly,
                _ => Changes::Retract,
            },
            unique_key: None,
            times: Vec::new(),
            declared_watermark: declared([&left.traits, &right.traits]),
        };
        let mut label = format!("{name}: counts by row, kept for ever");
        let columns: Vec<usize> = (0..schema.fields().len()).collect();
        let keys = [&left, &right].map(|side| {
            let schema = &side.traits.schema;
            (Arc::clone(schema), column_keys(schema, &columns))
        });
        let make = || SetOperation::new(Arc::clone(&schema), quantity, append_only);
        let hindrance = undivided(columns.len(), []);
        let operator = self.divided(keys.into(), hindrance, &mut label, make, |of| of)?;
        let node = self.add(operator, traits, vec![left.input, right.input], label);
        Ok(self.lowered(node, join.schema.as_ref().clone(), None, true))
    }
}

/// One input of a join.
struct JoinRelation {
    input: InputRef,
    /// Of the columns that are taken.
    traits: Traits,
    columns: DFSchema,
    taken: Taken,
}

/// The columns of an input that a join takes.
struct Taken {
    /// All columns.
    schema: SchemaRef,
    columns: Vec<usize>,
    /// How the event times of the columns follow from those of the input.
    times: Vec<TimeMap>,
}

impl Taken {
    fn all(traits: &Traits) -> Self {
        Self {
            schema: Arc::clone(&traits.schema),
            columns: (0..traits.schema.fields().len()).collect(),
            times: (0..traits.times.len()).map(TimeMap::identity).collect(),
        }
    }

    /// The columns of a relation, if its stages do nothing but choose them.
    fn of(lowered: &Lowered) -> Option<Self> {
        let schema = Arc::clone(&lowered.input_schema);
        let mut columns: Vec<usize> = (0..schema.fields().len()).collect();
        for stage in &lowered.stages {
            let Stage::Project { exprs, .. } = stage else { return None };
            let chosen = exprs.iter().map(|expr| expr.as_column().map(|column| columns[column]));
            columns = chosen.collect::<Option<_>>()?;
        }
        Some(Self { schema, columns, times: lowered.times.clone() })
    }
}

/// The condition of a join, taken apart.
struct Condition {
    keys: Vec<Equality>,
    null_equals_null: bool,
    /// What is left of it.
    filter: Option<Expr>,
    /// By side and key: the column that the key is, if it is nothing more.
    columns: [Vec<Option<usize>>; 2],
}

impl Condition {
    /// Everything that the join computes.
    fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.keys.iter().flat_map(|key| [&key.left, &key.right]).chain(&self.filter)
    }

    /// Takes the equalities between the sides as keys. One that can fail is a key only if it comes
    /// first: a condition before it could have kept it from being computed.
    fn of(join: &LogicalJoin, left: &DFSchema, right: &DFSchema, both: &DFSchema) -> Result<Self> {
        let mut keys: Vec<Equality> = join
            .on
            .iter()
            .map(|(left, right)| Equality { left: left.clone(), right: right.clone() })
            .collect();
        let conditions: Vec<&Expr> =
            join.filter.iter().flat_map(|filter| split_conjunction(filter)).collect();
        let mut rest: Vec<&Expr> = Vec::new();
        for condition in &conditions {
            let equality = Equality::of(condition, Operator::Eq, both)
                .and_then(|equality| equality.across(left, right))
                .filter(|e| e.never_fails(both) || (keys.is_empty() && rest.is_empty()));
            match equality {
                Some(equality) => keys.push(equality),
                None => rest.push(condition),
            }
        }
        let mut null_equals_null = join.null_equality == NullEquality::NullEqualsNull;
        if keys.is_empty() {
            let of = |condition: &Expr| {
                Equality::of(condition, Operator::IsNotDistinctFrom, both)
                    .and_then(|equality| equality.across(left, right))
                    .filter(|equality| equality.never_fails(both))
            };
            keys = rest.iter().filter_map(|condition| of(condition)).collect();
            rest.retain(|condition| of(condition).is_none());
            null_equals_null |= !keys.is_empty();
        }
        let mut filter: Vec<Expr> = rest.into_iter().cloned().collect();
        // The index takes every NaN for the same key, which `=` tells apart by their bits.
        for key in keys.iter().filter(|_| !null_equals_null) {
            if key.left.get_type(left).is_ok_and(|t| has_floats(&t)) {
                filter.push(key.left.clone().eq(key.right.clone()));
            }
        }
        let columns = [
            keys.iter().map(|key| position(&key.left, left)).collect(),
            keys.iter().map(|key| position(&key.right, right)).collect(),
        ];
        Ok(Self { keys, null_equals_null, filter: conjunction(filter), columns })
    }
}

fn has_floats(data_type: &DataType) -> bool {
    data_type.is_floating() || data_type.is_nested()
}

fn of_side(key: &Equality, side: Side) -> &Expr {
    match side {
        Side::Left => &key.left,
        Side::Right => &key.right,
    }
}

/// The column that an expression is, if it is nothing more.
fn position(expr: &Expr, columns: &DFSchema) -> Option<usize> {
    match expr {
        Expr::Column(column) => columns.maybe_index_of_column(column),
        Expr::Alias(alias) => position(&alias.expr, columns),
        _ => None,
    }
}

fn kind(join: &LogicalJoin) -> Result<JoinKind> {
    Ok(match join.join_type {
        JoinType::Inner => JoinKind::Inner,
        JoinType::Left => JoinKind::Left,
        JoinType::Right => JoinKind::Right,
        JoinType::Full => JoinKind::Full,
        JoinType::LeftSemi => JoinKind::LeftSemi,
        JoinType::LeftAnti => JoinKind::LeftAnti,
        JoinType::LeftMark => JoinKind::LeftMark,
        JoinType::RightSemi => JoinKind::RightSemi,
        JoinType::RightAnti => JoinKind::RightAnti,
        JoinType::RightMark => JoinKind::RightMark,
    })
}

/// Whether a join may stand for a multiset operation.
fn may_be_of_multisets(join: &LogicalJoin) -> bool {
    join.null_equality == NullEquality::NullEqualsNull
        && join.filter.is_none()
        && join.on.len() == join.left.schema().fields().len()
}

/// Which multiset operation a join stands for. `INTERSECT ALL` and `EXCEPT ALL` are bound as semi
/// and anti joins on all columns with NULL equal to NULL, which is what they mean only while no
/// left row is there twice.
fn multiset_quantity(join: &LogicalJoin, left: &JoinRelation) -> Option<SetQuantity> {
    if !may_be_of_multisets(join) || left.traits.unique_key.is_some() {
        return None;
    }
    match join.join_type {
        JoinType::LeftSemi => Some(SetQuantity::Common),
        JoinType::LeftAnti => Some(SetQuantity::Surplus),
        _ => None,
    }
}

/// Compiles a condition over the columns that it reads.
fn join_filter(filter: &Expr, sides: [&JoinRelation; 2], columns: &DFSchema) -> Result<JoinFilter> {
    let left_width = sides[0].columns.fields().len();
    let refs = filter.column_refs();
    let mut read: Vec<usize> =
        refs.iter().filter_map(|column| columns.maybe_index_of_column(column)).collect();
    read.sort_unstable();
    read.dedup();
    let fields = read.iter().map(|&index| {
        let (qualifier, field) = columns.qualified_field(index);
        (qualifier.cloned(), Arc::clone(field))
    });
    let narrow = DFSchema::new_with_metadata(fields.collect(), Default::default())
        .map_err(|error| internal(&error))?;
    let append_only = sides.iter().all(|side| side.traits.changes == Changes::AppendOnly);
    let changes = if append_only { Changes::AppendOnly } else { Changes::Retract };
    let expr = Compiler { columns: &narrow, changes }.compile(filter)?;
    let place = |&index: &usize| match index.checked_sub(left_width) {
        None => (Side::Left, sides[0].taken.columns[index]),
        Some(index) => (Side::Right, sides[1].taken.columns[index]),
    };
    Ok(JoinFilter {
        expr,
        columns: read.iter().map(place).collect(),
        schema: Arc::new(narrow.as_arrow().clone()),
    })
}

/// Whether at most one row has the same values in these columns.
fn is_unique_on(traits: &Traits, columns: &[Option<usize>]) -> bool {
    let key = traits.unique_key.as_ref();
    key.is_some_and(|key| key.iter().all(|column| columns.contains(&Some(*column))))
}

/// What the result of a join promises, and how its event times follow from those of the inputs.
fn promises(
    kind: JoinKind,
    sides: [&JoinRelation; 2],
    condition: &Condition,
    band: Option<&Band>,
    schema: &DFSchemaRef,
) -> (Traits, Vec<[Option<TimeMap>; 2]>) {
    let [left, right] = sides.map(|side| &side.traits);
    use JoinKind::{Full, Inner, Left, LeftMark, LeftSemi, Right, RightMark, RightSemi};
    let append_only = [left, right].iter().all(|side| side.changes == Changes::AppendOnly);
    let left_unique = is_unique_on(left, &condition.columns[0]);
    let right_unique = is_unique_on(right, &condition.columns[1]);
    let left_width = match kind.output_sides() {
        [Side::Right] => 0,
        _ => left.schema.fields().len(),
    };
    let right_key = || {
        let key = right.unique_key.as_ref()?;
        Some(key.iter().map(|column| column + left_width).collect::<Vec<usize>>())
    };
    let left_key = || left.unique_key.clone();
    let both_keys = || Some([left_key()?, right_key()?].concat());
    let has_required = |side: &Traits| {
        let key = side.unique_key.iter().flatten();
        key.into_iter().any(|column| !side.schema.field(*column).is_nullable())
    };
    let unique_key = match kind {
        // A row that matches at most one other is in the result at most once.
        Inner if right_unique && left.unique_key.is_some() => left_key(),
        Inner if left_unique && right.unique_key.is_some() => right_key(),
        Left if right_unique => left_key(),
        Right if left_unique => right_key(),
        Inner | Left | Right => both_keys(),
        // The padding of one side must not look like a key of NULLs of the other.
        Full if has_required(left) && has_required(right) => both_keys(),
        Full => None,
        _ => match kind.output_sides() {
            [Side::Right] => right_key(),
            _ => left_key(),
        },
    };
    // Each row of one side is in the result exactly once, whatever it matches.
    let one_each = |side: &Traits| side.changes <= Changes::Upsert && side.unique_key.is_some();
    let changes = match kind {
        Inner | LeftSemi | RightSemi if append_only => Changes::AppendOnly,
        Left if right_unique && one_each(left) => Changes::Upsert,
        Right if left_unique && one_each(right) => Changes::Upsert,
        LeftMark if one_each(left) => Changes::Upsert,
        RightMark if one_each(right) => Changes::Upsert,
        _ => Changes::Retract,
    };
    let (event_times, times) = match band {
        Some(band) => band.event_times(carried(kind), [left, right], left_width),
        None if append_only => event_times(kind, sides, condition, left_width),
        None => Default::default(),
    };
    let traits = Traits {
        schema: Arc::new(schema.as_arrow().clone()),
        changes,
        unique_key,
        times: event_times,
        declared_watermark: declared([left, right]),
    };
    (traits, times)
}

/// The event-time columns of a join of append-only inputs.
///
/// A result can join a row that came now with one that came at any time before, so its columns
/// follow no frontier, with one exception: where the join equates an event-time column of one side
/// with one of the other. Whatever the join emits or takes back then has, in these columns, the
/// time of the row that made it do so. If that row was not behind its own side's frontier, the
/// output is not behind the minimum of both, and so the minimum is a frontier of the output.
/// Padding has NULL instead of a time, so only the columns of a side that is never padded count.
fn event_times(
    kind: JoinKind,
    sides: [&JoinRelation; 2],
    condition: &Condition,
    left_width: usize,
) -> (Vec<EventTime>, Vec<[Option<TimeMap>; 2]>) {
    let [left, right] = sides.map(|side| &side.traits);
    let mut found: Vec<(EventTime, [Option<TimeMap>; 2])> = Vec::new();
    for (left_key, right_key) in condition.columns[0].iter().zip(&condition.columns[1]) {
        let (Some(left_key), Some(right_key)) = (left_key, right_key) else { continue };
        let (Some(l), Some(r)) = (left.time_of(*left_key), right.time_of(*right_key)) else {
            continue;
        };
        if left.times[l].unit != right.times[r].unit {
            continue;
        }
        for side in carried(kind) {
            let column = match side {
                Side::Left => *left_key,
                Side::Right => right_key + left_width,
            };
            if found.iter().all(|(time, _)| time.column != column) {
                let closed = left.times[l].closed && right.times[r].closed;
                let time = EventTime { column, closed, ..left.times[l] };
                let [of_left, of_right] = sides.map(|side| &side.taken.times);
                found.push((time, [Some(of_left[l].clone()), Some(of_right[r].clone())]));
            }
        }
    }
    found.sort_by_key(|(time, _)| time.column);
    found.into_iter().unzip()
}

/// The sides whose columns are in the result and never NULL for padding.
fn carried(kind: JoinKind) -> &'static [Side] {
    match kind {
        JoinKind::Inner => &Side::BOTH,
        JoinKind::Full => &[],
        JoinKind::Left => &[Side::Left],
        JoinKind::Right => &[Side::Right],
        _ => kind.output_sides(),
    }
}

/// Whether every side that bears time declares a watermark.
fn declared(sides: [&Traits; 2]) -> bool {
    sides.iter().all(|side| side.times.is_empty() || side.declared_watermark)
}

fn label(kind: JoinKind, condition: &Condition, kept: &str, keeping: [Keeping; 2]) -> String {
    let name = match kind {
        JoinKind::Inner if condition.keys.is_empty() && condition.filter.is_none() => "Cross join",
        JoinKind::Inner => "Inner join",
        JoinKind::Left => "Left join",
        JoinKind::Right => "Right join",
        JoinKind::Full => "Full join",
        JoinKind::LeftSemi => "Left semi join",
        JoinKind::LeftAnti => "Left anti join",
        JoinKind::LeftMark => "Left mark join",
        JoinKind::RightSemi => "Right semi join",
        JoinKind::RightAnti => "Right anti join",
        JoinKind::RightMark => "Right mark join",
    };
    let equals = if condition.null_equals_null { "IS NOT DISTINCT FROM" } else { "=" };
    let mut label = name.to_string();
    let keys = condition.keys.iter().map(|Equality { left, right }| {
        format!("{} {equals} {}", left.human_display(), right.human_display())
    });
    let keys: Vec<String> = keys.collect();
    if !keys.is_empty() {
        label.push_str(&format!(" on {}", keys.join(" AND ")));
    }
    if let Some(filter) = &condition.filter {
        label.push_str(&format!(", where {}", filter.human_display()));
    }
    let form = |keeping: Keeping| match keeping {
        Keeping::AppendOnly => "rows by key, append-only",
        Keeping::UniqueKey => "one row per key",
        Keeping::Updating => "rows by key, found by hash",
    };
    let [left, right] = keeping.map(form);
    label.push_str(&format!(": {kept}: left {left}; right {right}"));
    label
}

fn internal(error: &datafusion::error::DataFusionError) -> Error {
    Error::internal(sentence(error))
}
