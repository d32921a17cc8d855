//! [`Workers`]: who runs the partitions of an operator.
//!
//! This layer owns no thread. A [`Partitioned`](crate::operators::Partitioned) operator hands the work
//! of its partitions over as jobs, and goes on when all of them have ended.

/// A piece of work, which does not panic.
pub type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs, at once where it can.
pub trait Workers: Send + Sync {
    /// From so many rows in a step on it pays to hand jobs over; below, the partitions run one after
    /// the other where they are.
    fn least_rows(&self) -> usize;

    /// Runs every job once and returns when all have ended. The calling thread may be one of those
    /// that run them.
    fn run(&self, jobs: Vec<Job>);

    /// The processor time of the calling thread so far, in nanoseconds.
    fn thread_time_ns(&self) -> u64;
}

/// Runs every job on the calling thread, and measures no time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Inline;

impl Workers for Inline {
    fn least_rows(&self) -> usize {
        usize::MAX
    }

    fn run(&self, jobs: Vec<Job>) {
        jobs.into_iter().for_each(|job| job());
    }

    fn thread_time_ns(&self) -> u64 {
        0
    }
}
