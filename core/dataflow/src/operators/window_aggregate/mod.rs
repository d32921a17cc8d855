//! [`WindowAggregate`]: `GROUP BY` with tumbling, hopping or cumulating windows.
//!
//! A window is known by its end, which no other window of the same shape has. It is closed when
//! its end is at or before the frontier less the lateness allowed; a row is late when every window
//! it belongs to is closed, and is counted and left out.

mod blocks;
mod ends;
mod merged;
mod panes;
mod updates;

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use laminar_types::{Delta, Frontier, Result, mutant};

use super::aggregate::batch;
use super::aggregate_call::{AggregateCall, Grouping};
use super::group_changes::GroupChanges;
use super::late_rows::{LateRows, OfSet};
use super::partitioned::{Place, ordinals};
use super::timed_rows::{select, time_column, with_times};
use crate::aggregate::AggregateTable;
use crate::expr::row_text;
use crate::operator::{Context, Marks, Metrics, Operator, WindowEnds};
use crate::state::{Parts, arrow_error};
use crate::window::WindowSpec;
use panes::Panes;
use updates::OpenWindows;

/// When the rows of a window leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowEmit {
    /// Once, when the window closes.
    Final,
    /// At every step that changes them, until the window closes.
    Updates,
}

/// Where things stand in the columns of the input and of the output.
#[derive(Debug, Clone)]
pub struct WindowColumns {
    /// The event time in the input.
    pub time: usize,
    /// The position of the event time among the input's event-time columns.
    pub frontier: usize,
    /// The keys in the input, without the window.
    pub keys: Vec<usize>,
    /// The position of the window's start in the output; the keys stand around it, then come the
    /// aggregates, then the window's end.
    pub start: usize,
}

/// How windows treat their rows.
#[derive(Debug, Clone, Copy)]
pub struct WindowOptions {
    /// When their rows leave.
    pub emit: WindowEmit,
    /// Whether no row of the input ever ceases.
    pub append_only: bool,
    /// How long a window stays open past its end, in nanoseconds.
    pub lateness_ns: i64,
    /// How many columns of the input, the first ones, late rows are handed on with; `None` only
    /// counts them.
    pub late_columns: Option<usize>,
    /// Which of the rows counts as late, where each comes once for each grouping set.
    pub of_set: Option<OfSet>,
}

impl WindowOptions {
    pub(super) fn late_rows(&self) -> LateRows {
        LateRows::new(self.late_columns, self.append_only, self.of_set)
    }
}

/// Groups rows by keys and by the windows they belong to.
pub struct WindowAggregate {
    windows: Windows,
    options: WindowOptions,
    state: State,
    /// The frontier of the event time, less the lateness allowed.
    frontier: Frontier,
    /// Windows that end at or before this are closed.
    limit: i64,
    /// The windows that ended at or before this have been given.
    given: i64,
    late: LateRows,
}

enum State {
    Final(Box<Panes>),
    Updates(OpenWindows),
}

/// What the windows of a query are and how their rows are made.
struct Windows {
    spec: WindowSpec,
    columns: WindowColumns,
    grouping: Grouping,
    input: SchemaRef,
    schema: SchemaRef,
    /// Whether nobody asks which groups of a table were touched: none ever vanishes, and they are
    /// read once.
    is_read_once: bool,
    /// Whether these are the windows of a partition: then the rows that make groups are known.
    is_partition: bool,
}

impl WindowAggregate {
    /// Groups rows of `input`; `schema` is as [`WindowColumns`] says.
    pub fn new(
        input: &SchemaRef,
        spec: WindowSpec,
        columns: WindowColumns,
        calls: Vec<AggregateCall>,
        schema: SchemaRef,
        options: WindowOptions,
    ) -> Result<Self> {
        let grouping = Grouping::of_window(columns.keys.clone(), calls, options.append_only);
        let is_read_once = options.append_only && options.emit == WindowEmit::Final;
        let windows = Windows {
            spec,
            columns,
            grouping,
            input: input.clone(),
            schema,
            is_read_once,
            is_partition: false,
        };
        // What cannot be grouped is refused at once.
        windows.table()?;
        let state = match options.emit {
            WindowEmit::Final => State::Final(Box::new(Panes::new())),
            WindowEmit::Updates => State::Updates(OpenWindows::new()),
        };
        Ok(Self {
            windows,
            options,
            state,
            frontier: Frontier::MIN,
            limit: i64::MIN,
            given: i64::MIN,
            late: options.late_rows(),
        })
    }

    /// The same as a partition of several.
    pub fn as_partition(mut self) -> Self {
        self.windows.is_partition = true;
        self
    }

    /// Ends a step, and puts the places of the rows into `places`.
    fn end(&mut self, places: &mut Vec<Place>, cx: &mut Context<'_>) -> Result<Option<Delta>> {
        let (windows, schema) = (&self.windows, &self.windows.schema);
        match &mut self.state {
            State::Final(panes) if self.given < self.limit => {
                self.given = self.limit;
                panes.close(windows, schema, self.limit, places, cx)
            }
            State::Final(_) => Ok(None),
            State::Updates(open) => open.changes(windows, schema, self.limit, places),
        }
    }

    /// Adds rows that are all of one pane.
    fn add(&mut self, pane: i64, rows: Delta, cx: &mut Context<'_>) -> Result<()> {
        if !self.windows.spec.covers(pane) {
            return Ok(());
        }
        match &mut self.state {
            State::Final(panes) => panes.add(&self.windows, pane, &rows, cx),
            State::Updates(open) => open.add(&self.windows, pane, &rows, self.limit, cx),
        }
    }

    /// Whether all windows of a pane are closed, of which there is one.
    fn is_late(&self, pane: i64) -> bool {
        let spec = &self.windows.spec;
        spec.covers(pane) && spec.last_end(pane) <= self.limit && !mutant!(LateRowReopensWindow)
    }

    /// Leaves out the rows that are late: what of these runs is not, numbered anew.
    fn without_late(
        &mut self,
        delta: Delta,
        runs: Vec<Run>,
        cx: &mut Context<'_>,
    ) -> Result<(Delta, Vec<Run>, Option<Vec<u32>>)> {
        let (late, kept): (Vec<Run>, Vec<Run>) =
            runs.into_iter().partition(|run| self.is_late(run.pane));
        if late.is_empty() {
            return Ok((delta, kept, None));
        }
        let rows = |runs: &[Run]| -> Vec<u32> { runs.iter().flat_map(Run::rows).collect() };
        self.late.take(select(&delta, &rows(&late))?, cx)?;
        let rows = rows(&kept);
        let mut offset = 0;
        let anew = kept.into_iter().map(|run| {
            offset += run.rows;
            Run { offset: offset - run.rows, ..run }
        });
        Ok((select(&delta, &rows)?, anew.collect(), Some(rows)))
    }
}

impl Windows {
    /// A table of a pane or a window.
    fn table(&self) -> Result<AggregateTable> {
        let table = self.grouping.table(&self.input)?;
        let table = if self.has_births() { table.with_births() } else { table };
        Ok(if self.is_read_once { table.untracked() } else { table })
    }

    /// Whether the rows that make groups are known, in tables of panes: in a partition, and where
    /// groups vanish, whose places others take.
    fn has_births(&self) -> bool {
        self.is_partition || !self.is_read_once
    }

    /// The groups of an open window.
    fn open(&self) -> Result<GroupChanges> {
        let changes =
            GroupChanges::new(self.grouping.table(&self.input)?, self.grouping.key_columns());
        Ok(if self.is_partition { changes.with_origins() } else { changes })
    }

    /// A table that panes are merged into.
    fn merged_table(&self) -> Result<AggregateTable> {
        Ok(self.grouping.table(&self.input)?.untracked().weighted())
    }

    /// The rows of some groups of the table of the window that ends at a time.
    fn rows_of(&self, table: &AggregateTable, slots: &[u32], end: i64) -> Result<RecordBatch> {
        let columns = table.emit(slots)?;
        batch(&self.schema, self.with_bounds(columns, end, slots.len())?)
    }

    /// The keys and bounds of a group of the window that ends at a time, for people.
    fn text(&self, table: &AggregateTable, slot: u32, end: i64) -> Result<String> {
        let columns = self.with_bounds(table.keys(&[slot])?, end, 1)?;
        let mut fields: Vec<usize> = (0..columns.len() - 1).collect();
        fields.push(self.schema.fields().len() - 1);
        let schema = self.schema.project(&fields).map_err(arrow_error)?;
        Ok(row_text(&batch(&schema.into(), columns)?, 0))
    }

    /// The columns of the output: the window's bounds among those of its table.
    fn with_bounds(
        &self,
        mut columns: Vec<ArrayRef>,
        end: i64,
        rows: usize,
    ) -> Result<Vec<ArrayRef>> {
        if self.columns.keys.is_empty() {
            // The key that stands for "no key".
            columns.remove(0);
        }
        let time_type = self.schema.field(self.columns.start).data_type();
        let bound = |time: i64| time_column(Int64Array::from_value(time, rows), time_type);
        columns.insert(self.columns.start, bound(self.spec.start(end))?);
        columns.push(bound(end)?);
        Ok(columns)
    }
}

impl Operator for WindowAggregate {
    fn input(&mut self, _port: usize, delta: Delta, cx: &mut Context<'_>) -> Result<()> {
        let (delta, times) =
            with_times(delta, self.windows.columns.time, &self.windows.spec.times(), cx)?;
        let delta = self.windows.grouping.arrive(delta)?;
        let first_letter = cx.dead_letters.len();
        // Rows are added pane by pane; of those that fail it is told row by row.
        let is_numbered = ordinals::of(&delta.batch).is_some();
        let runs = runs(&self.windows.spec, times.values());
        let (delta, runs, kept) = self.without_late(delta, runs, cx)?;
        if runs.is_empty() {
            return Ok(());
        }
        let number = |cx: &mut Context<'_>, from: usize, row: &dyn Fn(usize) -> usize| {
            let came_as = |row: usize| kept.as_ref().map_or(row as u64, |kept| kept[row].into());
            let letters = cx.dead_letters[from..].iter_mut().filter(|_| !is_numbered);
            letters.for_each(|letter| letter.ordinal = came_as(row(letter.ordinal as usize)));
        };
        let spec = &self.windows.spec;
        // Pane by pane where windows overlap: whatever other rows there are, those of a group then
        // are added in the same order.
        let are_in_order = spec.is_tumbling() || runs.is_sorted_by(|a, b| a.pane < b.pane);
        if (are_in_order && runs.len() * SHORT_RUN <= delta.num_rows()) || runs.len() == 1 {
            for run in runs {
                let from = cx.dead_letters.len();
                self.add(run.pane, delta.slice(run.offset, run.rows), cx)?;
                number(cx, from, &|row| run.offset + row);
            }
            cx.settle_letters(first_letter);
            return Ok(());
        }
        // Panes alternate: bring the rows of each together, in the order of arrival.
        let mut by_pane: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for run in runs {
            by_pane.entry(run.pane).or_default().extend(run.rows());
        }
        for (pane, rows) in by_pane {
            let from = cx.dead_letters.len();
            self.add(pane, select(&delta, &rows)?, cx)?;
            number(cx, from, &|row| rows[row] as usize);
        }
        cx.settle_letters(first_letter);
        Ok(())
    }

    fn marks(&self) -> Marks {
        Marks::Ends(vec![WindowEnds {
            spec: self.windows.spec,
            lateness_ns: self.options.lateness_ns,
        }])
    }

    fn advance(&mut self, _: usize, frontiers: &[Frontier], _: &mut Context<'_>) -> Result<()> {
        let lateness_ns = match mutant!(LatenessForgotten) {
            true => 0,
            false => i128::from(self.options.lateness_ns),
        };
        self.frontier = frontiers[self.windows.columns.frontier].shift(-lateness_ns);
        let mut limit = self.frontier.in_unit(self.windows.spec.unit());
        if mutant!(WindowClosesOneUnitEarly) {
            limit = limit.saturating_add(1);
        }
        if mutant!(WindowClosesOneUnitLate) {
            limit = limit.saturating_sub(1);
        }
        self.limit = limit.max(self.limit);
        Ok(())
    }

    fn finish(&mut self, cx: &mut Context<'_>) -> Result<Option<Delta>> {
        self.end(&mut Vec::new(), cx)
    }

    fn finish_placed(
        &mut self,
        cx: &mut Context<'_>,
        places: &mut Vec<Place>,
    ) -> Result<Option<Delta>> {
        self.end(places, cx)
    }

    fn due_rows(&self) -> usize {
        match &self.state {
            State::Final(panes) if self.given < self.limit => {
                panes.due_rows(&self.windows, self.limit)
            }
            _ => 0,
        }
    }

    fn acts_without_rows(&self) -> bool {
        false
    }

    fn frontiers(&self, out: &mut Vec<Frontier>) {
        // The least start that can still come or change, and for the ends the frontier itself.
        let spec = &self.windows.spec;
        let start = match self.limit {
            i64::MIN => Frontier::MIN,
            i64::MAX => Frontier::MAX,
            limit => Frontier::before(spec.start(spec.first_end(limit)), spec.unit()),
        };
        out.clear();
        out.extend([start, self.frontier]);
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { windows, options: _, state, frontier, limit, given, late } = self;
        windows.grouping.parts(parts)?;
        match state {
            State::Final(panes) => panes.parts(windows, parts)?,
            State::Updates(open) => open.parts(windows, parts)?,
        }
        parts.number(frontier)?;
        parts.number(limit)?;
        parts.number(given)?;
        late.parts(parts)
    }

    fn metrics(&self) -> Metrics {
        let state_bytes = match &self.state {
            State::Final(panes) => panes.state_bytes(),
            State::Updates(open) => open.state_bytes(),
        };
        Metrics { late_rows: self.late.count(), state_bytes }
    }
}

/// Runs of this many rows on average are worth a slice each.
const SHORT_RUN: usize = 16;

/// Neighbouring rows of one pane.
struct Run {
    pane: i64,
    offset: usize,
    rows: usize,
}

impl Run {
    fn rows(&self) -> std::ops::Range<u32> {
        self.offset as u32..(self.offset + self.rows) as u32
    }
}

fn runs(spec: &WindowSpec, times: &[i64]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let (mut pane, mut next_pane) = (0, i64::MIN);
    for (row, time) in times.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if (pane..next_pane).contains(time) => run.rows += 1,
            _ => {
                pane = spec.pane_of(*time);
                next_pane = spec.pane_end(pane);
                runs.push(Run { pane, offset: row, rows: 1 });
            }
        }
    }
    runs
}
