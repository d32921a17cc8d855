//! The first rows in an order: ORDER BY ... LIMIT, filters on ranks, DISTINCT ON.

use std::sync::Arc;

use super::call::ordered;
use super::{Gives, Nature, Query, Relation, Shape, conditions, filtered, numbered};
use crate::differential::expression::{Dialect, Predicate};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;

#[derive(Debug, Clone)]
struct TopN {
    from: Relation,
    form: Form,
    /// Of what the first rows are taken, for forms that have partitions.
    partition: Column,
    /// One column, whose ties are broken by arrival; or all of them.
    order: Vec<Column>,
    descending: bool,
    /// Rows above this rank, and up to this one.
    above: i64,
    limit: i64,
    /// Whether the rank is in the result.
    has_rank: bool,
    filter: Option<Predicate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Limit,
    RowNumber,
    Rank,
    DenseRank,
    DistinctOn,
}

pub(super) fn random(from: Relation, random: &mut Random) -> Option<Query> {
    let form = *random.pick(&[
        Form::Limit,
        Form::Limit,
        Form::RowNumber,
        Form::RowNumber,
        Form::Rank,
        Form::DenseRank,
        Form::DistinctOn,
    ]);
    let by_arrival = from.arrives && from.nature == Nature::AppendOnly;
    let minds_ties = !matches!(form, Form::Rank | Form::DenseRank);
    let order = match (by_arrival || !minds_ties) && random.chance(80) {
        true => vec![random.pick(&from.columns).clone()],
        false => ordered(&from, random),
    };
    let above = match form {
        Form::Limit | Form::RowNumber if random.chance(30) => random.range(1, 3),
        _ => 0,
    };
    Some(Arc::new(TopN {
        partition: random.pick(&from.columns).clone(),
        order,
        descending: random.chance(50),
        above,
        limit: above + random.range(1, 4),
        has_rank: !matches!(form, Form::Limit | Form::DistinctOn) && random.chance(50),
        filter: random.chance(25).then(|| Predicate::random(&from.columns, random)),
        form,
        from,
    }))
}

impl TopN {
    /// The columns of its result, without the rank.
    fn items(&self) -> Vec<Column> {
        match self.form {
            // Not all of them, so that rows that differ may give equal ones.
            Form::Limit if self.from.columns.len() > 1 => self.from.columns[1..].to_vec(),
            _ => self.from.columns.clone(),
        }
    }

    fn order(&self, ties: &str) -> String {
        let direction = if self.descending { " DESC" } else { "" };
        let order = self.order.iter().map(|column| format!("{}{direction}", column.name));
        format!("{}{ties}", order.collect::<Vec<_>>().join(", "))
    }

    /// A filter on a rank.
    fn ranked(&self, ties: &str, conditions: &[String]) -> String {
        let items = self.items().into_iter().map(|column| column.name);
        let rank = self.has_rank.then(|| "place".to_string());
        let (function, ties) = match self.form {
            Form::Rank => ("rank", ""),
            Form::DenseRank => ("dense_rank", ""),
            _ => ("row_number", ties),
        };
        let by = match self.form {
            Form::Limit => String::new(),
            _ => format!("PARTITION BY {} ", self.partition.name),
        };
        let above = match self.above {
            0 => String::new(),
            above => format!(" AND place > {above}"),
        };
        format!(
            "SELECT {} FROM (SELECT *, {function}() OVER ({by}ORDER BY {}) AS place FROM {}{}) AS \
             ranked WHERE place <= {}{above}",
            numbered(items.chain(rank)),
            self.order(ties),
            self.from.name,
            filtered(conditions),
            self.limit,
        )
    }
}

impl Shape for TopN {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.from]
    }

    fn constructs(&self) -> Vec<&'static str> {
        let mut constructs = vec![match self.form {
            Form::Limit => "ORDER BY LIMIT",
            Form::RowNumber => "row_number() <= n",
            Form::Rank => "rank() <= n",
            Form::DenseRank => "dense_rank() <= n",
            Form::DistinctOn => "DISTINCT ON",
        }];
        constructs.extend((self.above > 0).then_some("OFFSET"));
        constructs.push(match self.from.nature {
            Nature::AppendOnly => "top-N of added rows",
            Nature::Updating => "top-N of changing rows",
        });
        constructs
    }

    fn types(&self) -> Vec<Type> {
        let items = self.items().into_iter().map(|column| column.data_type);
        items.chain(self.has_rank.then_some(Type::BigInt)).collect()
    }

    fn engine(&self) -> String {
        let conditions = conditions(self.filter.as_ref(), Dialect::Engine);
        let items = numbered(self.items().into_iter().map(|column| column.name));
        let (name, filter) = (&self.from.name, filtered(&conditions));
        match self.form {
            Form::Limit => {
                let offset = match self.above {
                    0 => String::new(),
                    above => format!(" OFFSET {above}"),
                };
                let limit = self.limit - self.above;
                let tail = format!("{filter} ORDER BY {} LIMIT {limit}{offset}", self.order(""));
                match self.from.name.starts_with('q') {
                    // A column behind ORDER BY is first of all one of the result.
                    true => format!("SELECT {items} FROM (SELECT * FROM {name}{tail}) AS first"),
                    false => format!("SELECT {items} FROM {name}{tail}"),
                }
            }
            Form::DistinctOn => {
                let (key, order) = (&self.partition.name, self.order(""));
                format!(
                    "SELECT DISTINCT ON ({key}) {items} FROM {name}{filter} ORDER BY {key}, {order}"
                )
            }
            _ => self.ranked("", &conditions),
        }
    }

    fn oracle(&self, _frontiers: &[i64]) -> String {
        let conditions = conditions(self.filter.as_ref(), Dialect::Oracle);
        let ties = match self.order.len() == 1 && self.from.arrives {
            true => ", _a",
            false => "",
        };
        match self.form {
            Form::DistinctOn => {
                Self { limit: 1, above: 0, ..self.clone() }.ranked(ties, &conditions)
            }
            _ => self.ranked(ties, &conditions),
        }
    }

    fn gives(&self) -> Gives {
        Gives::updating_over(&self.inputs())
    }

    fn simpler(&self) -> Vec<Query> {
        let mut simpler: Vec<Query> = Vec::new();
        if self.filter.is_some() {
            simpler.push(Arc::new(Self { filter: None, ..self.clone() }));
        }
        if self.above > 0 {
            let limit = self.limit - self.above;
            simpler.push(Arc::new(Self { above: 0, limit, ..self.clone() }));
        }
        if self.has_rank {
            simpler.push(Arc::new(Self { has_rank: false, ..self.clone() }));
        }
        simpler
    }
}
