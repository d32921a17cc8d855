//! Time: the promises of producers, the frontiers of sources, and what the clock brings about.

use laminar_dataflow::graph::Audience;
use laminar_types::{Epoch, Frontier, Result, Watermark};

use super::push::stamp_in;
use super::{Core, Scratch, SourceId, StreamId};
use crate::producers::{ProducerId, frontiers};

/// How often time goes on for sources with a `proctime()` column.
pub(super) const PROCTIME_TICK_MS: i64 = 100;

impl Core {
    /// Takes in a producer's promise, and runs the epoch that it makes.
    pub(crate) fn watermark(
        &mut self,
        id: SourceId,
        producer: ProducerId,
        watermark: Watermark,
    ) -> Result<Epoch> {
        self.source_mut(id)?.producers.promise(producer, watermark);
        self.epoch += 1;
        self.hear_of(id, producer);
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.output.clear();
        self.advance_source(id, &mut scratch);
        self.publish(&mut scratch.output);
        self.scratch = scratch;
        Ok(self.epoch)
    }

    /// Moves the frontiers of a source to where its producers and the clock have brought them.
    pub(super) fn advance_source(&mut self, id: SourceId, scratch: &mut Scratch) {
        let Ok(source) = self.source(id) else { return };
        let (node, watermark) = (source.node, source.producers.watermark());
        let held = !self.started && self.graph.has_held_consumers(node);
        self.source_frontiers(id, watermark, &mut scratch.frontiers);
        if held {
            self.enqueue(id, None, &scratch.frontiers);
        }
        self.graph.advance(node, &scratch.frontiers, Audience::Running);
        self.run_graph(&mut scratch.output);
    }

    /// The frontiers that a watermark, and the clock, mean for the event times of a source.
    pub(crate) fn source_frontiers(
        &self,
        id: SourceId,
        watermark: Option<Watermark>,
        out: &mut Vec<Frontier>,
    ) {
        let Ok(source) = self.source(id) else { return };
        let times = &self.graph.traits(source.node).times;
        frontiers(watermark, times.iter().map(|time| time.unit), out);
        for (time, frontier) in times.iter().zip(out) {
            if source.timing.proctime == Some(time.column) {
                *frontier = match source.stamp_ms {
                    i64::MIN => Frontier::MIN,
                    // Rounded down to the unit, as the stamps are.
                    ms => Frontier::before(stamp_in(ms, time.unit), time.unit),
                };
            }
        }
    }

    /// Notes that a producer is alive, where silence means something.
    pub(super) fn hear_of(&mut self, id: SourceId, producer: ProducerId) {
        let now_ms = match self.source(id) {
            Ok(source) if source.timing.idle_timeout_ms.is_some() => self.clock.now_ms(),
            _ => return,
        };
        let Ok(source) = self.source_mut(id) else { return };
        source.producers.see(producer, now_ms);
        let timeout_ms = source.timing.idle_timeout_ms.unwrap_or(i64::MAX);
        let was_idle = std::mem::take(&mut source.is_idle);
        let node = source.node;
        if was_idle {
            self.graph.set_idle(node, false);
        }
        self.alarm.set(now_ms.saturating_add(timeout_ms));
    }

    /// What there is to do because time has passed: silent producers are left out, `proctime()`
    /// goes on, `EMIT EVERY` tells what it gathered. Sets the alarm for the next time.
    pub(crate) fn tick(&mut self) {
        let now_ms = self.clock.now_ms();
        let mut next_ms = i64::MAX;
        let mut scratch = std::mem::take(&mut self.scratch);
        for index in 0..self.sources.len() {
            let id = SourceId(index as u32);
            let Ok(source) = self.source_mut(id) else { continue };
            let node = source.node;
            let watermark = source.producers.watermark();
            let mut moved = false;
            let mut idle = source.is_idle;
            if source.timing.proctime.is_some() {
                moved |= now_ms > source.stamp_ms;
                source.stamp_ms = source.stamp_ms.max(now_ms);
                next_ms = next_ms.min(now_ms.saturating_add(PROCTIME_TICK_MS));
            }
            // Before the start nobody is silent: what waits is replayed in its order.
            if let Some(timeout_ms) = source.timing.idle_timeout_ms.filter(|_| self.started) {
                let Ok(source) = self.source_mut(id) else { continue };
                let since_ms = now_ms.saturating_sub(timeout_ms);
                let earliest = source.producers.mark_idle(since_ms);
                idle = source.producers.all_idle() && source.since_ms <= since_ms;
                source.is_idle = idle;
                moved |= source.producers.watermark() != watermark;
                let since_ms = match idle {
                    true => None,
                    false => Some(earliest.unwrap_or(source.since_ms)),
                };
                if let Some(since_ms) = since_ms.or(earliest) {
                    next_ms = next_ms.min(since_ms.saturating_add(timeout_ms));
                }
            }
            scratch.output.clear();
            if moved {
                self.epoch += 1;
                self.advance_source(id, &mut scratch);
            }
            if idle != self.graph.is_idle(node) {
                self.epoch += u64::from(!moved);
                self.graph.set_idle(node, idle);
                self.run_graph(&mut scratch.output);
            }
            self.publish(&mut scratch.output);
        }
        self.scratch = scratch;
        for index in 0..self.streams.len() {
            let due = self.streams[index].as_ref().and_then(|stream| stream.every.as_ref()?.due_ms);
            match due {
                Some(due_ms) if due_ms <= now_ms => self.flush(StreamId(index as u32)),
                Some(due_ms) => next_ms = next_ms.min(due_ms),
                None => {}
            }
        }
        self.alarm.set(next_ms);
    }

    /// Tells what a stream with `EMIT EVERY` has gathered.
    pub(crate) fn flush(&mut self, id: StreamId) {
        let epoch = self.epoch;
        let Some(stream) = self.stream_if_exists(id) else { return };
        if let Err(error) = stream.flush(epoch) {
            stream.subscribers.iter().for_each(|ring| ring.fail(error.clone()));
        }
    }

    /// How far a source is ahead of the slowest of its alignment group, in milliseconds; `None`
    /// when it is in no group or one of the group has no watermark yet.
    pub(crate) fn drift_ms(&self, id: SourceId) -> Option<i64> {
        let source = self.source(id).ok()?;
        let group = source.timing.group.as_ref()?;
        let own_ms = source.producers.watermark()?.millis()?;
        let members = self.sources.iter().flatten();
        let of_group = members.filter(|other| other.timing.group.as_ref() == Some(group));
        let watermarks = of_group
            .filter(|other| !other.is_idle)
            .map(|other| other.producers.watermark().and_then(Watermark::millis));
        let least = watermarks.min().flatten()?;
        Some(own_ms.saturating_sub(least))
    }
}
