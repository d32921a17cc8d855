//! [`WindowAggregate`]: `GROUP BY` with a tumbling or hopping window.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use laminar_types::{Delta, Error, Frontier, Result, Weights};

use super::aggregate::{batch, delta as changed_delta};
use super::aggregate_call::{AggregateCall, Grouping};
use super::group_changes::{Changed, GroupChanges};
use crate::aggregate::AggregateTable;
use crate::expr::row_text;
use crate::operator::{Context, Metrics, Operator};
use crate::window::WindowSpec;

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

/// Groups rows by keys and by the windows they belong to.
///
/// For [`WindowEmit::Final`] there is one table per pane: an event is added to one, however many
/// windows overlap, and a window is the merge of its panes. For [`WindowEmit::Updates`] there is
/// one table per open window. A window that closes drops what it alone needed.
///
/// A row is late when every window it belongs to is closed; it is counted and left out.
pub struct WindowAggregate {
    spec: WindowSpec,
    columns: WindowColumns,
    grouping: Grouping,
    input: SchemaRef,
    schema: SchemaRef,
    emit: WindowEmit,
    /// By pane start.
    panes: BTreeMap<i64, AggregateTable>,
    /// By window start.
    windows: BTreeMap<i64, GroupChanges>,
    /// Tables without groups, to be used again.
    spare: Vec<AggregateTable>,
    /// The windows touched in this step, for [`WindowEmit::Updates`].
    touched: BTreeSet<i64>,
    frontier: Frontier,
    /// The start of the first window that is still open.
    open_from: i64,
    /// Every window that starts before this has been given.
    given_to: i64,
    late_rows: u64,
}

impl WindowAggregate {
    /// Groups rows of `input`; `schema` is as [`WindowColumns`] says.
    pub fn new(
        input: &SchemaRef,
        spec: WindowSpec,
        columns: WindowColumns,
        calls: Vec<AggregateCall>,
        schema: SchemaRef,
        append_only: bool,
        emit: WindowEmit,
    ) -> Result<Self> {
        let grouping = Grouping::of_window(columns.keys.clone(), calls, append_only);
        let spare = vec![grouping.table(input)?];
        Ok(Self {
            spec,
            columns,
            grouping,
            input: input.clone(),
            schema,
            emit,
            panes: BTreeMap::new(),
            windows: BTreeMap::new(),
            spare,
            touched: BTreeSet::new(),
            frontier: Frontier::MIN,
            open_from: i64::MIN,
            given_to: i64::MIN,
            late_rows: 0,
        })
    }

    fn table(&mut self) -> Result<AggregateTable> {
        match self.spare.pop() {
            Some(table) => Ok(table),
            None => self.grouping.table(&self.input),
        }
    }

    fn give_back(&mut self, mut table: AggregateTable) {
        if self.spare.len() < 2 {
            table.clear();
            self.spare.push(table);
        }
    }

    /// Adds rows that are all of one pane.
    fn add(&mut self, pane: i64, rows: Delta, cx: &mut Context<'_>) -> Result<()> {
        if !self.spec.covers(pane) {
            return Ok(());
        }
        let last = self.spec.last_start(pane);
        if last < self.open_from {
            self.late_rows += rows.num_rows() as u64;
            return Ok(());
        }
        match self.emit {
            WindowEmit::Final => self.add_to_pane(pane, &rows, cx),
            WindowEmit::Updates => {
                let mut start = self.spec.first_start(pane).max(self.open_from);
                while start <= last {
                    self.add_to_window(start, &rows, cx)?;
                    start = start.saturating_add(self.spec.slide());
                }
                Ok(())
            }
        }
    }

    fn add_to_pane(&mut self, pane: i64, rows: &Delta, cx: &mut Context<'_>) -> Result<()> {
        if !self.panes.contains_key(&pane) {
            let table = self.table()?;
            self.panes.insert(pane, table);
        }
        let Some(table) = self.panes.get_mut(&pane) else { return Ok(()) };
        let mut add = |rows: &Delta| {
            let keys = self.grouping.keys(&rows.batch);
            let arguments = self.grouping.arguments(&rows.batch);
            let weights = rows.weights.as_deref();
            table.update(&keys, &arguments.args(), weights, rows.num_rows())
        };
        if add(rows).is_err() {
            for row in 0..rows.num_rows() {
                if let Err(error) = add(&rows.slice(row, 1)) {
                    let batch = self.grouping.original(&rows.batch);
                    cx.dead_letter(row_text(&batch, row), error.message().to_string());
                }
            }
        }
        table.settle();
        Ok(())
    }

    fn add_to_window(&mut self, start: i64, rows: &Delta, cx: &mut Context<'_>) -> Result<()> {
        if !self.windows.contains_key(&start) {
            let changes = GroupChanges::new(self.table()?, self.grouping.key_columns());
            self.windows.insert(start, changes);
        }
        let Some(window) = self.windows.get_mut(&start) else { return Ok(()) };
        self.touched.insert(start);
        for (row, error) in window.add(&self.grouping, rows)? {
            let batch = self.grouping.original(&rows.batch);
            cx.dead_letter(row_text(&batch, row), error.message().to_string());
        }
        Ok(())
    }

    /// The rows of every window that closed and was not given yet, in the order of their starts.
    fn close(&mut self) -> Result<Option<Delta>> {
        let mut closed = Vec::new();
        while let Some((pane, _)) = self.panes.first_key_value() {
            let start = self.spec.first_start(*pane).max(self.given_to);
            if start >= self.open_from {
                break;
            }
            let next = start.saturating_add(self.spec.slide());
            if self.spec.is_tumbling() {
                let Some((_, table)) = self.panes.pop_first() else { break };
                closed.push(self.rows(&table, start)?);
                self.give_back(table);
            } else {
                let mut merged = self.table()?;
                for (_, table) in self.panes.range(start..self.spec.end(start)) {
                    merged.merge_from(table)?;
                }
                closed.push(self.rows(&merged, start)?);
                self.give_back(merged);
                self.drop_panes_before(next);
            }
            self.given_to = next;
        }
        self.given_to = self.open_from;
        self.drop_panes_before(self.open_from);
        closed.retain(|rows| rows.num_rows() > 0);
        match closed.as_slice() {
            [] => Ok(None),
            [batch] => Ok(Some(Delta::insert(batch.clone()))),
            batches => concat_batches(&self.schema, batches)
                .map(|batch| Some(Delta::insert(batch)))
                .map_err(|error| Error::internal(format!("the rows of windows differ: {error}"))),
        }
    }

    /// Forgets panes that only closed windows cover.
    fn drop_panes_before(&mut self, start: i64) {
        while let Some(entry) = self.panes.first_entry()
            && *entry.key() < start
        {
            let table = entry.remove();
            self.give_back(table);
        }
    }

    /// The rows of a window's table.
    fn rows(&self, table: &AggregateTable, start: i64) -> Result<RecordBatch> {
        let slots: Vec<u32> = table.live_slots().collect();
        let columns = table.emit(&slots)?;
        batch(&self.schema, self.with_bounds(columns, start, slots.len())?)
    }

    /// The net changes of the windows that the step touched, each until it closed.
    fn update(&mut self) -> Result<Option<Delta>> {
        let mut pieces = Vec::new();
        for start in std::mem::take(&mut self.touched) {
            let Some(window) = self.windows.get_mut(&start) else { continue };
            if let Some(changed) = window.changes()? {
                let old = self.with_bounds(changed.old, start, changed.old_rows)?;
                let new = self.with_bounds(changed.new, start, changed.new_rows)?;
                pieces.push(changed_delta(&self.schema, Changed { old, new, ..changed })?);
            }
        }
        while let Some(entry) = self.windows.first_entry()
            && *entry.key() < self.open_from
        {
            entry.remove();
        }
        if pieces.len() < 2 {
            return Ok(pieces.pop());
        }
        let batches = pieces.iter().map(|delta| &delta.batch);
        let batch = concat_batches(&self.schema, batches)
            .map_err(|error| Error::internal(format!("the rows of windows differ: {error}")))?;
        let weights = pieces
            .iter()
            .flat_map(|delta| (0..delta.num_rows()).map(|row| delta.weight(row)))
            .collect::<Vec<i64>>();
        Ok(Some(Delta::weighted(batch, Weights::from(weights))))
    }

    /// The columns of the output: the window's bounds among those of its table.
    fn with_bounds(
        &self,
        mut columns: Vec<ArrayRef>,
        start: i64,
        rows: usize,
    ) -> Result<Vec<ArrayRef>> {
        if self.columns.keys.is_empty() {
            // The key that stands for "no key".
            columns.remove(0);
        }
        let time_type = self.schema.field(self.columns.start).data_type();
        let bound = |time: i64| {
            cast(&Int64Array::from_value(time, rows), time_type)
                .map_err(|error| Error::internal(format!("a window has no time: {error}")))
        };
        columns.insert(self.columns.start, bound(start)?);
        columns.push(bound(self.spec.end(start))?);
        Ok(columns)
    }

    /// The rows whose event time is known; the others are dead letters.
    fn with_times(&self, delta: Delta, cx: &mut Context<'_>) -> Result<(Delta, Int64Array)> {
        let internal = |error| Error::internal(format!("an event time cannot be read: {error}"));
        let times = delta.batch.column(self.columns.time);
        if times.null_count() == 0 {
            let times = cast(times, &DataType::Int64).map_err(internal)?;
            return Ok((delta, times.as_primitive::<Int64Type>().clone()));
        }
        let name = delta.batch.schema_ref().field(self.columns.time).name();
        let mut known = Vec::with_capacity(times.len());
        for row in 0..times.len() {
            if times.is_null(row) {
                let error = format!("the event time `{name}` is NULL");
                cx.dead_letter(row_text(&delta.batch, row), error);
            } else {
                known.push(row as u32);
            }
        }
        let delta = select(&delta, &known)?;
        let times = cast(delta.batch.column(self.columns.time), &DataType::Int64);
        Ok((delta, times.map_err(internal)?.as_primitive::<Int64Type>().clone()))
    }
}

impl Operator for WindowAggregate {
    fn input(&mut self, _port: usize, delta: Delta, cx: &mut Context<'_>) -> Result<()> {
        let (delta, times) = self.with_times(delta, cx)?;
        let delta = self.grouping.arrive(delta)?;
        let runs = runs(&self.spec, times.values());
        if runs.len() * SHORT_RUN <= delta.num_rows() || runs.len() == 1 {
            for run in runs {
                self.add(run.pane, delta.slice(run.offset, run.rows), cx)?;
            }
            return Ok(());
        }
        // Panes alternate: bring the rows of each together, in the order of arrival.
        let mut by_pane: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for run in runs {
            let rows = run.offset as u32..(run.offset + run.rows) as u32;
            by_pane.entry(run.pane).or_default().extend(rows);
        }
        for (pane, rows) in by_pane {
            self.add(pane, select(&delta, &rows)?, cx)?;
        }
        Ok(())
    }

    fn advance(&mut self, _: usize, frontiers: &[Frontier], _: &mut Context<'_>) -> Result<()> {
        self.frontier = frontiers[self.columns.frontier];
        self.open_from = self.spec.first_open(self.frontier).max(self.open_from);
        Ok(())
    }

    fn finish(&mut self, _cx: &mut Context<'_>) -> Result<Option<Delta>> {
        match self.emit {
            WindowEmit::Final if self.given_to < self.open_from => self.close(),
            WindowEmit::Final => Ok(None),
            WindowEmit::Updates => self.update(),
        }
    }

    fn frontiers(&self, out: &mut Vec<Frontier>) {
        out.clear();
        if self.emit == WindowEmit::Final {
            // The least start that can still come, and for the ends the frontier itself.
            let start = match self.open_from {
                i64::MIN => Frontier::MIN,
                i64::MAX => Frontier::MAX,
                start => Frontier::before(start, self.spec.unit()),
            };
            out.extend([start, self.frontier]);
        }
    }

    fn metrics(&self) -> Metrics {
        let panes = self.panes.values().map(AggregateTable::state_bytes).sum::<usize>();
        let windows = self.windows.values().map(GroupChanges::state_bytes).sum::<usize>();
        Metrics { late_rows: self.late_rows, state_bytes: panes + windows }
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

/// Some rows of a delta.
fn select(delta: &Delta, rows: &[u32]) -> Result<Delta> {
    let indices = UInt32Array::from(rows.to_vec());
    let batch = take_record_batch(&delta.batch, &indices)
        .map_err(|error| Error::internal(format!("rows cannot be taken: {error}")))?;
    let weights = delta.weights.as_ref().map(|weights| {
        Weights::from(rows.iter().map(|row| weights[*row as usize]).collect::<Vec<i64>>())
    });
    Ok(Delta { batch, weights })
}
