//! [`Core`]: everything that the executor's token guards, and the epochs that run over it.
//!
//! Invariants:
//! - Every change happens in an epoch; epochs are numbered without gaps from 1.
//! - A source's history, its queue and its consumers see the same rows in the same order.
//! - Streams are held back until the database starts; what they miss until then is queued, in the
//!   order of its epochs, and replayed at the start. Anonymous streams are never held back.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use laminar_dataflow::graph::Audience;
use laminar_dataflow::state::TableRows;
use laminar_dataflow::{
    Changes, Content, DeadLetter, EventTime, Graph, NodeId, StepOutput, Traits,
};
use laminar_sql::catalog::Catalog;
use laminar_sql::parser::statement::OnError;
use laminar_sql::plan::{EmitForm, InputRef, StreamPlan};
use laminar_types::rows::TINY_ROWS;
use laminar_types::{
    Change, Config, Delta, Epoch, Error, Frontier, Result, RowBlock, TimeUnit, Watermark, code,
    mutant,
};

use crate::clock::{Alarm, Clock};
use crate::history::History;
use crate::keyed_times::KeyedTimes;
use crate::page;
use crate::producers::{Declared, Piece, ProducerId, Producers, frontiers};
use crate::ring::RingWriter;
use crate::source::Rules;
use crate::stream::{Every, Stream};

/// Dead letters that are kept, the newest ones.
const MOST_DEAD_LETTERS: usize = 1_000;

/// What the token guards.
pub(crate) struct Core {
    pub(crate) epoch: Epoch,
    /// Moves whenever a relation comes or goes.
    pub(crate) catalog_version: u64,
    pub(crate) started: bool,
    pub(crate) graph: Graph,
    pub(crate) objects: BTreeMap<String, Object>,
    pub(crate) sources: Vec<Option<Source>>,
    pub(crate) streams: Vec<Option<Stream>>,
    pub(crate) dead_letters: VecDeque<(String, DeadLetter)>,
    pub(crate) queue: VecDeque<Queued>,
    pub(crate) queued_bytes: usize,
    max_queued_bytes: usize,
    /// The stream that owns each node.
    pub(crate) owners: HashMap<NodeId, StreamId>,
    pub(crate) scratch: Scratch,
    pub(crate) clock: Arc<Clock>,
    pub(crate) alarm: Arc<Alarm>,
}

/// Vectors that live from epoch to epoch.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) output: StepOutput,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) frontiers: Vec<Frontier>,
    times: Vec<i64>,
    /// A small batch as a block.
    rows: Option<RowBlock>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Object {
    Source(SourceId),
    Table(SourceId),
    LookupTable(SourceId),
    Stream(StreamId),
    View(StreamId),
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
            Self::Sink { .. } | Self::LateRows { .. } => "SINK",
        }
    }

    /// The input that it is, if rows come into it from outside.
    pub(crate) fn input(&self) -> Option<SourceId> {
        match self {
            Self::Source(id) | Self::Table(id) | Self::LookupTable(id) => Some(*id),
            Self::Stream(_) | Self::View(_) | Self::Sink { .. } | Self::LateRows { .. } => None,
        }
    }
}

/// Identifies a source or table among all that ever were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SourceId(pub(crate) u32);

/// Identifies a stream among all that ever were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StreamId(pub(crate) u32);

/// An input: a source, which only grows, or a table, which is kept whole.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) sql: String,
    pub(crate) node: NodeId,
    pub(crate) schema: SchemaRef,
    pub(crate) producers: Producers,
    /// The database's own producer, since its first insert.
    own_producer: Option<ProducerId>,
    /// The recent rows of a source. A table's rows are in its node.
    pub(crate) history: Option<History>,
    pub(crate) total_rows: u64,
    /// The epoch of its last change.
    pub(crate) changed: Epoch,
    pub(crate) timing: Timing,
    /// The last stamp of its `proctime()` column, in milliseconds.
    stamp_ms: i64,
    /// Since when it is watched for idleness, in milliseconds.
    since_ms: i64,
    is_idle: bool,
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
    fn takes_rows(&self) -> bool {
        self.max_future_ms.is_none() && self.proctime.is_none() && self.watermark_key.is_none()
    }
}

/// How often time goes on for sources with a `proctime()` column.
const PROCTIME_TICK_MS: i64 = 100;

/// What happened before the start, for the streams that are held back.
pub(crate) struct Queued {
    sequence: Epoch,
    pub(crate) source: SourceId,
    change: Option<Delta>,
    frontiers: Vec<Frontier>,
    pub(crate) bytes: usize,
}

/// What a new source or table is to be.
pub(crate) struct NewSource {
    pub(crate) name: String,
    pub(crate) sql: String,
    pub(crate) kind: InputKind,
    pub(crate) schema: SchemaRef,
    pub(crate) declared: Option<Declared>,
    pub(crate) timing: Timing,
    pub(crate) retain_rows: usize,
    pub(crate) capacity: u64,
}

/// What a new stream or view is to be.
pub(crate) struct NewStream {
    /// Empty for the anonymous stream behind `subscribe(sql)`.
    pub(crate) name: String,
    /// The query.
    pub(crate) sql: String,
    /// The whole statement.
    pub(crate) statement: String,
    /// Whether its result is kept whole.
    pub(crate) is_view: bool,
    pub(crate) on_error: OnError,
    pub(crate) retain_rows: usize,
    pub(crate) backfill: Backfill,
}

impl NewSource {
    /// What its handles are to know of it. Producers give all columns but the one that the clock
    /// fills.
    pub(crate) fn rules(&self, clock: &Arc<Clock>) -> Result<Rules> {
        let key = match &self.kind {
            InputKind::Table { key: Some(key), .. } => key.clone(),
            _ => Vec::new(),
        };
        let given: Vec<usize> = (0..self.schema.fields().len())
            .filter(|column| Some(*column) != self.timing.proctime)
            .collect();
        let schema = match self.timing.proctime {
            None => Arc::clone(&self.schema),
            Some(_) => Arc::new(self.schema.project(&given).map_err(|error| {
                Error::internal(format!("the columns that producers give: {error}"))
            })?),
        };
        let declared = self.declared.map(|declared| declared.column);
        let event_time =
            declared.and_then(|declared| given.iter().position(|column| *column == declared));
        let rules = Rules::new(&self.name, &schema, event_time, key, self.capacity, clock);
        Ok(Rules { max_future_ms: self.timing.max_future_ms, ..rules })
    }

    /// Its event times: the declared one and that of the clock; without either, those that
    /// producers' promises are about. A table without any is complete at every time.
    fn times(&self) -> Vec<EventTime> {
        let named = [self.declared.map(|declared| declared.column), self.timing.proctime];
        let is_named = named.iter().any(Option::is_some);
        let is_table = self.kind != InputKind::Source;
        let timed = self.schema.fields().iter().enumerate().filter_map(|(column, field)| {
            Some(EventTime { column, unit: TimeUnit::of(field.data_type())? })
        });
        let of = |time: &EventTime| match is_named {
            true => named.contains(&Some(time.column)),
            false => !is_table,
        };
        timed.filter(of).collect()
    }
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
}

impl Core {
    pub(crate) fn new(config: &Config, clock: Arc<Clock>, alarm: Arc<Alarm>) -> Self {
        Self {
            clock,
            alarm,
            epoch: 0,
            catalog_version: 0,
            started: false,
            graph: Graph::new(),
            objects: BTreeMap::new(),
            sources: Vec::new(),
            streams: Vec::new(),
            dead_letters: VecDeque::new(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            max_queued_bytes: config.max_queued_bytes,
            owners: HashMap::new(),
            scratch: Scratch::default(),
        }
    }

    /// The object of a name, or an error that says what there is.
    pub(crate) fn object(&self, name: &str) -> Result<&Object> {
        self.objects.get(name).ok_or_else(|| self.not_found(name))
    }

    pub(crate) fn not_found(&self, name: &str) -> Error {
        let known: Vec<&str> = self.objects.keys().map(String::as_str).collect();
        let known = match known.as_slice() {
            [] => "nothing has been created yet".to_string(),
            known if known.len() > 12 => format!("{} objects exist, see SHOW SOURCES", known.len()),
            known => format!("there are {}", known.join(", ")),
        };
        Error::new(
            code::NOT_FOUND,
            format!("no source, table, stream or sink is called `{name}`: {known}"),
        )
    }

    pub(crate) fn source(&self, id: SourceId) -> Result<&Source> {
        self.sources[id.0 as usize].as_ref().ok_or_else(dropped_source)
    }

    pub(crate) fn source_mut(&mut self, id: SourceId) -> Result<&mut Source> {
        self.sources[id.0 as usize].as_mut().ok_or_else(dropped_source)
    }

    pub(crate) fn stream(&self, id: StreamId) -> &Stream {
        self.streams[id.0 as usize].as_ref().expect("names and owners refer to streams that exist")
    }

    pub(crate) fn stream_if_exists(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.streams[id.0 as usize].as_mut()
    }

    /// What the rows of a relation promise.
    pub(crate) fn relation(&self, name: &str) -> Option<(NodeId, Traits)> {
        let node = match self.objects.get(name)? {
            Object::Source(id) | Object::Table(id) | Object::LookupTable(id) => {
                self.source(*id).ok()?.node
            }
            Object::Stream(id) | Object::View(id) | Object::LateRows { rows: id, .. } => {
                self.stream(*id).result()
            }
            Object::Sink { from, .. } => return self.relation(from),
        };
        Some((node, self.graph.traits(node).clone()))
    }

    /// Installs a source or table.
    pub(crate) fn add_source(&mut self, new: NewSource) -> Result<SourceId> {
        let rows = match &new.kind {
            InputKind::Source => None,
            InputKind::Table { key, .. } => {
                Some(TableRows::new(Arc::clone(&new.schema), key.clone())?)
            }
        };
        let keyed = match new.timing.watermark_key {
            Some(key) => Some(KeyedTimes::new(key, new.schema.field(key).data_type())?),
            None => None,
        };
        let rules = Arc::new(new.rules(&self.clock)?);
        self.epoch += 1;
        let mut traits = Traits::append_only(Arc::clone(&new.schema));
        traits.times = new.times();
        traits.declared_watermark = new.declared.is_some() || new.timing.proctime.is_some();
        let key = match &new.kind {
            InputKind::Table { key, .. } => key.clone(),
            InputKind::Source => None,
        };
        if rows.is_some() {
            traits.changes = Changes::Retract;
            traits.unique_key = key;
        }
        let history = (new.kind == InputKind::Source)
            .then(|| History::new(Arc::clone(&new.schema), new.retain_rows, None));
        let node = match rows {
            Some(rows) => self.graph.add_table(traits, rows),
            None => self.graph.add_source(traits),
        };
        let now_ms = self.clock.now_ms();
        if let Some(timeout_ms) = new.timing.idle_timeout_ms {
            self.alarm.set(now_ms.saturating_add(timeout_ms));
        }
        if new.timing.proctime.is_some() {
            self.alarm.set(now_ms.saturating_add(PROCTIME_TICK_MS));
        }
        let id = SourceId(self.sources.len() as u32);
        self.sources.push(Some(Source {
            name: new.name.clone(),
            sql: new.sql,
            node,
            history,
            changed: self.epoch,
            rules,
            schema: new.schema,
            producers: Producers::new(new.declared).keyed(keyed),
            own_producer: None,
            total_rows: 0,
            timing: new.timing,
            stamp_ms: i64::MIN,
            since_ms: now_ms,
            is_idle: false,
        }));
        let object = match new.kind {
            InputKind::Source => Object::Source(id),
            InputKind::Table { is_lookup: false, .. } => Object::Table(id),
            InputKind::Table { is_lookup: true, .. } => Object::LookupTable(id),
        };
        self.add_object(new.name, object);
        Ok(id)
    }

    /// Installs the operators of a stream and runs them over what they begin with. Answers what
    /// the result holds after that.
    pub(crate) fn add_stream(
        &mut self,
        new: NewStream,
        mut plan: StreamPlan,
    ) -> Result<(StreamId, Vec<Delta>)> {
        let NewStream { name, sql, statement, is_view, on_error, retain_rows, backfill } = new;
        self.epoch += 1;
        let id = StreamId(self.streams.len() as u32);
        let held_since = (!self.started && !name.is_empty()).then_some(self.epoch);
        if is_view {
            plan.default_to_changes();
        }
        let (explain, reads) = (plan.explain(), plan.relations());
        let (emit, traits) = (plan.emit, plan.traits().clone());
        let every = plan.every_ns.map(Every::new);
        let late = plan.late;
        if let Some(late) = late.as_ref().filter(|_| name.is_empty()) {
            let message = "LATE DATA TO needs a stream with a name: CREATE STREAM ... AS it";
            return Err(Error::new(code::PLAN, message).at(late.sink.position));
        }
        let mut nodes: Vec<NodeId> = Vec::with_capacity(plan.nodes.len());
        for node in plan.nodes {
            let mut inputs = Vec::with_capacity(node.inputs.len());
            let mut begins = Vec::new();
            for (port, input) in node.inputs.iter().enumerate() {
                match input {
                    InputRef::Node(index) => inputs.push(nodes[*index]),
                    InputRef::Relation(name) => {
                        let (input, traits) =
                            self.relation(name).ok_or_else(|| self.not_found(name))?;
                        inputs.push(input);
                        let has_rows =
                            backfill == Backfill::All || traits.changes != Changes::AppendOnly;
                        let rows = if has_rows { Some(self.rows_of(name, &traits)?) } else { None };
                        begins.push((port, rows));
                    }
                }
            }
            let node = self.graph.add_operator(node.operator, node.traits, inputs, held_since);
            for (port, rows) in begins {
                self.graph.backfill(node, port, rows);
            }
            if on_error == OnError::Fail {
                self.graph.fail_on_dead_letter(node);
            }
            self.owners.insert(node, id);
            nodes.push(node);
        }
        let append_only = traits.changes == Changes::AppendOnly;
        let history =
            append_only.then(|| History::new(Arc::clone(&traits.schema), retain_rows, None));
        let late =
            late.map(|late| (self.graph.add_late_output(nodes[late.node], late.traits), late.sink));
        let stream = Stream {
            name: name.clone(),
            late_of: None,
            sql,
            statement,
            is_view,
            emit,
            every,
            explain,
            nodes,
            traits,
            reads,
            history,
            subscribers: Vec::new(),
            total_rows: 0,
            dead_letters: 0,
        };
        self.graph.tap(stream.result(), id.0);
        self.streams.push(Some(stream));
        if !name.is_empty() {
            let object = if is_view { Object::View(id) } else { Object::Stream(id) };
            self.add_object(name.clone(), object);
        }
        if let Some((node, sink)) = late {
            self.add_late_rows(node, sink.value, &name, retain_rows);
        }
        let mut output = std::mem::take(&mut self.scratch.output);
        output.clear();
        self.graph.run(self.epoch, &mut output);
        let begin = output.deltas.iter().filter(|(tag, _)| *tag == id.0);
        let begin = begin.map(|(_, change)| change.clone().into_delta()).collect::<Result<_>>()?;
        self.publish(&mut output);
        self.scratch.output = output;
        self.tell_sources();
        Ok((id, begin))
    }

    /// Makes the late rows of a stream a sink.
    fn add_late_rows(&mut self, node: NodeId, sink: String, of: &str, retain_rows: usize) {
        let id = StreamId(self.streams.len() as u32);
        let traits = self.graph.traits(node).clone();
        self.owners.insert(node, id);
        self.graph.tap(node, id.0);
        self.streams.push(Some(Stream {
            name: sink.clone(),
            late_of: Some(of.to_string()),
            sql: String::new(),
            statement: String::new(),
            is_view: false,
            emit: EmitForm::Update,
            every: None,
            explain: format!("The late rows of {of}\n"),
            nodes: vec![node],
            history: Some(History::new(Arc::clone(&traits.schema), retain_rows, None)),
            traits,
            reads: vec![of.to_string()],
            subscribers: Vec::new(),
            total_rows: 0,
            dead_letters: 0,
        }));
        self.add_object(sink, Object::LateRows { rows: id, of: of.to_string() });
    }

    /// The sinks of the late rows of a stream.
    pub(crate) fn late_sinks(&self, of: &str) -> Vec<(String, StreamId)> {
        let late = self.objects.iter().filter_map(|(name, object)| match object {
            Object::LateRows { rows, of: stream } if stream == of => Some((name.clone(), *rows)),
            _ => None,
        });
        late.collect()
    }

    /// Gives a name to something new.
    pub(crate) fn add_object(&mut self, name: String, object: Object) {
        self.catalog_version += 1;
        self.objects.insert(name, object);
    }

    /// The content of a relation as one delta.
    fn rows_of(&mut self, name: &str, traits: &Traits) -> Result<Delta> {
        let batches = self.content(name)?.batches()?;
        let batch = arrow::compute::concat_batches(&traits.schema, &batches)
            .map_err(|error| Error::internal(format!("the content of `{name}`: {error}")))?;
        // Where rows can cease, weights are present.
        let weighted = traits.changes != Changes::AppendOnly;
        let weights = weighted.then(|| vec![1; batch.num_rows()].into());
        Ok(Delta { batch, weights })
    }

    /// A consistent read of what a relation holds or retains now.
    pub(crate) fn content(&mut self, name: &str) -> Result<Box<dyn Content>> {
        match self.object(name)?.clone() {
            Object::Sink { from, .. } => self.content(&from),
            Object::Source(id) | Object::Table(id) | Object::LookupTable(id) => {
                let source = self.source(id)?;
                if let Some(history) = &source.history {
                    return Ok(Box::new(Batches(history.snapshot()?)));
                }
                let node = source.node;
                let content = self.graph.content(node);
                content.ok_or_else(|| Error::internal(format!("the table `{name}` has no rows")))
            }
            Object::Stream(id) | Object::View(id) | Object::LateRows { rows: id, .. } => {
                self.stream_content(id)
            }
        }
    }

    /// A consistent read of what a stream holds or retains now.
    pub(crate) fn stream_content(&mut self, id: StreamId) -> Result<Box<dyn Content>> {
        let stream = self.stream(id);
        let (name, result) = (stream.name.clone(), stream.result());
        if let Some(error) = self.graph.failure(stream.result()) {
            let message = format!("the stream `{}` stopped: {}", stream.name, error.message());
            return Err(Error::new(code::STREAM_FAILED, message));
        }
        if let Some(history) = &stream.history {
            return Ok(Box::new(Batches(history.snapshot()?)));
        }
        self.graph.content(result).ok_or_else(|| {
            Error::internal(format!("the content of the stream `{name}` is not held"))
        })
    }

    /// The sources whose rows can reach a stream.
    pub(crate) fn sources_of(&self, id: StreamId) -> Vec<SourceId> {
        self.inputs_behind(self.stream(id).reads.clone())
    }

    /// The sources and tables whose rows can reach relations of these names, each once.
    pub(crate) fn inputs_behind(&self, mut names: Vec<String>) -> Vec<SourceId> {
        let mut inputs = Vec::new();
        while let Some(name) = names.pop() {
            match self.objects.get(&name) {
                Some(
                    Object::Stream(stream)
                    | Object::View(stream)
                    | Object::LateRows { rows: stream, .. },
                ) => {
                    names.extend(self.stream(*stream).reads.clone());
                }
                Some(Object::Sink { from, .. }) => names.push(from.clone()),
                Some(object) => {
                    inputs.extend(object.input().filter(|input| !inputs.contains(input)));
                }
                None => {}
            }
        }
        inputs
    }

    /// Tells the handles of sources in which form a few rows are best pushed.
    pub(crate) fn tell_sources(&self) {
        for source in self.sources.iter().flatten() {
            // A table finds out what rows change before anyone gets them.
            let takes_rows = source.history.is_some()
                && source.timing.takes_rows()
                && self.graph.takes_rows(source.node);
            source.rules.takes_rows.store(takes_rows, Ordering::Relaxed);
        }
    }

    /// Forgets subscriptions that ended, and the anonymous streams behind them.
    pub(crate) fn sweep(&mut self) {
        let mut ended = Vec::new();
        for (index, stream) in self.streams.iter_mut().enumerate() {
            if let Some(stream) = stream {
                stream.sweep();
                if stream.is_anonymous() && stream.subscribers.is_empty() {
                    ended.push(StreamId(index as u32));
                }
            }
        }
        ended.into_iter().for_each(|id| self.remove_stream(id));
    }

    /// Attaches a subscription to a stream.
    pub(crate) fn subscribe(&mut self, id: StreamId, ring: RingWriter) {
        self.flush(id);
        if let Some(stream) = self.stream_if_exists(id) {
            stream.sweep();
            stream.subscribers.push(ring);
        }
    }

    /// Opens a producer of a source.
    pub(crate) fn add_producer(
        &mut self,
        source: SourceId,
        closed: Arc<AtomicBool>,
    ) -> Result<ProducerId> {
        let now_ms = self.clock.now_ms();
        let id = self.source_mut(source)?.producers.add(closed, true);
        self.source_mut(source)?.producers.see(id, now_ms);
        Ok(id)
    }

    /// The producer that the database's own inserts go through.
    pub(crate) fn own_producer(&mut self, source: SourceId) -> Result<ProducerId> {
        let source = self.source_mut(source)?;
        Ok(*source.own_producer.get_or_insert_with(|| source.producers.add(Arc::default(), false)))
    }

    /// Takes in the rows of one epoch, and runs it.
    pub(crate) fn push(
        &mut self,
        id: SourceId,
        producer: ProducerId,
        batches: &[RecordBatch],
    ) -> Result<Epoch> {
        self.check_open(id, producer)?;
        let held = self.is_held(id)?;
        if let [batch] = batches
            && !held
            && (1..=TINY_ROWS).contains(&batch.num_rows())
            && let Some(rows) = self.as_rows(id, batch)?
        {
            let pushed = self.push_rows(id, producer, &rows);
            self.scratch.rows = Some(rows);
            return pushed;
        }
        self.epoch += 1;
        self.hear_of(id, producer);
        let stamped = self.stamped(id, batches)?;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.output.clear();
        let result = stamped
            .as_deref()
            .unwrap_or(batches)
            .iter()
            .try_for_each(|batch| self.push_batch(id, producer, batch, held, &mut scratch));
        self.publish(&mut scratch.output);
        self.scratch = scratch;
        result.map(|()| self.epoch)
    }

    /// Refuses to take more from a producer that has said its end.
    fn check_open(&self, id: SourceId, producer: ProducerId) -> Result<()> {
        let source = self.source(id)?;
        if !source.producers.has_ended(producer) {
            return Ok(());
        }
        Err(Error::new(
            code::INGESTION_ARGUMENT,
            format!("this producer of `{}` has said that its input ended", source.name),
        ))
    }

    /// A small batch as a block, if some stream is better given it so.
    fn as_rows(&mut self, id: SourceId, batch: &RecordBatch) -> Result<Option<RowBlock>> {
        let rules = Arc::clone(&self.source(id)?.rules);
        let Some(layout) = rules.layout.as_ref() else { return Ok(None) };
        if !rules.takes_rows.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut rows = self.scratch.rows.take().unwrap_or_else(|| RowBlock::new(layout));
        rows.reset(layout);
        if rows.append_batch(batch, None)? {
            return Ok(Some(rows));
        }
        self.scratch.rows = Some(rows);
        Ok(None)
    }

    /// Takes in a few rows as one epoch, and runs it: what [`push`](Self::push) does with the same
    /// rows as a batch.
    pub(crate) fn push_rows(
        &mut self,
        id: SourceId,
        producer: ProducerId,
        rows: &RowBlock,
    ) -> Result<Epoch> {
        // What waits for the start is kept as a batch. No stream may take blocks any more.
        if self.is_held(id)? || !self.source(id)?.rules.takes_rows.load(Ordering::Relaxed) {
            return self.push(id, producer, &[rows.to_batch()?]);
        }
        self.check_open(id, producer)?;
        self.epoch += 1;
        self.hear_of(id, producer);
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.output.clear();
        let result = self.push_block(id, producer, rows, &mut scratch);
        self.publish(&mut scratch.output);
        self.scratch = scratch;
        result.map(|()| self.epoch)
    }

    /// The rows of an epoch as a block: one step, or as a batch where it must be cut.
    fn push_block(
        &mut self,
        id: SourceId,
        producer: ProducerId,
        rows: &RowBlock,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let source = self.sources[id.0 as usize].as_mut().ok_or_else(dropped_source)?;
        scratch.times.clear();
        if let Some(declared) = source.producers.declared() {
            let times = (0..rows.num_rows()).map(|row| rows.word(row, declared.column) as i64);
            scratch.times.extend(times);
        }
        let Scratch { times, pieces, .. } = scratch;
        source.producers.cut_times(producer, rows.num_rows(), times, pieces)?;
        if let Some(history) = &mut source.history {
            history.append_rows(rows)?;
        }
        source.total_rows += rows.num_rows() as u64;
        source.changed = self.epoch;
        let node = source.node;
        let [piece] = scratch.pieces.as_slice() else {
            return self.run_pieces(id, node, &rows.to_batch()?, false, scratch);
        };
        let watermark = piece.watermark;
        self.source_frontiers(id, watermark, &mut scratch.frontiers);
        self.graph.push_rows(node, rows, Audience::Running);
        self.graph.advance(node, &scratch.frontiers, Audience::Running);
        self.graph.run(self.epoch, &mut scratch.output);
        Ok(())
    }

    /// Whether changes of an input must queue for streams that are held back. Fails with `FULL`
    /// when too much waits already: one epoch may overshoot, so that a batch of any size is taken.
    pub(crate) fn is_held(&self, id: SourceId) -> Result<bool> {
        let held = !self.started && self.graph.has_held_consumers(self.source(id)?.node);
        if held && self.queued_bytes >= self.max_queued_bytes {
            return Err(Error::new(
                code::FULL,
                format!(
                    "{} bytes wait for start(), and {} may: call start(), or raise \
                     max_queued_bytes",
                    self.queued_bytes, self.max_queued_bytes
                ),
            ));
        }
        Ok(held)
    }

    /// One batch of an epoch: a step for each piece that it is cut into.
    fn push_batch(
        &mut self,
        id: SourceId,
        producer: ProducerId,
        batch: &RecordBatch,
        held: bool,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let source = self.sources[id.0 as usize].as_mut().ok_or_else(dropped_source)?;
        source.producers.cut(producer, batch, &mut scratch.pieces)?;
        if let Some(history) = &mut source.history {
            history.append(batch)?;
        }
        source.total_rows += batch.num_rows() as u64;
        source.changed = self.epoch;
        let node = source.node;
        self.run_pieces(id, node, batch, held, scratch)
    }

    /// A step for each piece that a batch was cut into.
    fn run_pieces(
        &mut self,
        id: SourceId,
        node: NodeId,
        batch: &RecordBatch,
        held: bool,
        scratch: &mut Scratch,
    ) -> Result<()> {
        for piece in &scratch.pieces {
            let rows = match piece.rows == batch.num_rows() {
                true => batch.clone(),
                false => batch.slice(piece.offset, piece.rows),
            };
            let change = match self.graph.table_mut(node) {
                Some(table) => table.insert(&rows)?,
                None => Some(Delta::insert(rows)),
            };
            self.source_frontiers(id, piece.watermark, &mut scratch.frontiers);
            self.step(id, node, change, held, &scratch.frontiers, &mut scratch.output)?;
        }
        Ok(())
    }

    /// One step of an epoch: a change of an input, then the frontiers after it.
    pub(crate) fn step(
        &mut self,
        id: SourceId,
        node: NodeId,
        change: Option<Delta>,
        held: bool,
        frontiers: &[Frontier],
        output: &mut StepOutput,
    ) -> Result<()> {
        if let Some(change) = &change {
            self.graph.push(node, change, Audience::Running);
        }
        self.graph.advance(node, frontiers, Audience::Running);
        self.graph.run(self.epoch, output);
        if held {
            let change = change.map(|Delta { batch, weights }| {
                Ok::<_, Error>(Delta { batch: page::compact_batch(&batch)?, weights })
            });
            self.enqueue(id, change.transpose()?, frontiers);
        }
        Ok(())
    }

    /// Takes in a producer's promise, and runs the epoch that it makes.
    pub(crate) fn watermark(
        &mut self,
        id: SourceId,
        producer: ProducerId,
        watermark: Watermark,
    ) -> Result<Epoch> {
        self.source_mut(id)?.producers.promise(producer, watermark);
        self.epoch += 1;
        self.hear_of(id, producer);
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.output.clear();
        self.advance_source(id, &mut scratch);
        self.publish(&mut scratch.output);
        self.scratch = scratch;
        Ok(self.epoch)
    }

    /// Moves the frontiers of a source to where its producers and the clock have brought them.
    fn advance_source(&mut self, id: SourceId, scratch: &mut Scratch) {
        let Ok(source) = self.source(id) else { return };
        let (node, watermark) = (source.node, source.producers.watermark());
        let held = !self.started && self.graph.has_held_consumers(node);
        self.source_frontiers(id, watermark, &mut scratch.frontiers);
        if held {
            self.enqueue(id, None, &scratch.frontiers);
        }
        self.graph.advance(node, &scratch.frontiers, Audience::Running);
        self.graph.run(self.epoch, &mut scratch.output);
    }

    /// The frontiers that a watermark, and the clock, mean for the event times of a source.
    pub(crate) fn source_frontiers(
        &self,
        id: SourceId,
        watermark: Option<Watermark>,
        out: &mut Vec<Frontier>,
    ) {
        let Ok(source) = self.source(id) else { return };
        let times = &self.graph.traits(source.node).times;
        frontiers(watermark, times.iter().map(|time| time.unit), out);
        for (time, frontier) in times.iter().zip(out) {
            if source.timing.proctime == Some(time.column) {
                *frontier = match source.stamp_ms {
                    i64::MIN => Frontier::MIN,
                    // Rounded down to the unit, as the stamps are.
                    ms => Frontier::before(stamp_in(ms, time.unit), time.unit),
                };
            }
        }
    }

    /// Notes that a producer is alive, where silence means something.
    fn hear_of(&mut self, id: SourceId, producer: ProducerId) {
        let now_ms = match self.source(id) {
            Ok(source) if source.timing.idle_timeout_ms.is_some() => self.clock.now_ms(),
            _ => return,
        };
        let Ok(source) = self.source_mut(id) else { return };
        source.producers.see(producer, now_ms);
        let timeout_ms = source.timing.idle_timeout_ms.unwrap_or(i64::MAX);
        let was_idle = std::mem::take(&mut source.is_idle);
        let node = source.node;
        if was_idle {
            self.graph.set_idle(node, false);
        }
        self.alarm.set(now_ms.saturating_add(timeout_ms));
    }

    /// The batches with the column that the clock fills, for a source that has one. The stamp is a
    /// part of the input from here on.
    fn stamped(
        &mut self,
        id: SourceId,
        batches: &[RecordBatch],
    ) -> Result<Option<Vec<RecordBatch>>> {
        let Some(column) = self.source(id)?.timing.proctime else { return Ok(None) };
        let now_ms = self.clock.now_ms();
        let source = self.source_mut(id)?;
        source.stamp_ms = source.stamp_ms.max(now_ms);
        let data_type = source.schema.field(column).data_type();
        let unit = TimeUnit::of(data_type).unwrap_or(TimeUnit::Millisecond);
        let stamp = stamp_in(source.stamp_ms, unit);
        let stamped = batches.iter().map(|batch| {
            let stamps = Int64Array::from_value(stamp, batch.num_rows());
            let mut columns = batch.columns().to_vec();
            columns.insert(column, arrow::compute::cast(&stamps, data_type)?);
            RecordBatch::try_new(Arc::clone(&source.schema), columns)
        });
        let stamped: std::result::Result<Vec<_>, _> = stamped.collect();
        stamped.map(Some).map_err(|error| Error::internal(format!("a stamp does not fit: {error}")))
    }

    /// What there is to do because time has passed: silent producers are left out, `proctime()`
    /// goes on, `EMIT EVERY` tells what it gathered. Sets the alarm for the next time.
    pub(crate) fn tick(&mut self) {
        let now_ms = self.clock.now_ms();
        let mut next_ms = i64::MAX;
        let mut scratch = std::mem::take(&mut self.scratch);
        for index in 0..self.sources.len() {
            let id = SourceId(index as u32);
            let Ok(source) = self.source_mut(id) else { continue };
            let node = source.node;
            let watermark = source.producers.watermark();
            let mut moved = false;
            let mut idle = source.is_idle;
            if source.timing.proctime.is_some() {
                moved |= now_ms > source.stamp_ms;
                source.stamp_ms = source.stamp_ms.max(now_ms);
                next_ms = next_ms.min(now_ms.saturating_add(PROCTIME_TICK_MS));
            }
            // Before the start nobody is silent: what waits is replayed in its order.
            if let Some(timeout_ms) = source.timing.idle_timeout_ms.filter(|_| self.started) {
                let Ok(source) = self.source_mut(id) else { continue };
                let since_ms = now_ms.saturating_sub(timeout_ms);
                let earliest = source.producers.mark_idle(since_ms);
                idle = source.producers.all_idle() && source.since_ms <= since_ms;
                source.is_idle = idle;
                moved |= source.producers.watermark() != watermark;
                let since_ms = match idle {
                    true => None,
                    false => Some(earliest.unwrap_or(source.since_ms)),
                };
                if let Some(since_ms) = since_ms.or(earliest) {
                    next_ms = next_ms.min(since_ms.saturating_add(timeout_ms));
                }
            }
            scratch.output.clear();
            if moved {
                self.epoch += 1;
                self.advance_source(id, &mut scratch);
            }
            if idle != self.graph.is_idle(node) {
                self.epoch += u64::from(!moved);
                self.graph.set_idle(node, idle);
                self.graph.run(self.epoch, &mut scratch.output);
            }
            self.publish(&mut scratch.output);
        }
        self.scratch = scratch;
        for index in 0..self.streams.len() {
            let due = self.streams[index].as_ref().and_then(|stream| stream.every.as_ref()?.due_ms);
            match due {
                Some(due_ms) if due_ms <= now_ms => self.flush(StreamId(index as u32)),
                Some(due_ms) => next_ms = next_ms.min(due_ms),
                None => {}
            }
        }
        self.alarm.set(next_ms);
    }

    /// Tells what a stream with `EMIT EVERY` has gathered.
    pub(crate) fn flush(&mut self, id: StreamId) {
        let epoch = self.epoch;
        let Some(stream) = self.stream_if_exists(id) else { return };
        if let Err(error) = stream.flush(epoch) {
            stream.subscribers.iter().for_each(|ring| ring.fail(error.clone()));
        }
    }

    /// How far a source is ahead of the slowest of its alignment group, in milliseconds; `None`
    /// when it is in no group or one of the group has no watermark yet.
    pub(crate) fn drift_ms(&self, id: SourceId) -> Option<i64> {
        let source = self.source(id).ok()?;
        let group = source.timing.group.as_ref()?;
        let own_ms = source.producers.watermark()?.millis()?;
        let members = self.sources.iter().flatten();
        let of_group = members.filter(|other| other.timing.group.as_ref() == Some(group));
        let watermarks = of_group
            .filter(|other| !other.is_idle)
            .map(|other| other.producers.watermark().and_then(Watermark::millis));
        let least = watermarks.min().flatten()?;
        Some(own_ms.saturating_sub(least))
    }

    fn enqueue(&mut self, source: SourceId, change: Option<Delta>, frontiers: &[Frontier]) {
        let bytes = change.as_ref().map_or(0, |change| page::batch_bytes(&change.batch));
        let count = change.as_ref().map_or(0, Delta::num_rows) as u64;
        if let Some(source) = &mut self.sources[source.0 as usize] {
            source.rules.pending.fetch_add(count, Ordering::Relaxed);
        }
        self.queued_bytes += bytes;
        self.queue.push_back(Queued {
            sequence: self.epoch,
            source,
            change,
            frontiers: frontiers.to_vec(),
            bytes,
        });
    }

    /// Starts: replays what queued, each piece as an epoch, to the streams that were held back.
    pub(crate) fn start(&mut self) {
        if self.started {
            return;
        }
        let mut output = std::mem::take(&mut self.scratch.output);
        if mutant!(QueueReplayedBackwards) {
            self.queue.make_contiguous().reverse();
        }
        for queued in std::mem::take(&mut self.queue) {
            let Ok(source) = self.source_mut(queued.source) else { continue };
            let node = source.node;
            source.rules.pending.store(0, Ordering::Relaxed);
            let audience = Audience::HeldSince(queued.sequence);
            self.epoch += 1;
            output.clear();
            if let Some(change) = queued.change {
                self.graph.push(node, &change, audience);
            }
            self.graph.advance(node, &queued.frontiers, audience);
            self.graph.run(self.epoch, &mut output);
            self.publish(&mut output);
        }
        self.queued_bytes = 0;
        self.graph.release();
        self.started = true;
        let now_ms = self.clock.now_ms();
        for source in self.sources.iter_mut().flatten() {
            source.producers.see_all(now_ms);
            source.since_ms = now_ms;
            if let Some(timeout_ms) = source.timing.idle_timeout_ms {
                self.alarm.set(now_ms.saturating_add(timeout_ms));
            }
        }
        self.scratch.output = output;
    }

    /// Hands what an epoch gave to the streams whose results it changed.
    pub(crate) fn publish(&mut self, output: &mut StepOutput) {
        if !output.dead_letters.is_empty() || !output.failures.is_empty() {
            self.take_losses(output);
        }
        if output.deltas.len() > 1 {
            // Several steps of one epoch may have changed one stream: bring its changes together.
            output.deltas.sort_by_key(|(tag, _)| *tag);
        }
        let mut some_ended = false;
        let mut deltas = output.deltas.drain(..).peekable();
        while let Some((tag, first)) = deltas.next() {
            let mut more = Vec::new();
            while let Some((_, next)) = deltas.next_if(|(other, _)| *other == tag) {
                more.push(next);
            }
            let Some(stream) = self.streams[tag as usize].as_mut() else { continue };
            let published = match first {
                Change::Rows(rows) if more.is_empty() && stream.every.is_none() => {
                    let published = stream.publish_rows(self.epoch, &rows);
                    self.graph.recycle(Change::Rows(rows));
                    published
                }
                first => stream.publish_changes(self.epoch, first, more, &self.clock),
            };
            if let Err(error) = published {
                stream.subscribers.iter().for_each(|ring| ring.fail(error.clone()));
            }
            if let Some(due_ms) = stream.every.as_ref().and_then(|every| every.due_ms) {
                self.alarm.set(due_ms);
            }
            some_ended |= stream.subscribers.iter().any(|ring| ring.is_closed());
        }
        drop(deltas);
        if some_ended {
            self.sweep();
        }
    }

    /// Notes the rows that were left out and the streams that stopped.
    fn take_losses(&mut self, output: &mut StepOutput) {
        for (node, letter) in output.dead_letters.drain(..) {
            let Some(stream) =
                self.owners.get(&node).and_then(|id| self.streams[id.0 as usize].as_mut())
            else {
                continue;
            };
            stream.dead_letters += 1;
            if self.dead_letters.len() == MOST_DEAD_LETTERS {
                self.dead_letters.pop_front();
            }
            self.dead_letters.push_back((stream.name.clone(), letter));
        }
        for (node, error) in output.failures.drain(..) {
            let Some(stream) =
                self.owners.get(&node).and_then(|id| self.streams[id.0 as usize].as_mut())
            else {
                continue;
            };
            if stream.result() == node {
                stream.subscribers.iter().for_each(|ring| ring.fail(error.clone()));
            }
        }
    }

    /// The watermark of a stream, in milliseconds: the least of its event-time columns.
    pub(crate) fn stream_watermark(&self, stream: &Stream) -> Option<i64> {
        let frontiers = self.graph.frontiers(stream.result());
        frontiers.iter().min().and_then(|frontier| frontier.watermark_millis())
    }

    /// Ends every subscription.
    pub(crate) fn close(&mut self) {
        self.alarm.stop();
        (0..self.streams.len()).for_each(|index| self.flush(StreamId(index as u32)));
        for stream in self.streams.iter_mut().flatten() {
            stream.subscribers.clear();
        }
    }
}

impl Catalog for Core {
    fn relation(&self, name: &str) -> Option<Traits> {
        Core::relation(self, name).map(|(_, traits)| traits)
    }

    fn names(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }
}

/// Rows that lie ready.
struct Batches(Vec<RecordBatch>);

impl Content for Batches {
    fn batches(&self) -> Result<Vec<RecordBatch>> {
        Ok(self.0.clone())
    }
}

/// A time of the clock in a unit, rounded down.
fn stamp_in(ms: i64, unit: TimeUnit) -> i64 {
    let ns = i128::from(ms) * 1_000_000;
    i64::try_from(ns.div_euclid(i128::from(unit.nanos()))).unwrap_or(i64::MAX)
}

fn dropped_source() -> Error {
    Error::new(code::SOURCE_CLOSED, "the source of this handle was dropped: open it again by name")
}
