//! [`Stream`]: a continuous query that runs.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use laminar_dataflow::{Changes, NodeId, Traits};
use laminar_sql::outline::Outline;
use laminar_sql::plan::{EmitForm, emit_sql};
use laminar_types::{Change, Delta, Epoch, Error, Result, RowBlock, Weights, code, mutant};

use crate::board::StreamEntry;
use crate::clock::Clock;
use crate::engine::StreamKind;
use crate::history::History;
use crate::page;
use crate::ring::{Form, RingWriter};
use crate::subscription::ChangeBatch;
use laminar_dataflow::consolidate;

/// The name of the column that `EMIT CHANGES` adds.
pub(crate) const WEIGHT_COLUMN: &str = "_weight";

/// A continuous query that runs.
pub(crate) struct Stream {
    /// Empty for the anonymous stream behind `subscribe(sql)`.
    pub(crate) name: String,
    /// The stream whose late rows these are, which owns the node.
    pub(crate) late_of: Option<String>,
    /// The object that an anonymous stream follows, with which it ends.
    pub(crate) follows: Option<String>,
    /// The query as written.
    pub(crate) sql: String,
    /// The statement that made it.
    pub(crate) statement: String,
    pub(crate) kind: StreamKind,
    pub(crate) emit: EmitForm,
    /// `EMIT EVERY`: what waits to be told.
    pub(crate) every: Option<Every>,
    pub(crate) outline: Outline,
    /// Its own nodes, in topological order; the last one is its result.
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) traits: Traits,
    /// Whether its rows arrive in an order that does not depend on how pushes are cut.
    pub(crate) ordered: bool,
    /// The relations it reads.
    pub(crate) reads: Vec<String>,
    /// The recent rows of an append-only result.
    pub(crate) history: Option<History>,
    /// The recent changes of an updating result, with their weights as one more column, where they
    /// were asked for.
    pub(crate) changes: Option<History>,
    pub(crate) subscribers: Vec<RingWriter>,
    /// What anyone may ask of it.
    pub(crate) entry: Arc<StreamEntry>,
}

/// What a stream with `EMIT EVERY` has not told its subscribers yet.
pub(crate) struct Every {
    interval_ms: i64,
    pending: Vec<Delta>,
    pending_rows: usize,
    /// When it is told; set while something waits.
    pub(crate) due_ms: Option<i64>,
}

/// So many rows wait before what they undo of each other is left out.
const MANY_ROWS: usize = 65_536;

impl Every {
    pub(crate) fn new(interval_ns: i64) -> Self {
        let interval_ms = (interval_ns / 1_000_000).max(1);
        Self { interval_ms, pending: Vec::new(), pending_rows: 0, due_ms: None }
    }

    /// Intervals begin at 1970, so that those of all streams of one length end together.
    fn due_after(&self, now_ms: i64) -> i64 {
        now_ms.div_euclid(self.interval_ms).saturating_add(1).saturating_mul(self.interval_ms)
    }
}

/// The form in which subscribers get the changes of a stream with this `EMIT`.
pub(crate) fn form(emit: EmitForm, changes: Changes) -> Form {
    match (emit, changes) {
        (EmitForm::Changes, _) => Form::Changes,
        (EmitForm::Update, Changes::Upsert | Changes::Retract) => Form::NewRows,
        _ => Form::Plain,
    }
}

impl Stream {
    /// As SQL spells when and how its results leave.
    pub(crate) fn emit_sql(&self) -> String {
        let every_ns = self.every.as_ref().map(|every| every.interval_ms * 1_000_000);
        emit_sql(self.emit, every_ns)
    }

    /// The node of its result.
    pub(crate) fn result(&self) -> NodeId {
        *self.nodes.last().expect("a stream has at least one node")
    }

    /// For messages: its name or, where it has none, its query.
    pub(crate) fn label(&self) -> String {
        match self.name.is_empty() {
            true => format!("the query `{}`", self.sql),
            false => format!("`{}`", self.name),
        }
    }

    /// What those who ask for its rows are told once it stopped for an error.
    pub(crate) fn stopped(&self, error: &Error) -> Error {
        let kind = if self.is_anonymous() { "" } else { "the stream " };
        let message = format!("{kind}{} stopped: {}", self.label(), error.message());
        Error::new(code::STREAM_FAILED, message)
    }

    /// Whether it lives only as long as its subscription.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.name.is_empty()
    }

    /// The form in which subscribers get its changes.
    pub(crate) fn form(&self) -> Form {
        form(self.emit, self.traits.changes)
    }

    /// The columns that subscribers get.
    pub(crate) fn output_schema(&self) -> SchemaRef {
        match self.form() {
            Form::Changes => with_weight(&self.traits.schema),
            _ => Arc::clone(&self.traits.schema),
        }
    }

    /// Takes in the change of one epoch, in the pieces that its steps made, and hands it on.
    fn publish(
        &mut self,
        epoch: Epoch,
        first: Delta,
        more: Vec<Delta>,
        clock: &Clock,
    ) -> Result<()> {
        let net = match more.is_empty() {
            true => Some(first),
            false => self.net(first, more)?,
        };
        let Some(delta) = net else { return Ok(()) };
        self.entry.total_rows.add(delta.num_rows() as u64);
        self.entry.batches.add(1);
        if let Some(history) = &mut self.history {
            history.append(&delta.batch)?;
            history.mark(epoch);
        }
        if let Some(changes) = &mut self.changes {
            changes.append(&weighted(changes.schema(), &delta)?)?;
            changes.mark(epoch);
        }
        if self.subscribers.is_empty() {
            return Ok(());
        }
        let Some(every) = &mut self.every else { return self.tell(epoch, delta) };
        let batch = page::compact_batch(&delta.batch)?;
        every.pending_rows += batch.num_rows();
        every.pending.push(Delta { batch, weights: delta.weights });
        if every.due_ms.is_none() {
            every.due_ms = Some(every.due_after(clock.now_ms()));
        }
        if every.pending_rows > MANY_ROWS && self.traits.changes != Changes::AppendOnly {
            let pending = std::mem::take(&mut every.pending);
            let mut pending = pending.into_iter();
            let Some(first) = pending.next() else { return Ok(()) };
            let net = self.net(first, pending.collect())?;
            if let Some(every) = &mut self.every {
                every.pending_rows = 0;
                every.pending.extend(net);
            }
        }
        Ok(())
    }

    /// Tells what waits for the end of an interval.
    pub(crate) fn flush(&mut self, epoch: Epoch) -> Result<()> {
        let Some(every) = &mut self.every else { return Ok(()) };
        (every.due_ms, every.pending_rows) = (None, 0);
        let mut pending = std::mem::take(&mut every.pending).into_iter();
        let Some(first) = pending.next() else { return Ok(()) };
        let more =
            if mutant!(IntervalTellsItsFirstChange) { Vec::new() } else { pending.collect() };
        match self.net(first, more)? {
            Some(delta) => self.tell(epoch, delta),
            None => Ok(()),
        }
    }

    /// Takes the place of another definition: keeps the changes that it kept, and tells its
    /// subscribers the difference between the two.
    pub(crate) fn succeed(
        &mut self,
        old: &mut Self,
        epoch: Epoch,
        difference: Option<&Delta>,
    ) -> Result<()> {
        if self.changes.is_some()
            && let Some(mut changes) = old.changes.take()
        {
            if let Some(difference) = difference {
                changes.append(&weighted(changes.schema(), difference)?)?;
                changes.mark(epoch);
            }
            self.changes = Some(changes);
        }
        difference.map_or(Ok(()), |difference| self.tell(epoch, difference.clone()))
    }

    /// Hands a change to the subscribers.
    fn tell(&mut self, epoch: Epoch, delta: Delta) -> Result<()> {
        let Some((last, others)) = self.subscribers.split_last() else { return Ok(()) };
        // What waits in a ring must not keep a producer's much larger buffers alive.
        let batch = page::compact_batch(&delta.batch)?;
        let weights = delta.weights;
        for other in others {
            let (batch, weights) = (batch.clone(), weights.clone());
            other.publish(ChangeBatch { batch, weights, epoch });
        }
        last.publish(ChangeBatch { batch, weights, epoch });
        Ok(())
    }

    /// Takes in the change of one epoch, in the pieces that its steps made, in whichever form, and
    /// hands it on.
    pub(crate) fn publish_changes(
        &mut self,
        epoch: Epoch,
        first: Change,
        more: Vec<Change>,
        clock: &Clock,
    ) -> Result<()> {
        let more = more.into_iter().map(Change::into_delta).collect::<Result<_>>()?;
        self.publish(epoch, first.into_delta()?, more, clock)
    }

    /// Takes in the change of one epoch, made by one step, as a block, and hands it on at once:
    /// the stream has no `EMIT EVERY`.
    pub(crate) fn publish_rows(&mut self, epoch: Epoch, rows: &RowBlock) -> Result<()> {
        self.entry.total_rows.add(rows.num_rows() as u64);
        self.entry.batches.add(1);
        if let Some(history) = &mut self.history {
            history.append_rows(rows)?;
            history.mark(epoch);
        }
        if let Some(changes) = &mut self.changes {
            let change = ChangeBatch::of_rows(rows, epoch)?;
            let delta = Delta { batch: change.batch, weights: change.weights };
            changes.append(&weighted(changes.schema(), &delta)?)?;
            changes.mark(epoch);
        }
        for subscriber in &self.subscribers {
            subscriber.publish_rows(rows, epoch);
        }
        Ok(())
    }

    /// The net change of an epoch: what its steps undid of each other is not told.
    fn net(&self, first: Delta, more: Vec<Delta>) -> Result<Option<Delta>> {
        let schema = &self.traits.schema;
        let pieces = std::iter::once(first).chain(more);
        if self.traits.changes == Changes::AppendOnly {
            let batches: Vec<RecordBatch> = pieces.map(|delta| delta.batch).collect();
            let batch = arrow::compute::concat_batches(schema, &batches).map_err(|error| {
                Error::internal(format!("the pieces of an epoch differ: {error}"))
            })?;
            return Ok(Some(Delta::insert(batch)));
        }
        let changes: Vec<(RecordBatch, Option<Weights>)> =
            pieces.map(|delta| (delta.batch, delta.weights)).collect();
        if mutant!(StepsNotNetted) {
            return not_netted(schema, changes);
        }
        let net = consolidate(schema, &changes)?;
        Ok(net.map(|(batch, weights)| Delta::weighted(batch, weights)))
    }

    /// What changed after an epoch, each epoch's part in its order.
    ///
    /// # Errors
    /// `SUBSCRIPTION_ARGUMENT` where that is no longer kept, or never is.
    pub(crate) fn changes_since(&self, epoch: Epoch) -> Result<Vec<ChangeBatch>> {
        if let Some(history) = &self.history {
            let rows = history.since(epoch)?.map_err(|oldest| too_old(epoch, oldest))?;
            let change = |(epoch, batch)| ChangeBatch { batch, weights: None, epoch };
            return Ok(rows.into_iter().map(change).collect());
        }
        let Some(changes) = &self.changes else {
            return Err(Error::new(
                code::SUBSCRIPTION_ARGUMENT,
                format!(
                    "the changes of `{}` are not kept: create it WITH (retain_history = rows), or \
                     begin with a snapshot",
                    self.name
                ),
            ));
        };
        let rows = changes.since(epoch)?.map_err(|oldest| too_old(epoch, oldest))?;
        let change = |(epoch, mut batch): (Epoch, RecordBatch)| {
            let weights = batch.remove_column(batch.num_columns() - 1);
            let weights = weights.as_primitive::<Int64Type>().values().clone();
            ChangeBatch { batch, weights: Some(weights), epoch }
        };
        Ok(rows.into_iter().map(change).collect())
    }

    /// Forgets the subscriptions that ended.
    pub(crate) fn sweep(&mut self) {
        self.subscribers.retain(|subscriber| !subscriber.is_closed());
    }
}

/// The columns with one more for weights.
pub(crate) fn with_weight(schema: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(WEIGHT_COLUMN, DataType::Int64, false)));
    Arc::new(Schema::new(fields))
}

/// A change as a batch with its weights as the last column.
fn weighted(schema: &SchemaRef, delta: &Delta) -> Result<RecordBatch> {
    let weights = match &delta.weights {
        Some(weights) => Int64Array::new(weights.clone(), None),
        None => Int64Array::from_value(1, delta.num_rows()),
    };
    let mut columns = delta.batch.columns().to_vec();
    columns.push(Arc::new(weights));
    RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|error| Error::internal(format!("a change cannot be kept: {error}")))
}

pub(crate) fn too_old(epoch: Epoch, oldest: Epoch) -> Error {
    Error::new(
        code::SUBSCRIPTION_ARGUMENT,
        format!(
            "epoch {epoch} is too long ago: the oldest one to go on from is {oldest} \
             (retain_history); begin with a snapshot instead"
        ),
    )
}

/// The changes of several steps as they are, for a deliberate bug.
fn not_netted(
    schema: &SchemaRef,
    changes: Vec<(RecordBatch, Option<Weights>)>,
) -> Result<Option<Delta>> {
    let weights = changes.iter().flat_map(|(batch, weights)| match weights {
        Some(weights) => weights.to_vec(),
        None => vec![1; batch.num_rows()],
    });
    let weights: Vec<i64> = weights.collect();
    let batches = changes.iter().map(|(batch, _)| batch);
    let batch = arrow::compute::concat_batches(schema, batches)
        .map_err(|error| Error::internal(format!("the pieces of an epoch differ: {error}")))?;
    Ok(Some(Delta::weighted(batch, weights.into())))
}
