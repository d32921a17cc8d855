//! [`StreamPlan`]: what the planner makes of a query.

use std::sync::Arc;

use laminar_dataflow::expr::Expr;
use laminar_dataflow::operators::{Map, Stage, TimeMap};
use laminar_dataflow::{Changes, Operator, Traits};

use crate::definition::Definition;
use crate::outline::{Outline, OutlineNode};
use crate::parser::statement::Name;

/// The operators of one continuous query, in topological order; the last one is its result.
pub struct StreamPlan {
    /// The nodes; each reads relations or nodes before it.
    pub nodes: Vec<PlanNode>,
    /// The form in which results leave.
    pub emit: EmitForm,
    /// `EMIT EVERY`: how long changes gather before they leave.
    pub every_ns: Option<i64>,
    /// Whether `emit` was chosen by the query rather than by the default.
    pub emit_given: bool,
    /// What a person should know, one sentence each.
    pub notes: Vec<String>,
    /// What whoever creates the stream should know at once, likewise.
    pub warnings: Vec<String>,
    /// `LATE DATA TO`.
    pub late: Option<LateOutput>,
    /// Whether something in it is bounded by `state_ttl`.
    pub forgets: bool,
    /// Whether the order in which the result's rows arrive is the same however those of the inputs
    /// are cut into pushes.
    pub ordered: bool,
}

/// The second output of nodes: the rows that are late for their windows.
pub struct LateOutput {
    /// The sink that gives them.
    pub sink: Name,
    /// The nodes, at least one.
    pub nodes: Vec<usize>,
    /// What they promise.
    pub traits: Traits,
}

/// One operator to be.
pub struct PlanNode {
    /// The operator, with no state.
    pub operator: Box<dyn Operator>,
    /// What its output promises.
    pub traits: Traits,
    /// Its inputs, by port.
    pub inputs: Vec<InputRef>,
    /// One line for `EXPLAIN`.
    pub label: String,
    /// What it does, if one that does the same can stand for it.
    pub definition: Option<Definition>,
}

impl PlanNode {
    /// A node that hands on what another one gives, with the same promises.
    pub(crate) fn passing_on(input: InputRef, traits: Traits, label: &str) -> Self {
        let times = (0..traits.times.len()).map(TimeMap::identity).collect();
        let operator = Box::new(Map::new(Arc::clone(&traits.schema), Vec::new(), times));
        Self { operator, traits, inputs: vec![input], label: label.to_string(), definition: None }
    }
}

/// Where a node reads from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum InputRef {
    /// A relation of the catalogue.
    Relation(String),
    /// A node of the same plan.
    Node(usize),
}

/// The form in which a stream's results leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmitForm {
    /// `ON WINDOW CLOSE`: rows, once, when final.
    Final,
    /// `ON UPDATE`: new rows.
    Update,
    /// `CHANGES`: rows with `_weight`.
    Changes,
}

impl EmitForm {
    /// As SQL spells it.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Final => "EMIT ON WINDOW CLOSE",
            Self::Update => "EMIT ON UPDATE",
            Self::Changes => "EMIT CHANGES",
        }
    }
}

/// As SQL spells a form and an interval.
pub fn emit_sql(emit: EmitForm, every_ns: Option<i64>) -> String {
    match (emit, every_ns) {
        (emit, None) => emit.sql().to_string(),
        (EmitForm::Changes, Some(ns)) => {
            format!("EMIT EVERY INTERVAL '{}' MILLISECOND CHANGES", ns / 1_000_000)
        }
        (_, Some(ns)) => format!("EMIT EVERY INTERVAL '{}' MILLISECOND", ns / 1_000_000),
    }
}

impl StreamPlan {
    /// The default of a view: its subscribers learn what became of each row, where rows can cease.
    pub fn default_to_changes(&mut self) {
        if !self.emit_given && self.traits().changes != Changes::AppendOnly {
            self.emit = EmitForm::Changes;
        }
    }

    /// Makes the result promise what another one promises, and no more, but for the kind of its
    /// changes: the same columns, keys and event times. It must be able to keep that; its columns
    /// differ in whether they can be NULL at most, and only where its own cannot.
    pub fn promise(&mut self, promised: &Traits) {
        let own = self.traits();
        let traits = Traits { changes: own.changes, ..promised.clone() };
        if own.schema == traits.schema
            && own.unique_key == traits.unique_key
            && own.declared_watermark == traits.declared_watermark
        {
            return;
        }
        let (own, schema) = (Arc::clone(&own.schema), Arc::clone(&traits.schema));
        let fields = own.fields().iter().enumerate();
        let exprs = fields.map(|(index, field)| Expr::column(field.name(), index)).collect();
        let times = (0..traits.times.len()).map(TimeMap::identity).collect();
        let operator = Map::new(own, vec![Stage::Project { exprs, schema }], times);
        let inputs = vec![InputRef::Node(self.nodes.len() - 1)];
        let label = "Map: what readers know".to_string();
        let operator = Box::new(operator);
        self.nodes.push(PlanNode { operator, traits, inputs, label, definition: None });
    }

    /// Gives the plan a result of its own behind its last node, which another stream computes as
    /// well.
    pub fn separate_result(&mut self) {
        let input = InputRef::Node(self.nodes.len() - 1);
        let node = PlanNode::passing_on(input, self.traits().clone(), "Map: every row");
        self.nodes.push(node);
    }

    /// What is known of the result.
    pub fn traits(&self) -> &Traits {
        &self.result().traits
    }

    /// The last node.
    pub fn result(&self) -> &PlanNode {
        self.nodes.last().expect("a plan has at least one node")
    }

    /// The relations that the query reads, each once, in the order of first use.
    pub fn relations(&self) -> Vec<String> {
        let mut names = Vec::new();
        for input in self.nodes.iter().flat_map(|node| &node.inputs) {
            if let InputRef::Relation(name) = input
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
        names
    }

    /// The plan for people.
    pub fn outline(&self) -> Outline {
        let by_default = if self.emit_given { "" } else { " (by default)" };
        let node = |node: &PlanNode| {
            OutlineNode::new(node.label.clone(), &node.traits, node.inputs.clone())
        };
        Outline {
            heading: emit_sql(self.emit, self.every_ns) + by_default,
            nodes: self.nodes.iter().map(node).collect(),
            notes: self.notes.clone(),
            warnings: self.warnings.clone(),
        }
    }
}

/// One line of what an edge promises.
pub fn promises(traits: &Traits) -> String {
    let mut parts = vec![
        match traits.changes {
            Changes::AppendOnly => "append-only",
            Changes::Upsert => "updating",
            Changes::Retract => "updating with deletes",
        }
        .to_string(),
    ];
    let name = |column: &usize| traits.schema.field(*column).name().clone();
    if let Some(key) = &traits.unique_key {
        let names: Vec<String> = key.iter().map(name).collect();
        parts.push(format!("key ({})", names.join(", ")));
    }
    if !traits.times.is_empty() {
        let names: Vec<String> = traits.times.iter().map(|time| name(&time.column)).collect();
        parts.push(format!("event time {}", names.join(", ")));
    }
    parts.join("; ")
}
