//! Runs a [`Case`] on the engine and notes what it answered, judging only what needs no oracle: that
//! a changelog adds up to the content.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use arrow::array::RecordBatch;
use laminar_db::{
    Config, Epoch, Error, ErrorKind, ExecuteResult, LaminarDB, Polled, SubscribeOptions,
    UntypedSource, UntypedSubscription, Weights,
};

use super::case::{Case, Step};
use super::data;
use super::query::{EVERY_MS, Emit, Nature};
use crate::support::value::{Row, Value, rows};

/// What the engine answered.
#[derive(Debug, Default)]
pub struct Observed {
    /// What it does not know yet: the name of an input or stream, and why.
    pub unsupported: BTreeMap<String, String>,
    pub contents: Vec<Content>,
    /// What each subscription told, batch for batch.
    pub told: Vec<Told>,
}

/// What a subscription told.
#[derive(Debug)]
pub struct Told {
    pub stream: usize,
    pub batches: Vec<ToldBatch>,
}

/// A batch of a subscription, with its epoch and its weights.
pub type ToldBatch = (Epoch, RecordBatch, Option<Weights>);

/// The content of a stream at a check.
#[derive(Debug)]
pub struct Content {
    pub step: usize,
    pub stream: usize,
    pub rows: Vec<Row>,
    /// Its late rows, where they are a sink.
    pub late: Option<Vec<Row>>,
    /// How often each value of the first column is there, by an ad-hoc query, at the end.
    pub counts: Option<Vec<Row>>,
}

/// What the clock shows at the beginning.
pub const NOW_MS: i64 = 0;

struct Driver<'a> {
    case: &'a Case,
    db: LaminarDB,
    producers: HashMap<usize, UntypedSource>,
    /// The streams that there are, with their subscriptions.
    changelogs: BTreeMap<usize, Vec<Changelog>>,
    started: bool,
    observed: Observed,
}

/// Runs a case.
pub fn run(case: &Case) -> Result<Observed, String> {
    run_with(case, case.workers)
}

/// Runs a case with so many workers, which get every step however few rows it has.
pub fn run_with(case: &Case, workers: usize) -> Result<Observed, String> {
    let config = Config { workers, worker_min_rows: 0, ..Config::default() };
    let mut driver = Driver {
        case,
        db: LaminarDB::open_with_clock_at(config, NOW_MS).map_err(text)?,
        producers: HashMap::new(),
        changelogs: BTreeMap::new(),
        started: false,
        observed: Observed::default(),
    };
    for input in &case.inputs {
        driver.define(&input.name, &input.create())?;
    }
    for (index, step) in case.steps.iter().enumerate() {
        driver.run(index, step).map_err(|error| format!("step {index}: {error}"))?;
    }
    for (stream, changelogs) in driver.changelogs {
        let told = changelogs.into_iter().map(|of| Told { stream, batches: of.told });
        driver.observed.told.extend(told);
    }
    Ok(driver.observed)
}

impl Driver<'_> {
    /// Runs a definition; whether the engine knows it.
    fn define(&mut self, name: &str, sql: &str) -> Result<bool, String> {
        match self.db.execute_blocking(sql) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                self.observed.unsupported.insert(name.to_string(), error.message().to_string());
                Ok(false)
            }
            Err(error) => Err(format!("{sql}\n{error}")),
        }
    }

    fn is_there(&self, input: usize) -> bool {
        !self.observed.unsupported.contains_key(&self.case.inputs[input].name)
    }

    fn run(&mut self, index: usize, step: &Step) -> Result<(), String> {
        match step {
            Step::Start => {
                self.db.start_blocking().map_err(text)?;
                self.started = true;
            }
            Step::Create(stream) => self.create(*stream)?,
            Step::Drop(stream) => self.drop(*stream)?,
            Step::Open { input, producer } => {
                let source =
                    self.db.source_untyped(&self.case.inputs[*input].name).map_err(text)?;
                self.producers.insert(*producer, source);
            }
            Step::Close { producer, .. } => {
                self.producers.remove(producer);
            }
            Step::Watermark { producer, ts_ms, .. } => {
                if let Some(producer) = self.producers.get(producer) {
                    producer.watermark(*ts_ms).map_err(text)?;
                }
            }
            Step::Push { input, producer, rows, batch_rows } => {
                let input = &self.case.inputs[*input];
                for rows in rows.chunks(*batch_rows) {
                    let batch = data::batch(input.pushed(), rows);
                    match self.producers.get(producer) {
                        Some(producer) => producer.push_arrow(batch),
                        None => self.db.insert(&input.name, vec![batch]),
                    }
                    .map_err(text)?;
                }
            }
            Step::Change { input, change } if self.is_there(*input) => {
                let sql = change.sql(&self.case.inputs[*input]);
                self.db.execute_blocking(&sql).map_err(|error| format!("{sql}\n{error}"))?;
            }
            Step::Change { .. } => {}
            Step::End { producer, .. } => {
                if let Some(producer) = self.producers.get(producer) {
                    producer.end_of_input().map_err(text)?;
                }
            }
            Step::Clock { by_ms } => {
                let by = Duration::from_millis(by_ms.unsigned_abs());
                self.db.advance_clock(by).map_err(text)?;
            }
            Step::Subscribe(stream) => self.subscribe(*stream)?,
            Step::Check if self.started => self.check(index)?,
            Step::Check => {}
        }
        Ok(())
    }

    fn create(&mut self, index: usize) -> Result<(), String> {
        let stream = &self.case.streams[index];
        let unknown = |name: &String| self.observed.unsupported.contains_key(name);
        if stream.query.inputs().iter().any(|input| unknown(&input.name)) {
            let why = "it reads what is not there".to_string();
            self.observed.unsupported.insert(stream.name.clone(), why);
            return Ok(());
        }
        if !self.define(&stream.name, &stream.create())? {
            return Ok(());
        }
        self.changelogs.insert(index, Vec::new());
        self.subscribe(index)
    }

    fn drop(&mut self, index: usize) -> Result<(), String> {
        if self.changelogs.remove(&index).is_some() {
            self.db.execute_blocking(&self.case.streams[index].drop()).map_err(text)?;
        }
        Ok(())
    }

    fn subscribe(&mut self, index: usize) -> Result<(), String> {
        let stream = &self.case.streams[index];
        let Some(changelogs) = self.changelogs.get_mut(&index) else { return Ok(()) };
        let options = SubscribeOptions { snapshot: Some(true), ..SubscribeOptions::default() };
        let subscription = self.db.subscribe_with(&stream.name, options).map_err(text)?;
        let is_weighted = subscription.schema().column_with_name("_weight").is_some();
        let is_append_only = stream.query.gives().nature == Some(Nature::AppendOnly);
        let form = match stream.query.replaced_by() {
            _ if stream.query.forgets_content() => Form::Incomplete,
            _ if is_weighted => Form::Weighted,
            _ if is_append_only => Form::Added,
            Some(key) if stream.emit == Emit::Update => Form::Replaced(key),
            _ => Form::Incomplete,
        };
        changelogs.push(Changelog::new(subscription, form));
        Ok(())
    }

    fn check(&mut self, step: usize) -> Result<(), String> {
        if self.case.ticks_at_checks() {
            self.db.advance_clock(Duration::from_millis(EVERY_MS)).map_err(text)?;
        }
        let is_last = step + 1 == self.case.steps.len();
        for (stream, changelogs) in &mut self.changelogs {
            let name = &self.case.streams[*stream].name;
            let mut content = answer(&self.db, &format!("SELECT * FROM {name}"))?;
            content.sort();
            for changelog in changelogs {
                changelog.drain().map_err(|error| format!("the changes of {name}: {error}"))?;
                let added_up = changelog.content();
                if changelog.form != Form::Incomplete && added_up != content {
                    return Err(format!(
                        "the changes of {name} add up to\n{added_up:?}\nand its content \
                         is\n{content:?}"
                    ));
                }
            }
            let counts = match is_last {
                true => {
                    let sql = format!("SELECT o0, count(*) FROM {name} GROUP BY o0");
                    Some(answer(&self.db, &sql)?)
                }
                false => None,
            };
            let sink = self.case.streams[*stream].late_sink();
            let late = sink.map(|sink| answer(&self.db, &format!("SELECT * FROM {sink}")));
            let (late, rows) = (late.transpose()?, content);
            self.observed.contents.push(Content { step, stream: *stream, rows, late, counts });
        }
        Ok(())
    }
}

impl super::case::Stream {
    fn kind(&self) -> &'static str {
        if self.is_view { "MATERIALIZED VIEW" } else { "STREAM" }
    }

    /// The statement that drops it.
    pub fn drop(&self) -> String {
        format!("DROP {} {}", self.kind(), self.name)
    }

    /// The statement that creates it.
    pub fn create(&self) -> String {
        let word = self.kind();
        let (emit, suffix) = (self.emit.sql(), self.query.suffix());
        let late = self.late_sink().map_or(String::new(), |sink| format!(" LATE DATA TO {sink}"));
        let options = self.query.options();
        let options = options.map_or(String::new(), |options| format!(" WITH ({options})"));
        format!(
            "CREATE {word} {}{options} AS {}{emit}{suffix}{late}",
            self.name,
            self.query.engine()
        )
    }
}

fn answer(db: &LaminarDB, sql: &str) -> Result<Vec<Row>, String> {
    let failed = |error: Error| format!("{sql}\n{error}");
    let ExecuteResult::Rows(mut query) = db.execute_blocking(sql).map_err(failed)? else {
        return Err(format!("{sql} answered no rows"));
    };
    let mut batches = Vec::new();
    while let Some(batch) = query.next_blocking().map_err(failed)? {
        batches.push(batch);
    }
    Ok(rows(&batches))
}

/// The changes that a subscription told, added up.
struct Changelog {
    subscription: UntypedSubscription,
    rows: BTreeMap<Row, i64>,
    /// Where rows replace others: the row of each key.
    replaced: BTreeMap<Row, Row>,
    epoch: Epoch,
    form: Form,
    told: Vec<ToldBatch>,
}

/// What a subscription tells.
#[derive(Debug, PartialEq, Eq)]
enum Form {
    /// All changes, with weights.
    Weighted,
    /// The rows of a relation of which none ceases.
    Added,
    /// The rows of a relation in which one replaces another with the same values in these columns.
    Replaced(Vec<usize>),
    /// New rows, and not which ones cease.
    Incomplete,
}

impl Changelog {
    fn new(subscription: UntypedSubscription, form: Form) -> Self {
        let (rows, replaced) = (BTreeMap::new(), BTreeMap::new());
        Self { subscription, rows, replaced, epoch: 0, form, told: Vec::new() }
    }

    fn drain(&mut self) -> Result<(), String> {
        loop {
            match self.subscription.poll(Some(Duration::ZERO)).map_err(text)? {
                Polled::Batch(change) => {
                    if change.epoch < self.epoch {
                        return Err(format!("epoch {} after {}", change.epoch, self.epoch));
                    }
                    self.epoch = change.epoch;
                    self.told.push((change.epoch, change.batch.clone(), change.weights));
                    self.apply(rows(&[change.batch]))?;
                }
                Polled::Empty => return Ok(()),
                other => return Err(format!("a poll answered {other:?}")),
            }
        }
    }

    fn apply(&mut self, rows: Vec<Row>) -> Result<(), String> {
        if let Form::Replaced(key) = &self.form {
            for row in rows {
                self.replaced.insert(key.iter().map(|at| row[*at].clone()).collect(), row);
            }
            return Ok(());
        }
        let mut net: BTreeMap<Row, i64> = BTreeMap::new();
        let mut inserted = false;
        for mut row in rows {
            let weight =
                if self.form == Form::Weighted { row.pop().map_or(0, |w| w.int()) } else { 1 };
            if weight < 0 && inserted {
                return Err(format!("{row:?} is taken back after a row that is new"));
            }
            inserted |= weight > 0;
            if let Some(other) = net.insert(row.clone(), weight)
                && other.signum() != weight.signum()
            {
                return Err(format!("{row:?} comes and goes in one epoch"));
            }
            let count = self.rows.entry(row.clone()).or_default();
            *count += weight;
            if *count < 0 || weight == 0 {
                return Err(format!("{row:?} changes by {weight}, to {count}"));
            }
            if *count == 0 {
                self.rows.remove(&row);
            }
        }
        Ok(())
    }

    fn content(&self) -> Vec<Row> {
        if matches!(self.form, Form::Replaced(_)) {
            let mut rows: Vec<Row> = self.replaced.values().cloned().collect();
            rows.sort();
            return rows;
        }
        let rows = self.rows.iter();
        rows.flat_map(|(row, count)| vec![row.clone(); *count as usize]).collect()
    }
}

fn text(error: Error) -> String {
    error.to_string()
}

/// The value of a row's first column, and how often it is there.
pub fn counts(rows: &[Row]) -> Vec<Row> {
    let mut counts: BTreeMap<Value, i64> = BTreeMap::new();
    for row in rows {
        *counts.entry(row[0].clone()).or_default() += 1;
    }
    counts.into_iter().map(|(value, count)| vec![value, Value::Int(count)]).collect()
}
