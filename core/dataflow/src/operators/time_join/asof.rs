//! [`AsofJoin`]: for each left row the right row of its key that is the closest in time.

use arrow::array::ArrayRef;
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::SchemaRef;
use laminar_types::{Delta, Frontier, Result, TimeUnit, mutant};

use super::matching::{AsofMatch, Settled};
use super::output::{TimedOutput, TimedPiece};
use super::side::{TimedSide, take_rows};
use crate::operator::{Context, Metrics, Operator};
use crate::operators::late_rows::LateRows;
use crate::operators::partitioned::{Origin, Place, ordinals};
use crate::operators::timed_rows::select;
use crate::state::group_index::NO_SLOT;
use crate::state::timed_rows::Changed;
use crate::state::{Container, GroupIndex, Paged, Parts, TimeIndex, TimedRows};

/// Fewer new rows than this are not worth a search for rows that nobody needs.
const FEW_ROWS: usize = 1_024;

/// The one key of an index that orders rows by time alone.
const ALL: u32 = 0;

/// What comes out one after the other.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Matches before they are corrected, in the order of the right rows that correct them.
    Old,
    /// The same matches after that.
    New,
    /// Left rows that waited, in the order of their times.
    Final,
    /// Left rows that come, in their order.
    Left,
}

/// What an ASOF or temporal join does.
#[derive(Debug, Clone)]
pub struct AsofPlan {
    /// The side of which each row is asked for.
    pub left: TimedSide,
    /// The side that answers.
    pub right: TimedSide,
    /// Which right row answers.
    pub matching: AsofMatch,
    /// Whether left rows without an answer come out, with NULLs.
    pub outer: bool,
    /// Whether a left row comes out once, when its match is final, rather than at once and with
    /// corrections.
    pub is_final: bool,
    /// Whether the right rows are the versions of a relation whose unique key are the keys of the
    /// join: a row that is replaced stays valid for the times before the one that replaces it, and
    /// a deletion counts from the right frontier on.
    pub versions: bool,
    /// Whether the time of the left rows is an event-time column of the output.
    pub has_time: bool,
    /// The columns that come out: the left ones, then the right ones.
    pub schema: SchemaRef,
}

impl AsofPlan {
    /// Whether no right row that is kept ever ceases.
    fn keeps_right_rows(&self) -> bool {
        self.right.append_only || self.versions
    }
}

/// Joins each left row with one right row.
///
/// A row behind its own side's frontier is late: it is counted and left out, so that what is kept
/// is bounded. A left row is kept until its match is final. Of the right rows those are kept that
/// a left row can still get: looking back, the last one before every left row that is kept or to
/// come, and all after it; looking forward, all that are not before them.
pub struct AsofJoin {
    plan: AsofPlan,
    unit: TimeUnit,
    /// The columns of each side that come out.
    visible: [SchemaRef; 2],
    keys: GroupIndex,
    left: TimedRows,
    right: TimedRows,
    /// The left rows that are kept, by the frontier at which their match may be final.
    wake: TimeIndex,
    /// The left rows that are kept, by their time.
    waiting: TimeIndex,
    /// By left node: its nodes in `wake`, if it has one, and in `waiting`.
    links: Paged<[u32; 2]>,
    /// By left node the number of its row among those that came, where somebody asks for it: rows of
    /// one time that waited come out in that order.
    numbers: Option<Paged<u64>>,
    /// Whether it is a partition: then these are ordinals.
    is_partition: bool,
    /// How many rows have numbers.
    numbered: u64,
    frontiers: [Frontier; 2],
    /// The right frontier before the rows of the step: ends of versions count from there on.
    ends_from: Frontier,
    pending: [Option<Delta>; 2],
    output: TimedOutput,
    /// By side.
    late: [LateRows; 2],
    /// Rows kept since the last search for those that nobody needs, and right rows left by it.
    since_eviction: usize,
    after_eviction: usize,
    evicted_to: i64,
    /// Scratch: the key of each row of a batch, and the numbers of left rows.
    slots: Vec<u32>,
    row_numbers: Vec<u64>,
}

impl AsofJoin {
    /// A join without rows.
    pub fn new(plan: AsofPlan) -> Result<Self> {
        let visible = [plan.left.visible(), plan.right.visible()];
        let updating = !plan.is_final;
        // Where rows go in the order of their times they are in the other order, too.
        let is_timely = plan.matching.is_backward() && plan.left.append_only;
        let has_numbers = plan.is_final && !is_timely;
        Ok(Self {
            numbers: has_numbers.then(|| Paged::new(0)),
            is_partition: false,
            numbered: 0,
            unit: plan.left.unit.min(plan.right.unit),
            keys: GroupIndex::new(&plan.left.key_types())?,
            left: TimedRows::new(&visible[0], plan.left.append_only)?,
            right: TimedRows::new(&visible[1], plan.keeps_right_rows())?,
            wake: TimeIndex::default(),
            waiting: TimeIndex::default(),
            links: Paged::new([NO_SLOT; 2]),
            frontiers: [Frontier::MIN; 2],
            ends_from: Frontier::MIN,
            pending: [None, None],
            output: TimedOutput::new(plan.schema.clone(), updating),
            late: LateRows::of_sides(),
            since_eviction: 0,
            after_eviction: 0,
            evicted_to: i64::MIN,
            slots: Vec::new(),
            row_numbers: Vec::new(),
            visible,
            plan,
        })
    }

    /// The same, handing on the left rows that are late.
    pub fn with_late_rows(mut self) -> Self {
        let TimedSide { width, append_only, .. } = self.plan.left;
        self.late[0] = LateRows::new(Some(width), append_only, None);
        self
    }

    /// The same as a partition of several.
    pub fn as_partition(self) -> Self {
        let is_final = self.plan.is_final;
        Self { numbers: is_final.then(|| Paged::new(0)), is_partition: true, ..self }
    }

    /// Whether there comes a time from which on a left row and its match stay.
    fn has_end(&self) -> bool {
        let left = &self.plan.left;
        self.plan.right.frontier.is_some() && (left.append_only || left.frontier.is_some())
    }

    /// Whether a match is final as soon as the right frontier has passed the left row, so that the
    /// rows that wait come out in the order of their times, without [`Self::wake`].
    fn is_timely(&self) -> bool {
        self.plan.matching.is_backward() && self.plan.left.append_only
    }

    /// The latest time of a left row that looks back and has its final match.
    fn latest_final(&self) -> Option<i64> {
        let inclusive = self.plan.matching == AsofMatch::Backward { inclusive: true };
        match self.frontier().saturating_add(i64::from(mutant!(AsofFinalOneUnitEarly))) {
            i64::MIN => None,
            frontier if inclusive && frontier != i64::MAX => Some(frontier - 1),
            frontier => Some(frontier),
        }
    }

    /// The right frontier, which matches wait for.
    fn frontier(&self) -> i64 {
        self.frontiers[1].in_unit(self.unit)
    }

    /// The frontier that left rows wait for: the right one and, where they can cease, their own.
    fn release_frontier(&self) -> i64 {
        match self.plan.left.append_only {
            true => self.frontier(),
            false => self.frontier().min(self.frontiers[0].in_unit(self.unit)),
        }
    }

    fn settle(&self, key: u32, time: i64) -> Settled {
        let (frontier, plan) = (self.frontier(), &self.plan);
        let keeps = plan.keeps_right_rows();
        match plan.matching.settle(self.right.index(), key, time, frontier, keeps) {
            Settled::Final(found) => Settled::Final(found.filter(|node| self.is_row(*node))),
            settled => settled,
        }
    }

    /// The match of a left row now, or [`NO_SLOT`].
    fn find(&self, key: u32, time: i64) -> u32 {
        let found = self.plan.matching.find(self.right.index(), key, time);
        found.filter(|node| self.is_row(*node)).unwrap_or(NO_SLOT)
    }

    /// Whether a right node is a row, and not the end of a version.
    fn is_row(&self, node: u32) -> bool {
        self.right.index().weight(node) > 0
    }

    /// Applies a change of the right side and corrects the left rows in its gaps.
    fn apply_right(&mut self, delta: &Delta) -> Result<()> {
        let side = &self.plan.right;
        let batch = side.visible_rows(&delta.batch, &self.visible[1])?;
        let times = TimedSide::times(&delta.batch, side.time, side.unit, self.unit)?;
        let matchable = side.matchable(&delta.batch);
        let mut rows: Vec<u32> = (0..delta.num_rows() as u32)
            .filter(|row| matchable.as_ref().is_none_or(|valid| valid.is_valid(*row as usize)))
            .collect();
        let keys = side.key_columns(&delta.batch);
        let mut slots = std::mem::take(&mut self.slots);
        match rows.len() == delta.num_rows() {
            true => self.keys.intern(&keys, rows.len(), &mut slots)?,
            false => self.keys.intern(&take_rows(&keys, &rows)?, rows.len(), &mut slots)?,
        }
        let mut row_times: Vec<i64> = rows.iter().map(|row| times[*row as usize]).collect();
        let mut ends = Vec::new();
        if self.plan.versions {
            ends = self.only_versions(delta, &mut rows, &mut slots, &mut row_times);
        }
        self.since_eviction += rows.len();

        let (affected, by) = self.affected(&slots, &row_times);
        let origins: Vec<Origin> = match ordinals::of(&delta.batch) {
            Some(of) => by.iter().map(|index| of[rows[*index as usize] as usize].into()).collect(),
            None => Vec::new(),
        };
        let olds = self.take_corrected(&affected)?;
        if self.plan.keeps_right_rows() {
            let nodes = self.right.insert(&batch, &rows, &slots, &row_times)?.to_vec();
            for (node, is_end) in nodes.iter().zip(&ends) {
                if *is_end {
                    self.right.add_weight(*node, -1);
                }
            }
        } else {
            let encoded = self.right.encode(&batch)?;
            // What came before what went: a row may do both.
            for came in [true, false] {
                for (index, row) in rows.iter().enumerate() {
                    let weight = delta.weight(*row as usize);
                    if (weight > 0) == came {
                        let bytes = encoded.row(*row as usize).data();
                        let (key, time) = (slots[index], row_times[index]);
                        let changed = self.right.change(bytes, key, time, weight)?;
                        if let Changed::Went(node) = changed {
                            self.right.remove(node);
                        }
                    }
                }
            }
        }
        self.slots = slots;
        self.correct(&affected, &origins, olds)
    }

    /// Leaves out of a change of a keyed relation what versions replace that are late: they are as if
    /// they had not come, so the version before stays valid.
    fn without_replaced(&mut self, delta: Delta, late: &Delta) -> Result<Delta> {
        let side = &self.plan.right;
        let (mut slots, mut late_slots) = (Vec::new(), Vec::new());
        self.keys.intern(&side.key_columns(&delta.batch), delta.num_rows(), &mut slots)?;
        self.keys.intern(&side.key_columns(&late.batch), late.num_rows(), &mut late_slots)?;
        late_slots.sort_unstable();
        let is_replaced = |row: &u32| {
            delta.weight(*row as usize) < 0
                && late_slots.binary_search(&slots[*row as usize]).is_ok()
        };
        let rows: Vec<u32> = (0..delta.num_rows() as u32).filter(|row| !is_replaced(row)).collect();
        select(&delta, &rows)
    }

    /// Leaves, of the change of a keyed relation, the new versions and the ends of those that
    /// nothing replaced. Answers which rows are ends.
    fn only_versions(
        &self,
        delta: &Delta,
        rows: &mut Vec<u32>,
        keys: &mut Vec<u32>,
        times: &mut Vec<i64>,
    ) -> Vec<bool> {
        let mut replaced: Vec<u32> = (0..rows.len())
            .filter(|index| delta.weight(rows[*index] as usize) > 0)
            .map(|index| keys[index])
            .collect();
        replaced.sort_unstable();
        let from = self.ends_from.in_unit(self.unit);
        let mut ends = Vec::new();
        let mut kept = Vec::new();
        for index in 0..rows.len() {
            let is_end = delta.weight(rows[index] as usize) < 0;
            let is_replaced = replaced.binary_search(&keys[index]).is_ok();
            let is_forgotten = mutant!(DeletionForgotten);
            let goes_on = is_replaced && !mutant!(ReplacedVersionEnds);
            if is_end && (goes_on || is_forgotten) {
                continue;
            }
            let from_the_beginning = mutant!(DeletionFromTheBeginning);
            let time =
                if is_end && !from_the_beginning { times[index].max(from) } else { times[index] };
            kept.push((rows[index], keys[index], time));
            ends.push(is_end);
        }
        *rows = kept.iter().map(|kept| kept.0).collect();
        *keys = kept.iter().map(|kept| kept.1).collect();
        *times = kept.iter().map(|kept| kept.2).collect();
        ends
    }

    /// The left rows that are kept and that changes of the right side match or have matched, in the
    /// order of these changes; and for each the first such change.
    fn affected(&self, keys: &[u32], times: &[i64]) -> (Vec<u32>, Vec<u32>) {
        let AsofPlan { matching, is_final, .. } = &self.plan;
        // Looking back, when a match is final follows from the left row alone.
        let is_settled = *is_final && matching.is_backward();
        if self.left.index().is_empty() || is_settled || mutant!(AsofNotMatchedAgain) {
            return Default::default();
        }
        let (left, right) = (self.left.index(), self.right.index());
        let mut affected = Vec::new();
        for (change, (key, time)) in keys.iter().zip(times).enumerate() {
            let before = right.last_before(*key, *time).map(|node| right.time(node));
            let after = right.first_after(*key, *time).map(|node| right.time(node));
            let (from, to) = matching.gap(*time, before, after);
            left.for_range(*key, from, to, &mut |node| affected.push((node, change as u32)));
        }
        // Each once, where it was met first. Of one change they are of one key, in its order.
        let mut places: Vec<usize> = (0..affected.len()).collect();
        places.sort_by_key(|place| affected[*place].0);
        places.dedup_by_key(|place| affected[*place].0);
        places.sort_unstable();
        places.into_iter().map(|place| affected[place]).unzip()
    }

    /// The matches of left rows now, with their columns, before they are corrected. Nothing where
    /// they have not come out.
    fn take_corrected(&self, affected: &[u32]) -> Result<Option<Matches>> {
        if self.plan.is_final || affected.is_empty() {
            return Ok(None);
        }
        self.matches(affected).map(Some)
    }

    /// The matches of left rows that are kept.
    fn matches(&self, nodes: &[u32]) -> Result<Matches> {
        let index = self.left.index();
        let mut matches = Matches::default();
        for (place, node) in nodes.iter().enumerate() {
            let found = self.find(index.key(*node), index.time(*node));
            if found != NO_SLOT || self.plan.outer {
                matches.places.push(place as u32);
                matches.left.push(*node);
                matches.right.push(found);
                matches.weights.push(index.weight(*node));
            }
        }
        matches.columns = (self.left.gather(&matches.left)?, self.right.gather(&matches.right)?);
        Ok(matches)
    }

    /// Emits the difference between the old matches of left rows and those of now, and looks again
    /// at when these are final.
    fn correct(
        &mut self,
        affected: &[u32],
        origins: &[Origin],
        olds: Option<Matches>,
    ) -> Result<()> {
        if let Some(olds) = olds {
            let news = self.matches(affected)?;
            for (stage, matches, sign) in [(Stage::Old, olds, -1), (Stage::New, news, 1)] {
                let weights = matches.weights.iter().map(|weight| weight * sign).collect();
                let of = |place: &u32| origins.get(*place as usize).copied();
                let origins = matches.places.iter().filter_map(of).collect();
                self.output.push(stage as u8, matches.piece(), Some(weights), origins)?;
            }
        }
        if self.has_end() && !self.is_timely() {
            for node in affected {
                self.disarm(*node);
                self.arm(*node)?;
            }
        }
        Ok(())
    }

    /// Takes in a change of the left side: emits what is to come out now and keeps the rest.
    fn apply_left(&mut self, delta: &Delta) -> Result<()> {
        let side = &self.plan.left;
        let batch = side.visible_rows(&delta.batch, &self.visible[0])?;
        let times = TimedSide::times(&delta.batch, side.time, side.unit, self.unit)?;
        let matchable = side.matchable(&delta.batch);
        let keys = side.key_columns(&delta.batch);
        // The usual case where the right side lags: every row has to wait, whatever is there.
        let latest = self.latest_final();
        if self.plan.is_final
            && self.is_timely()
            && matchable.is_none()
            && times.iter().all(|time| latest.is_none_or(|latest| *time > latest))
        {
            let all: Vec<u32> = (0..delta.num_rows() as u32).collect();
            self.number(delta);
            let batch = Delta { batch, weights: delta.weights.clone() };
            return self.keep(&batch, &keys, &times, &all);
        }
        let mut slots = std::mem::take(&mut self.slots);
        self.keys.lookup(&keys, delta.num_rows(), &mut slots)?;

        let mut emitted = Vec::with_capacity(delta.num_rows());
        let mut matched = Vec::with_capacity(delta.num_rows());
        let mut kept = Vec::new();
        for row in 0..delta.num_rows() {
            let mut emit = |found: u32| {
                if found != NO_SLOT || self.plan.outer {
                    emitted.push(row as u32);
                    matched.push(found);
                }
            };
            if matchable.as_ref().is_some_and(|valid| valid.is_null(row)) {
                emit(NO_SLOT);
                continue;
            }
            match self.settle(slots[row], times[row]) {
                Settled::Final(found) if side.append_only => emit(found.unwrap_or(NO_SLOT)),
                _ => {
                    if !self.plan.is_final {
                        emit(self.find(slots[row], times[row]));
                    }
                    kept.push(row as u32);
                }
            }
        }
        let left = match emitted.len() == delta.num_rows() {
            true => batch.columns().to_vec(),
            false => take_rows(batch.columns(), &emitted)?,
        };
        let weights = self
            .output
            .is_updating()
            .then(|| emitted.iter().map(|row| delta.weight(*row as usize)).collect::<Vec<i64>>());
        let right = self.right.gather(&matched)?;
        let origins = match ordinals::of(&delta.batch) {
            Some(of) => emitted.iter().map(|row| of[*row as usize].into()).collect(),
            None => Vec::new(),
        };
        let piece = TimedPiece { left, right, rows: emitted.len() };
        self.output.push(Stage::Left as u8, piece, weights, origins)?;
        self.slots = slots;
        if kept.is_empty() {
            return Ok(());
        }
        self.number(delta);
        let batch = Delta { batch, weights: delta.weights.clone() };
        self.keep(&batch, &keys, &times, &kept)
    }

    /// Notes the numbers of left rows of which some will be kept.
    fn number(&mut self, delta: &Delta) {
        self.row_numbers.clear();
        if self.numbers.is_none() {
            return;
        }
        match ordinals::of(&delta.batch) {
            Some(ordinals) => self.row_numbers.extend_from_slice(ordinals),
            None => {
                let first = self.numbered;
                self.numbered += delta.num_rows() as u64;
                self.row_numbers.extend(first..self.numbered);
            }
        }
    }

    /// Keeps left rows until their match is final.
    fn keep(
        &mut self,
        delta: &Delta,
        keys: &[ArrayRef],
        times: &ScalarBuffer<i64>,
        rows: &[u32],
    ) -> Result<()> {
        let mut slots = std::mem::take(&mut self.slots);
        match rows.len() == delta.num_rows() {
            true => self.keys.intern(keys, rows.len(), &mut slots)?,
            false => self.keys.intern(&take_rows(keys, rows)?, rows.len(), &mut slots)?,
        }
        let row_times: Vec<i64> = rows.iter().map(|row| times[*row as usize]).collect();
        self.since_eviction += rows.len();
        if self.plan.left.append_only {
            let nodes = self.left.insert(&delta.batch, rows, &slots, &row_times)?.to_vec();
            if let Some(numbers) = &mut self.numbers {
                for (node, row) in nodes.iter().zip(rows) {
                    numbers.resize(numbers.len().max(*node as usize + 1));
                    *numbers.at_mut(*node as usize) = self.row_numbers[*row as usize];
                }
            }
            for node in nodes {
                self.wait(node)?;
            }
        } else {
            let encoded = self.left.encode(&delta.batch)?;
            for came in [true, false] {
                for (index, row) in rows.iter().enumerate() {
                    let weight = delta.weight(*row as usize);
                    if (weight > 0) != came {
                        continue;
                    }
                    let bytes = encoded.row(*row as usize).data();
                    match self.left.change(bytes, slots[index], row_times[index], weight)? {
                        Changed::Came(node) => self.wait(node)?,
                        Changed::Stayed(_) => {}
                        Changed::Went(node) => self.forget(node),
                    }
                }
            }
        }
        self.slots = slots;
        Ok(())
    }

    /// Notes a left row that is kept from now on.
    fn wait(&mut self, node: u32) -> Result<()> {
        if !self.has_end() {
            return Ok(());
        }
        let waiting = self.waiting.insert(ALL, self.left.index().time(node))?;
        self.waiting.set_value(waiting, node);
        if self.is_timely() {
            return Ok(());
        }
        self.links.resize(self.links.len().max(node as usize + 1));
        *self.links.at_mut(node as usize) = [NO_SLOT, waiting];
        self.arm(node)
    }

    /// Notes when to look at a left row again.
    fn arm(&mut self, node: u32) -> Result<()> {
        let index = self.left.index();
        let at = match self.settle(index.key(node), index.time(node)) {
            Settled::At(time) => time,
            Settled::Asleep => return Ok(()),
            Settled::Final(_) => i64::MIN,
        };
        let at = match self.plan.left.append_only {
            true => at,
            false => at.max(index.time(node).saturating_add(1)),
        };
        let wake = self.wake.insert(ALL, at)?;
        self.wake.set_value(wake, node);
        self.links.at_mut(node as usize)[0] = wake;
        Ok(())
    }

    fn disarm(&mut self, node: u32) {
        let wake = std::mem::replace(&mut self.links.at_mut(node as usize)[0], NO_SLOT);
        if wake != NO_SLOT {
            self.wake.remove(wake);
        }
    }

    /// Drops a left row that is kept.
    fn forget(&mut self, node: u32) {
        if self.has_end() {
            self.disarm(node);
            self.waiting.remove(self.links.at(node as usize)[1]);
        }
        self.left.remove(node);
    }

    /// Lets the left rows go whose match is final.
    fn release(&mut self) -> Result<()> {
        if self.is_timely() {
            return self.release_timely();
        }
        let frontier = self.release_frontier();
        let mut settled = Vec::new();
        if frontier == i64::MAX {
            self.waiting.for_range(ALL, i64::MIN, i64::MAX, &mut |node| {
                settled.push(self.waiting.value(node));
            });
        }
        while let Some(first) = self.wake.first(ALL)
            && self.wake.time(first) <= frontier
            && frontier != i64::MAX
        {
            let node = self.wake.value(first);
            self.disarm(node);
            let index = self.left.index();
            match self.settle(index.key(node), index.time(node)) {
                Settled::Final(_) => settled.push(node),
                _ => self.arm(node)?,
            }
        }
        if let Some(numbers) = &self.numbers {
            let index = self.left.index();
            settled.sort_by_key(|node| (index.time(*node), *numbers.at(*node as usize)));
        }
        self.tell_final(&settled)?;
        for node in settled {
            self.forget(node);
        }
        Ok(())
    }

    /// The same where they go in the order of their times.
    fn release_timely(&mut self) -> Result<()> {
        let Some(to) = self.latest_final() else { return Ok(()) };
        if self.waiting.first(ALL).is_none_or(|first| self.waiting.time(first) > to) {
            return Ok(());
        }
        let mut settled = Vec::new();
        self.waiting.for_range(ALL, i64::MIN, to, &mut |node| {
            settled.push(self.waiting.value(node));
        });
        self.waiting.remove_up_to(ALL, to);
        self.tell_final(&settled)?;
        settled.into_iter().for_each(|node| self.left.remove(node));
        Ok(())
    }

    /// Emits left rows with their matches, where they come out once.
    fn tell_final(&mut self, settled: &[u32]) -> Result<()> {
        if settled.is_empty() || !self.plan.is_final {
            return Ok(());
        }
        let matches = self.matches(settled)?;
        let index = self.left.index();
        let origins = match &self.numbers {
            Some(numbers) if self.is_partition => {
                let of = |node: &u32| {
                    let number = *numbers.at(*node as usize);
                    Origin { time: index.time(*node), ..Origin::from(number) }
                };
                matches.left.iter().map(of).collect()
            }
            _ => Vec::new(),
        };
        self.output.push(Stage::Final as u8, matches.piece(), None, origins)
    }

    /// Drops the right rows that no left row can get, when so many came that it is worth it.
    fn evict(&mut self) {
        if self.since_eviction < FEW_ROWS.max(self.after_eviction) {
            return;
        }
        let mut bound = self.frontiers[0].in_unit(self.unit);
        // Where right rows can cease, the one before the last may be needed again.
        if !self.plan.keeps_right_rows() {
            bound = bound.min(self.frontier());
        }
        if bound <= self.evicted_to {
            return;
        }
        for key in 0..self.keys.slots() as u32 {
            let left = self.left.index();
            let needed_from = left.first(key).map_or(bound, |first| left.time(first).min(bound));
            if self.plan.matching.looks_back() {
                self.right.remove_before_but_last(key, needed_from);
            } else {
                self.right.remove_before(key, needed_from);
            }
            let is_unused =
                self.right.index().is_empty_key(key) && self.left.index().is_empty_key(key);
            if is_unused && self.keys.is_live(key) {
                self.keys.remove(key);
            }
        }
        self.evicted_to = bound;
        self.since_eviction = 0;
        self.after_eviction = self.right.index().len();
    }

    /// No left row that is kept or to come is before this.
    fn needed_from(&self) -> Frontier {
        let waiting = match self.waiting.first(ALL) {
            Some(first) => Frontier::before(self.waiting.time(first), self.unit),
            None if self.has_end() || self.left.index().is_empty() => Frontier::MAX,
            None => Frontier::MIN,
        };
        self.frontiers[0].min(waiting)
    }
}

/// Left rows and the right rows they get.
#[derive(Default)]
struct Matches {
    /// Which of the left rows that were asked for.
    places: Vec<u32>,
    left: Vec<u32>,
    right: Vec<u32>,
    weights: Vec<i64>,
    columns: (Vec<ArrayRef>, Vec<ArrayRef>),
}

impl Matches {
    fn piece(self) -> TimedPiece {
        let (left, right) = self.columns;
        TimedPiece { left, right, rows: self.left.len() }
    }
}

impl Operator for AsofJoin {
    fn input(&mut self, port: usize, delta: Delta, cx: &mut Context<'_>) -> Result<()> {
        let side = if port == 0 { &self.plan.left } else { &self.plan.right };
        let keep_retractions = port == 1 && self.plan.versions;
        let frontier = match keep_retractions && mutant!(LateVersionCounts) {
            true => Frontier::MIN,
            false => self.frontiers[port],
        };
        let (mut delta, late) = side.without_late(delta, frontier, keep_retractions)?;
        if let Some(late) = late {
            if keep_retractions {
                delta = self.without_replaced(delta, &late)?;
            }
            self.late[port].take(late, cx)?;
        }
        let side = if port == 0 { &self.plan.left } else { &self.plan.right };
        delta = side.comparable(delta, &[side.time], self.unit, cx)?;
        self.ends_from = self.frontiers[1];
        self.pending[port] = Some(delta).filter(|delta| !delta.is_empty());
        Ok(())
    }

    fn advance(&mut self, port: usize, frontiers: &[Frontier], _: &mut Context<'_>) -> Result<()> {
        let side = if port == 0 { &self.plan.left } else { &self.plan.right };
        if let Some(frontier) = side.frontier {
            self.frontiers[port] = frontiers[frontier];
        }
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
        if let Some(delta) = self.pending[1].take() {
            self.apply_right(&delta)?;
        }
        // The rows that waited come out before those that came now, unless those may take them back.
        if self.plan.left.append_only {
            self.release()?;
        }
        if let Some(delta) = self.pending[0].take() {
            self.apply_left(&delta)?;
        }
        if !self.plan.left.append_only {
            self.release()?;
        }
        self.evict();
        self.output.take(places)
    }

    fn acts_without_rows(&self) -> bool {
        false
    }

    fn frontiers(&self, out: &mut Vec<Frontier>) {
        out.clear();
        out.extend(self.plan.has_time.then(|| self.needed_from()));
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self {
            plan: _,
            unit: _,
            visible: _,
            keys,
            left,
            right,
            wake,
            waiting,
            links,
            numbers,
            is_partition: _,
            numbered,
            frontiers,
            ends_from: _,
            pending: _,
            output: _,
            late,
            since_eviction,
            after_eviction,
            evicted_to,
            slots: _,
            row_numbers: _,
        } = self;
        keys.parts(parts)?;
        left.parts(parts)?;
        right.parts(parts)?;
        wake.parts(parts)?;
        waiting.parts(parts)?;
        links.parts(parts)?;
        numbers.as_mut().map_or(Ok(()), |numbers| numbers.parts(parts))?;
        parts.number(numbered)?;
        frontiers.iter_mut().try_for_each(|frontier| parts.number(frontier))?;
        late.iter_mut().try_for_each(|late| late.parts(parts))?;
        parts.number(since_eviction)?;
        parts.number(after_eviction)?;
        parts.number(evicted_to)
    }

    fn metrics(&self) -> Metrics {
        let indexes = self.wake.state_bytes() + self.waiting.state_bytes();
        let rows = self.left.state_bytes() + self.right.state_bytes();
        let state_bytes = self.keys.state_bytes()
            + rows
            + indexes
            + self.links.state_bytes()
            + self.numbers.as_ref().map_or(0, Paged::state_bytes);
        let late_rows = self.late.iter().map(LateRows::count).sum();
        Metrics { late_rows, state_bytes }
    }
}
