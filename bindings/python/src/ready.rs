//! Readiness as a file descriptor, for event loops: a subscription has something to poll, a source has
//! room.
//!
//! The library's callback runs on a thread that pushed or polled. Here it writes a byte to a socket,
//! without the interpreter's lock; the event loop watches the other end.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use laminar_client::{Result, Source, Subscription};

use crate::failure::Fallible;

/// The end that is watched. It can be read when another try may be worth while.
pub struct Ready {
    watched: UnixStream,
}

impl Ready {
    /// Makes the socket and lets the subscription write to it.
    pub fn watch(subscription: &Subscription) -> Fallible<Self> {
        Self::new(|wake| subscription.on_ready(wake))
    }

    /// The same for room in a source.
    pub fn watch_room(source: &Source) -> Fallible<Self> {
        Self::new(|wake| source.on_room(wake))
    }

    fn new(register: impl FnOnce(Box<dyn Fn() + Send + Sync>) -> Result<()>) -> Fallible<Self> {
        let (watched, written) = pair().map_err(pyo3::PyErr::from)?;
        register(Box::new(move || {
            // When the socket is full the loop has enough to wake up for.
            let _ = (&written).write(&[1]);
        }))?;
        Ok(Self { watched })
    }

    /// What an event loop watches.
    pub fn descriptor(&self) -> i32 {
        self.watched.as_raw_fd()
    }

    /// Takes out what was written, before the next try.
    pub fn clear(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.watched).read(&mut bytes), Ok(count) if count == bytes.len()) {}
    }
}

fn pair() -> std::io::Result<(UnixStream, UnixStream)> {
    let (watched, written) = UnixStream::pair()?;
    watched.set_nonblocking(true)?;
    written.set_nonblocking(true)?;
    Ok((watched, written))
}
