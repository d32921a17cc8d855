//! [`Subscription`], a consumer's handle of a stream.
//!
//! It reads a [`Ring`] that the engine fills. What costs time (applying the form, joining the
//! batches of a snapshot, fetching one) is done here, by the consumer and outside every lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Int64Array, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use laminar_types::{Epoch, Error, Result, RowBlock, RowLayout, Weights, outside};

use crate::ring::{Form, Queued, Ring, RingOptions, RingWriter, Taken};
use crate::wait;

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
pub struct Subscription {
    ring: Arc<Ring>,
    snapshots: Option<SnapshotProvider>,
    /// The block polled last, as it came.
    polled: Option<RowBlock>,
    /// The same in the form that the subscriber gets, where that is another.
    rendered: Option<RowBlock>,
}

/// A change that was taken and rendered.
enum Rendered {
    Batch(ChangeBatch),
    /// The block is `polled`.
    AsItCame(Epoch),
    /// The block is `rendered`.
    Anew(Epoch),
}

impl Subscription {
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

    /// The change in the form that the subscriber gets; `None` if nothing of it is seen.
    fn render(&self, change: ChangeBatch) -> Result<Option<ChangeBatch>> {
        match self.ring.options().form {
            Form::Plain => Ok(Some(change)),
            Form::NewRows => new_rows(change).map_err(internal),
            Form::Changes => with_weight_column(change, self.schema()).map(Some).map_err(internal),
        }
    }

    /// The same for a block.
    fn render_rows(&mut self, rows: RowBlock, epoch: Epoch) -> Result<Option<Rendered>> {
        let form = self.ring.options().form;
        let rendered = match (form, &mut self.rendered) {
            (Form::Plain, _) => {
                self.polled = Some(rows);
                return Ok(Some(Rendered::AsItCame(epoch)));
            }
            (_, Some(rendered)) => rendered,
            // One column more than a block can have.
            (_, None) => {
                let change = self.render(ChangeBatch::of_rows(&rows, epoch)?)?;
                return Ok(change.map(Rendered::Batch));
            }
        };
        rendered.clear();
        if form == Form::Changes {
            rows_with_weight_column(&rows, rendered);
        } else {
            new_rows_of(&rows, rendered);
        }
        let is_seen = !rendered.is_empty();
        self.polled = Some(rows);
        Ok(is_seen.then_some(Rendered::Anew(epoch)))
    }

    /// The content as one batch, which may be one without rows.
    fn render_whole(&self, content: VecDeque<ChangeBatch>, epoch: Epoch) -> Result<ChangeBatch> {
        let nothing = || ChangeBatch {
            batch: RecordBatch::new_empty(self.schema()),
            weights: (self.ring.options().form == Form::Changes).then(Weights::default),
            epoch,
        };
        let Some(first) = content.front() else {
            return Ok(nothing());
        };
        let batches = content.iter().map(|change| &change.batch);
        let batch = concat_batches(&first.batch.schema(), batches).map_err(internal)?;
        let weights = content.iter().any(|change| change.weights.is_some()).then(|| {
            let weights = content.iter().flat_map(|change| {
                (0..change.batch.num_rows())
                    .map(|row| change.weights.as_ref().map_or(1, |weights| weights[row]))
            });
            weights.collect()
        });
        Ok(self.render(ChangeBatch { batch, weights, epoch })?.unwrap_or_else(nothing))
    }
}

impl Drop for Subscription {
    /// Ends the subscription. The engine's end sees that it is closed; nothing is waited for.
    fn drop(&mut self) {
        self.ring.abandon();
    }
}

/// Cancels and watches a subscription from any thread.
#[derive(Clone)]
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

/// Appends the rows with a weight of -1 or +1 as the last column, equal ones one by one.
fn rows_with_weight_column(rows: &RowBlock, out: &mut RowBlock) {
    let column = rows.layout().kinds().len();
    for row in 0..rows.num_rows() {
        let weight = rows.weight(row);
        for _ in 0..weight.unsigned_abs() {
            out.append_row(rows, row, weight.signum());
            out.set(column, weight.signum() as u64);
        }
    }
    out.set_weighted();
}

/// Appends each row with a positive weight, as often as its weight says.
fn new_rows_of(rows: &RowBlock, out: &mut RowBlock) {
    for row in 0..rows.num_rows() {
        for _ in 0..rows.weight(row) {
            out.append_row(rows, row, 1);
        }
    }
}

/// Each row with a positive weight, as often as its weight says.
fn new_rows(change: ChangeBatch) -> Result<Option<ChangeBatch>, ArrowError> {
    let ChangeBatch { batch, weights, epoch } = change;
    let Some(weights) = weights.filter(|weights| weights.iter().any(|&weight| weight != 1)) else {
        return Ok(Some(ChangeBatch { batch, weights: None, epoch }));
    };
    let repeated = weights.iter().zip(0_u64..).flat_map(|(&weight, row)| {
        let times = usize::try_from(weight).unwrap_or(0);
        std::iter::repeat_n(row, times)
    });
    let rows: UInt64Array = repeated.collect::<Vec<u64>>().into();
    if rows.is_empty() {
        return Ok(None);
    }
    let batch = take_record_batch(&batch, &rows)?;
    Ok(Some(ChangeBatch { batch, weights: None, epoch }))
}

/// The rows with a weight of -1 or +1 as the last column of `schema`: equal rows that ceased or
/// came to be together are told one by one.
fn with_weight_column(change: ChangeBatch, schema: SchemaRef) -> Result<ChangeBatch, ArrowError> {
    let ChangeBatch { mut batch, weights, epoch } = change;
    let mut weights = weights.unwrap_or_else(|| vec![1; batch.num_rows()].into());
    if weights.iter().any(|weight| weight.unsigned_abs() != 1) {
        let times = |weight: i64| usize::try_from(weight.unsigned_abs()).unwrap_or(usize::MAX);
        let counted = || weights.iter().zip(0_u64..);
        let rows = counted().flat_map(|(&weight, row)| std::iter::repeat_n(row, times(weight)));
        batch = take_record_batch(&batch, &UInt64Array::from_iter_values(rows))?;
        let single = weights.iter().flat_map(|&w| std::iter::repeat_n(w.signum(), times(w)));
        weights = single.collect();
    }
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(Int64Array::new(weights.clone(), None)));
    let batch = RecordBatch::try_new(schema, columns)?;
    Ok(ChangeBatch { batch, weights: Some(weights), epoch })
}

fn internal(error: ArrowError) -> Error {
    Error::internal(format!("a change cannot be brought into the subscriber's form: {error}"))
}

fn no_snapshot() -> Error {
    Error::internal("a subscription overflowed and no content was provided to start again from")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread;

    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use laminar_types::WaitStrategy;
    use laminar_types::error::code;

    use super::*;
    use crate::ring::Policy;
    use crate::token::Token;

    const NOW: Option<Duration> = Some(Duration::ZERO);
    const SOON: Option<Duration> = Some(Duration::from_millis(20));

    fn schema(names: &[&str]) -> SchemaRef {
        let fields = names.iter().map(|name| Field::new(*name, DataType::Int64, true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    fn rows(values: &[i64]) -> RecordBatch {
        RecordBatch::try_new(schema(&["x"]), vec![Arc::new(Int64Array::from(values.to_vec()))])
            .unwrap()
    }

    fn insert(epoch: Epoch, values: &[i64]) -> ChangeBatch {
        ChangeBatch { batch: rows(values), weights: None, epoch }
    }

    fn change(epoch: Epoch, values: &[(i64, i64)]) -> ChangeBatch {
        let (values, weights): (Vec<i64>, Vec<i64>) = values.iter().copied().unzip();
        ChangeBatch { batch: rows(&values), weights: Some(weights.into()), epoch }
    }

    fn options(policy: Policy, capacity: usize) -> RingOptions {
        RingOptions {
            sink: None,
            schema: schema(&["x"]),
            form: Form::Plain,
            policy,
            capacity,
            strategy: WaitStrategy::default(),
        }
    }

    fn pair(policy: Policy, capacity: usize) -> (RingWriter, Subscription) {
        Subscription::new(options(policy, capacity), None)
    }

    /// The next answer in words, for comparing.
    fn next(subscription: &mut Subscription) -> String {
        match subscription.poll(NOW) {
            Ok(Polled::Batch(ChangeBatch { batch, weights, epoch })) => {
                let columns = batch.columns().iter();
                let columns: Vec<_> =
                    columns.map(|column| column.as_primitive::<Int64Type>().values()).collect();
                let columns: Vec<&[i64]> = columns.into_iter().map(|values| &**values).collect();
                match weights {
                    None => format!("{epoch}: {columns:?}"),
                    Some(weights) => format!("{epoch}: {columns:?} by {:?}", &*weights),
                }
            }
            Ok(Polled::Lagged(rows)) => format!("lagged {rows}"),
            Ok(other) => format!("{other:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn changes_come_in_order_with_their_epochs() {
        let (writer, mut subscription) = pair(Policy::Append, 100);
        assert_eq!(subscription.schema(), schema(&["x"]));
        assert_eq!(next(&mut subscription), "Empty");
        assert!(matches!(subscription.poll(SOON), Ok(Polled::Empty)));
        writer.publish(insert(3, &[1, 2]));
        writer.publish(insert(4, &[]));
        writer.publish(insert(5, &[3]));
        assert_eq!(writer.queued_rows(), 3);
        assert_eq!(next(&mut subscription), "3: [[1, 2]]");
        assert_eq!(next(&mut subscription), "5: [[3]]");
        assert_eq!(next(&mut subscription), "Empty");
    }

    #[test]
    fn a_full_append_only_ring_forgets_the_oldest_epochs_and_says_so() {
        let (writer, mut subscription) = pair(Policy::Append, 4);
        for epoch in 1..=6 {
            writer.publish(insert(epoch, &[epoch as i64]));
        }
        assert_eq!(next(&mut subscription), "lagged 2");
        assert_eq!(next(&mut subscription), "3: [[3]]");
        writer.publish(insert(7, &[7]));
        writer.publish(insert(8, &[8]));
        writer.publish(insert(8, &[8]));
        assert_eq!(next(&mut subscription), "lagged 2");
        // Epoch 9 is larger than the ring, in two batches, and alone overshoots.
        writer.publish(insert(9, &[9; 3]));
        writer.publish(insert(9, &[9; 3]));
        assert_eq!(next(&mut subscription), "lagged 4");
        assert_eq!(next(&mut subscription), "9: [[9, 9, 9]]");
        assert_eq!(next(&mut subscription), "9: [[9, 9, 9]]");
        assert_eq!(next(&mut subscription), "Empty");
        assert_eq!(subscription.handle().missed_rows(), 8);
    }

    #[test]
    fn an_epoch_is_forgotten_as_a_whole() {
        let (writer, mut subscription) = pair(Policy::DropOldest, 4);
        for epoch in [1, 1, 1, 2, 3] {
            writer.publish(insert(epoch, &[epoch as i64]));
        }
        assert_eq!(next(&mut subscription), "2: [[2]]");
        assert_eq!(writer.missed_rows(), 3);
    }

    #[test]
    fn an_updating_ring_merges_what_is_queued() {
        let (writer, mut subscription) = pair(Policy::Updating, 4);
        writer.publish(insert(1, &[0]));
        for epoch in 1..=8 {
            let step = epoch as i64;
            writer.publish(change(epoch, &[(step - 1, -1), (step, 1)]));
        }
        assert_eq!(next(&mut subscription), "8: [[8]] by [1]");
        assert_eq!(next(&mut subscription), "Empty");
        // What cancels leaves nothing.
        writer.publish(insert(10, &[1, 2, 3]));
        writer.publish(change(11, &[(1, -1), (2, -1), (3, -1)]));
        assert_eq!(next(&mut subscription), "Empty");
    }

    #[test]
    fn an_updating_ring_that_cannot_be_merged_starts_again() {
        let content = |ring: &Ring| {
            let content = [(rows(&[1, 2, 3]), None), (rows(&[4]), Some(vec![2].into()))];
            ring.publish_snapshot(7, content);
            Ok(())
        };
        let options = options(Policy::Updating, 2);
        let (writer, mut subscription) = Subscription::new(options, Some(Box::new(content)));
        for epoch in 1..=4 {
            writer.publish(insert(epoch, &[epoch as i64]));
        }
        assert!(writer.needs_snapshot());
        assert_eq!(writer.queued_rows(), 0);
        assert_eq!(next(&mut subscription), "Reset");
        writer.publish(insert(6, &[4]));
        assert_eq!(next(&mut subscription), "7: [[1, 2, 3, 4]] by [1, 1, 1, 2]");
        writer.publish(insert(8, &[5]));
        assert_eq!(next(&mut subscription), "8: [[5]]");
        assert_eq!(next(&mut subscription), "Empty");
    }

    #[test]
    fn content_that_is_empty_is_a_batch_without_rows() {
        let (writer, mut subscription) = pair(Policy::Updating, 1);
        writer.publish(insert(1, &[1]));
        writer.publish(insert(2, &[2]));
        assert_eq!(next(&mut subscription), "Reset");
        assert!(next(&mut subscription).contains("LDB-9001"), "there is no provider");
        writer.publish_snapshot(5, []);
        assert_eq!(next(&mut subscription), "5: [[]]");
        assert_eq!(next(&mut subscription), "Empty");
        // A ring that overflowed and ended has nothing left to say.
        writer.publish(insert(6, &[1]));
        writer.publish(insert(7, &[2]));
        writer.close();
        assert_eq!(next(&mut subscription), "End");
    }

    #[test]
    fn a_first_snapshot_is_not_counted_and_comes_first() {
        let (writer, mut subscription) = pair(Policy::Append, 1);
        writer.publish_snapshot(3, [(rows(&[1, 2]), None), (rows(&[3]), None)]);
        writer.publish(insert(4, &[4]));
        writer.publish(insert(5, &[5]));
        for answer in ["3: [[1, 2]]", "3: [[3]]", "lagged 1", "5: [[5]]", "Empty"] {
            assert_eq!(next(&mut subscription), answer);
        }
    }

    /// Whatever is merged, forgotten and started again, the consumer ends with the content.
    #[test]
    fn an_updating_subscriber_always_arrives_at_the_content() {
        struct Core {
            epoch: Epoch,
            content: BTreeMap<i64, i64>,
        }
        let snapshot = |core: &Core| {
            let (values, weights): (Vec<i64>, Vec<i64>) =
                core.content.iter().map(|(&value, &weight)| (value, weight)).unzip();
            (core.epoch, [(rows(&values), Some(weights.into()))])
        };
        for seed in 1..=8_u64 {
            let core = Core { epoch: 0, content: BTreeMap::new() };
            let token = Arc::new(Token::new(core, WaitStrategy::SpinYield(10)));
            let provider = {
                let token = Arc::clone(&token);
                move |ring: &Ring| {
                    token.run(|core| {
                        let (epoch, content) = snapshot(core);
                        ring.publish_snapshot(epoch, content);
                    })
                }
            };
            let capacity = 1 << (seed % 4 + 2);
            let (writer, mut subscription) =
                Subscription::new(options(Policy::Updating, capacity), Some(Box::new(provider)));
            let engine = Arc::clone(&token);
            let producer = thread::spawn(move || {
                let mut random = seed;
                for _ in 0..3_000 {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let (value, keys) = ((random >> 40) as i64, 3 + 20 * (seed as i64 % 3));
                    let publish = |core: &mut Core| {
                        core.epoch += 1;
                        let value = value % keys;
                        let weight = if core.content.contains_key(&value) { -1 } else { 1 };
                        *core.content.entry(value).or_default() += weight;
                        core.content.retain(|_, weight| *weight != 0);
                        writer.publish(change(core.epoch, &[(value, weight)]));
                    };
                    engine.run(publish).unwrap();
                    if (random >> 33).is_multiple_of(16) {
                        thread::yield_now();
                    }
                }
                // Dropping the writer ends the subscription; a snapshot owed then never comes.
                while engine.run(|_| writer.needs_snapshot()).unwrap() {
                    thread::yield_now();
                }
            });
            let mut seen: BTreeMap<i64, i64> = BTreeMap::new();
            let mut last_epoch = 0;
            loop {
                match subscription.poll(None).unwrap() {
                    Polled::Batch(ChangeBatch { batch, weights, epoch }) => {
                        assert!(epoch >= last_epoch);
                        last_epoch = epoch;
                        let values = batch.column(0).as_primitive::<Int64Type>().values();
                        for (row, value) in values.iter().enumerate() {
                            let weight = weights.as_ref().map_or(1, |weights| weights[row]);
                            *seen.entry(*value).or_default() += weight;
                        }
                        seen.retain(|_, weight| *weight != 0);
                    }
                    Polled::Reset => seen.clear(),
                    Polled::End => break,
                    other => panic!("{other:?}"),
                }
            }
            producer.join().unwrap();
            assert_eq!(seen, token.run(|core| core.content.clone()).unwrap(), "seed {seed}");
        }
    }

    #[test]
    fn a_blocking_ring_holds_pushes_back() {
        let (writer, mut subscription) = pair(Policy::Block, 2);
        let soon = || Some(Instant::now() + Duration::from_millis(20));
        assert!(writer.has_room());
        writer.publish(insert(1, &[1, 2, 3]));
        assert!(!writer.has_room());
        // Nobody has polled: the push waits, in vain.
        assert_eq!(writer.admit(soon()).unwrap_err().code(), code::FULL);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| writer.admit(None));
            thread::sleep(Duration::from_millis(5));
            assert_eq!(next(&mut subscription), "1: [[1, 2, 3]]");
            waiter.join().unwrap().unwrap();
        });
        writer.publish(insert(2, &[4, 5]));
        assert!(writer.is_owned_by_current_thread());
        assert_eq!(writer.admit(None).unwrap_err().code(), code::FULL);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| writer.admit(None));
            thread::sleep(Duration::from_millis(5));
            subscription.handle().cancel();
            waiter.join().unwrap().unwrap();
        });
    }

    #[test]
    fn the_end_comes_after_what_is_queued() {
        let (writer, mut subscription) = pair(Policy::Append, 10);
        writer.publish(insert(1, &[1]));
        subscription.handle().cancel();
        assert!(writer.is_closed());
        writer.publish(insert(2, &[2]));
        for answer in ["1: [[1]]", "End", "End"] {
            assert_eq!(next(&mut subscription), answer);
        }
    }

    #[test]
    fn a_failure_comes_after_what_is_queued_and_stays() {
        let (writer, mut subscription) = pair(Policy::Append, 10);
        writer.publish(insert(1, &[1]));
        writer.fail(Error::new(code::EXECUTION, "division by zero"));
        writer.close();
        assert_eq!(next(&mut subscription), "1: [[1]]");
        for _ in 0..2 {
            let text = next(&mut subscription);
            assert!(text.starts_with("LDB-6001") && text.contains("LDB-4003"), "{text}");
        }
    }

    #[test]
    fn whoever_waits_is_woken() {
        for strategy in [WaitStrategy::Spin, WaitStrategy::SpinYield(10), WaitStrategy::Park] {
            let options = RingOptions { strategy, ..options(Policy::Append, 1 << 20) };
            let (writer, mut subscription) = Subscription::new(options, None);
            let handle = subscription.handle();
            let consumer = thread::spawn(move || {
                let mut sum = 0;
                loop {
                    match subscription.poll(None).unwrap() {
                        Polled::Batch(change) => sum += change.epoch,
                        Polled::End => return sum,
                        other => panic!("{other:?}"),
                    }
                }
            });
            for epoch in 1..=1_000 {
                writer.publish(insert(epoch, &[0]));
                if epoch.is_multiple_of(20) {
                    thread::sleep(Duration::from_micros(100));
                }
            }
            while writer.queued_rows() > 0 {
                thread::yield_now();
            }
            handle.cancel();
            assert_eq!(consumer.join().unwrap(), 500_500);
        }
    }

    /// A waker that counts its calls.
    fn counting(handle: &SubscriptionHandle) -> Arc<AtomicUsize> {
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        handle.on_ready(Box::new(move || {
            assert!(!outside::is_inside());
            counter.fetch_add(1, SeqCst);
        }));
        calls
    }

    #[test]
    fn the_waker_is_called_on_edges() {
        let (writer, mut subscription) = pair(Policy::Append, 10);
        let handle = subscription.handle();
        let calls = counting(&handle);
        assert_eq!(calls.load(SeqCst), 0);
        for epoch in 1..=3 {
            writer.publish(insert(epoch, &[1]));
            assert_eq!(calls.load(SeqCst), 1);
        }
        for _ in 0..3 {
            next(&mut subscription);
        }
        writer.publish(insert(4, &[1]));
        assert_eq!(calls.load(SeqCst), 1, "no poll has answered Empty");
        next(&mut subscription);
        assert_eq!(next(&mut subscription), "Empty");
        // Under the token it is put off until the token was given back.
        let inside = outside::enter();
        writer.publish(insert(5, &[1]));
        assert_eq!(calls.load(SeqCst), 1);
        drop(inside);
        assert_eq!(calls.load(SeqCst), 2);
        // A second waker takes the place of the first, and is called as something waits.
        let others = counting(&handle);
        assert_eq!((calls.load(SeqCst), others.load(SeqCst)), (2, 1));
        writer.close();
        assert_eq!((calls.load(SeqCst), others.load(SeqCst)), (2, 2));
        assert_eq!(counting(&handle).load(SeqCst), 1, "the end waits");
    }

    #[test]
    fn a_waker_that_was_removed_is_not_called_and_dropped() {
        let (writer, subscription) = pair(Policy::Append, 10);
        let handle = subscription.handle();
        let calls = counting(&handle);
        let inside = outside::enter();
        writer.publish(insert(1, &[1]));
        handle.clear_on_ready();
        drop(inside);
        assert_eq!(calls.load(SeqCst), 0);
        assert_eq!(Arc::strong_count(&calls), 1);
        let calls = counting(&handle);
        drop(subscription);
        assert_eq!(Arc::strong_count(&calls), 1);
    }

    #[test]
    fn a_waker_may_use_the_handle_and_publish() {
        let (writer, subscription) = pair(Policy::Append, 10);
        let writer = Arc::new(writer);
        let subscription = Arc::new(Mutex::new(subscription));
        let handle = subscription.lock().unwrap().handle();
        let (publisher, consumer, itself) =
            (Arc::clone(&writer), Arc::clone(&subscription), handle.clone());
        let log = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&log);
        handle.on_ready(Box::new(move || {
            seen.lock().unwrap().push(next(&mut consumer.lock().unwrap()));
            publisher.publish(insert(2, &[2]));
            itself.clear_on_ready();
        }));
        writer.publish(insert(1, &[1]));
        assert_eq!(*log.lock().unwrap(), ["1: [[1]]"]);
        assert_eq!(next(&mut subscription.lock().unwrap()), "2: [[2]]");
    }

    #[test]
    fn dropping_a_subscription_unlinks_it() {
        let (writer, mut subscription) = pair(Policy::Append, 10);
        let column = Arc::clone(insert(1, &[1]).batch.column(0));
        let batch = RecordBatch::try_new(schema(&["x"]), vec![Arc::clone(&column)]).unwrap();
        writer.publish(ChangeBatch { batch, weights: None, epoch: 1 });
        assert_eq!(Arc::strong_count(&column), 2);
        assert!(!writer.is_closed());
        // Under the token a poll does not wait.
        let inside = outside::enter();
        assert_eq!(next(&mut subscription), "1: [[1]]");
        assert!(matches!(subscription.poll(None), Ok(Polled::Empty)));
        drop(inside);
        writer.publish(insert(2, &[1]));
        drop(subscription);
        assert!(writer.is_closed());
        assert_eq!(writer.queued_rows(), 0);
        assert_eq!(Arc::strong_count(&column), 1);
    }

    #[test]
    fn each_form_shows_what_its_emit_says() {
        let form = |form, names: &[&str]| {
            let options = options(Policy::Updating, 2);
            let options = RingOptions { form, schema: schema(names), ..options };
            Subscription::new(options, None)
        };
        let (writer, mut changes) = form(Form::Changes, &["x", "_weight"]);
        writer.publish(insert(1, &[1, 2]));
        writer.publish(change(2, &[(1, -1)]));
        assert_eq!(next(&mut changes), "2: [[2], [1]] by [1]");

        let (writer, mut new_rows) = form(Form::NewRows, &["x"]);
        writer.publish(change(1, &[(1, -1), (2, 2), (3, 1)]));
        assert_eq!(next(&mut new_rows), "1: [[2, 2, 3]]");
        writer.publish(change(2, &[(3, -1)]));
        writer.publish(change(2, &[(4, 1)]));
        assert_eq!(next(&mut new_rows), "2: [[4]]");
        writer.publish(insert(3, &[1, 2]));
        writer.publish(insert(4, &[3]));
        writer.publish_snapshot(4, [(rows(&[5]), Some(vec![1].into()))]);
        assert_eq!(next(&mut new_rows), "Reset");
        assert_eq!(next(&mut new_rows), "4: [[5]]");
    }
}
