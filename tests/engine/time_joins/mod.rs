//! Joins in time.
//!
//! | module | what it shows |
//! |---|---|
//! | `model` | what ASOF and interval joins answer, by their definitions |
//! | `differential` | random joins over random rows in random batches equal the model |
//! | `current` | joins with the version of a time and of now; what is refused |
//! | `updating` | ASOF joins over updated inputs equal DataFusion's join and ROW_NUMBER |
//! | `bounded` | state stays bounded over a long time; windows join windows and streams |
//! | `bands` | bands in every spelling, over updated inputs and over promised watermarks |
//! | `probe` | probes at fixed offsets equal a cross join with the offsets and ROW_NUMBER |
//! | `adhoc` | ad-hoc queries answer what a stream holds |
//! | `flights` | the demo's flights with the weather equal a sorted merge |

mod adhoc;
mod bands;
mod bounded;
mod current;
mod differential;
mod flights;
mod late;
mod model;
mod probe;
mod updating;
