//! Joins and groups with `state_ttl`, of inputs in time. A row of a join meets what comes until the
//! watermark of its own side has reached its time plus the span; a group is there until the watermark
//! has reached the time of its last row plus it, and begins anew then.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::call::Call;
use super::{
    Ask, Gives, Nature, Query, Relation, Shape, filtered, join, names, numbered, oracle_conditions,
    sound_filter,
};
use crate::differential::expression::{Dialect, Predicate};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;
use crate::support::value::Row;

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

/// Whether the age of its rows is known: they go by the first of their times.
fn is_in_time(side: &Relation) -> bool {
    let is_declared = side.timed().is_some_and(|(time, _)| time.declared);
    is_declared && side.arrives && side.times.len() == 1
}

pub(super) fn random(left: Relation, relations: &[Relation], random: &mut Random) -> Option<Query> {
    if is_in_time(&left) && random.chance(30) {
        return random_groups(left, random);
    }
    let lefts: Vec<&Relation> = relations.iter().filter(|left| is_in_time(left)).collect();
    let left = match is_in_time(&left) || lefts.is_empty() {
        true => left,
        false => (*random.pick(&lefts)).clone(),
    };
    let rights: Vec<&Relation> = relations.iter().filter(|right| is_in_time(right)).collect();
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
            "l.{} = r.{} AND CASE WHEN l._a < r._a THEN r._x <= l._t + {span} WHEN l._a > r._a THEN \
             l._x <= r._t + {span} ELSE true END",
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

/// Groups that are forgotten.
#[derive(Debug, Clone)]
struct Groups {
    from: Relation,
    keys: Vec<Column>,
    calls: Vec<Call>,
    filter: Option<Predicate>,
    /// In milliseconds.
    span: i64,
}

fn random_groups(from: Relation, random: &mut Random) -> Option<Query> {
    let plain = from.plain_columns();
    if plain.is_empty() {
        return None;
    }
    let keys = vec![(*random.pick(&plain)).clone()];
    let filter = sound_filter(&from, 20, random);
    let (calls, span) = (Call::some(&from, random), random.range(1, 12));
    Some(Arc::new(Groups { keys, calls, filter, span, from }))
}

impl Groups {
    fn items(&self, dialect: Dialect) -> String {
        let keys = self.keys.iter().map(|key| key.name.clone());
        numbered(keys.chain(self.calls.iter().map(|call| call.sql(dialect))))
    }
}

impl Shape for Groups {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.from]
    }

    fn constructs(&self) -> Vec<&'static str> {
        let mut constructs = Call::constructs(&self.calls);
        constructs.push("state_ttl of GROUP BY");
        constructs
    }

    fn types(&self) -> Vec<Type> {
        let keys = self.keys.iter().map(|key| key.data_type);
        keys.chain(self.calls.iter().map(Call::data_type)).collect()
    }

    fn engine(&self) -> String {
        let filter = self.filter.as_ref().map(|filter| filter.sql(Dialect::Engine));
        let filter = filtered(&filter.into_iter().collect::<Vec<String>>());
        let (items, by) = (self.items(Dialect::Engine), names(&self.keys));
        format!("SELECT {items} FROM {}{filter} GROUP BY {by}", self.from.name)
    }

    fn options(&self) -> Option<String> {
        Some(format!("state_ttl = '{} milliseconds'", self.span))
    }

    fn forgets_content(&self) -> bool {
        true
    }

    /// The rows since each group began the last time.
    fn taken(&self, ask: &Ask<'_>) -> Result<Option<Vec<i64>>, String> {
        let rows = ask(&format!(
            "SELECT _a, _t, _f, {} FROM {}{} ORDER BY _a",
            names(&self.keys),
            self.from.name,
            filtered(&oracle_conditions(self.filter.as_ref()))
        ))?;
        let mut groups: BTreeMap<Row, (i64, Vec<i64>)> = BTreeMap::new();
        for row in rows {
            let (arrival, time, frontier) = (row[0].int(), row[1].int(), row[2].int());
            let (last, rows) = groups.entry(row[3..].to_vec()).or_insert((time, Vec::new()));
            if *last + self.span < frontier {
                rows.clear();
                *last = time;
            }
            *last = time.max(*last);
            rows.push(arrival);
        }
        Ok(Some(groups.into_values().flat_map(|(_, rows)| rows).collect()))
    }

    fn oracle(&self, frontiers: &[i64]) -> String {
        let Self { span, from, .. } = self;
        format!(
            "SELECT {} FROM {} WHERE _a IN (SELECT _arrival FROM _taken) GROUP BY {} HAVING max(_t) + \
             {span} >= {}",
            self.items(Dialect::Oracle),
            from.name,
            names(&self.keys),
            frontiers[0]
        )
    }

    fn simpler(&self) -> Vec<Query> {
        let mut simpler: Vec<Query> = Vec::new();
        if self.filter.is_some() {
            simpler.push(Arc::new(Self { filter: None, ..self.clone() }));
        }
        for calls in Call::simpler(&self.calls) {
            simpler.push(Arc::new(Self { calls, ..self.clone() }));
        }
        simpler
    }
}
