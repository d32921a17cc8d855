//! [`RowKeys`]: keys of several columns, or of nested types, as bytes in Arrow's row format.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use arrow::row::{RowConverter, Rows, SortField};
use laminar_types::{Error, Result};

use super::byte_keys::{Stored, hash_all_bytes, hash_bytes, intern_bytes, lookup_bytes};
use super::bytes::Cell;
use super::group_index::Search;
use super::hash::KeyHasher;
use super::{ByteColumn, Container, Parts, arrow_error};

/// Row-encoded keys by slot.
pub(super) struct RowKeys {
    converter: Arc<RowConverter>,
    keys: ByteColumn,
    rows: Rows,
    cells: Vec<Cell>,
}

impl RowKeys {
    /// No keys, of columns of these types.
    pub(super) fn new(types: &[DataType]) -> Result<Self> {
        let fields = types.iter().cloned().map(SortField::new).collect();
        let converter = RowConverter::new(fields).map_err(|error| {
            Error::unsupported(format!("grouping by these types is not supported: {error}"))
        })?;
        let rows = converter.empty_rows(0, 0);
        let keys = ByteColumn::default();
        Ok(Self { converter: Arc::new(converter), keys, rows, cells: Vec::new() })
    }

    pub(super) fn intern(
        &mut self,
        search: &mut Search,
        columns: &[ArrayRef],
        rows: usize,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        self.encode(columns)?;
        let Self { keys, cells, rows: encoded, .. } = self;
        intern_bytes(search, keys, cells, rows, None, encoded, out)
    }

    pub(super) fn lookup(
        &mut self,
        search: &mut Search,
        columns: &[ArrayRef],
        rows: usize,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        self.encode(columns)?;
        let Self { keys, cells, rows: encoded, .. } = self;
        lookup_bytes(search, keys, cells, rows, None, encoded, out);
        Ok(())
    }

    pub(super) fn hash_all(
        &mut self,
        search: &mut Search,
        columns: &[ArrayRef],
        rows: usize,
    ) -> Result<()> {
        self.encode(columns)?;
        let Self { keys, cells, rows: encoded, .. } = self;
        hash_all_bytes(search, keys, cells, rows, None, encoded);
        Ok(())
    }

    pub(super) fn intern_all(
        &mut self,
        search: &mut Search,
        other: &Self,
        theirs: &[u32],
        _null_slot: Option<u32>,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        let values = Stored { column: &other.keys, slots: theirs };
        let Self { keys, cells, .. } = self;
        intern_bytes(search, keys, cells, theirs.len(), None, &values, out)
    }

    pub(super) fn hash(&self, hasher: &KeyHasher, slot: u32) -> u32 {
        hash_bytes(&self.keys, hasher, slot)
    }

    pub(super) fn forget(&mut self, slot: u32) {
        self.keys.set(slot as usize, &[]);
    }

    pub(super) fn decode(&self, slots: &[u32], _null_slot: Option<u32>) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        let rows = slots.iter().map(|&slot| parser.parse(self.keys.value(slot as usize)));
        self.converter.convert_rows(rows).map_err(arrow_error)
    }

    pub(super) fn snapshot(&mut self) -> Self {
        Self {
            converter: self.converter.clone(),
            keys: self.keys.snapshot(),
            rows: self.converter.empty_rows(0, 0),
            cells: Vec::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.keys.clear();
    }

    pub(super) fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.keys.parts(parts)
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.keys.state_bytes() + self.rows.size() + self.cells.capacity() * size_of::<Cell>()
    }

    fn encode(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.rows.clear();
        let floats = columns.iter().any(|column| column.data_type().is_floating());
        if !floats {
            return self.converter.append(&mut self.rows, columns).map_err(arrow_error);
        }
        let columns: Vec<ArrayRef> = columns.iter().map(one_zero).collect();
        self.converter.append(&mut self.rows, &columns).map_err(arrow_error)
    }
}

/// The column with one zero and one NaN, if it is of floats: the row format tells the signs of
/// zeros and the bits of NaNs apart.
fn one_zero(column: &ArrayRef) -> ArrayRef {
    fn canonical<T: ArrowPrimitiveType>(
        column: &ArrayRef,
        of: impl Fn(T::Native) -> T::Native,
    ) -> ArrayRef {
        let array: PrimitiveArray<T> = column.as_primitive::<T>().unary(of);
        Arc::new(array)
    }
    type Half = <Float16Type as ArrowPrimitiveType>::Native;
    match column.data_type() {
        DataType::Float16 => canonical::<Float16Type>(column, |value| match value {
            nan if nan.is_nan() => Half::NAN,
            zero if zero.to_bits() << 1 == 0 => Half::ZERO,
            other => other,
        }),
        // Adding zero turns -0.0 into 0.0 and changes nothing else.
        DataType::Float32 => canonical::<Float32Type>(column, |value| match value.is_nan() {
            true => f32::NAN,
            false => value + 0.0,
        }),
        DataType::Float64 => canonical::<Float64Type>(column, |value| match value.is_nan() {
            true => f64::NAN,
            false => value + 0.0,
        }),
        _ => column.clone(),
    }
}
