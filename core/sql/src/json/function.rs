//! [`JsonFunction`]: a function over JSON documents, as a scalar function of DataFusion.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Int64Builder, ListBuilder, StringArray, StringBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use serde_json::Value;

/// Which function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// The part of a document.
    Extract,
    /// The same as text.
    ExtractText,
    /// How many elements an array has.
    Length,
    /// Its elements.
    Elements,
    /// Its elements as texts.
    ElementsText,
    /// The keys of an object.
    Keys,
    /// What a document is.
    TypeOf,
    /// Whether there is a key.
    Exists,
    /// Whether a text is JSON.
    Valid,
}

impl Kind {
    pub(super) const ALL: [Self; 9] = [
        Self::Extract,
        Self::ExtractText,
        Self::Length,
        Self::Elements,
        Self::ElementsText,
        Self::Keys,
        Self::TypeOf,
        Self::Exists,
        Self::Valid,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Extract => "json_extract_path",
            Self::ExtractText => "json_extract_path_text",
            Self::Length => "json_array_length",
            Self::Elements => "json_array_elements",
            Self::ElementsText => "json_array_elements_text",
            Self::Keys => "json_object_keys",
            Self::TypeOf => "json_typeof",
            Self::Exists => "json_exists",
            Self::Valid => "json_valid",
        }
    }

    fn alias(self) -> &'static str {
        match self {
            Self::Extract => "jsonb_extract_path",
            Self::ExtractText => "jsonb_extract_path_text",
            Self::Length => "jsonb_array_length",
            Self::Elements => "jsonb_array_elements",
            Self::ElementsText => "jsonb_array_elements_text",
            Self::Keys => "jsonb_object_keys",
            Self::TypeOf => "jsonb_typeof",
            Self::Exists => "jsonb_exists",
            Self::Valid => "jsonb_valid",
        }
    }

    /// What stands behind the document.
    fn keys(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Extract | Self::ExtractText => 1..=usize::MAX - 1,
            Self::Exists => 1..=1,
            _ => 0..=0,
        }
    }
}

/// See the module. The document is the first argument; keys are texts, or places in an array: from
/// 0, below zero from its end.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct JsonFunction {
    kind: Kind,
    signature: Signature,
    aliases: [String; 1],
}

impl JsonFunction {
    pub(super) fn new(kind: Kind) -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { kind, signature, aliases: [kind.alias().to_string()] }
    }
}

impl ScalarUDFImpl for JsonFunction {
    fn name(&self) -> &str {
        self.kind.name()
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            Kind::Extract | Kind::ExtractText | Kind::TypeOf => DataType::Utf8,
            Kind::Length => DataType::Int64,
            Kind::Exists | Kind::Valid => DataType::Boolean,
            Kind::Elements | Kind::ElementsText | Kind::Keys => {
                DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
            }
        })
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.kind.name();
        let [document, keys @ ..] = arguments else {
            return plan_err!("{name} needs a JSON text");
        };
        if !self.kind.keys().contains(&keys.len()) {
            return plan_err!(
                "{name} takes {} behind the JSON text",
                match self.kind {
                    Kind::Extract | Kind::ExtractText => "one key or more",
                    Kind::Exists => "one key",
                    _ => "nothing",
                }
            );
        }
        if !is_text(document) {
            return plan_err!("{name} reads JSON in text, and this is {document}");
        }
        let key = |key: &DataType| match key {
            key if is_text(key) => Ok(DataType::Utf8),
            key if key.is_integer() => Ok(DataType::Int64),
            other => plan_err!("a key of {name} is a text or a place in an array, not {other}"),
        };
        let keys = keys.iter().map(key).collect::<Result<Vec<_>>>()?;
        Ok(std::iter::once(DataType::Utf8).chain(keys).collect())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (documents, keys) = arrays.split_first().expect("coerced to one argument or more");
        let documents = cast(documents, &DataType::Utf8)?;
        let keys = keys.iter().map(Keys::of).collect::<Result<Vec<_>>>()?;
        let result = answer(self.kind, documents.as_string::<i32>(), &keys)?;
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        match all_scalar {
            true => {
                let value = datafusion::common::ScalarValue::try_from_array(&result, 0)?;
                Ok(ColumnarValue::Scalar(value))
            }
            false => Ok(ColumnarValue::Array(result)),
        }
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null)
}

/// A column of keys.
enum Keys {
    Names(StringArray),
    Places(arrow::array::Int64Array),
}

impl Keys {
    fn of(array: &ArrayRef) -> Result<Self> {
        if array.data_type().is_integer() {
            let places = cast(array, &DataType::Int64)?;
            return Ok(Self::Places(places.as_primitive().clone()));
        }
        Ok(Self::Names(cast(array, &DataType::Utf8)?.as_string::<i32>().clone()))
    }

    /// The part of a document that the key of a row names. A text names an element of an array by
    /// its digits.
    fn part<'a>(&self, row: usize, of: &'a Value) -> Option<&'a Value> {
        let place = match self {
            Self::Names(names) if names.is_valid(row) => match of {
                Value::Object(object) => return object.get(names.value(row)),
                _ => names.value(row).parse().ok()?,
            },
            Self::Places(places) if places.is_valid(row) => places.value(row),
            _ => return None,
        };
        let array = of.as_array()?;
        let from_end = |place: i64| (array.len() as i64).checked_add(place);
        let place = if place < 0 { from_end(place)? } else { place };
        array.get(usize::try_from(place).ok()?)
    }

    /// Whether a document has the key of a row; `None` where that is NULL.
    fn is_in(&self, row: usize, document: &Value) -> Option<bool> {
        match self {
            Self::Names(names) if names.is_valid(row) => {
                let name = names.value(row);
                Some(match document {
                    Value::Object(object) => object.contains_key(name),
                    Value::Array(array) => array.iter().any(|item| item.as_str() == Some(name)),
                    Value::String(text) => text == name,
                    _ => false,
                })
            }
            Self::Places(places) if places.is_valid(row) => {
                Some(self.part(row, document).is_some())
            }
            _ => None,
        }
    }
}

fn parsed(text: &str) -> Result<Value> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(error) => {
            let shown: String = text.chars().take(40).collect();
            exec_err!("`{shown}` is no JSON: {error}")
        }
    }
}

/// A value as text: NULL for null, a string without its quotes.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn answer(kind: Kind, documents: &StringArray, keys: &[Keys]) -> Result<ArrayRef> {
    let rows = documents.len();
    let document = |row: usize| -> Result<Option<Value>> {
        documents.is_valid(row).then(|| parsed(documents.value(row))).transpose()
    };
    let part = |row: usize| -> Result<Option<Value>> {
        let Some(document) = document(row)? else { return Ok(None) };
        let mut part = Some(&document);
        for key in keys {
            part = part.and_then(|part| key.part(row, part));
        }
        Ok(part.cloned())
    };
    match kind {
        Kind::Extract | Kind::ExtractText | Kind::TypeOf => {
            let mut texts = StringBuilder::new();
            for row in 0..rows {
                let value = if kind == Kind::TypeOf { document(row)? } else { part(row)? };
                texts.append_option(value.and_then(|value| match kind {
                    Kind::Extract => Some(value.to_string()),
                    Kind::ExtractText => as_text(&value),
                    _ => Some(type_of(&value).to_string()),
                }));
            }
            Ok(Arc::new(texts.finish()))
        }
        Kind::Length => {
            let mut lengths = Int64Builder::new();
            for row in 0..rows {
                match document(row)? {
                    None => lengths.append_null(),
                    Some(Value::Array(array)) => lengths.append_value(array.len() as i64),
                    Some(other) => return exec_err!("the length of {} is asked", a(&other)),
                }
            }
            Ok(Arc::new(lengths.finish()))
        }
        Kind::Elements | Kind::ElementsText | Kind::Keys => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for row in 0..rows {
                match (document(row)?, kind) {
                    (None, _) => lists.append_null(),
                    (Some(Value::Object(object)), Kind::Keys) => {
                        object.keys().for_each(|key| lists.values().append_value(key));
                        lists.append(true);
                    }
                    (Some(Value::Array(array)), Kind::Elements) => {
                        array.iter().for_each(|e| lists.values().append_value(e.to_string()));
                        lists.append(true);
                    }
                    (Some(Value::Array(array)), Kind::ElementsText) => {
                        array.iter().for_each(|e| lists.values().append_option(as_text(e)));
                        lists.append(true);
                    }
                    (Some(other), Kind::Keys) => {
                        return exec_err!("the keys of {} are asked", a(&other));
                    }
                    (Some(other), _) => {
                        return exec_err!("the elements of {} are asked", a(&other));
                    }
                }
            }
            Ok(Arc::new(lists.finish()))
        }
        Kind::Exists => {
            let mut answers = BooleanBuilder::new();
            for row in 0..rows {
                let document = document(row)?;
                answers.append_option(document.and_then(|document| keys[0].is_in(row, &document)));
            }
            Ok(Arc::new(answers.finish()))
        }
        Kind::Valid => {
            let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
            let mut answers = BooleanBuilder::new();
            documents.iter().for_each(|text| answers.append_option(text.map(is_json)));
            Ok(Arc::new(answers.finish()))
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The kind of a value with its article.
fn a(value: &Value) -> String {
    match type_of(value) {
        "null" => "null".to_string(),
        kind @ ("array" | "object") => format!("an {kind}"),
        kind => format!("a {kind}"),
    }
}
