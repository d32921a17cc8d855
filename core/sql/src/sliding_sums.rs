//! `avg` and the functions of moments over frames that move: by accumulators of ours, from which
//! rows go without a trace. DataFusion's subtract, which leaves NaN behind for ever, and rounding
//! errors as large as the largest value that ever was in the frame; then a value would depend on
//! which rows were computed together. Its `sum` of floats is `checked_sum.rs`'s to replace.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::all_default_aggregate_functions;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature,
};
use laminar_dataflow::aggregate::{AggregateFunction, CallSpec, Moment, sliding};

/// The functions.
pub(crate) fn sliding_sums() -> impl Iterator<Item = Arc<AggregateUDF>> {
    let functions = all_default_aggregate_functions().into_iter();
    functions
        .filter(|other| function(other.name()).is_some())
        .map(|other| Arc::new(AggregateUDF::new_from_impl(SlidingSum { other })))
}

/// What computes a function over frames that move.
fn function(name: &str) -> Option<AggregateFunction> {
    match name {
        "avg" => Some(AggregateFunction::Avg),
        name => Moment::from_name(name).map(AggregateFunction::Moment),
    }
}

/// The accumulator of a call over a frame that moves, if it is a plain one for its types.
pub(crate) fn accumulator(
    function: AggregateFunction,
    args: &AccumulatorArgs,
) -> Option<Box<dyn Accumulator>> {
    if args.is_distinct {
        return None;
    }
    let types: Vec<DataType> =
        args.expr_fields.iter().map(|field| field.data_type().clone()).collect();
    sliding(&CallSpec::new(function, &types)).ok()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SlidingSum {
    /// Everywhere else it is this function.
    other: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for SlidingSum {
    fn name(&self) -> &str {
        self.other.name()
    }

    fn aliases(&self) -> &[String] {
        self.other.aliases()
    }

    fn signature(&self) -> &Signature {
        self.other.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.other.return_type(arguments)
    }

    fn is_nullable(&self) -> bool {
        self.other.is_nullable()
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.other.coerce_types(arguments)
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.other.default_value(data_type)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.other.accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let own = function(self.name()).and_then(|function| accumulator(function, &args));
        own.map_or_else(|| self.other.create_sliding_accumulator(args), Ok)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.other.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.other.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.other.create_groups_accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}
