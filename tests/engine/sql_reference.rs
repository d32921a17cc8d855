//! docs/SQL_REFERENCE.md, executed: every SQL block runs, and answers what is printed below it.
//!
//! Each section (a heading of any level) has a fresh database, started unless a block of the
//! section starts it itself. A fenced block is
//!
//! - `sql`: statements that must succeed. Comment lines `-- call start`, `-- call subscribe NAME`,
//!   `-- call poll NAME` and `-- call watermark SOURCE MS` stand for the calls of the API.
//! - `sql error`: statements that must fail; the `text` block after it has one sentence for each,
//!   continued by lines that begin with a space.
//! - `text` after `sql`: what the block's last statement answered: the table, `no rows`, the lines of
//!   a plan, or, when it begins with `columns:`, the names and types of the columns.
//!
//! White space is compared as single spaces, so that long lines can be broken; `...` stands for a
//! word that differs from run to run.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::util::pretty::pretty_format_batches;
use laminar_db::{
    ExecuteResult, LaminarDB, Polled, Result, SubscribeOptions, UntypedSource, UntypedSubscription,
};

const DOCUMENT: &str = "../docs/SQL_REFERENCE.md";

/// A fenced block, and the line that it opens on.
#[derive(Debug, Clone)]
struct Block {
    line: usize,
    kind: String,
    text: String,
}

/// The blocks under one heading.
#[derive(Debug, Default)]
struct Section {
    title: String,
    blocks: Vec<Block>,
}

/// The state that the blocks of a section share.
struct Session {
    db: LaminarDB,
    subscriptions: HashMap<String, UntypedSubscription>,
    producers: HashMap<String, UntypedSource>,
}

#[test]
fn every_example_of_the_sql_reference_runs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let document = std::fs::read_to_string(&path).expect("docs/SQL_REFERENCE.md is there");
    let mut run = 0;
    let mut failures = String::new();
    for section in sections(&document) {
        let sql = || section.blocks.iter().filter(|block| block.kind.starts_with("sql"));
        if sql().next().is_none() {
            continue;
        }
        let mut session = Session::open();
        if !sql().any(|block| block.text.contains("-- call start")) {
            session.db.start_blocking().unwrap();
        }
        for (index, block) in section.blocks.iter().enumerate() {
            let answer = section.blocks.get(index + 1).filter(|next| next.kind == "text");
            let checked = match block.kind.as_str() {
                "sql" => session.check_answer(block, answer),
                "sql error" => session.check_refusals(block, answer),
                "text" | "json" | "c" | "" => continue,
                other => Err(format!("blocks of kind `{other}` are not run")),
            };
            run += 1;
            if let Err(failure) = checked {
                writeln!(failures, "{}, line {}: {failure}\n", section.title, block.line).unwrap();
            }
        }
    }
    assert!(run > 30, "only {run} examples were found");
    assert!(failures.is_empty(), "\n{failures}");
}

impl Session {
    fn open() -> Self {
        let db = LaminarDB::open().unwrap();
        Self { db, subscriptions: HashMap::new(), producers: HashMap::new() }
    }

    fn check_answer(&mut self, block: &Block, answer: Option<&Block>) -> Result<(), String> {
        let mut last = Vec::new();
        for statement in statements(&block.text) {
            last =
                self.run(&statement).map_err(|error| format!("`{statement}` failed: {error}"))?;
        }
        let Some(answer) = answer else { return Ok(()) };
        let given = match answer.text.starts_with("columns:") {
            true => columns(&last),
            false => shown(&last),
        };
        match is_alike(&given, &answer.text) {
            true => Ok(()),
            false => Err(format!("expected\n{}\nand got\n{given}", answer.text)),
        }
    }

    fn check_refusals(&mut self, block: &Block, answer: Option<&Block>) -> Result<(), String> {
        let answer = answer.ok_or("no sentences follow a block of errors")?;
        let expected = sentences(&answer.text);
        let statements = statements(&block.text);
        let mut failures = String::new();
        if expected.len() != statements.len() {
            writeln!(failures, "{} statements, {} sentences", statements.len(), expected.len())
                .unwrap();
        }
        for (index, statement) in statements.iter().enumerate() {
            let wanted = expected.get(index).map_or("", String::as_str);
            let given = match self.run(statement) {
                Ok(_) => "no error".to_string(),
                Err(error) => squeezed(&error.to_string()),
            };
            if given != wanted {
                writeln!(failures, "`{statement}`\nexpected {wanted}\nand got  {given}").unwrap();
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    /// Runs a statement or a call, and reads all that it answers.
    fn run(&mut self, text: &str) -> Result<Vec<RecordBatch>> {
        let Some(call) = text.strip_prefix("-- call ") else {
            return match self.db.execute_blocking(text)? {
                ExecuteResult::Rows(mut query) => {
                    let mut batches = vec![RecordBatch::new_empty(query.schema())];
                    while let Some(batch) = query.next_blocking()? {
                        batches.push(batch);
                    }
                    Ok(batches)
                }
                _ => Ok(Vec::new()),
            };
        };
        let words: Vec<&str> = call.split_whitespace().collect();
        match words.as_slice() {
            ["start"] => self.db.start_blocking()?,
            ["subscribe", name] => {
                let subscription = self.db.subscribe_with(name, SubscribeOptions::default())?;
                self.subscriptions.insert(name.to_string(), subscription);
            }
            ["watermark", source, ts_ms] => {
                if !self.producers.contains_key(*source) {
                    let producer = self.db.source_untyped(source)?;
                    self.producers.insert(source.to_string(), producer);
                }
                self.producers[*source].watermark(ts_ms.parse().expect("milliseconds"))?;
            }
            ["poll", name] => return self.poll(name),
            _ => panic!("there is no call `{call}`"),
        }
        Ok(Vec::new())
    }

    /// Everything that waits in a subscription.
    fn poll(&mut self, name: &str) -> Result<Vec<RecordBatch>> {
        let subscription = self.subscriptions.get_mut(name).expect("it was subscribed to");
        let mut batches = vec![RecordBatch::new_empty(subscription.schema())];
        loop {
            match subscription.poll(Some(Duration::ZERO))? {
                Polled::Batch(change) => batches.push(change.batch),
                Polled::Empty => return Ok(batches),
                other => panic!("a poll of {name} answered {other:?}"),
            }
        }
    }
}

/// The sections of a document.
fn sections(document: &str) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    let mut open: Option<Block> = None;
    for (index, line) in document.lines().enumerate() {
        let section = sections.last_mut().expect("there is a first section");
        match (open.as_mut(), line.strip_prefix("```")) {
            (Some(_), Some(_)) => section.blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, Some(kind)) => {
                let kind = kind.trim().to_string();
                open = Some(Block { line: index + 1, kind, text: String::new() });
            }
            (None, None) if line.starts_with('#') => {
                let title = line.trim_start_matches('#').trim().to_string();
                sections.push(Section { title, blocks: Vec::new() });
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    sections
}

/// The statements and calls of a block, without other comments.
fn statements(text: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut statement = String::new();
    for line in text.lines() {
        if line.starts_with("-- call ") {
            statements.push(line.to_string());
        } else if !line.starts_with("--") && !line.trim().is_empty() {
            if !statement.is_empty() {
                statement.push('\n');
            }
            statement.push_str(line);
            if let Some(whole) = statement.trim_end().strip_suffix(';') {
                statements.push(whole.to_string());
                statement.clear();
            }
        }
    }
    assert!(statement.is_empty(), "a statement does not end in `;`: {statement}");
    statements
}

/// The sentences of a block of errors.
fn sentences(text: &str) -> Vec<String> {
    let mut sentences: Vec<String> = Vec::new();
    for line in text.lines() {
        match sentences.last_mut() {
            Some(sentence) if line.starts_with(' ') => {
                sentence.push(' ');
                sentence.push_str(line.trim());
            }
            _ => sentences.push(line.trim().to_string()),
        }
    }
    sentences
}

/// Rows as the document prints them: a table, or a plan's lines.
fn shown(batches: &[RecordBatch]) -> String {
    let is_plan = |batch: &RecordBatch| {
        batch.num_columns() == 1 && batch.schema_ref().field(0).name() == "plan"
    };
    if batches.first().is_some_and(is_plan) {
        let lines = batches.iter().flat_map(|batch| batch.column(0).as_string::<i32>().iter());
        return lines.flatten().collect::<Vec<_>>().join("\n");
    }
    match batches.iter().all(|batch| batch.num_rows() == 0) {
        true => "no rows".to_string(),
        false => pretty_format_batches(batches).unwrap().to_string(),
    }
}

/// `columns: name type, ...`.
fn columns(batches: &[RecordBatch]) -> String {
    let Some(first) = batches.first() else {
        return "no rows".to_string();
    };
    let schema = first.schema();
    let columns = schema.fields().iter().map(|f| format!("{} {}", f.name(), f.data_type()));
    format!("columns: {}", columns.collect::<Vec<_>>().join(", "))
}

/// Whether a text is as expected, where `...` stands for any word.
fn is_alike(given: &str, expected: &str) -> bool {
    let (mut given, mut expected) = (given.split_whitespace(), expected.split_whitespace());
    loop {
        match (given.next(), expected.next()) {
            (None, None) => return true,
            (Some(given), Some(expected)) if given == expected || expected == "..." => {}
            _ => return false,
        }
    }
}

/// The text with every run of white space as one space.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
