//! Threads for calls that wait for a query: libuv's pool is small, and files and names wait in it
//! too. There are as many as calls wait at once; an idle one ends after a while.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use laminar_client::{Error, Result};

/// How long an idle thread stays.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// The threads of one environment. They do not keep it, nor it them.
#[derive(Default)]
pub struct Threads {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    idle: usize,
    ended: bool,
}

impl Threads {
    /// Runs a job on a thread that waits for nothing else.
    pub fn run(self: &Arc<Self>, job: Job) -> Result<()> {
        let mut state = self.lock();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() {
            self.changed.notify_one();
            return Ok(());
        }
        let threads = Arc::clone(self);
        let spawned =
            thread::Builder::new().name("laminar-node".into()).spawn(move || threads.work());
        if let Err(error) = spawned {
            state.jobs.pop_back();
            return Err(Error::new(900, 9001, format!("no thread for a query: {error}")));
        }
        Ok(())
    }

    /// Idle threads end, and the others after their job.
    pub fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.ended {
                return None;
            }
            state.idle += 1;
            let waited = self.changed.wait_timeout(state, IDLE);
            let (woken, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.jobs.is_empty() {
                return None;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
