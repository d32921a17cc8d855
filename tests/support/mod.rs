//! What the tests share: values to compare, a database to drive, an oracle to ask, random numbers.
//!
//! Nothing here knows what a result should be.

pub mod changing;
pub mod database;
pub mod oracle;
pub mod random;
pub mod replay;
pub mod value;
