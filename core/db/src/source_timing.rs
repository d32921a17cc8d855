//! The options of `CREATE SOURCE` about time, and the `proctime()` column of sources and tables.

use arrow::datatypes::SchemaRef;
use laminar_sql::parser::statement::{ColumnDef, CreateSource, Watermark};
use laminar_types::{Error, Result, TimeUnit, code};

use crate::engine::Timing;

/// Takes the options about time out of a statement.
pub(crate) fn read(source: &mut CreateSource, schema: &SchemaRef) -> Result<Timing> {
    let mut timing = of_clock("a source", &source.columns, source.watermark.as_ref(), schema)?;
    let declared = source.watermark.is_some();
    let options = &mut source.options;
    if let Some(entry) = options.take("idle_timeout") {
        let timeout_ms = entry.duration_ns()? / 1_000_000;
        if timeout_ms == 0 {
            return Err(entry.error("takes a duration of at least a millisecond"));
        }
        timing.idle_timeout_ms = Some(timeout_ms);
    }
    if let Some(entry) = options.take("max_future_ms") {
        let ms = entry.integer()?;
        if ms < 0 {
            return Err(entry.error("takes a number of milliseconds, 0 or more"));
        }
        if !declared {
            return Err(entry.error("needs an event time: declare WATERMARK FOR"));
        }
        timing.max_future_ms = Some(ms);
    }
    if let Some(entry) = options.take("watermark_per") {
        let per = entry.text()?;
        match per.split_once(':') {
            // Each producer is a partition.
            None if per == "partition" => {}
            Some(("key", column)) => {
                if !declared {
                    return Err(entry.error("needs an event time: declare WATERMARK FOR"));
                }
                let column = schema.index_of(column.trim()).map_err(|_| {
                    entry.error(&format!("names `{}`, which is no column", column.trim()))
                })?;
                timing.watermark_key = Some(column);
            }
            _ => return Err(entry.error("takes 'partition' or 'key:column'")),
        }
    }
    timing.group = options.take("watermark_group").map(|entry| entry.text()).transpose()?;
    if let Some(entry) = options.take("max_drift") {
        if timing.group.is_none() {
            return Err(entry.error("needs a watermark_group"));
        }
        timing.max_drift_ms = Some(entry.duration_ns()? / 1_000_000);
    }
    Ok(timing)
}

/// How a source or table, which `what` names, stands to time by its columns alone: which of them
/// the clock fills.
pub(crate) fn of_clock(
    what: &str,
    columns: &[ColumnDef],
    watermark: Option<&Watermark>,
    schema: &SchemaRef,
) -> Result<Timing> {
    let mut columns = columns.iter().enumerate().filter(|(_, column)| column.proctime);
    let Some((index, column)) = columns.next() else { return Ok(Timing::default()) };
    let refuse =
        |message: String| Err(Error::new(code::INVALID_SCHEMA, message).at(column.name.position));
    if let Some((_, other)) = columns.next() {
        return refuse(format!(
            "{what} has one proctime() column, and `{}` is a second one",
            other.name.value
        ));
    }
    let data_type = schema.field(index).data_type();
    if TimeUnit::of(data_type).is_none() {
        return refuse(format!(
            "the proctime() column `{}` is a {data_type}, and must be TIMESTAMP or BIGINT \
             (milliseconds)",
            column.name.value
        ));
    }
    if watermark.is_some_and(|w| w.column == column.name) {
        return refuse(format!(
            "`{}` goes with the clock and needs no WATERMARK FOR: leave it out",
            column.name.value
        ));
    }
    if schema.fields().len() == 1 {
        return refuse(format!("{what} needs a column besides its proctime()"));
    }
    Ok(Timing { proctime: Some(index), ..Timing::default() })
}
