//! Joins that are not bounded in time.

use std::sync::Arc;

use super::{Gives, Nature, Query, Relation, Shape, numbered};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;

#[derive(Debug, Clone)]
struct Join {
    word: &'static str,
    left: Relation,
    right: Relation,
    keys: (Column, Column),
    /// `AND l.a <> r.b`, a condition that no key covers.
    unequal: Option<(Column, Column)>,
}

const WORDS: [&str; 8] = [
    "JOIN",
    "LEFT JOIN",
    "RIGHT JOIN",
    "FULL JOIN",
    "LEFT SEMI JOIN",
    "LEFT ANTI JOIN",
    "RIGHT SEMI JOIN",
    "RIGHT ANTI JOIN",
];

pub(super) fn random(left: Relation, relations: &[Relation], random: &mut Random) -> Option<Query> {
    let mut right = random.pick(relations).clone();
    if pair(&left, &right).is_none() {
        right = left.clone();
    }
    let keys = pair(&left, &right)?;
    let only_comes = |side: &Relation| side.nature == Nature::AppendOnly;
    if (left.is_lookup && only_comes(&right)) || (right.is_lookup && only_comes(&left)) {
        // A join of its own.
        return None;
    }
    let last = (left.columns.last()?.clone(), right.columns.last()?.clone());
    let unequal = (random.chance(25) && are_alike(&last.0, &last.1)).then_some(last);
    Some(Arc::new(Join { word: random.pick::<&str>(&WORDS), left, right, keys, unequal }))
}

/// A column of each side that can be compared. An equality of event times would be a join in time.
pub(super) fn pair(left: &Relation, right: &Relation) -> Option<(Column, Column)> {
    let (left, right) = (left.plain_columns(), right.plain_columns());
    let pairs =
        left.iter().rev().copied().flat_map(|a| right.iter().rev().copied().map(move |b| (a, b)));
    let pair = pairs.into_iter().find(|(a, b)| are_alike(a, b));
    pair.map(|(a, b)| (a.clone(), b.clone()))
}

pub(super) fn are_alike(a: &Column, b: &Column) -> bool {
    let texts = a.data_type == Type::Text && b.data_type == Type::Text;
    texts || (a.data_type.is_integer() && b.data_type.is_integer())
}

/// The columns of both sides that come out of a join.
pub(super) fn outputs<'a>(
    word: &str,
    left: &'a Relation,
    right: &'a Relation,
) -> Vec<(char, &'a Column)> {
    let side = |name, relation: &'a Relation| -> Vec<(char, &'a Column)> {
        relation.columns.iter().take(3).map(|column| (name, column)).collect()
    };
    match word.contains("SEMI") || word.contains("ANTI") {
        true if word.starts_with("RIGHT") => side('r', right),
        true => side('l', left),
        false => side('l', left).into_iter().chain(side('r', right)).collect(),
    }
}

impl Join {
    fn sql(&self) -> String {
        let outputs = outputs(self.word, &self.left, &self.right).into_iter();
        let items = numbered(outputs.map(|(side, column)| format!("{side}.{}", column.name)));
        let (a, b) = &self.keys;
        let unequal = match &self.unequal {
            Some((a, b)) => format!(" AND l.{} <> r.{}", a.name, b.name),
            None => String::new(),
        };
        format!(
            "SELECT {items} FROM {} l {} {} r ON l.{} = r.{}{unequal}",
            self.left.name, self.word, self.right.name, a.name, b.name
        )
    }
}

impl Shape for Join {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.left, &self.right]
    }

    fn constructs(&self) -> Vec<&'static str> {
        let unequal = self.unequal.as_ref().map(|_| "condition of a join");
        let itself = (self.left.name == self.right.name).then_some("self-join");
        std::iter::once(self.word).chain(unequal).chain(itself).collect()
    }

    fn types(&self) -> Vec<Type> {
        let outputs = outputs(self.word, &self.left, &self.right).into_iter();
        outputs.map(|(_, column)| column.data_type).collect()
    }

    fn engine(&self) -> String {
        self.sql()
    }

    fn oracle(&self, _frontiers: &[i64]) -> String {
        self.sql()
    }

    fn gives(&self) -> Gives {
        Gives::updating_over(&self.inputs())
    }

    fn simpler(&self) -> Vec<Query> {
        let simpler = self.unequal.as_ref().map(|_| Self { unequal: None, ..self.clone() });
        simpler.into_iter().map(|simpler| Arc::new(simpler) as Query).collect()
    }
}
