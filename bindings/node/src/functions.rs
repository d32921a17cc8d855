//! Functions of SQL that are written in JavaScript, as the library calls them.

use std::sync::Arc;

use laminar_client::{
    AggregateFunction, Array, ArraySchema, Batch, Database, Refused, ScalarFunction, Schema,
};

use crate::batch;
use crate::calls::{Calls, Request};
use crate::database::{database, nothing};
use crate::failure::Fallible;
use crate::js::{ARGUMENTS, Env, Js};
use crate::work::promise;

type Arguments<'s> = [Js<'s>; ARGUMENTS];

/// What a function is asked for, as `ts/functions.ts` knows it.
const CALL: u32 = 0;
const UPDATE: u32 = 1;
const MERGE: u32 = 2;
const EVALUATE: u32 = 3;

/// A function by its number in JavaScript, which is told when the library gives it up.
struct HostFunction {
    id: u32,
    calls: Arc<Calls>,
    arguments: Arc<Schema>,
    /// That of its state; the result's for a scalar function, which has none.
    state: Arc<Schema>,
}

impl HostFunction {
    fn new(env: Env<'_>, id: u32, arguments: &Arc<Schema>, state: &Arc<Schema>) -> Fallible<Self> {
        let calls = Arc::clone(env.instance()?.calls());
        calls.add_function();
        Ok(Self { id, calls, arguments: Arc::clone(arguments), state: Arc::clone(state) })
    }

    fn call(
        &self,
        what: u32,
        state: Option<Batch>,
        input: Option<Batch>,
    ) -> Result<Batch, Refused> {
        self.calls.call(self.id, Request { what, state, input })
    }

    fn rows(&self, arguments: Array) -> Result<Option<Batch>, Refused> {
        read(&self.arguments, arguments).map(Some)
    }

    fn known(&self, state: Option<Array>) -> Result<Option<Batch>, Refused> {
        state.map(|state| read(&self.state, state)).transpose()
    }
}

impl Drop for HostFunction {
    fn drop(&mut self) {
        self.calls.forget_function(self.id);
    }
}

impl AggregateFunction for HostFunction {
    fn update(&self, state: Option<Array>, arguments: Array) -> Result<Array, Refused> {
        Ok(self.call(UPDATE, self.known(state)?, self.rows(arguments)?)?.export())
    }

    fn merge(&self, state: Array, other: Array) -> Result<Array, Refused> {
        Ok(self.call(MERGE, self.known(Some(state))?, self.known(Some(other))?)?.export())
    }

    fn evaluate(&self, state: Option<Array>) -> Result<Array, Refused> {
        Ok(self.call(EVALUATE, self.known(state)?, None)?.export().into_column(0))
    }
}

fn read(schema: &Arc<Schema>, array: Array) -> Result<Batch, Refused> {
    Batch::new(Arc::clone(schema), array).map_err(|error| error.to_string())
}

/// The type of the only column.
fn only_type(schema: &Schema) -> ArraySchema {
    schema.export().into_column(0)
}

/// `registerScalar(database, name, [arguments, result], optionsJson, id)`: adds the function `id`;
/// `arguments` and `result` are schemas, and the first column of the latter is the result's.
pub fn register_scalar<'s>(
    env: Env<'s>,
    [handle, name, schemas, options, id]: Arguments<'s>,
) -> Fallible<Js<'s>> {
    let Registration { database, name, options, id } =
        Registration::read([handle, name, options, id])?;
    let [arguments, result] = [schema(schemas, 0)?, schema(schemas, 1)?];
    let host = HostFunction::new(env, id, &arguments, &result)?;
    let function: ScalarFunction = Box::new(move |arguments| {
        Ok(host.call(CALL, None, host.rows(arguments)?)?.export().into_column(0))
    });
    let register = move || {
        let (arguments, result) = (arguments.export(), only_type(&result));
        database.register_scalar(&name, &arguments, &result, Some(&options), function)
    };
    promise(env, register, nothing)
}

/// `registerAggregate(database, name, [arguments, result, state], optionsJson, id)`: the same with an
/// aggregate function, whose state has the columns of `state`.
pub fn register_aggregate<'s>(
    env: Env<'s>,
    [handle, name, schemas, options, id]: Arguments<'s>,
) -> Fallible<Js<'s>> {
    let Registration { database, name, options, id } =
        Registration::read([handle, name, options, id])?;
    let [arguments, result, state] =
        [schema(schemas, 0)?, schema(schemas, 1)?, schema(schemas, 2)?];
    let host = Box::new(HostFunction::new(env, id, &arguments, &state)?);
    let register = move || {
        let (arguments, state) = (arguments.export(), state.export());
        let result = only_type(&result);
        database.register_aggregate(&name, &arguments, &state, &result, Some(&options), host)
    };
    promise(env, register, nothing)
}

struct Registration {
    database: Arc<Database>,
    name: String,
    options: String,
    id: u32,
}

impl Registration {
    fn read([handle, name, options, id]: [Js<'_>; 4]) -> Fallible<Self> {
        Ok(Self {
            database: database(handle)?,
            name: name.to_text()?,
            options: options.to_text()?,
            id: id.to_index()? as u32,
        })
    }
}

fn schema(schemas: Js<'_>, index: usize) -> Fallible<Arc<Schema>> {
    Ok(Arc::clone(schemas.item(index)?.to_native::<Arc<Schema>>()?))
}

/// `noColumns()`: the schema of arguments that there are none of.
pub fn no_columns<'s>(env: Env<'s>, _: Arguments<'s>) -> Fallible<Js<'s>> {
    batch::schema_handle(env, &Arc::new(Schema::empty()))
}
