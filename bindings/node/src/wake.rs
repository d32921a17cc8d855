//! How other threads reach JavaScript: a subscription has something to poll, a call has ended, the log
//! has a line, or the engine calls a function.
//!
//! There is one threadsafe function for an environment. A call of it only puts a message into its
//! queue and wakes the event loop; it takes no lock of JavaScript's.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::{Arc, PoisonError, RwLock};

use napi_sys as sys;

use crate::failure::Fallible;
use crate::js::{Env, Js};

/// What runs on the thread of the environment.
pub type Completion = Box<dyn for<'s> FnOnce(Env<'s>) + Send>;

enum Message {
    /// A subscription of this number has something to poll.
    Ready(u32),
    Completion(Completion),
    /// A line for the listener of this number, with its level.
    Log(u32, i32, String),
    /// Functions are called.
    Serve,
    /// The library has given up the function of this number.
    Forget(u32),
}

/// Wakes the event loop of one environment, from any thread.
pub struct Waker {
    function: sys::napi_threadsafe_function,
    /// Set, with every caller outside, before the environment takes the function away.
    ended: RwLock<bool>,
}

// SAFETY: threadsafe functions are for all threads; `ended` keeps calls from outliving it.
unsafe impl Send for Waker {}
// SAFETY: as above.
unsafe impl Sync for Waker {}

impl Waker {
    /// Calls `wake` with the numbers. It does not keep the process alive.
    pub fn new(env: Env<'_>, wake: Js<'_>) -> Fallible<Arc<Self>> {
        let name = env.text("laminar")?;
        let mut function = null_mut();
        // SAFETY: `wake` is a value of the environment, which calls back with `call_wake` on its own
        // thread; there are no data to finalise.
        unsafe {
            env.check(sys::napi_create_threadsafe_function(
                env.raw(),
                wake.raw(),
                null_mut(),
                name.raw(),
                0,
                1,
                null_mut(),
                None,
                null_mut(),
                Some(call_wake),
                &mut function,
            ))?;
            env.check(sys::napi_unref_threadsafe_function(env.raw(), function))?;
        }
        Ok(Arc::new(Self { function, ended: RwLock::new(false) }))
    }

    /// Says that subscription `id` has something to poll.
    pub fn wake(&self, id: u32) {
        self.send(Message::Ready(id));
    }

    /// Runs a completion on the thread of the environment, unless that is at its end.
    pub fn complete(&self, completion: Completion) {
        self.send(Message::Completion(completion));
    }

    /// Hands a line of the log to listener `id`.
    pub fn log(&self, id: u32, level: i32, line: &str) {
        self.send(Message::Log(id, level, line.to_string()));
    }

    /// Lets the thread of the environment serve the calls of its functions.
    pub fn serve(&self) {
        self.send(Message::Serve);
    }

    /// Says that the function `id` is not called any more.
    pub fn forget(&self, id: u32) {
        self.send(Message::Forget(id));
    }

    fn send(&self, message: Message) {
        let ended = self.ended.read().unwrap_or_else(PoisonError::into_inner);
        if *ended {
            return;
        }
        let message = Box::into_raw(Box::new(message));
        let mode = sys::ThreadsafeFunctionCallMode::nonblocking;
        // SAFETY: the function lives until `ended` is set. The queue has no bound, so this can only
        // fail when the environment is at its end; the message is ours then.
        unsafe {
            let sent = sys::napi_call_threadsafe_function(self.function, message.cast(), mode);
            if sent != sys::Status::napi_ok {
                drop(Box::from_raw(message));
            }
        }
    }

    /// Whether it keeps the process alive.
    pub fn keep_alive(&self, env: Env<'_>, on: bool) -> Fallible<()> {
        // SAFETY: this is the thread of the environment, and the function lives with it.
        env.check(unsafe {
            if on {
                sys::napi_ref_threadsafe_function(env.raw(), self.function)
            } else {
                sys::napi_unref_threadsafe_function(env.raw(), self.function)
            }
        })
    }

    /// No call reaches the environment from now on.
    pub fn end(&self) {
        *self.ended.write().unwrap_or_else(PoisonError::into_inner) = true;
    }
}

unsafe extern "C" fn call_wake(
    raw: sys::napi_env,
    wake: sys::napi_value,
    _context: *mut c_void,
    message: *mut c_void,
) {
    // SAFETY: the message is a box of `send`, and this is called once for it.
    let message = unsafe { Box::from_raw(message.cast::<Message>()) };
    // At the end of an environment the queue is emptied without one; who waits for a function is
    // answered by `Calls::end`.
    if raw.is_null() || wake.is_null() {
        return;
    }
    // SAFETY: Node calls this on the thread of the environment, with a handle scope open.
    let (env, wake) = unsafe {
        let env = Env::new(raw);
        (env, env.value(wake))
    };
    match *message {
        // An exception becomes an uncaught one, as in any callback.
        Message::Ready(id) => {
            let _ = env.number(id.into()).and_then(|id| wake.call(&[id]));
        }
        Message::Completion(completion) => completion(env),
        Message::Log(id, level, line) => {
            let _ = env.instance().and_then(|instance| instance.log(env, id, level, &line));
        }
        Message::Serve => {
            let _ = env.instance().map(|instance| instance.calls().serve(env));
        }
        Message::Forget(id) => {
            let _ = env.instance().and_then(|instance| instance.forget_function(env, id));
        }
    }
}
