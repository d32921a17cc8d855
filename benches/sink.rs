//! [`Sink`]: takes an engine's output. Freeing the output counts, its checksum does not.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use crate::checksum::Checksum;
use crate::clock::Clock;

/// Batches, and rows, that are held until they are added up.
const MOST_BATCHES: usize = 1_024;
const MOST_ROWS: usize = 65_536;

/// What one run of an engine took and gave.
pub struct Outcome {
    pub cpu_seconds: f64,
    pub wall_seconds: f64,
    pub checksum: Checksum,
}

/// Collects output, and adds it up now and then with the clock stopped.
pub struct Sink {
    clock: Clock,
    /// The first columns, which are the query's; what follows them is the engine's own.
    columns: usize,
    held: Vec<(RecordBatch, Option<Vec<i64>>)>,
    rows: usize,
    checksum: Checksum,
}

impl Sink {
    /// Starts the clock.
    pub fn start(columns: usize) -> Self {
        Self {
            columns,
            held: Vec::with_capacity(MOST_BATCHES),
            rows: 0,
            checksum: Checksum::default(),
            clock: Clock::start(),
        }
    }

    /// Takes rows, each once.
    pub fn take(&mut self, batch: RecordBatch) -> Result<(), ArrowError> {
        self.take_weighted(batch, None)
    }

    /// Takes a change.
    pub fn take_weighted(
        &mut self,
        batch: RecordBatch,
        weights: Option<Vec<i64>>,
    ) -> Result<(), ArrowError> {
        self.rows += batch.num_rows();
        self.held.push((batch, weights));
        if self.held.len() == MOST_BATCHES || self.rows >= MOST_ROWS {
            self.add_up()?;
        }
        Ok(())
    }

    fn add_up(&mut self) -> Result<(), ArrowError> {
        let (held, checksum, columns) = (&self.held, &mut self.checksum, self.columns);
        self.clock.without(|| {
            held.iter()
                .try_for_each(|(batch, weights)| checksum.add(batch, columns, weights.as_deref()))
        })?;
        self.held.clear();
        self.rows = 0;
        Ok(())
    }

    /// Stops the clock; `rest` is read after that.
    pub fn finish<E: From<ArrowError>>(
        mut self,
        rest: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<Outcome, E> {
        self.add_up()?;
        let (cpu_seconds, wall_seconds) = (self.clock.seconds(), self.clock.wall_seconds());
        rest(&mut self)?;
        self.add_up()?;
        Ok(Outcome { cpu_seconds, wall_seconds, checksum: self.checksum })
    }
}
