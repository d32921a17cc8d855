//! Answers a [`Case`] from the definitions alone.
//!
//! It keeps what arrived at each source, with the frontier that each row met, and the rows of each
//! table; a stream's content is its query, in the oracle's dialect, run by DataFusion's batch engine
//! over its own input: what its updating inputs hold, and what its append-only inputs got since its
//! creation. Late rows are recognised by their frontier (`_f`) and their time (`_t`); the order of
//! arrival is `_a` (`query`).
//!
//! What a late materialized view is filled with is never late. The contract is Q(D), where D is what
//! its inputs retain, less what *this view* dropped (SQL_REFERENCE.md, "The contract", "Materialized
//! views"): another stream's late rows are rows of the source like any others, and the view drops
//! nothing before it is there. How rows were cut is no question either: they come as one step, before
//! any frontier. So the frontier that those rows met is none, exactly, and a view that dropped one of
//! them would differ from the oracle.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::catalog::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::runtime::{Builder, Runtime};

use super::case::{Case, Change, Step, Stream};
use super::clock::Clock;
use super::data::{self, Datum, Row};
use super::query::{EVERY_MS, Nature, Relation};
use crate::support::value::{self, rows};

/// The content that a stream should have at a check.
#[derive(Debug)]
pub struct Expected {
    pub step: usize,
    pub stream: usize,
    pub rows: Vec<value::Row>,
    /// Its late rows, where they are a sink.
    pub late: Option<Vec<value::Row>>,
}

/// The contents of all streams that the engine knows, at every check.
pub fn answer(
    case: &Case,
    unsupported: &BTreeMap<String, String>,
) -> Result<Vec<Expected>, String> {
    let mut oracle = Oracle::new(case);
    let mut expected = Vec::new();
    for (index, step) in case.steps.iter().enumerate() {
        match step {
            Step::Start => oracle.start(),
            Step::Create(stream) if !unsupported.contains_key(&case.streams[*stream].name) => {
                oracle.create(*stream)?;
            }
            Step::Create(_) => {}
            Step::Drop(stream) => oracle.drop(*stream),
            Step::Open { input, producer } => {
                oracle.clocks[*input].open(*producer);
                oracle.tell();
            }
            Step::Close { input, producer } => oracle.clocks[*input].close(*producer),
            Step::Watermark { input, producer, ts_ms } => {
                oracle.clocks[*input].promise(*producer, *ts_ms);
                oracle.tell();
            }
            Step::Push { input, producer, rows, .. } => oracle.push(*input, *producer, rows)?,
            Step::End { input, producer } => {
                oracle.clocks[*input].end(*producer);
                oracle.tell();
            }
            Step::Clock { by_ms } => oracle.advance_clock(*by_ms),
            Step::Subscribe(_) => {}
            Step::Change { input, change } => oracle.change(*input, change),
            Step::Check if oracle.started => {
                if case.ticks_at_checks() {
                    oracle.advance_clock(EVERY_MS as i64);
                }
                for (stream, content, late) in oracle.contents()? {
                    let rows = value::sorted(&[visible(&content)]);
                    let late = late.map(|late| value::sorted(&[late]));
                    expected.push(Expected { step: index, stream, rows, late });
                }
            }
            Step::Check => {}
        }
    }
    Ok(expected)
}

struct Oracle<'a> {
    case: &'a Case,
    context: SessionContext,
    runtime: Runtime,
    /// The rows that each input ever had.
    arrived: Vec<Vec<Entry>>,
    /// By the number of an arrival: how far each stream was told, before it, that its inputs had come.
    met: Vec<BTreeMap<usize, Vec<i64>>>,
    /// By the number of an arrival: its step. What changes in one step changes together.
    steps: Vec<usize>,
    clocks: Vec<Clock>,
    started: bool,
    streams: BTreeMap<usize, Beginning>,
    /// How far each stream was told that its inputs have come.
    told: BTreeMap<usize, Vec<i64>>,
    /// Of the streams whose rows come out once, those that did.
    accumulated: BTreeMap<usize, Vec<RecordBatch>>,
}

/// A row of an input.
struct Entry {
    row: Row,
    /// The number of its arrival, and of the one at which it ceased: the largest if it did not.
    arrival: i64,
    died: i64,
}

/// The number of what has not happened.
const NEVER: i64 = i64::MAX;

/// What a stream does not see of its append-only inputs.
struct Beginning {
    /// The rows that came before, of all inputs, have smaller numbers.
    arrival: i64,
    /// Whether it begins with them: as one step, in which no row is late.
    is_filled: bool,
    /// Of each stream, its rows before.
    contents: HashMap<String, RecordBatch>,
}

/// What was asked for so far, by stream.
#[derive(Default)]
struct Made {
    contents: BTreeMap<usize, RecordBatch>,
    late: BTreeMap<usize, RecordBatch>,
    histories: BTreeMap<usize, RecordBatch>,
}

impl<'a> Oracle<'a> {
    fn new(case: &'a Case) -> Self {
        let config = SessionConfig::new()
            .with_target_partitions(1)
            .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false);
        let runtime = Builder::new_current_thread().build().expect("a runtime without I/O");
        Self {
            case,
            context: SessionContext::new_with_config(config),
            runtime,
            arrived: case.inputs.iter().map(|_| Vec::new()).collect(),
            met: Vec::new(),
            steps: Vec::new(),
            clocks: case.inputs.iter().map(Clock::new).collect(),
            started: false,
            streams: BTreeMap::new(),
            told: BTreeMap::new(),
            accumulated: BTreeMap::new(),
        }
    }

    fn start(&mut self) {
        self.started = true;
        self.clocks.iter_mut().for_each(Clock::start);
    }

    fn advance_clock(&mut self, by_ms: i64) {
        // Who falls silent first is left out first.
        for _ in 0..by_ms {
            for clock in &mut self.clocks {
                clock.advance(1, self.started);
            }
            self.tell();
        }
    }

    /// The number of what arrives now, in a step of its own or in that of the arrival before.
    fn number(&mut self, is_next_step: bool) -> i64 {
        self.tell();
        let step = self.steps.last().copied().unwrap_or_default();
        self.steps.push(step + usize::from(is_next_step));
        self.met.push(self.told.clone());
        self.met.len() as i64 - 1
    }

    fn push(&mut self, input: usize, producer: usize, rows: &[Row]) -> Result<(), String> {
        self.clocks[input].hear_of(producer);
        let first = self.met.len() as i64;
        for row in rows {
            let mut row = row.clone();
            if self.case.inputs[input].is_of_the_clock() {
                row.insert(0, Datum::Int(self.clocks[input].now_ms));
            }
            self.arrive(input, producer, row);
        }
        self.tell();
        for stream in self.streams.keys().copied().collect::<Vec<usize>>() {
            let query = &self.case.streams[stream].query;
            if query.accumulates() && query.inputs()[0].sources.contains(&input) {
                self.accumulate(stream, first)?;
            }
        }
        Ok(())
    }

    /// Takes in one row by itself; of a table with a key, in the place of the one of its key.
    fn arrive(&mut self, input: usize, producer: usize, row: Row) {
        self.clocks[input].settle();
        let arrival = self.number(true);
        if self.case.inputs[input].has_key() {
            let held = self.arrived[input].iter_mut().filter(|entry| entry.died == NEVER);
            held.filter(|entry| entry.row[0] == row[0]).for_each(|entry| entry.died = arrival);
        }
        self.clocks[input].see(producer, &row);
        self.arrived[input].push(Entry { row, arrival, died: NEVER });
    }

    fn change(&mut self, input: usize, change: &Change) {
        let is_held = |entry: &Entry, column: usize, value: &Datum| {
            entry.died == NEVER && entry.row[column].equals(value)
        };
        match change {
            Change::Insert(rows) => {
                self.clocks[input].hear_of(0);
                rows.iter().for_each(|row| self.arrive(input, 0, row.clone()));
            }
            Change::Delete { column, value } => {
                let arrival = self.number(true);
                let held = self.arrived[input].iter_mut();
                held.filter(|entry| is_held(entry, *column, value))
                    .for_each(|entry| entry.died = arrival);
            }
            Change::Update { set, to, column, value } => {
                self.clocks[input].hear_of(0);
                let mut news = Vec::new();
                for at in 0..self.arrived[input].len() {
                    if is_held(&self.arrived[input][at], *column, value) {
                        let arrival = self.number(news.is_empty());
                        let entry = &mut self.arrived[input][at];
                        entry.died = arrival;
                        let mut row = entry.row.clone();
                        row[*set] = to.clone();
                        news.push(Entry { row, arrival, died: NEVER });
                    }
                }
                for entry in news {
                    self.clocks[input].see(0, &entry.row);
                    self.arrived[input].push(entry);
                }
            }
        }
        self.tell();
    }

    fn create(&mut self, stream: usize) -> Result<(), String> {
        let query = &self.case.streams[stream].query;
        let mut beginning = Beginning {
            arrival: self.met.len() as i64,
            is_filled: self.case.streams[stream].is_view,
            contents: HashMap::new(),
        };
        if !beginning.is_filled {
            let mut made = Made::default();
            for relation in query.inputs() {
                if let Some(of) = self.stream(relation) {
                    self.make(of, &mut made)?;
                    beginning.contents.insert(relation.name.clone(), made.contents[&of].clone());
                }
            }
        }
        let is_filled = beginning.is_filled;
        self.streams.insert(stream, beginning);
        self.tell();
        if query.accumulates() {
            self.accumulated.insert(stream, Vec::new());
            self.accumulate(stream, if is_filled { 0 } else { self.met.len() as i64 })?;
        }
        Ok(())
    }

    fn drop(&mut self, stream: usize) {
        self.streams.remove(&stream);
        self.told.remove(&stream);
        self.accumulated.remove(&stream);
    }

    /// Tells the streams how far their inputs have come: to one with several inputs those that are
    /// idle look as if they kept up with the others, unless all are idle.
    fn tell(&mut self) {
        let mut idle: BTreeMap<usize, bool> = BTreeMap::new();
        for stream in self.streams.keys() {
            let inputs = self.case.streams[*stream].query.inputs();
            let own = inputs.iter().map(|relation| {
                let time = relation.time?;
                Some(match (self.input(relation), self.stream(relation)) {
                    (Some(input), _) => (self.clocks[input].reached, self.clocks[input].is_idle),
                    (_, Some(of)) => {
                        let query = &self.case.streams[of].query;
                        (query.frontier(time.column, &self.told[&of]), idle[&of])
                    }
                    _ => (i64::MIN, false),
                })
            });
            let own: Vec<Option<(i64, bool)>> = own.collect();
            let told = self.told.entry(*stream).or_insert_with(|| vec![i64::MIN; own.len()]);
            let timed = || own.iter().enumerate().filter_map(|(port, own)| Some((port, (*own)?)));
            timed().for_each(|(port, (reached, _))| told[port] = told[port].max(reached));
            let active = timed().filter(|(_, (_, is_idle))| !is_idle).map(|(port, _)| told[port]);
            if let Some(kept_up) = active.min() {
                let idle = timed().filter(|(_, (_, is_idle))| *is_idle);
                idle.for_each(|(port, _)| told[port] = told[port].max(kept_up));
            }
            idle.insert(*stream, own.iter().flatten().all(|(_, is_idle)| *is_idle));
        }
    }

    /// The content of every stream, in the order of their creation, and the late rows of those that
    /// hand them on.
    fn contents(&self) -> Result<Vec<(usize, RecordBatch, Option<RecordBatch>)>, String> {
        let mut made = Made::default();
        for stream in self.streams.keys() {
            self.make(*stream, &mut made)?;
        }
        let Made { contents, mut late, .. } = made;
        Ok(contents.into_iter().map(|(s, content)| (s, content, late.remove(&s))).collect())
    }

    /// Makes the content of a stream, and of those that it reads.
    fn make(&self, stream: usize, made: &mut Made) -> Result<(), String> {
        if made.contents.contains_key(&stream) {
            return Ok(());
        }
        let Stream { query, has_late_sink, .. } = &self.case.streams[stream];
        if let Some(batches) = self.accumulated.get(&stream) {
            let all = concat_batches(&batches[0].schema(), batches);
            made.contents.insert(stream, all.map_err(|error| error.to_string())?);
            return Ok(());
        }
        self.prepare(stream, None, made)?;
        let ask = |sql: &str| self.query(sql).map(|batch| rows(&[batch]));
        if let Some(taken) = query.taken(&ask)? {
            let taken: ArrayRef = Arc::new(Int64Array::from(taken));
            let batch = RecordBatch::try_from_iter([("_arrival", taken)]);
            self.register("_taken", batch.map_err(|error| error.to_string())?)?;
        }
        made.contents.insert(stream, self.query(&query.oracle(&self.told[&stream]))?);
        if let Some(history) = query.history() {
            made.histories.insert(stream, self.merged(&self.query(&history)?));
        }
        if let Some(late) = query.late().filter(|_| *has_late_sink) {
            made.late.insert(stream, self.query(&late)?);
        }
        Ok(())
    }

    /// Adds what comes of the rows that arrived since to a stream whose rows come out once.
    fn accumulate(&mut self, stream: usize, since: i64) -> Result<(), String> {
        let mut made = Made::default();
        self.prepare(stream, Some(since), &mut made)?;
        let query = &self.case.streams[stream].query;
        let came = self.query(&query.oracle(&self.told[&stream]))?;
        self.accumulated.entry(stream).or_default().push(came);
        Ok(())
    }

    /// Registers what a stream reads. `since` leaves out the rows of its first input that arrived
    /// before.
    fn prepare(&self, stream: usize, since: Option<i64>, made: &mut Made) -> Result<(), String> {
        let beginning = &self.streams[&stream];
        let inputs = self.case.streams[stream].query.inputs();
        for relation in &inputs {
            if let Some(of) = self.stream(relation) {
                self.make(of, made)?;
            }
        }
        for (port, relation) in inputs.into_iter().enumerate() {
            let batch = match (self.input(relation), self.stream(relation)) {
                (Some(input), _) => self.rows_of(input, beginning),
                (_, of) => of.map_or_else(
                    || Err(format!("there is no {}", relation.name)),
                    |of| Ok(seen(relation, &made.contents[&of], beginning)),
                )?,
            };
            let batch = match since.filter(|_| port == 0) {
                Some(since) => from_number(&batch, "_a", since),
                None => batch,
            };
            let reader = (stream, port);
            self.register(&relation.name, self.timed(relation, &batch, reader, beginning)?)?;
            if relation.changes_in_time() {
                let ever = match (self.input(relation), self.stream(relation)) {
                    (Some(input), _) => self.ever_of(input),
                    (_, of) => made.histories[&of.unwrap_or_default()].clone(),
                };
                let ever = from_number(&ever, "_d", beginning.arrival);
                let ever = self.timed(relation, &ever, reader, beginning)?;
                self.register(&relation.ever(), ever)?;
            }
        }
        Ok(())
    }

    /// The input that a relation is.
    fn input(&self, relation: &Relation) -> Option<usize> {
        self.case.inputs.iter().position(|input| input.name == relation.name)
    }

    /// The stream that a relation is.
    fn stream(&self, relation: &Relation) -> Option<usize> {
        self.case.streams.iter().position(|stream| stream.name == relation.name)
    }

    /// The rows of an input that a stream sees; of a source with their numbers.
    fn rows_of(&self, input: usize, beginning: &Beginning) -> RecordBatch {
        let of = &self.case.inputs[input];
        let is_seen = |entry: &&Entry| match of.is_table() {
            true => entry.died == NEVER,
            false => beginning.is_filled || entry.arrival >= beginning.arrival,
        };
        let entries = self.arrived[input].iter().filter(is_seen);
        let (rows, arrivals): (Vec<Row>, Vec<i64>) =
            entries.map(|entry| (entry.row.clone(), entry.arrival)).unzip();
        let batch = data::batch(&of.columns, &rows);
        match of.is_table() {
            true => batch,
            false => with_columns(&batch, vec![("_a", Arc::new(Int64Array::from(arrivals)))]),
        }
    }

    /// All rows that a table ever had, with the numbers of their beginning and end.
    fn ever_of(&self, input: usize) -> RecordBatch {
        let entries = &self.arrived[input];
        let rows: Vec<Row> = entries.iter().map(|entry| entry.row.clone()).collect();
        let numbers = |of: &dyn Fn(&Entry) -> i64| -> ArrayRef {
            Arc::new(entries.iter().map(of).collect::<Int64Array>())
        };
        let numbers =
            vec![("_a", numbers(&|entry| entry.arrival)), ("_d", numbers(&|entry| entry.died))];
        self.merged(&with_columns(&data::batch(&self.case.inputs[input].columns, &rows), numbers))
    }

    /// A history in which a row that is replaced by an equal one in one step stays.
    fn merged(&self, history: &RecordBatch) -> RecordBatch {
        let visible = rows(&[visible(history)]);
        let number = |name: &str| -> Vec<i64> {
            let column = history.column_by_name(name).expect("a history has numbers");
            column.as_primitive::<Int64Type>().values().to_vec()
        };
        let (came, mut died) = (number("_a"), number("_d"));
        let mut stays = vec![true; came.len()];
        let mut order: Vec<usize> = (0..came.len()).collect();
        order.sort_by_key(|at| came[*at]);
        for at in order.iter().copied() {
            while stays[at] && died[at] != NEVER {
                let step = self.steps[died[at] as usize];
                let next = order.iter().copied().find(|next| {
                    stays[*next]
                        && *next != at
                        && self.steps[came[*next] as usize] == step
                        && visible[*next] == visible[at]
                });
                let Some(next) = next else { break };
                stays[next] = false;
                died[at] = died[next];
            }
        }
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        for (field, column) in history.schema().fields().iter().zip(history.columns()) {
            let column = match field.name().as_str() {
                "_d" => Arc::new(Int64Array::from(died.clone())) as ArrayRef,
                _ => Arc::clone(column),
            };
            columns.push((field.name().clone(), column));
        }
        let columns = columns.into_iter().map(|(name, column)| (name, column, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("as before");
        filter_record_batch(&batch, &BooleanArray::from(stays)).expect("a flag for each row")
    }

    /// A relation's rows with their event times and the frontiers that they met, as a stream was told
    /// them.
    fn timed(
        &self,
        relation: &Relation,
        batch: &RecordBatch,
        (stream, port): (usize, usize),
        beginning: &Beginning,
    ) -> Result<RecordBatch, String> {
        let Some(time) = relation.time else { return Ok(batch.clone()) };
        let times = cast(batch.column(time.column), &DataType::Int64);
        let times = times.map_err(|error| error.to_string())?;
        let met = |arrival: i64, port: usize| match arrival {
            NEVER => NEVER,
            arrival if arrival < beginning.arrival => i64::MIN,
            arrival => self.met[arrival as usize].get(&stream).map_or(i64::MIN, |met| met[port]),
        };
        let met_by = |name: &str, port: usize| {
            let numbers = batch.column_by_name(name)?.as_primitive::<Int64Type>();
            let met: Int64Array = numbers.unary(|arrival| met(arrival, port));
            Some(Arc::new(met) as ArrayRef)
        };
        let met_at = |name: &str| met_by(name, port);
        let none = || Arc::new(Int64Array::from(vec![i64::MIN; batch.num_rows()])) as ArrayRef;
        let mut columns = vec![("_t", times), ("_f", met_at("_a").unwrap_or_else(none))];
        let other = (self.told[&stream].len() == 2).then(|| 1 - port);
        columns.extend(other.and_then(|other| Some(("_x", met_by("_a", other)?))));
        if let Some(met) = met_at("_d") {
            let step = |number: i64| self.steps.get(number as usize).map_or(NEVER, |s| *s as i64);
            for (name, of) in [("_step", "_a"), ("_stop", "_d")] {
                let numbers = batch.column_by_name(of).expect("a history has numbers");
                let steps: Int64Array = numbers.as_primitive::<Int64Type>().unary(step);
                columns.push((name, Arc::new(steps)));
            }
            columns.push(("_g", met));
        }
        Ok(with_columns(batch, columns))
    }

    fn register(&self, name: &str, batch: RecordBatch) -> Result<(), String> {
        let failed = |error: datafusion::error::DataFusionError| error.to_string();
        self.context.deregister_table(name).map_err(failed)?;
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).map_err(failed)?;
        self.context.register_table(name, Arc::new(table)).map_err(failed)?;
        Ok(())
    }

    fn query(&self, sql: &str) -> Result<RecordBatch, String> {
        let answer = self.runtime.block_on(async {
            let frame = self.context.sql(sql).await?;
            let schema = Arc::new(frame.schema().as_arrow().clone());
            Ok((schema, frame.collect().await?))
        });
        let failed = |error: &dyn std::fmt::Display| format!("the oracle: {sql}\n{error}");
        let (schema, batches) =
            answer.map_err(|error: datafusion::error::DataFusionError| failed(&error))?;
        let schema = batches.first().map_or(schema, RecordBatch::schema);
        concat_batches(&schema, &batches).map_err(|error| failed(&error))
    }
}

/// The rows whose number in a column is not smaller.
fn from_number(batch: &RecordBatch, column: &str, least: i64) -> RecordBatch {
    let numbers = batch.column_by_name(column).expect("the rows are numbered");
    let numbers = numbers.as_primitive::<Int64Type>().values();
    let is_new: Vec<bool> = numbers.iter().map(|number| *number >= least).collect();
    filter_record_batch(batch, &BooleanArray::from(is_new)).expect("a flag for each row")
}

/// The columns that are no help for the oracle.
fn visible(batch: &RecordBatch) -> RecordBatch {
    let schema = batch.schema();
    let columns: Vec<usize> = (0..schema.fields().len())
        .filter(|column| !schema.field(*column).name().starts_with('_'))
        .collect();
    batch.project(&columns).expect("columns of its own")
}

fn with_columns(batch: &RecordBatch, more: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let schema = batch.schema();
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let columns = names.zip(batch.columns().iter().cloned()).chain(more);
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
        .expect("columns of one length")
}

/// The content of a stream as an input of another: without what came before, where rows are only
/// added.
fn seen(relation: &Relation, content: &RecordBatch, beginning: &Beginning) -> RecordBatch {
    if relation.nature == Nature::Updating || beginning.is_filled {
        return content.clone();
    }
    if relation.arrives {
        return from_number(content, "_a", beginning.arrival);
    }
    let Some(before) = beginning.contents.get(&relation.name) else { return content.clone() };
    let mut seen: BTreeMap<value::Row, usize> = BTreeMap::new();
    for row in rows(std::slice::from_ref(before)) {
        *seen.entry(row).or_default() += 1;
    }
    let is_new = rows(std::slice::from_ref(content)).into_iter().map(|row| {
        match seen.get_mut(&row).filter(|count| **count > 0) {
            Some(count) => {
                *count -= 1;
                false
            }
            None => true,
        }
    });
    let is_new = BooleanArray::from(is_new.collect::<Vec<bool>>());
    filter_record_batch(content, &is_new).expect("a flag for each row")
}

impl Datum {
    /// Equality as conditions of tables are written: NULL by `IS NULL`.
    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (a, b) => a == b,
        }
    }
}
