//! How a thread waits: by spinning, by spinning and then sleeping, or by sleeping at once.
//!
//! Nothing here knows what is waited for. Sleeping is `std::thread::park`, so whoever waits looks
//! again after every wake-up, as a wake-up may be meant for something else.

use std::hint;
use std::thread;
use std::time::Instant;

use laminar_types::WaitStrategy;

/// Spins between two looks at the clock, after which the core is offered to other threads.
const SPINS_PER_LOOK: u32 = 1_024;

/// Spins as long as the strategy allows, and answers whether `ready` came to hold.
///
/// [`WaitStrategy::Spin`] gives up only when the deadline has passed; the others leave it to the
/// caller to sleep.
pub(crate) fn spin_until(
    strategy: WaitStrategy,
    deadline: Option<Instant>,
    mut ready: impl FnMut() -> bool,
) -> bool {
    let mut left = match strategy {
        WaitStrategy::Spin => None,
        WaitStrategy::SpinYield(spins) => Some(spins),
        WaitStrategy::Park => Some(0),
    };
    let mut spins = 0_u32;
    loop {
        if ready() {
            return true;
        }
        match &mut left {
            Some(0) => return false,
            Some(left) => *left -= 1,
            None => {}
        }
        spins = spins.wrapping_add(1);
        if spins.is_multiple_of(SPINS_PER_LOOK) {
            if has_passed(deadline) {
                return false;
            }
            thread::yield_now();
        } else {
            hint::spin_loop();
        }
    }
}

/// Sleeps until another thread calls `unpark` on this one, the deadline passes, or for no reason.
pub(crate) fn park_until(deadline: Option<Instant>) {
    match deadline {
        None => thread::park(),
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                thread::park_timeout(left);
            }
        }
    }
}

/// Whether there is a deadline and it lies in the past.
pub(crate) fn has_passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

/// A number that no other living thread has; never zero.
pub(crate) fn thread_mark() -> usize {
    thread_local! {
        static MARK: u8 = const { 0 };
    }
    // The address of a variable of the thread: cheaper than its `ThreadId`.
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_strategy_spins_as_often_as_it_says() {
        for (strategy, looks) in [(WaitStrategy::Park, 1), (WaitStrategy::SpinYield(7), 8)] {
            let seen = Cell::new(0);
            assert!(!spin_until(strategy, None, || {
                seen.set(seen.get() + 1);
                false
            }));
            assert_eq!(seen.get(), looks, "{strategy:?}");
        }
    }

    #[test]
    fn deadlines_end_spinning_and_sleeping() {
        let deadline = Some(Instant::now() + Duration::from_millis(5));
        assert!(!spin_until(WaitStrategy::Spin, deadline, || false));
        assert!(has_passed(deadline));
        park_until(deadline);
        assert!(!has_passed(None));
    }

    #[test]
    fn threads_have_different_marks() {
        let here = thread_mark();
        assert_eq!(here, thread_mark());
        assert_ne!(here, thread::spawn(thread_mark).join().unwrap());
    }
}
