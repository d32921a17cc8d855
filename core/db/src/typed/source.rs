//! [`Source`], a producer of records.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use laminar_types::rows::TINY_ROWS;
use laminar_types::{Epoch, Error, Result, RowBlock, RowLayout, code};

use crate::database::LaminarDB;
use crate::records::{Record, RecordBinding, create_source};
use crate::source::UntypedSource;

/// A producer of a source or table, which takes records.
///
/// Each handle is a producer of its own, with its own watermark; a clone is one more producer, and
/// the source's watermark is the least of its open producers'. While there is one, the source's
/// channel is `SPSC` in `laminar_sources`; with the first clone it becomes `MPSC`. Handles may be
/// used from any thread.
///
/// A push runs its epoch on the thread that pushes, and returns when every stream downstream has the
/// result. A few records of plain columns travel without Arrow arrays.
///
/// ```
/// use laminar_db::{LaminarDB, Record};
///
/// #[derive(Record)]
/// struct Trade { symbol: String, price: f64 }
///
/// let db = LaminarDB::open()?;
/// db.execute_blocking("CREATE SOURCE trades (symbol VARCHAR, price DOUBLE)")?;
/// let trades = db.source::<Trade>("trades")?;
/// trades.push(Trade { symbol: "AAPL".into(), price: 187.5 })?;
///
/// let more = trades.clone();
/// std::thread::spawn(move || more.push(Trade { symbol: "MSFT".into(), price: 412.0 }))
///     .join()
///     .unwrap()?;
/// assert_eq!(db.query_as_blocking::<(i64,)>("SELECT count(*) FROM trades")?, [(2,)]);
/// # Ok::<(), laminar_db::Error>(())
/// ```
pub struct Source<T> {
    /// The producer, or why a clone has none.
    producer: Result<Arc<UntypedSource>>,
    binding: Arc<RecordBinding>,
    records: PhantomData<fn(T)>,
}

thread_local! {
    /// The block that the thread fills: its memory is used again by every push.
    static BLOCK: Cell<Option<RowBlock>> = const { Cell::new(None) };
}

/// Whether a push may wait.
#[derive(Clone, Copy)]
enum Patience {
    Waits,
    Never,
}

impl<T: Record> Source<T> {
    /// A producer through an untyped one.
    ///
    /// # Errors
    /// `SCHEMA_MISMATCH` where the record does not fit the columns: it names the field.
    pub fn of(producer: UntypedSource) -> Result<Self> {
        let binding = Arc::new(RecordBinding::of::<T>(&producer.schema())?);
        producer.check_event_time(T::fields().iter().find(|field| field.event_time.is_some()))?;
        Ok(Self { producer: Ok(Arc::new(producer)), binding, records: PhantomData })
    }

    /// One more producer of the same source. [`clone`](Clone::clone) does the same, but tells an
    /// error at the first push.
    ///
    /// # Errors
    /// When the source was dropped or the database closed.
    pub fn try_clone(&self) -> Result<Self> {
        let producer = self.untyped()?.try_clone()?;
        let binding = Arc::clone(&self.binding);
        Ok(Self { producer: Ok(Arc::new(producer)), binding, records: PhantomData })
    }

    /// Pushes one record as one epoch.
    ///
    /// # Errors
    /// `VALUE` or `NULL_VALUE` for a value that its column cannot hold; `FULL` where there was no room
    /// for as long as the push may wait. Nothing was taken then.
    pub fn push(&self, record: T) -> Result<Epoch> {
        self.push_slice(std::slice::from_ref(&record), Patience::Waits)
    }

    /// Pushes records as one epoch: all are taken, or none.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_batch(&self, records: &[T]) -> Result<Epoch> {
        self.push_slice(records, Patience::Waits)
    }

    /// Pushes one record unless that would have to wait, for room or for another producer.
    ///
    /// # Errors
    /// The record, and why it was not taken.
    pub fn try_push(&self, record: T) -> Result<Epoch, TryPushError<T>> {
        self.push_slice(std::slice::from_ref(&record), Patience::Never)
            .map_err(|error| TryPushError { record, error })
    }

    /// Pushes a batch of Arrow's as one epoch, without copying it. It has the columns of the source.
    ///
    /// # Errors
    /// As [`push`](Self::push), and `BATCH_SCHEMA` for other columns.
    pub fn push_arrow(&self, batch: RecordBatch) -> Result<Epoch> {
        self.untyped()?.push_arrow(batch)
    }

    /// As [`push`](Self::push), for asynchronous programs: where it would have to wait, another
    /// thread does.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub async fn push_async(&self, record: T) -> Result<Epoch>
    where
        T: Send + 'static,
    {
        match self.try_push(record) {
            Ok(epoch) => Ok(epoch),
            Err(TryPushError { record, error }) if error.code() == code::FULL => {
                let (producer, binding) = (Arc::clone(self.untyped()?), Arc::clone(&self.binding));
                let shared = Arc::clone(producer.shared());
                let source = Self { producer: Ok(producer), binding, records: PhantomData };
                shared.offload(move || source.push(record)).await?
            }
            Err(refused) => Err(refused.error),
        }
    }

    fn push_slice(&self, records: &[T], patience: Patience) -> Result<Epoch> {
        let producer = self.untyped()?;
        match producer.row_layout() {
            Some(layout) if (1..=TINY_ROWS).contains(&records.len()) => {
                self.push_block(producer, layout, records, patience)
            }
            _ => push_batch(producer, self.binding.batch(records)?, patience),
        }
    }

    /// Pushes a few records without Arrow arrays.
    fn push_block(
        &self,
        producer: &UntypedSource,
        layout: &Arc<RowLayout>,
        records: &[T],
        patience: Patience,
    ) -> Result<Epoch> {
        // Taken out meanwhile: a waker that the push calls may push itself.
        let mut block = BLOCK.take().unwrap_or_else(|| RowBlock::new(layout));
        block.reset(layout);
        let filled = records.iter().try_for_each(|record| self.binding.append(record, &mut block));
        let pushed = filled.and_then(|()| match (block.has_room(0), patience) {
            (true, Patience::Waits) => producer.push_rows(&block),
            (true, Patience::Never) => producer.try_push_rows(&block),
            // Long texts are better off in Arrow arrays.
            (false, _) => push_batch(producer, block.to_batch()?, patience),
        });
        if block.has_room(0) {
            BLOCK.set(Some(block));
        }
        pushed
    }
}

fn push_batch(producer: &UntypedSource, batch: RecordBatch, patience: Patience) -> Result<Epoch> {
    match patience {
        Patience::Waits => producer.push_arrow(batch),
        Patience::Never => producer.try_push_arrow(batch),
    }
}

impl<T> Source<T> {
    /// The untyped producer behind it.
    ///
    /// # Errors
    /// Why this clone has none.
    pub fn untyped(&self) -> Result<&Arc<UntypedSource>> {
        self.producer.as_ref().map_err(Clone::clone)
    }

    /// Promises that this producer sends no more events with a time of at most `ts_ms`, in
    /// milliseconds since 1970. A promise is never taken back.
    ///
    /// # Errors
    /// When the source was dropped or the database closed.
    pub fn watermark(&self, ts_ms: i64) -> Result<Epoch> {
        self.untyped()?.watermark(ts_ms)
    }

    /// Says that this producer sends nothing any more: when every one has, all windows close.
    ///
    /// # Errors
    /// When the source was dropped or the database closed.
    pub fn end_of_input(&self) -> Result<Epoch> {
        self.untyped()?.end_of_input()
    }

    /// Rows that wait for the start of the database.
    pub fn pending(&self) -> u64 {
        self.producer.as_ref().map_or(0, |producer| producer.pending())
    }

    /// Rows that the source is laid out for, its `buffer_size`.
    pub fn capacity(&self) -> u64 {
        self.producer.as_ref().map_or(0, |producer| producer.capacity())
    }

    /// Whether a push would find room now: no subscription that blocks is full, and not more waits
    /// for the start than the source is laid out for.
    pub fn has_capacity(&self) -> bool {
        self.producer.as_ref().is_ok_and(|producer| producer.has_capacity())
    }

    /// The source's columns.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(self.binding.schema())
    }
}

impl<T> Clone for Source<T> {
    /// One more producer. Where the source was dropped or the database closed, the clone tells so at
    /// its first push.
    fn clone(&self) -> Self {
        let producer = self.untyped().and_then(|producer| producer.try_clone()).map(Arc::new);
        Self { producer, binding: Arc::clone(&self.binding), records: PhantomData }
    }
}

impl<T> fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.producer.as_ref().map_or("closed", |producer| producer.name());
        f.debug_struct("Source").field("name", &name).finish_non_exhaustive()
    }
}

/// A record that was not taken.
pub struct TryPushError<T> {
    record: T,
    error: Error,
}

impl<T> TryPushError<T> {
    /// Whether it could be taken later: there was no room, or another producer was pushing.
    pub fn is_full(&self) -> bool {
        self.error.code() == code::FULL || self.error.code() == code::NOT_STARTED
    }

    /// Why.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The record.
    pub fn into_record(self) -> T {
        self.record
    }
}

impl<T> fmt::Debug for TryPushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryPushError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for TryPushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> std::error::Error for TryPushError<T> {}

impl<T> From<TryPushError<T>> for Error {
    fn from(refused: TryPushError<T>) -> Self {
        refused.error
    }
}

impl LaminarDB {
    /// A new producer of a source or table, which takes records.
    ///
    /// Fields find their columns by name; a column without a field is NULL.
    ///
    /// # Errors
    /// `NOT_FOUND`; `SCHEMA_MISMATCH` that names the field without a column or of a type that does not
    /// fit its column, or the column that must have a field.
    pub fn source<T: Record>(&self, name: &str) -> Result<Source<T>> {
        let source = Source::of(self.source_untyped(name)?);
        source.map_err(|error| error.context(format!("the source `{name}`")))
    }

    /// Creates a source with a column for each field of a record, its event time with a watermark,
    /// and opens a producer.
    ///
    /// # Errors
    /// `EXISTS`; `INVALID_SCHEMA` for a field of a type that no column has.
    pub fn create_source_blocking<T: Record>(&self, name: &str) -> Result<Source<T>> {
        self.execute_blocking(&create_source::<T>(name)?)?;
        self.source(name)
    }

    /// Inserts records as one epoch, through the database's own producer: all are taken, or none.
    ///
    /// # Errors
    /// As [`source`](Self::source) and [`Source::push`].
    pub fn insert_records<T: Record>(&self, name: &str, records: &[T]) -> Result<Epoch> {
        let (id, rules) = self.source_id(name)?;
        let binding = RecordBinding::of::<T>(&rules.schema);
        let binding = binding.map_err(|error| error.context(format!("the source `{name}`")))?;
        self.insert_batches(id, &rules, &[binding.batch(records)?])
    }
}
