//! [`Shape`]: the queries of streams, one file for each construct.
//!
//! The columns of every result are called `o0`, `o1` and so on. To add a construct: a [`Shape`] in a
//! file of its own, when [`random`] makes it, and its names in `coverage`.
//!
//! For the oracle a relation has up to three more columns. `_t` is its event time in milliseconds and
//! `_f` the frontier that the row met, both where it has an event time; `_a` numbers the rows of all
//! inputs in the order of their arrival, where a row of it stands for a row of an input.

mod aggregate;
mod asof;
mod call;
mod current;
mod forgetting;
mod interval;
mod join;
mod map;
mod over;
mod probe;
pub mod session;
mod set_operation;
mod subquery;
mod temporal;
mod top_n;
pub mod twin;
mod unnest;
mod window;
mod window_rows;

use std::fmt::Debug;
use std::sync::Arc;

use super::case::Theme;
use super::expression::{Dialect, Predicate};
use super::schema::{Column, Type};
use crate::support::random::Random;
use crate::support::value::Row;

/// A query; cheap to copy.
pub type Query = Arc<dyn Shape>;

/// What asks the oracle's database something.
pub type Ask<'a> = dyn Fn(&str) -> Result<Vec<Row>, String> + 'a;

/// A kind of query, with all that it is made of.
pub trait Shape: Debug + Send + Sync {
    /// The relations that it reads.
    fn inputs(&self) -> Vec<&Relation>;

    /// The constructs that it is made of, for the coverage.
    fn constructs(&self) -> Vec<&'static str>;

    /// The types of its result.
    fn types(&self) -> Vec<Type>;

    /// Its text for the engine, without what stands behind the query.
    fn engine(&self) -> String;

    /// Its text for the oracle, given how far the event time of each input has come.
    fn oracle(&self, frontiers: &[i64]) -> String;

    /// What its result promises to those that read it.
    fn gives(&self) -> Gives {
        Gives::default()
    }

    /// How far the event time in a column of its result has come, given that of its inputs.
    fn frontier(&self, _column: usize, _frontiers: &[i64]) -> i64 {
        i64::MIN
    }

    /// For the oracle, over rows that change: all rows that its result ever had, with the numbers of
    /// the arrivals at which each came (`_a`) and ceased (`_d`, the largest if it did not). Of an
    /// input `t` they are the table `t_ever`.
    fn history(&self) -> Option<String> {
        None
    }

    /// Whether each row comes out once, by what the other inputs hold when it arrives: the oracle asks
    /// for the rows of each arrival then, and adds them up.
    fn accumulates(&self) -> bool {
        false
    }

    /// The arrivals that count, where that cannot be said in SQL: the oracle's query finds them in
    /// the table `_taken`.
    fn taken(&self, _ask: &Ask<'_>) -> Result<Option<Vec<i64>>, String> {
        Ok(None)
    }

    /// When its result is visible, where the construct decides that; else any form will do.
    fn emit(&self) -> Option<Emit> {
        None
    }

    /// The rows that it leaves out as late, for the oracle, where they can be handed on.
    fn late(&self) -> Option<String> {
        None
    }

    /// What stands in its `WITH (...)`.
    fn options(&self) -> Option<String> {
        None
    }

    /// What stands behind the EMIT clause.
    fn suffix(&self) -> String {
        String::new()
    }

    /// The columns by which a row replaces another, where no row ever ceases without a successor: then
    /// `EMIT ON UPDATE` tells everything.
    fn replaced_by(&self) -> Option<Vec<usize>> {
        None
    }

    /// Whether rows leave its content without being taken back.
    fn forgets_content(&self) -> bool {
        false
    }

    /// Simpler queries, to shrink to.
    fn simpler(&self) -> Vec<Query> {
        Vec::new()
    }
}

/// When and how results leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emit {
    Default,
    Update,
    Changes,
    Close,
    /// The net change of each interval; subscribers alone notice.
    Every,
}

/// The interval of `EMIT EVERY`.
pub const EVERY_MS: u64 = 10;

impl Emit {
    pub fn random(random: &mut Random) -> Self {
        *random.pick(&[Self::Default, Self::Update, Self::Changes, Self::Close, Self::Close])
    }

    pub fn sql(self) -> &'static str {
        match self {
            Self::Default => "",
            Self::Update => " EMIT ON UPDATE",
            Self::Changes => " EMIT CHANGES",
            Self::Close => " EMIT ON WINDOW CLOSE",
            Self::Every => " EMIT EVERY INTERVAL '10 milliseconds' CHANGES",
        }
    }

    pub fn construct(self) -> &'static str {
        match self {
            Self::Default => "EMIT by default",
            Self::Update => "EMIT ON UPDATE",
            Self::Changes => "EMIT CHANGES",
            Self::Close => "EMIT ON WINDOW CLOSE",
            Self::Every => "EMIT EVERY",
        }
    }

    /// Whether results wait until they are final, where waiting is the default over inputs that
    /// declare a watermark.
    pub fn waits(self, declared: bool) -> bool {
        self == Self::Close || (self == Self::Default && declared)
    }
}

/// A relation that a query can read.
#[derive(Debug, Clone)]
pub struct Relation {
    pub name: String,
    pub columns: Vec<Column>,
    pub nature: Nature,
    /// The event time that queries go by.
    pub time: Option<Time>,
    /// All columns that may carry event time.
    pub times: Vec<usize>,
    /// Whether each row stands for one of an input, so that the order of arrival is known.
    pub arrives: bool,
    /// The inputs, by position, whose frontiers its rows meet.
    pub sources: Vec<usize>,
    /// The column by which a row replaces another.
    pub key: Option<usize>,
    /// Whether it is a lookup table.
    pub is_lookup: bool,
    /// Whether it may fall silent beside others.
    pub may_be_idle: bool,
    /// Whether what it takes back is of the time of the change, so that it can be late. A table takes
    /// back what is long past.
    pub is_settled: bool,
}

/// An event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    pub column: usize,
    /// Whether all that it comes from declares a watermark.
    pub declared: bool,
}

/// What a relation hands to those that read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// Rows that are only added: a new reader gets those that come after it.
    AppendOnly,
    /// Rows that change: a new reader begins with the content.
    Updating,
}

/// What the result of a query promises.
#[derive(Debug, Clone, Default)]
pub struct Gives {
    /// `None` where it is left to the engine to say: then nothing reads it.
    pub nature: Option<Nature>,
    /// The columns that may carry event time.
    pub times: Vec<usize>,
    /// Those of them of which the oracle knows how far they have come.
    pub known: Vec<usize>,
    pub declared: bool,
    pub arrives: bool,
    /// The column by which a row replaces another.
    pub key: Option<usize>,
}

impl Gives {
    pub fn of(nature: Nature) -> Self {
        Self { nature: Some(nature), ..Self::default() }
    }

    /// Rows that change if those of some input do, else left to the engine.
    pub fn updating_over(inputs: &[&Relation]) -> Self {
        let is_updating = inputs.iter().any(|input| input.nature == Nature::Updating);
        Self { nature: is_updating.then_some(Nature::Updating), ..Self::default() }
    }
}

impl Relation {
    /// Its event time and the column of it, however its rows change.
    pub fn event_time(&self) -> Option<(Time, &Column)> {
        self.time.map(|time| (time, &self.columns[time.column]))
    }

    /// Whether its rows change and carry an event time.
    pub fn changes_in_time(&self) -> bool {
        self.nature == Nature::Updating && self.time.is_some()
    }

    /// What the oracle reads: of rows that change in time all that ever were.
    pub fn ever(&self) -> String {
        match self.changes_in_time() {
            true => format!("{}_ever", self.name),
            false => self.name.clone(),
        }
    }

    /// Its event time and the column of it, where its rows are only added.
    pub fn timed(&self) -> Option<(Time, &Column)> {
        let time = self.time.filter(|_| self.nature == Nature::AppendOnly)?;
        Some((time, &self.columns[time.column]))
    }

    pub fn is_declared(&self) -> bool {
        self.time.is_some_and(|time| time.declared)
    }

    /// Whether it is known what both are told of each other where one of them may be idle.
    pub fn keeps_up_with(&self, other: &Self) -> bool {
        let may_be_idle = self.may_be_idle || other.may_be_idle;
        !may_be_idle || (self.arrives && other.arrives)
    }

    /// The columns that carry no event time.
    pub fn plain_columns(&self) -> Vec<&Column> {
        let columns = self.columns.iter().enumerate();
        columns.filter(|(at, _)| !self.times.contains(at)).map(|(_, column)| column).collect()
    }

    /// Some of its columns, by name and each once.
    fn some_columns(&self, most: i64, random: &mut Random) -> Vec<Column> {
        let count = random.range(1, most + 1);
        let mut columns: Vec<Column> =
            (0..count).map(|_| random.pick(&self.columns).clone()).collect();
        columns.sort_by(|a, b| a.name.cmp(&b.name));
        columns.dedup();
        columns
    }
}

/// The columns of a query's result.
pub fn columns(query: &dyn Shape) -> Vec<Column> {
    let types = query.types().into_iter().enumerate();
    types.map(|(index, data_type)| Column::new(format!("o{index}"), data_type)).collect()
}

/// A query over some of these relations.
pub fn random(relations: &[Relation], theme: Theme, random: &mut Random) -> Query {
    loop {
        if theme == Theme::Time
            && random.chance(65)
            && let Some(query) = random_in_time(relations, random)
        {
            return query;
        }
        let several: Vec<&Relation> =
            relations.iter().filter(|relation| relation.sources.len() > 1).collect();
        let from = match several.is_empty() || random.chance(75) {
            true => random.pick(relations).clone(),
            false => (*random.pick(&several)).clone(),
        };
        let made = match random.range(0, 100) {
            0..9 => map::random(from, random),
            9..20 => aggregate::random(from, random),
            20..24 => aggregate::random_distinct(from, random),
            24..28 => aggregate::random_grouping_sets(from, random),
            28..34 => set_operation::random(from, relations, random),
            34..41 => join::random(from, relations, random),
            41..52 => window::random(from, random),
            52..58 => session::random(from, random),
            58..65 => interval::random(from, relations, random),
            65..74 => asof::random(from, relations, random),
            74..80 => over::random(from, random),
            80..88 => top_n::random(from, random),
            88..97 => subquery::random(from, relations, random),
            _ => unnest::random(from, random),
        };
        if let Some(query) = made {
            return query;
        }
    }
}

/// A query of what is about event time alone.
fn random_in_time(relations: &[Relation], random: &mut Random) -> Option<Query> {
    let changing: Vec<&Relation> = relations.iter().filter(|r| r.changes_in_time()).collect();
    // A changelog with versions, for others to read.
    let keyed = || changing.iter().filter(|relation| relation.key.is_some());
    if keyed().count() == 1
        && let Some(table) = keyed().next().filter(|_| random.chance(30))
    {
        return map::random_in_time((**table).clone(), random);
    }
    // Most constructs ask something of their inputs.
    (0..8).find_map(|_| {
        let from = match changing.is_empty() || random.chance(60) {
            true => random.pick(relations).clone(),
            false => (*random.pick(&changing)).clone(),
        };
        match random.range(0, 100) {
            0..14 => temporal::random(from, relations, random),
            14..26 => current::random(from, relations, random),
            26..33 => probe::random(from, relations, random),
            33..44 => window::random_in_time(from, random),
            44..51 => session::random_in_time(from, random),
            51..58 => window_rows::random(from, random),
            58..64 => aggregate::random_by_time(from, random),
            64..71 => interval::random_in_time(from, relations, random),
            71..83 => forgetting::random(from, relations, random),
            83..88 => asof::random_in_time(from, relations, random),
            _ => map::random_in_time(from, random),
        }
    })
}

/// A predicate as conditions of the oracle's query: that it is true, and does not fail.
fn oracle_conditions(filter: Option<&Predicate>) -> Vec<String> {
    filter.map_or_else(Vec::new, |filter| {
        std::iter::once(filter.sql(Dialect::Oracle)).chain(filter.succeeds()).collect()
    })
}

/// A predicate as the conditions of a dialect's query.
fn conditions(filter: Option<&Predicate>, dialect: Dialect) -> Vec<String> {
    match dialect {
        Dialect::Engine => filter.map(|filter| filter.sql(dialect)).into_iter().collect(),
        Dialect::Oracle => oracle_conditions(filter),
    }
}

fn filtered(conditions: &[String]) -> String {
    match conditions {
        [] => String::new(),
        conditions => format!(" WHERE {}", conditions.join(" AND ")),
    }
}

fn numbered(items: impl IntoIterator<Item = String>) -> String {
    let items = items.into_iter().enumerate().map(|(index, item)| format!("{item} AS o{index}"));
    items.collect::<Vec<_>>().join(", ")
}

/// The columns of a relation, without those for the oracle alone.
fn all_columns(from: &Relation) -> String {
    numbered(from.columns.iter().map(|column| column.name.clone()))
}

fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn without<T: Clone>(list: &[T], index: usize) -> Vec<T> {
    let mut list = list.to_vec();
    list.remove(index);
    list
}

/// Milliseconds as a time of a column's type, for the oracle.
fn time_of(column: &Column, ms: &str) -> String {
    match column.data_type {
        Type::Timestamp => format!("arrow_cast({ms}, 'Timestamp(Millisecond, None)')"),
        _ => ms.to_string(),
    }
}

/// A filter that cannot fail, now and then.
fn sound_filter(from: &Relation, percent: i64, random: &mut Random) -> Option<Predicate> {
    let filter = random.chance(percent).then(|| Predicate::random(&from.columns, random));
    filter.filter(|filter| filter.succeeds().is_none())
}
