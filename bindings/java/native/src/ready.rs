//! Notes of which subscriptions are worth polling.
//!
//! The library calls back on the thread that pushed, which may be one that the virtual machine does
//! not know and which must not wait. So the callback only leaves a number here; a thread of Java's
//! waits for numbers and hands the work to the executors of the listeners.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jni::objects::JLongArray;
use jni::sys::jlong;

use crate::handle::{give, lend, take};
use crate::native;

#[derive(Default)]
pub struct Ready {
    noted: Mutex<Vec<jlong>>,
    changed: Condvar,
}

impl Ready {
    /// Leaves a note and wakes whoever waits for one.
    pub fn note(&self, key: jlong) {
        self.noted().push(key);
        self.changed.notify_one();
    }

    /// The notes left since the last call; waits for one at most so long.
    fn wait(&self, timeout: Duration) -> Vec<jlong> {
        let waited =
            self.changed.wait_timeout_while(self.noted(), timeout, |noted| noted.is_empty());
        let (mut noted, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *noted)
    }

    fn noted(&self) -> MutexGuard<'_, Vec<jlong>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

native! {
    fn Java_io_laminardb_Native_newReady<'local>(_env) -> jlong {
        Ok(give(Arc::new(Ready::default())))
    }

    /// Leaves a note, as a callback does.
    fn Java_io_laminardb_Native_noteReady<'local>(_env, ready: jlong, key: jlong) -> () {
        // SAFETY: Java keeps the handle alive through the call.
        unsafe { lend::<Arc<Ready>>(ready) }.note(key);
        Ok(())
    }

    /// The notes left since the last call; waits for one at most so long.
    fn Java_io_laminardb_Native_awaitReady<'local>(
        env,
        ready: jlong,
        timeout_ms: jlong,
    ) -> JLongArray<'local> {
        let timeout = Duration::from_millis(timeout_ms.max(0).cast_unsigned());
        // SAFETY: Java keeps the handle alive through the call.
        let noted = unsafe { lend::<Arc<Ready>>(ready) }.wait(timeout);
        let array = env.new_long_array(noted.len())?;
        array.set_region(env, 0, &noted)?;
        Ok(array)
    }

    fn Java_io_laminardb_Native_freeReady<'local>(_env, ready: jlong) -> () {
        // SAFETY: Java frees a handle once, when nobody is in it.
        drop(unsafe { take::<Arc<Ready>>(ready) });
        Ok(())
    }
}
