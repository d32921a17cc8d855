//! [`Join`]: inner, outer, semi, anti and mark joins over changelogs.
//!
//! A delta of one side first goes into that side's rows, which nets it; what remains of it meets
//! the other side's rows as they are. So of two deltas in a step, the first meets the other side
//! before its change and the second meets the first's after it, and each pair comes once, whichever
//! comes first.
//!
//! Everything that a row gives beside its pairs (padding, or itself in a semi, anti or mark join)
//! follows from two numbers: its own weight and how many rows match it. A row whose number changes
//! is *touched*; what it gave is noted at the first touch, and `finish` emits the difference to
//! what it gives then. So a match that comes and goes within a step is never seen.
//!
//! Joins that keep the same of one input can share it (`arrangement`), and do not notice.
//!
//! With lifetimes, rows go by themselves, which is no change: what they gave stays given. Where they
//! go because nothing can match them or take them back any more, the result is that of a join that
//! keeps them. Otherwise a row may be taken back that is not there: that is nothing, too.

mod arrangement;
mod content;
mod kind;
mod output;
mod side;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use laminar_types::{Delta, Frontier, Result, mutant};

use arrangement::View;
pub use arrangement::{Arranged, KeyedRows, SharedRows};
use content::JoinContent;
use kind::RowOutput;
pub use kind::{JoinKind, Side};
use output::{Output, Stage};
use side::{JoinSide, Keyed, internal, not_kept};

use super::lifetime::{Ages, Lifetime};
use super::time_map::TimeMap;
use crate::expr::{Expr, Selection, row_text};
use crate::operator::{Content, Context, Marks, Metrics, Operator};
use crate::operators::late_rows::LateRows;
use crate::operators::map::sentence;
use crate::operators::partitioned::{Place, ordinals};
use crate::state::{Container, Parts, Probe, RowChange};

/// Pairs that are put together at a time.
const PAIRS: usize = 8_192;

/// What the rows of a side are kept as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// A list per key: the input is append-only, so no row is ever looked for.
    AppendOnly,
    /// One row per key: the input has a unique key, and the join's keys cover it.
    UniqueKey,
    /// A list per key and a hash table over whole rows.
    Updating,
}

/// One input of a join.
#[derive(Debug, Clone)]
pub struct JoinInput {
    /// Its columns.
    pub schema: SchemaRef,
    /// Those that the result has, if it has rows of this side, in their order.
    pub columns: Vec<usize>,
    /// What must equal the other side's, expression by expression.
    pub keys: Vec<Expr>,
    /// How its rows are kept.
    pub keeping: Keeping,
}

/// The condition beside the keys, over some columns of both sides.
#[derive(Debug, Clone)]
pub struct JoinFilter {
    /// True for a pair that matches.
    pub expr: Expr,
    /// The columns that the expression reads, in the order of `schema`.
    pub columns: Vec<(Side, usize)>,
    /// Their names and types.
    pub schema: SchemaRef,
}

/// What a join is made of.
#[derive(Debug, Clone)]
pub struct JoinSpec {
    /// Which join.
    pub kind: JoinKind,
    /// The inputs, by port.
    pub inputs: [JoinInput; 2],
    /// Whether NULL keys equal each other.
    pub null_equals_null: bool,
    /// The condition beside the keys.
    pub filter: Option<JoinFilter>,
    /// Of each of [`JoinKind::output_sides`] its [columns](JoinInput::columns), then the mark if there is
    /// one.
    pub schema: SchemaRef,
    /// For each event-time column of the output, those of each input that it follows: its frontier
    /// is their minimum.
    pub times: Vec<[Option<TimeMap>; 2]>,
    /// Until when the rows of each side are kept; without, for ever.
    pub lifetimes: Option<[Lifetime; 2]>,
}

/// Joins two changelogs.
pub struct Join {
    kind: JoinKind,
    sides: [JoinSide; 2],
    filter: Option<JoinFilter>,
    output: Output,
    times: Vec<[Option<TimeMap>; 2]>,
    frontiers: [Vec<Frontier>; 2],
    lifetimes: Option<[Lifetime; 2]>,
    /// By side, when its rows go.
    ages: [Ages; 2],
    /// By side.
    late: [LateRows; 2],
    /// Scratch: what a delta did to the rows of its side, and the pairs it makes.
    changes: Vec<RowChange>,
    probe: Probe,
    rows: Vec<u32>,
    slots: Vec<u32>,
}

impl Join {
    /// A join without rows.
    ///
    /// # Errors
    /// `UNSUPPORTED` when a column has a type that cannot be kept.
    pub fn new(spec: JoinSpec) -> Result<Self> {
        let JoinSpec { kind, inputs, null_equals_null, filter, schema, times, lifetimes } = spec;
        let side = |side: Side| {
            let input = &inputs[side.index()];
            let columns = 0..input.schema.fields().len();
            // Rows that go at different times are different rows.
            let time = lifetimes.as_ref().and_then(|of| of[side.index()].column());
            let kept = columns.filter(|&column| {
                let filtered = filter.iter().flat_map(|filter| &filter.columns);
                (kind.output_sides().contains(&side) && input.columns.contains(&column))
                    || time == Some(column)
                    || filtered.into_iter().any(|&read| read == (side, column))
            });
            let arranged = Arranged {
                kept: kept.collect(),
                schema: Arc::clone(&input.schema),
                keys: input.keys.clone(),
                keeping: input.keeping,
                null_matches: null_equals_null,
            };
            JoinSide::new(arranged, kind.row_output(side))
        };
        let sides = [side(Side::Left)?, side(Side::Right)?];
        let output = Output::new(kind, &inputs, null_equals_null, schema);
        Ok(Self {
            kind,
            sides,
            filter,
            output,
            times,
            frontiers: Default::default(),
            lifetimes,
            ages: Default::default(),
            late: LateRows::of_sides(),
            changes: Vec::new(),
            probe: Probe::default(),
            rows: Vec::new(),
            slots: Vec::new(),
        })
    }

    /// The same, handing on the left rows that are late: so many columns of rows that only come or
    /// can cease.
    pub fn with_late_rows(mut self, columns: usize, append_only: bool) -> Self {
        self.late[0] = LateRows::new(Some(columns), append_only, None);
        self
    }

    /// Notes when the rows go that a delta changed. Rows that were forgotten and are taken back
    /// now are no change.
    fn age(&mut self, side: Side, batch: &RecordBatch, now_ms: i64) -> Result<()> {
        let Some(lifetimes) = &self.lifetimes else { return Ok(()) };
        let lifetime = &lifetimes[side.index()];
        let times = lifetime.times(batch, &self.frontiers[side.index()], now_ms)?;
        let (rows, ages) = (self.sides[side.index()].rows.own()?, &mut self.ages[side.index()]);
        for change in &mut self.changes {
            let weight = change.before + change.change;
            if weight < 0 {
                rows.cancel(change.slot);
                change.change = -change.before;
            }
            match weight > 0 {
                true => ages.set(change.slot, times[change.row as usize])?,
                false => ages.forget(change.slot),
            }
        }
        self.changes.retain(|change| change.change != 0);
        Ok(())
    }

    /// Drops the rows whose time is over.
    fn evict(&mut self, now_ms: i64) -> Result<()> {
        let Some(lifetimes) = &self.lifetimes else { return Ok(()) };
        for (side, lifetime) in lifetimes.iter().enumerate() {
            let limit = lifetime.limit(&self.frontiers, now_ms);
            let rows = self.sides[side].rows.own()?;
            for slot in self.ages[side].take_before(limit) {
                rows.remove(slot);
            }
        }
        Ok(())
    }

    /// Lets what a delta changed meet the rows of the other side.
    fn meet(&mut self, side: Side, keyed: &Keyed, cx: &mut Context<'_>) -> Result<()> {
        let [left, right] = &mut self.sides;
        let (own, other) = match side {
            Side::Left => (&mut left.matches, right),
            Side::Right => (&mut right.matches, left),
        };
        if !self.kind.has_pairs() && !other.matches.is_counted() {
            // Only rows that were not there have matches to be counted.
            self.changes.retain(|change| change.before == 0);
        }
        if mutant!(JoinSkipsASide) && side == Side::Right {
            return Ok(());
        }
        if self.changes.is_empty() {
            return Ok(());
        }
        let mut rows = other.rows.view(cx.step)?;
        if rows.is_empty() {
            return Ok(());
        }
        let (places, matches) = (&other.place_of, &mut other.matches);
        let keys = keys_of(keyed, &self.changes)?;
        rows.probe(&keys, self.changes.len(), &mut self.probe)?;
        let ordinals = ordinals::of(&keyed.delta.batch);
        let ordinal_of =
            |change: &RowChange| ordinals.map(|ordinals| ordinals[change.row as usize]);
        loop {
            rows.matches(&mut self.probe, PAIRS, (&mut self.rows, &mut self.slots));
            if self.rows.is_empty() {
                return Ok(());
            }
            let mut pairs = Pairs {
                keyed,
                changes: &self.changes,
                rows: &mut self.rows,
                slots: &mut self.slots,
            };
            if let Some(filter) = &self.filter {
                pairs.keep_matching(filter, side, (&rows, places), cx)?;
            }
            if own.is_counted() {
                for (change, slot) in pairs.iter().filter(|(change, _)| change.before == 0) {
                    let weight = change.before + change.change;
                    own.add((change.slot, weight), rows.weight(slot), ordinal_of(&change));
                }
            }
            if self.kind.has_pairs() && !pairs.rows.is_empty() {
                let weights = pairs.iter().map(|(c, slot)| c.change * rows.weight(slot));
                let kept = |w: i64| if mutant!(PairsAddedOnly) { w.abs() } else { w };
                let weights = weights.map(kept).collect();
                let (delta_rows, slots) = (pairs.delta_rows(), &*pairs.slots);
                let ordinals = pairs.iter().filter_map(|(change, _)| ordinal_of(&change)).collect();
                self.output.push(weights, ordinals, |from, column| match from == side {
                    true => {
                        take(keyed.delta.batch.column(column), &delta_rows, None).map_err(internal)
                    }
                    false => rows.gather(places[column].ok_or_else(not_kept)?, slots),
                })?;
            }
            if matches.is_counted() {
                for (change, slot) in pairs.iter() {
                    matches.add((slot, rows.weight(slot)), change.change, ordinal_of(&change));
                }
            }
        }
    }

    /// Rows whose key equals no other, which are therefore not kept.
    fn pass_keyless(&mut self, side: Side, delta: &Delta) -> Result<()> {
        let weights: Vec<i64> = (0..delta.num_rows()).map(|row| delta.weight(row)).collect();
        let is_mixed = weights.iter().any(|weight| *weight < 0);
        match self.sides[side.index()].matches.output {
            RowOutput::Nothing | RowOutput::Matched => Ok(()),
            RowOutput::Unmatched | RowOutput::Marked => {
                self.output.rows_may_cancel |= is_mixed;
                let ordinals = ordinals::of(&delta.batch).unwrap_or_default().to_vec();
                self.output.push_rows(
                    (side, Stage::Keyless),
                    weights,
                    ordinals,
                    |_| false,
                    |column| Ok(delta.batch.column(column).clone()),
                )
            }
        }
    }
}

impl Operator for Join {
    fn input(&mut self, port: usize, delta: Delta, cx: &mut Context<'_>) -> Result<()> {
        let side = Side::BOTH[port];
        let mut delta = delta;
        if let Some(lifetimes) = &self.lifetimes {
            let late;
            (delta, late) = lifetimes[port].without_late(delta, &self.frontiers[port])?;
            late.map_or(Ok(()), |late| self.late[port].take(late, cx))?;
        }
        self.output.rows_may_cancel |= self.sides[port].may_repeat(&delta);
        let mut keyed = self.sides[port].keyed(delta, cx)?;
        if let Some(keyless) = &keyed.keyless {
            self.pass_keyless(side, keyless)?;
        }
        self.sides[port].add(cx.step, &mut keyed, &mut self.changes)?;
        self.age(side, &keyed.delta.batch, cx.now_ms)?;
        self.output.changed[port] |= !self.changes.is_empty();
        self.meet(side, &keyed, cx)
    }

    fn marks(&self) -> Marks {
        let mut lifetimes = self.lifetimes.iter().flatten();
        match lifetimes.any(Lifetime::forgets_by_frontier) {
            true => Marks::ForEveryRow,
            false => Marks::Every,
        }
    }

    fn advance(&mut self, port: usize, frontiers: &[Frontier], _: &mut Context<'_>) -> Result<()> {
        self.frontiers[port].clear();
        self.frontiers[port].extend_from_slice(frontiers);
        Ok(())
    }

    fn finish(&mut self, cx: &mut Context<'_>) -> Result<Option<Delta>> {
        self.finish_placed(cx, &mut Vec::new())
    }

    fn finish_placed(
        &mut self,
        cx: &mut Context<'_>,
        places: &mut Vec<Place>,
    ) -> Result<Option<Delta>> {
        for side in Side::BOTH {
            self.output.push_touched(side, &mut self.sides[side.index()])?;
            self.sides[side.index()].settle();
        }
        self.evict(cx.now_ms)?;
        self.output.take(places)
    }

    fn acts_without_rows(&self) -> bool {
        // Rows go by an event time when its frontier moves.
        self.reads_clock()
    }

    fn follows_content(&self) -> bool {
        self.lifetimes.is_none()
    }

    fn reads_clock(&self) -> bool {
        let is_clock = |lifetime: &Lifetime| matches!(lifetime, Lifetime::Clock { .. });
        self.lifetimes.iter().flatten().any(is_clock)
    }

    fn frontiers(&self, out: &mut Vec<Frontier>) {
        let of = |side: Side, time: &Option<TimeMap>| {
            time.as_ref().map(|time| time.frontier(&self.frontiers[side.index()]))
        };
        out.clear();
        out.extend(self.times.iter().map(|[left, right]| {
            let both = [of(Side::Left, left), of(Side::Right, right)];
            both.into_iter().flatten().min().unwrap_or(Frontier::MIN)
        }));
    }

    fn content(&mut self, _input: Option<Box<dyn Content>>) -> Option<Box<dyn Content>> {
        let content = JoinContent::of(&mut self.sides, self.filter.as_ref(), &self.output)?;
        Some(Box::new(content))
    }

    fn keyed_rows(&self) -> Option<&dyn KeyedRows> {
        // Rows that go by themselves go by a rule of this join.
        let is_settled = |key: &Expr| !key.is_volatile() && key.time().is_none();
        let mut keys = self.sides.iter().flat_map(|side| &side.arranged.keys);
        (self.lifetimes.is_none() && keys.all(is_settled)).then_some(self)
    }

    fn keyed_rows_mut(&mut self) -> Option<&mut dyn KeyedRows> {
        self.keyed_rows().is_some().then_some(self)
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self {
            kind: _,
            sides,
            filter: _,
            output: _,
            times: _,
            frontiers,
            lifetimes,
            ages,
            late,
            changes: _,
            probe: _,
            rows: _,
            slots: _,
        } = self;
        sides.iter_mut().try_for_each(|side| side.parts(parts))?;
        if lifetimes.is_some() {
            ages.iter_mut().try_for_each(|ages| ages.parts(parts))?;
        }
        late.iter_mut().try_for_each(|late| late.parts(parts))?;
        frontiers.iter_mut().try_for_each(|frontiers| parts.numbers(frontiers))
    }

    fn metrics(&self) -> Metrics {
        let sides: usize = self.sides.iter().map(JoinSide::state_bytes).sum();
        let ages: usize = match self.lifetimes {
            Some(_) => self.ages.iter().map(Ages::state_bytes).sum(),
            None => 0,
        };
        let late_rows = self.late.iter().map(LateRows::count).sum();
        Metrics { late_rows, state_bytes: sides + ages }
    }
}

impl KeyedRows for Join {
    fn arranged(&self, port: usize) -> &Arranged {
        &self.sides[port].arranged
    }

    fn is_empty(&self, port: usize) -> bool {
        self.sides[port].rows.is_empty()
    }

    fn lend(&mut self, port: usize) -> Result<SharedRows> {
        self.sides[port].rows.lend()
    }

    fn borrow(&mut self, port: usize, rows: SharedRows, arranged: Arranged) -> Result<()> {
        self.sides[port].borrow(rows, arranged)
    }

    fn keep_all(&mut self, port: usize) -> Result<()> {
        self.sides[port].keep_all()
    }

    fn shared(&self, port: usize) -> Option<SharedRows> {
        self.sides[port].rows.shared()
    }
}

/// Pairs of a changed row and a row of the other side.
struct Pairs<'a> {
    keyed: &'a Keyed,
    changes: &'a [RowChange],
    /// The positions among `changes`.
    rows: &'a mut Vec<u32>,
    /// The other side's rows.
    slots: &'a mut Vec<u32>,
}

impl Pairs<'_> {
    fn iter(&self) -> impl Iterator<Item = (RowChange, u32)> + '_ {
        let changes = self.rows.iter().map(|row| self.changes[*row as usize]);
        changes.zip(self.slots.iter().copied())
    }

    /// The rows of the delta that stand for the changed ones.
    fn delta_rows(&self) -> UInt32Array {
        self.rows.iter().map(|row| self.changes[*row as usize].row).collect::<Vec<u32>>().into()
    }

    /// Drops the pairs for which the condition is not true. A pair on which it fails is dropped
    /// too and noted; its retraction will fail alike.
    fn keep_matching(
        &mut self,
        filter: &JoinFilter,
        side: Side,
        (other, places): (&View<'_>, &[Option<usize>]),
        cx: &mut Context<'_>,
    ) -> Result<()> {
        let rows = self.delta_rows();
        let column = |from: Side, column: usize| match from == side {
            true => take(self.keyed.delta.batch.column(column), &rows, None).map_err(internal),
            false => other.gather(places[column].ok_or_else(not_kept)?, self.slots),
        };
        let ordinals = ordinals::of(&self.keyed.delta.batch);
        let mut note = |pair: usize, row: String, error: String| {
            let ordinal = ordinals.map_or(0, |ordinals| ordinals[rows.value(pair) as usize]);
            cx.dead_letter_at(ordinal, row, error);
        };
        let Some(keep) = chosen(filter, rows.len(), column, &mut note)? else { return Ok(()) };
        retain(self.rows, &keep);
        retain(self.slots, &keep);
        Ok(())
    }
}

/// For which of some pairs a condition is true, unless for all; `column` gives the pairs' columns
/// by side and number. A pair on which it fails is told to `note`, with its text and the error.
fn chosen(
    filter: &JoinFilter,
    pairs: usize,
    column: impl Fn(Side, usize) -> Result<ArrayRef>,
    mut note: impl FnMut(usize, String, String),
) -> Result<Option<Vec<bool>>> {
    let columns = filter.columns.iter().map(|&(side, number)| column(side, number));
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(pairs));
    let batch = RecordBatch::try_new_with_options(filter.schema.clone(), columns, &options)
        .map_err(internal)?;
    Ok(match filter.expr.evaluate_predicate(&batch) {
        Ok(Selection::All) => None,
        Ok(Selection::None) => Some(vec![false; pairs]),
        Ok(Selection::Some(chosen)) => Some(chosen.values().iter().collect()),
        Err(_) => {
            let mut keep = vec![false; pairs];
            for (row, keep) in keep.iter_mut().enumerate() {
                match filter.expr.evaluate_predicate(&batch.slice(row, 1)) {
                    Ok(selection) => *keep = matches!(selection, Selection::All),
                    Err(error) => note(row, row_text(&batch, row), sentence(&error)),
                }
            }
            Some(keep)
        }
    })
}

/// Keeps the values whose place says so.
fn retain(values: &mut Vec<u32>, keep: &[bool]) {
    let mut keep = keep.iter();
    values.retain(|_| keep.next().is_some_and(|keep| *keep));
}

/// The keys of the changed rows.
fn keys_of(keyed: &Keyed, changes: &[RowChange]) -> Result<Vec<ArrayRef>> {
    if changes.len() == keyed.delta.num_rows() {
        return Ok(keyed.keys.clone());
    }
    let rows: UInt32Array = changes.iter().map(|change| change.row).collect::<Vec<u32>>().into();
    let taken = keyed.keys.iter().map(|key| take(key, &rows, None));
    taken.collect::<Result<_, _>>().map_err(internal)
}

#[cfg(test)]
mod tests;
