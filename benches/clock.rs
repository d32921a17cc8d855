//! [`Clock`]: the processor time of the whole process, and the time on the wall, which can be stopped
//! in between.

use std::time::{Duration, Instant};

/// Counts processor time, and time, from its start.
pub struct Clock {
    started_ns: u64,
    stopped_ns: u64,
    started: Instant,
    stopped: Duration,
}

impl Clock {
    pub fn start() -> Self {
        let (started, stopped) = (Instant::now(), Duration::ZERO);
        Self { started_ns: process_ns(), stopped_ns: 0, started, stopped }
    }

    /// Does something that is not counted.
    pub fn without<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let (before, begun) = (process_ns(), Instant::now());
        let result = work();
        self.stopped_ns += process_ns() - before;
        self.stopped += begun.elapsed();
        result
    }

    /// The seconds counted on the wall.
    pub fn wall_seconds(&self) -> f64 {
        (self.started.elapsed() - self.stopped).as_secs_f64()
    }

    /// The seconds counted of the processor.
    pub fn seconds(&self) -> f64 {
        (process_ns() - self.started_ns - self.stopped_ns) as f64 / 1e9
    }
}

fn process_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of this frame, which the call fills and forgets.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(status, 0, "Linux has the clock of the process");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
