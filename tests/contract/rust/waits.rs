//! What callbacks have told, for the thread that waits for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use laminar_client::{Database, Result};

/// How long something is waited for that is to come.
const MOST_WAIT: Duration = Duration::from_secs(10);

/// Calls of a callback.
#[derive(Default)]
pub struct Wake {
    state: Mutex<Told>,
    changed: Condvar,
}

#[derive(Default)]
struct Told {
    count: u64,
    is_new: bool,
}

impl Wake {
    pub fn tell(&self) {
        let mut state = lock(&self.state);
        state.count += 1;
        state.is_new = true;
        self.changed.notify_all();
    }

    /// Waits for a call after the last that was waited for; whether there was one.
    pub fn wait(&self) -> bool {
        let state = lock(&self.state);
        let waited = self.changed.wait_timeout_while(state, MOST_WAIT, |told| !told.is_new);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.is_new)
    }

    pub fn count(&self) -> u64 {
        lock(&self.state).count
    }
}

/// Lines of the log, as they come.
#[derive(Debug, Default)]
pub struct Log {
    lines: Mutex<Vec<(i32, String)>>,
    changed: Condvar,
}

impl Log {
    pub fn listen(log: &Arc<Self>, db: &Database, level: &str) -> Result<()> {
        let log = Arc::clone(log);
        let listener = move |level: i32, line: &str| {
            lock(&log.lines).push((level, line.to_owned()));
            log.changed.notify_all();
        };
        db.set_log(number(level), Some(Box::new(listener)))
    }

    /// Whether there is such a line, or comes.
    pub fn has(&self, level: &str, says: &[&str]) -> bool {
        let lacks = |lines: &mut Vec<(i32, String)>| {
            !lines.iter().any(|(own, line)| {
                *own == number(level) && says.iter().all(|part| line.contains(part))
            })
        };
        let waited = self.changed.wait_timeout_while(lock(&self.lines), MOST_WAIT, lacks);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

fn number(level: &str) -> i32 {
    match level {
        "error" => 1,
        "warn" => 2,
        "info" => 3,
        _ => 4,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
