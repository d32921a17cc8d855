//! [`Clock`]: what time it is, and [`Alarm`]: when somebody wants to know.
//!
//! Nothing below this crate reads a clock. Here it is read in three places: at a push, to fill
//! `proctime()` columns and to note that a producer is alive; where event times too far ahead are
//! refused; and when an alarm goes off, which runs [`Core::tick`](crate::engine::Core::tick) under
//! the token.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, of the system or as a test sets them.
#[derive(Debug)]
pub(crate) struct Clock {
    by_hand: Option<AtomicI64>,
}

impl Clock {
    /// The system's clock.
    pub(crate) fn system() -> Self {
        Self { by_hand: None }
    }

    /// A clock that stands at a time until it is moved.
    pub(crate) fn by_hand(now_ms: i64) -> Self {
        Self { by_hand: Some(AtomicI64::new(now_ms)) }
    }

    pub(crate) fn is_by_hand(&self) -> bool {
        self.by_hand.is_some()
    }

    pub(crate) fn now_ms(&self) -> i64 {
        match &self.by_hand {
            Some(now_ms) => now_ms.load(Ordering::Acquire),
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }
        }
    }

    /// Moves a clock that stands.
    pub(crate) fn advance(&self, by: Duration) {
        if let Some(now_ms) = &self.by_hand {
            now_ms.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::AcqRel);
        }
    }
}

/// The next time at which the database has something to do by itself.
#[derive(Debug)]
pub(crate) struct Alarm {
    /// The time of `state`, to be read without the lock.
    next_ms: AtomicI64,
    has_thread: AtomicBool,
    state: Mutex<AlarmState>,
    changed: Condvar,
}

#[derive(Debug)]
struct AlarmState {
    /// `i64::MAX` for never.
    next_ms: i64,
    is_stopped: bool,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            next_ms: AtomicI64::new(i64::MAX),
            has_thread: AtomicBool::new(false),
            state: Mutex::new(AlarmState { next_ms: i64::MAX, is_stopped: false }),
            changed: Condvar::new(),
        }
    }
}

impl Alarm {
    /// Goes off at a time, unless it does so before anyway.
    pub(crate) fn set(&self, when_ms: i64) {
        if when_ms >= self.next_ms.load(Ordering::Acquire) {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if when_ms < state.next_ms {
            state.next_ms = when_ms;
            self.next_ms.store(when_ms, Ordering::Release);
            self.changed.notify_all();
        }
    }

    /// Whether somebody waits for the alarm to go off for the first time: true once.
    pub(crate) fn needs_thread(&self) -> bool {
        self.next_ms.load(Ordering::Acquire) != i64::MAX
            && !self.has_thread.load(Ordering::Acquire)
            && !self.has_thread.swap(true, Ordering::AcqRel)
    }

    /// Waits until it goes off; false when it never will again.
    pub(crate) fn wait(&self, clock: &Clock) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.is_stopped {
                return false;
            }
            let left_ms = state.next_ms.saturating_sub(clock.now_ms());
            if left_ms <= 0 {
                state.next_ms = i64::MAX;
                self.next_ms.store(i64::MAX, Ordering::Release);
                return true;
            }
            state = match state.next_ms {
                i64::MAX => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                _ => {
                    let left = Duration::from_millis(left_ms.unsigned_abs());
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Never goes off again; who waits stops waiting.
    pub(crate) fn stop(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_stopped = true;
        self.changed.notify_all();
    }
}
