//! Tumbling, hopping and cumulating windows.

use std::sync::Arc;

use super::aggregate::sets_of;
use super::call::Call;
use super::{
    Emit, Gives, Nature, Query, Relation, Shape, all_columns, conditions, filtered, numbered,
    time_of, without,
};
use crate::differential::expression::{Dialect, Predicate};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;

#[derive(Debug, Clone)]
struct Window {
    from: Relation,
    kind: Kind,
    /// In milliseconds; of a cumulating window the largest, and its step.
    size: i64,
    slide: i64,
    offset: i64,
    keys: Vec<Column>,
    calls: Vec<Call>,
    filter: Option<Predicate>,
    emit: Emit,
    lateness: i64,
    /// Whether it is written as a table function.
    is_table: bool,
    /// `ROLLUP`, `CUBE` or `GROUPING SETS` of the two keys.
    sets: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tumble,
    Hop,
    Cumulate,
}

pub(super) fn random(from: Relation, random: &mut Random) -> Option<Query> {
    from.timed()?;
    Some(Arc::new(Window::random(from, random)))
}

/// Windows over rows that change, too, and with grouping sets.
pub(super) fn random_in_time(from: Relation, random: &mut Random) -> Option<Query> {
    from.event_time()?;
    let mut window = Window::random(from, random);
    let plain = window.from.plain_columns();
    if plain.len() > 1 && random.chance(40) {
        let first = random.range(0, plain.len() as i64) as usize;
        let second = (first + 1) % plain.len();
        window.keys = vec![plain[first].clone(), plain[second].clone()];
        window.sets = Some(*random.pick(&["ROLLUP", "CUBE", "GROUPING SETS"]));
    }
    Some(Arc::new(window))
}

impl Window {
    fn random(from: Relation, random: &mut Random) -> Self {
        let kind = *random.pick(&[Kind::Tumble, Kind::Hop, Kind::Hop, Kind::Cumulate]);
        let slide = random.range(2, 8);
        let size = match kind {
            Kind::Tumble => slide,
            Kind::Hop => slide + random.range(1, 9),
            Kind::Cumulate => slide * random.range(2, 4),
        };
        let offset = if random.chance(30) { random.range(-3, slide) } else { 0 };
        Self {
            kind,
            size,
            slide,
            offset,
            keys: some_keys(&from, random),
            calls: Call::some(&from, random),
            filter: random.chance(25).then(|| Predicate::random(&from.columns, random)),
            emit: Emit::random(random),
            lateness: if random.chance(25) { random.range(1, 12) } else { 0 },
            is_table: offset == 0 && random.chance(35),
            sets: None,
            from,
        }
    }
}

/// No key, or one that is not the event time.
pub(super) fn some_keys(from: &Relation, random: &mut Random) -> Vec<Column> {
    match from.plain_columns().as_slice() {
        [] => Vec::new(),
        _ if random.chance(30) => Vec::new(),
        columns => vec![(*random.pick(columns)).clone()],
    }
}

/// The keys behind the window in GROUP BY, with their relation: a bare name there may be the alias
/// of the window.
pub(super) fn also_by(from: &Relation, keys: &[Column]) -> String {
    keys.iter().map(|key| format!(", {}.{}", from.name, key.name)).collect()
}

/// What stands behind the EMIT of a query with windows.
pub(super) fn allowed(lateness: i64) -> String {
    match lateness {
        0 => String::new(),
        ms => format!(" ALLOW LATENESS INTERVAL '{ms} milliseconds'"),
    }
}

impl Window {
    fn is_final(&self) -> bool {
        self.emit.waits(self.from.is_declared())
    }

    /// The name and the lengths of its call.
    fn call(&self) -> (&'static str, String) {
        let Self { size, slide, offset, .. } = self;
        let (name, lengths) = match self.kind {
            Kind::Tumble => ("tumble", format!("{size}")),
            Kind::Hop => ("hop", format!("{size}, {slide}")),
            Kind::Cumulate => ("cumulate", format!("{slide}, {size}")),
        };
        match offset {
            0 => (name, lengths),
            offset => (name, format!("{lengths}, {offset}")),
        }
    }

    /// The groups of those of the keys that are in a set.
    fn of_set(&self, set: &[bool], frontiers: &[i64]) -> String {
        let Self { size, slide, offset, lateness, .. } = self;
        let stride = self.stride();
        let Some((_, time)) = self.from.event_time() else { return String::new() };
        let mut conditions = conditions(self.filter.as_ref(), Dialect::Oracle);
        conditions.push(format!("_t < _e AND _e + {lateness} > _f"));
        if self.from.changes_in_time() {
            conditions.push(format!("_e + {lateness} <= _g"));
        }
        if self.is_final() {
            conditions.push(format!("_e + {lateness} <= {}", frontiers[0]));
        }
        let (numbers, start, end) = match self.kind {
            Kind::Cumulate => (1..=size / slide, "0".to_string(), format!("n * {slide}")),
            _ => (0..=size / slide, format!("n * {slide}"), format!("{size}")),
        };
        let numbers = numbers.map(|n| format!("({n})")).collect::<Vec<_>>().join(", ");
        let keyed = self.keys.iter().zip(set).map(|(key, is_in)| match (self.sets, is_in) {
            (None, _) => key.name.clone(),
            (_, true) => format!("CAST({} AS {})", key.name, key.data_type.sql()),
            (_, false) => format!("CAST(NULL AS {})", key.data_type.sql()),
        });
        let number = self.sets.map(|_| (u8::from(!set[0]) * 2 + u8::from(!set[1])).to_string());
        let grouped = self.keys.iter().zip(set).filter(|(_, is_in)| **is_in);
        let also = grouped.map(|(key, _)| format!(", {}", key.name)).collect::<String>();
        let calls = self.calls.iter().map(|call| call.sql(Dialect::Oracle));
        let bounds = [time_of(time, "_s"), time_of(time, "_e")];
        format!(
            "SELECT {} FROM (SELECT *, _s + {end} AS _e FROM (SELECT *, _t - ((_t - ({offset})) % \
             {stride} + {stride}) % {stride} - {start} AS _s FROM {} CROSS JOIN (VALUES \
             {numbers}) AS numbers(n))){} GROUP BY _s, _e{also}",
            numbered(bounds.into_iter().chain(keyed).chain(number).chain(calls)),
            self.from.ever(),
            filtered(&conditions),
        )
    }

    /// How far apart starts are.
    fn stride(&self) -> i64 {
        if self.kind == Kind::Cumulate { self.size } else { self.slide }
    }
}

impl Shape for Window {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.from]
    }

    fn constructs(&self) -> Vec<&'static str> {
        let mut constructs = Call::constructs(&self.calls);
        constructs.push(match (self.kind, self.is_table) {
            (Kind::Tumble, false) => "tumble",
            (Kind::Hop, false) => "hop",
            (Kind::Cumulate, false) => "cumulate",
            (Kind::Tumble, true) => "TUMBLE table function",
            (Kind::Hop, true) => "HOP table function",
            (Kind::Cumulate, true) => "CUMULATE table function",
        });
        constructs.push(if self.is_final() { "final windows" } else { "windows with corrections" });
        constructs.extend(self.sets.map(|word| match word {
            "ROLLUP" => "window with ROLLUP",
            "CUBE" => "window with CUBE",
            _ => "window with GROUPING SETS",
        }));
        if self.from.changes_in_time() {
            constructs.push(match self.from.name.starts_with('t') {
                true => "windows over a table",
                false => "windows over an updating stream",
            });
            constructs.push(match self.is_final() {
                true => "final windows of changing rows",
                false => "windows of changing rows",
            });
        }
        constructs.extend((self.offset != 0).then_some("window offset"));
        let is_derived = !self.from.arrives && !self.from.changes_in_time();
        constructs.extend(is_derived.then_some("windows over windows or joins"));
        constructs.extend((self.from.sources.len() > 1).then_some("windows over several sources"));
        constructs.extend((!self.from.is_declared()).then_some("windows without WATERMARK FOR"));
        constructs.extend((self.lateness != 0).then_some(match self.is_final() {
            true => "ALLOW LATENESS that waits",
            false => "ALLOW LATENESS that corrects",
        }));
        constructs
    }

    fn types(&self) -> Vec<Type> {
        let time = self.from.event_time().map_or(Type::BigInt, |(_, column)| column.data_type);
        let keys = self.keys.iter().map(|key| key.data_type);
        let number = self.sets.map(|_| Type::BigInt);
        let calls = self.calls.iter().map(Call::data_type);
        [time, time].into_iter().chain(keys).chain(number).chain(calls).collect()
    }

    fn engine(&self) -> String {
        let qualified = |key: &Column| format!("{}.{}", self.from.name, key.name);
        let names: Vec<String> = self.keys.iter().map(qualified).collect();
        let (also, number) = match self.sets {
            None => (also_by(&self.from, &self.keys), None),
            Some(word) => {
                let sets = match word {
                    "GROUPING SETS" => names.iter().map(|name| format!("({name})")).collect(),
                    _ => names.clone(),
                };
                let number = format!("grouping({})", names.join(", "));
                (format!(", {word} ({})", sets.join(", ")), Some(number))
            }
        };
        let keyed = names.into_iter().chain(number);
        let calls = self.calls.iter().map(|call| call.sql(Dialect::Engine));
        let filter = filtered(&conditions(self.filter.as_ref(), Dialect::Engine));
        let time = self.from.event_time().map_or("", |(_, column)| &column.name);
        let (name, lengths) = self.call();
        if self.is_table {
            let bounds = ["window_start".to_string(), "window_end".to_string()];
            let items = numbered(bounds.into_iter().chain(keyed).chain(calls));
            return format!(
                "SELECT {items} FROM {}({}, {time}, {lengths}){filter} GROUP BY window_start, \
                 window_end{also}",
                name.to_uppercase(),
                self.from.name,
            );
        }
        let call = format!("{name}({time}, {lengths})");
        let bounds = [call.clone(), "window_end".to_string()];
        let items = numbered(bounds.into_iter().chain(keyed).chain(calls));
        format!("SELECT {items} FROM {}{filter} GROUP BY {call}{also}", self.from.name)
    }

    /// A row for each window that a row belongs to and that was open when it came; less those whose
    /// windows were open when they ceased. With grouping sets a query for each.
    fn oracle(&self, frontiers: &[i64]) -> String {
        let Some(word) = self.sets else {
            return self.of_set(&vec![true; self.keys.len()], frontiers);
        };
        let sets = sets_of(word).iter().map(|set| self.of_set(set, frontiers));
        sets.collect::<Vec<_>>().join(" UNION ALL ")
    }

    fn gives(&self) -> Gives {
        if !self.is_final() {
            return Gives::of(Nature::Updating);
        }
        Gives {
            nature: Some(Nature::AppendOnly),
            times: vec![0, 1],
            known: vec![0, 1],
            declared: self.from.is_declared(),
            arrives: false,
            key: None,
        }
    }

    /// Of the ends it is that of the input; of the starts the least one that is still open.
    fn frontier(&self, column: usize, frontiers: &[i64]) -> i64 {
        let reached = match frontiers[0] {
            limit @ (i64::MIN | i64::MAX) => return limit,
            frontier => frontier - self.lateness,
        };
        match column {
            0 => {
                // The least start > reached - size.
                let stride = self.stride();
                let least = reached - self.size + 1 - self.offset;
                least.div_euclid(stride) * stride
                    + if least.rem_euclid(stride) == 0 { 0 } else { stride }
                    + self.offset
            }
            _ => reached,
        }
    }

    fn emit(&self) -> Option<Emit> {
        Some(self.emit)
    }

    /// Rows all of whose windows were closed when they came.
    fn late(&self) -> Option<String> {
        let is_table = self.from.changes_in_time() && self.from.name.starts_with('t');
        if !self.from.arrives && !is_table {
            return None;
        }
        let Self { size, offset, lateness, .. } = self;
        let stride = self.stride();
        let behind = |frontier: &str| {
            let mut conditions = conditions(self.filter.as_ref(), Dialect::Oracle);
            conditions.push(format!(
                "_t - ((_t - ({offset})) % {stride} + {stride}) % {stride} + {size} + {lateness} <= \
                 {frontier}"
            ));
            filtered(&conditions)
        };
        let (columns, from) = (all_columns(&self.from), self.from.ever());
        Some(match is_table {
            false => format!("SELECT {columns} FROM {from}{}", behind("_f")),
            true => format!(
                "SELECT {columns}, CAST(1 AS BIGINT) AS weight FROM {from}{} UNION ALL SELECT \
                 {columns}, CAST(-1 AS BIGINT) AS weight FROM {from}{} AND _d < {}",
                behind("_f"),
                behind("_g"),
                i64::MAX,
            ),
        })
    }

    fn suffix(&self) -> String {
        allowed(self.lateness)
    }

    fn replaced_by(&self) -> Option<Vec<usize>> {
        let stays = self.from.nature == Nature::AppendOnly && self.sets.is_none();
        (stays && !self.is_final()).then(|| (0..2 + self.keys.len()).collect())
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
        if self.offset != 0 {
            simpler.push(Arc::new(Self { offset: 0, ..self.clone() }));
        }
        for calls in Call::simpler(&self.calls) {
            simpler.push(Arc::new(Self { calls, ..self.clone() }));
        }
        if self.sets.is_some() {
            simpler.push(Arc::new(Self { sets: None, ..self.clone() }));
            return simpler;
        }
        for index in 0..self.keys.len() {
            let keys = without(&self.keys, index);
            simpler.push(Arc::new(Self { keys, ..self.clone() }));
        }
        simpler
    }
}
