//! Which library is loaded, and whether it is the one these bindings were built for.

use laminar_sys as sys;

use crate::error::text;
use crate::{Error, Result};

/// The version of the library that is loaded, as `0.1.0`.
pub fn version() -> String {
    // SAFETY: the text is static.
    unsafe { text(sys::laminar_version()) }
}

/// Refuses a library whose ABI is not the one of the header that this crate was built with.
pub fn check_abi() -> Result<()> {
    // SAFETY: the function has no preconditions.
    let loaded = unsafe { sys::laminar_abi_version() };
    if loaded == sys::LAMINAR_ABI_VERSION {
        return Ok(());
    }
    Err(Error::new(
        sys::LAMINAR_CONNECTION_FAILED,
        1001,
        format!(
            "the liblaminar that was loaded (version {}) has ABI {loaded}, this binding needs {}: \
             install the two together",
            version(),
            sys::LAMINAR_ABI_VERSION
        ),
    ))
}
