//! Work on other threads, and the promise of its result.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::sync::Arc;

use laminar_client::{Error, Result};
use napi_sys as sys;

use crate::failure::{Failure, Fallible};
use crate::js::{Env, Js, defect};

/// Makes the value that the promise resolves to; it runs on the thread of JavaScript.
type Finish<T> = for<'s> fn(Env<'s>, T) -> Fallible<Js<'s>>;

struct Work<T> {
    work: sys::napi_async_work,
    deferred: sys::napi_deferred,
    run: Option<Box<dyn FnOnce() -> Result<T> + Send>>,
    outcome: Option<Result<T>>,
    finish: Finish<T>,
}

/// Runs `run` on a thread of libuv's pool. It must not wait for anything but work of the engine.
pub fn promise<'s, T: Send + 'static>(
    env: Env<'s>,
    run: impl FnOnce() -> Result<T> + Send + 'static,
    finish: Finish<T>,
) -> Fallible<Js<'s>> {
    let name = env.text("laminar")?;
    let (mut deferred, mut promise) = (null_mut(), null_mut());
    // SAFETY: the out parameters are ours. The box belongs to the work until `complete` takes it
    // back, which Node calls exactly once for work that was queued.
    unsafe {
        env.check(sys::napi_create_promise(env.raw(), &mut deferred, &mut promise))?;
        let (work, run, outcome) = (null_mut(), Some(Box::new(run) as Box<_>), None);
        let mut held = Box::new(Work { work, deferred, run, outcome, finish });
        let data = std::ptr::from_mut(&mut *held).cast();
        env.check(sys::napi_create_async_work(
            env.raw(),
            null_mut(),
            name.raw(),
            Some(execute::<T>),
            Some(complete::<T>),
            data,
            &mut held.work,
        ))?;
        env.check(sys::napi_queue_async_work(env.raw(), held.work))?;
        let _ = Box::into_raw(held);
        Ok(env.value(promise))
    }
}

unsafe extern "C" fn execute<T>(_env: sys::napi_env, data: *mut c_void) {
    // SAFETY: between `promise` and `complete` nobody else touches the box.
    let work = unsafe { &mut *data.cast::<Work<T>>() };
    if let Some(run) = work.run.take() {
        let panicked = |_| Err(Error::new(900, 9001, "a call of the addon panicked"));
        work.outcome = Some(catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(panicked));
    }
}

unsafe extern "C" fn complete<T>(raw: sys::napi_env, _status: sys::napi_status, data: *mut c_void) {
    // SAFETY: the box is the one of `promise`, and this is its last use.
    let work = unsafe { Box::from_raw(data.cast::<Work<T>>()) };
    // SAFETY: Node calls this on the thread of the environment, with a handle scope open.
    let env = unsafe { Env::new(raw) };
    let outcome = work.outcome.unwrap_or_else(|| Err(Error::new(900, 9001, "it was not run")));
    settle(env, work.deferred, outcome, work.finish);
    // SAFETY: Node is done with the work.
    let _ = unsafe { sys::napi_delete_async_work(raw, work.work) };
}

/// A promise that is still open, on its way between threads.
struct Open(sys::napi_deferred);

// SAFETY: only the thread of the environment uses it.
unsafe impl Send for Open {}

impl Open {
    fn take(self) -> sys::napi_deferred {
        self.0
    }
}

/// Runs `run` on a thread of its own, where it may wait as long as it takes. The process stays alive
/// meanwhile; the environment does not wait for it at its end.
pub fn promise_apart<'s, T: Send + 'static>(
    env: Env<'s>,
    run: impl FnOnce() -> Result<T> + Send + 'static,
    finish: Finish<T>,
) -> Fallible<Js<'s>> {
    let instance = env.instance()?;
    let waker = Arc::clone(instance.waker());
    let (mut deferred, mut promise) = (null_mut(), null_mut());
    // SAFETY: the out parameters are ours.
    let promise = unsafe {
        env.check(sys::napi_create_promise(env.raw(), &mut deferred, &mut promise))?;
        env.value(promise)
    };
    let open = Open(deferred);
    let job = move || {
        let panicked = |_| Err(Error::new(900, 9001, "a call of the addon panicked"));
        let outcome = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(panicked);
        waker.complete(Box::new(move |env| {
            settle(env, open.take(), outcome, finish);
            let _ = env.instance().and_then(|instance| instance.release(env));
        }));
    };
    instance.threads().run(Box::new(job))?;
    instance.hold(env)?;
    Ok(promise)
}

/// Settles a promise. When the environment is at its end that may fail, and there is nobody to tell.
fn settle<T>(env: Env<'_>, deferred: sys::napi_deferred, outcome: Result<T>, finish: Finish<T>) {
    let finished = match outcome {
        Ok(value) => catch_unwind(AssertUnwindSafe(|| finish(env, value)))
            .unwrap_or_else(|_| Err(defect("a call of the addon panicked"))),
        Err(error) => Err(Failure::Library(error)),
    };
    // SAFETY: the deferred is used once, on the thread of its environment.
    unsafe {
        match finished {
            Ok(value) => {
                let _ = sys::napi_resolve_deferred(env.raw(), deferred, value.raw());
            }
            Err(failure) => {
                if let Some(error) = env.caught().or_else(|| env.error(failure)) {
                    let _ = sys::napi_reject_deferred(env.raw(), deferred, error.raw());
                }
            }
        }
    }
}
