//! [`SessionAggregate`]: `GROUP BY session(ts, gap)`.
//!
//! A row by itself is the session `[ts, ts + gap)`; sessions of a key that overlap are one. A
//! session is closed when its end is at or before the frontier less the lateness allowed. It is
//! then as it stays, so a row that would have merged with it is late. Which rows are late is
//! decided one by one, by what its key has when a row comes:
//!
//! - a row before the end of a session of its key that is closed is late;
//! - else a row whose own session is open is in time;
//! - else the row is in time only if it merges into an open session, and there with a row that
//!   was in time by itself: late rows do not carry a session ever further back.
//!
//! So what is remembered of a key without open sessions, the end of its last one, can be forgotten
//! two gaps later: no row that could still come would reach it.

mod pieces;
mod rows;
mod sessions;

use std::collections::BTreeSet;

use arrow::array::{Int64Array, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, SchemaRef};
use laminar_types::{Delta, Frontier, Result, TimeUnit, Weights, mutant};

use super::aggregate_call::{AggregateCall, Grouping};
use super::emission::Emission;
use super::late_rows::LateRows;
use super::partitioned::{Origin, Place, ordinals};
use super::timed_rows::{select, with_times};
use super::window_aggregate::{WindowColumns, WindowEmit, WindowOptions};
use crate::aggregate::AggregateColumns;
use crate::operator::{Context, Metrics, Operator};
use crate::state::{Container, GroupIndex, Paged, Parts, Slots, TimeQueue, arrow_error};
use crate::window::bounded;
use pieces::{Piece, PieceKey, Pieces};
use rows::SessionRows;
use sessions::Sessions;

/// Groups rows by keys and by sessions.
pub struct SessionAggregate {
    gap: i64,
    unit: TimeUnit,
    columns: WindowColumns,
    options: WindowOptions,
    grouping: Grouping,
    schema: SchemaRef,
    keys: GroupIndex,
    /// By slot of `keys`.
    of_key: Paged<OfKey>,
    /// When to look at keys, by their slots: what [`OfKey::due`] says.
    due: TimeQueue,
    /// Keys whose sessions may have shrunk in this step, and so be over.
    shrunk: Vec<u32>,
    pieces: Pieces,
    /// By number of a piece.
    sums: AggregateColumns,
    numbers: Numbers,
    /// What the sessions near the rows of this step were before it, and then are; or those that close.
    emission: Emission,
    /// The spans in which sessions may have changed in this step.
    changed: Vec<Span>,
    /// Whether it is a partition: then rows have ordinals, which are their numbers.
    is_partition: bool,
    /// How many rows have numbers.
    numbered: u64,
    frontier: Frontier,
    start_frontier: Frontier,
    end_frontier: Frontier,
    /// Sessions that end at or before this are closed.
    limit: i64,
    late: LateRows,
}

/// What is known of a key besides its pieces.
#[derive(Debug, Clone, Copy)]
struct OfKey {
    /// The end of its last session that is closed.
    closed_to: i64,
    /// When it is to be looked at, if it is.
    due: Option<i64>,
    /// The number of the row that made it, [`UNNUMBERED`] when there is none.
    number: u64,
}

/// Of a slot without a key.
const UNNUMBERED: u64 = u64::MAX;

/// What comes out one after the other.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Sessions as they were before the step.
    Before,
    /// The same as they are now.
    After,
    /// Sessions that are given once, in the order of their ends.
    Closed,
}

/// The numbers of pieces.
enum Numbers {
    /// Over append-only input, whichever are free.
    Any(Slots),
    /// Over updating input, those of the distinct rows.
    Rows(Box<GroupIndex>),
}

/// A span of time of a key.
#[derive(Debug, Clone, Copy)]
struct Span {
    key: u32,
    first: i64,
    last: i64,
    /// The ordinal of the row that stands for it, in a partition.
    ordinal: u64,
}

/// Rows of a batch with their keys and, over updating input, the numbers of their contents.
struct Rows {
    delta: Delta,
    times: Int64Array,
    keys: Vec<u32>,
    contents: Vec<u32>,
}

const NO_KEY: OfKey = OfKey { closed_to: i64::MIN, due: None, number: UNNUMBERED };

/// How many rows ahead what is known of their keys is fetched.
const AHEAD: usize = 16;

impl SessionAggregate {
    /// Groups rows of `input` by sessions with a gap in whole units of the event time; `schema` is
    /// as [`WindowColumns`] says.
    pub fn new(
        input: &SchemaRef,
        unit: TimeUnit,
        gap: i64,
        columns: WindowColumns,
        calls: Vec<AggregateCall>,
        schema: SchemaRef,
        options: WindowOptions,
    ) -> Result<Self> {
        let grouping = Grouping::of_window(columns.keys.clone(), calls, options.append_only);
        let types: Vec<DataType> =
            input.fields().iter().map(|field| field.data_type().clone()).collect();
        Ok(Self {
            gap,
            unit,
            keys: GroupIndex::new(&grouping.key_types(input))?,
            of_key: Paged::new(NO_KEY),
            due: TimeQueue::default(),
            shrunk: Vec::new(),
            pieces: Pieces::new(gap),
            sums: AggregateColumns::new(grouping.accumulators(input)?),
            numbers: match options.append_only {
                true => Numbers::Any(Slots::default()),
                false => Numbers::Rows(Box::new(GroupIndex::new(&types)?)),
            },
            columns,
            options,
            grouping,
            schema,
            emission: Emission::default(),
            changed: Vec::new(),
            is_partition: false,
            numbered: 0,
            frontier: Frontier::MIN,
            start_frontier: Frontier::MIN,
            end_frontier: Frontier::MIN,
            limit: i64::MIN,
            late: options.late_rows(),
        })
    }

    /// The same as a partition of several.
    pub fn as_partition(self) -> Self {
        Self { is_partition: true, ..self }
    }

    /// Puts the rows into their places and adds them up. When adding fails nothing has happened.
    fn add(&mut self, rows: &Rows, which: std::ops::Range<usize>) -> Result<Vec<u32>> {
        let mut placed = Placed::default();
        // What comes goes before what ceases, so that a row that replaces another is where that was.
        for row in which.clone().filter(|row| rows.delta.weight(*row) > 0) {
            if let Some(ahead) = rows.keys.get(row + AHEAD) {
                self.of_key.prefetch(*ahead as usize);
                self.pieces.prefetch(*ahead);
            }
            let number = self.place(rows, row, &mut placed.made)?;
            placed.note(row, number);
        }
        if rows.delta.weights.is_some() {
            for row in which.filter(|row| rows.delta.weight(*row) <= 0) {
                let number = self.take_back(rows, row)?;
                placed.note(row, number);
            }
        }
        let Placed { taken, numbers, late, made } = placed;
        if taken.is_empty() {
            return Ok(late);
        }
        let delta = match taken.len() == rows.delta.num_rows() && rows.delta.weights.is_none() {
            true => rows.delta.clone(),
            false => select(&rows.delta, &taken)?,
        };
        if let Numbers::Any(slots) = &self.numbers {
            self.sums.resize(slots.end());
        }
        let arguments = self.grouping.arguments(&delta.batch);
        let weights = delta.weights.as_deref().filter(|_| !self.options.append_only);
        match self.sums.apply(&numbers, &arguments.args(), weights) {
            Ok(()) => {
                self.pieces.commit();
                Ok(late)
            }
            Err(error) => {
                self.pieces.undo()?;
                self.give_back(made.into_iter().rev());
                Err(error)
            }
        }
    }

    /// The number of the piece that a row which comes belongs to; `None` when it is late. Numbers
    /// that were not in use are put into `made`.
    fn place(&mut self, rows: &Rows, row: usize, made: &mut Vec<u32>) -> Result<Option<u32>> {
        let (key, time) = (rows.keys[row], rows.times.value(row));
        let closed_to = self.of_key.at(key as usize).closed_to;
        if time < closed_to && !mutant!(ClosedSessionForgotten) {
            return Ok(None);
        }
        let (before, after) = self.pieces.in_reach(key, time);
        let is_own = time.saturating_add(self.gap) > self.limit;
        if !is_own {
            let reached = before.into_iter().chain(after);
            let own = reached.map(|at| self.pieces.session(at, &mut Vec::new()).own).min();
            let own = own.unwrap_or(i64::MAX);
            if mutant!(LateRowNeverJoins) || own == i64::MAX || time.saturating_add(self.gap) <= own
            {
                return Ok(None);
            }
        }
        let own = if is_own { time } else { i64::MAX };
        let at = match &mut self.numbers {
            Numbers::Rows(_) => {
                let at = (key, time, rows.contents[row]);
                let known = self.pieces.get(at);
                // As much in time as a row of the same time.
                let same = before.filter(|before| before.1 == time);
                let own = own.min(same.and_then(|at| self.pieces.get(at)).map_or(own, |p| p.own));
                let weight = rows.delta.weight(row) + known.map_or(0, |piece| piece.weight);
                let own = own.min(known.map_or(i64::MAX, |piece| piece.own));
                self.pieces.set(at, Some(Piece { last: time, own, weight }))?;
                at
            }
            Numbers::Any(slots) => {
                let reached = before.or(after);
                let known = reached.and_then(|at| self.pieces.get(at).map(|piece| (at, piece)));
                let (at, piece) = match known {
                    Some((at, piece)) => {
                        let last = piece.last.max(time);
                        if time < at.1 {
                            self.pieces.set(at, None)?;
                        }
                        let own = own.min(piece.own);
                        ((key, at.1.min(time), at.2), Piece { last, own, weight: 1 })
                    }
                    None => {
                        let number = slots.allocate()?;
                        made.push(number);
                        ((key, time, number), Piece { last: time, own, weight: 1 })
                    }
                };
                self.pieces.set(at, Some(piece))?;
                at
            }
        };
        self.look_at(key, time.saturating_add(self.gap));
        Ok(Some(at.2))
    }

    /// The number of the piece that a row which ceases was; `None` when there is none, since it was
    /// late when it came.
    fn take_back(&mut self, rows: &Rows, row: usize) -> Result<Option<u32>> {
        let (key, number) = (rows.keys[row], rows.contents[row]);
        let at = (key, rows.times.value(row), number);
        let Some(piece) = self.pieces.get(at) else { return Ok(None) };
        if mutant!(SessionTakesNothingBack) {
            return Ok(None);
        }
        let left = Piece { weight: piece.weight + rows.delta.weight(row), ..piece };
        self.pieces.set(at, (left.weight > 0).then_some(left))?;
        if !mutant!(ShrunkSessionStaysOpen) {
            self.shrunk.push(key);
        }
        Ok(Some(number))
    }

    /// Sees to it that a key is looked at when the limit reaches a time.
    fn look_at(&mut self, key: u32, when: i64) {
        let due = self.of_key.at(key as usize).due;
        if due.is_none_or(|due| when < due) {
            self.of_key.at_mut(key as usize).due = Some(when);
            self.due.insert(when, key);
            if self.due.is_stale(self.of_key.len()) {
                self.due.refill(dues(&self.of_key));
            }
        }
    }

    /// Forgets what was added up for pieces that are no more.
    fn give_back(&mut self, numbers: impl Iterator<Item = u32>) {
        for number in numbers {
            self.sums.reset(number);
            match &mut self.numbers {
                Numbers::Any(slots) => slots.release(number),
                Numbers::Rows(contents) => contents.remove(number),
            }
        }
    }

    /// Forgets the keys and contents of rows that are nowhere after all.
    fn forget_unused(&mut self, rows: &Rows) {
        if let Numbers::Rows(contents) = &mut self.numbers {
            for (row, content) in rows.contents.iter().enumerate() {
                let at = (rows.keys[row], rows.times.value(row), *content);
                if contents.is_live(*content) && self.pieces.get(at).is_none() {
                    self.sums.reset(*content);
                    contents.remove(*content);
                }
            }
        }
        for key in &rows.keys {
            let is_new = self.of_key.at(*key as usize).closed_to == i64::MIN;
            if is_new && self.pieces.is_empty_key(*key) && self.keys.is_live(*key) {
                self.forget_key(*key);
            }
        }
    }

    /// Forgets a key without pieces. If its slot is to be looked at, that stays: it is then looked
    /// at once more than needed.
    fn forget_key(&mut self, key: u32) {
        let of_key = self.of_key.at_mut(key as usize);
        (of_key.closed_to, of_key.number) = (NO_KEY.closed_to, UNNUMBERED);
        self.keys.remove(key);
    }

    /// Notes what the sessions in reach of the rows are now.
    fn note(&mut self, rows: &Rows, cx: &mut Context<'_>) -> Result<()> {
        let mut seen = BTreeSet::new();
        let mut sessions = Sessions::default();
        let mut of_sessions = Vec::new();
        let of_rows = ordinals::of(&rows.delta.batch);
        for (row, (key, time)) in rows.keys.iter().zip(rows.times.values()).enumerate() {
            let ordinal = of_rows.map_or(0, |of_rows| of_rows[row]);
            self.changed.push(Span { key: *key, first: *time, last: *time, ordinal });
            let (before, after) = self.pieces.in_reach(*key, *time);
            for at in before.into_iter().chain(after) {
                if seen.contains(&at) {
                    continue;
                }
                let session = sessions.add(&self.pieces, at);
                seen.extend(sessions.pieces_of_last());
                let last = session.end.saturating_sub(self.gap);
                of_sessions.push(ordinal);
                self.changed.push(Span { key: session.key, first: session.start, last, ordinal });
            }
        }
        self.tell(Stage::Before, &sessions, &of_sessions, cx)
    }

    /// Tells of sessions as they are; each comes from the row with an ordinal.
    fn tell(
        &mut self,
        stage: Stage,
        sessions: &Sessions,
        of_sessions: &[u64],
        cx: &mut Context<'_>,
    ) -> Result<()> {
        if sessions.list.is_empty() {
            return Ok(());
        }
        let SessionRows { batch, places, failed } = self.rows_of(sessions)?;
        let is_before = matches!(stage, Stage::Before);
        // What is not there now was not told before either.
        for (at, text, error) in failed.into_iter().filter(|_| !is_before) {
            cx.dead_letter_at_close(of_sessions[at as usize], text, error.message().to_string());
        }
        let weight = if is_before { -1 } else { 1 };
        let weights = Weights::from(vec![weight; batch.num_rows()]);
        let origins = match self.is_partition {
            true => places.iter().map(|at| Origin::from(of_sessions[*at as usize])).collect(),
            false => Vec::new(),
        };
        self.emission.push(stage as u8, batch, Some(weights), origins);
        Ok(())
    }

    /// Tells what the sessions near the rows of this step are now.
    fn tell_changed(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let mut sessions = Sessions::default();
        let mut of_sessions = Vec::new();
        let mut seen: BTreeSet<PieceKey> = BTreeSet::new();
        for Span { key, first, last, ordinal } in std::mem::take(&mut self.changed) {
            let (before, after) = self.pieces.in_reach(key, first);
            let mut next = before.or(after).or_else(|| self.pieces.first_from(key, first));
            // The session after the span may be one that a row of the step split off.
            while let Some(at) = next
                && at.1 < last.saturating_add(self.gap)
            {
                let session = sessions.add(&self.pieces, at);
                next = self.pieces.first_from(key, session.end);
                let first = sessions.pieces_of_last().next();
                match first.is_some_and(|first| seen.insert(first)) {
                    true => of_sessions.push(ordinal),
                    false => sessions.forget_last(),
                }
            }
        }
        self.tell(Stage::After, &sessions, &of_sessions, cx)
    }

    /// Closes the sessions that are over, and tells of them if they are to be given now: in the order
    /// of their ends and, of those with the same end, of the rows that made their keys.
    fn close(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let mut closed = Sessions::default();
        // The keys that have no session any more.
        let mut over = Vec::new();
        let keys = self.keys_to_close();
        for (place, key) in keys.iter().enumerate() {
            if let Some(ahead) = keys.get(place + AHEAD) {
                self.pieces.prefetch(*ahead);
            }
            self.close_key(*key, &mut closed, &mut over)?;
        }
        self.pieces.commit();
        if self.options.emit == WindowEmit::Final && !closed.list.is_empty() {
            self.tell_closed(&closed, cx)?;
        }
        self.give_back(closed.pieces.iter().map(|piece| piece.2));
        for key in over {
            let closed_to = self.of_key.at(key as usize).closed_to;
            let forgotten = closed_to.saturating_add(self.gap.saturating_mul(2));
            if forgotten > self.limit {
                self.look_at(key, forgotten);
            } else if self.keys.is_live(key) {
                self.forget_key(key);
            }
        }
        Ok(())
    }

    fn tell_closed(&mut self, closed: &Sessions, cx: &mut Context<'_>) -> Result<()> {
        let place = |at: &u32| {
            let (session, _) = &closed.list[*at as usize];
            (session.end, self.of_key.at(session.key as usize).number)
        };
        let SessionRows { mut batch, places, mut failed } = self.rows_of(closed)?;
        failed.sort_by_key(|(at, ..)| {
            let (end, number) = place(at);
            (number, end)
        });
        for (at, text, error) in failed {
            cx.dead_letter_at_close(place(&at).1, text, error.message().to_string());
        }
        let places: Vec<(i64, u64)> = places.iter().map(place).collect();
        let mut order: Vec<u32> = (0..places.len() as u32).collect();
        order.sort_by_key(|row| places[*row as usize]);
        if !places.is_sorted() {
            let order = UInt32Array::from(order.clone());
            batch = take_record_batch(&batch, &order).map_err(arrow_error)?;
        }
        let origin = |row: &u32| {
            let (time, number) = places[*row as usize];
            Origin { time, ..Origin::from(number) }
        };
        let origins = match self.is_partition {
            true => order.iter().map(origin).collect(),
            false => Vec::new(),
        };
        self.emission.push(Stage::Closed as u8, batch, None, origins);
        Ok(())
    }

    /// The keys that are to be looked at now, in the order of their times.
    fn keys_to_close(&mut self) -> Vec<u32> {
        self.due.advance(self.limit);
        let mut keys = Vec::new();
        while let Some((when, key)) = self.due.first()
            && when <= self.limit
        {
            self.due.pop();
            let of_key = self.of_key.at_mut(key as usize);
            if of_key.due == Some(when) {
                of_key.due = None;
                keys.push(key);
            }
        }
        keys.append(&mut self.shrunk);
        keys
    }

    /// Closes the sessions of a key that are over; if all are, it is put into `over`.
    fn close_key(&mut self, key: u32, closed: &mut Sessions, over: &mut Vec<u32>) -> Result<()> {
        while let Some(at) = self.pieces.first_from(key, i64::MIN) {
            let session = closed.add(&self.pieces, at);
            if session.end > self.limit {
                closed.forget_last();
                self.look_at(key, session.end);
                return Ok(());
            }
            for piece in closed.pieces_of_last() {
                self.pieces.set(piece, None)?;
            }
            self.of_key.at_mut(key as usize).closed_to = session.end;
        }
        over.push(key);
        Ok(())
    }

    fn read(&mut self, delta: Delta, times: Int64Array) -> Result<Rows> {
        let mut contents_of = Vec::new();
        if let Numbers::Rows(contents) = &mut self.numbers {
            let columns = &delta.batch.columns()[..contents.types().len()];
            contents.intern(columns, delta.num_rows(), &mut contents_of)?;
            self.sums.resize(contents.slots());
        }
        let delta = self.grouping.arrive(delta)?;
        let mut rows = Rows { delta, times, keys: Vec::new(), contents: contents_of };
        let batch = &rows.delta.batch;
        self.keys.intern(&self.grouping.keys(batch), batch.num_rows(), &mut rows.keys)?;
        self.of_key.resize(self.keys.slots());
        self.pieces.resize(self.keys.slots());
        let (of_rows, first) = (ordinals::of(batch), self.numbered);
        self.numbered += batch.num_rows() as u64;
        let mut created = self.keys.created().iter().peekable();
        for (row, key) in rows.keys.iter().enumerate() {
            if created.peek().is_none() {
                break;
            }
            if created.next_if_eq(&key).is_some() {
                let number = of_rows.map_or(first + row as u64, |of_rows| of_rows[row]);
                self.of_key.at_mut(*key as usize).number = number;
            }
        }
        Ok(rows)
    }
}

/// When keys are to be looked at.
fn dues(of_key: &Paged<OfKey>) -> impl Iterator<Item = (i64, u32)> + '_ {
    (0..of_key.len()).filter_map(|key| Some((of_key.at(key).due?, key as u32)))
}

/// Where rows went.
#[derive(Default)]
struct Placed {
    /// The rows that have a place, with the numbers of their pieces.
    taken: Vec<u32>,
    numbers: Vec<u32>,
    /// Those that have none.
    late: Vec<u32>,
    /// The numbers that were not in use.
    made: Vec<u32>,
}

impl Placed {
    fn note(&mut self, row: usize, number: Option<u32>) {
        match number {
            Some(number) => {
                self.taken.push(row as u32);
                self.numbers.push(number);
            }
            None => self.late.push(row as u32),
        }
    }
}

impl Operator for SessionAggregate {
    fn input(&mut self, _port: usize, delta: Delta, cx: &mut Context<'_>) -> Result<()> {
        let (delta, times) = with_times(delta, self.columns.time, &bounded(self.gap), cx)?;
        let first_letter = cx.dead_letters.len();
        let rows = self.read(delta, times)?;
        if self.options.emit == WindowEmit::Updates {
            self.note(&rows, cx)?;
        }
        let all = rows.delta.num_rows();
        let mut late = Vec::new();
        match self.add(&rows, 0..all) {
            Ok(found) => late = found,
            // Some row fails: add them one by one.
            Err(_) => {
                for row in 0..all {
                    match self.add(&rows, row..row + 1) {
                        Ok(found) => late.extend(found),
                        Err(error) => {
                            let batch = self.grouping.original(&rows.delta.batch);
                            cx.dead_letter_of(&batch, row, error.message().to_string());
                        }
                    }
                }
            }
        }
        cx.settle_letters(first_letter);
        if !late.is_empty() {
            late.sort_unstable();
            self.late.take(select(&rows.delta, &late)?, cx)?;
        }
        self.forget_unused(&rows);
        Ok(())
    }

    fn advance(&mut self, _: usize, frontiers: &[Frontier], _: &mut Context<'_>) -> Result<()> {
        let lateness_ns = i128::from(self.options.lateness_ns);
        self.frontier = frontiers[self.columns.frontier].shift(-lateness_ns);
        self.limit = self.frontier.in_unit(self.unit).max(self.limit);
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
        if self.options.emit == WindowEmit::Updates {
            self.tell_changed(cx)?;
        }
        self.close(cx)?;
        let (start, end) = match self.limit {
            i64::MIN => (Frontier::MIN, Frontier::MIN),
            i64::MAX => (Frontier::MAX, Frontier::MAX),
            limit => {
                // A row in time by itself, and one that joins it from before.
                let next = limit.saturating_sub(self.gap.saturating_mul(2)).saturating_add(2);
                let before = |time| Frontier::before(time, self.unit);
                match self.options.append_only {
                    true => (before(self.pieces.least_start_of_all(next)), self.frontier),
                    // Of a session that is open its last rows may cease, which ends it where it
                    // would have ended without them.
                    false => match self.pieces.least_start_of_all(limit) {
                        least if least < limit => {
                            (before(least.min(next)), before(least.saturating_add(1)))
                        }
                        _ => (before(next), self.frontier),
                    },
                }
            }
        };
        self.start_frontier = self.start_frontier.max(start);
        self.end_frontier = self.end_frontier.max(end.min(self.frontier));
        match self.options.emit {
            WindowEmit::Final => self.emission.take_appended(&self.schema, places),
            WindowEmit::Updates => self.emission.take_net(&self.schema, places),
        }
    }

    fn acts_without_rows(&self) -> bool {
        false
    }

    fn frontiers(&self, out: &mut Vec<Frontier>) {
        out.clear();
        out.extend([self.start_frontier, self.end_frontier]);
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self {
            gap: _,
            unit: _,
            columns: _,
            options: _,
            grouping,
            schema: _,
            keys,
            of_key,
            due,
            shrunk: _,
            pieces,
            sums,
            numbers,
            emission: _,
            changed: _,
            is_partition: _,
            numbered,
            frontier,
            start_frontier,
            end_frontier,
            limit,
            late,
        } = self;
        grouping.parts(parts)?;
        keys.parts(parts)?;
        of_key.parts(parts)?;
        if parts.are_put_back() {
            due.clear();
            due.refill(dues(of_key));
        }
        pieces.parts(parts)?;
        sums.parts(parts)?;
        match numbers {
            Numbers::Any(slots) => slots.parts(parts)?,
            Numbers::Rows(contents) => contents.parts(parts)?,
        }
        parts.number(frontier)?;
        parts.number(start_frontier)?;
        parts.number(end_frontier)?;
        parts.number(numbered)?;
        parts.number(limit)?;
        late.parts(parts)
    }

    fn metrics(&self) -> Metrics {
        let numbers = match &self.numbers {
            Numbers::Any(slots) => slots.state_bytes(),
            Numbers::Rows(contents) => contents.state_bytes(),
        };
        let state_bytes = self.sums.state_bytes()
            + self.keys.state_bytes()
            + self.of_key.state_bytes()
            + self.due.state_bytes()
            + self.pieces.state_bytes()
            + numbers;
        Metrics { late_rows: self.late.count(), state_bytes }
    }
}
