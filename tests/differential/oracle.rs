//! Answers a [`Case`] from the definitions alone.
//!
//! It keeps what arrived at each source, with the frontier that each row met, and the rows of each
//! table; a stream's content is its query, in the oracle's dialect, run by DataFusion's batch engine
//! over its own input: what its updating inputs hold, and what its append-only inputs got since its
//! creation. Late rows are recognised by their frontier (`_f`) and their time (`_t`); the order of
//! arrival is `_a`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use datafusion::catalog::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::runtime::{Builder, Runtime};

use super::case::{Case, Change, Step};
use super::data::{self, Datum, Row};
use super::expression::Dialect;
use super::query::{Nature, Relation};
use crate::support::value::{self, rows};

/// The content that a stream should have at a check.
#[derive(Debug)]
pub struct Expected {
    pub step: usize,
    pub stream: usize,
    pub rows: Vec<value::Row>,
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
            Step::Start => oracle.started = true,
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
            Step::Change { input, change } => oracle.change(*input, change),
            Step::Check if oracle.started => {
                for (stream, content) in oracle.contents()? {
                    let rows = value::sorted(&[content]);
                    expected.push(Expected { step: index, stream, rows });
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
    /// What arrived, with the frontier it met; of a table, what it holds.
    arrived: Vec<Vec<(Row, i64)>>,
    clocks: Vec<Clock>,
    started: bool,
    streams: BTreeMap<usize, Beginning>,
}

/// What a stream does not see of its append-only inputs.
struct Beginning {
    /// Of each input of the case, how many rows came before.
    arrived: Vec<usize>,
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
            clocks: case.inputs.iter().map(|input| Clock::new(input.delay())).collect(),
            started: false,
            streams: BTreeMap::new(),
        }
    }

    fn push(&mut self, input: usize, producer: usize, rows: &[Row]) {
        for row in rows {
            let met = self.clocks[input].frontier();
            self.arrived[input].push((row.clone(), met));
            self.clocks[input].see(producer, row[0].int().unwrap_or(i64::MIN));
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
            arrived: self.arrived.iter().map(Vec::len).collect(),
            is_filled: self.case.streams[stream].is_view,
            contents: HashMap::new(),
        };
        if !beginning.is_filled && self.started {
            let contents = self.contents()?;
            beginning.contents = contents
                .into_iter()
                .map(|(s, rows)| (self.case.streams[s].name.clone(), rows))
                .collect();
        }
        self.streams.insert(stream, beginning);
        Ok(())
    }

    /// The content of every stream, in the order of their creation.
    fn contents(&self) -> Result<Vec<(usize, RecordBatch)>, String> {
        let mut contents: HashMap<&str, RecordBatch> = HashMap::new();
        let mut all = Vec::new();
        for (stream, beginning) in &self.streams {
            let stream_of = &self.case.streams[*stream];
            let mut frontier = i64::MIN;
            for relation in stream_of.query.inputs() {
                let batch = match self.case.inputs.iter().position(|i| i.name == relation.name) {
                    Some(input) => {
                        frontier = self.clocks[input].reached;
                        self.rows_of(input, beginning)
                    }
                    None => since(relation, &contents, beginning),
                };
                self.register(&relation.name, batch)?;
            }
            let content = self.query(&stream_of.query.sql(Dialect::Oracle, frontier))?;
            contents.insert(&stream_of.name, content.clone());
            all.push((*stream, content));
        }
        Ok(all)
    }

    fn rows_of(&self, input: usize, beginning: &Beginning) -> RecordBatch {
        let of = &self.case.inputs[input];
        let before = beginning.arrived[input];
        let skipped = if of.is_table() || beginning.is_filled { 0 } else { before };
        let arrived = &self.arrived[input][skipped..];
        let rows: Vec<Row> = arrived.iter().map(|(row, _)| row.clone()).collect();
        let batch = data::batch(&of.columns, &rows);
        if of.is_table() {
            return batch;
        }
        let column = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
        let times = rows.iter().map(|row| row[0].int().unwrap_or(0)).collect();
        let met = |(index, (_, frontier)): (usize, &(Row, i64))| {
            if skipped + index < before { i64::MIN } else { *frontier }
        };
        let frontiers = arrived.iter().enumerate().map(met).collect();
        let names = batch.schema().fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
        let columns = names.into_iter().zip(batch.columns().to_vec()).chain([
            ("_t".to_string(), column(times)),
            ("_f".to_string(), column(frontiers)),
            ("_a".to_string(), column((0..rows.len() as i64).collect())),
        ]);
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
            .expect("columns of one length")
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

/// The content of a stream as an input of another: without what came before, where rows are only
/// added.
fn since(
    relation: &Relation,
    contents: &HashMap<&str, RecordBatch>,
    beginning: &Beginning,
) -> RecordBatch {
    let content = contents[relation.name.as_str()].clone();
    let Some(before) =
        beginning.contents.get(&relation.name).filter(|_| relation.nature == Nature::AppendOnly)
    else {
        return content;
    };
    let mut seen: BTreeMap<value::Row, usize> = BTreeMap::new();
    for row in rows(std::slice::from_ref(before)) {
        *seen.entry(row).or_default() += 1;
    }
    let is_new = rows(std::slice::from_ref(&content)).into_iter().map(|row| {
        match seen.get_mut(&row).filter(|count| **count > 0) {
            Some(count) => {
                *count -= 1;
                false
            }
            None => true,
        }
    });
    let is_new = BooleanArray::from(is_new.collect::<Vec<bool>>());
    filter_record_batch(&content, &is_new).expect("a flag for each row")
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
/// database's own producer, 0, counts once it sent a row of a declared event time.
struct Clock {
    delay: Option<i64>,
    /// The largest time and the promise of each, exclusive.
    producers: BTreeMap<usize, (Option<i64>, Option<i64>)>,
    /// The frontier, exclusive; `i64::MIN` before the first.
    reached: i64,
}

impl Clock {
    fn new(delay: Option<i64>) -> Self {
        Self { delay, producers: BTreeMap::new(), reached: i64::MIN }
    }

    fn open(&mut self, producer: usize) {
        self.producers.insert(producer, (None, None));
    }

    fn close(&mut self, producer: usize) {
        self.producers.remove(&producer);
    }

    fn see(&mut self, producer: usize, time: i64) {
        let Some(delay) = self.delay else { return };
        let (largest, _) = self.producers.entry(producer).or_default();
        *largest = (*largest).max(Some(time - delay + 1));
        self.frontier();
    }

    fn promise(&mut self, producer: usize, ts_ms: i64) {
        if let Some((_, promise)) = self.producers.get_mut(&producer) {
            *promise = (*promise).max(Some(ts_ms + 1));
        }
        self.frontier();
    }

    /// The frontier that a row meets now.
    fn frontier(&mut self) -> i64 {
        let least = self.producers.values().map(|(largest, promise)| *largest.max(promise)).min();
        if let Some(Some(least)) = least {
            self.reached = self.reached.max(least);
        }
        self.reached
    }
}
