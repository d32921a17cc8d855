//! Installing: how sources, streams and their late rows come to be.

use std::sync::Arc;

use laminar_dataflow::operators::Union;
use laminar_dataflow::state::TableRows;
use laminar_dataflow::{Changes, NodeId, Traits};
use laminar_sql::outline::Outline;
use laminar_sql::parser::statement::OnError;
use laminar_sql::plan::{EmitForm, InputRef, PlanNode, StreamPlan};
use laminar_types::{Delta, Error, Result, Retention, code};

use super::arrangements::{Installing, NewReader};
use super::time::PROCTIME_TICK_MS;
use super::{
    Backfill, Core, InputKind, Installed, NewSource, NewStream, Object, Source, SourceId, StreamId,
    StreamKind, Terms, Usage,
};
use crate::board::StreamEntry;
use crate::history::History;
use crate::keyed_times::KeyedTimes;
use crate::producers::Producers;
use crate::stream::{Every, Stream, with_weight};

impl Core {
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
            .then(|| History::new(Arc::clone(&new.schema), new.retain));
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
        let object = match stream.kind {
            StreamKind::Stream => Object::Stream(id),
            StreamKind::View => Object::View(id),
            StreamKind::Sink => Object::QuerySink(id),
        };
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
        let NewStream { name, sql, statement, kind, on_error, retain, .. } = new;
        let (retain_changes, backfill, follows) = (new.retain_changes, new.backfill, new.follows);
        self.epoch += 1;
        let id = StreamId(self.streams.len() as u32);
        let held_since = (!self.started && !name.is_empty()).then_some(self.epoch);
        if kind == StreamKind::View {
            plan.default_to_changes();
        }
        let terms = Terms { on_error, backfill, is_held: held_since.is_some() };
        let mut shared = self.shared_nodes(&plan, terms);
        if shared.last().is_some_and(Option::is_some) {
            plan.separate_result();
            shared.push(None);
        }
        let usages = self.usages(&plan, &shared, id, terms);
        let (outline, reads) = (plan.outline(), plan.relations());
        let (emit, traits, ordered) = (plan.emit, plan.traits().clone(), plan.ordered);
        let every = plan.every_ns.map(Every::new);
        let late = plan.late.take();
        if let Some(late) = late.as_ref().filter(|_| name.is_empty()) {
            let message = "LATE DATA TO needs a stream with a name: CREATE STREAM ... AS it";
            return Err(Error::new(code::PLAN, message).at(late.sink.position));
        }
        let origins = self.origins(&plan, &usages);
        let installing =
            Installing { terms, origins: &origins, shared: &shared, nodes: Vec::new() };
        let nodes = self.add_nodes(plan.nodes, installing, held_since)?;
        for ((node, shared), usage) in nodes.iter().zip(&shared).zip(usages) {
            if let Some(known) = self.usage.get_mut(node).filter(|_| shared.is_some()) {
                known.streams.push(id);
                continue;
            }
            if on_error == OnError::Fail {
                self.graph.fail_on_dead_letter(*node);
            }
            self.usage.insert(*node, usage);
        }
        let append_only = traits.changes == Changes::AppendOnly;
        let history = append_only.then(|| History::new(Arc::clone(&traits.schema), retain));
        let traits_schema = Arc::clone(&traits.schema);
        let late = late.map(|late| {
            let of: Vec<NodeId> = late.nodes.iter().map(|node| nodes[*node]).collect();
            (self.add_late_outputs(&of, &late.traits), late.sink)
        });
        let stream = Stream {
            name: name.clone(),
            late_of: None,
            follows,
            entry: Arc::default(),
            sql,
            statement,
            kind,
            emit,
            every,
            outline,
            nodes,
            traits,
            ordered,
            reads,
            changes: match (&history, retain_changes) {
                (None, Some(retain)) => Some(History::new(with_weight(&traits_schema), retain)),
                _ => None,
            },
            history,
            subscribers: Vec::new(),
        };
        self.graph.tap(stream.result(), id.0);
        self.push_stream(stream);
        let late = late.and_then(|(nodes, sink)| {
            let rows = self.add_late_rows(nodes, sink.value.clone(), &name, retain)?;
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

    /// Adds the operators of a plan but for those that others stand for; answers all of them. Where
    /// that fails, none is added.
    fn add_nodes(
        &mut self,
        nodes: Vec<PlanNode>,
        mut plan: Installing<'_>,
        held_since: Option<u64>,
    ) -> Result<Vec<NodeId>> {
        for (node, of_node) in nodes.into_iter().zip(plan.shared) {
            let added = match of_node {
                Some(shared) => Ok(shared.node),
                None => self.add_node(node, &plan, held_since),
            };
            match added {
                Ok(node) => plan.nodes.push(node),
                Err(error) => {
                    let own = plan.nodes.into_iter().zip(plan.shared);
                    let own = own.filter(|(_, shared)| shared.is_none());
                    let own: Vec<NodeId> = own.map(|(node, _)| node).collect();
                    own.into_iter().rev().for_each(|node| self.graph.remove(node));
                    return Err(error);
                }
            }
        }
        Ok(plan.nodes)
    }

    /// Adds an operator behind those of its plan before it, and gives it what its inputs hold.
    fn add_node(
        &mut self,
        mut node: PlanNode,
        plan: &Installing<'_>,
        held_since: Option<u64>,
    ) -> Result<NodeId> {
        let mut inputs = Vec::with_capacity(node.inputs.len());
        // What each port begins with, and those that begin with nothing of an append-only relation. What
        // waits for a shared operator waits for whoever reads it, too: it is where a new one would be.
        let (mut begins, mut skipping) = (Vec::new(), Vec::new());
        for (port, input) in node.inputs.iter().enumerate() {
            match input {
                InputRef::Node(index) => {
                    inputs.push(plan.nodes[*index]);
                    if let Some(shared) = plan.shared[*index] {
                        begins.push((port, self.past_of(shared)?));
                    }
                }
                InputRef::Relation(name) => {
                    let (input, traits) =
                        self.relation(name).ok_or_else(|| self.not_found(name))?;
                    inputs.push(input);
                    let rows = match (plan.terms.backfill, traits.changes) {
                        (Backfill::Since(epoch), Changes::AppendOnly) => {
                            Some(self.rows_since(name, epoch, &traits)?)
                        }
                        (Backfill::Updating, Changes::AppendOnly) => {
                            skipping.push(port);
                            None
                        }
                        _ => Some(self.rows_of(name, &traits)?),
                    };
                    begins.push((port, rows));
                }
            }
        }
        let origins = &plan.origins[plan.nodes.len()];
        let new = NewReader { inputs: &inputs, origins, begins: &begins };
        self.share_rows(node.operator.as_mut(), &new, plan)?;
        let node = self.graph.add_operator(node.operator, node.traits, inputs, held_since);
        skipping.into_iter().for_each(|port| self.graph.skip_earlier(node, port));
        for (port, rows) in begins {
            self.graph.backfill(node, port, rows);
        }
        Ok(node)
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
        retain: Retention,
    ) -> Option<StreamId> {
        let id = StreamId(self.streams.len() as u32);
        let last = nodes.last().copied()?;
        let traits = self.graph.traits(last).clone();
        let terms =
            Terms { on_error: OnError::DeadLetter, backfill: Backfill::Updating, is_held: false };
        for node in &nodes {
            self.usage.insert(*node, Usage::alone(id, terms, self.epoch));
        }
        self.graph.tap(last, id.0);
        self.push_stream(Stream {
            name: sink,
            late_of: Some(of.to_string()),
            follows: None,
            entry: Arc::default(),
            sql: String::new(),
            statement: String::new(),
            kind: StreamKind::Sink,
            emit: EmitForm::Update,
            every: None,
            outline: Outline { heading: format!("The late rows of {of}"), ..Outline::default() },
            nodes,
            history: Some(History::new(Arc::clone(&traits.schema), retain)),
            traits,
            ordered: false,
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
            kind: stream.kind,
            late_of: stream.late_of.clone(),
            reads: stream.reads.clone(),
            warnings: stream.outline.warnings.clone(),
            ..StreamEntry::default()
        });
        self.board.add_stream(self.streams.len() as u32, Arc::clone(&entry));
        self.streams.push(Some(Box::new(Stream { entry, ..stream })));
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
}
