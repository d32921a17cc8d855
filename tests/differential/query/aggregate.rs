//! Groupings: GROUP BY, HAVING, DISTINCT and grouping sets.

use std::sync::Arc;

use super::call::Call;
use super::{
    Gives, Nature, Query, Relation, Shape, conditions, filtered, names, numbered, without,
};
use crate::differential::expression::{Dialect, Predicate};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;

#[derive(Debug, Clone)]
struct Aggregate {
    from: Relation,
    keys: Vec<Column>,
    calls: Vec<Call>,
    /// `count(*) > n`.
    having: Option<i64>,
    filter: Option<Predicate>,
    /// Whether the event time, its first key, is handed on with its changes.
    is_by_time: bool,
}

pub(super) fn random(from: Relation, random: &mut Random) -> Option<Query> {
    let keys = if random.chance(20) { Vec::new() } else { from.some_columns(2, random) };
    let having = random.chance(25).then(|| random.range(1, 4));
    let filter = random.chance(30).then(|| Predicate::random(&from.columns, random));
    let calls = Call::some(&from, random);
    Some(Arc::new(Aggregate { keys, calls, having, filter, is_by_time: false, from }))
}

/// Groups of an event time, whose changes keep it.
pub(super) fn random_by_time(from: Relation, random: &mut Random) -> Option<Query> {
    let (_, time) = from.timed().filter(|_| from.arrives)?;
    let plain = from.plain_columns();
    let mut keys = vec![time.clone()];
    if !plain.is_empty() && random.chance(80) {
        keys.push((*random.pick(&plain)).clone());
    }
    let having = random.chance(30).then(|| random.range(1, 3));
    let filter = random.chance(20).then(|| Predicate::random(&from.columns, random));
    let calls = Call::some(&from, random);
    Some(Arc::new(Aggregate { keys, calls, having, filter, is_by_time: true, from }))
}

impl Aggregate {
    fn sql(&self, dialect: Dialect) -> String {
        let items = self.keys.iter().map(|key| key.name.clone());
        let items = numbered(items.chain(self.calls.iter().map(|call| call.sql(dialect))));
        let by = match self.keys.as_slice() {
            [] => String::new(),
            keys => format!(" GROUP BY {}", names(keys)),
        };
        let having = self.having.map_or(String::new(), |n| format!(" HAVING count(*) > {n}"));
        let filter = filtered(&conditions(self.filter.as_ref(), dialect));
        format!("SELECT {items} FROM {}{filter}{by}{having}", self.from.name)
    }
}

impl Shape for Aggregate {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.from]
    }

    fn constructs(&self) -> Vec<&'static str> {
        let mut constructs = Call::constructs(&self.calls);
        constructs.push(if self.keys.is_empty() { "global aggregate" } else { "GROUP BY" });
        constructs.extend(self.is_by_time.then_some("groups of an event time"));
        constructs.extend(self.having.map(|_| "HAVING"));
        constructs.extend(self.filter.as_ref().map(|_| "WHERE"));
        constructs
    }

    fn types(&self) -> Vec<Type> {
        let keys = self.keys.iter().map(|key| key.data_type);
        keys.chain(self.calls.iter().map(Call::data_type)).collect()
    }

    fn engine(&self) -> String {
        self.sql(Dialect::Engine)
    }

    fn oracle(&self, _frontiers: &[i64]) -> String {
        self.sql(Dialect::Oracle)
    }

    /// The groups after each arrival that is of them, until the next one.
    fn history(&self) -> Option<String> {
        if !self.is_by_time {
            return None;
        }
        let conditions = conditions(self.filter.as_ref(), Dialect::Oracle);
        let rows = format!("(SELECT * FROM {}{})", self.from.name, filtered(&conditions));
        let same =
            self.keys.iter().map(|key| format!("(i.{0} IS NOT DISTINCT FROM j.{0})", key.name));
        let same = same.collect::<Vec<_>>().join(" AND ");
        let keys = names(&self.keys);
        let items = self.keys.iter().map(|key| key.name.clone());
        let items = numbered(items.chain(self.calls.iter().map(|call| call.sql(Dialect::Oracle))));
        let outputs = (0..self.types().len()).map(|at| format!("o{at}"));
        let outputs = outputs.collect::<Vec<_>>().join(", ");
        let groups = (0..self.keys.len()).map(|at| format!("o{at}"));
        let groups = groups.collect::<Vec<_>>().join(", ");
        let having = self.having.map_or(String::new(), |n| format!(" WHERE _n > {n}"));
        Some(format!(
            "SELECT {outputs}, _a, _d FROM (SELECT {outputs}, _n, _a, coalesce(lead(_a) OVER (PARTITION \
             BY {groups} ORDER BY _a), {}) AS _d FROM (SELECT {items}, count(*) AS _n, _came AS _a \
             FROM (SELECT j.*, i._a AS _came FROM {rows} j JOIN {rows} i ON {same} AND j._a <= i._a) \
             GROUP BY _came, {keys})){having}",
            i64::MAX,
        ))
    }

    fn gives(&self) -> Gives {
        if !self.is_by_time {
            return Gives::of(Nature::Updating);
        }
        let declared = self.from.is_declared();
        Gives { times: vec![0], known: vec![0], declared, ..Gives::of(Nature::Updating) }
    }

    fn frontier(&self, _column: usize, frontiers: &[i64]) -> i64 {
        frontiers[0]
    }

    fn replaced_by(&self) -> Option<Vec<usize>> {
        let stays = self.from.nature == Nature::AppendOnly && self.having.is_none();
        stays.then(|| (0..self.keys.len()).collect())
    }

    fn simpler(&self) -> Vec<Query> {
        let mut simpler: Vec<Query> = Vec::new();
        if self.having.is_some() {
            simpler.push(Arc::new(Self { having: None, ..self.clone() }));
        }
        if self.filter.is_some() {
            simpler.push(Arc::new(Self { filter: None, ..self.clone() }));
        }
        for calls in Call::simpler(&self.calls) {
            simpler.push(Arc::new(Self { calls, ..self.clone() }));
        }
        for index in usize::from(self.is_by_time)..self.keys.len() {
            let keys = without(&self.keys, index);
            simpler.push(Arc::new(Self { keys, ..self.clone() }));
        }
        simpler
    }
}

#[derive(Debug, Clone)]
struct Distinct {
    from: Relation,
    columns: Vec<Column>,
    filter: Option<Predicate>,
}

pub(super) fn random_distinct(from: Relation, random: &mut Random) -> Option<Query> {
    let filter = random.chance(30).then(|| Predicate::random(&from.columns, random));
    Some(Arc::new(Distinct { columns: from.some_columns(2, random), filter, from }))
}

impl Distinct {
    fn sql(&self, dialect: Dialect) -> String {
        let items = numbered(self.columns.iter().map(|column| column.name.clone()));
        let filter = filtered(&conditions(self.filter.as_ref(), dialect));
        format!("SELECT DISTINCT {items} FROM {}{filter}", self.from.name)
    }
}

impl Shape for Distinct {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.from]
    }

    fn constructs(&self) -> Vec<&'static str> {
        let filter = self.filter.as_ref().map(|_| "WHERE");
        std::iter::once("DISTINCT").chain(filter).collect()
    }

    fn types(&self) -> Vec<Type> {
        self.columns.iter().map(|column| column.data_type).collect()
    }

    fn engine(&self) -> String {
        self.sql(Dialect::Engine)
    }

    fn oracle(&self, _frontiers: &[i64]) -> String {
        self.sql(Dialect::Oracle)
    }

    fn gives(&self) -> Gives {
        Gives::updating_over(&self.inputs())
    }

    fn simpler(&self) -> Vec<Query> {
        let simpler = self.filter.as_ref().map(|_| Self { filter: None, ..self.clone() });
        simpler.into_iter().map(|simpler| Arc::new(simpler) as Query).collect()
    }
}

/// Two keys, and the sets of them that rows are grouped by.
#[derive(Debug, Clone)]
struct GroupingSets {
    from: Relation,
    keys: [Column; 2],
    word: &'static str,
    calls: Vec<Call>,
    filter: Option<Predicate>,
}

pub(super) fn random_grouping_sets(from: Relation, random: &mut Random) -> Option<Query> {
    let mut columns = from.columns.clone();
    if columns.len() < 2 {
        return None;
    }
    let first = columns.swap_remove(random.range(0, columns.len() as i64) as usize);
    let second = columns.swap_remove(random.range(0, columns.len() as i64) as usize);
    let word = *random.pick(&["ROLLUP", "CUBE", "GROUPING SETS"]);
    let filter = random.chance(30).then(|| Predicate::random(&from.columns, random));
    let calls = Call::some(&from, random);
    Some(Arc::new(GroupingSets { keys: [first, second], word, calls, filter, from }))
}

/// Which of two keys each set has.
pub(super) fn sets_of(word: &str) -> &'static [[bool; 2]] {
    match word {
        "ROLLUP" => &[[true, true], [true, false], [false, false]],
        "CUBE" => &[[true, true], [true, false], [false, true], [false, false]],
        _ => &[[true, false], [false, true]],
    }
}

impl Shape for GroupingSets {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.from]
    }

    fn constructs(&self) -> Vec<&'static str> {
        let mut constructs = Call::constructs(&self.calls);
        constructs.extend([self.word, "grouping()"]);
        constructs
    }

    fn types(&self) -> Vec<Type> {
        let keys = self.keys.iter().map(|key| key.data_type);
        keys.chain([Type::BigInt]).chain(self.calls.iter().map(Call::data_type)).collect()
    }

    fn engine(&self) -> String {
        let [a, b] = [&self.keys[0].name, &self.keys[1].name];
        let items = [a.clone(), b.clone(), format!("grouping({a}, {b})")];
        let calls = self.calls.iter().map(|call| call.sql(Dialect::Engine));
        let sets = match self.word {
            "GROUPING SETS" => format!("(({a}), ({b}))"),
            _ => format!("({a}, {b})"),
        };
        let filter = filtered(&conditions(self.filter.as_ref(), Dialect::Engine));
        format!(
            "SELECT {} FROM {}{filter} GROUP BY {} {sets}",
            numbered(items.into_iter().chain(calls)),
            self.from.name,
            self.word,
        )
    }

    /// A query for each set.
    fn oracle(&self, _frontiers: &[i64]) -> String {
        let filter = filtered(&conditions(self.filter.as_ref(), Dialect::Oracle));
        let queries = sets_of(self.word).iter().map(|set| {
            let keys = self.keys.iter().zip(set).map(|(key, is_in)| match is_in {
                true => key.name.clone(),
                // Of the column's own type, of which there are more than are told apart here.
                false => format!("min({}) FILTER (WHERE false)", key.name),
            });
            let number = u8::from(!set[0]) * 2 + u8::from(!set[1]);
            let calls = self.calls.iter().map(|call| call.sql(Dialect::Oracle));
            let items = numbered(keys.chain([number.to_string()]).chain(calls));
            let by: Vec<Column> = self
                .keys
                .iter()
                .zip(set)
                .filter(|pair| *pair.1)
                .map(|(key, _)| key.clone())
                .collect();
            let by = match by.as_slice() {
                [] => String::new(),
                by => format!(" GROUP BY {}", names(by)),
            };
            format!("SELECT {items} FROM {}{filter}{by}", self.from.name)
        });
        queries.collect::<Vec<_>>().join(" UNION ALL ")
    }

    fn gives(&self) -> Gives {
        Gives::of(Nature::Updating)
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
