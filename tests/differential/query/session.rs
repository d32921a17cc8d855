//! Session windows, as gaps and islands.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::call::Call;
use super::window::{allowed, also_by, some_keys};
use super::{
    Ask, Emit, Gives, Nature, Query, Relation, Shape, all_columns, conditions, filtered, numbered,
    time_of, without,
};
use crate::differential::expression::{Dialect, Predicate};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;
use crate::support::value::Row;

#[derive(Debug, Clone)]
struct Session {
    from: Relation,
    /// In milliseconds.
    gap: i64,
    keys: Vec<Column>,
    calls: Vec<Call>,
    filter: Option<Predicate>,
    emit: Emit,
    lateness: i64,
    /// Whether it is written as a table function.
    is_table: bool,
}

pub(super) fn random(from: Relation, random: &mut Random) -> Option<Query> {
    from.timed()?;
    if !from.arrives {
        return None;
    }
    Some(Arc::new(Session {
        gap: random.range(2, 9),
        keys: some_keys(&from, random),
        calls: Call::some(&from, random),
        filter: random.chance(25).then(|| Predicate::random(&from.columns, random)),
        emit: Emit::random(random),
        lateness: if random.chance(25) { random.range(1, 12) } else { 0 },
        is_table: random.chance(25),
        from,
    }))
}

/// A row that counts.
#[derive(Clone, Copy)]
struct Taken {
    time: i64,
    /// Whether it was in time by itself.
    is_own: bool,
}

impl Session {
    fn is_final(&self) -> bool {
        self.emit.waits(self.from.is_declared())
    }

    /// The sessions of rows of one key.
    fn islands(&self, rows: &[Taken]) -> Vec<Vec<Taken>> {
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| row.time);
        let mut islands: Vec<Vec<Taken>> = Vec::new();
        for row in rows {
            match islands.last_mut() {
                Some(island) if row.time - island[island.len() - 1].time < self.gap => {
                    island.push(row);
                }
                _ => islands.push(vec![row]),
            }
        }
        islands
    }

    /// Whether a row counts, and was in time by itself, given those of its key that do (the rules
    /// stand in SQL_REFERENCE.md, "Sessions").
    fn judge(&self, time: i64, frontier: i64, taken: &[Taken]) -> Option<Taken> {
        let is_closed = |end: i64| end + self.lateness <= frontier;
        let (mut closed_to, mut joins) = (i64::MIN, false);
        for island in self.islands(taken) {
            let end = island[island.len() - 1].time + self.gap;
            if is_closed(end) {
                closed_to = closed_to.max(end);
            } else if island.iter().any(|row| (row.time - time).abs() < self.gap) {
                joins |= island.iter().any(|row| row.is_own && time > row.time - self.gap);
            }
        }
        let is_own = !is_closed(time + self.gap);
        (time >= closed_to && (is_own || joins)).then_some(Taken { time, is_own })
    }
}

impl Shape for Session {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.from]
    }

    fn constructs(&self) -> Vec<&'static str> {
        let mut constructs = Call::constructs(&self.calls);
        constructs.push(if self.is_table { "SESSION table function" } else { "session" });
        constructs.push(match self.is_final() {
            true => "final sessions",
            false => "sessions with corrections",
        });
        constructs.extend((self.lateness != 0).then_some(match self.is_final() {
            true => "ALLOW LATENESS that waits",
            false => "ALLOW LATENESS that corrects",
        }));
        constructs
    }

    fn types(&self) -> Vec<Type> {
        let time = self.from.timed().map_or(Type::BigInt, |(_, column)| column.data_type);
        let keys = self.keys.iter().map(|key| key.data_type);
        [time, time].into_iter().chain(keys).chain(self.calls.iter().map(Call::data_type)).collect()
    }

    fn engine(&self) -> String {
        let also = also_by(&self.from, &self.keys);
        let keyed = self.keys.iter().map(|key| key.name.clone());
        let calls = self.calls.iter().map(|call| call.sql(Dialect::Engine));
        let bounds = ["window_start".to_string(), "window_end".to_string()];
        let items = numbered(bounds.into_iter().chain(keyed).chain(calls));
        let filter = filtered(&conditions(self.filter.as_ref(), Dialect::Engine));
        let time = self.from.timed().map_or("", |(_, column)| &column.name);
        let (name, gap) = (&self.from.name, self.gap);
        match self.is_table {
            true => format!(
                "SELECT {items} FROM SESSION({name}, {time}, {gap}){filter} GROUP BY window_start, \
                 window_end{also}"
            ),
            false => {
                format!("SELECT {items} FROM {name}{filter} GROUP BY session({time}, {gap}){also}")
            }
        }
    }

    fn taken(&self, ask: &Ask<'_>) -> Result<Option<Vec<i64>>, String> {
        let keys = self.keys.iter().map(|key| format!(", {}", key.name)).collect::<String>();
        let mut conditions = conditions(self.filter.as_ref(), Dialect::Oracle);
        // A row without a time is a dead letter.
        conditions.push("_t IS NOT NULL".to_string());
        let filter = filtered(&conditions);
        let rows =
            ask(&format!("SELECT _a, _t, _f{keys} FROM {}{filter} ORDER BY _a", self.from.name))?;
        let mut taken: BTreeMap<Row, Vec<Taken>> = BTreeMap::new();
        let mut arrivals = Vec::new();
        for row in rows {
            let of_key = taken.entry(row[3..].to_vec()).or_default();
            if let Some(found) = self.judge(row[1].int(), row[2].int(), of_key) {
                of_key.push(found);
                arrivals.push(row[0].int());
            }
        }
        Ok(Some(arrivals))
    }

    fn oracle(&self, frontiers: &[i64]) -> String {
        let Some((_, time)) = self.from.timed() else { return String::new() };
        let (gap, lateness) = (self.gap, self.lateness);
        let by = match self.keys.as_slice() {
            [] => String::new(),
            keys => format!("PARTITION BY {} ", super::names(keys)),
        };
        let also = self.keys.iter().map(|key| format!(", {}", key.name)).collect::<String>();
        let having = match self.is_final() {
            true => format!(" HAVING max(_t) + {gap} + {lateness} <= {}", frontiers[0]),
            false => String::new(),
        };
        let end = format!("max(_t) + {gap}");
        let bounds = [time_of(time, "min(_t)"), time_of(time, &end)];
        let keyed = self.keys.iter().map(|key| key.name.clone());
        let calls = self.calls.iter().map(|call| call.sql(Dialect::Oracle));
        format!(
            "SELECT {} FROM (SELECT *, sum(_begins) OVER ({by}ORDER BY _t, _a) AS _session FROM \
             (SELECT *, CASE WHEN _t - lag(_t) OVER ({by}ORDER BY _t, _a) < {gap} THEN 0 ELSE 1 \
             END AS _begins FROM {} WHERE _a IN (SELECT _arrival FROM _taken))) GROUP BY \
             _session{also}{having}",
            numbered(bounds.into_iter().chain(keyed).chain(calls)),
            self.from.name,
        )
    }

    fn gives(&self) -> Gives {
        if !self.is_final() {
            return Gives::of(Nature::Updating);
        }
        Gives {
            nature: Some(Nature::AppendOnly),
            times: vec![0, 1],
            known: vec![1],
            declared: self.from.is_declared(),
            arrives: false,
        }
    }

    /// That of the ends, which is the input's; that of the starts depends on the open sessions.
    fn frontier(&self, _column: usize, frontiers: &[i64]) -> i64 {
        match frontiers[0] {
            limit @ (i64::MIN | i64::MAX) => limit,
            frontier => frontier - self.lateness,
        }
    }

    fn emit(&self) -> Option<Emit> {
        Some(self.emit)
    }

    fn late(&self) -> Option<String> {
        let mut conditions = conditions(self.filter.as_ref(), Dialect::Oracle);
        conditions.push("_t IS NOT NULL".to_string());
        conditions.push("_a NOT IN (SELECT _arrival FROM _taken)".to_string());
        let (columns, filter) = (all_columns(&self.from), filtered(&conditions));
        Some(format!("SELECT {columns} FROM {}{filter}", self.from.name))
    }

    fn suffix(&self) -> String {
        allowed(self.lateness)
    }

    fn simpler(&self) -> Vec<Query> {
        let mut simpler: Vec<Query> = Vec::new();
        if self.filter.is_some() {
            simpler.push(Arc::new(Self { filter: None, ..self.clone() }));
        }
        if self.is_table {
            simpler.push(Arc::new(Self { is_table: false, ..self.clone() }));
        }
        if self.lateness != 0 {
            simpler.push(Arc::new(Self { lateness: 0, ..self.clone() }));
        }
        for calls in Call::simpler(&self.calls) {
            simpler.push(Arc::new(Self { calls, ..self.clone() }));
        }
        for index in 0..self.keys.len() {
            let keys = without(&self.keys, index);
            simpler.push(Arc::new(Self { keys, ..self.clone() }));
        }
        simpler
    }
}
