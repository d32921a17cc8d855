//! [`SourcePolicy`]: what a source does with a push that finds no room, and how its pushes wait.
//!
//! It is given `WITH (backpressure, buffer_size, push_timeout_ms, wait_strategy)` and told by
//! `DESCRIBE EXTENDED`. What it leaves open is as the database has it.

use std::time::Duration;

use laminar_sql::parser::{OptionEntry, Options};
use laminar_types::{Backpressure, Result, WaitStrategy};

use crate::settings::Settings;

/// The options of a source or table about room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SourcePolicy {
    /// What a push does that finds no room.
    pub(crate) on_full: Backpressure,
    /// Rows that may wait for the start; without, the bytes of all sources are the only limit.
    pub(crate) most_queued_rows: Option<u64>,
    /// How long a push waits; without, as the database is set when it is made.
    push_timeout: Option<Duration>,
    /// How a push waits; without, as the database does.
    pub(crate) wait_strategy: Option<WaitStrategy>,
}

impl SourcePolicy {
    /// Takes the options about room out of a statement. Those of a table cannot be `drop_oldest`:
    /// a row that is left out of its changes would be there for queries and not for streams.
    pub(crate) fn read(options: &mut Options, is_table: bool) -> Result<Self> {
        let mut policy = Self::default();
        if let Some(entry) = options.take("backpressure") {
            policy.on_full = match Backpressure::parse(&word(&entry)?) {
                Some(Backpressure::DropOldest) if is_table => {
                    return Err(entry.error(
                        "of a table takes 'block' or 'reject': changes of a table cannot be \
                         dropped",
                    ));
                }
                Some(on_full) => on_full,
                None => return Err(entry.error("takes 'block', 'drop_oldest' or 'reject'")),
            };
        }
        if let Some(entry) = options.take("buffer_size") {
            let rows = u64::try_from(entry.integer()?).ok().filter(|rows| rows.is_power_of_two());
            let rows = rows.ok_or_else(|| entry.error("takes a number of rows, a power of two"))?;
            policy.most_queued_rows = Some(rows);
        }
        if let Some(entry) = options.take("push_timeout_ms") {
            let ms = u64::try_from(entry.integer()?)
                .map_err(|_| entry.error("takes a number of milliseconds, 0 or more"))?;
            policy.push_timeout = Some(Duration::from_millis(ms));
        }
        if let Some(entry) = options.take("wait_strategy") {
            let strategy = WaitStrategy::parse(&word(&entry)?);
            policy.wait_strategy = Some(strategy.ok_or_else(|| {
                entry.error("takes 'spin', 'spin_yield', 'spin_yield(N)' or 'park'")
            })?);
        }
        Ok(policy)
    }

    /// The first option that is not as it was, and how it was.
    pub(crate) fn difference(&self, before: &Self) -> Option<String> {
        let rows = |policy: &Self| policy.most_queued_rows.map(|rows| rows.to_string());
        let ms = |policy: &Self| policy.push_timeout.map(|most| most.as_millis().to_string());
        let wait = |policy: &Self| policy.wait_strategy.map(|strategy| format!("'{strategy}'"));
        let on_full = |policy: &Self| Some(format!("'{}'", policy.on_full.name()));
        let pairs = [
            ("backpressure", on_full(self), on_full(before)),
            ("buffer_size", rows(self), rows(before)),
            ("push_timeout_ms", ms(self), ms(before)),
            ("wait_strategy", wait(self), wait(before)),
        ];
        let told = |value: Option<String>| value.unwrap_or_else(|| "as the database has it".into());
        let mut pairs = pairs.into_iter().filter(|(_, now, then)| now != then);
        pairs
            .next()
            .map(|(option, now, then)| format!("{option} is {} and was {}", told(now), told(then)))
    }

    /// Rows that the source is laid out for.
    pub(crate) fn capacity(&self, settings: &Settings) -> u64 {
        self.most_queued_rows.unwrap_or(settings.buffer_size() as u64)
    }

    /// How long a push waits for room; `None` where it waits as the database is set.
    pub(crate) fn push_timeout(&self) -> Option<Duration> {
        match self.on_full {
            Backpressure::Reject => Some(Duration::ZERO),
            Backpressure::Block | Backpressure::DropOldest => self.push_timeout,
        }
    }

    /// How long a push waits for room.
    pub(crate) fn patience(&self, settings: &Settings) -> Duration {
        self.push_timeout().unwrap_or_else(|| settings.push_timeout())
    }

    /// Whether a push is to wait, or to be refused, when so many rows wait for the start.
    pub(crate) fn holds_back(&self, pending: u64) -> bool {
        self.on_full != Backpressure::DropOldest
            && self.most_queued_rows.is_some_and(|most| pending >= most)
    }

    /// What is said of it: property and value.
    pub(crate) fn told(&self, of_database: WaitStrategy, capacity: u64) -> Vec<(String, String)> {
        let mut lines = vec![("backpressure".into(), self.on_full.name().into())];
        let limit = match self.most_queued_rows {
            Some(rows) => format!("{rows} rows before the start"),
            None => format!("{capacity} rows, as the database has it"),
        };
        lines.push(("buffer size".into(), limit));
        let timeout = match self.push_timeout() {
            Some(timeout) => format!("{} ms", timeout.as_millis()),
            None => "as the database is set (SHOW push_timeout_ms)".to_string(),
        };
        lines.push(("push timeout".into(), timeout));
        let strategy = self.wait_strategy.unwrap_or(of_database);
        lines.push(("wait strategy".into(), strategy.to_string()));
        lines
    }
}

/// A word in lower case.
fn word(entry: &OptionEntry) -> Result<String> {
    entry.text().map(|text| text.trim().to_ascii_lowercase())
}
