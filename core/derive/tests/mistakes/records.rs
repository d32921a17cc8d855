use laminar_derive::Record;

#[derive(Record)]
enum Side { //~ #[derive(Record)] is for structs with named fields, and not for enums
    Buy,
}

#[derive(Record)]
struct Pair(i64, i64); //~ #[derive(Record)] is for structs with named fields, and not for one whose fields have no names

#[derive(Record)]
struct Nothing; //~ #[derive(Record)] is for structs with named fields, and not for one without fields

#[derive(Record)]
struct Several {
    #[laminar(renamed = "qty")] //~ `renamed` is not known here: there are `rename`, `nullable`, `default`, `skip`, `event_time`
    size: i64,
    #[laminar(rename = "")] //~ a column has a name
    side: String,
    #[event_time]
    ts: i64,
    #[event_time(delay = "soon")] //~ `soon` is no duration: write "100ms", "5s", "1m" or "1h"
    at: i64,
}

#[derive(Record)]
struct TwoTimes {
    #[event_time]
    ts: i64,
    #[event_time(delay = "5s")]
    at: i64, //~ `ts` is the event time already: there is one
    #[laminar(rename = "ts")]
    price: f64, //~ another field is the column `ts` already
}

#[derive(Record)]
struct MaybeTime {
    #[event_time] //~ the event time of a row is always there: it cannot be NULL
    ts: Option<i64>,
}

#[derive(Record)]
#[laminar(rename_all = "shouting")] //~ `shouting` is none of snake_case, camelCase, PascalCase, kebab-case, dotted.case, lowercase, UPPERCASE, SCREAMING_SNAKE_CASE
struct Spelled {
    unit_price: f64,
}
