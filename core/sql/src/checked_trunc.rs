//! `date_trunc` near the earliest times of a type: DataFusion's own goes beyond them, to the latest ones
//! or into a panic. Here such a time is an error, which makes its row a dead letter.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Int64Type, TimeUnit};
use datafusion::common::{Result, exec_err};
use datafusion::functions::datetime;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

/// The function, to be registered in a session in the place of DataFusion's.
pub(crate) fn checked_trunc() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(CheckedTrunc { inner: datetime::date_trunc() }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedTrunc {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for CheckedTrunc {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.output_ordering(inputs)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let [_, times] = args.args.as_slice()
            && let DataType::Timestamp(unit, _) = times.data_type()
        {
            // Up to a day DataFusion truncates by arithmetic, and by the calendar, which is checked,
            // beyond that.
            let day = match unit {
                TimeUnit::Second => 86_400,
                TimeUnit::Millisecond => 86_400_000,
                TimeUnit::Microsecond => 86_400_000_000,
                TimeUnit::Nanosecond => 86_400_000_000_000,
            };
            let numbers = cast(&times.to_array(args.number_rows)?, &DataType::Int64)?;
            let numbers = numbers.as_primitive::<Int64Type>();
            if let Some(time) = numbers.iter().flatten().find(|time| *time < i64::MIN + day) {
                return exec_err!("the time {time} is too far from 1970 to be truncated");
            }
        }
        self.inner.invoke_with_args(args)
    }
}
