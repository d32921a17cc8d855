//! [`JoinSide`]: one input of a join: its keys, the rows it keeps, and which of them a step touched.

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::{concat, take, take_record_batch};
use arrow::error::ArrowError;
use laminar_types::{Delta, Error, Result, Weights, mutant};

use super::kind::RowOutput;
use super::{JoinInput, Keeping};
use crate::expr::Expr;
use crate::operator::Context;
use crate::operators::map::sentence;
use crate::operators::partitioned::ordinals;
use crate::state::{Container, Multimap, RowChange, Search, SlotSet};

/// One input of a join and its state.
pub(super) struct JoinSide {
    keys: Vec<Expr>,
    /// The input's columns that are kept, and, by input column, where.
    kept: Vec<usize>,
    pub(super) place_of: Vec<Option<usize>>,
    /// Whether a row with a NULL among its keys can match.
    null_matches: bool,
    /// What a row gives beside its pairs.
    pub(super) output: RowOutput,
    pub(super) rows: Multimap,
    /// The rows that the step touched, as they were before it.
    pub(super) touched: Vec<Touch>,
    is_touched: SlotSet,
}

/// A row before a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Touch {
    pub(super) slot: u32,
    pub(super) weight: i64,
    pub(super) matched: bool,
    /// The ordinal of the row that touched it first, where rows have one.
    pub(super) ordinal: Option<u64>,
}

/// A delta, apart by whether its rows have a key that can match.
pub(super) struct Keyed {
    /// The rows that have one.
    pub(super) delta: Delta,
    /// Their keys.
    pub(super) keys: Vec<ArrayRef>,
    /// The other rows.
    pub(super) keyless: Option<Delta>,
}

impl JoinSide {
    /// A side without rows that keeps these columns of its input.
    pub(super) fn new(
        input: &JoinInput,
        kept: Vec<usize>,
        output: RowOutput,
        null_matches: bool,
    ) -> Result<Self> {
        let mut key_types = Vec::with_capacity(input.keys.len());
        for key in &input.keys {
            key_types.push(key.data_type(&input.schema)?);
        }
        let field = |column: &usize| input.schema.field(*column).data_type().clone();
        let types: Vec<_> = kept.iter().map(field).collect();
        let search = match input.keeping {
            // Rows without columns of their own are counted by key.
            _ if kept.is_empty() => Search::Chain,
            Keeping::AppendOnly => Search::Never,
            Keeping::UniqueKey => Search::Chain,
            Keeping::Updating => Search::Hash,
        };
        let mut place_of = vec![None; input.schema.fields().len()];
        for (place, column) in kept.iter().enumerate() {
            place_of[*column] = Some(place);
        }
        Ok(Self {
            keys: input.keys.clone(),
            rows: Multimap::new(&key_types, &types, search, output != RowOutput::Nothing)?,
            kept,
            place_of,
            null_matches,
            output,
            touched: Vec::new(),
            is_touched: SlotSet::default(),
        })
    }

    /// Whether the matches of each row are counted.
    pub(super) fn is_counted(&self) -> bool {
        self.output != RowOutput::Nothing
    }

    /// One column of the input, of rows that are kept.
    pub(super) fn gather(&self, column: usize, slots: &[u32]) -> Result<ArrayRef> {
        let place = self.place_of[column].ok_or_else(not_kept)?;
        self.rows.gather(place, slots)
    }

    /// Computes the keys of a delta. A row on which a key fails is noted as a dead letter and
    /// matches nothing: no pair with it satisfies the condition.
    pub(super) fn keyed(&self, delta: Delta, cx: &mut Context<'_>) -> Result<Keyed> {
        let evaluated = self.evaluate(&delta.batch);
        let failed;
        let keys = match evaluated {
            Ok(keys) => {
                failed = None;
                keys
            }
            Err(_) => {
                let (keys, rows) = self.evaluate_by_row(&delta.batch, cx)?;
                failed = Some(rows);
                keys
            }
        };
        let mut matches = failed;
        if !self.null_matches && !mutant!(NullKeyJoins) {
            for key in &keys {
                matches = NullBuffer::union(matches.as_ref(), key.logical_nulls().as_ref());
            }
        }
        let Some(matches) = matches.filter(|matches| matches.null_count() > 0) else {
            return Ok(Keyed { delta, keys, keyless: None });
        };
        let (with, without): (Vec<u32>, Vec<u32>) =
            (0..delta.num_rows() as u32).partition(|&row| matches.is_valid(row as usize));
        let (with, without) = (UInt32Array::from(with), UInt32Array::from(without));
        let keys = keys.iter().map(|key| take(key, &with, None)).collect::<Result<_, _>>();
        Ok(Keyed {
            keys: keys.map_err(internal)?,
            delta: picked(&delta, &with).map_err(internal)?,
            keyless: Some(picked(&delta, &without).map_err(internal)?),
        })
    }

    fn evaluate(&self, batch: &RecordBatch) -> datafusion::error::Result<Vec<ArrayRef>> {
        self.keys.iter().map(|key| key.evaluate(batch)).collect()
    }

    /// The keys one row at a time, and which rows have them; those of the others are NULL.
    fn evaluate_by_row(
        &self,
        batch: &RecordBatch,
        cx: &mut Context<'_>,
    ) -> Result<(Vec<ArrayRef>, NullBuffer)> {
        let mut by_row = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            match self.evaluate(&batch.slice(row, 1)) {
                Ok(keys) => by_row.push(Some(keys)),
                Err(error) => {
                    cx.dead_letter_of(batch, row, sentence(&error));
                    by_row.push(None);
                }
            }
        }
        let valid = BooleanBuffer::collect_bool(by_row.len(), |row| by_row[row].is_some());
        let mut columns = Vec::with_capacity(self.keys.len());
        for (column, key) in self.keys.iter().enumerate() {
            let none = arrow::array::new_null_array(&key.data_type(batch.schema_ref())?, 1);
            let values: Vec<&dyn Array> =
                by_row.iter().map(|keys| keys.as_ref().map_or(&*none, |k| &*k[column])).collect();
            columns.push(concat(&values).map_err(internal)?);
        }
        Ok((columns, NullBuffer::new(valid)))
    }

    /// Takes in rows that have keys, and notes what they were before.
    pub(super) fn add(&mut self, keyed: &Keyed, changes: &mut Vec<RowChange>) -> Result<()> {
        let batch = &keyed.delta.batch;
        let columns: Vec<ArrayRef> =
            self.kept.iter().map(|column| batch.column(*column).clone()).collect();
        let weights = keyed.delta.weights.as_deref();
        self.rows.add(&keyed.keys, &columns, weights, batch.num_rows(), changes)?;
        if self.is_counted() {
            let ordinals = ordinals::of(batch);
            for change in changes.iter() {
                let ordinal = ordinals.map(|ordinals| ordinals[change.row as usize]);
                self.touch_before(change.slot, change.before, ordinal);
                if change.before == 0
                    && let Some(count) = self.rows.count_mut(change.slot)
                {
                    *count = 0;
                }
            }
        }
        Ok(())
    }

    /// Adds to the matches of a row, because of a row with this ordinal.
    pub(super) fn count(&mut self, slot: u32, matches: i64, ordinal: Option<u64>) {
        self.touch_before(slot, self.rows.weight(slot), ordinal);
        if let Some(count) = self.rows.count_mut(slot) {
            *count += if mutant!(MatchesForgotten) { matches.max(0) } else { matches };
        }
    }

    fn touch_before(&mut self, slot: u32, weight: i64, ordinal: Option<u64>) {
        if self.is_touched.insert(slot) {
            let matched = self.rows.count(slot) != 0 || mutant!(PaddingKept);
            self.touched.push(Touch { slot, weight, matched, ordinal });
        }
    }

    /// Ends a step.
    pub(super) fn settle(&mut self) {
        for touch in self.touched.drain(..) {
            self.is_touched.remove(touch.slot);
        }
        self.rows.settle();
    }

    /// Bytes of state.
    pub(super) fn state_bytes(&self) -> usize {
        self.rows.state_bytes() + self.is_touched.state_bytes()
    }
}

/// These rows of a delta.
fn picked(delta: &Delta, rows: &UInt32Array) -> Result<Delta, ArrowError> {
    let batch = take_record_batch(&delta.batch, rows)?;
    let weights = delta.weights.as_ref().map(|weights| {
        Weights::from(rows.values().iter().map(|row| weights[*row as usize]).collect::<Vec<i64>>())
    });
    Ok(Delta { batch, weights })
}

pub(super) fn internal(error: ArrowError) -> Error {
    Error::internal(format!("a join cannot put its rows together: {error}"))
}

pub(super) fn not_kept() -> Error {
    Error::internal("a join reads a column that it does not keep")
}
