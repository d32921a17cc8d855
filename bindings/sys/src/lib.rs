//! The C ABI of liblaminar as it is: declarations, constants, Arrow's three structs.
//!
//! Nothing here is safe and nothing is added; `laminar-client` has the handles. What each function
//! means and who owns what is said in `include/laminar.h`, whose comments are copied here.

#![allow(non_camel_case_types)]

mod arrow;
mod declarations;

pub use arrow::*;
pub use declarations::*;
