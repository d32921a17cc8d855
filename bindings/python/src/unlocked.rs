//! Handles that are given up without the interpreter's lock.

use std::ops::{Deref, DerefMut};

use pyo3::prelude::*;

/// A handle of the library in an object of Python. Python lets go of its objects with the lock
/// held, and giving a handle up may wait for a thread that pushes, which may be in a function
/// written in Python and wait for the lock.
pub struct Unlocked<T: Send>(Option<T>);

impl<T: Send> Unlocked<T> {
    pub fn new(handle: T) -> Self {
        Self(Some(handle))
    }
}

impl<T: Send> Deref for Unlocked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("only dropping takes the handle out")
    }
}

impl<T: Send> DerefMut for Unlocked<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("only dropping takes the handle out")
    }
}

impl<T: Send> Drop for Unlocked<T> {
    fn drop(&mut self) {
        let mut handle = self.0.take();
        Python::try_attach(|py| py.detach(|| handle.take()));
    }
}
