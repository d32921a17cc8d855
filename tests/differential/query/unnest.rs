//! UNNEST of lists; for the oracle a query for each element.

use std::sync::Arc;

use super::{Gives, Query, Relation, Shape, filtered, numbered, sound_filter};
use crate::differential::expression::{Dialect, Predicate};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;

#[derive(Debug, Clone)]
struct Unnest {
    from: Relation,
    /// A column beside the elements.
    key: Column,
    /// What the list holds, of one type.
    elements: Vec<Column>,
    /// Where the list is not NULL.
    condition: Option<Predicate>,
    is_in_from: bool,
    /// The number of each element in the place of the key.
    is_numbered: bool,
}

pub(super) fn random(from: Relation, random: &mut Random) -> Option<Query> {
    let first = random.pick(&from.columns).clone();
    let same: Vec<&Column> =
        from.columns.iter().filter(|column| column.data_type == first.data_type).collect();
    let mut elements = vec![first];
    for _ in 0..random.range(0, 3) {
        elements.push((*random.pick(&same)).clone());
    }
    let key = random.pick(&from.columns).clone();
    let condition = sound_filter(&from, 50, random);
    let (is_in_from, is_numbered) = (random.chance(50), random.chance(40));
    let is_numbered = is_in_from && is_numbered;
    Some(Arc::new(Unnest { from, key, elements, condition, is_in_from, is_numbered }))
}

impl Shape for Unnest {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.from]
    }

    fn constructs(&self) -> Vec<&'static str> {
        vec![match (self.is_in_from, self.is_numbered) {
            (_, true) => "UNNEST WITH ORDINALITY",
            (true, _) => "UNNEST in FROM",
            _ => "UNNEST",
        }]
    }

    fn types(&self) -> Vec<Type> {
        let key = if self.is_numbered { Type::BigInt } else { self.key.data_type };
        vec![key, self.elements[0].data_type]
    }

    fn engine(&self) -> String {
        let elements = self.elements.iter().map(|column| column.name.as_str());
        let list = format!("make_array({})", elements.collect::<Vec<_>>().join(", "));
        let list = match &self.condition {
            Some(condition) => {
                format!("CASE WHEN {} THEN {list} END", condition.sql(Dialect::Engine))
            }
            None => list,
        };
        let (key, name) = (&self.key.name, &self.from.name);
        match self.is_in_from {
            true if self.is_numbered => format!(
                "SELECT n AS o0, e AS o1 FROM (SELECT {list} AS list FROM {name}) \
                 CROSS JOIN UNNEST(list) WITH ORDINALITY AS u(e, n)"
            ),
            true => format!(
                "SELECT k0 AS o0, e AS o1 FROM (SELECT {key} AS k0, {list} AS list FROM {name}) \
                 CROSS JOIN UNNEST(list) AS u(e)"
            ),
            false => {
                format!("SELECT {}", numbered([key.clone(), format!("unnest({list})")]))
                    + &format!(" FROM {name}")
            }
        }
    }

    fn oracle(&self, _frontiers: &[i64]) -> String {
        let condition = self.condition.as_ref().map(|condition| condition.sql(Dialect::Oracle));
        let filter = filtered(&condition.into_iter().collect::<Vec<_>>());
        let queries = self.elements.iter().enumerate().map(|(index, element)| {
            let key = match self.is_numbered {
                true => format!("CAST({} AS BIGINT)", index + 1),
                false => self.key.name.clone(),
            };
            let items = numbered([key, element.name.clone()]);
            format!("SELECT {items} FROM {}{filter}", self.from.name)
        });
        queries.collect::<Vec<_>>().join(" UNION ALL ")
    }

    fn gives(&self) -> Gives {
        // The key may carry event time, which nothing goes by.
        Gives { times: vec![0, 1], ..Gives::of(self.from.nature) }
    }

    fn simpler(&self) -> Vec<Query> {
        let simpler = self.condition.as_ref().map(|_| Self { condition: None, ..self.clone() });
        simpler.into_iter().map(|simpler| Arc::new(simpler) as Query).collect()
    }
}
