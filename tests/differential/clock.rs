//! [`Clock`]: how far the event time of a source has come, by the definition alone.
//!
//! It is the least of what its open producers promise, each the larger of its largest time less the
//! delay and its own word. The database's own producer, 0, counts once it sent a row of a declared
//! event time, and not when all others have said their end. A producer that was silent for too long
//! is left out. Where each value of a column has a largest time of its own, the least of those less
//! the delay counts instead of the producers' own, and the larger of it and of what they promise.

use std::collections::BTreeMap;

use super::data::{Datum, Row};
use super::schema::Input;

pub(super) struct Clock {
    delay: Option<i64>,
    /// The column of the event time, and of the keys with times of their own.
    time: Option<usize>,
    key: Option<usize>,
    is_of_the_clock: bool,
    idle_timeout_ms: Option<i64>,
    producers: BTreeMap<usize, Producer>,
    keys: Vec<(Datum, Key)>,
    pub(super) now_ms: i64,
    /// Since when silence counts.
    since_ms: i64,
    /// The frontier, exclusive; `i64::MIN` before the first.
    pub(super) reached: i64,
    /// Whether nothing is expected of it for now.
    pub(super) is_idle: bool,
}

#[derive(Default)]
struct Producer {
    /// The largest time less the delay, and the promise, both exclusive.
    largest: Option<i64>,
    promise: Option<i64>,
    /// When it was heard of.
    seen_ms: i64,
    is_idle: bool,
    /// Whether it holds the watermark back.
    counts: bool,
}

struct Key {
    /// Its largest time less the delay, exclusive.
    largest: i64,
    seen_ms: i64,
    is_idle: bool,
}

impl Clock {
    pub(super) fn new(input: &Input) -> Self {
        Self {
            delay: input.delay(),
            time: input.time(),
            key: input.watermark_key,
            is_of_the_clock: input.is_of_the_clock(),
            idle_timeout_ms: input.idle_timeout_ms,
            producers: BTreeMap::new(),
            keys: Vec::new(),
            now_ms: 0,
            since_ms: 0,
            reached: i64::MIN,
            is_idle: false,
        }
    }

    pub(super) fn open(&mut self, producer: usize) {
        let seen_ms = self.now_ms;
        self.producers.insert(producer, Producer { seen_ms, counts: true, ..Producer::default() });
        self.is_idle = false;
    }

    pub(super) fn close(&mut self, producer: usize) {
        self.producers.remove(&producer);
    }

    pub(super) fn hear_of(&mut self, producer: usize) {
        let now_ms = self.now_ms;
        if producer == 0 {
            self.producers.entry(0).or_default();
        }
        if let Some(producer) = self.producers.get_mut(&producer) {
            (producer.seen_ms, producer.is_idle) = (now_ms, false);
        }
        self.is_idle = false;
        if self.is_of_the_clock {
            self.reached = self.reached.max(now_ms);
        }
    }

    pub(super) fn start(&mut self) {
        let now_ms = self.now_ms;
        self.since_ms = now_ms;
        for producer in self.producers.values_mut() {
            (producer.seen_ms, producer.is_idle) = (now_ms, false);
        }
        for (_, key) in &mut self.keys {
            (key.seen_ms, key.is_idle) = (now_ms, false);
        }
    }

    pub(super) fn advance(&mut self, by_ms: i64, started: bool) {
        self.now_ms += by_ms;
        if self.is_of_the_clock {
            self.reached = self.reached.max(self.now_ms);
        }
        if !started {
            return;
        }
        if let Some(timeout_ms) = self.idle_timeout_ms {
            self.fall_silent(timeout_ms);
        }
        self.settle();
    }

    fn fall_silent(&mut self, timeout_ms: i64) {
        let is_silent = |seen_ms: i64| seen_ms + timeout_ms <= self.now_ms;
        for producer in self.producers.values_mut() {
            producer.is_idle |= is_silent(producer.seen_ms);
        }
        for (_, key) in &mut self.keys {
            key.is_idle |= is_silent(key.seen_ms);
        }
        self.is_idle =
            self.producers.values().all(|producer| producer.is_idle) && is_silent(self.since_ms);
    }

    /// Takes in the time of a row.
    pub(super) fn see(&mut self, producer: usize, row: &Row) {
        let time = self.time.and_then(|time| row[time].int());
        let Some((delay, time)) = self.delay.zip(time) else { return };
        let (seen_ms, largest) = (self.now_ms, time - delay + 1);
        if let Some(key) = self.key {
            let known = self.keys.iter_mut().find(|(value, _)| *value == row[key]);
            match known {
                Some((_, key)) => {
                    let largest = key.largest.max(largest);
                    *key = Key { largest, seen_ms, is_idle: false };
                }
                None => {
                    self.keys.push((row[key].clone(), Key { largest, seen_ms, is_idle: false }))
                }
            }
        } else {
            let producer = self.producers.entry(producer).or_default();
            producer.counts = true;
            producer.largest = producer.largest.max(Some(largest));
        }
        self.settle();
    }

    pub(super) fn promise(&mut self, producer: usize, ts_ms: i64) {
        self.hear_of(producer);
        if let Some(producer) = self.producers.get_mut(&producer) {
            producer.promise = producer.promise.max(Some(ts_ms + 1));
        }
        self.settle();
    }

    pub(super) fn end(&mut self, producer: usize) {
        self.promise(producer, i64::MAX - 1);
    }

    pub(super) fn settle(&mut self) {
        // Promises do not hurry the clock.
        if self.is_of_the_clock {
            return;
        }
        let mut handles = self.producers.iter().filter(|(id, _)| **id != 0).peekable();
        let ended = handles.peek().is_some()
            && handles.all(|(_, producer)| producer.promise == Some(i64::MAX));
        let counted = self
            .producers
            .iter()
            .filter(|(id, producer)| producer.counts && !producer.is_idle && (!ended || **id != 0));
        let least = counted.map(|(_, producer)| producer.largest.max(producer.promise)).min();
        let of_keys = self.keys.iter().filter(|(_, key)| !key.is_idle).map(|(_, key)| key.largest);
        if let Some(least) = least.flatten().max(of_keys.min()) {
            self.reached = self.reached.max(least);
        }
    }
}
