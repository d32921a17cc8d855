//! [`Core`]: everything that the executor's token guards, and the epochs that run over it.
//!
//! Invariants:
//! - Every change happens in an epoch; epochs are numbered without gaps from 1.
//! - A source's history, its queue and its consumers see the same rows in the same order.
//! - Streams are held back until the database starts; what they miss until then is queued, in the
//!   order of its epochs, and replayed at the start. Anonymous streams are never held back.
//!
//! | file | what it holds |
//! |---|---|
//! | `objects` | what names stand for |
//! | `push` | the rows of an epoch |
//! | `time` | promises, frontiers, the clock |

mod objects;
mod push;
mod time;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arrow::array::RecordBatch;
use laminar_dataflow::graph::Audience;
use laminar_dataflow::operators::Union;
use laminar_dataflow::state::{Container, TableRows};
use laminar_dataflow::{Changes, Content, DeadLetter, Graph, NodeId, StepOutput, Traits};
use laminar_sql::catalog::Catalog;
use laminar_sql::outline::Outline;
use laminar_sql::parser::statement::OnError;
use laminar_sql::plan::{EmitForm, InputRef, PlanNode, StreamPlan};
use laminar_types::{
    Change, Config, Delta, Epoch, Error, Frontier, Result, RowBlock, code, mutant,
};

pub(crate) use objects::{
    Backfill, InputKind, Installed, NewSource, NewStream, Object, Source, SourceId, StreamId,
    Timing,
};

use crate::board::{Board, StreamEntry, SubscriptionEntry};
use crate::clock::{Alarm, Clock};
use crate::history::History;
use crate::keyed_times::KeyedTimes;
use crate::log::LogLevel;
use crate::producers::{Piece, ProducerId, Producers};
use crate::ring::RingWriter;
use crate::stream::{Every, Stream, too_old, with_weight};
use time::PROCTIME_TICK_MS;

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
    pub(crate) board: Arc<Board>,
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

/// What happened before the start, for the streams that are held back.
pub(crate) struct Queued {
    sequence: Epoch,
    pub(crate) source: SourceId,
    pub(crate) change: Option<Delta>,
    frontiers: Vec<Frontier>,
    pub(crate) bytes: usize,
}

impl Core {
    pub(crate) fn new(
        config: &Config,
        clock: Arc<Clock>,
        alarm: Arc<Alarm>,
        board: Arc<Board>,
    ) -> Self {
        Self {
            board,
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

    /// Runs a step of the graph, which learns the time of the epoch where it asks for it.
    pub(crate) fn run_graph(&mut self, output: &mut StepOutput) {
        if self.graph.awaits_time(self.epoch) {
            self.graph.set_time(self.epoch, self.clock.now_ms());
        }
        self.graph.run(self.epoch, output);
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
        let entry = Arc::new(new.entry(id, &rules));
        self.board.add_source(new.name.clone(), Arc::clone(&entry));
        self.sources.push(Some(Source {
            name: new.name.clone(),
            node,
            history,
            changed: self.epoch,
            rules,
            schema: new.schema,
            producers: Producers::new(new.declared).keyed(keyed),
            own_producer: None,
            entry,
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

    /// Installs a stream under its name. Answers what the result holds after that.
    pub(crate) fn add_stream(
        &mut self,
        new: NewStream,
        plan: StreamPlan,
    ) -> Result<(StreamId, Vec<Delta>)> {
        let Installed { id, begin, late } = self.install_stream(new, plan)?;
        self.name_stream(id, late);
        Ok((id, begin))
    }

    /// Gives an installed stream, and the sink of its late rows, their names.
    pub(crate) fn name_stream(&mut self, id: StreamId, late: Option<(String, StreamId)>) {
        let stream = self.stream(id);
        if stream.is_anonymous() {
            return;
        }
        let name = stream.name.clone();
        let object = if stream.is_view { Object::View(id) } else { Object::Stream(id) };
        self.add_object(name.clone(), object);
        if let Some((sink, rows)) = late {
            self.board.add_sink(sink.clone(), name.clone(), String::new());
            self.add_object(sink, Object::LateRows { rows, of: name });
        }
    }

    /// Installs the operators of a stream and runs them over what they begin with. Where that is
    /// not possible, nothing is installed.
    pub(crate) fn install_stream(
        &mut self,
        new: NewStream,
        mut plan: StreamPlan,
    ) -> Result<Installed> {
        let NewStream { name, sql, statement, is_view, on_error, retain_rows, .. } = new;
        let (retain_changes, backfill) = (new.retain_changes, new.backfill);
        self.epoch += 1;
        let id = StreamId(self.streams.len() as u32);
        let held_since = (!self.started && !name.is_empty()).then_some(self.epoch);
        if is_view {
            plan.default_to_changes();
        }
        let (outline, reads) = (plan.outline(), plan.relations());
        let (emit, traits) = (plan.emit, plan.traits().clone());
        let every = plan.every_ns.map(Every::new);
        let late = plan.late;
        if let Some(late) = late.as_ref().filter(|_| name.is_empty()) {
            let message = "LATE DATA TO needs a stream with a name: CREATE STREAM ... AS it";
            return Err(Error::new(code::PLAN, message).at(late.sink.position));
        }
        let mut nodes: Vec<NodeId> = Vec::with_capacity(plan.nodes.len());
        for node in plan.nodes {
            if let Err(error) = self.add_node(node, &mut nodes, held_since, backfill) {
                nodes.into_iter().rev().for_each(|node| self.graph.remove(node));
                return Err(error);
            }
        }
        for node in &nodes {
            if on_error == OnError::Fail {
                self.graph.fail_on_dead_letter(*node);
            }
            self.owners.insert(*node, id);
        }
        let append_only = traits.changes == Changes::AppendOnly;
        let history =
            append_only.then(|| History::new(Arc::clone(&traits.schema), retain_rows, None));
        let traits_schema = Arc::clone(&traits.schema);
        let late = late.map(|late| {
            let of: Vec<NodeId> = late.nodes.iter().map(|node| nodes[*node]).collect();
            (self.add_late_outputs(&of, &late.traits), late.sink)
        });
        let stream = Stream {
            name: name.clone(),
            late_of: None,
            entry: Arc::default(),
            sql,
            statement,
            is_view,
            emit,
            every,
            outline,
            nodes,
            traits,
            reads,
            changes: match (&history, retain_changes) {
                (None, Some(rows)) => Some(History::new(with_weight(&traits_schema), rows, None)),
                _ => None,
            },
            history,
            subscribers: Vec::new(),
        };
        self.graph.tap(stream.result(), id.0);
        self.push_stream(stream);
        let late = late.and_then(|(nodes, sink)| {
            let rows = self.add_late_rows(nodes, sink.value.clone(), &name, retain_rows)?;
            Some((sink.value, rows))
        });
        let mut output = std::mem::take(&mut self.scratch.output);
        output.clear();
        self.run_graph(&mut output);
        let begin = output.deltas.iter().filter(|(tag, _)| *tag == id.0);
        let begin = begin.map(|(_, change)| change.clone().into_delta()).collect::<Result<_>>()?;
        self.publish(&mut output);
        self.scratch.output = output;
        self.tell_sources();
        Ok(Installed { id, begin, late })
    }

    /// Adds an operator behind `nodes`, those of its plan before it, and gives it what its inputs
    /// hold.
    fn add_node(
        &mut self,
        node: PlanNode,
        nodes: &mut Vec<NodeId>,
        held_since: Option<u64>,
        backfill: Backfill,
    ) -> Result<()> {
        let mut inputs = Vec::with_capacity(node.inputs.len());
        let mut begins = Vec::new();
        for (port, input) in node.inputs.iter().enumerate() {
            match input {
                InputRef::Node(index) => inputs.push(nodes[*index]),
                InputRef::Relation(name) => {
                    let (input, traits) =
                        self.relation(name).ok_or_else(|| self.not_found(name))?;
                    inputs.push(input);
                    let rows = match (backfill, traits.changes) {
                        (Backfill::Since(epoch), Changes::AppendOnly) => {
                            Some(self.rows_since(name, epoch, &traits)?)
                        }
                        (Backfill::Updating, Changes::AppendOnly) => None,
                        _ => Some(self.rows_of(name, &traits)?),
                    };
                    begins.push((port, rows));
                }
            }
        }
        let node = self.graph.add_operator(node.operator, node.traits, inputs, held_since);
        nodes.push(node);
        for (port, rows) in begins {
            if rows.is_none() {
                self.graph.skip_earlier(node, port);
            }
            self.graph.backfill(node, port, rows);
        }
        Ok(())
    }

    /// Adds the nodes that hand on the rows which are late for some operators; the last one has
    /// those of all.
    fn add_late_outputs(&mut self, of: &[NodeId], traits: &Traits) -> Vec<NodeId> {
        let outputs = of.iter().map(|node| self.graph.add_late_output(*node, traits.clone()));
        let mut nodes: Vec<NodeId> = outputs.collect();
        if nodes.len() > 1 {
            let union = Union::new(Arc::clone(&traits.schema), vec![Vec::new(); nodes.len()]);
            let inputs = nodes.clone();
            nodes.push(self.graph.add_operator(Box::new(union), traits.clone(), inputs, None));
        }
        nodes
    }

    /// Makes the late rows of a stream a stream.
    fn add_late_rows(
        &mut self,
        nodes: Vec<NodeId>,
        sink: String,
        of: &str,
        retain_rows: usize,
    ) -> Option<StreamId> {
        let id = StreamId(self.streams.len() as u32);
        let last = nodes.last().copied()?;
        let traits = self.graph.traits(last).clone();
        self.owners.extend(nodes.iter().map(|node| (*node, id)));
        self.graph.tap(last, id.0);
        self.push_stream(Stream {
            name: sink,
            late_of: Some(of.to_string()),
            entry: Arc::default(),
            sql: String::new(),
            statement: String::new(),
            is_view: false,
            emit: EmitForm::Update,
            every: None,
            outline: Outline { heading: format!("The late rows of {of}"), ..Outline::default() },
            nodes,
            history: Some(History::new(Arc::clone(&traits.schema), retain_rows, None)),
            traits,
            reads: vec![of.to_string()],
            changes: None,
            subscribers: Vec::new(),
        });
        Some(id)
    }

    /// Gives a stream the next number, and lists it.
    fn push_stream(&mut self, stream: Stream) {
        let entry = Arc::new(StreamEntry {
            name: stream.name.clone(),
            sql: stream.sql.clone(),
            emit: stream.emit_sql(),
            is_view: stream.is_view,
            late_of: stream.late_of.clone(),
            reads: stream.reads.clone(),
            ..StreamEntry::default()
        });
        self.board.add_stream(self.streams.len() as u32, Arc::clone(&entry));
        self.streams.push(Some(Stream { entry, ..stream }));
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

    /// What an append-only relation got after an epoch, as one delta.
    fn rows_since(&self, name: &str, epoch: Epoch, traits: &Traits) -> Result<Delta> {
        let history = match self.object(name)? {
            Object::Sink { from, .. } => return self.rows_since(from, epoch, traits),
            Object::Source(id) | Object::Table(id) | Object::LookupTable(id) => {
                self.source(*id)?.history.as_ref()
            }
            Object::Stream(id) | Object::View(id) | Object::LateRows { rows: id, .. } => {
                self.stream(*id).history.as_ref()
            }
        };
        let history =
            history.ok_or_else(|| Error::internal(format!("`{name}` keeps no history")))?;
        let rows = history.since(epoch)?.map_err(|oldest| too_old(epoch, oldest))?;
        let batches = rows.iter().map(|(_, batch)| batch);
        let batch = arrow::compute::concat_batches(&traits.schema, batches)
            .map_err(|error| Error::internal(format!("the content of `{name}`: {error}")))?;
        Ok(Delta::insert(batch))
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

    /// Tells sources what their readers need: at which times batches are cut, in which form a few
    /// rows are best pushed.
    pub(crate) fn tell_sources(&mut self) {
        for source in self.sources.iter_mut().flatten() {
            source.producers.set_marks(self.graph.marks(source.node));
        }
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
        if let Some(stream) = self.streams[id.0 as usize].as_mut() {
            stream.sweep();
            let entry = Arc::clone(&stream.entry);
            let ring_of = Arc::downgrade(&ring.share());
            self.board.add_subscription(SubscriptionEntry {
                begun: Instant::now(),
                stream: entry,
                ring: ring_of,
            });
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
            self.graph.replay(queued.sequence);
            if let Some(change) = queued.change {
                self.graph.push(node, &change, audience);
            }
            if !mutant!(QueuedWatermarkForgotten) {
                self.graph.advance(node, &queued.frontiers, audience);
            }
            self.run_graph(&mut output);
            self.publish(&mut output);
        }
        self.queued_bytes = 0;
        self.board.queued_bytes.set(0);
        self.graph.release();
        self.started = true;
        self.board.set_started();
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
        if self.board.log.hears(LogLevel::Warn) {
            self.warn_of_losses();
        }
        self.board.epochs.set(self.epoch);
        if self.board.take_wanted() {
            self.read_gauges();
        }
    }

    /// Tells the first late row of each stream and the first miss of each subscription. Only where
    /// somebody listens: it is a look at every stream.
    fn warn_of_losses(&self) {
        let log = &self.board.log;
        for stream in self.streams.iter().flatten() {
            let late_rows = || -> u64 {
                stream.nodes.iter().map(|node| self.graph.metrics(*node).late_rows).sum()
            };
            if !stream.entry.told_late.load(Ordering::Relaxed) && late_rows() > 0 {
                stream.entry.told_late.store(true, Ordering::Relaxed);
                let line = || {
                    format!(
                        "{}: a row came too late and is left out (the first time only)",
                        stream.label()
                    )
                };
                log.say(LogLevel::Warn, line);
            }
            for ring in stream.subscribers.iter().filter(|ring| ring.is_first_miss()) {
                let line = || {
                    format!(
                        "a subscription to {} does not keep up: it missed {} rows (the first time \
                         only)",
                        stream.label(),
                        ring.missed_rows()
                    )
                };
                log.say(LogLevel::Warn, line);
            }
        }
    }

    /// Brings the gauges of the board up to date.
    pub(crate) fn read_gauges(&self) {
        self.board.epochs.set(self.epoch);
        for source in self.sources.iter().flatten() {
            let entry = &source.entry;
            let watermark = source.producers.watermark();
            entry.watermark_ms.set(watermark.and_then(|watermark| watermark.millis()));
            if let Some(history) = &source.history {
                entry.retained_rows.set(history.num_rows() as u64);
                entry.dropped_rows.set(history.dropped_rows());
                entry.state_bytes.set(history.state_bytes() as u64);
            }
            if let Some(rows) = self.graph.table(source.node) {
                entry.retained_rows.set(rows.len());
                entry.state_bytes.set(rows.state_bytes() as u64);
            }
        }
        for stream in self.streams.iter().flatten() {
            let (mut late_rows, mut state_bytes) = (0, 0);
            for node in &stream.nodes {
                let metrics = self.graph.metrics(*node);
                late_rows += metrics.late_rows;
                state_bytes += metrics.state_bytes;
            }
            let history = stream.history.as_ref();
            state_bytes += history.map_or(0, History::state_bytes);
            let entry = &stream.entry;
            entry.late_rows.set(late_rows);
            entry.state_bytes.set(state_bytes as u64);
            entry.retained_rows.set(history.map_or(0, History::num_rows) as u64);
            entry.watermark_ms.set(self.stream_watermark(stream));
            if let Some(error) = self.graph.failure(stream.result()) {
                let _ = entry.failure.set(error.to_string());
            }
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
            if stream.entry.dead_letters.get() == 0 {
                self.board.log.say(LogLevel::Warn, || {
                    format!(
                        "{}: an expression failed on a row, which is left out (see \
                         laminar_dead_letters; the first time only): {}",
                        stream.label(),
                        letter.error
                    )
                });
            }
            stream.entry.dead_letters.add(1);
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
                let _ = stream.entry.failure.set(error.to_string());
                let log = &self.board.log;
                log.say(LogLevel::Error, || format!("{} failed: {error}", stream.label()));
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

    fn is_lookup(&self, name: &str) -> bool {
        matches!(self.objects.get(name), Some(Object::LookupTable(_)))
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

fn dropped_source() -> Error {
    Error::new(code::SOURCE_CLOSED, "the source of this handle was dropped: open it again by name")
}
