//! Work that must not run while this thread holds an executor's token.
//!
//! Host code (Arrow release callbacks, wakers, `drop(userdata)`) may take any lock and call back
//! into the library, so it never runs under the token. What becomes due under it is put on a list
//! of the thread and run as soon as the token has been given back.

use std::cell::{Cell, RefCell};

/// Work that was put off.
pub type Work = Box<dyn FnOnce() + Send>;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static PENDING: RefCell<Vec<Work>> = const { RefCell::new(Vec::new()) };
}

/// Marks that the current thread holds a token, from [`enter`] until it is dropped.
///
/// Drop it *after* the token was given back: dropping runs what was put off.
#[must_use = "the mark lasts as long as this value"]
#[derive(Debug)]
pub struct Inside(());

/// Marks the current thread as holding a token.
pub fn enter() -> Inside {
    DEPTH.set(DEPTH.get() + 1);
    Inside(())
}

/// Whether the current thread holds a token.
pub fn is_inside() -> bool {
    DEPTH.get() > 0
}

/// Runs `work` now, or as soon as the current thread has given its token back.
pub fn run(work: impl FnOnce() + Send + 'static) {
    if is_inside() {
        PENDING.with_borrow_mut(|pending| pending.push(Box::new(work)));
    } else {
        work();
    }
}

/// Does something on the calling thread, which holds no token, for another one that does: what is put
/// off meanwhile is answered, for [`run`] there.
pub fn on_behalf<R>(act: impl FnOnce() -> R) -> (R, Vec<Work>) {
    debug_assert!(!is_inside(), "a thread that holds a token works for itself");
    let inside = enter();
    let result = act();
    let put_off = PENDING.take();
    drop(inside);
    (result, put_off)
}

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        if !is_inside() {
            // Work may put off more work and enter again: take the list each time round.
            while let Some(work) = PENDING.with_borrow_mut(take_first) {
                work();
            }
        }
    }
}

fn take_first(pending: &mut Vec<Work>) -> Option<Work> {
    (!pending.is_empty()).then(|| pending.remove(0))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn work_waits_for_the_outermost_mark() {
        let log: Arc<Mutex<Vec<&str>>> = Arc::default();
        let note = |text: &'static str| {
            let log = Arc::clone(&log);
            move || log.lock().unwrap().push(text)
        };
        run(note("outside"));
        let outer = enter();
        let inner = enter();
        run(note("first"));
        drop(inner);
        run(note("second"));
        assert_eq!(*log.lock().unwrap(), ["outside"]);
        drop(outer);
        assert_eq!(*log.lock().unwrap(), ["outside", "first", "second"]);
        assert!(!is_inside());
    }

    #[test]
    fn work_of_another_thread_waits_for_the_one_that_it_works_for() {
        let log: Arc<Mutex<Vec<&str>>> = Arc::default();
        let inside = enter();
        let theirs = Arc::clone(&log);
        let put_off = std::thread::spawn(move || {
            let (answer, put_off) = on_behalf(|| {
                run(move || theirs.lock().unwrap().push("theirs"));
                7
            });
            assert!(!is_inside() && answer == 7);
            put_off
        });
        for work in put_off.join().unwrap() {
            run(work);
        }
        assert!(log.lock().unwrap().is_empty());
        drop(inside);
        assert_eq!(*log.lock().unwrap(), ["theirs"]);
    }
}
