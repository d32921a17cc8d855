//! [`Token`], the executor: it owns the engine, and whoever holds it runs jobs on it.
//!
//! A job takes a ticket by one atomic swap of the queue's tail, and tickets are served in that
//! order. A ticket lies on the stack of the thread that waits with it, so nothing is allocated.
//! The holder runs its own job, then up to [`MOST_FOREIGN_JOBS`] that wait behind it, and passes
//! the token to the oldest one left. The queue is the list-based lock of Mellor-Crummey and Scott
//! (1991), the running of others' jobs is CC-Synch of Fatourou and Kallimanis (2012).
//!
//! Invariants:
//! - `tail` is null exactly while nobody holds the token; else it is the newest ticket.
//! - Only the holder touches the core, and the tickets between its own and `tail`.
//! - A ticket lives until its owner has seen `DONE` or `HOLDER`, and it is not told either before
//!   the ticket behind it is known: whoever comes next writes into it.
//! - While a thread holds a token, it is marked by [`outside::enter`]; what was put off under the
//!   token runs after it was given back.

use std::cell::UnsafeCell;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicPtr, AtomicU32};
use std::thread::{self, Thread};

use laminar_types::error::code;
use laminar_types::outside::{self, Inside};
use laminar_types::{Error, Result, WaitStrategy};

use crate::wait;

/// Jobs of other threads that a holder runs before it passes the token on.
const MOST_FOREIGN_JOBS: usize = 64;

/// The right to run jobs on a core of type `C`, handed out in the order of asking.
pub(crate) struct Token<C> {
    tail: AtomicPtr<Ticket<C>>,
    strategy: WaitStrategy,
    core: UnsafeCell<C>,
}

// SAFETY: the core is reached only by the thread that holds the token (or by value and `&mut`), so
// sharing a token sends the core from thread to thread and no more.
unsafe impl<C: Send> Sync for Token<C> {}
// SAFETY: a token that can be moved is not held, so it has no tickets and owns only the core.
unsafe impl<C: Send> Send for Token<C> {}

impl<C> Token<C> {
    /// A free token over `core`; those that find it taken wait by `strategy`.
    pub(crate) fn new(core: C, strategy: WaitStrategy) -> Self {
        Self { tail: AtomicPtr::new(ptr::null_mut()), strategy, core: UnsafeCell::new(core) }
    }

    /// Runs `job` in its turn, on this thread or on that of the holder, and returns its result.
    ///
    /// Fails with `IN_USE` when this thread holds a token already (a call from inside a function
    /// that the engine calls), which could never end, and with `PANIC` when the job panicked; the
    /// core is then as the job left it.
    pub(crate) fn run<F, R>(&self, job: F) -> Result<R>
    where
        F: FnOnce(&mut C) -> R + Send,
        R: Send,
    {
        self.run_waiting(self.strategy, job)
    }

    /// As [`run`](Self::run), but waits by another strategy.
    pub(crate) fn run_waiting<F, R>(&self, strategy: WaitStrategy, job: F) -> Result<R>
    where
        F: FnOnce(&mut C) -> R + Send,
        R: Send,
    {
        refuse_inside()?;
        let mut ticket = Ticket::new();
        if self.take_if_free(&ticket) {
            return self.hold(&ticket, job);
        }

        let mut work = Work { job: Some(job), outcome: None };
        let work_at = &raw mut work;
        ticket.work = work_at.cast();
        ticket.run = run_work::<C, F, R>;
        if strategy != WaitStrategy::Spin {
            ticket.thread = UnsafeCell::new(Some(thread::current()));
        }
        let at = &raw const ticket;
        let before = self.tail.swap(at.cast_mut(), AcqRel);
        if !before.is_null() {
            // SAFETY: `before` is a ticket whose owner has not been told of its end, as the holder
            // tells it only after it has read the `next` that is written here.
            unsafe { &*before }.next.store(at.cast_mut(), Release);
            // SAFETY: the ticket is this thread's own and still there.
            let told = unsafe { &*at }.wait(strategy);
            if told == DONE {
                // SAFETY: `DONE` says that the holder has run the work and forgotten it.
                let outcome = unsafe { &mut *work_at }.outcome.take();
                return outcome.unwrap_or_else(|| Err(lost_job()));
            }
        }
        // SAFETY: this thread holds the token now, and nobody else had to do with the work.
        let job = unsafe { &mut *work_at }.job.take();
        // SAFETY: the ticket is this thread's own and still there.
        let ticket = unsafe { &*at };
        self.hold(ticket, |core| job.map(|job| job(core)))?.ok_or_else(lost_job)
    }

    /// Runs `job` on this thread if nobody holds the token; else answers `None` at once.
    ///
    /// Fails as [`run`](Self::run) does.
    pub(crate) fn try_run<R>(&self, job: impl FnOnce(&mut C) -> R) -> Result<Option<R>> {
        refuse_inside()?;
        let ticket = Ticket::new();
        if self.take_if_free(&ticket) { self.hold(&ticket, job).map(Some) } else { Ok(None) }
    }

    /// As [`try_run`](Self::try_run), but runs no job of others afterwards: the token goes to the
    /// oldest waiter.
    pub(crate) fn try_run_alone<R>(&self, job: impl FnOnce(&mut C) -> R) -> Result<Option<R>> {
        refuse_inside()?;
        let ticket = Ticket::new();
        match self.take_if_free(&ticket) {
            true => self.hold_serving(&ticket, job, 0).map(Some),
            false => Ok(None),
        }
    }

    /// The core, which nobody else can reach now.
    #[cfg(test)]
    fn into_core(self) -> C {
        self.core.into_inner()
    }

    /// Whether nobody holds the token. Who is told that somebody does, and has asked before to be
    /// told when the token is free, is seen by whoever gives it back after that.
    pub(crate) fn is_free(&self) -> bool {
        self.tail.load(SeqCst).is_null()
    }

    fn take_if_free(&self, ticket: &Ticket<C>) -> bool {
        let at = ptr::from_ref(ticket).cast_mut();
        // Look before writing, so that those who only try leave the holder's cache line alone.
        self.tail.load(Relaxed).is_null()
            && self.tail.compare_exchange(ptr::null_mut(), at, AcqRel, Relaxed).is_ok()
    }

    /// Runs the job of the holder, then those that wait, and gives the token back.
    fn hold<R>(&self, ticket: &Ticket<C>, job: impl FnOnce(&mut C) -> R) -> Result<R> {
        self.hold_serving(ticket, job, MOST_FOREIGN_JOBS)
    }

    /// Runs the job of the holder, then at most `most` of those that wait.
    fn hold_serving<R>(
        &self,
        ticket: &Ticket<C>,
        job: impl FnOnce(&mut C) -> R,
        most: usize,
    ) -> Result<R> {
        let inside = outside::enter();
        // SAFETY: this thread holds the token, and no other reference to the core is alive.
        let core = unsafe { &mut *self.core.get() };
        let outcome = catch(|| job(core));
        self.serve_and_give_back(ticket, most);
        leave(inside);
        outcome
    }

    fn serve_and_give_back(&self, own: &Ticket<C>, most: usize) {
        let own = ptr::from_ref(own);
        let mut last = own;
        let mut served = 0;
        loop {
            // SAFETY: `last` is this thread's own ticket or one whose owner still waits.
            let next = self.next_after(unsafe { &*last });
            if !ptr::eq(last, own) {
                // SAFETY: its owner still waits, and its work is done.
                unsafe { Ticket::tell(last, DONE) };
            }
            if next.is_null() {
                return;
            }
            if served == most {
                // SAFETY: its owner waits, and its work was not touched.
                unsafe { Ticket::tell(next, HOLDER) };
                return;
            }
            // SAFETY: the ticket was linked with `Release` after it was filled in and its owner
            // waits, so `work` is what `run` expects; this thread holds the token, so the core
            // is its own.
            unsafe { ((*next).run)((*next).work, &mut *self.core.get()) };
            served += 1;
            last = next;
        }
    }

    /// The ticket behind `last`, or null after the token was given back because there is none.
    fn next_after(&self, last: &Ticket<C>) -> *const Ticket<C> {
        let mut next = last.next.load(Acquire);
        if next.is_null() {
            let at = ptr::from_ref(last).cast_mut();
            if self.tail.compare_exchange(at, ptr::null_mut(), SeqCst, Relaxed).is_ok() {
                return ptr::null();
            }
            // Somebody has swapped the tail and is about to write `next`.
            wait::spin_until(WaitStrategy::Spin, None, || {
                next = last.next.load(Acquire);
                !next.is_null()
            });
        }
        next
    }
}

/// The owner sleeps or is about to look again.
const WAITING: u32 = 0;
/// The owner sleeps and must be woken.
const PARKED: u32 = 1;
/// The owner's work was done for it.
const DONE: u32 = 2;
/// The owner holds the token and does its work itself.
const HOLDER: u32 = 3;

/// A place in the queue. It lies on the stack of its owner.
struct Ticket<C> {
    next: AtomicPtr<Ticket<C>>,
    state: AtomicU32,
    work: *mut (),
    run: unsafe fn(*mut (), &mut C),
    thread: UnsafeCell<Option<Thread>>,
}

impl<C> Ticket<C> {
    fn new() -> Self {
        Self {
            next: AtomicPtr::new(ptr::null_mut()),
            state: AtomicU32::new(WAITING),
            work: ptr::null_mut(),
            run: |_, _| {},
            thread: UnsafeCell::new(None),
        }
    }

    /// Waits until the holder tells `DONE` or `HOLDER`.
    fn wait(&self, strategy: WaitStrategy) -> u32 {
        let told = || self.state.load(Acquire) > PARKED;
        if !wait::spin_until(strategy, None, told)
            && self.state.compare_exchange(WAITING, PARKED, AcqRel, Acquire).is_ok()
        {
            while !told() {
                thread::park();
            }
        }
        self.state.load(Acquire)
    }

    /// Tells the owner what became of its ticket, which may be gone when this returns.
    ///
    /// # Safety
    /// The ticket's owner waits, and the caller holds the token.
    unsafe fn tell(ticket: *const Self, state: u32) {
        // SAFETY: the ticket lives until its owner sees the new state, and until then the thread's
        // handle belongs to the holder of the token.
        let thread = unsafe { (*(*ticket).thread.get()).take() };
        // SAFETY: as above; this is the last touch.
        let is_asleep = unsafe { &(*ticket).state }.swap(state, AcqRel) == PARKED;
        if is_asleep && let Some(thread) = thread {
            thread.unpark();
        }
    }
}

/// A job and its result, on the stack of the thread that waits for it.
struct Work<F, R> {
    job: Option<F>,
    outcome: Option<Result<R>>,
}

/// Runs a [`Work`] of these types.
///
/// # Safety
/// `work` points to a `Work<F, R>` that nobody else touches, and `F` and `R` may be sent here.
unsafe fn run_work<C, F, R>(work: *mut (), core: &mut C)
where
    F: FnOnce(&mut C) -> R,
{
    // SAFETY: the caller's promise.
    let work = unsafe { &mut *work.cast::<Work<F, R>>() };
    if let Some(job) = work.job.take() {
        work.outcome = Some(catch(|| job(core)));
    }
}

fn refuse_inside() -> Result<()> {
    if outside::is_inside() {
        return Err(Error::new(
            code::IN_USE,
            "the database is running a function that makes this call; make it after the function \
             has returned",
        ));
    }
    Ok(())
}

/// Runs `job`, making a panic an error.
fn catch<R>(job: impl FnOnce() -> R) -> Result<R> {
    catch_unwind(AssertUnwindSafe(job)).map_err(|payload| {
        let error = Error::from_panic("the engine", &*payload);
        // What was thrown may throw again when it is dropped.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(again);
        }
        error
    })
}

/// Runs what was put off. A panic in it concerns neither the jobs nor the rest of the work.
fn leave(inside: Inside) {
    let mut inside = Some(inside);
    while let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(inside.take()))) {
        mem::forget(payload);
        inside = Some(outside::enter());
    }
}

fn lost_job() -> Error {
    Error::internal("a job was taken from its ticket twice")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
    use std::sync::{Arc, Barrier, mpsc};
    use std::thread::ScopedJoinHandle;
    use std::time::{Duration, Instant};

    use super::*;

    const STRATEGIES: [WaitStrategy; 4] = [
        WaitStrategy::Spin,
        WaitStrategy::SpinYield(100),
        WaitStrategy::SpinYield(0),
        WaitStrategy::Park,
    ];

    /// Holds the token on a thread of its own until `release` is dropped.
    fn occupy<'s, C: Send>(
        scope: &'s thread::Scope<'s, '_>,
        token: &'s Token<C>,
    ) -> (mpsc::Sender<()>, ScopedJoinHandle<'s, ()>) {
        let (release, released) = mpsc::channel::<()>();
        let (enter, entered) = mpsc::channel();
        let holder = scope.spawn(move || {
            let wait = move |_: &mut C| {
                enter.send(()).unwrap();
                released.recv().unwrap_err();
            };
            token.run(wait).unwrap();
        });
        entered.recv().unwrap();
        (release, holder)
    }

    /// Starts `run` on a thread, and returns when it stands in the queue.
    fn enqueue<'s, C: Send, R: Send + 's>(
        scope: &'s thread::Scope<'s, '_>,
        token: &'s Token<C>,
        run: impl FnOnce() -> R + Send + 's,
    ) -> ScopedJoinHandle<'s, R> {
        let before = token.tail.load(SeqCst);
        let thread = scope.spawn(run);
        while token.tail.load(SeqCst) == before {
            thread::yield_now();
        }
        thread
    }

    #[test]
    fn jobs_run_in_the_order_of_their_tickets() {
        for strategy in STRATEGIES {
            // More than twice what one holder serves; few where waiting takes the processor.
            let jobs = if strategy == WaitStrategy::Spin { 20 } else { 150 };
            let token = Token::new(Vec::new(), strategy);
            thread::scope(|scope| {
                let (release, _) = occupy(scope, &token);
                for job in 0..jobs {
                    let token = &token;
                    enqueue(scope, token, move || token.run(|log| log.push(job)).unwrap());
                }
                drop(release);
            });
            assert!(token.tail.load(SeqCst).is_null());
            assert_eq!(token.into_core(), (0..jobs).collect::<Vec<_>>(), "{strategy:?}");
        }
    }

    #[test]
    fn a_holder_serves_only_so_many_others() {
        let token = Token::new(Vec::new(), WaitStrategy::Park);
        thread::scope(|scope| {
            let (release, holder) = occupy(scope, &token);
            let holder_id = holder.thread().id();
            let waiters: Vec<_> = (0..MOST_FOREIGN_JOBS + 2)
                .map(|_| {
                    let token = &token;
                    let run = move || token.run(|log| log.push(thread::current().id())).unwrap();
                    enqueue(scope, token, run).thread().id()
                })
                .collect();
            drop(release);
            holder.join().unwrap();
            while !token.tail.load(SeqCst).is_null() {
                thread::yield_now();
            }
            let ran_by = token.run(mem::take).unwrap();
            let (by_holder, by_heir) = ran_by.split_at(MOST_FOREIGN_JOBS);
            assert!(by_holder.iter().all(|&id| id == holder_id));
            assert!(by_heir.iter().all(|&id| id == waiters[MOST_FOREIGN_JOBS]));
        });
    }

    #[test]
    fn every_job_runs_once_and_gets_its_own_result() {
        const THREADS: u64 = 6;
        for (seed, strategy) in STRATEGIES.into_iter().enumerate() {
            let jobs = if strategy == WaitStrategy::Spin { 4_000_u64 } else { 20_000 };
            let token = Token::new((0_u64, vec![0_u64; THREADS as usize]), strategy);
            let start = Barrier::new(THREADS as usize);
            let refused: u64 = thread::scope(|scope| {
                let run = |thread: u64| {
                    let (token, start) = (&token, &start);
                    scope.spawn(move || {
                        start.wait();
                        let mut random = (seed as u64 + 1) << 32 | thread;
                        let mut refused = 0;
                        for job in 0..jobs {
                            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                            // Borrows from this stack, and hands back what only this call knows.
                            let label = [thread, job];
                            let work = |core: &mut (u64, Vec<u64>)| {
                                for _ in 0..random >> 58 {
                                    std::hint::spin_loop();
                                }
                                core.0 += 1;
                                assert_eq!(core.1[label[0] as usize], label[1]);
                                core.1[label[0] as usize] += 1;
                                label
                            };
                            let got = if (random >> 40).is_multiple_of(4) {
                                token.try_run(work).unwrap().unwrap_or_else(|| {
                                    refused += 1;
                                    token.run(work).unwrap()
                                })
                            } else {
                                token.run(work).unwrap()
                            };
                            assert_eq!(got, label);
                            if (random >> 50).is_multiple_of(64) {
                                thread::yield_now();
                            }
                        }
                        refused
                    })
                };
                let threads: Vec<_> = (0..THREADS).map(run).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            assert!(refused <= THREADS * jobs);
            assert!(token.tail.load(SeqCst).is_null());
            assert_eq!(token.into_core(), (THREADS * jobs, vec![jobs; THREADS as usize]));
        }
    }

    #[test]
    fn a_panic_concerns_its_own_job_alone() {
        struct Spiteful;
        impl Drop for Spiteful {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let token = Token::new(0, WaitStrategy::default());
        thread::scope(|scope| {
            let (release, holder) = occupy(scope, &token);
            let token = &token;
            let throw = move || token.run(|_| std::panic::panic_any("oh"));
            let spite = move || token.run(|_| std::panic::panic_any(Spiteful));
            let bad = [enqueue(scope, token, throw), enqueue(scope, token, spite)];
            let good = enqueue(scope, token, move || token.run(|count| *count += 1));
            drop(release);
            holder.join().unwrap();
            for (thread, text) in bad.into_iter().zip(["oh", "no message"]) {
                let error: Error = thread.join().unwrap().map(|never: ()| never).unwrap_err();
                assert_eq!(error.code(), code::PANIC);
                assert!(error.message().contains(text), "{error}");
            }
            good.join().unwrap().unwrap();
        });
        let own = token.run(|_| -> () { panic!("number {}", 7) }).unwrap_err();
        assert!(own.message().contains("number 7"), "{own}");
        assert_eq!(token.try_run(|count| *count).unwrap(), Some(1));
    }

    #[test]
    fn a_call_from_inside_a_job_is_refused() {
        let (token, other) =
            (Token::new((), WaitStrategy::Park), Token::new(1, WaitStrategy::Park));
        let inner = token.run(|_| (token.run(|_| ()), token.try_run(|_| ()), other.run(|_| ())));
        let (run, try_run, elsewhere) = inner.unwrap();
        assert_eq!(run.unwrap_err().code(), code::IN_USE);
        assert_eq!(try_run.unwrap_err().code(), code::IN_USE);
        assert_eq!(elsewhere.unwrap_err().code(), code::IN_USE);
        token.run(|_| ()).unwrap();
    }

    #[test]
    fn what_was_put_off_runs_after_the_token_was_given_back() {
        let token = Arc::new(Token::new(0, WaitStrategy::Park));
        let ran = Arc::new(AtomicUsize::new(0));
        let job = |count: &mut i32| {
            *count += 1;
            outside::run(|| panic!("the host's"));
            let (token, ran) = (Arc::clone(&token), Arc::clone(&ran));
            // Not under the token: this call is let in.
            let work = move || ran.store(token.run(|count| *count as usize).unwrap(), SeqCst);
            outside::run(work);
        };
        token.run(job).unwrap();
        assert_eq!(ran.load(SeqCst), 1);
        assert!(!outside::is_inside());
    }

    #[test]
    fn nobody_waits_in_try_run() {
        let token = Token::new((), WaitStrategy::Park);
        thread::scope(|scope| {
            let (release, holder) = occupy(scope, &token);
            assert_eq!(token.try_run(|()| ()).unwrap(), None);
            drop(release);
            holder.join().unwrap();
        });
        assert_eq!(token.try_run(|()| ()).unwrap(), Some(()));
    }

    #[test]
    fn a_sleeper_is_woken() {
        let token = Token::new(0, WaitStrategy::Park);
        let stop = AtomicBool::new(false);
        let until = Instant::now() + Duration::from_millis(300);
        // Two threads that sleep at once: a lost wake-up would hang the test.
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(SeqCst) {
                        token.run(|count| *count += 1).unwrap();
                        if Instant::now() > until {
                            stop.store(true, SeqCst);
                        }
                    }
                });
            }
        });
        assert!(token.into_core() > 0);
    }
}
