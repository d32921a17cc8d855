//! Calls of JavaScript's functions by the engine, and how its thread waits for the engine meanwhile.
//!
//! The engine calls a function of SQL on whatever thread does the work, while it is locked; the
//! function runs on the thread of its environment, and the engine's waits for the answer. So that
//! neither waits for the other:
//!
//! - A call is queued, and the event loop is woken ([`Waker`]) to serve the queue.
//! - What may wait for the engine is work on other threads and a promise. The few calls that do so at
//!   once (`tryPush`, a poll that has to begin anew, the closing of all at the end) go to another
//!   thread as well, and JavaScript's serves the queue until they are done ([`Calls::apart`]). It never
//!   holds the engine itself, so that a function may even end the process.
//! - From inside of a function these calls are refused ([`Calls::refuse_inside`]).
//! - At the end of the environment whoever waits is answered that it is, and so is every later call.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use laminar_client::{Batch, Error, Refused};
use napi_sys as sys;

use crate::failure::Fallible;
use crate::js::{Env, defect};
use crate::wake::Waker;

/// What a function gives: rows, or why there are none.
pub type Answer = Result<Batch, Refused>;

/// What a function is called with: `ts/functions.ts` says what the number stands for.
pub struct Request {
    pub what: u32,
    pub state: Option<Batch>,
    pub input: Option<Batch>,
}

/// The calls of one environment's functions.
pub struct Calls {
    raw: sys::napi_env,
    thread: ThreadId,
    waker: Arc<Waker>,
    state: Mutex<State>,
    /// A call was queued, or work apart is done.
    changed: Condvar,
    /// How many there are that may be called.
    functions: AtomicUsize,
    /// How many run on the thread, one inside of the other.
    depth: AtomicUsize,
}

// SAFETY: the environment is used on its own thread alone, which is looked at.
unsafe impl Send for Calls {}
// SAFETY: as above.
unsafe impl Sync for Calls {}

#[derive(Default)]
struct State {
    waiting: VecDeque<Arc<Call>>,
    running: Vec<Arc<Call>>,
    ended: bool,
}

/// A call for which a thread of the engine waits.
struct Call {
    function: u32,
    request: Mutex<Option<Request>>,
    answer: Mutex<Option<Answer>>,
    answered: Condvar,
}

impl Calls {
    pub fn new(env: Env<'_>, waker: &Arc<Waker>) -> Arc<Self> {
        Arc::new(Self {
            raw: env.raw(),
            thread: thread::current().id(),
            waker: Arc::clone(waker),
            state: Mutex::default(),
            changed: Condvar::new(),
            functions: AtomicUsize::new(0),
            depth: AtomicUsize::new(0),
        })
    }

    /// Notes that a function may be called from now on.
    pub fn add_function(&self) {
        self.functions.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that the library has given up a function, and tells JavaScript.
    pub fn forget_function(&self, id: u32) {
        self.functions.fetch_sub(1, Ordering::Relaxed);
        self.waker.forget(id);
    }

    /// Calls a function from a thread of the engine's, and waits for what it answers.
    pub fn call(&self, function: u32, request: Request) -> Answer {
        if thread::current().id() == self.thread {
            // The library called back from inside of a call of JavaScript's, such as a poll with a
            // condition: nobody holds the engine.
            if lock(&self.state).ended {
                return Err(ended());
            }
            // SAFETY: this is the thread of the environment, in a call from it.
            let env = unsafe { Env::new(self.raw) };
            return self.run(env, function, request);
        }
        let call = Arc::new(Call {
            function,
            request: Mutex::new(Some(request)),
            answer: Mutex::default(),
            answered: Condvar::new(),
        });
        {
            let mut state = lock(&self.state);
            if state.ended {
                return Err(ended());
            }
            state.waiting.push_back(Arc::clone(&call));
        }
        self.changed.notify_all();
        self.waker.serve();
        call.wait()
    }

    /// Runs what is queued, on the thread of the environment.
    pub fn serve(&self, env: Env<'_>) {
        loop {
            let next = lock(&self.state).next();
            let Some(call) = next else { return };
            self.answer(env, &call);
        }
    }

    /// Does something that may wait for the engine, on another thread if there are functions that
    /// the engine may wait for; those are served until it is done.
    pub fn apart<T: Send + 'static>(
        self: &Arc<Self>,
        env: Env<'_>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Fallible<T> {
        if self.functions.load(Ordering::Relaxed) == 0 {
            return Ok(work());
        }
        let done: Arc<Mutex<Option<thread::Result<T>>>> = Arc::default();
        let (result, calls) = (Arc::clone(&done), Arc::clone(self));
        let job = move || {
            let worked = catch_unwind(AssertUnwindSafe(work));
            *lock(&result) = Some(worked);
            // Who looked before that holds the lock until it waits.
            drop(lock(&calls.state));
            calls.changed.notify_all();
        };
        env.instance()?.threads().run_first(Box::new(job))?;
        let mut state = lock(&self.state);
        loop {
            if let Some(result) = lock(&done).take() {
                return result.map_err(|_| defect("a call of the addon panicked"));
            }
            if let Some(call) = state.next() {
                drop(state);
                self.answer(env, &call);
                state = lock(&self.state);
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Whether a function runs on this thread, which is that of the environment.
    pub fn is_inside(&self) -> bool {
        self.depth.load(Ordering::Relaxed) > 0
    }

    /// Refuses what would have to wait for the engine from inside of a function.
    pub fn refuse_inside(&self) -> Fallible<()> {
        if self.is_inside() { Err(Error::in_use().into()) } else { Ok(()) }
    }

    /// Answers all who wait that the environment has ended, and those who will.
    pub fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        let waiting = std::mem::take(&mut state.waiting);
        for call in waiting.iter().chain(&state.running) {
            call.settle(Err(ended()));
        }
    }

    fn answer(&self, env: Env<'_>, call: &Arc<Call>) {
        if let Some(request) = lock(&call.request).take() {
            call.settle(self.run(env, call.function, request));
        }
        lock(&self.state).running.retain(|other| !Arc::ptr_eq(other, call));
    }

    /// Calls JavaScript.
    fn run(&self, env: Env<'_>, function: u32, request: Request) -> Answer {
        self.depth.fetch_add(1, Ordering::Relaxed);
        let called = catch_unwind(AssertUnwindSafe(|| {
            env.scoped(|env| Ok(env.instance()?.call_function(env, function, request)))
        }));
        self.depth.fetch_sub(1, Ordering::Relaxed);
        match called {
            Ok(Ok(answer)) => answer,
            // JavaScript runs no more.
            Ok(Err(_)) => Err(ended()),
            Err(_) => Err("the function could not be called: the addon panicked".to_string()),
        }
    }
}

impl State {
    fn next(&mut self) -> Option<Arc<Call>> {
        let call = self.waiting.pop_front()?;
        self.running.push(Arc::clone(&call));
        Some(call)
    }
}

impl Call {
    /// Answers whoever waits, unless that was done.
    fn settle(&self, answer: Answer) {
        lock(&self.answer).get_or_insert(answer);
        self.answered.notify_all();
    }

    fn wait(&self) -> Answer {
        let mut answer = lock(&self.answer);
        loop {
            match answer.take() {
                Some(answer) => return answer,
                None => answer = self.answered.wait(answer).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// Why a function gives no answer any more.
pub fn ended() -> Refused {
    "the thread of JavaScript that the function belongs to has ended".to_string()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
