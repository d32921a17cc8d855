//! The system tables: what the database knows of itself, for ad-hoc queries and `SHOW`.
//!
//! They are read off the [`Board`], without the executor's token. Names that begin with `laminar_`
//! and stand here cannot be given to other objects.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, UInt64Array};
use laminar_types::{Error, Result};

use crate::board::{Board, InputKind, OperatorEntry, SourceEntry, StreamEntry, SubscriptionEntry};
use crate::engine::StreamKind;
use crate::ring::{Policy, Ring};

/// A system table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SystemTable {
    Sources,
    Tables,
    Streams,
    Views,
    Sinks,
    Subscriptions,
    Queries,
    Functions,
    Operators,
    Metrics,
    Topology,
}

const ALL: [(&str, SystemTable); 11] = [
    ("laminar_sources", SystemTable::Sources),
    ("laminar_tables", SystemTable::Tables),
    ("laminar_streams", SystemTable::Streams),
    ("laminar_views", SystemTable::Views),
    ("laminar_sinks", SystemTable::Sinks),
    ("laminar_subscriptions", SystemTable::Subscriptions),
    ("laminar_queries", SystemTable::Queries),
    ("laminar_functions", SystemTable::Functions),
    ("laminar_operators", SystemTable::Operators),
    ("laminar_metrics", SystemTable::Metrics),
    ("laminar_topology", SystemTable::Topology),
];

impl SystemTable {
    /// The table of a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|(own, _)| *own == name).map(|(_, table)| *table)
    }

    /// Its rows now. Gauges are as they were last [refreshed](crate::database::Shared).
    pub(crate) fn read(self, board: &Board) -> Result<RecordBatch> {
        match self {
            Self::Sources => sources(board),
            Self::Tables => {
                tables(board, |kind| matches!(kind, InputKind::Table | InputKind::LookupTable))
            }
            Self::Streams => streams(board, StreamKind::Stream),
            Self::Views => streams(board, StreamKind::View),
            Self::Sinks => sinks(board),
            Self::Subscriptions => subscriptions(board),
            Self::Queries => queries(board),
            Self::Functions => functions(board),
            Self::Operators => operators(board),
            Self::Metrics => metrics(board),
            Self::Topology => topology(board),
        }
    }
}

/// Columns of equal length, each with its name.
pub(crate) struct Columns(pub(crate) Vec<(&'static str, ArrayRef)>);

impl Columns {
    pub(crate) fn batch(self) -> Result<RecordBatch> {
        RecordBatch::try_from_iter_with_nullable(
            self.0.into_iter().map(|(name, column)| (name, column, true)),
        )
        .map_err(|error| Error::internal(format!("a listing has uneven columns: {error}")))
    }
}

pub(crate) fn text(values: impl IntoIterator<Item = impl Into<String>>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values.into_iter().map(Into::into)))
}

pub(crate) fn counts(values: impl IntoIterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

fn optional_text(values: impl IntoIterator<Item = Option<impl Into<String>>>) -> ArrayRef {
    let values = values.into_iter().map(|value| value.map(Into::into));
    Arc::new(StringArray::from_iter(values.collect::<Vec<Option<String>>>()))
}

fn times(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(Int64Array::from_iter(values))
}

fn flags(values: impl IntoIterator<Item = bool>) -> ArrayRef {
    Arc::new(BooleanArray::from_iter(values.into_iter().map(Some)))
}

/// How many handles push into a source: one, or several that take turns.
pub(crate) fn producers_channel(producers: u64) -> &'static str {
    if producers > 1 { "MPSC" } else { "SPSC" }
}

/// How many subscriptions a change goes to.
pub(crate) fn subscribers_channel(subscribers: usize) -> Option<&'static str> {
    match subscribers {
        0 => None,
        1 => Some("SPSC"),
        _ => Some("BROADCAST"),
    }
}

fn sources(board: &Board) -> Result<RecordBatch> {
    let mut sources = board.sources();
    sources.retain(|(_, source)| source.kind == InputKind::Source);
    let all = || sources.iter().map(|(_, source)| source.as_ref());
    Columns(vec![
        ("name", text(sources.iter().map(|(name, _)| name))),
        ("watermark_column", optional_text(all().map(|of| of.watermark_column.as_ref()))),
        ("watermark_ms", times(all().map(|of| of.watermark_ms.get()))),
        ("total_rows", counts(all().map(|of| of.total_rows.get()))),
        ("batches", counts(all().map(|of| of.batches.get()))),
        ("retained_rows", counts(all().map(|of| of.retained_rows.get()))),
        ("dropped_rows", counts(all().map(|of| of.dropped_rows.get()))),
        ("pending_rows", counts(all().map(SourceEntry::pending_rows))),
        ("capacity_rows", counts(all().map(|of| of.rules.capacity))),
        ("is_backpressured", flags(all().map(|of| board.holds_back(of)))),
        ("backpressure", text(all().map(|of| of.rules.policy.on_full.name()))),
        ("missed_rows", counts(all().map(|of| of.missed_rows.get()))),
        ("producers", counts(all().map(SourceEntry::producers))),
        ("channel", text(all().map(|of| producers_channel(of.producers())))),
        ("state_bytes", counts(all().map(|of| of.state_bytes.get()))),
        ("sql", text(all().map(|of| &of.sql))),
    ])
    .batch()
}

/// Tables and lookup tables of the kinds wanted.
pub(crate) fn tables(board: &Board, wanted: impl Fn(InputKind) -> bool) -> Result<RecordBatch> {
    let mut tables = board.sources();
    tables.retain(|(_, table)| wanted(table.kind));
    let all = || tables.iter().map(|(_, table)| table.as_ref());
    let key = |table: &SourceEntry| (!table.key.is_empty()).then(|| table.key.join(", "));
    let kind = |table: &SourceEntry| match table.kind {
        InputKind::LookupTable => "LOOKUP TABLE",
        _ => "TABLE",
    };
    Columns(vec![
        ("name", text(tables.iter().map(|(name, _)| name))),
        ("primary_key", optional_text(all().map(key))),
        ("rows", counts(all().map(|of| of.retained_rows.get()))),
        ("watermark_column", optional_text(all().map(|of| of.watermark_column.as_ref()))),
        ("watermark_ms", times(all().map(|of| of.watermark_ms.get()))),
        ("total_rows", counts(all().map(|of| of.total_rows.get()))),
        ("batches", counts(all().map(|of| of.batches.get()))),
        ("pending_rows", counts(all().map(SourceEntry::pending_rows))),
        ("capacity_rows", counts(all().map(|of| of.rules.capacity))),
        ("is_backpressured", flags(all().map(|of| board.holds_back(of)))),
        ("producers", counts(all().map(SourceEntry::producers))),
        ("channel", text(all().map(|of| producers_channel(of.producers())))),
        ("state_bytes", counts(all().map(|of| of.state_bytes.get()))),
        ("kind", text(all().map(kind))),
        ("sql", text(all().map(|of| &of.sql))),
    ])
    .batch()
}

/// A stream and the subscriptions to it.
struct Followed {
    stream: Arc<StreamEntry>,
    rings: Vec<Arc<Ring>>,
}

impl Followed {
    fn pending_rows(&self) -> u64 {
        self.rings.iter().map(|ring| ring.queued_rows() as u64).sum()
    }

    fn capacity_rows(&self) -> u64 {
        self.rings.iter().map(|ring| ring.options().capacity as u64).sum()
    }

    fn is_full(&self) -> bool {
        self.rings.iter().any(|ring| ring.is_full())
    }

    fn missed_rows(&self) -> u64 {
        self.rings.iter().map(|ring| ring.missed_rows()).sum()
    }
}

/// Named streams of a kind.
fn streams(board: &Board, kind: StreamKind) -> Result<RecordBatch> {
    let subscriptions = board.subscriptions();
    let streams = board.streams().into_iter();
    let mut streams: Vec<Followed> = streams
        .filter(|stream| stream.is_listed() && stream.kind == kind)
        .map(|stream| {
            let own = |entry: &SubscriptionEntry| Arc::ptr_eq(&entry.stream, &stream);
            let rings = subscriptions.iter().filter(|(_, entry, _)| own(entry));
            Followed { rings: rings.map(|(.., ring)| Arc::clone(ring)).collect(), stream }
        })
        .collect();
    streams.sort_by(|a, b| a.stream.name.cmp(&b.stream.name));
    let all = || streams.iter().map(|of| of.stream.as_ref());
    let state = |stream: &StreamEntry| match (stream.failure.get(), board.is_started()) {
        (Some(_), _) => "failed",
        (None, true) => "running",
        (None, false) => "created",
    };
    let warnings =
        |stream: &StreamEntry| (!stream.warnings.is_empty()).then(|| stream.warnings.join("; "));
    Columns(vec![
        ("name", text(all().map(|of| &of.name))),
        ("emit", text(all().map(|of| &of.emit))),
        ("state", text(all().map(state))),
        ("error", optional_text(all().map(|of| of.failure.get()))),
        ("watermark_ms", times(all().map(|of| of.watermark_ms.get()))),
        ("total_rows", counts(all().map(|of| of.total_rows.get()))),
        ("batches", counts(all().map(|of| of.batches.get()))),
        ("late_rows", counts(all().map(|of| of.late_rows.get()))),
        ("dead_letters", counts(all().map(|of| of.dead_letters.get()))),
        ("subscribers", counts(streams.iter().map(|of| of.rings.len() as u64))),
        ("channel", optional_text(streams.iter().map(|of| subscribers_channel(of.rings.len())))),
        ("pending_rows", counts(streams.iter().map(Followed::pending_rows))),
        ("capacity_rows", counts(streams.iter().map(Followed::capacity_rows))),
        ("is_backpressured", flags(streams.iter().map(Followed::is_full))),
        ("missed_rows", counts(streams.iter().map(Followed::missed_rows))),
        ("retained_rows", counts(all().map(|of| of.retained_rows.get()))),
        ("state_bytes", counts(all().map(|of| of.state_bytes.get()))),
        ("warnings", optional_text(all().map(warnings))),
        ("sql", text(all().map(|of| &of.sql))),
    ])
    .batch()
}

fn sinks(board: &Board) -> Result<RecordBatch> {
    let named = board.sinks().into_iter().map(|(name, from, _)| (name, from));
    let with_queries = board.streams();
    let with_queries = with_queries
        .iter()
        .filter(|stream| stream.is_listed() && stream.kind == StreamKind::Sink)
        .map(|stream| (stream.name.clone(), stream.reads.join(", ")));
    let mut sinks: Vec<(String, String)> = named.chain(with_queries).collect();
    sinks.sort();
    Columns(vec![
        ("name", text(sinks.iter().map(|(name, _)| name))),
        ("input", text(sinks.iter().map(|(_, input)| input))),
    ])
    .batch()
}

fn subscriptions(board: &Board) -> Result<RecordBatch> {
    let subscriptions = board.subscriptions();
    let streams = || subscriptions.iter().map(|(_, entry, _)| entry.stream.as_ref());
    let rings = || subscriptions.iter().map(|(.., ring)| ring.as_ref());
    let on_full = |ring: &Ring| match ring.options().policy {
        Policy::Append | Policy::Updating => "tell",
        Policy::Block => "block",
        Policy::DropOldest => "drop_oldest",
    };
    Columns(vec![
        ("id", counts(subscriptions.iter().map(|(id, ..)| *id))),
        ("stream", optional_text(streams().map(|of| (!of.name.is_empty()).then_some(&of.name)))),
        ("sql", text(streams().map(|of| &of.sql))),
        ("emit", text(streams().map(|of| &of.emit))),
        ("on_full", text(rings().map(on_full))),
        ("pending_rows", counts(rings().map(|ring| ring.queued_rows() as u64))),
        ("capacity_rows", counts(rings().map(|ring| ring.options().capacity as u64))),
        ("is_full", flags(rings().map(Ring::is_full))),
        ("missed_rows", counts(rings().map(Ring::missed_rows))),
    ])
    .batch()
}

/// Ad-hoc queries that were opened and not closed, and subscriptions to queries.
fn queries(board: &Board) -> Result<RecordBatch> {
    struct Row {
        id: u64,
        kind: &'static str,
        sql: String,
        is_active: bool,
        rows: u64,
        elapsed_ms: u64,
    }
    let queries = board.queries().into_iter().map(|query| Row {
        id: query.id,
        kind: "query",
        sql: query.sql.clone(),
        is_active: !query.is_finished.load(Relaxed),
        rows: query.rows.load(Relaxed),
        elapsed_ms: query.elapsed_ms(),
    });
    let subscriptions = board.subscriptions().into_iter();
    let to_queries = subscriptions.filter(|(_, entry, _)| entry.stream.name.is_empty());
    let subscribed = to_queries.map(|(id, entry, _)| Row {
        id,
        kind: "subscription",
        sql: entry.stream.sql.clone(),
        is_active: true,
        rows: entry.stream.total_rows.get(),
        elapsed_ms: entry.elapsed_ms(),
    });
    let mut all: Vec<Row> = queries.chain(subscribed).collect();
    all.sort_by_key(|row| row.id);
    Columns(vec![
        ("id", counts(all.iter().map(|row| row.id))),
        ("kind", text(all.iter().map(|row| row.kind))),
        ("sql", text(all.iter().map(|row| &row.sql))),
        ("is_active", flags(all.iter().map(|row| row.is_active))),
        ("rows", counts(all.iter().map(|row| row.rows))),
        ("elapsed_ms", counts(all.iter().map(|row| row.elapsed_ms))),
    ])
    .batch()
}

/// The functions that the host registered.
fn functions(board: &Board) -> Result<RecordBatch> {
    let functions = board.functions();
    let all = || functions.iter();
    Columns(vec![
        ("name", text(all().map(|of| &of.name))),
        ("kind", text(all().map(|of| of.kind))),
        ("arguments", text(all().map(|of| &of.arguments))),
        ("result", text(all().map(|of| &of.result))),
        ("volatility", optional_text(all().map(|of| of.volatility.as_ref()))),
        ("retractable", Arc::new(BooleanArray::from_iter(all().map(|of| of.retractable)))),
    ])
    .batch()
}

/// The operators of streams and views and, below each, its partitions.
fn operators(board: &Board) -> Result<RecordBatch> {
    let mut streams = board.streams();
    streams.retain(|stream| stream.is_listed());
    streams.sort_by(|a, b| a.name.cmp(&b.name));
    let rows: Vec<(String, OperatorEntry)> = streams
        .iter()
        .flat_map(|stream| stream.operators().into_iter().map(|of| (stream.name.clone(), of)))
        .collect();
    let all = || rows.iter().map(|(_, of)| of);
    Columns(vec![
        ("stream", text(rows.iter().map(|(stream, _)| stream))),
        ("operator", counts(all().map(|of| of.number))),
        ("partition", Arc::new(UInt64Array::from_iter(all().map(|of| of.partition)))),
        ("label", text(all().map(|of| &of.label))),
        ("rows_in", counts(all().map(|of| of.work.rows_in))),
        ("rows_out", counts(all().map(|of| of.work.rows_out))),
        ("late_rows", counts(all().map(|of| of.metrics.late_rows))),
        ("batches", counts(all().map(|of| of.work.batches))),
        ("time_us", counts(all().map(|of| of.work.time_ns / 1_000))),
        ("state_bytes", counts(all().map(|of| of.metrics.state_bytes as u64))),
        ("shared_with", optional_text(all().map(|of| of.shared_with.as_ref()))),
    ])
    .batch()
}

/// One row about the database as a whole.
fn metrics(board: &Board) -> Result<RecordBatch> {
    let (sources, streams) = (board.sources(), board.streams());
    let subscriptions = board.subscriptions();
    let count_of = |kind| sources.iter().filter(|(_, of)| of.kind == kind).count() as u64;
    let of_sources = |read: fn(&SourceEntry) -> u64| -> u64 {
        sources.iter().map(|(_, source)| read(source)).sum()
    };
    let of_streams = |read: fn(&StreamEntry) -> u64| -> u64 {
        streams.iter().filter(|of| of.late_of.is_none()).map(|stream| read(stream)).sum()
    };
    let named = |kind: StreamKind| {
        let named = streams.iter().filter(|of| of.is_listed() && of.kind == kind);
        named.count() as u64
    };
    let late_rows = of_streams(|of| of.late_rows.get());
    let dead_letters = of_streams(|of| of.dead_letters.get());
    let missed_rows = of_sources(|of| of.missed_rows.get())
        + subscriptions.iter().map(|(.., ring)| ring.missed_rows()).sum::<u64>();
    let waiting: u64 = subscriptions.iter().map(|(.., ring)| ring.queued_rows() as u64).sum();
    let timed = sources.iter().filter(|(_, source)| source.watermark_column.is_some());
    let watermarks = timed.map(|(_, source)| source.watermark_ms.get());
    // Of those that declare one, all must have one.
    let watermark_ms = watermarks.min().flatten();
    let batches = of_sources(|of| of.batches.get());
    let one = |value: u64| counts([value]);
    Columns(vec![
        ("state", text([if board.is_started() { "running" } else { "created" }])),
        ("uptime_ms", one(board.uptime_ms())),
        ("epochs", one(board.epochs.get())),
        ("total_rows_ingested", one(of_sources(|of| of.total_rows.get()))),
        ("total_rows_emitted", one(of_streams(|of| of.total_rows.get()))),
        ("total_rows_dropped", one(late_rows + dead_letters + missed_rows)),
        ("total_batches", one(batches)),
        ("late_rows", one(late_rows)),
        ("dead_letters", one(dead_letters)),
        ("missed_rows", one(missed_rows)),
        ("watermark_ms", times([watermark_ms])),
        ("sources", one(count_of(InputKind::Source))),
        ("tables", one(count_of(InputKind::Table) + count_of(InputKind::LookupTable))),
        ("streams", one(named(StreamKind::Stream))),
        ("views", one(named(StreamKind::View))),
        ("sinks", one(board.sinks().len() as u64 + named(StreamKind::Sink))),
        ("subscriptions", one(subscriptions.len() as u64)),
        ("queries", one(board.queries().len() as u64)),
        ("pending_rows", one(of_sources(SourceEntry::pending_rows))),
        ("waiting_rows", one(waiting)),
        ("queued_bytes", one(board.queued_bytes.get())),
        ("retained_rows", one(of_sources(|of| of.retained_rows.get()))),
        (
            "state_bytes",
            one(of_sources(|of| of.state_bytes.get()) + of_streams(|of| of.state_bytes.get())),
        ),
    ])
    .batch()
}

/// An object in the topology.
struct Node {
    name: String,
    kind: &'static str,
    sql: Option<String>,
}

/// The objects as nodes, and what reads what as edges.
fn topology(board: &Board) -> Result<RecordBatch> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut edges: Vec<(String, String)> = Vec::new();
    for (name, source) in board.sources() {
        let kind = match source.kind {
            InputKind::Source => "source",
            InputKind::Table => "table",
            InputKind::LookupTable => "lookup_table",
        };
        nodes.push(Node { name, kind, sql: None });
    }
    for stream in board.streams().iter().filter(|stream| stream.is_listed()) {
        let kind = match stream.kind {
            StreamKind::Stream => "stream",
            StreamKind::View => "materialized_view",
            StreamKind::Sink => "sink",
        };
        edges.extend(stream.reads.iter().map(|from| (from.clone(), stream.name.clone())));
        nodes.push(Node { name: stream.name.clone(), kind, sql: Some(stream.sql.clone()) });
    }
    for (name, from, _) in board.sinks() {
        edges.push((from, name.clone()));
        nodes.push(Node { name, kind: "sink", sql: None });
    }
    for (id, entry, _) in board.subscriptions() {
        let stream = &entry.stream;
        let name = format!("subscription {id}");
        let sql = match stream.name.is_empty() {
            true => {
                edges.extend(stream.reads.iter().map(|from| (from.clone(), name.clone())));
                Some(stream.sql.clone())
            }
            false => {
                edges.push((stream.name.clone(), name.clone()));
                None
            }
        };
        nodes.push(Node { name, kind: "subscription", sql });
    }
    let kinds = nodes.iter().map(|_| "node").chain(edges.iter().map(|_| "edge"));
    let (node_count, edge_count) = (nodes.len(), edges.len());
    let of_nodes = |read: fn(&Node) -> Option<String>| {
        optional_text(nodes.iter().map(read).chain(std::iter::repeat_n(None, edge_count)))
    };
    let of_edges = |read: fn(&(String, String)) -> String| {
        let none = std::iter::repeat_n(None, node_count);
        optional_text(none.chain(edges.iter().map(|edge| Some(read(edge)))))
    };
    Columns(vec![
        ("kind", text(kinds)),
        ("name", of_nodes(|node| Some(node.name.clone()))),
        ("node_type", of_nodes(|node| Some(node.kind.to_string()))),
        ("sql", of_nodes(|node| node.sql.clone())),
        ("from_node", of_edges(|(from, _)| from.clone())),
        ("to_node", of_edges(|(_, to)| to.clone())),
    ])
    .batch()
}
