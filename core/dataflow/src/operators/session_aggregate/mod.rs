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

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use laminar_types::{Delta, Frontier, Result, TimeUnit, Weights, mutant};

use super::aggregate::batch;
use super::aggregate_call::{AggregateCall, Grouping};
use super::late_rows::LateRows;
use super::timed_rows::{select, time_column, with_times};
use super::window_aggregate::{WindowColumns, WindowEmit, WindowOptions};
use crate::aggregate::AggregateTable;
use crate::consolidate;
use crate::expr::row_text;
use crate::operator::{Context, Metrics, Operator};
use crate::state::group_index::NO_SLOT;
use crate::state::{Container, GroupIndex, Paged, Parts, TimeIndex};
use pieces::{Piece, PieceKey, Pieces, Session};

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
    /// When to look at keys: at most one node for each, whose value is the key's slot.
    due: TimeIndex,
    pieces: Pieces,
    /// The groups are the pieces, by their numbers.
    table: AggregateTable,
    numbers: Numbers,
    /// What the sessions near the rows of this step were before it.
    before: Vec<Delta>,
    /// The spans in which sessions may have changed in this step: key, first and last time.
    changed: Vec<(u32, i64, i64)>,
    frontier: Frontier,
    start_frontier: Frontier,
    /// Sessions that end at or before this are closed.
    limit: i64,
    late: LateRows,
}

/// What is known of a key besides its pieces.
#[derive(Debug, Clone, Copy)]
struct OfKey {
    /// The end of its last session that is closed.
    closed_to: i64,
    /// Its node among those due, or [`NO_SLOT`].
    due: u32,
}

/// The one key of an index that orders by time alone.
const ALL: u32 = 0;

/// The numbers of pieces.
enum Numbers {
    /// Over append-only input, one after the other.
    Next(i64),
    /// Over updating input, those of the distinct rows.
    Rows(Box<GroupIndex>),
}

/// Rows of a batch with their keys and, over updating input, the numbers of their contents.
struct Rows {
    delta: Delta,
    times: Int64Array,
    keys: Vec<u32>,
    contents: Vec<u32>,
}

const NO_KEY: OfKey = OfKey { closed_to: i64::MIN, due: NO_SLOT };

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
            due: TimeIndex::default(),
            pieces: Pieces::new(gap),
            table: AggregateTable::new(
                &[DataType::Int64],
                grouping.accumulators(input)?,
                options.append_only,
            )?,
            numbers: match options.append_only {
                true => Numbers::Next(0),
                false => Numbers::Rows(Box::new(GroupIndex::new(&types)?)),
            },
            columns,
            options,
            grouping,
            schema,
            before: Vec::new(),
            changed: Vec::new(),
            frontier: Frontier::MIN,
            start_frontier: Frontier::MIN,
            limit: i64::MIN,
            late: options.late_rows(),
        })
    }

    /// Puts the rows into their places and adds them up. When adding fails nothing has happened.
    fn add(&mut self, rows: &Rows, which: std::ops::Range<usize>) -> Result<Vec<u32>> {
        let (mut taken, mut numbers, mut late) = (Vec::new(), Vec::new(), Vec::new());
        // What comes goes before what ceases, so that a row that replaces another is where that was.
        let (come, cease): (Vec<usize>, Vec<usize>) =
            which.partition(|row| rows.delta.weight(*row) > 0);
        for row in come.into_iter().chain(cease) {
            match self.place(rows, row)? {
                Some(number) => {
                    taken.push(row as u32);
                    numbers.push(number);
                }
                None => late.push(row as u32),
            }
        }
        if taken.is_empty() {
            return Ok(late);
        }
        let delta = match taken.len() == rows.delta.num_rows() && rows.delta.weights.is_none() {
            true => rows.delta.clone(),
            false => select(&rows.delta, &taken)?,
        };
        let numbers: ArrayRef = Arc::new(Int64Array::from(numbers));
        let arguments = self.grouping.arguments(&delta.batch);
        let weights = delta.weights.as_deref().filter(|_| !self.options.append_only);
        let added = self.table.update(&[numbers], &arguments.args(), weights, delta.num_rows());
        match added {
            Ok(()) => {
                self.pieces.commit();
                Ok(late)
            }
            Err(error) => {
                self.pieces.undo()?;
                Err(error)
            }
        }
    }

    /// The number of the piece that a row belongs to; `None` when it is late.
    fn place(&mut self, rows: &Rows, row: usize) -> Result<Option<i64>> {
        let (key, time, weight) = (rows.keys[row], rows.times.value(row), rows.delta.weight(row));
        if weight < 0 {
            let at = (key, time, i64::from(rows.contents[row]));
            let Some(piece) = self.pieces.get(at) else { return Ok(None) };
            let left = Piece { weight: piece.weight + weight, ..piece };
            self.pieces.set(at, (left.weight > 0).then_some(left))?;
            // The session may have shrunk, and so be over.
            self.look_at(key, self.limit)?;
            return Ok(Some(at.2));
        }
        let closed_to = self.of_key.at(key as usize).closed_to;
        if time < closed_to && !mutant!(ClosedSessionForgotten) {
            return Ok(None);
        }
        let (before, after) = self.pieces.in_reach(key, time);
        let is_own = time.saturating_add(self.gap) > self.limit;
        if !is_own {
            let reached = before.into_iter().chain(after).map(|at| self.pieces.session(at).own);
            let own = reached.min().unwrap_or(i64::MAX);
            if mutant!(LateRowNeverJoins) || own == i64::MAX || time.saturating_add(self.gap) <= own
            {
                return Ok(None);
            }
        }
        let own = if is_own { time } else { i64::MAX };
        let at = match &mut self.numbers {
            Numbers::Rows(_) => {
                let at = (key, time, i64::from(rows.contents[row]));
                let known = self.pieces.get(at);
                // As much in time as a row of the same time.
                let same = before.filter(|before| before.1 == time);
                let own = own.min(same.and_then(|at| self.pieces.get(at)).map_or(own, |p| p.own));
                let weight = weight + known.map_or(0, |piece| piece.weight);
                let own = own.min(known.map_or(i64::MAX, |piece| piece.own));
                self.pieces.set(at, Some(Piece { last: time, own, weight }))?;
                at
            }
            Numbers::Next(next) => {
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
                        *next += 1;
                        ((key, time, *next), Piece { last: time, own, weight: 1 })
                    }
                };
                self.pieces.set(at, Some(piece))?;
                at
            }
        };
        self.look_at(key, time.saturating_add(self.gap))?;
        Ok(Some(at.2))
    }

    /// Sees to it that a key is looked at when the limit reaches a time.
    fn look_at(&mut self, key: u32, when: i64) -> Result<()> {
        let due = self.of_key.at(key as usize).due;
        if due != NO_SLOT && self.due.time(due) <= when {
            return Ok(());
        }
        self.look_no_more(key);
        let due = self.due.insert(ALL, when)?;
        self.due.set_value(due, key);
        self.of_key.at_mut(key as usize).due = due;
        Ok(())
    }

    fn look_no_more(&mut self, key: u32) {
        let due = std::mem::replace(&mut self.of_key.at_mut(key as usize).due, NO_SLOT);
        if due != NO_SLOT {
            self.due.remove(due);
        }
    }

    /// Forgets the keys and contents of rows that are nowhere after all.
    fn forget_unused(&mut self, rows: &Rows) {
        if let Numbers::Rows(contents) = &mut self.numbers {
            for (row, content) in rows.contents.iter().enumerate() {
                let at = (rows.keys[row], rows.times.value(row), i64::from(*content));
                if contents.is_live(*content) && self.pieces.get(at).is_none() {
                    contents.remove(*content);
                }
            }
        }
        for key in &rows.keys {
            let is_new = self.of_key.at(*key as usize).closed_to == i64::MIN;
            if is_new && self.keys.is_live(*key) && self.pieces.first_from(*key, i64::MIN).is_none()
            {
                self.forget_key(*key);
            }
        }
    }

    fn forget_key(&mut self, key: u32) {
        self.look_no_more(key);
        *self.of_key.at_mut(key as usize) = NO_KEY;
        self.keys.remove(key);
    }

    /// Notes what the sessions in reach of the rows are now.
    fn note(&mut self, rows: &Rows) -> Result<()> {
        let mut seen = BTreeSet::new();
        let mut sessions = Vec::new();
        for (key, time) in rows.keys.iter().zip(rows.times.values()) {
            self.changed.push((*key, *time, *time));
            let (before, after) = self.pieces.in_reach(*key, *time);
            for at in before.into_iter().chain(after) {
                if seen.contains(&at) {
                    continue;
                }
                let session = self.pieces.session(at);
                seen.extend(session.pieces.iter().copied());
                let last = session.end.saturating_sub(self.gap);
                self.changed.push((session.key, session.start, last));
                sessions.push(session);
            }
        }
        if !sessions.is_empty() {
            let batch = self.rows_of(&sessions)?;
            let weights = Weights::from(vec![-1; batch.num_rows()]);
            self.before.push(Delta::weighted(batch, weights));
        }
        Ok(())
    }

    /// The net change of the sessions near the rows of this step.
    fn changes(&mut self) -> Result<Option<Delta>> {
        let mut sessions = Vec::new();
        let mut seen: BTreeSet<PieceKey> = BTreeSet::new();
        for (key, first, last) in std::mem::take(&mut self.changed) {
            let (before, after) = self.pieces.in_reach(key, first);
            let mut next = before.or(after).or_else(|| self.pieces.first_from(key, first));
            // The session after the span may be one that a row of the step split off.
            while let Some(at) = next
                && at.1 < last.saturating_add(self.gap)
            {
                let session = self.pieces.session(at);
                next = self.pieces.first_from(key, session.end);
                if seen.insert(session.pieces[0]) {
                    sessions.push(session);
                }
            }
        }
        let mut told = std::mem::take(&mut self.before);
        if !sessions.is_empty() {
            let batch = self.rows_of(&sessions)?;
            let weights = Weights::from(vec![1; batch.num_rows()]);
            told.push(Delta::weighted(batch, weights));
        }
        let told: Vec<_> = told.into_iter().map(|delta| (delta.batch, delta.weights)).collect();
        let net = consolidate(&self.schema, &told)?;
        Ok(net.map(|(batch, weights)| Delta::weighted(batch, weights)))
    }

    /// Closes the sessions that are over, and answers their rows if they are to be given now.
    fn close(&mut self) -> Result<Option<Delta>> {
        let mut closed: Vec<Session> = Vec::new();
        // The keys that have no session any more, and when to look at them again.
        let mut kept = Vec::new();
        while let Some(due) = self.due.first(ALL)
            && self.due.time(due) <= self.limit
        {
            let key = self.due.value(due);
            self.look_no_more(key);
            let mut front = self.pieces.first_from(key, i64::MIN);
            while let Some(at) = front {
                let session = self.pieces.session(at);
                if session.end > self.limit {
                    self.look_at(key, session.end)?;
                    break;
                }
                for piece in &session.pieces {
                    self.pieces.set(*piece, None)?;
                }
                self.of_key.at_mut(key as usize).closed_to = session.end;
                closed.push(session);
                front = self.pieces.first_from(key, i64::MIN);
            }
            if front.is_none() {
                let closed_to = self.of_key.at(key as usize).closed_to;
                let forgotten = closed_to.saturating_add(self.gap.saturating_mul(2));
                // A key that has rows to give now is needed until they are made.
                let gives = closed.last().is_some_and(|session| session.key == key);
                match gives || forgotten > self.limit {
                    true => kept.push((key, forgotten.max(self.limit.saturating_add(1)))),
                    false => self.forget_key(key),
                }
            }
        }
        for (key, when) in kept {
            self.look_at(key, when)?;
        }
        self.pieces.commit();
        if closed.is_empty() {
            return Ok(None);
        }
        let rows = match self.options.emit {
            WindowEmit::Final => Some(Delta::insert(self.rows_of(&closed)?)),
            WindowEmit::Updates => None,
        };
        self.drop_pieces(&closed)?;
        Ok(rows)
    }

    /// Forgets what was added up for the pieces of sessions.
    fn drop_pieces(&mut self, sessions: &[Session]) -> Result<()> {
        let numbers: Vec<i64> =
            sessions.iter().flat_map(|s| s.pieces.iter().map(|piece| piece.2)).collect();
        let keys: ArrayRef = Arc::new(Int64Array::from(numbers.clone()));
        for slot in self.table.find(&[keys], numbers.len())? {
            self.table.remove(slot);
        }
        if let Numbers::Rows(contents) = &mut self.numbers {
            numbers.into_iter().for_each(|number| contents.remove(number as u32));
        }
        Ok(())
    }

    /// One row for each session.
    fn rows_of(&mut self, sessions: &[Session]) -> Result<RecordBatch> {
        let keys: Vec<u32> = sessions.iter().map(|session| session.key).collect();
        let mut numbers = Vec::new();
        let mut session_of = Vec::new();
        for (index, session) in sessions.iter().enumerate() {
            numbers.extend(session.pieces.iter().map(|piece| piece.2));
            session_of.resize(numbers.len(), index as u32);
        }
        let pieces = numbers.len();
        let numbers: ArrayRef = Arc::new(Int64Array::from(numbers));
        let slots = self.table.find(&[numbers], pieces)?;
        let mut columns = self.keys.keys(&keys)?;
        if self.columns.keys.is_empty() {
            // The key that stands for "no key".
            columns.clear();
        }
        columns.extend(self.table.emit_merged(&slots, &session_of, sessions.len())?);
        let time_type = self.schema.field(self.columns.start).data_type();
        let starts = Int64Array::from_iter_values(sessions.iter().map(|session| session.start));
        let ends = Int64Array::from_iter_values(sessions.iter().map(|session| session.end));
        columns.insert(self.columns.start, time_column(starts, time_type)?);
        columns.push(time_column(ends, time_type)?);
        batch(&self.schema, columns)
    }

    fn read(&mut self, delta: Delta, times: Int64Array) -> Result<Rows> {
        let mut contents_of = Vec::new();
        if let Numbers::Rows(contents) = &mut self.numbers {
            contents.intern(delta.batch.columns(), delta.num_rows(), &mut contents_of)?;
        }
        let delta = self.grouping.arrive(delta)?;
        let mut rows = Rows { delta, times, keys: Vec::new(), contents: contents_of };
        let batch = &rows.delta.batch;
        self.keys.intern(&self.grouping.keys(batch), batch.num_rows(), &mut rows.keys)?;
        self.of_key.resize(self.keys.slots());
        Ok(rows)
    }
}

impl Operator for SessionAggregate {
    fn input(&mut self, _port: usize, delta: Delta, cx: &mut Context<'_>) -> Result<()> {
        let (delta, times) = with_times(delta, self.columns.time, cx)?;
        let rows = self.read(delta, times)?;
        if self.options.emit == WindowEmit::Updates {
            self.note(&rows)?;
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
                            let text = row_text(&batch, row);
                            cx.dead_letter(text, error.message().to_string());
                        }
                    }
                }
            }
        }
        self.table.settle();
        if !late.is_empty() {
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

    fn finish(&mut self, _cx: &mut Context<'_>) -> Result<Option<Delta>> {
        let changes = match self.options.emit {
            WindowEmit::Final => None,
            WindowEmit::Updates => self.changes()?,
        };
        let closed = self.close()?;
        let start = match self.limit {
            i64::MIN => Frontier::MIN,
            i64::MAX => Frontier::MAX,
            limit => {
                // A row in time by itself, and one that joins it from before.
                let next = limit.saturating_sub(self.gap.saturating_mul(2)).saturating_add(2);
                let least = self.pieces.least_start_of_all().map_or(next, |least| least.min(next));
                Frontier::before(least, self.unit)
            }
        };
        self.start_frontier = self.start_frontier.max(start);
        Ok(changes.or(closed))
    }

    fn frontiers(&self, out: &mut Vec<Frontier>) {
        out.clear();
        out.extend([self.start_frontier, self.frontier]);
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
            pieces,
            table,
            numbers,
            before: _,
            changed: _,
            frontier,
            start_frontier,
            limit,
            late,
        } = self;
        grouping.parts(parts)?;
        keys.parts(parts)?;
        of_key.parts(parts)?;
        due.parts(parts)?;
        pieces.parts(parts)?;
        table.parts(parts)?;
        match numbers {
            Numbers::Next(next) => parts.number(next)?,
            Numbers::Rows(contents) => contents.parts(parts)?,
        }
        parts.number(frontier)?;
        parts.number(start_frontier)?;
        parts.number(limit)?;
        late.parts(parts)
    }

    fn metrics(&self) -> Metrics {
        let numbers = match &self.numbers {
            Numbers::Next(_) => 0,
            Numbers::Rows(contents) => contents.state_bytes(),
        };
        let state_bytes = self.table.state_bytes()
            + self.keys.state_bytes()
            + self.of_key.state_bytes()
            + self.due.state_bytes()
            + self.pieces.state_bytes()
            + numbers;
        Metrics { late_rows: self.late.count(), state_bytes }
    }
}
