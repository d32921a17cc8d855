//! [`Aggregate`]: `GROUP BY` without windows.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::concat;
use arrow::datatypes::SchemaRef;
use laminar_types::{Delta, Error, Frontier, Result, RowBlock, Weights};

use super::aggregate_call::{AggregateCall, Grouping};
use super::group_changes::{Changed, GroupChanges};
use super::lifetime::{Ages, Lifetime};
use super::partitioned::Place;
use super::timed_rows::select;
use crate::aggregate::AggregateSnapshot;
use crate::expr::row_text;
use crate::operator::{Content, Context, Marks, Metrics, Operator};
use crate::state::group_index::NO_SLOT;
use crate::state::{Container, Paged, Parts};

/// Rows that are read from a snapshot at a time.
const CONTENT_ROWS: usize = 8_192;

/// Keeps one row per group and emits, for each group that a step changed, the row that ceased and
/// the row that came to be. The content *is* the table of groups.
pub struct Aggregate {
    grouping: Grouping,
    groups: GroupChanges,
    schema: SchemaRef,
    /// For each event-time column of the output, a key, its position among those of the input.
    times: Vec<usize>,
    frontiers: Vec<Frontier>,
    aging: Option<Aging>,
}

/// When groups go by themselves, which is no change: what they gave stays given.
struct Aging {
    lifetime: Lifetime,
    /// Of the input.
    frontiers: Vec<Frontier>,
    /// By group, the latest of the times of its rows.
    ages: Ages,
    /// Over updating input, by group: what is of an earlier time was never in it.
    since: Option<Paged<i64>>,
    slots: Vec<u32>,
}

impl Aggregate {
    /// Groups rows of `input` by the columns `keys`; `schema` has the keys, then the calls.
    /// `permanent` has, for each key column, the keys of the groups that are there without rows
    /// too; without key columns there is one such group anyway.
    pub fn new(
        input: &SchemaRef,
        keys: Vec<usize>,
        permanent: Vec<ArrayRef>,
        calls: Vec<AggregateCall>,
        schema: SchemaRef,
        append_only: bool,
    ) -> Result<Self> {
        let key_count = keys.len();
        let grouping = Grouping::new(keys, calls, append_only);
        let mut table = grouping.table(input)?;
        if !permanent.is_empty() {
            table = table.with_permanent(permanent)?;
        }
        let groups = GroupChanges::new(table, key_count);
        let groups = if grouping.is_plain() { groups.by_row(input, &schema) } else { groups };
        let (times, frontiers) = Default::default();
        Ok(Self { grouping, groups, schema, times, frontiers, aging: None })
    }

    /// The same with groups that are forgotten when the last of their rows has lived so long; over
    /// updating input by an event time, which a row has too when it is taken back.
    ///
    /// A row that is taken back may be one that its group has forgotten, and the group may have
    /// begun anew since. Then nothing that lives on in it is of a time as early: a group begins
    /// with rows that are not to be forgotten yet.
    pub fn with_lifetime(self, lifetime: Lifetime, append_only: bool) -> Self {
        let (frontiers, ages, slots) = Default::default();
        let since = (!append_only).then(|| Paged::new(i64::MIN));
        Self { aging: Some(Aging { lifetime, frontiers, ages, since, slots }), ..self }
    }

    /// The same as a partition of several.
    pub fn as_partition(self) -> Self {
        Self { groups: self.groups.with_origins(), ..self }
    }

    /// How the groups changed in the step that ends.
    fn changed(&mut self, now_ms: i64) -> Result<Option<Changed>> {
        if let Some(Aging { ages, since: Some(_), .. }) = &mut self.aging {
            // Groups that end because their rows did.
            let table = self.groups.table();
            let ended = table.touched().iter().filter(|slot| !table.is_present(**slot));
            ended.for_each(|slot| ages.forget(*slot));
        }
        let changed = self.groups.changes()?;
        if let Some(aging) = &mut self.aging {
            let limit = aging.limit(now_ms);
            for slot in aging.ages.take_before(limit) {
                self.groups.table().remove(slot);
            }
        }
        Ok(changed)
    }

    /// The same, with keys that are event times: for each such column of the output its position
    /// among the event-time columns of the input.
    pub fn with_times(self, times: Vec<usize>) -> Self {
        let frontiers = vec![Frontier::MIN; times.len()];
        Self { times, frontiers, ..self }
    }
}

impl Aging {
    /// What is of a time before this is forgotten.
    fn limit(&self, now_ms: i64) -> i64 {
        self.lifetime.limit(std::slice::from_ref(&self.frontiers), now_ms)
    }

    /// The changes of rows that groups have not forgotten; `slots` are the groups' before them.
    fn remembered(&self, delta: Delta) -> Result<Delta> {
        let Some(since) = &self.since else { return Ok(delta) };
        let limit = self.limit(0);
        let times = self.lifetime.times(&delta.batch, &self.frontiers, 0)?;
        let is_kept = |row: &u32| {
            let (slot, time) = (self.slots[*row as usize], times[*row as usize]);
            match slot == NO_SLOT || self.ages.time(slot).is_none() {
                true => delta.weight(*row as usize) > 0 && time >= limit,
                false => time >= *since.at(slot as usize),
            }
        };
        let kept: Vec<u32> = (0..delta.num_rows() as u32).filter(is_kept).collect();
        match kept.len() == delta.num_rows() {
            true => Ok(delta),
            false => select(&delta, &kept),
        }
    }

    /// Notes the times of rows; `slots` are those of their groups.
    fn note(&mut self, delta: &Delta, now_ms: i64) -> Result<()> {
        let limit = self.limit(now_ms);
        let times = self.lifetime.times(&delta.batch, &self.frontiers, now_ms)?;
        for (row, (slot, time)) in self.slots.iter().zip(times).enumerate() {
            if *slot == NO_SLOT || delta.weight(row) < 0 {
                continue;
            }
            let known = self.ages.time(*slot);
            if let (None, Some(since)) = (known, &mut self.since) {
                since.resize(since.len().max(*slot as usize + 1));
                *since.at_mut(*slot as usize) = limit;
            }
            self.ages.set(*slot, known.map_or(time, |known| known.max(time)))?;
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.ages.state_bytes() + self.since.as_ref().map_or(0, Container::state_bytes)
    }
}

impl Operator for Aggregate {
    fn input(&mut self, _port: usize, delta: Delta, cx: &mut Context<'_>) -> Result<()> {
        let mut delta = self.grouping.arrive(delta)?;
        if let Some(aging) = &mut self.aging {
            let keys = self.grouping.keys(&delta.batch);
            self.groups.table().slots_of(&keys, delta.num_rows(), &mut aging.slots)?;
            delta = aging.remembered(delta)?;
        }
        for (row, error) in self.groups.add(&self.grouping, &delta, 0)? {
            let batch = self.grouping.original(&delta.batch);
            cx.dead_letter_of(&batch, row, error.message().to_string());
        }
        let Some(aging) = &mut self.aging else { return Ok(()) };
        let keys = self.grouping.keys(&delta.batch);
        self.groups.table().slots_of(&keys, delta.num_rows(), &mut aging.slots)?;
        aging.note(&delta, cx.now_ms)
    }

    fn marks(&self) -> Marks {
        match &self.aging {
            Some(aging) if aging.lifetime.forgets_by_frontier() => Marks::ForEveryRow,
            _ => Marks::AsReaders,
        }
    }

    fn advance(&mut self, _: usize, frontiers: &[Frontier], _: &mut Context<'_>) -> Result<()> {
        if let Some(aging) = &mut self.aging {
            aging.frontiers.clear();
            aging.frontiers.extend_from_slice(frontiers);
        }
        for (position, input) in self.times.iter().enumerate() {
            self.frontiers[position] = frontiers[*input];
        }
        Ok(())
    }

    fn takes_rows(&self) -> bool {
        self.groups.takes_rows() && self.aging.is_none()
    }

    fn input_rows(&mut self, port: usize, rows: &RowBlock, cx: &mut Context<'_>) -> Result<()> {
        let mut failures = Vec::new();
        let is_taken = self.aging.is_none()
            && self.groups.add_rows(&self.grouping, rows, |row, error| {
                failures.push((row, error));
            });
        if !is_taken {
            return self.input(port, rows.to_delta()?, cx);
        }
        if !failures.is_empty() {
            let batch = rows.to_batch()?;
            for (row, error) in failures {
                cx.dead_letter(row_text(&batch, row), error.message().to_string());
            }
        }
        Ok(())
    }

    fn finish_rows(&mut self, out: &mut RowBlock) -> Result<bool> {
        Ok(self.groups.changed_rows(out))
    }

    fn frontiers(&self, out: &mut Vec<Frontier>) {
        out.clear();
        out.extend_from_slice(&self.frontiers);
    }

    fn follows_content(&self) -> bool {
        self.aging.is_none()
    }

    fn reads_clock(&self) -> bool {
        let is_clock = |aging: &Aging| matches!(aging.lifetime, Lifetime::Clock { .. });
        self.aging.as_ref().is_some_and(is_clock)
    }

    fn finish(&mut self, cx: &mut Context<'_>) -> Result<Option<Delta>> {
        let changed = self.changed(cx.now_ms)?;
        changed.map(|changed| delta(&self.schema, changed)).transpose()
    }

    fn finish_placed(
        &mut self,
        cx: &mut Context<'_>,
        places: &mut Vec<Place>,
    ) -> Result<Option<Delta>> {
        let Some(changed) = self.changed(cx.now_ms)? else { return Ok(None) };
        changed.places(0, places);
        delta(&self.schema, changed).map(Some)
    }

    fn acts_without_rows(&self) -> bool {
        self.aging.is_some()
    }

    fn content(&mut self, _input: Option<Box<dyn Content>>) -> Option<Box<dyn Content>> {
        let schema = self.schema.clone();
        Some(Box::new(Groups { snapshot: self.groups.snapshot(), schema }))
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { grouping, groups, schema: _, times: _, frontiers, aging } = self;
        grouping.parts(parts)?;
        groups.parts(parts)?;
        if let Some(Aging { lifetime: _, frontiers, ages, since, slots: _ }) = aging {
            ages.parts(parts)?;
            if let Some(since) = since {
                since.parts(parts)?;
            }
            parts.numbers(frontiers)?;
        }
        parts.numbers(frontiers)
    }

    fn metrics(&self) -> Metrics {
        let ages = self.aging.as_ref().map_or(0, Aging::state_bytes);
        Metrics { state_bytes: self.groups.state_bytes() + ages, ..Metrics::default() }
    }
}

struct Groups {
    snapshot: AggregateSnapshot,
    schema: SchemaRef,
}

impl Content for Groups {
    fn batches(&self) -> Result<Vec<RecordBatch>> {
        self.snapshot.chunks(CONTENT_ROWS).map(|columns| batch(&self.schema, columns?)).collect()
    }
}

/// The rows that ceased, then the rows that came to be.
pub(super) fn delta(schema: &SchemaRef, changed: Changed) -> Result<Delta> {
    let Changed { old, new, old_rows, new_rows, .. } = changed;
    let columns = if old_rows == 0 {
        new
    } else if new_rows == 0 {
        old
    } else {
        let halves = old.iter().zip(&new);
        halves
            .map(|(old, new)| concat(&[old.as_ref(), new.as_ref()]))
            .collect::<Result<Vec<ArrayRef>, _>>()
            .map_err(|error| Error::internal(format!("a group changed its type: {error}")))?
    };
    let mut weights = vec![1i64; old_rows + new_rows];
    weights[..old_rows].fill(-1);
    Ok(Delta::weighted(batch(schema, columns)?, Weights::from(weights)))
}

/// A batch of columns whose length a schema without columns would not tell.
pub(super) fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let rows = columns.first().map_or(1, |column| column.len());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(|error| {
        Error::internal(format!("an aggregate does not have the planned columns: {error}"))
    })
}
