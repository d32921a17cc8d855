//! [`UntypedSubscription`], a consumer's handle of a stream.
//!
//! It reads a [`Ring`] that the engine fills. What costs time (applying the form, joining the
//! batches of a snapshot, fetching one) is done here, by the consumer and outside every lock.

mod form;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use laminar_types::{Epoch, Error, Result, RowBlock, RowLayout, Weights, outside};

use crate::ring::{Queued, Ring, RingOptions, RingWriter, Taken};
use crate::wait;
use form::Rendered;

/// How to subscribe.
#[derive(Debug, Clone, Default)]
pub struct SubscribeOptions {
    /// Begin with the current content. `None`: yes for a query, no for a name.
    pub snapshot: Option<bool>,
    /// Rows that the ring holds; `None` is the database's `buffer_size`.
    pub capacity: Option<usize>,
    /// What a full ring does.
    pub on_full: OnFull,
    /// Follow only the rows for which this condition, in SQL, is true.
    pub predicate: Option<String>,
    /// Begin with what changed after this epoch.
    pub as_of_epoch: Option<Epoch>,
}

/// What a subscription does when its ring is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFull {
    /// Tells: rows that never change are missed and counted ([`Polled::Lagged`]); updating results
    /// are merged, and past that start again from a snapshot ([`Polled::Reset`]).
    #[default]
    Tell,
    /// Holds pushes back until there is room, for at most the push timeout.
    Block,
    /// Forgets the oldest epochs and only counts them.
    DropOldest,
}

/// The change of one epoch.
#[derive(Debug, Clone)]
pub struct ChangeBatch {
    /// The rows, in the form that the stream's EMIT asks for.
    pub batch: RecordBatch,
    /// One weight per row where rows can disappear.
    pub weights: Option<Weights>,
    /// The epoch that made the change.
    pub epoch: Epoch,
}

impl ChangeBatch {
    /// A change that came as a block, as Arrow arrays.
    pub(crate) fn of_rows(rows: &RowBlock, epoch: Epoch) -> Result<Self> {
        let weights = rows.weights().map(|weights| Weights::from(weights.to_vec()));
        Ok(Self { batch: rows.to_batch()?, weights, epoch })
    }
}

/// The change of one epoch in the form in which the engine has it.
#[derive(Debug)]
pub enum PolledChange<'a> {
    /// As Arrow arrays.
    Batch(ChangeBatch),
    /// A few rows as a block, with weights where rows can disappear, and their epoch.
    Rows(&'a RowBlock, Epoch),
}

/// What a poll answered.
#[derive(Debug)]
pub enum Polled<C = ChangeBatch> {
    /// A change.
    Batch(C),
    /// Nothing came within the time allowed.
    Empty,
    /// So many rows were missed; the next poll goes on with the oldest kept.
    Lagged(u64),
    /// Forget what was received: the next batch is the whole content.
    Reset,
    /// There will be no more.
    End,
}

/// Hands a ring that overflowed the content to start again from.
///
/// It takes the token and, under it, calls [`Ring::publish_snapshot`] with the content at the end
/// of the current epoch: nothing that is published between the two gets lost. It runs on the
/// thread that polls, outside every lock.
pub(crate) type SnapshotProvider = Box<dyn Fn(&Ring) -> Result<()> + Send + Sync>;

/// A consumer of a stream's changes.
pub struct UntypedSubscription {
    ring: Arc<Ring>,
    snapshots: Option<SnapshotProvider>,
    /// The block polled last, as it came.
    polled: Option<RowBlock>,
    /// The same in the form that the subscriber gets, where that is another.
    rendered: Option<RowBlock>,
}

impl UntypedSubscription {
    /// A subscription and the engine's end of it. `snapshots` is needed for
    /// [`Policy::Updating`](crate::ring::Policy::Updating) alone.
    pub(crate) fn new(
        options: RingOptions,
        snapshots: Option<SnapshotProvider>,
    ) -> (RingWriter, Self) {
        let writer = RingWriter::new(options);
        let ring = writer.share();
        let rendered = RowLayout::new(&ring.options().schema);
        let rendered = rendered.map(|layout| RowBlock::new(&layout));
        (writer, Self { ring, snapshots, polled: None, rendered })
    }

    /// The columns of its batches.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.ring.options().schema)
    }

    /// The next change. `None` waits for ever, zero never waits.
    ///
    /// A call from inside a function that the engine calls never waits either, as nothing could
    /// come. After the stream failed and what was queued is drained, each call fails with
    /// `STREAM_FAILED`.
    pub fn poll(&mut self, timeout: Option<Duration>) -> Result<Polled> {
        self.poll_change(timeout)?.try_map(|change| match change {
            PolledChange::Batch(change) => Ok(change),
            PolledChange::Rows(rows, epoch) => ChangeBatch::of_rows(rows, epoch),
        })
    }

    /// As [`poll`](Self::poll), but a few rows that the engine has as a block are not made Arrow
    /// arrays of.
    pub fn poll_change(&mut self, timeout: Option<Duration>) -> Result<Polled<PolledChange<'_>>> {
        let polled = self.poll_rendered(timeout)?;
        polled.try_map(|rendered| {
            let (block, epoch) = match rendered {
                Rendered::Batch(change) => return Ok(PolledChange::Batch(change)),
                Rendered::AsItCame(epoch) => (&self.polled, epoch),
                Rendered::Anew(epoch) => (&self.rendered, epoch),
            };
            let block = block.as_ref().ok_or_else(|| Error::internal("a polled block is gone"))?;
            Ok(PolledChange::Rows(block, epoch))
        })
    }

    fn poll_rendered(&mut self, timeout: Option<Duration>) -> Result<Polled<Rendered>> {
        let timeout = if outside::is_inside() { Some(Duration::ZERO) } else { timeout };
        let mut is_last_look = timeout == Some(Duration::ZERO);
        // The clock is looked at only when there is something to wait for.
        let mut deadline = None;
        loop {
            match self.ring.take(is_last_look, self.polled.take()) {
                Taken::Change(Queued::Batch(change)) => {
                    if let Some(change) = self.render(change)? {
                        return Ok(Polled::Batch(Rendered::Batch(change)));
                    }
                }
                Taken::Change(Queued::Rows(rows, epoch)) => {
                    if let Some(rendered) = self.render_rows(rows, epoch)? {
                        return Ok(Polled::Batch(rendered));
                    }
                }
                Taken::Whole(content, epoch) => {
                    let whole = self.render_whole(content, epoch)?;
                    return Ok(Polled::Batch(Rendered::Batch(whole)));
                }
                Taken::Lagged(rows) => return Ok(Polled::Lagged(rows)),
                Taken::Reset => return Ok(Polled::Reset),
                Taken::Owed => self.fetch_snapshot()?,
                Taken::End => return Ok(Polled::End),
                Taken::Failed(error) => return Err(error),
                Taken::Empty if is_last_look => return Ok(Polled::Empty),
                Taken::Empty => {
                    if deadline.is_none() {
                        // A deadline beyond the clock's end is none.
                        deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
                    }
                    self.ring.wait(deadline);
                    is_last_look = wait::has_passed(deadline);
                }
            }
        }
    }

    /// A handle for other threads.
    pub fn handle(&self) -> SubscriptionHandle {
        SubscriptionHandle { ring: Arc::clone(&self.ring) }
    }

    fn fetch_snapshot(&self) -> Result<()> {
        let provider = self.snapshots.as_ref().ok_or_else(no_snapshot)?;
        let before = self.ring.snapshots();
        provider(&self.ring)?;
        if self.ring.snapshots() == before && !self.ring.is_closed() {
            return Err(no_snapshot());
        }
        Ok(())
    }
}

impl fmt::Debug for UntypedSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntypedSubscription").field("ring", &self.ring).finish_non_exhaustive()
    }
}

impl Drop for UntypedSubscription {
    /// Ends the subscription. The engine's end sees that it is closed; nothing is waited for.
    fn drop(&mut self) {
        self.ring.abandon();
    }
}

/// Cancels and watches a subscription from any thread.
#[derive(Debug, Clone)]
pub struct SubscriptionHandle {
    ring: Arc<Ring>,
}

impl SubscriptionHandle {
    /// Ends the subscription and wakes whoever waits. Never waits. What is queued can still be
    /// polled, then polls answer `End`.
    pub fn cancel(&self) {
        self.ring.close();
    }

    /// Installs the one waker: called at once if something waits, then once after each poll that
    /// answered `Empty` as soon as something comes, and at the end. Never called under the token.
    pub fn on_ready(&self, waker: Box<dyn Fn() + Send + Sync>) {
        self.ring.set_waker(Some(waker));
    }

    /// Removes the waker; after this returns no new call of it starts. A call that runs on another
    /// thread is not waited for, and the waker is dropped after it.
    pub fn clear_on_ready(&self) {
        self.ring.set_waker(None);
    }

    /// Rows that were forgotten because the ring was full, in all.
    pub fn missed_rows(&self) -> u64 {
        self.ring.missed_rows()
    }
}

impl<C> Polled<C> {
    /// The same with another kind of change.
    fn try_map<D>(self, map: impl FnOnce(C) -> Result<D>) -> Result<Polled<D>> {
        Ok(match self {
            Self::Batch(change) => Polled::Batch(map(change)?),
            Self::Empty => Polled::Empty,
            Self::Lagged(rows) => Polled::Lagged(rows),
            Self::Reset => Polled::Reset,
            Self::End => Polled::End,
        })
    }
}

fn no_snapshot() -> Error {
    Error::internal("a subscription overflowed and no content was provided to start again from")
}
