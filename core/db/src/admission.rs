//! [`Admission`]: what holds a push back before it asks for the token.
//!
//! Only subscriptions that asked for it do ([`OnFull::Block`](crate::OnFull::Block)). The usual
//! push, with no such subscription anywhere, costs one load.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use laminar_types::Result;

use crate::engine::SourceId;
use crate::ring::Ring;

/// The subscriptions that hold pushes back.
#[derive(Default)]
pub(crate) struct Admission {
    count: AtomicUsize,
    gates: RwLock<Vec<Gate>>,
}

struct Gate {
    /// The sources whose rows can reach the ring.
    sources: Vec<SourceId>,
    ring: Arc<Ring>,
}

impl Admission {
    /// Lets a ring hold back the pushes into these sources, until it is closed.
    pub(crate) fn add(&self, sources: Vec<SourceId>, ring: Arc<Ring>) {
        let mut gates = self.gates.write().unwrap_or_else(PoisonError::into_inner);
        gates.retain(|gate| !gate.ring.is_closed());
        gates.push(Gate { sources, ring });
        self.count.store(gates.len(), Ordering::Release);
    }

    /// Whether a ring that a source feeds has no room now.
    pub(crate) fn holds_back(&self, source: SourceId) -> bool {
        let gates = self.gates.read().unwrap_or_else(PoisonError::into_inner);
        gates.iter().any(|gate| gate.sources.contains(&source) && !gate.ring.has_room())
    }

    /// Waits until every ring that a source feeds has room; fails with `FULL` past the timeout.
    pub(crate) fn admit(&self, source: SourceId, timeout: Duration) -> Result<()> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let deadline = Instant::now().checked_add(timeout);
        // Waiting must not keep others from subscribing: the lock is not held meanwhile.
        let rings: Vec<Arc<Ring>> = {
            let gates = self.gates.read().unwrap_or_else(PoisonError::into_inner);
            let fed = gates.iter().filter(|gate| gate.sources.contains(&source));
            fed.map(|gate| Arc::clone(&gate.ring)).collect()
        };
        rings.iter().try_for_each(|ring| ring.admit(deadline))
    }
}
