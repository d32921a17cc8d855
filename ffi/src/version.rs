//! The version of the library, of its ABI and of its build.

use std::ffi::c_char;

/// Major version.
pub const LAMINAR_VERSION_MAJOR: u32 = 0;
/// Minor version.
pub const LAMINAR_VERSION_MINOR: u32 = 1;
/// Patch version.
pub const LAMINAR_VERSION_PATCH: u32 = 0;
/// The version as one number that grows with every release: `major * 10000 + minor * 100 + patch`.
pub const LAMINAR_VERSION_NUMBER: u32 =
    LAMINAR_VERSION_MAJOR * 10000 + LAMINAR_VERSION_MINOR * 100 + LAMINAR_VERSION_PATCH;
/// The version of the binary interface. A library whose `laminar_abi_version()` differs from the
/// header that a program was compiled with must not be used by it.
pub const LAMINAR_ABI_VERSION: u32 = 1;

/// The version of the library that runs, for example `"0.1.0"`; compare with `LAMINAR_VERSION`.
///
/// @return a static string, never NULL
#[unsafe(no_mangle)]
pub extern "C" fn laminar_version() -> *const c_char {
    VERSION.as_ptr().cast()
}

/// The version of the library that runs as one number: `major * 10000 + minor * 100 + patch`.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_version_number() -> u32 {
    LAMINAR_VERSION_NUMBER
}

/// The version of the library's binary interface; compare with `LAMINAR_ABI_VERSION` after loading
/// the library at run time.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_abi_version() -> u32 {
    LAMINAR_ABI_VERSION
}

/// Version, profile, compiler and main dependencies, for example
/// `"laminar 0.1.0 (profile release, rustc 1.95.0, datafusion 55.2.0, arrow 59.3.2)"`. For people
/// and bug reports: its form may change.
///
/// @return a static string, never NULL
#[unsafe(no_mangle)]
pub extern "C" fn laminar_build_info() -> *const c_char {
    BUILD_INFO.as_ptr().cast()
}

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
const BUILD_INFO: &str = concat!(env!("LAMINAR_BUILD_INFO"), "\0");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_macros_are_the_version_of_the_package() {
        let (major, minor, patch) =
            (LAMINAR_VERSION_MAJOR, LAMINAR_VERSION_MINOR, LAMINAR_VERSION_PATCH);
        assert_eq!(VERSION, format!("{major}.{minor}.{patch}\0"));
        assert_eq!(LAMINAR_VERSION_NUMBER, 100);
    }

    #[test]
    fn the_build_info_names_everything() {
        for part in ["laminar 0.1.0 (profile ", "rustc 1.", "datafusion 5", "arrow 5"] {
            assert!(BUILD_INFO.contains(part), "{BUILD_INFO} lacks {part}");
        }
        assert_eq!(BUILD_INFO.matches('\0').count(), 1);
    }
}
