//! [`KeyLookup`]: the primary keys that a condition confines the rows of a table to.
//!
//! `WHERE id = 5 AND ...`, `WHERE id IN (1, 2) OR id = 3`, `WHERE a = 1 AND b = 'x'`: conditions that
//! compare each column of the key with literals of its own kind, joined by AND and OR. Whoever looks
//! the rows up evaluates the whole condition on them, so they may be too many, never too few: a
//! literal that the comparison may round is not looked up by.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Decimal128Array, Float64Array, Int64Array, StringArray, UInt32Array,
    UInt64Array,
};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, TimeUnit};
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
        let of_columns = rules.key.iter().map(|column| {
            let field = rules.schema.field(*column);
            let is_column = |expr: &ast::Expr| is_column(expr, alias, field.name());
            let mut confined = conditions.iter().filter_map(|c| literals(c, &is_column));
            confined.find_map(|values| array(&values, field.data_type()))
        });
        if let Some(columns) = of_columns.collect::<Option<Vec<ArrayRef>>>() {
            let count = columns.iter().try_fold(1, |count: usize, column| {
                Some(count.checked_mul(column.len())?).filter(|count| *count <= MOST_KEYS)
            });
            let count = count.filter(|_| !columns.is_empty());
            return count.and_then(|count| product(columns, count)).map(Self);
        }
        conditions.into_iter().find_map(|condition| Self::of_either(condition, alias, rules))
    }

    /// The keys of both sides of an OR, each of which tells whole keys.
    fn of_either(condition: &ast::Expr, alias: &ast::Ident, rules: &Rules) -> Option<Self> {
        let ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Or, right } = condition else {
            return None;
        };
        let (left, right) = (Self::of(left, alias, rules)?, Self::of(right, alias, rules)?);
        let both = left.0.iter().zip(&right.0).map(|(left, right)| concat(&[left, right]).ok());
        let both = both.collect::<Option<Vec<ArrayRef>>>()?;
        both.first().is_some_and(|column| column.len() <= MOST_KEYS).then_some(Self(both))
    }
}

/// Whether an expression is a column of a table that is called `alias`.
fn is_column(expr: &ast::Expr, alias: &ast::Ident, column: &str) -> bool {
    match expr {
        ast::Expr::Identifier(name) => normal(name) == column,
        ast::Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [table, name] => normal(table) == normal(alias) && normal(name) == column,
            _ => false,
        },
        _ => false,
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
        ast::Expr::Nested(inner) => literals(inner, is_column),
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Or, right } => {
            let mut either = literals(left, is_column)?;
            either.extend(literals(right, is_column)?);
            Some(either)
        }
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
        DataType::Timestamp(..) => {
            let values = literals.iter().map(|literal| timestamp(literal, data_type));
            let values = values.collect::<Option<Vec<ArrayRef>>>()?;
            concat(&values.iter().map(|value| &**value).collect::<Vec<_>>()).ok()
        }
        DataType::Float64 | DataType::Float32 => {
            let values = literals.iter().map(|literal| float_of(literal));
            let values = values.collect::<Option<Vec<f64>>>()?;
            // A Float32 is compared as a Float64: what it cannot hold exactly, no row equals.
            cast(&Float64Array::from(values), data_type).ok()
        }
        DataType::Decimal128(precision, scale) => {
            let values = literals.iter().map(|literal| decimal_of(literal, *precision, *scale));
            let values = values.collect::<Option<Vec<Option<i128>>>>()?;
            // What the type cannot hold, no row has.
            let values = Decimal128Array::from_iter_values(values.into_iter().flatten());
            Some(Arc::new(values.with_precision_and_scale(*precision, *scale).ok()?))
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

/// A text, or `TIMESTAMP 'text'`, as a time of a type; `None` where the type would round it.
fn timestamp(literal: &ast::Expr, data_type: &DataType) -> Option<ArrayRef> {
    let text = match literal {
        ast::Expr::TypedString(typed)
            if matches!(typed.data_type, ast::DataType::Timestamp(None, _)) =>
        {
            typed.value.value.clone().into_string()?
        }
        other => string_of(other)?.to_string(),
    };
    let text: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let time = cast(&text, data_type).ok().filter(|time| time.null_count() == 0)?;
    // It may be compared in nanoseconds or in the unit of the type.
    let ns = DataType::Timestamp(TimeUnit::Nanosecond, None);
    let exact = cast(&cast(&text, &ns).ok()?, &DataType::Int64).ok()?;
    let told = cast(&cast(&time, &ns).ok()?, &DataType::Int64).ok()?;
    (exact == told).then_some(time)
}

/// A number, as DataFusion reads it.
fn float_of(literal: &ast::Expr) -> Option<f64> {
    match literal {
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => float_of(expr).map(|f| -f),
        ast::Expr::Nested(inner) => float_of(inner),
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// Decimals of so many digits differ as doubles, too.
const DIGITS_OF_A_DOUBLE: u8 = 15;

/// A number as the value of a decimal type, `Some(None)` where no value of it can equal the number,
/// `None` where the comparison, which is one of doubles for a number with a fraction, could take
/// several values for it.
fn decimal_of(literal: &ast::Expr, precision: u8, scale: i8) -> Option<Option<i128>> {
    let scale = u32::try_from(scale).ok()?;
    let holds = |value: &i128| value.unsigned_abs() < 10_u128.pow(u32::from(precision));
    if let Some(integer) = integer_of(literal) {
        i64::try_from(integer).ok()?;
        return Some(integer.checked_mul(10_i128.pow(scale)).filter(holds));
    }
    let value = float_of(literal).filter(|_| precision <= DIGITS_OF_A_DOUBLE)?;
    let nearest = (value * 10_f64.powi(i32::try_from(scale).ok()?)).round();
    // Beyond the type's digits there is no value.
    Some((nearest.abs() < 1e18).then_some(nearest as i128).filter(holds))
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
