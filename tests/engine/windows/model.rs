//! [`Model`]: what a windowed query answers, by the definition alone.

use std::collections::BTreeMap;

use crate::row;
use crate::support::value::{Row, Value};

/// A grouping by windows, in units of the event-time column.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    pub size: i64,
    pub slide: i64,
    pub offset: i64,
}

impl Windows {
    /// The starts of the windows that hold a time.
    pub fn of(&self, time: i64) -> Vec<i64> {
        let last = time - (time - self.offset).rem_euclid(self.slide);
        let down = std::iter::successors(Some(last), |start| Some(start - self.slide));
        down.take_while(|start| time < start + self.size).collect()
    }

    pub fn is_closed(&self, start: i64, frontier: Option<i64>) -> bool {
        frontier.is_some_and(|frontier| start + self.size <= frontier)
    }

    /// The smallest start of a window that is open, which no later row can be below.
    pub fn first_open(&self, frontier: Option<i64>) -> Option<i64> {
        // Start far below and go up: the definition, without arithmetic.
        let frontier = frontier?;
        let mut start = frontier - (frontier - self.offset).rem_euclid(self.slide);
        while !self.is_closed(start, Some(frontier)) {
            start -= self.slide;
        }
        while self.is_closed(start, Some(frontier)) {
            start += self.slide;
        }
        Some(start)
    }
}

/// `count(*)`, `count(v)`, `sum(v)`, `min(v)`, `max(v)` of the rows of a window and key.
#[derive(Debug, Clone, Default)]
struct Group {
    rows: i64,
    values: Vec<i64>,
}

/// The windows of one query and the rows that went into them.
pub struct Model {
    pub windows: Windows,
    pub late_rows: i64,
    /// By window start and key.
    groups: BTreeMap<(i64, Value), Group>,
}

impl Model {
    pub fn new(windows: Windows) -> Self {
        Self { windows, late_rows: 0, groups: BTreeMap::new() }
    }

    /// Takes in a row that meets a frontier.
    pub fn add(&mut self, key: Value, value: Option<i64>, time: i64, frontier: Option<i64>) {
        let starts = self.windows.of(time);
        let all = starts.len();
        let open: Vec<i64> =
            starts.into_iter().filter(|start| !self.windows.is_closed(*start, frontier)).collect();
        self.late_rows += i64::from(all > 0 && open.is_empty());
        for start in open {
            let group = self.groups.entry((start, key.clone())).or_default();
            group.rows += 1;
            group.values.extend(value);
        }
    }

    /// Every window's rows `k, start, end, count(*), count(v), sum(v), min(v), max(v)`, of all
    /// windows or of those that are closed, sorted.
    pub fn content(&self, closed_by: Option<Option<i64>>) -> Vec<Row> {
        let groups = self.groups.iter().filter(|((start, _), _)| {
            closed_by.is_none_or(|frontier| self.windows.is_closed(*start, frontier))
        });
        let mut rows: Vec<Row> = groups
            .map(|((start, key), group)| {
                let values = &group.values;
                let sum = (!values.is_empty()).then(|| values.iter().sum::<i64>());
                let mut row = row![*start, start + self.windows.size, group.rows];
                row.extend(row![values.len() as i64, sum]);
                row.extend(row![values.iter().min().copied(), values.iter().max().copied()]);
                row.insert(0, key.clone());
                row
            })
            .collect();
        rows.sort();
        rows
    }
}

/// The watermark of a source by its definition: the least of what its open producers promise,
/// each the larger of its own largest time less the delay and its explicit promise.
pub struct Watermarks {
    /// The delay in units of the column, where a watermark is declared.
    pub delay: Option<i64>,
    /// Nanoseconds in a unit of the column.
    pub unit_ns: i64,
    producers: Vec<Producer>,
    /// The largest so far, exclusive, in units of the column.
    pub frontier: Option<i64>,
}

#[derive(Default)]
struct Producer {
    is_closed: bool,
    largest: Option<i64>,
    explicit_ms: Option<i64>,
}

impl Watermarks {
    pub fn new(delay: Option<i64>, unit_ns: i64) -> Self {
        Self { delay, unit_ns, producers: Vec::new(), frontier: None }
    }

    pub fn open(&mut self) -> usize {
        self.producers.push(Producer::default());
        self.producers.len() - 1
    }

    pub fn close(&mut self, producer: usize) {
        self.producers[producer].is_closed = true;
    }

    pub fn see(&mut self, producer: usize, time: i64) {
        let largest = &mut self.producers[producer].largest;
        *largest = (*largest).max(Some(time));
    }

    pub fn promise(&mut self, producer: usize, time_ms: i64) {
        let explicit = &mut self.producers[producer].explicit_ms;
        *explicit = (*explicit).max(Some(time_ms));
    }

    /// The frontier that a row pushed now meets.
    pub fn frontier(&mut self) -> Option<i64> {
        let open = self.producers.iter().filter(|producer| !producer.is_closed);
        let promises = open.map(|producer| {
            let declared =
                producer.largest.zip(self.delay).map(|(largest, delay)| largest - delay + 1);
            let explicit = producer.explicit_ms.map(|time_ms| {
                (i128::from(time_ms) * 1_000_000).div_euclid(i128::from(self.unit_ns)) as i64 + 1
            });
            declared.max(explicit)
        });
        // None, less than every promise, where a producer promises nothing.
        let least = promises.min().flatten();
        self.frontier = self.frontier.max(least);
        self.frontier
    }
}
