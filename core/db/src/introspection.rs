//! `SHOW`, `DESCRIBE` and the system tables, as Arrow batches.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::SchemaRef;
use laminar_dataflow::state::{Container, TableRows};
use laminar_dataflow::{Content, Metrics};
use laminar_sql::parser::statement::Show;
use laminar_types::{Error, Result};

use crate::adhoc::Ready;
use crate::engine::{Core, Object, Source};
use crate::history::History;
use crate::stream::Stream;

/// The table of rows that expressions failed on.
pub(crate) const DEAD_LETTERS: &str = "laminar_dead_letters";

/// Columns that are built row by row.
struct Columns(Vec<(&'static str, ArrayRef)>);

impl Columns {
    fn batch(self) -> Result<RecordBatch> {
        RecordBatch::try_from_iter_with_nullable(
            self.0.into_iter().map(|(name, column)| (name, column, true)),
        )
        .map_err(|error| Error::internal(format!("a listing has uneven columns: {error}")))
    }
}

fn text(values: impl IntoIterator<Item = impl Into<String>>) -> ArrayRef {
    let values: Vec<String> = values.into_iter().map(Into::into).collect();
    Arc::new(StringArray::from(values))
}

fn counts(values: impl IntoIterator<Item = u64>) -> ArrayRef {
    let values: Vec<u64> = values.into_iter().collect();
    Arc::new(UInt64Array::from(values))
}

fn times(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    let values: Vec<Option<i64>> = values.into_iter().collect();
    Arc::new(Int64Array::from(values))
}

/// A plan, one line a row.
pub(crate) fn plan(lines: &str) -> Result<RecordBatch> {
    let lines: Vec<&str> = lines.lines().collect();
    Columns(vec![("plan", text(lines))]).batch()
}

/// What a `SHOW` lists.
pub(crate) fn show(core: &Core, what: Show) -> Result<RecordBatch> {
    match what {
        Show::Sources => sources(core),
        Show::Streams => streams(core, false),
        Show::Sinks => sinks(core),
        Show::Tables => tables(core, |object| matches!(object, Object::Table(_))),
        Show::LookupTables => tables(core, |object| matches!(object, Object::LookupTable(_))),
        Show::MaterializedViews => streams(core, true),
        Show::Queries => Err(Error::unsupported("SHOW QUERIES is not built yet")),
    }
}

fn sources(core: &Core) -> Result<RecordBatch> {
    let sources: Vec<(&Source, &History)> = core
        .sources
        .iter()
        .flatten()
        .filter_map(|source| Some((source, source.history.as_ref()?)))
        .collect();
    let all = || sources.iter().map(|(source, _)| *source);
    let histories = || sources.iter().map(|(_, history)| *history);
    Columns(vec![
        ("name", text(all().map(|source| &source.name))),
        ("watermark_column", Arc::new(StringArray::from_iter(all().map(watermark_column)))),
        ("watermark_ms", times(all().map(watermark_ms))),
        ("total_rows", counts(all().map(|source| source.total_rows))),
        ("retained_rows", counts(histories().map(|history| history.num_rows() as u64))),
        ("dropped_rows", counts(histories().map(History::dropped_rows))),
        ("pending_rows", counts(all().map(pending_rows))),
        ("state_bytes", counts(histories().map(|history| history.state_bytes() as u64))),
        ("sql", text(all().map(|source| &source.sql))),
    ])
    .batch()
}

/// Tables, or lookup tables.
fn tables(core: &Core, is_wanted: impl Fn(&Object) -> bool) -> Result<RecordBatch> {
    let tables: Vec<(&Source, &TableRows)> = core
        .objects
        .values()
        .filter(|object| is_wanted(object))
        .filter_map(|object| {
            let table = core.source(object.input()?).ok()?;
            Some((table, core.graph.table(table.node)?))
        })
        .collect();
    let all = || tables.iter().map(|(table, _)| *table);
    let rows = || tables.iter().map(|(_, rows)| *rows);
    let key = |table: &Source| {
        let names: Vec<&str> = table
            .rules
            .key
            .iter()
            .map(|column| table.schema.field(*column).name().as_str())
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    Columns(vec![
        ("name", text(all().map(|table| &table.name))),
        ("primary_key", Arc::new(StringArray::from_iter(all().map(key)))),
        ("rows", counts(rows().map(TableRows::len))),
        ("watermark_column", Arc::new(StringArray::from_iter(all().map(watermark_column)))),
        ("watermark_ms", times(all().map(watermark_ms))),
        ("total_rows", counts(all().map(|table| table.total_rows))),
        ("pending_rows", counts(all().map(pending_rows))),
        ("state_bytes", counts(rows().map(|rows| rows.state_bytes() as u64))),
        ("sql", text(all().map(|table| &table.sql))),
    ])
    .batch()
}

fn watermark_column(source: &Source) -> Option<String> {
    let declared = source.producers.declared()?;
    Some(source.schema.field(declared.column).name().clone())
}

fn watermark_ms(source: &Source) -> Option<i64> {
    source.producers.watermark().and_then(|watermark| watermark.millis())
}

fn pending_rows(source: &Source) -> u64 {
    source.rules.pending.load(Ordering::Relaxed)
}

/// Named streams, or views.
fn streams(core: &Core, views: bool) -> Result<RecordBatch> {
    let streams: Vec<(&Stream, Metrics)> = core
        .streams
        .iter()
        .flatten()
        .filter(|stream| !stream.is_anonymous() && stream.late_of.is_none())
        .filter(|stream| stream.is_view == views)
        .map(|stream| (stream, metrics(core, stream)))
        .collect();
    let all = || streams.iter();
    let error = |(stream, _): &(&Stream, Metrics)| {
        core.graph.failure(stream.result()).map(ToString::to_string)
    };
    let state = |stream: &(&Stream, Metrics)| match (error(stream), core.started) {
        (Some(_), _) => "failed",
        (None, true) => "running",
        (None, false) => "created",
    };
    Columns(vec![
        ("name", text(all().map(|(stream, _)| &stream.name))),
        ("emit", text(all().map(|(stream, _)| stream.emit_sql()))),
        ("state", text(all().map(state))),
        ("error", Arc::new(StringArray::from_iter(all().map(error)))),
        ("watermark_ms", times(all().map(|(stream, _)| core.stream_watermark(stream)))),
        ("total_rows", counts(all().map(|(stream, _)| stream.total_rows))),
        ("late_rows", counts(all().map(|(_, metrics)| metrics.late_rows))),
        ("dead_letters", counts(all().map(|(stream, _)| stream.dead_letters))),
        ("subscribers", counts(all().map(|(stream, _)| stream.subscribers.len() as u64))),
        ("state_bytes", counts(all().map(|(_, metrics)| metrics.state_bytes as u64))),
        ("sql", text(all().map(|(stream, _)| &stream.sql))),
    ])
    .batch()
}

fn sinks(core: &Core) -> Result<RecordBatch> {
    let sinks: Vec<(&String, &String)> = core
        .objects
        .iter()
        .filter_map(|(name, object)| match object {
            Object::Sink { from, .. } | Object::LateRows { of: from, .. } => Some((name, from)),
            _ => None,
        })
        .collect();
    Columns(vec![
        ("name", text(sinks.iter().map(|(name, _)| *name))),
        ("input", text(sinks.iter().map(|(_, from)| *from))),
    ])
    .batch()
}

fn metrics(core: &Core, stream: &Stream) -> Metrics {
    let mut sum = Metrics::default();
    for node in &stream.nodes {
        let metrics = core.graph.metrics(*node);
        sum.late_rows += metrics.late_rows;
        sum.state_bytes += metrics.state_bytes;
    }
    if let Some(history) = &stream.history {
        sum.state_bytes += history.state_bytes();
    }
    sum
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
        Object::Stream(id) | Object::View(id) => {
            let stream = core.stream(*id);
            match &stream.history {
                Some(history) => {
                    lines.push(("retained rows".into(), history.num_rows().to_string()));
                    lines.push(("dropped rows".into(), history.dropped_rows().to_string()));
                    lines.push(("queries see".into(), tail(history.dropped_rows())));
                }
                None => lines.push(("queries see".into(), "every row".into())),
            }
            lines.push(("plan".into(), stream.explain.clone()));
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
            core.source(*id)?.sql.clone()
        }
        Object::Stream(id) | Object::View(id) => core.stream(*id).statement.clone(),
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
