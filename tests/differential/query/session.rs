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
    from.timed().filter(|_| from.arrives)?;
    Some(Arc::new(Session::random(from, random)))
}

/// Sessions of rows that change, too.
pub(super) fn random_in_time(from: Relation, random: &mut Random) -> Option<Query> {
    from.event_time().filter(|_| from.arrives || from.changes_in_time())?;
    Some(Arc::new(Session::random(from, random)))
}

/// Sessions of all rows of a relation, told by the default of their input.
pub fn of_all(from: Relation, gap: i64, random: &mut Random) -> Query {
    let calls = Call::some(&from, random);
    let (emit, is_table) = (Emit::Default, random.chance(25));
    Arc::new(Session {
        from,
        gap,
        keys: Vec::new(),
        calls,
        filter: None,
        emit,
        lateness: 0,
        is_table,
    })
}

impl Session {
    fn random(from: Relation, random: &mut Random) -> Self {
        Self {
            gap: random.range(2, 9),
            keys: some_keys(&from, random),
            calls: Call::some(&from, random),
            filter: random.chance(25).then(|| Predicate::random(&from.columns, random)),
            emit: Emit::random(random),
            lateness: if random.chance(25) { random.range(1, 12) } else { 0 },
            is_table: random.chance(25),
            from,
        }
    }
}

/// A row that counts.
#[derive(Clone, Copy)]
pub(super) struct Taken {
    arrival: i64,
    time: i64,
    /// Whether it was in time by itself.
    is_own: bool,
}

/// A row that comes or ceases.
struct Event {
    step: i64,
    ceases: bool,
    arrival: i64,
    time: i64,
    frontier: i64,
}

/// Which rows make up sessions, by their gap and the lateness that is allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) gap: i64,
    pub(super) lateness: i64,
}

impl Session {
    fn is_final(&self) -> bool {
        self.emit.waits(self.from.is_declared())
    }

    fn rule(&self) -> Rule {
        Rule { gap: self.gap, lateness: self.lateness }
    }
}

impl Rule {
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

    /// Whether a row counts, and was in time by itself, given the open sessions of its key and the end
    /// of the last one that is closed (the rules stand in SQL_REFERENCE.md, "Sessions").
    fn judge(&self, event: &Event, open: &[Taken], closed_to: i64) -> Option<Taken> {
        let Event { arrival, time, frontier, .. } = *event;
        let joins = self.islands(open).iter().any(|island| {
            island.iter().any(|row| (row.time - time).abs() < self.gap)
                && island.iter().any(|row| row.is_own && time > row.time - self.gap)
        });
        let is_own = time + self.gap + self.lateness > frontier;
        // As much in time as a row of the same time.
        let is_like_own = open.iter().any(|row| row.time == time && row.is_own);
        let taken = Taken { arrival, time, is_own: is_own || is_like_own };
        (time >= closed_to && (is_own || joins)).then_some(taken)
    }

    /// The arrivals of the rows of one key that count in the end. What ceases in a step does so after
    /// what comes in it; a session that is closed stays as it is.
    fn count(&self, mut events: Vec<Event>) -> Vec<i64> {
        events.sort_by_key(|event| (event.step, event.ceases, event.arrival));
        let mut open: Vec<Taken> = Vec::new();
        let mut closed: Vec<i64> = Vec::new();
        let mut closed_to = i64::MIN;
        for (at, event) in events.iter().enumerate() {
            if at == 0 || events[at - 1].step != event.step {
                for island in self.islands(&open) {
                    let end = island[island.len() - 1].time + self.gap;
                    if end + self.lateness <= event.frontier {
                        closed_to = closed_to.max(end);
                        closed.extend(island.iter().map(|row| row.arrival));
                        open.retain(|row| !island.iter().any(|gone| gone.arrival == row.arrival));
                    }
                }
            }
            match event.ceases {
                false => open.extend(self.judge(event, &open, closed_to)),
                true => open.retain(|row| row.arrival != event.arrival),
            }
        }
        closed.extend(open.into_iter().map(|row| row.arrival));
        closed
    }

    /// The arrivals that count, of rows that pass a filter, by keys.
    pub(super) fn taken(
        &self,
        from: &Relation,
        keys: &[Column],
        filter: &[String],
        ask: &Ask<'_>,
    ) -> Result<Vec<i64>, String> {
        let keys = keys.iter().map(|key| format!(", {}", key.name)).collect::<String>();
        let mut conditions = filter.to_vec();
        // A row without a time is a dead letter.
        conditions.push("_t IS NOT NULL".to_string());
        let ends = match from.changes_in_time() {
            true => "_step, _d, _g, _stop",
            false => "_a AS _step, 0 AS _d, 0 AS _g, 0 AS _stop",
        };
        let rows = ask(&format!(
            "SELECT _a, _t, _f, {ends}{keys} FROM {}{} ORDER BY _a",
            from.ever(),
            filtered(&conditions)
        ))?;
        let mut events: BTreeMap<Row, Vec<Event>> = BTreeMap::new();
        for row in rows {
            let number = |at: usize| row[at].int();
            let of_key = events.entry(row[7..].to_vec()).or_default();
            let (arrival, time) = (number(0), number(1));
            let (step, frontier) = (number(3), number(2));
            of_key.push(Event { step, ceases: false, arrival, time, frontier });
            if from.changes_in_time() && number(4) != i64::MAX {
                let (step, frontier) = (number(6), number(5));
                of_key.push(Event { step, ceases: true, arrival, time, frontier });
            }
        }
        Ok(events.into_values().flat_map(|events| self.count(events)).collect())
    }

    /// The rows that count, with the first and the last time of their session, for the oracle.
    pub(super) fn sessions(&self, from: &Relation, keys: &[Column]) -> String {
        let by = match keys {
            [] => String::new(),
            keys => format!("PARTITION BY {} ", super::names(keys)),
        };
        let gap = self.gap;
        format!(
            "(SELECT *, sum(_begins) OVER ({by}ORDER BY _t, _a) AS _session FROM (SELECT *, CASE WHEN \
             _t - lag(_t) OVER ({by}ORDER BY _t, _a) < {gap} THEN 0 ELSE 1 END AS _begins FROM {} \
             WHERE _a IN (SELECT _arrival FROM _taken)))",
            from.ever(),
        )
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
        constructs.extend(self.from.changes_in_time().then_some("sessions of changing rows"));
        constructs.extend((self.lateness != 0).then_some(match self.is_final() {
            true => "ALLOW LATENESS that waits",
            false => "ALLOW LATENESS that corrects",
        }));
        constructs
    }

    fn types(&self) -> Vec<Type> {
        let time = self.from.event_time().map_or(Type::BigInt, |(_, column)| column.data_type);
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
        let time = self.from.event_time().map_or("", |(_, column)| &column.name);
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
        let filter = conditions(self.filter.as_ref(), Dialect::Oracle);
        self.rule().taken(&self.from, &self.keys, &filter, ask).map(Some)
    }

    fn oracle(&self, frontiers: &[i64]) -> String {
        let Some((_, time)) = self.from.event_time() else { return String::new() };
        let (gap, lateness) = (self.gap, self.lateness);
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
            "SELECT {} FROM {} GROUP BY _session{also}{having}",
            numbered(bounds.into_iter().chain(keyed).chain(calls)),
            self.rule().sessions(&self.from, &self.keys),
        )
    }

    fn gives(&self) -> Gives {
        if !self.is_final() {
            return Gives::of(Nature::Updating);
        }
        Gives {
            nature: Some(Nature::AppendOnly),
            times: vec![0, 1],
            // Where rows cease, sessions shrink, and their ends depend on what is open, too.
            known: if self.from.changes_in_time() { Vec::new() } else { vec![1] },
            declared: self.from.is_declared(),
            arrives: false,
            key: None,
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
        if !self.from.arrives {
            return None;
        }
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
