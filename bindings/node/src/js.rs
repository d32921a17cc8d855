//! Node-API in Rust's terms: environments, values, and how functions are given to JavaScript.
//!
//! All calls of Node-API but those of [`crate::work`], [`crate::wake`] and [`crate::bytes`] are
//! here. A [`Js`] lives as long as the call of JavaScript (or the handle scope) in which it was
//! made, which is its lifetime; neither it nor an [`Env`] leaves the thread of its environment.

use std::any::Any;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;

use laminar_client::Error;
use napi_sys as sys;

use crate::failure::{Failure, Fallible};
use crate::instance::Instance;

/// An environment: a thread's JavaScript engine.
#[derive(Clone, Copy)]
pub struct Env<'s> {
    raw: sys::napi_env,
    scope: PhantomData<&'s ()>,
}

/// A value of JavaScript.
#[derive(Clone, Copy)]
pub struct Js<'s> {
    raw: sys::napi_value,
    env: Env<'s>,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Undefined,
    Null,
    Boolean,
    Number,
    String,
    Object,
    BigInt,
    /// A symbol, a function or something native.
    Other,
}

/// A function that JavaScript can call. Arguments that were not given are undefined.
pub type Function = for<'s> fn(Env<'s>, [Js<'s>; ARGUMENTS]) -> Fallible<Js<'s>>;

/// As many arguments as a function may have.
pub const ARGUMENTS: usize = 5;

/// A function and the name under which JavaScript finds it.
pub struct Export {
    pub name: &'static str,
    pub function: Function,
}

impl<'s> Env<'s> {
    /// # Safety
    /// `raw` is the environment of this thread, which is in a call from it that lasts as long as
    /// `'s`.
    pub unsafe fn new(raw: sys::napi_env) -> Self {
        Self { raw, scope: PhantomData }
    }

    pub fn raw(self) -> sys::napi_env {
        self.raw
    }

    /// # Safety
    /// `raw` is a value of this environment that lives as long as `'s`.
    pub unsafe fn value(self, raw: sys::napi_value) -> Js<'s> {
        Js { raw, env: self }
    }

    /// What this environment's load of the addon keeps.
    pub fn instance(self) -> Fallible<&'s Instance> {
        let mut data = null_mut();
        // SAFETY: the environment is in a call; the data is what `Instance` set, or null.
        unsafe {
            self.check(sys::napi_get_instance_data(self.raw, &mut data))?;
            data.cast::<Instance>().as_ref().ok_or_else(|| defect("the addon is not initialised"))
        }
    }

    /// What Node-API answered, as a result.
    pub fn check(self, status: sys::napi_status) -> Fallible<()> {
        match status {
            sys::Status::napi_ok => Ok(()),
            sys::Status::napi_pending_exception => Err(Failure::Thrown),
            status => Err(defect(format!("Node-API answered {status}"))),
        }
    }

    fn make(
        self,
        call: impl FnOnce(sys::napi_env, *mut sys::napi_value) -> sys::napi_status,
    ) -> Fallible<Js<'s>> {
        let mut raw = null_mut();
        self.check(call(self.raw, &mut raw))?;
        Ok(Js { raw, env: self })
    }

    pub fn undefined(self) -> Fallible<Js<'s>> {
        // SAFETY: the environment is in a call; the out parameter is ours. So in all that follow.
        self.make(|env, out| unsafe { sys::napi_get_undefined(env, out) })
    }

    pub fn null(self) -> Fallible<Js<'s>> {
        // SAFETY: as above.
        self.make(|env, out| unsafe { sys::napi_get_null(env, out) })
    }

    pub fn boolean(self, value: bool) -> Fallible<Js<'s>> {
        // SAFETY: as above.
        self.make(|env, out| unsafe { sys::napi_get_boolean(env, value, out) })
    }

    pub fn number(self, value: f64) -> Fallible<Js<'s>> {
        // SAFETY: as above.
        self.make(|env, out| unsafe { sys::napi_create_double(env, value, out) })
    }

    pub fn bigint(self, value: i64) -> Fallible<Js<'s>> {
        // SAFETY: as above.
        self.make(|env, out| unsafe { sys::napi_create_bigint_int64(env, value, out) })
    }

    pub fn bigint_unsigned(self, value: u64) -> Fallible<Js<'s>> {
        // SAFETY: as above.
        self.make(|env, out| unsafe { sys::napi_create_bigint_uint64(env, value, out) })
    }

    /// A date, from milliseconds since 1970.
    pub fn date(self, milliseconds: f64) -> Fallible<Js<'s>> {
        // SAFETY: as above.
        self.make(|env, out| unsafe { sys::napi_create_date(env, milliseconds, out) })
    }

    pub fn text(self, text: &str) -> Fallible<Js<'s>> {
        // SAFETY: as above; the text lives through the call.
        self.make(|env, out| unsafe {
            sys::napi_create_string_utf8(env, text.as_ptr().cast(), text.len() as isize, out)
        })
    }

    pub fn object(self) -> Fallible<Js<'s>> {
        // SAFETY: as above.
        self.make(|env, out| unsafe { sys::napi_create_object(env, out) })
    }

    /// An object with these properties.
    pub fn record<const N: usize>(self, properties: [(&str, Js<'s>); N]) -> Fallible<Js<'s>> {
        let object = self.object()?;
        for (name, value) in properties {
            object.set(self.text(name)?, value)?;
        }
        Ok(object)
    }

    pub fn array(self, length: usize) -> Fallible<Js<'s>> {
        // SAFETY: as above.
        self.make(|env, out| unsafe { sys::napi_create_array_with_length(env, length, out) })
    }

    /// Something native that JavaScript holds; it is dropped when the last reference is gone.
    pub fn native<T: 'static>(self, value: T) -> Fallible<Js<'s>> {
        self.native_of_size(value, 0)
    }

    /// As [`Env::native`]; the collector is told how many bytes it keeps alive, more or less.
    pub fn native_of_size<T: 'static>(self, value: T, bytes: usize) -> Fallible<Js<'s>> {
        let held: Box<Box<dyn Any>> = Box::new(Box::new(value));
        let held = Box::into_raw(held);
        self.adjust_external_memory(bytes as i64);
        // SAFETY: as above; `drop_native` gets the pointer once. On failure it is still ours.
        self.make(|env, out| unsafe {
            let drop_native: sys::napi_finalize = Some(drop_native);
            let hint = bytes as *mut c_void;
            let status = sys::napi_create_external(env, held.cast(), drop_native, hint, out);
            if status != sys::Status::napi_ok {
                drop(Box::from_raw(held));
                self.adjust_external_memory(-(bytes as i64));
            }
            status
        })
    }

    /// A function that calls `export`.
    pub fn function(self, export: &'static Export) -> Fallible<Js<'s>> {
        let data = std::ptr::from_ref(export).cast_mut().cast();
        // SAFETY: as above; `call_export` only reads the data, which is static.
        self.make(|env, out| unsafe {
            let name = export.name;
            let call = Some(call_export as _);
            sys::napi_create_function(
                env,
                name.as_ptr().cast(),
                name.len() as isize,
                call,
                data,
                out,
            )
        })
    }

    /// Runs `inner` in a handle scope of its own, so that its values are forgotten after it.
    pub fn scoped<T>(self, inner: impl FnOnce(Env<'_>) -> Fallible<T>) -> Fallible<T> {
        let mut scope = null_mut();
        // SAFETY: as above; the scope is closed below, in the order in which scopes were opened.
        self.check(unsafe { sys::napi_open_handle_scope(self.raw, &mut scope) })?;
        let result = inner(Env { raw: self.raw, scope: PhantomData });
        // SAFETY: the scope is the one opened last.
        self.check(unsafe { sys::napi_close_handle_scope(self.raw, scope) })?;
        result
    }

    fn adjust_external_memory(self, bytes: i64) {
        if bytes == 0 {
            return;
        }
        let mut all = 0;
        // SAFETY: as above. That it fails changes only when garbage is collected.
        let _ = unsafe { sys::napi_adjust_external_memory(self.raw, bytes, &mut all) };
    }

    /// The error object for a failure; `None` when it has been thrown already.
    pub fn error(self, failure: Failure) -> Option<Js<'s>> {
        match failure {
            Failure::Thrown => None,
            Failure::Argument(message) => {
                let message = self.text(&message).ok()?;
                self.make(|env, out| unsafe {
                    // SAFETY: as above; the message is a string.
                    sys::napi_create_type_error(env, null_mut(), message.raw, out)
                })
                .ok()
            }
            Failure::Library(error) => {
                self.instance().and_then(|instance| instance.error(self, &error)).ok()
            }
        }
    }

    /// Takes back an exception that JavaScript threw.
    pub fn caught(self) -> Option<Js<'s>> {
        let (mut pending, mut exception) = (false, null_mut());
        // SAFETY: as above; the out parameters are ours.
        unsafe {
            let asked = sys::napi_is_exception_pending(self.raw, &mut pending);
            if asked != sys::Status::napi_ok || !pending {
                return None;
            }
            let taken = sys::napi_get_and_clear_last_exception(self.raw, &mut exception);
            (taken == sys::Status::napi_ok).then(|| self.value(exception))
        }
    }

    /// Throws a failure, unless it has been.
    pub fn throw(self, failure: Failure) {
        if let Some(error) = self.error(failure) {
            // SAFETY: as above. If it fails there is nobody to tell.
            let _ = unsafe { sys::napi_throw(self.raw, error.raw) };
        }
    }
}

impl<'s> Js<'s> {
    pub fn raw(self) -> sys::napi_value {
        self.raw
    }

    pub fn env(self) -> Env<'s> {
        self.env
    }

    pub fn kind(self) -> Fallible<Kind> {
        let mut kind = 0;
        // SAFETY: the value lives; the out parameter is ours. So in all that follow.
        self.env.check(unsafe { sys::napi_typeof(self.env.raw, self.raw, &mut kind) })?;
        Ok(match kind {
            sys::ValueType::napi_undefined => Kind::Undefined,
            sys::ValueType::napi_null => Kind::Null,
            sys::ValueType::napi_boolean => Kind::Boolean,
            sys::ValueType::napi_number => Kind::Number,
            sys::ValueType::napi_string => Kind::String,
            sys::ValueType::napi_object => Kind::Object,
            sys::ValueType::napi_bigint => Kind::BigInt,
            _ => Kind::Other,
        })
    }

    pub fn is_missing(self) -> Fallible<bool> {
        Ok(matches!(self.kind()?, Kind::Undefined | Kind::Null))
    }

    fn expect(self, status: sys::napi_status, wanted: &str) -> Fallible<()> {
        match status {
            sys::Status::napi_ok => Ok(()),
            sys::Status::napi_pending_exception => Err(Failure::Thrown),
            _ => Err(Failure::Argument(format!("{wanted} is expected here"))),
        }
    }

    pub fn to_bool(self) -> Fallible<bool> {
        let mut value = false;
        // SAFETY: as above.
        let status = unsafe { sys::napi_get_value_bool(self.env.raw, self.raw, &mut value) };
        self.expect(status, "a boolean")?;
        Ok(value)
    }

    pub fn to_number(self) -> Fallible<f64> {
        let mut value = 0.0;
        // SAFETY: as above.
        let status = unsafe { sys::napi_get_value_double(self.env.raw, self.raw, &mut value) };
        self.expect(status, "a number")?;
        Ok(value)
    }

    /// A number that counts or numbers something.
    pub fn to_index(self) -> Fallible<usize> {
        let number = self.to_number()?;
        // The cast saturates, and NaN is 0.
        Ok(number as usize)
    }

    /// A bigint, when 64 bits with a sign hold it.
    pub fn to_i64(self) -> Fallible<Option<i64>> {
        let (mut value, mut lossless) = (0, false);
        // SAFETY: as above.
        let status = unsafe {
            sys::napi_get_value_bigint_int64(self.env.raw, self.raw, &mut value, &mut lossless)
        };
        self.expect(status, "a bigint")?;
        Ok(lossless.then_some(value))
    }

    /// A bigint, when 64 bits without a sign hold it.
    pub fn to_u64(self) -> Fallible<Option<u64>> {
        let (mut value, mut lossless) = (0, false);
        // SAFETY: as above.
        let status = unsafe {
            sys::napi_get_value_bigint_uint64(self.env.raw, self.raw, &mut value, &mut lossless)
        };
        self.expect(status, "a bigint")?;
        Ok(lossless.then_some(value))
    }

    /// A text. Halves of surrogate pairs become U+FFFD.
    pub fn to_text(self) -> Fallible<String> {
        let (env, mut length) = (self.env.raw, 0);
        // SAFETY: as above; without a buffer only the length in bytes is asked for.
        let status =
            unsafe { sys::napi_get_value_string_utf8(env, self.raw, null_mut(), 0, &mut length) };
        self.expect(status, "a string")?;
        let mut bytes = vec![0u8; length + 1];
        // SAFETY: the buffer has room for the text and the NUL behind it.
        self.env.check(unsafe {
            let buffer = bytes.as_mut_ptr().cast();
            sys::napi_get_value_string_utf8(env, self.raw, buffer, length + 1, &mut length)
        })?;
        bytes.truncate(length);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A text in the units in which JavaScript keeps it.
    pub fn to_utf16(self) -> Fallible<Vec<u16>> {
        let (env, mut length) = (self.env.raw, 0);
        // SAFETY: as in `to_text`, in units of two bytes.
        let status =
            unsafe { sys::napi_get_value_string_utf16(env, self.raw, null_mut(), 0, &mut length) };
        self.expect(status, "a string")?;
        let mut units = vec![0u16; length + 1];
        // SAFETY: as in `to_text`.
        self.env.check(unsafe {
            let buffer = units.as_mut_ptr();
            sys::napi_get_value_string_utf16(env, self.raw, buffer, length + 1, &mut length)
        })?;
        units.truncate(length);
        Ok(units)
    }

    /// The milliseconds of a date; `None` when the value is no date.
    pub fn to_date(self) -> Fallible<Option<f64>> {
        let mut is_date = false;
        // SAFETY: as above.
        self.env.check(unsafe { sys::napi_is_date(self.env.raw, self.raw, &mut is_date) })?;
        if !is_date {
            return Ok(None);
        }
        let mut value = 0.0;
        // SAFETY: as above.
        self.env.check(unsafe { sys::napi_get_date_value(self.env.raw, self.raw, &mut value) })?;
        Ok(Some(value))
    }

    /// How long an array is; `None` when the value is no array.
    pub fn array_length(self) -> Fallible<Option<usize>> {
        let mut is_array = false;
        // SAFETY: as above.
        self.env.check(unsafe { sys::napi_is_array(self.env.raw, self.raw, &mut is_array) })?;
        if !is_array {
            return Ok(None);
        }
        let mut length = 0;
        // SAFETY: as above.
        self.env
            .check(unsafe { sys::napi_get_array_length(self.env.raw, self.raw, &mut length) })?;
        Ok(Some(length as usize))
    }

    pub fn item(self, index: usize) -> Fallible<Js<'s>> {
        self.env.make(|env, out| {
            // SAFETY: as above.
            unsafe { sys::napi_get_element(env, self.raw, index as u32, out) }
        })
    }

    pub fn set_item(self, index: usize, value: Js<'_>) -> Fallible<()> {
        // SAFETY: as above.
        self.env.check(unsafe {
            sys::napi_set_element(self.env.raw, self.raw, index as u32, value.raw)
        })
    }

    pub fn property(self, key: Js<'_>) -> Fallible<Js<'s>> {
        self.env.make(|env, out| {
            // SAFETY: as above.
            unsafe { sys::napi_get_property(env, self.raw, key.raw, out) }
        })
    }

    /// A property by its name.
    pub fn named(self, name: &str) -> Fallible<Js<'s>> {
        self.property(self.env.text(name)?)
    }

    /// Sets a property of the object itself, whatever its name is.
    pub fn set(self, key: Js<'_>, value: Js<'_>) -> Fallible<()> {
        let property = sys::napi_property_descriptor {
            utf8name: std::ptr::null(),
            name: key.raw,
            method: None,
            getter: None,
            setter: None,
            value: value.raw,
            attributes: sys::PropertyAttributes::writable
                | sys::PropertyAttributes::enumerable
                | sys::PropertyAttributes::configurable,
            data: null_mut(),
        };
        // SAFETY: as above; the descriptor lives through the call.
        self.env.check(unsafe { sys::napi_define_properties(self.env.raw, self.raw, 1, &property) })
    }

    /// The names of the properties that the object itself has.
    pub fn keys(self) -> Fallible<Js<'s>> {
        self.env.make(|env, out| {
            // SAFETY: as above.
            unsafe {
                sys::napi_get_all_property_names(
                    env,
                    self.raw,
                    sys::KeyCollectionMode::own_only,
                    sys::KeyFilter::enumerable | sys::KeyFilter::skip_symbols,
                    sys::KeyConversion::numbers_to_strings,
                    out,
                )
            }
        })
    }

    /// Calls the value, a function.
    pub fn call(self, arguments: &[Js<'s>]) -> Fallible<Js<'s>> {
        let this = self.env.undefined()?;
        let arguments: Vec<_> = arguments.iter().map(|argument| argument.raw).collect();
        self.env.make(|env, out| {
            // SAFETY: as above; the arguments live through the call.
            unsafe {
                let (count, first) = (arguments.len(), arguments.as_ptr());
                sys::napi_call_function(env, this.raw, self.raw, count, first, out)
            }
        })
    }

    /// What [`Env::native`] made.
    pub fn to_native<T: 'static>(self) -> Fallible<&'s T> {
        let mut held = null_mut();
        // SAFETY: as above.
        let status = unsafe { sys::napi_get_value_external(self.env.raw, self.raw, &mut held) };
        self.expect(status, "a handle of this addon")?;
        // SAFETY: externals that reach this private module are those of `native`; it lives as long
        // as the value does.
        let held = unsafe { held.cast::<Box<dyn Any>>().as_ref() };
        held.and_then(|held| held.downcast_ref::<T>())
            .ok_or_else(|| Failure::Argument("another handle is expected here".into()))
    }
}

unsafe extern "C" fn drop_native(env: sys::napi_env, held: *mut c_void, bytes: *mut c_void) {
    // SAFETY: the pointer is the box of `native_of_size`, and this is called once for it.
    let (env, held) = unsafe { (Env::new(env), Box::from_raw(held.cast::<Box<dyn Any>>())) };
    env.adjust_external_memory(-(bytes as i64));
    let _ = catch_unwind(AssertUnwindSafe(move || drop(held)));
}

/// The one function that Node calls: it finds the export in its data.
unsafe extern "C" fn call_export(
    raw: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    // SAFETY: Node calls this on the environment's thread.
    let env = unsafe { Env::new(raw) };
    let called = catch_unwind(AssertUnwindSafe(|| {
        let (mut count, mut arguments) = (ARGUMENTS, [null_mut(); ARGUMENTS]);
        let mut data = null_mut();
        // SAFETY: there is room for as many arguments as `count` says.
        env.check(unsafe {
            let first = arguments.as_mut_ptr();
            sys::napi_get_cb_info(raw, info, &mut count, first, null_mut(), &mut data)
        })?;
        // SAFETY: the data is the static that `function` gave; all arguments are filled in, with
        // undefined where none was given.
        let (export, arguments) =
            unsafe { (&*data.cast::<Export>(), arguments.map(|argument| env.value(argument))) };
        (export.function)(env, arguments)
    }));
    match called.unwrap_or_else(|_| Err(defect("a function of the addon panicked"))) {
        Ok(value) => value.raw,
        Err(failure) => {
            env.throw(failure);
            null_mut()
        }
    }
}

/// A failure that only a defect of this addon can bring about.
pub fn defect(message: impl std::fmt::Display) -> Failure {
    Failure::Library(Error::new(900, 9001, message))
}
