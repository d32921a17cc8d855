//! [`Constant`]: rows that are there from the beginning, and no others ever.

use arrow::array::RecordBatch;
use laminar_types::{Delta, Error, Result};

use crate::operator::{Content, Context, Operator};
use crate::state::Parts;

/// Reads nothing: gives its rows at its first visit. Complete at every time, it has no frontier.
pub struct Constant {
    rows: RecordBatch,
    given: bool,
}

impl Constant {
    /// These rows.
    pub fn new(rows: RecordBatch) -> Self {
        Self { rows, given: false }
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

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { rows: _, given } = self;
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
