//! [`ConnectorConfig`]: options by key, as `WITH (...)` has them, made a struct and back.
//!
//! | name | what it is |
//! |---|---|
//! | [`ConnectorConfig`] | a struct of options; `#[derive(ConnectorConfig)]` implements it |
//! | [`OptionSpec`] | what is known of an option: its key, default, description |
//! | [`OptionReader`] | takes options one by one and gathers what is wrong with them |
//! | [`OptionValue`] | a type that an option may have |
//! | [`OptionForm`] | how a field is read and written, where its type alone does not say |

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{Display, Write};
use std::str::FromStr;
use std::time::Duration;

use crate::{Error, Result, code};

/// A struct of the options of a connector.
///
/// An option comes from what is given, else from the environment where its field names a variable,
/// else from its default.
pub trait ConnectorConfig: Sized {
    /// Whether keys that no option has are taken too.
    const TAKES_REST: bool;

    /// What is known of each option.
    fn specs() -> Vec<OptionSpec>;

    /// Takes the options; `None` where one is missing or cannot be read, which the reader then knows.
    fn read(options: &mut OptionReader<'_>) -> Option<Self>;

    /// Puts the options.
    fn write(&self, options: &mut HashMap<String, String>);

    /// Reads options, with variables of the process's environment.
    ///
    /// # Errors
    /// `OPTION` that names every option that is missing, unknown or cannot be read.
    fn from_options(options: &HashMap<String, String>) -> Result<Self> {
        Self::from_options_with(options, &|name| std::env::var(name).ok())
    }

    /// The same with an environment of one's own.
    ///
    /// # Errors
    /// As [`from_options`](Self::from_options).
    fn from_options_with(
        options: &HashMap<String, String>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let mut reader = OptionReader::new(options, environment, &Self::specs());
        let config = Self::read(&mut reader);
        if !Self::TAKES_REST {
            reader.refuse_unknown();
        }
        match (config, reader.problems.is_empty()) {
            (Some(config), true) => Ok(config),
            _ => Err(Error::new(code::OPTION, reader.problems.join("; "))),
        }
    }

    /// The options of which [`from_options`](Self::from_options) makes the same. What is `None` has
    /// no option.
    fn to_options(&self) -> HashMap<String, String> {
        let mut options = HashMap::new();
        self.write(&mut options);
        options
    }

    /// The options in the order of their keys, for people: `key = 'value'` by line, secrets as `***`.
    fn describe(&self) -> String {
        let specs = Self::specs();
        let options: BTreeMap<String, String> = self.to_options().into_iter().collect();
        let is_secret = |key: &str| specs.iter().any(|spec| spec.is_secret && spec.key == key);
        let line = |(key, value): (String, String)| match is_secret(&key) {
            true => format!("{key} = ***"),
            false => format!("{key} = '{}'", value.replace('\'', "''")),
        };
        options.into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// A table of the options in Markdown, for documentation.
    fn documentation() -> String {
        let mut table = "| option | value | default | meaning |\n|---|---|---|---|\n".to_string();
        for spec in Self::specs() {
            let default = match (spec.default, spec.is_required) {
                (Some(default), _) => format!("`{default}`"),
                (None, true) => "required".to_string(),
                (None, false) => "none".to_string(),
            };
            let env = spec.env.map_or_else(String::new, |env| format!(" (or `${env}`)"));
            let _ = writeln!(
                table,
                "| `{}`{env} | {} | {default} | {} |",
                spec.key, spec.expects, spec.description
            );
        }
        table
    }
}

/// What is known of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionSpec {
    /// The key.
    pub key: &'static str,
    /// Other keys that are taken for it.
    pub aliases: Vec<&'static str>,
    /// What it is for.
    pub description: &'static str,
    /// What values look like.
    pub expects: &'static str,
    /// The value where it is not given.
    pub default: Option<&'static str>,
    /// The variable of the environment that gives it where no option does.
    pub env: Option<&'static str>,
    /// Whether it must be given.
    pub is_required: bool,
    /// Whether its value is shown to nobody.
    pub is_secret: bool,
}

impl OptionSpec {
    /// A required option of a type.
    pub fn of<T, F: OptionForm<T>>(key: &'static str) -> Self {
        Self {
            key,
            aliases: Vec::new(),
            description: "",
            expects: F::expects(),
            default: None,
            env: None,
            is_required: true,
            is_secret: false,
        }
    }

    /// With another key.
    pub fn alias(mut self, key: &'static str) -> Self {
        self.aliases.push(key);
        self
    }

    /// With what it is for.
    pub fn description(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// With a variable of the environment.
    pub fn env(mut self, variable: &'static str) -> Self {
        self.env = Some(variable);
        self
    }

    /// With a value where it is not given.
    pub fn default_text(mut self, text: &'static str) -> Self {
        self.default = Some(text);
        self.optional()
    }

    /// That need not be given.
    pub fn optional(mut self) -> Self {
        self.is_required = false;
        self
    }

    /// Whose value is shown to nobody.
    pub fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    fn keys(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.key).chain(self.aliases.iter().copied())
    }
}

/// Takes options one by one, and gathers what is wrong with them.
pub struct OptionReader<'a> {
    options: &'a HashMap<String, String>,
    environment: &'a dyn Fn(&str) -> Option<String>,
    known: BTreeSet<&'static str>,
    problems: Vec<String>,
}

impl<'a> OptionReader<'a> {
    fn new(
        options: &'a HashMap<String, String>,
        environment: &'a dyn Fn(&str) -> Option<String>,
        specs: &[OptionSpec],
    ) -> Self {
        let known = specs.iter().flat_map(OptionSpec::keys).collect();
        Self { options, environment, known, problems: Vec::new() }
    }

    /// The value of an option, or of its default.
    pub fn take<T, F: OptionForm<T>>(&mut self, spec: &OptionSpec) -> Option<T> {
        match self.given(spec)? {
            Some((text, from)) => self.parse::<T, F>(spec, &text, &from),
            None => match (spec.default, F::absent()) {
                (Some(default), _) => self.parse::<T, F>(spec, default, "the default of "),
                (None, Some(absent)) => Some(absent),
                (None, None) => {
                    let env = spec.env.map_or_else(String::new, |env| format!(", or set ${env}"));
                    let (key, expects) = (spec.key, spec.expects);
                    self.refuse(format!("the option `{key}` is missing: give {expects}{env}"));
                    None
                }
            },
        }
    }

    /// The value of an option, or its type's own default.
    pub fn take_or_default<T: Default, F: OptionForm<T>>(
        &mut self,
        spec: &OptionSpec,
    ) -> Option<T> {
        match self.given(spec)? {
            Some((text, from)) => self.parse::<T, F>(spec, &text, &from),
            None => Some(T::default()),
        }
    }

    /// The options whose keys no field has.
    pub fn rest(&self) -> HashMap<String, String> {
        let rest = self.options.iter().filter(|(key, _)| !self.known.contains(key.as_str()));
        rest.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Notes what is wrong.
    pub fn refuse(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// The text of an option, and where it comes from. `None` if it is given twice.
    fn given(&mut self, spec: &OptionSpec) -> Option<Option<(String, String)>> {
        let mut given = spec.keys().filter_map(|key| Some((key, self.options.get(key)?)));
        match (given.next(), given.next()) {
            (Some((first, _)), Some((second, _))) => {
                let problem = format!("`{first}` and `{second}` are the same option: give one");
                self.refuse(problem);
                None
            }
            (Some((_, text)), None) => Some(Some((text.clone(), String::new()))),
            _ => {
                let of_variable = |name| Some(((self.environment)(name)?, format!("${name} for ")));
                Some(spec.env.and_then(of_variable))
            }
        }
    }

    fn parse<T, F: OptionForm<T>>(
        &mut self,
        spec: &OptionSpec,
        text: &str,
        from: &str,
    ) -> Option<T> {
        let problem = match F::parse(text) {
            Ok(value) => return Some(value),
            Err(problem) => problem,
        };
        let shown = if spec.is_secret { "***" } else { text };
        let why = if problem.is_empty() { String::new() } else { format!(" ({problem})") };
        let (key, expects) = (spec.key, spec.expects);
        self.refuse(format!("{from}the option `{key}` cannot be `{shown}`{why}: give {expects}"));
        None
    }

    fn refuse_unknown(&mut self) {
        let mut unknown: Vec<&String> =
            self.options.keys().filter(|key| !self.known.contains(key.as_str())).collect();
        unknown.sort();
        for key in unknown {
            let known: Vec<&str> = self.known.iter().copied().collect();
            let problem = match nearest(key, &known) {
                Some(near) => format!("there is no option `{key}`: did you mean `{near}`?"),
                None => format!("there is no option `{key}`: there are {}", known.join(", ")),
            };
            self.refuse(problem);
        }
    }
}

/// The key that differs from a text in at most a third of its letters, the least of all.
fn nearest<'a>(text: &str, keys: &[&'a str]) -> Option<&'a str> {
    let distances = keys.iter().map(|key| (distance(text, key), *key));
    let (distance, key) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= key.len().max(3) / 3).then_some(key)
}

/// How many letters must be put in, taken out or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// How a field of type `T` is read and written.
pub trait OptionForm<T> {
    /// What values look like.
    fn expects() -> &'static str;

    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong with it, if there is more to say than what is expected.
    fn parse(text: &str) -> Result<T, String>;

    /// The text that is read as the value; `None` where no text is.
    fn to_text(value: &T) -> Option<String>;

    /// The value where nothing is given, if that is not an error.
    fn absent() -> Option<T> {
        None
    }
}

/// A type that an option may have.
#[diagnostic::on_unimplemented(
    message = "no option is read as `{Self}`",
    note = "options are texts, numbers, bool, char, Duration, PathBuf, addresses, and Option and Vec of \
            these; `#[config(from_str)]` reads a type of one's own by FromStr and Display"
)]
pub trait OptionValue: Sized {
    /// What values look like, as in "give a number".
    const EXPECTS: &'static str;

    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong with it, if there is more to say than what is expected.
    fn parse(text: &str) -> Result<Self, String>;

    /// The text that is read as the value; `None` where no text is.
    fn to_text(&self) -> Option<String>;

    /// The value where nothing is given, if that is not an error.
    fn absent() -> Option<Self> {
        None
    }
}

/// As the type says.
pub struct ByValue;

impl<T: OptionValue> OptionForm<T> for ByValue {
    fn expects() -> &'static str {
        T::EXPECTS
    }

    fn parse(text: &str) -> Result<T, String> {
        T::parse(text)
    }

    fn to_text(value: &T) -> Option<String> {
        value.to_text()
    }

    fn absent() -> Option<T> {
        T::absent()
    }
}

/// By `FromStr` and `Display`.
pub struct ByFromStr;

impl<T: FromStr<Err: Display> + Display> OptionForm<T> for ByFromStr {
    fn expects() -> &'static str {
        "another value"
    }

    fn parse(text: &str) -> Result<T, String> {
        text.parse().map_err(|error: T::Err| error.to_string())
    }

    fn to_text(value: &T) -> Option<String> {
        Some(value.to_string())
    }
}

macro_rules! counted_duration {
    ($(#[$doc:meta])* $form:ident, $from:ident, $to:ident, $expects:literal) => {
        $(#[$doc])*
        pub struct $form;

        impl OptionForm<Duration> for $form {
            fn expects() -> &'static str {
                $expects
            }

            fn parse(text: &str) -> Result<Duration, String> {
                text.trim().parse().map(Duration::$from).map_err(|_| String::new())
            }

            fn to_text(value: &Duration) -> Option<String> {
                Some(value.$to().to_string())
            }
        }

        impl OptionForm<Option<Duration>> for $form {
            fn expects() -> &'static str {
                $expects
            }

            fn parse(text: &str) -> Result<Option<Duration>, String> {
                <Self as OptionForm<Duration>>::parse(text).map(Some)
            }

            fn to_text(value: &Option<Duration>) -> Option<String> {
                value.as_ref().and_then(<Self as OptionForm<Duration>>::to_text)
            }

            fn absent() -> Option<Option<Duration>> {
                Some(None)
            }
        }
    };
}
counted_duration!(
    /// A duration as a number of milliseconds.
    Milliseconds, from_millis, as_millis, "a number of milliseconds"
);
counted_duration!(
    /// A duration as a number of seconds.
    Seconds, from_secs, as_secs, "a number of seconds"
);

macro_rules! parsed {
    ($($expects:literal: $($t:ty)*;)*) => {
        $($(impl OptionValue for $t {
            const EXPECTS: &'static str = $expects;

            fn parse(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|_| String::new())
            }

            fn to_text(&self) -> Option<String> {
                Some(self.to_string())
            }
        })*)*
    };
}
parsed! {
    "a whole number from -128 to 127": i8;
    "a whole number from -32768 to 32767": i16;
    "a whole number": i32 i64 isize i128;
    "a whole number from 0 to 255": u8;
    "a whole number from 0 to 65535": u16;
    "a whole number that is not negative": u32 u64 usize u128;
    "a number": f32 f64;
    "an IP address": std::net::IpAddr std::net::Ipv4Addr std::net::Ipv6Addr;
    "an address with a port": std::net::SocketAddr;
}

impl OptionValue for String {
    const EXPECTS: &'static str = "a text";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_string())
    }

    fn to_text(&self) -> Option<String> {
        Some(self.clone())
    }
}

impl OptionValue for char {
    const EXPECTS: &'static str = "one character";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| String::new())
    }

    fn to_text(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl OptionValue for std::path::PathBuf {
    const EXPECTS: &'static str = "a path";

    fn parse(text: &str) -> Result<Self, String> {
        match text.is_empty() {
            true => Err("it is empty".to_string()),
            false => Ok(text.into()),
        }
    }

    fn to_text(&self) -> Option<String> {
        Some(self.to_string_lossy().into_owned())
    }
}

impl OptionValue for bool {
    const EXPECTS: &'static str = "true or false";

    fn parse(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => Err(String::new()),
        }
    }

    fn to_text(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// The units of durations, the largest first, in nanoseconds.
const UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl OptionValue for Duration {
    const EXPECTS: &'static str = "a duration like 500ms, 30s, 5m or 2h";

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = UNITS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, nanos)| *nanos);
        let nanos = number.parse::<u128>().ok().zip(unit).and_then(|(n, unit)| n.checked_mul(unit));
        let nanos = nanos.ok_or_else(String::new)?;
        let seconds = u64::try_from(nanos / 1_000_000_000).map_err(|_| "it is too long")?;
        Ok(Self::new(seconds, (nanos % 1_000_000_000) as u32))
    }

    fn to_text(&self) -> Option<String> {
        let nanos = self.as_nanos();
        let whole = UNITS.iter().find(|(_, unit)| nanos.is_multiple_of(*unit) && nanos > 0);
        Some(whole.map_or("0s".to_string(), |(name, unit)| format!("{}{name}", nanos / unit)))
    }
}

impl<T: OptionValue> OptionValue for Option<T> {
    const EXPECTS: &'static str = T::EXPECTS;

    fn parse(text: &str) -> Result<Self, String> {
        T::parse(text).map(Some)
    }

    fn to_text(&self) -> Option<String> {
        self.as_ref().and_then(T::to_text)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// Values between commas. Spaces around them do not count; an empty text is no value.
impl<T: OptionValue> OptionValue for Vec<T> {
    const EXPECTS: &'static str = "values between commas";

    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::new());
        }
        let item = |item: &str| {
            T::parse(item.trim()).map_err(|_| format!("`{}` is not {}", item.trim(), T::EXPECTS))
        };
        text.split(',').map(item).collect()
    }

    fn to_text(&self) -> Option<String> {
        Some(self.iter().filter_map(T::to_text).collect::<Vec<_>>().join(","))
    }
}

/// Puts the option of a field.
#[doc(hidden)]
pub fn put<T, F: OptionForm<T>>(options: &mut HashMap<String, String>, key: &str, value: &T) {
    if let Some(text) = F::to_text(value) {
        options.insert(key.to_string(), text);
    }
}
