//! [`TableRows`]: the rows of a table, by primary key or as a multiset, with cheap snapshots.
//!
//! A row is kept in Arrow's row format, which tells all values apart (the signs of zeros and the
//! bits of NaNs too) and gives them back exactly. With a primary key, the key's columns lead to a
//! slot and the slot to the row; without one, the row itself leads to a slot and the slot to how
//! often the row is there.
//!
//! Invariants: every slot in use has a row, or a count above zero; a change that fails leaves the
//! rows as they were; a snapshot never changes.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, RecordBatch, UInt32Array};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use arrow::util::display::array_value_to_string;
use laminar_types::{Delta, Error, Result, code, mutant};

use super::group_index::NO_SLOT;
use super::{ByteColumn, Container, GroupIndex, GroupKeys, Paged, Parts, arrow_error};
use crate::operator::Content;

/// Rows that are read from a snapshot at a time.
const CHUNK_ROWS: usize = 8_192;

/// The rows of a table.
pub struct TableRows {
    schema: SchemaRef,
    format: Arc<RowConverter>,
    /// From the key, or from the whole row in its format, to slots.
    index: GroupIndex,
    kept: Kept,
    rows: u64,
    /// Scratch: the slots of a batch.
    slots: Vec<u32>,
}

enum Kept {
    /// One row for each key.
    Keyed { key: Vec<usize>, rows: ByteColumn },
    /// How often each row is there.
    Bag { counts: Paged<i64> },
}

impl TableRows {
    /// An empty table. `key` are the columns of its primary key, which hold no nulls.
    ///
    /// # Errors
    /// `UNSUPPORTED` when a column's type has no row format.
    pub fn new(schema: SchemaRef, key: Option<Vec<usize>>) -> Result<Self> {
        let types = schema.fields().iter().map(|field| field.data_type().clone());
        let format = RowConverter::new(types.map(SortField::new).collect()).map_err(|error| {
            Error::unsupported(format!("a table cannot have a column of this type: {error}"))
        })?;
        let (index, kept) = match key {
            Some(key) => {
                let types: Vec<DataType> =
                    key.iter().map(|column| schema.field(*column).data_type().clone()).collect();
                (GroupIndex::new(&types)?, Kept::Keyed { key, rows: ByteColumn::default() })
            }
            None => (GroupIndex::new(&[DataType::Binary])?, Kept::Bag { counts: Paged::new(0) }),
        };
        Ok(Self { schema, format: Arc::new(format), index, kept, rows: 0, slots: Vec::new() })
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many rows there are.
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Takes in rows. With a primary key a row replaces the one of its key; of several rows of
    /// one key in the batch, the last stays. Returns the net change, retractions first, or `None`
    /// when nothing changed.
    ///
    /// # Errors
    /// `EXECUTION` when there are too many rows; nothing is taken then.
    pub fn insert(&mut self, batch: &RecordBatch) -> Result<Option<Delta>> {
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        match self.kept {
            Kept::Keyed { .. } => self.change_keyed(None, Some(batch)),
            Kept::Bag { .. } => self.change_bag(None, Some(batch)),
        }
    }

    /// Puts other rows in the place of some that are there. Returns the net change, retractions
    /// first, or `None` when nothing changed.
    ///
    /// # Errors
    /// `VALUE` when two rows would have one primary key, `INTERNAL` when a row to be replaced is
    /// not there, `EXECUTION` when there are too many rows; nothing is changed then.
    pub fn replace(&mut self, removed: &RecordBatch, added: &RecordBatch) -> Result<Option<Delta>> {
        match self.kept {
            Kept::Keyed { .. } => {
                self.refuse_collisions(removed, added)?;
                self.change_keyed(Some(removed), Some(added))
            }
            Kept::Bag { .. } => self.change_bag(Some(removed), Some(added)),
        }
    }

    /// Takes out some of the rows that are there. Returns the change.
    ///
    /// # Errors
    /// `INTERNAL` when a row is not there; nothing is changed then.
    pub fn remove(&mut self, removed: &RecordBatch) -> Result<Option<Delta>> {
        match self.kept {
            Kept::Keyed { .. } => self.change_keyed(Some(removed), None),
            Kept::Bag { .. } => self.change_bag(Some(removed), None),
        }
    }

    /// The rows that have these primary keys, each once: `keys` are columns of the key's types,
    /// without nulls. `None` for a table without a primary key.
    ///
    /// # Errors
    /// `INTERNAL` when the columns are not those of the key.
    pub fn rows_of(&mut self, keys: &[ArrayRef]) -> Result<Option<RecordBatch>> {
        let Kept::Keyed { rows, .. } = &self.kept else { return Ok(None) };
        let count = keys.first().map_or(0, |column| column.len());
        self.index.lookup(keys, count, &mut self.slots)?;
        self.slots.retain(|slot| *slot != NO_SLOT);
        self.slots.sort_unstable();
        self.slots.dedup();
        let found = self.slots.iter().map(|slot| rows.value(*slot as usize));
        decode(&self.schema, &self.format, found).map(Some).map_err(arrow_error)
    }

    /// The rows as they are now, to be read while the table goes on.
    pub fn snapshot(&mut self) -> TableSnapshot {
        TableSnapshot {
            schema: Arc::clone(&self.schema),
            format: Arc::clone(&self.format),
            keys: self.index.snapshot(),
            kept: match &mut self.kept {
                Kept::Keyed { rows, .. } => KeptThen::Keyed(rows.snapshot()),
                Kept::Bag { counts } => KeptThen::Bag(counts.snapshot()),
            },
        }
    }

    fn change_keyed(
        &mut self,
        removed: Option<&RecordBatch>,
        added: Option<&RecordBatch>,
    ) -> Result<Option<Delta>> {
        let added_rows = match added {
            Some(added) => Some(self.encoded(added)?),
            None => None,
        };
        // What becomes of each slot, in the order of its first touch: a row of `added`, or none.
        let mut fates: Vec<(u32, Option<usize>)> = Vec::new();
        let mut fate_of: HashMap<u32, usize> = HashMap::new();
        if let Some(removed) = removed {
            self.find(removed)?;
            for &slot in &self.slots {
                fate_of.entry(slot).or_insert_with(|| {
                    fates.push((slot, None));
                    fates.len() - 1
                });
            }
        }
        if let Some(added) = added {
            self.intern(added)?;
            for (row, &slot) in self.slots.iter().enumerate() {
                let fate = *fate_of.entry(slot).or_insert_with(|| {
                    fates.push((slot, None));
                    fates.len() - 1
                });
                if fates[fate].1.is_none() || !mutant!(FirstOfEqualKeysStays) {
                    fates[fate].1 = Some(row);
                }
            }
        }
        let slots = self.index.slots();
        if let Kept::Keyed { rows, .. } = &mut self.kept {
            rows.resize(slots);
        }
        let Kept::Keyed { rows: kept, .. } = &self.kept else { unreachable!("a keyed table") };
        // A slot without a row is one that this change made.
        let was = |slot: u32| Some(kept.value(slot as usize)).filter(|row| !row.is_empty());
        let becomes = |row: usize| added_rows.as_ref().map(|rows| rows.value(row));
        let changed = |(slot, row): &&(u32, Option<usize>)| was(*slot) != row.and_then(&becomes);
        let fates: Vec<(u32, Option<usize>)> = fates.iter().filter(changed).copied().collect();
        if fates.is_empty() {
            return Ok(None);
        }
        let retracted =
            fates.iter().filter(|(_, row)| row.is_none() || !mutant!(UpsertKeepsOldRow));
        let retracted: Vec<&[u8]> = retracted.filter_map(|(slot, _)| was(*slot)).collect();
        let inserted: Vec<u32> =
            fates.iter().filter_map(|(_, row)| row.map(|row| row as u32)).collect();
        let delta = self.delta(&retracted, added, &inserted);
        let (gone, came) = (retracted.len() as u64, inserted.len() as u64);
        let delta = match delta {
            Ok(delta) => delta,
            Err(error) => {
                self.forget_created();
                return Err(error);
            }
        };
        let Kept::Keyed { rows: kept, .. } = &mut self.kept else { unreachable!("a keyed table") };
        for (slot, row) in fates {
            match row.and_then(becomes) {
                Some(row) => kept.set(slot as usize, row),
                None => {
                    kept.set(slot as usize, &[]);
                    self.index.remove(slot);
                }
            }
        }
        self.rows = self.rows + came - gone;
        Ok(Some(delta))
    }

    fn change_bag(
        &mut self,
        removed: Option<&RecordBatch>,
        added: Option<&RecordBatch>,
    ) -> Result<Option<Delta>> {
        let empty = RecordBatch::new_empty(Arc::clone(&self.schema));
        let (removed, added) = (removed.unwrap_or(&empty), added.unwrap_or(&empty));
        let added = &with_schema(&self.schema, added).map_err(arrow_error)?;
        // The net weight of each slot, and where a row of it stands, by the first touch.
        let mut nets: Vec<Net> = Vec::new();
        let mut net_of: HashMap<u32, usize> = HashMap::new();
        let mut count = |slot: u32, weight: i64, place: (usize, usize)| {
            let net = *net_of.entry(slot).or_insert_with(|| {
                nets.push(Net { slot, weight: 0, place });
                nets.len() - 1
            });
            nets[net].weight += weight;
        };
        self.find(removed)?;
        for (row, &slot) in self.slots.iter().enumerate() {
            if row > 0 && mutant!(DeleteTakesOneRow) {
                continue;
            }
            count(slot, -1, (0, row));
        }
        self.intern(added)?;
        for (row, &slot) in self.slots.iter().enumerate() {
            count(slot, 1, (1, row));
        }
        let Kept::Bag { counts } = &mut self.kept else { unreachable!("a table without a key") };
        counts.resize(self.index.slots());
        let lacks = |net: &Net| *counts.at(net.slot as usize) + net.weight < 0;
        if nets.iter().any(lacks) {
            self.forget_created();
            return Err(not_there());
        }
        nets.retain(|net| net.weight != 0);
        if nets.is_empty() {
            return Ok(None);
        }
        nets.sort_by_key(|net| net.weight > 0);
        let places: Vec<(usize, usize)> = nets.iter().map(|net| net.place).collect();
        let weights: Vec<i64> = nets.iter().map(|net| net.weight).collect();
        let batch = arrow::compute::interleave_record_batch(&[removed, added], &places);
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                self.forget_created();
                return Err(arrow_error(error));
            }
        };
        let Kept::Bag { counts } = &mut self.kept else { unreachable!("a table without a key") };
        for net in &nets {
            let count = counts.at_mut(net.slot as usize);
            *count += net.weight;
            if *count == 0 {
                self.index.remove(net.slot);
            }
            self.rows = self.rows.wrapping_add_signed(net.weight);
        }
        Ok(Some(Delta::weighted(batch, weights.into())))
    }

    /// The slots of rows that must be there.
    fn find(&mut self, batch: &RecordBatch) -> Result<()> {
        let keys = self.keys(batch)?;
        self.index.lookup(&keys, batch.num_rows(), &mut self.slots)?;
        match self.slots.contains(&NO_SLOT) {
            true => Err(not_there()),
            false => Ok(()),
        }
    }

    /// The slots of rows, made where they are missing.
    fn intern(&mut self, batch: &RecordBatch) -> Result<()> {
        let keys = self.keys(batch)?;
        let interned = self.index.intern(&keys, batch.num_rows(), &mut self.slots);
        if interned.is_err() {
            self.forget_created();
        }
        interned
    }

    /// Takes back the slots that the last `intern` made.
    fn forget_created(&mut self) {
        for slot in self.index.created().to_vec().into_iter().rev() {
            self.index.remove(slot);
        }
    }

    /// What leads to the slots of rows.
    fn keys(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        match &self.kept {
            Kept::Keyed { key, .. } => {
                Ok(key.iter().map(|column| Arc::clone(batch.column(*column))).collect())
            }
            Kept::Bag { .. } => Ok(vec![Arc::new(self.encoded(batch)?)]),
        }
    }

    fn encoded(&self, batch: &RecordBatch) -> Result<BinaryArray> {
        let rows = self.format.convert_columns(batch.columns()).map_err(arrow_error)?;
        rows.try_into_binary().map_err(arrow_error)
    }

    /// Rows in their format that ceased, and rows of a batch that came to be.
    fn delta(
        &self,
        retracted: &[&[u8]],
        added: Option<&RecordBatch>,
        inserted: &[u32],
    ) -> Result<Delta> {
        let mut weights = vec![-1; retracted.len()];
        weights.resize(retracted.len() + inserted.len(), 1);
        let batch = || -> Result<RecordBatch, ArrowError> {
            let old = decode(&self.schema, &self.format, retracted.iter().copied())?;
            let Some(added) = added.filter(|_| !inserted.is_empty()) else { return Ok(old) };
            let whole = inserted.len() == added.num_rows()
                && inserted.iter().enumerate().all(|(at, row)| at == *row as usize);
            let new = match whole {
                true => added.clone(),
                false => take_record_batch(added, &UInt32Array::from(inserted.to_vec()))?,
            };
            match old.num_rows() {
                0 => with_schema(&self.schema, &new),
                _ => concat_batches(&self.schema, [&old, &new]),
            }
        };
        Ok(Delta::weighted(batch().map_err(arrow_error)?, weights.into()))
    }

    /// Refuses rows whose key belongs to a row that is not replaced, or to another of them.
    fn refuse_collisions(&mut self, removed: &RecordBatch, added: &RecordBatch) -> Result<()> {
        let Kept::Keyed { key, .. } = &self.kept else { return Ok(()) };
        let key = key.clone();
        let keys = self.keys(added)?;
        let mut twice = GroupIndex::new(self.index.types())?;
        let mut slots = Vec::new();
        twice.intern(&keys, added.num_rows(), &mut slots)?;
        let mut collision = slots.iter().enumerate().position(|(row, slot)| *slot as usize != row);
        if collision.is_none() {
            self.find(removed)?;
            let replaced: std::collections::HashSet<u32> = self.slots.iter().copied().collect();
            self.index.lookup(&keys, added.num_rows(), &mut slots)?;
            collision = slots.iter().position(|slot| *slot != NO_SLOT && !replaced.contains(slot));
        }
        let Some(row) = collision else { return Ok(()) };
        let named: Vec<String> = key
            .iter()
            .map(|column| {
                let value = array_value_to_string(added.column(*column), row).unwrap_or_default();
                format!("{} = {value}", self.schema.field(*column).name())
            })
            .collect();
        Err(Error::new(
            code::VALUE,
            format!("two rows would have the key {}: nothing was changed", named.join(", ")),
        ))
    }
}

impl Container for TableRows {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.index.parts(parts)?;
        match &mut self.kept {
            Kept::Keyed { rows, .. } => rows.parts(parts)?,
            Kept::Bag { counts } => counts.parts(parts)?,
        }
        parts.number(&mut self.rows)
    }

    fn state_bytes(&self) -> usize {
        let kept = match &self.kept {
            Kept::Keyed { rows, .. } => rows.state_bytes(),
            Kept::Bag { counts } => counts.state_bytes(),
        };
        kept + self.index.state_bytes()
    }
}

/// What a change comes to for one row of a multiset.
struct Net {
    slot: u32,
    weight: i64,
    /// A batch and a row of it.
    place: (usize, usize),
}

/// The rows of a table at one moment.
pub struct TableSnapshot {
    schema: SchemaRef,
    format: Arc<RowConverter>,
    keys: GroupKeys,
    kept: KeptThen,
}

enum KeptThen {
    Keyed(ByteColumn),
    Bag(Paged<i64>),
}

impl Content for TableSnapshot {
    fn batches(&self) -> Result<Vec<RecordBatch>> {
        let slots: Vec<u32> = self.keys.live_slots().collect();
        let chunks = slots.chunks(CHUNK_ROWS).map(|slots| match &self.kept {
            KeptThen::Keyed(rows) => {
                let rows = slots.iter().map(|slot| rows.value(*slot as usize));
                decode(&self.schema, &self.format, rows).map_err(arrow_error)
            }
            KeptThen::Bag(counts) => {
                let keys = self.keys.keys(slots)?;
                let keys = keys[0].as_binary::<i32>();
                let repeated = slots.iter().enumerate().flat_map(|(at, slot)| {
                    std::iter::repeat_n(keys.value(at), *counts.at(*slot as usize) as usize)
                });
                decode(&self.schema, &self.format, repeated).map_err(arrow_error)
            }
        });
        chunks.collect()
    }
}

/// The same rows with the schema of the table: what is to be inserted may say less of nulls.
fn with_schema(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec())
}

/// Rows out of their format.
fn decode<'a>(
    schema: &SchemaRef,
    format: &RowConverter,
    rows: impl Iterator<Item = &'a [u8]>,
) -> Result<RecordBatch, ArrowError> {
    let parser = format.parser();
    let rows: Vec<_> = rows.map(|row| parser.parse(row)).collect();
    let columns = format.convert_rows(rows)?.into_iter().zip(schema.fields());
    // The format gives the values of dictionaries, not their codes.
    let columns = columns.map(|(column, field)| match column.data_type() == field.data_type() {
        true => Ok(column),
        false => cast(&column, field.data_type()),
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, _>>()?)
}

fn not_there() -> Error {
    Error::internal("a row that is to cease is not in its table")
}

#[cfg(test)]
#[path = "table_rows_tests.rs"]
mod tests;
