//! Arrow's structs in and out of Python's capsules
//! (<https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>).

use std::ffi::CStr;

use laminar_client::{Array, ArraySchema, Stream};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyCapsuleMethods};

const SCHEMA: &CStr = c"arrow_schema";
const ARRAY: &CStr = c"arrow_array";
const STREAM: &CStr = c"arrow_array_stream";

/// A capsule that releases the schema unless somebody moved it out.
pub fn schema_capsule<'py>(
    py: Python<'py>,
    schema: ArraySchema,
) -> PyResult<Bound<'py, PyCapsule>> {
    PyCapsule::new_with_value(py, schema, SCHEMA)
}

/// A capsule that releases the stream unless somebody moved it out.
pub fn stream_capsule<'py>(py: Python<'py>, stream: Stream) -> PyResult<Bound<'py, PyCapsule>> {
    PyCapsule::new_with_value(py, stream, STREAM)
}

/// Moves the stream out of what `__arrow_c_stream__` answered.
pub fn take_stream(answer: &Bound<'_, PyAny>) -> PyResult<Stream> {
    let pointer = answer.cast::<PyCapsule>()?.pointer_checked(Some(STREAM))?;
    // SAFETY: a capsule of this name holds such a struct, by the protocol.
    Ok(unsafe { Stream::take(pointer.as_ptr().cast()) })
}

/// Moves schema and array out of what `__arrow_c_array__` answered.
pub fn take_array(answer: &Bound<'_, PyAny>) -> PyResult<(ArraySchema, Array)> {
    let (schema, array) = answer.extract::<(Bound<'_, PyCapsule>, Bound<'_, PyCapsule>)>()?;
    let schema = schema.pointer_checked(Some(SCHEMA))?;
    let array = array.pointer_checked(Some(ARRAY))?;
    // SAFETY: capsules of these names hold such structs, by the protocol.
    Ok(unsafe { (ArraySchema::take(schema.as_ptr().cast()), Array::take(array.as_ptr().cast())) })
}
