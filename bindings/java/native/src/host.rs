//! Functions of SQL and the log's listener, written in Java, as the library calls them: on whatever
//! thread does the work.
//!
//! A thread of the library's own is attached to the virtual machine when it first calls into it, as
//! a daemon, so that a database which was never closed does not keep the machine alive, and
//! detached when the thread ends. Each call has a frame of its own for what it makes.

use std::cell::RefCell;
use std::sync::Arc;

use jni::objects::{JByteArray, JMethodID, JObject};
use jni::refs::Global;
use jni::signature::{Primitive, ReturnType};
use jni::strings::JNIStr;
use jni::sys::{jint, jvalue};
use jni::{Env, JavaVM, jni_sig, jni_str};
use laminar_client::{
    AggregateFunction, Array, ArraySchema, Batch, LogListener, Refused, RowBuffer, ScalarFunction,
    Schema, pack, wire,
};

use crate::failure::Fallible;

/// Local references that a call makes: its arguments, its answer, an exception.
const REFERENCES: usize = 8;

/// Before the message of a refusal, where otherwise the number of rows is
/// (`io.laminardb.HostFunction`).
const REFUSED: [u8; 4] = (-1_i32).to_le_bytes();

const CALL: jint = 0;
const UPDATE: jint = 1;
const MERGE: jint = 2;
const EVALUATE: jint = 3;

/// An object of Java's and the method of it that is called.
struct Callee {
    vm: JavaVM,
    /// `None` only while it is dropped.
    object: Option<Global<JObject<'static>>>,
    method: JMethodID,
}

impl Callee {
    /// # Errors
    /// When the object has no such method.
    fn new(
        env: &mut Env<'_>,
        object: &JObject<'_>,
        name: &JNIStr,
        signature: jni::signature::MethodSignature<'_, '_>,
    ) -> Fallible<Self> {
        let class = env.get_object_class(object)?;
        let method = env.get_method_id(&class, name, signature)?;
        Ok(Self { vm: env.get_java_vm()?, object: Some(env.new_global_ref(object)?), method })
    }

    /// Works with the object in a frame of its own, on a thread that is attached.
    fn enter<T>(
        &self,
        work: impl FnOnce(&mut Env<'_>, &JObject<'_>, JMethodID) -> jni::errors::Result<T>,
    ) -> jni::errors::Result<T> {
        attach(&self.vm)?;
        let Some(object) = &self.object else {
            return Err(jni::errors::Error::NullPtr("the callee was dropped"));
        };
        self.vm.with_local_frame(REFERENCES, |env| {
            let answer = work(env, object.as_obj(), self.method);
            // What is thrown all the same, for want of memory say, must not stay on its way.
            if answer.is_err() && env.exception_check() {
                env.exception_clear();
            }
            answer
        })
    }
}

impl Drop for Callee {
    fn drop(&mut self) {
        // Giving a reference back needs an attached thread as well. When the virtual machine takes
        // no more threads it ends, and the reference with it.
        if attach(&self.vm).is_ok() {
            drop(self.object.take());
        } else {
            std::mem::forget(self.object.take());
        }
    }
}

thread_local! {
    /// Detaches the thread at its end, if it was attached here.
    static ATTACHED: RefCell<Option<Attached>> = const { RefCell::new(None) };
}

struct Attached(JavaVM);

impl Drop for Attached {
    fn drop(&mut self) {
        let vm = self.0.get_raw();
        // SAFETY: the machine is alive, or blocks whoever comes from outside once it has ended;
        // this thread was attached by `attach` and is in no call.
        unsafe { ((**vm).v1_1.DetachCurrentThread)(vm) };
    }
}

/// Sees to it that the thread is attached; as a daemon, if it was not.
fn attach(vm: &JavaVM) -> jni::errors::Result<()> {
    if vm.is_thread_attached()? {
        return Ok(());
    }
    let raw = vm.get_raw();
    let mut env = std::ptr::null_mut();
    // SAFETY: the machine is alive; it writes into `env`. Without arguments the thread gets a name.
    let answer = unsafe {
        ((**raw).v1_4.AttachCurrentThreadAsDaemon)(raw, &raw mut env, std::ptr::null_mut())
    };
    if answer != jni::sys::JNI_OK {
        return Err(jni::errors::Error::JniCall(jni::errors::JniError::Other(answer)));
    }
    // SAFETY: `raw` is the machine's address.
    let attached = Attached(unsafe { JavaVM::from_raw(raw) });
    // While the thread's own variables are dropped already it stays attached until it has ended.
    let _ = ATTACHED.try_with(|slot| slot.borrow_mut().replace(attached));
    Ok(())
}

/// A function: `io.laminardb.HostFunction`.
struct Function {
    callee: Callee,
    arguments: Arc<Schema>,
    /// That of its state; without columns for a scalar function.
    state: Option<Arc<Schema>>,
    result: Arc<Schema>,
}

impl Function {
    fn new(
        env: &mut Env<'_>,
        object: &JObject<'_>,
        [arguments, result]: [&Arc<Schema>; 2],
        state: Option<&Arc<Schema>>,
    ) -> Fallible<Self> {
        let signature = jni_sig!("(I[B[BI)[B");
        Ok(Self {
            callee: Callee::new(env, object, jni_str!("enter"), signature)?,
            arguments: Arc::clone(arguments),
            state: state.cloned(),
            result: Arc::clone(result),
        })
    }

    /// Calls it with a state, other rows, or both; answers the rows that it puts out.
    fn call(
        &self,
        what: jint,
        state: Option<&Batch>,
        input: Option<&Batch>,
        out: &Arc<Schema>,
    ) -> Result<Array, Refused> {
        let (state, rows) = (packed(state)?, input.map_or(0, Batch::num_rows));
        let input = packed(input)?;
        let answer = self.callee.enter(|env, object, method| {
            let state = array(env, state.as_deref())?;
            let input = array(env, input.as_deref())?;
            let arguments = [
                jvalue { i: what },
                jvalue { l: state.as_raw() },
                jvalue { l: input.as_raw() },
                jvalue { i: rows as jint },
            ];
            // SAFETY: the method was found by the signature of these arguments and this answer.
            let answer =
                unsafe { env.call_method_unchecked(object, method, ReturnType::Array, &arguments) };
            let answer = env.cast_local::<JByteArray>(answer?.l()?)?;
            env.convert_byte_array(&answer)
        });
        let answer =
            answer.map_err(|error| format!("the function could not be called: {error}"))?;
        if let Some(reason) = answer.strip_prefix(&REFUSED) {
            return Err(String::from_utf8_lossy(reason).into_owned());
        }
        let mut rows = RowBuffer::new(out);
        wire::read_rows(&answer, &mut rows).map_err(|error| error.to_string())?;
        rows.batch().map_err(|error| error.to_string())
    }

    /// A state as Java reads it; `None` is that of no rows.
    fn state(&self, state: Option<Array>) -> Result<Option<Batch>, Refused> {
        let schema = self.state_schema();
        state
            .map(|state| Batch::new(Arc::clone(schema), state))
            .transpose()
            .map_err(|error| error.to_string())
    }

    fn state_schema(&self) -> &Arc<Schema> {
        self.state.as_ref().unwrap_or(&self.result)
    }
}

impl AggregateFunction for Function {
    fn update(&self, state: Option<Array>, arguments: Array) -> Result<Array, Refused> {
        let state = self.state(state)?;
        let input = Batch::new(Arc::clone(&self.arguments), arguments);
        let input = input.map_err(|error| error.to_string())?;
        self.call(UPDATE, state.as_ref(), Some(&input), self.state_schema())
    }

    fn merge(&self, state: Array, other: Array) -> Result<Array, Refused> {
        let (state, other) = (self.state(Some(state))?, self.state(Some(other))?);
        self.call(MERGE, state.as_ref(), other.as_ref(), self.state_schema())
    }

    fn evaluate(&self, state: Option<Array>) -> Result<Array, Refused> {
        let state = self.state(state)?;
        Ok(self.call(EVALUATE, state.as_ref(), None, &self.result)?.into_column(0))
    }
}

/// A scalar function of Java's.
pub fn scalar(
    env: &mut Env<'_>,
    object: &JObject<'_>,
    arguments: &Arc<Schema>,
    result: &Arc<Schema>,
) -> Fallible<ScalarFunction> {
    let function = Function::new(env, object, [arguments, result], None)?;
    Ok(Box::new(move |arguments| {
        let input = Batch::new(Arc::clone(&function.arguments), arguments);
        let input = input.map_err(|error| error.to_string())?;
        Ok(function.call(CALL, None, Some(&input), &function.result)?.into_column(0))
    }))
}

/// An aggregate function of Java's.
pub fn aggregate(
    env: &mut Env<'_>,
    object: &JObject<'_>,
    types: [&Arc<Schema>; 2],
    state: &Arc<Schema>,
) -> Fallible<Box<dyn AggregateFunction>> {
    Ok(Box::new(Function::new(env, object, types, Some(state))?))
}

/// The type of the only column.
pub fn only_type(schema: &Schema) -> ArraySchema {
    schema.export().into_column(0)
}

/// A listener of Java's: `io.laminardb.LogHook`, which lets nothing out that is thrown.
pub fn listener(env: &mut Env<'_>, object: &JObject<'_>) -> Fallible<LogListener> {
    let signature = jni_sig!("(I[B)V");
    let callee = Callee::new(env, object, jni_str!("tell"), signature)?;
    Ok(Box::new(move |level, line| {
        // When even that fails there is nobody to tell.
        let _ = callee.enter(|env, object, method| {
            let line = env.byte_array_from_slice(line.as_bytes())?;
            let arguments = [jvalue { i: level }, jvalue { l: line.as_raw() }];
            let nothing = ReturnType::Primitive(Primitive::Void);
            // SAFETY: the method was found by the signature of these arguments and this answer.
            unsafe { env.call_method_unchecked(object, method, nothing, &arguments) }.map(|_| ())
        });
    }))
}

/// All columns of a batch in one piece.
fn packed(batch: Option<&Batch>) -> Result<Option<Vec<u8>>, Refused> {
    let Some(batch) = batch else {
        return Ok(None);
    };
    match pack(batch, 0..batch.schema().fields().len()) {
        Ok(Some(piece)) => Ok(Some(piece)),
        Ok(None) => Err("the arguments take up more than 2 GiB".to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Bytes in an array of Java's, or null.
fn array<'local>(
    env: &mut Env<'local>,
    bytes: Option<&[u8]>,
) -> jni::errors::Result<JByteArray<'local>> {
    bytes.map_or_else(|| Ok(JByteArray::null()), |bytes| env.byte_array_from_slice(bytes))
}
