//! The derives of `laminar-derive`, and what their attributes mean.

/// Makes a struct of the options of a connector, and options of the struct.
///
/// ```
/// use std::collections::HashMap;
/// use std::time::Duration;
/// use laminar_db::ConnectorConfig;
///
/// #[derive(ConnectorConfig, Debug, PartialEq)]
/// struct FeedConfig {
///     /// Where the feed is.
///     #[config(key = "feed.url", required)]
///     url: String,
///     #[config(key = "batch.size", default = "1000")]
///     batch_size: usize,
///     #[config(key = "timeout.ms", default = "30000", duration_ms)]
///     timeout: Duration,
///     #[config(env = "FEED_TOKEN", secret)]
///     token: Option<String>,
/// }
///
/// let options = HashMap::from([("feed.url".to_string(), "wss://feed".to_string())]);
/// let config = FeedConfig::from_options(&options)?;
/// assert_eq!((config.batch_size, config.timeout), (1000, Duration::from_secs(30)));
/// assert_eq!(FeedConfig::from_options(&config.to_options())?, config);
/// # Ok::<(), laminar_db::Error>(())
/// ```
///
/// | attribute of a field | meaning |
/// |---|---|
/// | `key = "a.b"` | the option's key; else the field's name |
/// | `alias = "old.key"` | another key for it; may be repeated |
/// | `required` | it must be given. A field that is no `Option` and has no default is required anyway |
/// | `default = "text"` | the value where it is not given, as an option has it; `default` alone is `Default::default()` |
/// | `env = "NAME"` | the variable of the environment that gives it where no option does |
/// | `duration_ms`, `duration_s` | a `Duration` as a number of milliseconds or seconds. Else it is a number with its unit: `500ms`, `30s`, `5m`, `2h` |
/// | `from_str` | a type of one's own, by `FromStr` and `Display` |
/// | `secret` | shown as `***` by `ConnectorConfig::describe` |
/// | `flatten` | a configuration of its own whose options stand among these |
/// | `rest` | a `HashMap` or `BTreeMap` of all other options; without one they are refused |
///
/// | attribute of the struct | meaning |
/// |---|---|
/// | `rename_all = "kebab-case"` | how keys are made of the fields' names; besides those of [`Record`], `dotted.case` |
/// | `validate = "path"` | a function of `&Self` that answers `Result<(), String>`, asked when all is read |
/// | `crate = "path"` | where `laminar_db` is |
///
/// ```compile_fail
/// #[derive(laminar_db::ConnectorConfig)]
/// struct FeedConfig {
///     #[config(required, default = "x")]  // what is required has no default
///     url: String,
/// }
/// ```
pub use laminar_derive::ConnectorConfig;

/// The same derive as [`FromRow`], by the name of what a type gets with it: every [`FromRow`] is a
/// [`FromRecordBatch`]. Derive one of the two.
pub use laminar_derive::FromRecordBatch;

/// Makes a struct of the rows of results: each field is read from the column of its name.
///
/// ```
/// use laminar_db::FromRow;
///
/// #[derive(FromRow)]
/// struct Bar {
///     symbol: String,
///     high: Option<f64>,                  // NULL is None
///     #[laminar(rename = "count(*)")]
///     trades: u64,
///     #[laminar(default)]
///     note: String,                       // "" where the column is NULL or not there
///     #[laminar(skip)]
///     seen: bool,                         // false
/// }
/// ```
///
/// | attribute | of | meaning |
/// |---|---|---|
/// | `#[laminar(rename = "name")]` | a field | the column's name |
/// | `#[laminar(default)]` | a field | `Default::default()` where the column is NULL or not there |
/// | `#[laminar(skip)]` | a field | always the default |
/// | `#[laminar(rename_all = "camelCase")]`, `#[laminar(crate = "path")]` | the struct | as for [`Record`] |
///
/// Columns that no field names are left out. A struct may also be a field of another one: it is read
/// from a `STRUCT`.
///
/// ```compile_fail
/// #[derive(laminar_db::FromRow)]
/// enum Side { Buy, Sell }                 // rows are made structs
/// ```
pub use laminar_derive::FromRow;

/// Makes a struct a record that can be pushed: a column for each field, of the field's name.
///
/// ```
/// use laminar_db::Record;
///
/// #[derive(Record)]
/// #[laminar(rename_all = "camelCase")]
/// struct Trade {
///     symbol: String,                     // "symbol VARCHAR NOT NULL"
///     unit_price: f64,                    // "unitPrice DOUBLE NOT NULL"
///     #[laminar(rename = "qty")]
///     size: Option<i64>,                  // "qty BIGINT"
///     #[event_time(delay = "5s")]
///     ts: i64,                            // "ts BIGINT NOT NULL", WATERMARK FOR ts AS ts - 5 s
///     #[laminar(skip)]
///     seen: bool,                         // no column
/// }
/// ```
///
/// | attribute | of | meaning |
/// |---|---|---|
/// | `#[event_time]`, `#[event_time(delay = "100ms")]` | a field | the time of the event; a source that is made of the record has a watermark so far behind it |
/// | `#[laminar(rename = "name")]` | a field | the column's name |
/// | `#[laminar(nullable)]` | a field | the column of a source that is made of the record is not `NOT NULL`, though records have a value |
/// | `#[laminar(skip)]` | a field | no column |
/// | `#[laminar(rename_all = "camelCase")]` | the struct | how names are made of the fields': `snake_case`, `camelCase`, `PascalCase`, `kebab-case`, `UPPERCASE`, `SCREAMING_SNAKE_CASE`, `lowercase` |
/// | `#[laminar(crate = "path")]` | the struct | where `laminar_db` is, if not at `::laminar_db` |
///
/// The same attributes serve [`FromRow`], so that a struct that derives both says them once. A record
/// may also be a field of another one: its column is a `STRUCT`.
///
/// What is wrong is said where it stands:
///
/// ```compile_fail
/// #[derive(laminar_db::Record)]
/// struct Trade {
///     #[laminar(renamed = "qty")]         // unknown attribute
///     size: i64,
/// }
/// ```
///
/// ```compile_fail
/// #[derive(laminar_db::Record)]
/// struct Trade {
///     started: std::time::Instant,        // no column takes values of this type
/// }
/// ```
pub use laminar_derive::Record;
