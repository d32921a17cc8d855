//! What names stand for: sources, tables, streams, and what new ones are to be.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use laminar_dataflow::{EventTime, NodeId};
use laminar_sql::parser::statement::OnError;
use laminar_types::{Delta, Epoch, Error, Result, Retention, TimeUnit};

use crate::board::{self, Meter, SourceEntry, TimeMeter};
use crate::clock::Clock;
use crate::history::History;
use crate::producers::{Declared, ProducerId, Producers};
use crate::source::Rules;
use crate::source_policy::SourcePolicy;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Object {
    Source(SourceId),
    Table(SourceId),
    LookupTable(SourceId),
    Stream(StreamId),
    View(StreamId),
    /// A sink with a query of its own.
    QuerySink(StreamId),
    /// A named output of the stream or source of this name.
    Sink {
        from: String,
        /// The statement that made it.
        sql: String,
    },
    /// The rows that are late for the windows of a stream.
    LateRows {
        rows: StreamId,
        of: String,
    },
}

impl Object {
    /// As SQL calls it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Source(_) => "SOURCE",
            Self::Table(_) => "TABLE",
            Self::LookupTable(_) => "LOOKUP TABLE",
            Self::Stream(_) => "STREAM",
            Self::View(_) => "MATERIALIZED VIEW",
            Self::QuerySink(_) | Self::Sink { .. } | Self::LateRows { .. } => "SINK",
        }
    }

    /// The input that it is, if rows come into it from outside.
    pub(crate) fn input(&self) -> Option<SourceId> {
        match self {
            Self::Source(id) | Self::Table(id) | Self::LookupTable(id) => Some(*id),
            _ => None,
        }
    }

    /// The stream that it is.
    pub(crate) fn stream(&self) -> Option<StreamId> {
        match self {
            Self::Stream(id)
            | Self::View(id)
            | Self::QuerySink(id)
            | Self::LateRows { rows: id, .. } => Some(*id),
            _ => None,
        }
    }
}

/// Identifies a source or table among all that ever were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SourceId(pub(crate) u32);

/// Identifies a stream among all that ever were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StreamId(pub(crate) u32);

/// An input: a source, which only grows, or a table, which is kept whole.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) node: NodeId,
    pub(crate) schema: SchemaRef,
    pub(crate) producers: Producers,
    /// The database's own producer, since its first insert.
    pub(super) own_producer: Option<ProducerId>,
    /// The recent rows of a source. A table's rows are in its node.
    pub(crate) history: Option<History>,
    /// What anyone may ask of it.
    pub(crate) entry: Arc<SourceEntry>,
    /// The epoch of its last change.
    pub(crate) changed: Epoch,
    pub(crate) timing: Timing,
    /// The last stamp of its `proctime()` column, in milliseconds.
    pub(super) stamp_ms: i64,
    /// Since when it is watched for idleness, in milliseconds.
    pub(crate) since_ms: i64,
    pub(super) is_idle: bool,
    /// What its handles know of it.
    pub(crate) rules: Arc<Rules>,
}

/// How a source stands to time, besides its declared watermark.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timing {
    /// A producer that is silent for so long is left out.
    pub(crate) idle_timeout_ms: Option<i64>,
    /// How far ahead of the clock an event time may be.
    pub(crate) max_future_ms: Option<i64>,
    /// The column that the clock fills.
    pub(crate) proctime: Option<usize>,
    /// The column whose values have watermarks of their own.
    pub(crate) watermark_key: Option<usize>,
    /// The sources that are to stay together.
    pub(crate) group: Option<String>,
    /// How far this one may be ahead of the others.
    pub(crate) max_drift_ms: Option<i64>,
}

impl Timing {
    /// Whether a few rows can be taken as a block: nothing is put into them or looked up in them
    /// but the declared event time.
    pub(super) fn takes_rows(&self) -> bool {
        self.max_future_ms.is_none() && self.proctime.is_none() && self.watermark_key.is_none()
    }
}

/// What a new source or table is to be.
pub(crate) struct NewSource {
    pub(crate) name: String,
    pub(crate) sql: String,
    pub(crate) kind: InputKind,
    pub(crate) schema: SchemaRef,
    pub(crate) declared: Option<Declared>,
    pub(crate) timing: Timing,
    pub(crate) retain: Retention,
    pub(crate) policy: SourcePolicy,
    /// Rows that it is laid out for.
    pub(crate) capacity: u64,
}

impl NewSource {
    /// What its handles are to know of it. Producers give all columns but the one that the clock
    /// fills.
    pub(crate) fn rules(&self, clock: &Arc<Clock>) -> Result<Rules> {
        let given: Vec<usize> = (0..self.schema.fields().len())
            .filter(|column| Some(*column) != self.timing.proctime)
            .collect();
        let place = |column: &usize| given.iter().position(|given| given == column);
        let key = self.key().iter().filter_map(place).collect();
        let schema = match self.timing.proctime {
            None => Arc::clone(&self.schema),
            Some(_) => Arc::new(self.schema.project(&given).map_err(|error| {
                Error::internal(format!("the columns that producers give: {error}"))
            })?),
        };
        let declared = self.declared.map(|declared| declared.column);
        let event_time = declared.and_then(|declared| place(&declared));
        let rules = Rules::new(&self.name, &schema, event_time, key, self.capacity, clock);
        let (max_future_ms, policy) = (self.timing.max_future_ms, self.policy);
        let stamp = self.timing.proctime.map(|column| self.schema.field(column).name().clone());
        Ok(Rules { max_future_ms, policy, stamp, ..rules })
    }

    /// The columns of its primary key; none where it has none.
    pub(crate) fn key(&self) -> &[usize] {
        match &self.kind {
            InputKind::Table { key: Some(key), .. } => key,
            _ => &[],
        }
    }

    /// What anyone may ask of it.
    pub(crate) fn entry(&self, id: SourceId, rules: &Arc<Rules>) -> SourceEntry {
        let name = |column: usize| self.schema.field(column).name().clone();
        let kind = match self.kind {
            InputKind::Source => board::InputKind::Source,
            InputKind::Table { is_lookup: false, .. } => board::InputKind::Table,
            InputKind::Table { is_lookup: true, .. } => board::InputKind::LookupTable,
        };
        SourceEntry {
            id,
            kind,
            sql: self.sql.clone(),
            watermark_column: self.declared.map(|declared| name(declared.column)),
            key: self.key().iter().map(|column| name(*column)).collect(),
            rules: Arc::clone(rules),
            total_rows: Meter::default(),
            batches: Meter::default(),
            watermark_ms: TimeMeter::default(),
            retained_rows: Meter::default(),
            dropped_rows: Meter::default(),
            missed_rows: Meter::default(),
            state_bytes: Meter::default(),
        }
    }

    /// Its event times: the declared one and that of the clock; without either, those that
    /// producers' promises are about. A table without any is complete at every time.
    pub(super) fn times(&self) -> Vec<EventTime> {
        let named = [self.declared.map(|declared| declared.column), self.timing.proctime];
        let is_named = named.iter().any(Option::is_some);
        let is_table = self.kind != InputKind::Source;
        let timed = self.schema.fields().iter().enumerate().filter_map(|(column, field)| {
            let unit = TimeUnit::of(field.data_type())?;
            Some(EventTime { column, unit, settled: !is_table, closed: false })
        });
        let of = |time: &EventTime| match is_named {
            true => named.contains(&Some(time.column)),
            false => !is_table,
        };
        timed.filter(of).collect()
    }
}

/// What a continuous query is in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum StreamKind {
    #[default]
    Stream,
    /// A materialized view: its result is kept whole.
    View,
    /// `CREATE SINK ... AS query`.
    Sink,
}

impl StreamKind {
    /// As SQL calls it.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Stream => "STREAM",
            Self::View => "MATERIALIZED VIEW",
            Self::Sink => "SINK",
        }
    }
}

/// What a new stream or view is to be.
pub(crate) struct NewStream {
    /// Empty for the anonymous stream behind `subscribe(sql)`.
    pub(crate) name: String,
    /// The query.
    pub(crate) sql: String,
    /// The whole statement.
    pub(crate) statement: String,
    pub(crate) kind: StreamKind,
    pub(crate) on_error: OnError,
    pub(crate) retain: Retention,
    /// Changes that an updating result keeps for subscriptions from an epoch.
    pub(crate) retain_changes: Option<Retention>,
    pub(crate) backfill: Backfill,
    /// The object that an anonymous stream follows, with which it ends.
    pub(crate) follows: Option<String>,
}

/// A stream whose operators run, and which has no name yet.
pub(crate) struct Installed {
    pub(crate) id: StreamId,
    /// What its result holds.
    pub(crate) begin: Vec<Delta>,
    /// The sink of its late rows, and the stream that gives them.
    pub(crate) late: Option<(String, StreamId)>,
}

/// What kind of input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InputKind {
    Source,
    /// A table, with the columns of its primary key.
    Table {
        key: Option<Vec<usize>>,
        is_lookup: bool,
    },
}

/// Whether a new stream begins with what its inputs hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backfill {
    /// With what updating inputs hold; append-only inputs count from now on.
    Updating,
    /// With what every input holds or retains.
    All,
    /// With what append-only inputs got after an epoch.
    Since(Epoch),
}
