//! [`write`]: a case as a script for `laminar-slt`, with the oracle's answers as what is expected.

use std::fmt::Write;

use super::case::{Case, Step, values};
use super::oracle;
use super::query::{self, EVERY_MS};
use super::schema::Type;
use super::{driver, schema::Column};
use crate::support::value::{Row, Value};

/// The script of a case that failed with this message.
pub fn write(case: &Case, message: &str) -> String {
    let unsupported = driver::run(case).map(|observed| observed.unsupported).unwrap_or_default();
    let expected = oracle::answer(case, &unsupported).unwrap_or_default();
    let mut script = String::new();
    for line in message.lines() {
        let _ = writeln!(script, "# {line}");
    }
    let created = |stream: usize| {
        case.steps.iter().any(|step| matches!(step, Step::Create(index) if *index == stream))
    };
    let _ = write!(script, "\nstatement ok\nOPEN UNSTARTED\n");
    if case.workers > 1 {
        let _ = write!(script, "\nstatement ok\nSET workers = {}\n", case.workers);
    }
    for (index, input) in case.inputs.iter().enumerate() {
        let of_steps = case.steps.iter().any(|step| step.input() == Some(index));
        let of_streams = case.streams.iter().enumerate().any(|(index, stream)| {
            created(index) && stream.query.inputs().iter().any(|other| other.name == input.name)
        });
        if of_streams || of_steps {
            let _ = write!(script, "\nstatement ok\n{}\n", input.create());
        }
    }
    for (index, step) in case.steps.iter().enumerate() {
        let statement = match step {
            Step::Start => "START".to_string(),
            Step::Subscribe(stream) if unsupported.contains_key(&case.streams[*stream].name) => {
                continue;
            }
            Step::Create(stream) | Step::Drop(stream)
                if unsupported.contains_key(&case.streams[*stream].name) =>
            {
                continue;
            }
            Step::Create(stream) => case.streams[*stream].create(),
            Step::Drop(stream) => case.streams[*stream].drop(),
            Step::Open { input, producer } => {
                format!("OPEN PRODUCER p{producer} OF {}", case.inputs[*input].name)
            }
            Step::Close { producer, .. } => format!("CLOSE PRODUCER p{producer}"),
            Step::Watermark { input, producer, ts_ms } => {
                format!("WATERMARK {} BY p{producer} TO {ts_ms}", case.inputs[*input].name)
            }
            Step::Push { input, producer, rows, batch_rows } => {
                let input = &case.inputs[*input];
                let by = if *producer == 0 { String::new() } else { format!(" BY p{producer}") };
                let rows = values(input, rows);
                format!("PUSH INTO {}{by} IN BATCHES OF {batch_rows} {rows}", input.name)
            }
            Step::End { producer, .. } => format!("END PRODUCER p{producer}"),
            Step::Clock { by_ms } => format!("ADVANCE CLOCK BY {by_ms}"),
            Step::Subscribe(stream) => {
                format!("SUBSCRIBE at{index} WITH SNAPSHOT TO {}", case.streams[*stream].name)
            }
            Step::Change { input, change } => change.sql(&case.inputs[*input]),
            Step::Check => {
                if case.ticks_at_checks() && expected.iter().any(|expected| expected.step == index)
                {
                    let _ = write!(script, "\nstatement ok\nADVANCE CLOCK BY {EVERY_MS}\n");
                }
                for expected in expected.iter().filter(|expected| expected.step == index) {
                    let stream = &case.streams[expected.stream];
                    let columns = query::columns(stream.query.as_ref());
                    let items = columns.iter().map(shown).collect::<Vec<_>>().join(", ");
                    let types = "?".repeat(columns.len());
                    let name = &stream.name;
                    let _ = write!(
                        script,
                        "\nquery {types} rowsort\nSELECT {items} FROM {name};\n----\n"
                    );
                    let mut lines: Vec<Vec<String>> = expected.rows.iter().map(printed).collect();
                    lines.sort();
                    for line in lines {
                        let _ = writeln!(script, "{}", line.join(" "));
                    }
                }
                continue;
            }
        };
        let _ = write!(script, "\nstatement ok\n{statement}\n");
    }
    script
}

/// Times as the integers that they count.
fn shown(column: &Column) -> String {
    match column.data_type {
        Type::Timestamp => format!("arrow_cast({}, 'Int64')", column.name),
        _ => column.name.clone(),
    }
}

fn printed(row: &Row) -> Vec<String> {
    let value = |value: &Value| match value {
        Value::Null => "NULL".to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(text) if text.is_empty() => "(empty)".to_string(),
        Value::Text(text) if text == "true" || text == "false" => text[..1].to_string(),
        Value::Text(text) => text.clone(),
    };
    row.iter().map(value).collect()
}
