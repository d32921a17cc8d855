//! [`distinct_column`]: a column under casts to types that tell all of its values apart.
//!
//! Comparing columns of two types, DataFusion casts both to one that has the values of both. Such a cast
//! of a unique key is one still.

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable};

/// The position of the column that an expression is, but for such casts.
pub(crate) fn distinct_column(expr: &Expr, columns: &DFSchema) -> Option<usize> {
    match expr {
        Expr::Column(column) => columns.maybe_index_of_column(column),
        Expr::Alias(alias) => distinct_column(&alias.expr, columns),
        Expr::Cast(Cast { expr, field }) => {
            let from = expr.get_type(columns).ok()?;
            keeps_apart(&from, field.data_type()).then(|| distinct_column(expr, columns)).flatten()
        }
        _ => None,
    }
}

/// Whether different values of a type are different ones of another, or none.
fn keeps_apart(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Binary, BinaryView, Date32, Float32, Float64, LargeBinary, LargeUtf8, Timestamp, Utf8,
        Utf8View,
    };
    match (from, to) {
        (from, to) if from == to => true,
        // What does not fit is an error, not another value.
        (from, to) if from.is_integer() && (to.is_integer() || to.is_decimal()) => true,
        (from, Float64) if from.is_integer() => from.primitive_width() < Some(8),
        (from, Float32) if from.is_integer() => from.primitive_width() < Some(4),
        (Float32, Float64) => true,
        (from, Utf8 | LargeUtf8 | Utf8View) if from.is_integer() || from.is_string() => true,
        (Binary | BinaryView | LargeBinary, Binary | BinaryView | LargeBinary) => true,
        (Date32, Timestamp(..)) => true,
        (Timestamp(from, _), Timestamp(to, _)) => from <= to,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;

    use super::*;

    #[test]
    fn what_a_cast_can_make_equal_is_no_key_any_more() {
        use DataType::{Decimal128, Float64, Int16, Int32, Int64, Timestamp, Utf8};
        let [second, nano] =
            [TimeUnit::Second, TimeUnit::Nanosecond].map(|unit| Timestamp(unit, None));
        let apart = [
            (Int16, Int64),
            (Int64, Int16),
            (Int32, Float64),
            (Int64, Decimal128(20, 0)),
            (Int64, Utf8),
            (second.clone(), nano.clone()),
        ];
        for (from, to) in apart {
            assert!(keeps_apart(&from, &to), "{from} as {to}");
        }
        let equal = [(Int64, Float64), (Float64, Int64), (Utf8, Int64), (nano, second)];
        for (from, to) in equal {
            assert!(!keeps_apart(&from, &to), "{from} as {to}");
        }
    }
}
