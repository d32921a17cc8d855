//! Joins in time, whose state the frontiers bound.
//!
//! | file | what it holds |
//! |---|---|
//! | `asof` | [`AsofJoin`]: for each left row the right row that is the closest in time |
//! | `current` | [`CurrentJoin`]: for each left row the right rows as they are when it comes |
//! | `interval` | [`IntervalJoin`]: pairs of rows whose distance in time is bounded |
//! | `matching` | [`AsofMatch`]: which one that is, and from when on it is final |
//! | `side`, `output` | what a join reads of its inputs, and what it emits |

mod asof;
mod current;
mod interval;
mod matching;
mod output;
mod side;

pub use asof::{AsofJoin, AsofPlan};
pub use current::{CurrentJoin, CurrentPlan};
pub use interval::{IntervalJoin, IntervalPlan, SideOutput};
pub use matching::AsofMatch;
pub use side::TimedSide;
