//! Pushes: the rows of an epoch, as batches or as a block, in the pieces that lateness asks for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Int64Array, RecordBatch};
use laminar_dataflow::graph::Audience;
use laminar_dataflow::{NodeId, StepOutput};
use laminar_types::rows::TINY_ROWS;
use laminar_types::{
    Backpressure, Delta, Epoch, Error, Frontier, Result, RowBlock, TimeUnit, code,
};

use super::{Core, Scratch, SourceId, dropped_source};
use crate::page;
use crate::producers::ProducerId;
use crate::replaced::replaced;
use crate::source::Rules;

impl Core {
    /// Takes in the rows of one epoch, and runs it.
    pub(crate) fn push(
        &mut self,
        id: SourceId,
        producer: ProducerId,
        batches: &[RecordBatch],
    ) -> Result<Epoch> {
        self.check_open(id, producer)?;
        let held = self.is_held(id)?;
        let widened = self.widened(id, batches)?;
        let batches = widened.as_deref().unwrap_or(batches);
        if let [batch] = batches
            && !held
            && (1..=TINY_ROWS).contains(&batch.num_rows())
            && let Some(rows) = self.as_rows(id, batch)?
        {
            let pushed = self.push_rows(id, producer, &rows);
            self.scratch.rows = Some(rows);
            return pushed;
        }
        self.hear_of(id, producer);
        self.epoch += 1;
        let stamped = self.stamped(id, batches)?;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.output.clear();
        let result = stamped
            .as_deref()
            .unwrap_or(batches)
            .iter()
            .try_for_each(|batch| self.push_batch(id, producer, batch, held, &mut scratch));
        self.publish(&mut scratch.output);
        self.scratch = scratch;
        result.map(|()| self.epoch)
    }

    /// Refuses to take more from a producer that has said its end.
    pub(super) fn check_open(&self, id: SourceId, producer: ProducerId) -> Result<()> {
        let source = self.source(id)?;
        if !source.producers.has_ended(producer) {
            return Ok(());
        }
        Err(Error::new(
            code::INGESTION_ARGUMENT,
            format!("this producer of `{}` has said that its input ended", source.name),
        ))
    }

    /// A small batch as a block, if some stream is better given it so.
    pub(super) fn as_rows(
        &mut self,
        id: SourceId,
        batch: &RecordBatch,
    ) -> Result<Option<RowBlock>> {
        let rules = Arc::clone(&self.source(id)?.rules);
        let Some(layout) = rules.layout.as_ref() else { return Ok(None) };
        if !rules.takes_rows.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut rows = self.scratch.rows.take().unwrap_or_else(|| RowBlock::new(layout));
        rows.reset(layout);
        if rows.append_batch(batch, None)? {
            return Ok(Some(rows));
        }
        self.scratch.rows = Some(rows);
        Ok(None)
    }

    /// Takes in a few rows as one epoch, and runs it: what [`push`](Self::push) does with the same
    /// rows as a batch.
    pub(crate) fn push_rows(
        &mut self,
        id: SourceId,
        producer: ProducerId,
        rows: &RowBlock,
    ) -> Result<Epoch> {
        // What waits for the start is kept as a batch. No stream may take blocks any more, and the
        // source may have more columns by now.
        let rules = &self.source(id)?.rules;
        let is_whole = rows.layout().kinds().len() == rules.schema.fields().len();
        if !is_whole || !rules.takes_rows.load(Ordering::Relaxed) || self.is_held(id)? {
            return self.push(id, producer, &[rows.to_batch()?]);
        }
        self.check_open(id, producer)?;
        self.hear_of(id, producer);
        self.epoch += 1;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.output.clear();
        let result = self.push_block(id, producer, rows, &mut scratch);
        self.publish(&mut scratch.output);
        self.scratch = scratch;
        result.map(|()| self.epoch)
    }

    /// Tells a source that was silent how far others have come meanwhile.
    fn catch_up(&mut self, id: SourceId) -> Result<()> {
        if self.source(id)?.producers.is_back() {
            let all = self.sources.iter().flatten();
            let reached = all.filter_map(|source| source.producers.watermark()).max();
            self.source_mut(id)?.producers.catch_up(reached);
        }
        Ok(())
    }

    /// The rows of an epoch as a block: one step, or as a batch where it must be cut.
    pub(super) fn push_block(
        &mut self,
        id: SourceId,
        producer: ProducerId,
        rows: &RowBlock,
        scratch: &mut Scratch,
    ) -> Result<()> {
        self.catch_up(id)?;
        let source = self.sources[id.0 as usize].as_mut().ok_or_else(dropped_source)?;
        scratch.times.clear();
        if let Some(declared) = source.producers.declared() {
            let times = (0..rows.num_rows()).map(|row| rows.word(row, declared.column) as i64);
            scratch.times.extend(times);
        }
        let Scratch { times, pieces, .. } = scratch;
        source.producers.cut_times(producer, rows.num_rows(), times, &[], pieces)?;
        if let Some(history) = &mut source.history {
            history.append_rows(rows)?;
            history.mark(self.epoch);
        }
        source.entry.total_rows.add(rows.num_rows() as u64);
        source.entry.batches.add(1);
        source.changed = self.epoch;
        let node = source.node;
        let [piece] = scratch.pieces.as_slice() else {
            return self.run_pieces(id, node, &rows.to_batch()?, false, scratch);
        };
        let watermark = piece.watermark;
        self.source_frontiers(id, watermark, &mut scratch.frontiers);
        self.graph.push_rows(node, rows, Audience::Running)?;
        self.graph.advance(node, &scratch.frontiers, Audience::Running);
        self.run_graph(&mut scratch.output);
        Ok(())
    }

    /// Whether changes of an input must queue for streams that are held back. Fails with
    /// `NOT_STARTED` when too much waits already and may not be dropped: one epoch may overshoot, so
    /// that a batch of any size is taken.
    pub(crate) fn is_held(&mut self, id: SourceId) -> Result<bool> {
        let held = !self.started && self.graph.has_held_consumers(self.source(id)?.node);
        if held && self.queue.bytes() >= self.max_queued_bytes {
            self.drop_queued_bytes(id)?;
        }
        if held && self.queue.bytes() >= self.max_queued_bytes {
            return Err(Error::new(
                code::NOT_STARTED,
                format!(
                    "{} bytes wait for start(), and {} may: call start(), or raise \
                     max_queued_bytes",
                    self.queue.bytes(),
                    self.max_queued_bytes
                ),
            ));
        }
        Ok(held)
    }

    /// One batch of an epoch: a step for each piece that it is cut into.
    pub(super) fn push_batch(
        &mut self,
        id: SourceId,
        producer: ProducerId,
        batch: &RecordBatch,
        held: bool,
        scratch: &mut Scratch,
    ) -> Result<()> {
        self.catch_up(id)?;
        let source = self.sources[id.0 as usize].as_mut().ok_or_else(dropped_source)?;
        let replaced = match (self.graph.table_mut(source.node), source.producers.declared()) {
            (Some(table), Some(declared)) => {
                replaced(table, &source.rules.key, batch, declared.column)?
            }
            _ => Vec::new(),
        };
        source.producers.cut(producer, batch, &replaced, &mut scratch.pieces)?;
        if let Some(history) = &mut source.history {
            history.append(batch)?;
            history.mark(self.epoch);
        }
        source.entry.total_rows.add(batch.num_rows() as u64);
        source.entry.batches.add(1);
        source.changed = self.epoch;
        let node = source.node;
        self.run_pieces(id, node, batch, held, scratch)
    }

    /// A step for each piece that a batch was cut into.
    pub(super) fn run_pieces(
        &mut self,
        id: SourceId,
        node: NodeId,
        batch: &RecordBatch,
        held: bool,
        scratch: &mut Scratch,
    ) -> Result<()> {
        for piece in &scratch.pieces {
            let rows = match piece.rows == batch.num_rows() {
                true => batch.clone(),
                false => batch.slice(piece.offset, piece.rows),
            };
            let change = match self.graph.table_mut(node) {
                Some(table) => table.insert(&rows)?,
                None => Some(Delta::insert(rows)),
            };
            self.source_frontiers(id, piece.watermark, &mut scratch.frontiers);
            self.step(id, node, change, held, &scratch.frontiers, &mut scratch.output)?;
        }
        Ok(())
    }

    /// One step of an epoch: a change of an input, then the frontiers after it.
    pub(crate) fn step(
        &mut self,
        id: SourceId,
        node: NodeId,
        change: Option<Delta>,
        held: bool,
        frontiers: &[Frontier],
        output: &mut StepOutput,
    ) -> Result<()> {
        if let Some(change) = &change {
            self.graph.push(node, change, Audience::Running);
        }
        self.graph.advance(node, frontiers, Audience::Running);
        self.run_graph(output);
        if held {
            let change = change.map(|Delta { batch, weights }| {
                Ok::<_, Error>(Delta { batch: page::compact_batch(&batch)?, weights })
            });
            self.enqueue(id, change.transpose()?, frontiers);
        }
        Ok(())
    }

    pub(super) fn enqueue(&mut self, id: SourceId, change: Option<Delta>, frontiers: &[Frontier]) {
        let count = change.as_ref().map_or(0, Delta::num_rows) as u64;
        self.queue.push(id, self.epoch, change, frontiers.to_vec());
        if let Some(source) = &mut self.sources[id.0 as usize] {
            let Rules { pending, policy, .. } = source.rules.as_ref();
            let waiting = pending.load(Ordering::Relaxed) + count;
            let most = match policy.on_full {
                Backpressure::DropOldest => policy.most_queued_rows.unwrap_or(u64::MAX),
                Backpressure::Block | Backpressure::Reject => u64::MAX,
            };
            let too_many = waiting.saturating_sub(most);
            let dropped = self.queue.drop_rows(id, too_many, self.epoch);
            pending.store(waiting - dropped, Ordering::Relaxed);
            source.entry.missed_rows.add(dropped);
        }
        self.board.queued_bytes.set(self.queue.bytes() as u64);
    }

    /// Makes room among what waits for the start by dropping the oldest rows of a source, if that
    /// is how it wants it.
    fn drop_queued_bytes(&mut self, id: SourceId) -> Result<()> {
        let (limit, newest) = (self.max_queued_bytes, self.epoch + 1);
        let source = self.sources[id.0 as usize].as_mut().ok_or_else(dropped_source)?;
        if source.rules.policy.on_full == Backpressure::DropOldest {
            let dropped = self.queue.drop_bytes(id, limit, newest);
            source.rules.pending.fetch_sub(dropped, Ordering::Relaxed);
            source.entry.missed_rows.add(dropped);
        }
        Ok(())
    }

    /// The batches with the column that the clock fills, for a source that has one. The stamp is a
    /// part of the input from here on.
    pub(crate) fn stamped(
        &mut self,
        id: SourceId,
        batches: &[RecordBatch],
    ) -> Result<Option<Vec<RecordBatch>>> {
        let Some(column) = self.source(id)?.timing.proctime else { return Ok(None) };
        let now_ms = self.clock.now_ms();
        let source = self.source_mut(id)?;
        source.stamp_ms = source.stamp_ms.max(now_ms);
        let data_type = source.schema.field(column).data_type();
        let unit = TimeUnit::of(data_type).unwrap_or(TimeUnit::Millisecond);
        let stamp = stamp_in(source.stamp_ms, unit);
        let stamped = batches.iter().map(|batch| {
            let stamps = Int64Array::from_value(stamp, batch.num_rows());
            let mut columns = batch.columns().to_vec();
            columns.insert(column, arrow::compute::cast(&stamps, data_type)?);
            RecordBatch::try_new(Arc::clone(&source.schema), columns)
        });
        let stamped: std::result::Result<Vec<_>, _> = stamped.collect();
        stamped.map(Some).map_err(|error| Error::internal(format!("a stamp does not fit: {error}")))
    }
}

/// A time of the clock in a unit, rounded down.
pub(super) fn stamp_in(ms: i64, unit: TimeUnit) -> i64 {
    let ns = i128::from(ms) * 1_000_000;
    i64::try_from(ns.div_euclid(i128::from(unit.nanos()))).unwrap_or(i64::MAX)
}
