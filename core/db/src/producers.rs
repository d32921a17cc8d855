//! The watermark of a source: what its producers promise, row by row.
//!
//! Each producer has its own largest time seen and its own explicit watermark; the source's
//! watermark is the minimum over the producers that are open, and never goes back. Lateness is
//! decided as if rows came one at a time, so a batch is cut before every row that is behind the
//! frontier of the rows before it (ARCHITECTURE.md, "Lateness"); so is what `state_ttl` forgets, and
//! then it is cut before every row that comes after a move.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use laminar_dataflow::Marks;
use laminar_types::{Error, Frontier, Result, TimeUnit, Watermark, mutant};

use crate::keyed_times::KeyedTimes;
use crate::replaced::Replaced;

/// `WATERMARK FOR column AS column - delay`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) column: usize,
    pub(crate) unit: TimeUnit,
    pub(crate) delay_ns: i64,
}

impl Declared {
    /// The frontier after a largest time, in units of the column: `floor((max - delay)) + 1`.
    fn frontier(&self, max: i64) -> i64 {
        let nanos = self.unit.nanos();
        let delay = self.delay_ns / nanos + i64::from(self.delay_ns % nanos != 0);
        max.saturating_sub(delay).saturating_add(1)
    }
}

/// The producers of one source.
#[derive(Default)]
pub(crate) struct Producers {
    declared: Option<Declared>,
    /// The largest times of keys, where the declared watermark is the least of theirs.
    keyed: Option<KeyedTimes>,
    /// The producers that were open when one was last added.
    producers: Vec<Producer>,
    opened: u64,
    watermark: Option<Watermark>,
    /// Whether the source was silent and may be behind others since, and how far those are.
    is_back: bool,
    reached: Option<Watermark>,
    /// Which moves of the frontier matter to those who read the source.
    marks: Marks,
}

#[derive(Debug)]
struct Producer {
    id: ProducerId,
    /// Whether it counts before it has said anything.
    holds_back: bool,
    /// The largest event time it has sent, when a watermark is declared.
    max: Option<i64>,
    explicit: Option<Watermark>,
    /// When it was last heard of, in milliseconds, where idle producers are left out.
    seen_ms: i64,
    is_idle: bool,
    /// Set by the handle's end, which does not take the token.
    closed: Arc<AtomicBool>,
}

/// Identifies a producer among those of its source, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerId(u64);

/// A piece of a batch, and the watermark after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) offset: usize,
    pub(crate) rows: usize,
    pub(crate) watermark: Option<Watermark>,
}

impl Producers {
    pub(crate) fn new(declared: Option<Declared>) -> Self {
        let delay = |declared: Declared| match mutant!(DelayForgotten) {
            true => Declared { delay_ns: 0, ..declared },
            false => declared,
        };
        Self { declared: declared.map(delay), ..Self::default() }
    }

    /// Takes the declared watermark of each key instead of each producer.
    pub(crate) fn keyed(self, keyed: Option<KeyedTimes>) -> Self {
        Self { keyed, ..self }
    }

    /// Notes that a producer is alive.
    pub(crate) fn see(&mut self, producer: ProducerId, now_ms: i64) {
        if let Some(producer) = self.get(producer) {
            (producer.seen_ms, producer.is_idle) = (now_ms, false);
        }
    }

    /// Notes that every producer, and key, is alive.
    pub(crate) fn see_all(&mut self, now_ms: i64) {
        if let Some(keyed) = &mut self.keyed {
            keyed.see_all(now_ms);
        }
        for producer in &mut self.producers {
            (producer.seen_ms, producer.is_idle) = (now_ms, false);
        }
    }

    /// Leaves out the producers, and keys, that have sent nothing since a time.
    pub(crate) fn mark_idle(&mut self, since_ms: i64) {
        if let Some(keyed) = &mut self.keyed {
            keyed.mark_idle(since_ms);
        }
        for producer in &mut self.producers {
            producer.is_idle |= producer.seen_ms <= since_ms;
        }
        self.settle();
    }

    /// The earliest time at which a producer, or a key, that is not left out was last heard of.
    pub(crate) fn earliest_seen_ms(&self) -> Option<i64> {
        let open = self.producers.iter().filter(|producer| producer.is_open());
        let seen = open.filter(|producer| !producer.is_idle).map(|producer| producer.seen_ms);
        let of_keys = self.keyed.as_ref().and_then(KeyedTimes::earliest_seen_ms);
        seen.chain(of_keys).min()
    }

    /// Whether the source was silent and may be behind others since.
    pub(crate) fn is_back(&self) -> bool {
        self.is_back
    }

    /// Whether no open producer is expected to send anything for now.
    pub(crate) fn all_idle(&self) -> bool {
        self.producers.iter().filter(|producer| producer.is_open()).all(|p| p.is_idle)
    }

    /// Whether a producer has said that it sends nothing any more.
    pub(crate) fn has_ended(&self, id: ProducerId) -> bool {
        let mut producers = self.producers.iter();
        producers.any(|p| p.id == id && p.explicit == Some(Watermark::MAX))
    }

    /// One more producer, open until `closed` is set.
    ///
    /// One that does not hold back counts only from its first event time: that of inserts by name,
    /// which have no handle to make a promise with.
    pub(crate) fn add(&mut self, closed: Arc<AtomicBool>, holds_back: bool) -> ProducerId {
        self.producers.retain(Producer::is_open);
        let id = ProducerId(self.opened);
        self.opened += 1;
        let (max, explicit, seen_ms, is_idle) = (None, None, i64::MIN, false);
        self.producers.push(Producer { id, holds_back, max, explicit, seen_ms, is_idle, closed });
        id
    }

    /// A producer's state; a closed one that is forgotten has none any more.
    fn get(&mut self, id: ProducerId) -> Option<&mut Producer> {
        self.producers.iter_mut().find(|producer| producer.id == id)
    }

    /// The declared watermark.
    pub(crate) fn declared(&self) -> Option<Declared> {
        self.declared
    }

    /// Declares another delay of the same column. A smaller one brings the watermark on at once; a
    /// larger one counts when it has been caught up with.
    pub(crate) fn redeclare(&mut self, declared: Option<Declared>) {
        self.declared = declared;
        self.settle();
    }

    /// What the source promises now.
    pub(crate) fn watermark(&self) -> Option<Watermark> {
        self.watermark
    }

    /// A producer's explicit promise. Tells the source's watermark after it.
    pub(crate) fn promise(&mut self, producer: ProducerId, watermark: Watermark) {
        if let Some(producer) = self.get(producer).filter(|_| !mutant!(PromiseIgnored)) {
            producer.explicit = producer.explicit.max(Some(watermark));
        }
        self.settle();
    }

    /// Says which moves of the frontier matter to those who read the source.
    pub(crate) fn set_marks(&mut self, marks: Marks) {
        self.marks = marks;
    }

    /// Takes in the times of a batch and cuts it into pieces, each with the watermark after it.
    ///
    /// Within a piece no row is behind the frontier that the rows before it in the piece make, and
    /// none of those that its rows replace is, if that matters to anyone; nor does a row replace
    /// another of the piece. A first piece without rows tells of producers that ended since the last push.
    pub(crate) fn cut(
        &mut self,
        producer: ProducerId,
        batch: &RecordBatch,
        replaced: &[Option<Replaced>],
        pieces: &mut Vec<Piece>,
    ) -> Result<()> {
        let Some(declared) = self.declared.filter(|_| batch.num_rows() > 0) else {
            return self.cut_times(producer, batch.num_rows(), &[], &[], pieces);
        };
        let times = cast(batch.column(declared.column), &DataType::Int64)
            .map_err(|error| Error::internal(format!("an event time is no integer: {error}")))?;
        let times: &[i64] = times.as_primitive::<Int64Type>().values();
        if self.keyed.is_some() {
            self.begin_cut(pieces);
            return self.cut_keyed(producer, declared, batch, times, pieces);
        }
        self.cut_times(producer, times.len(), times, replaced, pieces)
    }

    /// Tells of producers that ended since the last push.
    fn begin_cut(&mut self, pieces: &mut Vec<Piece>) {
        pieces.clear();
        let watermark = self.watermark;
        if self.settle() != watermark {
            // A producer that held the watermark back has ended: no row may miss that.
            pieces.push(Piece { offset: 0, rows: 0, watermark: self.watermark });
        }
    }

    /// The same for so many rows with these times, which are none where no watermark is declared.
    /// The source has no watermarks by key.
    pub(crate) fn cut_times(
        &mut self,
        producer: ProducerId,
        rows: usize,
        times: &[i64],
        replaced: &[Option<Replaced>],
        pieces: &mut Vec<Piece>,
    ) -> Result<()> {
        debug_assert!(self.keyed.is_none() || rows == 0);
        self.begin_cut(pieces);
        let Some(declared) = self.declared.filter(|_| rows > 0) else {
            pieces.push(Piece { offset: 0, rows, watermark: self.watermark });
            return Ok(());
        };
        let largest = times.iter().copied().max().unwrap_or(i64::MIN);
        let smallest = times.iter().copied().min().unwrap_or(i64::MAX);
        let others = self.others(producer);
        let applied = self.watermark.map_or(i64::MIN, |w| in_unit(w, declared.unit));
        let Some(own) = self.get(producer) else {
            return Err(Error::internal("a closed producer pushed"));
        };
        let (before, explicit) = (own.max, own.explicit);
        let last = before.map_or(largest, |max| max.max(largest));
        let promised = explicit.map_or(i64::MIN, |w| in_unit(w, declared.unit));
        let most = others.frontier(declared.unit);
        let frontier = |max: i64| declared.frontier(max).max(promised).min(most).max(applied);
        let reached = self.reached_in(declared.unit);
        let concerns_all = self.concern_all();
        let may_be_behind = smallest < frontier(last) || !replaced.is_empty();
        if (may_be_behind || concerns_all) && !mutant!(LatenessByBatch) {
            // Some row may be behind, or comes after what a frontier makes forgotten: walk.
            let mut max = before;
            let mut applied = applied;
            let mut start = 0;
            let mut has_behind = false;
            for (row, time) in times.iter().enumerate() {
                let now = max.map_or(applied, frontier);
                let of = replaced.get(row).copied().flatten();
                let of = of.filter(|_| !mutant!(ReplacedRowsUncut));
                let oldest = of.map_or(*time, |replaced| replaced.time.min(*time));
                let is_behind = oldest < now - i64::from(mutant!(CutOneUnitLate));
                let matters = (is_behind || concerns_all)
                    && now > applied
                    && self.matters(applied, now, declared);
                let replaces = of.and_then(|replaced| replaced.row) >= Some(start);
                let is_apart = concerns_all && has_behind;
                if row > start && (matters || replaces || is_apart) {
                    let watermark = self.reached(producer, max);
                    pieces.push(Piece { offset: start, rows: row - start, watermark });
                    applied = now;
                    start = row;
                    has_behind = false;
                }
                has_behind |= *time < applied.max(reached);
                max = Some(max.map_or(*time, |max| max.max(*time)));
            }
            let watermark = self.reached(producer, Some(last));
            pieces.push(Piece { offset: start, rows: rows - start, watermark });
        } else {
            let watermark = self.reached(producer, Some(last));
            pieces.push(Piece { offset: 0, rows, watermark });
        }
        Ok(())
    }

    /// The same, where each key has its own largest time.
    fn cut_keyed(
        &mut self,
        producer: ProducerId,
        declared: Declared,
        batch: &RecordBatch,
        times: &[i64],
        pieces: &mut Vec<Piece>,
    ) -> Result<()> {
        let now_ms = self.get(producer).map_or(i64::MIN, |producer| producer.seen_ms);
        let Some(keyed) = &mut self.keyed else { return Ok(()) };
        keyed.read(batch)?;
        let mut applied = self.watermark.map_or(i64::MIN, |w| in_unit(w, declared.unit));
        // The most that the slowest key came to: a key that is new may be behind that.
        let mut reached = None;
        let by_others = self.reached_in(declared.unit);
        let concerns_all = self.concern_all();
        let mut start = 0;
        let mut has_behind = false;
        for (row, time) in times.iter().enumerate() {
            let now = reached.map_or(applied, |least| declared.frontier(least).max(applied));
            let matters = (*time < now || concerns_all)
                && now > applied
                && self.matters(applied, now, declared);
            if row > start && (matters || (concerns_all && has_behind)) {
                let watermark = self.reached_by_keys(declared, reached);
                pieces.push(Piece { offset: start, rows: row - start, watermark });
                applied = now;
                start = row;
                has_behind = false;
            }
            has_behind |= *time < applied.max(by_others);
            if let Some(keyed) = &mut self.keyed {
                keyed.see(row, *time, now_ms);
                reached = reached.max(keyed.least());
            }
        }
        let watermark = self.reached_by_keys(declared, reached);
        pieces.push(Piece { offset: start, rows: times.len() - start, watermark });
        Ok(())
    }

    /// Whether someone forgets what rows to come would meet. Then a row that is behind a frontier is
    /// a piece of its own as well, since it may be forgotten at once.
    fn concern_all(&self) -> bool {
        self.marks == Marks::ForEveryRow && !mutant!(ForgottenByBatch)
    }

    /// Notes that the source was silent: those who read it may have gone on with other sources.
    pub(crate) fn come_back(&mut self) {
        self.is_back = true;
    }

    /// Notes how far any source has come, if this one was silent and has not come as far.
    pub(crate) fn catch_up(&mut self, reached: Option<Watermark>) {
        self.is_back &= self.watermark < reached;
        self.reached = reached.filter(|_| self.is_back);
    }

    /// How far those who read this source may have gone on without it.
    fn reached_in(&self, unit: TimeUnit) -> i64 {
        self.reached.map_or(i64::MIN, |watermark| in_unit(watermark, unit))
    }

    /// Whether it matters to anyone if a row comes before or after such a move of the frontier.
    fn matters(&self, from: i64, to: i64, declared: Declared) -> bool {
        let frontier = |time| match time {
            i64::MIN => Frontier::MIN,
            time => Frontier::before(time, declared.unit),
        };
        self.marks.matter_between(frontier(from), frontier(to))
    }

    /// Notes what the slowest key came to. Tells the source's watermark after it.
    fn reached_by_keys(&mut self, declared: Declared, least: Option<i64>) -> Option<Watermark> {
        let of_keys = least.map(|t| Watermark::declared(t, declared.unit, declared.delay_ns));
        self.watermark = self.watermark.max(of_keys);
        self.settle()
    }

    /// Notes a producer's largest time. Tells the source's watermark after it.
    fn reached(&mut self, producer: ProducerId, max: Option<i64>) -> Option<Watermark> {
        if let Some(producer) = self.get(producer) {
            producer.max = max;
        }
        self.settle()
    }

    /// The least that the other open producers promise.
    fn others(&self, producer: ProducerId) -> Others {
        let mut least = None;
        for other in &self.producers {
            if other.id != producer && other.is_open() {
                least = lesser(least, other.promise(self.declared));
            }
        }
        Others(least)
    }

    /// The source's watermark after what its producers have said.
    pub(crate) fn settle(&mut self) -> Option<Watermark> {
        let declared = self.declared.filter(|_| self.keyed.is_none());
        let is_open = |producer: &&Producer| producer.is_open() || mutant!(ClosedProducerHoldsBack);
        let open = || self.producers.iter().filter(is_open);
        let mut handles = open().filter(|producer| producer.holds_back).peekable();
        // What goes in by the source's name has no handle to say its end with.
        let ended = !mutant!(EndOfInputIgnored)
            && handles.peek().is_some()
            && handles.all(|producer| producer.explicit == Some(Watermark::MAX));
        let mut least = None;
        for producer in open().filter(|producer| !ended || producer.holds_back) {
            let promise = producer.promise(declared);
            least = match mutant!(WatermarkOfTheFastest) {
                true => least.max(promise),
                false => lesser(least, promise),
            };
        }
        if let Some((keyed, declared)) = self.keyed.as_ref().zip(self.declared) {
            let keyed = keyed.least();
            let of_keys = keyed.map(|t| Watermark::declared(t, declared.unit, declared.delay_ns));
            least = least.max(of_keys);
        }
        if let Some(least) = least.filter(|least| *least > Watermark::MIN) {
            self.watermark = match mutant!(WatermarkGoesBack) {
                true => Some(least),
                false => self.watermark.max(Some(least)),
            };
        }
        self.watermark
    }
}

impl Producer {
    fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Acquire)
    }

    /// What it promises; `None` when it does not count.
    fn promise(&self, declared: Option<Declared>) -> Option<Watermark> {
        if self.is_idle && !mutant!(IdleProducerHoldsBack) {
            return None;
        }
        let declared = declared
            .zip(self.max)
            .map(|(declared, max)| Watermark::declared(max, declared.unit, declared.delay_ns));
        declared.max(self.explicit).or(self.holds_back.then_some(Watermark::MIN))
    }
}

/// The lesser of two promises, where there are two.
fn lesser(one: Option<Watermark>, other: Option<Watermark>) -> Option<Watermark> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// What the other producers of a source promise; `None` when there are none.
struct Others(Option<Watermark>);

impl Others {
    fn frontier(&self, unit: TimeUnit) -> i64 {
        self.0.map_or(i64::MAX, |watermark| in_unit(watermark, unit))
    }
}

fn in_unit(watermark: Watermark, unit: TimeUnit) -> i64 {
    watermark.frontier(unit).in_unit(unit)
}

/// The frontiers that a watermark means for event-time columns of these units.
pub(crate) fn frontiers(
    watermark: Option<Watermark>,
    units: impl Iterator<Item = TimeUnit>,
    out: &mut Vec<Frontier>,
) {
    out.clear();
    out.extend(units.map(|unit| watermark.map_or(Frontier::MIN, |w| w.frontier(unit))));
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array};
    use laminar_dataflow::WindowEnds;
    use laminar_dataflow::window::WindowSpec;

    use super::*;

    fn batch(times: &[i64]) -> RecordBatch {
        let times: ArrayRef = Arc::new(Int64Array::from(times.to_vec()));
        RecordBatch::try_from_iter([("ts", times)]).unwrap()
    }

    fn source(delay_ms: i64, producers: usize) -> (Producers, Vec<ProducerId>) {
        let delay_ns = delay_ms * 1_000_000;
        let unit = TimeUnit::Millisecond;
        let mut source = Producers::new(Some(Declared { column: 0, unit, delay_ns }));
        let ids = (0..producers).map(|_| source.add(Arc::default(), true)).collect();
        (source, ids)
    }

    fn cut(source: &mut Producers, id: ProducerId, times: &[i64]) -> Vec<(usize, Option<i64>)> {
        let mut pieces = Vec::new();
        source.cut(id, &batch(times), &[], &mut pieces).unwrap();
        pieces
            .iter()
            .map(|piece| (piece.rows, piece.watermark.and_then(Watermark::millis)))
            .collect()
    }

    #[test]
    fn batches_are_cut_only_where_it_matters() {
        let ends = |lateness_ms: i64| WindowEnds {
            spec: WindowSpec::new(TimeUnit::Millisecond, 10_000_000, 10_000_000, 0).unwrap(),
            lateness_ns: lateness_ms * 1_000_000,
        };
        let cuts = |marks: Marks, times: &[i64]| {
            let (mut source, ids) = source(0, 1);
            source.set_marks(marks);
            // No window that ends by 3 is open any more.
            cut(&mut source, ids[0], &[2]);
            cut(&mut source, ids[0], times).iter().map(|(rows, _)| *rows).collect::<Vec<_>>()
        };
        // 4 is behind 6, 5 behind 10 (9 is the last time before a close), 3 behind 13.
        let times = [6, 4, 8, 5, 9, 5, 12, 3, 13, 3];
        assert_eq!(cuts(Marks::Every, &times), [1, 2, 2, 2, 2, 1]);
        assert_eq!(cuts(Marks::AsReaders, &times), [10]);
        assert_eq!(cuts(Marks::Ends(vec![ends(0)]), &times), [5, 5]);
        // The window of [0, 10) is open until 13, which is the frontier after 12.
        assert_eq!(cuts(Marks::Ends(vec![ends(3)]), &times), [7, 3]);
        assert_eq!(cuts(Marks::Ends(vec![ends(0), ends(3)]), &times), [5, 2, 3]);
    }

    #[test]
    fn rows_in_order_are_one_piece() {
        let (mut source, ids) = source(5, 1);
        assert_eq!(cut(&mut source, ids[0], &[10, 12, 8, 20]), [(4, Some(15))]);
    }

    #[test]
    fn a_batch_is_cut_before_each_row_behind_a_new_frontier() {
        let (mut source, ids) = source(5, 1);
        // 14 is behind 15 + 1; 13 too, and no new frontier came between; 21 moves it on to 17.
        assert_eq!(
            cut(&mut source, ids[0], &[10, 20, 14, 13, 21, 16]),
            [(2, Some(15)), (3, Some(16)), (1, Some(16))]
        );
        // Behind what an earlier batch made: nothing to advance before it, so no cut.
        assert_eq!(cut(&mut source, ids[0], &[3, 4]), [(2, Some(16))]);
    }

    #[test]
    fn one_at_a_time_and_all_at_once_make_the_same_frontiers() {
        let times = [5, 30, 1, 24, 25, 26, 60, 2, 54, 55, 61, 55];
        let before_each = |batches: Vec<&[i64]>| {
            let (mut source, ids) = source(5, 1);
            let mut seen = Vec::new();
            for times in batches {
                let mut before = source.watermark().and_then(Watermark::millis);
                for (rows, after) in cut(&mut source, ids[0], times) {
                    for _ in 0..rows {
                        seen.push(before);
                    }
                    before = after;
                }
            }
            // What counts is whether a row is behind the watermark it meets.
            let met = times.iter().zip(seen);
            met.map(|(time, seen)| seen.is_some_and(|seen| *time <= seen)).collect::<Vec<_>>()
        };
        let single = before_each(times.chunks(1).collect());
        // By hand: 1, 24 and 25 behind 30 - 5; 2, 54 and 55 behind 60 - 5; the last 55 behind 61 - 5.
        assert_eq!(single.iter().filter(|late| **late).count(), 7);
        for size in [2, 3, 5, 12] {
            assert_eq!(before_each(times.chunks(size).collect()), single, "batches of {size}");
        }
    }

    #[test]
    fn inserts_by_name_do_not_hold_promises_back() {
        let mut source = Producers::new(None);
        let writer = source.add(Arc::default(), true);
        let own = source.add(Arc::default(), false);
        assert_eq!(cut(&mut source, own, &[1, 2]), [(2, None)]);
        source.promise(writer, Watermark::new(9, TimeUnit::Millisecond));
        assert_eq!(source.watermark().and_then(Watermark::millis), Some(9));
    }

    #[test]
    fn the_slowest_open_producer_holds_the_watermark() {
        let (mut source, ids) = source(0, 1);
        let closed = Arc::new(AtomicBool::new(false));
        let slow = source.add(Arc::clone(&closed), true);
        assert_eq!(cut(&mut source, ids[0], &[10]), [(1, None)]);
        assert_eq!(cut(&mut source, slow, &[3]), [(1, Some(3))]);
        source.promise(slow, Watermark::new(7, TimeUnit::Millisecond));
        assert_eq!(source.watermark().and_then(Watermark::millis), Some(7));
        closed.store(true, Ordering::Release);
        // The first row after the end meets the watermark without it.
        assert_eq!(cut(&mut source, ids[0], &[9]), [(0, Some(10)), (1, Some(10))]);
        // It never goes back.
        source.add(Arc::default(), true);
        assert_eq!(source.settle().and_then(Watermark::millis), Some(10));
    }
}
