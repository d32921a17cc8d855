//! [`ProbeTimes`]: the times of the probes of a row, the function `__probe_times` that
//! [`crate::parser::probe`] writes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use laminar_types::{TimeUnit, mutant};

use crate::parser::probe::PROBE_TIMES;

/// The function, to be registered in a session.
pub(crate) fn probe_times() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(ProbeTimes {
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

/// Of a column of a plan that is the list of a row's probes the least of their offsets, in
/// milliseconds; `None` of any other.
pub(crate) fn first_offset_ms(plan: &LogicalPlan, column: usize) -> Option<i64> {
    let LogicalPlan::Projection(projection) = plan else { return None };
    let mut expr = &projection.expr[column];
    while let Expr::Alias(alias) = expr {
        expr = &alias.expr;
    }
    match expr {
        Expr::ScalarFunction(call) if call.func.name() == PROBE_TIMES => {
            let offsets = call.args.iter().skip(1).map(|offset| match offset {
                Expr::Literal(ScalarValue::Int64(offset), _) => *offset,
                _ => None,
            });
            // They are written as constants.
            Some(offsets.flatten().min().unwrap_or(0))
        }
        Expr::Column(from) => {
            let from = projection.input.schema().maybe_index_of_column(from)?;
            first_offset_ms(&projection.input, from)
        }
        _ => None,
    }
}

/// `__probe_times(time, offset, ...)`: a list of the time plus each offset in milliseconds.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ProbeTimes {
    signature: Signature,
}

impl ProbeTimes {
    fn field(time: &DataType) -> FieldRef {
        Arc::new(Field::new_list_field(time.clone(), true))
    }
}

impl ScalarUDFImpl for ProbeTimes {
    fn name(&self) -> &str {
        PROBE_TIMES
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Self::field(&arguments[0])))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let data_type = args.arg_fields[0].data_type();
        let Some(unit) = TimeUnit::of(data_type) else {
            return plan_err!(
                "TIMESTAMPS of a TEMPORAL PROBE JOIN are TIMESTAMPs or BIGINTs (milliseconds), not \
                 {data_type}"
            );
        };
        for offset in args.scalar_arguments.iter().skip(1).flatten() {
            if let ScalarValue::Int64(Some(milliseconds)) = offset
                && (i128::from(*milliseconds) * 1_000_000) % i128::from(unit.nanos()) != 0
            {
                return plan_err!(
                    "an offset of {milliseconds} ms is no whole number of units of a {data_type}"
                );
            }
        }
        let list = DataType::List(Self::field(data_type));
        Ok(Arc::new(Field::new(PROBE_TIMES, list, true)))
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let Some((time, offsets)) = arguments.split_first() else {
            return plan_err!("{PROBE_TIMES} takes a time and offsets");
        };
        let offsets = offsets.iter().map(|_| DataType::Int64);
        Ok([time.clone()].into_iter().chain(offsets).collect())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut offsets = Vec::with_capacity(args.args.len() - 1);
        let data_type = args.arg_fields[0].data_type();
        let Some(unit) = TimeUnit::of(data_type) else {
            return internal_err!("a probe was planned at a {data_type}");
        };
        for offset in &args.args[1..] {
            let ColumnarValue::Scalar(ScalarValue::Int64(Some(milliseconds))) = offset else {
                return internal_err!("the offsets of probes are constants");
            };
            let units = i128::from(*milliseconds) * 1_000_000 / i128::from(unit.nanos());
            match i64::try_from(units) {
                Ok(units) => offsets.push(units),
                Err(_) => return exec_err!("an offset of {milliseconds} ms is too long"),
            }
        }
        let times = args.args[0].to_array(args.number_rows)?;
        let counts = cast(&times, &DataType::Int64)?;
        let counts = counts.as_primitive::<Int64Type>();
        let mut probes = Vec::with_capacity(counts.len() * offsets.len());
        for row in 0..counts.len() {
            for offset in &offsets {
                if counts.is_null(row) {
                    probes.push(None);
                    continue;
                }
                let offset = if mutant!(ProbesLookBack) { -offset.abs() } else { *offset };
                let Some(probe) = counts.value(row).checked_add(offset) else {
                    return exec_err!("a probe lies outside of the times of a {data_type}");
                };
                probes.push(Some(probe));
            }
        }
        let probes: ArrayRef = Arc::new(Int64Array::from(probes));
        let list = ListArray::try_new(
            Self::field(data_type),
            OffsetBuffer::from_repeated_length(offsets.len(), counts.len()),
            cast(&probes, data_type)?,
            None,
        )?;
        Ok(ColumnarValue::Array(Arc::new(list)))
    }
}
