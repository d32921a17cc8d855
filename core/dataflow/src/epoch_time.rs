//! [`EpochTime`]: the time of the epoch that runs, where expressions read it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The time of the epoch that runs, shared by an operator and those of its expressions that read
/// it: the operator [sets](Self::set_ms) it before it evaluates them. Nothing of it outlives a step.
#[derive(Debug, Clone, Default)]
pub struct EpochTime(Arc<AtomicI64>);

/// Equal where it is one and the same.
impl PartialEq for EpochTime {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl EpochTime {
    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        // An operator runs on one thread at a time, which has set it itself.
        self.0.load(Ordering::Relaxed)
    }

    /// Tells the time, in milliseconds since 1970.
    pub fn set_ms(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }
}
