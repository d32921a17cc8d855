//! `SHOW`, `DESCRIBE` and dead letters, as Arrow batches.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use laminar_dataflow::Content;
use laminar_sql::parser::statement::Show;
use laminar_types::Result;

use crate::adhoc::Ready;
use crate::board::{Board, InputKind};
use crate::engine::{Core, Object};
use crate::system_tables::{
    Columns, SystemTable, counts, producers_channel, subscribers_channel, tables, text,
};

/// The table of rows that expressions failed on.
pub(crate) const DEAD_LETTERS: &str = "laminar_dead_letters";

/// A plan, one line a row.
pub(crate) fn plan(lines: &str) -> Result<RecordBatch> {
    let lines: Vec<&str> = lines.lines().collect();
    Columns(vec![("plan", text(lines))]).batch()
}

/// What a `SHOW` lists.
pub(crate) fn show(board: &Board, what: Show) -> Result<RecordBatch> {
    match what {
        Show::Sources => SystemTable::Sources.read(board),
        Show::Streams => SystemTable::Streams.read(board),
        Show::Sinks => SystemTable::Sinks.read(board),
        Show::Tables => tables(board, |kind| kind == InputKind::Table),
        Show::LookupTables => tables(board, |kind| kind == InputKind::LookupTable),
        Show::MaterializedViews => SystemTable::Views.read(board),
        Show::Queries => SystemTable::Queries.read(board),
    }
}

/// The columns of a relation: `column_name`, `data_type`, `nullable`.
pub(crate) fn describe(schema: &SchemaRef) -> Result<RecordBatch> {
    let fields = schema.fields();
    Columns(vec![
        ("column_name", text(fields.iter().map(|field| field.name()))),
        ("data_type", text(fields.iter().map(|field| field.data_type().to_string()))),
        (
            "nullable",
            Arc::new(BooleanArray::from_iter(fields.iter().map(|f| Some(f.is_nullable())))),
        ),
    ])
    .batch()
}

/// A relation as `property`, `value`: its kind, its columns, what it keeps and how it runs.
pub(crate) fn describe_extended(core: &Core, name: &str) -> Result<RecordBatch> {
    let object = core.object(name)?;
    let mut lines: Vec<(String, String)> =
        vec![("name".into(), name.into()), ("kind".into(), object.kind().to_lowercase())];
    if let Some((_, traits)) = core.relation(name) {
        for field in traits.schema.fields() {
            let nullable = if field.is_nullable() { "" } else { " NOT NULL" };
            let column = format!("{}{nullable}", field.data_type());
            lines.push((format!("column {}", field.name()), column));
        }
        lines.push(("promises".into(), laminar_sql::plan::promises(&traits)));
    }
    match object {
        Object::Source(id) | Object::Table(id) | Object::LookupTable(id) => {
            let source = core.source(*id)?;
            let rules = &source.rules;
            lines.extend(rules.policy.told(core.wait_strategy, rules.capacity));
            lines.push(("channel".into(), producers_channel(source.entry.producers()).into()));
            let (pending, missed) = (source.entry.pending_rows(), source.entry.missed_rows.get());
            lines.push(("pending rows".into(), pending.to_string()));
            lines.push(("missed rows".into(), missed.to_string()));
            if let Some(group) = &source.timing.group {
                lines.push(("watermark group".into(), group.clone()));
            }
            if let Some(drift_ms) = core.drift_ms(*id) {
                let most =
                    source.timing.max_drift_ms.map_or(String::new(), |ms| format!(" of {ms}"));
                lines.push(("drift".into(), format!("{drift_ms}{most} ms")));
            }
            if let Some(history) = &source.history {
                lines.push(("retained rows".into(), history.num_rows().to_string()));
                lines.push(("dropped rows".into(), history.dropped_rows().to_string()));
                lines.push(("queries see".into(), tail(history.dropped_rows())));
            }
            if let Some(rows) = core.graph.table(source.node) {
                lines.push(("rows".into(), rows.len().to_string()));
                lines.push(("queries see".into(), "every row".into()));
            }
        }
        Object::Stream(id) | Object::View(id) | Object::QuerySink(id) => {
            let stream = core.stream(*id);
            match &stream.history {
                Some(history) => {
                    lines.push(("retained rows".into(), history.num_rows().to_string()));
                    lines.push(("dropped rows".into(), history.dropped_rows().to_string()));
                    lines.push(("queries see".into(), tail(history.dropped_rows())));
                }
                None => lines.push(("queries see".into(), "every row".into())),
            }
            let channel = subscribers_channel(stream.subscribers.len());
            lines.push(("channel".into(), channel.unwrap_or("none").into()));
            let warnings = stream.outline.warnings.iter();
            lines.extend(warnings.map(|warning| ("warning".into(), warning.clone())));
            lines.push(("plan".into(), core.outline_of(*id, stream).text()));
        }
        Object::Sink { from, .. } => lines.push(("input".into(), from.clone())),
        Object::LateRows { of, .. } => lines.push(("late rows of".into(), of.clone())),
    }
    let (properties, values): (Vec<String>, Vec<String>) = lines.into_iter().unzip();
    Columns(vec![("property", text(properties)), ("value", text(values))]).batch()
}

fn tail(dropped: u64) -> String {
    match dropped {
        0 => "every row".to_string(),
        _ => "the retained rows only: older ones were dropped (retain_history)".to_string(),
    }
}

/// The statement that made an object.
pub(crate) fn show_create(core: &Core, name: &str) -> Result<RecordBatch> {
    let sql = match core.object(name)? {
        Object::Source(id) | Object::Table(id) | Object::LookupTable(id) => {
            core.source(*id)?.entry.sql.clone()
        }
        Object::Stream(id) | Object::View(id) | Object::QuerySink(id) => {
            core.stream(*id).statement.clone()
        }
        Object::Sink { sql, .. } => sql.clone(),
        // It came with its stream.
        Object::LateRows { of, .. } => return show_create(core, of),
    };
    Columns(vec![("name", text([name])), ("sql", text([sql]))]).batch()
}

/// The rows of [`DEAD_LETTERS`], as they are now.
pub(crate) fn dead_letters(core: &Core) -> Result<(SchemaRef, Box<dyn Content>)> {
    let all = || core.dead_letters.iter();
    let batch = Columns(vec![
        ("epoch", counts(all().map(|(_, letter)| letter.epoch))),
        ("stream", text(all().map(|(stream, _)| stream))),
        ("row", text(all().map(|(_, letter)| &letter.row))),
        ("error", text(all().map(|(_, letter)| &letter.error))),
    ])
    .batch()?;
    Ok((batch.schema(), Box::new(Ready(batch))))
}
