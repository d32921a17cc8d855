//! [`Side`], [`Asof`] and [`Band`]: what joins in time answer, by their definitions alone, looking
//! at every pair of rows.

use crate::support::value::{Row, Value};

/// A row of a source: `k`, `v`, `ts`. `arrival` counts the rows of its source.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub key: Option<i64>,
    pub value: i64,
    pub time: i64,
    pub arrival: usize,
}

impl Event {
    pub fn columns(&self) -> Row {
        vec![self.key.into(), self.value.into(), self.time.into()]
    }
}

fn nulls() -> Row {
    vec![Value::Null; 3]
}

/// What a source has given, less what was late, which a declared delay decides row by row.
pub struct Side {
    delay: i64,
    largest: Option<i64>,
    seen: usize,
    pub kept: Vec<Event>,
    pub late: i64,
}

impl Side {
    pub fn new(delay: i64) -> Self {
        Self { delay, largest: None, seen: 0, kept: Vec::new(), late: 0 }
    }

    /// Every row before this has come.
    pub fn frontier(&self) -> Option<i64> {
        self.largest.map(|largest| largest - self.delay + 1)
    }

    pub fn add(&mut self, key: Option<i64>, value: i64, time: i64) {
        self.seen += 1;
        if self.frontier().is_some_and(|frontier| time < frontier) {
            self.late += 1;
        } else {
            self.kept.push(Event { key, value, time, arrival: self.seen });
        }
        self.largest = self.largest.max(Some(time));
    }
}

/// An ASOF join.
#[derive(Debug, Clone, Copy)]
pub struct Asof {
    /// `>=`, `>`, `<=`, `<` or `nearest`.
    pub operator: &'static str,
    pub outer: bool,
    pub keyed: bool,
}

impl Asof {
    fn is_candidate(&self, left: &Event, right: &Event) -> bool {
        let keys = !self.keyed || (left.key.is_some() && left.key == right.key);
        keys && match self.operator {
            ">=" => left.time >= right.time,
            ">" => left.time > right.time,
            "<=" => left.time <= right.time,
            "<" => left.time < right.time,
            _ => true,
        }
    }

    /// Small is good: the distance, then back before ahead, then the last looking back and the
    /// first looking ahead.
    fn rank(&self, left: &Event, right: &Event) -> (i64, bool, i64) {
        let ahead = right.time > left.time || (right.time == left.time && self.operator == "<=");
        let arrival = right.arrival as i64;
        ((left.time - right.time).abs(), ahead, if ahead { arrival } else { -arrival })
    }

    fn best<'a>(&self, left: &Event, right: impl Iterator<Item = &'a Event>) -> Option<&'a Event> {
        right.filter(|r| self.is_candidate(left, r)).min_by_key(|r| self.rank(left, r))
    }

    /// Whether no right row that may still come would be the match.
    fn is_final(&self, left: &Event, right: &Side) -> bool {
        if self.keyed && left.key.is_none() {
            return true;
        }
        let frontier = right.frontier().unwrap_or(left.time - 200);
        let best = self.best(left, right.kept.iter());
        let furthest = best.map_or(left.time, |best| best.time.max(2 * left.time - best.time));
        let to = furthest.max(left.time).max(frontier) + 2;
        (frontier..=to).all(|time| {
            let key = left.key;
            let new = Event { key, value: 0, time, arrival: usize::MAX / 2 };
            let all = right.kept.iter().chain([&new]);
            self.best(left, all) == best
        })
    }

    /// The rows that are visible, sorted.
    pub fn content(&self, left: &Side, right: &Side, only_final: bool) -> Vec<Row> {
        let mut rows: Vec<Row> = left
            .kept
            .iter()
            .filter(|row| !only_final || self.is_final(row, right))
            .filter_map(|row| match self.best(row, right.kept.iter()) {
                Some(best) => Some([row.columns(), best.columns()].concat()),
                None => self.outer.then(|| [row.columns(), nulls()].concat()),
            })
            .collect();
        rows.sort();
        rows
    }
}

/// A join of rows with `low <= right.time - left.time <= high`.
#[derive(Debug, Clone, Copy)]
pub struct Band {
    pub low: i64,
    pub high: i64,
    /// `INNER`, `LEFT`, `RIGHT`, `FULL`, `LEFT SEMI`, `LEFT ANTI`, `RIGHT SEMI` or `RIGHT ANTI`.
    pub kind: &'static str,
    pub keyed: bool,
    /// Whether `left.value <= right.value` is asked for as well.
    pub filtered: bool,
}

impl Band {
    fn matches(&self, left: &Event, right: &Event) -> bool {
        let keys = !self.keyed || (left.key.is_some() && left.key == right.key);
        let distance = right.time - left.time;
        keys && (self.low..=self.high).contains(&distance)
            && (!self.filtered || left.value <= right.value)
    }

    /// The rows that are visible, sorted.
    pub fn content(&self, left: &Side, right: &Side) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        let pairs = matches!(self.kind, "INNER" | "LEFT" | "RIGHT" | "FULL");
        for l in &left.kept {
            let met: Vec<_> = right.kept.iter().filter(|r| self.matches(l, r)).collect();
            if pairs {
                rows.extend(met.iter().map(|r| [l.columns(), r.columns()].concat()));
            }
            let never = self.keyed && l.key.is_none();
            let passed = right.frontier().is_some_and(|f| l.time + self.high < f);
            if met.is_empty() && (never || passed) {
                match self.kind {
                    "LEFT" | "FULL" => rows.push([l.columns(), nulls()].concat()),
                    "LEFT ANTI" => rows.push(l.columns()),
                    _ => {}
                }
            } else if !met.is_empty() && self.kind == "LEFT SEMI" {
                rows.push(l.columns());
            }
        }
        for r in &right.kept {
            let has_match = left.kept.iter().any(|l| self.matches(l, r));
            let never = self.keyed && r.key.is_none();
            let passed = left.frontier().is_some_and(|f| r.time - self.low < f);
            if !has_match && (never || passed) {
                match self.kind {
                    "RIGHT" | "FULL" => rows.push([nulls(), r.columns()].concat()),
                    "RIGHT ANTI" => rows.push(r.columns()),
                    _ => {}
                }
            } else if has_match && self.kind == "RIGHT SEMI" {
                rows.push(r.columns());
            }
        }
        rows.sort();
        rows
    }
}
