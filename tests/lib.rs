//! What the tests of the whole engine are made of; the tests themselves are in `engine/`.
//!
//! | module | what it holds |
//! |---|---|
//! | `support` | values to compare, a database to drive, DataFusion as an oracle, random numbers |
//! | [`differential`] | the random differential tester |
//! | [`slt`] | runs sqllogictest scripts: `tests/sql`, and the program `laminar-slt` |

pub mod differential;
pub mod slt;
pub mod support;
