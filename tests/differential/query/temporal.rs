//! Temporal joins with the versions of a relation that changes: of each key the last one that begins
//! at or before the left time, unless the key was deleted since.

use std::sync::Arc;

use super::{Emit, Gives, Nature, Query, Relation, Shape, join, numbered};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;

#[derive(Debug, Clone)]
struct Temporal {
    left: Relation,
    right: Relation,
    /// The left column that equals the right side's key.
    key: Column,
    outer: bool,
    emit: Emit,
}

pub(super) fn random(left: Relation, relations: &[Relation], random: &mut Random) -> Option<Query> {
    let rights: Vec<&Relation> =
        relations.iter().filter(|right| right.changes_in_time() && right.key.is_some()).collect();
    if rights.is_empty() {
        return None;
    }
    // A changelog if there is one: the last of them.
    let right = match random.chance(50) {
        true => (*rights.last()?).clone(),
        false => (*random.pick(&rights)).clone(),
    };
    let lefts: Vec<&Relation> =
        relations.iter().filter(|left| left.timed().is_some() && left.arrives).collect();
    let left = match left.timed().is_some() && left.arrives {
        true => left,
        false if lefts.is_empty() => return None,
        false => (*random.pick(&lefts)).clone(),
    };
    let ((_, a), (_, b)) = (left.timed()?, right.event_time()?);
    if a.data_type != b.data_type {
        return None;
    }
    let of_right = &right.columns[right.key?];
    let plain = left.plain_columns();
    let alike: Vec<&&Column> =
        plain.iter().filter(|column| column.data_type == of_right.data_type).collect();
    if alike.is_empty() {
        return None;
    }
    let key = (**random.pick(&alike)).clone();
    let (outer, emit) = (random.chance(50), Emit::random(random));
    Some(Arc::new(Temporal { left, right, key, outer, emit }))
}

impl Temporal {
    fn is_final(&self) -> bool {
        self.emit.waits(self.left.is_declared() && self.right.is_declared())
    }

    fn outputs(&self) -> Vec<(char, &Column)> {
        join::outputs("JOIN", &self.left, &self.right)
    }

    fn of_right(&self) -> &Column {
        &self.right.columns[self.right.key.unwrap_or_default()]
    }
}

impl Shape for Temporal {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.left, &self.right]
    }

    fn constructs(&self) -> Vec<&'static str> {
        let mut constructs = vec![match self.right.name.starts_with('t') {
            true => "versions of a table",
            false => "versions of a changelog",
        }];
        constructs.push(if self.outer { "temporal LEFT JOIN" } else { "temporal JOIN" });
        constructs.push(match self.is_final() {
            true => "final versions",
            false => "versions with corrections",
        });
        constructs
    }

    fn types(&self) -> Vec<Type> {
        self.outputs().into_iter().map(|(_, column)| column.data_type).collect()
    }

    fn engine(&self) -> String {
        let outputs = self.outputs().into_iter();
        let items = numbered(outputs.map(|(side, column)| format!("{side}.{}", column.name)));
        let time = self.left.timed().map_or("", |(_, column)| &column.name);
        format!(
            "SELECT {items} FROM {} l {} {} FOR SYSTEM_TIME AS OF l.{time} AS r ON l.{} = r.{}",
            self.left.name,
            if self.outer { "LEFT JOIN" } else { "JOIN" },
            self.right.name,
            self.key.name,
            self.of_right().name,
        )
    }

    /// Beside the versions stand the ends of those that nothing replaced, which count from the
    /// frontier on at which they came. A version behind the frontier is late, as if it had never been.
    fn oracle(&self, frontiers: &[i64]) -> String {
        let (ever, left, key) = (self.right.ever(), &self.left.name, &self.of_right().name);
        let named = |side: char, column: &Column| format!("{side}_{}", column.name);
        let items = numbered(self.outputs().into_iter().map(|(side, c)| named(side, c)));
        let inner = self.outputs().into_iter().map(|(side, column)| {
            let value = format!("{side}.{}", column.name);
            match side {
                // Of an end nothing comes out.
                'r' => format!("CASE WHEN r._ends = 0 THEN {value} END AS {}", named(side, column)),
                _ => format!("{value} AS {}", named(side, column)),
            }
        });
        let inner = inner.collect::<Vec<_>>().join(", ");
        let versions = format!(
            "(SELECT *, _t AS _from, _a AS _n, 0 AS _ends FROM {ever} WHERE _t >= _f UNION ALL \
             SELECT e.*, greatest(e._t, e._g) AS _from, e._d AS _n, 1 AS _ends FROM {ever} e LEFT \
             ANTI JOIN {ever} n ON n.{key} = e.{key} AND n._a = e._d WHERE e._d < {NEVER})"
        );
        let is_final = match self.is_final() {
            // At the end of time everything is final.
            true if frontiers[1] != NEVER => {
                format!("(_keyless OR _l < CAST('{}' AS BIGINT))", frontiers[1])
            }
            _ => "true".to_string(),
        };
        let has_match = if self.outer { "" } else { " AND _found" };
        format!(
            "SELECT {items} FROM (SELECT {inner}, l._t AS _l, (l.{a} IS NULL OR l._t IS NULL) AS \
             _keyless, coalesce(r._ends = 0, false) AS _found, row_number() OVER (PARTITION BY l._i \
             ORDER BY r._from DESC, r._n DESC) AS _place FROM (SELECT *, row_number() OVER () AS _i \
             FROM {left} WHERE _t IS NULL OR _t >= _f) l LEFT JOIN {versions} r ON l.{a} = r.{key} AND \
             r._from <= l._t) WHERE _place = 1{has_match} AND {is_final}",
            a = self.key.name,
        )
    }

    fn gives(&self) -> Gives {
        if !self.is_final() {
            return Gives::default();
        }
        // How far its time has come depends on the rows that wait.
        let times = (0..self.outputs().len()).collect();
        Gives { nature: Some(Nature::AppendOnly), times, ..Gives::default() }
    }

    fn emit(&self) -> Option<Emit> {
        Some(self.emit)
    }

    fn simpler(&self) -> Vec<Query> {
        match self.outer {
            true => vec![Arc::new(Self { outer: false, ..self.clone() })],
            false => Vec::new(),
        }
    }
}

/// What the oracle numbers the end of that which goes on.
const NEVER: i64 = i64::MAX;
