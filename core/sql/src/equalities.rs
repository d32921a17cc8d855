//! Which conditions of a query can move: become the keys of its joins, or filter their inputs.
//!
//! A key is computed for every row of its side, a condition only for the rows that come as far. So
//! that no row fails that would not have failed where the query has the condition, it is moved only
//! if no row can make it fail.

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Between, BinaryExpr, Cast, Expr, ExprSchemable, Like, Operator};

/// `left = right`, each side over columns of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Equality {
    pub(crate) left: Expr,
    pub(crate) right: Expr,
}

impl Equality {
    /// The equality that an expression is, of two values of one type with columns on both sides.
    pub(crate) fn of(expr: &Expr, operator: Operator, columns: &DFSchema) -> Option<Self> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return None };
        let has_columns = |expr: &Expr| !expr.column_refs().is_empty() && !expr.is_volatile();
        if *op != operator || !has_columns(left) || !has_columns(right) {
            return None;
        }
        let same = left.get_type(columns).ok()? == right.get_type(columns).ok()?;
        same.then(|| Self { left: left.as_ref().clone(), right: right.as_ref().clone() })
    }

    /// The same with its sides in the order of two relations, if each is over one of them.
    pub(crate) fn across(&self, left: &DFSchema, right: &DFSchema) -> Option<Self> {
        if is_over(&self.left, left) && is_over(&self.right, right) {
            return Some(self.clone());
        }
        let swapped = is_over(&self.left, right) && is_over(&self.right, left);
        swapped.then(|| Self { left: self.right.clone(), right: self.left.clone() })
    }

    /// Whether no row can make it fail.
    pub(crate) fn never_fails(&self, columns: &DFSchema) -> bool {
        never_fails(&self.left, columns) && never_fails(&self.right, columns)
    }
}

/// The equalities that hold wherever the condition is true, none of which can fail.
pub(crate) fn implied(condition: &Expr, columns: &DFSchema) -> Vec<Equality> {
    if let Some(equality) = Equality::of(condition, Operator::Eq, columns) {
        return Some(equality)
            .filter(|equality| equality.never_fails(columns))
            .into_iter()
            .collect();
    }
    match condition {
        Expr::BinaryExpr(BinaryExpr { op: Operator::And, .. }) => {
            let parts = split_conjunction(condition);
            parts.into_iter().flat_map(|part| implied(part, columns)).collect()
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let others = implied(right, columns);
            let mut both = implied(left, columns);
            both.retain(|equality| others.contains(equality));
            both
        }
        _ => Vec::new(),
    }
}

/// Whether all columns of an expression are columns of a relation.
pub(crate) fn is_over(expr: &Expr, columns: &DFSchema) -> bool {
    let known = |column: &&Column| columns.maybe_index_of_column(column).is_some();
    expr.column_refs().iter().all(known)
}

/// Whether a condition has a value, or NULL, for every row.
pub(crate) fn condition_never_fails(condition: &Expr, columns: &DFSchema) -> bool {
    use Operator::{And, Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq, Or};
    let of = |expr: &Expr| condition_never_fails(expr, columns);
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let compares = matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | And | Or)
                || matches!(op, IsDistinctFrom | IsNotDistinctFrom);
            compares && of(left) && of(right)
        }
        Expr::Not(inner)
        | Expr::IsNull(inner)
        | Expr::IsNotNull(inner)
        | Expr::IsTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsUnknown(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsNotFalse(inner)
        | Expr::IsNotUnknown(inner) => of(inner),
        Expr::Between(Between { expr, low, high, .. }) => of(expr) && of(low) && of(high),
        Expr::InList(InList { expr, list, .. }) => of(expr) && list.iter().all(of),
        Expr::Like(Like { expr, pattern, .. }) => {
            of(expr) && matches!(pattern.as_ref(), Expr::Literal(..))
        }
        other => never_fails(other, columns),
    }
}

/// Whether an expression has a value for every row.
fn never_fails(expr: &Expr, columns: &DFSchema) -> bool {
    match expr {
        Expr::Column(_) | Expr::Literal(..) => true,
        Expr::Alias(alias) => never_fails(&alias.expr, columns),
        Expr::Cast(Cast { expr, field }) => {
            let from = expr.get_type(columns);
            never_fails(expr, columns)
                && from.is_ok_and(|from| always_fits(&from, field.data_type()))
        }
        _ => false,
    }
}

/// Whether a cast holds every value of the type that it is from.
fn always_fits(from: &DataType, to: &DataType) -> bool {
    use DataType::{Decimal128, Decimal256, Float32, Float64};
    use DataType::{LargeUtf8, Utf8, Utf8View};
    let is_text = |data_type: &DataType| matches!(data_type, Utf8 | LargeUtf8 | Utf8View);
    let digits = |data_type: &DataType| match data_type {
        Decimal128(precision, scale) | Decimal256(precision, scale) => {
            Some((i32::from(*precision) - i32::from(*scale), i32::from(*scale)))
        }
        other => integer_bits(other).map(|(bits, _)| match bits {
            8 => (3, 0),
            16 => (5, 0),
            32 => (10, 0),
            _ => (20, 0),
        }),
    };
    match (from, to) {
        (from, to) if from == to => true,
        (from, Float64) => from.is_numeric(),
        (from, Float32) => from.is_integer() || from == &DataType::Float16,
        (from, to) if is_text(from) && is_text(to) => true,
        (from, Decimal128(..) | Decimal256(..)) => match (digits(from), digits(to)) {
            (Some((whole, part)), Some((to_whole, to_part))) => {
                to_whole >= whole && to_part >= part
            }
            _ => false,
        },
        (from, to) => match (integer_bits(from), integer_bits(to)) {
            (Some((from, from_signed)), Some((to, to_signed))) => {
                (from_signed == to_signed && to >= from) || (to_signed && to > from)
            }
            _ => false,
        },
    }
}

/// The width of an integer type, and whether it has a sign.
fn integer_bits(data_type: &DataType) -> Option<(i32, bool)> {
    match data_type {
        DataType::Int8 => Some((8, true)),
        DataType::Int16 => Some((16, true)),
        DataType::Int32 => Some((32, true)),
        DataType::Int64 => Some((64, true)),
        DataType::UInt8 => Some((8, false)),
        DataType::UInt16 => Some((16, false)),
        DataType::UInt32 => Some((32, false)),
        DataType::UInt64 => Some((64, false)),
        _ => None,
    }
}
