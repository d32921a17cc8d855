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
//! | `gauges` | what the board tells and a walk through the state finds |
//! | `install` | how sources and streams come to be |
//! | `content` | what a relation holds or retains |
//! | `push` | the rows of an epoch |
//! | `publish` | what an epoch gave, and to whom it goes |
//! | `sharing` | operators that several streams use |
//! | `arrangements` | rows by key that several joins read |
//! | `time` | promises, frontiers, the clock |

mod arrangements;
mod content;
mod gauges;
mod install;
mod objects;
mod publish;
mod push;
mod sharing;
mod time;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use laminar_dataflow::graph::Audience;
use laminar_dataflow::{DeadLetter, Graph, NodeId, StepOutput, Traits, Workers};
use laminar_sql::catalog::Catalog;
use laminar_types::{Config, Epoch, Error, Frontier, Result, RowBlock, WaitStrategy, code, mutant};

pub(crate) use content::whole;
pub(crate) use objects::{
    Backfill, InputKind, Installed, NewSource, NewStream, Object, Source, SourceId, StreamId,
    StreamKind, Timing,
};
pub(crate) use sharing::{Terms, Usage};

use crate::board::Board;
use crate::clock::{Alarm, Clock};
use crate::producers::{Piece, ProducerId};
use crate::start_queue::StartQueue;
use crate::stream::Stream;

/// What the token guards.
pub(crate) struct Core {
    pub(crate) epoch: Epoch,
    /// Moves whenever a relation comes or goes.
    pub(crate) catalog_version: u64,
    pub(crate) started: bool,
    pub(crate) graph: Graph,
    pub(crate) objects: BTreeMap<String, Object>,
    pub(crate) sources: Vec<Option<Source>>,
    pub(crate) streams: Vec<Option<Box<Stream>>>,
    pub(crate) dead_letters: VecDeque<(String, DeadLetter)>,
    /// What happened before the start, for the streams that are held back.
    pub(crate) queue: StartQueue,
    max_queued_bytes: usize,
    /// How calls wait where nothing else is said.
    pub(crate) wait_strategy: WaitStrategy,
    /// Who uses each operator.
    pub(crate) usage: HashMap<NodeId, Usage>,
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

impl Core {
    pub(crate) fn new(
        config: &Config,
        clock: Arc<Clock>,
        alarm: Arc<Alarm>,
        board: Arc<Board>,
        workers: Arc<dyn Workers>,
    ) -> Self {
        Self {
            board,
            clock,
            alarm,
            epoch: 0,
            catalog_version: 0,
            started: false,
            graph: Graph::with_workers(workers),
            objects: BTreeMap::new(),
            sources: Vec::new(),
            streams: Vec::new(),
            dead_letters: VecDeque::new(),
            queue: StartQueue::default(),
            max_queued_bytes: config.max_queued_bytes,
            wait_strategy: config.wait_strategy,
            usage: HashMap::new(),
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
        self.streams[id.0 as usize]
            .as_deref()
            .expect("names and owners refer to streams that exist")
    }

    pub(crate) fn stream_if_exists(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.streams[id.0 as usize].as_deref_mut()
    }

    /// What the rows of a relation promise.
    pub(crate) fn relation(&self, name: &str) -> Option<(NodeId, Traits)> {
        let node = match self.objects.get(name)? {
            Object::Source(id) | Object::Table(id) | Object::LookupTable(id) => {
                self.source(*id).ok()?.node
            }
            Object::Stream(id)
            | Object::View(id)
            | Object::QuerySink(id)
            | Object::LateRows { rows: id, .. } => self.stream(*id).result(),
            Object::Sink { from, .. } => return self.relation(from),
        };
        Some((node, self.graph.traits(node).clone()))
    }

    /// The sources whose rows can reach a stream.
    pub(crate) fn sources_of(&self, id: StreamId) -> Vec<SourceId> {
        self.inputs_behind(self.stream(id).reads.clone())
    }

    /// The sources and tables whose rows can reach relations of these names, each once.
    pub(crate) fn inputs_behind(&self, mut names: Vec<String>) -> Vec<SourceId> {
        let mut inputs = Vec::new();
        while let Some(name) = names.pop() {
            let Some(object) = self.objects.get(&name) else { continue };
            match object {
                Object::Sink { from, .. } => names.push(from.clone()),
                object => {
                    inputs.extend(object.input().filter(|input| !inputs.contains(input)));
                    names
                        .extend(object.stream().map_or(vec![], |id| self.stream(id).reads.clone()));
                }
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

    /// Opens a producer of a source.
    pub(crate) fn add_producer(
        &mut self,
        source: SourceId,
        closed: Arc<AtomicBool>,
    ) -> Result<ProducerId> {
        let now_ms = self.clock.now_ms();
        let id = self.source_mut(source)?.producers.add(closed, true);
        self.source_mut(source)?.producers.see(id, now_ms);
        // One that was just opened is expected to send something.
        self.hear_of(source, id);
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
        let mut queue = self.queue.take();
        if mutant!(QueueReplayedBackwards) {
            queue.reverse();
        }
        for queued in queue {
            let Ok(source) = self.source_mut(queued.source) else { continue };
            let node = source.node;
            source.rules.pending.store(0, Ordering::Relaxed);
            let audience = Audience::HeldSince(queued.epoch);
            self.epoch += 1;
            output.clear();
            self.graph.replay(Some(queued.epoch));
            self.run_graph(&mut output);
            if let Some(change) = queued.change {
                self.graph.push(node, &change, audience);
            }
            if !mutant!(QueuedWatermarkForgotten) {
                self.graph.advance(node, &queued.frontiers, audience);
            }
            self.run_graph(&mut output);
            self.publish(&mut output);
        }
        self.board.queued_bytes.set(0);
        if self.graph.replay(None) {
            output.clear();
            self.epoch += 1;
            self.run_graph(&mut output);
            self.publish(&mut output);
        }
        self.graph.release();
        self.started = true;
        self.board.set_started();
        self.board.admission.start();
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

    fn inputs_behind(&self, name: &str) -> Vec<String> {
        let inputs = Core::inputs_behind(self, vec![name.to_string()]).into_iter();
        inputs.filter_map(|id| Some(self.source(id).ok()?.name.clone())).collect()
    }

    fn arrives_in_order(&self, name: &str) -> bool {
        match self.objects.get(name) {
            Some(Object::Stream(id) | Object::View(id) | Object::QuerySink(id)) => {
                self.stream(*id).ordered
            }
            Some(Object::LateRows { of, .. }) => self.arrives_in_order(of),
            Some(Object::Sink { from, .. }) => self.arrives_in_order(from),
            _ => true,
        }
    }

    fn names(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }
}

fn dropped_source() -> Error {
    Error::new(code::SOURCE_CLOSED, "the source of this handle was dropped: open it again by name")
}
