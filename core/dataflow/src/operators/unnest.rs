//! [`Unnest`]: a row for each element of its lists, a column for each field of its structs.
//! Stateless.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, RecordBatch, RecordBatchOptions, StructArray, UInt32Array,
    UInt32Builder,
};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use laminar_types::{Delta, Error, Frontier, Result, TimeUnit, Weights, mutant};

use super::late_rows::LateRows;
use super::time_map::{PassedTimes, TimeMap};
use super::timed_rows::select;
use crate::consolidate::consolidate;
use crate::operator::{Ahead, Content, Context, Marks, Metrics, Operator};
use crate::state::{Parts, arrow_error};

/// What becomes of a column of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnnestColumn {
    /// It stays, repeated for each row that its row becomes.
    Keep,
    /// Its lists become rows. Several lists of a row go side by side, the shorter ones filled up
    /// with NULL.
    List,
    /// Its fields become columns.
    Struct,
}

/// A list of event times in ascending order, which decides whether its row is late.
#[derive(Debug, Clone, Copy)]
pub struct OnTime {
    /// The input's column of lists.
    pub column: usize,
    /// The position of its frontier among those of the input.
    pub frontier: usize,
    /// The unit of the times.
    pub unit: TimeUnit,
    /// By how much the first time of a row is ahead of the row's own, in nanoseconds.
    pub ahead_ns: i64,
}

/// Takes lists and structs apart.
pub struct Unnest {
    spec: Spec,
    times: PassedTimes,
    on_time: Option<OnTime>,
    late: LateRows,
    output: Option<Delta>,
}

#[derive(Clone)]
struct Spec {
    columns: Vec<UnnestColumn>,
    /// Whether a NULL list becomes a row with NULL.
    preserve_nulls: bool,
    schema: SchemaRef,
}

impl Unnest {
    /// Takes rows apart whose columns are as `columns` says into rows of `schema`; `times` has one
    /// entry for each event-time column of the output. With `on_time`, rows are left out whose
    /// first time is behind its frontier.
    pub fn new(
        columns: Vec<UnnestColumn>,
        preserve_nulls: bool,
        schema: SchemaRef,
        times: Vec<TimeMap>,
        on_time: Option<OnTime>,
    ) -> Self {
        let spec = Spec { columns, preserve_nulls, schema };
        let late = LateRows::new(None, true, None);
        Self { spec, times: PassedTimes::new(times), on_time, late, output: None }
    }

    /// The same, handing on the first columns of rows that are late.
    pub fn with_late_rows(self, columns: usize) -> Self {
        Self { late: LateRows::new(Some(columns), true, None), ..self }
    }

    fn without_late(&mut self, delta: Delta, cx: &mut Context<'_>) -> Result<Delta> {
        let Some(OnTime { column, frontier, unit, .. }) = self.on_time else { return Ok(delta) };
        let Some(frontier) = self.times.input(frontier) else { return Ok(delta) };
        let limit = frontier.in_unit(unit);
        let list = as_list(delta.batch.column(column))?;
        let times = cast(list.values(), &DataType::Int64).map_err(arrow_error)?;
        let times = times.as_primitive::<Int64Type>();
        let is_on_time = |row: &u32| {
            let first = list.value_offsets()[*row as usize] as usize;
            let is_empty = list.is_null(*row as usize) || list.value_length(*row as usize) == 0;
            is_empty || times.is_null(first) || times.value(first) >= limit
        };
        let rows = 0..delta.num_rows() as u32;
        let (kept, late): (Vec<u32>, Vec<u32>) = rows.partition(is_on_time);
        if late.is_empty() {
            return Ok(delta);
        }
        self.late.take(select(&delta, &late)?, cx)?;
        select(&delta, &kept)
    }
}

impl Operator for Unnest {
    fn input(&mut self, _port: usize, delta: Delta, cx: &mut Context<'_>) -> Result<()> {
        let delta = self.without_late(delta, cx)?;
        let (batch, rows) = self.spec.apply(&delta.batch)?;
        let weights = delta.weights.filter(|_| !mutant!(UnnestForgetsWeights));
        let weights = weights.map(|weights| {
            Weights::from(
                rows.values().iter().map(|row| weights[*row as usize]).collect::<Vec<_>>(),
            )
        });
        let output = Delta { batch, weights };
        // Lists that differ may have elements in common.
        let net = match output.is_mixed() {
            true => consolidate(&self.spec.schema, &[(output.batch, output.weights)])?
                .map(|(batch, weights)| Delta::weighted(batch, weights)),
            false => Some(output),
        };
        self.output = net.filter(|delta| !delta.is_empty());
        Ok(())
    }

    fn marks(&self) -> Marks {
        match self.on_time {
            Some(_) => Marks::Every,
            None => self.times.marks(),
        }
    }

    fn advance(&mut self, _: usize, frontiers: &[Frontier], _: &mut Context<'_>) -> Result<()> {
        self.times.advance(frontiers);
        Ok(())
    }

    fn finish(&mut self, _cx: &mut Context<'_>) -> Result<Option<Delta>> {
        Ok(self.output.take())
    }

    fn frontiers(&self, out: &mut Vec<Frontier>) {
        self.times.frontiers(out);
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { spec: _, times, on_time: _, late, output: _ } = self;
        times.parts(parts)?;
        late.parts(parts)
    }

    fn judges(&self) -> Option<Ahead> {
        let OnTime { frontier, ahead_ns, .. } = self.on_time?;
        Some(Ahead { frontier, span_ns: ahead_ns })
    }

    fn content(&mut self, input: Option<Box<dyn Content>>) -> Option<Box<dyn Content>> {
        Some(Box::new(Unnested { input: input?, spec: self.spec.clone() }))
    }

    fn derives_content(&self) -> bool {
        true
    }

    fn follows_content(&self) -> bool {
        true
    }

    fn metrics(&self) -> Metrics {
        Metrics { late_rows: self.late.count(), ..Metrics::default() }
    }
}

struct Unnested {
    input: Box<dyn Content>,
    spec: Spec,
}

impl Content for Unnested {
    fn batches(&self) -> Result<Vec<RecordBatch>> {
        let batches = self.input.batches()?;
        batches.iter().map(|batch| Ok(self.spec.apply(batch)?.0)).collect()
    }
}

impl Spec {
    /// The rows that a batch becomes, and the row that each comes from.
    fn apply(&self, batch: &RecordBatch) -> Result<(RecordBatch, UInt32Array)> {
        let lists = self
            .columns
            .iter()
            .zip(batch.columns())
            .map(|(kind, column)| match kind {
                UnnestColumn::List => as_list(column).map(Some),
                _ => Ok(None),
            })
            .collect::<Result<Vec<Option<ListArray>>>>()?;
        let length = |row: usize| {
            let lists = lists.iter().flatten();
            // Without a list every row stays one row.
            lists.map(|list| self.length(list, row)).max().unwrap_or(1)
        };
        let lengths: Vec<usize> = (0..batch.num_rows()).map(length).collect();
        let rows: UInt32Array = lengths
            .iter()
            .enumerate()
            .flat_map(|(row, length)| std::iter::repeat_n(Some(row as u32), *length))
            .collect();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for ((kind, column), list) in self.columns.iter().zip(batch.columns()).zip(&lists) {
            match (kind, list) {
                (UnnestColumn::Struct, _) => {
                    let whole = take(column, &rows, None).map_err(arrow_error)?;
                    let fields = whole
                        .as_struct_opt()
                        .ok_or_else(|| Error::internal("a struct was planned to be unnested"))?;
                    columns.extend(struct_fields(fields)?);
                }
                (_, Some(list)) => {
                    let elements = elements(list, &lengths);
                    columns.push(take(list.values(), &elements, None).map_err(arrow_error)?);
                }
                _ => columns.push(take(column, &rows, None).map_err(arrow_error)?),
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(arrow_error)?;
        Ok((batch, rows))
    }

    fn length(&self, list: &ListArray, row: usize) -> usize {
        match list.is_null(row) {
            true => usize::from(self.preserve_nulls),
            false => list.value_length(row) as usize,
        }
    }
}

/// A list of any layout as the plain one.
fn as_list(column: &ArrayRef) -> Result<ListArray> {
    let item = match column.data_type() {
        DataType::List(_) => return Ok(column.as_list::<i32>().clone()),
        DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Arc::clone(item),
        other => return Err(Error::internal(format!("a {other} was planned to be unnested"))),
    };
    let list = cast(column, &DataType::List(item)).map_err(arrow_error)?;
    Ok(list.as_list::<i32>().clone())
}

/// Where the elements of all lists stand, each list filled up to its row's length.
fn elements(list: &ListArray, lengths: &[usize]) -> UInt32Array {
    let mut elements = UInt32Builder::with_capacity(lengths.iter().sum());
    for (row, length) in lengths.iter().enumerate() {
        let count = if list.is_null(row) { 0 } else { list.value_length(row) as usize };
        let start = list.value_offsets()[row] as u32;
        (0..count as u32).for_each(|element| elements.append_value(start + element));
        elements.append_nulls(length - count);
    }
    elements.finish()
}

/// The fields of structs; those of a NULL struct are NULL.
fn struct_fields(structs: &StructArray) -> Result<Vec<ArrayRef>> {
    let Some(nulls) = structs.nulls() else { return Ok(structs.columns().to_vec()) };
    let indices: UInt32Array =
        (0..structs.len()).map(|row| nulls.is_valid(row).then_some(row as u32)).collect();
    let fields = structs.columns().iter();
    fields.map(|field| take(field, &indices, None).map_err(arrow_error)).collect()
}
