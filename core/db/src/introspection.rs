//! `SHOW`, `DESCRIBE` and the system tables, as Arrow batches.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::SchemaRef;
use laminar_dataflow::{Content, Metrics};
use laminar_sql::parser::statement::Show;
use laminar_types::{Error, Result};

use crate::engine::{Core, Object, Source};
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
        Show::Streams => streams(core),
        Show::Sinks => sinks(core),
        Show::Tables | Show::LookupTables | Show::MaterializedViews => {
            // None can be created yet, so there are none.
            let none = || text(Vec::<String>::new());
            Columns(vec![("name", none()), ("sql", none())]).batch()
        }
        Show::Queries => Err(Error::unsupported("SHOW QUERIES is not built yet")),
    }
}

fn sources(core: &Core) -> Result<RecordBatch> {
    let sources: Vec<&Source> = core.sources.iter().flatten().collect();
    let all = || sources.iter();
    let declared = |source: &&Source| {
        let declared = source.producers.declared();
        declared.map(|declared| source.schema.field(declared.column).name().clone())
    };
    let watermark = |source: &&Source| source.producers.watermark().and_then(|w| w.millis());
    let pending =
        |source: &&Source| source.rules.pending.load(std::sync::atomic::Ordering::Relaxed);
    Columns(vec![
        ("name", text(all().map(|source| &source.name))),
        ("watermark_column", Arc::new(StringArray::from_iter(all().map(declared)))),
        ("watermark_ms", times(all().map(watermark))),
        ("total_rows", counts(all().map(|source| source.total_rows))),
        ("retained_rows", counts(all().map(|source| source.history.num_rows() as u64))),
        ("dropped_rows", counts(all().map(|source| source.history.dropped_rows()))),
        ("pending_rows", counts(all().map(pending))),
        ("state_bytes", counts(all().map(|source| source.history.state_bytes() as u64))),
        ("sql", text(all().map(|source| &source.sql))),
    ])
    .batch()
}

fn streams(core: &Core) -> Result<RecordBatch> {
    let streams: Vec<(&Stream, Metrics)> = core
        .streams
        .iter()
        .flatten()
        .filter(|stream| !stream.is_anonymous())
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
        ("emit", text(all().map(|(stream, _)| stream.emit.sql()))),
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
            Object::Sink { from } => Some((name, from)),
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
        Object::Source(id) => {
            let history = &core.source(*id)?.history;
            lines.push(("retained rows".into(), history.num_rows().to_string()));
            lines.push(("dropped rows".into(), history.dropped_rows().to_string()));
            lines.push(("queries see".into(), tail(history.dropped_rows())));
        }
        Object::Stream(id) => {
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
        Object::Sink { from } => lines.push(("input".into(), from.clone())),
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

struct Ready(RecordBatch);

impl Content for Ready {
    fn batches(&self) -> Result<Vec<RecordBatch>> {
        Ok(vec![self.0.clone()])
    }
}
