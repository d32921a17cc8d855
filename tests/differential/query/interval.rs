//! Joins whose condition bounds the distance of two event times.

use std::sync::Arc;

use super::{Gives, Nature, Query, Relation, Shape, join, numbered};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;

#[derive(Debug, Clone)]
struct Interval {
    word: &'static str,
    left: Relation,
    right: Relation,
    keys: Option<(Column, Column)>,
    /// The right time is from so much to so much after the left one, in milliseconds.
    low: i64,
    high: i64,
    is_between: bool,
}

/// A column of each side.
pub(super) type Keys = (Column, Column);

const WORDS: [&str; 6] =
    ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "LEFT SEMI JOIN", "LEFT ANTI JOIN"];

pub(super) fn random(left: Relation, relations: &[Relation], random: &mut Random) -> Option<Query> {
    let (right, keys) = timed_pair(&left, relations, random)?;
    let low = random.range(-6, 4);
    // Without a declared watermark an equality may be one of keys that are no times.
    let is_declared = left.is_declared() && right.is_declared();
    let high = low + random.range(i64::from(!is_declared), 7);
    let (keys, is_between) = (keys.filter(|_| random.chance(75)), random.chance(70));
    let word = *random.pick(&WORDS);
    Some(Arc::new(Interval { word, left, right, keys, low, high, is_between }))
}

/// The same where one side's rows change.
pub(super) fn random_in_time(
    left: Relation,
    relations: &[Relation],
    random: &mut Random,
) -> Option<Query> {
    let (right, keys) = changing_pair(&left, relations, random)?;
    let keys = keys.filter(|_| random.chance(75));
    let low = random.range(-6, 4);
    let high = low + random.range(1, 7);
    let (word, is_between) = (*random.pick(&WORDS), random.chance(70));
    Some(Arc::new(Interval { word, left, right, keys, low, high, is_between }))
}

/// A relation with an event time of the left one's type, where the rows of one of them change, and
/// columns to join them by.
pub(super) fn changing_pair(
    left: &Relation,
    relations: &[Relation],
    random: &mut Random,
) -> Option<(Relation, Option<Keys>)> {
    let (_, time) = left.event_time()?;
    let is_alike = |right: &&Relation| {
        let alike = right.event_time().is_some_and(|(_, other)| other.data_type == time.data_type);
        alike && (left.changes_in_time() || right.changes_in_time()) && left.keeps_up_with(right)
    };
    let rights: Vec<&Relation> = relations.iter().filter(is_alike).collect();
    if rights.is_empty() {
        return None;
    }
    let right = (*random.pick(&rights)).clone();
    let keys = join::pair(left, &right);
    Some((right, keys))
}

/// A relation with an event time of the left one's type, and columns to join them by.
pub(super) fn timed_pair(
    left: &Relation,
    relations: &[Relation],
    random: &mut Random,
) -> Option<(Relation, Option<Keys>)> {
    let (_, time) = left.timed()?;
    let is_alike = |right: &&Relation| {
        right.timed().is_some_and(|(_, other)| other.data_type == time.data_type)
    };
    let others: Vec<&Relation> = relations.iter().filter(is_alike).collect();
    let right = (*random.pick(&others)).clone();
    if !left.keeps_up_with(&right) {
        return None;
    }
    let keys = join::pair(left, &right);
    Some((right, keys))
}

/// A time moved by milliseconds.
fn moved(time: &str, column: &Column, ms: i64) -> String {
    let sign = if ms < 0 { '-' } else { '+' };
    match (ms, column.data_type) {
        (0, _) => time.to_string(),
        (ms, Type::Timestamp) => format!("{time} {sign} INTERVAL '{} milliseconds'", ms.abs()),
        (ms, _) => format!("{time} {sign} {}", ms.abs()),
    }
}

impl Interval {
    /// Whether rows wait until they can match nothing more; else what comes of them is corrected.
    fn is_bounded(&self) -> bool {
        let only_come = self.left.timed().is_some() && self.right.timed().is_some();
        only_come && self.left.is_declared() && self.right.is_declared()
    }

    /// Whether rows go once they can match nothing more, and late ones are left out: without a
    /// declared watermark only where it is known that the columns are times.
    fn drops_late(&self) -> bool {
        let of_left = self.left.event_time();
        let is_timestamp = of_left.is_some_and(|(_, c)| c.data_type == Type::Timestamp);
        let is_declared = self.left.is_declared() && self.right.is_declared();
        let is_settled = self.left.is_settled && self.right.is_settled;
        is_settled && (is_declared || is_timestamp)
    }

    fn is_outer(&self) -> bool {
        !matches!(self.word, "JOIN" | "LEFT SEMI JOIN")
    }

    fn outputs(&self) -> Vec<(char, &Column)> {
        join::outputs(self.word, &self.left, &self.right)
    }

    /// The position of a side's time in the output.
    fn time_at(&self, side: char) -> Option<usize> {
        let relation = if side == 'l' { &self.left } else { &self.right };
        let (_, time) = relation.event_time()?;
        self.outputs().iter().position(|(of, column)| *of == side && *column == time)
    }
}

impl Shape for Interval {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.left, &self.right]
    }

    fn constructs(&self) -> Vec<&'static str> {
        let changes = self.left.changes_in_time() || self.right.changes_in_time();
        let mut constructs = vec![match (self.is_bounded(), self.word) {
            _ if changes && self.drops_late() => "join in time of updating streams",
            _ if changes => "join in time with a table",
            (false, _) => "join in time without WATERMARK FOR",
            (_, "JOIN") => "interval JOIN",
            (_, "LEFT JOIN") => "interval LEFT JOIN",
            (_, "RIGHT JOIN") => "interval RIGHT JOIN",
            (_, "FULL JOIN") => "interval FULL JOIN",
            (_, "LEFT SEMI JOIN") => "interval LEFT SEMI JOIN",
            _ => "interval LEFT ANTI JOIN",
        }];
        constructs.extend((self.keys.is_none()).then_some("interval join without keys"));
        let derived = !self.left.arrives || !self.right.arrives;
        constructs.extend((derived && !changes).then_some("interval join of windows"));
        constructs
    }

    fn types(&self) -> Vec<Type> {
        self.outputs().into_iter().map(|(_, column)| column.data_type).collect()
    }

    fn engine(&self) -> String {
        let outputs = self.outputs().into_iter();
        let items = numbered(outputs.map(|(side, column)| format!("{side}.{}", column.name)));
        let (Some((_, l)), Some((_, r))) = (self.left.event_time(), self.right.event_time()) else {
            return String::new();
        };
        let (left, right) = (format!("l.{}", l.name), format!("r.{}", r.name));
        let (low, high) = (moved(&left, l, self.low), moved(&left, l, self.high));
        let band = match self.is_between {
            true => format!("{right} BETWEEN {low} AND {high}"),
            false => format!("{right} >= {low} AND {right} <= {high}"),
        };
        let keys = match &self.keys {
            Some((a, b)) => format!("l.{} = r.{} AND ", a.name, b.name),
            None => String::new(),
        };
        format!(
            "SELECT {items} FROM {} l {} {} r ON {keys}{band}",
            self.left.name, self.word, self.right.name
        )
    }

    /// The pairs, and each row without a match when none can come any more.
    fn oracle(&self, frontiers: &[i64]) -> String {
        let (low, high) = (self.low, self.high);
        let in_time = |relation: &Relation| match self.drops_late() {
            true if relation.changes_in_time() => {
                format!("(SELECT * FROM {} WHERE _t >= _f AND _t < _g)", relation.ever())
            }
            true => format!("(SELECT * FROM {} WHERE _t >= _f)", relation.name),
            false => format!("(SELECT * FROM {} WHERE _t IS NOT NULL)", relation.name),
        };
        let (left, right) = (in_time(&self.left), in_time(&self.right));
        let (keys, null_keys) = match &self.keys {
            Some((a, b)) => (
                format!("l.{} = r.{} AND ", a.name, b.name),
                [format!("l.{} IS NULL OR ", a.name), format!("r.{} IS NULL OR ", b.name)],
            ),
            None => (String::new(), Default::default()),
        };
        let on = format!("ON {keys}r._t BETWEEN l._t + {low} AND l._t + {high}");
        let join = |word: &str| {
            let items = self.outputs().into_iter();
            let items = numbered(items.map(|(side, column)| format!("{side}.{}", column.name)));
            format!("SELECT {items} FROM {left} l {word} {right} r {on}")
        };
        let ends = |side: char| match (self.is_bounded(), side) {
            (false, _) => String::new(),
            (_, 'l') => format!(" WHERE {}l._t + {high} < {}", null_keys[0], frontiers[1]),
            _ => format!(" WHERE {}r._t - {low} < {}", null_keys[1], frontiers[0]),
        };
        // DataFusion's batch engine forgets a filter over an outer join with an empty side, so the
        // rows without a match are a query of their own.
        let unmatched = |side: char| {
            let items = self.outputs().into_iter().map(|(of, column)| match of == side {
                true => format!("{side}.{}", column.name),
                false => format!("CAST(NULL AS {})", column.data_type.sql()),
            });
            let word = if side == 'l' { "LEFT ANTI JOIN" } else { "RIGHT ANTI JOIN" };
            let items = numbered(items);
            let own = if side == 'l' { &self.left.name } else { &self.right.name };
            // Its anti joins lose rows without a time, now and then; they match nothing.
            format!(
                "SELECT {items} FROM {left} l {word} {right} r {on}{} UNION ALL SELECT {items} \
                 FROM (SELECT * FROM {own} WHERE _t IS NULL) {side}",
                ends(side)
            )
        };
        match self.word {
            "LEFT JOIN" => format!("{} UNION ALL {}", join("JOIN"), unmatched('l')),
            "RIGHT JOIN" => format!("{} UNION ALL {}", join("JOIN"), unmatched('r')),
            "FULL JOIN" => {
                let unmatched = format!("{} UNION ALL {}", unmatched('l'), unmatched('r'));
                format!("{} UNION ALL {unmatched}", join("JOIN"))
            }
            "LEFT ANTI JOIN" => unmatched('l'),
            word => join(word),
        }
    }

    fn gives(&self) -> Gives {
        if !self.is_bounded() {
            return Gives::default();
        }
        let times: Vec<usize> = "lr".chars().filter_map(|side| self.time_at(side)).collect();
        // The padding of an outer side has no time.
        let known = match self.word {
            "RIGHT JOIN" => self.time_at('r').into_iter().collect(),
            "FULL JOIN" => Vec::new(),
            _ => self.time_at('l').into_iter().collect(),
        };
        Gives { nature: Some(Nature::AppendOnly), times, known, declared: true, ..Gives::default() }
    }

    /// A row comes out when it comes, or when the other side has passed what it can match.
    fn frontier(&self, column: usize, frontiers: &[i64]) -> i64 {
        let moved = |frontier: i64, by: i64| match frontier {
            limit @ (i64::MIN | i64::MAX) => limit,
            frontier => frontier + by,
        };
        let [left, right] = [frontiers[0], frontiers[1]];
        match self.outputs()[column].0 {
            'l' => left.min(moved(right, -self.high)),
            _ => right.min(moved(left, self.low)),
        }
    }

    fn simpler(&self) -> Vec<Query> {
        let mut simpler: Vec<Query> = Vec::new();
        if self.keys.is_some() {
            simpler.push(Arc::new(Self { keys: None, ..self.clone() }));
        }
        if self.is_outer() {
            simpler.push(Arc::new(Self { word: "JOIN", ..self.clone() }));
        }
        simpler
    }
}
