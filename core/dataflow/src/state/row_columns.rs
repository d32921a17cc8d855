//! [`RowColumns`]: the columns of rows by slot, with the values exactly as they came.
//!
//! Unlike keys, values are not normalised: a row that goes out has the bits of the row that came
//! in, and two rows are the same when all their bits are. Values of fixed width stand in pages of
//! that width, strings in a [`ByteColumn`], values of any other type in Arrow's row format.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, BooleanArray, downcast_primitive, make_array,
};
use arrow::buffer::{BooleanBuffer, MutableBuffer, NullBuffer};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, Rows, SortField};
use laminar_types::{Error, Result};

use super::byte_keys::ByteRows;
use super::hash::KeyHasher;
use super::{Bits, ByteColumn, Container, Paged, Parts, arrow_error, byte_array, each_byte_array};

/// Columns of rows, by slot.
pub(crate) struct RowColumns {
    columns: Vec<Column>,
}

struct Column {
    data_type: DataType,
    values: Values,
    /// The slots that hold NULL. Rows in the row format say so themselves.
    nulls: Bits,
    /// Whether any slot ever held NULL.
    has_nulls: bool,
}

enum Values {
    Width1(Paged<[u8; 1]>),
    Width2(Paged<[u8; 2]>),
    Width4(Paged<[u8; 4]>),
    Width8(Paged<[u8; 8]>),
    Width16(Paged<[u8; 16]>),
    Width32(Paged<[u8; 32]>),
    Bytes(ByteColumn),
    Encoded(Arc<RowConverter>, ByteColumn),
}

/// Evaluates an expression for the pages of the width in use.
macro_rules! each_values {
    ($values:expr, $pages:ident => $fixed:expr, $bytes:ident => $other:expr) => {
        match $values {
            Values::Width1($pages) => $fixed,
            Values::Width2($pages) => $fixed,
            Values::Width4($pages) => $fixed,
            Values::Width8($pages) => $fixed,
            Values::Width16($pages) => $fixed,
            Values::Width32($pages) => $fixed,
            Values::Bytes($bytes) | Values::Encoded(_, $bytes) => $other,
        }
    };
}

impl RowColumns {
    /// Columns of these types, without slots.
    ///
    /// # Errors
    /// `UNSUPPORTED` when Arrow's row format has no encoding of a type that needs it.
    pub(crate) fn new(types: &[DataType]) -> Result<Self> {
        Ok(Self { columns: types.iter().map(Column::new).collect::<Result<_>>()? })
    }

    /// The types of the columns.
    pub(super) fn types(&self) -> impl Iterator<Item = &DataType> {
        self.columns.iter().map(|column| &column.data_type)
    }

    /// Grows to `len` slots.
    pub(super) fn resize(&mut self, len: usize) {
        for column in &mut self.columns {
            each_values!(&mut column.values, pages => pages.resize(len), bytes => bytes.resize(len));
        }
    }

    /// The rows of a batch, ready to be compared with and written to slots.
    pub(crate) fn view<'a>(&self, arrays: &'a [ArrayRef]) -> Result<View<'a>> {
        debug_assert_eq!(arrays.len(), self.columns.len());
        let columns = self.columns.iter().zip(arrays);
        Ok(View { columns: columns.map(|(c, array)| c.view(array)).collect::<Result<_>>()? })
    }

    /// Writes a row of a view to a slot.
    pub(super) fn write(&mut self, slot: u32, view: &View<'_>, row: usize) {
        for (column, cells) in self.columns.iter_mut().zip(&view.columns) {
            column.write(slot, cells, row);
        }
    }

    /// Whether a slot holds a row of a view.
    pub(super) fn holds(&self, slot: u32, view: &View<'_>, row: usize) -> bool {
        let mut columns = self.columns.iter().zip(&view.columns);
        columns.all(|(column, cells)| column.holds(slot, cells, row))
    }

    /// Frees what a slot holds beyond its place.
    pub(super) fn forget(&mut self, slot: u32) {
        for column in &mut self.columns {
            if let Values::Bytes(bytes) | Values::Encoded(_, bytes) = &mut column.values {
                bytes.set(slot as usize, &[]);
            }
        }
    }

    /// One column of these slots, as an array.
    pub(super) fn gather(&self, column: usize, slots: &[u32]) -> Result<ArrayRef> {
        self.columns[column].gather(slots)
    }

    /// The same content, sharing memory; neither sees later changes of the other.
    pub(super) fn snapshot(&mut self) -> Self {
        Self { columns: self.columns.iter_mut().map(Column::snapshot).collect() }
    }
}

impl Container for RowColumns {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        for column in &mut self.columns {
            each_values!(
                &mut column.values, pages => pages.parts(parts)?, bytes => bytes.parts(parts)?
            );
            column.nulls.parts(parts)?;
            parts.number(&mut column.has_nulls)?;
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let of = |column: &Column| {
            let values = each_values!(
                &column.values, pages => pages.state_bytes(), bytes => bytes.state_bytes()
            );
            values + column.nulls.state_bytes()
        };
        self.columns.iter().map(of).sum()
    }
}

/// A batch of rows as the columns hold them.
pub(crate) struct View<'a> {
    columns: Vec<Cells<'a>>,
}

/// One column of a batch.
struct Cells<'a> {
    values: CellValues<'a>,
    nulls: Option<&'a NullBuffer>,
}

enum CellValues<'a> {
    /// The values' memory, all of this width.
    Fixed(&'a [u8], usize),
    Bits(&'a BooleanBuffer),
    Bytes(Box<dyn ByteRows + 'a>),
    Encoded(Rows),
}

impl View<'_> {
    /// Adds the rows' values to hashes, one for each row.
    pub(crate) fn hash(&self, hasher: &KeyHasher, hashes: &mut [u64]) {
        for column in &self.columns {
            column.hash(hasher, hashes);
        }
    }

    /// Whether a row equals one of another view of the same columns, bit by bit.
    pub(crate) fn equals(&self, row: usize, other: &View<'_>, other_row: usize) -> bool {
        let mut columns = self.columns.iter().zip(&other.columns);
        columns.all(|(cells, others)| cells.equals(row, others, other_row))
    }
}

impl<'a> Cells<'a> {
    fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    /// The memory of a value of a width.
    #[inline(always)]
    fn fixed<const W: usize>(&self, row: usize) -> [u8; W] {
        match &self.values {
            CellValues::Fixed(bytes, _) => bytes.as_chunks::<W>().0[row],
            CellValues::Bits(bits) => [u8::from(bits.value(row)); W],
            _ => unreachable!("a view is made for the column that it is compared with"),
        }
    }

    #[inline(always)]
    fn bytes(&self, row: usize) -> &[u8] {
        match &self.values {
            CellValues::Bytes(bytes) => bytes.bytes(row),
            CellValues::Encoded(rows) => rows.bytes(row),
            _ => unreachable!("a view is made for the column that it is compared with"),
        }
    }

    fn equals(&self, row: usize, other: &Cells<'_>, other_row: usize) -> bool {
        let is_null = self.is_null(row);
        if is_null || other.is_null(other_row) {
            return is_null && other.is_null(other_row);
        }
        match (&self.values, &other.values) {
            (CellValues::Fixed(ours, 8), CellValues::Fixed(theirs, 8)) => {
                ours.as_chunks::<8>().0[row] == theirs.as_chunks::<8>().0[other_row]
            }
            (CellValues::Fixed(ours, width), CellValues::Fixed(theirs, _)) => {
                ours[row * width..][..*width] == theirs[other_row * width..][..*width]
            }
            (CellValues::Bits(ours), CellValues::Bits(theirs)) => {
                ours.value(row) == theirs.value(other_row)
            }
            _ => self.bytes(row) == other.bytes(other_row),
        }
    }

    fn hash(&self, hasher: &KeyHasher, hashes: &mut [u64]) {
        /// Stands for NULL.
        const NULL: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut add = |word: &dyn Fn(usize) -> u64| {
            for (row, hash) in hashes.iter_mut().enumerate() {
                let word = if self.is_null(row) { NULL } else { word(row) };
                *hash = hasher.chained(*hash, word);
            }
        };
        match &self.values {
            CellValues::Fixed(bytes, 8) => {
                let words = bytes.as_chunks::<8>().0;
                add(&|row| u64::from_ne_bytes(words[row]));
            }
            CellValues::Fixed(bytes, width) => {
                add(&|row| u64::from(hasher.bytes(&bytes[row * width..(row + 1) * width])));
            }
            CellValues::Bits(bits) => add(&|row| u64::from(bits.value(row))),
            CellValues::Bytes(_) | CellValues::Encoded(_) => {
                add(&|row| u64::from(hasher.bytes(self.bytes(row))));
            }
        }
    }
}

impl Column {
    fn new(data_type: &DataType) -> Result<Self> {
        let values = match width(data_type) {
            Some(1) => Values::Width1(Paged::new([0; 1])),
            Some(2) => Values::Width2(Paged::new([0; 2])),
            Some(4) => Values::Width4(Paged::new([0; 4])),
            Some(8) => Values::Width8(Paged::new([0; 8])),
            Some(16) => Values::Width16(Paged::new([0; 16])),
            Some(32) => Values::Width32(Paged::new([0; 32])),
            _ if ByteColumn::supports(data_type) => Values::Bytes(ByteColumn::default()),
            _ => {
                let field = SortField::new(data_type.clone());
                let converter = RowConverter::new(vec![field]).map_err(|error| {
                    let message = format!("rows with a {data_type} cannot be kept: {error}");
                    Error::unsupported(message)
                })?;
                Values::Encoded(Arc::new(converter), ByteColumn::default())
            }
        };
        let data_type = data_type.clone();
        Ok(Self { data_type, values, nulls: Bits::default(), has_nulls: false })
    }

    fn view<'a>(&self, array: &'a ArrayRef) -> Result<Cells<'a>> {
        if !array.data_type().equals_datatype(&self.data_type) {
            let (got, want) = (array.data_type(), &self.data_type);
            let message = format!("a column of type {got} where {want} was planned");
            return Err(Error::internal(message));
        }
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        let values = match &self.values {
            Values::Encoded(converter, _) => {
                let rows = converter.convert_columns(std::slice::from_ref(array));
                let values = CellValues::Encoded(rows.map_err(arrow_error)?);
                return Ok(Cells { values, nulls: None });
            }
            Values::Bytes(_) => {
                each_byte_array!(array, array => CellValues::Bytes(Box::new(array)))
            }
            _ if array.data_type() == &DataType::Boolean => {
                CellValues::Bits(array.as_boolean().values())
            }
            _ => {
                let width = width(&self.data_type).unwrap_or_default();
                CellValues::Fixed(memory(array)?, width)
            }
        };
        Ok(Cells { values, nulls })
    }

    fn write(&mut self, slot: u32, cells: &Cells<'_>, row: usize) {
        let is_null = cells.is_null(row);
        if is_null {
            self.nulls.insert(slot);
            self.has_nulls = true;
        } else if self.has_nulls {
            self.nulls.remove(slot);
        }
        each_values!(
            &mut self.values,
            pages => *pages.at_mut(slot as usize) = cells.fixed(row),
            bytes => bytes.set(slot as usize, if is_null { &[] } else { cells.bytes(row) })
        );
    }

    fn holds(&self, slot: u32, cells: &Cells<'_>, row: usize) -> bool {
        let is_null = cells.is_null(row);
        if is_null != (self.has_nulls && self.nulls.contains(slot)) {
            return false;
        }
        is_null
            || each_values!(
                &self.values,
                pages => *pages.at(slot as usize) == cells.fixed(row),
                bytes => bytes.value(slot as usize) == cells.bytes(row)
            )
    }

    fn gather(&self, slots: &[u32]) -> Result<ArrayRef> {
        let nulls = self.nulls_of(slots);
        match &self.values {
            Values::Encoded(converter, bytes) => {
                let parser = converter.parser();
                let rows = slots.iter().map(|&slot| parser.parse(bytes.value(slot as usize)));
                let mut columns = converter.convert_rows(rows).map_err(arrow_error)?;
                let column = columns.pop();
                column.ok_or_else(|| Error::internal("a row format of no column"))
            }
            Values::Bytes(bytes) => {
                let values = slots.iter().map(|&slot| bytes.value(slot as usize));
                byte_array(&self.data_type, values, nulls)
            }
            Values::Width1(pages) if self.data_type == DataType::Boolean => {
                let value = |row: usize| pages.at(slots[row] as usize)[0] == 1;
                let values = BooleanBuffer::collect_bool(slots.len(), value);
                Ok(Arc::new(BooleanArray::new(values, nulls)))
            }
            Values::Width1(pages) => fixed_array(&self.data_type, pages, slots, nulls),
            Values::Width2(pages) => fixed_array(&self.data_type, pages, slots, nulls),
            Values::Width4(pages) => fixed_array(&self.data_type, pages, slots, nulls),
            Values::Width8(pages) => fixed_array(&self.data_type, pages, slots, nulls),
            Values::Width16(pages) => fixed_array(&self.data_type, pages, slots, nulls),
            Values::Width32(pages) => fixed_array(&self.data_type, pages, slots, nulls),
        }
    }

    fn nulls_of(&self, slots: &[u32]) -> Option<NullBuffer> {
        if !self.has_nulls {
            return None;
        }
        let is_valid = |row: usize| !self.nulls.contains(slots[row]);
        let nulls = NullBuffer::new(BooleanBuffer::collect_bool(slots.len(), is_valid));
        Some(nulls).filter(|nulls| nulls.null_count() > 0)
    }

    fn snapshot(&mut self) -> Self {
        let values = match &mut self.values {
            Values::Width1(pages) => Values::Width1(pages.snapshot()),
            Values::Width2(pages) => Values::Width2(pages.snapshot()),
            Values::Width4(pages) => Values::Width4(pages.snapshot()),
            Values::Width8(pages) => Values::Width8(pages.snapshot()),
            Values::Width16(pages) => Values::Width16(pages.snapshot()),
            Values::Width32(pages) => Values::Width32(pages.snapshot()),
            Values::Bytes(bytes) => Values::Bytes(bytes.snapshot()),
            Values::Encoded(converter, bytes) => {
                Values::Encoded(Arc::clone(converter), bytes.snapshot())
            }
        };
        Self {
            data_type: self.data_type.clone(),
            values,
            nulls: self.nulls.snapshot(),
            has_nulls: self.has_nulls,
        }
    }
}

/// Bytes of a value in its place, or `None` if values are not of fixed width.
fn width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Boolean => Some(1),
        other => other.primitive_width(),
    }
}

/// The memory of the values of a primitive array.
fn memory(array: &ArrayRef) -> Result<&[u8]> {
    macro_rules! memory {
        ($t:ty) => {
            Ok(array.as_primitive::<$t>().values().inner().as_slice())
        };
    }
    downcast_primitive! {
        array.data_type() => (memory),
        other => Err(Error::internal(format!("{other} is not of fixed width"))),
    }
}

fn fixed_array<const W: usize>(
    data_type: &DataType,
    pages: &Paged<[u8; W]>,
    slots: &[u32],
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let mut buffer = MutableBuffer::from_len_zeroed(slots.len() * W);
    let values = buffer.as_slice_mut().as_chunks_mut::<W>().0;
    for (value, &slot) in values.iter_mut().zip(slots) {
        *value = *pages.at(slot as usize);
    }
    let data = ArrayData::builder(data_type.clone())
        .len(slots.len())
        .nulls(nulls)
        .add_buffer(buffer.into())
        .build()
        .map_err(arrow_error)?;
    Ok(make_array(data))
}
