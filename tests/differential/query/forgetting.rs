//! Joins with `state_ttl`, of inputs in time: a row meets what comes until the watermark of its own side
//! has reached its time plus the span.

use std::sync::Arc;

use super::{Gives, Nature, Query, Relation, Shape, join, numbered};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;

#[derive(Debug, Clone)]
struct Forgetting {
    word: &'static str,
    left: Relation,
    right: Relation,
    keys: (Column, Column),
    /// In milliseconds.
    span: i64,
}

const WORDS: [&str; 6] =
    ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "LEFT SEMI JOIN", "LEFT ANTI JOIN"];

pub(super) fn random(left: Relation, relations: &[Relation], random: &mut Random) -> Option<Query> {
    // A row goes by the first of its times.
    let is_in_time = |side: &Relation| {
        let is_declared = side.timed().is_some_and(|(time, _)| time.declared);
        is_declared && side.arrives && side.times.len() == 1
    };
    let lefts: Vec<&Relation> = relations.iter().filter(|left| is_in_time(left)).collect();
    let left = match is_in_time(&left) || lefts.is_empty() {
        true => left,
        false => (*random.pick(&lefts)).clone(),
    };
    let is_apart = |right: &&Relation| {
        is_in_time(right) && right.sources.iter().all(|source| !left.sources.contains(source))
    };
    let rights: Vec<&Relation> = relations.iter().filter(is_apart).collect();
    if !is_in_time(&left) || rights.is_empty() {
        return None;
    }
    let right = (*random.pick(&rights)).clone();
    let keys = join::pair(&left, &right)?;
    let (word, span) = (*random.pick(&WORDS), random.range(1, 12));
    Some(Arc::new(Forgetting { word, left, right, keys, span }))
}

impl Forgetting {
    fn outputs(&self) -> Vec<(char, &Column)> {
        join::outputs(self.word, &self.left, &self.right)
    }

    /// Whether a pair meets: the earlier row was not forgotten when the later one came.
    fn condition(&self) -> String {
        let Self { span, keys: (a, b), .. } = self;
        format!(
            "l.{} = r.{} AND CASE WHEN l._a < r._a THEN r._x <= l._t + {span} ELSE l._x <= r._t + \
             {span} END",
            a.name, b.name
        )
    }
}

impl Shape for Forgetting {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.left, &self.right]
    }

    fn constructs(&self) -> Vec<&'static str> {
        vec![match self.word {
            "JOIN" => "state_ttl of JOIN",
            "LEFT SEMI JOIN" => "state_ttl of a SEMI JOIN",
            "LEFT ANTI JOIN" => "state_ttl of an ANTI JOIN",
            _ => "state_ttl of an outer JOIN",
        }]
    }

    fn types(&self) -> Vec<Type> {
        self.outputs().into_iter().map(|(_, column)| column.data_type).collect()
    }

    fn engine(&self) -> String {
        let outputs = self.outputs().into_iter();
        let items = numbered(outputs.map(|(side, column)| format!("{side}.{}", column.name)));
        let (a, b) = &self.keys;
        format!(
            "SELECT {items} FROM {} l {} {} r ON l.{} = r.{}",
            self.left.name, self.word, self.right.name, a.name, b.name
        )
    }

    fn options(&self) -> Option<String> {
        Some(format!("state_ttl = '{} milliseconds'", self.span))
    }

    /// The rows without a match are a query of their own, as in interval joins.
    fn oracle(&self, _frontiers: &[i64]) -> String {
        let (left, right, on) = (&self.left.name, &self.right.name, self.condition());
        let join = |word: &str| {
            let items = self.outputs().into_iter();
            let items = numbered(items.map(|(side, column)| format!("{side}.{}", column.name)));
            format!("SELECT {items} FROM {left} l {word} {right} r ON {on}")
        };
        let unmatched = |side: char| {
            let items = self.outputs().into_iter().map(|(of, column)| match of == side {
                true => format!("{side}.{}", column.name),
                false => format!("CAST(NULL AS {})", column.data_type.sql()),
            });
            let own = if side == 'l' { left } else { right };
            format!(
                "SELECT {} FROM {own} {side} WHERE {side}._a NOT IN (SELECT {side}._a FROM {left} l \
                 JOIN {right} r ON {on})",
                numbered(items)
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
            "LEFT SEMI JOIN" => {
                let items =
                    self.outputs().into_iter().map(|(_, column)| format!("l.{}", column.name));
                format!(
                    "SELECT {} FROM {left} l WHERE l._a IN (SELECT l._a FROM {left} l JOIN {right} r \
                     ON {on})",
                    numbered(items)
                )
            }
            word => join(word),
        }
    }

    fn gives(&self) -> Gives {
        match self.word {
            "JOIN" => Gives::of(Nature::AppendOnly),
            _ => Gives::default(),
        }
    }

    fn simpler(&self) -> Vec<Query> {
        match self.word {
            "JOIN" => Vec::new(),
            _ => vec![Arc::new(Self { word: "JOIN", ..self.clone() })],
        }
    }
}
