//! [`RowCodec`]: rows as byte strings whose order is the order of the rows.
//!
//! The layout is: the columns of the order, the number of the row's arrival where ties break by
//! arrival, the other columns, and in four bytes how long the first part is. Arrow's row format
//! makes each part compare as its columns do, and no part is the beginning of another. So the
//! bytes are the row itself, its sort key and its identity, and *peers* are rows with the same
//! first part.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{SortOptions, cast};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::row::{RowConverter, Rows, SortField};
use laminar_types::{Error, Result, mutant};

use crate::state::arrow_error;

/// A column of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderColumn {
    /// Its index.
    pub column: usize,
    /// Whether it descends, and where its nulls are.
    pub options: SortOptions,
}

/// Bytes of the number of a row's arrival.
const ARRIVAL_BYTES: usize = size_of::<u64>();
/// Bytes of the length at the end.
const LENGTH_BYTES: usize = size_of::<u32>();

/// Encodes and decodes rows of one schema in one order.
pub(super) struct RowCodec {
    schema: SchemaRef,
    order: Part,
    rest: Part,
    by_arrival: bool,
}

/// Some columns of the schema.
struct Part {
    columns: Vec<usize>,
    converter: RowConverter,
}

/// Rows as bytes, one after the other.
#[derive(Default)]
pub(super) struct Encoded {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Encoded {
    pub(super) fn row(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }
}

impl RowCodec {
    /// Rows of `schema`, ordered by `order`, then by arrival or else by all columns.
    ///
    /// # Errors
    /// `UNSUPPORTED` when a column's type has no order.
    pub(super) fn new(schema: SchemaRef, order: &[OrderColumn], by_arrival: bool) -> Result<Self> {
        let data_type = |column: usize| schema.field(column).data_type().clone();
        let ordered = order.iter().map(|order| {
            let field = SortField::new_with_options(data_type(order.column), order.options);
            (order.column, field)
        });
        let order_part = Part::new(ordered)?;
        let others = (0..schema.fields().len())
            .filter(|column| !order_part.columns.contains(column))
            .map(|column| (column, SortField::new(data_type(column))));
        let rest = Part::new(others)?;
        Ok(Self { schema: schema.clone(), order: order_part, rest, by_arrival })
    }

    /// The rows of a batch; `arrival` numbers them where that matters.
    pub(super) fn encode(
        &self,
        batch: &RecordBatch,
        mut arrival: impl FnMut() -> u64,
    ) -> Result<Encoded> {
        let order = self.order.encode(batch)?;
        let rest = self.rest.encode(batch)?;
        let rows = batch.num_rows();
        let mut encoded = Encoded { bytes: Vec::new(), ends: Vec::with_capacity(rows) };
        let sizes = [&order, &rest].into_iter().flatten().map(Rows::size).sum::<usize>();
        encoded.bytes.reserve(sizes + rows * (ARRIVAL_BYTES + LENGTH_BYTES));
        for row in 0..rows {
            let start = encoded.bytes.len();
            if let Some(order) = &order {
                encoded.bytes.extend_from_slice(order.row(row).data());
            }
            let length = (encoded.bytes.len() - start) as u32;
            if self.by_arrival {
                let arrival = if mutant!(TiesByLastArrival) { !arrival() } else { arrival() };
                encoded.bytes.extend_from_slice(&arrival.to_be_bytes());
            }
            if let Some(rest) = &rest {
                encoded.bytes.extend_from_slice(rest.row(row).data());
            }
            encoded.bytes.extend_from_slice(&length.to_le_bytes());
            encoded.ends.push(encoded.bytes.len());
        }
        Ok(encoded)
    }

    /// The part of a row that its peers have too.
    pub(super) fn order_key(bytes: &[u8]) -> &[u8] {
        let (rest, length) = bytes.split_at(bytes.len() - LENGTH_BYTES);
        let length = length.try_into().map_or(0, u32::from_le_bytes);
        &rest[..length as usize]
    }

    /// The columns of some rows, as a batch of the schema.
    pub(super) fn decode<'a>(&self, rows: &[&'a [u8]]) -> Result<RecordBatch> {
        let mut columns: Vec<Option<ArrayRef>> = vec![None; self.schema.fields().len()];
        let keys: Vec<&'a [u8]> = rows.iter().map(|bytes| Self::order_key(bytes)).collect();
        self.order.decode(&keys, &mut columns)?;
        let arrival = if self.by_arrival { ARRIVAL_BYTES } else { 0 };
        let rests: Vec<&'a [u8]> = rows
            .iter()
            .zip(&keys)
            .map(|(bytes, key)| &bytes[key.len() + arrival..bytes.len() - LENGTH_BYTES])
            .collect();
        self.rest.decode(&rests, &mut columns)?;
        let fields = self.schema.fields().iter();
        let columns = columns
            .into_iter()
            .zip(fields)
            .map(|(column, field)| {
                let column =
                    column.ok_or_else(|| Error::internal("a row was decoded without a column"))?;
                restored(column, field.data_type())
            })
            .collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(arrow_error)
    }

    /// The first column of the order, of one row.
    pub(super) fn first_order_column(&self, bytes: &[u8]) -> Result<ArrayRef> {
        let mut columns = vec![None; self.schema.fields().len()];
        self.order.decode(&[Self::order_key(bytes)], &mut columns)?;
        self.order
            .columns
            .first()
            .and_then(|column| columns.swap_remove(*column))
            .ok_or_else(|| Error::internal("a frame by values needs an order"))
    }

    /// The first part of a row whose columns of the order are these.
    pub(super) fn encode_order(&self, columns: &[ArrayRef]) -> Result<Vec<u8>> {
        let rows = self.order.converter.convert_columns(columns).map_err(arrow_error)?;
        Ok(rows.row(0).data().to_vec())
    }
}

impl Part {
    fn new(columns: impl Iterator<Item = (usize, SortField)>) -> Result<Self> {
        let (columns, fields): (Vec<usize>, Vec<SortField>) = columns.unzip();
        if !RowConverter::supports_fields(&fields) {
            return Err(Error::unsupported(
                "a row with a column of this type cannot be kept in an order",
            ));
        }
        let converter = RowConverter::new(fields).map_err(arrow_error)?;
        Ok(Self { columns, converter })
    }

    fn encode(&self, batch: &RecordBatch) -> Result<Option<Rows>> {
        if self.columns.is_empty() {
            return Ok(None);
        }
        let columns: Vec<ArrayRef> =
            self.columns.iter().map(|column| batch.column(*column).clone()).collect();
        self.converter.convert_columns(&columns).map(Some).map_err(arrow_error)
    }

    fn decode(&self, rows: &[&[u8]], columns: &mut [Option<ArrayRef>]) -> Result<()> {
        if self.columns.is_empty() {
            return Ok(());
        }
        let parser = self.converter.parser();
        let rows = rows.iter().map(|bytes| parser.parse(bytes));
        let decoded = self.converter.convert_rows(rows).map_err(arrow_error)?;
        for (column, array) in self.columns.iter().zip(decoded) {
            columns[*column] = Some(array);
        }
        Ok(())
    }
}

/// A column in its own type: the row format forgets dictionaries.
pub(super) fn restored(column: ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    match column.data_type() == data_type {
        true => Ok(column),
        false => cast(&column, data_type).map_err(arrow_error),
    }
}
