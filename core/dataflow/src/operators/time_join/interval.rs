//! [`IntervalJoin`]: joins whose condition bounds the distance in time of two rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{Schema, SchemaRef};
use laminar_types::{Delta, Frontier, Result, TimeUnit, mutant};

use super::output::{TimedOutput, TimedPiece};
use super::side::{TimedSide, batch_of, take_rows};
use crate::expr::{Expr, Selection, row_text};
use crate::operator::{Context, Metrics, Operator};
use crate::operators::late_rows::LateRows;
use crate::operators::map::sentence;
use crate::operators::partitioned::{Origin, Place, ordinals};
use crate::state::group_index::NO_SLOT;
use crate::state::{Container, GroupIndex, Paged, Parts, TimeIndex, TimedRows};

/// Fewer new rows than this are not worth a search for rows that match nothing more.
const FEW_ROWS: usize = 1_024;

/// The one key of an index that orders rows by time alone.
const ALL: u32 = 0;

/// What a row of one side gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SideOutput {
    /// A row for each match.
    Pairs,
    /// A row for each match, or one with NULLs when it has none.
    PairsOrPadded,
    /// Itself, once, when it has a match.
    Matched,
    /// Itself when it has no match.
    Unmatched,
    /// Nothing.
    Nothing,
}

impl SideOutput {
    /// Whether it gives something when no match can come any more.
    fn waits(self) -> bool {
        matches!(self, Self::PairsOrPadded | Self::Unmatched)
    }

    fn has_pairs(self) -> bool {
        matches!(self, Self::Pairs | Self::PairsOrPadded)
    }
}

/// What an interval join does.
///
/// A left and a right row match when their keys are equal, `low <= right.lower - left.lower`,
/// `right.upper - left.upper <= high`, and the filter is true; `lower` and `upper` are event-time
/// columns, most often one and the same.
#[derive(Debug, Clone)]
pub struct IntervalPlan {
    /// The inputs. The time of the left one is its `upper`, that of the right one its `lower`: the
    /// one that tells when it matches nothing more.
    pub sides: [TimedSide; 2],
    /// The other column of the two: `lower` of the left side, `upper` of the right one.
    pub others: [usize; 2],
    /// Their positions among the event-time columns of their inputs: what is still to come has
    /// these times or later ones, which tells when the rows of the opposite side match nothing more.
    pub other_frontiers: [usize; 2],
    /// In nanoseconds.
    pub low_ns: i64,
    /// In nanoseconds.
    pub high_ns: i64,
    /// What else must be true, over the visible columns of both sides.
    pub filter: Option<Expr>,
    /// What the rows of each side give.
    pub outputs: [SideOutput; 2],
    /// Which sides' times are event-time columns of the output.
    pub has_time: [bool; 2],
    /// The columns that come out: of both sides where there are pairs, else of the one that gives.
    pub schema: SchemaRef,
}

/// Joins two append-only inputs within a band of time.
///
/// A row behind its own side's frontier is late: it is counted and left out. A row is kept until
/// the other side's frontier has passed every row that it can match; a row without a match comes
/// out then, if it is to. So what comes out never ceases.
pub struct IntervalJoin {
    plan: IntervalPlan,
    unit: TimeUnit,
    low: i64,
    high: i64,
    visible: [SchemaRef; 2],
    pairs: SchemaRef,
    keys: GroupIndex,
    sides: [Side; 2],
    /// Of the sides' times.
    frontiers: [Frontier; 2],
    /// Of the sides' other times.
    other_frontiers: [Frontier; 2],
    output: TimedOutput,
    /// By side.
    late: [LateRows; 2],
    since_eviction: usize,
    after_eviction: usize,
    evicted_to: [i64; 2],
    slots: Vec<u32>,
}

/// The rows of one side.
struct Side {
    rows: TimedRows,
    /// By node: how many rows of the other side match, where that is asked for.
    matches: Paged<u32>,
    /// The rows that wait for their end, by time; the value is the row's node.
    ends: TimeIndex,
    /// By node its row's ordinal, in a partition.
    ordinals: Option<Paged<u64>>,
}

/// What comes out one after the other: at first what rows give that come, in their order, then rows
/// that end, in the order of their times.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Pairs,
    /// Rows that were there, at their first match.
    Met,
    /// Rows that come and have a match.
    Matched,
    /// Rows that come and can have none.
    Unmatchable,
    LeftEnds,
    RightEnds,
}

/// A change of one side on its way in.
struct Incoming {
    batch: RecordBatch,
    keys: Vec<u32>,
    times: ScalarBuffer<i64>,
    /// By row: how many rows of the other side match.
    matches: Vec<u32>,
    /// By row, in a partition.
    ordinals: Option<Vec<u64>>,
}

impl Incoming {
    /// The origins of what these rows give.
    fn origins(&self, rows: &[u32]) -> Vec<Origin> {
        let of =
            |ordinals: &Vec<u64>| rows.iter().map(|row| ordinals[*row as usize].into()).collect();
        self.ordinals.as_ref().map_or(Vec::new(), of)
    }
}

impl IntervalJoin {
    /// A join without rows.
    pub fn new(plan: IntervalPlan) -> Result<Self> {
        let visible = [plan.sides[0].visible(), plan.sides[1].visible()];
        let fields = visible[0].fields().iter().chain(visible[1].fields());
        let pairs = Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()));
        let unit = plan.sides[0].unit.min(plan.sides[1].unit);
        let side = |index: usize| -> Result<Side> {
            Ok(Side {
                rows: TimedRows::new(&visible[index], true)?,
                matches: Paged::new(0),
                ends: TimeIndex::default(),
                ordinals: None,
            })
        };
        Ok(Self {
            unit,
            low: -(-plan.low_ns).div_euclid(unit.nanos()),
            high: plan.high_ns.div_euclid(unit.nanos()),
            keys: GroupIndex::new(&plan.sides[0].key_types())?,
            sides: [side(0)?, side(1)?],
            frontiers: [Frontier::MIN; 2],
            other_frontiers: [Frontier::MIN; 2],
            output: TimedOutput::new(plan.schema.clone(), false),
            late: LateRows::of_sides(),
            since_eviction: 0,
            after_eviction: 0,
            evicted_to: [i64::MIN; 2],
            slots: Vec::new(),
            visible,
            pairs,
            plan,
        })
    }

    /// The same, handing on the left rows that are late.
    pub fn with_late_rows(mut self) -> Self {
        self.late[0] = LateRows::new(Some(self.plan.sides[0].width), true, None);
        self
    }

    /// The same as a partition of several.
    pub fn as_partition(mut self) -> Self {
        self.sides.iter_mut().for_each(|side| side.ordinals = Some(Paged::new(0)));
        self
    }

    /// Rows of a side before this match nothing that can still come.
    fn bound(&self, side: usize) -> i64 {
        let other = self.other_frontiers[1 - side].in_unit(self.unit);
        let span = if side == 0 { self.high.saturating_neg() } else { self.low };
        match other {
            i64::MIN | i64::MAX => other,
            other => other.saturating_add(span + i64::from(mutant!(IntervalEndsOneUnitEarly))),
        }
    }

    /// The times of the other side's rows that a row can match, given its two times.
    fn band(&self, side: usize, time: i64, other: i64) -> (i64, i64) {
        let is_one = |side: usize| self.plan.others[side] == self.plan.sides[side].time;
        if side == 0 {
            let to = if is_one(1) { time.saturating_add(self.high) } else { i64::MAX };
            (other.saturating_add(self.low), to)
        } else {
            let to = if is_one(0) { time.saturating_sub(self.low) } else { i64::MAX };
            (other.saturating_sub(self.high), to)
        }
    }

    fn take_in(&mut self, side: usize, delta: &Delta, cx: &mut Context<'_>) -> Result<()> {
        let spec = &self.plan.sides[side];
        let times = TimedSide::times(&delta.batch, spec.time, spec.unit, self.unit)?;
        let others = TimedSide::times(&delta.batch, self.plan.others[side], spec.unit, self.unit)?;
        let matchable = spec.matchable(&delta.batch);
        let key_columns = spec.key_columns(&delta.batch);
        let batch = spec.visible_rows(&delta.batch, &self.visible[side])?;
        let mut keys = std::mem::take(&mut self.slots);
        self.keys.intern(&key_columns, delta.num_rows(), &mut keys)?;
        if let Some(valid) = &matchable {
            for row in (0..keys.len()).filter(|row| valid.is_null(*row)) {
                keys[row] = NO_SLOT;
            }
        }
        let (mut own, mut met) = (Vec::new(), Vec::new());
        let index = self.sides[1 - side].rows.index();
        for row in 0..keys.len() {
            if keys[row] != NO_SLOT {
                let (from, to) = self.band(side, times[row], others[row]);
                index.for_range(keys[row], from, to, &mut |node| {
                    own.push(row as u32);
                    met.push(node);
                });
            }
        }
        let matches = vec![0; keys.len()];
        let ordinals = ordinals::of(&delta.batch).map(<[u64]>::to_vec);
        let mut incoming = Incoming { batch, keys, times, matches, ordinals };
        self.meet(side, &mut incoming, own, met, cx)?;
        self.emit_unmatchable(side, &incoming)?;
        self.keep(side, &incoming)?;
        self.slots = incoming.keys;
        Ok(())
    }

    /// Emits what pairs of a row that comes and a row that is there give.
    fn meet(
        &mut self,
        side: usize,
        incoming: &mut Incoming,
        mut own: Vec<u32>,
        mut met: Vec<u32>,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        let other = 1 - side;
        let has_pairs = self.plan.outputs[side].has_pairs();
        if !own.is_empty() && (has_pairs || self.plan.filter.is_some()) {
            let columns = self.pair_columns(side, &incoming.batch, &own, &met)?;
            let mut batch = batch_of(&self.pairs, columns, own.len())?;
            if let Some(filter) = &self.plan.filter
                && let Some(kept) = kept_pairs(filter, &batch, &incoming.origins(&own), cx)
            {
                own = kept.iter().map(|pair| own[*pair as usize]).collect();
                met = kept.iter().map(|pair| met[*pair as usize]).collect();
                let columns = take_rows(batch.columns(), &kept)?;
                batch = batch_of(&self.pairs, columns, kept.len())?;
            }
            if has_pairs {
                let (left, right) = (batch.columns().to_vec(), Vec::new());
                let pairs = TimedPiece { left, right, rows: own.len() };
                self.output.push(Stage::Pairs as u8, pairs, None, incoming.origins(&own))?;
            }
        }
        if self.plan.outputs[side] != SideOutput::Pairs {
            for row in &own {
                incoming.matches[*row as usize] += 1;
            }
        }
        if !matches!(self.plan.outputs[other], SideOutput::Pairs | SideOutput::Nothing) {
            self.count_matches(other, &met, &incoming.origins(&own))?;
        }
        if self.plan.outputs[side] == SideOutput::Matched {
            let rows: Vec<u32> = (0..incoming.matches.len() as u32)
                .filter(|row| incoming.matches[*row as usize] > 0)
                .collect();
            let left = take_rows(incoming.batch.columns(), &rows)?;
            let matched = TimedPiece { left, right: Vec::new(), rows: rows.len() };
            self.output.push(Stage::Matched as u8, matched, None, incoming.origins(&rows))?;
        }
        Ok(())
    }

    /// The columns of pairs, the left side's first.
    fn pair_columns(
        &self,
        side: usize,
        batch: &RecordBatch,
        own: &[u32],
        met: &[u32],
    ) -> Result<Vec<ArrayRef>> {
        let own = take_rows(batch.columns(), own)?;
        let met = self.sides[1 - side].rows.gather(met)?;
        let (left, right) = if side == 0 { (own, met) } else { (met, own) };
        Ok(left.into_iter().chain(right).collect())
    }

    /// Adds matches to rows that are there, and emits those that are to come out at their first.
    /// `origins` are those of the rows that match, if they have some.
    fn count_matches(&mut self, side: usize, met: &[u32], origins: &[Origin]) -> Result<()> {
        let gives = self.plan.outputs[side] == SideOutput::Matched;
        let Side { rows, matches, .. } = &mut self.sides[side];
        let (mut first, mut first_origins) = (Vec::new(), Vec::new());
        for (pair, node) in met.iter().enumerate() {
            let count = matches.at_mut(*node as usize);
            if gives && *count == 0 {
                first.push(*node);
                first_origins.extend(origins.get(pair));
            }
            *count = count.saturating_add(1);
        }
        let (left, right) = (rows.gather(&first)?, Vec::new());
        let met = TimedPiece { left, right, rows: first.len() };
        self.output.push(Stage::Met as u8, met, None, first_origins)
    }

    /// Emits the rows that match nothing because a key or time is NULL.
    fn emit_unmatchable(&mut self, side: usize, incoming: &Incoming) -> Result<()> {
        if !self.plan.outputs[side].waits() {
            return Ok(());
        }
        let rows: Vec<u32> = (0..incoming.keys.len() as u32)
            .filter(|row| incoming.keys[*row as usize] == NO_SLOT)
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let columns = take_rows(incoming.batch.columns(), &rows)?;
        let columns = (columns, rows.len());
        self.emit_unmatched(side, Stage::Unmatchable, columns, incoming.origins(&rows))
    }

    /// Emits rows without a match, padded where that is asked for.
    fn emit_unmatched(
        &mut self,
        side: usize,
        stage: Stage,
        (columns, rows): (Vec<ArrayRef>, usize),
        origins: Vec<Origin>,
    ) -> Result<()> {
        let (left, right) = match (self.plan.outputs[side], side) {
            (SideOutput::Unmatched, _) => (columns, Vec::new()),
            (_, 0) => (columns, self.sides[1].rows.gather(&vec![NO_SLOT; rows])?),
            _ => (self.sides[0].rows.gather(&vec![NO_SLOT; rows])?, columns),
        };
        self.output.push(stage as u8, TimedPiece { left, right, rows }, None, origins)
    }

    /// Keeps the rows that can still match, or come out at their end.
    fn keep(&mut self, side: usize, incoming: &Incoming) -> Result<()> {
        let Incoming { batch, keys, times, matches, ordinals: of_rows } = incoming;
        let waits = self.plan.outputs[side].waits();
        let counts = self.plan.outputs[side] != SideOutput::Pairs;
        let bound = self.bound(side);
        let rows: Vec<u32> = (0..keys.len())
            .filter(|row| keys[*row] != NO_SLOT && (waits || times[*row] >= bound))
            .map(|row| row as u32)
            .collect();
        self.since_eviction += rows.len();
        let keys: Vec<u32> = rows.iter().map(|row| keys[*row as usize]).collect();
        let times: Vec<i64> = rows.iter().map(|row| times[*row as usize]).collect();
        let Side { rows: kept, matches: counted, ends, ordinals } = &mut self.sides[side];
        let nodes = kept.insert(batch, &rows, &keys, &times)?;
        if counts {
            for (node, row) in nodes.iter().zip(&rows) {
                counted.resize(counted.len().max(*node as usize + 1));
                *counted.at_mut(*node as usize) = matches[*row as usize];
            }
        }
        if let (Some(ordinals), Some(of_rows)) = (ordinals, of_rows) {
            for (node, row) in nodes.iter().zip(&rows) {
                ordinals.resize(ordinals.len().max(*node as usize + 1));
                *ordinals.at_mut(*node as usize) = of_rows[*row as usize];
            }
        }
        if waits {
            for (node, time) in nodes.iter().zip(&times) {
                let end = ends.insert(ALL, *time)?;
                ends.set_value(end, *node);
            }
        }
        Ok(())
    }

    /// Lets the rows of a side go that wait for their end and have reached it.
    fn release(&mut self, side: usize) -> Result<()> {
        let bound = self.bound(side);
        let Side { rows, matches, ends, ordinals } = &mut self.sides[side];
        if ends.first(ALL).is_none_or(|first| ends.time(first) >= bound) {
            return Ok(());
        }
        let mut ended = Vec::new();
        ends.for_range(ALL, i64::MIN, bound - 1, &mut |end| ended.push(ends.value(end)));
        ends.remove_before(ALL, bound, &mut |_| {});
        let unmatched: Vec<u32> = ended
            .iter()
            .filter(|node| *matches.at(**node as usize) == 0 || mutant!(IntervalPadsMatchedRows))
            .copied()
            .collect();
        let columns = (rows.gather(&unmatched)?, unmatched.len());
        let origins = match ordinals {
            Some(ordinals) => {
                let of = |node: &u32| {
                    let (time, ordinal) = (rows.index().time(*node), *ordinals.at(*node as usize));
                    Origin { time, ..Origin::from(ordinal) }
                };
                unmatched.iter().map(of).collect()
            }
            None => Vec::new(),
        };
        ended.into_iter().for_each(|node| rows.remove(node));
        let stage = if side == 0 { Stage::LeftEnds } else { Stage::RightEnds };
        self.emit_unmatched(side, stage, columns, origins)
    }

    /// Drops the rows that match nothing more, when so many came that it is worth it.
    fn evict(&mut self) {
        if self.since_eviction < FEW_ROWS.max(self.after_eviction) {
            return;
        }
        let bounds = [self.bound(0), self.bound(1)];
        if bounds == self.evicted_to {
            return;
        }
        for key in 0..self.keys.slots() as u32 {
            for (side, bound) in self.sides.iter_mut().zip(bounds) {
                // The others go by their ends.
                if side.ends.is_empty() {
                    side.rows.remove_before(key, bound);
                }
            }
            let is_unused = self.sides.iter().all(|side| side.rows.index().is_empty_key(key));
            if is_unused && self.keys.is_live(key) {
                self.keys.remove(key);
            }
        }
        self.evicted_to = bounds;
        self.since_eviction = 0;
        self.after_eviction = self.sides.iter().map(|side| side.rows.index().len()).sum();
    }
}

/// The pairs for which a filter is true, or `None` for all of them. A pair on which it fails is a
/// dead letter; `origins` are those of the pairs, if they have some.
fn kept_pairs(
    filter: &Expr,
    batch: &RecordBatch,
    origins: &[Origin],
    cx: &mut Context<'_>,
) -> Option<Vec<u32>> {
    match filter.evaluate_predicate(batch) {
        Ok(Selection::All) => None,
        Ok(Selection::None) => Some(Vec::new()),
        Ok(Selection::Some(mask)) => {
            Some((0..mask.len() as u32).filter(|pair| mask.value(*pair as usize)).collect())
        }
        Err(_) => {
            let mut kept = Vec::new();
            for pair in 0..batch.num_rows() {
                match filter.evaluate_predicate(&batch.slice(pair, 1)) {
                    Ok(Selection::None) => {}
                    Ok(_) => kept.push(pair as u32),
                    Err(error) => {
                        let ordinal = origins.get(pair).map_or(0, |origin| origin.ordinal);
                        cx.dead_letter_at(ordinal, row_text(batch, pair), sentence(&error));
                    }
                }
            }
            Some(kept)
        }
    }
}

impl Operator for IntervalJoin {
    fn input(&mut self, port: usize, delta: Delta, cx: &mut Context<'_>) -> Result<()> {
        let side = &self.plan.sides[port];
        let (delta, late) = side.without_late(delta, self.frontiers[port], false)?;
        late.map_or(Ok(()), |late| self.late[port].take(late, cx))?;
        let times = [side.time, self.plan.others[port]];
        let delta = side.comparable(delta, &times, self.unit, cx)?;
        if delta.is_empty() { Ok(()) } else { self.take_in(port, &delta, cx) }
    }

    fn advance(&mut self, port: usize, frontiers: &[Frontier], _: &mut Context<'_>) -> Result<()> {
        if let Some(frontier) = self.plan.sides[port].frontier {
            self.frontiers[port] = frontiers[frontier];
        }
        self.other_frontiers[port] = frontiers[self.plan.other_frontiers[port]];
        Ok(())
    }

    fn finish(&mut self, cx: &mut Context<'_>) -> Result<Option<Delta>> {
        self.finish_placed(cx, &mut Vec::new())
    }

    fn finish_placed(
        &mut self,
        _cx: &mut Context<'_>,
        places: &mut Vec<Place>,
    ) -> Result<Option<Delta>> {
        self.release(0)?;
        self.release(1)?;
        self.evict();
        self.output.take(places)
    }

    fn acts_without_rows(&self) -> bool {
        false
    }

    fn frontiers(&self, out: &mut Vec<Frontier>) {
        out.clear();
        // A row comes out when it comes, or when the other side passes what it can match.
        let [left, right] = self.frontiers;
        let [other_left, other_right] = self.other_frontiers;
        let (low, high) = (i128::from(self.plan.low_ns), i128::from(self.plan.high_ns));
        let carried = [left.min(other_right.shift(-high)), right.min(other_left.shift(low))];
        out.extend((0..2).filter(|side| self.plan.has_time[*side]).map(|side| carried[side]));
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self {
            plan: _,
            unit: _,
            low: _,
            high: _,
            visible: _,
            pairs: _,
            keys,
            sides,
            frontiers,
            other_frontiers,
            output: _,
            late,
            since_eviction,
            after_eviction,
            evicted_to,
            slots: _,
        } = self;
        keys.parts(parts)?;
        for side in sides {
            side.rows.parts(parts)?;
            side.matches.parts(parts)?;
            side.ends.parts(parts)?;
            side.ordinals.as_mut().map_or(Ok(()), |ordinals| ordinals.parts(parts))?;
        }
        for frontier in frontiers.iter_mut().chain(other_frontiers) {
            parts.number(frontier)?;
        }
        late.iter_mut().try_for_each(|late| late.parts(parts))?;
        parts.number(since_eviction)?;
        parts.number(after_eviction)?;
        evicted_to.iter_mut().try_for_each(|time| parts.number(time))
    }

    fn metrics(&self) -> Metrics {
        let of = |side: &Side| {
            let ordinals = side.ordinals.as_ref().map_or(0, Paged::state_bytes);
            side.rows.state_bytes()
                + side.matches.state_bytes()
                + side.ends.state_bytes()
                + ordinals
        };
        let state_bytes = self.keys.state_bytes() + self.sides.iter().map(of).sum::<usize>();
        let late_rows = self.late.iter().map(LateRows::count).sum();
        Metrics { late_rows, state_bytes }
    }
}
