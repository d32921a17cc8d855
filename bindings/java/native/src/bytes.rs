//! Bytes and texts in and out of Java's arrays.

use jni::Env;
use jni::objects::{JByteArray, JByteBuffer};
use jni::sys::jint;
use laminar_client::{Batch, Encoding, Error, RowBuffer, Schema, wire};
use std::sync::Arc;

use crate::failure::Fallible;

/// The text of an array.
pub fn text(env: &Env<'_>, array: &JByteArray<'_>) -> Fallible<String> {
    let bytes = env.convert_byte_array(array)?;
    Ok(String::from_utf8(bytes)
        .map_err(|_| Error::new(900, 9001, "a text from Java is not UTF-8"))?)
}

/// The text of an array, or that there is none.
pub fn optional_text(env: &Env<'_>, array: &JByteArray<'_>) -> Fallible<Option<String>> {
    if array.is_null() { Ok(None) } else { text(env, array).map(Some) }
}

/// An array with these bytes.
pub fn array<'local>(env: &mut Env<'local>, bytes: &[u8]) -> Fallible<JByteArray<'local>> {
    Ok(env.byte_array_from_slice(bytes)?)
}

/// Rows in the form of [`wire`], the first `length` bytes of an array.
pub fn rows(
    env: &Env<'_>,
    array: &JByteArray<'_>,
    length: usize,
    schema: &Arc<Schema>,
) -> Fallible<RowBuffer> {
    let mut bytes = vec![0_i8; length];
    array.get_region(env, 0, &mut bytes)?;
    // SAFETY: signed and unsigned bytes are alike.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<u8>(), bytes.len()) };
    let mut rows = RowBuffer::new(schema);
    wire::read_rows(bytes, &mut rows)?;
    Ok(rows)
}

/// The same as a batch of the schema.
pub fn batch(
    env: &Env<'_>,
    array: &JByteArray<'_>,
    length: usize,
    schema: &Arc<Schema>,
) -> Fallible<laminar_client::Array> {
    Ok(rows(env, array, length, schema)?.batch()?)
}

/// What of a direct buffer is told, where it lies.
///
/// # Safety
/// The buffer is direct and has so many bytes from there on, which nobody changes while they are
/// used.
pub unsafe fn direct<'a>(
    env: &Env<'_>,
    buffer: &'a JByteBuffer<'_>,
    from: jint,
    length: jint,
) -> Fallible<&'a [u8]> {
    let start = env.get_direct_buffer_address(buffer)?;
    // SAFETY: by the contract of this function.
    Ok(unsafe { std::slice::from_raw_parts(start.add(from as usize), length as usize) })
}

/// How bytes from Java are written: 0 JSON, 1 CSV, 2 Arrow IPC.
pub fn encoding(form: jint, options: Option<&str>) -> Fallible<Encoding<'_>> {
    match form {
        0 => Ok(Encoding::Json(options)),
        1 => Ok(Encoding::Csv(options)),
        2 => Ok(Encoding::Ipc),
        _ => Err(Error::new(900, 9001, format!("Java knows no form {form}")).into()),
    }
}

/// Some columns of a batch in the form of [`laminar_client::pack`]; null when they are too large.
pub fn packed<'local>(
    env: &mut Env<'local>,
    batch: &Batch,
    columns: std::ops::Range<usize>,
) -> Fallible<JByteArray<'local>> {
    match laminar_client::pack(batch, columns)? {
        Some(piece) => array(env, &piece),
        None => Ok(JByteArray::null()),
    }
}
