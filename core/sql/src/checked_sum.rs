//! `sum` of integers and decimals that fails when the sum leaves its type, in place of DataFusion's,
//! which wraps around: for ad-hoc queries and `OVER`. Continuous `GROUP BY` has a sum of its own.
//!
//! Sums are kept in 128 bits, so that the order of the rows does not matter to integers.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowNativeTypeOp, AsArray, BooleanArray, Decimal128Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, Signature,
};
use laminar_dataflow::aggregate::AggregateFunction;

use crate::sliding_sums;

/// The function.
pub(crate) fn checked_sum() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(CheckedSum { wrapping: Sum::new() }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedSum {
    /// Floats, durations and intervals are summed by it, where no rows go again.
    wrapping: Sum,
}

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        self.wrapping.name()
    }

    fn signature(&self) -> &Signature {
        self.wrapping.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.wrapping.return_type(arguments)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match (wide_type(args.return_type()), args.is_distinct) {
            (None, _) => self.wrapping.accumulator(args),
            (Some(_), false) => Ok(Box::new(WideSum::new(args.return_type()))),
            (Some(_), true) => {
                let values = HashSet::new();
                Ok(Box::new(DistinctSum { values, data_type: args.return_type().clone() }))
            }
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match (wide_type(args.return_type()), args.is_distinct) {
            (Some(_), false) => Ok(Box::new(WideSum::new(args.return_type()))),
            (None, _) => match sliding_sums::accumulator(AggregateFunction::Sum, &args) {
                Some(own) => Ok(own),
                None => self.wrapping.create_sliding_accumulator(args),
            },
            _ => self.wrapping.create_sliding_accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let Some(wide) = wide_type(args.return_type()) else {
            return self.wrapping.state_fields(args);
        };
        let field = match args.is_distinct {
            false => Field::new(format_state_name(args.name, "sum"), wide, true),
            true => Field::new_list(
                format_state_name(args.name, "sum distinct"),
                Field::new_list_field(wide, true),
                false,
            ),
        };
        Ok(vec![Arc::new(field)])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        match wide_type(args.return_type()) {
            None => self.wrapping.create_groups_accumulator(args),
            Some(_) => {
                Ok(Box::new(WideSums { sums: Vec::new(), data_type: args.return_type().clone() }))
            }
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// The decimal that sums of a type are kept in; `None` where they are not checked here.
fn wide_type(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Int64 | DataType::UInt64 => Some(DataType::Decimal128(38, 0)),
        DataType::Decimal128(_, scale) => Some(DataType::Decimal128(38, *scale)),
        _ => None,
    }
}

/// Values of a column in 128 bits.
fn wide(values: &ArrayRef) -> Result<Decimal128Array> {
    let wide = match values.data_type() {
        DataType::Decimal128(..) => Arc::clone(values),
        other => {
            let wide = wide_type(other)
                .ok_or_else(|| exec_datafusion_err!("sum does not take {other}"))?;
            cast(values, &wide)?
        }
    };
    Ok(wide.as_primitive::<Decimal128Type>().clone())
}

fn add(sum: &mut Option<i128>, value: i128, data_type: &DataType) -> Result<()> {
    let added = sum.unwrap_or(0).add_checked(value).map_err(|_| overflow(data_type))?;
    *sum = Some(added);
    Ok(())
}

/// Sums as a column of their type.
fn narrow(sums: impl Iterator<Item = Option<i128>>, data_type: &DataType) -> Result<ArrayRef> {
    let sums = Decimal128Array::from_iter(sums);
    let fits = match data_type {
        DataType::Int64 => |sum: i128, _: u8| i64::try_from(sum).is_ok(),
        DataType::UInt64 => |sum: i128, _: u8| u64::try_from(sum).is_ok(),
        _ => |sum: i128, precision: u8| sum.unsigned_abs() < 10u128.pow(u32::from(precision)),
    };
    let (precision, scale) = match data_type {
        DataType::Decimal128(precision, scale) => (*precision, *scale),
        _ => (38, 0),
    };
    if !sums.iter().flatten().all(|sum| fits(sum, precision)) {
        return Err(overflow(data_type));
    }
    let sums = sums.with_precision_and_scale(precision, scale)?;
    match data_type {
        DataType::Decimal128(..) => Ok(Arc::new(sums)),
        // Values that fit 64 bits may have more digits than the decimal is checked for.
        _ => Ok(cast(&sums, data_type)?),
    }
}

fn overflow(data_type: &DataType) -> datafusion::error::DataFusionError {
    exec_datafusion_err!("Arithmetic overflow: a sum does not fit {data_type}")
}

/// The sum of one group, from which rows can be taken out.
#[derive(Debug)]
struct WideSum {
    sum: i128,
    rows: i64,
    data_type: DataType,
}

impl WideSum {
    fn new(data_type: &DataType) -> Self {
        Self { sum: 0, rows: 0, data_type: data_type.clone() }
    }

    fn change(&mut self, values: &ArrayRef, sign: i128) -> Result<()> {
        for value in wide(values)?.iter().flatten() {
            let sum = self.sum.add_checked(sign * value);
            self.sum = sum.map_err(|_| overflow(&self.data_type))?;
            self.rows += sign as i64;
        }
        Ok(())
    }

    fn value(&self) -> Option<i128> {
        (self.rows != 0).then_some(self.sum)
    }
}

impl Accumulator for WideSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.change(&values[0], 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.change(&values[0], -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.change(&states[0], 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sums = narrow(std::iter::once(self.value()), &self.data_type)?;
        ScalarValue::try_from_array(&sums, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let scale = match self.data_type {
            DataType::Decimal128(_, scale) => scale,
            _ => 0,
        };
        Ok(vec![ScalarValue::Decimal128(self.value(), 38, scale)])
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The sum of the different values of one group.
#[derive(Debug)]
struct DistinctSum {
    values: HashSet<i128>,
    data_type: DataType,
}

impl Accumulator for DistinctSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values.extend(wide(&values[0])?.iter().flatten());
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for values in states[0].as_list::<i32>().iter().flatten() {
            self.update_batch(&[values])?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut sum = None;
        for value in &self.values {
            add(&mut sum, *value, &self.data_type)?;
        }
        ScalarValue::try_from_array(&narrow(std::iter::once(sum), &self.data_type)?, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let Some(DataType::Decimal128(precision, scale)) = wide_type(&self.data_type) else {
            return exec_err!("a sum of {} is not kept here", self.data_type);
        };
        let value = |value: &i128| ScalarValue::Decimal128(Some(*value), precision, scale);
        let values: Vec<ScalarValue> = self.values.iter().map(value).collect();
        let list = ScalarValue::new_list(&values, &DataType::Decimal128(precision, scale), true);
        Ok(vec![ScalarValue::List(list)])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * size_of::<i128>()
    }
}

/// The sums of many groups; `None` for those without values.
#[derive(Debug)]
struct WideSums {
    sums: Vec<Option<i128>>,
    data_type: DataType,
}

impl GroupsAccumulator for WideSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) -> Result<()> {
        self.sums.resize(group_count, None);
        let values = wide(&values[0])?;
        for (row, group) in groups.iter().enumerate() {
            let passes = filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            if passes && values.is_valid(row) {
                add(&mut self.sums[*group], values.value(row), &self.data_type)?;
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

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let mut each = Self { sums: Vec::new(), data_type: self.data_type.clone() };
        let rows = values[0].len();
        let groups: Vec<usize> = (0..rows).collect();
        each.update_batch(values, &groups, filter, rows)?;
        each.state(EmitTo::All)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        narrow(emit_to.take_needed(&mut self.sums).into_iter(), &self.data_type)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let sums = Decimal128Array::from_iter(emit_to.take_needed(&mut self.sums));
        let scale = match self.data_type {
            DataType::Decimal128(_, scale) => scale,
            _ => 0,
        };
        Ok(vec![Arc::new(sums.with_precision_and_scale(38, scale)?)])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<Option<i128>>()
    }
}
