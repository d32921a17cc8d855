//! [`Materialize`]: keeps the content of a relation that no operator before it keeps.

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use laminar_types::{Delta, Error, Frontier, Result, mutant};

use super::aggregate::batch;
use super::time_map::{PassedTimes, TimeMap};
use crate::aggregate::{
    AggregateArgs, AggregateFunction, AggregateSnapshot, AggregateTable, create,
};
use crate::operator::{Content, Context, Marks, Metrics, Operator};
use crate::state::{Container, Parts};

/// Rows that are read from a snapshot at a time.
const CONTENT_ROWS: usize = 8_192;

/// Hands its input on and keeps it, as a multiset: the different rows with their weights.
pub struct Materialize {
    rows: AggregateTable,
    schema: SchemaRef,
    times: PassedTimes,
    output: Option<Delta>,
}

impl Materialize {
    /// Keeps rows of a schema whose event-time columns are mapped by `times`.
    pub fn new(schema: SchemaRef, times: Vec<TimeMap>) -> Result<Self> {
        let columns: Vec<DataType> =
            schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let weight = create(AggregateFunction::CountAll, &[], false)?;
        let rows = AggregateTable::new(&columns, vec![weight], false)?;
        Ok(Self { rows, schema, times: PassedTimes::new(times), output: None })
    }
}

impl Operator for Materialize {
    fn input(&mut self, _port: usize, delta: Delta, _cx: &mut Context<'_>) -> Result<()> {
        let args = [AggregateArgs { args: &[], filter: None }];
        let weights = delta.weights.as_deref().filter(|_| !mutant!(MaterializeAddsOnly));
        self.rows.update(delta.batch.columns(), &args, weights, delta.num_rows())?;
        self.rows.settle();
        self.output = Some(delta);
        Ok(())
    }

    fn marks(&self) -> Marks {
        self.times.marks()
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
        let Self { rows, schema: _, times, output: _ } = self;
        rows.parts(parts)?;
        times.parts(parts)
    }

    fn follows_content(&self) -> bool {
        true
    }

    fn content(&mut self, _input: Option<Box<dyn Content>>) -> Option<Box<dyn Content>> {
        Some(Box::new(Rows { snapshot: self.rows.snapshot(), schema: self.schema.clone() }))
    }

    fn metrics(&self) -> Metrics {
        Metrics { state_bytes: self.rows.state_bytes(), ..Metrics::default() }
    }
}

struct Rows {
    snapshot: AggregateSnapshot,
    schema: SchemaRef,
}

impl Content for Rows {
    fn batches(&self) -> Result<Vec<RecordBatch>> {
        let chunks = self.snapshot.chunks(CONTENT_ROWS);
        chunks.map(|columns| repeated(&self.schema, columns?)).collect()
    }
}

/// Each row as often as its weight, the last column, says.
fn repeated(schema: &SchemaRef, mut columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let weights = columns.pop().ok_or_else(|| Error::internal("a row without its weight"))?;
    let weights = weights.as_primitive::<Int64Type>();
    if weights.values().iter().any(|weight| *weight != 1) {
        let rows = (0..weights.len() as u32)
            .flat_map(|row| std::iter::repeat_n(row, weights.value(row as usize).max(0) as usize));
        let rows = UInt32Array::from_iter_values(rows);
        for column in &mut columns {
            *column = take(column, &rows, None)
                .map_err(|error| Error::internal(format!("rows cannot be repeated: {error}")))?;
        }
    }
    batch(schema, columns)
}
