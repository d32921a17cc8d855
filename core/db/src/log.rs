//! [`Log`]: what the database tells the host about its work, line by line.
//!
//! Nothing is worded unless somebody listens at its level, and nobody is called under the executor's
//! token: what is said there is handed on when the token has been given back.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8};
use std::sync::{Arc, PoisonError, RwLock};

use laminar_types::outside;

/// How much a line matters; listeners hear their own level and those above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LogLevel {
    /// Something stopped: a stream failed.
    Error = 1,
    /// Rows are lost: the first dead letter and the first late row of a stream, the first miss of
    /// a subscription; or whoever made a stream should know something of it.
    Warn = 2,
    /// The database changed: definitions, the start, the shutdown.
    Info = 3,
    /// Every query and subscription that begins.
    Debug = 4,
}

/// What is called with each line.
pub type LogListener = Box<dyn Fn(LogLevel, &str) + Send + Sync>;

/// The listener of a database, if it has one.
#[derive(Default)]
pub(crate) struct Log {
    /// The least important level that is heard; 0 when nobody listens.
    heard: AtomicU8,
    listener: RwLock<Option<Arc<Installed>>>,
}

struct Installed {
    is_live: AtomicBool,
    listener: LogListener,
}

impl Log {
    /// Puts a listener in the place of the one there is. After this returns no new call of the old
    /// one starts.
    pub(crate) fn install(&self, level: LogLevel, listener: Option<LogListener>) {
        let heard = if listener.is_some() { level as u8 } else { 0 };
        let installed = listener
            .map(|listener| Arc::new(Installed { is_live: AtomicBool::new(true), listener }));
        let before = {
            let mut current = self.listener.write().unwrap_or_else(PoisonError::into_inner);
            self.heard.store(heard, Relaxed);
            std::mem::replace(&mut *current, installed)
        };
        if let Some(before) = before {
            before.is_live.store(false, Release);
            // Dropping it is the host's code.
            outside::run(move || drop(before));
        }
    }

    /// Whether lines of a level are heard.
    pub(crate) fn hears(&self, level: LogLevel) -> bool {
        self.heard.load(Relaxed) >= level as u8
    }

    /// Says a line, now or when the token has been given back.
    pub(crate) fn say(&self, level: LogLevel, line: impl FnOnce() -> String) {
        if !self.hears(level) {
            return;
        }
        let current = self.listener.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(installed) = current else { return };
        let line = line();
        outside::run(move || {
            if installed.is_live.load(Acquire) {
                (installed.listener)(level, &line);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn lines_are_heard_by_level_and_not_under_the_token() {
        let log = Log::default();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let listener = || -> LogListener {
            let heard = Arc::clone(&heard);
            Box::new(move |level, line| heard.lock().unwrap().push(format!("{level:?} {line}")))
        };
        log.say(LogLevel::Error, || panic!("nobody listens"));
        log.install(LogLevel::Warn, Some(listener()));
        log.say(LogLevel::Info, || panic!("not at this level"));
        let token = outside::enter();
        log.say(LogLevel::Warn, || "one".to_string());
        log.say(LogLevel::Error, || "two".to_string());
        assert!(heard.lock().unwrap().is_empty());
        drop(token);
        assert_eq!(*heard.lock().unwrap(), ["Warn one", "Error two"]);
        // What waits when the listener goes is not told any more.
        let token = outside::enter();
        log.say(LogLevel::Warn, || "three".to_string());
        log.install(LogLevel::Warn, None);
        drop(token);
        assert_eq!(heard.lock().unwrap().len(), 2);
        assert!(!log.hears(LogLevel::Error));
        assert_eq!(Arc::strong_count(&heard), 1);
    }
}
