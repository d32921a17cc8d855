//! Joins with what is there now: each row of the one side once, with what the other holds when it
//! arrives.

use std::sync::Arc;

use super::{
    Gives, Nature, Query, Relation, Shape, conditions, filtered, join, numbered, sound_filter,
};
use crate::differential::expression::{Dialect, Expression, Predicate};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;

#[derive(Debug, Clone)]
struct Current {
    /// The side that arrives.
    left: Relation,
    right: Relation,
    keys: (Column, Column),
    outer: bool,
    /// Of the right rows.
    filter: Option<Predicate>,
    /// Whether a lookup table stands on the left.
    is_turned: bool,
}

pub(super) fn random(left: Relation, relations: &[Relation], random: &mut Random) -> Option<Query> {
    let lookups: Vec<&Relation> = relations.iter().filter(|right| right.is_lookup).collect();
    // What comes of the rows themselves would depend on how they are cut.
    let is_apart = |right: &&Relation| {
        right.nature == Nature::Updating
            && right.sources.iter().all(|source| !left.sources.contains(source))
    };
    let others: Vec<&Relation> = relations.iter().filter(is_apart).collect();
    let right = match (lookups.is_empty(), others.is_empty()) {
        (false, _) if random.chance(60) => (*random.pick(&lookups)).clone(),
        (_, false) => (*random.pick(&others)).clone(),
        _ => return None,
    };
    if !left.arrives || left.nature != Nature::AppendOnly {
        return None;
    }
    let of_key = |column: &&Column| right.key.is_some_and(|key| right.columns[key] == **column);
    let by_key = right.columns.iter().filter(of_key).find_map(|of_right| {
        let plain = left.plain_columns();
        let alike = plain.into_iter().find(|column| join::are_alike(column, of_right));
        alike.map(|of_left| (of_left.clone(), of_right.clone()))
    });
    let keys = match by_key.filter(|_| random.chance(70)) {
        Some(keys) => keys,
        None => join::pair(&left, &right)?,
    };
    // In the text it begins with the column.
    let is_plain = |filter: &Predicate| matches!(filter.left, Expression::Column(_));
    let filter = sound_filter(&right, 40, random).filter(is_plain);
    let outer = random.chance(50);
    let is_turned = right.is_lookup && random.chance(30);
    Some(Arc::new(Current { left, right, keys, outer, filter, is_turned }))
}

impl Current {
    fn outputs(&self) -> Vec<(char, &Column)> {
        join::outputs("JOIN", &self.left, &self.right)
    }

    fn items(&self) -> String {
        let outputs = self.outputs().into_iter();
        numbered(outputs.map(|(side, column)| format!("{side}.{}", column.name)))
    }

    /// Whether a left row gets one row at most.
    fn is_one_each(&self) -> bool {
        self.right.key.is_some_and(|key| self.right.columns[key] == self.keys.1)
    }
}

impl Shape for Current {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.left, &self.right]
    }

    fn constructs(&self) -> Vec<&'static str> {
        let form = match self.right.is_lookup {
            true => "lookup join",
            false => "FOR SYSTEM_TIME AS OF proctime()",
        };
        let outer = self.outer.then_some("join with what is there LEFT");
        let filter = self.filter.as_ref().map(|_| "condition of a join with what is there");
        std::iter::once(form).chain(outer).chain(filter).collect()
    }

    fn types(&self) -> Vec<Type> {
        self.outputs().into_iter().map(|(_, column)| column.data_type).collect()
    }

    fn engine(&self) -> String {
        let filter = self
            .filter
            .as_ref()
            .map_or(String::new(), |filter| format!(" AND (r.{})", filter.sql(Dialect::Engine)));
        let (a, b) = (&self.keys.0.name, &self.keys.1.name);
        let (left, right) = (&self.left.name, &self.right.name);
        let items = self.items();
        let from = match (self.is_turned, self.right.is_lookup, self.outer) {
            (true, _, true) => format!("{right} r RIGHT JOIN {left} l"),
            (true, _, false) => format!("{right} r JOIN {left} l"),
            (_, true, true) => format!("{left} l LEFT JOIN {right} r"),
            (_, true, false) => format!("{left} l JOIN {right} r"),
            (_, false, outer) => format!(
                "{left} l {} {right} FOR SYSTEM_TIME AS OF proctime() AS r",
                if outer { "LEFT JOIN" } else { "JOIN" }
            ),
        };
        format!("SELECT {items} FROM {from} ON l.{a} = r.{b}{filter}")
    }

    fn oracle(&self, _frontiers: &[i64]) -> String {
        let (a, b) = (&self.keys.0.name, &self.keys.1.name);
        let filter = filtered(&conditions(self.filter.as_ref(), Dialect::Oracle));
        format!(
            "SELECT {}, l._a FROM {} l {} (SELECT * FROM {}{filter}) r ON l.{a} = r.{b}",
            self.items(),
            self.left.name,
            if self.outer { "LEFT JOIN" } else { "JOIN" },
            self.right.name,
        )
    }

    fn accumulates(&self) -> bool {
        true
    }

    fn gives(&self) -> Gives {
        let is_left_time = |at: &usize| {
            let (side, column) = self.outputs()[*at];
            side == 'l' && self.left.times.iter().any(|time| self.left.columns[*time] == *column)
        };
        let is_known = |at: &usize| {
            let time = self.left.event_time().map(|(_, column)| column);
            is_left_time(at) && time == Some(self.outputs()[*at].1)
        };
        let all = 0..self.outputs().len();
        Gives {
            nature: Some(Nature::AppendOnly),
            times: all.clone().filter(is_left_time).collect(),
            known: all.filter(|at| is_known(at) && self.is_one_each()).collect(),
            declared: self.left.is_declared(),
            arrives: self.is_one_each(),
            key: None,
        }
    }

    fn frontier(&self, _column: usize, frontiers: &[i64]) -> i64 {
        frontiers[0]
    }

    fn simpler(&self) -> Vec<Query> {
        let mut simpler: Vec<Query> = Vec::new();
        if self.filter.is_some() {
            simpler.push(Arc::new(Self { filter: None, ..self.clone() }));
        }
        if self.is_turned {
            simpler.push(Arc::new(Self { is_turned: false, ..self.clone() }));
        }
        if self.outer {
            simpler.push(Arc::new(Self { outer: false, ..self.clone() }));
        }
        simpler
    }
}
