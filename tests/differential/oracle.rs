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
use super::data::{self, Datum, Row};
use super::query::{Nature, Query, Relation};
use super::schema::Input;
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
            Step::Open { input, producer } => oracle.clocks[*input].open(*producer),
            Step::Close { input, producer } => oracle.clocks[*input].close(*producer),
            Step::Watermark { input, producer, ts_ms } => {
                oracle.clocks[*input].promise(*producer, *ts_ms);
            }
            Step::Push { input, producer, rows, .. } => oracle.push(*input, *producer, rows),
            Step::End { input, producer } => oracle.clocks[*input].end(*producer),
            Step::Clock { by_ms } => oracle.advance_clock(*by_ms),
            Step::Subscribe(_) => {}
            Step::Change { input, change } => oracle.change(*input, change),
            Step::Check if oracle.started => {
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
    /// What arrived, with its number; of a table, what it holds.
    arrived: Vec<Vec<(Row, i64)>>,
    /// By the number of a row: how far each source had come before it.
    met: Vec<Vec<i64>>,
    clocks: Vec<Clock>,
    started: bool,
    streams: BTreeMap<usize, Beginning>,
}

/// What a stream does not see of its append-only inputs.
struct Beginning {
    /// The rows that came before, of all inputs, have smaller numbers.
    arrival: i64,
    /// Whether it begins with them: as one step, in which no row is late.
    is_filled: bool,
    /// Of each stream, its rows before.
    contents: HashMap<String, RecordBatch>,
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
            arrived: vec![Vec::new(); case.inputs.len()],
            met: Vec::new(),
            clocks: case.inputs.iter().map(Clock::new).collect(),
            started: false,
            streams: BTreeMap::new(),
        }
    }

    fn start(&mut self) {
        self.started = true;
        self.clocks.iter_mut().for_each(Clock::see_all);
    }

    fn advance_clock(&mut self, by_ms: i64) {
        for clock in &mut self.clocks {
            clock.advance(by_ms, self.started);
        }
    }

    fn push(&mut self, input: usize, producer: usize, rows: &[Row]) {
        self.clocks[input].hear_of(producer);
        for row in rows {
            self.clocks[input].settle();
            let met = self.clocks.iter().map(|clock| clock.reached).collect();
            self.arrived[input].push((row.clone(), self.met.len() as i64));
            self.met.push(met);
            if let Some(time) = row[0].int() {
                self.clocks[input].see(producer, time);
            }
        }
    }

    fn change(&mut self, input: usize, change: &Change) {
        let has_key = self.case.inputs[input].has_key();
        let held = &mut self.arrived[input];
        match change {
            Change::Insert(rows) => {
                for row in rows {
                    if has_key {
                        held.retain(|(other, _)| other[0] != row[0]);
                    }
                    held.push((row.clone(), i64::MIN));
                }
            }
            Change::Delete { column, value } => held.retain(|(row, _)| !row[*column].equals(value)),
            Change::Update { set, to, column, value } => {
                for (row, _) in held.iter_mut().filter(|(row, _)| row[*column].equals(value)) {
                    row[*set] = to.clone();
                }
            }
        }
    }

    fn create(&mut self, stream: usize) -> Result<(), String> {
        let mut beginning = Beginning {
            arrival: self.met.len() as i64,
            is_filled: self.case.streams[stream].is_view,
            contents: HashMap::new(),
        };
        if !beginning.is_filled {
            let contents = self.contents()?;
            beginning.contents = contents
                .into_iter()
                .map(|(s, rows, _)| (self.case.streams[s].name.clone(), rows))
                .collect();
        }
        self.streams.insert(stream, beginning);
        Ok(())
    }

    /// The content of every stream, in the order of their creation, and the late rows of those that
    /// hand them on.
    fn contents(&self) -> Result<Vec<(usize, RecordBatch, Option<RecordBatch>)>, String> {
        let mut contents: HashMap<&str, RecordBatch> = HashMap::new();
        let mut all = Vec::new();
        for (stream, beginning) in &self.streams {
            let Stream { name, query, has_late_sink, .. } = &self.case.streams[*stream];
            for relation in query.inputs() {
                let batch = match self.input(relation) {
                    Some(input) => self.rows_of(input, beginning),
                    None => since(relation, &contents[relation.name.as_str()], beginning),
                };
                self.register(&relation.name, self.timed(relation, &batch, beginning)?)?;
            }
            let ask = |sql: &str| self.query(sql).map(|batch| rows(&[batch]));
            if let Some(taken) = query.taken(&ask)? {
                let taken: ArrayRef = Arc::new(Int64Array::from(taken));
                let batch = RecordBatch::try_from_iter([("_arrival", taken)]);
                self.register("_taken", batch.map_err(|error| error.to_string())?)?;
            }
            let content = self.query(&query.oracle(&self.frontiers(query)))?;
            contents.insert(name, content.clone());
            let late = query.late().filter(|_| *has_late_sink);
            all.push((*stream, content, late.map(|sql| self.query(&sql)).transpose()?));
        }
        Ok(all)
    }

    /// The input that a relation is.
    fn input(&self, relation: &Relation) -> Option<usize> {
        self.case.inputs.iter().position(|input| input.name == relation.name)
    }

    /// How far the event times of a query's inputs have come.
    fn frontiers(&self, query: &Query) -> Vec<i64> {
        let reached = |relation: &Relation| {
            let Some(time) = relation.time else { return i64::MIN };
            if let Some(input) = self.input(relation) {
                return self.clocks[input].reached;
            }
            let stream = self.case.streams.iter().find(|stream| stream.name == relation.name);
            let query = &stream.expect("a relation is an input or a stream").query;
            query.frontier(time.column, &self.frontiers(query))
        };
        query.inputs().into_iter().map(reached).collect()
    }

    /// The rows of an input that a stream sees; of a source with their numbers.
    fn rows_of(&self, input: usize, beginning: &Beginning) -> RecordBatch {
        let of = &self.case.inputs[input];
        let is_seen =
            |row: &&(Row, i64)| of.is_table() || beginning.is_filled || row.1 >= beginning.arrival;
        let (rows, arrivals): (Vec<Row>, Vec<i64>) =
            self.arrived[input].iter().filter(is_seen).cloned().unzip();
        let batch = data::batch(&of.columns, &rows);
        match of.is_table() {
            true => batch,
            false => with_columns(&batch, vec![("_a", Arc::new(Int64Array::from(arrivals)))]),
        }
    }

    /// A relation's rows with their event times and the frontiers that they met.
    fn timed(
        &self,
        relation: &Relation,
        batch: &RecordBatch,
        beginning: &Beginning,
    ) -> Result<RecordBatch, String> {
        let Some(time) = relation.time else { return Ok(batch.clone()) };
        let times = cast(batch.column(time.column), &DataType::Int64);
        let times = times.map_err(|error| error.to_string())?;
        let met = |arrival: i64| {
            let met = relation.sources.iter().map(|source| self.met[arrival as usize][*source]);
            match arrival < beginning.arrival {
                true => i64::MIN,
                false => met.min().unwrap_or(i64::MIN),
            }
        };
        let met: Int64Array = match batch.column_by_name("_a").filter(|_| relation.arrives) {
            Some(arrivals) => arrivals.as_primitive::<Int64Type>().unary(met),
            None => Int64Array::from(vec![i64::MIN; batch.num_rows()]),
        };
        Ok(with_columns(batch, vec![("_t", times), ("_f", Arc::new(met))]))
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
fn since(relation: &Relation, content: &RecordBatch, beginning: &Beginning) -> RecordBatch {
    if relation.nature == Nature::Updating || beginning.is_filled {
        return content.clone();
    }
    if let Some(arrivals) = content.column_by_name("_a").filter(|_| relation.arrives) {
        let arrivals = arrivals.as_primitive::<Int64Type>().values();
        let is_new = arrivals.iter().map(|arrival| *arrival >= beginning.arrival);
        let is_new = BooleanArray::from(is_new.collect::<Vec<bool>>());
        return filter_record_batch(content, &is_new).expect("a flag for each row");
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

/// How far the event time of a source has come, by the definition: the least of what its open
/// producers promise, each the larger of its largest time less the delay and its own word. The
/// database's own producer, 0, counts once it sent a row of a declared event time, and not when all
/// others have said their end. A producer that was silent for too long is left out.
struct Clock {
    delay: Option<i64>,
    idle_timeout_ms: Option<i64>,
    producers: BTreeMap<usize, Producer>,
    now_ms: i64,
    /// The frontier, exclusive; `i64::MIN` before the first.
    reached: i64,
}

#[derive(Default)]
struct Producer {
    /// The largest time less the delay, and the promise, both exclusive.
    largest: Option<i64>,
    promise: Option<i64>,
    /// When it was heard of.
    seen_ms: i64,
    is_idle: bool,
}

impl Clock {
    fn new(input: &Input) -> Self {
        Self {
            delay: input.delay(),
            idle_timeout_ms: input.idle_timeout_ms,
            producers: BTreeMap::new(),
            now_ms: 0,
            reached: i64::MIN,
        }
    }

    fn open(&mut self, producer: usize) {
        let seen_ms = self.now_ms;
        self.producers.insert(producer, Producer { seen_ms, ..Producer::default() });
    }

    fn close(&mut self, producer: usize) {
        self.producers.remove(&producer);
    }

    fn hear_of(&mut self, producer: usize) {
        let now_ms = self.now_ms;
        if let Some(producer) = self.producers.get_mut(&producer) {
            (producer.seen_ms, producer.is_idle) = (now_ms, false);
        }
    }

    fn see_all(&mut self) {
        let now_ms = self.now_ms;
        for producer in self.producers.values_mut() {
            (producer.seen_ms, producer.is_idle) = (now_ms, false);
        }
    }

    fn advance(&mut self, by_ms: i64, started: bool) {
        self.now_ms += by_ms;
        let Some(timeout_ms) = self.idle_timeout_ms.filter(|_| started) else { return };
        for producer in self.producers.values_mut() {
            producer.is_idle |= producer.seen_ms + timeout_ms <= self.now_ms;
        }
        self.settle();
    }

    fn see(&mut self, producer: usize, time: i64) {
        let Some(delay) = self.delay else { return };
        let seen_ms = self.now_ms;
        let producer =
            self.producers.entry(producer).or_insert(Producer { seen_ms, ..Producer::default() });
        producer.largest = producer.largest.max(Some(time - delay + 1));
        self.settle();
    }

    fn promise(&mut self, producer: usize, ts_ms: i64) {
        self.hear_of(producer);
        if let Some(producer) = self.producers.get_mut(&producer) {
            producer.promise = producer.promise.max(Some(ts_ms + 1));
        }
        self.settle();
    }

    fn end(&mut self, producer: usize) {
        self.promise(producer, i64::MAX - 1);
    }

    fn settle(&mut self) {
        let mut handles = self.producers.iter().filter(|(id, _)| **id != 0).peekable();
        let ended = handles.peek().is_some()
            && handles.all(|(_, producer)| producer.promise == Some(i64::MAX));
        let counted = self
            .producers
            .iter()
            .filter(|(id, producer)| !producer.is_idle && (!ended || **id != 0));
        let least = counted.map(|(_, producer)| producer.largest.max(producer.promise)).min();
        if let Some(Some(least)) = least {
            self.reached = self.reached.max(least);
        }
    }
}
