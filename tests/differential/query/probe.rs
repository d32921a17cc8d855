//! `TEMPORAL PROBE JOIN`: the last right row of a left row's key at each of some distances from its
//! time.

use std::sync::Arc;

use super::{Emit, Gives, Nature, Query, Relation, Shape, interval, join, numbered, time_of};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;

#[derive(Debug, Clone)]
struct Probe {
    left: Relation,
    right: Relation,
    keys: (Column, Column),
    /// In milliseconds, each once and in ascending order.
    offsets: Vec<i64>,
    /// The step of a `RANGE`; else they are a `LIST`.
    step: Option<i64>,
    outer: bool,
    emit: Emit,
}

pub(super) fn random(left: Relation, relations: &[Relation], random: &mut Random) -> Option<Query> {
    let (right, keys) = interval::timed_pair(&left, relations, random)?;
    // Ties of the right side are broken by their arrival.
    if !right.arrives {
        return None;
    }
    let step = random.chance(50).then(|| random.range(1, 6));
    let offsets = match step {
        Some(step) => {
            let from = random.range(-8, 4);
            (0..random.range(1, 5)).map(|index| from + index * step).collect()
        }
        None => {
            let mut offsets: Vec<i64> =
                (0..random.range(1, 4)).map(|_| random.range(-8, 9)).collect();
            offsets.sort_unstable();
            offsets.dedup();
            offsets
        }
    };
    let (outer, emit) = (random.chance(50), Emit::random(random));
    Some(Arc::new(Probe { left, right, keys: keys?, offsets, step, outer, emit }))
}

impl Probe {
    fn is_final(&self) -> bool {
        self.emit.waits(self.left.is_declared() && self.right.is_declared())
    }

    fn outputs(&self) -> Vec<(char, &Column)> {
        join::outputs("JOIN", &self.left, &self.right)
    }
}

impl Shape for Probe {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.left, &self.right]
    }

    fn constructs(&self) -> Vec<&'static str> {
        vec![
            if self.step.is_some() { "PROBE JOIN RANGE" } else { "PROBE JOIN LIST" },
            if self.outer { "TEMPORAL PROBE LEFT JOIN" } else { "TEMPORAL PROBE JOIN" },
            if self.is_final() { "final probes" } else { "probes with corrections" },
        ]
    }

    fn types(&self) -> Vec<Type> {
        let time = self.left.timed().map_or(Type::BigInt, |(_, column)| column.data_type);
        let sides = self.outputs().into_iter().map(|(_, column)| column.data_type);
        [Type::BigInt, time].into_iter().chain(sides).collect()
    }

    fn engine(&self) -> String {
        let (Some((_, l)), Some((_, r))) = (self.left.timed(), self.right.timed()) else {
            return String::new();
        };
        let outputs = self.outputs().into_iter();
        let outputs = outputs.map(|(side, column)| format!("{side}.{}", column.name));
        let probe = ["p.offset_ms".to_string(), "p.probe_ts".to_string()];
        let ms = |offset: &i64| format!("{offset}ms");
        let offsets = match (self.step, self.offsets.as_slice()) {
            (Some(step), [first, .., last]) => {
                format!("RANGE FROM {} TO {} STEP {}", ms(first), ms(last), ms(&step))
            }
            (Some(step), [one]) => {
                format!("RANGE FROM {} TO {} STEP {}", ms(one), ms(one), ms(&step))
            }
            (_, offsets) => {
                format!("LIST ({})", offsets.iter().map(ms).collect::<Vec<_>>().join(", "))
            }
        };
        format!(
            "SELECT {} FROM {} l TEMPORAL PROBE {} {} r ON l.{} = r.{} TIMESTAMPS (l.{}, r.{}) \
             {offsets} AS p",
            numbered(probe.into_iter().chain(outputs)),
            self.left.name,
            if self.outer { "LEFT JOIN" } else { "JOIN" },
            self.right.name,
            self.keys.0.name,
            self.keys.1.name,
            l.name,
            r.name,
        )
    }

    /// Each left row that is in time once for each distance, and the last right row at or before that.
    fn oracle(&self, frontiers: &[i64]) -> String {
        let Some((_, l)) = self.left.timed() else { return String::new() };
        let named = |side: char, column: &Column| format!("{side}_{}", column.name);
        let outputs = self.outputs().into_iter().map(|(side, column)| named(side, column));
        let probe = ["_o".to_string(), time_of(l, "_p")];
        let items = numbered(probe.into_iter().chain(outputs));
        let inner = self.outputs().into_iter();
        let inner = inner
            .map(|(side, column)| format!("{side}.{} AS {}", column.name, named(side, column)));
        let inner = inner.collect::<Vec<_>>().join(", ");
        let offsets = self.offsets.iter().map(|offset| format!("({offset})"));
        let offsets = offsets.collect::<Vec<_>>().join(", ");
        let (a, b) = (&self.keys.0.name, &self.keys.1.name);
        let is_final = match (self.is_final(), frontiers[1]) {
            (true, reached) if reached != i64::MAX => {
                format!("(_keyless OR _p < CAST('{reached}' AS BIGINT))")
            }
            _ => "true".to_string(),
        };
        let has_match = if self.outer { "" } else { " AND _r IS NOT NULL" };
        format!(
            "SELECT {items} FROM (SELECT {inner}, l._o, l._p, r._t AS _r, (l.{a} IS NULL OR l._t IS \
             NULL) AS _keyless, row_number() OVER (PARTITION BY l._i ORDER BY r._t DESC, r._a DESC) \
             AS _n FROM (SELECT *, _t + _o AS _p, row_number() OVER () AS _i FROM {} CROSS JOIN \
             (VALUES {offsets}) AS offsets(_o) WHERE _t IS NULL OR _t >= _f) l LEFT JOIN (SELECT * \
             FROM {} WHERE _t IS NULL OR _t >= _f) r ON l.{a} = r.{b} AND r._t <= l._p) WHERE _n = 1\
             {has_match} AND {is_final}",
            self.left.name, self.right.name,
        )
    }

    fn gives(&self) -> Gives {
        if !self.is_final() {
            return Gives::default();
        }
        // How far its time has come depends on the rows that wait.
        let times = (0..self.types().len()).collect();
        Gives { nature: Some(Nature::AppendOnly), times, ..Gives::default() }
    }

    fn emit(&self) -> Option<Emit> {
        Some(self.emit)
    }

    fn simpler(&self) -> Vec<Query> {
        let mut simpler: Vec<Query> = Vec::new();
        if self.offsets.len() > 1 {
            let offsets = self.offsets[..1].to_vec();
            simpler.push(Arc::new(Self { offsets, step: None, ..self.clone() }));
        }
        if self.outer {
            simpler.push(Arc::new(Self { outer: false, ..self.clone() }));
        }
        simpler
    }
}
