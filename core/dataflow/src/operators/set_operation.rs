//! [`SetOperation`]: `INTERSECT ALL` and `EXCEPT ALL`, by counting each row on both sides.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use laminar_types::{Delta, Error, Result, mutant};

use super::emission::Emission;
use super::partitioned::{Origin, Place, ordinals};
use crate::operator::{Content, Context, Metrics, Operator};
use crate::state::{Container, GroupIndex, GroupKeys, Paged, Parts, SlotSet};

/// Rows that are read from a snapshot at a time.
const CONTENT_ROWS: usize = 8_192;

/// How often a row is in the result that is `left` times on one side and `right` on the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetQuantity {
    /// The smaller of both: `INTERSECT ALL`.
    Common,
    /// What the left side has more, if anything: `EXCEPT ALL`.
    Surplus,
}

impl SetQuantity {
    fn of(self, [left, right]: [i64; 2]) -> i64 {
        match self {
            Self::Common if mutant!(CommonRowsOnce) => left.min(right).clamp(0, 1),
            Self::Common => left.min(right).max(0),
            Self::Surplus if mutant!(SurplusIgnoresRight) => left.max(0),
            Self::Surplus => (left - right.max(0)).max(0),
        }
    }
}

/// Keeps, for each different row, how often it is on either side. Rows are equal as in `DISTINCT`:
/// NULL equals NULL.
pub struct SetOperation {
    schema: SchemaRef,
    quantity: SetQuantity,
    /// Whether the result only ever grows.
    append_only: bool,
    rows: GroupIndex,
    counts: Paged<[i64; 2]>,
    /// The rows that the step touched, with their counts before it.
    touched: Vec<(u32, [i64; 2])>,
    /// For each of them the ordinal of the row that touched it first, where rows have one.
    origins: Vec<Origin>,
    is_touched: SlotSet,
    /// Scratch.
    slots: Vec<u32>,
}

impl SetOperation {
    /// An operation over rows with the columns of `schema`; `append_only` tells that neither side
    /// takes rows back.
    ///
    /// # Errors
    /// `UNSUPPORTED` when a column has a type that cannot be compared.
    pub fn new(schema: SchemaRef, quantity: SetQuantity, append_only: bool) -> Result<Self> {
        let types: Vec<DataType> =
            schema.fields().iter().map(|field| field.data_type().clone()).collect();
        Ok(Self {
            schema,
            quantity,
            append_only: append_only && quantity == SetQuantity::Common,
            rows: GroupIndex::new(&types)?,
            counts: Paged::new([0; 2]),
            touched: Vec::new(),
            origins: Vec::new(),
            is_touched: SlotSet::default(),
            slots: Vec::new(),
        })
    }
}

impl Operator for SetOperation {
    fn input(&mut self, port: usize, delta: Delta, _cx: &mut Context<'_>) -> Result<()> {
        let columns = &delta.batch.columns()[..self.schema.fields().len()];
        self.rows.intern(columns, delta.num_rows(), &mut self.slots)?;
        let ordinals = ordinals::of(&delta.batch);
        self.counts.resize(self.rows.slots());
        let mut counts = self.counts.writer();
        for (row, &slot) in self.slots.iter().enumerate() {
            let count = counts.at(slot as usize);
            if self.is_touched.insert(slot) {
                self.touched.push((slot, *count));
                self.origins.extend(ordinals.map(|ordinals| Origin::from(ordinals[row])));
            }
            count[port] += delta.weight(row);
        }
        Ok(())
    }

    fn finish(&mut self, cx: &mut Context<'_>) -> Result<Option<Delta>> {
        self.finish_placed(cx, &mut Vec::new())
    }

    fn finish_placed(
        &mut self,
        _cx: &mut Context<'_>,
        places: &mut Vec<Place>,
    ) -> Result<Option<Delta>> {
        let (mut slots, mut weights, mut origins) = (Vec::new(), Vec::new(), Vec::new());
        for (index, &(slot, before)) in self.touched.iter().enumerate() {
            let counts = *self.counts.at(slot as usize);
            let more = self.quantity.of(counts) - self.quantity.of(before);
            if more != 0 {
                slots.push(slot);
                weights.push(more);
                origins.extend(self.origins.get(index));
            }
        }
        let mut emission = Emission::default();
        if !slots.is_empty() {
            let batch = batch(&self.schema, self.rows.keys(&slots)?, slots.len())?;
            emission.push(0, batch, Some(weights.into()), origins);
        }
        self.origins.clear();
        for (slot, _) in self.touched.drain(..) {
            self.is_touched.remove(slot);
            if *self.counts.at(slot as usize) == [0; 2] {
                self.rows.remove(slot);
            }
        }
        match self.append_only {
            true => emission.take_appended(&self.schema, places),
            false => emission.take_in_order(&self.schema, places),
        }
    }

    fn acts_without_rows(&self) -> bool {
        false
    }

    fn follows_content(&self) -> bool {
        true
    }

    fn content(&mut self, _input: Option<Box<dyn Content>>) -> Option<Box<dyn Content>> {
        Some(Box::new(Counted {
            schema: self.schema.clone(),
            quantity: self.quantity,
            rows: self.rows.snapshot(),
            counts: self.counts.snapshot(),
        }))
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self {
            schema: _,
            quantity: _,
            append_only: _,
            rows,
            counts,
            touched: _,
            origins: _,
            is_touched: _,
            slots: _,
        } = self;
        rows.parts(parts)?;
        counts.parts(parts)
    }

    fn metrics(&self) -> Metrics {
        let state_bytes = self.rows.state_bytes() + self.counts.state_bytes();
        Metrics { state_bytes, ..Metrics::default() }
    }
}

struct Counted {
    schema: SchemaRef,
    quantity: SetQuantity,
    rows: GroupKeys,
    counts: Paged<[i64; 2]>,
}

impl Content for Counted {
    fn batches(&self) -> Result<Vec<RecordBatch>> {
        let all: Vec<u32> = self.rows.live_slots().collect();
        let mut batches = Vec::new();
        for slots in all.chunks(CONTENT_ROWS) {
            let keys = self.rows.keys(slots)?;
            let times = |slot: &u32| self.quantity.of(*self.counts.at(*slot as usize)) as usize;
            let repeated = slots.iter().enumerate();
            let repeated: UInt32Array = repeated
                .flat_map(|(row, slot)| std::iter::repeat_n(row as u32, times(slot)))
                .collect::<Vec<u32>>()
                .into();
            let columns = keys.iter().map(|key| take(key, &repeated, None));
            let columns = columns.collect::<Result<Vec<ArrayRef>, _>>().map_err(internal)?;
            if !repeated.is_empty() {
                batches.push(batch(&self.schema, columns, repeated.len())?);
            }
        }
        Ok(batches)
    }
}

fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(internal)
}

fn internal(error: ArrowError) -> Error {
    Error::internal(format!("a set operation does not have the planned columns: {error}"))
}
