//! Time: the promises of producers, the frontiers of sources, and what the clock brings about.

use laminar_dataflow::graph::Audience;
use laminar_types::{Epoch, Frontier, Result, Watermark, mutant};

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
        // One that was silent counts again before its word does.
        self.hear_of(id, producer);
        self.epoch += 1;
        self.source_mut(id)?.producers.promise(producer, watermark);
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.output.clear();
        self.advance_source(id, &mut scratch);
        self.publish(&mut scratch.output);
        self.scratch = scratch;
        Ok(self.epoch)
    }

    /// Moves the frontiers of a source to where its producers and the clock have brought them.
    pub(crate) fn advance_source(&mut self, id: SourceId, scratch: &mut Scratch) {
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

    /// Notes that a producer is alive, where silence means something. That a source counts again is an
    /// epoch of its own, before what it sends: those that stay silent may keep up with it from then
    /// on, and what is forgotten by that meets none of its rows, however they are cut.
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
            source.producers.come_back();
            let mut scratch = std::mem::take(&mut self.scratch);
            scratch.output.clear();
            self.epoch += 1;
            self.graph.set_idle(&[(node, false)]);
            self.run_graph(&mut scratch.output);
            self.publish(&mut scratch.output);
            self.scratch = scratch;
        }
        self.alarm.set(now_ms.saturating_add(timeout_ms));
    }

    /// What there is to do because time has passed: producers that were closed hold nothing back, silent producers are left out, `proctime()`
    /// goes on, `EMIT EVERY` tells what it gathered. Sets the alarm for the next time.
    pub(crate) fn tick(&mut self) {
        let now_ms = self.clock.now_ms();
        let mut next_ms = i64::MAX;
        self.let_go_of_closed();
        // In the order in which they fell silent, however late the tick comes.
        while let Some(at_ms) = self.next_silence_ms() {
            if at_ms > now_ms {
                next_ms = at_ms;
                break;
            }
            self.fall_silent(at_ms);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        for index in 0..self.sources.len() {
            let id = SourceId(index as u32);
            let Ok(source) = self.source_mut(id) else { continue };
            if source.timing.proctime.is_none() || mutant!(ClockStands) {
                continue;
            }
            let moved = now_ms > source.stamp_ms;
            source.stamp_ms = source.stamp_ms.max(now_ms);
            next_ms = next_ms.min(now_ms.saturating_add(PROCTIME_TICK_MS));
            if moved {
                scratch.output.clear();
                self.epoch += 1;
                self.advance_source(id, &mut scratch);
                self.publish(&mut scratch.output);
            }
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

    /// Moves the frontiers of sources that only producers held back which were closed meanwhile. Before
    /// the start it is the next row that does.
    fn let_go_of_closed(&mut self) {
        let mut scratch = std::mem::take(&mut self.scratch);
        for index in 0..self.sources.len() {
            let id = SourceId(index as u32);
            let started = self.started;
            let Ok(source) = self.source_mut(id) else { continue };
            let watermark = source.producers.watermark();
            if started && source.producers.settle() != watermark {
                scratch.output.clear();
                self.epoch += 1;
                self.advance_source(id, &mut scratch);
                self.publish(&mut scratch.output);
            }
        }
        self.scratch = scratch;
    }

    /// When a source that is heard of, or one of its producers or keys, is silent for too long, if
    /// it goes on. Before the start nobody is silent: what waits is replayed in its order.
    fn next_silence_ms(&self) -> Option<i64> {
        let watched = self.sources.iter().flatten().filter(|_| self.started).filter_map(|source| {
            let timeout_ms = source.timing.idle_timeout_ms?;
            let of_producers = source.producers.earliest_seen_ms();
            let of_source =
                (!source.is_idle && source.producers.all_idle()).then_some(source.since_ms);
            let since_ms = [of_producers, of_source].into_iter().flatten().min()?;
            Some(since_ms.saturating_add(timeout_ms))
        });
        watched.min()
    }

    /// Leaves out the producers, keys and sources that are silent for too long at a time.
    fn fall_silent(&mut self, at_ms: i64) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.output.clear();
        self.epoch += 1;
        let mut idle = Vec::new();
        for index in 0..self.sources.len() {
            let id = SourceId(index as u32);
            let Ok(source) = self.source_mut(id) else { continue };
            let Some(timeout_ms) = source.timing.idle_timeout_ms else { continue };
            let since_ms = at_ms.saturating_sub(timeout_ms);
            let watermark = source.producers.watermark();
            source.producers.mark_idle(since_ms);
            source.is_idle = source.producers.all_idle() && source.since_ms <= since_ms;
            idle.push((source.node, source.is_idle));
            if source.producers.watermark() != watermark {
                self.advance_source(id, &mut scratch);
            }
        }
        self.graph.set_idle(&idle);
        self.run_graph(&mut scratch.output);
        self.publish(&mut scratch.output);
        self.scratch = scratch;
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
