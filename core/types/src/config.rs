//! The configuration of a database and its JSON form.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::error::{Error, Result, code};
use crate::{Retention, parse_size_bytes};

/// How a call waits for the executor's token or for rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitStrategy {
    /// Spin until it is time: lowest latency, a whole core.
    Spin,
    /// Spin so many times, then give the core away and sleep.
    SpinYield(u32),
    /// Sleep at once: lowest use of the processor.
    Park,
}

impl Default for WaitStrategy {
    fn default() -> Self {
        Self::SpinYield(100)
    }
}

impl WaitStrategy {
    /// Reads `spin`, `spin_yield`, `spin_yield(N)` or `park`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let count = text.strip_prefix("spin_yield(").and_then(|rest| rest.strip_suffix(')'));
        match (text, count.map(str::parse)) {
            ("spin", _) => Some(Self::Spin),
            ("spin_yield", _) => Some(Self::default()),
            ("park", _) => Some(Self::Park),
            (_, Some(Ok(spins))) => Some(Self::SpinYield(spins)),
            _ => None,
        }
    }
}

impl fmt::Display for WaitStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spin => f.write_str("spin"),
            Self::SpinYield(spins) => write!(f, "spin_yield({spins})"),
            Self::Park => f.write_str("park"),
        }
    }
}

/// What a full queue does with a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backpressure {
    /// Wait for room up to `push_timeout_ms`, then refuse.
    #[default]
    Block,
    /// Make room by forgetting the oldest rows, and count them.
    DropOldest,
    /// Refuse at once.
    Reject,
}

impl Backpressure {
    /// Reads `block`, `drop_oldest` or `reject`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Block, Self::DropOldest, Self::Reject].into_iter().find(|way| way.name() == text)
    }

    /// As options write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::DropOldest => "drop_oldest",
            Self::Reject => "reject",
        }
    }
}

/// The most partitions that an operator is divided into.
pub const MOST_WORKERS: usize = 64;

/// Settings of a database. `Config::default()` is an in-memory database.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Directory of a durable database; `None` keeps everything in memory.
    pub path: Option<PathBuf>,
    /// Rows that a subscription's ring and a source's queue hold by default; a power of two.
    pub buffer_size: usize,
    /// Bytes that wait before `start()` until pushes are refused.
    pub max_queued_bytes: usize,
    /// How much of its past a source or an append-only stream keeps for queries, by default.
    pub retain_history: Retention,
    /// How long a push waits for room before it answers that there is none.
    pub push_timeout: Duration,
    /// How calls wait.
    pub wait_strategy: WaitStrategy,
    /// The values of `${NAME}` in the strings of definitions; others come from the environment.
    pub variables: BTreeMap<String, String>,
    /// Whether the contents of imported Arrow buffers (UTF-8, offsets) are checked.
    pub validate_input: bool,
    /// The processor core on which the database's own threads stay: those of ad-hoc queries and of
    /// the timer. Workers stay on the cores behind it, one after the other. Pushes run on the threads
    /// that push.
    pub core_affinity: Option<usize>,
    /// Into how many partitions operators by keys are divided, by default; from 1, which divides
    /// none, to [`MOST_WORKERS`].
    pub workers: usize,
    /// From so many rows in a step on partitions run on threads of their own; below, the thread that
    /// pushes runs all of them.
    pub worker_min_rows: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: None,
            buffer_size: 65_536,
            max_queued_bytes: 256 << 20,
            retain_history: Retention::Rows(65_536),
            push_timeout: Duration::from_secs(30),
            wait_strategy: WaitStrategy::default(),
            variables: BTreeMap::new(),
            validate_input: true,
            core_affinity: None,
            workers: 1,
            worker_min_rows: 512,
        }
    }
}

impl Config {
    /// Reads the JSON form, in which every key is optional:
    ///
    /// | key | value |
    /// |---|---|
    /// | `path` | string; `":memory:"` or absent keeps everything in memory |
    /// | `buffer_size` | rows, a power of two |
    /// | `max_queued_bytes` | bytes |
    /// | `retain_history` | rows, or a size as text: `"64 MB"` |
    /// | `push_timeout_ms` | milliseconds |
    /// | `wait_strategy` | `"spin"`, `"spin_yield"`, `"spin_yield(N)"` or `"park"` |
    /// | `variables` | an object of strings: `${NAME}` in definitions |
    /// | `validate_input` | `"full"` or `"trusted"` |
    /// | `core_affinity` | the number of a processor core |
    /// | `workers` | partitions of operators by keys, 1 to 64 |
    /// | `worker_min_rows` | rows of a step from which on partitions have threads of their own |
    ///
    /// Unknown keys and values are errors that name them.
    pub fn from_json(json: &str) -> Result<Self> {
        let raw: RawConfig = serde_json::from_str(json).map_err(|error| {
            Error::new(code::CONFIG, format!("the configuration cannot be read: {error}"))
        })?;
        let defaults = Self::default();
        let config = Self {
            path: raw.path.filter(|path| path != ":memory:" && !path.is_empty()).map(PathBuf::from),
            buffer_size: raw.buffer_size.unwrap_or(defaults.buffer_size),
            max_queued_bytes: raw.max_queued_bytes.unwrap_or(defaults.max_queued_bytes),
            retain_history: match raw.retain_history {
                Some(raw) => raw.retention()?,
                None => defaults.retain_history,
            },
            push_timeout: raw.push_timeout_ms.map_or(defaults.push_timeout, Duration::from_millis),
            wait_strategy: raw
                .wait_strategy
                .as_deref()
                .map_or(Ok(defaults.wait_strategy), parse_wait_strategy)?,
            variables: raw.variables.unwrap_or_default(),
            validate_input: match raw.validate_input.as_deref() {
                None | Some("full") => true,
                Some("trusted") => false,
                Some(other) => {
                    return Err(invalid("validate_input", other, "use \"full\" or \"trusted\""));
                }
            },
            core_affinity: raw.core_affinity,
            workers: raw.workers.unwrap_or(defaults.workers),
            worker_min_rows: raw.worker_min_rows.unwrap_or(defaults.worker_min_rows),
        };
        config.validate()?;
        Ok(config)
    }

    /// Checks the values against each other.
    pub fn validate(&self) -> Result<()> {
        if !self.buffer_size.is_power_of_two() {
            return Err(invalid("buffer_size", self.buffer_size, "use a power of two"));
        }
        if !(1..=MOST_WORKERS).contains(&self.workers) {
            return Err(invalid("workers", self.workers, "use a number from 1 to 64"));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    path: Option<String>,
    buffer_size: Option<usize>,
    max_queued_bytes: Option<usize>,
    retain_history: Option<RawRetention>,
    push_timeout_ms: Option<u64>,
    wait_strategy: Option<String>,
    variables: Option<BTreeMap<String, String>>,
    validate_input: Option<String>,
    core_affinity: Option<usize>,
    workers: Option<usize>,
    worker_min_rows: Option<usize>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawRetention {
    Rows(usize),
    Size(String),
    Other(serde_json::Value),
}

impl RawRetention {
    fn retention(self) -> Result<Retention> {
        const REMEDY: &str = "use a number of rows, or a size such as \"64 MB\"";
        match self {
            Self::Rows(rows) => Ok(Retention::Rows(rows)),
            Self::Size(text) => parse_size_bytes(&text)
                .map(Retention::Bytes)
                .map_err(|_| invalid("retain_history", text, REMEDY)),
            Self::Other(value) => Err(invalid("retain_history", value, REMEDY)),
        }
    }
}

fn parse_wait_strategy(text: &str) -> Result<WaitStrategy> {
    WaitStrategy::parse(text).ok_or_else(|| {
        invalid("wait_strategy", text, "use spin, spin_yield, spin_yield(N) or park")
    })
}

fn invalid(key: &str, value: impl std::fmt::Display, remedy: &str) -> Error {
    Error::new(code::CONFIG, format!("configuration key `{key}` cannot be `{value}`: {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_object_is_the_default() {
        assert_eq!(Config::from_json("{}").unwrap(), Config::default());
    }

    #[test]
    fn history_is_bounded_by_rows_or_by_a_size() {
        for (json, retention) in [
            ("{\"retain_history\": 7}", Retention::Rows(7)),
            ("{\"retain_history\": 0}", Retention::Rows(0)),
            ("{\"retain_history\": \"64 MB\"}", Retention::Bytes(64_000_000)),
            ("{\"retain_history\": \"1.5KiB\"}", Retention::Bytes(1_536)),
        ] {
            assert_eq!(Config::from_json(json).unwrap().retain_history, retention, "{json}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (json, part) in [
            ("{\"bufer_size\": 1}", "bufer_size"),
            ("{\"buffer_size\": 1000}", "power of two"),
            ("{\"wait_strategy\": \"nap\"}", "nap"),
            ("{\"workers\": 0}", "from 1 to 64"),
            ("{\"workers\": 65}", "from 1 to 64"),
            (
                "{\"retain_history\": \"64\"}",
                "`retain_history` cannot be `64`: use a number of rows",
            ),
            ("{\"retain_history\": -1}", "`-1`: use a number of rows, or a size"),
            ("{\"retain_history\": [2]}", "`[2]`: use a number of rows, or a size"),
            ("[", "cannot be read"),
        ] {
            let error = Config::from_json(json).unwrap_err();
            assert_eq!(error.kind().status(), 100);
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
