//! [`PartitionRows`]: the rows of an input, ordered inside partitions, and how a step changes them.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use laminar_types::{Delta, Error, Frontier, Result};

use super::partition_times::{PartitionTime, PartitionTimes};
use super::partitioned::{Origin, ordinals};
use super::row_codec::{Encoded, OrderColumn, RowCodec};
use crate::operator::{Context, Metrics};
use crate::state::{Container, GroupIndex, OrderedPartitions, OrderedRows, Parts, arrow_error};

/// How rows are partitioned and ordered.
#[derive(Debug, Clone)]
pub struct Partitioning {
    /// The columns that are equal inside a partition; none means one partition.
    pub keys: Vec<usize>,
    /// The order inside a partition.
    pub order: Vec<OrderColumn>,
    /// Whether rows never cease. Then ties break by arrival, else by comparing all columns.
    pub append_only: bool,
    /// The event time among the keys with which a partition is over, if it is ever.
    pub time: Option<PartitionTime>,
}

/// A column of the output of an operator that adds columns to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverColumn {
    /// A column of the input.
    Input(usize),
    /// A column that the operator computes.
    Value(usize),
}

/// The ordered rows of all partitions.
pub(super) struct PartitionRows {
    index: GroupIndex,
    pub(super) rows: OrderedPartitions,
    pub(super) codec: Arc<RowCodec>,
    pub(super) append_only: bool,
    keys: Vec<usize>,
    times: Option<PartitionTimes>,
    slots: Vec<u32>,
    /// By partition, which of the step's it is; [`UNTOUCHED`] between steps.
    ordinals: Vec<u32>,
}

const UNTOUCHED: u32 = u32::MAX;

/// The net changes of a step, by partition, in the order in which partitions were first touched.
pub(super) struct Changes {
    encoded: Encoded,
    partitions: Vec<(u32, Range<usize>)>,
    changes: Vec<(u32, i64)>,
    /// By partition, the ordinal of the row that touched it first, where rows have one.
    ordinals: Vec<u64>,
}

/// Which of the rows that a step tells are of which partition, where rows have ordinals.
#[derive(Default)]
pub(super) struct Told {
    /// By partition its ordinal, and how many rows had ceased and come with it.
    partitions: Vec<(u64, usize, usize)>,
}

impl Told {
    /// Notes that a partition has told all of its rows.
    pub(super) fn note(&mut self, ordinal: Option<u64>, ceased: usize, came: usize) {
        self.partitions.extend(ordinal.map(|ordinal| (ordinal, ceased, came)));
    }

    /// The origins of the rows: of those that ceased, then of those that came.
    pub(super) fn take_origins(&mut self) -> [Vec<Origin>; 2] {
        let (mut ceased, mut came) = (Vec::new(), Vec::new());
        for (ordinal, ceased_to, came_to) in self.partitions.drain(..) {
            ceased.resize(ceased_to, Origin::from(ordinal));
            came.resize(came_to, Origin::from(ordinal));
        }
        [ceased, came]
    }
}

impl Changes {
    pub(super) fn partitions(&self) -> impl Iterator<Item = (u32, Vec<(&[u8], i64)>)> + '_ {
        self.partitions.iter().map(|(partition, changes)| {
            let changes = self.changes[changes.clone()].iter();
            let changes = changes.map(|(row, weight)| (self.encoded.row(*row as usize), *weight));
            (*partition, changes.collect())
        })
    }

    /// The ordinal of the row that touched a partition first, by its place among them.
    pub(super) fn ordinal(&self, place: usize) -> Option<u64> {
        self.ordinals.get(place).copied()
    }
}

impl PartitionRows {
    pub(super) fn new(input: &SchemaRef, partitioning: &Partitioning) -> Result<Self> {
        let Partitioning { keys, order, append_only, time } = partitioning;
        let types: Vec<_> =
            keys.iter().map(|column| input.field(*column).data_type().clone()).collect();
        Ok(Self {
            index: GroupIndex::new(&types)?,
            rows: OrderedPartitions::default(),
            codec: Arc::new(RowCodec::new(input.clone(), order, *append_only)?),
            append_only: *append_only,
            keys: keys.clone(),
            times: time.map(PartitionTimes::new),
            slots: Vec::new(),
            ordinals: Vec::new(),
        })
    }

    /// Whether partitions go when they are over.
    pub(super) fn forgets(&self) -> bool {
        self.times.is_some()
    }

    /// The rows of a delta that are not late for their partition.
    pub(super) fn in_time(&mut self, delta: Delta, cx: &mut Context<'_>) -> Result<Delta> {
        match &mut self.times {
            Some(times) => times.in_time(delta, cx),
            None => Ok(delta),
        }
    }

    /// Takes the frontiers of the input between two steps' changes: forgets the partitions that
    /// are over and tells the rows that they had.
    pub(super) fn advance(&mut self, frontiers: &[Frontier]) -> Vec<u32> {
        let mut gone = Vec::new();
        let Some(times) = &mut self.times else { return gone };
        for partition in times.take_over(frontiers) {
            let len = self.rows.len(partition);
            self.rows.collect(partition, 0..len, &mut gone);
            for position in (0..len).rev() {
                self.rows.remove_at(partition, position);
            }
            self.index.remove(partition);
        }
        self.rows.settle();
        gone
    }

    /// Counters, given the bytes of what is kept beside the rows.
    pub(super) fn metrics(&self, beside_bytes: usize) -> Metrics {
        let late_rows = self.times.as_ref().map_or(0, PartitionTimes::late_rows);
        Metrics { late_rows, state_bytes: self.state_bytes() + beside_bytes }
    }

    /// What a delta changes: for each partition the different rows in order, with net weights.
    pub(super) fn changes(&mut self, delta: &Delta) -> Result<Changes> {
        let rows = delta.num_rows();
        let keys: Vec<ArrayRef> =
            self.keys.iter().map(|column| delta.batch.column(*column).clone()).collect();
        self.index.intern(&keys, rows, &mut self.slots)?;
        self.rows.prefetch(&self.slots);
        if let Some(times) = &mut self.times {
            times.note(delta, &self.slots)?;
        }
        let encoded = self.codec.encode(&delta.batch, || self.rows.next_arrival())?;

        // Bring the rows of each partition together, in the order of arrival.
        self.ordinals.resize(self.index.slots(), UNTOUCHED);
        let mut partitions: Vec<(u32, Range<usize>)> = Vec::new();
        let of_rows = ordinals::of(&delta.batch);
        let mut ordinals = Vec::new();
        for (row, &slot) in self.slots.iter().enumerate() {
            let ordinal = &mut self.ordinals[slot as usize];
            if *ordinal == UNTOUCHED {
                *ordinal = partitions.len() as u32;
                partitions.push((slot, 0..0));
                ordinals.extend(of_rows.map(|of_rows| of_rows[row]));
            }
            partitions[*ordinal as usize].1.end += 1;
        }
        let mut start = 0;
        for (_, range) in &mut partitions {
            let count = range.end;
            *range = start..start;
            start += count;
        }
        let mut changes = vec![(0, 0); rows];
        for (row, &slot) in self.slots.iter().enumerate() {
            let range = &mut partitions[self.ordinals[slot as usize] as usize].1;
            changes[range.end] = (row as u32, delta.weight(row));
            range.end += 1;
        }
        for (slot, range) in &mut partitions {
            self.ordinals[*slot as usize] = UNTOUCHED;
            if range.len() > 1 {
                let len = net(&encoded, &mut changes[range.clone()]);
                range.end = range.start + len;
            }
        }
        Ok(Changes { encoded, partitions, changes, ordinals })
    }

    /// Takes out the last of the rows equal to `bytes`.
    pub(super) fn remove(&mut self, partition: u32, bytes: &[u8]) -> Result<u32> {
        match self.rows.remove(partition, bytes) {
            Some((row, _)) => Ok(row),
            None => Err(Error::internal("a row ceased that was not there")),
        }
    }

    /// Ends a step with these changes: forgets the rows that were removed, and the partitions that
    /// have none.
    pub(super) fn settle(&mut self, changes: &Changes) {
        self.rows.settle();
        for (partition, _) in &changes.partitions {
            if self.rows.is_empty(*partition) {
                self.index.remove(*partition);
                if let Some(times) = &mut self.times {
                    times.forget(*partition);
                }
            }
        }
    }
}

impl Container for PartitionRows {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { index, rows, codec: _, append_only: _, keys: _, times, slots: _, ordinals: _ } =
            self;
        index.parts(parts)?;
        rows.parts(parts)?;
        times.as_mut().map_or(Ok(()), |times| times.parts(parts))
    }

    fn state_bytes(&self) -> usize {
        let times = self.times.as_ref().map_or(0, Container::state_bytes);
        self.index.state_bytes() + self.rows.state_bytes() + times
    }
}

/// Sorts changes by their rows and adds up those of equal rows. Tells how many remain.
fn net(encoded: &Encoded, changes: &mut [(u32, i64)]) -> usize {
    changes.sort_by(|a, b| encoded.row(a.0 as usize).cmp(encoded.row(b.0 as usize)));
    let mut len = 0;
    for at in 0..changes.len() {
        let (row, weight) = changes[at];
        if len > 0 && encoded.row(changes[len - 1].0 as usize) == encoded.row(row as usize) {
            changes[len - 1].1 += weight;
        } else {
            // The row before is complete: it stays only if something of it is left.
            if len > 0 && changes[len - 1].1 == 0 {
                len -= 1;
            }
            changes[len] = (row, weight);
            len += 1;
        }
    }
    if len > 0 && changes[len - 1].1 == 0 {
        len -= 1;
    }
    len
}

/// Where the peers of a row, those with the same columns of the order, begin in its partition.
pub(super) fn peers_start(rows: &OrderedRows, partition: u32, bytes: &[u8]) -> usize {
    rows.rank(partition, RowCodec::order_key(bytes), false)
}

/// Where the peers of a row end in its partition.
pub(super) fn peers_end(rows: &OrderedRows, partition: u32, bytes: &[u8]) -> usize {
    let key = RowCodec::order_key(bytes);
    rows.point(partition, |row| row < key || row.starts_with(key))
}

/// Whether two rows of a partition are peers.
pub(super) fn are_peers(a: &[u8], b: &[u8]) -> bool {
    RowCodec::order_key(a) == RowCodec::order_key(b)
}

/// The output of an operator: columns of decoded rows among computed ones.
pub(super) fn output(
    schema: &SchemaRef,
    columns: &[OverColumn],
    rows: &RecordBatch,
    values: &[ArrayRef],
) -> Result<RecordBatch> {
    let columns = columns
        .iter()
        .map(|column| match column {
            OverColumn::Input(column) => rows.column(*column).clone(),
            OverColumn::Value(column) => values[*column].clone(),
        })
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(arrow_error)
}
