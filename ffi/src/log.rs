//! The callback of `laminar_log_callback`.

use std::ffi::{c_char, c_void};

use laminar_db::LogLevel;
use laminar_types::Error;
use laminar_types::error::code::CONNECTION_ARGUMENT;

use crate::args;
use crate::db::Db;
use crate::error::ErrorHandle;
use crate::guard;
use crate::handle;
use crate::status::{Outcome, Status};
use crate::userdata::Userdata;

/// Something stopped: a stream failed.
pub const LAMINAR_LOG_ERROR: i32 = 1;
/// Rows are lost: the first dead letter and the first late row of a stream, the first miss of a
/// subscription.
pub const LAMINAR_LOG_WARN: i32 = 2;
/// The database changed: definitions, the start, the shutdown.
pub const LAMINAR_LOG_INFO: i32 = 3;
/// Every query that begins.
pub const LAMINAR_LOG_DEBUG: i32 = 4;

type Callback = unsafe extern "C" fn(userdata: *mut c_void, level: i32, message: *const c_char);

/// Installs the one callback of a database that is told of its work, line by line; it replaces an
/// earlier one.
///
/// It runs on the threads that call the library, and on those of the database's timer and queries;
/// several may be in it at once. It never runs while the engine is locked, so it may call the
/// library. The message is UTF-8 and valid during the call.
///
/// `drop(userdata)` is called exactly once, whatever this function answers: when the callback was
/// replaced or removed, when the database went, or at once on an error; but never before a call of
/// the callback that has begun has returned. After a replacement no new call of the old one starts.
///
/// @param db the database
/// @param level the least important level to hear, `LAMINAR_LOG_ERROR` to `LAMINAR_LOG_DEBUG`
/// @param callback NULL removes the one installed (and `userdata` is dropped at once)
/// @param userdata handed to both functions, not looked at
/// @param drop NULL when `userdata` needs none
/// @param[out] error optional
/// @return `LAMINAR_OK`, or an error: `LAMINAR_CONNECTION_FAILED`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_log_callback(
    db: *const Db,
    level: i32,
    callback: Option<
        unsafe extern "C" fn(userdata: *mut c_void, level: i32, message: *const c_char),
    >,
    userdata: *mut c_void,
    drop: Option<unsafe extern "C" fn(userdata: *mut c_void)>,
    error: *mut *mut ErrorHandle,
) -> Status {
    let work = || {
        // First, so that `drop(userdata)` is called on every way out.
        let userdata = Userdata::new(userdata, drop);
        // SAFETY: the caller keeps the conventions of the header.
        let db = unsafe { handle::shared(db, CONNECTION_ARGUMENT) }?;
        let Some(callback) = callback else {
            db.set_log(LogLevel::Error, None);
            return Ok(Outcome::Ok);
        };
        let level = match level {
            LAMINAR_LOG_ERROR => LogLevel::Error,
            LAMINAR_LOG_WARN => LogLevel::Warn,
            LAMINAR_LOG_INFO => LogLevel::Info,
            LAMINAR_LOG_DEBUG => LogLevel::Debug,
            other => {
                let message = format!(
                    "the log level {other} does not exist: use LAMINAR_LOG_ERROR (1) to LAMINAR_LOG_DEBUG (4)"
                );
                return Err(Error::new(CONNECTION_ARGUMENT, message));
            }
        };
        let listener = Listener { callback, userdata };
        db.set_log(level, Some(Box::new(move |level, line| listener.tell(level, line))));
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

struct Listener {
    callback: Callback,
    userdata: Userdata,
}

impl Listener {
    fn tell(&self, level: LogLevel, line: &str) {
        let line = args::c_string(line);
        // SAFETY: the host gave both for each other, and `drop` has not been called.
        unsafe { (self.callback)(self.userdata.pointer(), level as i32, line.as_ptr()) };
    }
}
