//! [`Outline`]: a plan for people, which outlives the operators that were made from it.

use laminar_dataflow::Traits;
use laminar_types::Result;
use serde_json::{Value, json};

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

/// How a plan is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExplainForm {
    /// `VERBOSE`: with the columns of each operator.
    pub verbose: bool,
    /// `FORMAT JSON`: for programs.
    pub json: bool,
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
    /// By port, the streams that read the rows which it keeps of that input by key.
    pub rows_shared: Vec<Vec<String>>,
    /// The columns of its output.
    pub columns: Vec<OutlineColumn>,
}

/// A column of an operator's output.
#[derive(Debug, Clone)]
pub struct OutlineColumn {
    /// Its name.
    pub name: String,
    /// Its type, as `DESCRIBE` tells it.
    pub data_type: String,
    /// Whether it can be NULL.
    pub nullable: bool,
}

impl OutlineNode {
    /// An operator of a label that reads `inputs`.
    pub fn new(label: String, traits: &Traits, inputs: Vec<InputRef>) -> Self {
        let columns = traits.schema.fields().iter().map(|field| OutlineColumn {
            name: spell_intervals(field.name().clone()),
            data_type: field.data_type().to_string(),
            nullable: field.is_nullable(),
        });
        Self {
            label: spell_intervals(label),
            promises: spell_intervals(promises(traits)),
            inputs,
            shared_with: Vec::new(),
            rows_shared: Vec::new(),
            columns: columns.collect(),
        }
    }

    /// The sides of a join whose rows others read, and who does.
    fn sides_shared(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        let sides = ["left", "right"].into_iter().zip(&self.rows_shared);
        let sides = sides.map(|(side, readers)| (side, readers.as_slice()));
        sides.filter(|(_, readers)| !readers.is_empty())
    }
}

/// Writes intervals as SQL has them, where DataFusion tells how they are stored.
fn spell_intervals(mut text: String) -> String {
    const START: &str = "IntervalMonthDayNano(\"IntervalMonthDayNano { months: ";
    while let Some(at) = text.find(START) {
        let rest = &text[at + START.len()..];
        let Some((parts, _)) = rest.split_once(" }\")") else { break };
        let numbers = parts.split([',', ':']).filter_map(|part| part.trim().parse().ok());
        let numbers: Vec<i64> = numbers.collect();
        let [months, days, nanoseconds] = numbers[..] else { break };
        let end = at + START.len() + parts.len() + " }\")".len();
        text.replace_range(at..end, &interval(months, days, nanoseconds));
    }
    text
}

/// `INTERVAL '1 day 2 hours'`.
fn interval(months: i64, days: i64, nanoseconds: i64) -> String {
    let units = [
        ("hour", 3_600_000_000_000),
        ("minute", 60_000_000_000),
        ("second", 1_000_000_000),
        ("millisecond", 1_000_000),
        ("microsecond", 1_000),
        ("nanosecond", 1),
    ];
    let mut parts = vec![("month", months), ("day", days)];
    let mut left = nanoseconds;
    for (unit, length) in units {
        parts.push((unit, left / length));
        left %= length;
    }
    let plural = |n: i64| if n == 1 { "" } else { "s" };
    let told = parts.iter().filter(|(_, n)| *n != 0);
    let told: Vec<String> = told.map(|(unit, n)| format!("{n} {unit}{}", plural(*n))).collect();
    match told.is_empty() {
        true => "INTERVAL '0 seconds'".to_string(),
        false => format!("INTERVAL '{}'", told.join(" ")),
    }
}

impl OutlineColumn {
    fn text(&self) -> String {
        let null = if self.nullable { "" } else { " NOT NULL" };
        format!("{} {}{null}", self.name, self.data_type)
    }
}

impl Outline {
    /// The text: the result first, its inputs indented below it, each with what its output
    /// promises.
    pub fn text(&self) -> String {
        self.annotated(|_| Vec::new())
    }

    /// The plan in a form, with lines for each operator.
    pub fn told(&self, form: ExplainForm, lines: impl Fn(usize) -> Vec<String>) -> String {
        if form.json {
            return format!("{:#}\n", self.json(form.verbose, &lines));
        }
        self.annotated(|index| {
            let mut told = Vec::new();
            if form.verbose {
                let columns = self.nodes[index].columns.iter().map(OutlineColumn::text);
                told.push(format!("columns: {}", columns.collect::<Vec<String>>().join(", ")));
            }
            told.append(&mut lines(index));
            told
        })
    }

    /// The plan as an object: `emit`, `plan`, the result with its inputs inside, and `notes`.
    fn json(&self, verbose: bool, lines: &impl Fn(usize) -> Vec<String>) -> Value {
        let mut shown = vec![false; self.nodes.len()];
        let result = self.nodes.len().checked_sub(1);
        let plan =
            result.map(|last| self.json_node(&InputRef::Node(last), verbose, &mut shown, lines));
        let notes: Vec<&String> = self.notes.iter().chain(&self.warnings).collect();
        json!({ "emit": self.heading, "plan": plan, "notes": notes })
    }

    fn json_node(
        &self,
        input: &InputRef,
        verbose: bool,
        shown: &mut [bool],
        lines: &impl Fn(usize) -> Vec<String>,
    ) -> Value {
        let index = match input {
            InputRef::Relation(name) => return json!({ "read": name }),
            InputRef::Node(index) => *index,
        };
        let node = &self.nodes[index];
        let mut told = json!({ "id": index, "operator": node.label });
        if std::mem::replace(&mut shown[index], true) {
            told["shared"] = true.into();
            return told;
        }
        told["promises"] = node.promises.clone().into();
        if !node.shared_with.is_empty() {
            told["shared_with"] = node.shared_with.clone().into();
        }
        for (side, readers) in node.sides_shared() {
            told[format!("{side}_rows_shared_with")] = readers.to_vec().into();
        }
        if verbose {
            let column = |column: &OutlineColumn| {
                json!({
                    "name": column.name,
                    "type": column.data_type,
                    "nullable": column.nullable,
                })
            };
            told["columns"] = node.columns.iter().map(column).collect();
        }
        let work = lines(index);
        if !work.is_empty() {
            told["work"] = work.into();
        }
        let inputs = node.inputs.iter();
        let inputs = inputs.map(|input| self.json_node(input, verbose, shown, lines));
        told["inputs"] = Value::Array(inputs.collect());
        told
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
        let mut shared = match node.shared_with.as_slice() {
            [] => String::new(),
            others => format!("  [shared with {}]", others.join(", ")),
        };
        for (side, readers) in node.sides_shared() {
            shared.push_str(&format!("  [{side} rows shared with {}]", readers.join(", ")));
        }
        text.push_str(&format!("{indent}{}  [{}]{shared}\n", node.label, node.promises));
        for line in lines(index) {
            text.push_str(&format!("{indent}  ({line})\n"));
        }
        for input in &node.inputs {
            self.node(input, depth + 1, shown, lines, text);
        }
    }
}

/// What can be told of a query as a continuous and as an ad-hoc one.
pub fn both_ways(form: ExplainForm, continuous: Result<String>, ad_hoc: Result<String>) -> String {
    if form.json {
        let told = |told: Result<String>| match told {
            Ok(text) => {
                serde_json::from_str(&text).unwrap_or_else(|_| json!({ "text": text.as_str() }))
            }
            Err(error) => json!({ "error": error.to_string() }),
        };
        let both = json!({ "continuous": told(continuous), "ad_hoc": told(ad_hoc) });
        return format!("{both:#}\n");
    }
    let told = |told: Result<String>| indented(&told.unwrap_or_else(|error| error.to_string()));
    format!("As a continuous query:\n{}As an ad-hoc query:\n{}", told(continuous), told(ad_hoc))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
