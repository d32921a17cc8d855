//! [`CurrentJoin`]: each left row with the right rows of its key as they are when it comes.

use arrow::datatypes::SchemaRef;
use laminar_types::{Delta, Frontier, Result, mutant};

use super::output::{TimedOutput, TimedPiece};
use super::side::{TimedSide, take_rows};
use crate::operator::{Context, Metrics, Operator};
use crate::operators::partitioned::{Place, ordinals};
use crate::operators::time_map::{PassedTimes, TimeMap};
use crate::state::group_index::NO_SLOT;
use crate::state::timed_rows::Changed;
use crate::state::{Container, GroupIndex, Parts, TimedRows};

/// All right rows of a key are of one time: they are not ordered by it.
const NOW: i64 = 0;

/// What a join with the current version does.
#[derive(Debug, Clone)]
pub struct CurrentPlan {
    /// The side of which each row is asked for; append-only. Its time is not read.
    pub left: TimedSide,
    /// The side that answers. Its time is not read.
    pub right: TimedSide,
    /// Whether left rows without an answer come out, with NULLs.
    pub outer: bool,
    /// How many event-time columns of the left side, the first ones, come out.
    pub times: usize,
    /// The columns that come out: the left ones, then the right ones.
    pub schema: SchemaRef,
}

/// Joins each left row, once, with what the right side holds at the end of its step.
///
/// Keeps the right side whole and the left side not at all: what came out is not taken back when
/// the right side changes.
pub struct CurrentJoin {
    plan: CurrentPlan,
    visible: [SchemaRef; 2],
    keys: GroupIndex,
    right: TimedRows,
    pending: Option<Delta>,
    output: TimedOutput,
    times: PassedTimes,
    slots: Vec<u32>,
}

impl CurrentJoin {
    /// A join without rows.
    pub fn new(plan: CurrentPlan) -> Result<Self> {
        let visible = [plan.left.visible(), plan.right.visible()];
        Ok(Self {
            keys: GroupIndex::new(&plan.right.key_types())?,
            right: TimedRows::new(&visible[1], plan.right.append_only)?,
            pending: None,
            output: TimedOutput::new(plan.schema.clone(), false),
            times: PassedTimes::new((0..plan.times).map(TimeMap::identity).collect()),
            slots: Vec::new(),
            visible,
            plan,
        })
    }

    fn apply_right(&mut self, delta: &Delta) -> Result<()> {
        let side = &self.plan.right;
        let batch = side.visible_rows(&delta.batch, &self.visible[1])?;
        let with_keys = side.known_keys(&delta.batch);
        let rows: Vec<u32> = (0..delta.num_rows() as u32)
            .filter(|row| with_keys.as_ref().is_none_or(|valid| valid.is_valid(*row as usize)))
            .collect();
        let keys = take_rows(&side.key_columns(&delta.batch), &rows)?;
        self.keys.intern(&keys, rows.len(), &mut self.slots)?;
        if side.append_only {
            self.right.insert(&batch, &rows, &self.slots, &vec![NOW; rows.len()])?;
            return Ok(());
        }
        let encoded = self.right.encode(&batch)?;
        for came in [true, false] {
            for (index, row) in rows.iter().enumerate() {
                let weight = delta.weight(*row as usize);
                if (weight > 0) != came || (weight < 0 && mutant!(LookupKeepsOldRows)) {
                    continue;
                }
                let (bytes, key) = (encoded.row(*row as usize), self.slots[index]);
                if let Changed::Went(node) = self.right.change(bytes.data(), key, NOW, weight)? {
                    self.right.remove(node);
                    if self.right.index().is_empty_key(key) {
                        self.keys.remove(key);
                    }
                }
            }
        }
        Ok(())
    }

    fn apply_left(&mut self, delta: &Delta) -> Result<()> {
        let side = &self.plan.left;
        let batch = side.visible_rows(&delta.batch, &self.visible[0])?;
        let with_keys = side.known_keys(&delta.batch);
        let keys = side.key_columns(&delta.batch);
        self.keys.lookup(&keys, delta.num_rows(), &mut self.slots)?;
        let (mut rows, mut found) = (Vec::new(), Vec::new());
        let index = self.right.index();
        for row in 0..delta.num_rows() {
            let before = rows.len();
            if with_keys.as_ref().is_none_or(|valid| valid.is_valid(row)) {
                index.for_range(self.slots[row], NOW, NOW, &mut |node| {
                    for _ in 0..index.weight(node) {
                        rows.push(row as u32);
                        found.push(node);
                    }
                });
            }
            if mutant!(LookupTakesOneRow) && rows.len() > before + 1 {
                rows.truncate(before + 1);
                found.truncate(before + 1);
            }
            if rows.len() == before && self.plan.outer && !mutant!(LookupMissIsGone) {
                rows.push(row as u32);
                found.push(NO_SLOT);
            }
        }
        let left = take_rows(batch.columns(), &rows)?;
        let origins = match ordinals::of(&delta.batch) {
            Some(ordinals) => rows.iter().map(|row| ordinals[*row as usize].into()).collect(),
            None => Vec::new(),
        };
        let right = self.right.gather(&found)?;
        self.output.push(0, TimedPiece { left, right, rows: rows.len() }, None, origins)
    }
}

impl Operator for CurrentJoin {
    fn input(&mut self, port: usize, delta: Delta, _cx: &mut Context<'_>) -> Result<()> {
        if port == 1 {
            return self.apply_right(&delta);
        }
        self.pending = Some(delta);
        Ok(())
    }

    fn advance(&mut self, port: usize, frontiers: &[Frontier], _: &mut Context<'_>) -> Result<()> {
        if port == 0 {
            self.times.advance(frontiers);
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
        if let Some(delta) = self.pending.take() {
            self.apply_left(&delta)?;
        }
        self.output.take(places)
    }

    fn acts_without_rows(&self) -> bool {
        false
    }

    fn frontiers(&self, out: &mut Vec<Frontier>) {
        self.times.frontiers(out);
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { plan: _, visible: _, keys, right, pending: _, output: _, times, slots: _ } =
            self;
        keys.parts(parts)?;
        right.parts(parts)?;
        times.parts(parts)
    }

    fn metrics(&self) -> Metrics {
        let state_bytes = self.keys.state_bytes() + self.right.state_bytes();
        Metrics { state_bytes, ..Metrics::default() }
    }
}
