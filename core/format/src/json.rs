//! JSON: an object, an array of objects, or objects one after the other (NDJSON).

use std::sync::Arc;

use arrow::array::{
    ArrayRef, FixedSizeListArray, GenericListArray, MapArray, OffsetSizeTrait, RecordBatch,
    RecordBatchOptions, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, SchemaRef};
use arrow::error::ArrowError;
use laminar_types::{Error, Result, code};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::scalar::{self, Scalar};
use crate::{EpochUnit, refuse_value};

/// How JSON is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JsonOptions {
    /// The unit of integers in TIMESTAMP columns.
    pub epoch: EpochUnit,
}

impl JsonOptions {
    /// Reads the JSON form: `{"epoch": "s" | "ms" | "us" | "ns"}`, every key optional.
    ///
    /// # Errors
    /// `INGESTION_ARGUMENT` that names what is wrong.
    pub fn from_json(json: Option<&str>) -> Result<Self> {
        crate::options(json)
    }
}

/// The rows of a text, as columns of a schema.
///
/// Members are found by their name; one that is missing is NULL. Objects are structs and maps,
/// arrays lists.
///
/// # Errors
/// `MALFORMED_TEXT` where the text is no JSON, `BATCH_SCHEMA` for a member that is no column,
/// `VALUE` for a value that its column cannot hold. NULLs are not judged here.
pub fn decode(text: &str, schema: &SchemaRef, options: JsonOptions) -> Result<RecordBatch> {
    let rows = objects(text)?;
    let known = |name: &String| schema.fields().find(name).is_some();
    for (row, object) in rows.iter().enumerate() {
        if let Some(unknown) = object.keys().find(|name| !known(name)) {
            return Err(Error::new(
                code::BATCH_SCHEMA,
                format!("row {row} has a member `{unknown}`, and the source no such column"),
            ));
        }
    }
    let column = |field: &FieldRef| {
        let cells = rows.iter().enumerate().map(|(row, object)| Cell {
            row,
            value: object.get(field.name()).unwrap_or(&Value::Null),
        });
        let column = Nested { path: field.name().clone(), epoch: options.epoch };
        column.build(field.data_type(), &cells.collect::<Vec<_>>())
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<ArrayRef>>>()?;
    let fields: Vec<Field> =
        schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let nullable = Arc::new(arrow::datatypes::Schema::new(fields));
    let count = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(nullable, columns, &count).map_err(|error| internal(&error))
}

/// The objects of a text in their order.
fn objects(text: &str) -> Result<Vec<Map<String, Value>>> {
    let malformed = |error: serde_json::Error| {
        Error::new(code::MALFORMED_TEXT, format!("the text is no JSON: {error}"))
    };
    let is_array = text.trim_start().starts_with('[');
    let values: Vec<Value> = match is_array {
        true => serde_json::from_str(text).map_err(malformed)?,
        false => serde_json::Deserializer::from_str(text)
            .into_iter()
            .collect::<std::result::Result<_, _>>()
            .map_err(malformed)?,
    };
    let object = |(row, value)| match value {
        Value::Object(object) => Ok(object),
        other => Err(Error::new(
            code::MALFORMED_TEXT,
            format!("row {row} must be a JSON object with a member for each column, not {other}"),
        )),
    };
    values.into_iter().enumerate().map(object).collect()
}

/// A value, and the row that it belongs to.
#[derive(Clone, Copy)]
struct Cell<'a> {
    row: usize,
    value: &'a Value,
}

/// A column, or a part of one.
struct Nested {
    /// For messages: `a.b[]`.
    path: String,
    epoch: EpochUnit,
}

impl Nested {
    fn inner(&self, suffix: &str) -> Self {
        Self { path: format!("{}{suffix}", self.path), epoch: self.epoch }
    }

    fn build(&self, data_type: &DataType, cells: &[Cell<'_>]) -> Result<ArrayRef> {
        match data_type {
            DataType::List(item) => self.list::<i32>(item, cells),
            DataType::LargeList(item) => self.list::<i64>(item, cells),
            DataType::FixedSizeList(item, size) => self.fixed_size_list(item, *size, cells),
            DataType::Struct(fields) => self.structure(fields, cells),
            DataType::Map(entries, sorted) => self.map(entries, *sorted, cells),
            scalar if scalar::is_scalar(scalar) => self.scalars(scalar, cells),
            other => Err(Error::unsupported(format!(
                "JSON cannot be read into the column `{}` of type {other}: push Arrow arrays",
                self.path
            ))),
        }
    }

    fn scalars(&self, data_type: &DataType, cells: &[Cell<'_>]) -> Result<ArrayRef> {
        let values = cells.iter().map(|cell| match cell.value {
            Value::Null => Ok(Scalar::Null),
            Value::Bool(value) => Ok(Scalar::Bool(*value)),
            Value::String(text) => Ok(Scalar::Text(text)),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(value), ..) => Ok(Scalar::Int(value.into())),
                (_, Some(value), _) => Ok(Scalar::Int(value.into())),
                (.., Some(value)) => Ok(Scalar::Float(value)),
                _ => Err(self.refuse(cell, "a number of JSON")),
            },
            Value::Array(_) | Value::Object(_) => Err(self.refuse(cell, &data_type.to_string())),
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        scalar::build(data_type, &values, self.epoch).map_err(|refused| {
            let row = cells.get(refused.index).map_or(0, |cell| cell.row);
            refuse_value(row, &self.path, &refused.reason)
        })
    }

    fn refuse(&self, cell: &Cell<'_>, wanted: &str) -> Error {
        let given = match cell.value {
            Value::Array(_) => "an array".to_string(),
            Value::Object(_) => "an object".to_string(),
            other => other.to_string(),
        };
        refuse_value(cell.row, &self.path, &format!("{given} is no value of the type {wanted}"))
    }

    /// The elements of arrays, one after the other, and how many each has.
    fn elements<'a>(
        &self,
        what: &str,
        cells: &[Cell<'a>],
    ) -> Result<(Vec<Cell<'a>>, Vec<usize>, Vec<bool>)> {
        let (mut elements, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
        for cell in cells {
            match cell.value {
                Value::Array(values) => {
                    elements.extend(values.iter().map(|value| Cell { row: cell.row, value }));
                    lengths.push(values.len());
                    valid.push(true);
                }
                Value::Null => {
                    lengths.push(0);
                    valid.push(false);
                }
                _ => return Err(self.refuse(cell, what)),
            }
        }
        Ok((elements, lengths, valid))
    }

    fn list<O: OffsetSizeTrait>(&self, item: &FieldRef, cells: &[Cell<'_>]) -> Result<ArrayRef> {
        let (elements, lengths, valid) = self.elements("a list", cells)?;
        let values = self.inner("[]").build(item.data_type(), &elements)?;
        let offsets = OffsetBuffer::<O>::from_lengths(lengths);
        let array = GenericListArray::try_new(
            Arc::clone(item),
            offsets,
            values,
            Some(NullBuffer::from(valid)),
        );
        Ok(Arc::new(array.map_err(|error| self.nulls(&error))?))
    }

    fn fixed_size_list(&self, item: &FieldRef, size: i32, cells: &[Cell<'_>]) -> Result<ArrayRef> {
        let wanted = usize::try_from(size).unwrap_or(0);
        let (mut elements, mut valid) = (Vec::new(), Vec::new());
        for cell in cells {
            match cell.value {
                Value::Array(values) if values.len() == wanted => {
                    elements.extend(values.iter().map(|value| Cell { row: cell.row, value }));
                    valid.push(true);
                }
                Value::Null => {
                    elements.extend(std::iter::repeat_n(*cell, wanted));
                    valid.push(false);
                }
                _ => return Err(self.refuse(cell, &format!("a list of {size} elements"))),
            }
        }
        let values = self.inner("[]").build(item.data_type(), &elements)?;
        let nulls = Some(NullBuffer::from(valid));
        let array = FixedSizeListArray::try_new(Arc::clone(item), size, values, nulls);
        Ok(Arc::new(array.map_err(|error| self.nulls(&error))?))
    }

    fn structure(&self, fields: &Fields, cells: &[Cell<'_>]) -> Result<ArrayRef> {
        for cell in cells {
            let unknown = match cell.value {
                Value::Null => None,
                Value::Object(object) => object.keys().find(|name| fields.find(name).is_none()),
                _ => return Err(self.refuse(cell, "a struct")),
            };
            if let Some(unknown) = unknown {
                let reason = format!("the struct has no field `{unknown}`");
                return Err(refuse_value(cell.row, &self.path, &reason));
            }
        }
        let child = |field: &FieldRef| {
            let cells: Vec<Cell<'_>> = cells
                .iter()
                .map(|cell| Cell {
                    row: cell.row,
                    value: cell.value.get(field.name()).unwrap_or(&Value::Null),
                })
                .collect();
            self.inner(&format!(".{}", field.name())).build(field.data_type(), &cells)
        };
        let columns = fields.iter().map(child).collect::<Result<Vec<_>>>()?;
        let nulls = NullBuffer::from_iter(cells.iter().map(|cell| !cell.value.is_null()));
        let array =
            StructArray::try_new_with_length(fields.clone(), columns, Some(nulls), cells.len());
        Ok(Arc::new(array.map_err(|error| self.nulls(&error))?))
    }

    fn map(&self, entries: &FieldRef, sorted: bool, cells: &[Cell<'_>]) -> Result<ArrayRef> {
        let DataType::Struct(fields) = entries.data_type() else {
            return Err(Error::internal("a map without entries"));
        };
        let [key, value] = fields.iter().as_slice() else {
            return Err(Error::internal("the entries of a map have a key and a value"));
        };
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        let (mut lengths, mut valid) = (Vec::new(), Vec::new());
        for cell in cells {
            match cell.value {
                Value::Object(object) => {
                    for (name, value) in object {
                        keys.push((cell.row, Value::String(name.clone())));
                        values.push(Cell { row: cell.row, value });
                    }
                    lengths.push(object.len());
                    valid.push(true);
                }
                Value::Null => {
                    lengths.push(0);
                    valid.push(false);
                }
                _ => return Err(self.refuse(cell, "a map")),
            }
        }
        let keys: Vec<Cell<'_>> =
            keys.iter().map(|(row, value)| Cell { row: *row, value }).collect();
        let keys = self.inner(".key").build(key.data_type(), &keys)?;
        let values = self.inner("{}").build(value.data_type(), &values)?;
        let entries_array = StructArray::try_new(fields.clone(), vec![keys, values], None)
            .map_err(|error| self.nulls(&error))?;
        let offsets = OffsetBuffer::from_lengths(lengths);
        let nulls = Some(NullBuffer::from(valid));
        let array = MapArray::try_new(Arc::clone(entries), offsets, entries_array, nulls, sorted);
        Ok(Arc::new(array.map_err(|error| self.nulls(&error))?))
    }

    /// What arrow-rs says when a NULL stands where the type allows none.
    fn nulls(&self, error: &ArrowError) -> Error {
        Error::new(code::NULL_VALUE, format!("column `{}`: {error}", self.path))
    }
}

fn internal(error: &ArrowError) -> Error {
    Error::internal(format!("the columns of a text do not line up: {error}"))
}
