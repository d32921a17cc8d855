//! [`Constant`]: rows that are there from the beginning, and no others ever.

use arrow::array::RecordBatch;
use laminar_types::{Delta, Error, Frontier, Result};

use crate::operator::{Content, Context, Operator};
use crate::state::Parts;

/// Reads nothing: gives its rows at its first visit, and is complete at every time from then on.
pub struct Constant {
    rows: RecordBatch,
    /// How many of its columns are event times.
    times: usize,
    given: bool,
}

impl Constant {
    /// These rows, so many of whose columns are event times.
    pub fn new(rows: RecordBatch, times: usize) -> Self {
        Self { rows, times, given: false }
    }
}

impl Operator for Constant {
    fn input(&mut self, _: usize, _: Delta, _: &mut Context<'_>) -> Result<()> {
        Err(Error::internal("a constant reads nothing"))
    }

    fn finish(&mut self, _cx: &mut Context<'_>) -> Result<Option<Delta>> {
        let is_first = !std::mem::replace(&mut self.given, true);
        Ok(is_first.then(|| Delta::insert(self.rows.clone())))
    }

    fn frontiers(&self, out: &mut Vec<Frontier>) {
        let frontier = if self.given { Frontier::MAX } else { Frontier::MIN };
        out.clear();
        out.extend(std::iter::repeat_n(frontier, self.times));
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { rows: _, times: _, given } = self;
        parts.number(given)
    }

    fn content(&mut self, _input: Option<Box<dyn Content>>) -> Option<Box<dyn Content>> {
        Some(Box::new(Rows(self.rows.clone())))
    }
}

struct Rows(RecordBatch);

impl Content for Rows {
    fn batches(&self) -> Result<Vec<RecordBatch>> {
        Ok(vec![self.0.clone()])
    }
}
