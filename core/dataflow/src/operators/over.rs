//! [`Over`]: window functions, `f(...) OVER (PARTITION BY ... ORDER BY ...)`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, UInt64Array, new_null_array};
use arrow::compute::concat;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::row::{RowConverter, SortField};
use datafusion::physical_plan::WindowExpr;
use laminar_types::{Delta, Error, Frontier, Result, Weights, mutant};

use super::emission::Emission;
use super::map::sentence;
use super::over_reach::{Place as Within, Point, Reach, joined};
use super::over_running::{Running, RunningAggregate};
use super::partition_rows::{OverColumn, PartitionRows, Partitioning, Told, are_peers, output};
use super::partitioned::Place;
use super::row_codec::{RowCodec, restored};
use super::time_map::{PassedTimes, TimeMap};
use crate::expr::row_text;
use crate::operator::{Content, Context, Marks, Metrics, Operator};
use crate::state::{ByteColumn, Container, OrderedRows, Parts, arrow_error};

/// Behind the values of a row that comes out.
const PRESENT: u8 = 0;
/// Behind those of a row on which a call fails, so that it is absent.
const FAILING: u8 = 1;

/// Rows that are read from a snapshot at a time.
const CONTENT_ROWS: usize = 8_192;

/// A window function of a query.
#[derive(Debug, Clone)]
pub struct OverCall {
    /// The function.
    pub function: OverFunction,
    /// Which rows its value depends on.
    pub reach: Reach,
}

/// What computes a window function.
#[derive(Debug, Clone)]
pub enum OverFunction {
    /// `row_number()`.
    RowNumber,
    /// `rank()`.
    Rank,
    /// `dense_rank()`.
    DenseRank,
    /// `percent_rank()`.
    PercentRank,
    /// `cume_dist()`.
    CumeDist,
    /// `ntile(n)`.
    Ntile(u64),
    /// An aggregate of all rows up to the current one.
    Running(RunningAggregate),
    /// An evaluator of DataFusion, run over the rows within reach.
    Evaluate(Arc<dyn WindowExpr>),
}

/// Adds window functions to rows, which it keeps in order with their values.
///
/// A step computes the values anew within the reach of what changed, compares them with those kept
/// and tells the rows that differ. A partition whose event time is over is forgotten.
pub struct Over {
    partitions: PartitionRows,
    calls: Vec<OverCall>,
    columns: Vec<OverColumn>,
    schema: SchemaRef,
    types: Arc<Values>,
    /// The values of each row, by its slot, as [`Values`] keeps them; empty for a row that has none
    /// yet.
    values: ByteColumn,
    /// The calls that are running aggregates, if there are any.
    running: Option<Running>,
    retracted: Vec<Retracted>,
    inserted: Vec<u32>,
    /// The values of rows that were retracted, one after the other.
    old_values: Vec<u8>,
    /// Rows that ceased in this step.
    removed: Vec<u32>,
    told: Told,
    output: Option<Delta>,
    /// The places of its rows, where the operator is a partition.
    places: Vec<Place>,
    times: PassedTimes,
}

/// Where rows of a partition are noted on which a call fails.
struct Failures<'a, 'b> {
    cx: &'a mut Context<'b>,
    /// Of the partition.
    ordinal: Option<u64>,
}

struct Retracted {
    row: u32,
    values: Range<usize>,
}

impl Over {
    /// Calls over rows of `input`; `columns` are those of `schema`, value `i` being that of call
    /// `i`.
    ///
    /// # Errors
    /// `UNSUPPORTED` when rows of the input or the values cannot be kept.
    pub fn new(
        input: &SchemaRef,
        partitioning: &Partitioning,
        calls: Vec<OverCall>,
        columns: Vec<OverColumn>,
        schema: SchemaRef,
    ) -> Result<Self> {
        let types = (0..calls.len())
            .map(|call| {
                let at = columns.iter().position(|column| *column == OverColumn::Value(call));
                at.map(|at| schema.field(at).data_type().clone())
                    .ok_or_else(|| Error::internal("a window function without a column"))
            })
            .collect::<Result<Vec<DataType>>>()?;
        let running = calls.iter().enumerate().filter_map(|(number, call)| match &call.function {
            OverFunction::Running(aggregate) => Some((number, aggregate.clone())),
            _ => None,
        });
        let running: Vec<_> = running.collect();
        let running = (!running.is_empty()).then(|| Running::new(running, input)).transpose()?;
        Ok(Self {
            partitions: PartitionRows::new(input, partitioning)?,
            running,
            calls,
            columns,
            schema,
            types: Arc::new(Values::new(types)?),
            values: ByteColumn::default(),
            retracted: Vec::new(),
            inserted: Vec::new(),
            old_values: Vec::new(),
            removed: Vec::new(),
            told: Told::default(),
            output: None,
            places: Vec::new(),
            times: PassedTimes::default(),
        })
    }

    /// The same, with event times in its output.
    pub fn with_times(self, times: Vec<TimeMap>) -> Self {
        Self { times: PassedTimes::new(times), ..self }
    }

    /// Applies the changes of a partition, which are in order.
    fn change(
        &mut self,
        partition: u32,
        changes: &[(&[u8], i64)],
        failed: &mut Failures<'_, '_>,
    ) -> Result<()> {
        for (bytes, weight) in changes {
            for _ in 0..-weight {
                let row = self.partitions.remove(partition, bytes)?;
                self.retract(row);
                self.removed.push(row);
            }
        }
        for (bytes, weight) in changes {
            for _ in 0..*weight {
                self.partitions.rows.insert(partition, bytes)?;
            }
        }
        self.values.resize(self.partitions.rows.slots());
        if let Some(running) = &mut self.running {
            running.resize(self.partitions.rows.slots());
        }
        let rows = &self.partitions.rows;
        let points: Vec<Point<'_>> = changes
            .iter()
            .map(|(bytes, weight)| {
                let end = rows.rank(partition, bytes, true);
                let came = (*weight).max(0) as usize;
                Point { bytes, at: end - came..end }
            })
            .collect();
        let balanced = changes.iter().map(|(_, weight)| weight).sum::<i64>() == 0;
        let place = Within { rows, codec: &self.partitions.codec, partition };
        let mut ranges = Vec::new();
        for call in &self.calls {
            match mutant!(OverSeesChangedRowsOnly) {
                true => ranges.extend(points.iter().map(|point| point.at.clone())),
                false => call.reach.touched(&place, &points, balanced, &mut ranges)?,
            }
        }
        for range in joined(ranges) {
            self.evaluate(partition, range, failed)?;
        }
        Ok(())
    }

    /// Computes the values of these rows anew and notes those that differ. A row on which a call
    /// fails is absent while it does.
    fn evaluate(
        &mut self,
        partition: u32,
        range: Range<usize>,
        failed: &mut Failures<'_, '_>,
    ) -> Result<()> {
        let mut rows = Vec::with_capacity(range.len());
        self.partitions.rows.collect(partition, range.clone(), &mut rows);
        let place =
            Within { rows: &self.partitions.rows, codec: &self.partitions.codec, partition };
        let mut failures = BTreeMap::new();
        let running = match &mut self.running {
            Some(running) => running.evaluate(&place, range.clone(), &mut failures)?,
            None => Vec::new(),
        };
        let values = self.compute(&place, range, &rows, running, &mut failures)?;
        let encoded = self.types.converter.convert_columns(&values).map_err(arrow_error)?;
        let mut new = Vec::new();
        for (at, row) in rows.into_iter().enumerate() {
            let failure = failures.get(&at);
            new.clear();
            new.extend_from_slice(encoded.row(at).data());
            new.push(if failure.is_some() { FAILING } else { PRESENT });
            let old = self.values.value(row as usize);
            if old == new {
                continue;
            }
            let was_failing = old.last() == Some(&FAILING);
            self.retract(row);
            self.values.set(row as usize, &new);
            match failure {
                None => self.inserted.push(row),
                Some(error) if !was_failing => {
                    let bytes = self.partitions.rows.bytes(row);
                    let text = row_text(&self.partitions.codec.decode(&[bytes])?, 0);
                    let ordinal = failed.ordinal.unwrap_or(0);
                    failed.cx.dead_letter_at(ordinal, text, error.clone());
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Notes that a row that came out ceases to be what it was.
    fn retract(&mut self, row: u32) {
        if is_present(self.values.value(row as usize)) {
            let values = self.keep_old(row);
            self.retracted.push(Retracted { row, values });
        }
    }

    /// The values of these rows, one column for each call; those that are running aggregates are
    /// known. `failures` gets why a call failed on a row, by the row's place among these.
    fn compute(
        &self,
        place: &Within<'_>,
        range: Range<usize>,
        rows: &[u32],
        running: Vec<(usize, ArrayRef)>,
        failures: &mut BTreeMap<usize, String>,
    ) -> Result<Vec<ArrayRef>> {
        let mut running = running.into_iter();
        let mut context: Option<Range<usize>> = None;
        for call in &self.calls {
            if matches!(call.function, OverFunction::Evaluate(_)) {
                let wanted = call.reach.context(place, range.clone())?;
                context = Some(context.map_or(wanted.clone(), |context| {
                    context.start.min(wanted.start)..context.end.max(wanted.end)
                }));
            }
        }
        let batch = match &context {
            None => None,
            Some(context) => {
                let mut rows = Vec::with_capacity(context.len());
                place.rows.collect(place.partition, context.clone(), &mut rows);
                let bytes: Vec<&[u8]> = rows.iter().map(|row| place.rows.bytes(*row)).collect();
                Some((context.start, place.codec.decode(&bytes)?))
            }
        };
        let calls = self.calls.iter().enumerate();
        calls
            .map(|(index, call)| {
                let values = match (&call.function, &batch) {
                    (OverFunction::Running(_), _) => match running.next() {
                        Some((number, values)) if number == index => values,
                        _ => return Err(Error::internal("a running aggregate without values")),
                    },
                    (OverFunction::Evaluate(expr), Some((start, batch))) => {
                        match expr.evaluate(batch) {
                            Ok(values) => values.slice(range.start - start, range.len()),
                            Err(_) => {
                                let reach = (expr, &call.reach, &self.types.types[index]);
                                evaluate_by_row(reach, place, range.clone(), failures)?
                            }
                        }
                    }
                    (function, _) => self.rank(function, index, place, range.clone(), rows)?,
                };
                restored(values, &self.types.types[index])
            })
            .collect()
    }

    /// A function of positions alone.
    fn rank(
        &self,
        function: &OverFunction,
        index: usize,
        place: &Within<'_>,
        range: Range<usize>,
        rows: &[u32],
    ) -> Result<ArrayRef> {
        let len = place.len();
        let bytes = |at: usize| place.rows.bytes(rows[at]);
        let is_peer = |at: usize| at > 0 && are_peers(bytes(at - 1), bytes(at));
        let ranks = || {
            let mut rank = place.peers_start(bytes(0)) as u64 + 1;
            let of = |at| {
                if at > 0 && !is_peer(at) {
                    rank = (range.start + at) as u64 + 1;
                }
                rank
            };
            (0..rows.len()).map(of).collect::<Vec<u64>>()
        };
        Ok(match function {
            OverFunction::RowNumber => {
                Arc::new(UInt64Array::from_iter_values(range.map(|at| at as u64 + 1)))
            }
            OverFunction::Rank => Arc::new(UInt64Array::from(ranks())),
            OverFunction::DenseRank => {
                let mut rank = match range.start.checked_sub(1) {
                    None => 1,
                    Some(before) => {
                        let before = place.rows.row_at(place.partition, before);
                        let known = self.values.value(before as usize);
                        let same = are_peers(place.rows.bytes(before), bytes(0));
                        self.types.unsigned(known, index)? + u64::from(!same)
                    }
                };
                let of = |at| {
                    rank += u64::from(at > 0 && !is_peer(at));
                    rank
                };
                Arc::new(UInt64Array::from_iter_values((0..rows.len()).map(of)))
            }
            OverFunction::PercentRank => {
                let others = (len as f64 - 1.0).max(1.0);
                let of = |rank: u64| (rank - 1) as f64 / others;
                Arc::new(Float64Array::from_iter_values(ranks().into_iter().map(of)))
            }
            OverFunction::CumeDist => {
                let mut end = 0;
                let of = |at| {
                    if !is_peer(at) {
                        end = place.peers_end(bytes(at));
                    }
                    end as f64 / len as f64
                };
                Arc::new(Float64Array::from_iter_values((0..rows.len()).map(of)))
            }
            OverFunction::Ntile(buckets) => {
                let of = |at: usize| bucket(at as u64, len as u64, *buckets);
                Arc::new(UInt64Array::from_iter_values(range.map(of)))
            }
            OverFunction::Evaluate(_) | OverFunction::Running(_) => {
                return Err(Error::internal("a window function was evaluated without rows"));
            }
        })
    }

    /// Forgets the values of a row that ceased or whose partition is over.
    fn forget(&mut self, row: u32) {
        self.values.set(row as usize, &[]);
        if let Some(running) = &mut self.running {
            running.forget(row);
        }
    }

    fn keep_old(&mut self, row: u32) -> Range<usize> {
        let start = self.old_values.len();
        self.old_values.extend_from_slice(self.values.value(row as usize));
        start..self.old_values.len()
    }

    fn delta(&mut self) -> Result<Option<Delta>> {
        if self.retracted.is_empty() && self.inserted.is_empty() {
            return Ok(None);
        }
        let stored = &self.partitions.rows;
        let retracted = self.retracted.iter();
        let retracted =
            retracted.map(|old| (stored.bytes(old.row), &self.old_values[old.values.clone()]));
        let inserted = self.inserted.iter();
        let inserted = inserted.map(|row| (stored.bytes(*row), self.values.value(*row as usize)));
        let rows: Vec<(&[u8], &[u8])> = retracted.chain(inserted).collect();
        let batch =
            with_values(&self.partitions.codec, &self.types, &rows, &self.columns, &self.schema)?;
        // Rows that differ in their arrival alone, or in what does not come out, may change places.
        let mut emission = Emission::default();
        let [of_ceased, of_came] = self.told.take_origins();
        let retracted = self.retracted.len();
        let inserted = batch.num_rows() - retracted;
        let ceased = Weights::from(vec![-1; retracted]);
        emission.push(0, batch.slice(0, retracted), Some(ceased), of_ceased);
        emission.push(1, batch.slice(retracted, inserted), None, of_came);
        emission.take_net(&self.schema, &mut self.places)
    }
}

impl Operator for Over {
    fn input(&mut self, _port: usize, delta: Delta, cx: &mut Context<'_>) -> Result<()> {
        let delta = self.partitions.in_time(delta, cx)?;
        let changes = self.partitions.changes(&delta)?;
        for (place, (partition, of_partition)) in changes.partitions().enumerate() {
            let ordinal = changes.ordinal(place);
            self.change(partition, &of_partition, &mut Failures { cx, ordinal })?;
            self.told.note(ordinal, self.retracted.len(), self.inserted.len());
        }
        self.output = self.delta()?;
        for row in std::mem::take(&mut self.removed) {
            self.forget(row);
        }
        self.retracted.clear();
        self.inserted.clear();
        self.old_values.clear();
        self.partitions.settle(&changes);
        Ok(())
    }

    fn marks(&self) -> Marks {
        match self.partitions.forgets() {
            true => Marks::Every,
            false => self.times.marks(),
        }
    }

    fn advance(&mut self, _: usize, frontiers: &[Frontier], _: &mut Context<'_>) -> Result<()> {
        for row in self.partitions.advance(frontiers) {
            self.forget(row);
        }
        self.times.advance(frontiers);
        Ok(())
    }

    fn frontiers(&self, out: &mut Vec<Frontier>) {
        self.times.frontiers(out);
    }

    fn finish(&mut self, _cx: &mut Context<'_>) -> Result<Option<Delta>> {
        Ok(self.output.take())
    }

    fn follows_content(&self) -> bool {
        true
    }

    fn finish_placed(
        &mut self,
        _cx: &mut Context<'_>,
        places: &mut Vec<Place>,
    ) -> Result<Option<Delta>> {
        places.append(&mut self.places);
        Ok(self.output.take())
    }

    fn acts_without_rows(&self) -> bool {
        false
    }

    fn content(&mut self, _input: Option<Box<dyn Content>>) -> Option<Box<dyn Content>> {
        if self.partitions.forgets() {
            return None;
        }
        Some(Box::new(OverRows {
            rows: self.partitions.rows.snapshot(),
            codec: Arc::clone(&self.partitions.codec),
            values: self.values.snapshot(),
            types: Arc::clone(&self.types),
            columns: self.columns.clone(),
            schema: self.schema.clone(),
        }))
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self {
            partitions,
            calls: _,
            columns: _,
            schema: _,
            types: _,
            values,
            running,
            retracted: _,
            inserted: _,
            old_values: _,
            removed: _,
            told: _,
            output: _,
            places: _,
            times,
        } = self;
        partitions.parts(parts)?;
        values.parts(parts)?;
        if let Some(running) = running {
            running.parts(parts)?;
        }
        times.parts(parts)
    }

    fn metrics(&self) -> Metrics {
        let running = self.running.as_ref().map_or(0, Container::state_bytes);
        self.partitions.metrics(self.values.state_bytes() + running)
    }
}

/// The bucket of a row: the first `len % buckets` of them hold one row more than the others.
fn bucket(position: u64, len: u64, buckets: u64) -> u64 {
    let (size, larger) = (len / buckets, len % buckets);
    match position.checked_sub(larger * (size + 1)) {
        None => position / (size + 1) + 1,
        Some(past) => larger + past / size + 1,
    }
}

/// The values of a call, each computed over the rows within its own reach; NULL for a row on which
/// that fails.
fn evaluate_by_row(
    (expr, reach, data_type): (&Arc<dyn WindowExpr>, &Reach, &DataType),
    place: &Within<'_>,
    range: Range<usize>,
    failures: &mut BTreeMap<usize, String>,
) -> Result<ArrayRef> {
    let mut values = Vec::with_capacity(range.len());
    for at in range.clone() {
        let context = reach.context(place, at..at + 1)?;
        let mut rows = Vec::with_capacity(context.len());
        place.rows.collect(place.partition, context.clone(), &mut rows);
        let bytes: Vec<&[u8]> = rows.iter().map(|row| place.rows.bytes(*row)).collect();
        values.push(match expr.evaluate(&place.codec.decode(&bytes)?) {
            Ok(of_context) => restored(of_context.slice(at - context.start, 1), data_type)?,
            Err(error) => {
                failures.entry(at - range.start).or_insert_with(|| sentence(&error));
                new_null_array(data_type, 1)
            }
        });
    }
    concat(&values.iter().map(|value| &**value).collect::<Vec<_>>()).map_err(arrow_error)
}

/// Whether these are the values of a row that comes out.
fn is_present(values: &[u8]) -> bool {
    values.last() == Some(&PRESENT)
}

/// How values are kept: in Arrow's row format, and behind them [`PRESENT`] or [`FAILING`].
struct Values {
    types: Vec<DataType>,
    converter: RowConverter,
}

impl Values {
    fn new(types: Vec<DataType>) -> Result<Self> {
        let fields: Vec<SortField> =
            types.iter().map(|data_type| SortField::new(data_type.clone())).collect();
        if !RowConverter::supports_fields(&fields) {
            return Err(Error::unsupported(
                "a window function of this type cannot be kept up to date",
            ));
        }
        Ok(Self { types, converter: RowConverter::new(fields).map_err(arrow_error)? })
    }

    fn decode<'a>(&self, values: impl Iterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        let rows: Vec<_> = values.collect();
        let rows = rows.iter().map(|bytes| parser.parse(&bytes[..bytes.len() - 1]));
        let columns = self.converter.convert_rows(rows).map_err(arrow_error)?;
        columns.into_iter().zip(&self.types).map(|(column, to)| restored(column, to)).collect()
    }

    /// A value that is an unsigned integer.
    fn unsigned(&self, values: &[u8], index: usize) -> Result<u64> {
        use arrow::array::AsArray;
        let columns = self.decode(std::iter::once(values))?;
        let column = columns[index].as_primitive_opt::<arrow::datatypes::UInt64Type>();
        column
            .map(|column| column.value(0))
            .ok_or_else(|| Error::internal("a rank is an unsigned integer"))
    }
}

/// Rows of the output.
fn with_values(
    codec: &RowCodec,
    types: &Values,
    rows: &[(&[u8], &[u8])],
    columns: &[OverColumn],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let bytes: Vec<&[u8]> = rows.iter().map(|(bytes, _)| *bytes).collect();
    let values = types.decode(rows.iter().map(|(_, values)| *values))?;
    output(schema, columns, &codec.decode(&bytes)?, &values)
}

struct OverRows {
    rows: OrderedRows,
    codec: Arc<RowCodec>,
    values: ByteColumn,
    types: Arc<Values>,
    columns: Vec<OverColumn>,
    schema: SchemaRef,
}

impl Content for OverRows {
    fn batches(&self) -> Result<Vec<RecordBatch>> {
        let mut rows = Vec::new();
        for partition in 0..self.rows.partitions() {
            self.rows.collect(partition, 0..usize::MAX, &mut rows);
        }
        let of = |row: &u32| (self.rows.bytes(*row), self.values.value(*row as usize));
        rows.retain(|row| is_present(self.values.value(*row as usize)));
        rows.chunks(CONTENT_ROWS)
            .map(|chunk| {
                let rows: Vec<_> = chunk.iter().map(of).collect();
                with_values(&self.codec, &self.types, &rows, &self.columns, &self.schema)
            })
            .collect()
    }
}
