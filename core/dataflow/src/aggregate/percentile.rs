//! Between which two rows of an order a percentile lies, and its value between theirs.
//!
//! Rank and interpolation are DataFusion's: `share * (rows - 1)`, with the part between the rows
//! cut to millionths, and the median of integers rounded towards zero.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, Float64Array, PrimitiveArray,
    downcast_primitive_array,
};
use arrow::compute::cast;
use arrow::datatypes::{ArrowNativeType, DataType, Float64Type};
use laminar_types::{Error, Result};

use crate::state::arrow_error;

/// In how many steps the way between two rows is cut.
const STEPS: f64 = 1_000_000.0;

/// The ranks that a percentile lies between.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Middle {
    pub(super) lower: u64,
    pub(super) upper: u64,
    /// How far it is from the lower to the upper: 0 to 1.
    way: f64,
}

impl Middle {
    /// Where `share` of so many rows lies; nowhere without rows.
    pub(super) fn of(share: f64, rows: u64) -> Option<Self> {
        let index = share * rows.checked_sub(1)? as f64;
        let lower = index.floor();
        let way = ((index - lower) * STEPS).floor() / STEPS;
        Some(Self { lower: lower as u64, upper: index.ceil() as u64, way })
    }
}

/// The values on the way from `lower` to `upper`.
pub(super) fn between(
    lower: &ArrayRef,
    upper: &ArrayRef,
    middles: &[Option<Middle>],
) -> Result<ArrayRef> {
    let doubles = |values: &ArrayRef| -> Result<Float64Array> {
        let values = cast(values, &DataType::Float64).map_err(arrow_error)?;
        Ok(values.as_primitive::<Float64Type>().clone())
    };
    let (low, high) = (doubles(lower)?, doubles(upper)?);
    let values = middles.iter().enumerate().map(|(row, middle)| {
        let middle = (*middle)?;
        let (low, high) = (low.value(row), high.value(row));
        Some(match middle.lower == middle.upper {
            true => low,
            false => low + (high - low) * middle.way,
        })
    });
    let values: Float64Array = values.collect();
    cast(&values, lower.data_type()).map_err(arrow_error)
}

/// The values halfway from `lower` to `upper`.
pub(super) fn halfway(lower: &ArrayRef, upper: &ArrayRef) -> Result<ArrayRef> {
    let (a, b) = (lower.as_ref(), upper.as_ref());
    downcast_primitive_array!(
        (a, b) => Ok(halfway_of(a, b)),
        (other, _) => {
            Err(Error::unsupported(format!("median({other}) is not supported")))
        }
    )
}

fn halfway_of<T>(lower: &PrimitiveArray<T>, upper: &PrimitiveArray<T>) -> ArrayRef
where
    T: ArrowPrimitiveType,
    T::Native: ArrowNativeTypeOp,
{
    let two = T::Native::usize_as(2);
    let values = lower.iter().zip(upper).map(|(low, high)| {
        let (low, high) = (low?, high?);
        if ArrowNativeTypeOp::compare(low, high).is_eq() {
            return Some(low);
        }
        Some(match low.add_checked(high) {
            Ok(sum) => sum.div_wrapping(two),
            Err(_) => {
                let rest = low.mod_wrapping(two).add_wrapping(high.mod_wrapping(two));
                let halves = low.div_wrapping(two).add_wrapping(high.div_wrapping(two));
                halves.add_wrapping(rest.div_wrapping(two))
            }
        })
    });
    let values: PrimitiveArray<T> = values.collect();
    Arc::new(values.with_data_type(lower.data_type().clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int8Array;

    #[test]
    fn ranks() {
        let middle = |share, rows| Middle::of(share, rows).map(|m| (m.lower, m.upper, m.way));
        assert_eq!(middle(0.5, 0), None);
        assert_eq!(middle(0.5, 1), Some((0, 0, 0.0)));
        assert_eq!(middle(0.5, 4), Some((1, 2, 0.5)));
        assert_eq!(middle(0.25, 4), Some((0, 1, 0.75)));
        assert_eq!(middle(1.0, 9), Some((8, 8, 0.0)));
    }

    #[test]
    fn halves_do_not_overflow() {
        let of = |low: i8, high: i8| {
            let array = |value| -> ArrayRef { Arc::new(Int8Array::from(vec![value])) };
            let half = halfway(&array(low), &array(high)).unwrap();
            half.as_primitive::<arrow::datatypes::Int8Type>().value(0)
        };
        assert_eq!(of(126, 127), 126);
        assert_eq!(of(125, 127), 126);
        assert_eq!(of(-128, -127), -127);
        assert_eq!(of(-3, 2), 0);
    }
}
