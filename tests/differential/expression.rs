//! [`Expression`]: scalar expressions, written once for the engine and once for the oracle.
//!
//! The engine leaves out a row on which an expression fails. The oracle is given an expression that
//! cannot fail, and the condition under which the engine's does not.

use super::data::Datum;
use super::schema::{Column, Type};
use crate::support::random::Random;

#[derive(Debug, Clone)]
pub enum Expression {
    Column(Column),
    Literal(Datum, Type),
    /// Division of integers, which fails by zero.
    Divide(Box<Expression>, Box<Expression>),
    /// A text as an integer, which fails unless it is one.
    ToInteger(Box<Expression>),
    /// Sum of integers, which fails beyond 64 bits.
    Add(Box<Expression>, Box<Expression>),
    /// `CASE WHEN a = b THEN 1 ELSE 0 END`.
    IsEqual(Box<Expression>, Box<Expression>),
    Coalesce(Box<Expression>, Box<Expression>),
}

/// Who an SQL text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Engine,
    Oracle,
}

impl Expression {
    pub fn random(columns: &[Column], random: &mut Random) -> Self {
        let column = random.pick(columns).clone();
        let data_type = column.data_type;
        let leaf = Box::new(Self::Column(column));
        let literal = |random: &mut Random| {
            Box::new(Self::Literal(Datum::random(data_type, random), data_type))
        };
        match (random.range(0, 10), data_type) {
            (0 | 1, Type::SmallInt | Type::BigInt) => {
                let other = random.pick(columns).clone();
                let divisor = match other.data_type.is_integer() {
                    true => Box::new(Self::Column(other)),
                    false => literal(random),
                };
                Self::Divide(leaf, divisor)
            }
            (2, Type::BigInt) => {
                // Overflows for all but the smallest; the sum itself is not handed on.
                let large = Self::Literal(Datum::Int(i64::MAX - 3), Type::BigInt);
                let sum = Self::Add(leaf, Box::new(large));
                Self::IsEqual(Box::new(sum), literal(random))
            }
            (0 | 1, Type::Text) => Self::ToInteger(leaf),
            (3, _) => Self::IsEqual(leaf, literal(random)),
            (4, _) => Self::Coalesce(leaf, literal(random)),
            _ => *leaf,
        }
    }

    pub fn data_type(&self) -> Type {
        match self {
            Self::Column(column) => column.data_type,
            Self::Literal(_, data_type) => *data_type,
            Self::Divide(a, b) | Self::Add(a, b) => match (a.data_type(), b.data_type()) {
                (Type::SmallInt, Type::SmallInt) => Type::SmallInt,
                _ => Type::BigInt,
            },
            Self::ToInteger(_) | Self::IsEqual(..) => Type::BigInt,
            Self::Coalesce(a, _) => a.data_type(),
        }
    }

    pub fn sql(&self, dialect: Dialect) -> String {
        let of = |expression: &Self| expression.sql(dialect);
        match (self, dialect) {
            (Self::Column(column), _) => column.name.clone(),
            (Self::Literal(value, data_type), _) => value.sql(*data_type),
            (Self::Divide(a, b), Dialect::Engine) => format!("({} / {})", of(a), of(b)),
            (Self::Divide(a, b), Dialect::Oracle) => {
                // `nullif` would make a decimal of a rank.
                format!("({} / CASE WHEN {b} = 0 THEN NULL ELSE {b} END)", of(a), b = of(b))
            }
            (Self::ToInteger(a), Dialect::Engine) => format!("CAST({} AS BIGINT)", of(a)),
            (Self::ToInteger(a), Dialect::Oracle) => format!("TRY_CAST({} AS BIGINT)", of(a)),
            (Self::Add(a, b), Dialect::Engine) => format!("({} + {})", of(a), of(b)),
            // Exact, and back where it fits.
            (Self::Add(..), Dialect::Oracle) => format!("TRY_CAST({} AS BIGINT)", self.wide()),
            (Self::IsEqual(a, b), _) => {
                format!("CASE WHEN {} = {} THEN 1 ELSE 0 END", of(a), of(b))
            }
            (Self::Coalesce(a, b), _) => format!("coalesce({}, {})", of(a), of(b)),
        }
    }

    /// For the oracle: true, never NULL, where the engine's expression does not fail.
    pub fn succeeds(&self) -> Option<String> {
        let of = |expression: &Self| expression.sql(Dialect::Oracle);
        match self {
            Self::Column(_) | Self::Literal(..) => None,
            Self::Divide(a, b) => {
                Some(format!("({} IS NULL OR coalesce({}, 1) <> 0)", of(a), of(b)))
            }
            Self::ToInteger(a) => Some(format!("({} IS NULL OR {} IS NOT NULL)", of(a), of(self))),
            Self::Add(..) => {
                let wide = self.wide();
                Some(format!("({wide} IS NULL OR {} IS NOT NULL)", of(self)))
            }
            // What equals NULL is known without looking.
            Self::IsEqual(_, b) if matches!(**b, Self::Literal(Datum::Null, _)) => None,
            Self::IsEqual(a, _) | Self::Coalesce(a, _) => a.succeeds(),
        }
    }

    /// A sum in arithmetic that is wide enough.
    fn wide(&self) -> String {
        match self {
            Self::Add(a, b) => format!("({} + {})", a.wide(), b.wide()),
            other => format!("CAST({} AS DECIMAL(38, 0))", other.sql(Dialect::Oracle)),
        }
    }

    /// Simpler expressions, to shrink to.
    pub fn simpler(&self) -> Vec<Self> {
        match self {
            Self::Column(_) | Self::Literal(..) => Vec::new(),
            Self::Divide(a, b) | Self::Add(a, b) | Self::IsEqual(a, b) | Self::Coalesce(a, b) => {
                vec![(**a).clone(), (**b).clone()]
            }
            Self::ToInteger(a) => vec![(**a).clone()],
        }
    }
}

/// `expression operator literal`, or whether a column is NULL.
#[derive(Debug, Clone)]
pub struct Predicate {
    pub left: Expression,
    pub operator: &'static str,
    pub right: Datum,
}

impl Predicate {
    pub fn random(columns: &[Column], random: &mut Random) -> Self {
        let left = Expression::random(columns, random);
        let mut operator = *random.pick(&["=", "<>", "<", ">=", "IS NULL", "IS NOT NULL"]);
        if operator.starts_with("IS") && left.succeeds().is_some() {
            // Where nothing can be NULL that is known without evaluating what could fail.
            operator = "<>";
        }
        let right = match Datum::random(left.data_type(), random) {
            // NaN has its own order in each database.
            Datum::Float(value) if value.is_nan() => Datum::Float(1.0),
            other => other,
        };
        Self { left, operator, right }
    }

    pub fn sql(&self, dialect: Dialect) -> String {
        let left = self.left.sql(dialect);
        match self.operator {
            "IS NULL" | "IS NOT NULL" => format!("{left} {}", self.operator),
            operator => format!("{left} {operator} {}", self.right.sql(self.left.data_type())),
        }
    }

    /// For the oracle: true, never NULL, where the engine's condition does not fail.
    pub fn succeeds(&self) -> Option<String> {
        self.left.succeeds()
    }
}
