//! [`UntypedSource`], a producer's handle of a source.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use laminar_types::{
    Epoch, Error, Result, RowBlock, RowLayout, TimeUnit, WaitStrategy, Watermark, code,
};

use crate::admission::{Lack, WaiterId};
use crate::clock::Clock;
use crate::database::Shared;
use crate::engine::{Core, SourceId};
use crate::producers::ProducerId;
use crate::records::RecordField;
use crate::source_policy::SourcePolicy;

/// A producer of a source.
///
/// Each handle is a producer of its own: it has its own largest event time and its own explicit
/// watermark, and the source's watermark is the least of those of its open producers. So a handle
/// that is open and sends nothing holds the watermark back. A clone is one more producer.
pub struct UntypedSource {
    shared: Arc<Shared>,
    id: SourceId,
    producer: ProducerId,
    /// Tells the engine that this producer is gone, without asking for the token.
    closed: Arc<AtomicBool>,
    rules: Arc<Rules>,
    /// Who is to be told of room.
    waiter: Mutex<Option<WaiterId>>,
}

/// What every batch of a source must keep.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) name: String,
    pub(crate) schema: SchemaRef,
    /// How many columns, the first ones, every push has: others came later and may be left out.
    pub(crate) least_columns: usize,
    /// The event-time column, where a watermark is declared.
    pub(crate) event_time: Option<usize>,
    /// The columns of the primary key; empty where there is none.
    pub(crate) key: Vec<usize>,
    /// The column that the clock fills, which is none of these.
    pub(crate) stamp: Option<String>,
    /// How far ahead of the clock an event time may be.
    pub(crate) max_future_ms: Option<i64>,
    pub(crate) clock: Arc<Clock>,
    /// The columns as blocks have them, if they can.
    pub(crate) layout: Option<Arc<RowLayout>>,
    /// The columns without NULLs, a bit for each of a block's.
    pub(crate) not_null: u64,
    /// Whether some stream is better given a few rows as a block, written under the token.
    pub(crate) takes_rows: AtomicBool,
    /// Rows that wait for the start, written under the token and read without it.
    pub(crate) pending: Arc<AtomicU64>,
    /// How many rows it is laid out for.
    pub(crate) capacity: u64,
    /// What a push does that finds no room.
    pub(crate) policy: SourcePolicy,
    /// Producers' handles that are open.
    pub(crate) producers: Arc<AtomicU64>,
}

impl UntypedSource {
    /// Opens a producer.
    pub(crate) fn open(shared: Arc<Shared>, id: SourceId, rules: Arc<Rules>) -> Result<Self> {
        let closed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&closed);
        let producer = shared.run(move |core| core.add_producer(id, flag))??;
        rules.producers.fetch_add(1, Ordering::Relaxed);
        Ok(Self { shared, id, producer, closed, rules, waiter: Mutex::default() })
    }

    /// One more producer of the same source.
    pub fn try_clone(&self) -> Result<Self> {
        Self::open(Arc::clone(&self.shared), self.id, Arc::clone(&self.rules))
    }

    /// The database that it belongs to.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Refuses a record whose event time is another column than the one that carries the watermark.
    pub(crate) fn check_event_time(&self, of_record: Option<&RecordField>) -> Result<()> {
        let (Some(record), Some(own)) = (of_record, self.rules.event_time) else {
            return Ok(());
        };
        let own = self.rules.schema.field(own).name();
        if own == record.name {
            return Ok(());
        }
        Err(Error::new(
            code::SCHEMA_MISMATCH,
            format!(
                "the watermark is of the column `{own}`, and the record's event time is `{}`",
                record.name
            ),
        ))
    }

    /// The source's name.
    pub fn name(&self) -> &str {
        &self.rules.name
    }

    /// The source's columns.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.rules.schema)
    }

    /// Pushes one batch as one epoch; returns once everything downstream has it.
    ///
    /// A batch has the columns of the source, in their order and of their types, with or without
    /// those that `ALTER SOURCE` added; one that does not is refused whole, with the column and row
    /// named. Fails with `FULL`, taking nothing, when
    /// too much waits for `start()`.
    pub fn push_arrow(&self, batch: RecordBatch) -> Result<Epoch> {
        self.push_slice(std::slice::from_ref(&batch))
    }

    /// Pushes one batch unless that would have to wait for the token, which fails with `FULL`.
    pub fn try_push_arrow(&self, batch: RecordBatch) -> Result<Epoch> {
        self.rules.check(&batch)?;
        let (id, producer) = (self.id, self.producer);
        self.try_run(|core| core.push(id, producer, &[batch]))
    }

    /// Pushes several batches as one epoch: all are taken, or none.
    pub fn push_batches(&self, batches: Vec<RecordBatch>) -> Result<Epoch> {
        self.push_slice(&batches)
    }

    fn push_slice(&self, batches: &[RecordBatch]) -> Result<Epoch> {
        batches.iter().try_for_each(|batch| self.rules.check(batch))?;
        let (id, producer) = (self.id, self.producer);
        self.run(|core| core.push(id, producer, batches))
    }

    /// Refuses a batch that [`push_arrow`](Self::push_arrow) would refuse, and takes nothing.
    pub fn check(&self, batch: &RecordBatch) -> Result<()> {
        self.rules.check(batch)
    }

    /// The layout of blocks in which a few rows are best pushed at present; `None` where Arrow
    /// arrays are as good.
    pub fn row_layout(&self) -> Option<&Arc<RowLayout>> {
        self.rules.layout.as_ref().filter(|_| self.rules.takes_rows.load(Ordering::Relaxed))
    }

    /// Pushes a few rows as one epoch, as [`push_arrow`](Self::push_arrow) does, without Arrow
    /// arrays. The block has the layout that [`row_layout`](Self::row_layout) told.
    pub fn push_rows(&self, rows: &RowBlock) -> Result<Epoch> {
        self.rules.check_rows(rows)?;
        let (id, producer) = (self.id, self.producer);
        self.run(|core| core.push_rows(id, producer, rows))
    }

    /// Pushes a few rows unless that would have to wait for the token, which fails with `FULL`.
    pub fn try_push_rows(&self, rows: &RowBlock) -> Result<Epoch> {
        self.rules.check_rows(rows)?;
        let (id, producer) = (self.id, self.producer);
        self.try_run(|core| core.push_rows(id, producer, rows))
    }

    /// Runs a push when there is room and its turn has come.
    fn run(&self, push: impl FnOnce(&mut Core) -> Result<Epoch> + Send) -> Result<Epoch> {
        let admitted = self.shared.admit(self.id, &self.rules);
        let pushed = admitted.and_then(|()| self.shared.run_push(&self.rules, push)?);
        self.note_refusal(&pushed, Lack::Room);
        pushed
    }

    /// Runs a push if there is room and nobody holds the token.
    fn try_run(&self, push: impl FnOnce(&mut Core) -> Result<Epoch>) -> Result<Epoch> {
        let (shared, rules) = (&self.shared, &self.rules);
        let admitted = shared.admission.admit(self.id, rules, Duration::ZERO, WaitStrategy::Park);
        let (pushed, lack) = match admitted.and_then(|()| shared.try_run(push)) {
            Ok(Some(pushed)) => (pushed, Lack::Room),
            Ok(None) => (Err(another_pushes()), Lack::Token),
            Err(error) => (Err(error), Lack::Room),
        };
        self.note_refusal(&pushed, lack);
        pushed
    }

    /// Lets the call of [`on_room`](Self::on_room) be made when a push that was refused is worth
    /// another try.
    fn note_refusal(&self, pushed: &Result<Epoch>, lack: Lack) {
        let Err(error) = pushed else { return };
        let lack = match error.code() {
            code::FULL => lack,
            code::NOT_STARTED => Lack::Start,
            _ => return,
        };
        let waiter = *self.lock_waiter();
        if let Some(waiter) = waiter {
            self.shared.admission.refused(waiter, lack, || self.shared.is_token_free());
        }
    }

    /// Installs the one call that tells when pushing is worth while, in the place of an earlier
    /// one. It is made at once if there is room; after that once, as soon as there is room after a
    /// push that found none (`FULL`, `NOT_STARTED`); and when the source is dropped or the
    /// database shut down. It is made on the thread that made the room, never under the token,
    /// and may push.
    pub fn on_room(&self, call: Box<dyn Fn() + Send + Sync>) {
        self.clear_on_room();
        let admission = &self.shared.admission;
        let waiter = admission.enlist(self.id, &self.rules, call);
        *self.lock_waiter() = Some(waiter);
        admission.announce();
    }

    /// Takes the call of [`on_room`](Self::on_room) out. One that has begun goes on.
    pub fn clear_on_room(&self) {
        let removed = self.lock_waiter().take();
        if let Some(waiter) = removed {
            self.shared.admission.forget(waiter);
        }
    }

    fn lock_waiter(&self) -> MutexGuard<'_, Option<WaiterId>> {
        self.waiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Promises that this producer sends no more events with a time of at most `ts_ms`, in
    /// milliseconds since the epoch. A promise is never taken back: a smaller one changes nothing.
    pub fn watermark(&self, ts_ms: i64) -> Result<Epoch> {
        let watermark = Watermark::new(ts_ms, TimeUnit::Millisecond);
        let (id, producer) = (self.id, self.producer);
        self.shared.run(|core| core.watermark(id, producer, watermark))?
    }

    /// Says that this producer sends nothing any more. When every handle of the source has said so
    /// or is gone, its watermark is at the end of time: all windows close. A later push through
    /// this handle is refused.
    pub fn end_of_input(&self) -> Result<Epoch> {
        let (id, producer) = (self.id, self.producer);
        self.shared.run(|core| core.watermark(id, producer, Watermark::MAX))?
    }

    /// Rows that wait for `start()`.
    pub fn pending(&self) -> u64 {
        self.rules.pending.load(Ordering::Relaxed)
    }

    /// How long a push waits for room, where the source says so; else as the database is set.
    pub fn push_timeout(&self) -> Option<Duration> {
        self.rules.policy.push_timeout()
    }

    /// Rows that the source is laid out for, its `buffer_size`.
    pub fn capacity(&self) -> u64 {
        self.rules.capacity
    }

    /// Whether a push would find room now: no subscription that blocks is full, and no more waits for
    /// the start than may.
    pub fn has_capacity(&self) -> bool {
        !self.shared.board.has_no_room(self.pending(), self.id, &self.rules)
    }
}

impl Clone for UntypedSource {
    /// One more producer.
    ///
    /// # Panics
    /// When the source was dropped or the database closed; [`try_clone`](Self::try_clone) answers
    /// an error then.
    fn clone(&self) -> Self {
        self.try_clone().expect("the source of a producer that is cloned exists")
    }
}

impl fmt::Debug for UntypedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntypedSource").field("name", &self.rules.name).finish_non_exhaustive()
    }
}

impl Drop for UntypedSource {
    fn drop(&mut self) {
        self.clear_on_room();
        self.closed.store(true, Ordering::Release);
        self.rules.producers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Rules {
    /// Of a source with these columns.
    pub(crate) fn new(
        name: &str,
        schema: &SchemaRef,
        event_time: Option<usize>,
        key: Vec<usize>,
        capacity: u64,
        clock: &Arc<Clock>,
    ) -> Self {
        let layout = RowLayout::new(schema);
        let columns = schema.fields().iter().enumerate();
        let not_null = columns.filter(|(index, field)| {
            layout.is_some() && (!field.is_nullable() || event_time == Some(*index))
        });
        Self {
            name: name.to_string(),
            schema: Arc::clone(schema),
            least_columns: schema.fields().len(),
            event_time,
            key,
            stamp: None,
            max_future_ms: None,
            clock: Arc::clone(clock),
            not_null: not_null.fold(0, |bits, (index, _)| bits | 1 << index),
            layout,
            takes_rows: AtomicBool::new(false),
            pending: Arc::default(),
            capacity,
            policy: SourcePolicy::default(),
            producers: Arc::default(),
        }
    }

    /// The same with more columns behind these, which pushes may leave out.
    pub(crate) fn widened(&self, schema: &SchemaRef) -> Self {
        let (key, event_time) = (self.key.clone(), self.event_time);
        Self {
            least_columns: self.least_columns,
            stamp: self.stamp.clone(),
            max_future_ms: self.max_future_ms,
            policy: self.policy,
            pending: Arc::clone(&self.pending),
            producers: Arc::clone(&self.producers),
            ..Self::new(&self.name, schema, event_time, key, self.capacity, &self.clock)
        }
    }

    /// The error that producers give no such column.
    pub(crate) fn no_column(&self, name: &str) -> Error {
        let own = &self.name;
        match self.stamp.as_deref() == Some(name) {
            true => Error::new(
                code::BATCH_SCHEMA,
                format!("the clock fills the column `{name}` of `{own}`: leave it out"),
            ),
            false => {
                let columns = self.schema.fields().iter().map(|field| field.name().as_str());
                let columns: Vec<&str> = columns.collect();
                let message =
                    format!("`{own}` has no column `{name}`: there are {}", columns.join(", "));
                Error::new(code::BATCH_SCHEMA, message)
            }
        }
    }

    /// Refuses a block that the source cannot take.
    fn check_rows(&self, rows: &RowBlock) -> Result<()> {
        let is_own = self.layout.as_ref().is_some_and(|own| Arc::ptr_eq(own, rows.layout()));
        let is_checked = is_own && self.max_future_ms.is_none();
        if is_checked && rows.null_columns() & self.not_null == 0 {
            return Ok(());
        }
        self.check(&rows.to_batch()?)
    }

    /// Refuses a batch that the source cannot take.
    pub(crate) fn check(&self, batch: &RecordBatch) -> Result<()> {
        let given = batch.schema_ref().fields();
        let own = self.schema.fields();
        if given.len() < self.least_columns || given.len() > own.len() {
            return Err(self.refuse(format!(
                "a batch has {} columns, and `{}` has {}",
                given.len(),
                self.name,
                own.len()
            )));
        }
        for (index, (given, own)) in given.iter().zip(own).enumerate() {
            if given.name() != own.name() || given.data_type() != own.data_type() {
                return Err(self.refuse(format!(
                    "column {} of a batch for `{}` is `{} {}`, and must be `{} {}`",
                    index + 1,
                    self.name,
                    given.name(),
                    given.data_type(),
                    own.name(),
                    own.data_type()
                )));
            }
        }
        if let Some((row, index)) = self.missing(batch) {
            let why = match (self.event_time == Some(index), self.key.contains(&index)) {
                (true, _) => "carries the watermark",
                (_, true) => "belongs to the primary key",
                _ => "is NOT NULL",
            };
            return Err(Error::new(
                code::NULL_VALUE,
                format!(
                    "row {row} has no value in column `{}` of `{}`, which {why}: nothing of the \
                     push was taken",
                    own[index].name(),
                    self.name
                ),
            ));
        }
        match (self.event_time, self.max_future_ms) {
            (Some(column), Some(max_future_ms)) => self.check_future(batch, column, max_future_ms),
            _ => Ok(()),
        }
    }

    /// The row and the column of the first value that is missing where there must be one.
    pub(crate) fn missing(&self, batch: &RecordBatch) -> Option<(usize, usize)> {
        batch.columns().iter().enumerate().find_map(|(index, column)| {
            let must = self.event_time == Some(index) || !self.schema.field(index).is_nullable();
            let row = (0..column.len()).find(|row| must && column.is_null(*row))?;
            Some((row, index))
        })
    }

    /// Refuses event times that are too far ahead of the clock.
    fn check_future(&self, batch: &RecordBatch, column: usize, max_future_ms: i64) -> Result<()> {
        let field = self.schema.field(column);
        let Some(unit) = TimeUnit::of(field.data_type()) else { return Ok(()) };
        let times = cast(batch.column(column), &DataType::Int64)
            .map_err(|error| Error::internal(format!("an event time is no integer: {error}")))?;
        let latest = self.clock.now_ms().saturating_add(max_future_ms);
        let latest_ns = i128::from(latest) * 1_000_000;
        let is_ahead = |time: &i64| i128::from(*time) * i128::from(unit.nanos()) > latest_ns;
        match times.as_primitive::<Int64Type>().values().iter().position(is_ahead) {
            None => Ok(()),
            Some(row) => Err(Error::new(
                code::VALUE,
                format!(
                    "the event time `{}` of row {row} is more than {max_future_ms} ms ahead of \
                     the clock (max_future_ms of `{}`): nothing of the push was taken",
                    field.name(),
                    self.name
                ),
            )),
        }
    }

    fn refuse(&self, message: String) -> Error {
        Error::new(code::BATCH_SCHEMA, message)
    }
}

fn another_pushes() -> Error {
    Error::new(code::FULL, "another producer is pushing: push again, or wait in push")
}
