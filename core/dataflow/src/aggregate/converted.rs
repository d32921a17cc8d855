//! [`Converted`]: takes dictionaries as their values, and half-precision floats as doubles.

use std::any::Any;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use laminar_types::Result;

use super::{Accumulator, Input, same};
use crate::state::{Parts, arrow_error};

/// An accumulator whose arguments are first cast to another type.
pub(super) struct Converted {
    to: DataType,
    inner: Box<dyn Accumulator>,
}

impl Converted {
    /// `inner`, which takes arguments of type `to`.
    pub(super) fn over(to: DataType, inner: Box<dyn Accumulator>) -> Box<dyn Accumulator> {
        Box::new(Self { to, inner })
    }

    fn cast(&self, input: &Input<'_>) -> Result<Vec<ArrayRef>> {
        let args = input.args.iter();
        args.map(|argument| cast(argument, &self.to).map_err(arrow_error)).collect()
    }
}

impl Accumulator for Converted {
    fn result_type(&self) -> DataType {
        self.inner.result_type()
    }

    fn resize(&mut self, slots: usize) {
        self.inner.resize(slots);
    }

    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let args = self.cast(input)?;
        self.inner.update(&Input { args: &args, ..*input })
    }

    fn can_fail(&self) -> bool {
        self.inner.can_fail()
    }

    fn undo(&mut self, input: &Input<'_>) {
        // The same arguments were just cast.
        if let Ok(args) = self.cast(input) {
            self.inner.undo(&Input { args: &args, ..*input });
        }
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        self.inner.merge(slots, same::<Self>(other)?.inner.as_ref(), other_slots)
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        self.inner.evaluate(slots)
    }

    fn reset(&mut self, slot: u32) {
        self.inner.reset(slot);
    }

    fn clear(&mut self) {
        self.inner.clear();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        Box::new(Self { to: self.to.clone(), inner: self.inner.snapshot() })
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.inner.parts(parts)
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        Box::new(Self { to: self.to.clone(), inner: self.inner.fresh() })
    }

    fn state_bytes(&self) -> usize {
        self.inner.state_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
