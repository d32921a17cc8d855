//! [`Settings`]: what `SET` changes for the statements and calls that come after it.
//!
//! A database begins with what its configuration says, and all of its handles see one set. What was
//! created keeps what it was created with.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::RecordBatch;
use laminar_sql::parser::statement::{Name, Set, StateTtl, StreamQuery};
use laminar_sql::parser::{OptionEntry, OptionValue, closest};
use laminar_types::{Config, Error, Result, Retention, code};

use crate::system_tables::{Columns, text};

const MILLISECOND_NS: i64 = 1_000_000;

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setting {
    BufferSize,
    PushTimeout,
    RetainHistory,
    StateTtl,
    Workers,
}

impl Setting {
    const ALL: [Self; 5] =
        [Self::BufferSize, Self::PushTimeout, Self::RetainHistory, Self::StateTtl, Self::Workers];

    fn name(self) -> &'static str {
        match self {
            Self::BufferSize => "buffer_size",
            Self::PushTimeout => "push_timeout_ms",
            Self::RetainHistory => "retain_history",
            Self::StateTtl => "state_ttl",
            Self::Workers => "workers",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::BufferSize => {
                "rows that the ring of a subscription and the queue of a source hold"
            }
            Self::PushTimeout => "milliseconds that a push waits for room",
            Self::RetainHistory => "newest rows, or their bytes, that append-only relations keep",
            Self::StateTtl => "how long unbounded joins and aggregates keep rows, in milliseconds",
            Self::Workers => "partitions of the operators by keys of a stream",
        }
    }

    fn named(name: &Name) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|setting| setting.name() == name.value);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            let near = match closest(&name.value, &names) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are {}", names.join(", ")),
            };
            let message = format!("there is no setting `{}`: {near}", name.value);
            Error::new(code::OPTION, message).at(name.position)
        })
    }

    /// The number that stands for a value.
    fn read(self, entry: &OptionEntry) -> Result<u64> {
        let count = || {
            let count = entry.integer()?;
            u64::try_from(count).map_err(|_| entry.error("takes a number of 0 or more"))
        };
        match self {
            Self::PushTimeout => count(),
            Self::RetainHistory => entry.retention().map(word_of),
            Self::BufferSize => match count()? {
                rows if rows.is_power_of_two() => Ok(rows),
                _ => Err(entry.error("takes a power of two")),
            },
            Self::Workers => entry.workers().map(|count| count as u64),
            Self::StateTtl if is_word(&entry.value, "off") => Ok(0),
            Self::StateTtl => {
                let span_ns = entry.duration_ns()?;
                match span_ns % MILLISECOND_NS {
                    0 => Ok((span_ns / MILLISECOND_NS).unsigned_abs()),
                    _ => Err(entry.error("takes whole milliseconds, or off")),
                }
            }
        }
    }

    /// A value as `SET` reads it.
    fn shown(self, value: u64) -> String {
        match (self, value) {
            (Self::StateTtl, 0) => "off".to_string(),
            (Self::RetainHistory, word) => retention_of(word).to_string(),
            (_, value) => value.to_string(),
        }
    }
}

/// The settings of a database.
#[derive(Debug)]
pub(crate) struct Settings {
    /// What the configuration says, by [`Setting`].
    defaults: [u64; Setting::ALL.len()],
    values: [AtomicU64; Setting::ALL.len()],
}

impl Settings {
    pub(crate) fn of(config: &Config) -> Self {
        let defaults = Setting::ALL.map(|setting| match setting {
            Setting::BufferSize => config.buffer_size as u64,
            Setting::PushTimeout => {
                u64::try_from(config.push_timeout.as_millis()).unwrap_or(u64::MAX)
            }
            Setting::RetainHistory => word_of(config.retain_history),
            Setting::StateTtl => 0,
            Setting::Workers => config.workers as u64,
        });
        Self { defaults, values: defaults.map(AtomicU64::new) }
    }

    fn get(&self, setting: Setting) -> u64 {
        self.values[setting as usize].load(Ordering::Relaxed)
    }

    fn rows(&self, setting: Setting) -> usize {
        usize::try_from(self.get(setting)).unwrap_or(usize::MAX)
    }

    /// Rows that a subscription's ring and a source's queue hold.
    pub(crate) fn buffer_size(&self) -> usize {
        self.rows(Setting::BufferSize)
    }

    /// How long a push waits for room.
    pub(crate) fn push_timeout(&self) -> Duration {
        Duration::from_millis(self.get(Setting::PushTimeout))
    }

    /// What an append-only relation keeps of its past.
    pub(crate) fn retain_history(&self) -> Retention {
        retention_of(self.get(Setting::RetainHistory))
    }

    /// A query with the `state_ttl` and the `workers` that are set, where it has none of its own.
    pub(crate) fn complete(&self, query: &StreamQuery) -> StreamQuery {
        let mut query = query.clone();
        query.workers.get_or_insert(self.rows(Setting::Workers));
        let ttl_ms = i64::try_from(self.get(Setting::StateTtl)).unwrap_or(i64::MAX);
        if query.state_ttl.is_none() && ttl_ms > 0 {
            let ns = ttl_ms.saturating_mul(MILLISECOND_NS);
            query.state_ttl = Some(StateTtl { ns, position: None });
        }
        query
    }

    /// `SET name = value`.
    pub(crate) fn set(&self, set: Set) -> Result<()> {
        let setting = Setting::named(&set.name)?;
        if is_word(&set.value, "default") {
            return self.reset(&set.name);
        }
        let position = set.name.position;
        let entry = OptionEntry { key: set.name.value, value: set.value, position };
        self.values[setting as usize].store(setting.read(&entry)?, Ordering::Relaxed);
        Ok(())
    }

    /// `RESET name` and `RESET ALL`.
    pub(crate) fn reset(&self, name: &Name) -> Result<()> {
        let of_name = match name.value.as_str() {
            "all" => None,
            _ => Some(Setting::named(name)?),
        };
        for setting in Setting::ALL {
            if of_name.is_none_or(|one| one == setting) {
                let index = setting as usize;
                self.values[index].store(self.defaults[index], Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// `SHOW name` and `SHOW ALL`.
    pub(crate) fn show(&self, name: &Name) -> Result<RecordBatch> {
        let value = |setting: Setting| setting.shown(self.get(setting));
        if name.value != "all" {
            let setting = Setting::named(name)?;
            return Columns(vec![(setting.name(), text([value(setting)]))]).batch();
        }
        let default = |setting: Setting| setting.shown(self.defaults[setting as usize]);
        Columns(vec![
            ("name", text(Setting::ALL.map(Setting::name))),
            ("value", text(Setting::ALL.map(value))),
            ("default", text(Setting::ALL.map(default))),
            ("meaning", text(Setting::ALL.map(Setting::meaning))),
        ])
        .batch()
    }
}

/// Marks a size in bytes among the numbers of settings; others are rows.
const BYTES: u64 = 1 << 63;

fn word_of(retention: Retention) -> u64 {
    match retention {
        Retention::Rows(rows) => (rows as u64).min(BYTES - 1),
        Retention::Bytes(bytes) => (bytes as u64).min(BYTES - 1) | BYTES,
    }
}

fn retention_of(word: u64) -> Retention {
    let count = usize::try_from(word & !BYTES).unwrap_or(usize::MAX);
    if word & BYTES == 0 { Retention::Rows(count) } else { Retention::Bytes(count) }
}

fn is_word(value: &OptionValue, word: &str) -> bool {
    matches!(value, OptionValue::String(text) if text.eq_ignore_ascii_case(word))
}
