//! Errors and panics on their way to Java.

use std::any::Any;

use jni::Env;
use jni::errors::ErrorPolicy;
use jni::objects::{JThrowable, JValue};
use jni::sys::jint;
use jni::{jni_sig, jni_str};
use laminar_client::Error;
use laminar_client::sys::LAMINAR_INTERNAL_ERROR;

/// What can go wrong in a method: in the library, or in the virtual machine.
#[derive(Debug)]
pub enum Failure {
    Library(Error),
    Java(jni::errors::Error),
}

pub type Fallible<T> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Library(error)
    }
}

impl From<jni::errors::Error> for Failure {
    fn from(error: jni::errors::Error) -> Self {
        Failure::Java(error)
    }
}

/// Throws a `LaminarException`, unless an exception is on its way already; the method answers zero.
pub struct Throw;

impl<T: Default> ErrorPolicy<T, Failure> for Throw {
    type Captures<'unowned: 'method, 'method> = ();

    fn on_error<'unowned: 'method, 'method>(
        env: &mut Env<'unowned>,
        _captures: &mut (),
        failure: Failure,
    ) -> jni::errors::Result<T> {
        let error = match failure {
            Failure::Library(error) => error,
            Failure::Java(error) => internal(&error.to_string()),
        };
        throw(env, &error)?;
        Ok(T::default())
    }

    fn on_panic<'unowned: 'method, 'method>(
        env: &mut Env<'unowned>,
        _captures: &mut (),
        payload: Box<dyn Any + Send + 'static>,
    ) -> jni::errors::Result<T> {
        let words = payload.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| payload.downcast_ref::<&str>().copied());
        throw(env, &internal(words.unwrap_or("a panic without words")))?;
        Ok(T::default())
    }
}

fn internal(words: &str) -> Error {
    Error::new(LAMINAR_INTERNAL_ERROR, 9001, format!("in the Java binding: {words}"))
}

fn throw(env: &mut Env<'_>, error: &Error) -> jni::errors::Result<()> {
    if env.exception_check() {
        return Ok(());
    }
    let code = env.byte_array_from_slice(error.code().as_bytes())?;
    let message = env.byte_array_from_slice(error.message().as_bytes())?;
    let (line, column) = error.position().unwrap_or((0, 0));
    let arguments = [
        JValue::Int(error.status()),
        JValue::Object(&code),
        JValue::Object(&message),
        JValue::Int(line as jint),
        JValue::Int(column as jint),
    ];
    let exception = env
        .call_static_method(
            jni_str!("io/laminardb/LaminarException"),
            jni_str!("of"),
            jni_sig!("(I[B[BII)Lio/laminardb/LaminarException;"),
            &arguments,
        )?
        .l()?;
    let exception = env.cast_local::<JThrowable>(exception)?;
    // It answers that an exception is on its way, which is what is wanted.
    let _ = env.throw(exception);
    Ok(())
}
