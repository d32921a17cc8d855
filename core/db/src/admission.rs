//! [`Admission`]: what holds a push back before it asks for the token.
//!
//! Subscriptions that asked for it do ([`OnFull::Block`](crate::OnFull::Block)), and the queue of a
//! source before the start, where the source has a `buffer_size` of its own. The usual push, with
//! neither, costs one load.
//!
//! Who was refused need not try again and again: who [enlists](Admission::enlist) is told of room, in the
//! way in which a subscription is told of rows. A push that was refused arms the call, and room
//! where there was none makes it, once.
//!
//! Invariants:
//! - Whatever makes room does so first and [announces](Admission::announce) it then, which takes
//!   the lock; whoever waits looks for room under the lock. So no room goes unnoticed.
//! - The calls are made outside of the lock and after the token was given back.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use laminar_types::{Error, Result, WaitStrategy, code, outside};

use crate::engine::SourceId;
use crate::ring::Ring;
use crate::source::Rules;
use crate::wait;

/// What holds pushes back, and who waits for room.
#[derive(Default)]
pub(crate) struct Admission {
    count: AtomicUsize,
    gates: RwLock<Vec<Gate>>,
    /// Whether sources no longer queue.
    started: AtomicBool,
    /// Whether somebody wants to know when the token is free.
    token_wanted: AtomicBool,
    last_id: AtomicU64,
    waiting: Mutex<BTreeMap<WaiterId, Waiter>>,
    /// With `waiting`: there may be room.
    room: Condvar,
}

/// The subscription that holds the pushes into some sources back.
struct Gate {
    /// The sources whose rows can reach the ring.
    sources: Vec<SourceId>,
    ring: Arc<Ring>,
}

/// Identifies who waits for room without a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WaiterId(u64);

struct Waiter {
    source: SourceId,
    rules: Arc<Rules>,
    /// What was lacking when its last push was refused.
    lacks: Option<Lack>,
    call: Arc<Call>,
}

/// What a push was refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// A subscription is full.
    Room,
    /// Too much waits for the start.
    Start,
    /// Another push was running.
    Token,
}

/// The call that tells of room.
struct Call {
    is_live: AtomicBool,
    call: Box<dyn Fn() + Send + Sync>,
}

impl Call {
    /// Calls now, or when this thread has given its token back.
    fn make(self: Arc<Self>) {
        outside::run(move || {
            if self.is_live.load(Ordering::Acquire) {
                (self.call)();
            }
        });
    }
}

impl Admission {
    /// Lets a ring hold back the pushes into these sources, until it is closed.
    pub(crate) fn add(self: &Arc<Self>, sources: Vec<SourceId>, ring: Arc<Ring>) {
        let mut gates = self.gates.write().unwrap_or_else(PoisonError::into_inner);
        gates.retain(|gate| !gate.ring.is_closed());
        ring.announce_room_to(Arc::downgrade(self));
        gates.push(Gate { sources, ring });
        self.count.store(gates.len(), Ordering::Release);
    }

    /// Whether a push into a source would have to wait for room.
    pub(crate) fn holds_back(&self, source: SourceId, rules: &Rules) -> bool {
        let queue_is_full = !self.started.load(Ordering::Acquire)
            && rules.policy.holds_back(rules.pending.load(Ordering::Relaxed));
        queue_is_full || self.is_some_ring_full(source, |_| true)
    }

    /// Waits until everything that a source feeds has room; fails with `FULL` past the timeout, and
    /// at once when it is this thread that polls what is full.
    pub(crate) fn admit(
        &self,
        source: SourceId,
        rules: &Rules,
        timeout: Duration,
        strategy: WaitStrategy,
    ) -> Result<()> {
        let can_wait = rules.policy.most_queued_rows.is_some();
        if !can_wait && self.count.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        if !self.holds_back(source, rules) {
            return Ok(());
        }
        if self.is_some_ring_full(source, Ring::is_owned_by_current_thread) {
            return Err(Error::new(
                code::FULL,
                "a subscription that blocks is full, and this thread is the one that polls it: \
                 poll it before the next push",
            ));
        }
        match self.wait(source, rules, Instant::now().checked_add(timeout), strategy) {
            true => Ok(()),
            false => Err(self.refusal(source, rules)),
        }
    }

    /// Waits for room and answers whether there is some.
    fn wait(
        &self,
        source: SourceId,
        rules: &Rules,
        deadline: Option<Instant>,
        strategy: WaitStrategy,
    ) -> bool {
        let has_room = || !self.holds_back(source, rules);
        if wait::has_passed(deadline) {
            return has_room();
        }
        if wait::spin_until(strategy, deadline, has_room) {
            return true;
        }
        let mut waiting = self.lock();
        while !has_room() {
            if wait::has_passed(deadline) {
                return false;
            }
            waiting = match deadline {
                None => self.room.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let waited = self.room.wait_timeout(waiting, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }

    /// Why there is no room.
    fn refusal(&self, source: SourceId, rules: &Rules) -> Error {
        if self.is_some_ring_full(source, |_| true) {
            return Error::new(
                code::FULL,
                "a subscription that blocks stayed full for as long as the push may wait: poll it, \
                 or push again later",
            );
        }
        let pending = rules.pending.load(Ordering::Relaxed);
        let most = rules.policy.most_queued_rows.unwrap_or(pending);
        Error::new(
            code::NOT_STARTED,
            format!(
                "{pending} rows of `{}` wait for start(), and {most} may: call start(), or create \
                 the source with a larger buffer_size",
                rules.name
            ),
        )
    }

    /// Whether a ring of some kind that a source feeds has no room.
    fn is_some_ring_full(&self, source: SourceId, kind: impl Fn(&Ring) -> bool) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let gates = self.gates.read().unwrap_or_else(PoisonError::into_inner);
        let mut fed = gates.iter().filter(|gate| gate.sources.contains(&source));
        fed.any(|gate| !gate.ring.has_room() && kind(&gate.ring))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<WaiterId, Waiter>> {
        // Every operation leaves the map whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those who wait for room without a thread.
impl Admission {
    /// Makes a call when there is room for a source, at the next [`announce`](Self::announce) at the
    /// earliest; then each time after a push was refused, and when the source ends.
    pub(crate) fn enlist(
        &self,
        source: SourceId,
        rules: &Arc<Rules>,
        call: Box<dyn Fn() + Send + Sync>,
    ) -> WaiterId {
        let id = WaiterId(self.last_id.fetch_add(1, Ordering::Relaxed));
        let call = Arc::new(Call { is_live: AtomicBool::new(true), call });
        let waiter = Waiter { source, rules: Arc::clone(rules), lacks: Some(Lack::Room), call };
        self.lock().insert(id, waiter);
        id
    }

    /// Makes no more calls. One that has begun goes on.
    pub(crate) fn forget(&self, id: WaiterId) {
        let removed = self.lock().remove(&id);
        if let Some(waiter) = removed {
            waiter.call.is_live.store(false, Ordering::Release);
            // Dropping it is the host's code.
            outside::run(move || drop(waiter));
        }
    }

    /// Notes that a push was refused, so that the next room is told. `is_token_free` looks whether
    /// another one is still running.
    pub(crate) fn refused(&self, id: WaiterId, lack: Lack, is_token_free: impl Fn() -> bool) {
        if let Some(waiter) = self.lock().get_mut(&id) {
            waiter.lacks = Some(lack);
        }
        match lack {
            Lack::Room => self.announce(),
            Lack::Start if self.started.load(Ordering::Acquire) => self.announce_start(),
            Lack::Start => {}
            Lack::Token => {
                // In this order, as whoever gives the token back looks at it after that.
                self.token_wanted.store(true, SeqCst);
                if is_token_free() {
                    self.announce_token();
                }
            }
        }
    }

    /// Tells that there may be more room than before.
    pub(crate) fn announce(&self) {
        self.tell(|waiter| {
            waiter.lacks == Some(Lack::Room) && !self.holds_back(waiter.source, &waiter.rules)
        });
    }

    /// Whether to look if the token is free, and to announce it. Asked after each use of it.
    pub(crate) fn wants_token(&self) -> bool {
        self.token_wanted.load(SeqCst)
    }

    /// Tells that the token was given back.
    pub(crate) fn announce_token(&self) {
        self.token_wanted.store(false, SeqCst);
        self.tell(|waiter| waiter.lacks == Some(Lack::Token));
    }

    /// Tells that the streams run: sources no longer queue.
    pub(crate) fn start(&self) {
        self.started.store(true, Ordering::Release);
        self.announce_start();
    }

    /// Tells that less waits for the start.
    fn announce_start(&self) {
        self.tell(|waiter| waiter.lacks == Some(Lack::Start));
    }

    /// Tells those who push into a source that it is no more, and others that what it queued is
    /// forgotten.
    pub(crate) fn end(&self, source: SourceId) {
        self.tell(|waiter| waiter.source == source || waiter.lacks == Some(Lack::Start));
    }

    /// Tells all that their next push will be answered: the database is closed.
    pub(crate) fn shut_down(&self) {
        self.started.store(true, Ordering::Release);
        self.tell(|_| true);
    }

    /// Makes the calls of some of those who wait, and wakes the threads that do.
    fn tell(&self, whom: impl Fn(&Waiter) -> bool) {
        let mut waiting = self.lock();
        let mut calls = Vec::new();
        for waiter in waiting.values_mut().filter(|waiter| whom(waiter)) {
            waiter.lacks = None;
            calls.push(Arc::clone(&waiter.call));
        }
        self.room.notify_all();
        drop(waiting);
        calls.into_iter().for_each(Call::make);
    }
}
