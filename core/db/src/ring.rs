//! [`Ring`], the bounded queue of changes between the engine and one subscription.
//!
//! The engine publishes under the executor's token and never waits: the lock is held for a few
//! moves of pointers, and never while batches are merged, dropped, rendered or waited for. Wakers
//! and wake-ups go through [`outside::run`], so they happen after the token was given back.
//!
//! Invariants:
//! - `ready` says whether a poll would answer something; it is written under the lock.
//! - While `owed`, the queue is empty and stays so: what is published is in the snapshot to come,
//!   which is therefore taken and handed over under the token.
//! - Rows of a snapshot are not counted against the capacity, and of the rest at most one epoch
//!   overshoots it.

use std::collections::VecDeque;
use std::mem;
use std::ops::Deref;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use laminar_types::error::code;
use laminar_types::{Epoch, Error, Result, RowBlock, WaitStrategy, Weights, outside};

use crate::admission::Admission;
use crate::subscription::ChangeBatch;
use crate::wait;
use laminar_dataflow::consolidate;

/// Blocks of polled changes that are kept to be used again.
const MOST_SPARE_BLOCKS: usize = 4;

/// What a full ring does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Forgets the oldest epochs and tells how many rows were missed: for rows that never change.
    Append,
    /// Merges what is queued into its net change; where that does not help, forgets it, answers
    /// `Reset`, and starts again from a snapshot that is fetched when it is polled.
    Updating,
    /// Takes everything: pushes are held back by the [`Admission`] before their epoch.
    Block,
    /// Forgets the oldest epochs and only counts them.
    DropOldest,
}

/// What a subscriber sees of the change that is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The batch and its weights as they are.
    Plain,
    /// The rows that came to be, as often as they did, without weights (`EMIT ON UPDATE`).
    NewRows,
    /// All rows, with their weights as one more column `_weight BIGINT` (`EMIT CHANGES`).
    Changes,
}

/// The properties of a subscription that do not change.
#[derive(Debug, Clone)]
pub(crate) struct RingOptions {
    /// The columns of the polled batches, after [`Form`].
    pub(crate) schema: SchemaRef,
    /// The form in which the subscriber gets the changes.
    pub(crate) form: Form,
    /// What happens when the ring is full.
    pub(crate) policy: Policy,
    /// Rows that may be queued; one epoch may overshoot.
    pub(crate) capacity: usize,
    /// How a poll waits.
    pub(crate) strategy: WaitStrategy,
    /// The sink by whose name it was asked for, with which it ends.
    pub(crate) sink: Option<String>,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The engine's end of a [`Ring`]. Dropping it ends the subscription once it is drained.
pub(crate) struct RingWriter(Arc<Ring>);

impl RingWriter {
    /// Whether it ends with a sink.
    pub(crate) fn is_of_sink(&self, name: &str) -> bool {
        self.0.options.sink.as_deref() == Some(name)
    }

    pub(crate) fn new(options: RingOptions) -> Self {
        Self(Arc::new(Ring {
            options,
            ready: AtomicBool::new(false),
            full: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            reader: AtomicUsize::new(0),
            state: Mutex::new(State::default()),
            admission: OnceLock::new(),
        }))
    }

    /// The shared part, for the subscriber's end.
    pub(crate) fn share(&self) -> Arc<Ring> {
        Arc::clone(&self.0)
    }
}

impl Deref for RingWriter {
    type Target = Ring;

    fn deref(&self) -> &Ring {
        &self.0
    }
}

impl Drop for RingWriter {
    fn drop(&mut self) {
        self.close();
    }
}

/// The queue itself, with what both ends may ask of it.
pub(crate) struct Ring {
    options: RingOptions,
    ready: AtomicBool,
    full: AtomicBool,
    closed: AtomicBool,
    /// The mark of the thread that polled last; zero before the first poll.
    reader: AtomicUsize,
    state: Mutex<State>,
    /// Where room is announced, if the ring holds pushes back.
    admission: OnceLock<Weak<Admission>>,
}

#[derive(Default)]
struct State {
    /// Comes before the queue; not counted in `rows`.
    snapshot: VecDeque<ChangeBatch>,
    snapshot_epoch: Epoch,
    /// Snapshots that were handed over.
    snapshots: u64,
    queue: VecDeque<Queued>,
    /// Blocks that were polled, to be used again.
    spare: Vec<RowBlock>,
    /// Rows in the queue.
    rows: usize,
    /// Rows that came since the queue was last merged.
    rows_since_merge: usize,
    /// The queue was taken out to be merged.
    merging: bool,
    /// Rows missed of which the subscriber has not been told.
    missed: u64,
    missed_total: u64,
    /// Whether the log has been told that rows were missed.
    told_of_miss: bool,
    /// The subscriber must be told to forget what it has.
    reset: bool,
    /// The snapshot has not been handed over.
    owed: bool,
    /// The snapshot is to be polled as one batch.
    whole: bool,
    end: Option<End>,
    parked: Option<Thread>,
    waker: Option<Arc<Waker>>,
    armed: bool,
}

enum End {
    Closed,
    Failed(Error),
}

/// A change as it waits to be polled.
#[derive(Debug)]
pub(crate) enum Queued {
    Batch(ChangeBatch),
    Rows(RowBlock, Epoch),
}

impl Queued {
    fn num_rows(&self) -> usize {
        match self {
            Self::Batch(change) => change.batch.num_rows(),
            Self::Rows(rows, _) => rows.num_rows(),
        }
    }

    fn epoch(&self) -> Epoch {
        match self {
            Self::Batch(change) => change.epoch,
            Self::Rows(_, epoch) => *epoch,
        }
    }

    fn to_batch(&self) -> Result<ChangeBatch> {
        match self {
            Self::Batch(change) => Ok(change.clone()),
            Self::Rows(rows, epoch) => ChangeBatch::of_rows(rows, *epoch),
        }
    }
}

/// What a look into the ring found; nothing of it is rendered yet.
pub(crate) enum Taken {
    Change(Queued),
    /// The whole content, in any number of batches.
    Whole(VecDeque<ChangeBatch>, Epoch),
    Lagged(u64),
    /// The subscriber must start again, but nobody has handed over a snapshot.
    Owed,
    Reset,
    Empty,
    End,
    Failed(Error),
}

/// The engine's side.
impl Ring {
    /// Queues a change; called under the token. Never waits.
    ///
    /// The batch has the columns of the stream: [`Form`] is applied when it is polled.
    pub(crate) fn publish(&self, change: ChangeBatch) {
        let (rows, epoch) = (change.batch.num_rows(), change.epoch);
        self.enqueue(rows, epoch, |_| Queued::Batch(change));
    }

    /// The same for a change that came as a block, which is copied.
    pub(crate) fn publish_rows(&self, rows: &RowBlock, epoch: Epoch) {
        self.enqueue(rows.num_rows(), epoch, |spare| {
            let copy = match spare.pop() {
                None => rows.clone(),
                Some(mut copy) => {
                    copy.copy_from(rows);
                    copy
                }
            };
            Queued::Rows(copy, epoch)
        });
    }

    fn enqueue(
        &self,
        rows: usize,
        epoch: Epoch,
        change: impl FnOnce(&mut Vec<RowBlock>) -> Queued,
    ) {
        if rows == 0 || self.closed.load(Relaxed) {
            return;
        }
        let mut state = self.lock();
        if state.end.is_some() || state.owed {
            return;
        }
        let change = change(&mut state.spare);
        state.queue.push_back(change);
        state.rows += rows;
        state.rows_since_merge += rows;
        let mut forgotten = VecDeque::new();
        // An epoch that is alone in the queue may overshoot.
        let older = state.queue.front().is_some_and(|first| first.epoch() < epoch);
        if state.rows > self.options.capacity && older {
            match self.options.policy {
                Policy::Append | Policy::DropOldest => {
                    self.forget_oldest(&mut state, &mut forgotten)
                }
                Policy::Updating => state = self.shrink(state, &mut forgotten),
                Policy::Block => {}
            }
        }
        let wake = self.announce(&mut state, false);
        drop(state);
        wake.send();
        drop(forgotten);
    }

    /// Puts content before what is queued: what a subscription WITH SNAPSHOT begins with, or what
    /// a poll that finds the ring [owed](Taken::Owed) one asks for. Called under the token, with the content
    /// at the end of `epoch`.
    pub(crate) fn publish_snapshot(
        &self,
        epoch: Epoch,
        content: impl IntoIterator<Item = (RecordBatch, Option<Weights>)>,
    ) {
        let content: VecDeque<ChangeBatch> = content
            .into_iter()
            .filter(|(batch, _)| batch.num_rows() > 0)
            .map(|(batch, weights)| ChangeBatch { batch, weights, epoch })
            .collect();
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        let before = mem::replace(&mut state.snapshot, content);
        state.snapshot_epoch = epoch;
        state.whole = mem::take(&mut state.owed);
        state.snapshots += 1;
        let wake = self.announce(&mut state, false);
        drop(state);
        wake.send();
        drop(before);
    }

    /// Puts earlier changes before what is queued, each with its epoch: what a subscription from an
    /// epoch begins with. Called under the token, before anything is published.
    pub(crate) fn publish_replay(&self, changes: Vec<ChangeBatch>) {
        let mut state = self.lock();
        state.snapshot = changes.into();
        let wake = self.announce(&mut state, false);
        drop(state);
        wake.send();
    }

    /// Whether the ring overflowed and waits for [`publish_snapshot`](Self::publish_snapshot).
    /// The poll that needs it fetches it, so the engine need not look.
    #[cfg(test)]
    pub(crate) fn needs_snapshot(&self) -> bool {
        self.lock().owed
    }

    /// Ends the subscription once it is drained. Idempotent; never waits.
    pub(crate) fn close(&self) {
        self.end(End::Closed);
    }

    /// Makes polls fail once what is queued is drained. Never waits.
    pub(crate) fn fail(&self, error: Error) {
        let error = if error.code() == code::STREAM_FAILED {
            error
        } else {
            Error::new(code::STREAM_FAILED, format!("the stream failed: {error}"))
        };
        self.end(End::Failed(error));
    }

    /// Whether the subscription has ended, by either side: nothing that is published arrives.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Acquire)
    }

    /// Whether it holds as many rows as it may.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Acquire)
    }

    /// Whether the next epoch may be run: the ring has room, or does not hold anyone back.
    pub(crate) fn has_room(&self) -> bool {
        self.options.policy != Policy::Block || !self.full.load(Acquire) || self.is_closed()
    }

    /// Whether this thread polled last, so that waiting here for room would wait for ever.
    pub(crate) fn is_owned_by_current_thread(&self) -> bool {
        self.reader.load(Relaxed) == wait::thread_mark()
    }

    /// Lets room be announced there.
    pub(crate) fn announce_room_to(&self, admission: Weak<Admission>) {
        // A ring is a gate once.
        let _ = self.admission.set(admission);
    }

    fn announce_room(&self) {
        if let Some(admission) = self.admission.get().and_then(Weak::upgrade) {
            admission.announce();
        }
    }

    /// Rows that wait to be polled, without those of a snapshot.
    pub(crate) fn queued_rows(&self) -> usize {
        self.lock().rows
    }

    /// Whether rows were missed and this was not asked since.
    pub(crate) fn is_first_miss(&self) -> bool {
        let mut state = self.lock();
        let is_first = state.missed_total > 0 && !state.told_of_miss;
        state.told_of_miss |= is_first;
        is_first
    }

    /// Rows that were forgotten because the ring was full, in all.
    pub(crate) fn missed_rows(&self) -> u64 {
        self.lock().missed_total
    }

    /// Forgets whole epochs until the rest fits or only the newest epoch is left.
    fn forget_oldest(&self, state: &mut State, forgotten: &mut VecDeque<Queued>) {
        let newest = state.queue.back().map(Queued::epoch);
        let mut current = None;
        while let Some(first) = state.queue.front() {
            let fits = state.rows <= self.options.capacity && current != Some(first.epoch());
            if fits || Some(first.epoch()) == newest {
                break;
            }
            current = Some(first.epoch());
            let rows = first.num_rows();
            forgotten.extend(state.queue.pop_front());
            state.rows -= rows;
            state.missed_total += rows as u64;
            if self.options.policy == Policy::Append {
                state.missed += rows as u64;
            }
        }
    }

    /// Merges the queue into its net change, or gives up and asks for a snapshot.
    fn shrink<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        forgotten: &mut VecDeque<Queued>,
    ) -> MutexGuard<'a, State> {
        *forgotten = mem::take(&mut state.queue);
        // A merge pays only if much has come since the last one: otherwise a queue of changes that
        // do not cancel would be merged at every epoch.
        let worthwhile = state.rows_since_merge >= self.options.capacity / 8;
        let merged = if worthwhile {
            state.merging = true;
            drop(state);
            let merged = merge(forgotten.make_contiguous());
            state = self.lock();
            state.merging = false;
            merged
        } else {
            None
        };
        state.rows_since_merge = 0;
        match merged {
            Some(merged) if rows_of(merged.as_ref()) <= self.options.capacity => {
                state.rows = rows_of(merged.as_ref());
                state.queue.extend(merged.map(Queued::Batch));
            }
            _ => {
                state.missed_total += state.rows as u64;
                state.rows = 0;
                forgotten.extend(state.snapshot.drain(..).map(Queued::Batch));
                // Who was told to start again and has not seen the snapshot yet just gets a newer
                // one: otherwise a slow consumer would be told again and again.
                state.reset |= !mem::take(&mut state.whole);
                state.owed = true;
            }
        }
        state
    }

    fn end(&self, end: End) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        state.end = Some(end);
        self.closed.store(true, Release);
        let wake = self.announce(&mut state, true);
        drop(state);
        wake.send();
        self.announce_room();
    }

    /// Brings the flags up to date after something came, and says whom to wake.
    fn announce(&self, state: &mut State, is_end: bool) -> Wake {
        if !self.update_flags(state) {
            return Wake::default();
        }
        let fire = mem::take(&mut state.armed) || is_end;
        Wake { thread: state.parked.take(), waker: if fire { state.waker.clone() } else { None } }
    }

    /// Brings `ready` and `full` up to date, and answers `ready`.
    fn update_flags(&self, state: &State) -> bool {
        let ready = state.is_ready();
        self.ready.store(ready, Release);
        self.full.store(state.rows >= self.options.capacity, Release);
        ready
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock can panic half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The subscriber's side.
impl Ring {
    pub(crate) fn options(&self) -> &RingOptions {
        &self.options
    }

    /// Takes what comes next. When it is nothing and `is_last_look`, arms the waker. `polled` is
    /// a block that was taken before and is no longer needed.
    pub(crate) fn take(&self, is_last_look: bool, polled: Option<RowBlock>) -> Taken {
        self.reader.store(wait::thread_mark(), Relaxed);
        let mut state = self.lock();
        if let Some(polled) = polled
            && state.spare.len() < MOST_SPARE_BLOCKS
        {
            state.spare.push(polled);
        }
        let taken = state.take();
        if is_last_look && matches!(taken, Taken::Empty) {
            state.armed = true;
        }
        let was_full = self.is_full();
        self.update_flags(&state);
        drop(state);
        if was_full && !self.is_full() {
            self.announce_room();
        }
        taken
    }

    /// How many snapshots were handed over so far.
    pub(crate) fn snapshots(&self) -> u64 {
        self.lock().snapshots
    }

    /// Waits until there may be something to take, or the deadline passes.
    pub(crate) fn wait(&self, deadline: Option<Instant>) {
        if wait::spin_until(self.options.strategy, deadline, || self.ready.load(Acquire)) {
            return;
        }
        let mut state = self.lock();
        if state.is_ready() {
            return;
        }
        state.parked = Some(thread::current());
        drop(state);
        wait::park_until(deadline);
        self.lock().parked = None;
    }

    /// Ends the subscription and forgets what is queued: the subscriber is gone.
    pub(crate) fn abandon(&self) {
        self.close();
        let mut state = self.lock();
        let rest = (mem::take(&mut state.queue), mem::take(&mut state.snapshot));
        state.rows = 0;
        drop(state);
        self.set_waker(None);
        drop(rest);
    }

    /// Puts a waker in the place of the one there is. It is called at once if something waits.
    pub(crate) fn set_waker(&self, call: Option<Box<dyn Fn() + Send + Sync>>) {
        let waker = call.map(|call| Arc::new(Waker { is_live: AtomicBool::new(true), call }));
        let mut state = self.lock();
        let before = mem::replace(&mut state.waker, waker);
        let is_ready = state.is_ready();
        state.armed = !is_ready;
        let wake = Wake { thread: None, waker: state.waker.clone().filter(|_| is_ready) };
        drop(state);
        if let Some(before) = before {
            before.is_live.store(false, Release);
            // Dropping it is the host's code.
            outside::run(move || drop(before));
        }
        wake.send();
    }
}

impl State {
    fn is_ready(&self) -> bool {
        self.reset
            || self.owed
            || self.missed > 0
            || !self.snapshot.is_empty()
            || self.whole
            || !self.queue.is_empty()
            || (self.end.is_some() && !self.merging)
    }

    fn take(&mut self) -> Taken {
        if self.owed && self.end.is_some() {
            // There is no content any more to start again from.
            self.owed = false;
            self.reset = false;
        }
        if mem::take(&mut self.reset) {
            return Taken::Reset;
        }
        if self.owed {
            return Taken::Owed;
        }
        if mem::take(&mut self.whole) {
            return Taken::Whole(mem::take(&mut self.snapshot), self.snapshot_epoch);
        }
        if let Some(change) = self.snapshot.pop_front() {
            return Taken::Change(Queued::Batch(change));
        }
        if self.missed > 0 {
            return Taken::Lagged(mem::take(&mut self.missed));
        }
        if let Some(change) = self.queue.pop_front() {
            self.rows -= change.num_rows();
            return Taken::Change(change);
        }
        match &self.end {
            _ if self.merging => Taken::Empty,
            None => Taken::Empty,
            Some(End::Closed) => Taken::End,
            Some(End::Failed(error)) => Taken::Failed(error.clone()),
        }
    }
}

/// The host's callback for "something waits".
struct Waker {
    is_live: AtomicBool,
    call: Box<dyn Fn() + Send + Sync>,
}

/// Whom to wake, once no lock is held.
#[derive(Default)]
struct Wake {
    thread: Option<Thread>,
    waker: Option<Arc<Waker>>,
}

impl Wake {
    /// Wakes now, or when this thread has given its token back.
    fn send(self) {
        if self.thread.is_none() && self.waker.is_none() {
            return;
        }
        outside::run(move || {
            if let Some(thread) = self.thread {
                thread.unpark();
            }
            if let Some(waker) = self.waker.filter(|waker| waker.is_live.load(Acquire)) {
                (waker.call)();
            }
        });
    }
}

fn rows_of(change: Option<&ChangeBatch>) -> usize {
    change.map_or(0, |change| change.batch.num_rows())
}

/// The net change as one of the last epoch: `Some(None)` if nothing remains, `None` if it cannot
/// be told.
fn merge(changes: &[Queued]) -> Option<Option<ChangeBatch>> {
    let changes: Vec<ChangeBatch> =
        changes.iter().map(Queued::to_batch).collect::<Result<_>>().ok()?;
    let last = changes.last()?;
    let schema = last.batch.schema();
    let parts: Vec<_> = changes.iter().map(|c| (c.batch.clone(), c.weights.clone())).collect();
    let net = consolidate(&schema, &parts).ok()?;
    Some(net.map(|(batch, weights)| ChangeBatch {
        batch,
        weights: Some(weights),
        epoch: last.epoch,
    }))
}
