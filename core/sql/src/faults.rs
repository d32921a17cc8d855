//! `laminar_panic(x)`: x, or a panic where x is negative. Only with the feature `fault-injection`.
//!
//! It shows what a defect inside an epoch or a query does to those who did not cause it.

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The function to register in a session.
pub(crate) fn panic_function() -> ScalarUDF {
    let signature = Signature::exact(vec![DataType::Int64], Volatility::Stable);
    ScalarUDF::from(PanicFunction { signature })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PanicFunction {
    signature: Signature,
}

impl ScalarUDFImpl for PanicFunction {
    fn name(&self) -> &str {
        "laminar_panic"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let values = args.args[0].to_array(args.number_rows)?;
        let negative = values.as_primitive::<Int64Type>().iter().flatten().find(|x| *x < 0);
        if let Some(value) = negative {
            panic!("laminar_panic({value})");
        }
        Ok(ColumnarValue::Array(values))
    }
}
