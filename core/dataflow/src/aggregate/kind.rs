//! [`Kind`]: a type of fixed-size values with a total order, for `min` and `max`.
//!
//! Floats are ordered as Arrow's kernels and ORDER BY have it (IEEE 754 `totalOrder`: -0.0 below
//! 0.0, NaN above infinity), so that the result does not depend on the order of rows.

use std::cmp::Ordering;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, BooleanArray, PrimitiveArray,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::DataType;
use laminar_types::rows::Word;

/// A type of values and the arrays that hold them.
pub(super) trait Kind: Send + Sync + 'static {
    type Value: Word + Send + Sync + 'static;
    type Array: Array + 'static;

    /// No value is smaller.
    const LEAST: Self::Value;
    /// No value is larger.
    const GREATEST: Self::Value;

    fn compare(a: Self::Value, b: Self::Value) -> Ordering;
    fn value(array: &Self::Array, row: usize) -> Self::Value;
    fn array(values: Vec<Self::Value>, nulls: Option<NullBuffer>, to: &DataType) -> ArrayRef;
}

/// Values of a primitive Arrow type.
pub(super) struct Primitive<T>(PhantomData<fn(T)>);

impl<T> Kind for Primitive<T>
where
    T: ArrowPrimitiveType,
    T::Native: ArrowNativeTypeOp + Word,
{
    type Value = T::Native;
    type Array = PrimitiveArray<T>;

    const LEAST: T::Native = T::Native::MIN_TOTAL_ORDER;
    const GREATEST: T::Native = T::Native::MAX_TOTAL_ORDER;

    #[inline(always)]
    fn compare(a: T::Native, b: T::Native) -> Ordering {
        ArrowNativeTypeOp::compare(a, b)
    }

    #[inline(always)]
    fn value(array: &PrimitiveArray<T>, row: usize) -> T::Native {
        array.values()[row]
    }

    fn array(values: Vec<T::Native>, nulls: Option<NullBuffer>, to: &DataType) -> ArrayRef {
        Arc::new(PrimitiveArray::<T>::new(values.into(), nulls).with_data_type(to.clone()))
    }
}

/// Booleans: false is below true.
pub(super) struct Boolean;

impl Kind for Boolean {
    type Value = bool;
    type Array = BooleanArray;

    const LEAST: bool = false;
    const GREATEST: bool = true;

    fn compare(a: bool, b: bool) -> Ordering {
        a.cmp(&b)
    }

    fn value(array: &BooleanArray, row: usize) -> bool {
        array.value(row)
    }

    fn array(values: Vec<bool>, nulls: Option<NullBuffer>, _to: &DataType) -> ArrayRef {
        Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls))
    }
}
