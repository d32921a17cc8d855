//! The database through structs: what goes in as a record comes out as a row.
//!
//! | module | what it shows |
//! |---|---|
//! | `types` | values of every type, in and out, by blocks and by Arrow arrays |
//! | `mismatches` | records and rows that do not fit, and what is said of them |
//! | `sources` | producers: clones, room, watermarks, blocks |
//! | `subscriptions` | rows as they come, waiting in every way; changes, misses, ends |
//! | `asynchronous` | calls that hold no thread, on any executor |
//! | `configurations` | options made structs, and back |
//! | `examples` | the programs of `core/db/examples` print what follows from their numbers |

mod asynchronous;
mod configurations;
mod examples;
mod mismatches;
mod sources;
mod subscriptions;
mod types;
