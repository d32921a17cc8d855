//! [`RowStore`]: whole rows by slot, to be gathered into columns again.
//!
//! Rows that only ever come are held as typed columns. Rows that are to be found and compared again
//! are held in Arrow's row format, whose bytes are equal, and ordered, as the rows are by all of
//! their columns (NULL first). Slots are the caller's; a slot that is stored again is overwritten.
//!
//! Invariant: gathering a slot gives the row that was last stored there, bit for bit.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::row::{RowConverter, Rows, SortField};
use laminar_types::{Error, Result};

use super::group_index::NO_SLOT;
use super::row_columns::RowColumns;
use super::{ByteColumn, Container, Parts, arrow_error};

/// Rows of one schema by slot.
pub struct RowStore {
    schema: SchemaRef,
    held: Held,
}

enum Held {
    Columns(RowColumns),
    Encoded(EncodedRows),
}

impl RowStore {
    /// An empty store of rows that are never compared.
    pub fn of_columns(schema: &SchemaRef) -> Result<Self> {
        let held = Held::Columns(RowColumns::new(&types_of(schema))?);
        Ok(Self { schema: schema.clone(), held })
    }

    /// An empty store of rows that have an order: [`RowStore::encoded`] gives their bytes.
    ///
    /// # Errors
    /// `UNSUPPORTED` when Arrow's row format has no encoding of a type.
    pub fn of_ordered_rows(schema: &SchemaRef) -> Result<Self> {
        let held = Held::Encoded(EncodedRows::new(&types_of(schema))?);
        Ok(Self { schema: schema.clone(), held })
    }

    /// The schema of the rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether rows have an order.
    pub fn is_ordered(&self) -> bool {
        matches!(self.held, Held::Encoded(_))
    }

    /// The rows of a batch in their ordered form, in which [`RowStore::store_encoded`] takes them.
    /// `None` for a store of columns.
    pub fn encode(&self, batch: &RecordBatch) -> Result<Option<Rows>> {
        match &self.held {
            Held::Columns(_) => Ok(None),
            Held::Encoded(encoded) => encoded.encode(batch.columns()).map(Some),
        }
    }

    /// The bytes that order the row of a slot; empty for a store of columns.
    pub fn encoded(&self, slot: u32) -> &[u8] {
        match &self.held {
            Held::Columns(_) => &[],
            Held::Encoded(encoded) => encoded.rows.value(slot as usize),
        }
    }

    /// Stores row `rows[i]` of a batch at `slots[i]`. Only for a store of columns.
    pub fn store(&mut self, batch: &RecordBatch, rows: &[u32], slots: &[u32]) -> Result<()> {
        debug_assert_eq!(rows.len(), slots.len());
        let Some(end) = slots.iter().max().map(|slot| *slot as usize + 1) else { return Ok(()) };
        let Held::Columns(columns) = &mut self.held else {
            return Err(Error::internal("rows with an order are stored encoded"));
        };
        // Slots that are given out again may be below the end.
        columns.resize(end);
        let view = columns.view(batch.columns())?;
        for (row, slot) in rows.iter().zip(slots) {
            columns.write(*slot, &view, *row as usize);
        }
        Ok(())
    }

    /// Stores an encoded row. Only for a store of rows that have an order.
    pub fn store_encoded(&mut self, slot: u32, row: &[u8]) {
        if let Held::Encoded(encoded) = &mut self.held {
            encoded.rows.resize(slot as usize + 1);
            encoded.rows.set(slot as usize, row);
        }
    }

    /// Gives back the memory of a slot, whose row is not asked for again.
    pub fn forget(&mut self, slot: u32) {
        match &mut self.held {
            Held::Columns(columns) => columns.forget(slot),
            Held::Encoded(encoded) => encoded.rows.set(slot as usize, &[]),
        }
    }

    /// The rows of these slots as columns; [`NO_SLOT`] gives a row of NULLs.
    pub fn gather(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        if !slots.contains(&NO_SLOT) {
            return self.gather_known(slots);
        }
        let known: Vec<u32> = slots.iter().filter(|slot| **slot != NO_SLOT).copied().collect();
        let mut next = 0;
        let places: UInt32Array = slots
            .iter()
            .map(|slot| {
                (*slot != NO_SLOT).then(|| {
                    next += 1;
                    next - 1
                })
            })
            .collect();
        let columns = self.gather_known(&known)?;
        let padded = columns.iter().map(|column| take(column, &places, None).map_err(arrow_error));
        padded.collect()
    }

    fn gather_known(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        match &self.held {
            Held::Columns(columns) => (0..columns.types().count())
                .zip(self.schema.fields())
                .map(|(column, field)| of_type(columns.gather(column, slots)?, field.data_type()))
                .collect(),
            Held::Encoded(encoded) => encoded
                .gather(slots)?
                .into_iter()
                .zip(self.schema.fields())
                .map(|(column, field)| of_type(column, field.data_type()))
                .collect(),
        }
    }

    /// The same, as a batch. No slot may be [`NO_SLOT`] where the schema has no NULLs.
    pub fn batch(&self, slots: &[u32]) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(slots.len()));
        RecordBatch::try_new_with_options(self.schema.clone(), self.gather(slots)?, &options)
            .map_err(arrow_error)
    }
}

impl Container for RowStore {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        match &mut self.held {
            Held::Columns(columns) => columns.parts(parts),
            Held::Encoded(encoded) => encoded.rows.parts(parts),
        }
    }

    fn state_bytes(&self) -> usize {
        match &self.held {
            Held::Columns(columns) => columns.state_bytes(),
            Held::Encoded(encoded) => encoded.rows.state_bytes(),
        }
    }
}

fn types_of(schema: &SchemaRef) -> Vec<DataType> {
    schema.fields().iter().map(|field| field.data_type().clone()).collect()
}

/// The column in its own type: dictionaries come out of the row format as their values.
fn of_type(column: ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    match column.data_type() == data_type {
        true => Ok(column),
        false => cast(&column, data_type).map_err(arrow_error),
    }
}

/// Rows in Arrow's row format.
struct EncodedRows {
    converter: RowConverter,
    rows: ByteColumn,
}

impl EncodedRows {
    fn new(types: &[DataType]) -> Result<Self> {
        let fields = types.iter().cloned().map(SortField::new).collect();
        let converter = RowConverter::new(fields).map_err(|error| {
            Error::unsupported(format!("rows with these types cannot be kept: {error}"))
        })?;
        Ok(Self { converter, rows: ByteColumn::default() })
    }

    fn encode(&self, columns: &[ArrayRef]) -> Result<Rows> {
        self.converter.convert_columns(columns).map_err(arrow_error)
    }

    fn gather(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        let rows = slots.iter().map(|slot| parser.parse(self.rows.value(*slot as usize)));
        self.converter.convert_rows(rows).map_err(arrow_error)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Decimal128Array, DictionaryArray, Int64Array, ListArray, StringArray,
        TimestampMillisecondArray,
    };
    use arrow::datatypes::{Field, Int32Type, Schema};

    use super::*;
    use crate::state::Snapshot;

    fn sample() -> RecordBatch {
        let texts = [Some("short"), None, Some("longer than a cell holds inline"), Some("")];
        let lists = [Some(vec![Some(1), None]), None, Some(vec![]), Some(vec![Some(4)])];
        let decimals = Decimal128Array::from(vec![Some(1), Some(-2), None, Some(4)]);
        let zones = TimestampMillisecondArray::from(vec![Some(1), None, Some(3), Some(4)]);
        let dictionary: DictionaryArray<Int32Type> = texts.into_iter().collect();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("a", Arc::new(Int64Array::from(vec![Some(1), None, Some(3), Some(4)]))),
            ("b", Arc::new(StringArray::from_iter(texts))),
            ("c", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]))),
            ("d", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists))),
            ("e", Arc::new(decimals.with_precision_and_scale(10, 2).unwrap())),
            ("f", Arc::new(zones.with_timezone("UTC"))),
            ("g", Arc::new(dictionary)),
        ];
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
            .collect();
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    fn stored(batch: &RecordBatch, ordered: bool, slots: &[u32]) -> RowStore {
        let rows: Vec<u32> = (0..batch.num_rows() as u32).collect();
        if !ordered {
            let mut store = RowStore::of_columns(batch.schema_ref()).unwrap();
            store.store(batch, &rows, slots).unwrap();
            return store;
        }
        let mut store = RowStore::of_ordered_rows(batch.schema_ref()).unwrap();
        let encoded = store.encode(batch).unwrap().unwrap();
        for (row, slot) in slots.iter().enumerate() {
            store.store_encoded(*slot, encoded.row(row).data());
        }
        store
    }

    #[test]
    fn rows_of_every_type_come_back_from_any_slots() {
        let batch = sample();
        for ordered in [false, true] {
            let mut store = stored(&batch, ordered, &[7, 0, 5, 2]);
            assert_eq!(store.batch(&[7, 0, 5, 2]).unwrap(), batch, "ordered: {ordered}");
            let picked = [2, NO_SLOT, 7, 7].map(|slot| slot);
            let expected = UInt32Array::from(vec![Some(3), None, Some(0), Some(0)]);
            let expected = arrow::compute::take_record_batch(&batch, &expected).unwrap();
            assert_eq!(store.batch(&picked).unwrap(), expected, "ordered: {ordered}");

            let snapshot = Snapshot::take(&mut store).unwrap();
            store.forget(5);
            if ordered {
                let encoded = store.encode(&batch).unwrap().unwrap();
                store.store_encoded(5, encoded.row(0).data());
            } else {
                store.store(&batch, &[0], &[5]).unwrap();
            }
            assert_eq!(store.batch(&[5]).unwrap(), batch.slice(0, 1));
            snapshot.restore(&mut store).unwrap();
            assert_eq!(store.batch(&[7, 0, 5, 2]).unwrap(), batch);
        }
    }

    #[test]
    fn encoded_rows_stand_in_the_order_of_their_columns() {
        let batch = sample();
        let store = stored(&batch, true, &[0, 1, 2, 3]);
        let mut slots = [3, 2, 1, 0];
        slots.sort_by_key(|slot| store.encoded(*slot));
        assert_eq!(slots, [1, 0, 2, 3], "by the first column, NULL first");
    }
}
