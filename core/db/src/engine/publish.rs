//! Publishing: what an epoch gave goes to its subscribers; what it lost is noted and counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use laminar_dataflow::{DeadLetter, StepOutput};

use laminar_types::Change;

use super::{Core, StreamId, Usage};
use crate::board::SubscriptionEntry;
use crate::log::LogLevel;
use crate::ring::RingWriter;
use crate::stream::Stream;

/// Dead letters that are kept, the newest ones.
const MOST_DEAD_LETTERS: usize = 1_000;

impl Core {
    /// Forgets subscriptions that ended, and the anonymous streams behind them.
    pub(crate) fn sweep(&mut self) {
        let mut ended = Vec::new();
        for (index, stream) in self.streams.iter_mut().enumerate() {
            if let Some(stream) = stream {
                stream.sweep();
                if stream.is_anonymous() && stream.subscribers.is_empty() {
                    ended.push(StreamId(index as u32));
                }
            }
        }
        ended.into_iter().for_each(|id| self.remove_stream(id));
    }

    /// Attaches a subscription to a stream.
    pub(crate) fn subscribe(&mut self, id: StreamId, ring: RingWriter) {
        self.flush(id);
        if let Some(stream) = self.streams[id.0 as usize].as_mut() {
            stream.sweep();
            let entry = Arc::clone(&stream.entry);
            let ring_of = Arc::downgrade(&ring.share());
            self.board.add_subscription(SubscriptionEntry {
                begun: Instant::now(),
                stream: entry,
                ring: ring_of,
            });
            stream.subscribers.push(ring);
        }
    }

    /// Hands what an epoch gave to the streams whose results it changed.
    pub(crate) fn publish(&mut self, output: &mut StepOutput) {
        if !output.dead_letters.is_empty() || !output.failures.is_empty() {
            self.take_losses(output);
        }
        if output.deltas.len() > 1 {
            // Several steps of one epoch may have changed one stream: bring its changes together.
            output.deltas.sort_by_key(|(tag, _)| *tag);
        }
        let mut some_ended = false;
        let mut deltas = output.deltas.drain(..).peekable();
        while let Some((tag, first)) = deltas.next() {
            let mut more = Vec::new();
            while let Some((_, next)) = deltas.next_if(|(other, _)| *other == tag) {
                more.push(next);
            }
            let Some(stream) = self.streams[tag as usize].as_mut() else { continue };
            let published = match first {
                Change::Rows(rows) if more.is_empty() && stream.every.is_none() => {
                    let published = stream.publish_rows(self.epoch, &rows);
                    self.graph.recycle(Change::Rows(rows));
                    published
                }
                first => stream.publish_changes(self.epoch, first, more, &self.clock),
            };
            if let Err(error) = published {
                let stopped = stream.stopped(&error);
                stream.subscribers.iter().for_each(|ring| ring.fail(stopped.clone()));
            }
            if let Some(due_ms) = stream.every.as_ref().and_then(|every| every.due_ms) {
                self.alarm.set(due_ms);
            }
            some_ended |= stream.subscribers.iter().any(|ring| ring.is_closed());
        }
        drop(deltas);
        if some_ended {
            self.sweep();
        }
        if self.board.log.hears(LogLevel::Warn) {
            self.warn_of_losses();
        }
        self.board.epochs.set(self.epoch);
        if self.board.take_wanted() {
            self.read_gauges();
        }
    }

    /// Tells the first late row of each stream and the first miss of each subscription. Only where
    /// somebody listens: it is a look at every stream.
    fn warn_of_losses(&self) {
        let log = &self.board.log;
        for stream in self.streams.iter().flatten() {
            let late_rows = || -> u64 {
                stream.nodes.iter().map(|node| self.graph.metrics(*node).late_rows).sum()
            };
            if !stream.entry.told_late.load(Ordering::Relaxed) && late_rows() > 0 {
                stream.entry.told_late.store(true, Ordering::Relaxed);
                let line = || {
                    format!(
                        "{}: a row came too late and is left out (the first time only)",
                        stream.label()
                    )
                };
                log.say(LogLevel::Warn, line);
            }
            for ring in stream.subscribers.iter().filter(|ring| ring.is_first_miss()) {
                let line = || {
                    format!(
                        "a subscription to {} does not keep up: it missed {} rows (the first time \
                         only)",
                        stream.label(),
                        ring.missed_rows()
                    )
                };
                log.say(LogLevel::Warn, line);
            }
        }
    }

    /// Notes the rows that were left out and the streams that stopped.
    fn take_losses(&mut self, output: &mut StepOutput) {
        for (node, letter) in output.dead_letters.drain(..) {
            // Each stream that uses the operator leaves the row out.
            let Some(usage) = self.usage.get_mut(&node) else { continue };
            usage.left_out_rows = true;
            for id in usage.each_stream() {
                self.take_dead_letter(id, letter.clone());
            }
        }
        for (node, error) in output.failures.drain(..) {
            for id in self.usage.get(&node).map_or(vec![], Usage::each_stream) {
                let Some(stream) = self.streams[id.0 as usize].as_mut() else { continue };
                if stream.result() != node {
                    continue;
                }
                let _ = stream.entry.failure.set(error.to_string());
                let log = &self.board.log;
                log.say(LogLevel::Error, || format!("{} failed: {error}", stream.label()));
                let stopped = stream.stopped(&error);
                stream.subscribers.iter().for_each(|ring| ring.fail(stopped.clone()));
            }
        }
    }

    /// Notes a row that a stream left out.
    fn take_dead_letter(&mut self, id: StreamId, letter: DeadLetter) {
        let Some(stream) = self.streams[id.0 as usize].as_mut() else { return };
        if stream.entry.dead_letters.get() == 0 {
            self.board.log.say(LogLevel::Warn, || {
                format!(
                    "{}: an expression failed on a row, which is left out (see \
                     laminar_dead_letters; the first time only): {}",
                    stream.label(),
                    letter.error
                )
            });
        }
        stream.entry.dead_letters.add(1);
        if self.dead_letters.len() == MOST_DEAD_LETTERS {
            self.dead_letters.pop_front();
        }
        self.dead_letters.push_back((stream.name.clone(), letter));
    }

    /// The watermark of a stream, in milliseconds: the least of its event-time columns.
    pub(crate) fn stream_watermark(&self, stream: &Stream) -> Option<i64> {
        let frontiers = self.graph.frontiers(stream.result());
        frontiers.iter().min().and_then(|frontier| frontier.watermark_millis())
    }
}
