//! [`KeyLookup`]: the primary keys that a condition confines the rows of a table to.
//!
//! `WHERE id = 5 AND ...`, `WHERE id IN (1, 2)`, `WHERE a = 1 AND b = 'x'`: conditions that stand
//! in a conjunction and compare each column of the key with literals of its own kind. Whoever looks
//! the rows up evaluates the whole condition on them, so they may be too many, never too few.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, StringArray, UInt32Array, UInt64Array};
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast;

use crate::insert::normal;
use crate::source::Rules;

/// More keys than these are not looked up one by one.
const MOST_KEYS: usize = 10_000;

/// Keys, as columns of equal length in the order of the key's columns.
pub(crate) struct KeyLookup(pub(crate) Vec<ArrayRef>);

impl KeyLookup {
    /// The keys that `selection` confines the rows of a table to, which it calls `alias`; `None`
    /// where it does not.
    pub(crate) fn of(selection: &ast::Expr, alias: &ast::Ident, rules: &Rules) -> Option<Self> {
        let mut conditions = Vec::new();
        conjunction(selection, &mut conditions);
        let mut columns = Vec::with_capacity(rules.key.len());
        for column in &rules.key {
            let field = rules.schema.field(*column);
            let is_column = |expr: &ast::Expr| match expr {
                ast::Expr::Identifier(name) => normal(name) == *field.name(),
                ast::Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                    [table, name] => {
                        normal(table) == normal(alias) && normal(name) == *field.name()
                    }
                    _ => false,
                },
                _ => false,
            };
            let mut confined = conditions.iter().filter_map(|c| literals(c, &is_column));
            columns.push(confined.find_map(|values| array(&values, field.data_type()))?);
        }
        let count = columns.iter().try_fold(1, |count: usize, column| {
            Some(count.checked_mul(column.len())?).filter(|count| *count <= MOST_KEYS)
        });
        count.filter(|_| !columns.is_empty()).and_then(|count| product(columns, count)).map(Self)
    }
}

/// The conditions all of which must be true.
fn conjunction<'a>(expr: &'a ast::Expr, conditions: &mut Vec<&'a ast::Expr>) {
    match expr {
        ast::Expr::Nested(inner) => conjunction(inner, conditions),
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::And, right } => {
            conjunction(left, conditions);
            conjunction(right, conditions);
        }
        other => conditions.push(other),
    }
}

/// The literals that a condition lets a column be equal to.
fn literals<'a>(
    condition: &'a ast::Expr,
    is_column: &impl Fn(&ast::Expr) -> bool,
) -> Option<Vec<&'a ast::Expr>> {
    match condition {
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right } => {
            match (is_column(left), is_column(right)) {
                (true, false) => Some(vec![right]),
                (false, true) => Some(vec![left]),
                _ => None,
            }
        }
        ast::Expr::InList { expr, list, negated: false } if is_column(expr) => {
            Some(list.iter().collect())
        }
        _ => None,
    }
}

/// The different literals as values of a type; `None` where one is not of its kind.
fn array(literals: &[&ast::Expr], data_type: &DataType) -> Option<ArrayRef> {
    match data_type {
        integer if integer.is_integer() => {
            let values = literals.iter().map(|literal| integer_of(literal));
            let values: BTreeSet<i128> = values.collect::<Option<_>>()?;
            let wide: ArrayRef = match integer.is_signed_integer() {
                true => Arc::new(Int64Array::from_iter_values(
                    values.iter().filter_map(|value| i64::try_from(*value).ok()),
                )),
                false => Arc::new(UInt64Array::from_iter_values(
                    values.iter().filter_map(|value| u64::try_from(*value).ok()),
                )),
            };
            // What the type cannot hold, no row has.
            without_nulls(&cast(&wide, integer).ok()?)
        }
        DataType::Utf8 => {
            let values = literals.iter().map(|literal| string_of(literal));
            let values: BTreeSet<&str> = values.collect::<Option<_>>()?;
            Some(Arc::new(StringArray::from_iter_values(values)))
        }
        DataType::Date32 => {
            let values = literals.iter().map(|literal| match literal {
                ast::Expr::TypedString(typed) if typed.data_type == ast::DataType::Date => {
                    typed.value.value.clone().into_string()
                }
                other => string_of(other).map(ToString::to_string),
            });
            let values: BTreeSet<String> = values.collect::<Option<_>>()?;
            let dates = cast(&StringArray::from_iter_values(values), data_type).ok()?;
            // A date that cannot be read is for the query to complain of.
            (dates.null_count() == 0).then_some(dates)
        }
        _ => None,
    }
}

fn integer_of(literal: &ast::Expr) -> Option<i128> {
    match literal {
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => {
            integer_of(expr)?.checked_neg()
        }
        ast::Expr::Nested(inner) => integer_of(inner),
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

fn string_of(literal: &ast::Expr) -> Option<&str> {
    match literal {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn without_nulls(values: &ArrayRef) -> Option<ArrayRef> {
    let valid = (0..values.len()).filter(|row| values.is_valid(*row));
    take(values, &UInt32Array::from_iter_values(valid.map(|row| row as u32)), None).ok()
}

/// Every combination of a value of each column.
fn product(columns: Vec<ArrayRef>, count: usize) -> Option<Vec<ArrayRef>> {
    let mut repeats = count;
    let columns = columns.into_iter().map(|column| {
        let len = column.len();
        repeats = repeats.checked_div(len).unwrap_or(0);
        let rows = (0..count).map(|row| (row / repeats % len) as u32);
        take(&column, &UInt32Array::from_iter_values(rows), None).ok()
    });
    columns.collect()
}
