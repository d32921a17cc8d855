//! Projections and filters.

use std::sync::Arc;

use super::{Gives, Query, Relation, Shape, conditions, filtered, numbered, without};
use crate::differential::expression::{Dialect, Expression, Predicate};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;

#[derive(Debug, Clone)]
struct Map {
    from: Relation,
    items: Vec<Expression>,
    filter: Option<Predicate>,
}

pub(super) fn random(from: Relation, random: &mut Random) -> Option<Query> {
    let mut items: Vec<Expression> =
        (0..random.range(1, 4)).map(|_| Expression::random(&from.columns, random)).collect();
    if let Some((_, column)) = from.timed().filter(|_| random.chance(50)) {
        items.push(Expression::Column(column.clone()));
    }
    let filter = random.chance(40).then(|| Predicate::random(&from.columns, random));
    Some(Arc::new(Map { from, items, filter }))
}

/// A projection that leaves the time, the key and what may fail as it is, so that it can be read in
/// time.
pub(super) fn random_in_time(from: Relation, random: &mut Random) -> Option<Query> {
    let (_, time) = from.event_time()?;
    let mut kept: Vec<Column> = from.key.map(|key| from.columns[key].clone()).into_iter().collect();
    kept.push(time.clone());
    for column in &from.columns {
        if !kept.contains(column) && kept.len() < 4 && random.chance(80) {
            kept.push(column.clone());
        }
    }
    let items = kept.into_iter().map(Expression::Column).collect();
    let filter = random.chance(60).then(|| Predicate::random(&from.columns, random));
    Some(Arc::new(Map { from, items, filter }))
}

impl Map {
    fn sql(&self, dialect: Dialect) -> String {
        let hidden = match dialect == Dialect::Oracle && self.from.arrives {
            true => ", _a",
            false => "",
        };
        self.select(dialect, hidden, &self.from.name)
    }

    fn select(&self, dialect: Dialect, hidden: &str, from: &str) -> String {
        let mut conditions = conditions(self.filter.as_ref(), dialect);
        if dialect == Dialect::Oracle {
            conditions.extend(self.items.iter().filter_map(Expression::succeeds));
        }
        let items = numbered(self.items.iter().map(|item| item.sql(dialect)));
        format!("SELECT {items}{hidden} FROM {from}{}", filtered(&conditions))
    }

    /// The position of a column of the input in the result.
    fn position(&self, of: &Column) -> Option<usize> {
        let is_it = |item: &Expression| matches!(item, Expression::Column(column) if column == of);
        self.items.iter().position(is_it)
    }

    fn times(&self) -> Vec<usize> {
        let is_time = |item: &Expression| match item {
            Expression::Column(column) => {
                self.from.times.iter().any(|time| self.from.columns[*time] == *column)
            }
            _ => false,
        };
        let items = self.items.iter().enumerate();
        items.filter(|(_, item)| is_time(item)).map(|(at, _)| at).collect()
    }
}

impl Shape for Map {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.from]
    }

    fn constructs(&self) -> Vec<&'static str> {
        let mut constructs = vec!["projection"];
        let mut predicates = self.filter.iter().filter_map(Predicate::succeeds);
        if self.items.iter().any(|item| item.succeeds().is_some()) {
            constructs.push("failing expression");
        }
        if predicates.next().is_some() {
            constructs.push("failing condition");
        }
        constructs.extend(self.filter.as_ref().map(|_| "WHERE"));
        constructs.extend(self.from.changes_in_time().then_some("projection of versions"));
        constructs
    }

    fn types(&self) -> Vec<Type> {
        self.items.iter().map(Expression::data_type).collect()
    }

    fn engine(&self) -> String {
        self.sql(Dialect::Engine)
    }

    fn oracle(&self, _frontiers: &[i64]) -> String {
        self.sql(Dialect::Oracle)
    }

    fn history(&self) -> Option<String> {
        let changes = self.from.changes_in_time();
        changes.then(|| self.select(Dialect::Oracle, ", _a, _d", &self.from.ever()))
    }

    fn gives(&self) -> Gives {
        let of_time = self.from.time.map(|time| &self.from.columns[time.column]);
        let is_plain =
            |item: &Expression| matches!(item, Expression::Column(c) if Some(c) == of_time);
        Gives {
            nature: Some(self.from.nature),
            times: self.times(),
            known: (0..self.items.len()).filter(|at| is_plain(&self.items[*at])).collect(),
            declared: self.from.is_declared(),
            arrives: self.from.arrives,
            key: self.from.key.and_then(|key| self.position(&self.from.columns[key])),
        }
    }

    fn frontier(&self, column: usize, frontiers: &[i64]) -> i64 {
        // A relation is read by one of its times; another of them has another frontier.
        let of_time = self.from.time.map(|time| &self.from.columns[time.column]);
        match &self.items[column] {
            Expression::Column(item) if Some(item) == of_time => frontiers[0],
            _ => i64::MIN,
        }
    }

    fn simpler(&self) -> Vec<Query> {
        let mut simpler: Vec<Query> = Vec::new();
        if self.filter.is_some() {
            simpler.push(Arc::new(Self { filter: None, ..self.clone() }));
        }
        for (index, item) in self.items.iter().enumerate() {
            if self.items.len() > 1 {
                let items = without(&self.items, index);
                simpler.push(Arc::new(Self { items, ..self.clone() }));
            }
            for other in item.simpler() {
                let mut items = self.items.clone();
                items[index] = other;
                simpler.push(Arc::new(Self { items, ..self.clone() }));
            }
        }
        simpler
    }
}
