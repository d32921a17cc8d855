//! What one load of the addon keeps, for one thread of JavaScript: the main one or a worker.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::{Arc, Weak};

use laminar_client::{Batch, Database, Error};
use napi_sys as sys;

use crate::batch;
use crate::calls::{self, Answer, Calls, Request};
use crate::failure::{Failure, Fallible};
use crate::js::{Env, Js};
use crate::threads::Threads;
use crate::wake::Waker;

/// The state of an environment. It is dropped with the environment, after everything in it ended.
pub struct Instance {
    /// `{ makeError, wake, log, callFunction, forgetFunction, makeMap, pairs, text }` of `ts/native.ts`.
    helpers: sys::napi_ref,
    waker: Arc<Waker>,
    threads: Arc<Threads>,
    calls: Arc<Calls>,
    /// Calls and subscriptions that keep the process alive.
    holds: Cell<usize>,
    databases: RefCell<Vec<Weak<Database>>>,
}

impl Instance {
    /// Sets the state up. Of the helpers, `wake` is called with the number of each subscription that
    /// has something to poll.
    pub fn set_up(env: Env<'_>, helpers: Js<'_>) -> Fallible<()> {
        let waker = Waker::new(env, helpers.named("wake")?)?;
        let mut reference = null_mut();
        // SAFETY: the object is a value of this environment. The instance is boxed here and taken
        // back by `drop_instance`; the hook is called once, before the environment ends.
        unsafe {
            env.check(sys::napi_create_reference(env.raw(), helpers.raw(), 1, &mut reference))?;
            let instance = Box::new(Instance {
                helpers: reference,
                calls: Calls::new(env, &waker),
                waker,
                threads: Arc::default(),
                holds: Cell::new(0),
                databases: RefCell::default(),
            });
            let instance = Box::into_raw(instance);
            let finalize = Some(drop_instance as _);
            env.check(sys::napi_set_instance_data(
                env.raw(),
                instance.cast(),
                finalize,
                null_mut(),
            ))?;
            env.check(sys::napi_add_env_cleanup_hook(env.raw(), Some(end), instance.cast()))
        }
    }

    /// The object for an error of the library.
    pub fn error<'s>(&self, env: Env<'s>, error: &Error) -> Fallible<Js<'s>> {
        let place = |value: Option<u64>| match value {
            Some(value) => env.number(value as f64),
            None => env.undefined(),
        };
        let (line, column) = error.position().unzip();
        let arguments = [
            env.text(error.message())?,
            env.number(error.status().into())?,
            env.text(error.code())?,
            place(line)?,
            place(column)?,
        ];
        self.helper(env, "makeError")?.call(&arguments)
    }

    /// Hands a line of the log to a listener.
    pub fn log(&self, env: Env<'_>, id: u32, level: i32, line: &str) -> Fallible<()> {
        let arguments = [env.number(id.into())?, env.number(level.into())?, env.text(line)?];
        self.helper(env, "log")?.call(&arguments).map(|_| ())
    }

    /// Calls a function of SQL; what it throws is why it refuses.
    pub fn call_function(&self, env: Env<'_>, id: u32, request: Request) -> Answer {
        let called = || -> Fallible<Batch> {
            let batch = |batch: Option<Batch>| match batch {
                Some(batch) => batch::handle(env, batch),
                None => env.undefined(),
            };
            let arguments = [
                env.number(id.into())?,
                env.number(request.what.into())?,
                batch(request.state)?,
                batch(request.input)?,
            ];
            let answer = self.helper(env, "callFunction")?.call(&arguments)?;
            Ok(answer.to_native::<Batch>()?.clone())
        };
        called().map_err(|failure| match failure {
            Failure::Library(error) => error.to_string(),
            Failure::Argument(message) => message,
            Failure::Thrown => self.reason(env).unwrap_or_else(calls::ended),
        })
    }

    /// The words of the exception that JavaScript has thrown, which it takes back; `None` when there
    /// are none, because it runs no more.
    fn reason(&self, env: Env<'_>) -> Option<String> {
        let exception = env.caught()?;
        match self.text(exception) {
            Ok(text) => Some(text),
            Err(_) => env.caught().map(|_| "what the function threw has no text".to_string()),
        }
    }

    /// Says that a function is not called any more.
    pub fn forget_function(&self, env: Env<'_>, id: u32) -> Fallible<()> {
        self.helper(env, "forgetFunction")?.call(&[env.number(id.into())?]).map(|_| ())
    }

    /// A Map of pairs.
    pub fn map<'s>(&self, env: Env<'s>, pairs: Js<'s>) -> Fallible<Js<'s>> {
        self.helper(env, "makeMap")?.call(&[pairs])
    }

    /// The pairs of a Map, or of the properties of another object.
    pub fn pairs<'s>(&self, map: Js<'s>) -> Fallible<Js<'s>> {
        self.helper(map.env(), "pairs")?.call(&[map])
    }

    /// A value as JavaScript writes it.
    pub fn text(&self, value: Js<'_>) -> Fallible<String> {
        self.helper(value.env(), "text")?.call(&[value])?.to_text()
    }

    fn helper<'s>(&self, env: Env<'s>, name: &str) -> Fallible<Js<'s>> {
        let mut helpers = null_mut();
        // SAFETY: the reference is strong and of this environment.
        let helpers = unsafe {
            env.check(sys::napi_get_reference_value(env.raw(), self.helpers, &mut helpers))?;
            env.value(helpers)
        };
        helpers.named(name)
    }

    pub fn waker(&self) -> &Arc<Waker> {
        &self.waker
    }

    pub fn threads(&self) -> &Arc<Threads> {
        &self.threads
    }

    pub fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// Keeps the process alive until as many calls of [`Instance::release`].
    pub fn hold(&self, env: Env<'_>) -> Fallible<()> {
        self.holds.set(self.holds.get() + 1);
        if self.holds.get() == 1 { self.waker.keep_alive(env, true) } else { Ok(()) }
    }

    pub fn release(&self, env: Env<'_>) -> Fallible<()> {
        self.holds.set(self.holds.get().saturating_sub(1));
        if self.holds.get() == 0 { self.waker.keep_alive(env, false) } else { Ok(()) }
    }

    /// Notes that a database was opened here.
    pub fn note(&self, database: &Arc<Database>) {
        let mut databases = self.databases.borrow_mut();
        databases.retain(|database| database.strong_count() > 0);
        databases.push(Arc::downgrade(database));
    }

    /// Closes every database that was opened here and is still open: calls in them wake up, and
    /// nothing of them runs on while the thread or the process ends. Functions that the engine waits
    /// for are answered meanwhile, and none is called afterwards.
    pub fn close_all(&self, env: Env<'_>) {
        if self.calls.is_inside() {
            // It ends the process, and never answers.
            self.calls.end();
        }
        let databases = self.databases.take();
        // There is nobody left to tell.
        let _ = self.calls.apart(env, move || close(&databases));
        self.calls.end();
    }
}

fn close(databases: &[Weak<Database>]) {
    for database in databases.iter().filter_map(Weak::upgrade) {
        let _ = database.close();
    }
}

unsafe extern "C" fn end(instance: *mut c_void) {
    // SAFETY: the instance is dropped after the hooks of its environment have run.
    let instance = unsafe { &*instance.cast::<Instance>() };
    instance.calls.end();
    instance.waker.end();
    instance.threads.end();
    close(&instance.databases.take());
}

unsafe extern "C" fn drop_instance(_env: sys::napi_env, instance: *mut c_void, _hint: *mut c_void) {
    // SAFETY: the pointer is the box of `set_up`, and this is its last use.
    drop(unsafe { Box::from_raw(instance.cast::<Instance>()) });
}
