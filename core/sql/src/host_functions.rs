//! Functions of the host: scalar and aggregate, over Arrow arrays.
//!
//! The engine calls them while it holds its token, so whatever they call of the same library that
//! would need it answers `IN_USE`; a thread that runs one is marked by
//! [`outside::enter`] even where no token is held. A panic is an error of the call, like any
//! other: the row that it is about becomes a dead letter.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result as PlanResult};
pub use datafusion::logical_expr::Volatility;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Expr, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, WindowFunctionDefinition,
};
use laminar_types::{Error, Result, code, outside};

/// What a scalar function does: an array of results for arrays of arguments of equal length.
pub type ScalarCall = Arc<dyn Fn(&[ArrayRef], usize) -> Result<ArrayRef> + Send + Sync>;

/// A scalar function of the host.
#[derive(Clone)]
pub struct ScalarFunction {
    /// As SQL calls it; kept in lower case, which unquoted names are.
    pub name: String,
    /// The types of its arguments. Others are cast to them where SQL casts by itself.
    pub arguments: Vec<DataType>,
    /// The type of its result.
    pub result: DataType,
    /// Whether equal arguments give equal results: always, within a statement, or never.
    pub volatility: Volatility,
    /// The function. It gets the arguments and how many rows there are, and answers as many.
    pub call: ScalarCall,
}

/// What an aggregate function does. A state is one value of each state column.
pub trait AggregateCalls: Send + Sync {
    /// The state after some more rows; `None` is the state of no rows.
    fn update(&self, state: Option<&[ArrayRef]>, arguments: &[ArrayRef]) -> Result<Vec<ArrayRef>>;

    /// The state of the rows of two states together.
    fn merge(&self, state: &[ArrayRef], other: &[ArrayRef]) -> Result<Vec<ArrayRef>>;

    /// The result of a state, as an array of one value.
    fn evaluate(&self, state: Option<&[ArrayRef]>) -> Result<ArrayRef>;
}

/// An aggregate function of the host.
#[derive(Clone)]
pub struct AggregateFunction {
    /// As SQL calls it; kept in lower case.
    pub name: String,
    /// The types of its arguments.
    pub arguments: Vec<DataType>,
    /// The columns of its state. A state that is all NULL stands for no rows.
    pub state: Fields,
    /// The type of its result.
    pub result: DataType,
    /// Whether the result depends on nothing but which rows there are, so that it can be computed
    /// anew when one ceases. Without it the function stands over rows that never change alone.
    pub retractable: bool,
    /// The function.
    pub calls: Arc<dyn AggregateCalls>,
}

impl ScalarFunction {
    /// In the form that DataFusion calls.
    pub(crate) fn into_udf(self) -> ScalarUDF {
        let signature = Signature::exact(self.arguments.clone(), self.volatility);
        ScalarUDF::from(HostScalar { function: self, signature })
    }
}

impl AggregateFunction {
    /// In the form that DataFusion calls.
    pub(crate) fn into_udaf(self) -> AggregateUDF {
        let signature = Signature::exact(self.arguments.clone(), Volatility::Immutable);
        AggregateUDF::from(HostAggregate { function: self, signature })
    }
}

/// Whether an aggregate function is one of the host's.
pub(crate) fn is_host(udaf: &AggregateUDF) -> bool {
    let inner: &dyn Any = udaf.inner().as_ref();
    inner.is::<HostAggregate>()
}

/// The name of a function of the host that some expressions call.
pub(crate) fn host_function<'a>(exprs: impl IntoIterator<Item = &'a Expr>) -> Option<String> {
    let mut found = None;
    for expr in exprs {
        let searched = expr.apply(|expr| {
            found = match expr {
                Expr::ScalarFunction(call) => {
                    let inner: &dyn Any = call.func.inner().as_ref();
                    inner.is::<HostScalar>().then(|| call.func.name().to_string())
                }
                Expr::AggregateFunction(call) => {
                    is_host(&call.func).then(|| call.func.name().to_string())
                }
                Expr::WindowFunction(call) => match &call.fun {
                    WindowFunctionDefinition::AggregateUDF(udaf) => {
                        is_host(udaf).then(|| udaf.name().to_string())
                    }
                    WindowFunctionDefinition::WindowUDF(_) => None,
                },
                _ => None,
            };
            Ok(match &found {
                Some(_) => TreeNodeRecursion::Stop,
                None => TreeNodeRecursion::Continue,
            })
        });
        if searched.is_ok() && found.is_some() {
            return found;
        }
    }
    None
}

/// Whether an aggregate function is one of the host's that cannot stand over changing rows.
pub(crate) fn is_append_only(udaf: &AggregateUDF) -> bool {
    let inner: &dyn Any = udaf.inner().as_ref();
    inner.downcast_ref::<HostAggregate>().is_some_and(|host| !host.function.retractable)
}

/// Calls the host: marked as inside, and with its panics caught.
fn call<T>(name: &str, work: impl FnOnce() -> Result<T>) -> PlanResult<T> {
    let inside = outside::enter();
    let result = catch_unwind(AssertUnwindSafe(work));
    drop(inside);
    let result = result.unwrap_or_else(|payload| {
        Err(Error::from_panic(&format!("the function {name}"), &*payload))
    });
    result.map_err(|error| DataFusionError::Execution(format!("{name}: {}", error.message())))
}

/// Refuses a result of another type or length than promised.
fn check(name: &str, array: &ArrayRef, data_type: &DataType, rows: usize) -> Result<()> {
    if array.data_type() != data_type || array.len() != rows {
        return Err(Error::new(
            code::EXECUTION,
            format!(
                "{name} answered {} values of {}, and {rows} of {data_type} were to come",
                array.len(),
                array.data_type()
            ),
        ));
    }
    Ok(())
}

struct HostScalar {
    function: ScalarFunction,
    signature: Signature,
}

impl ScalarUDFImpl for HostScalar {
    fn name(&self) -> &str {
        &self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> PlanResult<DataType> {
        Ok(self.function.result.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let ScalarFunction { name, result, call: function, .. } = &self.function;
        let rows = args.number_rows;
        let arrays = args.args.iter().map(|value| value.to_array(rows));
        let arrays = arrays.collect::<PlanResult<Vec<_>>>()?;
        call(name, || {
            let array = function(&arrays, rows)?;
            check(name, &array, result, rows)?;
            Ok(ColumnarValue::Array(array))
        })
    }
}

struct HostAggregate {
    function: AggregateFunction,
    signature: Signature,
}

impl AggregateUDFImpl for HostAggregate {
    fn name(&self) -> &str {
        &self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> PlanResult<DataType> {
        Ok(self.function.result.clone())
    }

    fn accumulator(&self, _args: AccumulatorArgs<'_>) -> PlanResult<Box<dyn Accumulator>> {
        Ok(Box::new(HostAccumulator { function: self.function.clone(), state: None }))
    }

    fn state_fields(&self, _args: StateFieldsArgs<'_>) -> PlanResult<Vec<FieldRef>> {
        let nullable =
            |field: &FieldRef| Arc::new(Field::new(field.name(), field.data_type().clone(), true));
        Ok(self.function.state.iter().map(nullable).collect())
    }
}

/// The state of one group.
struct HostAccumulator {
    function: AggregateFunction,
    /// One value of each state column; `None` before the first row.
    state: Option<Vec<ArrayRef>>,
}

impl HostAccumulator {
    fn change(
        &mut self,
        work: impl FnOnce(&AggregateFunction, Option<&[ArrayRef]>) -> Result<Vec<ArrayRef>>,
    ) -> PlanResult<()> {
        let Self { function, state } = self;
        let next = call(&function.name, || {
            let next = work(function, state.as_deref())?;
            let fields = &function.state;
            if next.len() != fields.len() {
                return Err(Error::new(
                    code::EXECUTION,
                    format!("a state has {} columns, not {}", next.len(), fields.len()),
                ));
            }
            let mut columns = next.iter().zip(fields);
            columns.try_for_each(|(column, field)| {
                check(&function.name, column, field.data_type(), 1)
            })?;
            Ok(next)
        })?;
        self.state = Some(next);
        Ok(())
    }
}

impl Accumulator for HostAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        if values.first().is_some_and(|first| first.is_empty()) {
            return Ok(());
        }
        self.change(|function, state| function.calls.update(state, values))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        for row in 0..states.first().map_or(0, Array::len) {
            let other: Vec<ArrayRef> = states.iter().map(|column| column.slice(row, 1)).collect();
            if other.iter().all(|column| column.is_null(0)) {
                continue;
            }
            self.change(|function, state| match state {
                Some(state) => function.calls.merge(state, &other),
                None => Ok(other),
            })?;
        }
        Ok(())
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        match &self.state {
            Some(state) => {
                state.iter().map(|column| ScalarValue::try_from_array(column, 0)).collect()
            }
            None => {
                let types = self.function.state.iter().map(|field| field.data_type());
                types.map(ScalarValue::try_from).collect()
            }
        }
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        let function = &self.function;
        let value = call(&function.name, || {
            let value = function.calls.evaluate(self.state.as_deref())?;
            check(&function.name, &value, &function.result, 1)?;
            Ok(value)
        })?;
        ScalarValue::try_from_array(&value, 0)
    }

    fn size(&self) -> usize {
        let state = self.state.iter().flatten();
        size_of::<Self>() + state.map(|column| column.get_array_memory_size()).sum::<usize>()
    }
}

impl fmt::Debug for HostAccumulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostAccumulator").field("name", &self.function.name).finish_non_exhaustive()
    }
}

/// Two functions are equal when they are the same: names are given once.
macro_rules! equal_by_name {
    ($($type:ty),*) => {$(
        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.function.name == other.function.name
            }
        }

        impl Eq for $type {}

        impl Hash for $type {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.function.name.hash(state);
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.function.name)
            }
        }
    )*};
}

equal_by_name!(HostScalar, HostAggregate);
