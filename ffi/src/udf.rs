//! Functions of the host: `laminar_register_scalar_udf`, `laminar_register_aggregate_udf`.
//!
//! Arguments and states cross as struct arrays, results as they are. What goes to the host is
//! moved: the callback releases it. What comes back is moved too, and checked like pushed arrays.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Fields, Schema, SchemaRef};
use laminar_db::{AggregateCalls, AggregateFunction, ScalarFunction, Volatility};
use laminar_types::error::code::{EXECUTION, QUERY_ARGUMENT};
use laminar_types::{Error, Result};
use serde::Deserialize;

use crate::args;
use crate::arrow_c::{ArrowArray, ArrowSchema, CheckedSchema, Owner};
use crate::db::Db;
use crate::error::ErrorHandle;
use crate::export::Exporter;
use crate::guard;
use crate::handle;
use crate::import::{import_array, import_rows};
use crate::status::{Outcome, Status};
use crate::userdata::Userdata;

/// Bytes that a callback may write its message into.
const MESSAGE_BYTES: usize = 1024;

type ScalarCallback = unsafe extern "C" fn(
    userdata: *mut c_void,
    arguments: *mut ArrowArray,
    result: *mut ArrowArray,
    message: *mut c_char,
    message_size: usize,
) -> c_int;

type UpdateCallback = unsafe extern "C" fn(
    userdata: *mut c_void,
    state: *mut ArrowArray,
    arguments: *mut ArrowArray,
    result: *mut ArrowArray,
    message: *mut c_char,
    message_size: usize,
) -> c_int;

type EvaluateCallback = ScalarCallback;

/// Registers a scalar function, for continuous and ad-hoc SQL.
///
/// The callback gets `arguments`, a struct array with one child per argument, and puts the results
/// into `result`: an array of the type of `result`'s schema with as many values as `arguments` is
/// long. It owns both: it releases `arguments`, and the library releases `result`. It returns 0;
/// anything else refuses the rows, for a reason that it may write as a text into `message`, of at
/// most `message_size` bytes with its NUL. The library then calls it again for each row by itself:
/// those that it refuses are left out and become dead letters.
///
/// It runs on the threads that push and query, several at once, while the engine is locked: a call
/// of the library that would have to wait for the engine answers `LAMINAR_BUSY` there. It must not
/// throw or unwind.
///
/// `drop(userdata)` is called exactly once, whatever this function answers: when the database and
/// everything that uses the function are gone, or at once on an error.
///
/// @param db the database
/// @param name what SQL calls it by, in lower case; letters, digits and `_`
/// @param arguments the types of the arguments: the children of a schema of struct type; borrowed
/// @param result the type of the result; borrowed
/// @param options_json NULL, or `{"volatility": "immutable"}`: `"immutable"` (equal arguments give
///   equal results), `"stable"` (within a statement) or `"volatile"` (not even then: refused over
///   rows that can change)
/// @param callback the function
/// @param userdata handed to it and to `drop`, not looked at
/// @param drop NULL when `userdata` needs none
/// @param[out] error optional
/// @return `LAMINAR_OK`, or an error: `LAMINAR_TABLE_EXISTS` when a function has this name,
///   `LAMINAR_QUERY_FAILED` for arguments that cannot be used
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_register_scalar_udf(
    db: *const Db,
    name: *const c_char,
    arguments: *const ArrowSchema,
    result: *const ArrowSchema,
    options_json: *const c_char,
    callback: Option<
        unsafe extern "C" fn(
            userdata: *mut c_void,
            arguments: *mut ArrowArray,
            result: *mut ArrowArray,
            message: *mut c_char,
            message_size: usize,
        ) -> c_int,
    >,
    userdata: *mut c_void,
    drop: Option<unsafe extern "C" fn(userdata: *mut c_void)>,
    error: *mut *mut ErrorHandle,
) -> Status {
    let work = || {
        // First, so that `drop(userdata)` is called on every way out.
        let userdata = Userdata::new(userdata, drop);
        // SAFETY: the caller keeps the conventions of the header.
        let db = unsafe { handle::shared(db, QUERY_ARGUMENT) }?;
        // SAFETY: as above.
        let name = unsafe { args::text(name, "name", QUERY_ARGUMENT) }?;
        // SAFETY: as above.
        let arguments = unsafe { columns(arguments, "arguments") }?;
        // SAFETY: as above.
        let result = unsafe { data_type(result, "result") }?;
        // SAFETY: as above.
        let options = unsafe { args::optional_text(options_json, "options_json", QUERY_ARGUMENT) }?;
        let options: ScalarOptions = parse(options)?;
        let callback = callback.ok_or_else(|| args::null("callback", QUERY_ARGUMENT))?;
        let types = arguments.fields().iter().map(|field| field.data_type().clone()).collect();
        let exporter = Exporter::new(arguments);
        let result_type = result.clone();
        let call = move |columns: &[ArrayRef], rows: usize| {
            let arguments = export(&exporter, columns, rows)?;
            let answer = answer(|result, message| {
                let mut arguments = arguments;
                // SAFETY: the host promises a function of this kind; what it gets is its own.
                unsafe {
                    let (text, size) = (message.as_mut_ptr(), message.len());
                    callback(userdata.pointer(), &raw mut arguments, result, text, size)
                }
            })?;
            import_array(&answer, &result_type, rows)
        };
        db.register_udf(ScalarFunction {
            name: name.to_string(),
            arguments: types,
            result,
            volatility: options.volatility.into(),
            call: Arc::new(call),
        })?;
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Registers an aggregate function, for continuous and ad-hoc SQL.
///
/// The state of a group is a struct array of one row with the columns of `state`; the library keeps
/// it. A state whose columns are all NULL stands for no rows.
///
/// | callback | gets | puts into its result |
/// |---|---|---|
/// | `update` | a state, or a released array (`release` is NULL) before the first row; the arguments of some rows, a struct array | the state after them |
/// | `merge` | two states | that of the rows of both |
/// | `evaluate` | a state, or a released array when there were no rows | an array of one value of the result's type |
///
/// What they get is theirs to release, what they put out is the library's. They return 0; anything
/// else refuses, for a reason that may be written into `message`. An update that is refused is
/// tried again row by row, and the rows at fault become dead letters; otherwise the stream stops
/// with the error. Threads, `message` and `drop` are as for `laminar_register_scalar_udf`.
///
/// @param db the database
/// @param name what SQL calls it by, in lower case; letters, digits and `_`
/// @param arguments the types of the arguments: the children of a schema of struct type; borrowed
/// @param state the columns of the state: the children of a schema of struct type; borrowed
/// @param result the type of the result; borrowed
/// @param options_json NULL, or `{"retractable": true}`: the result depends on nothing but which
///   rows there are, so that it may stand over rows that change, where it is computed anew for a
///   group of which a row ceased. Without it such a query is refused.
/// @param update the function that adds rows
/// @param merge the function that joins two states
/// @param evaluate the function that gives the result
/// @param userdata handed to them and to `drop`, not looked at
/// @param drop NULL when `userdata` needs none
/// @param[out] error optional
/// @return as for `laminar_register_scalar_udf`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_register_aggregate_udf(
    db: *const Db,
    name: *const c_char,
    arguments: *const ArrowSchema,
    state: *const ArrowSchema,
    result: *const ArrowSchema,
    options_json: *const c_char,
    update: Option<
        unsafe extern "C" fn(
            userdata: *mut c_void,
            state: *mut ArrowArray,
            arguments: *mut ArrowArray,
            result: *mut ArrowArray,
            message: *mut c_char,
            message_size: usize,
        ) -> c_int,
    >,
    merge: Option<
        unsafe extern "C" fn(
            userdata: *mut c_void,
            state: *mut ArrowArray,
            other: *mut ArrowArray,
            result: *mut ArrowArray,
            message: *mut c_char,
            message_size: usize,
        ) -> c_int,
    >,
    evaluate: Option<
        unsafe extern "C" fn(
            userdata: *mut c_void,
            state: *mut ArrowArray,
            result: *mut ArrowArray,
            message: *mut c_char,
            message_size: usize,
        ) -> c_int,
    >,
    userdata: *mut c_void,
    drop: Option<unsafe extern "C" fn(userdata: *mut c_void)>,
    error: *mut *mut ErrorHandle,
) -> Status {
    let work = || {
        // First, so that `drop(userdata)` is called on every way out.
        let userdata = Userdata::new(userdata, drop);
        // SAFETY: the caller keeps the conventions of the header.
        let db = unsafe { handle::shared(db, QUERY_ARGUMENT) }?;
        // SAFETY: as above.
        let name = unsafe { args::text(name, "name", QUERY_ARGUMENT) }?;
        // SAFETY: as above.
        let arguments = unsafe { columns(arguments, "arguments") }?;
        // SAFETY: as above.
        let state = unsafe { columns(state, "state") }?;
        // SAFETY: as above.
        let result = unsafe { data_type(result, "result") }?;
        // SAFETY: as above.
        let options = unsafe { args::optional_text(options_json, "options_json", QUERY_ARGUMENT) }?;
        let options: AggregateOptions = parse(options)?;
        if state.fields().is_empty() {
            return Err(Error::new(QUERY_ARGUMENT, "a state needs at least one column"));
        }
        let types = arguments.fields().iter().map(|field| field.data_type().clone()).collect();
        let fields: Fields = state.fields().clone();
        let calls = HostAggregate {
            update: update.ok_or_else(|| args::null("update", QUERY_ARGUMENT))?,
            merge: merge.ok_or_else(|| args::null("merge", QUERY_ARGUMENT))?,
            evaluate: evaluate.ok_or_else(|| args::null("evaluate", QUERY_ARGUMENT))?,
            userdata,
            arguments: Exporter::new(arguments),
            states: Exporter::new(Arc::clone(&state)),
            state,
            result: result.clone(),
        };
        db.register_udaf(AggregateFunction {
            name: name.to_string(),
            arguments: types,
            state: fields,
            result,
            retractable: options.retractable,
            calls: Arc::new(calls),
        })?;
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ScalarOptions {
    volatility: RawVolatility,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AggregateOptions {
    retractable: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawVolatility {
    #[default]
    Immutable,
    Stable,
    Volatile,
}

impl From<RawVolatility> for Volatility {
    fn from(raw: RawVolatility) -> Self {
        match raw {
            RawVolatility::Immutable => Self::Immutable,
            RawVolatility::Stable => Self::Stable,
            RawVolatility::Volatile => Self::Volatile,
        }
    }
}

fn parse<'a, T: Deserialize<'a> + Default>(json: Option<&'a str>) -> Result<T> {
    json.map_or_else(|| Ok(T::default()), serde_json::from_str).map_err(|error| {
        Error::new(QUERY_ARGUMENT, format!("`options_json` cannot be read: {error}"))
    })
}

/// The columns of a schema of struct type.
///
/// # Safety
/// `schema` is NULL or a schema by the C data interface.
unsafe fn columns(schema: *const ArrowSchema, name: &str) -> Result<SchemaRef> {
    // SAFETY: handed through.
    let schema = unsafe { CheckedSchema::borrow(schema) }?
        .ok_or_else(|| args::null(name, QUERY_ARGUMENT))?;
    schema.to_schema().map_err(|error| Error::new(QUERY_ARGUMENT, error.message().to_string()))
}

/// The type of a schema.
///
/// # Safety
/// As for [`columns`].
unsafe fn data_type(schema: *const ArrowSchema, name: &str) -> Result<DataType> {
    // SAFETY: handed through.
    let schema = unsafe { CheckedSchema::borrow(schema) }?
        .ok_or_else(|| args::null(name, QUERY_ARGUMENT))?;
    schema.data_type().map_err(|error| Error::new(QUERY_ARGUMENT, error.message().to_string()))
}

/// Columns as a struct array for the host.
fn export(exporter: &Exporter, columns: &[ArrayRef], rows: usize) -> Result<ArrowArray> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let nullable = exporter.schema().fields().iter();
    let nullable: Fields =
        nullable.map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let schema = Arc::new(Schema::new(nullable));
    let batch = RecordBatch::try_new_with_options(schema, columns.to_vec(), &options)
        .map_err(|error| Error::internal(format!("arguments of a function: {error}")))?;
    let mut array = ArrowArray::released();
    // SAFETY: the array may be written, and no schema is asked for.
    unsafe { exporter.write(batch, &raw mut array, std::ptr::null_mut()) }?;
    Ok(array)
}

/// Calls the host and takes what it answered, or its message.
fn answer(call: impl FnOnce(*mut ArrowArray, &mut [c_char]) -> c_int) -> Result<Arc<Owner>> {
    let mut result = ArrowArray::released();
    let mut message = [0 as c_char; MESSAGE_BYTES];
    let status = call(&raw mut result, &mut message);
    // Whatever was put there is ours, also beside an error.
    let has_result = result.release.is_some();
    let owner = has_result.then(|| Owner::new(result));
    if status != 0 {
        // A text without an end would be read beyond the buffer.
        message[MESSAGE_BYTES - 1] = 0;
        // SAFETY: the buffer has a NUL, and is not written any more.
        let text = unsafe { CStr::from_ptr(message.as_ptr()) }.to_string_lossy();
        let text = if text.is_empty() { format!("error {status}") } else { text.into_owned() };
        return Err(Error::new(EXECUTION, text));
    }
    owner.ok_or_else(|| Error::new(EXECUTION, "the function put out no array"))
}

/// An aggregate function as C gives it.
struct HostAggregate {
    update: UpdateCallback,
    merge: UpdateCallback,
    evaluate: EvaluateCallback,
    userdata: Userdata,
    arguments: Exporter,
    states: Exporter,
    state: SchemaRef,
    result: DataType,
}

impl HostAggregate {
    /// A state for the host; a released array for none.
    fn exported(&self, state: Option<&[ArrayRef]>) -> Result<ArrowArray> {
        state.map_or_else(|| Ok(ArrowArray::released()), |state| export(&self.states, state, 1))
    }

    /// The columns of a state that the host put out.
    fn imported(&self, owner: &Arc<Owner>) -> Result<Vec<ArrayRef>> {
        match import_rows(owner, &self.state, true)? {
            (1, columns) => Ok(columns),
            (rows, _) => Err(Error::new(EXECUTION, format!("a state is one row, and {rows} came"))),
        }
    }

    fn change(
        &self,
        callback: UpdateCallback,
        mut state: ArrowArray,
        mut input: ArrowArray,
    ) -> Result<Vec<ArrayRef>> {
        let owner = answer(|result, message| {
            let (text, size) = (message.as_mut_ptr(), message.len());
            let userdata = self.userdata.pointer();
            // SAFETY: the host promises a function of this kind; what it gets is its own.
            unsafe { callback(userdata, &raw mut state, &raw mut input, result, text, size) }
        })?;
        self.imported(&owner)
    }
}

impl AggregateCalls for HostAggregate {
    fn update(&self, state: Option<&[ArrayRef]>, arguments: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        let rows = arguments.first().map_or(0, |first| first.len());
        let input = export(&self.arguments, arguments, rows)?;
        self.change(self.update, self.exported(state)?, input)
    }

    fn merge(&self, state: &[ArrayRef], other: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        self.change(self.merge, self.exported(Some(state))?, self.exported(Some(other))?)
    }

    fn evaluate(&self, state: Option<&[ArrayRef]>) -> Result<ArrayRef> {
        let mut state = self.exported(state)?;
        let owner = answer(|result, message| {
            let (text, size) = (message.as_mut_ptr(), message.len());
            // SAFETY: as in `change`.
            unsafe { (self.evaluate)(self.userdata.pointer(), &raw mut state, result, text, size) }
        })?;
        import_array(&owner, &self.result, 1)
    }
}
