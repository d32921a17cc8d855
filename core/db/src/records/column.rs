//! [`Column`]: the values of a column, of an Arrow array or of a block of rows.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray,
    FixedSizeListArray, LargeBinaryArray, LargeListArray, LargeStringArray, ListArray, StringArray,
    StringViewArray, StructArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal128Type, Decimal256Type, DurationMicrosecondType,
    DurationMillisecondType, DurationNanosecondType, DurationSecondType, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time32SecondType,
    Time64MicrosecondType, Time64NanosecondType, TimeUnit as ArrowUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type, i256,
};
use laminar_types::rows::ColumnKind;
use laminar_types::{RowBlock, TimeUnit};

use super::target::unit_of;
use super::value::Value;

/// A column whose values are read one by one.
pub(super) struct Column<'a> {
    meaning: Meaning,
    cells: Cells<'a>,
    nulls: Option<&'a NullBuffer>,
}

/// What the integers of a column are.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    Number,
    Timestamp(TimeUnit),
    Time(TimeUnit),
    Duration(TimeUnit),
    Date,
}

/// Where the values stand.
enum Cells<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    UInt8(&'a [u8]),
    UInt16(&'a [u16]),
    UInt32(&'a [u32]),
    UInt64(&'a [u64]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Text(&'a StringArray),
    LargeText(&'a LargeStringArray),
    TextView(&'a StringViewArray),
    Bytes(&'a BinaryArray),
    LargeBytes(&'a LargeBinaryArray),
    BytesView(&'a BinaryViewArray),
    FixedBytes(&'a FixedSizeBinaryArray),
    Decimal(&'a [i128], i8),
    WideDecimal(&'a [i256], i8),
    List(&'a ListArray),
    LargeList(&'a LargeListArray),
    FixedList(&'a FixedSizeListArray),
    Struct(&'a StructArray),
    Block { block: &'a RowBlock, column: usize, kind: ColumnKind },
}

/// Whether values of a type can be read.
pub(super) fn is_readable(data_type: &DataType) -> bool {
    use DataType as T;
    match data_type {
        T::Null
        | T::Boolean
        | T::Float32
        | T::Float64
        | T::Utf8
        | T::LargeUtf8
        | T::Utf8View
        | T::Binary
        | T::LargeBinary
        | T::BinaryView
        | T::FixedSizeBinary(_)
        | T::Date32
        | T::Date64
        | T::Time32(_)
        | T::Time64(_)
        | T::Timestamp(..)
        | T::Duration(_)
        | T::Decimal128(..)
        | T::Decimal256(..)
        | T::Struct(_) => true,
        T::List(item) | T::LargeList(item) | T::FixedSizeList(item, _) => {
            is_readable(item.data_type())
        }
        T::Dictionary(_, value) => is_readable(value),
        other => other.is_integer(),
    }
}

/// The array with the values that a dictionary stands for in the place of it.
pub(super) fn decoded(array: &ArrayRef) -> ArrayRef {
    let DataType::Dictionary(_, value) = array.data_type() else {
        return ArrayRef::clone(array);
    };
    cast(array, value).expect("a dictionary has the values that its keys name")
}

impl<'a> Column<'a> {
    /// The values of an array whose type [is readable](is_readable) and no dictionary.
    pub(super) fn of_array(array: &'a ArrayRef) -> Self {
        use DataType as T;
        macro_rules! values {
            ($cells:ident, $t:ty) => {
                Cells::$cells(array.as_primitive::<$t>().values())
            };
        }
        let cells = match array.data_type() {
            T::Boolean => Cells::Boolean(array.as_boolean()),
            T::Int8 => values!(Int8, Int8Type),
            T::Int16 => values!(Int16, Int16Type),
            T::Int32 => values!(Int32, Int32Type),
            T::Int64 => values!(Int64, Int64Type),
            T::UInt8 => values!(UInt8, UInt8Type),
            T::UInt16 => values!(UInt16, UInt16Type),
            T::UInt32 => values!(UInt32, UInt32Type),
            T::UInt64 => values!(UInt64, UInt64Type),
            T::Float32 => values!(Float32, Float32Type),
            T::Float64 => values!(Float64, Float64Type),
            T::Date32 => values!(Int32, Date32Type),
            T::Date64 => values!(Int64, Date64Type),
            T::Time32(ArrowUnit::Second) => values!(Int32, Time32SecondType),
            T::Time32(_) => values!(Int32, Time32MillisecondType),
            T::Time64(ArrowUnit::Microsecond) => values!(Int64, Time64MicrosecondType),
            T::Time64(_) => values!(Int64, Time64NanosecondType),
            T::Timestamp(ArrowUnit::Second, _) => values!(Int64, TimestampSecondType),
            T::Timestamp(ArrowUnit::Millisecond, _) => values!(Int64, TimestampMillisecondType),
            T::Timestamp(ArrowUnit::Microsecond, _) => values!(Int64, TimestampMicrosecondType),
            T::Timestamp(ArrowUnit::Nanosecond, _) => values!(Int64, TimestampNanosecondType),
            T::Duration(ArrowUnit::Second) => values!(Int64, DurationSecondType),
            T::Duration(ArrowUnit::Millisecond) => values!(Int64, DurationMillisecondType),
            T::Duration(ArrowUnit::Microsecond) => values!(Int64, DurationMicrosecondType),
            T::Duration(ArrowUnit::Nanosecond) => values!(Int64, DurationNanosecondType),
            T::Utf8 => Cells::Text(array.as_string()),
            T::LargeUtf8 => Cells::LargeText(array.as_string()),
            T::Utf8View => Cells::TextView(array.as_string_view()),
            T::Binary => Cells::Bytes(array.as_binary()),
            T::LargeBinary => Cells::LargeBytes(array.as_binary()),
            T::BinaryView => Cells::BytesView(array.as_binary_view()),
            T::FixedSizeBinary(_) => Cells::FixedBytes(array.as_fixed_size_binary()),
            T::Decimal128(_, scale) => {
                Cells::Decimal(array.as_primitive::<Decimal128Type>().values(), *scale)
            }
            T::Decimal256(_, scale) => {
                Cells::WideDecimal(array.as_primitive::<Decimal256Type>().values(), *scale)
            }
            T::List(_) => Cells::List(array.as_list()),
            T::LargeList(_) => Cells::LargeList(array.as_list()),
            T::FixedSizeList(..) => Cells::FixedList(array.as_fixed_size_list()),
            T::Struct(_) => Cells::Struct(array.as_struct()),
            _ => Cells::Null,
        };
        Self { meaning: Meaning::of(array.data_type()), cells, nulls: array.nulls() }
    }

    /// The values of a column of a block of rows.
    pub(super) fn of_block(block: &'a RowBlock, column: usize) -> Self {
        let layout = block.layout();
        let kind = layout.kinds()[column];
        let meaning = Meaning::of(layout.schema().field(column).data_type());
        Self { meaning, cells: Cells::Block { block, column, kind }, nulls: None }
    }

    /// One value.
    pub(super) fn value(&self, row: usize) -> Value<'a> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return Value::Null;
        }
        match &self.cells {
            Cells::Null => Value::Null,
            Cells::Boolean(values) => Value::Bool(values.value(row)),
            Cells::Int8(values) => Value::Int(values[row].into()),
            Cells::Int16(values) => Value::Int(values[row].into()),
            Cells::Int32(values) => self.meaning.of_count(values[row].into()),
            Cells::Int64(values) => self.meaning.of_count(values[row]),
            Cells::UInt8(values) => Value::UInt(values[row].into()),
            Cells::UInt16(values) => Value::UInt(values[row].into()),
            Cells::UInt32(values) => Value::UInt(values[row].into()),
            Cells::UInt64(values) => Value::UInt(values[row]),
            Cells::Float32(values) => Value::Float32(values[row]),
            Cells::Float64(values) => Value::Float64(values[row]),
            Cells::Text(values) => Value::Text(values.value(row)),
            Cells::LargeText(values) => Value::Text(values.value(row)),
            Cells::TextView(values) => Value::Text(values.value(row)),
            Cells::Bytes(values) => Value::Bytes(values.value(row)),
            Cells::LargeBytes(values) => Value::Bytes(values.value(row)),
            Cells::BytesView(values) => Value::Bytes(values.value(row)),
            Cells::FixedBytes(values) => Value::Bytes(values.value(row)),
            Cells::Decimal(values, scale) => {
                Value::Decimal { unscaled: values[row], scale: *scale }
            }
            // More digits than any type here has are read as the largest, which none fits.
            Cells::WideDecimal(values, scale) => Value::Decimal {
                unscaled: values[row].to_i128().unwrap_or(i128::MAX),
                scale: *scale,
            },
            Cells::List(lists) => Value::List(lists.value(row)),
            Cells::LargeList(lists) => Value::List(lists.value(row)),
            Cells::FixedList(lists) => Value::List(lists.value(row)),
            Cells::Struct(structs) => Value::Struct(structs, row),
            Cells::Block { block, column, kind } => self.of_word(block, row, *column, *kind),
        }
    }

    fn of_word(
        &self,
        block: &'a RowBlock,
        row: usize,
        column: usize,
        kind: ColumnKind,
    ) -> Value<'a> {
        if block.is_null(row, column) {
            return Value::Null;
        }
        let word = block.word(row, column);
        match kind {
            ColumnKind::Boolean => Value::Bool(word != 0),
            ColumnKind::Signed(_) => self.meaning.of_count(word as i64),
            ColumnKind::Unsigned(_) => Value::UInt(word),
            ColumnKind::Float32 => Value::Float32(f32::from_bits(word as u32)),
            ColumnKind::Float64 => Value::Float64(f64::from_bits(word)),
            ColumnKind::Text => {
                let text = std::str::from_utf8(block.bytes_of(word));
                Value::Text(text.expect("the texts of a block are UTF-8"))
            }
            ColumnKind::Bytes => Value::Bytes(block.bytes_of(word)),
        }
    }
}

impl Meaning {
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Timestamp(unit, _) => Self::Timestamp(unit_of(*unit)),
            DataType::Date64 => Self::Timestamp(TimeUnit::Millisecond),
            DataType::Time32(unit) | DataType::Time64(unit) => Self::Time(unit_of(*unit)),
            DataType::Duration(unit) => Self::Duration(unit_of(*unit)),
            DataType::Date32 => Self::Date,
            _ => Self::Number,
        }
    }

    fn of_count(self, count: i64) -> Value<'static> {
        match self {
            Self::Number => Value::Int(count),
            Self::Timestamp(unit) => Value::Timestamp(count, unit),
            Self::Time(unit) => Value::Time(count, unit),
            Self::Duration(unit) => Value::Duration(count, unit),
            Self::Date => Value::Date(count as i32),
        }
    }
}
