//! Windows as tables that nothing groups: each row once for each of its windows, or with the bounds of
//! its session.

use std::sync::Arc;

use super::session::Rule;
use super::{
    Ask, Emit, Gives, Nature, Query, Relation, Shape, conditions, filtered, numbered, time_of,
};
use crate::differential::expression::{Dialect, Predicate};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;

#[derive(Debug, Clone)]
struct WindowRows {
    from: Relation,
    kind: Kind,
    /// In milliseconds; of a cumulating window the largest, and its step; of sessions the gap.
    size: i64,
    slide: i64,
    /// What sessions are by.
    keys: Vec<Column>,
    filter: Option<Predicate>,
    emit: Emit,
    /// Whether it is written as the standard has it.
    is_standard: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tumble,
    Hop,
    Cumulate,
    Session,
}

pub(super) fn random(from: Relation, random: &mut Random) -> Option<Query> {
    from.event_time()?;
    let kind = *random.pick(&[Kind::Tumble, Kind::Hop, Kind::Cumulate, Kind::Session]);
    if kind == Kind::Session && !from.arrives {
        return None;
    }
    if kind == Kind::Tumble && !from.is_declared() {
        // A row without a time, which has no window, comes out with none.
        return None;
    }
    let slide = random.range(2, 8);
    let size = match kind {
        Kind::Hop => slide + random.range(1, 9),
        Kind::Cumulate => slide * random.range(2, 4),
        Kind::Tumble | Kind::Session => slide,
    };
    let keys = match from.plain_columns().as_slice() {
        columns if kind == Kind::Session && !columns.is_empty() && random.chance(70) => {
            vec![(*random.pick(columns)).clone()]
        }
        _ => Vec::new(),
    };
    // A filter above sessions, so one that cannot fail.
    let filter = super::sound_filter(&from, 30, random);
    let emit = match kind {
        Kind::Session => Emit::random(random),
        _ => *random.pick(&[Emit::Default, Emit::Changes, Emit::Update]),
    };
    let is_standard = random.chance(40);
    Some(Arc::new(WindowRows { from, kind, size, slide, keys, filter, emit, is_standard }))
}

impl WindowRows {
    /// The columns that come out beside the bounds.
    fn items(&self) -> Vec<Column> {
        self.from.columns.iter().take(3).cloned().collect()
    }

    fn time(&self) -> &Column {
        &self.from.columns[self.from.time.map_or(0, |time| time.column)]
    }

    /// Whether the rows of a session wait for its close.
    fn waits(&self) -> bool {
        self.kind == Kind::Session && self.emit.waits(self.from.is_declared())
    }

    /// How far apart starts are.
    fn stride(&self) -> i64 {
        if self.kind == Kind::Cumulate { self.size } else { self.slide }
    }

    fn rule(&self) -> Rule {
        Rule { gap: self.size, lateness: 0 }
    }

    /// Each row with its bounds, and hidden columns, for the oracle.
    fn rows(&self, hidden: &str, from: &str, frontiers: &[i64]) -> String {
        let items = self.items().into_iter().map(|column| column.name);
        let bounds = [time_of(self.time(), "_s"), time_of(self.time(), "_e")];
        let items = numbered(items.chain(bounds));
        let mut conditions = conditions(self.filter.as_ref(), Dialect::Oracle);
        let Self { size, slide, .. } = self;
        if self.kind == Kind::Session {
            if self.waits() {
                conditions.push(format!("_e <= {}", frontiers[0]));
            }
            let by = self.keys.iter().map(|key| format!(", {}", key.name)).collect::<String>();
            return format!(
                "SELECT {items} FROM (SELECT *, min(_t) OVER (PARTITION BY _session{by}) AS _s, max(_t) \
                 OVER (PARTITION BY _session{by}) + {size} AS _e FROM {}){}",
                self.rule().sessions(&self.from, &self.keys),
                filtered(&conditions),
            );
        }
        let stride = self.stride();
        let (numbers, start, end) = match self.kind {
            Kind::Cumulate => (1..=size / slide, "0".to_string(), format!("n * {slide}")),
            _ => (0..=size / slide, format!("n * {slide}"), format!("{size}")),
        };
        let numbers = numbers.map(|n| format!("({n})")).collect::<Vec<_>>().join(", ");
        conditions.push("_t < _e".to_string());
        format!(
            "SELECT {items}{hidden} FROM (SELECT *, _s + {end} AS _e FROM (SELECT *, _t - (_t % {stride} \
             + {stride}) % {stride} - {start} AS _s FROM {from} CROSS JOIN (VALUES {numbers}) AS \
             numbers(n))){}",
            filtered(&conditions),
        )
    }

    /// A row for each window: only then its order of arrival says which it is.
    fn has_arrivals(&self) -> bool {
        self.kind == Kind::Tumble && self.from.arrives
    }
}

impl Shape for WindowRows {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.from]
    }

    fn constructs(&self) -> Vec<&'static str> {
        let mut constructs = vec![match self.kind {
            Kind::Tumble => "rows of TUMBLE",
            Kind::Hop => "rows of HOP",
            Kind::Cumulate => "rows of CUMULATE",
            Kind::Session => "rows of SESSION",
        }];
        constructs
            .extend(self.from.changes_in_time().then_some("windows of changing rows as rows"));
        constructs
    }

    fn types(&self) -> Vec<Type> {
        let time = self.time().data_type;
        self.items().into_iter().map(|column| column.data_type).chain([time, time]).collect()
    }

    fn engine(&self) -> String {
        let name = match self.kind {
            Kind::Tumble => "TUMBLE",
            Kind::Hop => "HOP",
            Kind::Cumulate => "CUMULATE",
            Kind::Session => "SESSION",
        };
        let lengths = match self.kind {
            Kind::Tumble | Kind::Session => format!("{}", self.size),
            _ => format!("{}, {}", self.slide, self.size),
        };
        let by = match self.keys.as_slice() {
            [] => String::new(),
            keys => format!(" PARTITION BY {}", super::names(keys)),
        };
        let (from, time) = (&self.from.name, &self.time().name);
        let table = match self.is_standard {
            true => format!("TABLE({name}(TABLE {from}{by}, DESCRIPTOR({time}), {lengths}))"),
            false => format!("{name}({from}{by}, {time}, {lengths})"),
        };
        let items = self.items().into_iter().map(|column| column.name);
        let bounds = ["window_start".to_string(), "window_end".to_string()];
        let filter = filtered(&conditions(self.filter.as_ref(), Dialect::Engine));
        format!("SELECT {} FROM {table}{filter}", numbered(items.chain(bounds)))
    }

    fn taken(&self, ask: &Ask<'_>) -> Result<Option<Vec<i64>>, String> {
        match self.kind {
            // Whether the filter comes first is the same for what is in time.
            Kind::Session => self.rule().taken(&self.from, &self.keys, &[], ask).map(Some),
            _ => Ok(None),
        }
    }

    fn oracle(&self, frontiers: &[i64]) -> String {
        let hidden = if self.has_arrivals() { ", _a" } else { "" };
        self.rows(hidden, &self.from.name, frontiers)
    }

    fn history(&self) -> Option<String> {
        let changes = self.from.changes_in_time() && self.kind == Kind::Tumble;
        changes.then(|| self.rows(", _a, _d", &self.from.ever(), &[]))
    }

    fn gives(&self) -> Gives {
        if self.kind == Kind::Session && !self.waits() {
            return Gives::of(Nature::Updating);
        }
        let items = self.items();
        let is_time =
            |at: &usize| self.from.times.iter().any(|time| self.from.columns[*time] == items[*at]);
        let bounds = [items.len(), items.len() + 1];
        let is_read = self.has_arrivals() || self.history().is_some();
        Gives {
            nature: Some(self.from.nature),
            times: (0..items.len()).filter(is_time).chain(bounds).collect(),
            known: if is_read { bounds.to_vec() } else { Vec::new() },
            declared: self.from.is_declared(),
            arrives: self.has_arrivals(),
            key: None,
        }
    }

    /// That of the row's time, rounded down to its window: no row before it may still come.
    fn frontier(&self, column: usize, frontiers: &[i64]) -> i64 {
        match frontiers[0] {
            limit @ (i64::MIN | i64::MAX) => limit,
            frontier => {
                let start = frontier.div_euclid(self.size) * self.size;
                if column == self.items().len() { start } else { start + self.size }
            }
        }
    }

    fn emit(&self) -> Option<Emit> {
        Some(self.emit)
    }

    fn simpler(&self) -> Vec<Query> {
        let mut simpler: Vec<Query> = Vec::new();
        if self.filter.is_some() {
            simpler.push(Arc::new(Self { filter: None, ..self.clone() }));
        }
        if self.is_standard {
            simpler.push(Arc::new(Self { is_standard: false, ..self.clone() }));
        }
        simpler
    }
}
