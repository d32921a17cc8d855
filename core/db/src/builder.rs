//! [`Builder`]: how a database is opened, setting by setting.

use std::path::PathBuf;
use std::time::Duration;

use laminar_types::{Config, Error, Result, Retention, WaitStrategy, code};

use crate::database::LaminarDB;

/// Opens a database, setting by setting; what is not set is as in [`Config::default`].
///
/// ```
/// use laminar_db::{LaminarDB, WaitStrategy};
///
/// let db = LaminarDB::builder()
///     .buffer_size(1024)
///     .wait_strategy(WaitStrategy::Park)
///     .variable("ZONE", "Europe/Berlin")
///     .build_blocking()?;
/// assert_eq!(db.config().buffer_size, 1024);
/// # Ok::<(), laminar_db::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "nothing is opened before `build`"]
pub struct Builder {
    config: Config,
    checkpoint_interval: Option<Duration>,
    wal_mode: Option<WalMode>,
}

/// How checkpoints are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointConfig {
    /// The time from one to the next.
    pub interval: Duration,
}

impl Default for CheckpointConfig {
    /// Every ten seconds.
    fn default() -> Self {
        Self { interval: Duration::from_secs(10) }
    }
}

/// When a push is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalMode {
    /// Soon after its epoch: a crash may undo what subscribers saw.
    Async,
    /// Before its epoch: nobody sees what a crash undoes.
    Sync,
}

impl LaminarDB {
    /// Opens a database, setting by setting.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// All settings at once; those set before are forgotten.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The directory of a durable database, which is not built yet: opening refuses it.
    pub fn storage_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.path = Some(path.into());
        self
    }

    /// Another name of [`storage_dir`](Self::storage_dir).
    pub fn data_dir(self, path: impl Into<PathBuf>) -> Self {
        self.storage_dir(path)
    }

    /// Takes checkpoints, for which there must be a [`storage_dir`](Self::storage_dir). Of several
    /// intervals the smallest counts.
    pub fn checkpoint(self, checkpoint: CheckpointConfig) -> Self {
        self.checkpoint_interval(checkpoint.interval)
    }

    /// The same as an interval alone.
    pub fn checkpoint_interval(mut self, interval: Duration) -> Self {
        let known = self.checkpoint_interval.unwrap_or(interval);
        self.checkpoint_interval = Some(known.min(interval));
        self
    }

    /// Logs pushes, for which there must be a [`storage_dir`](Self::storage_dir).
    pub fn wal_mode(mut self, mode: WalMode) -> Self {
        self.wal_mode = Some(mode);
        self
    }

    /// Rows that a subscription's ring and a source's queue hold by default; a power of two.
    pub fn buffer_size(mut self, rows: usize) -> Self {
        self.config.buffer_size = rows;
        self
    }

    /// Bytes that wait before the start until pushes are refused.
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.config.max_queued_bytes = bytes;
        self
    }

    /// How much of its past a source or an append-only stream keeps for queries, by default: a number
    /// of rows, or a [`Retention`].
    pub fn retain_history(mut self, retention: impl Into<Retention>) -> Self {
        self.config.retain_history = retention.into();
        self
    }

    /// How long a push waits for room.
    pub fn push_timeout(mut self, timeout: Duration) -> Self {
        self.config.push_timeout = timeout;
        self
    }

    /// How calls wait.
    pub fn wait_strategy(mut self, strategy: WaitStrategy) -> Self {
        self.config.wait_strategy = strategy;
        self
    }

    /// The processor core of the database's own threads.
    pub fn core_affinity(mut self, core: usize) -> Self {
        self.config.core_affinity = Some(core);
        self
    }

    /// The value of `${name}` in the strings of definitions.
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.variables.insert(name.into(), value.into());
        self
    }

    /// Opens the database.
    ///
    /// # Errors
    /// `CONFIG` for a setting that cannot be; `UNSUPPORTED` for one that is not built yet.
    pub async fn build(self) -> Result<LaminarDB> {
        // Nothing is read or recovered yet, so nothing is waited for.
        self.build_blocking()
    }

    /// The same on this thread.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_blocking(self) -> Result<LaminarDB> {
        let needs = |what: &str| {
            let message = format!("{what} needs a place to keep it: set `storage_dir`");
            Err(Error::new(code::CONFIG, message))
        };
        if self.config.path.is_none() {
            if self.wal_mode.is_some() {
                return needs("`wal_mode`");
            }
            if self.checkpoint_interval.is_some() {
                return needs("a checkpoint");
            }
        }
        if self.wal_mode.is_some() && self.checkpoint_interval.is_none() {
            let message = "`wal_mode` needs checkpoints, or the log would grow for ever: set \
                           `checkpoint_interval`";
            return Err(Error::new(code::CONFIG, message));
        }
        if self.checkpoint_interval.is_some_and(|interval| interval.is_zero()) {
            let message = "checkpoints cannot be taken without a pause: set another interval";
            return Err(Error::new(code::CONFIG, message));
        }
        LaminarDB::open_with_config(self.config)
    }
}
