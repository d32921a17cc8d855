//! What `insert` takes, read into rows, Arrow data or text.

use std::sync::Arc;

use laminar_client::{Array, ArraySchema, DataType, Encoding, Error, RowBuffer, Schema, Stream};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyList, PyMapping, PyString, PyTuple};

use crate::capsule::{take_array, take_stream};
use crate::failure::Fallible;
use crate::from_python::value;

/// Data on its way in; nothing of Python is left in it but what Arrow's callbacks hold.
pub enum Data {
    Rows(RowBuffer),
    Array(Array, ArraySchema),
    Stream(Stream),
    Text(Form, Text),
}

/// How the rows of a text are written.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    Json,
    Csv,
}

impl Form {
    /// JSON begins with a bracket or a brace, and the names of columns do not.
    fn of(text: &[u8]) -> Self {
        match text.trim_ascii_start().first() {
            Some(b'[' | b'{') => Form::Json,
            _ => Form::Csv,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Form::Json => "JSON",
            Form::Csv => "CSV",
        }
    }

    /// With the library's options, a JSON object.
    pub fn encoding(self, options_json: Option<&str>) -> Encoding<'_> {
        match self {
            Form::Json => Encoding::Json(options_json),
            Form::Csv => Encoding::Csv(options_json),
        }
    }
}

/// Text that is not borrowed from Python, so that the interpreter's lock may be let go.
pub type Text = Vec<u8>;

/// The text of a str, bytes or bytearray; `None` for anything else.
pub fn text(data: &Bound<'_, PyAny>) -> Fallible<Option<Text>> {
    if let Ok(text) = data.cast::<PyString>() {
        return Ok(Some(text.to_cow()?.as_bytes().to_vec()));
    }
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(Some(bytes.as_bytes().to_vec()));
    }
    Ok(data.cast::<PyByteArray>().ok().map(|bytes| bytes.to_vec()))
}

impl Data {
    /// Reads one row (a dict), rows (an iterable of dicts), columns (a dict of sequences of one
    /// length), anything that hands out Arrow data, or text of JSON or CSV. `schema`
    /// is asked for only when there are rows to be fitted to it.
    pub fn read(
        data: &Bound<'_, PyAny>,
        schema: impl FnOnce() -> Fallible<Arc<Schema>>,
    ) -> Fallible<Self> {
        if let Some(arrow) = Self::arrow(data)? {
            return Ok(arrow);
        }
        if let Some(text) = text(data)? {
            return Ok(Data::Text(Form::of(&text), text));
        }
        if let Ok(mapping) = data.cast::<PyMapping>() {
            let schema = schema()?;
            return match columns(mapping)?.filter(|columns| !is_row(columns, &schema)) {
                Some(columns) => columnar(&columns, &schema).map(Data::Rows),
                None => rows(data.py(), [Ok(data.clone())], &schema).map(Data::Rows),
            };
        }
        match data.try_iter() {
            Ok(iterator) => rows(data.py(), iterator, &schema()?).map(Data::Rows),
            _ => Err(Error::ingestion_argument(format!(
                "an object of {} cannot be inserted; give a dict, a list of dicts, a dict of lists, \
                 a data frame, Arrow data, or text of JSON or CSV",
                data.get_type().fully_qualified_name()?
            ))
            .into()),
        }
    }

    fn arrow(data: &Bound<'_, PyAny>) -> Fallible<Option<Self>> {
        if data.is_instance_of::<PyDict>() || data.is_instance_of::<PyList>() {
            return Ok(None);
        }
        if data.hasattr("__arrow_c_array__")? {
            let (schema, array) = take_array(&data.call_method0("__arrow_c_array__")?)?;
            return Ok(Some(Data::Array(array, schema)));
        }
        if data.hasattr("__arrow_c_stream__")? {
            static READY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            let ready = READY.import(data.py(), "laminardb._frames", "arrow_ready")?;
            let data = ready.call1((data,))?;
            return match data.cast::<PyMapping>() {
                Ok(_) => Ok(None),
                Err(_) => {
                    Ok(Some(Data::Stream(take_stream(&data.call_method0("__arrow_c_stream__")?)?)))
                }
            };
        }
        Ok(None)
    }
}

/// Columns by name.
type Columns<'py> = Vec<(String, Bound<'py, PyList>)>;

/// The columns of a dict of sequences; `None` when it is a row.
fn columns<'py>(mapping: &Bound<'py, PyMapping>) -> Fallible<Option<Columns<'py>>> {
    let mut columns = Vec::new();
    for item in mapping.items()?.iter() {
        let (name, values) = item.extract::<(Bound<'py, PyAny>, Bound<'py, PyAny>)>()?;
        let values = if let Ok(list) = values.cast::<PyList>() {
            list.clone()
        } else if let Ok(tuple) = values.cast::<PyTuple>() {
            tuple.to_list()
        } else if let Some(list) = array(&values)? {
            list
        } else {
            return Ok(None);
        };
        columns.push((column_name(&name)?, values));
    }
    Ok(Some(columns).filter(|columns| !columns.is_empty()))
}

/// The items of an array of numpy or Arrow, or of a series; `None` for anything else, and for a single
/// value of numpy, which has no length.
fn array<'py>(values: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyList>>> {
    if !values.hasattr("__array__")? || values.len().is_err() {
        return Ok(None);
    }
    if values.hasattr("to_pylist")? {
        return Ok(Some(values.call_method0("to_pylist")?.cast_into()?));
    }
    // Numbers become Python's all at once. Times would lose their unit that way.
    let kind = values.getattr("dtype").and_then(|dtype| dtype.getattr("kind"));
    if kind.is_ok_and(|kind| kind.extract::<String>().is_ok_and(|kind| "biuf".contains(&kind))) {
        return Ok(Some(values.call_method0("tolist")?.cast_into()?));
    }
    let items = values.try_iter()?.collect::<PyResult<Vec<_>>>()?;
    PyList::new(values.py(), items).map(Some)
}

/// Whether a dict of sequences is one row all the same: all its columns are of lists, and none of
/// the values in them is a list or NULL.
fn is_row(columns: &Columns<'_>, schema: &Schema) -> bool {
    columns.iter().all(|(name, values)| {
        let field = schema.fields().iter().find(|field| field.name() == name);
        let is_list = field.is_some_and(|field| {
            matches!(field.data_type(), DataType::List { .. } | DataType::FixedList { .. })
        });
        let is_item = |value: Bound<'_, PyAny>| {
            let is_list = value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>();
            !is_list && !value.is_none()
        };
        is_list && !values.is_empty() && values.iter().all(is_item)
    })
}

fn columnar(columns: &[(String, Bound<'_, PyList>)], schema: &Arc<Schema>) -> Fallible<RowBuffer> {
    let length = columns.first().map_or(0, |(_, values)| values.len());
    let mut places = Vec::with_capacity(columns.len());
    for (name, values) in columns {
        if values.len() != length {
            let (first, lengths) = (&columns[0].0, (values.len(), length));
            return Err(Error::ingestion_argument(format!(
                "column `{name}` has {} values and column `{first}` has {}",
                lengths.0, lengths.1
            ))
            .into());
        }
        places.push(place(schema, name)?);
    }
    let mut buffer = RowBuffer::new(schema);
    for row in 0..length {
        for ((name, values), place) in columns.iter().zip(&places) {
            set(&mut buffer, *place, name, &values.get_item(row)?)?;
        }
        buffer.end_row()?;
    }
    Ok(buffer)
}

fn rows<'py>(
    py: Python<'py>,
    rows: impl IntoIterator<Item = PyResult<Bound<'py, PyAny>>>,
    schema: &Arc<Schema>,
) -> Fallible<RowBuffer> {
    let mut buffer = RowBuffer::new(schema);
    for (index, row) in rows.into_iter().enumerate() {
        let row = row?;
        let Ok(mapping) = row.cast::<PyMapping>() else {
            return Err(Error::ingestion_argument(format!(
                "row {} is an object of {}, not a dict of columns",
                index + 1,
                row.get_type().fully_qualified_name()?
            ))
            .into());
        };
        match mapping.cast::<PyDict>() {
            Ok(dict) => {
                for (name, object) in dict.iter() {
                    set_by_name(&mut buffer, &name, &object)?;
                }
            }
            Err(_) => {
                for item in mapping.items()?.iter() {
                    let (name, object) = item.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
                    set_by_name(&mut buffer, &name, &object)?;
                }
            }
        }
        buffer.end_row()?;
        if index % 65_536 == 65_535 {
            py.check_signals()?;
        }
    }
    Ok(buffer)
}

fn set_by_name(
    buffer: &mut RowBuffer,
    name: &Bound<'_, PyAny>,
    object: &Bound<'_, PyAny>,
) -> Fallible<()> {
    let name = column_name(name)?;
    let place = place(buffer.schema(), &name)?;
    set(buffer, place, &name, object)
}

fn set(
    buffer: &mut RowBuffer,
    place: usize,
    name: &str,
    object: &Bound<'_, PyAny>,
) -> Fallible<()> {
    let schema = Arc::clone(buffer.schema());
    let value =
        value(object, schema.fields()[place].data_type()).map_err(|failure| match failure {
            crate::failure::Failure::Library(error) => {
                let row = buffer.rows() + 1;
                error.context_after(format!("column `{name}`, row {row} of what was given")).into()
            }
            python => python,
        })?;
    Ok(buffer.set(place, &value)?)
}

fn column_name(name: &Bound<'_, PyAny>) -> Fallible<String> {
    match name.extract::<String>() {
        Ok(name) => Ok(name),
        Err(_) => {
            let name = name.repr()?;
            Err(Error::ingestion_argument(format!("the name of a column is a str, not {name}"))
                .into())
        }
    }
}

fn place(schema: &Schema, name: &str) -> Fallible<usize> {
    schema.index_of(name).ok_or_else(|| {
        let columns: Vec<_> = schema.fields().iter().map(|field| field.name()).collect();
        Error::new(
            laminar_client::sys::LAMINAR_BATCH_SCHEMA_MISMATCH,
            3201,
            format!("there is no column `{name}`; the columns are {}", columns.join(", ")),
        )
        .into()
    })
}
