//! Threads for calls that wait for a query or for room: libuv's pool is small, and files and names
//! wait in it too. There are as many as calls wait at once, up to a bound; an idle one ends after a
//! while.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use laminar_client::{Error, Result};

/// Threads beyond which calls wait for one of them.
const MOST_THREADS: usize = 256;

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
    threads: usize,
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
        } else if state.threads < MOST_THREADS
            && let Err(error) = self.spawn(&mut state)
        {
            state.jobs.pop_back();
            return Err(error);
        }
        Ok(())
    }

    /// The same before all jobs that wait, however many threads there are: for what JavaScript's
    /// thread waits for.
    pub fn run_first(self: &Arc<Self>, job: Job) -> Result<()> {
        let mut state = self.lock();
        state.jobs.push_front(job);
        if state.idle >= state.jobs.len() {
            self.changed.notify_one();
        } else if let Err(error) = self.spawn(&mut state) {
            state.jobs.pop_front();
            return Err(error);
        }
        Ok(())
    }

    fn spawn(self: &Arc<Self>, state: &mut State) -> Result<()> {
        let threads = Arc::clone(self);
        let work = move || threads.work();
        let spawned = thread::Builder::new().name("laminar-node".into()).spawn(work);
        spawned.map_err(|error| Error::new(900, 9001, format!("no thread for a call: {error}")))?;
        state.threads += 1;
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
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            let waited = self.changed.wait_timeout(state, IDLE);
            let (woken, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.jobs.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
