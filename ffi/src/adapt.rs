//! How batches of one schema become rows of a source: columns by name, types by kind.
//!
//! A type is taken for another when it can hold every value of it, or when each value is checked to
//! come back unchanged. Text is never read as numbers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::util::display::FormatOptions;
use laminar_types::error::code;
use laminar_types::{Error, Result};

use crate::arrow_c::CheckedSchema;
use laminar_format::decimal;

/// How to make the columns of a source of those that were given.
#[derive(Debug)]
pub(crate) enum Plan {
    /// They are the source's own.
    Same,
    /// They are looked for and converted.
    Columns {
        /// The schema given.
        given: SchemaRef,
        /// For each column of the source, what it is made of.
        columns: Vec<Column>,
    },
}

#[derive(Debug, PartialEq)]
pub(crate) enum Column {
    /// The column given at this place, as it is.
    Take(usize),
    /// The column given at this place, converted. `exact` asks to check every value.
    Convert { from: usize, exact: bool },
    /// NULL: the column was not given.
    Missing,
}

impl Plan {
    pub(crate) fn new(given: &CheckedSchema<'_>, target: &Schema) -> Result<Self> {
        if !given.is_struct() {
            return Err(Error::new(
                code::BATCH_SCHEMA,
                "the schema is not a struct with one child per column",
            ));
        }
        if is_same(given, target.fields()) {
            return Ok(Plan::Same);
        }
        Self::between(given.to_schema()?, target)
    }

    /// From one schema to another.
    pub(crate) fn between(given: SchemaRef, target: &Schema) -> Result<Self> {
        for (index, field) in given.fields().iter().enumerate() {
            let name = field.name();
            if target.fields().find(name).is_none() {
                return Err(mismatch(format!("the source has no column `{name}`")));
            }
            if given.fields().iter().take(index).any(|other| other.name() == name) {
                return Err(mismatch(format!("the column `{name}` is given twice")));
            }
        }
        let column = |field: &FieldRef| {
            let Some((from, found)) = given.fields().find(field.name()) else {
                return if field.is_nullable() {
                    Ok(Column::Missing)
                } else {
                    let name = field.name();
                    Err(mismatch(format!("the column `{name}` is NOT NULL and was not given")))
                };
            };
            match conversion(found.data_type(), field.data_type()) {
                Some(Conversion::None) => Ok(Column::Take(from)),
                Some(Conversion::Widen) => Ok(Column::Convert { from, exact: false }),
                Some(Conversion::Exact) => Ok(Column::Convert { from, exact: true }),
                None => Err(mismatch(format!(
                    "the column `{}` has the type {}, and {} was given",
                    field.name(),
                    field.data_type(),
                    found.data_type()
                ))),
            }
        };
        let columns = target.fields().iter().map(column).collect::<Result<_>>()?;
        Ok(Plan::Columns { given, columns })
    }

    /// The schema given, unless it is the source's own.
    pub(crate) fn given(&self) -> Option<&SchemaRef> {
        match self {
            Plan::Same => None,
            Plan::Columns { given, .. } => Some(given),
        }
    }

    /// The columns of the source, from those given.
    pub(crate) fn apply(
        &self,
        given: Vec<ArrayRef>,
        target: &Schema,
        rows: usize,
    ) -> Result<Vec<ArrayRef>> {
        let Plan::Columns { columns, .. } = self else {
            return Ok(given);
        };
        let make = |(column, field): (&Column, &FieldRef)| match column {
            Column::Take(from) => Ok(Arc::clone(&given[*from])),
            Column::Convert { from, exact } => convert(&given[*from], field.data_type(), *exact)
                .map_err(|error| error.context(format_args!("column `{}`", field.name()))),
            Column::Missing => Ok(new_null_array(field.data_type(), rows)),
        };
        columns.iter().zip(target.fields()).map(make).collect()
    }
}

fn mismatch(message: String) -> Error {
    Error::new(code::BATCH_SCHEMA, message)
}

/// Whether a schema of C has exactly these columns; allocates nothing for flat types.
fn is_same(given: &CheckedSchema<'_>, fields: &Fields) -> bool {
    given.columns().len() == fields.len()
        && given.columns().zip(fields).all(|(column, field)| {
            column.name() == Some(field.name())
                && DataType::try_from(column).is_ok_and(|given| given == *field.data_type())
        })
}

/// What it takes to hold the values of one type in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Conversion {
    /// Nothing.
    None,
    /// A cast, which every value survives.
    Widen,
    /// A cast, which some values may not survive: all have to be checked.
    Exact,
}

/// `None` when a value of type `from` has no place in a column of type `to`.
fn conversion(from: &DataType, to: &DataType) -> Option<Conversion> {
    use Conversion::{Exact, Widen};
    use DataType::*;

    if from == to {
        return Some(Conversion::None);
    }
    let within = |found: Option<Conversion>| found.map(|inner| inner.max(Widen));
    match (from, to) {
        (Null, _) => Some(Widen),
        (Dictionary(_, values), _) => within(conversion(values, to)),
        (RunEndEncoded(_, values), _) => within(conversion(values.data_type(), to)),
        (_, Dictionary(_, values)) => within(conversion(from, values)),
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => Some(Widen),
        (
            Binary | LargeBinary | BinaryView | FixedSizeBinary(_),
            Binary | LargeBinary | BinaryView,
        ) => Some(Widen),
        (Timestamp(from, _), Timestamp(to, _)) | (Duration(from), Duration(to)) => {
            Some(if from == to { Widen } else { Exact })
        }
        (Time32(_) | Time64(_), Time32(_) | Time64(_)) | (Date32 | Date64, Date32 | Date64) => {
            Some(Exact)
        }
        (Float16, Float32 | Float64) | (Float32, Float64) => Some(Widen),
        (Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..), _) => {
            let ((p1, s1), (p2, s2)) = (decimal::parts(from)?, decimal::parts(to)?);
            let digits = |precision: u8, scale: i8| i16::from(precision) - i16::from(scale);
            Some(if s2 >= s1 && digits(p2, s2) >= digits(p1, s1) { Widen } else { Exact })
        }
        (List(from) | LargeList(from) | ListView(from) | LargeListView(from), _)
        | (FixedSizeList(from, _), List(_) | LargeList(_)) => match to {
            List(to) | LargeList(to) => lossless(from, to),
            _ => None,
        },
        (FixedSizeList(from, m), FixedSizeList(to, n)) if m == n => lossless(from, to),
        (Struct(from), Struct(to)) if from.len() == to.len() => {
            let pairs = from.iter().zip(to);
            pairs
                .map(|(from, to)| (from.name() == to.name()).then(|| lossless(from, to)).flatten())
                .try_fold(Widen, |most, one| Some(most.max(one?)))
        }
        (Map(from, _), Map(to, _)) => match (from.data_type(), to.data_type()) {
            (Struct(from), Struct(to)) if from.len() == 2 && to.len() == 2 => from
                .iter()
                .zip(to)
                .try_fold(Widen, |most, (from, to)| Some(most.max(lossless(from, to)?))),
            _ => None,
        },
        _ if from.is_integer() && to.is_integer() => widens(from, to).then_some(Widen),
        _ if from.is_integer() && to.is_floating() => Some(Exact),
        _ => None,
    }
}

/// Inside nested types only what every value survives is taken, since values are not checked there.
fn lossless(from: &Field, to: &Field) -> Option<Conversion> {
    conversion(from.data_type(), to.data_type())
        .filter(|found| *found < Conversion::Exact)
        .map(|_| Conversion::Widen)
}

/// Whether one integer type holds every value of another.
fn widens(from: &DataType, to: &DataType) -> bool {
    let width = |data_type: &DataType| data_type.primitive_width().unwrap_or(0);
    match (from.is_signed_integer(), to.is_signed_integer()) {
        (true, false) => false,
        (false, true) => width(from) < width(to),
        _ => width(from) <= width(to),
    }
}

fn convert(array: &ArrayRef, to: &DataType, exact: bool) -> Result<ArrayRef> {
    let cast = |array: &ArrayRef, to: &DataType| {
        let options = CastOptions { safe: false, format_options: FormatOptions::default() };
        cast_with_options(array, to, &options)
            .map_err(|error| Error::new(code::VALUE, error.to_string()))
    };
    // Dictionaries and runs first become their values, so that what follows sees plain types.
    let plain = match array.data_type() {
        DataType::Dictionary(_, values) if !matches!(to, DataType::Dictionary(..)) => {
            cast(array, values)?
        }
        DataType::RunEndEncoded(_, values) => cast(array, values.data_type())?,
        _ => Arc::clone(array),
    };
    // A zone is only how an instant is shown: it is replaced, never applied.
    let plain = match (plain.data_type(), to) {
        (DataType::Timestamp(unit, _), DataType::Timestamp(_, zone)) => {
            with_zone(&plain, *unit, zone.clone())
        }
        _ => plain,
    };
    let converted = cast(&plain, to)?;
    if exact {
        let back = cast(&converted, plain.data_type())?;
        if let Some(row) = first_difference(&plain, &back) {
            return Err(Error::new(
                code::VALUE,
                format!("the value of row {row} cannot be stored exactly as {to}"),
            ));
        }
    }
    Ok(converted)
}

fn with_zone(array: &ArrayRef, unit: TimeUnit, zone: Option<Arc<str>>) -> ArrayRef {
    fn of<T: arrow::datatypes::ArrowTimestampType>(
        array: &PrimitiveArray<T>,
        zone: Option<Arc<str>>,
    ) -> ArrayRef {
        Arc::new(array.clone().with_timezone_opt(zone))
    }
    match unit {
        TimeUnit::Second => of::<TimestampSecondType>(array.as_primitive(), zone),
        TimeUnit::Millisecond => of::<TimestampMillisecondType>(array.as_primitive(), zone),
        TimeUnit::Microsecond => of::<TimestampMicrosecondType>(array.as_primitive(), zone),
        TimeUnit::Nanosecond => of::<TimestampNanosecondType>(array.as_primitive(), zone),
    }
}

fn first_difference(left: &ArrayRef, right: &ArrayRef) -> Option<usize> {
    if left.to_data() == right.to_data() {
        return None;
    }
    (0..left.len()).find(|&row| left.slice(row, 1).to_data() != right.slice(row, 1).to_data())
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        DictionaryArray, Float64Array, Int32Array, Int64Array, StringArray, StringViewArray,
        TimestampMillisecondArray, TimestampNanosecondArray,
    };
    use arrow::datatypes::Int32Type;

    use super::*;

    fn schema(fields: &[(&str, DataType, bool)]) -> SchemaRef {
        let field = |(name, data_type, nullable): &(&str, DataType, bool)| {
            Field::new(*name, data_type.clone(), *nullable)
        };
        Arc::new(Schema::new(fields.iter().map(field).collect::<Vec<_>>()))
    }

    fn one(array: ArrayRef, to: DataType) -> Result<ArrayRef> {
        let given = schema(&[("v", array.data_type().clone(), true)]);
        let target = schema(&[("v", to, true)]);
        let rows = array.len();
        let plan = Plan::between(given, &target)?;
        plan.apply(vec![array], &target, rows).map(|mut columns| columns.remove(0))
    }

    #[test]
    fn columns_are_found_by_name() {
        let target = schema(&[
            ("a", DataType::Int64, false),
            ("b", DataType::Utf8, true),
            ("c", DataType::Float64, true),
        ]);
        let given = schema(&[("c", DataType::Float64, true), ("a", DataType::Int32, false)]);
        let plan = Plan::between(given, &target).unwrap();
        let Plan::Columns { columns, .. } = &plan else { panic!("not the same") };
        let expected =
            [Column::Convert { from: 1, exact: false }, Column::Missing, Column::Take(0)];
        assert_eq!(*columns, expected);
        let arrays: Vec<ArrayRef> =
            vec![Arc::new(Float64Array::from(vec![0.5])), Arc::new(Int32Array::from(vec![7]))];
        let made = plan.apply(arrays, &target, 1).unwrap();
        assert_eq!(made[0].as_ref(), &Int64Array::from(vec![7]) as &dyn Array);
        assert_eq!(made[1].null_count(), 1);
    }

    #[test]
    fn mismatches_name_the_column() {
        let target = schema(&[("a", DataType::Int64, false), ("b", DataType::Utf8, true)]);
        for (given, part) in [
            (vec![("x", DataType::Int64, true)], "no column `x`"),
            (vec![("b", DataType::Utf8, true)], "`a` is NOT NULL and was not given"),
            (vec![("a", DataType::Utf8, true)], "`a` has the type Int64, and Utf8 was given"),
            (vec![("a", DataType::UInt64, true)], "`a` has the type Int64, and UInt64"),
            (
                vec![("a", DataType::Int64, true), ("a", DataType::Int64, true)],
                "`a` is given twice",
            ),
        ] {
            let error = Plan::between(schema(&given), &target).unwrap_err();
            assert_eq!(error.code(), code::BATCH_SCHEMA);
            assert!(error.message().contains(part), "{error}");
        }
    }

    #[test]
    fn kinds_of_text_and_dictionaries_are_taken() {
        let view: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "b"]));
        let plain = one(view, DataType::Utf8).unwrap();
        assert_eq!(plain.as_ref(), &StringArray::from(vec!["a", "b"]) as &dyn Array);
        let words: ArrayRef =
            Arc::new(["x", "y", "x"].into_iter().collect::<DictionaryArray<Int32Type>>());
        let plain = one(words, DataType::Utf8View).unwrap();
        assert_eq!(plain.as_ref(), &StringViewArray::from(vec!["x", "y", "x"]) as &dyn Array);
        let text: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
        assert!(one(text, DataType::Int64).is_err());
    }

    #[test]
    fn times_are_taken_when_exact() {
        let exact: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![5_000_000]));
        let millis = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        let made = one(exact, millis.clone()).unwrap();
        let expected = TimestampMillisecondArray::from(vec![5]).with_timezone("UTC");
        assert_eq!(made.as_ref(), &expected as &dyn Array);
        let lossy: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![0, 5_000_001]));
        let error = one(lossy, millis).unwrap_err();
        assert!(error.message().contains("column `v`: the value of row 1"), "{error}");
        // A zone is relabelled: the instant stays.
        let berlin: ArrayRef =
            Arc::new(TimestampMillisecondArray::from(vec![7]).with_timezone("+02:00"));
        let made = one(berlin, DataType::Timestamp(TimeUnit::Millisecond, None)).unwrap();
        assert_eq!(made.as_ref(), &TimestampMillisecondArray::from(vec![7]) as &dyn Array);
    }

    #[test]
    fn integers_become_floats_when_exact() {
        let fits: ArrayRef = Arc::new(Int64Array::from(vec![Some(3), None]));
        let made = one(fits, DataType::Float64).unwrap();
        assert_eq!(made.as_ref(), &Float64Array::from(vec![Some(3.0), None]) as &dyn Array);
        let large: ArrayRef = Arc::new(Int64Array::from(vec![(1 << 53) + 1]));
        assert!(one(large, DataType::Float64).is_err());
    }
}
