//! [`JoinSide`]: one input of a join: its keys, the rows it keeps, and which of them a step touched.
//!
//! The rows may be those of several joins; what follows from matches is the join's own ([`Matches`]), by
//! the slots of the rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::{concat, take, take_record_batch};
use arrow::datatypes::{Fields, Schema};
use arrow::error::ArrowError;
use laminar_types::{Delta, Error, Result, Weights, mutant};

use super::arrangement::{Arranged, Rows, SharedRows, Taken};
use super::kind::RowOutput;
use crate::operator::Context;
use crate::operators::map::sentence;
use crate::operators::partitioned::ordinals;
use crate::state::{Container, Paged, Parts, RowChange, SlotSet};

/// One input of a join and its state.
pub(super) struct JoinSide {
    /// How its rows are kept.
    pub(super) arranged: Arranged,
    /// By column of the input, where it is kept.
    pub(super) place_of: Vec<Option<usize>>,
    /// Whether rows are told apart by columns that the join does not read.
    is_wide: bool,
    pub(super) rows: Rows,
    pub(super) matches: Matches,
}

/// What follows for the rows of a side from their matches.
pub(super) struct Matches {
    /// What a row gives beside its pairs.
    pub(super) output: RowOutput,
    /// By row, how many match it; none where that gives nothing.
    counts: Option<Paged<i64>>,
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
    /// A side without rows.
    pub(super) fn new(arranged: Arranged, output: RowOutput) -> Result<Self> {
        Ok(Self {
            place_of: places(&arranged),
            rows: Rows::Own(Box::new(arranged.rows()?)),
            arranged,
            is_wide: false,
            matches: Matches {
                output,
                counts: (output != RowOutput::Nothing).then(|| Paged::new(0)),
                touched: Vec::new(),
                is_touched: SlotSet::default(),
            },
        })
    }

    /// Keeps all columns from the beginning, so that the rows serve every other join as well.
    pub(super) fn keep_all(&mut self) -> Result<()> {
        let kept = (0..self.arranged.schema.fields().len()).collect();
        self.is_wide |= self.arranged.kept != kept;
        self.arranged.kept = kept;
        self.place_of = places(&self.arranged);
        self.rows = Rows::Own(Box::new(self.arranged.rows()?));
        Ok(())
    }

    /// Reads the rows that another join keeps so, before anything came.
    pub(super) fn borrow(&mut self, rows: SharedRows, arranged: Arranged) -> Result<()> {
        self.rows = Rows::borrow(rows)?;
        self.is_wide |= self.arranged.kept != arranged.kept;
        self.arranged = arranged;
        self.place_of = places(&self.arranged);
        Ok(())
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
        if !self.arranged.null_matches && !mutant!(NullKeyJoins) {
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
        self.arranged.keys.iter().map(|key| key.evaluate(batch)).collect()
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
        let mut columns = Vec::with_capacity(self.arranged.keys.len());
        for (column, key) in self.arranged.keys.iter().enumerate() {
            let none = arrow::array::new_null_array(&key.data_type(batch.schema_ref())?, 1);
            let values: Vec<&dyn Array> =
                by_row.iter().map(|keys| keys.as_ref().map_or(&*none, |k| &*k[column])).collect();
            columns.push(concat(&values).map_err(internal)?);
        }
        Ok((columns, NullBuffer::new(valid)))
    }

    /// Takes in rows that have keys, and notes what they were before. Where the rows stand for others
    /// that are there already, they are those from then on.
    pub(super) fn add(
        &mut self,
        step: u64,
        keyed: &mut Keyed,
        changes: &mut Vec<RowChange>,
    ) -> Result<()> {
        if let Taken::Known { keys, weights, slots } = self.take_in(step, keyed, changes)? {
            if total(&keyed.delta) == weights.iter().sum::<i64>() {
                self.begin_with(keys, &weights, &slots, keyed, changes)?;
            } else {
                // What the input tells now is less than what it told others.
                self.rows = Rows::Own(Box::new(self.arranged.rows()?));
                self.take_in(step, keyed, changes)?;
            }
        }
        if self.matches.is_counted() {
            self.matches.note(changes, self.rows.now()?.slots(), &keyed.delta.batch);
        }
        Ok(())
    }

    fn take_in(&mut self, step: u64, keyed: &Keyed, changes: &mut Vec<RowChange>) -> Result<Taken> {
        let kept = &self.arranged.kept;
        self.rows.take_in(step, changes, |rows, changes| {
            let batch = &keyed.delta.batch;
            let columns: Vec<ArrayRef> =
                kept.iter().map(|column| batch.column(*column).clone()).collect();
            let weights = keyed.delta.weights.as_deref();
            rows.add(&keyed.keys, &columns, weights, batch.num_rows(), changes)
        })
    }

    /// Begins with rows that are there already, in the place of a delta of the same rows.
    fn begin_with(
        &mut self,
        keys: Vec<ArrayRef>,
        weights: &[i64],
        slots: &[u32],
        keyed: &mut Keyed,
        changes: &mut Vec<RowChange>,
    ) -> Result<()> {
        let mut columns = Vec::with_capacity(self.place_of.len());
        for (column, place) in self.place_of.iter().enumerate() {
            columns.push(match place {
                Some(place) => self.rows.now()?.gather(*place, slots)?,
                None => {
                    let of = self.arranged.schema.field(column).data_type();
                    arrow::array::new_null_array(of, slots.len())
                }
            });
        }
        let fields = keyed.delta.batch.schema_ref().fields().iter();
        let fields: Fields =
            fields.map(|field| field.as_ref().clone().with_nullable(true)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(slots.len()));
        let schema = Arc::new(Schema::new(fields));
        let batch =
            RecordBatch::try_new_with_options(schema, columns, &options).map_err(internal)?;
        keyed.delta = Delta::weighted(batch, weights.to_vec().into());
        keyed.keys = keys;
        let rows = slots.iter().zip(weights).enumerate();
        changes.clear();
        changes.extend(rows.map(|(row, (&slot, &change))| RowChange {
            row: row as u32,
            slot,
            before: 0,
            change,
        }));
        Ok(())
    }

    /// Whether rows that a delta takes away and brings can be alike for the join.
    pub(super) fn may_repeat(&self, delta: &Delta) -> bool {
        self.is_wide && (0..delta.num_rows()).any(|row| delta.weight(row) < 0)
    }

    /// Ends a step.
    pub(super) fn settle(&mut self) {
        self.matches.settle();
        self.rows.settle();
    }

    /// Hands over the rows, where it is this join that does, and the matches.
    pub(super) fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.rows.parts(parts)?;
        match &mut self.matches.counts {
            Some(counts) => counts.parts(parts),
            None => Ok(()),
        }
    }

    /// Bytes of state.
    pub(super) fn state_bytes(&self) -> usize {
        self.rows.state_bytes() + self.matches.state_bytes()
    }
}

impl Matches {
    /// Whether the matches of each row are counted.
    pub(super) fn is_counted(&self) -> bool {
        self.output != RowOutput::Nothing
    }

    /// How many rows match one.
    pub(super) fn count(&self, slot: u32) -> i64 {
        self.counts.as_ref().map_or(0, |counts| *counts.at(slot as usize))
    }

    /// How many rows match each, as it is now.
    pub(super) fn snapshot(&mut self) -> Option<Paged<i64>> {
        self.counts.as_mut().map(Paged::snapshot)
    }

    /// Takes note of what a delta changed, among so many slots: a row that comes to be matches nothing
    /// yet.
    fn note(&mut self, changes: &[RowChange], slots: usize, batch: &RecordBatch) {
        if let Some(counts) = self.counts.as_mut().filter(|counts| counts.len() < slots) {
            counts.resize(slots);
        }
        let ordinals = ordinals::of(batch);
        for change in changes {
            let ordinal = ordinals.map(|ordinals| ordinals[change.row as usize]);
            self.touch_before(change.slot, change.before, ordinal);
            if let Some(counts) = self.counts.as_mut().filter(|_| change.before == 0) {
                *counts.at_mut(change.slot as usize) = 0;
            }
        }
    }

    /// Adds to the matches of a row of this weight, because of a row with this ordinal.
    pub(super) fn add(&mut self, (slot, weight): (u32, i64), matches: i64, ordinal: Option<u64>) {
        self.touch_before(slot, weight, ordinal);
        if let Some(counts) = &mut self.counts {
            let more = if mutant!(MatchesForgotten) { matches.max(0) } else { matches };
            *counts.at_mut(slot as usize) += more;
        }
    }

    fn touch_before(&mut self, slot: u32, weight: i64, ordinal: Option<u64>) {
        if self.is_touched.insert(slot) {
            let matched = self.count(slot) != 0 || mutant!(PaddingKept);
            self.touched.push(Touch { slot, weight, matched, ordinal });
        }
    }

    fn settle(&mut self) {
        for touch in self.touched.drain(..) {
            self.is_touched.remove(touch.slot);
        }
    }

    fn state_bytes(&self) -> usize {
        self.counts.as_ref().map_or(0, Paged::state_bytes) + self.is_touched.state_bytes()
    }
}

/// How many rows a delta adds in all.
fn total(delta: &Delta) -> i64 {
    (0..delta.num_rows()).map(|row| delta.weight(row)).sum()
}

/// By column of an input, its place among those that are kept.
fn places(arranged: &Arranged) -> Vec<Option<usize>> {
    let mut places = vec![None; arranged.schema.fields().len()];
    for (place, column) in arranged.kept.iter().enumerate() {
        places[*column] = Some(place);
    }
    places
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
