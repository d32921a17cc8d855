//! Errors on their way to JavaScript.

use laminar_client::Error;

/// What can go wrong in a function: in the library, in the arguments, or in JavaScript.
#[derive(Debug)]
pub enum Failure {
    /// It becomes a `LaminarError` of the class of its number.
    Library(Error),
    /// An argument has the wrong type: it becomes a `TypeError`.
    Argument(String),
    /// JavaScript has thrown, and the exception waits there.
    Thrown,
}

pub type Fallible<T> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Library(error)
    }
}
