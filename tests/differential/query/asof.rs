//! ASOF joins and temporal joins over rows that are only added, as joins and row numbers.

use std::sync::Arc;

use super::{Emit, Gives, Nature, Query, Relation, Shape, interval, numbered};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;

#[derive(Debug, Clone)]
struct Asof {
    left: Relation,
    right: Relation,
    /// How the left time stands to the right one: `>=`, `>`, `<=`, `<`, or `NEAREST`, or `VERSION`
    /// for the version that is valid at the left time.
    operator: &'static str,
    outer: bool,
    keys: Option<(Column, Column)>,
    emit: Emit,
    is_in_on: bool,
}

pub(super) fn random(left: Relation, relations: &[Relation], random: &mut Random) -> Option<Query> {
    let (right, keys) = interval::timed_pair(&left, relations, random)?;
    if !right.arrives {
        // Ties of the right side are broken by their arrival.
        return None;
    }
    let operator = *random.pick(&[">=", ">=", ">", "<=", "<", "NEAREST", "NEAREST", "VERSION"]);
    // The versions of a relation have a key, and one time from which on they are valid.
    let keys = keys.filter(|_| operator == "VERSION" || random.chance(80));
    if operator == "VERSION" && (keys.is_none() || right.times.len() != 1) {
        return None;
    }
    let (outer, is_in_on) = (random.chance(50), random.chance(30));
    let emit = Emit::random(random);
    Some(Arc::new(Asof { left, right, operator, outer, keys, emit, is_in_on }))
}

/// The same where one side's rows change.
pub(super) fn random_in_time(
    left: Relation,
    relations: &[Relation],
    random: &mut Random,
) -> Option<Query> {
    let (right, keys) = interval::changing_pair(&left, relations, random)?;
    let is_known = |side: &Relation| side.arrives || side.changes_in_time();
    if !is_known(&left) || !is_known(&right) {
        return None;
    }
    let operator = *random.pick(&[">=", ">=", ">", "<=", "<", "NEAREST", "NEAREST"]);
    let keys = keys.filter(|_| random.chance(80));
    let (outer, is_in_on) = (random.chance(50), random.chance(30));
    // Where the left side changes, or the right one is a table, nothing is ever final.
    let emit = *random.pick(&[Emit::Default, Emit::Default, Emit::Changes, Emit::Update]);
    Some(Arc::new(Asof { left, right, operator, outer, keys, emit, is_in_on }))
}

impl Asof {
    fn is_final(&self) -> bool {
        let can_wait = self.left.timed().is_some() && self.right.is_settled;
        can_wait && self.emit.waits(self.left.is_declared() && self.right.is_declared())
    }

    fn has_changes(&self) -> bool {
        self.left.changes_in_time() || self.right.changes_in_time()
    }

    /// The rows of a side that are in time, for the oracle.
    fn in_time(relation: &Relation) -> String {
        let (from, condition) = match (relation.changes_in_time(), relation.is_settled) {
            (false, _) => (relation.name.clone(), "_t IS NULL OR _t >= _f".to_string()),
            (true, false) => (relation.name.clone(), "true".to_string()),
            (true, true) => {
                let stays = format!("_t IS NULL AND _d = {}", i64::MAX);
                (relation.ever(), format!("(_t >= _f AND _t < _g) OR ({stays})"))
            }
        };
        format!("(SELECT *, row_number() OVER () AS _i FROM {from} WHERE {condition})")
    }

    fn outputs(&self) -> impl Iterator<Item = (char, &Column)> {
        let side = |name, relation: &'_ Relation| (name, relation.columns.len().min(3));
        let (l, r) = (side('l', &self.left), side('r', &self.right));
        let left = self.left.columns[..l.1].iter().map(move |column| (l.0, column));
        left.chain(self.right.columns[..r.1].iter().map(move |column| (r.0, column)))
    }
}

impl Shape for Asof {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.left, &self.right]
    }

    fn constructs(&self) -> Vec<&'static str> {
        let mut constructs = vec![match self.operator {
            ">=" => "ASOF >=",
            ">" => "ASOF >",
            "<=" => "ASOF <=",
            "<" => "ASOF <",
            "NEAREST" => "ASOF NEAREST",
            _ => "FOR SYSTEM_TIME AS OF",
        }];
        constructs.push(if self.outer { "ASOF LEFT JOIN" } else { "ASOF JOIN" });
        constructs.push(match self.is_final() {
            true => "final ASOF",
            false => "ASOF with corrections",
        });
        constructs.extend(self.keys.is_none().then_some("ASOF without keys"));
        constructs.extend(self.has_changes().then_some("ASOF of changing rows"));
        constructs
    }

    fn types(&self) -> Vec<Type> {
        self.outputs().map(|(_, column)| column.data_type).collect()
    }

    fn engine(&self) -> String {
        let items = numbered(self.outputs().map(|(side, c)| format!("{side}.{}", c.name)));
        let (Some((_, l)), Some((_, r))) = (self.left.event_time(), self.right.event_time()) else {
            return String::new();
        };
        let on = self.keys.as_ref().map(|(a, b)| format!("l.{} = r.{}", a.name, b.name));
        let (left, right) = (&self.left.name, &self.right.name);
        if self.operator == "VERSION" {
            let word = if self.outer { "LEFT JOIN" } else { "JOIN" };
            return format!(
                "SELECT {items} FROM {left} l {word} {right} FOR SYSTEM_TIME AS OF l.{} AS r ON {}",
                l.name,
                on.unwrap_or_default()
            );
        }
        let word = if self.outer { "ASOF LEFT JOIN" } else { "ASOF JOIN" };
        let condition = match self.operator {
            "NEAREST" => format!("NEAREST(l.{}, r.{})", l.name, r.name),
            operator => format!("l.{} {operator} r.{}", l.name, r.name),
        };
        let tail = match (on, self.is_in_on) {
            (Some(on), true) => format!("ON {on} AND {condition}"),
            (Some(on), false) => format!("MATCH_CONDITION ({condition}) ON {on}"),
            (None, _) => format!("MATCH_CONDITION ({condition})"),
        };
        format!("SELECT {items} FROM {left} l {word} {right} r {tail}")
    }

    fn oracle(&self, frontiers: &[i64]) -> String {
        let named = |side: char, column: &Column| format!("{side}_{}", column.name);
        let items = numbered(self.outputs().map(|(side, column)| named(side, column)));
        let inner = self
            .outputs()
            .map(|(side, column)| format!("{side}.{} AS {}", column.name, named(side, column)));
        let inner = inner.collect::<Vec<_>>().join(", ");
        // Of right rows at one time the last one, or the first: by arrival, or by all columns.
        let (last, first) = match self.right.changes_in_time() {
            false => ("r._a DESC".to_string(), "r._a".to_string()),
            true => {
                // NULL stands first.
                let by = |direction: &str| {
                    let columns = self.right.columns.iter();
                    let columns = columns.map(|column| format!("r.{} {direction}", column.name));
                    columns.collect::<Vec<_>>().join(", ")
                };
                (by("DESC NULLS LAST"), by("NULLS FIRST"))
            }
        };
        let (condition, order) = match self.operator {
            ">=" | "VERSION" => ("r._t <= l._t", format!("r._t DESC, {last}")),
            ">" => ("r._t < l._t", format!("r._t DESC, {last}")),
            "<=" => ("r._t >= l._t", format!("r._t, {first}")),
            "<" => ("r._t > l._t", format!("r._t, {first}")),
            // Of those that are behind and equally far all are at one time, and of those ahead.
            _ => (
                "r._t IS NOT NULL AND l._t IS NOT NULL",
                format!("abs(r._t - l._t), CASE WHEN r._t > l._t THEN 1 ELSE 0 END, {last}"),
            ),
        };
        // The nearest row ahead is the first of its time.
        let turned = match self.operator {
            "NEAREST" => {
                format!("abs(r._t - l._t), CASE WHEN r._t > l._t THEN 1 ELSE 0 END, {first}")
            }
            _ => order.clone(),
        };
        let (keys, no_key) = match &self.keys {
            Some((a, b)) => {
                let no_key = format!("(l.{} IS NULL OR l._t IS NULL)", a.name);
                (format!("l.{} = r.{} AND ", a.name, b.name), no_key)
            }
            None => (String::new(), "l._t IS NULL".to_string()),
        };
        // That no right row which may still come is a better match.
        let reached = frontiers[1];
        let is_best = match (self.is_final(), reached) {
            (false, _) | (_, i64::MAX) => "true".to_string(),
            (_, reached) => {
                // A literal of its own would be the negative of one that does not fit.
                let reached = format!("CAST('{reached}' AS BIGINT)");
                let best = match self.operator {
                    ">=" | "VERSION" => format!("_l < {reached}"),
                    ">" => format!("_l <= {reached}"),
                    "<=" | "<" if self.right.changes_in_time() => format!("_r < {reached}"),
                    "NEAREST" if self.right.changes_in_time() => format!(
                        "(_l < {reached} AND CASE WHEN _r <= _l THEN _l + _l - _r <= {reached} ELSE _r < \
                         {reached} END)"
                    ),
                    "<=" => format!("_r <= greatest({reached}, _l)"),
                    "<" => format!("_r <= greatest({reached}, _l + 1)"),
                    _ => format!(
                        "(_l < {reached} AND CASE WHEN _r <= _l THEN _l + _l - _r ELSE _r END <= \
                         {reached})"
                    ),
                };
                format!("(_keyless OR {best})")
            }
        };
        let has_match = if self.outer { "" } else { " AND _r IS NOT NULL" };
        format!(
            "SELECT {items} FROM (SELECT {inner}, l._t AS _l, r._t AS _r, {no_key} AS _keyless, CASE WHEN \
             r._t > l._t THEN row_number() OVER (PARTITION BY l._i ORDER BY {turned}) ELSE row_number() \
             OVER (PARTITION BY l._i ORDER BY {order}) END AS _n FROM {} l LEFT JOIN {} r ON \
             {keys}{condition}) WHERE _n = 1{has_match} AND {is_best}",
            Self::in_time(&self.left),
            Self::in_time(&self.right),
        )
    }

    fn gives(&self) -> Gives {
        if !self.is_final() {
            return Gives::default();
        }
        // How far its time has come depends on the rows that wait.
        let times = (0..self.outputs().count()).collect();
        Gives { nature: Some(Nature::AppendOnly), times, ..Gives::default() }
    }

    fn emit(&self) -> Option<Emit> {
        Some(self.emit)
    }

    fn simpler(&self) -> Vec<Query> {
        let mut simpler: Vec<Query> = Vec::new();
        if self.keys.is_some() && self.operator != "VERSION" {
            simpler.push(Arc::new(Self { keys: None, ..self.clone() }));
        }
        if self.operator == "VERSION" {
            simpler.push(Arc::new(Self { operator: ">=", ..self.clone() }));
        }
        if self.outer {
            simpler.push(Arc::new(Self { outer: false, ..self.clone() }));
        }
        simpler
    }
}
