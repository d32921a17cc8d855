//! `EXPLAIN ANALYZE`: what each operator of a query was given, gave, took and holds.
//!
//! A stream counts its work as it runs. A query that does not run as a stream is run for this, as
//! a view that is created now would be, over what its inputs hold: in a graph of its own, outside of
//! the token, so that it holds no push back and leaves nothing behind.

use std::collections::HashMap;

use laminar_dataflow::graph::Audience;
use laminar_dataflow::{Content, Graph, Metrics, NodeId, StepOutput, Traits, Work};
use laminar_sql::outline::{ExplainForm, Outline};
use laminar_sql::parser::statement::{Name, OnError, StreamQuery};
use laminar_sql::plan::{InputRef, StreamPlan};
use laminar_types::{Error, Frontier, Result};

use crate::database::LaminarDB;
use crate::engine::{Core, StreamId, whole};
use crate::stream::Stream;

/// The plan of a stream with the work of its operators since its creation.
pub(crate) fn of_stream(core: &Core, id: StreamId, stream: &Stream, form: ExplainForm) -> String {
    annotated(&core.outline_of(id, stream), &core.graph, &stream.nodes, form)
}

/// A plan with what each operator, and each of its partitions, did in lines below it.
fn annotated(outline: &Outline, graph: &Graph, nodes: &[NodeId], form: ExplainForm) -> String {
    outline.told(form, |index| {
        let Some(&node) = nodes.get(index) else { return Vec::new() };
        let mut lines = vec![counters(&graph.work(node), &graph.metrics(node), "time")];
        for (number, partition) in graph.partitions(node).iter().enumerate() {
            let counters = counters(&partition.work, &partition.metrics, "processor time");
            lines.push(format!("partition {number}: {counters}"));
        }
        lines
    })
}

/// What an operator or one of its partitions was given, gave, took and holds.
fn counters(work: &Work, metrics: &Metrics, time: &str) -> String {
    let late = match metrics.late_rows {
        0 => String::new(),
        rows => format!("{rows} late, "),
    };
    format!(
        "rows {} in, {late}{} out; batches {}; {time} {:.3} ms; state {} bytes",
        work.rows_in,
        work.rows_out,
        work.batches,
        work.time_ns as f64 / 1e6,
        metrics.state_bytes
    )
}

/// What a relation held at the epoch of the analysis.
struct Held {
    name: String,
    traits: Traits,
    frontiers: Vec<Frontier>,
    content: Box<dyn Content>,
}

impl LaminarDB {
    /// The plan of a continuous query with the work of one run over what its inputs hold.
    pub(crate) fn analyze_query(
        &self,
        query: &StreamQuery,
        columns: &[Name],
        form: ExplainForm,
    ) -> Result<String> {
        let (plan, held) = self.with_plan(query, columns, |core, plan| {
            let held = plan.relations().into_iter().map(|name| held(core, name));
            let held = held.collect::<Result<Vec<Held>>>()?;
            Ok((plan, held))
        })?;
        run(plan, held, query.on_error, self.shared.clock.now_ms(), form)
    }
}

fn held(core: &mut Core, name: String) -> Result<Held> {
    let (node, traits) = core.relation(&name).ok_or_else(|| core.not_found(&name))?;
    let frontiers = core.graph.frontiers(node).to_vec();
    let content = core.content(&name)?;
    Ok(Held { name, traits, frontiers, content })
}

/// Runs a plan once, and tells of it.
fn run(
    plan: StreamPlan,
    held: Vec<Held>,
    on_error: Option<OnError>,
    now_ms: i64,
    form: ExplainForm,
) -> Result<String> {
    /// The only epoch there is.
    const EPOCH: u64 = 1;
    let mut outline = plan.outline();
    let mut graph = Graph::new();
    let mut relations = HashMap::new();
    for relation in &held {
        relations.insert(relation.name.clone(), graph.add_source(relation.traits.clone()));
    }
    let mut nodes: Vec<NodeId> = Vec::with_capacity(plan.nodes.len());
    for node in plan.nodes {
        let inputs = node.inputs.iter().map(|input| match input {
            InputRef::Node(index) => Ok(nodes[*index]),
            InputRef::Relation(name) => relations.get(name).copied().ok_or_else(|| {
                Error::internal(format!("`{name}` is read by the plan and was not"))
            }),
        });
        let inputs = inputs.collect::<Result<Vec<NodeId>>>()?;
        nodes.push(graph.add_operator(node.operator, node.traits, inputs, None));
        if on_error == Some(OnError::Fail) {
            graph.fail_on_dead_letter(nodes[nodes.len() - 1]);
        }
    }
    for relation in held {
        let source = relations[&relation.name];
        graph.push(
            source,
            &whole(&relation.name, &relation.traits, relation.content.as_ref())?,
            Audience::Running,
        );
        graph.advance(source, &relation.frontiers, Audience::Running);
    }
    if graph.awaits_time(EPOCH) {
        graph.set_time(EPOCH, now_ms);
    }
    let mut output = StepOutput::default();
    graph.run(EPOCH, &mut output);
    if let Some((_, error)) = output.failures.into_iter().next() {
        return Err(error);
    }
    if let Some((_, first)) = output.dead_letters.first() {
        outline.notes.push(format!(
            "left out, because an expression failed: {} rows, the first by {} on the row {}",
            output.dead_letters.len(),
            first.error,
            first.row
        ));
    }
    Ok(annotated(&outline, &graph, &nodes, form))
}
