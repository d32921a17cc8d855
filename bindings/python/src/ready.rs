//! A subscription's readiness as a file descriptor, for event loops.
//!
//! The library's callback runs on the thread that pushed. Here it writes a byte to a socket,
//! without the interpreter's lock; the event loop watches the other end.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use laminar_client::Subscription;

use crate::failure::Fallible;

/// The end that is watched. It can be read when there may be something to poll.
pub struct Ready {
    watched: UnixStream,
}

impl Ready {
    /// Makes the socket and lets the subscription write to it.
    pub fn watch(subscription: &Subscription) -> Fallible<Self> {
        let (watched, written) = pair().map_err(pyo3::PyErr::from)?;
        subscription.on_ready(move || {
            // When the socket is full the loop has enough to wake up for.
            let _ = (&written).write(&[1]);
        })?;
        Ok(Self { watched })
    }

    /// What an event loop watches.
    pub fn descriptor(&self) -> i32 {
        self.watched.as_raw_fd()
    }

    /// Takes out what was written, before the subscription is polled.
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
