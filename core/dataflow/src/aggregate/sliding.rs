//! [`sliding`]: an accumulator of ours as one of DataFusion's, for the frames of `OVER` whose rows
//! go again.

use std::fmt;
use std::mem::size_of_val;

use arrow::array::ArrayRef;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, not_impl_err};
use datafusion::logical_expr::Accumulator as BatchAccumulator;

use super::{Accumulator, CallSpec, Input, create_call};

/// An accumulator for one group of rows that come and go. What goes leaves no trace, so a value is
/// that of the rows that are there, whichever there were before.
///
/// # Errors
/// When the call is not for its types.
pub fn sliding(call: &CallSpec) -> Result<Box<dyn BatchAccumulator>> {
    let mut accumulator = create_call(call, false).map_err(|error| failed(&error))?;
    accumulator.resize(1);
    Ok(Box::new(Sliding { accumulator }))
}

struct Sliding {
    /// Its one slot has the rows.
    accumulator: Box<dyn Accumulator>,
}

impl Sliding {
    fn change(&mut self, args: &[ArrayRef], weight: i64) -> Result<()> {
        let rows = args.first().map_or(0, |column| column.len());
        let (slots, weights) = (vec![0; rows], vec![weight; rows]);
        let input = Input { slots: &slots, args, filter: None, weights: Some(&weights) };
        self.accumulator.update(&input).map_err(|error| failed(&error))
    }
}

impl BatchAccumulator for Sliding {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.change(values, 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.change(values, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let value = self.accumulator.evaluate(&[0]).map_err(|error| failed(&error))?;
        ScalarValue::try_from_array(&value, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        not_impl_err!("a sliding aggregate has no state to be merged")
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        not_impl_err!("a sliding aggregate is not merged")
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.accumulator.state_bytes()
    }
}

impl fmt::Debug for Sliding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sliding").finish_non_exhaustive()
    }
}

fn failed(error: &laminar_types::Error) -> datafusion::error::DataFusionError {
    exec_datafusion_err!("{}", error.message())
}
