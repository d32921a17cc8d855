//! UNION, INTERSECT and EXCEPT, each with ALL or without.

use std::sync::Arc;

use super::{Gives, Nature, Query, Relation, Shape, numbered};
use crate::differential::expression::Dialect;
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;

#[derive(Debug, Clone)]
struct SetOperation {
    word: &'static str,
    sides: [Side; 2],
    /// Whether the first column of both is their event time.
    is_timed: bool,
}

#[derive(Debug, Clone)]
struct Side {
    from: Relation,
    columns: Vec<Column>,
}

pub(super) fn random(left: Relation, relations: &[Relation], random: &mut Random) -> Option<Query> {
    // Two inputs in time, now and then.
    let apart: Vec<&Relation> = relations
        .iter()
        .filter(|other| other.timed().is_some() && other.sources != left.sources)
        .collect();
    let right = match left.timed().is_some() && !apart.is_empty() && random.chance(50) {
        true => (*random.pick(&apart)).clone(),
        false => random.pick(relations).clone(),
    };
    let mut pairs = Vec::new();
    let times = left.timed().zip(right.timed());
    // Where both come from one source, the order of arrival depends on how rows were cut.
    let are_apart = left.keeps_up_with(&right)
        && left.sources.iter().all(|source| !right.sources.contains(source));
    let times =
        times.filter(|(a, b)| are_apart && a.1.data_type == b.1.data_type && random.chance(60));
    let is_timed = times.is_some();
    if let Some(((_, a), (_, b))) = times {
        pairs.push((a.clone(), b.clone()));
    }
    let most = random.range(1, 4) as usize;
    for a in left.columns.iter().rev() {
        let mut same = right.columns.iter().filter(|b| b.data_type == a.data_type);
        if let Some(b) = same.next_back().filter(|_| pairs.len() < most) {
            pairs.push((a.clone(), b.clone()));
        }
    }
    let (a, b): (Vec<Column>, Vec<Column>) = pairs.into_iter().unzip();
    if a.is_empty() {
        return None;
    }
    let words = ["UNION", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"];
    let word = match is_timed || random.chance(20) {
        true => "UNION ALL",
        false => *random.pick(&words),
    };
    let sides = [Side { from: left, columns: a }, Side { from: right, columns: b }];
    Some(Arc::new(SetOperation { word, sides, is_timed: is_timed && word == "UNION ALL" }))
}

impl SetOperation {
    fn has_arrivals(&self) -> bool {
        let [left, right] = self.sides.each_ref().map(|side| &side.from.sources);
        self.word == "UNION ALL"
            && left.iter().all(|source| !right.contains(source))
            && self.sides.iter().all(|s| s.from.arrives && s.from.nature == Nature::AppendOnly)
    }

    /// DataFusion's batch engine forgets how often rows are there in `INTERSECT ALL` and `EXCEPT
    /// ALL`, so for the oracle equal rows are numbered and become different ones.
    fn sql(&self, dialect: Dialect) -> String {
        let hidden = match dialect == Dialect::Oracle && self.has_arrivals() {
            true => ", _a",
            false => "",
        };
        let [left, right] = self.sides.each_ref().map(|side| {
            let items = numbered(side.columns.iter().map(|column| column.name.clone()));
            format!("SELECT {items}{hidden} FROM {}", side.from.name)
        });
        let plain = format!("{left} {} {right}", self.word);
        let word = self.word.strip_suffix(" ALL").filter(|word| *word != "UNION");
        let (Dialect::Oracle, Some(word)) = (dialect, word) else { return plain };
        let outputs = (0..self.sides[0].columns.len()).map(|index| format!("o{index}"));
        let outputs = outputs.collect::<Vec<_>>().join(", ");
        let counted = |text: String| {
            format!(
                "SELECT {outputs}, row_number() OVER (PARTITION BY {outputs}) AS _n FROM ({text})"
            )
        };
        format!("SELECT {outputs} FROM ({} {word} {})", counted(left), counted(right))
    }
}

impl Shape for SetOperation {
    fn inputs(&self) -> Vec<&Relation> {
        self.sides.iter().map(|side| &side.from).collect()
    }

    fn constructs(&self) -> Vec<&'static str> {
        let timed = self.is_timed.then_some("UNION ALL of event times");
        std::iter::once(self.word).chain(timed).collect()
    }

    fn types(&self) -> Vec<Type> {
        self.sides[0].columns.iter().map(|column| column.data_type).collect()
    }

    fn engine(&self) -> String {
        self.sql(Dialect::Engine)
    }

    fn oracle(&self, _frontiers: &[i64]) -> String {
        self.sql(Dialect::Oracle)
    }

    fn gives(&self) -> Gives {
        let appends = self.sides.iter().all(|side| side.from.nature == Nature::AppendOnly);
        if self.word != "UNION ALL" || !appends {
            return Gives::updating_over(&self.inputs());
        }
        Gives {
            nature: Some(Nature::AppendOnly),
            // Any column may carry the time of both.
            times: (0..self.sides[0].columns.len()).collect(),
            known: if self.is_timed { vec![0] } else { Vec::new() },
            declared: self.sides.iter().all(|side| side.from.is_declared()),
            arrives: self.has_arrivals(),
            key: None,
        }
    }

    fn frontier(&self, column: usize, frontiers: &[i64]) -> i64 {
        match self.is_timed && column == 0 {
            true => frontiers.iter().copied().min().unwrap_or(i64::MIN),
            false => i64::MIN,
        }
    }
}
