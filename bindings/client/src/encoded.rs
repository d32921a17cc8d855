//! Rows written as bytes: how they are written, and bytes that come out of the library.

use std::ffi::CString;

use laminar_sys as sys;

use crate::Result;
use crate::error::check;
use crate::handle::c_text;

/// How rows are written. The options are JSON objects, as `laminar_push_json` and
/// `laminar_push_csv` describe them.
#[derive(Debug, Clone, Copy)]
pub enum Encoding<'a> {
    /// An object, an array of objects, or objects one after the other.
    Json(Option<&'a str>),
    /// Delimited text.
    Csv(Option<&'a str>),
    /// An Arrow IPC stream or file.
    Ipc,
}

impl Encoding<'_> {
    pub(crate) fn options(self) -> Result<Option<CString>> {
        match self {
            Self::Json(Some(json)) | Self::Csv(Some(json)) => {
                c_text(json, "the options", 300, 3001).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// The bytes that a call hands out, copied; with its outcome.
///
/// # Safety
/// `call` writes both places as the library does.
pub(crate) unsafe fn bytes(
    call: impl FnOnce(*mut *mut u8, *mut usize, *mut *mut sys::laminar_error) -> sys::laminar_status,
) -> Result<Vec<u8>> {
    let (mut data, mut length) = (std::ptr::null_mut(), 0);
    // SAFETY: both places can be written; what is written there is copied and given back.
    unsafe {
        check(|error| call(&mut data, &mut length, error))?;
        let copy = match data.is_null() {
            true => Vec::new(),
            false => std::slice::from_raw_parts(data, length).to_vec(),
        };
        sys::laminar_bytes_free(data, length);
        Ok(copy)
    }
}
