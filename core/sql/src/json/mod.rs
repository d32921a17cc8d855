//! JSON in text, by PostgreSQL's names: functions that take documents apart and describe them, and
//! the operators `->`, `->>`, `#>` and `#>>`.
//!
//! A document is a text; there is no type of its own. `json_` and `jsonb_` are the same. What is
//! answered as JSON is written anew: without white space, the keys of objects in order, numbers
//! beyond 64 bits as doubles. A text that is no JSON fails, as a cast does.
//!
//! | function | answers |
//! |---|---|
//! | `json_extract_path(json, key, ...)`, `->`, `#>` | the part, as JSON |
//! | `json_extract_path_text(json, key, ...)`, `->>`, `#>>` | the part, as text |
//! | `json_array_length(json)` | the number of elements |
//! | `json_array_elements(json)`, `..._text(json)` | the elements, a list for `UNNEST` |
//! | `json_object_keys(json)` | the keys, a list |
//! | `json_typeof(json)` | `object`, `array`, `string`, `number`, `boolean` or `null` |
//! | `json_exists(json, key)` | whether an object has the key, or an array the text |
//! | `json_valid(text)` | whether a text is JSON |

mod function;
mod operators;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

pub(crate) use operators::JsonOperators;

use function::{JsonFunction, Kind};

/// Every function.
pub(crate) fn json_functions() -> Vec<Arc<ScalarUDF>> {
    Kind::ALL.into_iter().map(json_function).collect()
}

fn json_function(kind: Kind) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(JsonFunction::new(kind)))
}
