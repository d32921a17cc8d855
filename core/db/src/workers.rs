//! [`WorkerThreads`]: the threads that run partitions of operators.
//!
//! They are started when a step first has work for them, and end with the database. The thread that
//! runs the step works too: it takes the first job and, after that, every job that no worker has
//! begun. So a step never waits for a thread that is slow to wake, that could not be started, or that
//! a fork has left behind.
//!
//! No host code runs on a worker: what would call it is put off until the token has been given back
//! ([`outside::on_behalf`]).

use std::collections::VecDeque;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};

use cpu_time::ThreadTime;
use laminar_dataflow::Workers;
use laminar_dataflow::workers::Job;
use laminar_types::{Config, WaitStrategy, outside};

use crate::affinity::Affinity;
use crate::wait;

/// The worker threads of a database.
pub(crate) struct WorkerThreads {
    least_rows: usize,
    affinity: Affinity,
    pool: Arc<Pool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The process that started them: a child that it forked does not have them.
    process: u32,
}

/// What the threads share.
struct Pool {
    strategy: WaitStrategy,
    jobs: Mutex<VecDeque<(Job, Arc<Batch>)>>,
    /// How many jobs wait, to be looked at without the lock.
    waiting: AtomicUsize,
    has_ended: AtomicBool,
    wake: Condvar,
}

/// Jobs that were handed over together.
struct Batch {
    /// How many have not ended.
    left: AtomicUsize,
    /// The thread that waits for them.
    caller: Thread,
    /// What they put off, for that thread.
    put_off: Mutex<Vec<outside::Work>>,
}

impl Batch {
    /// Notes the end of a job.
    fn end_one(&self) {
        if self.left.fetch_sub(1, AcqRel) == 1 {
            self.caller.unpark();
        }
    }
}

impl WorkerThreads {
    /// No threads yet.
    pub(crate) fn new(config: &Config, affinity: Affinity) -> Self {
        let pool = Pool {
            strategy: config.wait_strategy,
            jobs: Mutex::default(),
            waiting: AtomicUsize::new(0),
            has_ended: AtomicBool::new(false),
            wake: Condvar::new(),
        };
        Self {
            least_rows: config.worker_min_rows,
            affinity,
            pool: Arc::new(pool),
            threads: Mutex::default(),
            process: std::process::id(),
        }
    }

    /// Starts threads until there are so many. Where one cannot be started, the others and the caller
    /// do its work.
    fn start(&self, count: usize) {
        let mut threads = lock(&self.threads);
        while threads.len() < count && !self.pool.has_ended.load(Relaxed) {
            let pool = Arc::clone(&self.pool);
            let affinity = self.affinity.behind(threads.len() + 1);
            let work = move || {
                affinity.apply();
                pool.work();
            };
            match thread::Builder::new().name("laminar-worker".to_string()).spawn(work) {
                Ok(thread) => threads.push(thread),
                Err(_) => return,
            }
        }
    }

    /// Ends the threads, and waits for them. Jobs that come later run where they come from.
    pub(crate) fn end(&self) {
        {
            // Under the lock, or a thread that is about to sleep would miss it.
            let _jobs = lock(&self.pool.jobs);
            self.pool.has_ended.store(true, Release);
            self.pool.wake.notify_all();
        }
        let threads = std::mem::take(&mut *lock(&self.threads));
        if self.process == std::process::id() {
            threads.into_iter().for_each(|thread| {
                let _ = thread.join();
            });
        }
    }
}

impl Drop for WorkerThreads {
    fn drop(&mut self) {
        self.end();
    }
}

impl Workers for WorkerThreads {
    fn least_rows(&self) -> usize {
        self.least_rows
    }

    fn run(&self, jobs: Vec<Job>) {
        let mut jobs = jobs.into_iter();
        let Some(first) = jobs.next() else { return };
        let others = jobs.len();
        self.start(others);
        let batch = Arc::new(Batch {
            left: AtomicUsize::new(others),
            caller: thread::current(),
            put_off: Mutex::default(),
        });
        {
            let mut waiting = lock(&self.pool.jobs);
            waiting.extend(jobs.map(|job| (job, Arc::clone(&batch))));
            self.pool.waiting.store(waiting.len(), Release);
            match others {
                0 => {}
                1 => self.pool.wake.notify_one(),
                _ => self.pool.wake.notify_all(),
            }
        }
        first();
        while let Some((job, of)) = self.pool.take() {
            job();
            of.end_one();
        }
        let have_ended = || batch.left.load(Acquire) == 0;
        if !wait::spin_until(self.pool.strategy, None, have_ended) {
            while !have_ended() {
                wait::park_until(None);
            }
        }
        for work in std::mem::take(&mut *lock(&batch.put_off)) {
            outside::run(work);
        }
    }

    fn thread_time_ns(&self) -> u64 {
        // Where the system has no such clock it says so by an error, and no time is counted.
        let time = ThreadTime::try_now().map(|time| time.as_duration().as_nanos());
        time.map_or(0, |ns| u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

impl Pool {
    /// What a worker thread does, to its end.
    fn work(&self) {
        loop {
            let is_awaited = || self.waiting.load(Acquire) > 0 || self.has_ended.load(Acquire);
            wait::spin_until(self.strategy, None, is_awaited);
            let mut jobs = lock(&self.jobs);
            let (job, batch) = loop {
                if let Some(next) = jobs.pop_front() {
                    break next;
                }
                if self.has_ended.load(Acquire) {
                    return;
                }
                jobs = self.wake.wait(jobs).unwrap_or_else(PoisonError::into_inner);
            };
            self.waiting.store(jobs.len(), Release);
            drop(jobs);
            let ((), mut put_off) = outside::on_behalf(job);
            if !put_off.is_empty() {
                lock(&batch.put_off).append(&mut put_off);
            }
            batch.end_one();
        }
    }

    /// A job that nobody has begun.
    fn take(&self) -> Option<(Job, Arc<Batch>)> {
        if self.waiting.load(Acquire) == 0 {
            return None;
        }
        let mut jobs = lock(&self.jobs);
        let next = jobs.pop_front();
        self.waiting.store(jobs.len(), Release);
        next
    }
}

/// Locks; every operation leaves what is locked whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, Instant};

    use super::*;

    fn workers(strategy: WaitStrategy) -> WorkerThreads {
        let config = Config { wait_strategy: strategy, ..Config::default() };
        WorkerThreads::new(&config, Affinity::default())
    }

    /// Jobs of which each notes its number and its thread.
    fn jobs(count: usize, log: &Arc<Mutex<Vec<(usize, thread::ThreadId)>>>) -> Vec<Job> {
        let job = |number: usize| -> Job {
            let log = Arc::clone(log);
            Box::new(move || lock(&log).push((number, thread::current().id())))
        };
        (0..count).map(job).collect()
    }

    #[test]
    fn every_job_runs_once_before_the_call_returns() {
        for strategy in [WaitStrategy::Spin, WaitStrategy::default(), WaitStrategy::Park] {
            let workers = workers(strategy);
            for count in [0, 1, 2, 3, 8, 3, 2] {
                for _ in 0..50 {
                    let log = Arc::default();
                    workers.run(jobs(count, &log));
                    let mut ran: Vec<usize> =
                        lock(&log).iter().map(|(number, _)| *number).collect();
                    ran.sort_unstable();
                    assert_eq!(ran, (0..count).collect::<Vec<_>>());
                }
            }
            assert_eq!(lock(&workers.threads).len(), 7, "as many as there was work for");
        }
    }

    #[test]
    fn jobs_run_on_several_threads_at_once() {
        let workers = workers(WaitStrategy::Park);
        // Each job ends when all have begun, so one thread would never end the first.
        let begun = Arc::new(AtomicUsize::new(0));
        let job = || -> Job {
            let begun = Arc::clone(&begun);
            Box::new(move || {
                begun.fetch_add(1, AcqRel);
                let deadline = Instant::now() + Duration::from_secs(60);
                while begun.load(Acquire) < 3 && Instant::now() < deadline {
                    thread::yield_now();
                }
                assert_eq!(begun.load(Acquire), 3);
            })
        };
        workers.run((0..3).map(|_| job()).collect());
        assert_eq!(begun.load(Acquire), 3);
    }

    #[test]
    fn without_threads_the_caller_does_all() {
        let workers = workers(WaitStrategy::default());
        workers.end();
        let log = Arc::default();
        workers.run(jobs(5, &log));
        let threads: BTreeSet<String> =
            lock(&log).iter().map(|(_, thread)| format!("{thread:?}")).collect();
        assert_eq!(threads.len(), 1);
        assert!(lock(&workers.threads).is_empty());
    }

    #[test]
    fn what_a_job_puts_off_waits_for_the_caller_to_give_its_token_back() {
        let workers = workers(WaitStrategy::Park);
        let ran = Arc::new(AtomicUsize::new(0));
        let inside = outside::enter();
        let job = || -> Job {
            let ran = Arc::clone(&ran);
            Box::new(move || {
                outside::run(move || {
                    ran.fetch_add(1, AcqRel);
                });
            })
        };
        workers.run((0..4).map(|_| job()).collect());
        assert_eq!(ran.load(Acquire), 0);
        drop(inside);
        assert_eq!(ran.load(Acquire), 4);
    }

    #[test]
    fn processor_time_goes_on_while_a_thread_works_and_not_while_it_sleeps() {
        let workers = workers(WaitStrategy::Park);
        let before = workers.thread_time_ns();
        thread::sleep(Duration::from_millis(50));
        let slept = workers.thread_time_ns() - before;
        assert!(slept < 40_000_000, "{slept} ns");
        while workers.thread_time_ns() - before < 2_000_000 {
            std::hint::spin_loop();
        }
    }
}
