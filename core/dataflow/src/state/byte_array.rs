//! Arrays of strings and binary of any type: reading one, and making one of byte strings.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, BinaryViewBuilder, FixedSizeBinaryArray,
    GenericBinaryArray, LargeBinaryArray, OffsetSizeTrait,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use laminar_types::error::code;
use laminar_types::{Error, Result};

use super::arrow_error;

/// Evaluates `$body` with the column as an array of its own type, in a function of `Result`.
macro_rules! each_byte_array {
    ($column:expr, $array:ident => $body:expr) => {{
        use arrow::array::AsArray as _;
        use arrow::datatypes::DataType::*;
        macro_rules! each {
            ($of:expr) => {{
                let $array = $of;
                $body
            }};
        }
        match $column.data_type() {
            Utf8 => each!($column.as_string::<i32>()),
            LargeUtf8 => each!($column.as_string::<i64>()),
            Utf8View => each!($column.as_string_view()),
            Binary => each!($column.as_binary::<i32>()),
            LargeBinary => each!($column.as_binary::<i64>()),
            BinaryView => each!($column.as_binary_view()),
            FixedSizeBinary(_) => each!($column.as_fixed_size_binary()),
            other => {
                let message = format!("a column of type {other} where strings were planned");
                return Err(laminar_types::Error::internal(message));
            }
        }
    }};
}
pub(crate) use each_byte_array;

/// A column of any string or binary type from the bytes of its rows. For string types they are
/// UTF-8, having come from a column of that type.
pub(crate) fn byte_array<'a>(
    data_type: &DataType,
    values: impl Iterator<Item = &'a [u8]> + Clone,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let bytes = values.clone().map(<[u8]>::len).sum::<usize>();
    let array: ArrayRef = match data_type {
        DataType::Utf8View | DataType::BinaryView => {
            let mut builder = BinaryViewBuilder::with_capacity(values.size_hint().0);
            values.for_each(|value| builder.append_value(value));
            let (views, buffers, _) = builder.finish().into_parts();
            Arc::new(BinaryViewArray::try_new(views, buffers, nulls).map_err(arrow_error)?)
        }
        DataType::FixedSizeBinary(size) => {
            let mut data = Vec::with_capacity(values.size_hint().0 * *size as usize);
            for value in values {
                let end = data.len() + *size as usize;
                data.extend_from_slice(value);
                // The place of a null.
                data.resize(end, 0);
            }
            let array = FixedSizeBinaryArray::try_new(*size, Buffer::from_vec(data), nulls);
            Arc::new(array.map_err(arrow_error)?)
        }
        DataType::LargeUtf8 | DataType::LargeBinary => {
            let array: LargeBinaryArray = offset_array(values, bytes, nulls)?;
            Arc::new(array)
        }
        DataType::Utf8 | DataType::Binary => {
            let array: BinaryArray = offset_array(values, bytes, nulls)?;
            Arc::new(array)
        }
        other => return Err(Error::internal(format!("{other} is not a string type"))),
    };
    if array.data_type() == data_type {
        return Ok(array);
    }
    cast(&array, data_type).map_err(arrow_error)
}

fn offset_array<'a, O: OffsetSizeTrait>(
    values: impl Iterator<Item = &'a [u8]>,
    bytes: usize,
    nulls: Option<NullBuffer>,
) -> Result<GenericBinaryArray<O>> {
    if O::from_usize(bytes).is_none() {
        let message = format!("{bytes} bytes of strings do not fit one column; use LargeUtf8");
        return Err(Error::new(code::EXECUTION, message));
    }
    let mut offsets = Vec::with_capacity(values.size_hint().0 + 1);
    let mut data = Vec::with_capacity(bytes);
    offsets.push(O::usize_as(0));
    for value in values {
        data.extend_from_slice(value);
        offsets.push(O::usize_as(data.len()));
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    GenericBinaryArray::try_new(offsets, Buffer::from_vec(data), nulls).map_err(arrow_error)
}
