//! What an operator is, and what an edge promises.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use laminar_types::{Delta, Epoch, Error, Frontier, Result, RowBlock, TimeUnit};

use crate::expr::row_text;
use crate::operators::{KeyedRows, Place, ordinals};
#[cfg(doc)]
use crate::state::Container;
use crate::state::{Parts, Snapshot};
use crate::window::WindowSpec;
use crate::work::Work;
use crate::workers::Workers;

/// One node of the dataflow: consumes the deltas of its inputs, keeps state, emits one net delta.
///
/// Within a step the graph calls, in this order: [`input`](Self::input) once for each port that
/// has rows, [`advance`](Self::advance) once for each port whose frontier moved ("rows, then
/// watermark"), and [`finish`](Self::finish) once. An operator with nothing to do is not called.
///
/// An operator reads no clock, does not depend on hash iteration order in what it emits, and
/// does not know its consumers. All of its state that outlives an epoch lives in containers of
/// [`crate::state`] and in single numbers, and is what [`parts`](Self::parts) hands over. An error
/// fails the operator for good; errors of single rows are not errors
/// of the operator but [`DeadLetter`]s.
pub trait Operator: Send {
    /// Takes the rows of one input.
    fn input(&mut self, port: usize, delta: Delta, cx: &mut Context<'_>) -> Result<()>;

    /// Whether a handful of rows is better given as a block: then sources do not make Arrow arrays
    /// of them.
    fn takes_rows(&self) -> bool {
        false
    }

    /// Takes the rows of one input that came as a block: what [`input`](Self::input) would do with
    /// the same rows as a batch, to the last bit.
    fn input_rows(&mut self, port: usize, rows: &RowBlock, cx: &mut Context<'_>) -> Result<()> {
        self.input(port, rows.to_delta()?, cx)
    }

    /// Takes the frontiers of one input, one for each of its event-time columns, in the order of
    /// its [`Traits::times`]. Frontiers never go back.
    fn advance(&mut self, port: usize, frontiers: &[Frontier], cx: &mut Context<'_>) -> Result<()> {
        let _ = (port, frontiers, cx);
        Ok(())
    }

    /// Which moves of an input's frontiers matter for rows that are behind them.
    fn marks(&self) -> Marks {
        Marks::Every
    }

    /// Emits the net change of the step as a block, if that is how the operator has it: puts it
    /// into `out`, which is empty and of any layout, and answers true. [`finish`](Self::finish) is
    /// called otherwise.
    fn finish_rows(&mut self, out: &mut RowBlock) -> Result<bool> {
        let _ = out;
        Ok(false)
    }

    /// Emits the net change of the step.
    fn finish(&mut self, cx: &mut Context<'_>) -> Result<Option<Delta>>;

    /// As [`finish`](Self::finish), for an operator that is a partition: puts the place of each row of
    /// the change into `places`, which is empty. Places ascend.
    ///
    /// # Errors
    /// `INTERNAL` for an operator that cannot be a partition, besides those of `finish`.
    fn finish_placed(
        &mut self,
        cx: &mut Context<'_>,
        places: &mut Vec<Place>,
    ) -> Result<Option<Delta>> {
        let _ = (cx, places);
        Err(Error::internal(format!("{} cannot be a partition", self.name())))
    }

    /// About how many rows [`finish`](Self::finish) would give that no row of the step brought: those
    /// of windows that close.
    fn due_rows(&self) -> usize {
        0
    }

    /// Whether the operator may have something to do in a step that brings it no rows, wherever its
    /// frontiers are.
    fn acts_without_rows(&self) -> bool {
        true
    }

    /// Tells the operator who runs its partitions, if it has some.
    fn employ(&mut self, workers: &Arc<dyn Workers>) {
        let _ = workers;
    }

    /// What each partition did and holds; none where the operator is one.
    fn partitions(&self) -> Vec<PartitionMetrics> {
        Vec::new()
    }

    /// The frontiers of the output's event-time columns, in the order of its [`Traits::times`].
    fn frontiers(&self, out: &mut Vec<Frontier>) {
        out.clear();
    }

    /// Where the operator judges in the place of the join that reads it, through others with one input,
    /// which rows are late for that: which of its own input's event times is computed ahead of a
    /// row's, and by how much. What the join would be told of a side that is idle, this one is.
    fn judges(&self) -> Option<Ahead> {
        None
    }

    /// Hands over everything that outlives an epoch, as [`Container::parts`] does, and names the
    /// other fields, so that one that is added cannot be forgotten: between two steps
    /// an operator made from the same plan goes on from these parts exactly as this one does.
    ///
    /// # Errors
    /// As there.
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()>;

    /// What the operator holds between two steps. Cheap: clones page roots.
    ///
    /// # Errors
    /// None that an operator has of itself.
    fn snapshot(&mut self) -> Result<Snapshot> {
        Snapshot::of(|parts| self.parts(parts))
    }

    /// Becomes what an operator made from the same plan was at a snapshot.
    ///
    /// # Errors
    /// `INTERNAL` when it was made from another plan; the operator is then to be given up.
    fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        snapshot.put_back(|parts| self.parts(parts))
    }

    /// The type's own name, for people.
    fn name(&self) -> &'static str {
        let name = std::any::type_name::<Self>();
        name.rsplit("::").next().unwrap_or(name)
    }

    /// A consistent read of everything the operator has emitted and not retracted, or `None` when
    /// it cannot tell. Cheap: clones page roots, so that the caller can read at leisure while the
    /// operator goes on.
    ///
    /// A stateless operator [derives](Self::derives_content) it from `input`, the content of its
    /// only input; for every other operator `input` is `None`.
    fn content(&mut self, input: Option<Box<dyn Content>>) -> Option<Box<dyn Content>> {
        let _ = input;
        None
    }

    /// Whether [`content`](Self::content) is a function of the content of the only input.
    fn derives_content(&self) -> bool {
        false
    }

    /// Whether what it holds and gives is a function of what its inputs hold at the time, however
    /// that came to be: then one that was made later, and given what they hold, goes on alike.
    /// Asked only where no input has an event time.
    fn follows_content(&self) -> bool {
        false
    }

    /// What it keeps of its inputs by key, if others that keep the same can read it there.
    fn keyed_rows(&self) -> Option<&dyn KeyedRows> {
        None
    }

    /// The same, to be lent or borrowed.
    fn keyed_rows_mut(&mut self) -> Option<&mut dyn KeyedRows> {
        None
    }

    /// Whether the operator asks for the time of an epoch, [`Context::now_ms`].
    fn reads_clock(&self) -> bool {
        false
    }

    /// Counters for people.
    fn metrics(&self) -> Metrics {
        Metrics::default()
    }
}

/// Which moves of a frontier matter: whether it makes a difference for a row behind the frontier to
/// come before the move or after it.
///
/// The frontier is that of the input's only event-time column, or of every one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Marks {
    /// Every move, and not only for rows that are behind the frontier: what is forgotten by it meets
    /// no row that comes after it.
    ForEveryRow,
    /// Every move.
    #[default]
    Every,
    /// Those past one of the ends of windows, and no other.
    Ends(Vec<WindowEnds>),
    /// What matters to those that read the operator: it only hands the frontiers on.
    AsReaders,
}

/// The times at which windows close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowEnds {
    /// The windows.
    pub spec: WindowSpec,
    /// How long after its end a window closes, in nanoseconds.
    pub lateness_ns: i64,
}

impl WindowEnds {
    /// Whether a window closes when the frontier moves from one time to another.
    pub fn close_between(&self, from: Frontier, to: Frontier) -> bool {
        let limit = |frontier: Frontier| {
            frontier.shift(-i128::from(self.lateness_ns)).in_unit(self.spec.unit())
        };
        self.spec.first_end(limit(from)) <= limit(to)
    }
}

impl Marks {
    /// What matters when either does.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::ForEveryRow, _) | (_, Self::ForEveryRow) => Self::ForEveryRow,
            (Self::Every, _) | (_, Self::Every) => Self::Every,
            (Self::AsReaders, marks) | (marks, Self::AsReaders) => marks,
            (Self::Ends(mut ends), Self::Ends(others)) => {
                ends.extend(others);
                ends.dedup();
                Self::Ends(ends)
            }
        }
    }

    /// Whether the move of a frontier matters.
    pub fn matter_between(&self, from: Frontier, to: Frontier) -> bool {
        match self {
            Self::ForEveryRow | Self::Every => true,
            Self::Ends(ends) => ends.iter().any(|ends| ends.close_between(from, to)),
            Self::AsReaders => false,
        }
    }
}

/// An event time of an input that is computed from the time of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    /// Its position among the input's event times.
    pub frontier: usize,
    /// By how much it is later, in nanoseconds.
    pub span_ns: i64,
}

impl Ahead {
    /// An event time of the input, told as the time of a row.
    pub(crate) fn to_row(of: Option<Self>, position: usize, frontier: Frontier) -> Frontier {
        frontier.shift(-Self::span(of, position))
    }

    /// The time of a row, told as an event time of the input.
    pub(crate) fn from_row(of: Option<Self>, position: usize, frontier: Frontier) -> Frontier {
        frontier.shift(Self::span(of, position))
    }

    fn span(of: Option<Self>, position: usize) -> i128 {
        of.filter(|ahead| ahead.frontier == position).map_or(0, |ahead| i128::from(ahead.span_ns))
    }
}

/// The rows that an operator held at one moment, readable from any thread.
pub trait Content: Send {
    /// The rows.
    fn batches(&self) -> Result<Vec<RecordBatch>>;
}

impl<C: Content + Sync + ?Sized> Content for std::sync::Arc<C> {
    fn batches(&self) -> Result<Vec<RecordBatch>> {
        (**self).batches()
    }
}

/// Counters of one operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Rows that came after every window they belong to was closed.
    pub late_rows: u64,
    /// Bytes of state.
    pub state_bytes: usize,
}

/// Counters of one partition of an operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartitionMetrics {
    /// Its rows and visits, and the processor time that they took.
    pub work: Work,
    /// What it holds.
    pub metrics: Metrics,
}

/// What one step of an epoch tells its operators and hears from them.
#[derive(Debug)]
pub struct Context<'a> {
    /// The epoch that runs.
    pub epoch: Epoch,
    /// The number of the step in its graph; an epoch can be several.
    pub step: u64,
    /// The time of the epoch in milliseconds since 1970, if an operator asks for it: it is told the
    /// graph, and is one for the whole epoch.
    pub now_ms: i64,
    /// Rows on which an expression failed.
    pub dead_letters: &'a mut Vec<DeadLetter>,
    /// Rows that came too late, for [`Graph::add_late_output`](crate::Graph::add_late_output).
    pub late: &'a mut Vec<Delta>,
}

impl Context<'_> {
    /// Notes a row that is left out because an expression failed on it.
    pub fn dead_letter(&mut self, row: String, error: String) {
        self.note(row, error, 0, Noticed::TakenIn);
    }

    /// The same, of what a row met or brought about after all rows that came with it were taken in.
    /// Its ordinal is zero where rows have none.
    pub(crate) fn dead_letter_at(&mut self, ordinal: u64, row: String, error: String) {
        self.note(row, error, ordinal, Noticed::Met);
    }

    /// The same, of a row of a batch that is taken in.
    pub fn dead_letter_of(&mut self, batch: &RecordBatch, row: usize, error: String) {
        let ordinal = ordinals::of(batch).map_or(row as u64, |ordinals| ordinals[row]);
        let row = row_text(&ordinals::without(batch), row);
        self.note(row, error, ordinal, Noticed::TakenIn);
    }

    /// Makes the letters from a number on, whose ordinals are comparable, such of what was met, in the
    /// order of their rows.
    pub(crate) fn settle_letters(&mut self, from: usize) {
        let letters = &mut self.dead_letters[from..];
        letters.iter_mut().for_each(|letter| letter.noticed = Noticed::Met);
        letters.sort_by_key(|letter| letter.ordinal);
    }

    /// The same, of a row that is given.
    pub(crate) fn dead_letter_at_close(&mut self, ordinal: u64, row: String, error: String) {
        self.note(row, error, ordinal, Noticed::Given);
    }

    /// The same, of a row that is given at a place.
    pub(crate) fn dead_letter_at_place(&mut self, place: Place, row: String, error: String) {
        self.note(row, error, 0, Noticed::Given);
        if let Some(letter) = self.dead_letters.last_mut() {
            letter.place = place;
        }
    }

    fn note(&mut self, row: String, error: String, ordinal: u64, noticed: Noticed) {
        let (epoch, place) = (self.epoch, Place::default());
        self.dead_letters.push(DeadLetter { epoch, row, error, ordinal, noticed, place });
    }
}

/// A row that an operator left out because an expression failed on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The epoch that brought the row.
    pub epoch: Epoch,
    /// The row as text, as `column: value` pairs.
    pub row: String,
    /// What failed.
    pub error: String,
    /// The number of the row among those that came to its operator, where partitions count them, and
    /// elsewhere its place among those that were taken in with it, or zero.
    pub ordinal: u64,
    /// When in the step it was noticed.
    pub noticed: Noticed,
    /// Where it would stand among the rows that are given, if that says more than its ordinal.
    pub place: Place,
}

/// When in a step an operator notices that an expression fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Noticed {
    /// As a row is taken in: of the rows that come together all are, before any meets another.
    TakenIn,
    /// As a row meets what is there.
    Met,
    /// As the rows of the result are made, after all input.
    Given,
}

/// Which changes an edge can carry. Each is a promise that the ones after it do not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Changes {
    /// Rows only ever come to be: every weight is +1 and weights are absent.
    AppendOnly,
    /// A row may be replaced by another with the same unique key, but no key ever ceases.
    Upsert,
    /// Rows come to be and cease.
    Retract,
}

/// An event-time column of an edge: its rows are in the order of a frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTime {
    /// The column's index.
    pub column: usize,
    /// The unit it counts in.
    pub unit: TimeUnit,
    /// Whether a change of a row keeps its time, so that one behind the frontier is late as a
    /// whole. Only a table replaces a row of one time by one of another.
    pub settled: bool,
    /// Whether what would come behind the frontier was left out before: then what is of a time
    /// before it does not change any more.
    pub closed: bool,
}

/// What is known of an edge: inferred by the planner, shown by `EXPLAIN`, and relied upon by the
/// operators that consume the edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traits {
    /// The columns.
    pub schema: SchemaRef,
    /// The kind of changes.
    pub changes: Changes,
    /// Columns that are unique together at every epoch, when known.
    pub unique_key: Option<Vec<usize>>,
    /// Columns that carry a frontier.
    pub times: Vec<EventTime>,
    /// Whether every time-bearing input declares a watermark, so that windows close by themselves.
    pub declared_watermark: bool,
}

impl Traits {
    /// The traits of an append-only edge with no event time.
    pub fn append_only(schema: SchemaRef) -> Self {
        Self {
            schema,
            changes: Changes::AppendOnly,
            unique_key: None,
            times: Vec::new(),
            declared_watermark: false,
        }
    }

    /// The position in [`Self::times`] of a column, when it carries a frontier.
    pub fn time_of(&self, column: usize) -> Option<usize> {
        self.times.iter().position(|time| time.column == column)
    }
}
