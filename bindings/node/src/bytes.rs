//! Typed arrays, in both directions. Bytes are copied: nothing of JavaScript can write into what the
//! engine holds, and nothing of the engine keeps JavaScript's memory.

use std::ptr::null_mut;

use napi_sys as sys;

use crate::failure::{Failure, Fallible};
use crate::js::{Env, Js};

/// The kinds of typed arrays that columns come back as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elements {
    Int8,
    Uint8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Uint64,
    Float32,
    Float64,
}

impl Elements {
    /// Bytes of one element.
    pub fn width(self) -> usize {
        match self {
            Elements::Int8 | Elements::Uint8 => 1,
            Elements::Int16 | Elements::Uint16 => 2,
            Elements::Int32 | Elements::Uint32 | Elements::Float32 => 4,
            Elements::Int64 | Elements::Uint64 | Elements::Float64 => 8,
        }
    }

    fn raw(self) -> sys::napi_typedarray_type {
        match self {
            Elements::Int8 => sys::TypedarrayType::int8_array,
            Elements::Uint8 => sys::TypedarrayType::uint8_array,
            Elements::Int16 => sys::TypedarrayType::int16_array,
            Elements::Uint16 => sys::TypedarrayType::uint16_array,
            Elements::Int32 => sys::TypedarrayType::int32_array,
            Elements::Uint32 => sys::TypedarrayType::uint32_array,
            Elements::Int64 => sys::TypedarrayType::bigint64_array,
            Elements::Uint64 => sys::TypedarrayType::biguint64_array,
            Elements::Float32 => sys::TypedarrayType::float32_array,
            Elements::Float64 => sys::TypedarrayType::float64_array,
        }
    }
}

/// A new typed array with these bytes.
pub fn typed_array<'s>(env: Env<'s>, elements: Elements, bytes: &[u8]) -> Fallible<Js<'s>> {
    let (mut start, mut buffer, mut array) = (null_mut(), null_mut(), null_mut());
    // SAFETY: the out parameters are ours; a new buffer has as many bytes as were asked for.
    unsafe {
        env.check(sys::napi_create_arraybuffer(env.raw(), bytes.len(), &mut start, &mut buffer))?;
        if !bytes.is_empty() {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), start.cast::<u8>(), bytes.len());
        }
        let (kind, length) = (elements.raw(), bytes.len() / elements.width());
        env.check(sys::napi_create_typedarray(env.raw(), kind, length, buffer, 0, &mut array))?;
        Ok(env.value(array))
    }
}

/// Elements per typed array and their bytes, or `None` when the value is no typed array.
pub fn read<'s>(value: Js<'s>) -> Fallible<Option<(sys::napi_typedarray_type, &'s [u8])>> {
    let env = value.env();
    let mut is = false;
    // SAFETY: the value lives; the out parameters are ours.
    unsafe {
        env.check(sys::napi_is_typedarray(env.raw(), value.raw(), &mut is))?;
        if !is {
            return Ok(None);
        }
        let (mut kind, mut length, mut data) = (0, 0, null_mut());
        env.check(sys::napi_get_typedarray_info(
            env.raw(),
            value.raw(),
            &mut kind,
            &mut length,
            &mut data,
            null_mut(),
            null_mut(),
        ))?;
        let bytes = length * width(kind);
        if bytes == 0 || data.is_null() {
            return Ok(Some((kind, &[])));
        }
        // The caller copies before JavaScript runs again.
        Ok(Some((kind, std::slice::from_raw_parts(data.cast::<u8>(), bytes))))
    }
}

/// The bytes of a typed array of any kind; an error for other values.
pub fn bytes(value: Js<'_>) -> Fallible<&[u8]> {
    match read(value)? {
        Some((_, bytes)) => Ok(bytes),
        None => Err(Failure::Argument("a typed array is expected here".into())),
    }
}

/// Whether it is an array of plain bytes, as buffers are.
pub fn is_bytes(kind: sys::napi_typedarray_type) -> bool {
    matches!(kind, sys::TypedarrayType::uint8_array | sys::TypedarrayType::uint8_clamped_array)
}

/// The bytes of an ArrayBuffer, or `None`.
pub fn array_buffer<'s>(value: Js<'s>) -> Fallible<Option<&'s [u8]>> {
    let env = value.env();
    let mut is = false;
    // SAFETY: as in `read`.
    unsafe {
        env.check(sys::napi_is_arraybuffer(env.raw(), value.raw(), &mut is))?;
        if !is {
            return Ok(None);
        }
        let (mut data, mut length) = (null_mut(), 0);
        env.check(sys::napi_get_arraybuffer_info(env.raw(), value.raw(), &mut data, &mut length))?;
        if length == 0 || data.is_null() {
            return Ok(Some(&[]));
        }
        Ok(Some(std::slice::from_raw_parts(data.cast::<u8>(), length)))
    }
}

fn width(kind: sys::napi_typedarray_type) -> usize {
    match kind {
        sys::TypedarrayType::int16_array | sys::TypedarrayType::uint16_array => 2,
        sys::TypedarrayType::int32_array
        | sys::TypedarrayType::uint32_array
        | sys::TypedarrayType::float32_array => 4,
        sys::TypedarrayType::float64_array
        | sys::TypedarrayType::bigint64_array
        | sys::TypedarrayType::biguint64_array => 8,
        _ => 1,
    }
}
