//! [`RowExpr`]: the common expressions, interpreted over one row of a [`RowBlock`].
//!
//! Compiled once from the physical expression that also runs over batches, and equal to it in
//! every value that it gives. What it does not know at all is not compiled; what goes wrong on a
//! row (an overflow, a division by zero, a cast out of range) it does not judge: it answers
//! [`Uncovered`], and the caller evaluates the rows as a batch, which finds the error and words it.
//! So the two ways cannot differ in errors.
//!
//! AND, OR, CASE and IN are evaluated lazily, as a batch of one row is. Values compare as Arrow's
//! kernels do: floats by IEEE 754 `totalOrder` with one zero, strings by their bytes.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, Literal, NotExpr,
};
use laminar_types::rows::{ColumnKind, Word};
use laminar_types::{RowBlock, RowLayout};

/// The rows must be evaluated as a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uncovered;

/// A value of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// A value that is no string.
    Word(u64),
    /// A string.
    Bytes(&'a [u8]),
}

/// An expression that is evaluated row by row.
#[derive(Debug, Clone)]
pub struct RowExpr(Node);

#[derive(Debug, Clone)]
enum Node {
    Column(usize),
    Text(usize),
    Null,
    Word(u64),
    Bytes(Box<[u8]>),
    Arithmetic {
        op: Arithmetic,
        kind: ColumnKind,
        sides: Box<[Node; 2]>,
    },
    Compare {
        op: Comparison,
        kind: ColumnKind,
        sides: Box<[Node; 2]>,
    },
    Distinct {
        negated: bool,
        kind: ColumnKind,
        sides: Box<[Node; 2]>,
    },
    /// AND decides on false, OR on true.
    Logic {
        decides: bool,
        sides: Box<[Node; 2]>,
    },
    Not(Box<Node>),
    IsNull {
        negated: bool,
        arg: Box<Node>,
    },
    Case {
        operand: Option<Box<Node>>,
        branches: Box<[(Node, Node)]>,
        otherwise: Box<Node>,
    },
    Cast {
        from: ColumnKind,
        to: ColumnKind,
        arg: Box<Node>,
    },
    In {
        negated: bool,
        arg: Box<Node>,
        list: Box<[Node]>,
    },
}

#[derive(Debug, Clone, Copy)]
enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl RowExpr {
    /// The expression over rows of this schema, or `None` where a part of it has no such form.
    pub fn compile(physical: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Self> {
        compile(physical, schema).map(|(node, _)| Self(node))
    }

    /// The value of one row.
    ///
    /// # Errors
    /// [`Uncovered`] when the row must be evaluated as a batch.
    #[inline]
    pub fn evaluate<'a>(&'a self, rows: &'a RowBlock, row: usize) -> Result<Value<'a>, Uncovered> {
        self.0.evaluate(rows, row)
    }

    /// Whether the expression is true for a row; null counts as false.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    #[inline]
    pub fn is_true(&self, rows: &RowBlock, row: usize) -> Result<bool, Uncovered> {
        Ok(self.0.evaluate(rows, row)? == TRUE)
    }
}

const TRUE: Value<'static> = Value::Word(1);
const FALSE: Value<'static> = Value::Word(0);

fn boolean(value: bool) -> Value<'static> {
    if value { TRUE } else { FALSE }
}

/// The node of an expression, with its type.
fn compile(physical: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<(Node, DataType)> {
    let data_type = physical.data_type(schema).ok()?;
    let kind = ColumnKind::of(&data_type)?;
    let node = if let Some(column) = physical.downcast_ref::<Column>() {
        if kind.is_bytes() { Node::Text(column.index()) } else { Node::Column(column.index()) }
    } else if let Some(literal) = physical.downcast_ref::<Literal>() {
        literal_node(literal.value(), &data_type)?
    } else if let Some(binary) = physical.downcast_ref::<BinaryExpr>() {
        binary_node(binary, schema)?
    } else if let Some(not) = physical.downcast_ref::<NotExpr>() {
        Node::Not(Box::new(typed(not.arg(), schema, &DataType::Boolean)?))
    } else if let Some(is_null) = physical.downcast_ref::<IsNullExpr>() {
        Node::IsNull { negated: false, arg: Box::new(compile(is_null.arg(), schema)?.0) }
    } else if let Some(is_not_null) = physical.downcast_ref::<IsNotNullExpr>() {
        Node::IsNull { negated: true, arg: Box::new(compile(is_not_null.arg(), schema)?.0) }
    } else if let Some(case) = physical.downcast_ref::<CaseExpr>() {
        case_node(case, schema, &data_type)?
    } else if let Some(cast) = physical.downcast_ref::<CastExpr>() {
        cast_node(cast, schema)?
    } else if let Some(list) = physical.downcast_ref::<InListExpr>() {
        list_node(list, schema)?
    } else {
        return None;
    };
    Some((node, data_type))
}

/// The node of an expression that must have this type.
fn typed(physical: &Arc<dyn PhysicalExpr>, schema: &Schema, is: &DataType) -> Option<Node> {
    let (node, data_type) = compile(physical, schema)?;
    (&data_type == is).then_some(node)
}

fn literal_node(value: &ScalarValue, data_type: &DataType) -> Option<Node> {
    let schema = Arc::new(Schema::new(vec![Field::new("literal", data_type.clone(), true)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![value.to_array().ok()?]).ok()?;
    let mut block = RowBlock::new(&RowLayout::new(&schema)?);
    if !block.append_batch(&batch, None).ok()? {
        return None;
    }
    Some(match block.layout().kinds()[0] {
        _ if block.is_null(0, 0) => Node::Null,
        kind if kind.is_bytes() => Node::Bytes(block.bytes(0, 0).into()),
        _ => Node::Word(block.word(0, 0)),
    })
}

fn binary_node(binary: &BinaryExpr, schema: &Schema) -> Option<Node> {
    let (left, left_type) = compile(binary.left(), schema)?;
    let (right, right_type) = compile(binary.right(), schema)?;
    let kind = ColumnKind::of(&left_type)?;
    if left_type != right_type {
        return None;
    }
    let sides = Box::new([left, right]);
    let arithmetic =
        |op, sides| left_type.is_numeric().then_some(Node::Arithmetic { op, kind, sides });
    let compare = |op, sides| Some(Node::Compare { op, kind, sides });
    match binary.op() {
        Operator::And => Some(Node::Logic { decides: false, sides }),
        Operator::Or => Some(Node::Logic { decides: true, sides }),
        Operator::Plus => arithmetic(Arithmetic::Add, sides),
        Operator::Minus => arithmetic(Arithmetic::Subtract, sides),
        Operator::Multiply => arithmetic(Arithmetic::Multiply, sides),
        Operator::Divide => arithmetic(Arithmetic::Divide, sides),
        Operator::Modulo => arithmetic(Arithmetic::Remainder, sides),
        Operator::Eq => compare(Comparison::Equal, sides),
        Operator::NotEq => compare(Comparison::NotEqual, sides),
        Operator::Lt => compare(Comparison::Less, sides),
        Operator::LtEq => compare(Comparison::LessOrEqual, sides),
        Operator::Gt => compare(Comparison::Greater, sides),
        Operator::GtEq => compare(Comparison::GreaterOrEqual, sides),
        Operator::IsDistinctFrom => Some(Node::Distinct { negated: false, kind, sides }),
        Operator::IsNotDistinctFrom => Some(Node::Distinct { negated: true, kind, sides }),
        _ => None,
    }
}

fn case_node(case: &CaseExpr, schema: &Schema, data_type: &DataType) -> Option<Node> {
    let condition = match case.expr() {
        None => DataType::Boolean,
        Some(operand) => operand.data_type(schema).ok()?,
    };
    if case.expr().is_some() && condition.is_floating() {
        // Whether NaN is found is not the same for every way that a batch takes.
        return None;
    }
    let operand = match case.expr() {
        None => None,
        Some(operand) => Some(Box::new(typed(operand, schema, &condition)?)),
    };
    let branches = case.when_then_expr().iter();
    let branches = branches
        .map(|(when, then)| {
            Some((typed(when, schema, &condition)?, typed(then, schema, data_type)?))
        })
        .collect::<Option<_>>()?;
    let otherwise = match case.else_expr() {
        None => Node::Null,
        Some(otherwise) => typed(otherwise, schema, data_type)?,
    };
    Some(Node::Case { operand, branches, otherwise: Box::new(otherwise) })
}

fn cast_node(cast: &CastExpr, schema: &Schema) -> Option<Node> {
    let (arg, from) = compile(cast.expr(), schema)?;
    let to = cast.cast_type();
    if &from == to {
        return Some(arg);
    }
    if !from.is_numeric() || !to.is_numeric() {
        return None;
    }
    let (from, to) = (ColumnKind::of(&from)?, ColumnKind::of(to)?);
    Some(Node::Cast { from, to, arg: Box::new(arg) })
}

fn list_node(list: &InListExpr, schema: &Schema) -> Option<Node> {
    let (arg, data_type) = compile(list.expr(), schema)?;
    if data_type.is_floating() {
        return None;
    }
    let nodes = list.list().iter().map(|element| typed(element, schema, &data_type));
    let nodes: Box<[Node]> = nodes.collect::<Option<_>>()?;
    let is_literal = |node: &Node| matches!(node, Node::Null | Node::Word(_) | Node::Bytes(_));
    nodes.iter().all(is_literal).then(|| Node::In {
        negated: list.negated(),
        arg: Box::new(arg),
        list: nodes,
    })
}

impl Node {
    fn evaluate<'a>(&'a self, rows: &'a RowBlock, row: usize) -> Result<Value<'a>, Uncovered> {
        Ok(match self {
            Self::Column(column) if rows.is_null(row, *column) => Value::Null,
            Self::Column(column) => Value::Word(rows.word(row, *column)),
            Self::Text(column) if rows.is_null(row, *column) => Value::Null,
            Self::Text(column) => Value::Bytes(rows.bytes(row, *column)),
            Self::Null => Value::Null,
            Self::Word(word) => Value::Word(*word),
            Self::Bytes(bytes) => Value::Bytes(bytes),
            Self::Arithmetic { op, kind, sides } => {
                let [left, right] = &**sides;
                match (left.evaluate(rows, row)?, right.evaluate(rows, row)?) {
                    (Value::Word(left), Value::Word(right)) => {
                        Value::Word(calculate(*op, *kind, left, right).ok_or(Uncovered)?)
                    }
                    _ => Value::Null,
                }
            }
            Self::Compare { op, kind, sides } => {
                let [left, right] = &**sides;
                match (left.evaluate(rows, row)?, right.evaluate(rows, row)?) {
                    (Value::Null, _) | (_, Value::Null) => Value::Null,
                    (left, right) => boolean(op.holds(compare(*kind, left, right))),
                }
            }
            Self::Distinct { negated, kind, sides } => {
                let [left, right] = &**sides;
                let is_equal = match (left.evaluate(rows, row)?, right.evaluate(rows, row)?) {
                    (Value::Null, other) | (other, Value::Null) => other == Value::Null,
                    (left, right) => compare(*kind, left, right).is_eq(),
                };
                boolean(is_equal == *negated)
            }
            Self::Logic { decides, sides } => {
                let decided = boolean(*decides);
                let left = sides[0].evaluate(rows, row)?;
                if left == decided {
                    return Ok(decided);
                }
                match (left, sides[1].evaluate(rows, row)?) {
                    (_, right) if right == decided => decided,
                    (Value::Null, _) => Value::Null,
                    (_, right) => right,
                }
            }
            Self::Not(arg) => match arg.evaluate(rows, row)? {
                Value::Null => Value::Null,
                value => boolean(value == FALSE),
            },
            Self::IsNull { negated, arg } => {
                boolean((arg.evaluate(rows, row)? == Value::Null) != *negated)
            }
            Self::Case { operand, branches, otherwise } => {
                let sought = match operand {
                    None => TRUE,
                    Some(operand) => operand.evaluate(rows, row)?,
                };
                if sought != Value::Null {
                    for (when, then) in branches {
                        if when.evaluate(rows, row)? == sought {
                            return then.evaluate(rows, row);
                        }
                    }
                }
                otherwise.evaluate(rows, row)?
            }
            Self::Cast { from, to, arg } => match arg.evaluate(rows, row)? {
                Value::Word(word) => Value::Word(cast(*from, *to, word).ok_or(Uncovered)?),
                other => other,
            },
            Self::In { negated, arg, list } => {
                let sought = arg.evaluate(rows, row)?;
                if sought == Value::Null {
                    return Ok(Value::Null);
                }
                let mut unknown = false;
                for element in list {
                    match element.evaluate(rows, row)? {
                        Value::Null => unknown = true,
                        element if element == sought => return Ok(boolean(!negated)),
                        _ => {}
                    }
                }
                if unknown { Value::Null } else { boolean(*negated) }
            }
        })
    }
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// The order of two values of one type, neither of them null.
fn compare(kind: ColumnKind, left: Value<'_>, right: Value<'_>) -> Ordering {
    match (left, right) {
        (Value::Word(left), Value::Word(right)) => match kind {
            ColumnKind::Signed(_) => (left as i64).cmp(&(right as i64)),
            ColumnKind::Float32 => {
                let (left, right) = (f32::of_word(left), f32::of_word(right));
                if left == right { Ordering::Equal } else { left.total_cmp(&right) }
            }
            ColumnKind::Float64 => {
                let (left, right) = (f64::of_word(left), f64::of_word(right));
                if left == right { Ordering::Equal } else { left.total_cmp(&right) }
            }
            _ => left.cmp(&right),
        },
        (Value::Bytes(left), Value::Bytes(right)) => left.cmp(right),
        // Both sides have one type, so this is never asked.
        _ => Ordering::Equal,
    }
}

/// The result, if it is in the range of the type.
fn calculate(op: Arithmetic, kind: ColumnKind, left: u64, right: u64) -> Option<u64> {
    match kind {
        ColumnKind::Signed(bytes) => {
            let (left, right) = (left as i64, right as i64);
            let result = match op {
                Arithmetic::Add => left.checked_add(right),
                Arithmetic::Subtract => left.checked_sub(right),
                Arithmetic::Multiply => left.checked_mul(right),
                Arithmetic::Divide => left.checked_div(right),
                Arithmetic::Remainder => left.checked_rem(right),
            }?;
            signed(bytes, i128::from(result))
        }
        ColumnKind::Unsigned(bytes) => {
            let result = match op {
                Arithmetic::Add => left.checked_add(right),
                Arithmetic::Subtract => left.checked_sub(right),
                Arithmetic::Multiply => left.checked_mul(right),
                Arithmetic::Divide => left.checked_div(right),
                Arithmetic::Remainder => left.checked_rem(right),
            }?;
            unsigned(bytes, i128::from(result))
        }
        ColumnKind::Float32 => {
            Some(calculate_float(op, f32::of_word(left), f32::of_word(right)).to_word())
        }
        ColumnKind::Float64 => {
            Some(calculate_float(op, f64::of_word(left), f64::of_word(right)).to_word())
        }
        _ => None,
    }
}

fn calculate_float<T>(op: Arithmetic, left: T, right: T) -> T
where
    T: std::ops::Add<Output = T>
        + std::ops::Sub<Output = T>
        + std::ops::Mul<Output = T>
        + std::ops::Div<Output = T>
        + std::ops::Rem<Output = T>,
{
    match op {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
        Arithmetic::Remainder => left % right,
    }
}

/// The word of a signed integer of so many bytes, if it has that range.
fn signed(bytes: u8, value: i128) -> Option<u64> {
    let limit = 1i128 << (8 * bytes - 1);
    (-limit..limit).contains(&value).then_some(value as i64 as u64)
}

/// The word of an unsigned integer of so many bytes, if it has that range.
fn unsigned(bytes: u8, value: i128) -> Option<u64> {
    (0..1i128 << (8 * bytes)).contains(&value).then_some(value as u64)
}

/// The value as another type of number, if it has it.
fn cast(from: ColumnKind, to: ColumnKind, word: u64) -> Option<u64> {
    let integer = |value: i128| match to {
        ColumnKind::Signed(bytes) => signed(bytes, value),
        ColumnKind::Unsigned(bytes) => unsigned(bytes, value),
        _ => None,
    };
    match (from, to) {
        (ColumnKind::Signed(_), ColumnKind::Float32) => Some((word as i64 as f32).to_word()),
        (ColumnKind::Signed(_), ColumnKind::Float64) => Some((word as i64 as f64).to_word()),
        (ColumnKind::Unsigned(_), ColumnKind::Float32) => Some((word as f32).to_word()),
        (ColumnKind::Unsigned(_), ColumnKind::Float64) => Some((word as f64).to_word()),
        (ColumnKind::Signed(_), _) => integer(i128::from(word as i64)),
        (ColumnKind::Unsigned(_), _) => integer(i128::from(word)),
        (ColumnKind::Float32, ColumnKind::Float64) => Some(f64::from(f32::of_word(word)).to_word()),
        (ColumnKind::Float64, ColumnKind::Float32) => {
            let value = f64::of_word(word);
            let narrow = value as f32;
            (narrow.is_infinite() == value.is_infinite()).then(|| narrow.to_word())
        }
        (ColumnKind::Float32, _) => whole(f64::from(f32::of_word(word))).and_then(integer),
        (ColumnKind::Float64, _) => whole(f64::of_word(word)).and_then(integer),
        _ => None,
    }
}

/// A float without its fraction, where that is exact and nobody could round it otherwise.
fn whole(value: f64) -> Option<i128> {
    const LIMIT: f64 = (1u64 << 52) as f64;
    (value.abs() < LIMIT).then(|| value.trunc() as i128)
}
