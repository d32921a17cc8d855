//! Joins in time.
//!
//! | module | what it shows |
//! |---|---|
//! | `model` | what ASOF and interval joins answer, by their definitions |
//! | `differential` | random joins over random rows in random batches equal the model |
//! | `current` | joins with the version of a time and of now; what is refused |
//! | `updating` | ASOF joins over updated inputs equal DataFusion's join and ROW_NUMBER |
//! | `bounded` | state stays bounded over a long time; windows join windows and streams |
//! | `flights` | the demo's flights with the weather equal a sorted merge |

mod bounded;
mod current;
mod differential;
mod flights;
mod model;
mod updating;
