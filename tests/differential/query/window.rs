//! Tumbling, hopping and cumulating windows.

use std::sync::Arc;

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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tumble,
    Hop,
    Cumulate,
}

pub(super) fn random(from: Relation, random: &mut Random) -> Option<Query> {
    from.timed()?;
    let kind = *random.pick(&[Kind::Tumble, Kind::Hop, Kind::Hop, Kind::Cumulate]);
    let slide = random.range(2, 8);
    let size = match kind {
        Kind::Tumble => slide,
        Kind::Hop => slide + random.range(1, 9),
        Kind::Cumulate => slide * random.range(2, 4),
    };
    let offset = if random.chance(30) { random.range(-3, slide) } else { 0 };
    Some(Arc::new(Window {
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
        from,
    }))
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
        constructs.extend((self.offset != 0).then_some("window offset"));
        constructs.extend((!self.from.arrives).then_some("windows over windows or joins"));
        constructs.extend((self.from.sources.len() > 1).then_some("windows over several sources"));
        constructs.extend((!self.from.is_declared()).then_some("windows without WATERMARK FOR"));
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
        let keyed = self.keys.iter().map(|key| key.name.clone());
        let also = also_by(&self.from, &self.keys);
        let calls = self.calls.iter().map(|call| call.sql(Dialect::Engine));
        let filter = filtered(&conditions(self.filter.as_ref(), Dialect::Engine));
        let time = self.from.timed().map_or("", |(_, column)| &column.name);
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

    /// A row for each window that a row belongs to and that was open when it came.
    fn oracle(&self, frontiers: &[i64]) -> String {
        let Self { size, slide, offset, lateness, .. } = self;
        let stride = self.stride();
        let Some((_, time)) = self.from.timed() else { return String::new() };
        let mut conditions = conditions(self.filter.as_ref(), Dialect::Oracle);
        conditions.push(format!("_t < _e AND _e + {lateness} > _f"));
        if self.is_final() {
            conditions.push(format!("_e + {lateness} <= {}", frontiers[0]));
        }
        let (numbers, start, end) = match self.kind {
            Kind::Cumulate => (1..=size / slide, "0".to_string(), format!("n * {slide}")),
            _ => (0..=size / slide, format!("n * {slide}"), format!("{size}")),
        };
        let numbers = numbers.map(|n| format!("({n})")).collect::<Vec<_>>().join(", ");
        let keyed = self.keys.iter().map(|key| key.name.clone());
        let also = self.keys.iter().map(|key| format!(", {}", key.name)).collect::<String>();
        let calls = self.calls.iter().map(|call| call.sql(Dialect::Oracle));
        let bounds = [time_of(time, "_s"), time_of(time, "_e")];
        format!(
            "SELECT {} FROM (SELECT *, _s + {end} AS _e FROM (SELECT *, _t - ((_t - ({offset})) % \
             {stride} + {stride}) % {stride} - {start} AS _s FROM {} CROSS JOIN (VALUES \
             {numbers}) AS numbers(n))){} GROUP BY _s, _e{also}",
            numbered(bounds.into_iter().chain(keyed).chain(calls)),
            self.from.name,
            filtered(&conditions),
        )
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
        if !self.from.arrives {
            return None;
        }
        let Self { size, offset, lateness, .. } = self;
        let stride = self.stride();
        let mut conditions = conditions(self.filter.as_ref(), Dialect::Oracle);
        conditions.push(format!(
            "_t - ((_t - ({offset})) % {stride} + {stride}) % {stride} + {size} + {lateness} <= _f"
        ));
        let (columns, filter) = (all_columns(&self.from), filtered(&conditions));
        Some(format!("SELECT {columns} FROM {}{filter}", self.from.name))
    }

    fn suffix(&self) -> String {
        allowed(self.lateness)
    }

    fn replaced_by(&self) -> Option<Vec<usize>> {
        (!self.is_final()).then(|| (0..2 + self.keys.len()).collect())
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
        for index in 0..self.keys.len() {
            let keys = without(&self.keys, index);
            simpler.push(Arc::new(Self { keys, ..self.clone() }));
        }
        simpler
    }
}
