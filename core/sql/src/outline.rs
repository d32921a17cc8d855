//! [`Outline`]: a plan for people, which outlives the operators that were made from it.

use laminar_dataflow::Traits;

use crate::plan::{InputRef, promises};

/// The operators of a plan as `EXPLAIN` tells them.
#[derive(Debug, Clone, Default)]
pub struct Outline {
    /// The first line: when results leave, and in which form.
    pub heading: String,
    /// The operators in topological order, as those of the plan; the last one is the result.
    pub nodes: Vec<OutlineNode>,
    /// What a person should know, one sentence each.
    pub notes: Vec<String>,
    /// What whoever creates or lists it should know as well, likewise.
    pub warnings: Vec<String>,
}

/// One operator.
#[derive(Debug, Clone)]
pub struct OutlineNode {
    /// What it is and does.
    pub label: String,
    /// What its output promises.
    pub promises: String,
    /// What it reads, by port.
    pub inputs: Vec<InputRef>,
    /// The other streams that use the same operator.
    pub shared_with: Vec<String>,
}

impl OutlineNode {
    /// An operator of a label that reads `inputs`.
    pub fn new(label: String, traits: &Traits, inputs: Vec<InputRef>) -> Self {
        Self { label, promises: promises(traits), inputs, shared_with: Vec::new() }
    }
}

impl Outline {
    /// The text: the result first, its inputs indented below it, each with what its output
    /// promises.
    pub fn text(&self) -> String {
        self.annotated(|_| Vec::new())
    }

    /// The text with the lines below each operator that there are for it.
    pub fn annotated(&self, lines: impl Fn(usize) -> Vec<String>) -> String {
        let mut text = format!("{}\n", self.heading);
        if let Some(result) = self.nodes.len().checked_sub(1) {
            let mut shown = vec![false; self.nodes.len()];
            self.node(&InputRef::Node(result), 0, &mut shown, &lines, &mut text);
        }
        for note in self.notes.iter().chain(&self.warnings) {
            text.push_str(&format!("note: {note}\n"));
        }
        text
    }

    fn node(
        &self,
        input: &InputRef,
        depth: usize,
        shown: &mut [bool],
        lines: &impl Fn(usize) -> Vec<String>,
        text: &mut String,
    ) {
        let indent = "  ".repeat(depth);
        let index = match input {
            InputRef::Relation(name) => {
                text.push_str(&format!("{indent}Read {name}\n"));
                return;
            }
            InputRef::Node(index) => *index,
        };
        let node = &self.nodes[index];
        if std::mem::replace(&mut shown[index], true) {
            text.push_str(&format!("{indent}{}  [shared: as above]\n", node.label));
            return;
        }
        let shared = match node.shared_with.as_slice() {
            [] => String::new(),
            others => format!("  [shared with {}]", others.join(", ")),
        };
        text.push_str(&format!("{indent}{}  [{}]{shared}\n", node.label, node.promises));
        for line in lines(index) {
            text.push_str(&format!("{indent}  ({line})\n"));
        }
        for input in &node.inputs {
            self.node(input, depth + 1, shown, lines, text);
        }
    }
}
