//! `min` and `max` of floats in ad-hoc queries: NaN is the greatest value, as in streams, and
//! infinities are values. DataFusion's own depend on where a NaN stands, and know no infinity of a
//! group whose values are all the same one.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, Signature,
};

/// `min` and `max`.
pub(crate) fn float_extremes() -> [Arc<AggregateUDF>; 2] {
    [(min_udaf(), Extreme::Least), (max_udaf(), Extreme::Greatest)].map(|(other, extreme)| {
        Arc::new(AggregateUDF::new_from_impl(FloatExtreme { other, extreme }))
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Extreme {
    Least,
    Greatest,
}

impl Extreme {
    /// Takes in a value. Of equal ones the first stays.
    fn take(self, kept: &mut Option<f64>, value: f64) {
        let is_less = |a: f64, b: f64| a < b || (b.is_nan() && !a.is_nan());
        let is_better = kept.is_none_or(|kept| match self {
            Self::Least => is_less(value, kept),
            Self::Greatest => is_less(kept, value),
        });
        if is_better {
            *kept = Some(value);
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FloatExtreme {
    /// Computes it of all other types, and in frames that move.
    other: Arc<AggregateUDF>,
    extreme: Extreme,
}

impl AggregateUDFImpl for FloatExtreme {
    fn name(&self) -> &str {
        self.other.name()
    }

    fn signature(&self) -> &Signature {
        self.other.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.other.return_type(arguments)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.other.coerce_types(arguments)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match args.return_type().is_floating() {
            false => self.other.accumulator(args),
            true => Ok(Box::new(One {
                kept: None,
                extreme: self.extreme,
                data_type: args.return_type().clone(),
            })),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.other.create_sliding_accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.other.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        args.return_type().is_floating() || self.other.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        match args.return_type().is_floating() {
            false => self.other.create_groups_accumulator(args),
            true => Ok(Box::new(Many {
                kept: Vec::new(),
                extreme: self.extreme,
                data_type: args.return_type().clone(),
            })),
        }
    }

    fn is_descending(&self) -> Option<bool> {
        self.other.is_descending()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.other.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

/// Floats of any width as doubles, which hold them all.
fn doubles(values: &ArrayRef) -> Result<Float64Array> {
    Ok(cast(values, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
}

fn column(kept: impl Iterator<Item = Option<f64>>, data_type: &DataType) -> Result<ArrayRef> {
    let kept: ArrayRef = Arc::new(Float64Array::from_iter(kept));
    Ok(cast(&kept, data_type)?)
}

/// The extreme of one group.
#[derive(Debug)]
struct One {
    kept: Option<f64>,
    extreme: Extreme,
    data_type: DataType,
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = doubles(&values[0])?;
        values.iter().flatten().for_each(|value| self.extreme.take(&mut self.kept, value));
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&column(std::iter::once(self.kept), &self.data_type)?, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The extremes of many groups; `None` for those without values.
#[derive(Debug)]
struct Many {
    kept: Vec<Option<f64>>,
    extreme: Extreme,
    data_type: DataType,
}

impl GroupsAccumulator for Many {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) -> Result<()> {
        self.kept.resize(group_count, None);
        let values = doubles(&values[0])?;
        for (row, group) in groups.iter().enumerate() {
            let passes = filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            if passes && values.is_valid(row) {
                self.extreme.take(&mut self.kept[*group], values.value(row));
            }
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        groups: &[usize],
        group_count: usize,
    ) -> Result<()> {
        self.update_batch(states, groups, None, group_count)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        column(emit_to.take_needed(&mut self.kept).into_iter(), &self.data_type)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let mut each =
            Self { kept: Vec::new(), extreme: self.extreme, data_type: self.data_type.clone() };
        let rows = values[0].len();
        let groups: Vec<usize> = (0..rows).collect();
        each.update_batch(values, &groups, filter, rows)?;
        each.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.kept.capacity() * size_of::<Option<f64>>()
    }
}
