//! [`TopN`]: the first rows of each partition in an order.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::datatypes::SchemaRef;
use laminar_types::{Delta, Frontier, Result, Weights, mutant};

use super::emission::Emission;
use super::partition_rows::{
    OverColumn, PartitionRows, Partitioning, Told, are_peers, output, peers_end, peers_start,
};
use super::partitioned::Place;
use super::row_codec::RowCodec;
use super::time_map::{PassedTimes, TimeMap};
use crate::operator::{Content, Context, Marks, Metrics, Operator};
use crate::state::{Container, OrderedRows, Parts};

/// Rows that are read from a snapshot at a time.
const CONTENT_ROWS: usize = 8_192;

/// What counts the rows of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ranking {
    /// Every row has a number of its own.
    RowNumber,
    /// Peers share the number of the first of them.
    Rank,
    /// Peers share a number, and no number is left out.
    DenseRank,
}

/// Which rows of a partition are in the result, and with which rank.
#[derive(Debug, Clone, Copy)]
pub struct TopNSpec {
    /// What counts the rows.
    pub ranking: Ranking,
    /// Rows of the result have ranks above this. Zero unless `ranking` is by row.
    pub above: u64,
    /// Rows of the result have at most this rank.
    pub limit: u64,
    /// The rank that every row is given in place of its own, where nobody asks for that: then
    /// rows that only move up or down do not change.
    pub constant_rank: Option<u64>,
}

/// Keeps rows in order and tells how the first of each partition change.
///
/// Over append-only input a partition keeps the rows of its result and no others; otherwise it
/// keeps all rows, since any can come up. A change looks at the rows of the result from the first
/// changed one on, and at nothing behind them. A partition whose event time is over is forgotten.
pub struct TopN {
    partitions: PartitionRows,
    spec: TopNSpec,
    columns: Vec<OverColumn>,
    schema: SchemaRef,
    /// Rows of the result of one partition before and after the step.
    before: Vec<Ranked>,
    after: Vec<Ranked>,
    scratch: Vec<u32>,
    retracted: Vec<Ranked>,
    inserted: Vec<Ranked>,
    told: Told,
    output: Option<Delta>,
    /// The places of its rows, where the operator is a partition.
    places: Vec<Place>,
    times: PassedTimes,
}

/// A row with its rank.
#[derive(Debug, Clone, Copy)]
struct Ranked {
    row: u32,
    rank: u64,
}

impl TopN {
    /// Ranks rows of `input`; `columns` are those of `schema`, the rank being value 0.
    ///
    /// # Errors
    /// `UNSUPPORTED` when rows of the input cannot be ordered.
    pub fn new(
        input: &SchemaRef,
        partitioning: &Partitioning,
        spec: TopNSpec,
        columns: Vec<OverColumn>,
        schema: SchemaRef,
    ) -> Result<Self> {
        debug_assert!(spec.above == 0 || spec.ranking == Ranking::RowNumber);
        Ok(Self {
            partitions: PartitionRows::new(input, partitioning)?,
            spec,
            columns,
            schema,
            before: Vec::new(),
            after: Vec::new(),
            scratch: Vec::new(),
            retracted: Vec::new(),
            inserted: Vec::new(),
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
    fn change(&mut self, partition: u32, changes: &[(&[u8], i64)]) -> Result<()> {
        let Some((first, _)) = changes.first() else { return Ok(()) };
        let first = match self.spec.ranking {
            // Ranks are counted from the first row on.
            Ranking::DenseRank => 0,
            _ => self.partitions.rows.rank(partition, first, false),
        };
        let by_row = self.spec.ranking == Ranking::RowNumber;
        let is_below = by_row && first as u64 >= self.spec.limit;
        if is_below && self.partitions.append_only {
            return Ok(());
        }
        self.before.clear();
        if !is_below {
            let rows = &self.partitions.rows;
            self.spec.rows(rows, partition, first, &mut self.scratch, &mut self.before);
        }
        for (bytes, weight) in changes {
            for _ in 0..-weight {
                self.partitions.remove(partition, bytes)?;
            }
        }
        for (bytes, weight) in changes {
            for _ in 0..*weight {
                let (_, position) = self.partitions.rows.insert(partition, bytes)?;
                if by_row && self.partitions.append_only && position as u64 >= self.spec.limit {
                    break;
                }
            }
        }
        if is_below {
            return Ok(());
        }
        self.after.clear();
        let rows = &self.partitions.rows;
        self.spec.rows(rows, partition, first, &mut self.scratch, &mut self.after);
        self.compare();
        if self.partitions.append_only || mutant!(TopNForgetsTheRest) {
            let keep = self.spec.extent(&self.partitions.rows, partition);
            let rows = &mut self.partitions.rows;
            (keep..rows.len(partition)).rev().for_each(|position| {
                rows.remove_at(partition, position);
            });
        }
        Ok(())
    }

    /// Notes what is different between the rows before and after, both of which are in order.
    fn compare(&mut self) {
        let rows = &self.partitions.rows;
        let (mut old, mut new) = (0, 0);
        while old < self.before.len() || new < self.after.len() {
            let order = match (self.before.get(old), self.after.get(new)) {
                (Some(a), Some(b)) if a.row == b.row => Ordering::Equal,
                (Some(a), Some(b)) => rows.bytes(a.row).cmp(rows.bytes(b.row)),
                (Some(_), None) => Ordering::Less,
                (None, _) => Ordering::Greater,
            };
            let is_same = order.is_eq() && self.before[old].rank == self.after[new].rank;
            if order.is_le() {
                if !is_same {
                    self.retracted.push(self.before[old]);
                }
                old += 1;
            }
            if order.is_ge() {
                if !is_same {
                    self.inserted.push(self.after[new]);
                }
                new += 1;
            }
        }
    }

    fn delta(&mut self) -> Result<Option<Delta>> {
        let rows: Vec<Ranked> =
            self.retracted.iter().chain(self.inserted.iter()).copied().collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let retracted = self.retracted.len();
        self.retracted.clear();
        self.inserted.clear();
        let PartitionRows { rows: stored, codec, .. } = &self.partitions;
        let batch = ranked(codec, stored, &rows, &self.columns, &self.schema)?;
        // Rows that differ in their arrival alone, or in what does not come out, may change places.
        let mut emission = Emission::default();
        let [of_ceased, of_came] = self.told.take_origins();
        let inserted = batch.num_rows() - retracted;
        let ceased = Weights::from(vec![-1; retracted]);
        emission.push(0, batch.slice(0, retracted), Some(ceased), of_ceased);
        emission.push(1, batch.slice(retracted, inserted), None, of_came);
        emission.take_net(&self.schema, &mut self.places)
    }
}

impl Operator for TopN {
    fn input(&mut self, _port: usize, delta: Delta, cx: &mut Context<'_>) -> Result<()> {
        let delta = self.partitions.in_time(delta, cx)?;
        let changes = self.partitions.changes(&delta)?;
        for (place, (partition, of_partition)) in changes.partitions().enumerate() {
            self.change(partition, &of_partition)?;
            self.told.note(changes.ordinal(place), self.retracted.len(), self.inserted.len());
        }
        self.output = self.delta()?;
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
        self.partitions.advance(frontiers);
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
        Some(Box::new(TopRows {
            rows: self.partitions.rows.snapshot(),
            codec: Arc::clone(&self.partitions.codec),
            spec: self.spec,
            columns: self.columns.clone(),
            schema: self.schema.clone(),
        }))
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self {
            partitions,
            spec: _,
            columns: _,
            schema: _,
            before: _,
            after: _,
            scratch: _,
            retracted: _,
            inserted: _,
            told: _,
            output: _,
            places: _,
            times,
        } = self;
        partitions.parts(parts)?;
        times.parts(parts)
    }

    fn metrics(&self) -> Metrics {
        self.partitions.metrics(0)
    }
}

impl TopNSpec {
    /// The position behind the last row of a partition's result.
    fn extent(&self, rows: &OrderedRows, partition: u32) -> usize {
        let len = rows.len(partition);
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let limit = limit + usize::from(mutant!(TopNHasOneMore));
        match self.ranking {
            Ranking::RowNumber => len.min(limit),
            _ if limit == 0 => 0,
            Ranking::Rank if len <= limit => len,
            Ranking::Rank => {
                let last = rows.row_at(partition, limit - 1);
                peers_end(rows, partition, rows.bytes(last))
            }
            Ranking::DenseRank => {
                let mut end = 0;
                for _ in 0..limit {
                    if end == len {
                        break;
                    }
                    let first = rows.row_at(partition, end);
                    end = peers_end(rows, partition, rows.bytes(first));
                }
                end
            }
        }
    }

    /// Appends the rows of a partition's result from position `first` on.
    fn rows(
        &self,
        rows: &OrderedRows,
        partition: u32,
        first: usize,
        scratch: &mut Vec<u32>,
        out: &mut Vec<Ranked>,
    ) {
        let first = first.max(usize::try_from(self.above).unwrap_or(usize::MAX));
        let extent = self.extent(rows, partition);
        if first >= extent {
            return;
        }
        scratch.clear();
        rows.collect(partition, first..extent, scratch);
        if let Some(rank) = self.constant_rank {
            out.extend(scratch.iter().map(|row| Ranked { row: *row, rank }));
            return;
        }
        let mut rank = match self.ranking {
            Ranking::RowNumber => {
                let ranks = first as u64 + 1..;
                out.extend(scratch.iter().zip(ranks).map(|(row, rank)| Ranked { row: *row, rank }));
                return;
            }
            Ranking::Rank => peers_start(rows, partition, rows.bytes(scratch[0])) as u64 + 1,
            Ranking::DenseRank => 1,
        };
        for (at, row) in scratch.iter().enumerate() {
            if at > 0 && !are_peers(rows.bytes(scratch[at - 1]), rows.bytes(*row)) {
                rank = match self.ranking {
                    Ranking::DenseRank => rank + 1,
                    _ => (first + at) as u64 + 1,
                };
            }
            out.push(Ranked { row: *row, rank });
        }
    }
}

/// Rows of the output.
fn ranked(
    codec: &RowCodec,
    stored: &OrderedRows,
    rows: &[Ranked],
    columns: &[OverColumn],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let bytes: Vec<&[u8]> = rows.iter().map(|ranked| stored.bytes(ranked.row)).collect();
    let ranks: ArrayRef =
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|ranked| ranked.rank)));
    output(schema, columns, &codec.decode(&bytes)?, &[ranks])
}

struct TopRows {
    rows: OrderedRows,
    codec: Arc<RowCodec>,
    spec: TopNSpec,
    columns: Vec<OverColumn>,
    schema: SchemaRef,
}

impl Content for TopRows {
    fn batches(&self) -> Result<Vec<RecordBatch>> {
        let mut ranked_rows = Vec::new();
        let mut scratch = Vec::new();
        for partition in 0..self.rows.partitions() {
            self.spec.rows(&self.rows, partition, 0, &mut scratch, &mut ranked_rows);
        }
        ranked_rows
            .chunks(CONTENT_ROWS)
            .map(|chunk| ranked(&self.codec, &self.rows, chunk, &self.columns, &self.schema))
            .collect()
    }
}
