use std::collections::HashMap;
use std::time::Duration;

use laminar_derive::ConnectorConfig;

#[derive(ConnectorConfig)]
struct Feed {
    #[config(required, default = "x")] //~ what is required has no default
    url: String,
    #[config(key = "")] //~ this is empty
    topic: String,
    #[config(require)] //~ `require` is not known here: there are `key`, `alias`, `env`, `default`, `required`, `secret`, `duration_ms`, `duration_s`, `from_str`, `flatten`, `rest`
    group: String,
    #[config(required)] //~ what is required is always there: make the field's type no Option
    token: Option<String>,
    #[config(duration_ms, duration_s)] //~ a field is read in one way
    timeout: Duration,
    #[config(rest, secret)] //~ a field with `flatten` or `rest` is no option itself: it takes nothing else
    rest: HashMap<String, String>,
}

#[derive(ConnectorConfig)]
struct Twice {
    #[config(key = "a", alias = "b")]
    first: String,
    #[config(key = "b")]
    second: String, //~ another field has the key `b` already
    #[config(rest)]
    rest: HashMap<String, String>,
    #[config(rest)]
    more: HashMap<String, String>, //~ another field takes the rest of the options already
}
