//! Functions whose value is the moment of the call: in continuous queries the time of the epoch that
//! brings the row.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use laminar_dataflow::EpochTime;
use laminar_types::Error;

/// DataFusion's names of them; `current_timestamp` and `today` are others for the same.
const NAMES: [&str; 3] = ["now", "current_date", "current_time"];

const DAY_MS: i64 = 86_400_000;

/// The name of a call of such a function.
pub(crate) fn clock_call(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::ScalarFunction(call) => Some(call.func.name()).filter(|name| NAMES.contains(name)),
        _ => None,
    }
}

/// Refuses an expression with such a call, where its value would have to change with time alone.
pub(crate) fn refuse_clock(expr: &Expr) -> laminar_types::Result<()> {
    let mut call = None;
    let found = expr.exists(|expr| {
        call = clock_call(expr).map(moves_by_itself);
        Ok(call.is_some())
    });
    match (found, call) {
        (Ok(true), Some(message)) => Err(Error::unsupported(message)),
        _ => Ok(()),
    }
}

/// Why such a function is refused in a condition.
pub(crate) fn moves_by_itself(function: &str) -> String {
    format!(
        "{function}() cannot stand in a condition of a continuous query: its value would change \
         without any row; write FROM (SELECT *, {function}() AS at FROM ...) and use at, the time \
         at which the row came"
    )
}

/// The expression with these functions reading the time of the epoch, which is answered too where
/// there are some.
pub(crate) fn of_the_epoch(expr: &Expr, columns: &DFSchema) -> Result<(Expr, Option<EpochTime>)> {
    let time = EpochTime::default();
    let expr = expr.clone().transform_up(|expr| {
        let Some(name) = clock_call(&expr) else { return Ok(Transformed::no(expr)) };
        let function = Stamp {
            name: name.to_string(),
            data_type: expr.get_type(columns)?,
            signature: Signature::nullary(Volatility::Volatile),
            time: time.clone(),
        };
        Ok(Transformed::yes(ScalarUDF::from(function).call(Vec::new())))
    })?;
    Ok((expr.data, expr.transformed.then_some(time)))
}

/// Such a function, bound to the time of an operator's epochs.
#[derive(Debug)]
struct Stamp {
    name: String,
    data_type: DataType,
    signature: Signature,
    time: EpochTime,
}

impl Stamp {
    /// The time in the form of the function's type, in UTC.
    fn value(&self) -> Option<ScalarValue> {
        let now_ms = self.time.now_ms();
        let of_day_ns = || now_ms.rem_euclid(DAY_MS) * 1_000_000;
        Some(match &self.data_type {
            DataType::Timestamp(_, zone) => {
                let now_ns = now_ms.saturating_mul(1_000_000);
                ScalarValue::TimestampNanosecond(Some(now_ns), zone.clone())
            }
            DataType::Date32 => {
                ScalarValue::Date32(Some(i32::try_from(now_ms.div_euclid(DAY_MS)).ok()?))
            }
            _ => ScalarValue::Time64Nanosecond(Some(of_day_ns())),
        })
    }
}

impl ScalarUDFImpl for Stamp {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let value = self.value().map_or_else(|| ScalarValue::try_from(&self.data_type), Ok)?;
        Ok(ColumnarValue::Scalar(value))
    }
}

/// Two are one where they read one time.
impl PartialEq for Stamp {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.time == other.time
    }
}

impl Eq for Stamp {}

impl std::hash::Hash for Stamp {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
