//! [`Board`]: what can be asked of a database without the executor's token.
//!
//! Counters are written by whoever holds the token, one after the other, and read by anyone: a
//! plain load and store each, no locked instruction. Gauges (bytes of state, rows retained,
//! watermarks of streams) need a walk through the state and are brought up to date on request:
//! whoever asks does so itself if nobody holds the token, and otherwise leaves a note that the
//! holder sees at the end of its epoch. So asking neither waits nor holds anybody up.
//!
//! Invariant: the maps are changed under the token, together with what they list; their locks are
//! held for single operations and never while anything else is waited for.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use arrow::datatypes::DataType;
use laminar_dataflow::{Metrics, Work};
use laminar_sql::host_functions::{AggregateFunction, ScalarFunction};

use crate::admission::Admission;
use crate::engine::{SourceId, StreamKind};
use crate::log::Log;
use crate::query::QueryCanceller;
use crate::ring::Ring;
use crate::source::Rules;

/// A number that the token's holder changes and anyone reads.
#[derive(Debug, Default)]
pub(crate) struct Meter(AtomicU64);

impl Meter {
    /// Adds; only under the token.
    pub(crate) fn add(&self, count: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    /// One that stands where this one does.
    pub(crate) fn at(&self) -> Self {
        let copy = Self::default();
        copy.set(self.get());
        copy
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A time in milliseconds, or none yet.
#[derive(Debug)]
pub(crate) struct TimeMeter(AtomicI64);

impl Default for TimeMeter {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl TimeMeter {
    pub(crate) fn set(&self, value: Option<i64>) {
        self.0.store(value.unwrap_or(i64::MIN), Relaxed);
    }

    pub(crate) fn get(&self) -> Option<i64> {
        Some(self.0.load(Relaxed)).filter(|value| *value != i64::MIN)
    }
}

/// What kind of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputKind {
    Source,
    Table,
    LookupTable,
}

/// A source or table.
#[derive(Debug)]
pub(crate) struct SourceEntry {
    pub(crate) id: SourceId,
    pub(crate) kind: InputKind,
    pub(crate) sql: String,
    pub(crate) watermark_column: Option<String>,
    /// The columns of the primary key.
    pub(crate) key: Vec<String>,
    pub(crate) rules: Arc<Rules>,
    /// Rows that came in, since its creation.
    pub(crate) total_rows: Meter,
    /// Batches that came in.
    pub(crate) batches: Meter,
    /// Rows that streams will not see, as they waited too long for the start.
    pub(crate) missed_rows: Meter,
    /// Gauges.
    pub(crate) watermark_ms: TimeMeter,
    pub(crate) retained_rows: Meter,
    pub(crate) dropped_rows: Meter,
    pub(crate) state_bytes: Meter,
}

/// A stream, a view, the late rows of a stream, or the stream behind a subscription to a query.
#[derive(Debug, Default)]
pub(crate) struct StreamEntry {
    /// Empty for the stream behind a subscription to a query.
    pub(crate) name: String,
    pub(crate) sql: String,
    pub(crate) emit: String,
    pub(crate) kind: StreamKind,
    pub(crate) late_of: Option<String>,
    pub(crate) reads: Vec<String>,
    /// What whoever made it should know, one sentence each.
    pub(crate) warnings: Vec<String>,
    /// Rows that its result changed by.
    pub(crate) total_rows: Meter,
    /// Epochs that changed it.
    pub(crate) batches: Meter,
    /// Rows left out because an expression failed on them.
    pub(crate) dead_letters: Meter,
    /// Whether the log has been told of late rows.
    pub(crate) told_late: AtomicBool,
    /// Why it stopped.
    pub(crate) failure: OnceLock<String>,
    /// Gauges.
    pub(crate) watermark_ms: TimeMeter,
    pub(crate) late_rows: Meter,
    pub(crate) retained_rows: Meter,
    pub(crate) state_bytes: Meter,
    pub(crate) operators: Mutex<Vec<OperatorEntry>>,
}

/// An operator of a stream, or one of its partitions, as it was when the gauges were read.
#[derive(Debug, Clone)]
pub(crate) struct OperatorEntry {
    /// Its place among those of the stream.
    pub(crate) number: u64,
    pub(crate) label: String,
    /// The partition, where it is not the whole operator.
    pub(crate) partition: Option<u64>,
    pub(crate) work: Work,
    pub(crate) metrics: Metrics,
    /// The other streams that use it, if there are any.
    pub(crate) shared_with: Option<String>,
}

/// A subscription.
#[derive(Debug, Clone)]
pub(crate) struct SubscriptionEntry {
    pub(crate) begun: Instant,
    pub(crate) stream: Arc<StreamEntry>,
    pub(crate) ring: Weak<Ring>,
}

/// A function of the host.
#[derive(Debug, Clone)]
pub(crate) struct FunctionEntry {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) arguments: String,
    pub(crate) result: String,
    /// For a scalar function.
    pub(crate) volatility: Option<String>,
    /// For an aggregate function.
    pub(crate) retractable: Option<bool>,
}

impl FunctionEntry {
    pub(crate) fn of_scalar(function: &ScalarFunction) -> Self {
        Self {
            name: function.name.to_lowercase(),
            kind: "scalar",
            arguments: types(&function.arguments),
            result: function.result.to_string(),
            volatility: Some(format!("{:?}", function.volatility).to_lowercase()),
            retractable: None,
        }
    }

    pub(crate) fn of_aggregate(function: &AggregateFunction) -> Self {
        Self {
            name: function.name.to_lowercase(),
            kind: "aggregate",
            arguments: types(&function.arguments),
            result: function.result.to_string(),
            volatility: None,
            retractable: Some(function.retractable),
        }
    }
}

fn types(types: &[DataType]) -> String {
    types.iter().map(DataType::to_string).collect::<Vec<_>>().join(", ")
}

/// A query that was opened and not closed.
#[derive(Debug)]
pub(crate) struct QueryEntry {
    pub(crate) id: u64,
    pub(crate) sql: String,
    begun: Instant,
    /// Rows that were read of it.
    pub(crate) rows: AtomicU64,
    /// Whether it was read to its end, failed, or was cancelled.
    pub(crate) is_finished: AtomicBool,
    canceller: QueryCanceller,
}

/// A query's place in the list, which it leaves with this value.
pub(crate) struct ListedQuery {
    board: Arc<Board>,
    pub(crate) entry: Arc<QueryEntry>,
}

impl Drop for ListedQuery {
    fn drop(&mut self) {
        lock(&self.board.queries).remove(&self.entry.id);
    }
}

/// What can be asked without the token.
pub(crate) struct Board {
    pub(crate) log: Log,
    pub(crate) admission: Arc<Admission>,
    max_queued_bytes: u64,
    opened: Instant,
    last_id: AtomicU64,
    /// Somebody wants the gauges.
    wanted: AtomicBool,
    started: AtomicBool,
    pub(crate) epochs: Meter,
    pub(crate) queued_bytes: Meter,
    sources: Mutex<BTreeMap<String, Arc<SourceEntry>>>,
    streams: Mutex<BTreeMap<u32, Arc<StreamEntry>>>,
    /// The named outputs: what they read, and the statements that made them.
    sinks: Mutex<BTreeMap<String, (String, String)>>,
    subscriptions: Mutex<BTreeMap<u64, SubscriptionEntry>>,
    queries: Mutex<BTreeMap<u64, Arc<QueryEntry>>>,
    functions: Mutex<BTreeMap<String, FunctionEntry>>,
}

impl Board {
    pub(crate) fn new(admission: Arc<Admission>, max_queued_bytes: usize) -> Self {
        Self {
            log: Log::default(),
            admission,
            max_queued_bytes: max_queued_bytes as u64,
            opened: Instant::now(),
            last_id: AtomicU64::new(0),
            wanted: AtomicBool::new(false),
            started: AtomicBool::new(false),
            epochs: Meter::default(),
            queued_bytes: Meter::default(),
            sources: Mutex::default(),
            streams: Mutex::default(),
            sinks: Mutex::default(),
            subscriptions: Mutex::default(),
            queries: Mutex::default(),
            functions: Mutex::default(),
        }
    }

    /// A number that no other query or subscription has.
    pub(crate) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Relaxed) + 1
    }

    /// How long the database has been open.
    pub(crate) fn uptime_ms(&self) -> u64 {
        elapsed_ms(self.opened)
    }

    pub(crate) fn set_started(&self) {
        self.started.store(true, Relaxed);
    }

    pub(crate) fn is_started(&self) -> bool {
        self.started.load(Relaxed)
    }

    /// Asks the token's holder to bring the gauges up to date.
    pub(crate) fn want_gauges(&self) {
        self.wanted.store(true, Relaxed);
    }

    /// Whether somebody has asked; only once for each request.
    pub(crate) fn take_wanted(&self) -> bool {
        self.wanted.load(Relaxed) && self.wanted.swap(false, Relaxed)
    }

    pub(crate) fn add_source(&self, name: String, entry: Arc<SourceEntry>) {
        lock(&self.sources).insert(name, entry);
    }

    pub(crate) fn add_stream(&self, id: u32, entry: Arc<StreamEntry>) {
        lock(&self.streams).insert(id, entry);
    }

    pub(crate) fn remove_stream(&self, id: u32) {
        lock(&self.streams).remove(&id);
    }

    pub(crate) fn add_sink(&self, name: String, from: String, sql: String) {
        lock(&self.sinks).insert(name, (from, sql));
    }

    /// Forgets a source, table or sink.
    pub(crate) fn remove(&self, name: &str) {
        lock(&self.sources).remove(name);
        lock(&self.sinks).remove(name);
    }

    pub(crate) fn add_function(&self, entry: FunctionEntry) {
        lock(&self.functions).insert(entry.name.clone(), entry);
    }

    pub(crate) fn functions(&self) -> Vec<FunctionEntry> {
        lock(&self.functions).values().cloned().collect()
    }

    /// Lists a subscription until it ends.
    pub(crate) fn add_subscription(&self, entry: SubscriptionEntry) {
        let id = self.next_id();
        let mut subscriptions = lock(&self.subscriptions);
        subscriptions.retain(|_, entry| entry.is_open());
        subscriptions.insert(id, entry);
    }

    /// Whether a push into a source would wait now, or be refused.
    pub(crate) fn holds_back(&self, source: &SourceEntry) -> bool {
        self.has_no_room(source.pending_rows(), source.id, &source.rules)
    }

    /// The same, of a source of which so many rows wait for the start.
    pub(crate) fn has_no_room(&self, pending_rows: u64, source: SourceId, rules: &Rules) -> bool {
        let waits_for_start = pending_rows > 0 && self.queued_bytes.get() >= self.max_queued_bytes;
        waits_for_start || self.admission.holds_back(source, rules)
    }

    pub(crate) fn sources(&self) -> Vec<(String, Arc<SourceEntry>)> {
        let sources = lock(&self.sources);
        sources.iter().map(|(name, entry)| (name.clone(), Arc::clone(entry))).collect()
    }

    /// All streams in the order of their creation, with those behind subscriptions.
    pub(crate) fn streams(&self) -> Vec<Arc<StreamEntry>> {
        lock(&self.streams).values().map(Arc::clone).collect()
    }

    /// Name, input and statement.
    pub(crate) fn sinks(&self) -> Vec<(String, String, String)> {
        let sinks = lock(&self.sinks);
        sinks.iter().map(|(name, (from, sql))| (name.clone(), from.clone(), sql.clone())).collect()
    }

    /// The subscriptions that have not ended.
    pub(crate) fn subscriptions(&self) -> Vec<(u64, SubscriptionEntry, Arc<Ring>)> {
        let mut subscriptions = lock(&self.subscriptions);
        subscriptions.retain(|_, entry| entry.is_open());
        let open = subscriptions.iter();
        open.filter_map(|(id, entry)| Some((*id, entry.clone(), entry.ring.upgrade()?))).collect()
    }

    /// Lists a query until what this answers is dropped.
    pub(crate) fn list_query(
        self: &Arc<Self>,
        sql: &str,
        canceller: QueryCanceller,
    ) -> ListedQuery {
        let entry = Arc::new(QueryEntry {
            id: self.next_id(),
            sql: sql.to_string(),
            begun: Instant::now(),
            rows: AtomicU64::new(0),
            is_finished: AtomicBool::new(false),
            canceller,
        });
        lock(&self.queries).insert(entry.id, Arc::clone(&entry));
        ListedQuery { board: Arc::clone(self), entry }
    }

    /// The queries that are open, in the order of their beginning.
    pub(crate) fn queries(&self) -> Vec<Arc<QueryEntry>> {
        lock(&self.queries).values().map(Arc::clone).collect()
    }

    /// Cancels a query, or ends a subscription; whether there was one of this number.
    pub(crate) fn cancel(&self, id: u64) -> bool {
        let query = lock(&self.queries).get(&id).map(Arc::clone);
        match query {
            Some(query) => {
                query.canceller.cancel();
                query.is_finished.store(true, Relaxed);
                true
            }
            None => self.cancel_subscription(id),
        }
    }

    /// Ends a subscription; whether there was one of this number.
    fn cancel_subscription(&self, id: u64) -> bool {
        let ring = lock(&self.subscriptions).get(&id).and_then(|entry| entry.ring.upgrade());
        match ring.filter(|ring| !ring.is_closed()) {
            Some(ring) => {
                ring.close();
                true
            }
            None => false,
        }
    }
}

impl SourceEntry {
    /// Rows that wait for the start.
    pub(crate) fn pending_rows(&self) -> u64 {
        self.rules.pending.load(Relaxed)
    }

    /// Handles that push into it.
    pub(crate) fn producers(&self) -> u64 {
        self.rules.producers.load(Relaxed)
    }
}

impl StreamEntry {
    /// Whether it has a name of its own.
    pub(crate) fn is_listed(&self) -> bool {
        !self.name.is_empty() && self.late_of.is_none()
    }

    pub(crate) fn set_operators(&self, operators: Vec<OperatorEntry>) {
        *lock(&self.operators) = operators;
    }

    /// Its operators, as the gauges have them.
    pub(crate) fn operators(&self) -> Vec<OperatorEntry> {
        lock(&self.operators).clone()
    }
}

impl QueryEntry {
    pub(crate) fn elapsed_ms(&self) -> u64 {
        elapsed_ms(self.begun)
    }
}

impl SubscriptionEntry {
    pub(crate) fn elapsed_ms(&self) -> u64 {
        elapsed_ms(self.begun)
    }

    fn is_open(&self) -> bool {
        self.ring.upgrade().is_some_and(|ring| !ring.is_closed())
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Locks; every operation leaves a map whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
